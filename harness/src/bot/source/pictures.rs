//! Pictures from a clip: marked, encoded live and packetized.
//!
//! Owns the path from a frame number to its encoded form, and the planted flaws of a camera.

use std::sync::Arc;

use greenroom_fixtures::{Clip, FrameRate, Picture};

use super::{Slot, SourceError, SourceFrame};
use crate::bot::reference::{mark, open_clip};
use crate::fault::source::blur;
use crate::media::codec::Codec;
use crate::media::encode::Encoder;
use crate::media::packetize::Packetizer;
use crate::scenario::Scenario;

/// A clip and its encoder.
#[derive(Debug)]
pub(crate) struct PictureSource {
    clip: Clip,
    rate: FrameRate,
    picture: Picture,
    black: Picture,
    encoder: Encoder,
    packetizer: Packetizer,
    stream: u8,
    blur: Option<u32>,
}

impl PictureSource {
    pub(super) fn open(scenario: &Scenario, stream: u8) -> Result<Self, SourceError> {
        let media = &scenario.media;
        if media.codec == Codec::Vp8 && !cfg!(feature = "libvpx") {
            let what = media.video.as_ref().map_or_else(
                || "the procedural clip".to_owned(),
                |path| path.display().to_string(),
            );
            return Err(SourceError::NoVp8Encoder { what });
        }
        let (clip, rate) = open_clip(media, scenario.seed)?;
        let size = clip.size();
        Ok(Self {
            encoder: Encoder::new(media.codec, size, rate, media.bitrate_bps)?,
            packetizer: Packetizer::new(media.codec),
            picture: Picture::of_size(size),
            black: Picture::of_size(size),
            clip,
            rate,
            stream,
            blur: scenario.flaws.blur,
        })
    }

    pub(super) fn rate(&self) -> FrameRate {
        self.rate
    }

    pub(super) fn set_bitrate(&mut self, bps: u32) -> Result<(), SourceError> {
        Ok(self.encoder.set_bitrate(bps)?)
    }

    pub(super) fn frame(&mut self, slot: Slot, muted: bool, key: bool) -> Result<SourceFrame, SourceError> {
        let picture = if muted {
            &self.black
        } else {
            self.clip.picture(slot.turn, &mut self.picture)?;
            if let Some(radius) = self.blur {
                blur(&mut self.picture, radius);
            }
            mark(&mut self.picture, self.stream, slot.turn, self.rate)?;
            &self.picture
        };
        let unit = self.encoder.encode(slot.index, picture, key)?;
        let encoded = self
            .packetizer
            .packetize(slot.index, slot.media_time, unit.key, unit.bytes)?;
        Ok(SourceFrame {
            encoded: Arc::new(encoded),
            stamp: (!muted).then_some(slot.turn),
        })
    }
}
