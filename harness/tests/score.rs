//! Every fault of the exchange is found as what it is, and calls without one are silent.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

use greenroom::score;

#[tokio::test]
async fn every_fault_of_the_exchange_is_found_as_what_it_is() {
    let mut wrong = Vec::new();
    for fault in score::faults() {
        let scored = score::score(fault, 1).await.unwrap();
        if !scored.is_right() || !scored.failed {
            wrong.push(scored);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        score::faults().len()
    );
}

#[tokio::test]
async fn calls_in_which_nothing_is_wrong_raise_no_alarm() {
    for (name, scenario) in score::clean_calls() {
        let alarms = score::false_alarms(scenario).await.unwrap();
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
    }
}
