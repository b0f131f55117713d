//! What happens on the way of a run, and who does it.
//!
//! Owns the vocabulary of the timeline. It does nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serial::millis;
use crate::net::model::NetworkAction;

/// An action at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedAction {
    /// When, counted from when every viewer has joined.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// What.
    pub action: Action,
}

/// Something that happens during a run, in every room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Somebody says something.
    Chat {
        /// Who.
        from: Party,
        /// What.
        text: String,
    },
    /// The broadcaster mutes: black pictures and silence from then on.
    Mute(Muting),
    /// The broadcaster unmutes.
    Unmute(Muting),
    /// The broadcaster's encoder is set to another bitrate, without a new key frame.
    Bitrate {
        /// Bits per second of the video.
        bps: u32,
    },
    /// The broadcaster stops the stream.
    Stop,
    /// One more viewer joins; it gets the next free number.
    Join,
    /// A viewer leaves in good order.
    Leave {
        /// Its number, from 1.
        viewer: u32,
    },
    /// A viewer vanishes without a word.
    Kill {
        /// Its number, from 1.
        viewer: u32,
    },
    /// The broadcaster leaves in good order.
    BroadcasterLeave,
    /// A broadcaster that left comes back.
    BroadcasterReturn,
    /// The signaling server that the run brings vanishes.
    KillServer,
    /// A bot's signaling connection is cut, without a word to either side.
    CutSignaling {
        /// Whose.
        of: Party,
    },
    /// A bot reads nothing of what its signaling server sends, for a while.
    StallSignaling {
        /// Which.
        of: Party,
        /// For how long.
        #[serde(rename = "duration_ms", with = "millis")]
        duration: Duration,
    },
    /// The signaling server that the run brings vanishes, and another one, which knows nothing of the first, comes
    /// in its place.
    RestartServer {
        /// How long there is none.
        #[serde(rename = "after_ms", with = "millis")]
        after: Duration,
    },
    /// Something happens to the simulated network.
    Network(NetworkAction),
}

/// What is muted or unmuted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Muting {
    /// Pictures and sound.
    #[default]
    All,
    /// Pictures only.
    Video,
    /// Sound only.
    Audio,
}

/// Somebody in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The broadcaster.
    Broadcaster,
    /// The viewer with this number, from 1.
    Viewer(u32),
}
