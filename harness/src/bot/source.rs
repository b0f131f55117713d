//! The broadcaster's sources: what is shown and heard, encoded and packetized, by number.
//!
//! Owns the choice among clips, files and encoders. The caller says when; nothing here knows a viewer.

mod ivf;
mod pictures;
mod sound;

use std::sync::Arc;

use greenroom_fixtures::{BurstError, ClipError, FlashError, FrameRate, IvfError, SoundError, StampError};
use thiserror::Error;

use crate::media::codec::Codec;
use crate::media::encode::EncodeError;
use crate::media::opus::OpusError;
use crate::media::packetize::{EncodedFrame, PacketizeError};
use crate::scenario::{Action, AudioSource, Scenario};

use self::ivf::IvfSource;
use self::pictures::PictureSource;
pub(crate) use self::sound::{PACKET_MS, SoundSource};

/// A source that cannot give a frame.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The clip.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The IVF file.
    #[error(transparent)]
    Ivf(#[from] IvfError),
    /// The wav file.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// The picture is too small for its marks.
    #[error("the clip's pictures cannot be stamped: {0}; use a clip of 160x90 or larger")]
    Stamp(#[from] StampError),
    /// The picture is too small for its flash.
    #[error("the clip's pictures cannot be marked: {0}")]
    Flash(#[from] FlashError),
    /// The sound cannot carry its burst.
    #[error(transparent)]
    Burst(#[from] BurstError),
    /// The encoder.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The sound encoder.
    #[error(transparent)]
    Opus(#[from] OpusError),
    /// The packetizer.
    #[error(transparent)]
    Packetize(#[from] PacketizeError),
    /// VP8 from something that is not VP8 yet.
    #[error(
        "VP8 from {what} needs a live VP8 encoder, which this build has not; build greenroom with the feature `libvpx`, or give an IVF file with --video"
    )]
    NoVp8Encoder {
        /// What was to be encoded.
        what: String,
    },
    /// An IVF file without VP8.
    #[error("{path} is an IVF file, which holds VP8; add --codec vp8")]
    IvfIsVp8 {
        /// The file.
        path: std::path::PathBuf,
    },
    /// An IVF file with too few key frames.
    #[error(
        "the IVF file goes {frames} frames without a key frame; a viewer that joins would wait too long, so one every {second} frames (a second) is needed; make it with ffmpeg -g {second}"
    )]
    KeyFramesRare {
        /// Longest way from one key frame to the next.
        frames: u32,
        /// Frames in a second.
        second: u32,
    },
    /// A bitrate for frames that are encoded already.
    #[error("an IVF file is sent as it is; leave --adapt and bitrate actions out")]
    FixedBitrate,
    /// A frame rate for frames that are encoded already.
    #[error("an IVF file is sent at its own frame rate; leave --fps out")]
    FixedRate,
}

/// The next frame of a source, and what can be known of its picture.
#[derive(Debug)]
pub(crate) struct SourceFrame {
    pub(crate) encoded: Arc<EncodedFrame>,
    /// Frame number in its stamp; `None` when it has none.
    pub(crate) stamp: Option<u32>,
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Number of the frame among those that are sent.
    pub(crate) index: u32,
    /// Number of its turn: counts on while nothing is sent.
    pub(crate) turn: u32,
    /// Media time in ticks of the RTP clock.
    pub(crate) media_time: i64,
}

/// Everything that one broadcaster shows and says.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) video: VideoSource,
    pub(crate) sound: Option<SoundSource>,
}

impl Sources {
    /// Opens what the scenario asks for; `stream` goes into the stamps.
    pub(crate) fn open(scenario: &Scenario, stream: u8) -> Result<Self, SourceError> {
        let media = &scenario.media;
        Ok(Self {
            video: VideoSource::open(scenario, stream)?,
            sound: match media.audio {
                AudioSource::None => None,
                _ => Some(SoundSource::open(scenario)?),
            },
        })
    }
}

/// Gives encoded frames, one a turn.
#[derive(Debug)]
pub(crate) enum VideoSource {
    /// Pictures, encoded live.
    Pictures(Box<PictureSource>),
    /// Frames that are encoded already.
    Ivf(Box<IvfSource>),
}

impl VideoSource {
    fn open(scenario: &Scenario, stream: u8) -> Result<Self, SourceError> {
        let media = &scenario.media;
        let is_ivf = media
            .video
            .as_ref()
            .and_then(|path| path.extension())
            .is_some_and(|extension| extension.eq_ignore_ascii_case("ivf"));
        let adapts = media.adapt
            || scenario
                .timeline
                .iter()
                .any(|timed| matches!(timed.action, Action::Bitrate { .. }));
        let as_it_is = || match (media.fps.is_some(), adapts) {
            (true, _) => Err(SourceError::FixedRate),
            (_, true) => Err(SourceError::FixedBitrate),
            (false, false) => Ok(()),
        };
        match (media.codec, &media.video) {
            (Codec::Vp8, Some(path)) if is_ivf => {
                as_it_is()?;
                Ok(Self::Ivf(Box::new(IvfSource::open(path)?)))
            }
            // Without an encoder the fixture in the binary is what can be sent.
            (Codec::Vp8, None) if !cfg!(feature = "libvpx") => {
                as_it_is()?;
                Ok(Self::Ivf(Box::new(IvfSource::fixture()?)))
            }
            (_, Some(path)) if is_ivf => Err(SourceError::IvfIsVp8 { path: path.clone() }),
            _ => Ok(Self::Pictures(Box::new(PictureSource::open(scenario, stream)?))),
        }
    }

    /// Frames per second that are announced.
    pub(crate) fn rate(&self) -> FrameRate {
        match self {
            Self::Pictures(source) => source.rate(),
            Self::Ivf(source) => source.rate(),
        }
    }

    /// The next frame, as a key frame if asked; `None` when nothing is sent this time.
    pub(crate) fn frame(
        &mut self,
        slot: Slot,
        muted: bool,
        key: bool,
    ) -> Result<Option<SourceFrame>, SourceError> {
        match self {
            Self::Pictures(source) => source.frame(slot, muted, key).map(Some),
            Self::Ivf(source) => source.frame(slot, muted, key),
        }
    }

    /// Sets the encoder's bitrate; tells whether there is one, for frames that are encoded already keep theirs.
    pub(crate) fn set_bitrate(&mut self, bps: u32) -> Result<bool, SourceError> {
        match self {
            Self::Pictures(source) => source.set_bitrate(bps).map(|()| true),
            Self::Ivf(_) => Ok(false),
        }
    }
}
