//! Requests to Janus and their answers: every request has a number, and only what carries it is its answer.
//!
//! Owns the numbers, what awaits an answer, and until when. Does not know what a request is good for.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Command, dialect::Output};

/// How long an answer is awaited. Janus answers in milliseconds, also what it answers later than with its ack.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Requests that may await their answers. Of more the oldest is given up, and its answer ignored.
const MAX_AWAITED: usize = 256;

/// What an answer is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateSession,
    Attach,
    CreateRoom,
    Join,
    /// A handle to receive this feed.
    AttachTo(u64),
    /// To receive this feed.
    Subscribe(u64),
    Publish,
    Start,
    Candidate,
    KeepAlive,
}

impl Step {
    /// As it is told to people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CreateSession => "create a session",
            Self::Attach | Self::AttachTo(_) => "attach to the VideoRoom",
            Self::CreateRoom => "create the room",
            Self::Join => "join the room",
            Self::Subscribe(_) => "subscribe to the publisher",
            Self::Publish => "publish",
            Self::Start => "start receiving",
            Self::Candidate => "take a candidate",
            Self::KeepAlive => "keep the session alive",
        }
    }

    /// Whether Janus says no more than that it has heard it.
    fn ends_with_ack(self) -> bool {
        matches!(self, Self::Candidate | Self::KeepAlive)
    }
}

/// Requests and what awaits an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    session: Option<u64>,
    asked: u64,
    awaited: BTreeMap<u64, (Step, Instant)>,
}

impl Exchange {
    pub(super) fn set_session(&mut self, session: u64) {
        self.session = Some(session);
    }

    pub(super) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Asks, and awaits an answer.
    pub(super) fn ask(&mut self, now: Instant, step: Step, request: Value, says: Option<Command>) -> Output {
        let frame = self.tell(request, says);
        if self.awaited.len() >= MAX_AWAITED {
            self.awaited.pop_first();
        }
        self.awaited.insert(self.asked, (step, now + ANSWER_LIMIT));
        frame
    }

    /// Asks, whatever the answer.
    pub(super) fn tell(&mut self, mut request: Value, says: Option<Command>) -> Output {
        self.asked += 1;
        if let Some(fields) = request.as_object_mut() {
            fields.insert("transaction".to_owned(), json!(self.asked.to_string()));
            if let Some(session) = self.session {
                fields.insert("session_id".to_owned(), json!(session));
            }
        }
        Output::Frame {
            text: request.to_string(),
            says,
        }
    }

    /// What was asked with this number; it is answered now.
    pub(super) fn answered(&mut self, transaction: Option<u64>) -> Option<Step> {
        let (step, _) = self.awaited.remove(&transaction?)?;
        Some(step)
    }

    /// Janus has heard what was asked with this number.
    pub(super) fn heard(&mut self, transaction: Option<u64>) {
        let Some(transaction) = transaction else { return };
        if self
            .awaited
            .get(&transaction)
            .is_some_and(|(step, _)| step.ends_with_ack())
        {
            self.awaited.remove(&transaction);
        }
    }

    /// Until when the oldest answer is awaited.
    pub(super) fn limit(&self) -> Option<Instant> {
        // Numbers grow with time, and all wait equally long.
        self.awaited.first_key_value().map(|(_, (_, until))| *until)
    }

    /// What is awaited no longer.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<Step> {
        let mut given_up = Vec::new();
        while self.limit().is_some_and(|until| now >= until) {
            given_up.extend(self.awaited.pop_first().map(|(_, (step, _))| step));
        }
        given_up
    }

    /// Awaits nothing any more.
    pub(super) fn end(&mut self) {
        self.awaited.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_no_answer_except_to_what_gets_no_other() {
        let now = Instant::now();
        let mut exchange = Exchange::default();
        for step in [Step::Join, Step::KeepAlive] {
            exchange.ask(now, step, json!({}), None);
        }
        exchange.heard(Some(1));
        exchange.heard(Some(2));
        assert_eq!(exchange.answered(Some(1)), Some(Step::Join));
        assert_eq!(exchange.answered(Some(1)), None);
        assert_eq!(exchange.answered(Some(2)), None);
        assert_eq!(exchange.limit(), None);
    }

    #[test]
    fn what_stays_unanswered_is_given_up_in_time_and_in_number() {
        let now = Instant::now();
        let mut exchange = Exchange::default();
        for _ in 0..=MAX_AWAITED {
            exchange.ask(now, Step::Candidate, json!({}), None);
        }
        assert_eq!(exchange.answered(Some(1)), None, "the oldest made room");
        assert_eq!(exchange.give_up(now), []);
        let until = exchange.limit().unwrap();
        assert_eq!(exchange.give_up(until).len(), MAX_AWAITED);
    }
}
