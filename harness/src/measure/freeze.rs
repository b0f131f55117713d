//! Freezes, by libwebrtc's definition (W3C webrtc-stats `freezeCount`, `totalFreezesDuration`).

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Gaps that the mean is taken over.
const WINDOW: usize = 30;

/// Least gap above the mean that is a freeze.
const MARGIN: Duration = Duration::from_millis(150);

/// Finds freezes in the arrival of complete frames.
#[derive(Debug, Default)]
pub struct FreezeDetector {
    last: Option<Instant>,
    gaps: VecDeque<Duration>,
    freezes: Freezes,
}

/// The freezes of one viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Freezes {
    /// `freezeCount`.
    pub count: u32,
    /// `totalFreezesDuration`, in milliseconds.
    pub total_ms: f64,
    /// The longest one, in milliseconds.
    pub longest_ms: f64,
}

impl FreezeDetector {
    /// Takes the arrival of the next frame; gives the length of the freeze that it ends, if any.
    ///
    /// A gap is a freeze when it is longer than max(3 × mean, mean + 150 ms) of the gaps before.
    pub fn frame(&mut self, at: Instant) -> Option<Duration> {
        let gap = at.saturating_duration_since(self.last.replace(at)?);
        let frozen = !self.gaps.is_empty() && {
            let mean = self.gaps.iter().sum::<Duration>() / self.gaps.len() as u32;
            gap > (mean * 3).max(mean + MARGIN)
        };
        if frozen {
            let ms = gap.as_secs_f64() * 1_000.0;
            self.freezes.count += 1;
            self.freezes.total_ms += ms;
            self.freezes.longest_ms = self.freezes.longest_ms.max(ms);
            return Some(gap);
        }
        if self.gaps.len() == WINDOW {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap);
        None
    }

    /// Forgets the last frame, because the stream paused on purpose.
    pub fn pause(&mut self) {
        self.last = None;
    }

    /// What was found.
    pub fn freezes(&self) -> Freezes {
        self.freezes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(gaps_ms: &[u64], expect: (u32, f64)) {
        let mut detector = FreezeDetector::default();
        let mut at = Instant::now();
        detector.frame(at);
        for gap in gaps_ms {
            at += Duration::from_millis(*gap);
            detector.frame(at);
        }
        assert_eq!((detector.freezes().count, detector.freezes().total_ms), expect);
    }

    #[test]
    fn steady_frames_and_jitter_are_no_freeze() {
        check(&[33; 60], (0, 0.0));
        check(&[33, 33, 33, 150, 5, 5, 33, 33], (0, 0.0));
    }

    #[test]
    fn a_gap_of_a_second_is_one_freeze_of_a_second() {
        check(&[33, 33, 33, 1_000, 33, 33], (1, 1_000.0));
    }

    #[test]
    fn at_low_rates_three_means_decide() {
        check(&[200, 200, 200, 590, 200], (0, 0.0));
        check(&[200, 200, 200, 610, 200], (1, 610.0));
    }

    #[test]
    fn a_freeze_does_not_raise_the_bar_for_the_next_one() {
        check(&[33, 33, 33, 1_000, 33, 400, 33], (2, 1_400.0));
    }

    #[test]
    fn a_pause_on_purpose_is_no_freeze() {
        let mut detector = FreezeDetector::default();
        let start = Instant::now();
        for ms in [0, 33, 66] {
            detector.frame(start + Duration::from_millis(ms));
        }
        detector.pause();
        assert_eq!(detector.frame(start + Duration::from_secs(5)), None);
        assert_eq!(detector.freezes().count, 0);
    }
}
