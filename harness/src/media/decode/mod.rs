//! Decoding: frames become pictures again, at the viewers that are chosen to decode.
//!
//! Owns the choice of the decoder by codec, and what is read from a single picture: the stamp and the
//! brightness. Whether the stamp is the right one is for the caller to compare, and a picture is only
//! lent: whatever else is to be measured on it is measured where it is decoded.

#[cfg(feature = "h264")]
mod h264;
mod vp8;

use greenroom_fixtures::{PictureView, Stamp, StampError};
use thiserror::Error;

use super::codec::Codec;

/// A picture below this mean luma is black: studio black is 16, and coding noise adds little.
pub const BLACK_LUMA: u8 = 24;

/// Most luma samples of a picture that is decoded: 4096x4096, as large as a fixture may be.
pub const MAX_PIXELS: u64 = 4_096 * 4_096;

/// A frame that cannot be decoded.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The build has no decoder for the codec.
    #[error("this build has no {codec} decoder; build greenroom with the feature `{feature}`")]
    NotBuilt {
        /// The codec.
        codec: Codec,
        /// The feature that brings its decoder.
        feature: &'static str,
    },
    /// The codec carries no pictures.
    #[error("{codec} carries sound; expected H264 or VP8")]
    NotVideo {
        /// The codec.
        codec: Codec,
    },
    /// The decoder could not be set up.
    #[error("the {codec} decoder could not be started: {reason}")]
    Setup {
        /// The codec.
        codec: Codec,
        /// What it said.
        reason: String,
    },
    /// The frame is broken, or refers to a frame that was lost.
    #[error("the frame does not decode: {0}; a key frame is needed")]
    AccessUnit(String),
    /// A delta frame where only a key frame helps: nothing was decoded yet, or something was lost.
    #[error("got a frame that refers to one that is missing; a key frame is needed")]
    KeyFrameNeeded,
    /// The key frame announces a picture that is too large.
    #[error("the key frame announces {width}x{height}; expected at most {MAX_PIXELS} samples")]
    TooLarge {
        /// Width in samples.
        width: u32,
        /// Height in samples.
        height: u32,
    },
    /// The frame gave no picture.
    #[error("the frame decodes to no picture")]
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
    /// Reads what a picture shows.
    pub fn of(picture: &PictureView<'_>) -> Self {
        Self {
            width: picture.width(),
            height: picture.height(),
            stamp: Stamp::read(picture),
            mean_luma: picture.mean_luma(),
        }
    }

    /// Whether the picture is black, as a muted video track sends.
    pub fn is_black(&self) -> bool {
        self.mean_luma < BLACK_LUMA
    }
}

/// A video decoder for one stream.
#[derive(Debug)]
pub struct Decoder {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    #[cfg(feature = "h264")]
    H264(h264::Decoder),
    // Boxed: its probability tables are kilobytes, and the other variant is a pointer.
    Vp8(Box<vp8::Decoder>),
}

impl Decoder {
    /// A decoder.
    ///
    /// # Errors
    ///
    /// When the codec carries no pictures, the build has no decoder for it, or it cannot be set up.
    pub fn new(codec: Codec) -> Result<Self, DecodeError> {
        let inner = match codec {
            #[cfg(feature = "h264")]
            Codec::H264 => Inner::H264(h264::Decoder::new()?),
            #[cfg(not(feature = "h264"))]
            Codec::H264 => {
                let feature = "h264";
                return Err(DecodeError::NotBuilt { codec, feature });
            }
            Codec::Vp8 => Inner::Vp8(Box::default()),
            Codec::Opus => return Err(DecodeError::NotVideo { codec }),
        };
        Ok(Self { inner })
    }

    /// Decodes one frame and lends its picture to `look`, which is not called when there is none.
    ///
    /// [`Seen::of`] looks at what the harness put into it; see [`crate::measure::quality`] for how close
    /// it is to the original.
    ///
    /// # Errors
    ///
    /// When it gives no picture. After a lost frame that is so until the next key frame.
    pub fn decode<R>(
        &mut self,
        frame: &[u8],
        look: impl FnOnce(&PictureView<'_>) -> R,
    ) -> Result<R, DecodeError> {
        match &mut self.inner {
            #[cfg(feature = "h264")]
            Inner::H264(decoder) => decoder.decode(frame, look),
            Inner::Vp8(decoder) => decoder.decode(frame, look),
        }
    }

    /// Says that frames before the next one were lost.
    ///
    /// VP8 has no frame numbers: its decoder would go on from the wrong picture and show a mixture.
    /// That of H.264 sees the gap itself.
    pub fn frames_lost(&mut self) {
        match &mut self.inner {
            #[cfg(feature = "h264")]
            Inner::H264(_) => {}
            Inner::Vp8(decoder) => decoder.frames_lost(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_has_no_pictures() {
        let refused = Decoder::new(Codec::Opus).unwrap_err();
        assert_eq!(refused, DecodeError::NotVideo { codec: Codec::Opus });
    }

    #[cfg(not(feature = "h264"))]
    #[test]
    fn a_build_without_a_decoder_names_the_feature_that_brings_it() {
        let refused = Decoder::new(Codec::H264).unwrap_err();
        assert!(refused.to_string().contains("`h264`"), "{refused}");
    }
}
