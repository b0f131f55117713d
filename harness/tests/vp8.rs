//! VP8: sent from an IVF file, verified, decoded and compared like H.264.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

#[cfg(not(feature = "libvpx"))]
use greenroom::Muting;
use greenroom::media::codec::Codec;
use greenroom::{Action, FindingKind, MediaFault, Run};
use support::{ms, only_error, report, small};

fn vp8() -> Run {
    small().duration(ms(4_500)).codec(Codec::Vp8)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clip_of_greenroom_is_verified_decoded_and_compared() {
    let report = report(vp8()).await;
    report.assert_passed();
    let measured = &report.measured;
    assert!(measured.totals.verified >= 2 * 130, "{:?}", measured.totals);
    let decoded = report.viewer(1).unwrap().decoded.unwrap();
    assert!(
        decoded.stamps_matched >= 130 && decoded.stamps_wrong + decoded.failed == 0,
        "{decoded:?}"
    );
    let quality = measured.quality.as_ref().unwrap();
    assert!(quality.psnr_db_min > 35.0, "{quality:?}");
    let offset = measured.av_offset.as_ref().unwrap();
    assert!(
        offset.count >= 3 && offset.median_ms.unwrap().abs() < 30.0,
        "{offset:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_gets_a_key_frame_by_a_jump_in_the_file() {
    let report = report(vp8().at(ms(1_400), Action::Join)).await;
    report.assert_passed();
    let late = report.viewer(3).unwrap();
    assert!(
        late.first_key_frame_ms.unwrap() < 700.0,
        "{:?}",
        late.first_key_frame_ms
    );
}

// A live encoder makes black pictures instead.
#[cfg(not(feature = "libvpx"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_muted_stream_that_cannot_be_black_pauses_and_is_no_freeze() {
    let run = vp8()
        .at(ms(1_000), Action::Mute(Muting::All))
        .at(ms(2_500), Action::Unmute(Muting::All));
    let report = report(run).await;
    report.assert_passed();
    let viewer = report.viewer(1).unwrap();
    assert_eq!(viewer.freezes.count, 0);
    assert!(viewer.frames < 115, "{} frames in 3 s of 4.5", viewer.frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_of_a_vp8_frame_is_one_corrupt_frame() {
    let report = report(vp8().fault(MediaFault::FlipByte { viewer: 2, frame: 40 })).await;
    let found = only_error(&report, FindingKind::FramesCorrupt);
    assert!(found.message.contains("(frame 40)"), "{}", found.message);
}

#[cfg(not(feature = "libvpx"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_joins_while_a_stream_is_paused_waits_without_a_finding() {
    let run = vp8()
        .at(ms(500), Action::Mute(Muting::All))
        .at(ms(1_000), Action::Join)
        .at(ms(3_000), Action::Unmute(Muting::All));
    let report = report(run).await;
    report.assert_passed();
    assert!(report.viewer(3).unwrap().tally.verified > 30);
}
