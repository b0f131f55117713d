//! Sound as a viewer hears it: levels, gaps, holes, and what is audible although it should not be.
//!
//! Owns how a gap and a hole are defined. It is fed levels, not samples, and reads no clock; whether
//! what it counts is good is the checker's to say. Levels are in dBFS: decibels below full scale.

use serde::{Deserialize, Serialize};

/// What one packet holds, in milliseconds.
const PACKET_MS: u64 = 20;

/// A packet that was sent at this level or above has something to be heard, in dBFS.
pub const SENT_AUDIBLE_DBFS: f64 = -45.0;

/// A packet that is heard below this level is silent, in dBFS.
///
/// Well below what is sent, so that a quieter copy is not taken for none.
pub const HEARD_SILENT_DBFS: f64 = -60.0;

/// Fewest packets of a hole: 40 ms.
///
/// A codec gives sound out some milliseconds late (Opus 6.5 ms), so the packet in which a sound begins
/// can be loud where it was sent and silent where it is heard. That is one packet; two are a hole.
const HOLE_PACKETS: u64 = 2;

/// A packet of a muted sender that is heard at this level or above is audible, in dBFS.
pub const MUTED_AUDIBLE_DBFS: f64 = -50.0;

/// The level of digital silence, and the lowest that is counted (RFC 6464 section 3).
pub const SILENCE_DBFS: f64 = -127.0;

/// One decoded packet of 20 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeardPacket {
    /// Number of the packet.
    pub index: u64,
    /// Level as it was decoded, in dBFS.
    pub heard_dbfs: f64,
    /// Level as it was sent, in dBFS, where that is known.
    pub sent_dbfs: Option<f64>,
    /// Whether the sender is muted.
    pub muted: bool,
}

/// Sums up the sound of one viewer.
#[derive(Clone, Debug, Default)]
pub struct SoundTally {
    packets: u64,
    undecodable: u64,
    unmuted: u64,
    /// Sum over unmuted packets, 1 for each at full scale.
    energy: f64,
    gaps: Spans,
    open_gap: u64,
    holes: Spans,
    first_hole: Option<u64>,
    open_hole: Option<Hole>,
    audible_while_muted: u64,
    bursts_sent: u64,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    first: u64,
    packets: u64,
}

/// Stretches of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    /// How many.
    pub count: u64,
    /// The longest one, in milliseconds.
    pub longest_ms: u64,
    /// All together, in milliseconds.
    pub total_ms: u64,
}

impl Spans {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        self.total_ms = self.total_ms.saturating_add(other.total_ms);
    }

    fn add(&mut self, packets: u64) {
        let ms = packets.saturating_mul(PACKET_MS);
        self.count += 1;
        self.longest_ms = self.longest_ms.max(ms);
        self.total_ms = self.total_ms.saturating_add(ms);
    }
}

/// What a viewer heard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoundFigures {
    /// Packets that were decoded.
    pub packets: u64,
    /// Packets that the decoder refused.
    pub undecodable: u64,
    /// Mean level of the packets of an unmuted sender, by energy, in dBFS; absent when there was none.
    pub mean_level_dbfs: Option<f64>,
    /// Packets that never came; neighbours are one gap.
    pub gaps: Spans,
    /// Packets that came and were silent although sound was sent; neighbours are one hole, a single one is none.
    pub holes: Spans,
    /// Number of the packet that the first hole begins with.
    pub first_hole: Option<u64>,
    /// Bursts that were sent in the packets that were decoded.
    pub bursts_sent: u64,
    /// How much was audible later than a second after the mute was signaled, in milliseconds.
    pub audible_while_muted_ms: u64,
}

impl SoundTally {
    /// Takes the next packet that was decoded.
    pub fn packet(&mut self, packet: HeardPacket) {
        self.close_gap();
        self.packets += 1;
        let heard = packet.heard_dbfs.max(SILENCE_DBFS);
        if packet.muted {
            self.close_hole();
            return;
        }
        self.unmuted += 1;
        // No sample is beyond full scale, so no level is; an infinite one would spoil the mean for good.
        self.energy += 10_f64.powf(heard.min(0.0) / 10.0);
        let sent_audible = packet.sent_dbfs.is_some_and(|sent| sent >= SENT_AUDIBLE_DBFS);
        if sent_audible && heard < HEARD_SILENT_DBFS {
            self.silent(packet.index);
        } else {
            self.close_hole();
        }
    }

    /// Takes packets that are missing where the next one would be.
    pub fn gap(&mut self, missing_packets: u64) {
        if missing_packets > 0 {
            self.close_hole();
            self.open_gap = self.open_gap.saturating_add(missing_packets);
        }
    }

    /// Adds the sound of another viewer, or of an earlier connection; open stretches of both end.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        for tally in [&mut *self, &mut other] {
            tally.close_gap();
            tally.close_hole();
        }
        self.packets += other.packets;
        self.undecodable += other.undecodable;
        self.unmuted += other.unmuted;
        self.energy += other.energy;
        self.gaps.merge(other.gaps);
        self.holes.merge(other.holes);
        self.first_hole = self.first_hole.or(other.first_hole);
        self.audible_while_muted += other.audible_while_muted;
        self.bursts_sent += other.bursts_sent;
    }

    /// Notes how many packets were audible although the sender was muted, see [`super::mute`].
    pub fn audible_while_muted(&mut self, packets: u64) {
        self.audible_while_muted = packets;
    }

    /// Counts a burst that a decoded packet began with.
    pub fn burst_sent(&mut self) {
        self.bursts_sent += 1;
    }

    /// Counts a packet that the decoder refused.
    pub fn undecodable(&mut self) {
        self.undecodable += 1;
    }

    /// What was heard so far.
    pub fn figures(&self) -> SoundFigures {
        let mut ended = self.clone();
        ended.close_gap();
        ended.close_hole();
        SoundFigures {
            packets: ended.packets,
            undecodable: ended.undecodable,
            mean_level_dbfs: (ended.unmuted > 0).then(|| {
                let mean = ended.energy / ended.unmuted as f64;
                (10.0 * mean.log10()).max(SILENCE_DBFS)
            }),
            gaps: ended.gaps,
            holes: ended.holes,
            first_hole: ended.first_hole,
            bursts_sent: ended.bursts_sent,
            audible_while_muted_ms: ended.audible_while_muted.saturating_mul(PACKET_MS),
        }
    }

    fn silent(&mut self, index: u64) {
        match &mut self.open_hole {
            Some(hole) if hole.first.checked_add(hole.packets) == Some(index) => hole.packets += 1,
            _ => {
                self.close_hole();
                self.open_hole = Some(Hole {
                    first: index,
                    packets: 1,
                });
            }
        }
    }

    fn close_gap(&mut self) {
        if self.open_gap > 0 {
            self.gaps.add(self.open_gap);
            self.open_gap = 0;
        }
    }

    fn close_hole(&mut self) {
        if let Some(hole) = self.open_hole.take()
            && hole.packets >= HOLE_PACKETS
        {
            self.holes.add(hole.packets);
            self.first_hole.get_or_insert(hole.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(index: u64, heard_dbfs: f64) -> HeardPacket {
        HeardPacket {
            index,
            heard_dbfs,
            sent_dbfs: Some(-20.0),
            muted: false,
        }
    }

    /// One packet after another at these levels, all sent at -20 dBFS.
    fn heard(levels: &[f64]) -> SoundFigures {
        let mut tally = SoundTally::default();
        (0..)
            .zip(levels)
            .for_each(|(index, level)| tally.packet(packet(index, *level)));
        tally.figures()
    }

    fn spans(count: u64, longest_ms: u64, total_ms: u64) -> Spans {
        Spans {
            count,
            longest_ms,
            total_ms,
        }
    }

    #[test]
    fn the_mean_level_is_that_of_the_energy() {
        assert_eq!(SoundTally::default().figures().mean_level_dbfs, None);
        // Half of the packets at a tenth of the amplitude: 3 dB less, not 10.
        let mean = heard(&[-20.0, -40.0]).mean_level_dbfs.unwrap();
        assert!((mean - -22.97).abs() < 0.01, "{mean}");
    }

    #[test]
    fn digital_silence_and_broken_levels_have_a_number() {
        assert_eq!(heard(&[f64::NEG_INFINITY]).mean_level_dbfs, Some(SILENCE_DBFS));
        assert_eq!(heard(&[f64::NAN]).mean_level_dbfs, Some(SILENCE_DBFS));
        assert_eq!(heard(&[f64::INFINITY]).mean_level_dbfs, Some(0.0));
    }

    #[test]
    fn neighbouring_missing_packets_are_one_gap() {
        let mut tally = SoundTally::default();
        tally.packet(packet(0, -20.0));
        tally.gap(1);
        tally.gap(2);
        tally.packet(packet(4, -20.0));
        tally.gap(1);
        assert_eq!(tally.figures().gaps, spans(2, 60, 80));
        assert_eq!(tally.figures().packets, 2);
    }

    #[test]
    fn one_silent_packet_is_the_codecs_delay_and_two_are_a_hole() {
        assert_eq!(heard(&[-90.0, -20.0, -90.0, -20.0]).holes, Spans::default());
        let holed = heard(&[-20.0, -90.0, -90.0, -20.0, -90.0, -90.0, -90.0]);
        assert_eq!((holed.holes, holed.first_hole), (spans(2, 60, 100), Some(1)));
    }

    #[test]
    fn what_was_sent_quietly_or_is_heard_quietly_is_no_hole() {
        assert_eq!(heard(&[-59.0; 10]).holes, Spans::default());
        let mut tally = SoundTally::default();
        for (index, sent_dbfs) in [Some(-46.0), None].into_iter().cycle().take(10).enumerate() {
            tally.packet(HeardPacket {
                sent_dbfs,
                ..packet(index as u64, -90.0)
            });
        }
        assert_eq!(tally.figures().holes, Spans::default());
    }

    #[test]
    fn a_gap_ends_a_hole() {
        let mut tally = SoundTally::default();
        tally.packet(packet(0, -90.0));
        tally.gap(1);
        tally.packet(packet(2, -90.0));
        assert_eq!(tally.figures().holes, Spans::default());
    }

    #[test]
    fn packets_that_are_not_neighbours_are_not_one_hole() {
        let mut tally = SoundTally::default();
        for index in [0, 5, 5, u64::MAX, 0] {
            tally.packet(packet(index, -90.0));
        }
        assert_eq!(tally.figures().holes, Spans::default());
    }

    #[test]
    fn a_muted_sender_makes_no_hole_and_counts_in_no_mean() {
        let mut tally = SoundTally::default();
        for index in 0..100 {
            tally.packet(HeardPacket {
                muted: true,
                ..packet(index, -90.0)
            });
        }
        tally.audible_while_muted(4);
        let figures = tally.figures();
        assert_eq!(figures.audible_while_muted_ms, 80);
        assert_eq!((figures.holes, figures.mean_level_dbfs), (Spans::default(), None));
    }
}
