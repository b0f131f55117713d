//! For every rule that is decided, an exchange that keeps it and the same one with one change that breaks it.
//!
//! Owns the table and its test, which fails for a rule that has no pair. The pairs are group by group in files of their
//! own.

mod http;
mod janus;
mod offer_answer;
mod relay;
mod trickle;
mod wire;

use greenroom::rules::RuleFinding;
use greenroom::rules::catalogue::{self, Decided};
use greenroom::trace::{FrameWay, TraceEvent};
use greenroom::{Severity, ladder};
use serde_json::{Value, json};

use super::call::{self, event, frame};
use super::diagnose;
use super::edit::{passed, rewrite_sdp};
use super::plan::{Change, Plan};

/// An exchange that keeps a rule, and what breaks it.
struct Pair {
    rule: &'static str,
    /// Further offers of the plainest call, where the rule needs some.
    changes: &'static [Change],
    breaks: fn(&mut Vec<TraceEvent>),
    /// Whether the finding names the event that it contradicts, beside the one that shows it.
    names_both: bool,
    /// The exchange, where it is none of greenroom's own protocol.
    instead: Option<fn() -> Vec<TraceEvent>>,
}

impl Pair {
    const fn new(rule: &'static str, breaks: fn(&mut Vec<TraceEvent>)) -> Self {
        Self {
            instead: None,
            rule,
            changes: &[],
            breaks,
            names_both: true,
        }
    }

    /// The rule is about one event alone.
    const fn alone(self) -> Self {
        Self {
            names_both: false,
            ..self
        }
    }

    /// In another protocol.
    const fn of(self, exchange: fn() -> Vec<TraceEvent>) -> Self {
        Self {
            instead: Some(exchange),
            ..self
        }
    }

    const fn after(self, changes: &'static [Change]) -> Self {
        Self { changes, ..self }
    }
}

fn pairs() -> impl Iterator<Item = &'static Pair> {
    [
        offer_answer::PAIRS,
        trickle::PAIRS,
        wire::PAIRS,
        relay::PAIRS,
        http::PAIRS,
        janus::PAIRS,
    ]
    .into_iter()
    .flatten()
}

fn of_rule(events: &[TraceEvent], rule: &str) -> Vec<RuleFinding> {
    let mut findings = diagnose(events).findings;
    findings.retain(|finding| finding.rule == rule);
    findings
}

#[test]
fn every_decided_rule_is_kept_by_a_legal_exchange_and_broken_by_one_change() {
    for pair in pairs() {
        let Pair { rule, .. } = pair;
        let legal = match pair.instead {
            Some(exchange) => exchange(),
            None => call::trace(&Plan::plain(pair.changes).for_two()),
        };
        let kept = of_rule(&legal, rule);
        assert!(kept.is_empty(), "{rule} in a legal exchange: {kept:#?}");
        let mut broken = legal.clone();
        (pair.breaks)(&mut broken);
        assert_ne!(legal, broken, "{rule}: nothing was changed");
        let found = of_rule(&broken, rule);
        let both = found.iter().any(|finding| finding.cause.is_some());
        assert!(
            !found.is_empty() && (both || !pair.names_both),
            "{rule} is to be found{}: {found:#?}\n{}",
            if pair.names_both { ", with both events" } else { "" },
            ladder(&broken, &diagnose(&broken), None)
        );
        // What is the traffic of stacks that work is a note, whatever the rule's own severity (docs/checker.md).
        let is_noted = ["TR-01", "RT-01"].contains(rule);
        let worst = found.iter().map(|finding| finding.severity).max();
        assert_eq!(worst == Some(Severity::Note), is_noted, "{rule}: {found:#?}");
    }
}

#[test]
fn every_decided_rule_has_a_pair_and_no_other_has() {
    let decided = catalogue::all().filter(|rule| rule.decided == Decided::Yes);
    let decided: Vec<&str> = decided.map(|rule| rule.id).collect();
    let mut paired: Vec<&str> = pairs().map(|pair| pair.rule).collect();
    paired.dedup();
    let missing: Vec<_> = decided.iter().filter(|rule| !paired.contains(*rule)).collect();
    let undecided: Vec<_> = paired.iter().filter(|rule| !decided.contains(*rule)).collect();
    assert!(
        missing.is_empty() && undecided.is_empty(),
        "rules without a pair: {missing:?}; pairs of rules that are not decided: {undecided:?}"
    );
}

/// Changes the description of that kind and number, from 0, of the first viewer's connection: where it is sent and where
/// it arrives.
fn describe(events: &mut [TraceEvent], kind: &str, number: usize, change: impl Fn(&str) -> String) {
    let first = |peer: &str| peer == "v2";
    let all = passed(events).into_iter();
    let of = all.filter(|passed| passed.kind == kind && (first(&passed.from) || first(&passed.to)));
    let Some(place) = of.into_iter().nth(number) else {
        return;
    };
    for at in [place.left, place.came] {
        rewrite_sdp(&mut events[at], &change);
    }
}

/// Puts a message of the first viewer's connection in behind the event `after`: sent and arrived.
fn say(events: &mut Vec<TraceEvent>, after: usize, from_viewer: bool, message: &Value) {
    let mut ends = [(call::BROADCASTER, call::BROADCASTER_ID), ("viewer-1", "v2")];
    if from_viewer {
        ends.reverse();
    }
    let [(from, from_id), (to, to_id)] = ends;
    let at = events[after].at_us;
    let (mut sent, mut came) = (message.clone(), message.clone());
    sent["to"] = json!(to_id);
    came["from"] = json!(from_id);
    events.insert(after + 1, event(at, from, frame(FrameWay::Out, &sent)));
    events.insert(after + 2, event(at, to, frame(FrameWay::In, &came)));
}

/// The last event but the one that ends the trace.
fn last(events: &[TraceEvent]) -> usize {
    events.len() - 2
}
