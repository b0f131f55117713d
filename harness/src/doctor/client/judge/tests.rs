//! What is judged from a few events: each question has something that it must catch and something that it must not.

use greenroom_signaling::ServedDialect;
use serde_json::json;

use super::*;
use crate::engine::ConnectionState;

const STEP: Duration = Duration::from_secs(8);

/// A trace in the making; times are in milliseconds.
#[derive(Default)]
struct Story(Vec<TraceEvent>);

impl Story {
    fn event(mut self, at_ms: u64, peer: &str, event: TraceKind) -> Self {
        self.0.push(TraceEvent {
            at_us: at_ms * 1_000,
            peer: peer.to_owned(),
            event,
        });
        self
    }

    fn frame(self, at_ms: u64, peer: &str, way: FrameWay, frame: &serde_json::Value) -> Self {
        self.event(at_ms, peer, TraceKind::frame(way, &frame.to_string()))
    }

    /// A host has joined.
    fn host() -> Self {
        let open = TraceKind::SignalingOpen {
            dialect: None,
            addressed: false,
        };
        Self::default().event(0, "client", open).frame(
            1,
            "client",
            FrameWay::Out,
            &json!({"type": "broadcaster"}),
        )
    }

    /// A viewer joins, and the host is told of it.
    fn joins(self, at_ms: u64, viewer: &str) -> Self {
        self.frame(
            at_ms,
            viewer,
            FrameWay::Out,
            &json!({"type": "viewer", "room": "r"}),
        )
        .frame(at_ms, "client", FrameWay::In, &json!({"type": "new-viewer"}))
    }

    /// It is offered to from this peer connection, answers, and is connected.
    fn connects(self, at_ms: u64, viewer: &str, ufrag: &str) -> Self {
        let sdp = |kind: &str| {
            json!({"type": kind, kind: {"type": kind,
                "sdp": format!("v=0\r\na=ice-ufrag:{ufrag}\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n")}})
        };
        self.frame(at_ms, viewer, FrameWay::In, &sdp("offer"))
            .frame(at_ms, viewer, FrameWay::Out, &sdp("answer"))
            .event(
                at_ms,
                viewer,
                TraceKind::Connection {
                    connection: 1,
                    state: ConnectionState::Connected,
                },
            )
            .event(
                at_ms,
                viewer,
                TraceKind::FirstPacket {
                    connection: 1,
                    media: crate::media::kind::MediaKind::Video,
                },
            )
    }

    fn second(self, at_ms: u64, viewer: &str, frames: u32) -> Self {
        let second = TraceKind::MediaSecond {
            frames,
            bytes: u64::from(frames) * 100,
            verified: 0,
            key_frames: 0,
            sound_packets: 0,
        };
        self.event(at_ms, viewer, second)
    }

    fn line(&self, question: ClientQuestion, ended_ms: u64) -> CardLine<ClientQuestion> {
        let came = Came::of(&self.0, Some(ClientRole::Host));
        let terms = Terms {
            dialect: ServedDialect::BroadcastWs,
            patience: STEP,
            step: STEP,
        };
        let lines = judge(&self.0, &came, &[], terms, ended_ms * 1_000);
        lines.into_iter().find(|line| line.question == question).unwrap()
    }
}

#[test]
fn a_step_that_had_no_time_is_unclear_and_one_that_had_it_is_missing() {
    let story = Story::host().joins(1_000, "viewer-1");
    let early = story.line(ClientQuestion::Offers, 4_000);
    assert_eq!(early.answer, Answer::Unclear, "{early:?}");
    let late = story.line(ClientQuestion::Offers, 9_000);
    assert_eq!(late.answer, Answer::Sick, "{late:?}");
    assert!(late.cause.contains("viewer-1 (#4 at 1.0 s)"), "{late:?}");
}

#[test]
fn the_first_viewer_that_goes_dark_when_the_second_one_comes_is_told_with_both_events() {
    let both = |frames| {
        Story::host()
            .joins(100, "viewer-1")
            .connects(200, "viewer-1", "aaaa")
            .second(1_200, "viewer-1", 30)
            .joins(1_500, "viewer-2")
            .connects(1_600, "viewer-2", "bbbb")
            .second(2_200, "viewer-1", 12)
            .second(3_200, "viewer-1", frames)
            .second(4_200, "viewer-1", frames)
    };
    let dark = both(0).line(ClientQuestion::NextViewer, 6_000);
    assert_eq!(dark.answer, Answer::Sick, "{dark:?}");
    assert!(dark.cause.contains("the last of it was #16 at 2.2 s"), "{dark:?}");
    assert!(
        dark.cause.contains("the offer to viewer-2 (#12 at 1.6 s)"),
        "{dark:?}"
    );
    let bright = both(30).line(ClientQuestion::NextViewer, 6_000);
    assert_eq!(bright.answer, Answer::Healthy, "{bright:?}");
}

#[test]
fn two_offers_are_of_one_connection_by_their_fragment() {
    let offers = |second| {
        Story::host()
            .joins(100, "viewer-1")
            .connects(200, "viewer-1", "aaaa")
            .joins(1_500, "viewer-2")
            .connects(1_600, "viewer-2", second)
            .line(ClientQuestion::OwnConnection, 6_000)
    };
    assert_eq!(offers("aaaa").answer, Answer::Sick);
    assert!(
        offers("aaaa").cause.contains("fragment aaaa"),
        "{:?}",
        offers("aaaa")
    );
    assert_eq!(offers("bbbb").answer, Answer::Healthy);
}

#[test]
fn media_that_does_not_come_after_a_connection_is_missing() {
    let mut story = Story::host()
        .joins(100, "viewer-1")
        .connects(200, "viewer-1", "aaaa");
    assert_eq!(story.line(ClientQuestion::Media, 9_000).answer, Answer::Healthy);
    story
        .0
        .retain(|event| !matches!(event.event, TraceKind::FirstPacket { .. }));
    let line = story.line(ClientQuestion::Media, 9_000);
    assert_eq!(line.answer, Answer::Sick, "{line:?}");
    assert!(line.cause.contains("viewer-1 connected (#7"), "{line:?}");
}

#[test]
fn a_rule_that_the_client_broke_is_quoted_and_one_of_a_bot_is_not() {
    use crate::rules::EventRef;
    let story = Story::host()
        .joins(100, "viewer-1")
        .connects(200, "viewer-1", "aaaa");
    let came = Came::of(&story.0, Some(ClientRole::Host));
    let terms = Terms {
        dialect: ServedDialect::BroadcastWs,
        patience: STEP,
        step: STEP,
    };
    let finding = |number| RuleFinding {
        rule: "OA-01".to_owned(),
        severity: Severity::Error,
        peer: "viewer-1".to_owned(),
        message: "an offer that is none".to_owned(),
        quote: None,
        source: String::new(),
        fix: "make one".to_owned(),
        cause: None,
        effect: EventRef {
            number,
            at_us: 0,
            peer: "viewer-1".to_owned(),
            what: String::new(),
        },
    };
    let rules = |number| {
        let lines = judge(&story.0, &came, &[finding(number)], terms, 9_000_000);
        lines
            .into_iter()
            .find(|line| line.question == ClientQuestion::Rules)
            .unwrap()
    };
    // The fifth event is the offer that came, the sixth the answer that the bot made.
    assert_eq!(rules(5).answer, Answer::Sick);
    assert!(
        rules(5).cause.starts_with("OA-01: an offer that is none (#5"),
        "{:?}",
        rules(5)
    );
    assert_eq!(rules(6).answer, Answer::Healthy);
}
