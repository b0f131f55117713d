//! Bots that lose their signaling and come back, in virtual time and over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

mod support;

use greenroom::measure::measured::SignalingLoss;
use greenroom::{
    Action, FindingKind, MemoryListener, Muting, Party, ReconnectSpec, Report, Run, Severity, Style, Verdict,
};
use support::{errors, ms, only_error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A call of two viewers.
fn call(seed: u64) -> Run {
    Run::simulated(seed).viewers(2).duration(ms(6_000))
}

async fn report(run: Run) -> Report {
    run.run().await.unwrap()
}

/// Whose signaling was lost, and how.
fn losses(report: &Report) -> Vec<(String, SignalingLoss)> {
    let of_viewers = report.measured.viewers.iter();
    let of_viewers = of_viewers.map(|viewer| (viewer.label.clone(), &viewer.signaling_losses));
    let of_broadcasters = report.measured.broadcasters.iter();
    let of_broadcasters = of_broadcasters.map(|bot| ("broadcaster".to_owned(), &bot.signaling_losses));
    of_viewers
        .chain(of_broadcasters)
        .flat_map(|(who, losses)| losses.iter().map(move |loss| (who.clone(), loss.clone())))
        .collect()
}

/// Every viewer got every frame that was sent to it, to the end of the stream, and no frame came a second late.
#[track_caller]
fn saw_everything(report: &Report, seconds: u64) {
    for viewer in &report.measured.viewers {
        assert_eq!(viewer.tally.lost, 0, "{}: {:?}", viewer.label, viewer.tally);
        let least = seconds * 30 * 9 / 10;
        assert!(
            viewer.tally.verified >= least,
            "{}: {:?}",
            viewer.label,
            viewer.tally
        );
    }
}

/// Notes on what the stack does in every call apart.
#[track_caller]
fn no_rule_is_broken(report: &Report) {
    let broken = report.rules.iter().filter(|rule| rule.severity > Severity::Note);
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn after_a_restart_everybody_is_back_within_a_second_of_it_and_what_they_see_is_verified() {
    for seed in greenroom::seeds(1..=10) {
        let restart = Action::RestartServer { after: ms(500) };
        let report = report(call(seed).at(ms(1_000), restart)).await;
        report.assert_passed();
        let losses = losses(&report);
        assert_eq!(losses.len(), 3, "{losses:?}");
        for (who, loss) in &losses {
            assert!(loss.planned && loss.attempts >= 2, "{who}: {loss:?}");
            let away = loss.away_ms.unwrap();
            assert!((500.0..1_500.0).contains(&away), "{who}: {loss:?}");
        }
        assert_eq!(
            report.measured.broadcasters[0].connections, 4,
            "two before and two after"
        );
        saw_everything(&report, 6);
        let freezes: u32 = report
            .measured
            .viewers
            .iter()
            .map(|viewer| viewer.freezes.count)
            .sum();
        assert_eq!(freezes, 0, "media goes on until the new exchange replaces it");
        no_rule_is_broken(&report);
        let table = report.table(Style::Plain);
        assert!(
            table.contains("signaling    lost 3 times at 3 bots; back 3 times"),
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_viewer_that_is_cut_off_twice_comes_back_twice_and_misses_what_was_not_sent_to_it() {
    let cut = || Action::CutSignaling { of: Party::Viewer(2) };
    let run = call(4).at(ms(1_500), cut()).at(ms(3_000), cut());
    let report = report(run).await;
    report.assert_passed();
    let losses = losses(&report);
    assert_eq!(losses.len(), 2, "{losses:?}");
    for (who, loss) in &losses {
        assert_eq!(who, "viewer-2");
        assert_eq!(loss.attempts, 1, "each loss begins anew: {loss:?}");
        assert!(loss.away_ms.unwrap() <= 110.0, "{loss:?}");
    }
    saw_everything(&report, 5);
    no_rule_is_broken(&report);
}

#[tokio::test]
async fn a_broadcaster_that_is_cut_off_goes_on_sending_until_it_is_back() {
    let cut = Action::CutSignaling {
        of: Party::Broadcaster,
    };
    let slow = ReconnectSpec {
        first: ms(2_000),
        ..ReconnectSpec::default()
    };
    let report = report(call(5).reconnect(slow).at(ms(1_500), cut)).await;
    report.assert_passed();
    let (_, loss) = &losses(&report)[0];
    assert!((1_000.0..2_010.0).contains(&loss.away_ms.unwrap()), "{loss:?}");
    saw_everything(&report, 6);
    no_rule_is_broken(&report);
}

#[tokio::test]
async fn a_broadcaster_that_is_back_says_again_what_a_new_server_has_forgotten() {
    let run = call(6)
        .at(ms(1_000), Action::Mute(Muting::Video))
        .at(ms(1_500), Action::RestartServer { after: ms(200) });
    let report = report(run).await;
    report.assert_passed();
    for viewer in &report.measured.viewers {
        assert!(viewer.state_at_end.video_muted, "{}", viewer.label);
    }
}

#[tokio::test]
async fn without_a_server_attempts_go_on_with_growing_waits_and_end_with_the_run() {
    let report = report(call(7).duration(ms(20_000)).at(ms(1_000), Action::KillServer)).await;
    assert_eq!(report.verdict, Verdict::Fail);
    let losses = losses(&report);
    assert_eq!(losses.len(), 3);
    for (who, loss) in &losses {
        assert_eq!(loss.away_ms, None, "{who}");
        // 19 s hold at least the six doubled waits and one or two of the longest.
        assert!((7..=11).contains(&loss.attempts), "{who}: {loss:?}");
    }
    saw_everything(&report, 20);
    let lost = errors(&report);
    assert!(
        lost.iter()
            .all(|finding| finding.kind == FindingKind::SignalingLost),
        "{lost:#?}"
    );
    assert!(
        lost[0].message.contains("did not come back in"),
        "{}",
        lost[0].message
    );
}

#[tokio::test]
async fn a_bot_that_is_not_to_come_back_stays_away() {
    let cut = Action::CutSignaling { of: Party::Viewer(1) };
    let report = report(call(8).reconnect(ReconnectSpec::NEVER).at(ms(1_000), cut)).await;
    let finding = only_error(&report, FindingKind::SignalingLost);
    assert_eq!(finding.peer.as_deref(), Some("viewer-1"));
    assert!(
        finding.message.contains("did not try to come back"),
        "{}",
        finding.message
    );
}

#[tokio::test]
async fn runs_with_reconnects_repeat_byte_by_byte() {
    let trace = async || {
        let dir = tempfile::tempdir().unwrap();
        let restart = Action::RestartServer { after: ms(700) };
        let run = call(9).duration(ms(3_000)).at(ms(1_000), restart);
        report(run.output_dir(dir.path())).await.assert_passed();
        let trace = std::fs::read_to_string(dir.path().join("trace.jsonl")).unwrap();
        trace.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, second) = (trace().await, trace().await);
    assert!(first.iter().any(|line| line.contains("signaling-reconnecting")));
    assert_eq!(first, second);
}

/// A server that notices half a second late that somebody is gone.
async fn slow_to_notice(mut listener: MemoryListener) {
    let server = greenroom::signaling::Server::new(Default::default());
    loop {
        let (stream, _) = listener.accept().await;
        let (near, far) = tokio::io::duplex(64 * 1024);
        let server = server.clone();
        tokio::spawn(async move { server.serve_connection(far).await });
        tokio::spawn(async move {
            let (mut from_bot, mut to_bot) = tokio::io::split(stream);
            let (mut from_server, mut to_server) = tokio::io::split(near);
            let inbound = async {
                let _ = tokio::io::copy(&mut from_bot, &mut to_server).await;
                tokio::time::sleep(ms(500)).await;
                let _ = to_server.shutdown().await;
            };
            let outbound = async {
                let mut buffer = [0; 4_096];
                while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                    // Whether anybody still reads it is not noticed.
                    let _ = to_bot.write_all(&buffer[..length]).await;
                }
                let _ = to_bot.shutdown().await;
            };
            tokio::join!(inbound, outbound);
        });
    }
}

#[tokio::test]
async fn a_broadcaster_whose_place_is_still_taken_by_its_old_connection_tries_again() {
    let cut = Action::CutSignaling {
        of: Party::Broadcaster,
    };
    let run = Run::simulated(10)
        .viewers(1)
        .duration(ms(4_000))
        .server(slow_to_notice);
    let report = report(run.at(ms(1_000), cut)).await;
    report.assert_passed();
    let losses = losses(&report);
    let (who, loss) = &losses[0];
    assert_eq!((who.as_str(), losses.len()), ("broadcaster", 1));
    assert!(loss.attempts >= 3, "it was refused at first: {loss:?}");
    assert!((500.0..1_500.0).contains(&loss.away_ms.unwrap()), "{loss:?}");
    saw_everything(&report, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_on_sockets_are_back_after_a_restart() {
    let restart = Action::RestartServer { after: ms(300) };
    let run = support::on_sockets().duration(ms(3_000)).at(ms(500), restart);
    let report = report(run).await;
    let losses = losses(&report);
    assert_eq!(losses.len(), 3, "{losses:?}");
    for (who, loss) in &losses {
        assert!(loss.planned, "{who}: {loss:?}");
        assert!(loss.away_ms.is_some_and(|away| away >= 300.0), "{who}: {loss:?}");
    }
    assert_eq!(report.measured.broadcasters[0].connections, 4);
    assert!(errors(&report).is_empty(), "{:#?}", errors(&report));
}
