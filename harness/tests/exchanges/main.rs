//! Properties of the checker over whole exchanges: it is silent about legal ones, and not about broken ones.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod call;
mod connection;
mod description;
mod edit;
mod found;
mod mutation;
mod pairs;
mod plan;
mod weave;
mod wire;

use std::collections::BTreeMap;

use greenroom::rules::{Checker, Diagnosis};
use greenroom::trace::{FrameWay, TraceEvent};
use greenroom::{Severity, ladder};
use mutation::{Excuse, Mutation};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

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
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_legal_exchange_breaks_no_rule_and_has_no_cause(plan in plan::plans()) {
        let complaint = complaint(&call::trace(&plan));
        prop_assert!(complaint.is_none(), "{}", complaint.unwrap_or_default());
    }

    #[test]
    fn one_change_to_a_legal_exchange_is_found_or_has_its_excuse(plan in plan::plans(), pick: u16) {
        let legal = call::trace(&plan);
        for mutation in Mutation::ALL {
            let mut events = legal.clone();
            let Some(excuse) = mutation.apply(&mut events, usize::from(pick)) else { continue };
            let is_found = complaint(&events).is_some();
            prop_assert!(
                is_found || excuse != Excuse::None,
                "{mutation:?} is not found, from here: {:#?}\n{}",
                legal.iter().zip(&events).find(|(one, other)| one != other),
                ladder(&events, &diagnose(&events), None)
            );
        }
    }

    #[test]
    fn what_has_come_of_a_legal_exchange_breaks_nothing_but_what_is_overdue(plan in plan::plans(), cut: u16) {
        let legal = call::trace(&plan);
        let cut = usize::from(cut) % legal.len();
        let begun = &legal[..cut];
        let arrivals = edit::passed(&legal);
        for finding in diagnose(begun).findings {
            // All that a beginning may lack is a message that was sent a second ago and is still under way.
            let sent = finding.effect.number as usize - 1;
            let waits = begun.last().is_some_and(|last| last.at_us >= legal[sent].at_us + 1_000_000);
            let is_under_way = arrivals.iter().any(|passed| passed.left == sent && passed.came >= cut)
                || matches!(edit::frame(&legal[sent]), Some((FrameWay::Out, join)) if join["room"] == "lobby");
            let is_overdue = ["SG-05", "TR-05"].contains(&finding.rule.as_str()) && waits && is_under_way;
            prop_assert!(finding.severity == Severity::Note || is_overdue, "of {cut} events: {finding:#?}");
        }
    }

    #[test]
    fn any_events_in_any_order_are_taken_and_findings_are_bounded(
        plan in plan::plans(),
        swaps in prop::collection::vec(any::<(u16, u16)>(), 0..200),
        times in 1_usize..6,
    ) {
        let mut events = call::trace(&plan);
        let len = events.len();
        for (one, other) in swaps {
            events.swap(usize::from(one) % len, usize::from(other) % len);
        }
        let mut checker = Checker::default();
        let mut found = 0;
        for event in events.iter().cycle().take(len * times) {
            checker.observe(event);
            prop_assert!(checker.findings().len() >= found, "a finding was taken back");
            found = checker.findings().len();
        }
        prop_assert!(checker.finish().findings.len() <= 1_000);
    }
}

/// No excuse is so wide that a change is never found, and none is made for what is always found.
#[test]
fn every_kind_of_change_is_found_somewhere_and_every_excuse_is_needed() {
    let mut runner = TestRunner::deterministic();
    let mut missed: Vec<Mutation> = Mutation::ALL.to_vec();
    let mut made = BTreeMap::new();
    for pick in 0..64 {
        let legal = call::trace(&plan::plans().new_tree(&mut runner).unwrap().current());
        for mutation in Mutation::ALL {
            let mut events = legal.clone();
            let Some(excuse) = mutation.apply(&mut events, pick * 7) else {
                continue;
            };
            let is_found = complaint(&events).is_some();
            if is_found {
                missed.retain(|missed| *missed != mutation);
            }
            if let Excuse::Harmless(reason) | Excuse::Unseen(reason) = excuse {
                *made.entry(reason).or_insert(false) |= !is_found;
            }
        }
    }
    assert_eq!(missed, []);
    let unneeded: Vec<_> = made.iter().filter(|(_, is_needed)| !**is_needed).collect();
    assert!(unneeded.is_empty(), "{unneeded:#?}");
}
