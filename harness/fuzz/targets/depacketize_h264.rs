//! Any packets of an H.264 stream, with any aggregates and fragments: frames or damage, never more than came.
#![no_main]

use greenroom::media::codec::Codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| greenroom_fuzz::depacketize(Codec::H264, input));
