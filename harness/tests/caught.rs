//! What goes wrong on purpose is caught, each with the right figure.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::net::model::{LinkSpec, Loss};
use greenroom::{Action, FindingKind, MediaFault, Run, Verdict};
use support::{errors, ms, on_sockets, only_error, report, small, within};

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_is_one_corrupt_frame_at_one_viewer() {
    let report = report(on_sockets().fault(MediaFault::FlipByte { viewer: 2, frame: 40 })).await;
    assert_eq!(report.verdict, Verdict::Fail);
    let finding = only_error(&report, FindingKind::FramesCorrupt);
    assert_eq!(finding.peer.as_deref(), Some("viewer-2"));
    let tally = &report.viewer(2).unwrap().tally;
    assert_eq!(
        (tally.corrupt, tally.lost, &tally.corrupt_examples[..]),
        (1, 0, &[40][..])
    );
    assert_eq!(report.viewer(1).unwrap().tally.corrupt, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dropped_frame_is_one_lost_frame_with_its_number() {
    let report = report(small().fault(MediaFault::DropFrame { viewer: 1, frame: 33 })).await;
    assert_eq!(report.verdict, Verdict::Fail);
    only_error(&report, FindingKind::FramesLost);
    let tally = &report.viewer(1).unwrap().tally;
    assert_eq!(
        (tally.lost, tally.corrupt, &tally.lost_examples[..]),
        (1, 0, &[33][..])
    );
    assert_eq!(tally.expected, tally.verified + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_frame_before_the_end_is_missed_too_when_it_is_dropped() {
    // Whatever the last frame's number is, one of these is it or none of them is sent.
    let mut run = small().duration(ms(1_000));
    for frame in 20..400 {
        run = run.fault(MediaFault::DropFrame { viewer: 1, frame });
    }
    let report = report(run).await;
    let sent = report.measured.broadcasters[0].frames;
    assert_eq!(
        report.viewer(1).unwrap().tally.lost,
        sent.saturating_sub(20),
        "of {sent} sent"
    );
    assert!(sent > 20);
    assert_eq!(
        report.verdict,
        Verdict::Fail,
        "{}",
        report.table(greenroom::Style::Plain)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_wide_enough_explains_no_lost_frame() {
    use greenroom::net::model::{NetworkFile, NetworkPreset};
    let lan = NetworkFile::of_preset(NetworkPreset::Lan);
    let drop = MediaFault::DropFrame { viewer: 1, frame: 30 };
    let run = Run::simulated(1).viewers(2).duration(ms(2_000)).network(lan);
    let report = run.fault(drop).run().await.unwrap();
    only_error(&report, FindingKind::FramesLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_frame_is_counted_once_and_found() {
    let report = report(small().fault(MediaFault::RepeatFrame { viewer: 1, frame: 33 })).await;
    assert_eq!(report.verdict, Verdict::Fail);
    only_error(&report, FindingKind::FramesRepeated);
    let tally = &report.viewer(1).unwrap().tally;
    assert_eq!((tally.repeated, tally.lost, tally.corrupt), (1, 0, 0));
    assert_eq!(tally.expected, tally.verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_of_a_second_is_one_freeze_of_a_second() {
    let fault = MediaFault::Freeze {
        viewer: 1,
        frame: 60,
        duration: ms(1_000),
    };
    let report = report(small().duration(ms(4_000)).fault(fault)).await;
    only_error(&report, FindingKind::Freeze);
    let viewer = report.viewer(1).unwrap();
    assert_eq!(viewer.freezes.count, 1);
    assert!(
        (950.0..1_100.0).contains(&viewer.freezes.longest_ms),
        "{:?}",
        viewer.freezes
    );
    assert_eq!(viewer.tally.lost, 0, "what was held back came after all");
    // Frames older than the deadline of 500 ms when they came: half of thirty.
    assert!((12..=18).contains(&viewer.tally.late), "{:?}", viewer.tally);
    assert_eq!(report.viewer(2).unwrap().freezes.count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_viewer_is_named_with_the_moment() {
    let report = report(small().at(ms(800), Action::Kill { viewer: 2 })).await;
    assert_eq!(report.verdict, Verdict::Fail);
    let finding = errors(&report)
        .into_iter()
        .find(|f| f.kind == FindingKind::ViewerVanished)
        .expect("found");
    assert_eq!(finding.peer.as_deref(), Some("viewer-2"));
    let expected_at = report.measured.joining_ms + 800.0;
    assert!(
        finding.at_ms.is_some_and(|at| (at - expected_at).abs() < 100.0),
        "{finding:?}, expected {expected_at}"
    );
    assert_eq!(report.viewer(1).unwrap().tally.lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_found_at_every_peer_and_the_media_goes_on() {
    let report = report(on_sockets().at(ms(500), Action::KillServer)).await;
    assert_eq!(report.verdict, Verdict::Fail);
    let lost: Vec<_> = errors(&report)
        .into_iter()
        .filter(|f| f.kind == FindingKind::SignalingLost)
        .collect();
    assert_eq!(lost.len(), 3, "the broadcaster and two viewers: {lost:#?}");
    let killed_at = report.measured.joining_ms + 500.0;
    for finding in lost {
        let after = finding.at_ms.unwrap() - killed_at;
        assert!((-50.0..5_000.0).contains(&after), "{finding:?} after {after} ms");
    }
    assert_eq!(report.measured.totals.lost, 0, "media does not need the server");
    let verified = report.measured.totals.verified;
    assert!(verified >= 100, "{}", report.table(greenroom::Style::Plain));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_never_gets_a_key_frame_is_the_only_one_found() {
    let report = report(
        small()
            .viewers(6)
            .duration(ms(500))
            .fault(MediaFault::WithholdKeyFrames { viewer: 5 }),
    )
    .await;
    assert_eq!(report.verdict, Verdict::Fail);
    let finding = errors(&report)
        .into_iter()
        .find(|f| f.kind == FindingKind::NoKeyFrame)
        .expect("found");
    assert_eq!(finding.peer.as_deref(), Some("viewer-5"));
    assert!(
        errors(&report)
            .iter()
            .all(|finding| finding.peer.as_deref() == Some("viewer-5")),
        "{:#?}",
        errors(&report)
    );
    assert!(
        report
            .viewer(5)
            .unwrap()
            .rtp
            .is_some_and(|rtp| rtp.pli_count >= Some(2)),
        "it asked for one"
    );
    assert_eq!(report.criteria[0].figure, "5 of 6");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_other_end_is_a_finding_and_never_a_pass() {
    // Nothing listens on the discard port of this host.
    let run = greenroom::Run::against("ws://127.0.0.1:9/").viewers(2);
    let report = report(run).await;
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(
        errors(&report)
            .iter()
            .any(|finding| finding.kind == FindingKind::SignalingUnreachable)
    );
    assert!(
        errors(&report)
            .iter()
            .any(|finding| finding.kind == FindingKind::NothingVerified)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scripted_loss_is_repaired_or_explained_and_counted() {
    let run = on_sockets().impair_down(LinkSpec {
        loss: Loss::Independent { share: 0.05 },
        delay: ms(10),
        ..LinkSpec::default()
    });
    let report = report(run).await;
    let totals = &report.measured.totals;
    assert_eq!(totals.expected, totals.verified + totals.lost + totals.corrupt);
    assert!(totals.verified > 80, "{totals:?}");
    let nacks: u64 = report
        .measured
        .viewers
        .iter()
        .filter_map(|viewer| viewer.rtp)
        .filter_map(|rtp| rtp.nack_count)
        .sum();
    assert!(nacks > 0, "5 % loss needs retransmissions");
    assert!(errors(&report).is_empty(), "{:#?}", errors(&report));
}

#[tokio::test]
async fn a_run_that_aborts_on_fail_ends_at_the_first_broken_rule_and_names_it() {
    let minute = || Run::simulated(1).viewers(2).duration(ms(60_000)).abort_on_fail();
    let report = within(ms(60_000), minute().wire_fault("no-rtcp-mux", 1).run())
        .await
        .unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(report.because.starts_with("RT-02: "), "{}", report.because);
    let stopped_by = report.aborted.as_ref().unwrap();
    assert_eq!(
        (stopped_by.rule.as_str(), stopped_by.effect.peer.as_str()),
        ("RT-02", "viewer-1")
    );
    let virtual_ms = report.simulated.unwrap().virtual_ms;
    assert!(virtual_ms < 5_000.0, "{virtual_ms} ms");
    let table = report.table(greenroom::Style::Plain);
    assert!(table.contains("FAIL, ended early at"), "{table}");
}

#[tokio::test]
async fn a_sound_run_that_aborts_on_fail_goes_on_to_its_end() {
    let run = Run::simulated(1).viewers(1).duration(ms(5_000)).abort_on_fail();
    let report = within(ms(60_000), run.run()).await.unwrap();
    assert!(report.aborted.is_none());
    assert!(report.simulated.unwrap().virtual_ms >= 5_000.0);
    report.assert_passed();
}
