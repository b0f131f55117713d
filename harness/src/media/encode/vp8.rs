//! Encoding to VP8: pictures become frames (constant bit rate, one partition, no frame skipping).
//!
//! Owns how a picture of the fixtures reaches the encoder, as `h264.rs` does for H.264. It is
//! synchronous and takes no clock: when to encode is the broadcaster's business.

use greenroom_fixtures::{FrameRate, Picture, Size};
use greenroom_libvpx_encoder::{Planes, Vp8Encoder as Libvpx};

use super::{AccessUnit, EncodeError};
use crate::media::codec::Codec;

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
    pub fn new(size: Size, rate: FrameRate, bitrate_bps: u32) -> Result<Self, EncodeError> {
        let inner = Libvpx::new(size.width(), size.height(), rate.num(), rate.den(), bitrate_bps).map_err(
            |reason| EncodeError::Setup {
                codec: Codec::Vp8,
                size,
                bitrate_bps,
                reason: reason.to_string(),
            },
        )?;
        Ok(Self { inner })
    }

    /// Encodes one picture, as a key frame if asked. `index` rises from picture to picture.
    ///
    /// # Errors
    ///
    /// When the encoder fails or gives nothing out.
    pub fn encode(&mut self, index: u32, picture: &Picture, key: bool) -> Result<AccessUnit, EncodeError> {
        let planes = Planes {
            data: [picture.y(), picture.u(), picture.v()],
            strides: picture.strides(),
        };
        let frame = self
            .inner
            .encode(&planes, i64::from(index), key)
            .map_err(|reason| EncodeError::Frame {
                index,
                reason: reason.to_string(),
            })?;
        Ok(AccessUnit {
            bytes: frame.bytes,
            key: frame.key,
        })
    }

    /// Changes the bit rate from the next picture on, without a key frame.
    ///
    /// # Errors
    ///
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        self.inner
            .set_bitrate(bitrate_bps)
            .map_err(|reason| EncodeError::Bitrate {
                codec: Codec::Vp8,
                bitrate_bps,
                reason: reason.to_string(),
            })
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
            Err(EncodeError::Bitrate { bitrate_bps: 0, .. })
        ));
    }
}
