//! What each fault on purpose is to be found as: the first cause, and the rule that it breaks.
//!
//! Owns the expectation, fault by fault, argued from the rule and not from what the checker happens to say. A cause is
//! expected where the fault costs a viewer its picture: candidates that are lost or spoiled on one side only do not,
//! because the other side's checks show where they come from (peer-reflexive candidates, RFC 8445 section 7.3.1.3).

use crate::rules::CauseKind as Cause;

/// What a fault is to be found as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The first broken step, where it costs the viewer its picture.
    pub cause: Option<Cause>,
    /// The rule, where one is broken.
    pub rule: Option<&'static str>,
    /// Whether a note is all that is due: offers that cross are nobody's fault.
    pub note: bool,
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
        // The broadcaster has seen the offer, and was to answer it before it makes its own.
        "offer-not-awaited" => (None, Some("OA-03")),
        // A provisional answer is no end of the exchange, so no offer may come before the final one.
        "offer-in-pranswer" => (None, Some("OA-01")),
        "rollback-in-stable" | "rollback-with-sdp" => (None, Some("OA-04")),
        // What comes a second later meets a viewer that has its picture.
        "reoffer-swaps-sections" | "reoffer-drops-section" => (None, Some("OA-06")),
        "reoffer-half-restart" => (None, Some("OA-14")),
        "reoffer-new-fingerprint" => (None, Some("DT-03")),
        "offer-without-trickle" => (None, Some("TR-09")),
        "lose-early-candidates" => (Some(Cause::EarlyCandidateLost), Some("TR-01")),
        "lose-early-candidates-of-broadcaster" => (None, Some("TR-01")),
        // A conflict of roles is what tie-breakers are for: it costs time and no picture (RFC 8445 section 7.3.1.1),
        // unless it never ends.
        "ice-role-flipped" => (None, Some("IC-02")),
        "role-conflict-for-ever" => (Some(Cause::IceRoleConflict), Some("IC-03")),
        // The other checks of the viewer are as they should be.
        "controlled-nominates" => (None, Some("IC-04")),
        "media-without-consent" => (None, Some("IC-07")),
        // A server must refuse such a hello, and a client would find another one than it sent in the handshake's hash.
        "hello-without-use-srtp" | "hello-of-dtls-1-0" => (Some(Cause::DtlsStuck), Some("DT-04")),
        // One datagram more, which a receiver drops.
        "rtp-in-clear" => (None, Some("DT-05")),
        "foreign-datagram" => (None, Some("DT-06")),
        "foreign-payload-type" => (Some(Cause::NoMedia), Some("RT-03")),
        "withhold-key-frames" => (Some(Cause::NoKeyFrame), None),
        "drop-stun" => (Some(Cause::IceTimedOut), None),
        "drop-dtls" => (Some(Cause::DtlsStuck), None),
        "drop-rtp" => (Some(Cause::NoMedia), None),
        _ => return None,
    };
    let note = matches!(fault, "glare" | "answer-says-offer");
    Some(Expected { cause, rule, note })
}

/// Rules that only a client or a server of another protocol can break, so no fault in a call of greenroom's own does. Who
/// breaks them are the exchanges in harness/tests/exchanges/pairs/http.rs and janus.rs, of which a test there demands one
/// for each.
#[cfg(test)]
const BROKEN_ELSEWHERE: [&str; 11] = [
    "WI-01", "WI-02", "WI-03", "WI-04", "WI-05", "WE-01", "WE-02", "JA-01", "JA-02", "JA-03", "JA-04",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;
    use crate::rules::catalogue::{self, Decided};

    #[test]
    fn somebody_has_thought_about_every_fault_and_each_is_to_be_found() {
        for fault in crate::fault::wire::all() {
            let expected = expected(fault.name);
            let found = expected.is_some_and(|expected| expected.cause.is_some() || expected.rule.is_some());
            assert!(found, "{}", fault.name);
        }
        assert_eq!(expected("nonsense"), None);
    }

    #[test]
    fn every_decided_rule_that_is_an_error_has_a_fault_that_must_be_found_as_its_breach() {
        let broken = |rule: &str| {
            let faults = crate::fault::wire::all().iter();
            let mut expected = faults.filter_map(|fault| expected(fault.name));
            expected.any(|expected| expected.rule == Some(rule) && !expected.note)
        };
        let untested: Vec<&str> = catalogue::all()
            .filter(|rule| rule.severity == Severity::Error && rule.decided == Decided::Yes)
            .map(|rule| rule.id)
            .filter(|rule| !broken(rule))
            .collect();
        // Exactly those: one that has got a fault is taken out of the list, and one that is not decided is in it too early.
        assert_eq!(
            untested, BROKEN_ELSEWHERE,
            "no fault is meant to break some of these"
        );
    }

    #[test]
    fn a_fault_breaks_rules_that_exist_and_are_decided() {
        for fault in crate::fault::wire::all() {
            let rule = expected(fault.name).and_then(|expected| expected.rule);
            let decided = |rule| catalogue::find(rule).is_some_and(|rule| rule.decided == Decided::Yes);
            assert!(rule.is_none_or(decided), "{}", fault.name);
        }
    }
}
