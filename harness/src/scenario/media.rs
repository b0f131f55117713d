//! What is streamed: the codec, the clip, the sound, and what goes beside them.
//!
//! Owns the description. It opens no file.

use std::path::PathBuf;

use greenroom_fixtures::Size;
use serde::{Deserialize, Serialize};

use super::serial::size;
use crate::media::codec::Codec;

/// What is streamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSpec {
    /// Codec of the video: H.264 is encoded live; VP8 is sent from an IVF file, or encoded live by a build
    /// with the feature `libvpx`. Default `h264`.
    pub codec: Codec,
    /// A y4m file, or an IVF file for VP8; the procedural clip if absent.
    pub video: Option<PathBuf>,
    /// Picture size of the procedural clip. Default 640×360.
    #[serde(with = "size")]
    pub size: Size,
    /// Frames per second; the clip's own rate if absent (30 for the procedural clip).
    pub fps: Option<u32>,
    /// Bitrate in bits per second. Default 1,000,000.
    pub bitrate_bps: u32,
    /// What is to be heard. Default: the procedural sound.
    pub audio: AudioSource,
    /// Whether the bitrate follows what viewers estimate (REMB), and viewers estimate. Default no, so that
    /// runs compare.
    pub adapt: bool,
    /// Whether messages go both ways over a data channel. Default no.
    pub data_channel: bool,
}

/// What is to be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioSource {
    /// The procedural, speech-like sound.
    #[default]
    Procedural,
    /// A wav file.
    File(PathBuf),
    /// Nothing: there is no audio track.
    None,
}

impl Default for MediaSpec {
    fn default() -> Self {
        Self {
            codec: Codec::H264,
            video: None,
            size: Size::DEFAULT,
            fps: None,
            bitrate_bps: 1_000_000,
            audio: AudioSource::default(),
            adapt: false,
            data_channel: false,
        }
    }
}
