//! Reassembly: RTP packets of one stream become frames again (RFC 6184, RFC 3550 appendix A).
//!
//! Owns reordering, duplicate removal, loss detection and the receive statistics of one SSRC. It
//! does not know what was sent; whether a frame is the right one is [`super::verify`]'s question.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::h264::{Digester, FU_A, FrameDigest, NAL_IDR, STAP_A, nal_type};
use super::rtp_time::{SequenceUnwrapper, TimestampUnwrapper, VIDEO_CLOCK_RATE};

/// How long a missing packet may still be retransmitted before its frame is given up.
///
/// Five round trips of 100 ms: a NACK and its answer fit several times.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Most packets held while waiting for a missing one; beyond it the wait ends at once.
pub const MAX_HELD_PACKETS: usize = 4_096;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// One RTP packet as it came off the wire, header fields taken apart.
#[derive(Clone, Debug)]
pub struct RtpPacket {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Marker bit: last packet of its frame.
    pub marker: bool,
    /// Payload without header and padding.
    pub payload: Bytes,
    /// When it arrived.
    pub at: Instant,
}

/// A frame of which every packet arrived.
#[derive(Clone, Debug)]
pub struct ReceivedFrame {
    /// Unwrapped RTP timestamp, 90 kHz.
    pub rtp_time: i64,
    /// Arrival of its first packet.
    pub first_packet_at: Instant,
    /// Arrival of the packet that completed it.
    pub completed_at: Instant,
    /// Whether it holds an IDR picture.
    pub key: bool,
    /// Digest of its content.
    pub digest: FrameDigest,
    /// Payload bytes.
    pub bytes: u32,
    /// Packets.
    pub packets: u32,
    /// The access unit in Annex B form, when the reassembler was asked to keep it.
    pub access_unit: Option<Vec<u8>>,
}

/// What reassembly gives out, in the order of the stream.
#[derive(Clone, Debug)]
pub enum Reassembled {
    /// A complete frame.
    Frame(ReceivedFrame),
    /// A frame that will never be complete or cannot be parsed.
    Damaged {
        /// Unwrapped RTP timestamp, 90 kHz.
        rtp_time: i64,
        /// Packets known to be missing from it or from before it.
        missing: u32,
    },
}

/// Receive statistics of one stream, named as in W3C webrtc-stats `RTCReceivedRtpStreamStats`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceiveStats {
    /// `packetsReceived`, duplicates included.
    pub packets_received: u64,
    /// Duplicates among them.
    pub packets_duplicated: u64,
    /// Packets that came after a later one.
    pub packets_reordered: u64,
    /// `packetsLost`: expected minus received; repaired ones do not count.
    pub packets_lost: u64,
    /// Payload bytes.
    pub bytes_received: u64,
    /// `jitter` (RFC 3550 section 6.4.1), in seconds.
    pub jitter_s: f64,
}

/// Puts the packets of one video stream together again.
#[derive(Debug)]
pub struct Reassembler {
    keep_access_unit: bool,
    sequences: SequenceUnwrapper,
    timestamps: TimestampUnwrapper,
    held: BTreeMap<i64, Held>,
    /// Sequence number of the first packet of the next frame to give out.
    next: Option<i64>,
    started: bool,
    gap_since: Option<Instant>,
    highest: i64,
    first: i64,
    transit: Option<(Instant, i64)>,
    stats: ReceiveStats,
}

#[derive(Debug)]
struct Held {
    rtp_time: i64,
    marker: bool,
    payload: Bytes,
    at: Instant,
}

impl Reassembler {
    /// A reassembler for one stream; `keep_access_unit` keeps the bytes of each frame for a decoder.
    pub fn new(keep_access_unit: bool) -> Self {
        Self {
            keep_access_unit,
            sequences: SequenceUnwrapper::default(),
            timestamps: TimestampUnwrapper::default(),
            held: BTreeMap::new(),
            next: None,
            started: false,
            gap_since: None,
            highest: i64::MIN,
            first: i64::MAX,
            transit: None,
            stats: ReceiveStats::default(),
        }
    }

    /// Takes one packet and gives out every frame that became ready, oldest first.
    pub fn packet(&mut self, packet: RtpPacket, out: &mut Vec<Reassembled>) {
        let now = packet.at;
        let sequence = self.sequences.unwrap(packet.sequence);
        let rtp_time = self.timestamps.unwrap(packet.timestamp);
        self.stats.packets_received += 1;
        self.stats.bytes_received += packet.payload.len() as u64;

        let passed = self.started && self.next.is_some_and(|next| sequence < next);
        if passed || self.held.contains_key(&sequence) {
            self.stats.packets_duplicated += 1;
            return;
        }
        let in_order = sequence > self.highest;
        if !in_order {
            self.stats.packets_reordered += 1;
        } else {
            self.update_jitter(now, rtp_time);
        }
        self.highest = self.highest.max(sequence);
        self.first = self.first.min(sequence);
        if self.next.is_none_or(|next| sequence < next) {
            self.next = Some(sequence);
        }
        let marker = packet.marker;
        self.held.insert(
            sequence,
            Held {
                rtp_time,
                marker,
                payload: packet.payload,
                at: now,
            },
        );

        // Between frames nothing can become ready but by a marker or by a packet that fills a gap.
        if marker || !in_order {
            self.release(out);
        }
        self.watch_gap(now, out);
    }

    /// Gives up packets that have been missing for [`PATIENCE`].
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Reassembled>) {
        self.watch_gap(now, out);
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called; `None` while nothing is missing.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.gap_since.map(|since| since + PATIENCE)
    }

    /// The statistics so far.
    pub fn stats(&self) -> ReceiveStats {
        let mut stats = self.stats;
        if self.first <= self.highest {
            let expected = (self.highest - self.first + 1) as u64;
            let unique = stats.packets_received - stats.packets_duplicated;
            stats.packets_lost = expected.saturating_sub(unique);
        }
        stats
    }

    fn update_jitter(&mut self, at: Instant, rtp_time: i64) {
        if let Some((last_at, last_time)) = self.transit {
            let arrival = at.saturating_duration_since(last_at).as_secs_f64();
            let media = (rtp_time - last_time) as f64 / f64::from(VIDEO_CLOCK_RATE);
            self.stats.jitter_s += ((arrival - media).abs() - self.stats.jitter_s) / 16.0;
        }
        self.transit = Some((at, rtp_time));
    }

    /// Gives out complete frames from the front as long as there are any.
    fn release(&mut self, out: &mut Vec<Reassembled>) {
        while let Some(end) = self.complete_frame() {
            let Some(start) = self.next else { return };
            out.push(self.take_frame(start, end));
        }
    }

    /// The last sequence number of the frame that starts at `next`, when all of it is here.
    fn complete_frame(&mut self) -> Option<i64> {
        loop {
            let start = self.next?;
            let head = self.held.get(&start)?;
            let rtp_time = head.rtp_time;
            if head.payload.is_empty() && !head.marker {
                // Padding between frames only moves the sequence number on.
                self.held.remove(&start);
                self.next = Some(start + 1);
                continue;
            }
            if !self.started && !starts_frame(&head.payload) {
                return None;
            }
            for (expected, (&sequence, packet)) in (start..).zip(self.held.range(start..)) {
                if sequence != expected {
                    return None;
                }
                if packet.rtp_time != rtp_time {
                    // A sender that leaves the marker out ends its frames by the next timestamp.
                    return Some(sequence - 1);
                }
                if packet.marker {
                    return Some(sequence);
                }
            }
            return None;
        }
    }

    /// Removes the packets `start..=end` and makes a frame of them.
    fn take_frame(&mut self, start: i64, end: i64) -> Reassembled {
        let tail = self.held.split_off(&(end + 1));
        let packets = std::mem::replace(&mut self.held, tail);
        self.next = Some(end + 1);
        self.started = true;
        let frame: Vec<Held> = packets
            .into_iter()
            .filter(|(at, _)| *at >= start)
            .map(|(_, p)| p)
            .collect();
        let rtp_time = frame.last().map_or(0, |packet| packet.rtp_time);
        build_frame(&frame, self.keep_access_unit)
            .map_or(Reassembled::Damaged { rtp_time, missing: 0 }, Reassembled::Frame)
    }

    /// Starts or stops waiting for a missing packet, and ends a wait that took too long.
    fn watch_gap(&mut self, now: Instant, out: &mut Vec<Reassembled>) {
        loop {
            let has_gap = match self.next {
                Some(next) => {
                    let span = self.highest - next + 1;
                    span > 0 && ((self.held.len() as i64) < span || (!self.started && self.has_marker()))
                }
                None => false,
            };
            if !has_gap {
                self.gap_since = None;
                return;
            }
            let since = match self.gap_since {
                Some(since) => since,
                None => *self.gap_since.insert(self.gap_noticed_at().unwrap_or(now)),
            };
            let overdue = now.saturating_duration_since(since) >= PATIENCE;
            if !overdue && self.held.len() < MAX_HELD_PACKETS {
                return;
            }
            self.give_up(out);
            self.gap_since = None;
            self.release(out);
        }
    }

    /// Arrival of the first packet beyond the first missing one, which is when the gap was noticed.
    fn gap_noticed_at(&self) -> Option<Instant> {
        let mut expected = self.next?;
        let beyond = self.held.iter().find(|(sequence, _)| {
            let contiguous = **sequence == expected;
            expected += 1;
            !contiguous
        });
        beyond
            .or_else(|| self.held.iter().next())
            .map(|(_, packet)| packet.at)
    }

    fn has_marker(&self) -> bool {
        self.held.values().any(|packet| packet.marker)
    }

    /// Drops the frame at the front that cannot be completed and moves on to the next frame start.
    fn give_up(&mut self, out: &mut Vec<Reassembled>) {
        let Some(start) = self.next else { return };
        let Some((&front, packet)) = self.held.iter().next() else {
            self.next = Some(self.highest + 1);
            return;
        };
        let rtp_time = packet.rtp_time;
        self.started = true;
        if front > start && starts_frame(&packet.payload) && !idr_without_parameter_sets(&packet.payload) {
            // The missing packets belong to frames before this one, of which nothing arrived.
            self.next = Some(front);
            return;
        }
        let of_frame: Vec<i64> = self
            .held
            .iter()
            .take_while(|(_, held)| held.rtp_time == rtp_time)
            .map(|(&s, _)| s)
            .collect();
        let last = of_frame.last().copied().unwrap_or(front);
        let missing = (last - start + 1) - of_frame.len() as i64;
        for sequence in &of_frame {
            self.held.remove(sequence);
        }
        self.next = Some(last + 1);
        out.push(Reassembled::Damaged {
            rtp_time,
            missing: u32::try_from(missing).unwrap_or(0),
        });
    }
}

/// Whether a payload can be the first of a frame (RFC 6184 section 5.2; H.264 7.3.3).
///
/// A slice starts a picture when its `first_mb_in_slice` is 0, which Exp-Golomb writes as a 1 bit.
fn starts_frame(payload: &[u8]) -> bool {
    let slice_starts = |header: u8, first: Option<&u8>| match header & 0x1f {
        1..=5 => first.is_some_and(|byte| byte & 0x80 != 0),
        _ => true,
    };
    match nal_type(payload) {
        Some(FU_A) => payload
            .get(1)
            .is_some_and(|fu| fu & 0x80 != 0 && slice_starts(*fu, payload.get(2))),
        Some(_) => slice_starts(payload[0], payload.get(1)),
        None => false,
    }
}

/// An IDR picture that comes right after lost packets most likely lost its parameter sets with them.
fn idr_without_parameter_sets(payload: &[u8]) -> bool {
    match nal_type(payload) {
        Some(FU_A) => payload.get(1).is_some_and(|fu| fu & 0x1f == NAL_IDR),
        Some(kind) => kind == NAL_IDR,
        None => false,
    }
}

/// Depacketizes a frame's packets; `None` when the payloads contradict RFC 6184.
fn build_frame(packets: &[Held], keep: bool) -> Option<ReceivedFrame> {
    let mut digester = Digester::default();
    let mut access_unit = keep.then(Vec::new);
    let mut fragments: Vec<&[u8]> = Vec::new();
    let mut header = [0_u8; 1];
    let mut bytes = 0_usize;
    let mut index = 0;
    while index < packets.len() {
        let payload = &packets[index].payload;
        bytes += payload.len();
        index += 1;
        match nal_type(payload) {
            None => {}
            Some(STAP_A) => {
                let mut rest = &payload[1..];
                while !rest.is_empty() {
                    let (len, tail) = rest.split_first_chunk::<2>()?;
                    let (unit, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
                    add_unit(&mut digester, access_unit.as_mut(), unit);
                    rest = tail;
                }
            }
            Some(FU_A) => {
                let fu = *payload.get(1)?;
                if fu & 0x80 == 0 {
                    return None;
                }
                header[0] = (payload[0] & 0xe0) | (fu & 0x1f);
                fragments.clear();
                fragments.push(&payload[2..]);
                let mut ended = fu & 0x40 != 0;
                while !ended {
                    let next = &packets.get(index)?.payload;
                    let next_fu = *next.get(1)?;
                    if nal_type(next) != Some(FU_A) || next_fu & 0x80 != 0 || (next_fu ^ fu) & 0x1f != 0 {
                        return None;
                    }
                    bytes += next.len();
                    index += 1;
                    ended = next_fu & 0x40 != 0;
                    fragments.push(&next[2..]);
                }
                let len = 1 + fragments.iter().map(|piece| piece.len()).sum::<usize>();
                let pieces = std::iter::once(&header[..]).chain(fragments.iter().copied());
                digester.unit_from_pieces(len, pieces.clone());
                if let Some(unit) = access_unit.as_mut() {
                    unit.extend_from_slice(&START_CODE);
                    pieces.for_each(|piece| unit.extend_from_slice(piece));
                }
            }
            Some(1..=23) => add_unit(&mut digester, access_unit.as_mut(), payload),
            Some(_) => return None,
        }
    }
    Some(ReceivedFrame {
        rtp_time: packets.last()?.rtp_time,
        first_packet_at: packets.iter().map(|packet| packet.at).min()?,
        completed_at: packets.iter().map(|packet| packet.at).max()?,
        key: digester.has_idr(),
        digest: digester.finish()?,
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        packets: u32::try_from(packets.len()).unwrap_or(u32::MAX),
        access_unit,
    })
}

fn add_unit(digester: &mut Digester, access_unit: Option<&mut Vec<u8>>, unit: &[u8]) {
    digester.unit(unit);
    if let Some(access_unit) = access_unit {
        access_unit.extend_from_slice(&START_CODE);
        access_unit.extend_from_slice(unit);
    }
}

#[cfg(test)]
mod tests;
