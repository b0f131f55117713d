//! Encoding to VP8: pictures become frames (constant bit rate, one partition, no frame skipping).
//!
//! Owns how a picture of the fixtures reaches the encoder, as `encode.rs` does for H.264. It is
//! synchronous and takes no clock: when to encode is the broadcaster's business.

use greenroom_fixtures::{FrameRate, Picture, Size};
use greenroom_libvpx_encoder::{Planes, Vp8Encoder as Libvpx, Vp8Error};
use thiserror::Error;

/// A VP8 encoder that does not work.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Vp8EncodeError {
    /// It could not be set up.
    #[error("the VP8 encoder refuses {size} at {bitrate_bps} bit/s: {reason}")]
    Setup {
        /// Picture size.
        size: Size,
        /// Bits per second.
        bitrate_bps: u32,
        /// What it said.
        reason: Vp8Error,
    },
    /// A picture was not encoded.
    #[error("frame {index} was not encoded: {reason}")]
    Frame {
        /// Number of the frame.
        index: u32,
        /// What it said.
        reason: Vp8Error,
    },
    /// The bit rate was not changed.
    #[error("the VP8 encoder refuses to go to {bitrate_bps} bit/s: {reason}")]
    Bitrate {
        /// Bits per second.
        bitrate_bps: u32,
        /// What it said.
        reason: Vp8Error,
    },
}

/// An encoded picture.
#[derive(Debug)]
pub struct Vp8Frame {
    /// The frame, as it goes into RTP payloads (RFC 7741).
    pub bytes: Vec<u8>,
    /// Whether it is a key frame.
    pub key: bool,
}

/// A VP8 encoder for one stream.
#[derive(Debug)]
pub struct Vp8Encoder {
    inner: Libvpx,
}

impl Vp8Encoder {
    /// An encoder for pictures of this size and rate.
    ///
    /// Key frames come only on request: a period of its own would make two runs differ.
    ///
    /// # Errors
    ///
    /// When the encoder refuses the settings.
    pub fn new(size: Size, rate: FrameRate, bitrate_bps: u32) -> Result<Self, Vp8EncodeError> {
        let inner = Libvpx::new(size.width(), size.height(), rate.num(), rate.den(), bitrate_bps).map_err(
            |reason| Vp8EncodeError::Setup {
                size,
                bitrate_bps,
                reason,
            },
        )?;
        Ok(Self { inner })
    }

    /// Encodes one picture, as a key frame if asked. `index` rises from picture to picture.
    ///
    /// # Errors
    ///
    /// When the encoder fails or gives nothing out.
    pub fn encode(&mut self, index: u32, picture: &Picture, key: bool) -> Result<Vp8Frame, Vp8EncodeError> {
        let planes = Planes {
            data: [picture.y(), picture.u(), picture.v()],
            strides: picture.strides(),
        };
        let frame = self
            .inner
            .encode(&planes, i64::from(index), key)
            .map_err(|reason| Vp8EncodeError::Frame { index, reason })?;
        Ok(Vp8Frame {
            bytes: frame.bytes,
            key: frame.key,
        })
    }

    /// Changes the bit rate from the next picture on, without a key frame.
    ///
    /// # Errors
    ///
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), Vp8EncodeError> {
        self.inner
            .set_bitrate(bitrate_bps)
            .map_err(|reason| Vp8EncodeError::Bitrate { bitrate_bps, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixture_pictures_become_frames_and_key_frames_on_request() {
        let size = Picture::new(160, 90).size();
        let mut encoder = Vp8Encoder::new(size, FrameRate::new(30, 1).unwrap(), 200_000).unwrap();
        for index in 0..30 {
            let mut picture = Picture::of_size(size);
            picture.y_mut().fill(40 + index as u8 * 5);
            let frame = encoder.encode(index, &picture, index == 20).unwrap();
            assert_eq!(frame.key, index == 0 || index == 20, "{index}");
            assert!(!frame.bytes.is_empty());
        }
        encoder.set_bitrate(100_000).unwrap();
        assert!(matches!(
            encoder.set_bitrate(0),
            Err(Vp8EncodeError::Bitrate { bitrate_bps: 0, .. })
        ));
    }
}
