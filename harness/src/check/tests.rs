use super::*;
use crate::measure::distribution::Distribution;
use crate::measure::freeze::Freezes;
use crate::measure::health::GeneratorHealth;
use crate::measure::join::JoinPhase;
use crate::measure::measured::{Delays, RoomStateFigures};
use crate::media::verify::Tally;

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
        viewers,
        broadcasters: Vec::new(),
        join: Vec::new(),
        delays: Delays::default(),
        fanout_skew: None,
        generator: GeneratorHealth {
            allowed_cores: 2,
            cpu_share: Some(0.1),
            cpu_wait_share: Some(0.3),
            socket_drops: Some(0),
            ..GeneratorHealth::default()
        },
    }
}

fn viewer(number: u32) -> ViewerFigures {
    ViewerFigures {
        label: format!("viewer-{number}"),
        room: "greenroom".to_owned(),
        number,
        end: ViewerOutcome::Finished,
        ended_at_ms: 10_200.0,
        judged_at: JudgedAt::Exact,
        tally: Tally {
            expected: 300,
            verified: 300,
            ..Tally::default()
        },
        frames: 300,
        join_ms: vec![(JoinPhase::FirstFrame, 90.0)],
        stuck_before: None,
        saw_broadcaster: true,
        stopped: true,
        first_key_frame_ms: Some(40.0),
        without_key_frame_ms: None,
        latency: None,
        freezes: Freezes::default(),
        decoded: None,
        rtp: None,
        chat_seqs: vec![1, 2, 3],
        chat: Vec::new(),
        state_at_join: Some(RoomStateFigures::default()),
        state_at_end: RoomStateFigures {
            video_muted: false,
            stopped: true,
        },
        dial_error: None,
        signaling_lost: None,
        errors: Vec::new(),
    }
}

/// Scheduler lag of this many milliseconds at every percentile.
fn lag(ms: u64) -> GeneratorHealth {
    let mut distribution = Distribution::default();
    (0..2_000).for_each(|_| distribution.record_us(ms * 1_000));
    GeneratorHealth {
        scheduler_lag: distribution.summary(),
        ..healthy().generator
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
    let judgement = judge(&Scenario::default(), &measured);
    let found: Vec<FindingKind> = judgement.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(
        (judgement.verdict, &found[..]),
        (verdict, kinds),
        "{judgement:#?}"
    );
    judgement
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
        |m| m.viewers[0].first_key_frame_ms = Some(1_001.0),
        Verdict::Fail,
        &[Kind::KeyFrameLate],
    );
    check(
        |m| m.viewers[0].signaling_lost = Some((500.0, "gone".into())),
        Verdict::Fail,
        &[Kind::SignalingLost],
    );
    let decoded = |wrong, not_black| {
        Some(crate::measure::measured::DecodedFigures {
            frames_decoded: 300,
            stamps_wrong: wrong,
            muted_not_black: not_black,
            ..Default::default()
        })
    };
    check(
        |m| m.viewers[0].decoded = decoded(1, 0),
        Verdict::Fail,
        &[Kind::StampWrong],
    );
    check(
        |m| m.viewers[0].decoded = decoded(0, 1),
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

#[test]
fn a_viewer_that_joined_a_stopped_stream_needs_no_frame() {
    check(
        |m| {
            let viewer = &mut m.viewers[1];
            viewer.join_ms.clear();
            viewer.stuck_before = Some(JoinPhase::FirstPacket);
            viewer.first_key_frame_ms = None;
            viewer.without_key_frame_ms = Some(4_000.0);
            viewer.frames = 0;
            viewer.tally = Tally::default();
            viewer.judged_at = JudgedAt::Nothing;
            viewer.state_at_join = Some(RoomStateFigures {
                video_muted: false,
                stopped: true,
            });
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
    assert_ne!(judge(&Scenario::default(), &empty).verdict, Verdict::Pass);
}

#[test]
fn a_sick_generator_excuses_what_it_could_have_caused_and_nothing_else() {
    check(
        |m| {
            m.generator = lag(20);
            lose(&mut m.viewers[0], 3);
        },
        Verdict::Invalid,
        &[FindingKind::FramesLost],
    );
    check(
        |m| {
            m.generator = lag(20);
            m.viewers[0].tally.repeated = 1;
        },
        Verdict::Fail,
        &[FindingKind::FramesRepeated],
    );
    // One fault that nothing excuses is enough.
    check(
        |m| {
            m.generator = lag(20);
            lose(&mut m.viewers[0], 3);
            m.viewers[1].chat_seqs = vec![2, 1];
        },
        Verdict::Fail,
        &[FindingKind::FramesLost, FindingKind::ChatOutOfOrder],
    );
}

#[test]
fn twenty_milliseconds_of_lag_do_not_excuse_five_seconds_of_silence() {
    check(
        |m| {
            m.generator = lag(20);
            m.viewers[0].join_ms[0].1 = 5_001.0;
        },
        Verdict::Fail,
        &[FindingKind::JoinLate],
    );
    check(
        |m| {
            m.generator = lag(200);
            m.viewers[0].join_ms[0].1 = 5_001.0;
        },
        Verdict::Invalid,
        &[FindingKind::JoinLate],
    );
}

#[test]
fn a_starved_generator_passes_nothing_and_a_slow_one_may() {
    check(|m| m.generator = lag(20), Verdict::Pass, &[]);
    check(|m| m.generator = lag(60), Verdict::Invalid, &[]);
    check(|m| m.generator.cpu_wait_share = Some(0.67), Verdict::Invalid, &[]);
    check(|m| m.generator.cpu_wait_share = Some(0.5), Verdict::Pass, &[]);
    check(|m| m.generator.cpu_share = Some(0.95), Verdict::Pass, &[]);
}

#[test]
fn dropped_datagrams_and_skipped_frames_excuse_lost_frames() {
    for change in [
        (|generator: &mut GeneratorHealth| generator.socket_drops = Some(4)) as fn(&mut GeneratorHealth),
        |generator| generator.skipped_frames = 4,
        |generator| generator.cpu_share = Some(0.9),
    ] {
        check(
            |m| {
                change(&mut m.generator);
                lose(&mut m.viewers[0], 3);
            },
            Verdict::Invalid,
            &[FindingKind::FramesLost],
        );
    }
}

#[test]
fn scripted_loss_explains_lost_frames_and_says_so() {
    let mut measured = healthy();
    lose(&mut measured.viewers[0], 2);
    measured.totals.verified -= 2;
    measured.totals.lost += 2;
    let mut scenario = Scenario::default();
    scenario.network.down = Some(crate::net::impair::Impairment {
        loss: 0.05,
        ..Default::default()
    });
    let judgement = judge(&scenario, &measured);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert_eq!(judgement.findings[0].severity, Severity::Note);
    assert!(
        judgement.findings[0].message.contains("explains"),
        "{:?}",
        judgement.findings
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
    assert_eq!(judge(&broadcaster, &measured).verdict, Verdict::Invalid);

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
    let judgement = judge(&viewers, &measured);
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
