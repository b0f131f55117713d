//! Codecs: what a stream carries, and the facts that RTP and SDP state about it.
//!
//! Owns names and clock rates. How a codec's payloads become frames is [`super::reassemble`]'s and
//! [`super::packetize`]'s, and how frames become pictures is [`super::decode`]'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::kind::MediaKind;
use super::rtp_time::{OPUS_CLOCK_RATE, VIDEO_CLOCK_RATE};

/// What a stream is encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264 in packetization mode 1 (RFC 6184).
    H264,
    /// VP8 (RFC 6386, RFC 7741).
    Vp8,
    /// Opus (RFC 6716, RFC 7587).
    Opus,
}

impl Codec {
    /// Every codec there is.
    pub const ALL: [Self; 3] = [Self::H264, Self::Vp8, Self::Opus];

    /// The encoding name of its `a=rtpmap` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::Vp8 => "VP8",
            Self::Opus => "opus",
        }
    }

    /// Ticks per second of its RTP clock.
    ///
    /// Opus counts at 48 kHz whatever it was sampled at (RFC 7587 section 4.1).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::H264 | Self::Vp8 => VIDEO_CLOCK_RATE,
            Self::Opus => OPUS_CLOCK_RATE,
        }
    }

    /// The medium that it codes.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::H264 | Self::Vp8 => MediaKind::Video,
            Self::Opus => MediaKind::Audio,
        }
    }

    /// Whether it carries sound instead of pictures.
    pub const fn is_audio(self) -> bool {
        matches!(self, Self::Opus)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no codec here has.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("expected H264, VP8 or opus, got {got:?}")]
pub struct UnknownCodec {
    /// The name that was given.
    pub got: String,
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    /// Case does not matter (RFC 4855 section 3).
    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownCodec { got: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_in_any_case() {
        for codec in Codec::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
            assert_eq!(codec.name().to_lowercase().parse(), Ok(codec));
            assert_eq!(codec.name().to_uppercase().parse(), Ok(codec));
            let json = serde_json::to_string(&codec).unwrap();
            assert_eq!(json, format!("\"{}\"", codec.name().to_lowercase()));
            assert_eq!(serde_json::from_str::<Codec>(&json).unwrap(), codec);
        }
    }

    #[test]
    fn another_name_is_refused_with_what_was_expected() {
        let refused = "H265".parse::<Codec>().unwrap_err();
        assert_eq!(refused.to_string(), "expected H264, VP8 or opus, got \"H265\"");
    }

    #[test]
    fn sound_runs_on_a_clock_of_its_own() {
        assert_eq!(
            Codec::ALL.map(|codec| (codec.is_audio(), codec.clock_rate())),
            [(false, 90_000), (false, 90_000), (true, 48_000)]
        );
    }
}
