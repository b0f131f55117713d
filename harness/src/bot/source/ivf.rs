//! Frames from an IVF file, sent as they are.
//!
//! Owns where in the file a stream is. A request for a key frame jumps to the next one, and a muted
//! stream sends nothing, because there is no encoder that could make a black picture.

use std::path::Path;
use std::sync::Arc;

use greenroom_fixtures::{FrameRate, IvfReader, Stamp};

use super::{Slot, SourceError, SourceFrame};
use crate::media::codec::Codec;
use crate::media::decode::Decoder;
use crate::media::packetize::Packetizer;

/// Key frames that are looked at for their stamps.
const LOOKED_AT: usize = 16;

/// Whether the pictures of a file are stamped with their number in it, as far as its first key frames show.
fn is_stamped(reader: &mut IvfReader) -> Result<bool, SourceError> {
    let keys: Vec<u32> = (0..reader.frames())
        .filter(|number| reader.is_key(*number))
        .take(LOOKED_AT)
        .collect();
    let mut frame = Vec::new();
    for number in keys {
        reader.frame(number, &mut frame)?;
        let stamp = Decoder::new(Codec::Vp8).and_then(|mut decoder| decoder.decode(&frame, Stamp::read));
        if !matches!(stamp, Ok(Ok(stamp)) if stamp.frame == number) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A file that is sent frame by frame.
#[derive(Debug)]
pub(crate) struct IvfSource {
    reader: IvfReader,
    packetizer: Packetizer,
    next: u32,
    /// Whether the file's pictures are stamped with their number in the file.
    stamped: bool,
    /// A pause breaks the chain of references: only a key frame can follow.
    paused: bool,
    buffer: Vec<u8>,
}

impl IvfSource {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        Self::new(IvfReader::open(path)?)
    }

    /// The clip that is part of greenroom.
    pub(super) fn fixture() -> Result<Self, SourceError> {
        Self::new(greenroom_fixtures::Vp8Clip::open()?)
    }

    fn new(mut reader: IvfReader) -> Result<Self, SourceError> {
        let rate = reader.frame_rate();
        let (frames, second) = (reader.longest_key_interval(), rate.num().div_ceil(rate.den()));
        if frames > second {
            return Err(SourceError::KeyFramesRare { frames, second });
        }
        Ok(Self {
            stamped: is_stamped(&mut reader)?,
            reader,
            packetizer: Packetizer::new(Codec::Vp8),
            next: 0,
            paused: false,
            buffer: Vec::new(),
        })
    }

    pub(super) fn rate(&self) -> FrameRate {
        self.reader.frame_rate()
    }

    pub(super) fn frame(
        &mut self,
        slot: Slot,
        muted: bool,
        key: bool,
    ) -> Result<Option<SourceFrame>, SourceError> {
        if muted {
            self.paused = true;
            return Ok(None);
        }
        if key || self.paused {
            self.next = self.reader.next_key_from(self.next);
            self.paused = false;
        }
        let number = self.next;
        self.next = (number + 1) % self.reader.frames();
        let info = self.reader.frame(number, &mut self.buffer)?;
        let encoded = self.packetizer.packetize(
            slot.index,
            slot.media_time,
            info.key,
            std::mem::take(&mut self.buffer),
        )?;
        Ok(Some(SourceFrame {
            encoded: Arc::new(encoded),
            stamp: self.stamped.then_some(number),
        }))
    }
}
