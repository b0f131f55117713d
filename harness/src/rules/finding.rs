//! What the checker found: a broken rule with the two events that prove it, and a cause with what follows from it.
//!
//! Owns plain data. It finds nothing itself.

use serde::{Deserialize, Serialize};

use super::catalogue;
use crate::check::Severity;

/// An event of the trace that a finding points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Its number in the trace, from 1; the header has none.
    pub number: u64,
    /// When, in microseconds since the start of the run.
    pub at_us: u64,
    /// Whose.
    pub peer: String,
    /// What it is, in a few words.
    pub what: String,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFinding {
    /// Such as `OA-02`; `greenroom rule explain` teaches it.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// At whom it was seen.
    pub peer: String,
    /// One plain sentence: what came, and what was expected.
    pub message: String,
    /// The line or field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Where the rule comes from.
    pub source: String,
    /// What to change.
    pub fix: String,
    /// The event that it contradicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<EventRef>,
    /// The event that shows it.
    pub effect: EventRef,
}

/// The first step of a connection that broke: closed list, in the order of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The signaling connection never opened or was lost before the peer had joined.
    SignalingClosed,
    /// The server refused the join.
    JoinRefused,
    /// The join was never answered.
    JoinUnanswered,
    /// There is no broadcaster in the room.
    NoBroadcaster,
    /// The broadcaster was never told of the viewer.
    NeverAnnounced,
    /// The broadcaster made no offer.
    NoOffer,
    /// The offer did not reach the viewer.
    OfferNeverRelayed,
    /// The offer reached somebody else.
    OfferMisrouted,
    /// The offer arrived changed, and cannot be used.
    OfferDamaged,
    /// Both sides offered at once and nobody gave way.
    Glare,
    /// The viewer could not apply the offer.
    OfferRejected,
    /// The viewer made no answer.
    NoAnswer,
    /// The answer did not reach the broadcaster.
    AnswerNeverRelayed,
    /// The answer reached somebody else, or came under another name.
    AnswerMisrouted,
    /// The answer arrived changed, and cannot be used.
    AnswerDamaged,
    /// The broadcaster could not apply the answer.
    AnswerRejected,
    /// A peer has no candidates.
    NoCandidates,
    /// A TURN server refused what it was asked, and so relays nothing.
    TurnRefused,
    /// Candidates did not reach the other peer.
    CandidatesNeverRelayed,
    /// Candidates reached somebody else.
    CandidatesMisrouted,
    /// A candidate that came before its description was thrown away.
    EarlyCandidateLost,
    /// Candidates arrived changed, and cannot be used.
    CandidatesDamaged,
    /// Connectivity checks use credentials that the other peer does not have.
    CredentialsMismatch,
    /// Both agents have the same ICE role.
    IceRoleConflict,
    /// Connectivity checks were sent and not answered.
    IceTimedOut,
    /// The certificate is not the one that the description promised.
    FingerprintMismatch,
    /// Both peers wait for the other one's ClientHello, or both send one.
    DtlsRolesClash,
    /// The DTLS handshake began and never ended.
    DtlsStuck,
    /// Connected, and no media came.
    NoMedia,
    /// Media came, and never a key frame.
    NoKeyFrame,
}

impl std::fmt::Display for CauseKind {
    /// Its name in reports, such as `answer-misrouted`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// Why a viewer has no picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which step.
    pub kind: CauseKind,
    /// The viewer.
    pub viewer: String,
    /// One plain sentence.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// The last event that was right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<EventRef>,
    /// The event that shows that the next step failed, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_by: Option<EventRef>,
    /// Rules whose breach belongs to it.
    pub rules: Vec<String>,
}

/// Everything that the checker has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Causes, one for each viewer without a picture.
    pub causes: Vec<Cause>,
    /// Broken rules in the order of the trace.
    pub findings: Vec<RuleFinding>,
    /// Findings beyond those that are kept.
    pub findings_dropped: u64,
}

impl RuleFinding {
    /// A finding of a rule of the catalogue.
    pub(super) fn new(rule: &'static str, peer: &str, message: String, effect: EventRef) -> Self {
        let entry = catalogue::find(rule);
        Self {
            rule: rule.to_owned(),
            severity: entry.map_or(Severity::Error, |rule| rule.severity),
            peer: peer.to_owned(),
            message,
            quote: None,
            source: entry.map_or_else(String::new, |rule| rule.source.to_owned()),
            fix: entry.map_or_else(String::new, |rule| rule.fix.to_owned()),
            cause: None,
            effect,
        }
    }

    pub(super) fn quoting(self, quote: Option<String>) -> Self {
        Self { quote, ..self }
    }

    pub(super) fn because_of(self, cause: Option<EventRef>) -> Self {
        Self { cause, ..self }
    }

    /// With advice for this breach in place of the rule's own.
    pub(super) fn mended_by(self, fix: &str) -> Self {
        Self {
            fix: fix.to_owned(),
            ..self
        }
    }

    pub(super) fn at_most(self, severity: Severity) -> Self {
        Self {
            severity: self.severity.min(severity),
            ..self
        }
    }
}
