use greenroom_fixtures::{Picture, PictureView};
use proptest::prelude::*;

use super::{BAD_PSNR_DB, MAX_PSNR_DB, Quality, QualityTally, SizeMismatch, psnr_db, ssim};

fn picture(width: u32, height: u32, luma: impl Fn(usize, usize) -> u8) -> Picture {
    let mut picture = Picture::new(width, height);
    for (at, sample) in picture.y_mut().iter_mut().enumerate() {
        *sample = luma(at % width as usize, at / width as usize);
    }
    picture
}

/// Something with edges and slopes.
fn drawn(x: usize, y: usize) -> u8 {
    (40 + (x * 3 + y * 5) % 120 + if (x / 7 + y / 5).is_multiple_of(2) { 60 } else { 0 }) as u8
}

/// The same with noise of up to `amplitude` on each sample.
fn noisy(amplitude: i32, seed: u32) -> Picture {
    picture(64, 48, |x, y| {
        let mix = (x as u32 * 7_919 + y as u32 * 104_729 + seed).wrapping_mul(2_654_435_761) >> 8;
        let noise = mix as i32 % (2 * amplitude + 1) - amplitude;
        (i32::from(drawn(x, y)) + noise).clamp(0, 255) as u8
    })
}

#[test]
fn an_identical_picture_is_perfect() {
    let reference = picture(64, 48, drawn);
    let quality = Quality::of(&reference.view(), &reference).unwrap();
    assert_eq!(
        quality,
        Quality {
            psnr_db: MAX_PSNR_DB,
            ssim: 1.0
        }
    );
}

#[test]
fn psnr_is_what_the_formula_gives_by_hand() {
    let black = picture(16, 16, |_, _| 0);
    let check = |other: Picture, expect: f64| {
        let psnr = psnr_db(&other.view(), &black).unwrap();
        assert!((psnr - expect).abs() < 1e-9, "{psnr} for {expect}");
    };
    // A mean square of 1 is 20 log 255, and each factor of ten in amplitude takes 20 dB.
    check(picture(16, 16, |_, _| 1), 48.130_803_608_679_1);
    check(picture(16, 16, |_, _| 10), 28.130_803_608_679_1);
    check(picture(16, 16, |_, _| 255), 0.0);
    // One sample of 256 off by 16: a mean square of 1 again.
    check(
        picture(16, 16, |x, y| if (x, y) == (3, 9) { 16 } else { 0 }),
        48.130_803_608_679_1,
    );
}

#[test]
fn a_difference_that_is_next_to_nothing_is_cut_to_the_maximum() {
    let black = picture(640, 360, |_, _| 0);
    let one_off = picture(640, 360, |x, y| u8::from((x, y) == (7, 7)));
    assert_eq!(psnr_db(&one_off.view(), &black), Ok(MAX_PSNR_DB));
}

#[test]
fn ssim_of_flat_pictures_is_what_the_formula_gives_by_hand() {
    let (dark, light) = (picture(16, 16, |_, _| 100), picture(16, 16, |_, _| 150));
    // Without variance only the luminance term remains, with the constant that x264 divides by 64.
    let c1 = 0.01_f64.powi(2) * 255.0_f64.powi(2);
    let expect = (2.0 * 100.0 * 150.0 * 64.0 + c1) / ((100.0_f64.powi(2) + 150.0_f64.powi(2)) * 64.0 + c1);
    let got = ssim(&dark.view(), &light).unwrap();
    assert!((got - expect).abs() < 1e-9, "{got} for {expect}");
}

#[test]
fn ssim_of_inverted_stripes_is_negative() {
    let stripes = picture(16, 16, |x, _| if x % 2 == 0 { 60 } else { 190 });
    let inverted = picture(16, 16, |x, _| if x % 2 == 0 { 190 } else { 60 });
    let got = ssim(&inverted.view(), &stripes).unwrap();
    assert!((-1.0..-0.9).contains(&got), "{got}");
}

#[test]
fn samples_beyond_a_row_and_a_missing_last_padding_are_not_looked_at() {
    let reference = picture(18, 18, drawn);
    let mut luma = Vec::new();
    for row in reference.y().chunks_exact(18) {
        luma.extend_from_slice(row);
        luma.extend([255; 6]);
    }
    luma.truncate(luma.len() - 6);
    let view = PictureView::new(18, 18, [&luma, reference.u(), reference.v()], [24, 9, 9]).unwrap();
    assert_eq!(
        Quality::of(&view, &reference),
        Quality::of(&reference.view(), &reference)
    );
}

#[test]
fn pictures_of_different_sizes_are_refused() {
    let mismatch = SizeMismatch {
        expected: (32, 16),
        got: (16, 32),
    };
    let (picture, reference) = (Picture::new(16, 32), Picture::new(32, 16));
    assert_eq!(psnr_db(&picture.view(), &reference), Err(mismatch));
    assert_eq!(ssim(&picture.view(), &reference), Err(mismatch));
    assert_eq!(mismatch.to_string(), "expected a picture of 32x16, got 16x32");
}

#[test]
fn more_noise_is_never_better() {
    let reference = picture(64, 48, drawn);
    let qualities: Vec<Quality> = [1, 2, 4, 8, 16, 32]
        .into_iter()
        .map(|amplitude| Quality::of(&noisy(amplitude, 5).view(), &reference).unwrap())
        .collect();
    for pair in qualities.windows(2) {
        assert!(
            pair[1].psnr_db < pair[0].psnr_db && pair[1].ssim < pair[0].ssim,
            "{pair:?}"
        );
    }
}

proptest! {
    #[test]
    fn quality_is_symmetric_and_within_its_bounds(a in 1_i32..60, b in 1_i32..60, seed: u32) {
        let (left, right) = (noisy(a, seed % 1_000), noisy(b, seed % 777));
        let there = Quality::of(&left.view(), &right).unwrap();
        let back = Quality::of(&right.view(), &left).unwrap();
        prop_assert_eq!(there.psnr_db, back.psnr_db);
        prop_assert!((there.ssim - back.ssim).abs() < 1e-12);
        prop_assert!((0.0..=MAX_PSNR_DB).contains(&there.psnr_db));
        prop_assert!((-1.0..=1.0).contains(&there.ssim));
    }

    #[test]
    fn any_samples_are_compared_without_overflow(a: u8, b: u8, every in 1_usize..9) {
        let left = picture(16, 24, |x, y| if (x + y) % every == 0 { a } else { b });
        let right = picture(16, 24, |x, y| if (x + y) % every == 0 { b } else { a });
        let quality = Quality::of(&left.view(), &right).unwrap();
        prop_assert!(quality.ssim.is_finite() && quality.psnr_db.is_finite());
    }
}

fn tally(psnr: impl IntoIterator<Item = f64>) -> QualityTally {
    let mut tally = QualityTally::default();
    for (frame, psnr_db) in (0..).zip(psnr) {
        tally.record(
            frame,
            Quality {
                psnr_db,
                ssim: psnr_db / MAX_PSNR_DB,
            },
        );
    }
    tally
}

#[test]
fn no_frames_give_no_figures() {
    assert_eq!(QualityTally::default().figures(), None);
}

#[test]
fn a_percentile_appears_with_the_frame_that_carries_it() {
    let figures = |frames: u32| {
        tally((0..frames).map(|_| 40.0))
            .figures()
            .map(|figures| (figures.psnr_db_p50.is_some(), figures.ssim_p5.is_some()))
    };
    assert_eq!(figures(2), Some((false, false)));
    assert_eq!(figures(3), Some((true, false)));
    assert_eq!(figures(199), Some((true, false)));
    assert_eq!(figures(200), Some((true, true)));
}

#[test]
fn figures_are_right_to_half_a_bin_and_name_the_worst_and_the_bad_frames() {
    // 20.000 to 59.98 dB in steps of 0.02, the best first.
    let tally = tally((0..2_000).rev().map(|step| 20.0 + f64::from(step) * 0.02));
    let figures = tally.figures().unwrap();
    assert_eq!((figures.count, figures.worst_frame), (2_000, 1_999));
    assert_eq!((figures.psnr_db_min, figures.ssim_min), (20.0, 0.2));
    assert!((figures.psnr_db_p5.unwrap() - 21.98).abs() <= 0.026);
    assert!((figures.psnr_db_p50.unwrap() - 39.98).abs() <= 0.026);
    assert!((figures.ssim_p50.unwrap() - 0.399_8).abs() <= 0.000_26);
    assert_eq!(
        (figures.bad_below_psnr_db, figures.bad_frames),
        (BAD_PSNR_DB, 250)
    );
    assert_eq!(figures.bad_examples, (1_750..1_766).collect::<Vec<u32>>());
}

#[test]
fn merging_is_the_same_as_recording_together() {
    let mut merged = QualityTally::default();
    let mut together = QualityTally::default();
    for part in 0..3 {
        let mut tally = QualityTally::default();
        for frame in part * 100..(part + 1) * 100 {
            let psnr_db = 20.0 + f64::from(frame * 37 % 300) / 10.0;
            let quality = Quality { psnr_db, ssim: 0.9 };
            tally.record(frame, quality);
            together.record(frame, quality);
        }
        merged.merge(&tally);
    }
    assert_eq!(merged.figures(), together.figures());
}

#[test]
fn figures_go_through_json_without_absent_percentiles_becoming_zero() {
    let figures = tally([30.0, 31.0]).figures().unwrap();
    let json = serde_json::to_value(&figures).unwrap();
    assert!(json["psnr_db_p50"].is_null());
    assert_eq!(json["psnr_db_min"], 30.0);
    assert_eq!(
        serde_json::from_value::<super::QualityFigures>(json).unwrap(),
        figures
    );
}
