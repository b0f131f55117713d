//! Every fault of the exchange in calls of str0m: found as what it is, or with an argued difference.
//!
//! The silence in clean calls says something only if the checker sees these calls at all. What a fault costs depends on
//! the stack that has to live with it, so some have another cause here; that each is found does not.

use std::sync::Arc;

use greenroom::{Run, Verdict, score};

use super::engine::{SecondStack, Served};

/// Why a fault may be found as something else where str0m serves an end.
fn argued(served: Served, fault: &str) -> Option<&'static str> {
    let offers = served != Served::Viewers;
    let answers = served != Served::Broadcaster;
    match fault {
        "answer-without-section" | "answer-other-protocol" | "answer-other-medium" if offers => Some(
            "str0m refuses such an answer, which webrtc takes: the viewer has no picture, and that is the cause",
        ),
        "half-sdp" => Some("another line is the last one of the first half, and what it lacks is refused"),
        "answer-actpass" | "answer-without-setup" | "answer-setup-flipped" if answers => Some(
            "str0m answers passive and waits for a ClientHello that webrtc, told otherwise, does not send",
        ),
        "offer-setup-active" if answers => Some("str0m follows what it is told, and the handshake succeeds"),
        "lose-early-candidates" | "lose-early-candidates-of-broadcaster" => {
            Some("str0m's candidate is in its description, so nothing of it comes early")
        }
        "ice-role-flipped" => Some("how two agents settle a conflict is theirs, and with str0m they may not"),
        "offer-back" | "offer-while-answering" if answers => Some(
            "str0m counts its versions from 2, as the other text does, and a version that never rises is a note",
        ),
        _ => None,
    }
}

/// str0m 0.24.1 panics on the answer to an offer that has one mid twice, which is its defect and no finding of ours.
fn panics(served: Served, fault: &str) -> bool {
    served != Served::Viewers && fault == "offer-same-mid"
}

async fn faults_are_found(served: Served) {
    let (mut right, mut otherwise, mut idle) = (0, Vec::new(), 0);
    let mut wrong = Vec::new();
    for fault in score::faults().iter().filter(|fault| !panics(served, fault.name)) {
        let report = Run::simulated(1)
            .scenario(score::call_for(fault.name))
            .wire_fault(fault.name, 1)
            .engine(move |setting| Arc::new(SecondStack::new(setting, served)))
            .run()
            .await
            .unwrap();
        let scored = score::scored(fault.name, &report);
        if !report.measured.idle_faults.is_empty() {
            // str0m trickles no candidate, so there is none to damage; that is said and is no pass.
            assert!(fault.name.contains("candidate"), "{}", fault.name);
            assert_eq!(report.verdict, Verdict::Invalid, "{}", fault.name);
            idle += 1;
        } else if scored.is_right() && scored.failed {
            right += 1;
        } else if scored.failed && argued(served, fault.name).is_some() {
            otherwise.push(fault.name);
        } else {
            wrong.push(scored);
        }
    }
    eprintln!("{served:?}: {right} as with webrtc, {idle} with nothing to damage, otherwise: {otherwise:?}");
    assert!(wrong.is_empty(), "{served:?}: {wrong:#?}");
    assert!(right > 60, "{right}");
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
