//! Properties of the checker over whole exchanges: it is silent about legal ones, and not about broken ones.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod call;
mod connection;
mod description;
mod plan;
mod weave;
mod wire;

use greenroom::rules::{Checker, Diagnosis};
use greenroom::trace::TraceEvent;
use greenroom::{Severity, ladder};
use proptest::prelude::*;

/// What the checker says of a trace.
fn diagnose(events: &[TraceEvent]) -> Diagnosis {
    let mut checker = Checker::default();
    events.iter().for_each(|event| checker.observe(event));
    checker.finish()
}

/// What is wrong by the checker, and the exchange that it says it of; `None` if nothing is.
fn complaint(events: &[TraceEvent]) -> Option<String> {
    let diagnosis = diagnose(events);
    let above: Vec<String> = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Note)
        .map(|finding| format!("{finding:#?}"))
        .chain(diagnosis.causes.iter().map(|cause| format!("{cause:#?}")))
        .collect();
    (!above.is_empty()).then(|| format!("{}\n{}", ladder(events, &diagnosis, None), above.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_legal_exchange_breaks_no_rule_and_has_no_cause(plan in plan::plans()) {
        let complaint = complaint(&call::trace(&plan));
        prop_assert!(complaint.is_none(), "{}", complaint.unwrap_or_default());
    }
}
