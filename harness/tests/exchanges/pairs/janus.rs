//! Janus: JA.
//!
//! Owns these pairs and the legal session that they begin with.

use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use serde_json::{Value, json};

use super::super::call::{event, frame};
use super::super::diagnose;
use super::super::edit::rewrite;
use super::Pair;

/// A publisher and a subscriber, each with its session, and 70 s of keepalives.
fn room() -> Vec<TraceEvent> {
    let mut events = Vec::new();
    for (label, body, result, offers) in [
        (
            "broadcaster",
            json!({"request": "join", "ptype": "publisher", "room": 1}),
            "joined",
            true,
        ),
        (
            "viewer-1",
            json!({"request": "join", "ptype": "subscriber", "room": 1}),
            "attached",
            false,
        ),
    ] {
        let opened = TraceKind::SignalingOpen {
            dialect: Some("janus".to_owned()),
            addressed: true,
        };
        events.push(event(0, label, opened));
        let mut at = 0;
        let mut say = |way, value: &Value| {
            at += 10_000;
            events.push(event(at, label, frame(way, value)));
        };
        let (out, back) = (FrameWay::Out, FrameWay::In);
        say(out, &json!({"janus": "create", "transaction": "t1"}));
        say(
            back,
            &json!({"janus": "success", "transaction": "t1", "data": {"id": 7}}),
        );
        say(
            out,
            &json!({"janus": "attach", "transaction": "t2", "session_id": 7, "plugin": "janus.plugin.videoroom"}),
        );
        say(
            back,
            &json!({"janus": "success", "transaction": "t2", "session_id": 7, "data": {"id": 9}}),
        );
        let message = |transaction: &str, body: &Value| json!({"janus": "message", "transaction": transaction, "session_id": 7, "handle_id": 9, "body": body});
        let ack = |transaction: &str| json!({"janus": "ack", "transaction": transaction, "session_id": 7});
        let done = |transaction: &str, data: Value| {
            json!({"janus": "event", "transaction": transaction, "session_id": 7, "sender": 9,
                "plugindata": {"plugin": "janus.plugin.videoroom", "data": data}})
        };
        say(out, &message("t3", &body));
        say(back, &ack("t3"));
        let mut joined = done("t3", json!({"videoroom": result, "room": 1, "id": 5}));
        if !offers {
            joined["jsep"] = json!({"type": "offer", "sdp": "v=0"});
        }
        say(back, &joined);
        let (request, jsep) = if offers {
            ("publish", "offer")
        } else {
            ("start", "answer")
        };
        let mut described = message("t4", &json!({"request": request}));
        described["jsep"] = json!({"type": jsep, "sdp": "v=0"});
        say(out, &described);
        say(back, &ack("t4"));
        let mut answered = done(
            "t4",
            json!({"videoroom": "event", "configured": "ok", "started": "ok"}),
        );
        if offers {
            answered["jsep"] = json!({"type": "answer", "sdp": "v=0"});
        }
        say(back, &answered);
        let trickle = |transaction: &str, candidate: Value| json!({"janus": "trickle", "transaction": transaction, "session_id": 7, "handle_id": 9, "candidate": candidate});
        say(
            out,
            &trickle("t5", json!({"candidate": "candidate:1", "sdpMid": "0"})),
        );
        say(back, &ack("t5"));
        say(out, &trickle("t6", json!({"completed": true})));
        say(back, &ack("t6"));
        say(back, &json!({"janus": "webrtcup", "session_id": 7, "sender": 9}));
        for number in 1..=3 {
            let transaction = format!("k{number}");
            let keepalive = json!({"janus": "keepalive", "transaction": transaction, "session_id": 7});
            events.push(event(number * 25_000_000, label, frame(out, &keepalive)));
            let acked = event(
                number * 25_000_000 + 10_000,
                label,
                frame(back, &ack(&transaction)),
            );
            events.push(acked);
        }
    }
    events.sort_by_key(|event| event.at_us);
    let end = TraceKind::KeyFrame { index: 0, bytes: 0 };
    events.push(event(90_000_000, "broadcaster", end));
    events
}

/// Where the frame of that kind and transaction is.
fn place(events: &[TraceEvent], label: &str, kind: &str, transaction: &str) -> usize {
    let is_it = |event: &TraceEvent| {
        let TraceKind::Signaling { frame, .. } = &event.event else {
            return false;
        };
        let value: Value = serde_json::from_str(frame).unwrap_or_default();
        event.peer == label && value["janus"] == kind && value["transaction"] == transaction
    };
    events.iter().position(is_it).unwrap()
}

/// Changes that frame.
fn change(
    events: &mut [TraceEvent],
    (label, kind, transaction): (&str, &str, &str),
    to: impl FnOnce(&mut Value),
) {
    let at = place(events, label, kind, transaction);
    rewrite(&mut events[at], to);
}

const PUBLISHER: &str = "broadcaster";
const SUBSCRIBER: &str = "viewer-1";

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("JA-01", |events| {
        change(events, (PUBLISHER, "event", "t3"), |value| {
            value["transaction"] = json!("other")
        });
    })
    .of(room),
    Pair::new("JA-01", |events| {
        let joined = place(events, PUBLISHER, "event", "t3");
        let publish = place(events, PUBLISHER, "message", "t4");
        events.swap(joined, publish);
    })
    .of(room),
    Pair::new("JA-01", |events| {
        events.remove(place(events, PUBLISHER, "event", "t4"));
    })
    .of(room),
    Pair::new("JA-01", |events| {
        change(events, (PUBLISHER, "success", "t1"), |value| {
            value["data"] = json!({})
        });
    })
    .of(room),
    Pair::new("JA-02", |events| {
        change(events, (PUBLISHER, "event", "t4"), |value| {
            value["jsep"] = Value::Null
        });
    })
    .of(room),
    Pair::new("JA-02", |events| {
        change(events, (PUBLISHER, "event", "t3"), |value| {
            value["plugindata"]["data"] = json!({"videoroom": "event"});
        });
    })
    .of(room),
    Pair::new("JA-03", |events| {
        change(events, (SUBSCRIBER, "event", "t3"), |value| {
            value["jsep"] = Value::Null
        });
    })
    .of(room),
    Pair::new("JA-03", |events| {
        change(events, (SUBSCRIBER, "message", "t4"), |value| {
            value["jsep"] = Value::Null
        });
    })
    .of(room),
    Pair::new("JA-03", |events| {
        change(events, (SUBSCRIBER, "event", "t4"), |value| {
            value["plugindata"]["data"] = json!({"videoroom": "event"});
        });
    })
    .of(room),
    Pair::new("JA-04", |events| {
        change(events, (SUBSCRIBER, "event", "t3"), |value| {
            value["plugindata"]["data"] =
                json!({"videoroom": "event", "error_code": 428, "error": "No such feed"});
        });
    })
    .of(room),
    Pair::new("JA-04", |events| {
        // One keepalive less is a warning, two are the end of the session.
        events.remove(place(events, PUBLISHER, "keepalive", "k2"));
    })
    .of(room),
    Pair::new("JA-04", |events| {
        let (first, last) = (
            place(events, PUBLISHER, "trickle", "t5"),
            place(events, PUBLISHER, "trickle", "t6"),
        );
        events.swap(first, last);
    })
    .of(room),
];

#[test]
fn a_legal_session_with_janus_breaks_nothing() {
    let found = diagnose(&room()).findings;
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn whoever_has_ended_its_session_may_be_silent() {
    let mut events = room();
    let last = place(&events, SUBSCRIBER, "keepalive", "k1");
    let at = events[last].at_us + 50_000;
    events.retain(|event| event.peer == PUBLISHER || event.at_us < at);
    let destroy = json!({"janus": "destroy", "transaction": "t9", "session_id": 7});
    let end = events.len() - 1;
    events.insert(end, event(at, SUBSCRIBER, frame(FrameWay::Out, &destroy)));
    let found = diagnose(&events).findings;
    assert!(found.is_empty(), "{found:#?}");
    // Without a word it is not.
    events.remove(end);
    let found = diagnose(&events).findings;
    assert!(found.iter().any(|finding| finding.rule == "JA-04"), "{found:#?}");
}

#[test]
fn a_refusal_says_what_the_code_means_and_what_to_change() {
    let mut events = room();
    change(&mut events, (PUBLISHER, "event", "t3"), |value| {
        value["plugindata"]["data"] = json!({"videoroom": "event", "error_code": 426, "error": "x"});
    });
    let found = diagnose(&events).findings;
    let refusal = found.iter().find(|finding| finding.rule == "JA-04").unwrap();
    assert!(
        refusal
            .message
            .ends_with("refused its join with 426: there is no such room"),
        "{refusal:#?}"
    );
    assert!(refusal.fix.starts_with("make the room"), "{refusal:#?}");
}
