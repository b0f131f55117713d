//! What a viewer bot is told, and what remains of it.
//!
//! Owns plain data and its bounds; the behaviour is in [`super`].

use std::time::Duration;

use greenroom_signaling::RoomState;
use tokio::time::Instant;

use crate::bot::line::Loss;
use crate::bot::session::SessionRecord;
use crate::measure::arrivals::ArrivalFigures;
use crate::measure::distribution::Distribution;
use crate::measure::join::JoinTimes;
use crate::measure::measured::{PeerError, PeerErrorKind};

/// Chat lines that are kept.
const MAX_CHAT: usize = 1_000;
/// Errors that are kept.
const MAX_ERRORS: usize = 16;

/// What the run tells a viewer to do.
#[derive(Debug)]
pub(crate) enum ViewerCommand {
    /// Say something.
    Chat(String),
    /// Lose the signaling connection.
    CutSignaling,
    /// Read nothing of what the signaling server sends for this long.
    StallSignaling(Duration),
    /// Leave in good order, now.
    Leave,
    /// Vanish.
    Kill,
    /// The run is over: wait for the rest of what was sent, then leave.
    Finish {
        /// Whether the broadcaster has stopped; if not, what it sends from now on is not waited for.
        stream_stopped: bool,
    },
}

/// How a viewer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewerEnd {
    Finished,
    Left,
    Killed,
    NeverConnected,
}

/// A chat line as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatLine {
    pub(crate) seq: Option<u64>,
    pub(crate) text: String,
}

/// What a viewer saw.
#[derive(Debug)]
pub(crate) struct ViewerRecord {
    pub(crate) label: String,
    pub(crate) number: u32,
    pub(crate) end: ViewerEnd,
    pub(crate) ended_at: Instant,
    pub(crate) join: JoinTimes,
    pub(crate) sessions: Vec<SessionRecord>,
    pub(crate) latency: Distribution,
    pub(crate) chat: Vec<ChatLine>,
    pub(crate) state: RoomState,
    pub(crate) state_at_join: Option<RoomState>,
    pub(crate) dial_error: Option<String>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) errors: Vec<PeerError>,
    /// Chat lines that it said.
    pub(crate) chat_said: u64,
    /// How long it knew of a live stream.
    pub(crate) live: Duration,
    /// RTP packets as they arrived, before any repair.
    pub(crate) arrivals: Vec<ArrivalFigures>,
}

/// What one viewer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewerSpec {
    pub(crate) number: u32,
    pub(crate) decode: bool,
    pub(crate) sampled: bool,
}

impl ViewerRecord {
    /// The record of a viewer that has not connected yet, or could not.
    pub(crate) fn new(label: String, number: u32, join: JoinTimes, dial_error: Option<String>) -> Self {
        Self {
            label,
            number,
            end: ViewerEnd::NeverConnected,
            ended_at: Instant::now(),
            join,
            sessions: Vec::new(),
            latency: Distribution::default(),
            chat: Vec::new(),
            state: RoomState::default(),
            state_at_join: None,
            dial_error,
            losses: Vec::new(),
            errors: Vec::new(),
            arrivals: Vec::new(),
            chat_said: 0,
            live: Duration::ZERO,
        }
    }

    pub(crate) fn note_error(&mut self, kind: PeerErrorKind, message: String) {
        self.keep_error(PeerError { kind, message });
    }

    pub(crate) fn keep_error(&mut self, error: PeerError) {
        log::debug!("{}: {}", self.label, error.message);
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    pub(super) fn note_chat(&mut self, line: ChatLine) {
        if self.chat.len() < MAX_CHAT {
            self.chat.push(line);
        }
    }
}
