//! What is wrong on purpose: damage on the way to single viewers, delays in single stages, flaws of the
//! broadcaster.
//!
//! Owns the description; [`crate::fault`] does the damage.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serial::millis;

/// A fault of the exchange between one viewer and its broadcaster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireFaultSpec {
    /// Its name, as `greenroom fault list` has it.
    pub name: String,
    /// Number of the viewer, from 1. Default 1.
    #[serde(default = "first_viewer")]
    pub viewer: u32,
}

const fn first_viewer() -> u32 {
    1
}

/// Damage done to what a viewer receives. Frames are counted from the start of the broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MediaFault {
    /// One byte of a frame is flipped.
    FlipByte {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
    },
    /// A frame is not sent.
    DropFrame {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
    },
    /// A frame is sent twice.
    RepeatFrame {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
    },
    /// From this frame on nothing is sent for a while, then all at once.
    Freeze {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
        /// For how long.
        #[serde(rename = "duration_ms", with = "millis")]
        duration: Duration,
    },
    /// Key frames are never sent.
    WithholdKeyFrames {
        /// Viewer number, from 1.
        viewer: u32,
    },
    /// One byte of a sound packet is flipped.
    FlipSound {
        /// Viewer number, from 1.
        viewer: u32,
        /// Packet number.
        packet: u32,
    },
    /// Sound packets are not sent: a hole of 20 ms each.
    DropSound {
        /// Viewer number, from 1.
        viewer: u32,
        /// Number of the first one.
        packet: u32,
        /// How many.
        packets: u32,
    },
}

impl MediaFault {
    /// The viewer that it is for.
    pub fn viewer(&self) -> u32 {
        match self {
            Self::FlipByte { viewer, .. }
            | Self::DropFrame { viewer, .. }
            | Self::RepeatFrame { viewer, .. }
            | Self::Freeze { viewer, .. }
            | Self::FlipSound { viewer, .. }
            | Self::DropSound { viewer, .. }
            | Self::WithholdKeyFrames { viewer } => *viewer,
        }
    }
}

/// Delays added to single stages of the path of a frame. Default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantedDelays {
    /// Between when a frame is due and when it is taken.
    #[serde(rename = "capture_ms", with = "millis")]
    pub capture: Duration,
    /// In the encoder.
    #[serde(rename = "encode_ms", with = "millis")]
    pub encode: Duration,
    /// In the decoder.
    #[serde(rename = "decode_ms", with = "millis")]
    pub decode: Duration,
}

/// What is wrong with the broadcaster itself, on purpose. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceFlaws {
    /// Sound leaves so much later than its pictures.
    #[serde(rename = "audio_late_ms", with = "millis")]
    pub audio_late: Duration,
    /// The microphone gives nothing for a while; packets go on.
    pub audio_hole: Option<AudioHole>,
    /// The sound was sampled at this rate, in Hz, and is taken for 48,000.
    pub audio_sampled_at: Option<u32>,
    /// Frames per second that really come, while the clip's own rate is announced.
    pub video_fps: Option<u32>,
    /// Pictures are blurred by this many samples in every direction.
    pub blur: Option<u32>,
    /// Muting is signaled and not done.
    pub ignores_mute: bool,
    /// Stopping is signaled and not done.
    pub ignores_stop: bool,
}

/// Where the microphone gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioHole {
    /// Number of the first sound packet that is silent.
    pub packet: u32,
    /// How many.
    pub packets: u32,
}
