//! Stretches of a broadcast as the harness makes them: the drawn clip, stamped and encoded by openh264.
//!
//! Owns the encoded input that several benchmarks share. It must not measure anything.

use std::ops::Range;

use anyhow::Result;
use greenroom::media::codec::Codec;
use greenroom::media::encode::{AccessUnit, Encoder};
use greenroom_fixtures::{Clip, Picture, Size, Stamp};

/// Frames per second of every broadcast here.
pub(crate) const FPS: u32 = 30;

/// These frames of a broadcast, the first of them a key frame and the others delta frames.
pub(crate) fn encoded(size: Size, bitrate_bps: u32, frames: Range<u32>) -> Result<Vec<AccessUnit>> {
    let mut clip = Clip::procedural(size, FPS, frames.end, 1);
    let mut picture = Picture::of_size(size);
    let mut encoder = Encoder::new(Codec::H264, size, clip.frame_rate(), bitrate_bps)?;
    let first = frames.start;
    frames
        .map(|frame| {
            clip.picture(frame, &mut picture)?;
            Stamp { stream: 0, frame }.write(&mut picture)?;
            Ok(encoder.encode(frame, &picture, frame == first)?)
        })
        .collect()
}
