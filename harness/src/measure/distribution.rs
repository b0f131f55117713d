//! Distributions of durations: HDR histograms, and summaries that print only what the samples carry.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::micros;

/// Longest duration that is told apart: ten minutes, in microseconds.
const MAX_US: u64 = 600_000_000;

/// A growing set of durations, kept to three significant digits in some kilobytes.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u32>,
    exact_min_us: u64,
    exact_max_us: u64,
    sum_us: u128,
}

impl Default for Distribution {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that the crate accepts"
        )]
        let mut histogram = Histogram::new_with_bounds(1, MAX_US, 3).expect("valid bounds");
        histogram.auto(true);
        Self {
            histogram,
            exact_min_us: u64::MAX,
            exact_max_us: 0,
            sum_us: 0,
        }
    }
}

impl Distribution {
    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_us(micros(duration));
    }

    /// Adds one duration in microseconds.
    pub fn record_us(&mut self, us: u64) {
        let us = us.min(MAX_US);
        // Values above the bound were cut to it, so this cannot be refused.
        self.histogram.saturating_record(us);
        self.exact_min_us = self.exact_min_us.min(us);
        self.exact_max_us = self.exact_max_us.max(us);
        self.sum_us += u128::from(us);
    }

    /// Adds every duration of another distribution.
    pub fn merge(&mut self, other: &Self) {
        // Both have the same bounds and resize on demand.
        let _ = self.histogram.add(&other.histogram);
        self.exact_min_us = self.exact_min_us.min(other.exact_min_us);
        self.exact_max_us = self.exact_max_us.max(other.exact_max_us);
        self.sum_us += other.sum_us;
    }

    /// How many durations were added.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The summary; `None` without samples.
    pub fn summary(&self) -> Option<Summary> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let quantile = |q: f64, needed: u64| {
            (count >= needed).then(|| ms(self.histogram.value_at_quantile(q).min(self.exact_max_us)))
        };
        Some(Summary {
            count,
            min_ms: ms(self.exact_min_us),
            mean_ms: self.sum_us as f64 / count as f64 / 1_000.0,
            p50_ms: quantile(0.50, 3),
            p95_ms: quantile(0.95, samples_for(0.95)),
            p99_ms: quantile(0.99, samples_for(0.99)),
            p999_ms: quantile(0.999, samples_for(0.999)),
            max_ms: ms(self.exact_max_us),
        })
    }
}

/// Samples that a tail percentile needs: ten beyond it.
fn samples_for(quantile: f64) -> u64 {
    (10.0 / (1.0 - quantile)).round() as u64
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

/// A summed-up distribution, in milliseconds. A percentile that the samples cannot carry is absent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of samples.
    pub count: u64,
    /// Smallest.
    pub min_ms: f64,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Median; needs 3 samples.
    pub p50_ms: Option<f64>,
    /// 95th percentile; needs 200 samples.
    pub p95_ms: Option<f64>,
    /// 99th percentile; needs 1,000 samples.
    pub p99_ms: Option<f64>,
    /// 99.9th percentile; needs 10,000 samples.
    pub p999_ms: Option<f64>,
    /// Largest.
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distribution {
        let mut distribution = Distribution::default();
        values
            .into_iter()
            .for_each(|ms| distribution.record(Duration::from_millis(ms)));
        distribution
    }

    #[test]
    fn no_samples_give_no_summary() {
        assert_eq!(Distribution::default().summary(), None);
    }

    #[test]
    fn a_percentile_appears_with_the_sample_that_carries_it() {
        assert_eq!(of(1..=2).summary().unwrap().p50_ms, None);
        assert_eq!(of(1..=3).summary().unwrap().p50_ms, Some(2.0));
        assert_eq!(of(1..=199).summary().unwrap().p95_ms, None);
        assert!(of(1..=200).summary().unwrap().p95_ms.is_some());
        assert_eq!(of(0..999).summary().unwrap().p99_ms, None);
        assert!(of(0..1_000).summary().unwrap().p99_ms.is_some());
        assert_eq!(of(0..9_999).summary().unwrap().p999_ms, None);
        assert!(of(0..10_000).summary().unwrap().p999_ms.is_some());
    }

    #[test]
    fn percentiles_are_right_to_a_part_in_a_thousand() {
        let summary = of(1..=10_000).summary().unwrap();
        for (got, expected) in [
            (summary.p50_ms, 5_000.0),
            (summary.p95_ms, 9_500.0),
            (summary.p99_ms, 9_900.0),
        ] {
            assert!(
                (got.unwrap() - expected).abs() / expected < 0.002,
                "{got:?} for {expected}"
            );
        }
        assert_eq!(
            (summary.min_ms, summary.max_ms, summary.mean_ms),
            (1.0, 10_000.0, 5_000.5)
        );
    }

    #[test]
    fn merging_is_the_same_as_recording_together() {
        let mut merged = of(0..500);
        merged.merge(&of(500..1_000));
        assert_eq!(merged.summary(), of(0..1_000).summary());
    }

    #[test]
    fn an_absurd_duration_is_cut_to_ten_minutes() {
        let mut distribution = Distribution::default();
        distribution.record(Duration::MAX);
        assert_eq!(distribution.summary().unwrap().max_ms, 600_000.0);
    }
}
