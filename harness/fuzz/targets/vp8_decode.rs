//! Damaged VP8 frames, and any bytes in their place: pictures or refusals, and after a refusal nothing
//! but a key frame helps.
//!
//! The input is frames behind three octets. Two are a length; the first chooses between bytes as they
//! are and a frame of a sound stream, into which the bytes are then written.
#![no_main]

use std::sync::LazyLock;

use greenroom::media::codec::Codec;
use greenroom::media::decode::{DecodeError, Decoder, Seen};
use greenroom::media::vp8;
use libfuzzer_sys::fuzz_target;
use oxideav_vp8::{I420Frame, KeyframeParams, Vp8InterStreamEncoder};

/// Larger pictures are refused or decoded like smaller ones, but take the time of a thousand inputs.
const LARGEST_SIDE: u32 = 256;

/// Four frames of 48x40 that move, the first of them a key frame.
static SOUND: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let params = KeyframeParams {
        loop_filter_level: 20,
        nbr_of_dct_partitions: 2,
        ..KeyframeParams::default()
    };
    let mut encoder = Vp8InterStreamEncoder::new(params, 100).expect("a period above 0");
    (0..4_usize)
        .map(|frame| {
            let luma: Vec<u8> = (0..48 * 40)
                .map(|at| (at % 48 * 5 + at / 48 * 3 + frame * 9) as u8)
                .collect();
            let chroma: Vec<u8> = (0..24 * 20).map(|at| (at + frame * 7) as u8).collect();
            let planes = I420Frame::packed(48, 40, &luma, &chroma, &chroma);
            encoder
                .encode_frame(&planes)
                .expect("a picture of the stream's size")
                .bytes
        })
        .collect()
});

fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new(Codec::Vp8).expect("VP8 is always there");
    let mut key_frame_needed = true;
    let mut rest = input;
    while let Some((&[kind, low, high], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([low, high])).min(tail.len());
        let (bytes, tail) = tail.split_at(len);
        rest = tail;
        let frame = frame(kind, bytes);
        let size = vp8::key_frame_size(&frame);
        let slow = |(width, height)| {
            (width > LARGEST_SIDE || height > LARGEST_SIDE) && width * height <= 4_096 * 4_096
        };
        if size.is_some_and(slow) {
            continue;
        }
        let shown = decoder.decode(&frame, Seen::of);
        if key_frame_needed && size.is_none() {
            assert_eq!(shown, Err(DecodeError::KeyFrameNeeded));
        }
        if let (Ok(seen), Some(size)) = (&shown, size) {
            assert_eq!((seen.width, seen.height), size);
        }
        key_frame_needed = !matches!(shown, Ok(_) | Err(DecodeError::NoPicture));
    }
});

/// The bytes themselves, or a sound frame with some of them written over it at two octets of place each.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let Some(sound) = SOUND.get(usize::from(kind % 8)) else {
        return bytes.to_vec();
    };
    let mut frame = sound.clone();
    for write in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([write[0], write[1]])) % frame.len();
        frame[at] = write[2];
    }
    if kind & 0x80 != 0 {
        frame.truncate(frame.len() - bytes.len() % frame.len());
    }
    frame
}
