//! How a viewer bot ends: it takes the rest of what was sent, closes, and leaves, each under a deadline.
//!
//! Owns the ways out of a session and out of the room.

use std::time::Duration;

use greenroom_signaling::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{ViewerBot, ViewerEnd};
use crate::bot::session::{Session, Until};
use crate::engine::{EngineCommand, EngineEvent, EngineEventKind};
use crate::media::kind::MediaKind;

/// How long a viewer that ends waits for the rest of what was sent: reassembly's patience twice over.
const DRAIN: Duration = Duration::from_millis(1_200);
/// How long it waits for statistics and for the close.
const TEARDOWN: Duration = Duration::from_millis(1_000);

/// How a viewer is about to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) end: ViewerEnd,
    pub(super) deadline: Instant,
    /// Frames handed over after these are not waited for.
    pub(super) until: Until,
}

/// A session that another one has followed.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) session: Session,
    /// Frames handed over after these are not waited for.
    until: Until,
    /// How long it is waited for; `None` while it goes on, because nothing has come by its successor yet.
    deadline: Option<Instant>,
}

impl Draining {
    fn is_done(&self) -> bool {
        self.session.drained(self.until) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl ViewerBot {
    pub(super) fn has_ended(&self) -> bool {
        let Some(ending) = &self.ending else { return false };
        let drained = || {
            self.draining.is_none()
                && self
                    .session
                    .as_ref()
                    .is_none_or(|session| session.drained(ending.until))
        };
        ending.end == ViewerEnd::Killed || Instant::now() >= ending.deadline || drained()
    }

    /// The last frame of each medium that was handed over before now, as far as the ledger knows.
    pub(super) fn newest_sent(&self) -> Until {
        let ledger = self.shared.ledger.lock();
        let newest = |media| ledger.track(media).newest().map(|frame| frame.index);
        Until {
            video: newest(MediaKind::Video),
            audio: newest(MediaKind::Audio),
        }
    }

    /// How long the rest of what was sent is waited for.
    pub(super) fn drain(&self) -> Duration {
        let scripted = self.shared.scenario.scripted_delay(self.spec.number);
        DRAIN + scripted + self.shared.scenario.planted_delays.decode
    }

    /// Makes room for another session: what the one before is still awaiting it may go on to await.
    pub(super) fn let_drain(&mut self) {
        self.end_draining();
        self.session_ends_by = None;
        self.draining = self.session.take().map(|session| Draining {
            session,
            until: Until::default(),
            deadline: None,
        });
    }

    /// What is still to come by the session before this one, once something has come by this one: whoever sends may not
    /// know of the end of the one before, and goes on sending.
    fn replace(&mut self) {
        let streams = |session: &Session| session.first_key_at().is_some();
        if !self.session.as_ref().is_some_and(streams) {
            return;
        }
        let (until, deadline) = (self.newest_sent(), Instant::now() + self.drain());
        if let Some(draining) = self
            .draining
            .as_mut()
            .filter(|draining| draining.deadline.is_none())
        {
            draining.until = until;
            draining.deadline = Some(deadline);
        }
    }

    fn end_draining(&mut self) {
        if let Some(Draining {
            session,
            until,
            deadline,
        }) = self.draining.take()
        {
            let until = if deadline.is_some() {
                until
            } else {
                self.newest_sent()
            };
            self.keep(session, until);
        }
    }

    /// Ends the session of a broadcaster that has left, once everything that it sent is here.
    pub(super) fn end_left_session(&mut self) {
        self.replace();
        if self.draining.as_ref().is_some_and(Draining::is_done) {
            self.end_draining();
        }
        let Some(deadline) = self.session_ends_by else {
            return;
        };
        let drained = self
            .session
            .as_ref()
            .is_none_or(|session| session.drained(Until::default()));
        if drained {
            return self.end_session(Until::default());
        }
        let now = Instant::now();
        if now < deadline {
            return;
        }
        // A broadcaster that has lost its signaling is said to have left, and goes on sending until it is back.
        let flows = self.session.as_ref().is_some_and(|session| session.flows(now));
        if flows {
            self.session_ends_by = Some(now + self.drain());
        } else {
            self.end_session(Until::default());
        }
    }

    pub(super) fn begin_ending(&mut self, end: ViewerEnd, until: Until) {
        self.line.let_go();
        let deadline = Instant::now() + self.drain();
        self.ending.get_or_insert(Ending { end, deadline, until });
    }

    pub(super) fn end_session(&mut self, until: Until) {
        self.session_ends_by = None;
        if let Some(session) = self.session.take() {
            self.keep(session, until);
        }
    }

    /// Closes a session and keeps its record.
    fn keep(&mut self, mut session: Session, until: Until) {
        session.tick(Instant::now());
        session.decode_due(Instant::now() + Duration::from_secs(60));
        session.second_passed();
        let (record, latency) = session.end(until);
        self.record.latency.merge(&latency);
        self.record.sessions.push(record);
    }

    /// Takes statistics, closes the connection and leaves the room, each under a deadline.
    pub(super) async fn teardown(&mut self, events: &mut mpsc::Receiver<EngineEvent>) {
        let ending = self.ending.unwrap_or(Ending {
            end: ViewerEnd::Left,
            deadline: Instant::now(),
            until: Until::default(),
        });
        self.record.end = ending.end;
        self.record.ended_at = Instant::now();
        self.set_live(false, Instant::now());
        self.end_draining();
        if ending.end == ViewerEnd::Killed {
            self.line.vanish();
            return self.end_session(ending.until);
        }
        let deadline = Instant::now() + TEARDOWN;
        self.command(EngineCommand::ReportStats);
        self.await_engine(events, deadline, |session| session.stats.is_some())
            .await;
        let id = self.session.as_ref().map(|session| session.id());
        self.end_session(ending.until);
        while let (Some(id), Ok(Some(event))) = (id, tokio::time::timeout_at(deadline, events.recv()).await) {
            if event.connection == id && matches!(event.kind, EngineEventKind::Closed) {
                break;
            }
        }
        self.say(Command::Leave);
        self.line.close(deadline).await;
    }

    async fn await_engine(
        &mut self,
        events: &mut mpsc::Receiver<EngineEvent>,
        deadline: Instant,
        done: impl Fn(&Session) -> bool,
    ) {
        while self
            .session
            .as_ref()
            .is_some_and(|session| session.handle.is_some() && !done(session))
        {
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(event)) => self.on_engine(event),
                _ => return,
            }
        }
    }
}
