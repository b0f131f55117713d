//! Impairment: what a bad network does to a datagram, decided from a seed.
//!
//! Pure: (datagram number, now) -> fate. It owns no timer and no socket; whoever carries the
//! datagrams applies the fate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::model::Random;
use crate::scenario::serial::millis_number;

/// What to do to the datagrams of one connection in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Delay of every datagram in milliseconds. Default 0.
    #[serde(with = "millis_number")]
    pub delay_ms: u32,
    /// Share of datagrams lost, 0 to 1, each independently. Default 0.
    pub loss: f64,
    /// Seed of the losses. Default 0.
    pub seed: u64,
}

/// What becomes of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves after this long.
    Pass(Duration),
    /// It is lost.
    Drop,
}

/// Decides the fate of each datagram of one connection in one direction.
#[derive(Clone, Debug)]
pub struct Impairer {
    config: Impairment,
    random: Random,
}

impl Impairer {
    /// An impairer; the same seed gives the same fates.
    pub fn new(config: Impairment) -> Self {
        Self {
            config,
            random: Random::new(config.seed),
        }
    }

    /// The fate of the next datagram.
    pub fn next_fate(&mut self) -> Fate {
        if self.config.loss > 0.0 && self.random.unit() < self.config.loss {
            return Fate::Drop;
        }
        Fate::Pass(Duration::from_millis(u64::from(self.config.delay_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(seed: u64, loss: f64) -> Vec<usize> {
        let mut impairer = Impairer::new(Impairment {
            loss,
            seed,
            ..Impairment::default()
        });
        (0..10_000)
            .filter(|_| impairer.next_fate() == Fate::Drop)
            .collect()
    }

    #[test]
    fn the_same_seed_loses_the_same_datagrams_and_another_seed_others() {
        assert_eq!(losses(7, 0.05), losses(7, 0.05));
        assert_ne!(losses(7, 0.05), losses(8, 0.05));
    }

    #[test]
    fn the_share_of_losses_is_the_one_asked_for() {
        let lost = losses(1, 0.05).len();
        assert!((400..600).contains(&lost), "{lost} of 10,000 at 5 %");
        assert_eq!(losses(1, 0.0).len(), 0);
        assert_eq!(losses(1, 1.0).len(), 10_000);
    }
}
