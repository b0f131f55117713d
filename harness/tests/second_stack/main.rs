//! Another WebRTC stack on either side of the calls in which nothing is wrong: the checker stays silent, frames arrive.
//!
//! What holds only for the stack that greenroom was built on would show here: str0m writes other SDP, sends its
//! candidates in its descriptions, and has an ICE agent and a DTLS of its own.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]
#![allow(
    clippy::print_stderr,
    reason = "what str0m refuses belongs to a failing test's output"
)]

mod connection;
mod engine;
mod faults;
mod media;

use std::sync::Arc;

use engine::{SecondStack, Served};
use greenroom::{Report, Run, Scenario, score};

async fn call(scenario: Scenario, served: Served) -> Report {
    Run::simulated(scenario.seed)
        .scenario(scenario)
        .engine(move |setting| Arc::new(SecondStack::new(setting, served)))
        .run()
        .await
        .unwrap()
}

/// Every clean call: no alarm, no cause, and the verdict that it has with webrtc on both sides.
async fn clean_calls_are_silent(served: Served) {
    let mut wrong = Vec::new();
    for (name, scenario) in score::clean_calls() {
        let report = call(scenario, served).await;
        assert!(
            report.environment.engine.contains("str0m"),
            "{}",
            report.environment.engine
        );
        let alarms = score::alarms(&report);
        if !alarms.is_empty() {
            wrong.push((name, alarms));
        }
    }
    assert!(wrong.is_empty(), "{} calls: {wrong:#?}", wrong.len());
}

#[tokio::test]
async fn a_broadcaster_on_str0m_offers_and_nothing_is_wrong() {
    clean_calls_are_silent(Served::Broadcaster).await;
}

#[tokio::test]
async fn viewers_on_str0m_answer_and_nothing_is_wrong() {
    clean_calls_are_silent(Served::Viewers).await;
}

#[tokio::test]
async fn str0m_on_both_sides_and_nothing_is_wrong() {
    clean_calls_are_silent(Served::Both).await;
}
