//! Encoding: pictures become frames, in the codec that was asked for and the build has.
//!
//! Owns the choice of the encoder. It is synchronous and takes no clock: when to encode is the
//! broadcaster's business.

#[cfg(feature = "h264")]
pub mod h264;
#[cfg(feature = "libvpx")]
pub mod vp8;

use greenroom_fixtures::{FrameRate, Picture, Size};
use thiserror::Error;

use super::codec::Codec;

/// An encoder that does not work.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// The build has none for this codec.
    #[error(
        "this build has no {codec} encoder; build greenroom with the feature `{feature}`, or run the viewers only"
    )]
    NotBuilt {
        /// The codec.
        codec: Codec,
        /// The feature that brings one.
        feature: &'static str,
    },
    /// It is no codec of pictures.
    #[error("{codec} does not encode pictures; write h264 or vp8")]
    NotVideo {
        /// The codec.
        codec: Codec,
    },
    /// It could not be set up.
    #[error("the {codec} encoder refuses {size} at {bitrate_bps} bit/s: {reason}")]
    Setup {
        /// The codec.
        codec: Codec,
        /// Picture size.
        size: Size,
        /// Bits per second.
        bitrate_bps: u32,
        /// What it said.
        reason: String,
    },
    /// The bitrate could not be changed.
    #[error("the {codec} encoder cannot go on at {bitrate_bps} bit/s: {reason}")]
    Bitrate {
        /// The codec.
        codec: Codec,
        /// Bits per second.
        bitrate_bps: u32,
        /// What it said.
        reason: String,
    },
    /// A picture was not encoded.
    #[error("frame {index} was not encoded: {reason}")]
    Frame {
        /// Number of the frame.
        index: u32,
        /// What it said.
        reason: String,
    },
}

/// An encoded picture.
#[derive(Debug)]
pub struct AccessUnit {
    /// Its bytes: of H.264 in Annex B form, where a key frame brings its parameter sets.
    pub bytes: Vec<u8>,
    /// Whether a decoder can start here.
    pub key: bool,
}

/// An encoder for one stream.
#[derive(Debug)]
pub struct Encoder {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    #[cfg(feature = "h264")]
    H264(Box<h264::Encoder>),
    #[cfg(feature = "libvpx")]
    Vp8(Box<vp8::Vp8Encoder>),
    /// Keeps the type whole in a build without encoders.
    #[cfg(not(any(feature = "h264", feature = "libvpx")))]
    #[expect(dead_code, reason = "it stands for the encoder that there is not")]
    None(std::convert::Infallible),
}

impl Encoder {
    /// An encoder for pictures of this size and rate.
    ///
    /// Key frames come only on request: a period of its own would make two runs differ.
    ///
    /// # Errors
    ///
    /// When the build has no such encoder, or it refuses the settings.
    #[cfg_attr(
        not(any(feature = "h264", feature = "libvpx")),
        expect(unused_variables, reason = "there is no encoder to set up")
    )]
    pub fn new(codec: Codec, size: Size, rate: FrameRate, bitrate_bps: u32) -> Result<Self, EncodeError> {
        match codec {
            #[cfg(feature = "h264")]
            Codec::H264 => {
                let encoder = h264::Encoder::new(size, rate, bitrate_bps)?;
                let inner = Inner::H264(Box::new(encoder));
                Ok(Self { inner })
            }
            #[cfg(not(feature = "h264"))]
            Codec::H264 => Err(EncodeError::NotBuilt {
                codec,
                feature: "h264",
            }),
            #[cfg(feature = "libvpx")]
            Codec::Vp8 => {
                let encoder = vp8::Vp8Encoder::new(size, rate, bitrate_bps)?;
                let inner = Inner::Vp8(Box::new(encoder));
                Ok(Self { inner })
            }
            #[cfg(not(feature = "libvpx"))]
            Codec::Vp8 => Err(EncodeError::NotBuilt {
                codec,
                feature: "libvpx",
            }),
            Codec::Opus => Err(EncodeError::NotVideo { codec }),
        }
    }

    /// Encodes one picture, as a key frame if asked. `index` rises from picture to picture.
    ///
    /// # Errors
    ///
    /// When the encoder fails or gives nothing out.
    #[cfg_attr(
        not(any(feature = "h264", feature = "libvpx")),
        expect(unused_variables, reason = "there is no encoder to encode it")
    )]
    pub fn encode(&mut self, index: u32, picture: &Picture, key: bool) -> Result<AccessUnit, EncodeError> {
        match &mut self.inner {
            #[cfg(feature = "h264")]
            Inner::H264(encoder) => encoder.encode(index, picture, key),
            #[cfg(feature = "libvpx")]
            Inner::Vp8(encoder) => encoder.encode(index, picture, key),
            #[cfg(not(any(feature = "h264", feature = "libvpx")))]
            Inner::None(never) => match *never {},
        }
    }

    /// Changes the bitrate from the next picture on, without a key frame.
    ///
    /// # Errors
    ///
    /// When the encoder refuses it.
    #[cfg_attr(
        not(any(feature = "h264", feature = "libvpx")),
        expect(unused_variables, reason = "there is no encoder to change")
    )]
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        match &mut self.inner {
            #[cfg(feature = "h264")]
            Inner::H264(encoder) => encoder.set_bitrate(bitrate_bps),
            #[cfg(feature = "libvpx")]
            Inner::Vp8(encoder) => encoder.set_bitrate(bitrate_bps),
            #[cfg(not(any(feature = "h264", feature = "libvpx")))]
            Inner::None(never) => match *never {},
        }
    }
}
