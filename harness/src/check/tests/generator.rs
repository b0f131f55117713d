//! What a sick generator excuses, and what it does not.

use super::*;

/// Scheduler lag of this many milliseconds at every percentile.
fn lag(ms: u64) -> GeneratorHealth {
    let mut distribution = Distribution::default();
    (0..2_000).for_each(|_| distribution.record_us(ms * 1_000));
    GeneratorHealth {
        scheduler_lag: distribution.summary(),
        ..healthy().generator
    }
}

#[test]
fn a_sick_generator_excuses_what_it_could_have_caused_and_nothing_else() {
    let stalled = |m: &mut Measured| m.generator = lag(200);
    check(
        |m| {
            stalled(m);
            lose(&mut m.viewers[0], 3);
        },
        Verdict::Invalid,
        &[FindingKind::FramesLost],
    );
    check(
        |m| {
            stalled(m);
            m.viewers[0].tally.repeated = 1;
        },
        Verdict::Fail,
        &[FindingKind::FramesRepeated],
    );
    // One fault that nothing excuses is enough.
    check(
        |m| {
            stalled(m);
            lose(&mut m.viewers[0], 3);
            m.viewers[1].chat_seqs = vec![2, 1];
        },
        Verdict::Fail,
        &[FindingKind::FramesLost, FindingKind::ChatOutOfOrder],
    );
}

#[test]
fn a_little_lag_loses_no_packet_and_one_hiccup_is_no_sickness() {
    check(
        |m| {
            m.generator = lag(20);
            lose(&mut m.viewers[0], 3);
        },
        Verdict::Fail,
        &[FindingKind::FramesLost],
    );
    let hiccup = |ms: u64| {
        let mut distribution = Distribution::default();
        (0..100).for_each(|_| distribution.record_us(500));
        distribution.record_us(ms * 1_000);
        distribution.summary()
    };
    check(|m| m.generator.pacing_error = hiccup(90), Verdict::Pass, &[]);
    // But a stall as long as a freeze may be the freeze.
    check(
        |m| {
            m.generator.pacing_error = hiccup(300);
            m.viewers[0].freezes.count = 1;
        },
        Verdict::Invalid,
        &[FindingKind::Freeze],
    );
    check(
        |m| {
            m.generator.pacing_error = hiccup(90);
            m.viewers[0].freezes.count = 1;
        },
        Verdict::Fail,
        &[FindingKind::Freeze],
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
    check(|m| m.generator.cpu_wait_ms = Some(1.5), Verdict::Invalid, &[]);
    check(|m| m.generator.cpu_wait_ms = Some(0.5), Verdict::Pass, &[]);
    check(|m| m.generator.cpu_share = Some(0.95), Verdict::Pass, &[]);
}

#[test]
fn dropped_datagrams_and_skipped_frames_excuse_lost_frames() {
    let changes: [fn(&mut GeneratorHealth); 3] = [
        |generator| generator.socket_drops = Some(4),
        |generator| generator.skipped_frames = 4,
        |generator| generator.cpu_share = Some(0.9),
    ];
    for change in changes {
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
