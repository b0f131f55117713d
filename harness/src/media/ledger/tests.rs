use proptest::prelude::*;

use super::*;

fn header() -> LedgerEntry {
    LedgerEntry::Header(LedgerHeader {
        greenroom_ledger: LEDGER_VERSION,
        video: Codec::H264,
        audio: Some(Codec::Opus),
        frame_rate: 30.0,
        clip: "a clip".to_owned(),
        epoch_unix_us: 1,
        boot_id: None,
    })
}

fn frame(index: u32) -> LedgerFrame {
    LedgerFrame {
        index,
        media_time: i64::from(index) * 3_000,
        picture: u64::from(index % 50),
        parameter_sets: None,
        key: index == 0,
        muted: false,
        stamp: Some(index),
        level_dbfs: None,
        due_us: u64::from(index) * 33_333,
        captured_us: u64::from(index) * 33_333 + 100,
        encoded_us: u64::from(index) * 33_333 + 2_000,
    }
}

fn sound(index: u32) -> String {
    serde_json::to_string(&LedgerEntry::Sound(frame(index))).unwrap()
}

#[test]
fn pictures_and_sound_are_counted_each_by_itself() {
    let mut ledger = Ledger::default();
    ledger.apply(header()).unwrap();
    (0..3).for_each(|index| ledger.apply(LedgerEntry::Frame(frame(index))).unwrap());
    (0..5).for_each(|index| ledger.apply(LedgerEntry::Sound(frame(index))).unwrap());
    let newest = |media| ledger.track(media).newest().map(|frame| frame.index);
    assert_eq!(
        (newest(MediaKind::Video), newest(MediaKind::Audio)),
        (Some(2), Some(4))
    );
}

#[test]
fn entries_round_trip_through_their_lines() {
    let entries = [
        header(),
        LedgerEntry::Frame(frame(0)),
        LedgerEntry::Open {
            broadcaster: "b1".into(),
            viewer: "v1".into(),
            media: MediaKind::Video,
            first: 0,
        },
        LedgerEntry::Skip {
            broadcaster: "b1".into(),
            viewer: "v1".into(),
            media: MediaKind::Video,
            index: 1,
        },
        LedgerEntry::Close {
            broadcaster: "b1".into(),
            viewer: "v1".into(),
            media: MediaKind::Video,
            last: 9,
        },
    ];
    let mut ledger = Ledger::default();
    for entry in &entries {
        ledger.apply_line(&serde_json::to_string(entry).unwrap()).unwrap();
    }
    assert_eq!(
        ledger.track(MediaKind::Video).span("b1", "v1"),
        Some(Span {
            first: 0,
            last: Some(9),
            skipped: 1
        })
    );
    assert_eq!(ledger.track(MediaKind::Video).span("b2", "v1"), None);
    assert_eq!(ledger.track(MediaKind::Video).frame(0), Some(&frame(0)));
    assert_eq!(ledger.track(MediaKind::Audio).frame(0), None);
}

#[test]
fn old_frames_leave_every_index_when_the_ledger_is_full() {
    let mut ledger = Ledger::default();
    ledger.apply(header()).unwrap();
    let total = KEPT_FRAMES as u32 + 100;
    for index in 0..total {
        ledger.apply(LedgerEntry::Frame(frame(index))).unwrap();
    }
    let track = ledger.track(MediaKind::Video);
    assert_eq!(track.kept(), (KEPT_FRAMES, KEPT_FRAMES));
    assert_eq!(track.frame(99), None);
    assert_eq!(track.frame(100).map(|frame| frame.index), Some(100));
    assert_eq!(track.at_media_time(i64::from(total - 1) * 3_000), track.newest());
}

#[track_caller]
fn refuse(lines: &[&str], expect: &str) {
    let mut ledger = Ledger::default();
    let error = lines.iter().find_map(|line| ledger.apply_line(line).err());
    let message = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(expect), "{message:?} should say {expect:?}");
}

#[test]
fn every_kind_of_broken_ledger_is_refused_with_its_own_reason() {
    let head = serde_json::to_string(&header()).unwrap();
    let zero = serde_json::to_string(&LedgerEntry::Frame(frame(0))).unwrap();
    let two = serde_json::to_string(&LedgerEntry::Frame(frame(2))).unwrap();
    refuse(&["not json"], "line 1");
    refuse(&[&zero], "the header line");
    refuse(&[&head, &head], "a frame or connection entry");
    refuse(
        &[&head.replace("\"greenroom_ledger\":2", "\"greenroom_ledger\":9")],
        "version 9",
    );
    refuse(
        &["{\"entry\":\"header\",\"greenroom_ledger\":1,\"codec\":\"H264\"}"],
        "version 1, this greenroom reads version 2",
    );
    refuse(&[&head.replace("h264", "vp9")], "vp9");
    refuse(&[&head.replace("h264", "opus")], "opus as its video codec");
    refuse(
        &[&head.replace("\"audio\":\"opus\"", "\"audio\":\"vp8\"")],
        "VP8 as its audio codec",
    );
    refuse(&[&head, &zero, &two], "video 2 follows video 0");
    refuse(&[&head, &zero, &sound(0), &sound(2)], "audio 2 follows audio 0");
    refuse(&[&head, "{\"entry\":\"frame\"}"], "missing field");
    refuse(&[&head, &" ".repeat(MAX_LINE + 1)], "longer than");
    refuse(&[&head, "{\"entry\":\"banana\"}"], "banana");
}

proptest! {
    #[test]
    fn any_line_is_survived(lines in prop::collection::vec(".{0,80}", 0..20)) {
        let mut ledger = Ledger::default();
        for line in lines {
            let _ = ledger.apply_line(&line);
        }
        prop_assert_eq!(ledger.track(MediaKind::Video).kept(), (0, 0));
    }
}
