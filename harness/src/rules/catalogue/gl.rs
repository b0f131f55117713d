//! Glare: offers that cross, and perfect negotiation.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const GL: &[Rule] = &[
    Rule {
        id: "GL-01",
        severity: Severity::Error,
        title: "When offers collide the polite peer rolls back and answers, the impolite one ignores, and \
              both soon reach stable.",
        source: "W3C webrtc-pc, Perfect Negotiation Example",
        why: "Two offers cross whenever both sides change something at once, say when a screen is \
              shared while a camera is switched on. Without a rule both refuse or both roll back, and \
              the connection is stuck: the new track never shows. It comes about when code works for \
              months because one side happened to be faster.",
        broken: "\
b1 -> v2: offer    v2 -> b1: offer        both have-local-offer
b1: ignores the offer of v2               (impolite: right)
v2: ignores the offer of b1               <- polite: has to roll back and answer",
        fix: "Use the perfect negotiation pattern: the polite side calls setRemoteDescription(offer), \
              which rolls back by itself, and then answers.",
        decided: Decided::No(
            "here the broadcaster alone offers; a collision is noted as OA-03 and is the cause `glare`",
        ),
    },
    Rule {
        id: "GL-02",
        severity: Severity::Error,
        title: "Candidates of an ignored offer may fail quietly; every other candidate error is reported.",
        source: "W3C webrtc-pc, Perfect Negotiation Example",
        why: "The impolite peer never applied that offer, so its candidates cannot be added, and this \
              is fine. If all errors are swallowed for that reason, real ones vanish too, and a \
              connection that fails for some users leaves no trace in any log. It usually comes from an \
              empty catch around addIceCandidate.",
        broken: "\
b1: ignoreOffer is false
v2 -> b1: candidate, sdpMid \"7\"
b1: addIceCandidate: OperationError, catch {}     <- a real error, hidden",
        fix: "Swallow the error only while ignoreOffer is set (if (!ignoreOffer) throw error), and set \
              it anew with each offer.",
        decided: Decided::No("it comes with calls in which both peers offer"),
    },
    Rule {
        id: "GL-03",
        severity: Severity::Error,
        title: "One side is polite and the other is not; this is set once and survives a reconnect.",
        source: "W3C webrtc-pc, Perfect Negotiation Example",
        why: "If both are polite, both roll back and wait; if both are impolite, both ignore. Either \
              way a collision ends in silence. It comes about when the role is derived from who joined \
              first and is worked out anew after a reconnect, or when each client decides for itself.",
        broken: "\
b1 joins first: impolite                  v2 joins second: polite
b1 reconnects, now joins second: polite   v2 stays polite
b1 -> v2: offer   v2 -> b1: offer         <- both roll back",
        fix: "Let the server assign the roles, or compare ids that do not change. Broadcaster impolite \
              and viewer polite is a simple rule.",
        decided: Decided::No("it comes with calls in which both peers offer"),
    },
];
