//! Encoding: pictures become H.264 access units (constrained baseline, one slice, no frame skipping).
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
use thiserror::Error;

/// An encoder that does not work.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// It could not be set up.
    #[error("the H.264 encoder refuses {size} at {bitrate_bps} bit/s: {reason}")]
    Setup {
        /// Picture size.
        size: Size,
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
    /// Annex B bytes; a key frame brings its parameter sets.
    pub bytes: Vec<u8>,
    /// Whether it is an IDR picture.
    pub key: bool,
}

/// An H.264 encoder for one stream.
pub struct Encoder {
    inner: OpenH264,
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
                size,
                bitrate_bps,
                reason: error.to_string(),
            }
        })?;
        greenroom_openh264_options::silence(&mut inner);
        Ok(Self { inner })
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
        let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
        let bytes = stream.to_vec();
        if bytes.is_empty() {
            return Err(failed("the encoder skipped it".to_owned()));
        }
        Ok(AccessUnit { bytes, key })
    }
}
