//! How a room behaves, with media: who comes when, who leaves, what is said, muted and stopped.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::{Action, DecodeSelection, Muting, Party, Run};
use support::{ms, on_sockets, report, small};

fn chat(from: Party, text: &str) -> Action {
    Action::Chat {
        from,
        text: text.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_run_passes_and_verifies_every_frame() {
    let report = report(on_sockets()).await;
    report.assert_passed();
    assert!(
        report.measured.totals.verified >= 100,
        "{:?}",
        report.measured.totals
    );
    assert_eq!(report.measured.totals.expected, report.measured.totals.verified);
}

#[tokio::test]
async fn a_run_passes_on_a_single_threaded_runtime_too() {
    report(on_sockets().duration(ms(1_000))).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_comes_first_is_served_when_the_broadcaster_arrives() {
    let report = report(small().broadcaster_delay(ms(700))).await;
    report.assert_passed();
    for viewer in &report.measured.viewers {
        assert!(viewer.frames > 50, "{viewer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_is_served_from_its_own_key_frame_on() {
    let report = report(small().at(ms(1_000), Action::Join)).await;
    report.assert_passed();
    let late = report.viewer(3).expect("a third viewer");
    assert!(late.tally.verified > 0 && late.tally.verified < report.viewer(1).unwrap().tally.verified);
    assert!(late.first_key_frame_ms.is_some_and(|ms| ms < 1_000.0), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_leaves_has_all_its_frames_and_the_others_go_on() {
    let report = report(small().at(ms(1_000), Action::Leave { viewer: 1 })).await;
    report.assert_passed();
    let (left, stayed) = (report.viewer(1).unwrap(), report.viewer(2).unwrap());
    assert_eq!(left.end, greenroom::measure::measured::ViewerOutcome::Left);
    assert_eq!(left.tally.lost, 0);
    let sent = report.measured.broadcasters[0].frames;
    assert!(left.tally.verified + 25 < sent, "{:?} of {sent}", left.tally);
    assert_eq!(stayed.tally.lost, 0);
    assert!(stayed.tally.verified + 20 > sent, "{:?} of {sent}", stayed.tally);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcaster_that_returns_serves_those_who_stayed() {
    let run = small()
        .duration(ms(3_500))
        .at(ms(800), Action::BroadcasterLeave)
        .at(ms(1_800), Action::BroadcasterReturn);
    let report = report(run).await;
    report.assert_passed();
    assert_eq!(report.measured.broadcasters.len(), 2);
    let returned = &report.measured.broadcasters[1];
    assert_eq!(returned.connections, 2);
    assert!(returned.frames > 20, "{returned:?}");
    let handed: u64 = report.measured.broadcasters.iter().map(|stay| stay.frames).sum();
    assert!(report.viewer(1).unwrap().tally.verified > handed - 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_arrives_in_the_same_order_at_three_clients() {
    let mut run = small();
    let lines = ["one", "two", "three", "four", "five", "six"];
    for (at, line) in lines.iter().enumerate() {
        let from = if at % 2 == 0 {
            Party::Broadcaster
        } else {
            Party::Viewer(1)
        };
        run = run.at(ms(200 + 50 * at as u64), chat(from, line));
    }
    let report = report(run).await;
    report.assert_passed();
    let broadcaster = &report.measured.broadcasters[0].chat;
    assert_eq!(broadcaster.len(), lines.len());
    assert_eq!(&report.viewer(1).unwrap().chat, broadcaster);
    assert_eq!(&report.viewer(2).unwrap().chat, broadcaster);
    let mut said = broadcaster.clone();
    said.sort();
    let mut expected = lines.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_is_seen_by_a_late_joiner_and_as_black_pictures() {
    let run = small()
        .decode(DecodeSelection::All)
        .duration(ms(2_500))
        .at(ms(500), Action::Mute(Muting::All))
        .at(ms(1_000), Action::Join)
        .at(ms(2_000), Action::Unmute(Muting::All));
    let report = report(run).await;
    report.assert_passed();
    let late = report.viewer(3).unwrap();
    assert!(late.state_at_join.unwrap().video_muted);
    assert!(!late.state_at_end.video_muted);
    for viewer in &report.measured.viewers {
        let decoded = viewer.decoded.expect("decodes");
        assert!(decoded.muted_black >= 15, "{} {decoded:?}", viewer.label);
        assert_eq!(decoded.muted_not_black, 0, "{} {decoded:?}", viewer.label);
        assert!(decoded.stamps_matched >= 10, "{} {decoded:?}", viewer.label);
        assert_eq!(decoded.stamps_wrong, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_seen_by_a_late_joiner_and_ends_the_media() {
    let run = small()
        .duration(ms(2_500))
        .at(ms(700), Action::Stop)
        .at(ms(1_200), Action::Join);
    let report = report(run).await;
    report.assert_passed();
    let late = report.viewer(3).unwrap();
    assert!(late.state_at_join.unwrap().stopped);
    assert_eq!(late.frames, 0, "nothing is sent after a stop");
    let sent = report.measured.broadcasters[0].frames;
    // 0.7 s and the joining before it, not the whole 2.5 s.
    assert!(sent < 60, "{sent} frames were sent");
    assert!(report.viewer(1).unwrap().state_at_end.stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_in_one_process_do_not_meet() {
    let (one, two) = tokio::join!(report(on_sockets().viewers(1)), report(on_sockets().viewers(3)));
    one.assert_passed();
    two.assert_passed();
    assert_eq!(one.measured.broadcasters[0].connections, 1);
    assert_eq!(two.measured.broadcasters[0].connections, 3);
    assert_ne!(one.environment.signaling_url, two.environment.signaling_url);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rooms_on_one_server_keep_their_streams_apart() {
    let mut run = small();
    let scenario = run.scenario_mut();
    scenario.rooms[0].name = "red".to_owned();
    scenario.rooms.push(greenroom::RoomSpec {
        name: "blue".to_owned(),
        viewers: 1,
    });
    let report = report(run).await;
    report.assert_passed();
    assert_eq!(report.measured.viewers.len(), 3);
    assert_eq!(report.measured.broadcasters.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_run_obeys_its_handle_and_reports_an_interruption() {
    let mut run = Run::embedded().duration(ms(30_000));
    run = run
        .size(greenroom_fixtures::Size::new(160, 90).unwrap())
        .viewers(2);
    let mut handle = run.start().await.unwrap();
    support::within(ms(10_000), handle.ready()).await;
    handle.viewer(2).leave();
    handle.broadcaster().chat("the end is near");
    handle.interrupt();
    let report = support::within(ms(10_000), handle.finish()).await.unwrap();
    assert!(report.interrupted);
    assert_eq!(report.exit_code(), greenroom::EXIT_INTERRUPTED);
    assert_eq!(report.measured.totals.lost, 0, "an early end loses nothing");
}
