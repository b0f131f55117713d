//! Reassembly: RTP packets of one stream become frames again (RFC 3550 appendix A).
//!
//! Owns reordering, duplicate removal, loss detection and the receive statistics of one SSRC. It
//! looks into no payload, which is the codecs' matter, and does not know what was sent; whether a
//! frame is the right one is [`super::verify`]'s question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::codec::Codec;
use super::depacketize::{self, Content};
use super::digest::FrameDigest;
use super::rtp_time::{SequenceUnwrapper, TimestampUnwrapper};

/// How long a missing packet may still be retransmitted before its frame is given up.
///
/// Five round trips of 100 ms: a NACK and its answer fit several times.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Most packets held while waiting for a missing one; beyond it the wait ends at once.
pub const MAX_HELD_PACKETS: usize = 4_096;

/// Packets from before the first one that are remembered.
const MAX_EARLY: usize = 256;

/// One RTP packet as it came off the wire, header fields taken apart.
#[derive(Clone, Debug)]
pub struct RtpPacket {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Marker bit: last packet of a video frame, first of an Opus talkspurt.
    pub marker: bool,
    /// Payload without header and padding.
    pub payload: Bytes,
    /// When it arrived.
    pub at: Instant,
}

/// A frame of which every packet arrived.
#[derive(Clone, Debug)]
pub struct ReceivedFrame {
    /// Its codec.
    pub codec: Codec,
    /// Unwrapped RTP timestamp, in ticks of the codec's clock.
    pub rtp_time: i64,
    /// Arrival of its first packet.
    pub first_packet_at: Instant,
    /// Arrival of the packet that completed it.
    pub completed_at: Instant,
    /// Whether a decoder can start here: an IDR picture, a VP8 key frame, any Opus frame.
    pub key: bool,
    /// Whether packets before it were given up: what it refers to may be missing.
    pub after_loss: bool,
    /// Digest of its content.
    pub digest: FrameDigest,
    /// Payload bytes.
    pub bytes: u32,
    /// Packets.
    pub packets: u32,
    /// The frame as a decoder takes it (H.264 in Annex B form), when the reassembler was asked to keep it.
    pub access_unit: Option<Vec<u8>>,
}

/// What reassembly gives out, in the order of the stream.
#[derive(Clone, Debug)]
pub enum Reassembled {
    /// A complete frame.
    Frame(ReceivedFrame),
    /// A frame that will never be complete or cannot be parsed.
    Damaged {
        /// Unwrapped RTP timestamp, in ticks of the codec's clock.
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

/// Puts the packets of one stream together again.
#[derive(Debug)]
pub struct Reassembler {
    codec: Codec,
    keep_access_unit: bool,
    sequences: SequenceUnwrapper,
    timestamps: TimestampUnwrapper,
    held: BTreeMap<i64, Held>,
    /// Sequence number of the first packet of the next frame to give out.
    next: Option<i64>,
    started: bool,
    gap_since: Option<Instant>,
    /// Whether packets were given up since the last frame that was given out.
    gave_up: bool,
    highest: i64,
    first: i64,
    /// Sequence number of the packet that the stream began with here, and those from before it that came later;
    /// at most as many as a sender can have under way.
    began_at: Option<i64>,
    early: BTreeSet<i64>,
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
    pub fn new(codec: Codec, keep_access_unit: bool) -> Self {
        Self {
            codec,
            keep_access_unit,
            sequences: SequenceUnwrapper::default(),
            timestamps: TimestampUnwrapper::default(),
            held: BTreeMap::new(),
            next: None,
            started: false,
            gap_since: None,
            gave_up: false,
            highest: i64::MIN,
            first: i64::MAX,
            began_at: None,
            early: BTreeSet::new(),
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
        if passed && self.began_at.is_some_and(|began| sequence < began) && self.early.insert(sequence) {
            return self.overtaken_at_the_start(sequence, rtp_time, packet, out);
        }
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

        // Nothing becomes ready but by the end of a frame or by a packet that fills a gap.
        if depacketize::ends_frame(self.codec, marker) || !in_order {
            self.release(out);
        }
        self.watch_gap(now, out);
    }

    /// Takes a packet from before the one that the stream began with here, which overtook it. A sound packet is
    /// a frame all the same, though too late for a decoder; of a picture nothing can begin in the middle.
    fn overtaken_at_the_start(
        &mut self,
        sequence: i64,
        rtp_time: i64,
        packet: RtpPacket,
        out: &mut Vec<Reassembled>,
    ) {
        self.stats.packets_reordered += 1;
        self.first = self.first.min(sequence);
        while self.early.len() > MAX_EARLY {
            self.early.pop_last();
        }
        if !self.codec.is_audio() {
            return;
        }
        let payloads = [packet.payload];
        if let Some(content) = depacketize::depacketize(self.codec, &payloads, false) {
            let [payload] = payloads;
            out.push(Reassembled::Frame(ReceivedFrame {
                codec: self.codec,
                rtp_time,
                first_packet_at: packet.at,
                completed_at: packet.at,
                key: content.key,
                after_loss: false,
                digest: content.digest,
                bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                packets: 1,
                access_unit: None,
            }));
        }
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
            let media = (rtp_time - last_time) as f64 / f64::from(self.codec.clock_rate());
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
            if !self.started && !depacketize::starts_frame(self.codec, &head.payload) {
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
                if depacketize::ends_frame(self.codec, packet.marker) {
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
        self.began_at.get_or_insert(start);
        let mut arrived: Option<(Instant, Instant)> = None;
        let mut rtp_time = 0;
        let payloads: Vec<Bytes> = packets
            .into_iter()
            .filter(|(sequence, _)| *sequence >= start)
            .map(|(_, packet)| {
                rtp_time = packet.rtp_time;
                let (first, last) = arrived.unwrap_or((packet.at, packet.at));
                arrived = Some((first.min(packet.at), last.max(packet.at)));
                packet.payload
            })
            .collect();
        let after_loss = std::mem::take(&mut self.gave_up);
        let content = depacketize::depacketize(self.codec, &payloads, self.keep_access_unit);
        let (Some(content), Some((first_packet_at, completed_at))) = (content, arrived) else {
            self.gave_up = true;
            return Reassembled::Damaged { rtp_time, missing: 0 };
        };
        let Content {
            key,
            digest,
            access_unit,
        } = content;
        let bytes = payloads.iter().map(Bytes::len).sum::<usize>();
        Reassembled::Frame(ReceivedFrame {
            codec: self.codec,
            rtp_time,
            first_packet_at,
            completed_at,
            key,
            after_loss,
            digest,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            packets: u32::try_from(payloads.len()).unwrap_or(u32::MAX),
            access_unit,
        })
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
        self.began_at.get_or_insert(start);
        self.gave_up = true;
        let whole = depacketize::starts_frame(self.codec, &packet.payload)
            && !depacketize::lost_its_beginning(self.codec, &packet.payload);
        if front > start && whole {
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

#[cfg(test)]
mod codecs;
#[cfg(test)]
mod tests;
