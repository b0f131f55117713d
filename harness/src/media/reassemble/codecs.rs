//! VP8 and Opus through packetizing and reassembly, whole and damaged.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{PATIENCE, Reassembled, Reassembler, ReceivedFrame, RtpPacket};
use crate::media::codec::Codec;
use crate::media::digest::FrameDigest;
use crate::media::packetize::{EncodedFrame, MAX_PAYLOAD, Packetizer};

/// Ticks from one frame to the next: 30 pictures a second, or an Opus packet of 20 ms.
fn ticks(codec: Codec) -> i64 {
    if codec.is_audio() { 960 } else { 3_000 }
}

/// A frame of `size` bytes with the header that the codec gives its key or delta frames.
fn content(codec: Codec, index: u32, key: bool, size: usize) -> Vec<u8> {
    let mut bytes = match codec {
        Codec::H264 if key => vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88],
        Codec::H264 => vec![0, 0, 0, 1, 0x41, 0x88],
        Codec::Vp8 if key => vec![0x50, 1, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        Codec::Vp8 => vec![0x51, 1, 0],
        Codec::Opus => vec![0x78],
    };
    bytes.extend((0..size).map(|i| ((i + index as usize) % 251) as u8 | 1));
    bytes
}

fn stream(codec: Codec, frames: u32, size: usize) -> Vec<EncodedFrame> {
    let mut packetizer = Packetizer::new(codec);
    (0..frames)
        .map(|index| {
            let key = index == 0 || codec.is_audio();
            packetizer
                .packetize(
                    index,
                    i64::from(index) * ticks(codec),
                    key,
                    content(codec, index, key, size),
                )
                .unwrap()
        })
        .collect()
}

/// The packets of a stream, those of a frame on time and together; sequence and timestamp wrap early.
fn packets(codec: Codec, frames: &[EncodedFrame], start: Instant) -> Vec<RtpPacket> {
    let mut sequence = 65_533_u16;
    let mut packets = Vec::new();
    for frame in frames {
        let elapsed = frame.media_time as f64 / f64::from(codec.clock_rate());
        for (position, payload) in frame.payloads.iter().enumerate() {
            packets.push(RtpPacket {
                sequence,
                timestamp: (u32::MAX - 4_000).wrapping_add(frame.media_time as u32),
                marker: !codec.is_audio() && position + 1 == frame.payloads.len(),
                payload: payload.clone(),
                at: start + Duration::from_secs_f64(elapsed),
            });
            sequence = sequence.wrapping_add(1);
        }
    }
    packets
}

/// What came out in the end: whole frames, and how many were damaged.
fn feed(
    reassembler: &mut Reassembler,
    packets: impl IntoIterator<Item = RtpPacket>,
) -> (Vec<ReceivedFrame>, usize) {
    let mut out = Vec::new();
    let mut last = None;
    for packet in packets {
        last = last.max(Some(packet.at));
        reassembler.packet(packet, &mut out);
    }
    if let Some(last) = last {
        reassembler.handle_timeout(last + PATIENCE * 2, &mut out);
    }
    let mut damaged = 0;
    let frames = out
        .into_iter()
        .filter_map(|item| match item {
            Reassembled::Frame(frame) => Some(frame),
            Reassembled::Damaged { .. } => {
                damaged += 1;
                None
            }
        })
        .collect();
    (frames, damaged)
}

/// Numbers of the frames that came, by their RTP time.
fn numbers(codec: Codec, frames: &[ReceivedFrame]) -> Vec<i64> {
    frames
        .iter()
        .map(|frame| (frame.rtp_time - i64::from(u32::MAX - 4_000)) / ticks(codec))
        .collect()
}

#[test]
fn every_codec_comes_back_with_equal_digests_bytes_and_key_frames() {
    for codec in Codec::ALL {
        for size in [1, 600, 1_190] {
            let sent = stream(codec, 5, size);
            let mut reassembler = Reassembler::new(codec, true);
            let (frames, damaged) = feed(&mut reassembler, packets(codec, &sent, Instant::now()));
            assert_eq!(
                (numbers(codec, &frames), damaged),
                ((0..5).collect(), 0),
                "{codec}"
            );
            for (frame, sent) in frames.iter().zip(&sent) {
                assert_eq!((frame.digest, frame.key), (sent.digest, sent.key), "{codec}");
                assert!(!frame.after_loss);
                let kept = frame.access_unit.as_ref().unwrap();
                assert_eq!(FrameDigest::of(codec, kept), Some(sent.digest), "{codec}");
                if codec != Codec::H264 {
                    assert_eq!(kept, &content(codec, sent.index, sent.key, size));
                }
            }
            let stats = reassembler.stats();
            assert_eq!((stats.packets_lost, reassembler.next_timeout()), (0, None));
            assert!(stats.jitter_s < 1e-6, "{codec}: {}", stats.jitter_s);
        }
    }
}

#[test]
fn a_vp8_frame_of_two_packets_survives_reordering_and_duplicates() {
    let sent = stream(Codec::Vp8, 4, 2_000);
    assert!(sent.iter().all(|frame| frame.payloads.len() == 2));
    let mut shuffled = packets(Codec::Vp8, &sent, Instant::now());
    shuffled.swap(2, 3);
    shuffled.swap(4, 6);
    shuffled.insert(3, shuffled[0].clone());
    let mut reassembler = Reassembler::new(Codec::Vp8, false);
    let (frames, damaged) = feed(&mut reassembler, shuffled);
    assert_eq!((numbers(Codec::Vp8, &frames), damaged), (vec![0, 1, 2, 3], 0));
    assert_eq!(reassembler.stats().packets_duplicated, 1);
    assert_eq!(reassembler.stats().packets_lost, 0);
}

#[test]
fn a_lost_vp8_packet_damages_its_frame_and_the_next_one_says_that_it_follows_a_loss() {
    for lost in [2, 3] {
        let sent = stream(Codec::Vp8, 4, 2_000);
        let mut arrived = packets(Codec::Vp8, &sent, Instant::now());
        arrived.remove(lost);
        let (frames, damaged) = feed(&mut Reassembler::new(Codec::Vp8, false), arrived);
        assert_eq!((numbers(Codec::Vp8, &frames), damaged), (vec![0, 2, 3], 1));
        let after: Vec<bool> = frames.iter().map(|frame| frame.after_loss).collect();
        assert_eq!(after, [false, true, false]);
    }
}

#[test]
fn a_vp8_stream_joined_in_the_middle_of_a_frame_starts_with_the_next_one() {
    let sent = stream(Codec::Vp8, 3, 2_000);
    let arrived = packets(Codec::Vp8, &sent, Instant::now()).into_iter().skip(1);
    let (frames, damaged) = feed(&mut Reassembler::new(Codec::Vp8, false), arrived);
    assert_eq!((numbers(Codec::Vp8, &frames), damaged), (vec![1, 2], 1));
}

#[test]
fn other_picture_ids_do_not_change_a_vp8_digest() {
    let sent = stream(Codec::Vp8, 2, 2_000);
    let mut rewritten = packets(Codec::Vp8, &sent, Instant::now());
    for packet in &mut rewritten {
        // As an SFU does: another id of 7 bits, and the fields of temporal layers.
        let mut payload = vec![packet.payload[0], 0xf0, 0x05, 0x01, 0x21];
        payload.extend_from_slice(&packet.payload[4..]);
        packet.payload = Bytes::from(payload);
    }
    let (frames, damaged) = feed(&mut Reassembler::new(Codec::Vp8, false), rewritten);
    assert_eq!(damaged, 0);
    let digests: Vec<FrameDigest> = frames.iter().map(|frame| frame.digest).collect();
    assert_eq!(digests, [sent[0].digest, sent[1].digest]);
}

#[test]
fn an_opus_packet_is_a_frame_whatever_its_marker_says() {
    let sent = stream(Codec::Opus, 6, 80);
    let mut arrived = packets(Codec::Opus, &sent, Instant::now());
    arrived[0].marker = true;
    arrived[4].marker = true;
    let mut reassembler = Reassembler::new(Codec::Opus, false);
    let mut out = Vec::new();
    for (position, packet) in arrived.into_iter().enumerate() {
        reassembler.packet(packet, &mut out);
        assert_eq!(out.len(), position + 1, "no packet waits for another one");
    }
}

#[test]
fn a_lost_opus_packet_costs_its_frame_and_a_late_one_is_still_taken() {
    let sent = stream(Codec::Opus, 40, 80);
    let mut arrived = packets(Codec::Opus, &sent, Instant::now());
    arrived.remove(20);
    let mut late = arrived.remove(10);
    late.at = arrived[11].at;
    arrived.insert(12, late);
    let mut reassembler = Reassembler::new(Codec::Opus, false);
    let (frames, damaged) = feed(&mut reassembler, arrived);
    let expect: Vec<i64> = (0..40).filter(|number| *number != 20).collect();
    assert_eq!((numbers(Codec::Opus, &frames), damaged), (expect, 0));
    assert_eq!(reassembler.stats().packets_lost, 1);
    assert_eq!(reassembler.stats().packets_reordered, 1);
}

#[test]
fn an_opus_packet_without_bytes_is_padding_or_a_damaged_frame() {
    let start = Instant::now();
    let sent = stream(Codec::Opus, 3, 80);
    let mut arrived = packets(Codec::Opus, &sent, start);
    arrived[0].payload = Bytes::new();
    arrived[1].payload = Bytes::new();
    arrived[1].marker = true;
    let (frames, damaged) = feed(&mut Reassembler::new(Codec::Opus, false), arrived);
    assert_eq!((numbers(Codec::Opus, &frames), damaged), (vec![2], 1));
}

#[test]
fn jitter_runs_on_the_clock_of_the_codec() {
    let start = Instant::now();
    let sent = stream(Codec::Opus, 2, 80);
    let mut arrived = packets(Codec::Opus, &sent, start);
    arrived[1].at += Duration::from_millis(16);
    let mut reassembler = Reassembler::new(Codec::Opus, false);
    feed(&mut reassembler, arrived);
    assert!((reassembler.stats().jitter_s - 0.001).abs() < 1e-6);
}

proptest! {
    #[test]
    fn any_packets_of_any_codec_are_survived_and_bounded(
        codec in prop::sample::select(Codec::ALL.to_vec()),
        input in prop::collection::vec(
            (any::<u16>(), any::<u32>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..300)
    ) {
        let start = Instant::now();
        let mut reassembler = Reassembler::new(codec, true);
        let mut out = Vec::new();
        for (step, (sequence, timestamp, marker, payload)) in input.into_iter().enumerate() {
            let at = start + Duration::from_millis(step as u64 * 7);
            let payload = Bytes::from(payload);
            reassembler.packet(RtpPacket { sequence, timestamp, marker, payload, at }, &mut out);
            prop_assert!(reassembler.held.len() <= super::MAX_HELD_PACKETS);
        }
        reassembler.handle_timeout(start + Duration::from_secs(60), &mut out);
        prop_assert!(out.len() <= 301);
    }

    #[test]
    fn any_vp8_payloads_in_a_row_give_a_frame_or_damage_but_never_more_bytes_than_came(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..20)
    ) {
        let start = Instant::now();
        let came: usize = payloads.iter().map(Vec::len).sum();
        let last = payloads.len() - 1;
        let row = payloads.into_iter().enumerate().map(|(position, payload)| RtpPacket {
            sequence: position as u16,
            timestamp: 0,
            marker: position == last,
            payload: Bytes::from(payload),
            at: start,
        });
        let (frames, _) = feed(&mut Reassembler::new(Codec::Vp8, true), row);
        prop_assert!(frames.len() <= 1);
        prop_assert!(frames.iter().all(|frame| frame.access_unit.as_ref().is_some_and(|unit| unit.len() < came)));
    }

    #[test]
    fn what_is_packetized_comes_back(
        codec in prop::sample::select(Codec::ALL.to_vec()),
        key: bool,
        size in 1_usize..8_000,
    ) {
        let key = key || codec.is_audio();
        let size = if codec.is_audio() { size.min(MAX_PAYLOAD - 1) } else { size };
        let frame = Packetizer::new(codec).packetize(0, 0, key, content(codec, 0, key, size)).unwrap();
        prop_assert!(frame.payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        let sent = [frame];
        let (frames, damaged) = feed(&mut Reassembler::new(codec, false), packets(codec, &sent, Instant::now()));
        prop_assert_eq!((frames.len(), damaged), (1, 0));
        prop_assert_eq!((frames[0].digest, frames[0].key), (sent[0].digest, key));
    }
}

#[test]
fn a_first_opus_packet_that_the_second_overtook_is_late_and_not_a_copy() {
    let sent = stream(Codec::Opus, 10, 80);
    let mut arrived = packets(Codec::Opus, &sent, Instant::now());
    arrived.swap(0, 1);
    arrived.insert(3, arrived[1].clone());
    let mut reassembler = Reassembler::new(Codec::Opus, true);
    let (frames, damaged) = feed(&mut reassembler, arrived);
    assert_eq!(
        (numbers(Codec::Opus, &frames), damaged),
        (vec![1, 0, 2, 3, 4, 5, 6, 7, 8, 9], 0)
    );
    assert!(frames[1].access_unit.is_none(), "no decoder goes back for it");
    let stats = reassembler.stats();
    assert_eq!(
        (
            stats.packets_reordered,
            stats.packets_duplicated,
            stats.packets_lost
        ),
        (1, 1, 0)
    );
}

#[test]
fn of_several_opus_packets_that_the_first_overtook_each_is_taken_once() {
    let sent = stream(Codec::Opus, 5, 80);
    let arrived = packets(Codec::Opus, &sent, Instant::now());
    let order = [2, 0, 1, 1, 0, 3, 4];
    let arrived: Vec<RtpPacket> = order.iter().map(|at| arrived[*at].clone()).collect();
    let mut reassembler = Reassembler::new(Codec::Opus, false);
    let (frames, _) = feed(&mut reassembler, arrived);
    assert_eq!(numbers(Codec::Opus, &frames), vec![2, 0, 1, 3, 4]);
    let stats = reassembler.stats();
    assert_eq!((stats.packets_duplicated, stats.packets_lost), (2, 0));
}
