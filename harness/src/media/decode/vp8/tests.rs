use std::sync::LazyLock;

use greenroom_fixtures::{Clip, Picture, Size, Stamp};
use oxideav_vp8::{I420Frame, KeyframeParams, Vp8InterStreamEncoder};
use proptest::prelude::*;

use super::super::{DecodeError, Decoder, Seen};
use crate::measure::quality::Quality;
use crate::media::codec::Codec;

/// Frames of a stamped clip, the first of them a key frame, with the pictures that went in.
fn clip(frames: u32) -> (Vec<Vec<u8>>, Vec<Picture>) {
    let size = Size::new(160, 90).unwrap();
    let mut clip = Clip::procedural(size, 30, frames, 1);
    let mut encoder = Vp8InterStreamEncoder::new(KeyframeParams::default(), 1_000).unwrap();
    (0..frames)
        .map(|frame| {
            let mut picture = Picture::of_size(size);
            clip.picture(frame, &mut picture).unwrap();
            Stamp { stream: 3, frame }.write(&mut picture).unwrap();
            let planes = I420Frame::packed(160, 90, picture.y(), picture.u(), picture.v());
            let encoded = encoder.encode_frame(&planes).unwrap();
            assert_eq!(encoded.is_keyframe(), frame == 0);
            (encoded.bytes, picture)
        })
        .unzip()
}

/// A grey key frame of any size.
fn grey(width: u32, height: u32) -> Vec<u8> {
    let luma = vec![128; (width * height) as usize];
    let chroma = vec![128; (width.div_ceil(2) * height.div_ceil(2)) as usize];
    let planes = I420Frame::packed(width, height, &luma, &chroma, &chroma);
    let mut encoder = Vp8InterStreamEncoder::new(KeyframeParams::default(), 1).unwrap();
    encoder.encode_frame(&planes).unwrap().bytes
}

fn decoder() -> Decoder {
    Decoder::new(Codec::Vp8).unwrap()
}

#[test]
fn every_frame_shows_its_stamp_and_looks_like_the_original() {
    let (frames, pictures) = clip(6);
    let mut decoder = decoder();
    for (index, (frame, picture)) in (0..).zip(frames.iter().zip(&pictures)) {
        let (seen, quality) = decoder
            .decode(frame, |view| (Seen::of(view), Quality::of(view, picture)))
            .unwrap();
        assert_eq!(
            seen.stamp,
            Ok(Stamp {
                stream: 3,
                frame: index
            })
        );
        assert_eq!((seen.width, seen.height, seen.is_black()), (160, 90, false));
        let quality = quality.unwrap();
        assert!(
            quality.psnr_db > 28.0 && quality.ssim > 0.9,
            "{index}: {quality:?}"
        );
    }
}

#[test]
fn after_a_loss_nothing_is_shown_until_the_next_key_frame() {
    let (frames, _) = clip(3);
    let mut decoder = decoder();
    assert_eq!(
        decoder.decode(&frames[1], Seen::of),
        Err(DecodeError::KeyFrameNeeded)
    );
    decoder.decode(&frames[0], Seen::of).unwrap();
    decoder.frames_lost();
    for delta in &frames[1..] {
        assert_eq!(decoder.decode(delta, Seen::of), Err(DecodeError::KeyFrameNeeded));
    }
    decoder.decode(&frames[0], Seen::of).unwrap();
    decoder.decode(&frames[1], Seen::of).unwrap();
}

#[test]
fn a_frame_that_does_not_decode_calls_for_a_key_frame() {
    let (frames, _) = clip(2);
    let mut decoder = decoder();
    decoder.decode(&frames[0], Seen::of).unwrap();
    let cut = decoder.decode(&frames[1][..4], Seen::of);
    assert!(matches!(cut, Err(DecodeError::AccessUnit(_))), "{cut:?}");
    assert_eq!(
        decoder.decode(&frames[1], Seen::of),
        Err(DecodeError::KeyFrameNeeded)
    );
}

#[test]
fn odd_sizes_come_out_as_they_are() {
    for (width, height) in [(1, 1), (17, 33), (161, 91), (640, 359)] {
        let shown = decoder()
            .decode(&grey(width, height), |view| {
                (view.width(), view.height(), view.mean_luma())
            })
            .unwrap();
        assert_eq!((shown.0, shown.1), (width, height));
        assert!(shown.2.abs_diff(128) <= 2, "{}", shown.2);
    }
}

#[test]
fn the_size_may_change_at_a_key_frame() {
    let mut decoder = decoder();
    for (width, height) in [(64, 48), (32, 96), (64, 48)] {
        let shown = decoder
            .decode(&grey(width, height), |view| (view.width(), view.height()))
            .unwrap();
        assert_eq!(shown, (width, height));
    }
}

#[test]
fn a_header_that_announces_too_much_is_refused_before_anything_is_reserved() {
    let mut frame = grey(16, 16);
    frame[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    assert_eq!(
        decoder().decode(&frame, Seen::of),
        Err(DecodeError::TooLarge {
            width: 16_383,
            height: 16_383
        })
    );
}

/// Encoded once: the encoder is slow.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| clip(4).0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn corrupted_frames_are_survived_and_a_key_frame_heals(
        flips in prop::collection::vec((0_usize..4, any::<prop::sample::Index>(), any::<u8>()), 1..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut damaged = FRAMES.clone();
        for (frame, at, value) in flips {
            let at = at.index(damaged[frame].len());
            // The size stays: a large one is slow to decode and is judged elsewhere.
            if !(6..10).contains(&at) {
                damaged[frame][at] = value;
            }
        }
        let keep = cut.index(damaged[3].len());
        damaged[3].truncate(keep);
        let mut decoder = decoder();
        for frame in &damaged {
            let _ = decoder.decode(frame, Seen::of);
        }
        prop_assert!(decoder.decode(&FRAMES[0], Seen::of).is_ok());
    }

    #[test]
    fn any_bytes_are_survived(mut frame in prop::collection::vec(any::<u8>(), 0..200), key: bool) {
        if key && frame.len() > 10 {
            frame[0] &= !1;
            frame[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
        }
        let mut decoder = decoder();
        decoder.decode(&grey(64, 64), Seen::of).unwrap();
        let _ = decoder.decode(&frame, Seen::of);
        let _ = decoder.decode(&frame, Seen::of);
    }
}
