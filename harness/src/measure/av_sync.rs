//! Audio against video: by how much sound comes later than the picture that it belongs to.
//!
//! Owns the pairing of flashes with bursts and the offset between them. It reads no clock: the sender's
//! and the viewer's need not agree, because their difference is in both terms of an offset and cancels.
//! Whether an offset is good is the checker's to say.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::signed::SignedDistribution;

/// A burst and a flash that are due further apart than this do not belong together.
///
/// They come once a second; a file that is not in phase with the seconds has its flashes half a second away.
const PAIRED_WITHIN_US: u64 = 600_000;

/// Observations that wait for their other half, on each side; the oldest makes room.
const WAITING: usize = 16;

/// A flash that was seen, or a burst that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cue {
    /// When it should have left the sender, in microseconds of the sender's clock.
    pub due_us: u64,
    /// When it was seen or heard at the viewer, in microseconds of the viewer's clock.
    pub at_us: u64,
}

/// Pairs the flashes and the bursts of one viewer.
///
/// Each cue takes the nearest waiting one of the other kind, by when they were due. Where flashes and
/// bursts come a second or more apart that is the only one possible. Closer ones may be paired crosswise,
/// which does little harm: what is compared is how late each is against its own due time.
#[derive(Clone, Debug, Default)]
pub struct AvSync {
    flashes: VecDeque<Cue>,
    bursts: VecDeque<Cue>,
    offsets_us: SignedDistribution,
}

/// The offsets of sound against picture, in milliseconds; positive when sound is late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AvSyncFigures {
    /// Pairs of a flash and a burst.
    pub count: u64,
    /// Median; needs 3 pairs.
    pub median_ms: Option<f64>,
    /// Where sound was earliest.
    pub min_ms: f64,
    /// Where sound was latest.
    pub max_ms: f64,
    /// From the earliest to the latest.
    pub spread_ms: f64,
}

impl AvSync {
    /// Takes a flash; gives the offset in microseconds if it completes a pair.
    pub fn flash(&mut self, flash: Cue) -> Option<i64> {
        match take_nearest(&mut self.bursts, flash.due_us) {
            Some(burst) => Some(self.pair(flash, burst)),
            None => {
                wait(&mut self.flashes, flash);
                None
            }
        }
    }

    /// Takes a burst; gives the offset in microseconds if it completes a pair.
    pub fn burst(&mut self, burst: Cue) -> Option<i64> {
        match take_nearest(&mut self.flashes, burst.due_us) {
            Some(flash) => Some(self.pair(flash, burst)),
            None => {
                wait(&mut self.bursts, burst);
                None
            }
        }
    }

    /// Adds the offsets of another viewer.
    pub fn merge(&mut self, other: &Self) {
        self.offsets_us.merge(&other.offsets_us);
    }

    /// The offsets so far; `None` without a pair.
    pub fn figures(&self) -> Option<AvSyncFigures> {
        let (min, max) = self.offsets_us.ends()?;
        Some(AvSyncFigures {
            count: self.offsets_us.count(),
            median_ms: self.offsets_us.median().map(ms),
            min_ms: ms(min),
            max_ms: ms(max),
            spread_ms: ms(max.saturating_sub(min)),
        })
    }

    fn pair(&mut self, flash: Cue, burst: Cue) -> i64 {
        let late = |cue: Cue| i128::from(cue.at_us) - i128::from(cue.due_us);
        let offset = late(burst) - late(flash);
        // Only absurd times leave the range, and those shall look absurd and not wrap around.
        let offset = offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        self.offsets_us.record(offset);
        offset
    }
}

fn take_nearest(waiting: &mut VecDeque<Cue>, due_us: u64) -> Option<Cue> {
    let (place, apart) = waiting
        .iter()
        .map(|cue| cue.due_us.abs_diff(due_us))
        .enumerate()
        .min_by_key(|(_, apart)| *apart)?;
    (apart < PAIRED_WITHIN_US)
        .then(|| waiting.remove(place))
        .flatten()
}

fn wait(waiting: &mut VecDeque<Cue>, cue: Cue) {
    if waiting.len() == WAITING {
        waiting.pop_front();
    }
    waiting.push_back(cue);
}

fn ms(us: i64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn cue(due_ms: u64, at_ms: u64) -> Cue {
        Cue {
            due_us: due_ms * 1_000,
            at_us: at_ms * 1_000,
        }
    }

    #[test]
    fn sound_that_is_late_has_a_positive_offset_and_early_sound_a_negative_one() {
        let mut sync = AvSync::default();
        assert_eq!(sync.flash(cue(1_000, 1_050)), None);
        assert_eq!(sync.burst(cue(1_000, 1_080)), Some(30_000));
        assert_eq!(sync.burst(cue(2_000, 2_010)), None);
        assert_eq!(sync.flash(cue(2_000, 2_055)), Some(-45_000));
    }

    #[test]
    fn an_offset_between_the_clocks_cancels() {
        let offsets = [0, 7_000, 3_600_000].map(|ahead| {
            let mut sync = AvSync::default();
            sync.flash(cue(5_000, 5_040 + ahead));
            sync.burst(cue(5_000, 5_052 + ahead))
        });
        assert_eq!(offsets, [Some(12_000); 3]);
    }

    #[test]
    fn a_burst_that_is_due_a_little_after_its_flash_is_not_late_for_that() {
        let mut sync = AvSync::default();
        sync.flash(cue(1_000, 1_050));
        assert_eq!(sync.burst(cue(1_013, 1_063)), Some(0));
    }

    #[test]
    fn a_burst_goes_with_the_nearest_flash() {
        let mut sync = AvSync::default();
        sync.flash(cue(1_000, 1_100));
        sync.flash(cue(1_400, 1_500));
        sync.flash(cue(1_800, 1_900));
        assert_eq!(sync.burst(cue(1_410, 1_530)), Some(20_000));
        assert_eq!(
            sync.flashes,
            [cue(1_000, 1_100), cue(1_800, 1_900)],
            "the others wait"
        );
    }

    #[test]
    fn more_than_half_a_second_apart_is_no_pair() {
        let mut sync = AvSync::default();
        sync.flash(cue(1_000, 1_000));
        assert_eq!(sync.burst(cue(1_600, 1_600)), None);
        assert_eq!(sync.burst(cue(1_500, 1_500)), Some(0));
    }

    #[test]
    fn a_flash_is_paired_once() {
        let mut sync = AvSync::default();
        sync.flash(cue(1_000, 1_000));
        assert!(sync.burst(cue(1_000, 1_000)).is_some());
        assert_eq!(sync.burst(cue(1_000, 1_000)), None);
    }

    #[test]
    fn bursts_without_flashes_keep_few_and_the_latest() {
        let mut sync = AvSync::default();
        for second in 0..1_000 {
            sync.burst(Cue {
                due_us: second * SECOND,
                at_us: second * SECOND,
            });
        }
        assert_eq!(sync.bursts.len(), WAITING);
        assert_eq!(sync.flash(cue(999_000, 999_000)), Some(0));
        assert_eq!(sync.flash(cue(1_000, 1_000)), None);
    }

    #[test]
    fn figures_say_what_the_pairs_carry() {
        let mut sync = AvSync::default();
        assert_eq!(sync.figures(), None);
        for (second, late) in [(1, 10), (2, 30)] {
            sync.flash(cue(second * 1_000, second * 1_000 + 20));
            sync.burst(cue(second * 1_000, second * 1_000 + late));
        }
        let two = sync.figures().unwrap();
        assert_eq!((two.count, two.median_ms), (2, None));
        assert_eq!((two.min_ms, two.max_ms, two.spread_ms), (-10.0, 10.0, 20.0));
        sync.flash(cue(3_000, 3_020));
        sync.burst(cue(3_000, 3_021));
        assert_eq!(sync.figures().unwrap().median_ms, Some(1.0));
    }

    #[test]
    fn absurd_times_do_not_wrap_around() {
        let mut sync = AvSync::default();
        sync.flash(Cue {
            due_us: 0,
            at_us: u64::MAX,
        });
        assert_eq!(sync.burst(Cue { due_us: 0, at_us: 0 }), Some(i64::MIN));
    }
}
