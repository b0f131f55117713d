//! A client's dialect, spoken from two sides: commands come from wherever the bot is, frames and time from the task
//! that owns the socket. Owns their one order, and what the bot is told of its own commands. Reads no socket.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Ask, SendError, TimedEvent, wire::Wire};
use crate::{
    Command, Dialect, Direction, Event, Output,
    outbox::{Outbox, PushError},
};

#[derive(Debug)]
pub(super) struct Speaker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dialect: Dialect,
    /// Told outside of the task, which brings it to the bot.
    told: VecDeque<TimedEvent>,
}

impl Speaker {
    pub(super) fn new(dialect: Dialect) -> Self {
        let state = State {
            dialect,
            told: VecDeque::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says a command of the bot.
    pub(super) fn say(&self, command: &Command, wire: &Wire, outbox: &Outbox<Ask>) -> Result<(), SendError> {
        let now = Instant::now();
        // Held until the frames are queued: a dialect that numbers its messages must see them leave in that order.
        let mut state = self.lock();
        let alarm = state.dialect.next_timeout();
        let outputs = state.dialect.encode(now, command)?;
        let events = carry_out(outputs, None, wire, outbox)?;
        let anew = state.dialect.next_timeout() != alarm;
        if events.is_empty() && !anew {
            return Ok(());
        }
        state
            .told
            .extend(events.into_iter().map(|event| TimedEvent { at: now, event }));
        drop(state);
        wire.wake();
        Ok(())
    }

    /// Hears a frame, answers what the protocol wants answered, and gives what it tells the bot.
    pub(super) fn hear(
        &self,
        at: Instant,
        text: &str,
        wire: &Wire,
        outbox: &Outbox<Ask>,
    ) -> Result<VecDeque<TimedEvent>, SendError> {
        let mut state = self.lock();
        // What it was told of its own commands came before.
        let mut told = std::mem::take(&mut state.told);
        let outputs = match state.dialect.decode(at, text) {
            Ok(outputs) => outputs,
            Err(error) => vec![Output::Event(Event::Undecodable(error))],
        };
        let events = carry_out(outputs, Some(text), wire, outbox)?;
        told.extend(events.into_iter().map(|event| TimedEvent { at, event }));
        Ok(told)
    }

    /// What the bot is to be told by now without a frame.
    pub(super) fn due(
        &self,
        now: Instant,
        wire: &Wire,
        outbox: &Outbox<Ask>,
    ) -> Result<VecDeque<TimedEvent>, SendError> {
        let mut state = self.lock();
        let mut told = std::mem::take(&mut state.told);
        if state.dialect.next_timeout().is_some_and(|at| now >= at) {
            let outputs = state.dialect.timeout(now);
            let events = carry_out(outputs, None, wire, outbox)?;
            told.extend(events.into_iter().map(|event| TimedEvent { at: now, event }));
        }
        Ok(told)
    }

    /// What the bot was to be told when its connection ended.
    pub(super) fn take_told(&self) -> VecDeque<TimedEvent> {
        std::mem::take(&mut self.lock().told)
    }

    /// When [`Speaker::due`] has something to do at the latest.
    pub(super) fn alarm(&self) -> Option<Instant> {
        self.lock().dialect.next_timeout()
    }
}

/// Queues the frames, all or none, and gives the events. An observer sees both in the order in which the dialect gave
/// them, and first of all the frame that they are due to.
fn carry_out(
    outputs: Vec<Output>,
    mut received: Option<&str>,
    wire: &Wire,
    outbox: &Outbox<Ask>,
) -> Result<Vec<Event>, SendError> {
    let (mut events, mut frames) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for output in outputs {
        if !matches!(output, Output::Event(_)) {
            wire.received(received.take().unwrap_or_default(), events.iter().skip(seen));
            seen = events.len();
        }
        match output {
            Output::Event(event) => events.push(event),
            Output::Unsaid(command) => wire.unsaid(&command),
            // Those that make requests have no WebSocket.
            Output::Request(request) => log::error!("a {} has no place in a WebSocket", request.method),
            Output::Frame { text, says } => {
                wire.sent(&text, says.as_ref());
                frames.extend(wire.pass(Direction::Sent, Utf8Bytes::from(text)));
            }
        }
    }
    wire.received(received.take().unwrap_or_default(), events.iter().skip(seen));
    if frames.is_empty() {
        return Ok(events);
    }
    match outbox.push(frames) {
        Ok(()) => Ok(events),
        Err(PushError::Closed) => Err(SendError::Closed),
        Err(PushError::Full(full)) => Err(SendError::Full {
            messages: full.messages,
            bytes: full.bytes,
        }),
    }
}
