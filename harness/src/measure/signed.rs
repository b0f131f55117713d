//! Distributions of values that may be negative: exact ends, and a median over a bounded sample.
//!
//! Durations go to `distribution.rs`; what comes here has a sign, or is no duration. It draws no
//! randomness of its own: the same values in the same order give the same summary.

/// Values that are kept for the median; beyond, each value has the same chance to be among them.
const KEPT: usize = 4_096;

/// Samples that a median needs.
const MEDIAN_NEEDS: u64 = 3;

/// A growing set of signed values in at most 32 KiB.
#[derive(Clone, Debug, Default)]
pub struct SignedDistribution {
    count: u64,
    ends: Option<(i64, i64)>,
    kept: Vec<i64>,
}

impl SignedDistribution {
    /// Adds one value.
    pub fn record(&mut self, value: i64) {
        self.count += 1;
        let (min, max) = self.ends.unwrap_or((value, value));
        self.ends = Some((min.min(value), max.max(value)));
        if self.kept.len() < KEPT {
            self.kept.push(value);
            return;
        }
        // Vitter's algorithm R: the n-th value takes a place with a chance of KEPT in n.
        let place = scatter(self.count) % self.count;
        if let Some(kept) = usize::try_from(place).ok().and_then(|n| self.kept.get_mut(n)) {
            *kept = value;
        }
    }

    /// Adds every value of another distribution.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.ends = match (self.ends, other.ends) {
            (Some((min, max)), Some((lower, higher))) => Some((min.min(lower), max.max(higher))),
            (ends, others) => ends.or(others),
        };
        self.kept.extend(&other.kept);
        let total = self.kept.len();
        if total > KEPT {
            // Evenly spaced, so that both keep the share that they had.
            self.kept = (0..KEPT).map(|n| self.kept[n * total / KEPT]).collect();
        }
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest and the largest value.
    pub fn ends(&self) -> Option<(i64, i64)> {
        self.ends
    }

    /// The median; `None` below three values. The lower of the middle two when they are even.
    pub fn median(&self) -> Option<i64> {
        if self.count < MEDIAN_NEEDS {
            return None;
        }
        let mut sorted = self.kept.clone();
        let middle = (sorted.len() - 1) / 2;
        Some(*sorted.select_nth_unstable(middle).1)
    }
}

/// The finalizer of SplitMix64: neighbouring numbers give unrelated ones.
fn scatter(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = i64>) -> SignedDistribution {
        let mut distribution = SignedDistribution::default();
        values.into_iter().for_each(|value| distribution.record(value));
        distribution
    }

    #[test]
    fn nothing_is_known_of_no_values() {
        let none = SignedDistribution::default();
        assert_eq!((none.count(), none.ends(), none.median()), (0, None, None));
    }

    #[test]
    fn a_median_needs_three_values() {
        assert_eq!(of([5, -5]).median(), None);
        assert_eq!(of([5, -5, -7]).median(), Some(-5));
        assert_eq!(of([4, 1, 3, 2]).median(), Some(2));
    }

    #[test]
    fn two_that_are_merged_are_as_if_they_had_been_one() {
        let mut merged = of(-50..=0);
        merged.merge(&of(1..=50));
        assert_eq!(
            (merged.count(), merged.ends(), merged.median()),
            (101, Some((-50, 50)), Some(0))
        );
        merged.merge(&of((0..200_000).map(|_| 7)));
        assert_eq!(merged.kept.len(), KEPT);
        assert_eq!(merged.median(), Some(7));
    }

    #[test]
    fn the_ends_are_exact_and_the_median_close_however_many_values_come() {
        let many = of((0..200_000).map(|n| n - 100_000));
        assert_eq!((many.count(), many.ends()), (200_000, Some((-100_000, 99_999))));
        assert_eq!(many.kept.len(), KEPT);
        // The standard error of a median of 4,096 uniform values over 200,000 is about 1,600.
        assert!(many.median().unwrap().abs() < 6_000, "{:?}", many.median());
    }

    #[test]
    fn the_largest_and_smallest_numbers_are_values_like_others() {
        assert_eq!(of([i64::MIN, 0, i64::MAX]).median(), Some(0));
    }
}
