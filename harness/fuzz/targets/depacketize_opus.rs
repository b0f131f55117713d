//! Any packets of an Opus stream, whatever their markers say: frames or damage, never more than came.
#![no_main]

use greenroom::media::codec::Codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| greenroom_fuzz::depacketize(Codec::Opus, input));
