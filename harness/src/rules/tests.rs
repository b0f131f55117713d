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
