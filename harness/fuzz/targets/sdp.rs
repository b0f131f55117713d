//! An offer, its answer and a re-offer of any text against the checker: it is total, and bounded.
//!
//! Descriptions are parted by a line that says `---`. Each goes the whole way, so that it is judged where it is made and
//! where it is applied.
#![no_main]

use greenroom::rules::Checker;
use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Descriptions that are looked at.
const MAX_DESCRIPTIONS: usize = 4;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut exchange = Exchange::default();
    for (label, id, role) in [("broadcaster", "b1", "broadcaster"), ("viewer-1", "v1", "viewer")] {
        exchange.frame(label, FrameWay::Out, json!({"type": role, "room": "r", "protocol": 1}));
        exchange.frame(label, FrameWay::In, json!({"type": "joined", "id": id, "role": role}));
    }
    for (number, sdp) in text.split("\n---\n").take(MAX_DESCRIPTIONS).enumerate() {
        let (kind, (from, to)) = match number % 2 {
            0 => ("offer", (("broadcaster", "b1"), ("viewer-1", "v1"))),
            _ => ("answer", (("viewer-1", "v1"), ("broadcaster", "b1"))),
        };
        let body = json!({"type": kind, "sdp": sdp});
        exchange.frame(from.0, FrameWay::Out, json!({"type": kind, "to": to.1, kind: body}));
        exchange.frame(to.0, FrameWay::In, json!({"type": kind, "from": from.1, kind: body}));
        let candidate = json!({"candidate": sdp.lines().last().unwrap_or_default(), "sdpMid": "0"});
        exchange.frame(from.0, FrameWay::Out, json!({"type": "candidate", "to": to.1, "candidate": candidate}));
        exchange.frame(to.0, FrameWay::In, json!({"type": "candidate", "from": from.1, "candidate": candidate}));
    }
    let diagnosis = exchange.checker.finish();
    assert!(diagnosis.findings.len() <= 1_000);
});

#[derive(Default)]
struct Exchange {
    checker: Checker,
    at_us: u64,
}

impl Exchange {
    fn frame(&mut self, peer: &str, way: FrameWay, frame: Value) {
        self.at_us += 1;
        self.checker.observe(&TraceEvent {
            at_us: self.at_us,
            peer: peer.to_owned(),
            event: TraceKind::Signaling {
                way,
                frame: frame.to_string(),
                means: Vec::new(),
            },
        });
    }
}
