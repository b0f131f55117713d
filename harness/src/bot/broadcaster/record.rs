//! What a broadcaster bot is told, and what remains of it.
//!
//! Owns plain data; the behaviour is in [`super`].

use tokio::time::Instant;

use crate::bot::viewer::ChatLine;
use crate::measure::distribution::Distribution;
use crate::measure::measured::PeerError;

/// What the run tells a broadcaster to do.
#[derive(Debug)]
pub(crate) enum BroadcasterCommand {
    /// Say something.
    Chat(String),
    /// Mute or unmute the video.
    Mute(bool),
    /// Stop the stream, and stay.
    Stop,
    /// Leave in good order.
    Leave,
}

/// What a broadcaster did.
#[derive(Debug, Default)]
pub(crate) struct BroadcasterRecord {
    pub(crate) joined: bool,
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
    pub(crate) signaling_lost: Option<(Instant, String)>,
    pub(crate) errors: Vec<PeerError>,
    /// Why its source gave no more frames.
    pub(crate) source_error: Option<String>,
    /// Chat lines that it said.
    pub(crate) chat_said: u64,
    /// Where the next broadcaster of this room goes on.
    pub(crate) next_index: u32,
}
