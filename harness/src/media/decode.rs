//! Decoding: access units become pictures again, at the viewers that are chosen to decode.
//!
//! Owns the decoder and what is read from its pictures: the stamp and the brightness. Whether the
//! stamp is the right one is for the caller to compare.

use greenroom_fixtures::{PictureView, Stamp, StampError};
use openh264::OpenH264API;
use openh264::decoder::{Decoder as OpenH264, DecoderConfig};
use openh264::formats::YUVSource;
use thiserror::Error;

/// A picture below this mean luma is black: studio black is 16, and coding noise adds little.
pub const BLACK_LUMA: u8 = 24;

/// A frame that cannot be decoded.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The decoder could not be set up.
    #[error("the H.264 decoder could not be started: {0}")]
    Setup(String),
    /// The access unit is broken, or refers to a frame that was lost.
    #[error("the access unit does not decode: {0}; a key frame is needed")]
    AccessUnit(String),
    /// The access unit gave no picture.
    #[error("the access unit decodes to no picture")]
    NoPicture,
}

/// What a decoded picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// The stamp, or why it cannot be read.
    pub stamp: Result<Stamp, StampError>,
    /// Mean luma, 16 for black to 235 for white.
    pub mean_luma: u8,
}

impl Seen {
    /// Whether the picture is black, as a muted video track sends.
    pub fn is_black(&self) -> bool {
        self.mean_luma < BLACK_LUMA
    }
}

/// An H.264 decoder for one stream.
pub struct Decoder {
    inner: OpenH264,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder.
    ///
    /// # Errors
    ///
    /// When it cannot be set up.
    pub fn new() -> Result<Self, DecodeError> {
        let inner = OpenH264::with_api_config(OpenH264API::from_source(), DecoderConfig::new())
            .map_err(|error| DecodeError::Setup(error.to_string()))?;
        Ok(Self { inner })
    }

    /// Decodes one access unit and reads what it shows.
    ///
    /// # Errors
    ///
    /// When it gives no picture. After a lost frame that is so until the next key frame.
    pub fn decode(&mut self, access_unit: &[u8]) -> Result<Seen, DecodeError> {
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
        Ok(Seen {
            width,
            height,
            stamp: Stamp::read(&view),
            mean_luma: view.mean_luma(),
        })
    }
}
