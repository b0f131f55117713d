//! The checker: from figures to findings, criteria and a verdict.
//!
//! Owns every opinion of greenroom. It is pure, reads nothing but [`Measured`] and the scenario, gives
//! all findings and never only the first, and measures nothing.

mod findings;
mod generator;

use serde::{Deserialize, Serialize};

use crate::measure::measured::{JudgedAt, Measured, ViewerFigures, ViewerOutcome};
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
}

/// Judges a run.
pub(crate) fn judge(scenario: &Scenario, measured: &Measured) -> Judgement {
    let findings = findings::all(scenario, measured);
    let breaches = breaches(&measured.generator);
    let criteria = criteria(scenario, measured, &findings);
    let (verdict, because) = decide(scenario, measured, &criteria, &findings, &breaches);
    Judgement {
        verdict,
        because,
        criteria,
        findings,
    }
}

fn criteria(scenario: &Scenario, measured: &Measured, findings: &[Finding]) -> Vec<Criterion> {
    let viewers = &measured.viewers;
    let joined = viewers
        .iter()
        .filter(|viewer| joined_in_time(viewer, scenario))
        .count();
    let totals = &measured.totals;
    let unexplained = totals
        .lost
        .saturating_sub(findings::explained_losses(scenario, measured))
        + totals.corrupt;
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    vec![
        Criterion {
            name: format!(
                "every viewer has a first frame within {:?}",
                scenario.deadlines.join
            ),
            met: joined == viewers.len() && !viewers.is_empty(),
            figure: format!("{joined} of {}", viewers.len()),
        },
        Criterion {
            name: "every expected frame is verified, or a scripted fault explains it".to_owned(),
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
    ]
}

/// Whether a viewer got its first frame within the deadline; one that came when nothing was live need not.
fn joined_in_time(viewer: &ViewerFigures, scenario: &Scenario) -> bool {
    let joined_a_stopped_stream =
        viewer.state_at_join.is_some_and(|state| state.stopped) && viewer.frames == 0;
    joined_a_stopped_stream
        || first_frame_ms(viewer).is_some_and(|ms| ms <= scenario.deadlines.join.as_secs_f64() * 1_000.0)
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
    if scenario.role == RoleSelection::Broadcaster {
        return (
            Verdict::Invalid,
            "frames are judged where they are received; the verdict is with the viewers".to_owned(),
        );
    }
    let received = measured.viewers.iter().any(|viewer| viewer.frames > 0);
    if received
        && measured.judged_at != JudgedAt::Exact
        && measured.totals.verified + measured.totals.corrupt == 0
    {
        let why = match scenario.role {
            RoleSelection::Viewers => {
                "no frame could be held against a ledger; give the broadcaster's with --ledger FILE"
            }
            RoleSelection::All | RoleSelection::Broadcaster => {
                "frames arrived and none could be held against the ledger"
            }
        };
        if scenario.role == RoleSelection::Viewers {
            return (Verdict::Invalid, why.to_owned());
        }
    }
    let errors: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    if criteria.iter().all(|criterion| criterion.met) {
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
