use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::media::codec::Codec;
use crate::media::kind::MediaKind;
use crate::media::ledger::{LEDGER_VERSION, Ledger, LedgerEntry, LedgerHeader};

/// A verifier of a connection that was handed everything.
fn opened(deadline: Duration, offset: Option<i64>) -> Verifier {
    let mut verifier = Verifier::new(deadline, offset);
    verifier.opened(0);
    verifier
}

const VIDEO: MediaKind = MediaKind::Video;
const RTP_BASE: i64 = 4_000_000_000;

fn ledger(frames: u32) -> Ledger {
    let mut ledger = Ledger::default();
    ledger
        .apply(LedgerEntry::Header(LedgerHeader {
            greenroom_ledger: LEDGER_VERSION,
            video: Codec::H264,
            audio: None,
            frame_rate: 30.0,
            clip: String::new(),
            epoch_unix_us: 0,
            boot_id: None,
        }))
        .unwrap();
    (0..frames).for_each(|index| ledger.apply(LedgerEntry::Frame(sent(index))).unwrap());
    ledger
}

fn sent(index: u32) -> LedgerFrame {
    LedgerFrame {
        index,
        media_time: i64::from(index) * 3_000,
        // Frames 10 to 19 look all alike, as a still picture may.
        picture: if (10..20).contains(&index) {
            10
        } else {
            u64::from(index)
        },
        parameter_sets: (index == 0).then_some(1),
        key: index == 0,
        muted: false,
        stamp: Some(index),
        level_dbfs: None,
        due_us: u64::from(index) * 33_333,
        captured_us: u64::from(index) * 33_333,
        encoded_us: u64::from(index) * 33_333 + 2_000,
    }
}

fn arrived(index: u32) -> Arrived {
    let frame = sent(index);
    Arrived {
        rtp_time: RTP_BASE + frame.media_time,
        digest: frame.digest(),
        completed_us: frame.encoded_us + 1_000,
    }
}

fn broken(index: u32) -> Arrived {
    Arrived {
        digest: FrameDigest {
            picture: 999_999,
            parameter_sets: None,
        },
        ..arrived(index)
    }
}

fn whole(first: u32, last: u32) -> Option<Span> {
    Some(Span {
        first,
        last: Some(last),
        skipped: 0,
    })
}

#[track_caller]
fn check(frames: impl IntoIterator<Item = Arrived>, span: Option<Span>, expect: [u64; 4]) -> Tally {
    let ledger = ledger(60);
    let mut verifier = opened(Duration::from_millis(500), Some(0));
    let mut out = Vec::new();
    frames
        .into_iter()
        .for_each(|frame| verifier.frame(frame, ledger.track(VIDEO), &mut out));
    let tally = verifier.finish(span, None, ledger.track(VIDEO), &mut out);
    assert_eq!(
        [tally.expected, tally.verified, tally.lost, tally.corrupt],
        expect,
        "{tally:?}"
    );
    assert_eq!(tally.expected, tally.verified + tally.lost + tally.corrupt);
    tally
}

#[test]
fn a_clean_stream_verifies_every_frame() {
    let tally = check((0..30).map(arrived), whole(0, 29), [30, 30, 0, 0]);
    assert_eq!(
        (tally.late, tally.repeated, tally.unexpected, tally.reordered),
        (0, 0, 0, 0)
    );
}

#[test]
fn one_flipped_byte_is_one_corrupt_frame_with_its_number() {
    let frames = (0..30).map(|index| if index == 17 { broken(17) } else { arrived(index) });
    assert_eq!(check(frames, whole(0, 29), [30, 29, 0, 1]).corrupt_examples, [17]);
}

#[test]
fn a_corrupt_first_frame_is_judged_once_the_stream_is_understood() {
    let frames = (0..30).map(|index| if index == 0 { broken(0) } else { arrived(index) });
    assert_eq!(check(frames, whole(0, 29), [30, 29, 0, 1]).corrupt_examples, [0]);
}

#[test]
fn lost_frames_are_named_wherever_they_were_lost() {
    let frames = (0..30)
        .filter(|index| ![0, 7, 8, 29].contains(index))
        .map(arrived);
    assert_eq!(
        check(frames, whole(0, 29), [30, 26, 4, 0]).lost_examples,
        [0, 7, 8, 29]
    );
}

#[test]
fn a_repeated_frame_counts_beside_and_not_twice() {
    let frames = (0..30).chain([29]).map(arrived);
    assert_eq!(check(frames, whole(0, 29), [30, 30, 0, 0]).repeated, 1);
}

#[test]
fn a_frame_that_overtook_another_is_verified_and_counted_as_reordered() {
    let tally = check([0, 1, 3, 2, 4].map(arrived), whole(0, 4), [5, 5, 0, 0]);
    assert_eq!((tally.reordered, tally.lost_examples.len()), (1, 0));
}

#[test]
fn frames_that_look_alike_are_told_apart_by_their_time() {
    let frames = (10..20).filter(|index| *index != 14).chain(20..25).map(arrived);
    assert_eq!(check(frames, whole(10, 24), [15, 14, 1, 0]).lost_examples, [14]);
}

#[test]
fn equal_content_at_another_time_is_not_verified() {
    // Frame 5's bytes at frame 6's time: the digest alone would have accepted it.
    let swapped = Arrived {
        rtp_time: arrived(6).rtp_time,
        ..arrived(5)
    };
    let frames = (0..30).map(|index| if index == 6 { swapped } else { arrived(index) });
    assert_eq!(check(frames, whole(0, 29), [30, 29, 0, 1]).corrupt_examples, [6]);
}

#[test]
fn a_frame_at_a_time_when_nothing_was_sent_is_unexpected() {
    let stray = Arrived {
        rtp_time: RTP_BASE + 1_500,
        ..arrived(3)
    };
    let tally = check(
        (0..3).map(arrived).chain([stray]).chain((3..5).map(arrived)),
        whole(0, 4),
        [5, 5, 0, 0],
    );
    assert_eq!(tally.unexpected, 1);
}

#[test]
fn nothing_received_is_everything_lost() {
    check([], whole(3, 12), [10, 0, 10, 0]);
}

#[test]
fn nothing_handed_over_is_nothing_expected() {
    check([], None, [0, 0, 0, 0]);
}

#[test]
fn frames_past_the_deadline_are_late_and_still_verified() {
    let late = |index| Arrived {
        completed_us: sent(index).due_us + 500_001,
        ..arrived(index)
    };
    let frames = (0..30).map(|index| if index >= 25 { late(index) } else { arrived(index) });
    assert_eq!(check(frames, whole(0, 29), [30, 30, 0, 0]).late, 5);
}

#[test]
fn what_was_handed_over_after_the_viewer_left_is_not_expected() {
    let ledger = ledger(60);
    let mut verifier = opened(Duration::from_millis(500), Some(0));
    let mut out = Vec::new();
    (0..20).for_each(|index| verifier.frame(arrived(index), ledger.track(VIDEO), &mut out));
    let tally = verifier.finish(whole(0, 40), Some(19), ledger.track(VIDEO), &mut out);
    assert_eq!([tally.expected, tally.verified, tally.lost], [20, 20, 0]);
}

#[test]
fn frames_that_come_before_their_ledger_are_judged_when_it_grows() {
    let mut verifier = opened(Duration::from_millis(500), Some(0));
    let mut out = Vec::new();
    let empty = ledger(0);
    (0..10).for_each(|index| verifier.frame(arrived(index), empty.track(VIDEO), &mut out));
    assert!(out.is_empty());
    verifier.ledger_grew(ledger(6).track(VIDEO), &mut out);
    assert_eq!(out.len(), 6);
    verifier.ledger_grew(ledger(60).track(VIDEO), &mut out);
    assert_eq!(out.len(), 10);
    assert!(
        out.iter()
            .all(|judgement| matches!(judgement, Judgement::Verified { .. }))
    );
}

#[test]
fn a_stream_that_nothing_in_the_ledger_explains_verifies_nothing() {
    let foreign = (0..30).map(broken);
    assert_eq!(check(foreign, whole(0, 29), [30, 0, 30, 0]).unexpected, 30);
}

proptest! {
    #[test]
    fn the_four_counts_add_up_and_nothing_unsent_is_verified(
        arrivals in prop::collection::vec((0_u32..60, 0_u8..4), 0..200),
        first in 0_u32..60, length in 0_u32..60,
    ) {
        let ledger = ledger(60);
        let mut verifier = opened(Duration::from_millis(500), Some(0));
        let mut out = Vec::new();
        for (index, kind) in arrivals {
            let frame = match kind {
                0 => broken(index),
                1 => Arrived { rtp_time: arrived(index).rtp_time + 7, ..arrived(index) },
                _ => arrived(index),
            };
            verifier.frame(frame, ledger.track(VIDEO), &mut out);
        }
        let tally = verifier.finish(whole(first, (first + length).min(59)), None, ledger.track(VIDEO), &mut out);
        prop_assert_eq!(tally.expected, tally.verified + tally.lost + tally.corrupt);
        let mut verified: Vec<u32> = out.iter().filter_map(|judgement| match judgement {
            Judgement::Verified { frame, .. } => Some(frame.index),
            _ => None,
        }).collect();
        let count = verified.len();
        verified.sort_unstable();
        verified.dedup();
        prop_assert_eq!(verified.len(), count, "no frame is verified twice");
        prop_assert!(tally.expected <= 60);
    }
}
