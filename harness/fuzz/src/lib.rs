//! What the fuzz targets share: bytes that become the packets of a stream, and frames of a stream.
//!
//! Owns the reading of the fuzzer's input and what must hold of a reassembler's output. It must not
//! look into payloads, which is what is fuzzed.

use std::time::Duration;

use bytes::Bytes;
use greenroom::media::codec::Codec;
use greenroom::media::digest::FrameDigest;
use greenroom::media::reassemble::{PATIENCE, Reassembled, Reassembler, RtpPacket};
use tokio::time::Instant;

/// Feeds any packets to a reassembler and checks what comes out.
///
/// A packet is five octets and its payload: the steps of the sequence number and of the timestamp,
/// signed, so that most packets follow each other; flags with the marker bit; milliseconds since the
/// packet before; the length of the payload.
pub fn depacketize(codec: Codec, mut input: &[u8]) {
    let mut reassembler = Reassembler::new(codec, true);
    let mut at = Instant::now();
    let (mut sequence, mut timestamp) = (65_530_u16, u32::MAX - 10_000);
    let mut out = Vec::new();
    let (mut packets, mut bytes) = (0, 0);
    while let Some((&[step, ticks, flags, pause, len], rest)) = input.split_first_chunk() {
        let (payload, rest) = rest.split_at(usize::from(len).min(rest.len()));
        input = rest;
        sequence = sequence.wrapping_add_signed(i16::from(step as i8));
        timestamp = timestamp.wrapping_add_signed(i32::from(ticks as i8) * 480);
        if flags & 0x80 != 0 {
            // A jump: another sender, or a hostile one.
            sequence = sequence.wrapping_mul(31);
            timestamp = timestamp.wrapping_mul(31);
        }
        at += Duration::from_millis(u64::from(pause));
        packets += 1;
        bytes += payload.len();
        let packet = RtpPacket {
            sequence,
            timestamp,
            marker: flags & 1 != 0,
            payload: Bytes::copy_from_slice(payload),
            at,
        };
        reassembler.packet(packet, &mut out);
    }
    reassembler.handle_timeout(at + PATIENCE, &mut out);
    check(codec, &out, packets, bytes);
    let stats = reassembler.stats();
    assert_eq!(stats.packets_received, packets as u64);
    assert!(stats.jitter_s.is_finite());
}

/// Every frame has content that digests as it says, and nothing comes out that did not go in.
fn check(codec: Codec, out: &[Reassembled], packets: usize, bytes: usize) {
    let (mut packets_out, mut bytes_out) = (0, 0);
    for item in out {
        let Reassembled::Frame(frame) = item else { continue };
        packets_out += frame.packets as usize;
        bytes_out += frame.bytes as usize;
        assert!(frame.first_packet_at <= frame.completed_at);
        let unit = frame.access_unit.as_ref().expect("access units are kept");
        if codec == Codec::H264 {
            // Hostile NAL units may hold start codes, so the digest of the whole says nothing.
            assert!(!unit.is_empty());
        } else {
            assert_eq!(FrameDigest::of(codec, unit), Some(frame.digest));
            assert!(unit.len() <= frame.bytes as usize);
        }
        assert!(!codec.is_audio() || (frame.packets == 1 && frame.key));
    }
    assert!(packets_out <= packets && bytes_out <= bytes);
    assert!(out.len() <= packets);
}
