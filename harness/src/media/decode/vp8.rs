//! Decoding VP8 with oxideav-vp8, which is pure Rust.
//!
//! Owns when a frame may be decoded at all: the decoder beneath predicts from whatever it has, so after
//! a loss or an error only a key frame is let through.
//!
//! The state is three reference pictures in whole macroblocks, 1.5 bytes a pixel each, and some
//! kilobytes of probabilities: 1 MB at 640x360, 75 MB at the largest size. Each decoded picture comes
//! as a copy of its own on top, which is freed after it was looked at.

use greenroom_fixtures::PictureView;
use oxideav_vp8::Vp8DecoderState;

use super::{DecodeError, MAX_PIXELS};
use crate::media::vp8;

/// A VP8 decoder for one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    state: Vp8DecoderState,
    key_frame_needed: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: Vp8DecoderState::new().with_max_pixels_per_frame(MAX_PIXELS),
            key_frame_needed: true,
        }
    }
}

impl Decoder {
    pub(super) fn frames_lost(&mut self) {
        self.key_frame_needed = true;
    }

    pub(super) fn decode<R>(
        &mut self,
        frame: &[u8],
        look: impl FnOnce(&PictureView<'_>) -> R,
    ) -> Result<R, DecodeError> {
        if let Some((width, height)) = vp8::key_frame_size(frame) {
            // Before the decoder sees it: a header of ten bytes must not reserve 400 MB.
            if u64::from(width) * u64::from(height) > MAX_PIXELS {
                self.key_frame_needed = true;
                return Err(DecodeError::TooLarge { width, height });
            }
        } else if self.key_frame_needed {
            return Err(DecodeError::KeyFrameNeeded);
        }
        // Until this frame has decoded, nothing may refer to what it leaves behind.
        self.key_frame_needed = true;
        let picture = self
            .state
            .decode_frame(frame)
            .map_err(|error| DecodeError::AccessUnit(error.to_string()))?;
        self.key_frame_needed = false;
        // A frame that only serves as a reference (RFC 6386 section 9.1, show_frame).
        if self.state.last_frame_shown() == Some(false) {
            return Err(DecodeError::NoPicture);
        }
        let (width, height) = (picture.width, picture.height);
        let (luma, chroma) = (width as usize, width.div_ceil(2) as usize);
        let view = PictureView::new(
            width,
            height,
            [&picture.y, &picture.u, &picture.v],
            [luma, chroma, chroma],
        )
        .map_err(|error| DecodeError::AccessUnit(error.to_string()))?;
        Ok(look(&view))
    }
}

#[cfg(test)]
mod tests;
