//! The checker: from figures to findings, criteria and a verdict.
//!
//! Owns every opinion of greenroom. It is pure, reads nothing but [`Measured`] and the scenario, gives
//! all findings and never only the first, and measures nothing.

mod findings;
mod generator;
mod perception;
mod tally;

use serde::{Deserialize, Serialize};

use crate::measure::measured::{JudgedAt, Measured, ViewerFigures, ViewerOutcome};
use crate::rules::{Cause, Diagnosis, RuleFinding};
use crate::scenario::{RoleSelection, Scenario};

pub use findings::{Finding, FindingKind, Severity};
pub(crate) use generator::breaches;
pub use generator::{Breach, Limit};

/// What a run amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every criterion is met.
    Pass,
    /// The system under test misbehaved.
    Fail,
    /// The run says nothing about the system under test.
    Invalid,
}

impl Verdict {
    /// The exit code of a process that ends with this verdict: 0, 99 or 120.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 99,
            Self::Invalid => 120,
        }
    }
}

/// One condition of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// What is asked for.
    pub name: String,
    /// Whether it is so.
    pub met: bool,
    /// The figure that decided.
    pub figure: String,
}

/// What the checker makes of a run.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) because: String,
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) findings: Vec<Finding>,
    /// Why viewers have no picture, as far as that was found to matter.
    pub(crate) causes: Vec<Cause>,
}

/// Judges a run by its figures and by what its trace showed; `aborted_by` is the broken rule that ended it early.
pub(crate) fn judge(
    scenario: &Scenario,
    measured: &Measured,
    diagnosis: &Diagnosis,
    aborted_by: Option<&RuleFinding>,
) -> Judgement {
    let findings = findings::all(scenario, measured, &diagnosis.findings);
    let breaches = breaches(&measured.generator);
    let criteria = criteria(scenario, measured, &findings);
    let (verdict, because) = decide(scenario, measured, &criteria, &findings, &breaches);
    let causes: Vec<Cause> = diagnosis
        .causes
        .iter()
        .filter(|cause| matters(cause, &findings))
        .cloned()
        .collect();
    Judgement {
        verdict,
        // The first broken step says more than the symptom; a server that died says more than both.
        because: match (causes.first(), aborted_by) {
            // Whatever else is missing may have had no time to come.
            (_, Some(error)) if verdict == Verdict::Fail => format!("{}: {}", error.rule, error.message),
            (Some(cause), _) if verdict == Verdict::Fail && measured.server_ended.is_none() => {
                cause.message.clone()
            }
            _ => because,
        },
        criteria,
        findings,
        causes,
    }
}

fn criteria(scenario: &Scenario, measured: &Measured, findings: &[Finding]) -> Vec<Criterion> {
    let viewers = &measured.viewers;
    let judged = viewers
        .iter()
        .filter(|viewer| is_judged_for_joining(viewer, scenario))
        .count();
    let joined = viewers
        .iter()
        .filter(|viewer| joined_in_time(viewer, scenario))
        .count();
    let totals = &measured.totals;
    let explained: u64 = viewers
        .iter()
        .map(|viewer| findings::explained_losses(scenario, viewer))
        .sum();
    let unexplained = totals.lost.saturating_sub(explained) + totals.corrupt;
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    let mut criteria = vec![
        Criterion {
            name: format!(
                "every viewer has a first frame within {:?}",
                scenario.deadlines.join
            ),
            met: joined == judged && judged > 0,
            figure: format!("{joined} of {judged}"),
        },
        Criterion {
            name: "every expected frame is verified, or the scripted loss explains it".to_owned(),
            met: totals.verified > 0 && unexplained == 0 && measured.judged_at == JudgedAt::Exact,
            figure: format!(
                "{} of {} verified, {unexplained} unexplained",
                totals.verified, totals.expected
            ),
        },
        Criterion {
            name: "no error is found".to_owned(),
            met: errors == 0,
            figure: format!("{errors} found"),
        },
    ];
    if let Some(sound) = &measured.sound_totals {
        let explained: u64 = viewers
            .iter()
            .map(|viewer| perception::explained_sound_losses(scenario, viewer))
            .sum();
        let unexplained = sound.lost.saturating_sub(explained) + sound.corrupt;
        let criterion = Criterion {
            name: "every expected sound packet is verified, or the scripted loss explains it".to_owned(),
            met: sound.verified > 0 && unexplained == 0,
            figure: format!(
                "{} of {} verified, {unexplained} unexplained",
                sound.verified, sound.expected
            ),
        };
        criteria.insert(2, criterion);
    }
    criteria
}

/// Whether a viewer without a picture is one that was to have one.
fn matters(cause: &Cause, findings: &[Finding]) -> bool {
    let errors = || {
        findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    };
    // Where nobody has anything each has a part in it, however short the run was.
    errors().any(|finding| finding.kind == FindingKind::NothingVerified)
        || errors().any(|finding| {
            finding.peer.as_deref() == Some(cause.viewer.as_str()) && finding.kind != FindingKind::RuleBroken
        })
}

/// Whether a viewer got its first frame within the deadline.
fn joined_in_time(viewer: &ViewerFigures, scenario: &Scenario) -> bool {
    let limit = scenario.deadlines.join.as_secs_f64() * 1_000.0;
    first_frame_ms(viewer).is_some_and(|ms| ms <= limit)
}

/// Whether anything can be said: a viewer that came too late for the deadline, or to a stream that was over,
/// is neither a success nor a failure.
fn is_judged_for_joining(viewer: &ViewerFigures, scenario: &Scenario) -> bool {
    first_frame_ms(viewer).is_some()
        || viewer.dial_error.is_some()
        || viewer
            .without_key_frame_ms
            .is_some_and(|ms| ms > scenario.deadlines.first_key_frame.as_secs_f64() * 1_000.0)
        || (meant_to_finish(viewer) && findings::had_time_to_join(scenario, viewer))
}

fn first_frame_ms(viewer: &ViewerFigures) -> Option<f64> {
    use crate::measure::join::JoinPhase;
    viewer
        .join_ms
        .iter()
        .find(|(phase, _)| *phase == JoinPhase::FirstFrame)
        .map(|(_, ms)| *ms)
}

fn decide(
    scenario: &Scenario,
    measured: &Measured,
    criteria: &[Criterion],
    findings: &[Finding],
    breaches: &[Breach],
) -> (Verdict, String) {
    let errors: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    if errors.is_empty() && scenario.role == RoleSelection::Broadcaster {
        let why = "frames are judged where they are received; the verdict is with the viewers";
        return (Verdict::Invalid, why.to_owned());
    }
    let without_ledger = matches!(measured.judged_at, JudgedAt::Intact | JudgedAt::Stamped);
    if errors.is_empty() && without_ledger && scenario.role == RoleSelection::Viewers {
        let why = "no frame could be held against a ledger; give the broadcaster's with --ledger FILE";
        return (Verdict::Invalid, why.to_owned());
    }
    if criteria.iter().all(|criterion| criterion.met) {
        // What was to be tested did not happen.
        if let Some(idle) = measured.idle_faults.first() {
            let why = format!("the fault {idle} met nothing that it fits, so the run says nothing about it");
            return (Verdict::Invalid, why);
        }
        // A generator that was starved passes nothing: its figures are not the system's.
        return match breaches.iter().find(|breach| breach.starved) {
            Some(breach) => (Verdict::Invalid, format!("the generator was starved: {breach}")),
            None => (Verdict::Pass, "every criterion is met".to_owned()),
        };
    }
    let excused = !errors.is_empty()
        && errors
            .iter()
            .all(|finding| breaches.iter().any(|breach| breach.could_cause(finding)));
    if excused {
        let breach = breaches
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        return (
            Verdict::Invalid,
            format!("the generator may have caused it: {breach}"),
        );
    }
    let because = errors.first().map_or_else(
        || {
            criteria
                .iter()
                .find(|criterion| !criterion.met)
                .map_or_else(String::new, |criterion| criterion.figure.clone())
        },
        |finding| finding.message.clone(),
    );
    (Verdict::Fail, because)
}

/// Whether a viewer was meant to stay to the end.
fn meant_to_finish(viewer: &ViewerFigures) -> bool {
    matches!(
        viewer.end,
        ViewerOutcome::Finished | ViewerOutcome::NeverConnected
    )
}

#[cfg(test)]
mod tests;
