//! Sound coding in a build without Opus: there is none, and it says so.
//!
//! Stands in for `opus.rs`, so that bots are written once.

use thiserror::Error;

/// The rate that Opus runs at in RTP (RFC 7587 section 4.1), in hertz.
pub const OPUS_RATE: u32 = 48_000;

/// By how much libopus gives sound out later than it took it in, in samples of 48 kHz.
///
/// A viewer cannot ask the sender's encoder; this is its lookahead in every mode but restricted low delay.
pub const OPUS_LOOKAHEAD: u32 = 312;

/// Longest sound that one packet holds: 120 ms (RFC 6716 section 3.2.5), in samples of 48 kHz.
pub const MAX_PACKET_SAMPLES: usize = 5_760;

/// Sound that cannot be encoded or decoded.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum OpusError {
    /// The build has no Opus.
    #[error("this build has no Opus codec; build greenroom with the feature `opus`")]
    NoCodec,
}

/// No such thing exists in this build.
#[derive(Debug)]
pub enum OpusEncoder {}

impl OpusEncoder {
    /// Always fails.
    ///
    /// # Errors
    ///
    /// [`OpusError::NoCodec`].
    pub fn new(_sample_rate: u32, _channels: u16, _bitrate_bps: u32) -> Result<Self, OpusError> {
        Err(OpusError::NoCodec)
    }

    /// Cannot be called, because there is no encoder.
    ///
    /// # Errors
    ///
    /// None.
    pub fn encode(&mut self, _pcm: &[i16]) -> Result<Vec<u8>, OpusError> {
        match *self {}
    }

    /// Cannot be called, because there is no encoder.
    pub fn lookahead(&self) -> u32 {
        match *self {}
    }

    /// Cannot be called, because there is no encoder.
    ///
    /// # Errors
    ///
    /// None.
    pub fn set_bitrate(&mut self, _bitrate_bps: u32) -> Result<(), OpusError> {
        match *self {}
    }
}

/// No such thing exists in this build.
#[derive(Debug)]
pub enum OpusDecoder {}

impl OpusDecoder {
    /// Always fails.
    ///
    /// # Errors
    ///
    /// [`OpusError::NoCodec`].
    pub fn new(_channels: u16) -> Result<Self, OpusError> {
        Err(OpusError::NoCodec)
    }

    /// Cannot be called, because there is no decoder.
    ///
    /// # Errors
    ///
    /// None.
    pub fn decode(&mut self, _packet: &[u8], _out: &mut Vec<i16>) -> Result<usize, OpusError> {
        match *self {}
    }

    /// Cannot be called, because there is no decoder.
    ///
    /// # Errors
    ///
    /// None.
    pub fn conceal(&mut self, _samples: usize, _out: &mut Vec<i16>) -> Result<(), OpusError> {
        match *self {}
    }
}
