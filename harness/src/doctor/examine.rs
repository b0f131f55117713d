//! Asks one question: does its run, lets the guest in, and quotes what was found.
//!
//! Owns the order of these. The words are the checker's.

use std::time::Duration;

use tokio::time::timeout;

use super::battery::Question;
use super::guest::{self, Visit};
use super::{Answer, CardLine, Doctor};
use crate::bot::dial::Dialer;
use crate::check::{FindingKind, Verdict};
use crate::report::Report;
use crate::run::{Run, RunError, RunHandle};

/// How long everybody may take to be there, after which the guest comes all the same: where nobody gets the stream it is to
/// come before they have given up.
const READY: Duration = Duration::from_secs(3);

impl Doctor {
    pub(super) async fn ask(&self, question: Question) -> Result<CardLine, RunError> {
        if let Some(why) = question.not_for(&self.dialect) {
            return Ok(CardLine {
                question,
                answer: Answer::NotAsked,
                cause: why.to_owned(),
                fix: None,
                trace: None,
            });
        }
        let scenario = question.scenario(&self.dialect);
        let room = scenario
            .rooms
            .first()
            .map_or("", |room| room.name.as_str())
            .to_owned();
        let mut run = Run::against(&self.url)
            .scenario(scenario)
            .access(self.access.clone());
        if let Some(exec) = &self.exec {
            run = run.exec(exec.clone());
        }
        let folder = self.output_dir.as_ref().map(|dir| dir.join(question.name()));
        if let Some(folder) = &folder {
            run = run.output_dir(folder);
        }
        let mut handle = run.start().await?;
        let visited = match question.guest() {
            Some(guest) => Some(self.let_in(guest, &mut handle, &room).await?),
            None => None,
        };
        let report = handle.finish().await?;
        let mut line = line(question, &report);
        match (visited, line.answer) {
            (Some(Err(reason)), Answer::Healthy) => {
                line.answer = Answer::Unclear;
                line.cause = format!("the guest could not get in to misbehave: {reason}");
            }
            // Whatever came of it at the two, nobody else should have been heard there; a call that never came about
            // has another cause.
            (Some(Ok(Visit { was_let_in: true, .. })), Answer::Sick)
                if self.dialect.is_for_two() && report.causes.is_empty() && is_alive(&report) =>
            {
                line.cause = format!(
                    "the server let a third peer into a call of two, and passed on to them what it said ({})",
                    line.cause
                );
                line.fix = Some(
                    "refuse whoever comes third: close its connection, or give each call a room of its own"
                        .to_owned(),
                );
            }
            _ => {}
        }
        line.trace = folder.map(|folder| folder.join("trace.jsonl"));
        Ok(line)
    }

    /// Lets a guest in when everybody is there, and then one more viewer; gives what became of it, or why it could not get
    /// in.
    async fn let_in(
        &self,
        guest: super::battery::Guest,
        handle: &mut RunHandle,
        room: &str,
    ) -> Result<Result<Visit, String>, RunError> {
        let dialer = Dialer::to(&self.url, &self.access)?.with_dialect(self.dialect.read()?);
        let _ = timeout(READY, handle.ready()).await;
        let visit = guest::visit(guest, &dialer, room).await;
        if !self.dialect.is_for_two() {
            // Whoever comes now needs a server that is well.
            handle.join_viewer();
        }
        handle.wait().await;
        Ok(visit.map_err(|error| error.to_string()))
    }
}

/// Whether the server outlived the run, as far as that is known.
fn is_alive(report: &Report) -> bool {
    let mut findings = report.findings.iter();
    !findings.any(|finding| finding.kind == FindingKind::ServerEnded)
}

fn line(question: Question, report: &Report) -> CardLine {
    let totals = &report.measured.totals;
    let (answer, cause, fix) = match report.verdict {
        Verdict::Pass => {
            let seen = format!(
                "{} viewers, {} of {} frames verified",
                report.measured.viewers.len(),
                totals.verified,
                totals.expected
            );
            (Answer::Healthy, seen, None)
        }
        Verdict::Invalid => (Answer::Unclear, report.because.clone(), None),
        // It may have died of what was asked; whatever else is missing is missing because of that.
        Verdict::Fail if !is_alive(report) => {
            let fix = "catch what a handler throws, and answer or ignore what cannot be read: one client must not end the \
                       server for all";
            (Answer::Sick, report.because.clone(), Some(fix.to_owned()))
        }
        Verdict::Fail => match report.causes.first() {
            Some(cause) => (Answer::Sick, cause.message.clone(), Some(cause.fix.clone())),
            None => (Answer::Sick, report.because.clone(), None),
        },
    };
    CardLine {
        question,
        answer,
        cause,
        fix,
        trace: None,
    }
}
