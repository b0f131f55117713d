//! What a receiver's socket sees of RTP streams: packets that come again and out of order, before any repair.
//!
//! Owns the counting from sequence numbers (RFC 3550 section A.1, RFC 4737 section 3.3). It measures what comes in
//! and knows nothing of what was sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Streams that are told apart; of more, those that had a single packet make room, because a flipped bit makes one.
const MAX_STREAMS: usize = 64;
/// A number that is further ahead than this is a flipped bit until the next one follows it (RFC 3550 section A.1).
const MAX_DROPOUT: u16 = 3_000;
/// Sequence numbers that are remembered: half of all, and beyond it old and new cannot be told apart anyway.
const REMEMBERED: usize = 32_768;

/// Packets of one RTP stream as they arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivalFigures {
    /// RTP payload type.
    pub payload_type: u8,
    /// Packets that arrived, the repeated ones too.
    pub arrived: u64,
    /// Of these, packets whose sequence number had arrived before: copies, and repairs of what was not lost.
    pub again: u64,
    /// Packets that arrived for the first time after one with a higher sequence number (RFC 4737 section 3.3). A
    /// retransmission counts as well.
    pub out_of_order: u64,
}

/// Counts the RTP packets that arrive at one connection.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    streams: BTreeMap<u32, Stream>,
}

#[derive(Debug)]
struct Stream {
    figures: ArrivalFigures,
    /// The highest extended sequence number.
    highest: u64,
    /// What follows a number that was too far ahead.
    expected_after_jump: Option<u16>,
    /// Which of the last numbers have arrived, by number modulo their count.
    seen: Vec<u64>,
}

impl Arrivals {
    /// Takes the header of a packet.
    pub(crate) fn take(&mut self, ssrc: u32, payload_type: u8, sequence: u16) {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&ssrc) {
            self.streams.retain(|_, stream| stream.figures.arrived > 1);
            if self.streams.len() >= MAX_STREAMS {
                return;
            }
        }
        let stream = match self.streams.entry(ssrc) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            // One cycle ahead, so that a packet before the first one has a number too.
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Stream {
                figures: ArrivalFigures {
                    payload_type,
                    ..ArrivalFigures::default()
                },
                highest: 0x1_0000 | u64::from(sequence),
                expected_after_jump: None,
                seen: vec![0; REMEMBERED / 64],
            }),
        };
        stream.take(sequence);
    }

    /// The streams, in order of payload type.
    pub(crate) fn figures(&self) -> Vec<ArrivalFigures> {
        let streams = self.streams.values().map(|stream| stream.figures);
        let mut all: Vec<_> = streams.filter(|figures| figures.arrived > 1).collect();
        all.sort_by_key(|figures| figures.payload_type);
        all
    }
}

impl Stream {
    fn take(&mut self, sequence: u16) {
        self.figures.arrived += 1;
        // The nearest number to the highest one that ends like this.
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        let jumps = ahead > MAX_DROPOUT as i16;
        let expected = self.expected_after_jump.take();
        if jumps && expected != Some(sequence) {
            self.expected_after_jump = Some(sequence.wrapping_add(1));
            return;
        }
        let number = self.highest.saturating_add_signed(i64::from(ahead));
        if number > self.highest {
            for skipped in self.highest + 1..number {
                self.set(skipped, false);
            }
            self.highest = number;
            self.set(number, true);
        } else if self.is_set(number) {
            self.figures.again += 1;
        } else {
            self.figures.out_of_order += u64::from(number < self.highest);
            self.set(number, true);
        }
    }

    fn set(&mut self, number: u64, arrived: bool) {
        let at = number as usize % REMEMBERED;
        let bit = 1 << (at % 64);
        if arrived {
            self.seen[at / 64] |= bit;
        } else {
            self.seen[at / 64] &= !bit;
        }
    }

    fn is_set(&self, number: u64) -> bool {
        let at = number as usize % REMEMBERED;
        self.seen[at / 64] & (1 << (at % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sequences: impl IntoIterator<Item = u16>) -> (u64, u64, u64) {
        let mut arrivals = Arrivals::default();
        for sequence in sequences {
            arrivals.take(7, 111, sequence);
        }
        let figures = arrivals.figures()[0];
        (figures.arrived, figures.again, figures.out_of_order)
    }

    #[test]
    fn packets_in_order_are_neither_again_nor_out_of_order_across_the_wrap() {
        let sequences = (65_000..=u16::MAX).chain(0..40_000);
        assert_eq!(counted(sequences), (40_536, 0, 0));
    }

    #[test]
    fn copies_and_overtaken_packets_are_counted_once_each() {
        assert_eq!(counted([1, 2, 2, 3]), (4, 1, 0));
        assert_eq!(counted([1, 3, 2, 4]), (4, 0, 1));
        assert_eq!(counted([5, 2, 3, 4, 6]), (5, 0, 3));
        assert_eq!(counted([1, 3, 2, 2, 3]), (5, 2, 1));
        assert_eq!(counted([u16::MAX, 1, 0]), (3, 0, 1));
    }

    #[test]
    fn what_was_forgotten_is_not_taken_for_a_copy() {
        let twice = (0..=u16::MAX).chain(0..40_000);
        assert_eq!(counted(twice), (105_536, 0, 0));
    }

    #[test]
    fn a_flipped_bit_of_a_header_spoils_nothing_but_its_own_packet() {
        let mut sequences: Vec<u16> = (1..500).collect();
        sequences[100] ^= 1 << 14;
        assert_eq!(counted(sequences), (499, 0, 0));
        // A sender that begins anew is followed with its second packet.
        let restarted = (1..100).chain(20_000..20_100);
        assert_eq!(counted(restarted), (199, 0, 0));
        let mut arrivals = Arrivals::default();
        for ssrc in 0..1_000 {
            arrivals.take(7, 111, ssrc as u16);
            arrivals.take(1_000 + ssrc, 111, 1);
        }
        assert_eq!(arrivals.figures().len(), 1);
        assert!(arrivals.streams.len() <= MAX_STREAMS);
    }
}
