//! The score of the checker: every fault on purpose in the simulated network, and what it was found as.
//!
//! Owns the comparison of what was found with what was to be. It judges the checker, and nothing else.

mod calls;
mod expected;

use serde::Serialize;

use crate::check::{FindingKind, Severity, Verdict};
use crate::fault::wire::WireFault;
use crate::report::Report;
use crate::rules::{CauseKind, RuleFinding};
use crate::run::{Run, RunError};
use crate::scenario::Scenario;

pub use calls::{call, call_for, clean_calls};
pub use expected::{Expected, expected};

/// What became of one fault.
#[derive(Clone, Debug, Serialize)]
pub struct Scored {
    /// Its name.
    pub fault: &'static str,
    /// What it was to be found as.
    pub expected_cause: Option<CauseKind>,
    /// The rule that it was to break.
    pub expected_rule: Option<&'static str>,
    /// Whether a note is enough of that rule.
    pub expected_note: bool,
    /// The first cause that was found.
    pub cause: Option<CauseKind>,
    /// Rules that were found broken, errors and warnings, each once.
    pub rules: Vec<String>,
    /// Rules of which there is a note.
    pub notes: Vec<String>,
    /// Whether the run failed.
    pub failed: bool,
    /// In one sentence.
    pub because: String,
}

impl Scored {
    /// Whether it was found as what it is.
    pub fn is_right(&self) -> bool {
        // A clean call has notes too, so that one proves nothing of a rule that is an error.
        let notes: &[String] = if self.expected_note { &self.notes } else { &[] };
        let rule_is_there = self
            .expected_rule
            .is_none_or(|rule| self.rules.iter().chain(notes).any(|found| found == rule));
        self.cause == self.expected_cause && rule_is_there
    }
}

/// Plants one fault in the exchange of the first viewer and says what it was found as.
///
/// # Errors
///
/// As [`Run::run`].
pub async fn score(fault: &'static WireFault, seed: u64) -> Result<Scored, RunError> {
    let run = Run::simulated(seed).scenario(Scenario {
        seed,
        ..call_for(fault.name)
    });
    let report = run.wire_fault(fault.name, 1).run().await?;
    Ok(scored(fault.name, &report))
}

/// What a report says of a fault.
pub fn scored(fault: &'static str, report: &Report) -> Scored {
    let Expected { cause, rule, note } = expected(fault).unwrap_or_default();
    let ids = |keep: fn(Severity) -> bool| {
        let mut ids: Vec<String> = report
            .rules
            .iter()
            .filter(|finding| keep(finding.severity))
            .map(|finding| finding.rule.clone())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    };
    Scored {
        fault,
        expected_cause: cause,
        expected_rule: rule,
        expected_note: note,
        cause: report.causes.first().map(|cause| cause.kind),
        rules: ids(|severity| severity > Severity::Note),
        notes: ids(|severity| severity == Severity::Note),
        failed: report.verdict == Verdict::Fail,
        because: report.because.clone(),
    }
}

/// What became of a random mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutated {
    /// A rule about what messages say was found broken, or a cause was found.
    Named,
    /// The call went well, and no such rule was found broken.
    Harmless,
    /// There was nothing to change, or what was changed says the same.
    Idle,
    /// The call went wrong, and all that was said is that a message arrived other than it was sent.
    Missed,
}

/// Changes one kind of message of the first viewer's exchange as `seed` says.
///
/// That the message arrives changed is always seen, because both ends are greenroom's; it does not count as found
/// here, because of a stranger's message nobody knows what it was.
///
/// # Errors
///
/// As [`Run::run`].
pub async fn mutate(seed: u64) -> Result<(Mutated, String), RunError> {
    let run = Run::simulated(1).scenario(call());
    let report = run.wire_fault(&format!("random-{seed}"), 1).run().await?;
    let about_content = |finding: &&RuleFinding| {
        finding.severity > Severity::Note && !matches!(finding.rule.as_str(), "SG-05" | "TR-05")
    };
    let named = report.rules.iter().any(|finding| about_content(&finding)) || !report.causes.is_empty();
    let went_wrong = report
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error && finding.kind != FindingKind::RuleBroken);
    let mutated = match (named, went_wrong) {
        _ if !report.measured.idle_faults.is_empty() => Mutated::Idle,
        (true, _) => Mutated::Named,
        (false, false) => Mutated::Harmless,
        (false, true) => Mutated::Missed,
    };
    let worst = report
        .findings
        .iter()
        .find(|finding| finding.kind != FindingKind::RuleBroken);
    Ok((
        mutated,
        worst.map_or_else(|| report.because.clone(), |finding| finding.message.clone()),
    ))
}

/// What is said against a call in which nothing is wrong; it should be nothing.
///
/// # Errors
///
/// As [`Run::run`].
pub async fn false_alarms(scenario: Scenario) -> Result<Vec<String>, RunError> {
    let report = Run::simulated(scenario.seed).scenario(scenario).run().await?;
    Ok(alarms(&report))
}

/// What a report says against its call: causes, errors and warnings of rules, and why it does not pass, each in a
/// sentence.
pub fn alarms(report: &Report) -> Vec<String> {
    let causes = report.causes.iter().map(|cause| cause.message.clone());
    let rules = report
        .rules
        .iter()
        .filter(|finding| finding.severity > Severity::Note);
    let rules = rules.map(|finding| format!("{}: {}", finding.rule, finding.message));
    let verdict = (report.verdict != Verdict::Pass).then(|| report.because.clone());
    causes.chain(rules).chain(verdict).collect()
}
