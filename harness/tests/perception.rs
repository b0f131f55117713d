//! What is seen and heard: planted flaws are caught with the right figure, and nothing else is found.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::{Action, AudioHole, AudioSource, FindingKind, MediaFault, Muting, Report, Run, SourceFlaws};
use support::{errors, ms, on_sockets, only_error, report, small};

/// Long enough for four flashes and bursts.
fn seen_and_heard() -> Run {
    small().duration(ms(4_500))
}

fn seen_and_heard_on_sockets() -> Run {
    on_sockets().duration(ms(4_500))
}

fn flawed(flaws: SourceFlaws) -> Run {
    seen_and_heard().flaws(flaws)
}

fn message(report: &Report, kind: FindingKind) -> &str {
    &only_error(report, kind).message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_stream_is_seen_and_heard_as_it_was_sent() {
    let report = report(seen_and_heard_on_sockets()).await;
    report.assert_passed();
    let measured = &report.measured;
    let sound = measured.sound_totals.as_ref().unwrap();
    assert!(
        sound.verified >= 2 * 225 && sound.lost + sound.corrupt == 0,
        "{sound:?}"
    );
    let heard = measured.sound.as_ref().unwrap();
    assert_eq!(
        (heard.gaps.count, heard.holes.count, heard.undecodable),
        (0, 0, 0)
    );
    // The drawn voice is speech at about -21 dBFS.
    assert!(
        (-30.0..-15.0).contains(&heard.mean_level_dbfs.unwrap()),
        "{heard:?}"
    );
    let tones = measured.tones.as_ref().unwrap();
    assert!(
        tones.count >= 4 && (tones.median_hz.unwrap() - 1_000.0).abs() < 5.0,
        "{tones:?}"
    );
    let offset = measured.av_offset.as_ref().unwrap();
    assert!(
        offset.count >= 3 && offset.median_ms.unwrap().abs() < 30.0,
        "{offset:?}"
    );
    let quality = measured.quality.as_ref().unwrap();
    assert!(
        quality.psnr_db_min > 30.0 && quality.bad_frames == 0,
        "{quality:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_that_leaves_120_ms_late_is_heard_120_ms_late() {
    let report = report(flawed(SourceFlaws {
        audio_late: ms(120),
        ..SourceFlaws::default()
    }))
    .await;
    only_error(&report, FindingKind::LipSync);
    // Pictures need their own time to be encoded and decoded, so sound is a little less behind.
    let median = report.viewer(1).unwrap().av_offset.unwrap().median_ms.unwrap();
    assert!((100.0..=125.0).contains(&median), "{median}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microphone_that_gives_nothing_for_200_ms_is_a_hole_of_200_ms() {
    // Where the drawn voice speaks: a hole in a pause is none.
    let report = report(flawed(SourceFlaws {
        audio_hole: Some(AudioHole {
            packet: 60,
            packets: 10,
        }),
        ..SourceFlaws::default()
    }))
    .await;
    only_error(&report, FindingKind::SoundHole);
    let holes = report.viewer(1).unwrap().sound.unwrap().holes;
    assert!((160..=200).contains(&holes.total_ms), "{holes:?}");
    assert_eq!(report.measured.sound_totals.as_ref().unwrap().lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_sound_packets_that_are_not_sent_are_lost_at_that_viewer_and_a_gap_of_200_ms() {
    let report = report(seen_and_heard().fault(MediaFault::DropSound {
        viewer: 1,
        packet: 60,
        packets: 10,
    }))
    .await;
    let lost = message(&report, FindingKind::SoundLost);
    assert!(lost.starts_with("viewer-1 lost 10 of "), "{lost}");
    let viewer = report.viewer(1).unwrap();
    assert_eq!(viewer.sound_tally.lost_examples, (60..70).collect::<Vec<_>>());
    let gaps = viewer.sound.unwrap().gaps;
    assert_eq!((gaps.count, gaps.total_ms), (1, 200));
    assert_eq!(report.viewer(2).unwrap().sound_tally.lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_of_sound_is_one_corrupt_packet() {
    let report = report(small().fault(MediaFault::FlipSound {
        viewer: 2,
        packet: 50,
    }))
    .await;
    let corrupt = message(&report, FindingKind::SoundCorrupt);
    assert!(corrupt.contains("(packet 50)"), "{corrupt}");
    assert_eq!(report.measured.sound_totals.as_ref().unwrap().corrupt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_of_44100_hz_that_is_taken_for_48000_is_heard_nine_percent_too_high() {
    let report = report(flawed(SourceFlaws {
        audio_sampled_at: Some(44_100),
        ..SourceFlaws::default()
    }))
    .await;
    let found = message(&report, FindingKind::SoundRate);
    assert!(found.contains("44,100 Hz sound played at 48,000 Hz"), "{found}");
    let heard = report.viewer(1).unwrap().tones.unwrap().median_hz.unwrap();
    assert!((heard - 1_088.4).abs() < 3.0, "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn video_at_15_frames_per_second_where_30_are_announced_is_found_at_every_viewer() {
    let report = report(flawed(SourceFlaws {
        video_fps: Some(15),
        ..SourceFlaws::default()
    }))
    .await;
    let found = errors(&report);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|finding| finding.kind == FindingKind::FrameRate));
    let rate = report.viewer(1).unwrap().frames_per_second.unwrap();
    assert!((rate - 15.0).abs() < 0.5, "{rate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn blurred_pictures_are_below_25_db_although_every_frame_is_verified() {
    let report = report(flawed(SourceFlaws {
        blur: Some(6),
        ..SourceFlaws::default()
    }))
    .await;
    let found = message(&report, FindingKind::PictureQuality);
    assert!(found.contains("below 25 dB"), "{found}");
    let quality = report.viewer(1).unwrap().quality.as_ref().unwrap();
    assert!(quality.psnr_db_min < 25.0, "{quality:?}");
    assert_eq!(report.measured.totals.verified, report.measured.totals.expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_that_is_signaled_and_not_done_is_seen_and_heard() {
    let run = flawed(SourceFlaws {
        ignores_mute: true,
        ..SourceFlaws::default()
    })
    .at(ms(1_000), Action::Mute(Muting::All));
    let report = report(run).await;
    let kinds: Vec<FindingKind> = errors(&report).iter().map(|finding| finding.kind).collect();
    assert!(
        kinds.contains(&FindingKind::HeardWhileMuted) && kinds.contains(&FindingKind::NotBlackWhileMuted),
        "{kinds:?}"
    );
    // Signaled after 1 s, a second of grace, and the rest of 4.5 s.
    let heard = report.viewer(1).unwrap().sound.unwrap().audible_while_muted_ms;
    // The last second of it could be an unmute's that has not been signaled yet.
    assert!((300..=2_600).contains(&heard), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_mute_that_ends_is_no_finding_however_media_and_notice_race() {
    let run = seen_and_heard()
        .at(ms(500), Action::Mute(Muting::All))
        .at(ms(3_500), Action::Unmute(Muting::All));
    report(run).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_of_the_sound_alone_silences_it_and_leaves_the_picture() {
    let run = seen_and_heard()
        .at(ms(1_000), Action::Mute(Muting::Audio))
        .at(ms(3_000), Action::Unmute(Muting::Audio));
    let report = report(run).await;
    report.assert_passed();
    let viewer = report.viewer(1).unwrap();
    assert_eq!(viewer.decoded.unwrap().muted_black, 0);
    assert_eq!(viewer.sound.unwrap().audible_while_muted_ms, 0);
    assert!(!viewer.state_at_end.audio_muted);
    // Muted packets are told apart and verified like any other.
    assert_eq!(viewer.sound_tally.verified, viewer.sound_tally.expected);
    assert!(
        report.measured.tones.unwrap().count <= 3,
        "no burst is heard while muted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_is_signaled_and_not_done_is_found() {
    let run = flawed(SourceFlaws {
        ignores_stop: true,
        ..SourceFlaws::default()
    })
    .at(ms(1_000), Action::Stop);
    let report = report(run).await;
    let found = errors(&report);
    assert!(
        !found.is_empty()
            && found
                .iter()
                .all(|finding| finding.kind == FindingKind::MediaAfterStop),
        "{found:#?}"
    );
    let after = report.viewer(1).unwrap().media_after_stop_ms.unwrap();
    assert!(after > 3_000.0, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_file_is_streamed_at_its_own_sample_rate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sixteen.wav");
    // Two seconds of a soft 300 Hz tone, stereo at 16 kHz.
    let samples = (0..64_000_u32).map(|n| {
        let phase = f64::from(n / 2) * 300.0 / 16_000.0;
        ((phase * std::f64::consts::TAU).sin() * 3_000.0) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    file.extend(16_000_u32.to_le_bytes());
    file.extend(64_000_u32.to_le_bytes());
    file.extend(b"\x04\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    std::fs::write(&path, file).unwrap();
    let report = report(seen_and_heard().audio(AudioSource::File(path))).await;
    report.assert_passed();
    assert!(report.measured.tones.as_ref().unwrap().count >= 4);
    assert_eq!(report.measured.sound.unwrap().holes.count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_sound_has_no_audio_track_and_passes() {
    let report = report(small().audio(AudioSource::None)).await;
    report.assert_passed();
    assert_eq!(report.measured.sound_totals, None);
    assert_eq!(report.viewer(1).unwrap().sound_packets, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_on_data_channels_arrive_both_ways_in_order() {
    let report = report(seen_and_heard().data_channel()).await;
    report.assert_passed();
    let data = report.measured.data.unwrap();
    for figures in [&data.down, &data.up] {
        // One every 100 ms to or from each of two viewers.
        assert!(figures.delivered >= 60, "{figures:?}");
        assert_eq!(
            (figures.lost, figures.reordered, figures.unreadable),
            (Some(0), 0, 0)
        );
        assert!(figures.latency.unwrap().p50_ms.unwrap() < 50.0, "{figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitrate_that_changes_on_the_way_needs_no_key_frame() {
    let mut run = small().viewers(1).duration(ms(4_000));
    run.scenario_mut().media.size = "320x180".parse().unwrap();
    let run = run.at(ms(2_000), Action::Bitrate { bps: 150_000 });
    let report = report(run).await;
    report.assert_passed();
    let broadcaster = &report.measured.broadcasters[0];
    assert_eq!((broadcaster.bitrate_changes, broadcaster.key_frames), (1, 1));
    let before_bytes = 1_000_000 / 8 * 4;
    assert!(
        broadcaster.bytes < before_bytes * 3 / 4,
        "{} bytes in four seconds, of which the last two are at 150 kbit/s",
        broadcaster.bytes
    );
}
