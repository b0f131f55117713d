use super::*;
use crate::measure::distribution::Distribution;
use crate::measure::freeze::Freezes;
use crate::measure::health::GeneratorHealth;
use crate::measure::join::JoinPhase;
use crate::measure::measured::{
    DecodedFigures, Delays, PeerError, PeerErrorKind, RoomStateFigures, RtpFigures, SignalingLoss,
};
use crate::measure::sound::{SoundFigures, Spans};
use crate::media::verify::Tally;
use crate::rules::Diagnosis;

mod generator;
mod perception;

/// Two viewers, 300 frames each, nothing wrong.
fn healthy() -> Measured {
    let viewers: Vec<ViewerFigures> = (1..=2).map(viewer).collect();
    let mut totals = Tally::default();
    viewers.iter().for_each(|viewer| totals.add(&viewer.tally));
    Measured {
        joining_ms: 100.0,
        streamed_ms: 10_000.0,
        judged_at: JudgedAt::Exact,
        totals,
        sound_totals: Some(sound_tally()),
        sound: None,
        tones: None,
        quality: None,
        quality_absent_because: None,
        av_offset: None,
        data: None,
        viewers,
        broadcasters: Vec::new(),
        callers: Vec::new(),
        join: Vec::new(),
        delays: Delays::default(),
        fanout_skew: None,
        server_ended: None,
        server_process: None,
        idle_faults: Vec::new(),
        network: None,
        generator: GeneratorHealth {
            allowed_cores: 2,
            cpu_share: Some(0.1),
            cpu_wait_ms: Some(0.03),
            socket_drops: Some(0),
            ..GeneratorHealth::default()
        },
    }
}

fn viewer(number: u32) -> ViewerFigures {
    ViewerFigures {
        arrivals: Vec::new(),
        label: format!("viewer-{number}"),
        room: "greenroom".to_owned(),
        number,
        end: ViewerOutcome::Finished,
        started_at_ms: 0.0,
        ended_at_ms: 10_200.0,
        judged_at: JudgedAt::Exact,
        tally: Tally {
            expected: 300,
            verified: 300,
            ..Tally::default()
        },
        frames: 300,
        frames_per_second: Some(30.0),
        announced_fps: Some(30.0),
        sound_tally: sound_tally(),
        sound_packets: 500,
        sound: (number == 1).then(sound),
        tones: None,
        quality: None,
        av_offset: None,
        media_after_stop_ms: Some(10.0),
        join_ms: vec![(JoinPhase::FirstFrame, 90.0), (JoinPhase::Joined, 5.0)],
        stuck_before: None,
        saw_broadcaster: true,
        live_ms: 10_000.0,
        first_key_frame_ms: Some(40.0),
        without_key_frame_ms: None,
        latency: None,
        freezes: Freezes::default(),
        decoded: (number == 1).then(|| decoded(0, 0)),
        rtp: None,
        sound_rtp: None,
        chat_said: 0,
        chat_seqs: vec![1, 2, 3],
        chat: Vec::new(),
        state_at_join: Some(RoomStateFigures::default()),
        state_at_end: RoomStateFigures {
            video_muted: false,
            audio_muted: false,
            stopped: true,
        },
        dial_error: None,
        signaling_losses: Vec::new(),
        errors: Vec::new(),
    }
}

fn sound_tally() -> Tally {
    Tally {
        expected: 500,
        verified: 500,
        ..Tally::default()
    }
}

/// What the one viewer that decodes heard.
fn sound() -> SoundFigures {
    SoundFigures {
        packets: 500,
        undecodable: 0,
        mean_level_dbfs: Some(-22.0),
        gaps: Spans::default(),
        holes: Spans::default(),
        first_hole: None,
        bursts_sent: 0,
        audible_while_muted_ms: 0,
    }
}

/// What the one viewer that decodes saw.
fn decoded(wrong: u64, not_black: u64) -> DecodedFigures {
    DecodedFigures {
        frames_decoded: 300,
        stamps_matched: 300 - wrong - not_black,
        stamps_wrong: wrong,
        muted_not_black: not_black,
        ..DecodedFigures::default()
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Measured), verdict: Verdict, kinds: &[FindingKind]) -> Judgement {
    let mut measured = healthy();
    change(&mut measured);
    let mut totals = Tally::default();
    measured
        .viewers
        .iter()
        .for_each(|viewer| totals.add(&viewer.tally));
    measured.totals = totals;
    let mut sound_totals = Tally::default();
    measured
        .viewers
        .iter()
        .for_each(|viewer| sound_totals.add(&viewer.sound_tally));
    measured.sound_totals = measured.sound_totals.map(|_| sound_totals);
    let judgement = judge(&Scenario::default(), &measured, &Diagnosis::default(), None);
    let found: Vec<FindingKind> = judgement.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(
        (judgement.verdict, &found[..]),
        (verdict, kinds),
        "{judgement:#?}"
    );
    judgement
}

fn loss(planned: bool, away_ms: Option<f64>) -> SignalingLoss {
    SignalingLoss {
        at_ms: 500.0,
        why: "gone".to_owned(),
        planned,
        attempts: 2,
        away_ms,
    }
}

#[test]
fn a_loss_of_signaling_is_an_error_unless_it_was_asked_for_and_mended() {
    let lost = |planned, away_ms, verdict| {
        let change = |m: &mut Measured| m.viewers[0].signaling_losses = vec![loss(planned, away_ms)];
        let judgement = check(change, verdict, &[FindingKind::SignalingLost]);
        judgement.findings[0].message.clone()
    };
    let came_back = lost(false, Some(130.0), Verdict::Fail);
    assert!(
        came_back.ends_with("gone; it was back after 130 ms, 2 attempts"),
        "{came_back}"
    );
    let asked_for = lost(true, None, Verdict::Fail);
    assert!(asked_for.contains("as the scenario has it") && asked_for.contains("did not come back"));
    lost(true, Some(130.0), Verdict::Pass);
}

fn lose(viewer: &mut ViewerFigures, frames: u64) {
    viewer.tally.verified -= frames;
    viewer.tally.lost += frames;
}

#[test]
fn a_healthy_run_passes_without_a_finding() {
    let judgement = check(|_| {}, Verdict::Pass, &[]);
    assert!(judgement.criteria.iter().all(|criterion| criterion.met));
}

#[test]
fn each_misbehaviour_fails_with_its_own_finding() {
    use FindingKind as Kind;
    check(|m| lose(&mut m.viewers[0], 1), Verdict::Fail, &[Kind::FramesLost]);
    check(
        |m| {
            m.viewers[0].tally.verified -= 1;
            m.viewers[0].tally.corrupt += 1;
        },
        Verdict::Fail,
        &[Kind::FramesCorrupt],
    );
    check(
        |m| m.viewers[0].tally.repeated = 1,
        Verdict::Fail,
        &[Kind::FramesRepeated],
    );
    check(
        |m| m.viewers[0].tally.unexpected = 1,
        Verdict::Fail,
        &[Kind::FramesUnexpected],
    );
    check(|m| m.viewers[0].freezes.count = 1, Verdict::Fail, &[Kind::Freeze]);
    check(
        |m| m.viewers[0].chat_seqs = vec![2, 1],
        Verdict::Fail,
        &[Kind::ChatOutOfOrder],
    );
    check(
        |m| m.viewers[0].end = ViewerOutcome::Vanished,
        Verdict::Fail,
        &[Kind::ViewerVanished],
    );
    check(
        |m| m.viewers[0].join_ms[0].1 = 5_001.0,
        Verdict::Fail,
        &[Kind::JoinLate],
    );
    check(
        |m| m.viewers[0].first_key_frame_ms = Some(1_034.0),
        Verdict::Fail,
        &[Kind::KeyFrameLate],
    );
    check(
        |m| m.viewers[0].signaling_losses = vec![loss(false, None)],
        Verdict::Fail,
        &[Kind::SignalingLost],
    );
    check(
        |m| m.viewers[0].decoded = Some(decoded(1, 0)),
        Verdict::Fail,
        &[Kind::StampWrong],
    );
    check(
        |m| m.viewers[0].decoded = Some(decoded(0, 1)),
        Verdict::Fail,
        &[Kind::NotBlackWhileMuted],
    );
}

#[test]
fn a_viewer_that_got_stuck_is_named_with_the_step() {
    let judgement = check(
        |m| {
            let viewer = &mut m.viewers[1];
            viewer.join_ms.clear();
            viewer.stuck_before = Some(JoinPhase::AnswerSent);
            viewer.first_key_frame_ms = None;
            viewer.frames = 0;
            viewer.tally = Tally::default();
            viewer.judged_at = JudgedAt::Nothing;
        },
        Verdict::Fail,
        &[FindingKind::NoFirstFrame],
    );
    assert!(judgement.because.contains("answer sent"), "{}", judgement.because);
}

#[test]
fn a_viewer_that_left_as_scripted_is_no_finding() {
    check(|m| m.viewers[0].end = ViewerOutcome::Left, Verdict::Pass, &[]);
}

/// A viewer that never had a frame.
fn without_frames(viewer: &mut ViewerFigures) {
    viewer.join_ms = vec![(JoinPhase::Joined, 5.0)];
    viewer.stuck_before = Some(JoinPhase::FirstPacket);
    viewer.first_key_frame_ms = None;
    viewer.frames = 0;
    viewer.tally = Tally::default();
    viewer.judged_at = JudgedAt::Nothing;
}

#[test]
fn a_viewer_that_had_no_time_or_no_live_stream_is_noted_and_not_judged() {
    // It came to a stream that was stopped.
    let judgement = check(
        |m| {
            without_frames(&mut m.viewers[1]);
            m.viewers[1].live_ms = 0.0;
        },
        Verdict::Pass,
        &[FindingKind::NoFirstFrame],
    );
    assert_eq!(judgement.findings[0].severity, Severity::Note);
    assert_eq!(judgement.criteria[0].figure, "1 of 1");
    // It came 100 ms before the end.
    check(
        |m| {
            without_frames(&mut m.viewers[1]);
            m.viewers[1].started_at_ms = m.viewers[1].ended_at_ms - 100.0;
        },
        Verdict::Pass,
        &[FindingKind::NoFirstFrame],
    );
    // It had the time, and a server that said nothing.
    check(
        |m| {
            without_frames(&mut m.viewers[1]);
            m.viewers[1].saw_broadcaster = false;
            m.viewers[1].live_ms = 0.0;
        },
        Verdict::Fail,
        &[FindingKind::NoFirstFrame],
    );
}

#[test]
fn a_viewer_that_was_to_decode_and_saw_nothing_is_found() {
    check(
        |m| m.viewers[0].decoded = None,
        Verdict::Fail,
        &[FindingKind::NotDecoded],
    );
    let unreadable = DecodedFigures {
        frames_decoded: 300,
        stamps_unreadable: 100,
        stamps_matched: 200,
        ..Default::default()
    };
    check(
        |m| m.viewers[0].decoded = Some(unreadable),
        Verdict::Fail,
        &[FindingKind::StampWrong],
    );
    let one = DecodedFigures {
        frames_decoded: 300,
        stamps_unreadable: 1,
        stamps_matched: 299,
        ..Default::default()
    };
    check(|m| m.viewers[0].decoded = Some(one), Verdict::Pass, &[]);
}

#[test]
fn a_server_that_refuses_a_message_fails_and_one_that_misses_a_peer_who_left_does_not() {
    let error = |kind| {
        vec![PeerError {
            kind,
            message: "refused".to_owned(),
        }]
    };
    check(
        |m| m.viewers[0].errors = error(PeerErrorKind::Refused),
        Verdict::Fail,
        &[FindingKind::SignalingRefused],
    );
    check(
        |m| m.viewers[0].errors = error(PeerErrorKind::UnknownTarget),
        Verdict::Pass,
        &[FindingKind::SignalingRefused],
    );
    check(
        |m| m.viewers[0].errors = error(PeerErrorKind::Engine),
        Verdict::Pass,
        &[FindingKind::EngineError],
    );
    check(
        |m| m.viewers[0].errors = error(PeerErrorKind::Protocol),
        Verdict::Fail,
        &[FindingKind::SignalingBroken],
    );
}

#[test]
fn a_chat_line_that_does_not_come_is_lost() {
    check(
        |m| m.viewers[0].chat_seqs = vec![1, 3],
        Verdict::Fail,
        &[FindingKind::ChatLost],
    );
    check(
        |m| {
            m.viewers[0].chat_said = 4;
            m.viewers[1].chat_seqs = vec![1, 2, 3, 4];
        },
        Verdict::Fail,
        &[FindingKind::ChatLost],
    );
    // Whoever came later has missed the beginning.
    check(
        |m| {
            m.viewers[0].chat_said = 3;
            m.viewers[1].started_at_ms = 5_000.0;
            m.viewers[1].chat_seqs = vec![3];
        },
        Verdict::Pass,
        &[],
    );
}

#[test]
fn zero_verified_frames_never_pass() {
    check(
        |m| {
            m.viewers
                .iter_mut()
                .for_each(|viewer| viewer.tally = Tally::default())
        },
        Verdict::Fail,
        &[FindingKind::NothingVerified],
    );
    let empty = Measured {
        viewers: Vec::new(),
        totals: Tally::default(),
        judged_at: JudgedAt::Nothing,
        ..healthy()
    };
    assert_ne!(
        judge(&Scenario::default(), &empty, &Diagnosis::default(), None).verdict,
        Verdict::Pass
    );
}

#[test]
fn scripted_loss_explains_what_it_can_have_cost_and_no_more() {
    let mut scenario = Scenario::default();
    scenario.network.down = Some(crate::net::model::LinkSpec {
        loss: crate::net::model::Loss::Independent { share: 0.001 },
        ..Default::default()
    });
    let judged = |lost: u64| {
        let mut measured = healthy();
        lose(&mut measured.viewers[0], lost);
        measured.viewers[0].rtp = Some(RtpFigures {
            packets_received: 1_200,
            ..RtpFigures::default()
        });
        measured.totals.verified -= lost;
        measured.totals.lost += lost;
        judge(&scenario, &measured, &Diagnosis::default(), None)
    };
    let few = judged(2);
    assert_eq!(few.verdict, Verdict::Pass, "{few:#?}");
    assert_eq!(few.findings[0].severity, Severity::Note);
    assert!(few.findings[0].message.contains("explains"), "{few:#?}");
    let many = judged(100);
    assert_eq!(
        many.verdict,
        Verdict::Fail,
        "one packet in a thousand does not cost a third of the frames: {many:#?}"
    );
}

#[test]
fn a_broadcaster_alone_and_viewers_without_a_ledger_are_invalid() {
    let broadcaster = Scenario {
        role: RoleSelection::Broadcaster,
        ..Scenario::default()
    };
    let mut measured = healthy();
    measured.viewers.clear();
    assert_eq!(
        judge(&broadcaster, &measured, &Diagnosis::default(), None).verdict,
        Verdict::Invalid
    );

    let viewers = Scenario {
        role: RoleSelection::Viewers,
        ..Scenario::default()
    };
    let mut measured = healthy();
    measured.judged_at = JudgedAt::Intact;
    measured.totals = Tally::default();
    measured.viewers.iter_mut().for_each(|viewer| {
        viewer.tally = Tally::default();
        viewer.judged_at = JudgedAt::Intact;
    });
    let judgement = judge(&viewers, &measured, &Diagnosis::default(), None);
    assert_eq!(judgement.verdict, Verdict::Invalid);
    assert!(judgement.because.contains("--ledger"), "{}", judgement.because);
}

#[test]
fn exit_codes_are_the_documented_ones() {
    assert_eq!(
        [Verdict::Pass, Verdict::Fail, Verdict::Invalid].map(Verdict::exit_code),
        [0, 99, 120]
    );
}

#[test]
fn a_broadcaster_that_was_never_let_in_is_found_unless_it_left_before_it_could_be() {
    use crate::measure::measured::BroadcasterFigures;
    let stay = |stayed_ms: f64| BroadcasterFigures {
        stayed_ms,
        ..BroadcasterFigures::default()
    };
    let refused = &[FindingKind::NoBroadcaster];
    check(|m| m.broadcasters.push(stay(5_100.0)), Verdict::Fail, refused);
    check(|m| m.broadcasters.push(stay(60.0)), Verdict::Pass, &[]);
}

#[test]
fn a_server_that_ended_by_itself_is_the_first_thing_that_is_found() {
    let ended = Some(crate::measure::measured::ServerEnded {
        at_ms: 1_200.0,
        why: "it panicked: no such room".to_owned(),
    });
    let judged = check(
        |m| {
            m.server_ended = ended;
            lose(&mut m.viewers[0], 1);
        },
        Verdict::Fail,
        &[FindingKind::ServerEnded, FindingKind::FramesLost],
    );
    assert!(judged.because.contains("no such room"), "{}", judged.because);
}
