//! Decoding H.264 with openh264.
//!
//! Owns the decoder and the way from its picture to a view. After a lost frame it refuses everything
//! up to the next IDR picture by itself.

use greenroom_fixtures::PictureView;
use openh264::OpenH264API;
use openh264::decoder::{Decoder as OpenH264, DecoderConfig};
use openh264::formats::YUVSource as _;

use super::DecodeError;
use crate::media::codec::Codec;

/// An H.264 decoder for one stream.
pub(super) struct Decoder {
    inner: OpenH264,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn new() -> Result<Self, DecodeError> {
        let inner =
            OpenH264::with_api_config(OpenH264API::from_source(), DecoderConfig::new()).map_err(|error| {
                DecodeError::Setup {
                    codec: Codec::H264,
                    reason: error.to_string(),
                }
            })?;
        Ok(Self { inner })
    }

    pub(super) fn decode<R>(
        &mut self,
        access_unit: &[u8],
        look: impl FnOnce(&PictureView<'_>) -> R,
    ) -> Result<R, DecodeError> {
        let picture = self
            .inner
            .decode(access_unit)
            .map_err(|error| DecodeError::AccessUnit(error.to_string()))?
            .ok_or(DecodeError::NoPicture)?;
        let (width, height) = picture.dimensions();
        let (width, height) = (
            u32::try_from(width).unwrap_or(0),
            u32::try_from(height).unwrap_or(0),
        );
        let strides = picture.strides();
        let view = PictureView::new(
            width,
            height,
            [picture.y(), picture.u(), picture.v()],
            [strides.0, strides.1, strides.2],
        )
        .map_err(|error| DecodeError::AccessUnit(error.to_string()))?;
        Ok(look(&view))
    }
}
