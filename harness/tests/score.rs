//! Every fault of the exchange is found as what it is, and a call without one is silent.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

#[tokio::test]
async fn every_fault_of_the_exchange_is_found_as_what_it_is() {
    for fault in greenroom::score::faults() {
        let scored = greenroom::score::score(fault, 1).await.unwrap();
        println!(
            "{:32} {:28} {:?} notes {:?} failed {} | {}",
            scored.fault,
            format!("{:?}", scored.cause),
            scored.rules,
            scored.notes,
            scored.failed,
            scored.because
        );
    }
}
