//! What each fault on purpose is to be found as: the first cause, and the rule that it breaks.
//!
//! Owns the expectation, fault by fault, argued from the rule and not from what the checker happens to say. A cause is
//! expected where the fault costs a viewer its picture: candidates that are lost or spoiled on one side only do not,
//! because the other side's checks show where they come from (peer-reflexive candidates, RFC 8445 section 7.3.1.3).

use crate::rules::CauseKind as Cause;

/// What a fault is to be found as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The first broken step, where it costs the viewer its picture.
    pub cause: Option<Cause>,
    /// The rule, where one is broken.
    pub rule: Option<&'static str>,
}

/// What the fault with this name is to be found as; `None` for a fault that nobody has thought about.
pub fn expected(fault: &str) -> Option<Expected> {
    let (cause, rule) = match fault {
        "lose-join" => (Some(Cause::JoinUnanswered), Some("SG-05")),
        "lose-joined" | "truncate-joined" | "lose-chat" | "behind-chat" | "twice-offer" | "twice-answer"
        | "late-answer" | "late-offer" => (None, Some("SG-05")),
        "refuse-join" => (None, Some("SG-03")),
        "lose-announcement" => (Some(Cause::NeverAnnounced), None),
        "lose-offer" => (Some(Cause::OfferNeverRelayed), Some("SG-05")),
        "lose-answer" => (Some(Cause::AnswerNeverRelayed), Some("SG-05")),
        "lose-candidates-to-viewer"
        | "lose-candidates-to-broadcaster"
        | "lose-first-candidate"
        | "lose-end-of-candidates"
        | "truncate-candidate"
        | "twice-candidate"
        | "twice-end-of-candidates" => (None, Some("TR-05")),
        "late-candidates" | "candidate-after-end" => (None, Some("TR-06")),
        "misroute-offer" | "offer-to-everyone" => (Some(Cause::OfferMisrouted), Some("SG-01")),
        "misroute-answer" => (Some(Cause::AnswerMisrouted), Some("SG-01")),
        "misroute-candidates" | "candidate-to-everyone" => (None, Some("SG-01")),
        "rename-answer" => (Some(Cause::AnswerMisrouted), Some("SG-02")),
        "rename-candidates" => (None, Some("SG-02")),
        "truncate-offer" => (Some(Cause::OfferDamaged), Some("SG-05")),
        "truncate-answer" => (Some(Cause::AnswerDamaged), Some("SG-05")),
        "answer-twice-anew" => (None, Some("OA-02")),
        "offer-while-answering" | "offer-back" => (None, Some("OA-08")),
        "state-goes-back" => (None, Some("SG-07")),
        "offer-says-answer" => (Some(Cause::OfferDamaged), Some("OA-02")),
        "answer-says-offer" => (Some(Cause::AnswerDamaged), Some("OA-03")),
        "answer-without-section"
        | "answer-swaps-sections"
        | "answer-other-protocol"
        | "answer-other-medium"
        | "half-sdp" => (None, Some("OA-05")),
        "answer-with-extra-section" | "empty-sdp" | "sdp-without-media" => {
            (Some(Cause::AnswerDamaged), Some("OA-05"))
        }
        "answer-other-mid" => (Some(Cause::AnswerDamaged), Some("OA-07")),
        "offer-same-mid" => (Some(Cause::NoMedia), Some("OA-07")),
        "offer-without-mid" => (Some(Cause::OfferDamaged), Some("OA-07")),
        "answer-larger-bundle" | "answer-bundle-only" => (None, Some("OA-09")),
        "offer-bundle-only-with-port" => (None, Some("OA-10")),
        "answer-rejects-bundle-tag" => (None, Some("OA-11")),
        "answer-sendonly" => (None, Some("OA-12")),
        "answer-inactive" => (None, Some("RT-05")),
        "answer-actpass" | "answer-without-setup" => (None, Some("OA-13")),
        "answer-setup-flipped" => (Some(Cause::DtlsRolesClash), Some("DT-02")),
        "offer-setup-active" => (Some(Cause::DtlsRolesClash), Some("OA-13")),
        "short-ufrag" | "short-password" => (Some(Cause::CredentialsMismatch), Some("OA-15")),
        "wrong-ufrag" | "wrong-password" => (Some(Cause::CredentialsMismatch), Some("IC-01")),
        "no-ice-credentials" | "no-fingerprint" => (Some(Cause::AnswerDamaged), Some("OA-15")),
        "wrong-fingerprint" | "wrong-offer-fingerprint" => (Some(Cause::FingerprintMismatch), Some("DT-01")),
        "crypto-line" => (None, Some("OA-15")),
        "foreign-format" => (Some(Cause::NoMedia), Some("OA-16")),
        "rtx-of-nothing" | "foreign-feedback" => (None, Some("OA-16")),
        "no-rtcp-mux" | "rtcp-mux-only" => (None, Some("RT-02")),
        "candidate-of-no-section" => (None, Some("TR-03")),
        "candidate-of-other-mid" | "candidate-beyond-sections" | "candidate-mangled" => (None, Some("TR-02")),
        "candidate-of-other-generation" => (None, Some("TR-04")),
        "end-of-other-generation" => (None, Some("TR-07")),
        "glare" => (Some(Cause::Glare), Some("OA-03")),
        "withhold-key-frames" => (Some(Cause::NoKeyFrame), None),
        "drop-stun" => (Some(Cause::IceTimedOut), None),
        "drop-dtls" => (Some(Cause::DtlsStuck), None),
        "drop-rtp" => (Some(Cause::NoMedia), None),
        _ => return None,
    };
    Some(Expected { cause, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_has_thought_about_every_fault_and_each_is_to_be_found() {
        for fault in crate::fault::wire::all() {
            let expected = expected(fault.name);
            let found = expected.is_some_and(|expected| expected.cause.is_some() || expected.rule.is_some());
            assert!(found, "{}", fault.name);
        }
        assert_eq!(expected("nonsense"), None);
    }
}
