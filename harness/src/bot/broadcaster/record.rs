//! What a broadcaster bot is told, and what remains of it.
//!
//! Owns plain data; the behaviour is in [`super`].

use std::time::Duration;

use crate::bot::line::Loss;
use crate::bot::viewer::ChatLine;
use crate::measure::data::DataLog;
use crate::measure::distribution::Distribution;
use crate::measure::measured::PeerError;
use crate::scenario::Muting;

/// What the run tells a broadcaster to do.
#[derive(Debug)]
pub(crate) enum BroadcasterCommand {
    /// Say something.
    Chat(String),
    /// Mute (or unmute) pictures, sound or both.
    Mute(bool, Muting),
    /// Set the encoder's bitrate, in bits per second.
    Bitrate(u32),
    /// Lose the signaling connection.
    CutSignaling,
    /// Read nothing of what the signaling server sends for this long.
    StallSignaling(Duration),
    /// Stop the stream, and stay.
    Stop,
    /// Leave in good order.
    Leave,
}

/// Where a stream is: the next turn and the next number of each medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamPosition {
    pub(crate) video_turn: u32,
    pub(crate) video_index: u32,
    pub(crate) sound_index: u32,
}

/// What a broadcaster did.
#[derive(Debug, Default)]
pub(crate) struct BroadcasterRecord {
    pub(crate) joined: bool,
    /// From when it began to dial until it was told to leave.
    pub(crate) stayed: Duration,
    pub(crate) frames: u64,
    pub(crate) key_frames: u64,
    pub(crate) bytes: u64,
    pub(crate) connections: u64,
    pub(crate) skipped_frames: u64,
    pub(crate) key_frame_requests: u64,
    pub(crate) pacing_error: Distribution,
    pub(crate) packets_sent: u64,
    pub(crate) chat: Vec<ChatLine>,
    pub(crate) dial_error: Option<String>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) errors: Vec<PeerError>,
    /// Why its source gave no more frames.
    pub(crate) source_error: Option<String>,
    /// Chat lines that it said.
    pub(crate) chat_said: u64,
    /// Where the next broadcaster of this room goes on.
    pub(crate) next: StreamPosition,
    /// Sound packets sent.
    pub(crate) sound_packets: u64,
    /// Times that the encoder was set to another bitrate.
    pub(crate) bitrate_changes: u64,
    /// Frames per second that it announces.
    pub(crate) frame_rate: f64,
    /// Messages on the data channels of all its viewers.
    pub(crate) data: DataLog,
}
