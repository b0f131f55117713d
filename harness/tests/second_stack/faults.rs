//! Every fault of the exchange in calls of str0m: found as what it is, or with an argued difference.
//!
//! The silence in clean calls says something only if the checker sees these calls at all. What a fault costs depends on
//! the stack that has to live with it, so some have another cause here, and each of those is written down with the rule.

use std::sync::Arc;

use greenroom::rules::CauseKind as Cause;
use greenroom::{Run, Verdict, score};

use super::engine::{SecondStack, Served};

/// What a fault is found as where str0m serves an end, if that is something else than with webrtc on both.
struct Otherwise {
    /// One of these is the cause, any at all if there is none; `None` is a viewer with a picture.
    causes: &'static [Option<Cause>],
    /// This rule is found, if only as a note.
    rule: &'static str,
    /// Why.
    because: &'static str,
}

fn argued(served: Served, fault: &str) -> Option<Otherwise> {
    const PICTURE: &[Option<Cause>] = &[None];
    const DAMAGED: &[Option<Cause>] = &[Some(Cause::AnswerDamaged)];
    const ROLES: &[Option<Cause>] = &[Some(Cause::DtlsRolesClash)];
    const WHICHEVER: &[Option<Cause>] = &[];
    let offers = served != Served::Viewers;
    let answers = served != Served::Broadcaster;
    let (causes, rule, because) = match fault {
        "answer-without-section" | "answer-other-protocol" | "answer-other-medium" if offers => (
            DAMAGED,
            "OA-05",
            "str0m refuses such an answer, which webrtc takes: the viewer has no picture, and that is the cause",
        ),
        "half-sdp" => (
            DAMAGED,
            "OA-05",
            "another line is the last one of the first half, and what it lacks is refused",
        ),
        "answer-actpass" | "answer-without-setup" if answers => (
            ROLES,
            "OA-13",
            "str0m answers passive and waits for a ClientHello, which an offerer that is told otherwise does not send",
        ),
        "answer-setup-flipped" if answers => (
            ROLES,
            "SG-05",
            "as above, and where no hello is sent DT-02 has none to hold",
        ),
        "offer-setup-active" if answers => (
            PICTURE,
            "OA-13",
            "str0m follows what it is told, and the handshake succeeds",
        ),
        "lose-early-candidates" if served == Served::Both => (
            PICTURE,
            "SG-05",
            "str0m's candidates are in its descriptions, so none comes early",
        ),
        "lose-early-candidates" => (
            PICTURE,
            "TR-01",
            "str0m's candidate is in its description, so only the other end's is lost",
        ),
        "lose-early-candidates-of-broadcaster" if offers => (
            PICTURE,
            "SG-05",
            "str0m's candidate is in its offer, so none comes early",
        ),
        "ice-role-flipped" => (
            WHICHEVER,
            "IC-02",
            "how two agents settle a conflict follows from tie-breakers that str0m draws",
        ),
        "offer-back" if answers => (
            PICTURE,
            "OA-08",
            "str0m counts its versions from 2, as the other text does, and a version that never rises is a note",
        ),
        "offer-while-answering" if served == Served::Both => (
            PICTURE,
            "OA-02",
            "as above, and the second answer comes in stable",
        ),
        _ => return None,
    };
    Some(Otherwise {
        causes,
        rule,
        because,
    })
}

/// Faults of candidates that str0m does not trickle: there is nothing to damage, which is said and is no pass.
const OF_CANDIDATES_TO_VIEWER: [&str; 4] = [
    "lose-candidates-to-viewer",
    "late-candidates",
    "candidate-to-everyone",
    "truncate-candidate",
];
const OF_CANDIDATES_TO_BROADCASTER: [&str; 10] = [
    "lose-candidates-to-broadcaster",
    "lose-first-candidate",
    "twice-candidate",
    "misroute-candidates",
    "rename-candidates",
    "candidate-of-no-section",
    "candidate-of-other-mid",
    "candidate-beyond-sections",
    "candidate-of-other-generation",
    "candidate-mangled",
];

fn has_nothing_to_damage(served: Served, fault: &str) -> bool {
    (served != Served::Viewers && OF_CANDIDATES_TO_VIEWER.contains(&fault))
        || (served != Served::Broadcaster && OF_CANDIDATES_TO_BROADCASTER.contains(&fault))
}

/// str0m 0.24.1 panics on the answer to an offer that has one mid twice, which is its defect and no finding of ours.
fn panics(served: Served, fault: &str) -> bool {
    served != Served::Viewers && fault == "offer-same-mid"
}

async fn faults_are_found(served: Served) {
    let mut wrong = Vec::new();
    for fault in greenroom::fault::wire::all()
        .iter()
        .filter(|fault| !panics(served, fault.name))
    {
        let report = Run::simulated(1)
            .scenario(score::call_for(fault.name))
            .wire_fault(fault.name, 1)
            .engine(move |setting| Arc::new(SecondStack::new(setting, served)))
            .run()
            .await
            .unwrap();
        let scored = score::scored(fault.name, &report);
        let is_idle = !report.measured.idle_faults.is_empty();
        let argued = argued(served, fault.name);
        let is_as_meant = match &argued {
            _ if has_nothing_to_damage(served, fault.name) => is_idle && report.verdict == Verdict::Invalid,
            Some(argued) => {
                let mut rules = scored.rules.iter().chain(&scored.notes);
                scored.failed
                    && (argued.causes.is_empty() || argued.causes.contains(&scored.cause))
                    && rules.any(|rule| rule == argued.rule)
            }
            None => scored.failed && scored.is_right(),
        };
        // An argument for what is as everywhere would be stale; what is drawn may be either.
        let is_stale = argued.as_ref().is_some_and(|argued| argued.causes.len() == 1) && scored.is_right();
        if !is_as_meant || is_stale {
            wrong.push((scored, argued.map(|argued| argued.because), is_idle));
        }
    }
    assert!(wrong.is_empty(), "{served:?}: {wrong:#?}");
}

#[tokio::test]
async fn faults_in_calls_of_a_broadcaster_on_str0m_are_found() {
    faults_are_found(Served::Broadcaster).await;
}

#[tokio::test]
async fn faults_in_calls_of_viewers_on_str0m_are_found() {
    faults_are_found(Served::Viewers).await;
}

#[tokio::test]
async fn faults_in_calls_with_str0m_on_both_sides_are_found() {
    faults_are_found(Served::Both).await;
}
