use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{PATIENCE, Reassembled, Reassembler, RtpPacket};
use crate::media::codec::Codec;
use crate::media::h264::digest_annex_b;
use crate::media::packetize::{EncodedFrame, Packetizer};

/// A stream of `frames` frames that starts with a key frame, as the encoder and packetizer give it.
fn stream(frames: u32, size: usize) -> Vec<EncodedFrame> {
    let mut packetizer = Packetizer::new(Codec::H264);
    (0..frames)
        .map(|index| {
            let key = index == 0;
            let mut unit = Vec::new();
            if key {
                unit.extend([0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4]);
            }
            unit.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }, 0x88]);
            unit.extend((0..size).map(|i| ((i + index as usize) % 251) as u8 | 1));
            packetizer
                .packetize(index, i64::from(index) * 3_000, key, unit)
                .unwrap()
        })
        .collect()
}

fn packets(frames: &[EncodedFrame], first_sequence: u16, start: Instant) -> Vec<RtpPacket> {
    let mut sequence = first_sequence;
    let mut packets = Vec::new();
    for frame in frames {
        for (at, payload) in frame.payloads.iter().enumerate() {
            packets.push(RtpPacket {
                sequence,
                timestamp: (frame.media_time as u32).wrapping_add(77),
                marker: at + 1 == frame.payloads.len(),
                payload: payload.clone(),
                at: start + Duration::from_millis(u64::from(frame.index) * 33),
            });
            sequence = sequence.wrapping_add(1);
        }
    }
    packets
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    frames: Vec<i64>,
    damaged: Vec<i64>,
}

#[track_caller]
fn feed(reassembler: &mut Reassembler, packets: impl IntoIterator<Item = RtpPacket>) -> Outcome {
    let mut out = Vec::new();
    let mut last = None;
    for packet in packets {
        last = Some(packet.at);
        reassembler.packet(packet, &mut out);
    }
    if let Some(last) = last {
        reassembler.handle_timeout(last + PATIENCE * 2, &mut out);
    }
    let mut outcome = Outcome::default();
    for item in out {
        match item {
            Reassembled::Frame(frame) => outcome.frames.push((frame.rtp_time - 77) / 3_000),
            Reassembled::Damaged { rtp_time, .. } => outcome.damaged.push((rtp_time - 77) / 3_000),
        }
    }
    outcome
}

#[test]
fn a_clean_stream_comes_back_frame_by_frame_with_equal_digests() {
    let sent = stream(4, 3_000);
    let mut reassembler = Reassembler::new(Codec::H264, true);
    let mut out = Vec::new();
    for packet in packets(&sent, 65_533, Instant::now()) {
        reassembler.packet(packet, &mut out);
    }
    assert_eq!(out.len(), 4);
    for (frame, sent) in out.iter().zip(&sent) {
        let Reassembled::Frame(frame) = frame else {
            panic!("{frame:?}")
        };
        assert_eq!(frame.digest, sent.digest);
        assert_eq!(frame.key, sent.key);
        assert_eq!(
            digest_annex_b(frame.access_unit.as_ref().unwrap()),
            Some(sent.digest)
        );
    }
    assert_eq!(reassembler.stats().packets_lost, 0);
    assert_eq!(reassembler.next_timeout(), None);
}

#[test]
fn reordered_and_duplicated_packets_change_nothing_but_the_counters() {
    let sent = stream(3, 3_000);
    let mut shuffled = packets(&sent, 10, Instant::now());
    shuffled.swap(1, 3);
    shuffled.insert(5, shuffled[4].clone());
    let mut reassembler = Reassembler::new(Codec::H264, false);
    assert_eq!(
        feed(&mut reassembler, shuffled),
        Outcome {
            frames: vec![0, 1, 2],
            damaged: vec![]
        }
    );
    assert_eq!(reassembler.stats().packets_duplicated, 1);
    assert_eq!(reassembler.stats().packets_reordered, 2);
    assert_eq!(reassembler.stats().packets_lost, 0);
}

#[test]
fn a_lost_packet_in_the_middle_damages_its_frame_and_no_other() {
    let sent = stream(4, 3_000);
    let mut arrived = packets(&sent, 10, Instant::now());
    arrived.remove(6);
    let mut reassembler = Reassembler::new(Codec::H264, false);
    assert_eq!(
        feed(&mut reassembler, arrived),
        Outcome {
            frames: vec![0, 2, 3],
            damaged: vec![1]
        }
    );
    assert_eq!(reassembler.stats().packets_lost, 1);
}

#[test]
fn a_frame_of_which_nothing_arrived_leaves_the_others_whole() {
    let sent = stream(4, 3_000);
    let arrived = packets(&sent, 10, Instant::now())
        .into_iter()
        .filter(|p| p.timestamp != 77 + 2 * 3_000);
    assert_eq!(
        feed(&mut Reassembler::new(Codec::H264, false), arrived),
        Outcome {
            frames: vec![0, 1, 3],
            damaged: vec![]
        }
    );
}

#[test]
fn a_lost_tail_costs_its_frame_and_one_wait_only() {
    let sent = stream(30, 3_000);
    let start = Instant::now();
    let mut arrived = packets(&sent, 10, start);
    let lost_marker = arrived
        .iter()
        .position(|p| p.timestamp == 77 + 3_000 && p.marker)
        .unwrap();
    let noticed = arrived[lost_marker + 1].at;
    arrived.remove(lost_marker);
    let mut reassembler = Reassembler::new(Codec::H264, false);
    let mut out = Vec::new();
    for packet in arrived {
        let at = packet.at;
        reassembler.packet(packet, &mut out);
        if at >= noticed + PATIENCE {
            // Frame 0, the damaged frame 1, and everything that has come since.
            let whole = 1 + 1 + (at - start).as_millis() as usize / 33 - 2;
            assert!(out.len() >= whole, "{} of {whole} at {:?}", out.len(), at - start);
        }
    }
    let damaged = out
        .iter()
        .filter(|item| matches!(item, Reassembled::Damaged { .. }))
        .count();
    assert_eq!((out.len(), damaged), (30, 1));
}

#[test]
fn a_retransmission_within_the_patience_repairs_the_frame() {
    let sent = stream(3, 3_000);
    let mut arrived = packets(&sent, 10, Instant::now());
    let mut late = arrived.remove(6);
    late.at += PATIENCE / 2;
    arrived.push(late);
    let mut reassembler = Reassembler::new(Codec::H264, false);
    assert_eq!(
        feed(&mut reassembler, arrived),
        Outcome {
            frames: vec![0, 1, 2],
            damaged: vec![]
        }
    );
    assert_eq!(reassembler.stats().packets_lost, 0);
}

#[test]
fn a_stream_joined_in_the_middle_of_a_frame_starts_with_the_next_one() {
    let sent = stream(3, 3_000);
    let arrived = packets(&sent, 10, Instant::now()).into_iter().skip(2);
    assert_eq!(
        feed(&mut Reassembler::new(Codec::H264, false), arrived),
        Outcome {
            frames: vec![1, 2],
            damaged: vec![0]
        }
    );
}

#[test]
fn a_key_frame_that_lost_its_parameter_sets_is_damaged() {
    let sent = stream(2, 3_000);
    let mut reassembler = Reassembler::new(Codec::H264, false);
    let mut all = packets(&sent, 10, Instant::now());
    let mut again = packets(
        &stream(1, 3_000),
        all.last().unwrap().sequence + 1,
        all.last().unwrap().at,
    );
    again
        .iter_mut()
        .for_each(|packet| packet.timestamp = 77 + 2 * 3_000);
    again.remove(0);
    all.extend(again);
    assert_eq!(
        feed(&mut reassembler, all),
        Outcome {
            frames: vec![0, 1],
            damaged: vec![2]
        }
    );
}

#[test]
fn a_gap_names_the_moment_when_it_is_given_up() {
    let start = Instant::now();
    let sent = stream(2, 3_000);
    let mut arrived = packets(&sent, 10, start);
    arrived.remove(1);
    let mut reassembler = Reassembler::new(Codec::H264, false);
    let mut out = Vec::new();
    arrived
        .into_iter()
        .for_each(|packet| reassembler.packet(packet, &mut out));
    assert_eq!(reassembler.next_timeout(), Some(start + PATIENCE));
    reassembler.handle_timeout(start + PATIENCE - Duration::from_millis(1), &mut out);
    assert!(out.is_empty());
    reassembler.handle_timeout(start + PATIENCE, &mut out);
    assert_eq!(out.len(), 2, "{out:?}");
}

proptest! {
    #[test]
    fn any_packets_are_survived_and_bounded(
        input in prop::collection::vec((any::<u16>(), any::<u32>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..300)
    ) {
        let start = Instant::now();
        let mut reassembler = Reassembler::new(Codec::H264, true);
        let mut out = Vec::new();
        for (step, (sequence, timestamp, marker, payload)) in input.into_iter().enumerate() {
            let at = start + Duration::from_millis(step as u64 * 7);
            reassembler.packet(RtpPacket { sequence, timestamp, marker, payload: Bytes::from(payload), at }, &mut out);
            prop_assert!(reassembler.held.len() <= super::MAX_HELD_PACKETS);
        }
        reassembler.handle_timeout(start + Duration::from_secs(60), &mut out);
        prop_assert!(out.len() <= 301);
    }

    #[test]
    fn any_order_within_the_patience_gives_every_frame_once(seed in prop::collection::vec(any::<u32>(), 40)) {
        let sent = stream(8, 3_000);
        let start = Instant::now();
        let mut arrived = packets(&sent, 65_530, start);
        arrived.iter_mut().for_each(|packet| packet.at = start);
        // The first packet stays first: nothing tells a receiver that an earlier one exists.
        let mut keyed: Vec<_> = arrived.drain(1..).zip(seed.iter().cycle()).collect();
        keyed.sort_by_key(|(_, key)| **key);
        arrived.extend(keyed.into_iter().map(|(packet, _)| packet));
        prop_assert_eq!(
            feed(&mut Reassembler::new(Codec::H264, false), arrived),
            Outcome { frames: (0..8).collect(), damaged: vec![] }
        );
    }
}
