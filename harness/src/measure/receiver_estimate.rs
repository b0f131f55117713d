//! The bit rate that a receiver asks for in a REMB (draft-alvestrand-rmcat-remb-03), from loss alone.
//!
//! Follows the loss-based controller of draft-ietf-rmcat-gcc-02 section 6, run by the receiver. It owns
//! no clock and reads no packets: it is told once a second what was expected, lost and received. What
//! is absent is the delay-based half, so it takes a full queue for a good one until packets drop.

/// Loss above this cuts the estimate (gcc-02 section 6).
const HEAVY_LOSS: f64 = 0.10;

/// Loss below this raises it (gcc-02 section 6).
const LIGHT_LOSS: f64 = 0.02;

/// The raise of one second (gcc-02 section 6).
const RAISE: f64 = 1.05;

/// An estimate may be this much above what was received (gcc-02 section 5.5) ...
const ABOVE_RECEIVED: f64 = 1.5;

/// ... and this many bit/s more, so that a stream of next to nothing can grow.
const HEADROOM_BPS: f64 = 10_000.0;

/// What a receiver saw in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedSecond {
    /// Packets that the sequence numbers promise.
    pub expected: u32,
    /// Those of them that did not come.
    pub lost: u32,
    /// What came, in bit/s.
    pub received_bps: u32,
}

/// The estimate of one receiver.
#[derive(Clone, Debug)]
pub struct ReceiverEstimate {
    bps: f64,
    min_bps: f64,
    max_bps: f64,
}

impl ReceiverEstimate {
    /// An estimate that starts here and stays between two bounds. The lower bound holds if they cross.
    pub fn new(start_bps: u32, min_bps: u32, max_bps: u32) -> Self {
        let mut estimate = Self {
            bps: f64::from(start_bps),
            min_bps: f64::from(min_bps),
            max_bps: f64::from(max_bps.max(min_bps)),
        };
        estimate.bound();
        estimate
    }

    /// Takes one second and gives the bit rate to ask for.
    ///
    /// A second in which nothing was expected changes nothing, because a paused stream and a cut one
    /// look alike: neither tells what the path could carry.
    pub fn second(&mut self, second: ReceivedSecond) -> u32 {
        if second.expected > 0 {
            let loss = (f64::from(second.lost) / f64::from(second.expected)).min(1.0);
            if loss > HEAVY_LOSS {
                self.bps *= 1.0 - 0.5 * loss;
            } else if loss < LIGHT_LOSS {
                // A sender with little to say shows nothing of the path: the ceiling bounds the raise and pulls
                // nothing down.
                let ceiling = ABOVE_RECEIVED * f64::from(second.received_bps) + HEADROOM_BPS;
                self.bps = (self.bps * RAISE).min(ceiling.max(self.bps));
            }
            self.bound();
        }
        self.bps()
    }

    /// The bit rate to ask for, in bit/s.
    pub fn bps(&self) -> u32 {
        // Between two u32, so the cast cannot cut.
        self.bps as u32
    }

    fn bound(&mut self) {
        self.bps = self.bps.clamp(self.min_bps, self.max_bps);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLENTY: u32 = 100_000_000;

    fn second(lost: u32, received_bps: u32) -> ReceivedSecond {
        ReceivedSecond {
            expected: 100,
            lost,
            received_bps,
        }
    }

    /// What a megabit becomes after one second with this many of 100 packets lost.
    #[track_caller]
    fn check(lost: u32, expected_bps: u32) {
        let mut estimate = ReceiverEstimate::new(1_000_000, 30_000, 3_000_000);
        assert_eq!(estimate.second(second(lost, PLENTY)), expected_bps);
    }

    #[test]
    fn light_loss_raises_by_a_twentieth() {
        check(0, 1_050_000);
        check(1, 1_050_000);
    }

    #[test]
    fn loss_of_2_to_10_percent_changes_nothing() {
        check(2, 1_000_000);
        check(10, 1_000_000);
    }

    #[test]
    fn heavy_loss_cuts_by_half_of_it() {
        check(20, 900_000);
        check(100, 500_000);
        check(u32::MAX, 500_000);
    }

    #[test]
    fn a_clean_path_grows_to_the_upper_bound_and_a_broken_one_shrinks_to_the_lower() {
        let mut estimate = ReceiverEstimate::new(1_000_000, 30_000, 3_000_000);
        for _ in 0..30 {
            estimate.second(second(0, PLENTY));
        }
        assert_eq!(estimate.bps(), 3_000_000);
        for _ in 0..30 {
            estimate.second(second(80, PLENTY));
        }
        assert_eq!(estimate.bps(), 30_000);
    }

    #[test]
    fn a_quiet_sender_lets_it_grow_no_further_and_pulls_nothing_down() {
        let mut estimate = ReceiverEstimate::new(1_000_000, 30_000, 3_000_000);
        assert_eq!(estimate.second(second(0, 400_000)), 1_000_000);
        assert_eq!(estimate.second(second(0, 0)), 1_000_000);
        assert_eq!(
            estimate.second(second(0, 680_000)),
            1_030_000,
            "half as much again, and some room"
        );
    }

    #[test]
    fn a_second_without_packets_changes_nothing() {
        let mut estimate = ReceiverEstimate::new(1_000_000, 30_000, 3_000_000);
        let nothing = ReceivedSecond {
            expected: 0,
            lost: 0,
            received_bps: 0,
        };
        assert_eq!(estimate.second(nothing), 1_000_000);
    }

    #[test]
    fn crossed_bounds_give_the_lower_one() {
        assert_eq!(ReceiverEstimate::new(1, 50_000, 10_000).bps(), 50_000);
    }

    proptest! {
        #[test]
        fn whatever_comes_it_stays_within_its_bounds(
            seconds in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u32>()), 0..50),
            start in any::<u32>(),
        ) {
            let mut estimate = ReceiverEstimate::new(start, 30_000, 3_000_000);
            for (expected, lost, received_bps) in seconds {
                let bps = estimate.second(ReceivedSecond { expected, lost, received_bps });
                prop_assert!((30_000..=3_000_000).contains(&bps));
            }
        }
    }
}
