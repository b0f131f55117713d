//! What a receiver's socket sees of RTP streams: packets that come again and out of order, before any repair.
//!
//! Owns the counting from sequence numbers (RFC 3550 section A.1, RFC 4737 section 3.3). It measures what comes in
//! and knows nothing of what was sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Streams that are told apart; what comes beyond is not counted.
const MAX_STREAMS: usize = 16;
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
    /// Which of the last numbers have arrived, by number modulo their count.
    seen: Vec<u64>,
}

impl Arrivals {
    /// Takes the header of a packet.
    pub(crate) fn take(&mut self, ssrc: u32, payload_type: u8, sequence: u16) {
        let known = self.streams.len();
        let stream = match self.streams.entry(ssrc) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(_) if known >= MAX_STREAMS => return,
            // One cycle ahead, so that a packet before the first one has a number too.
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Stream {
                figures: ArrivalFigures {
                    payload_type,
                    ..ArrivalFigures::default()
                },
                highest: 0x1_0000 | u64::from(sequence),
                seen: vec![0; REMEMBERED / 64],
            }),
        };
        stream.take(sequence);
    }

    /// The streams, in order of payload type.
    pub(crate) fn figures(&self) -> Vec<ArrivalFigures> {
        let mut all: Vec<_> = self.streams.values().map(|stream| stream.figures).collect();
        all.sort_by_key(|figures| figures.payload_type);
        all
    }
}

impl Stream {
    fn take(&mut self, sequence: u16) {
        self.figures.arrived += 1;
        // The nearest number to the highest one that ends like this.
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
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
        let twice = (0..u16::MAX).chain(0..40_000);
        assert_eq!(counted(twice), (105_535, 0, 0));
    }

    #[test]
    fn streams_are_told_apart_and_bounded() {
        let mut arrivals = Arrivals::default();
        for ssrc in 0..100 {
            arrivals.take(ssrc, 111, 1);
        }
        assert_eq!(arrivals.figures().len(), MAX_STREAMS);
    }
}
