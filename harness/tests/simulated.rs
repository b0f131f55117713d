//! Runs in virtual time: real peer connections over a simulated network, repeatable from a seed.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

use std::path::Path;
use std::time::Duration;

use greenroom::net::model::{Direction, LinkSpec, Loss, NetworkFile};
use greenroom::{Action, Report, Run};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A network in which everybody's downlink is like this.
fn down(spec: LinkSpec) -> NetworkFile {
    let mut file = NetworkFile::default();
    file.default.down = Some(spec);
    file
}

async fn run(run: Run) -> Report {
    run.run().await.unwrap()
}

#[tokio::test]
async fn a_call_on_a_perfect_network_passes_in_virtual_time() {
    let report = run(Run::simulated(1).viewers(3).duration(secs(10))).await;
    report.assert_passed();
    assert!(report.measured.totals.verified >= 3 * 300);
    assert!(report.measured.sound_totals.unwrap().verified >= 3 * 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_latency_is_the_added_delay() {
    for delay in [0, 20, 80, 300] {
        let spec = LinkSpec {
            delay: Duration::from_millis(delay),
            ..LinkSpec::default()
        };
        let report = run(Run::simulated(7).viewers(2).duration(secs(5)).network(down(spec))).await;
        report.assert_passed();
        let latency = report.measured.delays.frame_latency.unwrap();
        let off = |ms: f64| (ms - delay as f64).abs();
        assert!(
            off(latency.min_ms) < 1.0 && off(latency.max_ms) < 1.0,
            "{delay} ms: {latency:?}"
        );
    }
}

/// Sound is not repaired, so what the network did to it is what its receiver must have seen.
#[tokio::test]
async fn loss_repeats_and_reordering_are_reported_as_they_were_injected() {
    const OPUS: u8 = 111;
    for seed in greenroom::seeds(1..=5) {
        let spec = LinkSpec {
            loss: Loss::Independent { share: 0.03 },
            duplicate: 0.02,
            jitter: Duration::from_millis(60),
            reorder: true,
            ..LinkSpec::default()
        };
        let report = run(Run::simulated(seed)
            .viewers(3)
            .duration(secs(20))
            .network(down(spec)))
        .await;
        let links = report.measured.network.as_ref().unwrap();
        for viewer in &report.measured.viewers {
            let did_to = |payload_type| {
                let of = (viewer.label.as_str(), Direction::Down, Some(payload_type));
                links
                    .iter()
                    .find(|link| (link.peer.as_str(), link.direction, link.payload_type) == of)
                    .map(|link| link.counts)
                    .unwrap()
            };
            assert_eq!(viewer.arrivals.len(), 2, "video and sound: {:?}", viewer.arrivals);
            for stream in &viewer.arrivals {
                let did = did_to(stream.payload_type);
                let of = (&viewer.label, stream.payload_type);
                assert_eq!(stream.arrived, did.delivered + did.duplicated, "{of:?}");
            }
            let did = did_to(OPUS);
            let saw = viewer
                .arrivals
                .iter()
                .find(|stream| stream.payload_type == OPUS)
                .unwrap();
            assert!(
                did.lost > 10 && did.duplicated > 10 && did.reordered > 10,
                "{did:?}"
            );
            assert_eq!(saw.again, did.duplicated, "{}", viewer.label);
            assert_eq!(saw.out_of_order, did.reordered, "{}", viewer.label);
            assert_eq!(viewer.sound_tally.expected, did.sent, "{}", viewer.label);
            assert_eq!(viewer.sound_tally.lost, did.lost, "{}", viewer.label);
        }
    }
}

/// The trace of a run with loss, jitter, a late joiner and a leaver, and its report.
async fn traced(seed: u64, dir: &Path) -> (Vec<u8>, String) {
    let spec = LinkSpec {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(5),
        loss: Loss::Independent { share: 0.02 },
        ..LinkSpec::default()
    };
    let run = Run::simulated(seed)
        .viewers(5)
        .duration(secs(6))
        .network(down(spec))
        .at(secs(1), Action::Join)
        .at(secs(2), Action::Leave { viewer: 2 })
        .output_dir(dir);
    let report = run.run().await.unwrap();
    let trace = std::fs::read(dir.join("trace.jsonl")).unwrap();
    (trace, serde_json::to_string(&report.measured).unwrap())
}

#[tokio::test]
async fn the_same_seed_gives_the_same_trace_byte_for_byte_and_another_seed_another() {
    let dir = tempfile::tempdir().unwrap();
    let (first, figures) = traced(3, &dir.path().join("a")).await;
    let (second, again) = traced(3, &dir.path().join("b")).await;
    assert!(first.len() > 10_000, "{} bytes", first.len());
    if first != second {
        let lines = |trace: &[u8]| String::from_utf8_lossy(trace).into_owned();
        let (first, second) = (lines(&first), lines(&second));
        let differs = first.lines().zip(second.lines()).find(|(a, b)| a != b);
        panic!("the traces part: {differs:#?}");
    }
    assert_eq!(figures, again);
    let (other, _) = traced(4, &dir.path().join("c")).await;
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_partition_of_four_seconds_loses_what_was_sent_in_it_and_is_explained() {
    let cut = greenroom::net::model::NetworkAction::Partition {
        viewer: 2,
        duration: secs(4),
    };
    let report = run(Run::simulated(5)
        .viewers(3)
        .duration(secs(12))
        .at(secs(3), Action::Network(cut)))
    .await;
    report.assert_passed();
    let lost = |number| report.viewer(number).unwrap().tally.lost;
    assert_eq!((lost(1), lost(3)), (0, 0));
    // Four seconds at 30 frames per second; what is asked for again in time is not lost.
    assert!((90..=150).contains(&lost(2)), "{} lost", lost(2));
}

#[tokio::test]
async fn an_hour_of_talk_does_not_take_an_hour() {
    // Three minutes, so that the suite stays quick; docs/simulation.md has the hour.
    let report = run(Run::simulated(9).viewers(2).duration(secs(180))).await;
    report.assert_passed();
    let simulated = report.simulated.unwrap();
    assert!(simulated.virtual_ms > 180_000.0);
    assert!(
        simulated.real_ms * 3.0 < simulated.virtual_ms,
        "{simulated:?} is hardly faster than life"
    );
}

#[tokio::test]
async fn explored_seeds_draw_faults_and_pass_or_say_what_it_takes_to_fail() {
    let mut scenario = greenroom::Scenario {
        duration: secs(4),
        ..greenroom::Scenario::default()
    };
    scenario.media.size = greenroom_fixtures::Size::SMALL;
    scenario.rooms[0].viewers = 2;
    for seed in 1..=6 {
        let explored = greenroom::explore::explore(&scenario, seed).await.unwrap();
        assert!((1..=6).contains(&explored.drawn));
        assert!(
            explored.passed() || !explored.report.findings.is_empty(),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn a_simulated_network_on_real_sockets_is_refused() {
    let refused = Run::embedded()
        .network(NetworkFile::default())
        .run()
        .await
        .unwrap_err();
    assert!(
        refused.is_bad_input() && refused.to_string().contains("--sim"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_bitrate_follows_the_viewers_estimate_when_it_is_to() {
    // The loss begins once everybody is connected: a lost DTLS flight is another story.
    let loss = greenroom::net::model::NetworkAction::Link {
        of: greenroom::net::model::LinkOf::All,
        direction: greenroom::net::model::Direction::Down,
        spec: LinkSpec {
            loss: Loss::Independent { share: 0.3 },
            ..LinkSpec::default()
        },
    };
    let call = |adapt| {
        let mut run = Run::simulated(3).viewers(1).duration(secs(8));
        let media = &mut run.scenario_mut().media;
        media.size = "320x180".parse().unwrap();
        media.bitrate_bps = 400_000;
        media.adapt = adapt;
        run.at(secs(1), Action::Network(loss.clone()))
    };
    let (follows, keeps) = (run(call(true)).await, run(call(false)).await);
    let broadcaster = |report: &Report| {
        let figures = &report.measured.broadcasters[0];
        (figures.bitrate_changes, figures.bytes)
    };
    let ((changes, bytes), (none, more)) = (broadcaster(&follows), broadcaster(&keeps));
    assert!(
        changes >= 4 && none == 0,
        "{changes} changes, {none} without adapting"
    );
    assert!(
        bytes * 10 < more * 8,
        "{bytes} bytes with an estimate, {more} without"
    );
}

/// rtc-dtls 0.21.1 stops repeating a flight once the peer repeats one of its own (docs/simulation.md). When this
/// fails the stack has learned better: take the limit out of the documents and this test away.
/// Again: `greenroom explore --seeds 1 --from 106`.
#[tokio::test]
async fn a_dtls_flight_that_is_lost_at_the_wrong_moment_is_never_repeated_by_the_stack() {
    let mut scenario = greenroom::Scenario {
        duration: secs(10),
        ..greenroom::Scenario::default()
    };
    scenario.media.size = greenroom_fixtures::Size::SMALL;
    scenario.rooms[0].viewers = 3;
    let explored = greenroom::explore::explore(&scenario, 106).await.unwrap();
    assert_eq!(
        explored.planted.len(),
        1,
        "one lossy link is enough: {:?}",
        explored.planted
    );
    let cause = &explored.report.causes[0];
    assert_eq!(
        cause.kind,
        greenroom::rules::CauseKind::DtlsStuck,
        "{}",
        cause.message
    );
}
