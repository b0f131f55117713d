//! The broadcaster's source: pictures from a clip, stamped, encoded and packetized.
//!
//! Owns the path from a frame number to an [`EncodedFrame`]; the caller says when.

use std::sync::Arc;

use greenroom_fixtures::{Clip, ClipError, FrameRate, Picture, Stamp, StampError};
use thiserror::Error;

use crate::media::codec::Codec;
use crate::media::encode::{EncodeError, Encoder};
use crate::media::packetize::{EncodedFrame, PacketizeError, Packetizer};
use crate::scenario::MediaSpec;

/// A source that cannot give a frame.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The clip.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The picture is too small for a stamp.
    #[error("the clip's pictures cannot be stamped: {0}; use a clip of 160x90 or larger")]
    Stamp(#[from] StampError),
    /// The encoder.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The packetizer.
    #[error(transparent)]
    Packetize(#[from] PacketizeError),
}

/// Frames of the procedural clip before it repeats: two minutes at 30 fps.
const PROCEDURAL_FRAMES: u32 = 3_600;

/// Gives encoded frames by number.
#[derive(Debug)]
pub(crate) struct Source {
    clip: Clip,
    rate: FrameRate,
    picture: Picture,
    black: Picture,
    encoder: Encoder,
    packetizer: Packetizer,
    stream: u8,
}

impl Source {
    /// Opens the clip and sets the encoder up; `stream` goes into the stamp.
    pub(crate) fn open(media: &MediaSpec, seed: u64, stream: u8) -> Result<Self, SourceError> {
        let clip = match &media.video {
            Some(path) => Clip::open_y4m(path)?,
            None => Clip::procedural(media.size, media.fps.unwrap_or(30), PROCEDURAL_FRAMES, seed),
        };
        let rate = media
            .fps
            .and_then(|fps| FrameRate::new(fps, 1).ok())
            .unwrap_or_else(|| clip.frame_rate());
        let size = clip.size();
        Ok(Self {
            encoder: Encoder::new(size, rate, media.bitrate_bps)?,
            packetizer: Packetizer::new(Codec::H264),
            picture: Picture::of_size(size),
            black: Picture::of_size(size),
            clip,
            rate,
            stream,
        })
    }

    /// Frames per second.
    pub(crate) fn rate(&self) -> FrameRate {
        self.rate
    }

    /// Encodes frame `index`, as a black picture if muted, as a key frame if asked.
    pub(crate) fn frame(
        &mut self,
        index: u32,
        media_time: i64,
        muted: bool,
        key: bool,
    ) -> Result<Arc<EncodedFrame>, SourceError> {
        let picture = if muted {
            &self.black
        } else {
            self.clip.picture(index, &mut self.picture)?;
            Stamp {
                stream: self.stream,
                frame: index,
            }
            .write(&mut self.picture)?;
            &self.picture
        };
        let unit = self.encoder.encode(index, picture, key)?;
        Ok(Arc::new(
            self.packetizer
                .packetize(index, media_time, unit.key, unit.bytes)?,
        ))
    }
}
