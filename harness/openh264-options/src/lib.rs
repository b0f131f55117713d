//! The openh264 encoder options that its safe Rust API leaves out.
//!
//! Owns every `unsafe` block of the workspace and nothing else: each function is one call of
//! `ISVCEncoder::SetOption` with a value of the type that the option takes (codec_app_def.h).

use openh264::encoder::Encoder;
use openh264_sys2::{ENCODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET};

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
}
