//! RTP timestamps and sequence numbers: unwrapping of counters that roll over (RFC 3550 section 5.1).
//!
//! Owns the arithmetic only; what a timestamp means is the caller's.

/// The RTP clock rate of every video payload format, in ticks per second (RFC 6184 section 8.2.1).
pub const VIDEO_CLOCK_RATE: u32 = 90_000;

/// The RTP clock rate of Opus, in ticks per second (RFC 7587 section 4.1).
pub const OPUS_CLOCK_RATE: u32 = 48_000;

/// Extends a 32-bit RTP timestamp to one that does not wrap for the life of a stream.
///
/// A step of more than half the range counts as a step backwards, so late packets unwrap rightly.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampUnwrapper {
    last: Option<i64>,
}

impl TimestampUnwrapper {
    /// The unwrapped timestamp, in ticks; the first one seen is returned as it is.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let unwrapped = match self.last {
            None => i64::from(timestamp),
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
        };
        self.last = Some(unwrapped);
        unwrapped
    }
}

/// Extends a 16-bit RTP sequence number (RFC 3550 appendix A.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceUnwrapper {
    last: Option<i64>,
}

impl SequenceUnwrapper {
    /// The unwrapped sequence number; the first one seen is returned as it is.
    pub fn unwrap(&mut self, sequence: u16) -> i64 {
        let unwrapped = match self.last {
            None => i64::from(sequence),
            Some(last) => last + i64::from(sequence.wrapping_sub(last as u16) as i16),
        };
        self.last = Some(self.last.map_or(unwrapped, |last| last.max(unwrapped)));
        unwrapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_grow_through_the_wrap_and_late_ones_step_back() {
        let mut unwrapper = TimestampUnwrapper::default();
        assert_eq!(unwrapper.unwrap(u32::MAX - 2_999), i64::from(u32::MAX) - 2_999);
        assert_eq!(unwrapper.unwrap(0), i64::from(u32::MAX) + 1);
        assert_eq!(unwrapper.unwrap(3_000), i64::from(u32::MAX) + 3_001);
        assert_eq!(unwrapper.unwrap(0), i64::from(u32::MAX) + 1);
    }

    #[test]
    fn sequence_numbers_unwrap_around_a_reordered_wrap() {
        let mut unwrapper = SequenceUnwrapper::default();
        let seen: Vec<i64> = [65_534, 0, 65_535, 1].map(|s| unwrapper.unwrap(s)).to_vec();
        assert_eq!(seen, [65_534, 65_536, 65_535, 65_537]);
    }
}
