//! Decoding in a build without a video decoder: there is none, and it says so.
//!
//! Stands in for `decode.rs`, so that viewers are written once. They verify frames without decoding.

use greenroom_fixtures::{Stamp, StampError};
use thiserror::Error;

/// A frame that cannot be decoded.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The build has no decoder.
    #[error("this build has no video decoder; build greenroom with the feature `h264`")]
    NoDecoder,
}

/// What a decoded picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The stamp, or why it cannot be read.
    pub stamp: Result<Stamp, StampError>,
}

impl Seen {
    /// Whether the picture is black.
    pub fn is_black(&self) -> bool {
        false
    }
}

/// No such thing exists in this build.
#[derive(Debug)]
pub enum Decoder {}

impl Decoder {
    /// Always fails.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NoDecoder`].
    pub fn new() -> Result<Self, DecodeError> {
        Err(DecodeError::NoDecoder)
    }

    /// Cannot be called, because there is no decoder.
    ///
    /// # Errors
    ///
    /// None.
    pub fn decode(&mut self, _access_unit: &[u8]) -> Result<Seen, DecodeError> {
        match *self {}
    }
}
