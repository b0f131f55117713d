//! The openh264 encoder options that its safe Rust API leaves out.
//!
//! Owns the `unsafe` that this needs and nothing else: each block is one call of
//! `ISVCEncoder::SetOption` or `GetOption` with a value of the type that the option takes
//! (codec_app_def.h), or the access to the object that has them.

use std::ffi::c_int;

use openh264::encoder::Encoder;
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL,
    SBitrateInfo, SPATIAL_LAYER_0, WELS_LOG_QUIET,
};

/// An option that the encoder did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the encoder refused to {option} (code {code})")]
pub struct OptionRefused {
    /// What was asked for.
    pub option: &'static str,
    /// What the encoder returned: a `CM_RETURN`, 1 for a value that it cannot take and 4 before the
    /// first picture.
    pub code: i32,
}

/// Keeps the encoder from writing to stderr, also while it is set up.
///
/// The safe API turns the trace off only after the set-up, whose warnings are out by then.
pub fn silence(encoder: &mut Encoder) {
    let mut level: i32 = WELS_LOG_QUIET;
    // SAFETY: the trace level is no parameter that the wrapper relies on; it sets the same one itself later.
    let api = unsafe { encoder.raw_api() };
    // SAFETY: the encoder lives as long as `api`, this option is allowed before initialization
    // (CWelsH264SVCEncoder::SetOption), it reads one int through the pointer and keeps none of it.
    let result = unsafe { api.set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast()) };
    debug_assert_eq!(result, 0, "setting the trace level of the encoder");
}

/// Changes the target of the rate control, and its maximum with it, in bits per second.
///
/// Takes effect with the next picture, which stays a delta frame. Works once a picture was encoded.
///
/// # Errors
///
/// When the encoder refuses it: before the first picture, or at less than a bit a frame.
pub fn set_bitrate(encoder: &mut Encoder, bps: u32) -> Result<(), OptionRefused> {
    let bps = c_int::try_from(bps).unwrap_or(c_int::MAX);
    let before = bitrate(encoder)?;
    // The encoder refuses a target above the maximum and yet keeps it, so the way matters: up, the
    // maximum goes first. The only layer is addressed, because "all layers" leaves its maximum as it is.
    let (target, maximum) = (
        (ENCODER_OPTION_BITRATE, "set the bitrate"),
        (ENCODER_OPTION_MAX_BITRATE, "set the maximum bitrate"),
    );
    let order = if bps > before {
        [maximum, target]
    } else {
        [target, maximum]
    };
    for (option, name) in order {
        let mut info = SBitrateInfo {
            iLayer: SPATIAL_LAYER_0,
            iBitrate: bps,
        };
        set(encoder, option, name, &mut info)?;
    }
    Ok(())
}

/// The bitrate that the encoder aims at.
fn bitrate(encoder: &mut Encoder) -> Result<c_int, OptionRefused> {
    let mut info = SBitrateInfo {
        iLayer: SPATIAL_LAYER_0,
        iBitrate: 0,
    };
    // SAFETY: nothing is changed through it.
    let api = unsafe { encoder.raw_api() };
    // SAFETY: the encoder lives as long as `api` and checks itself whether it is initialized
    // (CWelsH264SVCEncoder::GetOption); the option reads and writes one `SBitrateInfo` and keeps none of it.
    let code = unsafe { api.get_option(ENCODER_OPTION_BITRATE, (&raw mut info).cast()) };
    accepted("tell its bitrate", code)?;
    Ok(info.iBitrate)
}

/// Sets one of the two options that take an [`SBitrateInfo`].
fn set(
    encoder: &mut Encoder,
    option: ENCODER_OPTION,
    name: &'static str,
    info: &mut SBitrateInfo,
) -> Result<(), OptionRefused> {
    // SAFETY: the wrapper remembers the bitrate of its configuration only to set the encoder up again
    // when the picture size changes; it relies on neither bitrate otherwise.
    let api = unsafe { encoder.raw_api() };
    // SAFETY: the encoder lives as long as `api` and checks itself whether it is initialized
    // (CWelsH264SVCEncoder::SetOption); both options read one `SBitrateInfo` and keep none of it.
    let code = unsafe { api.set_option(option, std::ptr::from_mut(info).cast()) };
    accepted(name, code)
}

fn accepted(option: &'static str, code: c_int) -> Result<(), OptionRefused> {
    if code == 0 {
        Ok(())
    } else {
        Err(OptionRefused { option, code })
    }
}

#[cfg(test)]
mod tests {
    use openh264::encoder::Encoder;
    use openh264::formats::YUVBuffer;

    #[test]
    fn a_silenced_encoder_still_encodes() {
        let mut encoder = Encoder::new().unwrap();
        super::silence(&mut encoder);
        let bytes = encoder.encode(&YUVBuffer::new(64, 64)).unwrap().to_vec();
        assert!(!bytes.is_empty());
    }

    #[test]
    fn the_bitrate_goes_up_and_down_and_is_kept_exactly() {
        let mut encoder = Encoder::new().unwrap();
        super::silence(&mut encoder);
        encoder.encode(&YUVBuffer::new(64, 64)).unwrap();
        for bps in [1_000_000, 200_000, 17_000_001, 17_000_003, 3_000_000, 3_000_000] {
            super::set_bitrate(&mut encoder, bps).unwrap();
            assert_eq!(super::bitrate(&mut encoder), Ok(bps as i32));
        }
    }

    #[test]
    fn a_bitrate_before_the_first_picture_and_none_at_all_are_refused() {
        let mut encoder = Encoder::new().unwrap();
        super::silence(&mut encoder);
        assert_eq!(super::set_bitrate(&mut encoder, 1_000).unwrap_err().code, 4);
        encoder.encode(&YUVBuffer::new(64, 64)).unwrap();
        assert_eq!(super::set_bitrate(&mut encoder, 0).unwrap_err().code, 1);
    }
}
