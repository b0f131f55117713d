//! Asks one question: does its run, lets the guest in, and quotes what was found.
//!
//! Owns the order of these. The words are the checker's.

use std::time::Duration;

use tokio::time::timeout;

use super::battery::Question;
use super::{Answer, CardLine, Doctor, guest};
use crate::bot::dial::Dialer;
use crate::check::Verdict;
use crate::report::Report;
use crate::run::{Run, RunError, RunHandle};

/// How long everybody may take to be there, after which the guest comes all the same.
const READY: Duration = Duration::from_secs(8);

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
        let turned_away = match question.guest() {
            Some(guest) => self.let_in(guest, &mut handle, &room).await?,
            None => None,
        };
        let report = handle.finish().await?;
        let mut line = line(question, &report);
        if let (Some(reason), Answer::Healthy) = (turned_away, line.answer) {
            line.answer = Answer::Unclear;
            line.cause = format!("the guest could not get in to misbehave: {reason}");
        }
        line.trace = folder.map(|folder| folder.join("trace.jsonl"));
        Ok(line)
    }

    /// Lets a guest in when everybody is there, and then one more viewer; gives why it could not get in.
    async fn let_in(
        &self,
        guest: super::battery::Guest,
        handle: &mut RunHandle,
        room: &str,
    ) -> Result<Option<String>, RunError> {
        let dialer = Dialer::to(&self.url, &self.access)?.with_dialect(self.dialect.read()?);
        let _ = timeout(READY, handle.ready()).await;
        let visit = guest::visit(guest, &dialer, room).await;
        if !self.dialect.is_for_two() {
            // Whoever comes now needs a server that is well.
            handle.join_viewer();
        }
        handle.wait().await;
        Ok(visit.err().map(|error| error.to_string()))
    }
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
