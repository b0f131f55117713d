use proptest::prelude::*;

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Sends numbered datagrams of `size` bytes, one each `every`, and gives what arrives in order of arrival.
fn stream(link: &mut Link, count: u32, size: usize, every: Duration) -> Vec<Arrival> {
    let mut out = Vec::new();
    for number in 0..count {
        let mut bytes = vec![0; size.max(4)];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        link.send(every * number, &bytes, &mut out);
    }
    // Stable: arrivals of one time keep their order.
    out.sort_by_key(|arrival| arrival.at);
    out
}

/// What a receiver counts that knows nothing but what arrives, and how much was sent.
fn counted_by_receiver(sent: u64, arrivals: &[Arrival]) -> LinkCounts {
    let mut seen = std::collections::BTreeSet::new();
    let mut next_expected = 0;
    let mut counts = LinkCounts {
        sent,
        ..LinkCounts::default()
    };
    for arrival in arrivals {
        // The number is in the first four bytes, and again in the next four in case a bit is flipped.
        let word = |at: usize| u32::from_be_bytes(arrival.bytes[at..at + 4].try_into().unwrap());
        let words = [word(0), word(4), word(8)];
        let number = if words[0] == words[1] { words[0] } else { words[2] };
        counts.corrupted += u64::from(words != [number; 3] || arrival.bytes.len() != 12);
        if !seen.insert(number) {
            counts.duplicated += 1;
            continue;
        }
        counts.delivered += 1;
        // RFC 4737 section 3.3: reordered is what comes below the next expected number.
        if number < next_expected {
            counts.reordered += 1;
        }
        next_expected = next_expected.max(number + 1);
    }
    counts
}

fn send_numbered(link: &mut Link, gaps: &[u64]) -> Vec<Arrival> {
    let mut out = Vec::new();
    let mut now = Duration::ZERO;
    for (number, gap) in gaps.iter().enumerate() {
        now += Duration::from_micros(*gap);
        link.send(now, &(number as u32).to_be_bytes().repeat(3), &mut out);
    }
    out.sort_by_key(|arrival| arrival.at);
    out
}

#[test]
fn a_perfect_link_takes_no_time() {
    let mut link = Link::new(LinkSpec::default(), 1);
    let mut out = Vec::new();
    link.send(millis(5), b"hello", &mut out);
    assert_eq!(
        out,
        [Arrival {
            at: millis(5),
            bytes: b"hello".to_vec()
        }]
    );
}

#[test]
fn a_delay_is_exact() {
    for delay in [0, 20, 80, 300] {
        let spec = LinkSpec {
            delay: millis(delay),
            ..LinkSpec::default()
        };
        for (number, arrival) in stream(&mut Link::new(spec, 1), 100, 100, millis(7))
            .iter()
            .enumerate()
        {
            assert_eq!(arrival.at, millis(7) * number as u32 + millis(delay));
        }
    }
}

#[test]
fn jitter_stays_within_its_bounds_and_uses_them() {
    let spec = LinkSpec {
        delay: millis(20),
        jitter: millis(10),
        reorder: true,
        ..LinkSpec::default()
    };
    let mut link = Link::new(spec, 3);
    let mut out = Vec::new();
    for number in 0..10_000_u32 {
        link.send(millis(100) * number, &[0; 8], &mut out);
    }
    let delays: Vec<_> = (0..)
        .zip(&out)
        .map(|(n, arrival)| arrival.at - millis(100) * n)
        .collect();
    let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
    assert!(
        *least >= millis(20) && *least < Duration::from_micros(20_010),
        "{least:?}"
    );
    assert!(
        *most < millis(30) && *most > Duration::from_micros(29_990),
        "{most:?}"
    );
    let mean = delays.iter().sum::<Duration>() / 10_000;
    assert!(mean.abs_diff(millis(25)) < Duration::from_micros(100), "{mean:?}");
}

#[test]
fn a_packet_larger_than_the_mtu_is_dropped() {
    let mut link = Link::new(LinkSpec::default(), 1);
    let mut out = Vec::new();
    link.send(Duration::ZERO, &[0; 1_472], &mut out);
    link.send(Duration::ZERO, &[0; 1_473], &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(link.counts().too_large, 1);
}

#[test]
fn a_rate_spaces_packets_and_a_full_queue_drops_the_last() {
    // 972 bytes are a packet of 1,000, which takes 10 ms at 800 kbit/s; three of them may wait.
    let spec = LinkSpec {
        rate_kbps: Some(800),
        queue_bytes: 3_500,
        ..LinkSpec::default()
    };
    let mut link = Link::new(spec, 1);
    let mut out = Vec::new();
    for _ in 0..6 {
        link.send(Duration::ZERO, &[0; 972], &mut out);
    }
    let times: Vec<_> = out.iter().map(|arrival| arrival.at).collect();
    assert_eq!(times, [millis(10), millis(20), millis(30), millis(40)]);
    assert_eq!(link.counts().queue_dropped, 2);
    link.send(millis(15), &[0; 972], &mut out);
    assert_eq!(out[4].at, millis(50), "one place came free at 10 ms");
}

#[test]
fn a_change_of_the_link_leaves_what_is_under_way_and_overtakes_nothing() {
    let slow = LinkSpec {
        delay: millis(300),
        rate_kbps: Some(100),
        ..LinkSpec::default()
    };
    let mut link = Link::new(slow, 1);
    let mut out = Vec::new();
    link.send(Duration::ZERO, &[1; 972], &mut out);
    link.set_spec(LinkSpec::default());
    link.send(millis(1), &[2; 972], &mut out);
    assert_eq!(out[0].at, millis(380));
    assert_eq!(out[1].at, millis(380));
    assert_eq!(out[1].bytes[0], 2);
}

#[test]
fn time_that_goes_back_is_taken_to_stand_still() {
    let mut link = Link::new(LinkSpec::default(), 1);
    let mut out = Vec::new();
    link.send(millis(10), &[1], &mut out);
    link.send(millis(4), &[2], &mut out);
    assert_eq!(out[1].at, millis(10));
}

#[test]
fn a_fault_that_is_taken_away_changes_no_other() {
    let spec = LinkSpec {
        loss: Loss::Independent { share: 0.1 },
        delay: millis(20),
        ..LinkSpec::default()
    };
    let faulty = LinkSpec {
        jitter: millis(9),
        duplicate: 0.1,
        corrupt: 0.1,
        reorder: true,
        ..spec
    };
    let numbers = |spec| -> std::collections::BTreeSet<Vec<u8>> {
        stream(&mut Link::new(spec, 9), 2_000, 4, millis(20))
            .into_iter()
            .map(|arrival| arrival.at.div_duration_f64(millis(20)).floor() as u32 - 1)
            .map(|number| number.to_be_bytes().to_vec())
            .collect()
    };
    assert_eq!(numbers(spec), numbers(faulty));
}

#[test]
fn the_long_run_loss_of_bursts_matches_the_formula() {
    for (enter, leave, loss_good, loss_bad) in [
        (0.01, 0.25, 0.0, 1.0),
        (0.05, 0.1, 0.01, 0.6),
        (0.3, 0.3, 0.0, 0.5),
    ] {
        let loss = Loss::GilbertElliott {
            enter,
            leave,
            loss_good,
            loss_bad,
        };
        let spec = LinkSpec {
            loss,
            ..LinkSpec::default()
        };
        let mut link = Link::new(spec, 11);
        let mut out = Vec::new();
        for _ in 0..1_000_000 {
            link.send(Duration::ZERO, &[], &mut out);
            out.clear();
        }
        let lost = link.counts().lost as f64 / 1e6;
        let expect = loss.long_run();
        // The standard error of these chains is below 0.0015 over a million steps.
        assert!((lost - expect).abs() < 0.003, "{lost} lost, {expect} expected");
    }
}

#[test]
fn a_burst_lasts_as_long_as_its_probability_says() {
    let spec = LinkSpec {
        loss: Loss::GilbertElliott {
            enter: 0.02,
            leave: 0.2,
            loss_good: 0.0,
            loss_bad: 1.0,
        },
        ..LinkSpec::default()
    };
    let mut link = Link::new(spec, 5);
    let (mut out, mut bursts, mut lost, mut in_burst) = (Vec::new(), 0, 0, false);
    for _ in 0..200_000 {
        out.clear();
        link.send(Duration::ZERO, &[], &mut out);
        let gone = out.is_empty();
        bursts += u32::from(gone && !in_burst);
        lost += u32::from(gone);
        in_burst = gone;
    }
    let mean = f64::from(lost) / f64::from(bursts);
    assert!((mean - 5.0).abs() < 0.25, "{mean} datagrams a burst");
}

fn losses() -> impl Strategy<Value = Loss> {
    let share = || 0.0..=1.0_f64;
    prop_oneof![
        share().prop_map(|share| Loss::Independent { share }),
        (share(), share(), share(), share()).prop_map(|(enter, leave, loss_good, loss_bad)| {
            Loss::GilbertElliott {
                enter,
                leave,
                loss_good,
                loss_bad,
            }
        }),
    ]
}

fn specs() -> impl Strategy<Value = LinkSpec> {
    (
        losses(),
        0..400_u64,
        0..50_u64,
        any::<bool>(),
        (0.0..=1.0_f64, 0.0..=1.0_f64),
        prop::option::of(1..5_000_u32),
        0..20_000_u32,
        30..1_500_u32,
    )
        .prop_map(
            |(loss, delay, jitter, reorder, (duplicate, corrupt), rate_kbps, queue_bytes, mtu)| LinkSpec {
                loss,
                delay: millis(delay),
                jitter: millis(jitter),
                reorder,
                duplicate,
                corrupt,
                rate_kbps,
                queue_bytes,
                mtu: mtu.max(68),
            },
        )
}

proptest! {
    #[test]
    fn every_datagram_is_accounted_for(
        spec in specs(),
        seed: u64,
        sends in prop::collection::vec((0..20_000_u64, 0..1_600_usize), 0..200),
    ) {
        let mut link = Link::new(spec, seed);
        let mut out = Vec::new();
        let mut now = Duration::ZERO;
        for (gap, size) in &sends {
            now += Duration::from_micros(*gap);
            let before = out.len();
            link.send(now, &vec![0; *size], &mut out);
            for arrival in &out[before..] {
                prop_assert!(arrival.at >= now + spec.delay);
                prop_assert_eq!(arrival.bytes.len(), *size);
            }
        }
        let counts = link.counts();
        prop_assert_eq!(counts.sent, sends.len() as u64);
        prop_assert_eq!(
            counts.sent,
            counts.delivered + counts.lost + counts.queue_dropped + counts.too_large
        );
        prop_assert_eq!(out.len() as u64, counts.delivered + counts.duplicated);
        prop_assert!(counts.corrupted <= counts.delivered);
    }

    #[test]
    fn without_reordering_nothing_overtakes(spec in specs(), seed: u64) {
        let spec = LinkSpec { reorder: false, ..spec };
        let mut link = Link::new(spec, seed);
        let mut out = Vec::new();
        for number in 0..200_u64 {
            link.send(millis(number), &[0; 40], &mut out);
        }
        prop_assert!(out.is_sorted_by_key(|arrival| arrival.at));
        prop_assert_eq!(link.counts().reordered, 0);
    }

    #[test]
    fn the_same_seed_gives_the_same_fates(spec in specs(), seed: u64) {
        let (mut one, mut other) = (Link::new(spec, seed), Link::new(spec, seed));
        let every = Duration::from_micros(700);
        prop_assert_eq!(stream(&mut one, 200, 60, every), stream(&mut other, 200, 60, every));
        prop_assert_eq!(one.counts(), other.counts());
    }

    #[test]
    fn the_receiver_counts_what_the_link_did(
        spec in specs(),
        seed: u64,
        gaps in prop::collection::vec(0..5_000_u64, 1..300),
    ) {
        let mut link = Link::new(spec, seed);
        let arrivals = send_numbered(&mut link, &gaps);
        let counts = link.counts();
        let received = counted_by_receiver(counts.sent, &arrivals);
        let LinkCounts { lost, queue_dropped, too_large, .. } = counts;
        prop_assert_eq!(received, LinkCounts { lost: 0, queue_dropped: 0, too_large: 0, ..counts });
        prop_assert_eq!(received.sent - received.delivered, lost + queue_dropped + too_large);
    }

    #[test]
    fn a_full_link_carries_its_rate(rate_kbps in 50..20_000_u32, size in 50..1_400_usize) {
        let spec = LinkSpec { rate_kbps: Some(rate_kbps), ..LinkSpec::default() };
        let mut link = Link::new(spec, 1);
        let packet_bits = (size + IP_AND_UDP_HEADERS) as f64 * 8.0;
        let seconds = 20.0_f64;
        // Twice as much as fits.
        let count = (f64::from(rate_kbps) * 2_000.0 * seconds / packet_bits).ceil() as u32;
        let count = count.min(20_000);
        let every = Duration::from_secs_f64(packet_bits / (f64::from(rate_kbps) * 2_000.0));
        let arrivals = stream(&mut link, count, size, every);
        let took = arrivals.last().unwrap().at.as_secs_f64();
        let rate = arrivals.len() as f64 * packet_bits / took / 1_000.0;
        prop_assert!((rate / f64::from(rate_kbps) - 1.0).abs() < 0.01, "{} of {}", rate, rate_kbps);
    }

    #[test]
    fn what_a_link_remembers_is_bounded(spec in specs(), seed: u64) {
        let mut link = Link::new(LinkSpec { rate_kbps: Some(1), ..spec }, seed);
        let mut out = Vec::new();
        for _ in 0..2_000 {
            link.send(Duration::ZERO, &[0; 4], &mut out);
        }
        prop_assert!(link.waiting_bytes <= spec.queue_bytes as usize);
        prop_assert!(link.waiting.len() * IP_AND_UDP_HEADERS <= spec.queue_bytes as usize);
    }
}
