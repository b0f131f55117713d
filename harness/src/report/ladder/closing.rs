//! What stands below the drawing: how it ended for each viewer, why, and which rules were broken.
//!
//! Owns the wording around causes and findings, whose sentences are the checker's.

use super::columns::natural;
use super::draw::{WIDTH, wrapped};
use super::frame::clipped;
use super::{Columns, Ladder};
use std::collections::BTreeSet;

use crate::check::Severity;
use crate::rules::{Diagnosis, EventRef, RuleFinding};
use crate::trace::label::{CLIENT, is_called};

/// Causes that are written out.
const MAX_CAUSES: usize = 8;
/// Rules that are written out.
const MAX_RULES: usize = 10;
/// Lines of one sentence.
const MAX_SENTENCE: usize = 4;

pub(super) fn of(ladder: &Ladder, columns: &Columns, diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = vec![String::new()];
    pictures(&mut lines, ladder, columns);
    causes(&mut lines, ladder, diagnosis);
    rules(&mut lines, ladder, columns, diagnosis);
    lines
}

/// Which viewers have a picture.
fn pictures(lines: &mut Vec<String>, ladder: &Ladder, columns: &Columns) {
    for peer in columns.drawn.iter().flatten().map(|peer| &ladder.peers[*peer]) {
        if peer.broadcaster || peer.label == CLIENT {
            continue;
        }
        let label = clipped(&peer.label, 40);
        lines.push(match peer.first_frame {
            Some((number, at_us)) => format!("{label} has a picture from {} ms on (#{number}).", ms(at_us)),
            None => format!("{label} never had a picture."),
        });
    }
}

fn causes(lines: &mut Vec<String>, ladder: &Ladder, diagnosis: &Diagnosis) {
    let of_all = diagnosis.causes.iter();
    let wanted: Vec<_> = of_all
        .filter(|cause| {
            ladder
                .only
                .as_ref()
                .is_none_or(|only| is_called(&cause.viewer, only))
        })
        .collect();
    if wanted.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push("Why there is no picture".to_owned());
    for cause in wanted.iter().take(MAX_CAUSES) {
        let heading = format!("{}: {}", clipped(&cause.viewer, 40), cause.kind);
        lines.push(format!("  {heading}"));
        sentence(lines, "what:", &cause.message);
        sentence(lines, "fix:", &cause.fix);
        if let Some(last) = &cause.last {
            sentence(lines, "right until:", &event(last));
        }
        if let Some(shown) = &cause.shown_by {
            sentence(lines, "shown by:", &event(shown));
        }
        if !cause.rules.is_empty() {
            sentence(lines, "rules:", &cause.rules.join(", "));
        }
    }
    more(lines, wanted.len(), MAX_CAUSES, "causes");
}

fn rules(lines: &mut Vec<String>, ladder: &Ladder, columns: &Columns, diagnosis: &Diagnosis) {
    // Of those that are drawn, each rule once at each peer, the worst first.
    let drawn = |finding: &&RuleFinding| match ladder.by_label.get(&finding.peer) {
        Some(peer) => ladder.only.is_none() || columns.has(*peer),
        None => true,
    };
    let mut folded: Vec<(&RuleFinding, usize)> = Vec::new();
    for finding in diagnosis.findings.iter().filter(drawn) {
        let same = folded
            .iter_mut()
            .find(|(first, _)| first.rule == finding.rule && first.peer == finding.peer);
        match same {
            Some((_, count)) => *count += 1,
            None => folded.push((finding, 1)),
        }
    }
    let (mut folded, notes): (Vec<_>, Vec<_>) = folded
        .into_iter()
        .partition(|(finding, _)| finding.severity > Severity::Note);
    if !notes.is_empty() {
        let rules: BTreeSet<&str> = notes.iter().map(|(finding, _)| finding.rule.as_str()).collect();
        let rules: Vec<&str> = rules.into_iter().collect();
        lines.push(String::new());
        lines.push(clipped(
            &format!("Noted, and of no consequence here: {}", rules.join(", ")),
            WIDTH,
        ));
    }
    if folded.is_empty() {
        return;
    }
    folded.sort_by_key(|(finding, _)| (std::cmp::Reverse(finding.severity), natural(&finding.peer)));
    lines.push(String::new());
    lines.push("Broken rules (`greenroom rule explain ID` teaches one)".to_owned());
    for (finding, count) in folded.iter().take(MAX_RULES) {
        let severity = finding.severity.name();
        let times = match count {
            1 => String::new(),
            count => format!(", {count} times"),
        };
        lines.push(clipped(
            &format!("  {} {severity}, {}{times}", finding.rule, event(&finding.effect)),
            WIDTH,
        ));
        sentence(lines, "what:", &finding.message);
        sentence(lines, "fix:", &finding.fix);
    }
    more(lines, folded.len(), MAX_RULES, "rules");
}

fn more(lines: &mut Vec<String>, all: usize, shown: usize, what: &str) {
    if all > shown {
        lines.push(format!(
            "  and {} more {what}: `greenroom trace check` writes them all",
            all - shown
        ));
    }
}

fn sentence(lines: &mut Vec<String>, name: &str, text: &str) {
    let under = wrapped(&clipped(text, 600), WIDTH - 18);
    for (number, text) in under.iter().take(MAX_SENTENCE).enumerate() {
        let name = if number == 0 { name } else { "" };
        lines.push(format!("    {name:<13}{text}"));
    }
}

fn event(event: &EventRef) -> String {
    let (peer, what) = (clipped(&event.peer, 40), clipped(&event.what, 120));
    format!("#{} at {} ms, {peer}: {what}", event.number, ms(event.at_us))
}

fn ms(us: u64) -> String {
    format!("{}.{}", us / 1_000, us % 1_000 / 100)
}
