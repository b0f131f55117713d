//! Encoding to H.264: pictures become H.264 access units (constrained baseline, one slice, no frame skipping).
//!
//! Owns the encoder's settings. It is synchronous and takes no clock: when to encode is the
//! broadcaster's business.

use greenroom_fixtures::{FrameRate, Picture, Size};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder as OpenH264, EncoderConfig, FrameRate as EncoderRate, FrameType,
    IntraFramePeriod, Profile, RateControlMode, SpsPpsStrategy, UsageType,
};
use openh264::formats::YUVSlices;

use super::{AccessUnit, EncodeError};
use crate::media::codec::Codec;

/// An H.264 encoder for one stream.
pub struct Encoder {
    inner: OpenH264,
    size: Size,
    rate: FrameRate,
    /// Whether a picture was encoded: only then are there settings to change.
    started: bool,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder for pictures of this size and rate.
    ///
    /// Key frames come only on request: a period of its own would make two runs differ.
    ///
    /// # Errors
    ///
    /// When the encoder refuses the settings.
    pub fn new(size: Size, rate: FrameRate, bitrate_bps: u32) -> Result<Self, EncodeError> {
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(bitrate_bps))
            .max_frame_rate(EncoderRate::from_hz(rate.num() as f32 / rate.den() as f32))
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Bitrate)
            // Every picture must come out, or "frame lost" would mean "frame not encoded".
            .skip_frames(false)
            .profile(Profile::Baseline)
            .complexity(Complexity::Low)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .scene_change_detect(false)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .num_threads(1);
        let mut inner = OpenH264::with_api_config(OpenH264API::from_source(), config).map_err(|error| {
            EncodeError::Setup {
                codec: Codec::H264,
                size,
                bitrate_bps,
                reason: error.to_string(),
            }
        })?;
        greenroom_openh264_options::silence(&mut inner);
        Ok(Self {
            inner,
            size,
            rate,
            started: false,
        })
    }

    /// Changes the bitrate from the next picture on, without a key frame.
    ///
    /// # Errors
    ///
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), EncodeError> {
        if !self.started {
            *self = Self::new(self.size, self.rate, bitrate_bps)?;
            return Ok(());
        }
        greenroom_openh264_options::set_bitrate(&mut self.inner, bitrate_bps).map_err(|refused| {
            EncodeError::Bitrate {
                codec: Codec::H264,
                bitrate_bps,
                reason: refused.to_string(),
            }
        })
    }

    /// Encodes one picture, as a key frame if asked.
    ///
    /// # Errors
    ///
    /// When the encoder fails or gives nothing out.
    pub fn encode(&mut self, index: u32, picture: &Picture, key: bool) -> Result<AccessUnit, EncodeError> {
        if key {
            self.inner.force_intra_frame();
        }
        let size = picture.size();
        let (width, height) = (size.width() as usize, size.height() as usize);
        let planes = YUVSlices::new(
            (picture.y(), picture.u(), picture.v()),
            (width, height),
            (width, width / 2, width / 2),
        );
        let failed = |reason: String| EncodeError::Frame { index, reason };
        let stream = self
            .inner
            .encode(&planes)
            .map_err(|error| failed(error.to_string()))?;
        self.started = true;
        let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
        let bytes = stream.to_vec();
        if bytes.is_empty() {
            return Err(failed("the encoder skipped it".to_owned()));
        }
        Ok(AccessUnit { bytes, key })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use greenroom_fixtures::Clip;

    use super::*;

    const LOW_BPS: u32 = 200_000;
    const HIGH_BPS: u32 = 1_000_000;

    /// Encodes these frames of the drawn clip; gives their sizes in bytes and the key frames' numbers.
    fn encode(encoder: &mut Encoder, frames: Range<u32>) -> (Vec<usize>, Vec<u32>) {
        let size = Size::new(320, 180).unwrap();
        let mut clip = Clip::procedural(size, 30, 120, 1);
        let mut picture = Picture::of_size(size);
        let mut sizes = Vec::new();
        let mut keys = Vec::new();
        for frame in frames {
            clip.picture(frame, &mut picture).unwrap();
            let unit = encoder.encode(frame, &picture, frame == 0).unwrap();
            sizes.push(unit.bytes.len());
            keys.extend(unit.key.then_some(frame));
        }
        (sizes, keys)
    }

    fn encoder(bitrate_bps: u32) -> Encoder {
        let rate = FrameRate::new(30, 1).unwrap();
        Encoder::new(Size::new(320, 180).unwrap(), rate, bitrate_bps).unwrap()
    }

    /// Bytes of the last 30 frames before the change and of the last 30 after it.
    #[track_caller]
    fn check(from: u32, to: u32) -> (usize, usize) {
        let mut encoder = encoder(from);
        let (before, keys) = encode(&mut encoder, 0..60);
        assert_eq!(keys, [0]);
        encoder.set_bitrate(to).unwrap();
        let (after, keys) = encode(&mut encoder, 60..120);
        assert!(keys.is_empty(), "a change of the bitrate needs no key frame");
        (before[30..].iter().sum(), after[30..].iter().sum())
    }

    #[test]
    fn a_lower_bitrate_makes_smaller_frames_without_a_key_frame() {
        let (before, after) = check(HIGH_BPS, LOW_BPS);
        assert!(after * 2 < before, "{before} bytes, then {after}");
    }

    #[test]
    fn a_higher_bitrate_makes_larger_frames_without_a_key_frame() {
        let (before, after) = check(LOW_BPS, HIGH_BPS);
        assert!(after > before * 2, "{before} bytes, then {after}");
    }

    #[test]
    fn a_bitrate_set_before_the_first_picture_is_the_first_one() {
        let mut changed = encoder(HIGH_BPS);
        changed.set_bitrate(LOW_BPS).unwrap();
        assert_eq!(encode(&mut changed, 0..20), encode(&mut encoder(LOW_BPS), 0..20));
    }

    #[test]
    fn no_bitrate_at_all_is_refused_and_named() {
        let mut encoder = encoder(HIGH_BPS);
        encode(&mut encoder, 0..1);
        let refused = encoder.set_bitrate(0).unwrap_err();
        assert!(refused.to_string().contains("0 bit/s"), "{refused}");
    }
}
