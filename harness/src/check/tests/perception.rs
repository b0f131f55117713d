//! What is seen and heard: each finding on figures that call for it, and silence beside the limit.

use super::*;
use crate::measure::av_sync::AvSyncFigures;
use crate::measure::data::DataFigures;
use crate::measure::measured::DataBothWays;
use crate::measure::quality::{Quality, QualityTally};
use crate::measure::tone::ToneTally;

fn offset(median_ms: f64) -> Option<AvSyncFigures> {
    Some(AvSyncFigures {
        count: 9,
        median_ms: Some(median_ms),
        min_ms: median_ms - 2.0,
        max_ms: median_ms + 2.0,
        spread_ms: 4.0,
    })
}

#[test]
fn lost_corrupt_repeated_and_unexpected_sound_packets_are_four_findings() {
    let judgement = check(
        |run| {
            let tally = &mut run.viewers[0].sound_tally;
            *tally = Tally {
                expected: 500,
                verified: 488,
                lost: 10,
                corrupt: 2,
                repeated: 1,
                unexpected: 3,
                lost_examples: vec![40, 41],
                corrupt_examples: vec![7, 9],
                ..Tally::default()
            };
        },
        Verdict::Fail,
        &[
            FindingKind::SoundLost,
            FindingKind::SoundCorrupt,
            FindingKind::SoundRepeated,
            FindingKind::SoundUnexpected,
        ],
    );
    assert_eq!(
        judgement.findings[0].message,
        "viewer-1 lost 10 of 500 sound packets (packet 40, 41, …)"
    );
}

#[test]
fn a_run_with_sound_of_which_nothing_was_verified_does_not_pass() {
    let judgement = check(
        |run| {
            run.viewers
                .iter_mut()
                .for_each(|viewer| viewer.sound_tally = Tally::default())
        },
        Verdict::Fail,
        &[],
    );
    assert!(
        judgement
            .criteria
            .iter()
            .any(|c| !c.met && c.name.contains("sound packet"))
    );
}

#[test]
fn a_run_without_sound_is_not_asked_for_any() {
    check(
        |run| {
            run.sound_totals = None;
            for viewer in &mut run.viewers {
                viewer.sound_tally = Tally::default();
                viewer.sound_packets = 0;
                viewer.sound = None;
            }
        },
        Verdict::Pass,
        &[],
    );
}

#[cfg(feature = "opus")]
#[test]
fn a_decoder_that_gave_no_sound_is_found() {
    check(
        |run| run.viewers[0].sound = None,
        Verdict::Fail,
        &[FindingKind::NotHeard],
    );
}

#[test]
fn bursts_that_were_sent_and_never_heard_are_found_unless_packets_were_lost() {
    let deaf = |run: &mut Measured, lost: u64| {
        run.viewers[0].sound_tally.verified -= lost;
        run.viewers[0].sound_tally.lost = lost;
        run.viewers[0].sound = Some(SoundFigures {
            bursts_sent: 9,
            ..sound()
        });
    };
    check(|run| deaf(run, 0), Verdict::Fail, &[FindingKind::BurstsMissing]);
    check(|run| deaf(run, 3), Verdict::Fail, &[FindingKind::SoundLost]);
}

#[test]
fn packets_that_do_not_decode_are_found() {
    check(
        |run| {
            run.viewers[0].sound = Some(SoundFigures {
                undecodable: 1,
                ..sound()
            });
        },
        Verdict::Fail,
        &[FindingKind::NotHeard],
    );
}

#[test]
fn a_hole_is_found_with_its_length_and_place() {
    let hole = Spans {
        count: 1,
        longest_ms: 200,
        total_ms: 200,
    };
    let judgement = check(
        |run| {
            run.viewers[0].sound = Some(SoundFigures {
                holes: hole,
                first_hole: Some(120),
                ..sound()
            });
        },
        Verdict::Fail,
        &[FindingKind::SoundHole],
    );
    let message = &judgement.findings[0].message;
    assert!(
        message.contains("200 ms") && message.contains("packet 120"),
        "{message}"
    );
}

#[test]
fn sound_is_late_above_60_ms_and_early_above_40() {
    for (median, found) in [
        (59.0, false),
        (61.0, true),
        (120.0, true),
        (-39.0, false),
        (-41.0, true),
    ] {
        let (verdict, kinds): (_, &[_]) = if found {
            (Verdict::Fail, &[FindingKind::LipSync])
        } else {
            (Verdict::Pass, &[])
        };
        check(|run| run.viewers[0].av_offset = offset(median), verdict, kinds);
    }
}

#[test]
fn too_few_flashes_say_nothing_about_lip_sync() {
    check(
        |run| {
            run.viewers[0].av_offset = offset(200.0).map(|offset| AvSyncFigures { count: 2, ..offset });
        },
        Verdict::Pass,
        &[],
    );
}

#[test]
fn a_tone_at_another_pitch_names_the_rates_that_were_mixed_up() {
    let mut tones = ToneTally::default();
    (0..5).for_each(|_| tones.burst(1_088.4));
    let judgement = check(
        |run| run.viewers[0].tones = tones.figures(),
        Verdict::Fail,
        &[FindingKind::SoundRate],
    );
    let message = &judgement.findings[0].message;
    assert!(
        message.contains("44,100 Hz sound played at 48,000 Hz"),
        "{message}"
    );
    let mut right = ToneTally::default();
    (0..5).for_each(|_| right.burst(1_004.0));
    check(|run| run.viewers[0].tones = right.figures(), Verdict::Pass, &[]);
}

#[test]
fn a_poor_picture_is_found_with_its_number() {
    let mut tally = QualityTally::default();
    (0..300).for_each(|frame| {
        let psnr_db = if frame == 77 { 21.5 } else { 38.0 };
        tally.record(frame, Quality { psnr_db, ssim: 0.97 });
    });
    let judgement = check(
        |run| run.viewers[0].quality = tally.figures(),
        Verdict::Fail,
        &[FindingKind::PictureQuality],
    );
    let message = &judgement.findings[0].message;
    assert!(message.contains("21.5 dB in frame 77"), "{message}");
}

#[test]
fn half_the_announced_frame_rate_is_found_and_a_rate_that_is_kept_is_not() {
    let judgement = check(
        |run| {
            run.viewers[1].frames_per_second = Some(15.0);
        },
        Verdict::Fail,
        &[FindingKind::FrameRate],
    );
    assert_eq!(
        judgement.findings[0].message,
        "viewer-2 got 15.0 frames per second; 30.0 are announced"
    );
    check(
        |run| run.viewers[1].frames_per_second = Some(27.5),
        Verdict::Pass,
        &[],
    );
}

#[test]
fn sound_after_a_mute_and_media_after_a_stop_are_found() {
    check(
        |run| {
            run.viewers[0].sound = Some(SoundFigures {
                audible_while_muted_ms: 20,
                ..sound()
            });
            run.viewers[1].media_after_stop_ms = Some(1_001.0);
        },
        Verdict::Fail,
        &[FindingKind::HeardWhileMuted, FindingKind::MediaAfterStop],
    );
    check(
        |run| run.viewers[1].media_after_stop_ms = Some(999.0),
        Verdict::Pass,
        &[],
    );
}

#[test]
fn messages_that_are_lost_swapped_or_none_of_ours_are_three_findings() {
    let bad = DataFigures {
        sent: 100,
        delivered: 99,
        reordered: 2,
        lost: Some(1),
        unreadable: 1,
        latency: None,
    };
    check(
        |run| {
            run.data = Some(DataBothWays {
                down: bad,
                up: DataFigures::default(),
            });
        },
        Verdict::Fail,
        &[
            FindingKind::MessagesLost,
            FindingKind::MessagesReordered,
            FindingKind::MessagesUnreadable,
        ],
    );
}
