//! The broadcaster's source in a build without a video encoder: there is none, and it says so.
//!
//! Stands in for `source.rs`, so that the bots are written once. Viewers need no encoder.

use std::sync::Arc;

use greenroom_fixtures::FrameRate;
use thiserror::Error;

use crate::media::packetize::EncodedFrame;
use crate::scenario::MediaSpec;

/// A source that cannot give a frame.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The build has no encoder.
    #[error(
        "this build has no video encoder; build greenroom with the feature `h264`, or run the viewers only"
    )]
    NoEncoder,
}

/// No such thing exists in this build.
#[derive(Debug)]
pub(crate) enum Source {}

impl Source {
    pub(crate) fn open(_media: &MediaSpec, _seed: u64, _stream: u8) -> Result<Self, SourceError> {
        Err(SourceError::NoEncoder)
    }

    pub(crate) fn rate(&self) -> FrameRate {
        match *self {}
    }

    pub(crate) fn frame(
        &mut self,
        _index: u32,
        _media_time: i64,
        _muted: bool,
        _key: bool,
    ) -> Result<Arc<EncodedFrame>, SourceError> {
        match *self {}
    }
}
