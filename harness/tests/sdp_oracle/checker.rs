//! The checker as a judge: a call of two peers as a trace, in which one description is the edited one.
//!
//! Owns the trace. The rules are greenroom's.

use std::collections::BTreeSet;

use greenroom::Severity;
use greenroom::rules::Checker;
use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use serde_json::{Value, json};

/// What the checker says to a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ruling {
    /// The rules that are broken as errors.
    pub(crate) errors: BTreeSet<String>,
    /// Those that are broken as warnings and notes.
    pub(crate) others: BTreeSet<String>,
}

impl Ruling {
    pub(crate) fn refuses(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// Groups of rules that descriptions can break; those of signaling and of packets are not asked here.
const GROUPS: [&str; 4] = ["OA", "TR", "RT", "DT"];

/// What the rules say to an offer, or to an offer and its answer.
pub(crate) fn rules_on(offer: &str, answer: Option<&str>) -> Ruling {
    let mut call = Call::default();
    let (caster, viewer) = (("broadcaster", "b1"), ("viewer-0", "v1"));
    call.joins(caster, "broadcaster");
    call.joins(viewer, "viewer");
    call.describes("offer", offer, caster, viewer);
    if let Some(answer) = answer {
        call.describes("answer", answer, viewer, caster);
    }
    let mut ruling = Ruling::default();
    for finding in call.checker.finish().findings {
        if !GROUPS.contains(&&finding.rule[..2]) {
            continue;
        }
        match finding.severity {
            Severity::Error => ruling.errors.insert(finding.rule),
            _ => ruling.others.insert(finding.rule),
        };
    }
    ruling
}

/// A call as its trace is written.
#[derive(Default)]
struct Call {
    checker: Checker,
    at_us: u64,
}

impl Call {
    fn joins(&mut self, (label, id): (&str, &str), role: &str) {
        self.frame(label, FrameWay::Out, &json!({"type": role, "room": "oracle"}));
        self.frame(
            label,
            FrameWay::In,
            &json!({"type": "joined", "id": id, "role": role}),
        );
    }

    fn describes(&mut self, kind: &str, sdp: &str, from: (&str, &str), to: (&str, &str)) {
        let body = json!({"type": kind, "sdp": sdp});
        self.frame(
            from.0,
            FrameWay::Out,
            &json!({"type": kind, "to": to.1, kind: body}),
        );
        self.frame(
            to.0,
            FrameWay::In,
            &json!({"type": kind, "from": from.1, kind: body}),
        );
    }

    fn frame(&mut self, peer: &str, way: FrameWay, frame: &Value) {
        self.at_us += 1_000;
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
