//! The checker as a whole on what no sound peer sends.

use super::*;

fn observe(checker: &mut Checker, at_us: u64, peer: &str, way: FrameWay, frame: &str) {
    checker.observe(&TraceEvent {
        at_us,
        peer: peer.to_owned(),
        event: TraceKind::Signaling {
            way,
            frame: frame.to_owned(),
            means: Vec::new(),
        },
    });
}

/// A broadcaster and a viewer that know their names.
fn joined() -> Checker {
    let mut checker = Checker::default();
    for (peer, role, id) in [("broadcaster", "broadcaster", "b1"), ("viewer-1", "viewer", "v1")] {
        let join = format!(r#"{{"type":"{role}","room":"r"}}"#);
        observe(&mut checker, 0, peer, FrameWay::Out, &join);
        let joined = format!(r#"{{"type":"joined","id":"{id}","role":"{role}"}}"#);
        observe(&mut checker, 0, peer, FrameWay::In, &joined);
    }
    checker
}

#[test]
fn the_end_of_time_and_of_counting_is_no_overflow() {
    let mut checker = joined();
    for seq in [u64::MAX, 1, u64::MAX] {
        let chat = format!(r#"{{"type":"chat","seq":{seq},"from":"b1","message":"x"}}"#);
        observe(&mut checker, u64::MAX, "viewer-1", FrameWay::In, &chat);
    }
    let offer = r#"{"type":"offer","to":"v1","offer":{"type":"offer","sdp":"v=0"}}"#;
    observe(&mut checker, u64::MAX, "broadcaster", FrameWay::Out, offer);
    let join = r#"{"type":"viewer","room":"r"}"#;
    observe(&mut checker, u64::MAX, "viewer-2", FrameWay::Out, join);
    checker.finish();
}

#[test]
fn a_message_that_was_invented_earlier_is_not_what_became_of_a_later_one() {
    let candidate = |name: &str, to_or_from: &str| {
        format!(r#"{{"type":"candidate","{to_or_from}","candidate":{{"candidate":"{name}","sdpMid":"0"}}}}"#)
    };
    let mut checker = joined();
    let invented = candidate("invented", r#"from":"v1"#);
    observe(&mut checker, 1_000, "broadcaster", FrameWay::In, &invented);
    // Still under way when the trace ends.
    let sent = candidate("sent", r#"to":"b1"#);
    observe(&mut checker, 2_000, "viewer-1", FrameWay::Out, &sent);
    let found = checker.finish().findings;
    assert!(found.iter().all(|finding| finding.rule != "TR-05"), "{found:#?}");
}

#[test]
fn peers_that_are_announced_without_end_are_remembered_up_to_a_bound() {
    let mut checker = joined();
    for number in 0..MAX_NAMES + 10 {
        let announced = format!(r#"{{"type":"new-viewer","id":"n{number}"}}"#);
        observe(&mut checker, 1, "broadcaster", FrameWay::In, &announced);
    }
    let known = checker.bots.get("broadcaster").map(|bot| bot.announced.len());
    assert_eq!(known, Some(MAX_NAMES));
}

/// A room whose protocol names nobody, in which every frame goes where a relay of the given kind sends it.
struct Unaddressed {
    checker: Checker,
    at_us: u64,
}

impl Unaddressed {
    fn new(labels: &[&str]) -> Self {
        Self::speaking("broadcast-ws", labels)
    }

    fn speaking(dialect: &str, labels: &[&str]) -> Self {
        let mut room = Self {
            checker: Checker::default(),
            at_us: 0,
        };
        for label in labels {
            let opened = TraceKind::SignalingOpen {
                dialect: Some(dialect.to_owned()),
                addressed: false,
            };
            room.event(label, opened);
            let role = if *label == "broadcaster" { label } else { "viewer" };
            room.frame(
                label,
                FrameWay::Out,
                &format!(r#"{{"type":"{role}","room":"r"}}"#),
            );
            // Every bot calls itself alike, which may not matter.
            room.frame(
                label,
                FrameWay::In,
                &format!(r#"{{"type":"joined","id":"me","role":"{role}"}}"#),
            );
        }
        room
    }

    fn event(&mut self, peer: &str, event: TraceKind) {
        self.at_us += 1_000;
        self.checker.observe(&TraceEvent {
            at_us: self.at_us,
            peer: peer.to_owned(),
            event,
        });
    }

    fn frame(&mut self, peer: &str, way: FrameWay, means: &str) {
        self.event(peer, TraceKind::frame_that_means(way, "#", &[means.to_owned()]));
    }

    /// A candidate of its own words from one bot, and where it comes.
    fn passes(&mut self, kind: &str, words: &str, from: (&str, &str), to: &[(&str, &str)]) {
        let body = match kind {
            "candidate" => {
                format!(r#"{{"candidate":"candidate:{words} 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0"}}"#)
            }
            _ => format!(r#"{{"type":"{kind}","sdp":"v=0\r\ns={words}\r\n"}}"#),
        };
        let frame =
            |field: &str, name: &str| format!(r#"{{"type":"{kind}","{field}":"{name}","{kind}":{body}}}"#);
        self.frame(from.0, FrameWay::Out, &frame("to", from.1));
        for (label, name) in to {
            self.frame(label, FrameWay::In, &frame("from", name));
        }
    }

    /// What was found of the relay, after a while.
    fn found(mut self) -> (Vec<String>, Vec<String>) {
        self.at_us += 5_000_000;
        self.event("broadcaster", TraceKind::KeyFrame { index: 0, bytes: 0 });
        let diagnosis = self.checker.finish();
        let of_relay = |rule: &str| rule.starts_with("SG") || rule == "TR-05";
        let found = diagnosis
            .findings
            .iter()
            .filter(|finding| of_relay(&finding.rule));
        let found = found.map(|finding| format!("{}: {}", finding.rule, finding.message));
        let causes = diagnosis.causes.iter();
        let causes = causes.map(|cause| format!("{}: {}", cause.kind, cause.message));
        (found.collect(), causes.collect())
    }
}

#[test]
fn where_nobody_is_named_a_viewer_is_known_by_what_it_got_and_only_an_offer_is_no_harmless_copy() {
    let mut room = Unaddressed::new(&["broadcaster", "viewer-1", "viewer-2"]);
    // The second is called first.
    for (name, viewer, other) in [
        ("viewer#1", "viewer-2", "viewer-1"),
        ("viewer#2", "viewer-1", "viewer-2"),
    ] {
        let all = [(viewer, "broadcaster"), (other, "broadcaster")];
        room.passes(
            "offer",
            &format!("offer for {viewer}"),
            ("broadcaster", name),
            &all,
        );
        let answer = format!("answer of {viewer}");
        room.passes(
            "answer",
            &answer,
            (viewer, "broadcaster"),
            &[
                ("broadcaster", name),
                (other, "broadcaster"),
                (viewer, "broadcaster"),
            ],
        );
        room.passes("candidate", name, ("broadcaster", name), &all);
    }
    // One that is for the second and comes to the first only.
    let (late, first) = (("broadcaster", "viewer#1"), [("viewer-1", "broadcaster")]);
    room.passes("candidate", "late", late, &first);
    let (found, _) = room.found();
    assert_eq!(
        found,
        [
            "SG-01: viewer-2 got the offer that broadcaster had sent to viewer#2; a message goes to whom it is for, \
             and to nobody else",
            "TR-05: the candidate that broadcaster sent to viewer-2 never arrived; it came to viewer-1",
        ]
    );
}

#[test]
fn an_answer_that_reaches_viewers_only_is_lost_and_is_the_cause() {
    let mut room = Unaddressed::new(&["broadcaster", "viewer-1", "viewer-2"]);
    room.passes(
        "offer",
        "offer",
        ("broadcaster", "viewer#1"),
        &[("viewer-1", "broadcaster")],
    );
    room.event(
        "viewer-1",
        TraceKind::ConnectionOpened {
            connection: 1,
            remote: "broadcaster".to_owned(),
            wire_is_read: true,
        },
    );
    room.event("viewer-1", TraceKind::RemoteDescriptionApplied { connection: 1 });
    room.passes(
        "answer",
        "answer",
        ("viewer-1", "broadcaster"),
        &[("viewer-1", "broadcaster"), ("viewer-2", "broadcaster")],
    );
    let (found, causes) = room.found();
    assert_eq!(
        found,
        [
            "SG-05: the answer that viewer-1 sent to broadcaster never arrived; it came to viewer-1 itself and viewer-2"
        ]
    );
    let cause = "answer-never-relayed: viewer-1's answer went to viewer-1 itself and viewer-2 and never to broadcaster";
    assert_eq!(causes.first().map(String::as_str), Some(cause));
}

#[test]
fn an_offer_that_never_arrives_is_lost_to_the_only_viewer_it_can_have_been_for() {
    let mut room = Unaddressed::new(&["broadcaster", "viewer-1"]);
    room.passes("offer", "offer", ("broadcaster", "viewer#1"), &[]);
    let (found, causes) = room.found();
    assert_eq!(
        found,
        ["SG-05: the offer that broadcaster sent to viewer-1 never arrived"]
    );
    assert_eq!(
        causes,
        ["offer-never-relayed: broadcaster's offer never came to viewer-1"]
    );
}

#[test]
fn what_goes_to_a_peer_that_is_no_bot_is_never_lost() {
    let mut room = Unaddressed::speaking("janus", &["broadcaster", "viewer-1"]);
    room.passes("offer", "offer", ("broadcaster", "janus"), &[]);
    let (found, causes) = room.found();
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(
        causes,
        ["no-answer: broadcaster's offer was never answered by its media server"]
    );
    // A dialect of somebody's own tells by whom its viewers talk to.
    let mut room = Unaddressed::speaking("my-sfu", &["broadcaster", "viewer-1"]);
    room.passes("offer", "offer", ("broadcaster", "sfu"), &[]);
    room.passes("candidate", "first", ("viewer-1", "sfu"), &[]);
    assert_eq!(room.found().0, Vec::<String>::new());
}

#[test]
fn a_message_that_comes_twice_is_told_where_nobody_is_named_too() {
    let mut room = Unaddressed::new(&["broadcaster", "viewer-1"]);
    let twice = [("viewer-1", "broadcaster"), ("viewer-1", "broadcaster")];
    room.passes("offer", "offer", ("broadcaster", "viewer#1"), &twice);
    let (found, _) = room.found();
    assert_eq!(
        found,
        ["SG-05: viewer-1 got the same offer twice; each message is delivered once"]
    );
}
