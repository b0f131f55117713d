//! The report: what a run found and measured, as one value, and its table.
//!
//! Owns the presentation. It computes nothing: every figure comes from [`Measured`], every opinion from
//! [`crate::check`].

mod ladder;
mod table;

use serde::{Deserialize, Serialize};

use crate::check::{Criterion, Finding, Judgement, Verdict};
use crate::measure::measured::{Measured, ViewerFigures};
use crate::rules::{Cause, RuleFinding};
use crate::run::Environment;
use crate::scenario::Scenario;

pub use ladder::{Ladder, ladder};
pub use table::Style;

/// Version of the JSON form of [`Report`].
pub const REPORT_VERSION: u32 = 1;

/// Exit code of a run that was interrupted and still reported.
pub const EXIT_INTERRUPTED: u8 = 105;

/// The result of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub greenroom_report: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// What decided the verdict.
    pub because: String,
    /// Whether the run was ended early by its caller.
    pub interrupted: bool,
    /// The broken rule that ended the run early, where the scenario asks for that (`abort_on_fail`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<RuleFinding>,
    /// The conditions of a pass.
    pub criteria: Vec<Criterion>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// Why viewers have no picture: the first step of each one's connection that broke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Broken rules with the events that prove them, in the order of the trace; notes too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleFinding>,
    /// What was measured.
    pub measured: Measured,
    /// Events in the trace file, if there is one.
    pub trace_events: Option<u64>,
    /// Events that the trace file has not, because the disk did not keep up.
    pub trace_events_dropped: Option<u64>,
    /// How a simulated run went; absent for one in real time.
    pub simulated: Option<Simulated>,
    /// What was run.
    pub scenario: Scenario,
    /// With what, and where.
    pub environment: Environment,
}

/// Virtual and real time of a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// The seed; the same one gives the same run.
    pub seed: u64,
    /// How long it was in virtual time, in milliseconds.
    pub virtual_ms: f64,
    /// How long it took, in milliseconds.
    pub real_ms: f64,
}

impl Report {
    pub(crate) fn new(
        judgement: Judgement,
        rules: Vec<RuleFinding>,
        measured: Measured,
        scenario: Scenario,
        environment: Environment,
    ) -> Self {
        Self {
            greenroom_report: REPORT_VERSION,
            verdict: judgement.verdict,
            because: judgement.because,
            interrupted: false,
            aborted: None,
            criteria: judgement.criteria,
            findings: judgement.findings,
            causes: judgement.causes,
            rules,
            measured,
            trace_events: None,
            trace_events_dropped: None,
            simulated: None,
            scenario,
            environment,
        }
    }

    /// The report as the table that `greenroom run` prints.
    pub fn table(&self, style: Style) -> String {
        table::render(self, style)
    }

    /// One viewer of the first room, by its number from 1.
    pub fn viewer(&self, number: u32) -> Option<&ViewerFigures> {
        self.measured
            .viewers
            .iter()
            .find(|viewer| viewer.number == number)
    }

    /// The exit code of a process that ends with this report: the verdict's, or 105 if it was interrupted.
    pub fn exit_code(&self) -> u8 {
        if self.interrupted {
            EXIT_INTERRUPTED
        } else {
            self.verdict.exit_code()
        }
    }

    /// Does nothing if the verdict is `pass`.
    ///
    /// # Panics
    ///
    /// With the table, if the verdict is anything else; for tests.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.verdict == Verdict::Pass, "{}", self.table(Style::Plain));
    }
}
