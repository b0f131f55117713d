//! What a second of video costs a viewer after decryption: packets become frames, and each frame is held against
//! the ledger.

mod broadcast;

use anyhow::{Result, ensure};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use greenroom::media::codec::Codec;
use greenroom::media::h264::FrameDigest;
use greenroom::media::kind::MediaKind;
use greenroom::media::ledger::{
    KEPT_FRAMES, LEDGER_VERSION, Ledger, LedgerEntry, LedgerFrame, LedgerHeader, Span,
};
use greenroom::media::packetize::{EncodedFrame, Packetizer};
use greenroom::media::reassemble::{Reassembled, Reassembler, ReceiveStats, RtpPacket};
use greenroom::media::rtp_time::VIDEO_CLOCK_RATE;
use greenroom::media::verify::{Arrived, Tally, Verifier};
use greenroom::{Deadlines, RunClock};
use greenroom_fixtures::Size;

const BITRATE_BPS: u32 = 1_000_000;

/// Frames in the measured second.
const FRAMES: u32 = broadcast::FPS;

/// The number of its first frame: the ledger behind it is as full as it ever gets.
const FIRST: u32 = KEPT_FRAMES as u32 - FRAMES;

/// Where the connection's counters begin; the sequence number wraps within the second.
const FIRST_SEQUENCE: u16 = 65_500;
const TIMESTAMP_OFFSET: u32 = 4_000_000_000;

/// Every this many packets, one comes late: 2 %.
const REORDERED_EVERY: usize = 50;

/// Time from when a frame is due to when its packets are there, in microseconds.
const ENCODING_US: u64 = 2_000;

/// Packets that overtake a late one.
const OVERTAKEN_BY: usize = 3;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    reassemble(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn reassemble(criterion: &mut Criterion) -> Result<()> {
    let clock = RunClock::start();
    let mut group = criterion.benchmark_group("reassemble");
    group.throughput(Throughput::Elements(u64::from(FRAMES)));
    for codec in [Codec::H264, Codec::Vp8] {
        let frames = second(codec)?;
        let ledger = ledger(codec, &frames)?;
        let in_order = packets(&frames, &clock);
        let (reordered, late) = reordered(&in_order);
        for (order, packets, late) in [("in order", in_order, 0), ("2 % reordered", reordered, late)] {
            check(codec, &packets, &clock, &ledger, late)?;
            group.bench_function(BenchmarkId::new(order, codec), |bencher| {
                bencher.iter_batched(
                    || packets.clone(),
                    |packets| receive(codec, packets, &clock, &ledger),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
    Ok(())
}

/// What a viewer does with the packets of one connection, from its first frame to its last.
fn receive(
    codec: Codec,
    packets: Vec<RtpPacket>,
    clock: &RunClock,
    ledger: &Ledger,
) -> (Tally, ReceiveStats) {
    let mut reassembler = Reassembler::new(codec, false);
    // Broadcaster and viewer run on one clock.
    let mut verifier = Verifier::new(Deadlines::default().frame, Some(0));
    verifier.opened(FIRST);
    let mut reassembled = Vec::new();
    let mut judgements = Vec::new();
    for packet in packets {
        reassembler.packet(packet, &mut reassembled);
        for item in reassembled.drain(..) {
            match item {
                Reassembled::Frame(frame) => {
                    let arrived = Arrived {
                        rtp_time: frame.rtp_time,
                        digest: frame.digest,
                        completed_us: clock.us(frame.completed_at),
                    };
                    verifier.frame(arrived, ledger.track(MediaKind::Video), &mut judgements);
                }
                Reassembled::Damaged { .. } => verifier.damaged(),
            }
        }
    }
    let span = Span {
        first: FIRST,
        last: Some(FIRST + FRAMES - 1),
        skipped: 0,
    };
    let tally = verifier.finish(Some(span), None, ledger.track(MediaKind::Video), &mut judgements);
    (tally, reassembler.stats())
}

/// Refuses to measure a stream of which not every frame verifies, or in which other packets come late.
fn check(codec: Codec, packets: &[RtpPacket], clock: &RunClock, ledger: &Ledger, late: usize) -> Result<()> {
    let (tally, stats) = receive(codec, packets.to_vec(), clock, ledger);
    ensure!(
        tally.verified == u64::from(FRAMES) && stats.packets_reordered == late as u64,
        "expected {FRAMES} verified frames and {late} late packets, got {tally:?} and {stats:?}"
    );
    Ok(())
}

/// The frames of the second, the first of them a key frame.
///
/// Those of VP8 are the bytes of H.264 behind a VP8 frame tag: reassembly looks no further.
fn second(codec: Codec) -> Result<Vec<EncodedFrame>> {
    let units = broadcast::encoded(Size::DEFAULT, BITRATE_BPS, FIRST..FIRST + FRAMES)?;
    let bits: usize = units.iter().map(|unit| unit.bytes.len() * 8).sum();
    ensure!(
        bits.abs_diff(BITRATE_BPS as usize) <= BITRATE_BPS as usize / 10,
        "expected a second of about {BITRATE_BPS} bits, the encoder gave {bits}"
    );
    let mut packetizer = Packetizer::new(codec);
    (FIRST..)
        .zip(units)
        .map(|(index, unit)| {
            let media_time = i64::from(index) * i64::from(VIDEO_CLOCK_RATE / broadcast::FPS);
            let frame = match codec {
                Codec::Vp8 if unit.key => [&[0x10, 0, 0, 0x9d, 0x01, 0x2a], &unit.bytes[..]].concat(),
                Codec::Vp8 => [&[0x11, 0, 0], &unit.bytes[..]].concat(),
                _ => unit.bytes,
            };
            Ok(packetizer.packetize(index, media_time, unit.key, frame)?)
        })
        .collect()
}

/// A full ledger that ends with these frames.
fn ledger(codec: Codec, frames: &[EncodedFrame]) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    ledger.apply(LedgerEntry::Header(LedgerHeader {
        greenroom_ledger: LEDGER_VERSION,
        video: codec,
        audio: None,
        frame_rate: 30.0,
        clip: String::new(),
        epoch_unix_us: 0,
        boot_id: None,
    }))?;
    // Frames that went before are looked past, never at: any digest of their own will do.
    let before = (0..FIRST).map(|index| FrameDigest {
        picture: u64::from(index),
        parameter_sets: None,
    });
    for (index, digest) in (0..).zip(before.chain(frames.iter().map(|frame| frame.digest))) {
        ledger.apply(LedgerEntry::Frame(LedgerFrame {
            index,
            media_time: i64::from(index) * i64::from(VIDEO_CLOCK_RATE / broadcast::FPS),
            picture: digest.picture,
            parameter_sets: digest.parameter_sets,
            key: index == FIRST,
            muted: false,
            stamp: Some(index),
            level_dbfs: None,
            due_us: due_us(index),
            captured_us: due_us(index),
            encoded_us: due_us(index) + ENCODING_US,
        }))?;
    }
    Ok(ledger)
}

/// The packets of the second in sending order; those of a frame arrive together.
fn packets(frames: &[EncodedFrame], clock: &RunClock) -> Vec<RtpPacket> {
    let mut sequence = FIRST_SEQUENCE;
    let mut packets = Vec::new();
    for frame in frames {
        for (position, payload) in frame.payloads.iter().enumerate() {
            packets.push(RtpPacket {
                sequence,
                timestamp: TIMESTAMP_OFFSET.wrapping_add(frame.media_time as u32),
                marker: position + 1 == frame.payloads.len(),
                payload: payload.clone(),
                at: clock.instant(due_us(frame.index) + ENCODING_US),
            });
            sequence = sequence.wrapping_add(1);
        }
    }
    packets
}

/// The same packets at the same times, but one in [`REORDERED_EVERY`] is overtaken.
fn reordered(packets: &[RtpPacket]) -> (Vec<RtpPacket>, usize) {
    let mut reordered = packets.to_vec();
    let mut late = 0;
    for stretch in reordered.chunks_exact_mut(REORDERED_EVERY) {
        stretch[REORDERED_EVERY / 2..][..=OVERTAKEN_BY].rotate_left(1);
        late += 1;
    }
    for (packet, slot) in reordered.iter_mut().zip(packets) {
        packet.at = slot.at;
    }
    (reordered, late)
}

fn due_us(index: u32) -> u64 {
    u64::from(index) * 1_000_000 / u64::from(broadcast::FPS)
}
