//! The opinion on a client: an answer to each question, with the two events that show it.
//!
//! Owns every sentence of a client's card. Pure: what came in, lines out. A step counts as missing only when the client
//! had the time for it.

mod connection;
mod host;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::check::Severity;
use crate::doctor::{Answer, CardLine};
use crate::rules::RuleFinding;
use crate::trace::{FrameWay, TraceEvent, TraceKind};

use super::exchange::{Came, Exchange, Mark};
use super::{ClientQuestion, ClientRole, Terms};

/// An answer, and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    answer: Answer,
    cause: String,
    fix: Option<String>,
}

impl Told {
    fn healthy(seen: impl Into<String>) -> Self {
        Self::with(Answer::Healthy, seen)
    }

    fn unclear(why: impl Into<String>) -> Self {
        Self::with(Answer::Unclear, why)
    }

    fn not_asked(why: impl Into<String>) -> Self {
        Self::with(Answer::NotAsked, why)
    }

    fn sick(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            fix: Some(fix.into()),
            ..Self::with(Answer::Sick, cause)
        }
    }

    fn with(answer: Answer, cause: impl Into<String>) -> Self {
        Self {
            answer,
            cause: cause.into(),
            fix: None,
        }
    }
}

/// What is judged.
struct Judge<'a> {
    came: &'a Came,
    terms: Terms,
    ended_us: u64,
}

/// Answers every question that is for this client.
pub(super) fn judge(
    events: &[TraceEvent],
    came: &Came,
    findings: &[RuleFinding],
    terms: Terms,
    ended_us: u64,
) -> Vec<CardLine<ClientQuestion>> {
    let judge = Judge {
        came,
        terms,
        ended_us,
    };
    let questions = ClientQuestion::ALL.into_iter();
    let questions = questions.filter(|question| question.is_for(came.role));
    let line = |question| {
        let told = match question {
            ClientQuestion::Rules => judge.rules(events, findings),
            question => judge.answer(question),
        };
        CardLine {
            question,
            answer: told.answer,
            cause: told.cause,
            fix: told.fix,
            trace: None,
        }
    };
    questions.map(line).collect()
}

impl Judge<'_> {
    fn answer(&self, question: ClientQuestion) -> Told {
        match question {
            ClientQuestion::Joins => self.joins(),
            ClientQuestion::Understood => self.understood(),
            ClientQuestion::Offers => self.offers(),
            ClientQuestion::Answers => self.answers(),
            ClientQuestion::GivesWay => self.gives_way(),
            ClientQuestion::Candidates => self.candidates(),
            ClientQuestion::TakesAnswer => self.takes_answer(),
            ClientQuestion::Connects => self.connects(),
            ClientQuestion::Media => self.media(),
            ClientQuestion::OwnConnection => self.own_connection(),
            ClientQuestion::NextViewer => self.next_viewer(),
            ClientQuestion::Returns => self.returns(),
            ClientQuestion::AfterChat => self.after_chat(),
            // It needs more than what came.
            ClientQuestion::Rules => Told::not_asked("nothing was judged"),
        }
    }

    fn who(&self) -> &'static str {
        match self.came.role {
            Some(ClientRole::Host) => "the host",
            Some(ClientRole::Viewer) => "the viewer",
            Some(ClientRole::Peer) | None => "the client",
        }
    }

    /// A step that did not come: sick if there was time for it since `after`, and unclear if not.
    fn missing(&self, after: Mark, what: impl Into<String>, fix: impl Into<String>) -> Told {
        let had = Duration::from_micros(self.ended_us.saturating_sub(after.at_us));
        // Bots take some milliseconds to see what is over.
        if had + Duration::from_millis(500) < self.terms.step {
            let seconds = had.as_secs_f64();
            return Told::unclear(format!(
                "the examination ended {seconds:.1} s after {}, before it could be told",
                of(after)
            ));
        }
        Told::sick(what, fix)
    }

    /// How long was waited since then, in words.
    fn within(&self, after: Mark) -> String {
        let waited = Duration::from_micros(self.ended_us.saturating_sub(after.at_us)).min(self.terms.step);
        format!("{:.1} s", waited.as_secs_f64())
    }

    fn joins(&self) -> Told {
        let came = self.came;
        let dialect = self.terms.dialect.name();
        let Some(opened) = came.opened else {
            let patience = self.terms.patience.as_secs_f64();
            return Told::unclear(format!("nobody connected within {patience:.1} s"));
        };
        if dialect.is_for_two() {
            return Told::healthy(format!(
                "it is there ({}), which is all that a call needs",
                of(opened)
            ));
        }
        if let Some(joined) = came.joined {
            return Told::healthy(format!("as {} ({})", self.who(), of(joined)));
        }
        if came.role.is_some() {
            return Told::healthy("without a message, where it connected");
        }
        let waited = Duration::from_micros(self.ended_us.saturating_sub(opened.at_us)).as_secs_f64();
        let first = came.first_words.as_ref().map_or_else(
            || "and said nothing at all".to_owned(),
            |(at, words)| format!("and said only other things, the first one {words} ({})", of(*at)),
        );
        Told::sick(
            format!(
                "it opened its connection ({}), and joined nothing in the {waited:.1} s after it, {first}",
                of(opened)
            ),
            format!(
                "say {} when the connection is open: a server that hears nothing tells the broadcaster of nobody",
                super::question::how_to_join(self.terms.dialect)
            ),
        )
    }

    fn understood(&self) -> Told {
        let came = self.came;
        match came.refused.first() {
            Some((at, why)) => Told::sick(
                format!(
                    "the server refused {} of its messages, the first one with: {why} ({})",
                    came.refused.len(),
                    of(*at)
                ),
                "send what docs/dialects.md says for the dialect; the ladder shows the message before the refusal",
            ),
            None if came.opened.is_none() => Told::not_asked("nobody connected"),
            None if came.joined.is_none() && came.first_words.is_none() => Told::not_asked("it said nothing"),
            None => Told::healthy("nothing was refused"),
        }
    }

    fn rules(&self, events: &[TraceEvent], findings: &[RuleFinding]) -> Told {
        // The bots and the server are known to keep them, so what is broken in a message that came is the client's. What its
        // datagrams do is its stack's: Chromium keeps the role of an offer that it took back, until it is told of the conflict.
        let came = |finding: &&RuleFinding| {
            let index = usize::try_from(finding.effect.number.saturating_sub(1)).unwrap_or(usize::MAX);
            finding.severity == Severity::Error
                && finding.peer != crate::trace::label::CLIENT
                && events.get(index).is_some_and(|event| {
                    matches!(
                        event.event,
                        TraceKind::Signaling {
                            way: FrameWay::In,
                            ..
                        }
                    )
                })
        };
        if !self.exchanges().any(|exchange| exchange.theirs().is_some()) {
            return Told::not_asked("it described nothing");
        }
        match findings.iter().find(came) {
            Some(finding) => Told::sick(
                format!(
                    "{}: {} (#{} at {})",
                    finding.rule, finding.message, finding.effect.number, finding.peer
                ),
                finding.fix.clone(),
            ),
            None => Told::healthy("none is broken"),
        }
    }

    fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.came.exchanges.iter()
    }

    /// One of the exchanges, from 0.
    fn exchange(&self, number: usize) -> Option<&Exchange> {
        self.came.exchanges.get(number)
    }

    /// What a question waits for that is answered by another one.
    fn see(&self, question: ClientQuestion) -> Option<Told> {
        let sick = self.answer(question).answer == Answer::Sick;
        sick.then(|| Told::not_asked(format!("see {question}")))
    }
}

/// An event in a sentence.
fn of(at: Mark) -> String {
    format!("#{} at {:.1} s", at.number, at.at_us as f64 / 1e6)
}
