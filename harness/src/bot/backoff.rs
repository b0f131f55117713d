//! How long a bot waits before it dials again: longer each time, and no two bots alike.
//!
//! Owns the arithmetic. It is pure: it reads no clock, and what it draws comes from a seed.

use std::time::Duration;

use crate::net::model::Random;
use crate::scenario::ReconnectSpec;

/// The waits of one bot. Each loss begins anew where [`Backoff::reset`] says so; what is drawn goes on.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    spec: ReconnectSpec,
    random: Random,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(spec: ReconnectSpec, seed: u64) -> Self {
        Self {
            spec,
            random: Random::new(seed),
            attempts: 0,
        }
    }

    /// The number of the next attempt, from 1, and the wait before it; `None` when there is to be none.
    ///
    /// The wait is drawn evenly from the upper half of what may be waited: a server that comes back is not met by
    /// everybody at once, and nobody comes back without any wait at all.
    pub(crate) fn next(&mut self) -> Option<(u32, Duration)> {
        if self.spec.attempts.is_some_and(|most| self.attempts >= most) {
            return None;
        }
        let doubled = 1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let longest = self.spec.first.saturating_mul(doubled).min(self.spec.most);
        let wait = longest.mul_f64(0.5 + 0.5 * self.random.unit());
        self.attempts = self.attempts.saturating_add(1);
        Some((self.attempts, wait))
    }

    /// The bot is back: the next loss is a first one again.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(spec: ReconnectSpec, seed: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(spec, seed);
        let next = |_| backoff.next().map(|(_, wait)| wait);
        (0..40).filter_map(next).collect()
    }

    #[test]
    fn each_wait_is_in_the_upper_half_of_twice_the_one_before_up_to_the_most() {
        for seed in 0..50 {
            let waits = waits(ReconnectSpec::default(), seed);
            assert_eq!(waits.len(), 40, "without a bound it goes on");
            for (attempt, wait) in waits.into_iter().enumerate() {
                let longest = Duration::from_millis(100 << attempt.min(6)).min(Duration::from_secs(5));
                assert!((longest / 2..=longest).contains(&wait), "{attempt}: {wait:?}");
            }
        }
    }

    #[test]
    fn one_seed_gives_one_series_and_another_seed_another() {
        let spec = ReconnectSpec::default();
        assert_eq!(waits(spec, 7), waits(spec, 7));
        assert_ne!(waits(spec, 7), waits(spec, 8));
        let first: std::collections::BTreeSet<Duration> = (0..100).map(|seed| waits(spec, seed)[0]).collect();
        assert!(first.len() > 90, "bots come back apart: {}", first.len());
    }

    #[test]
    fn attempts_are_bounded_where_the_scenario_says_so_and_counted_anew_after_a_return() {
        let bounded = ReconnectSpec {
            attempts: Some(2),
            ..ReconnectSpec::default()
        };
        let mut backoff = Backoff::new(bounded, 1);
        let mut number = || backoff.next().map(|(number, _)| number);
        assert_eq!((number(), number(), number()), (Some(1), Some(2), None));
        backoff.reset();
        let (number, wait) = backoff.next().unwrap();
        assert_eq!(number, 1);
        assert!(wait <= bounded.first, "{wait:?}");
        assert_eq!(Backoff::new(ReconnectSpec::NEVER, 1).next(), None);
    }
}
