//! The pitch of test tones as a viewer hears them, and the wrong sample rate that a wrong pitch tells.
//!
//! It is fed frequencies, not samples; that a tone was found is the caller's claim.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::signed::SignedDistribution;

/// Share by which a tone may be higher or lower than it was made: a sixth of a semitone.
pub const MAX_OFF_PITCH: f64 = 0.01;

/// The pitch of the bursts that are sent, in hertz.
pub const TONE_HZ: f64 = 1_000.0;

/// A pitch is right, and two sample rates explain one, within this part of it.
const TOLERANCE: f64 = 0.01;

/// Sample rates in use, in hertz. The last one is that of sound in WebRTC.
const USUAL_RATES: [u32; 9] = [
    8_000,
    11_025,
    12_000,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
    WEBRTC_RATE,
];

const WEBRTC_RATE: u32 = 48_000;

/// Sums up the bursts that one viewer heard.
#[derive(Clone, Debug, Default)]
pub struct ToneTally {
    millihertz: SignedDistribution,
}

/// The pitch of the bursts that one viewer heard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToneFigures {
    /// Bursts.
    pub count: u64,
    /// Median pitch, in hertz; needs 3 bursts.
    pub median_hz: Option<f64>,
    /// The pitch that was sent, in hertz.
    pub expected_hz: f64,
    /// Heard by sent: 1 when the pitch is right.
    pub ratio: Option<f64>,
    /// The sample rates that explain a wrong pitch, if any do.
    pub rate_mix_up: Option<RateMixUp>,
}

/// Sound that is played at another sample rate than it was recorded at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateMixUp {
    /// What the sound was made for, in hertz.
    pub recorded_hz: u32,
    /// What it was played at, in hertz.
    pub played_hz: u32,
}

impl fmt::Display for RateMixUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousands = |hz: u32| format!("{},{:03}", hz / 1_000, hz % 1_000);
        write!(
            f,
            "{} Hz sound played at {} Hz",
            thousands(self.recorded_hz),
            thousands(self.played_hz)
        )
    }
}

impl ToneTally {
    /// Takes the pitch of one burst. What is no frequency is left out.
    pub fn burst(&mut self, frequency_hz: f64) {
        if frequency_hz.is_finite() && frequency_hz > 0.0 {
            self.millihertz.record((frequency_hz * 1_000.0).round() as i64);
        }
    }

    /// Adds the bursts of another viewer.
    pub fn merge(&mut self, other: &Self) {
        self.millihertz.merge(&other.millihertz);
    }

    /// The pitch so far; `None` without a burst.
    pub fn figures(&self) -> Option<ToneFigures> {
        let count = self.millihertz.count();
        let median_hz = self.millihertz.median().map(|mhz| mhz as f64 / 1_000.0);
        let ratio = median_hz.map(|hz| hz / TONE_HZ);
        (count > 0).then(|| ToneFigures {
            count,
            median_hz,
            expected_hz: TONE_HZ,
            ratio,
            rate_mix_up: ratio.and_then(rate_mix_up),
        })
    }
}

/// The sample rates that explain a pitch that is off by more than 1 %.
///
/// Many pairs have the same ratio; one with 48 kHz is preferred, because sound in WebRTC runs at that.
pub fn rate_mix_up(ratio: f64) -> Option<RateMixUp> {
    if !ratio.is_finite() || (ratio - 1.0).abs() <= TOLERANCE {
        return None;
    }
    let nearest = |of: fn(&RateMixUp) -> bool| {
        USUAL_RATES
            .iter()
            .flat_map(|recorded_hz| {
                USUAL_RATES.iter().map(|played_hz| RateMixUp {
                    recorded_hz: *recorded_hz,
                    played_hz: *played_hz,
                })
            })
            .filter(|pair| pair.recorded_hz != pair.played_hz && of(pair))
            .map(|pair| {
                let explained = f64::from(pair.played_hz) / f64::from(pair.recorded_hz);
                (pair, (ratio / explained - 1.0).abs())
            })
            .filter(|(_, off)| *off <= TOLERANCE)
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(pair, _)| pair)
    };
    nearest(|pair| pair.recorded_hz == WEBRTC_RATE || pair.played_hz == WEBRTC_RATE)
        .or_else(|| nearest(|_| true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(frequencies: &[f64]) -> Option<ToneFigures> {
        let mut tally = ToneTally::default();
        frequencies.iter().for_each(|hz| tally.burst(*hz));
        tally.figures()
    }

    #[test]
    fn no_burst_has_no_pitch_and_a_median_needs_three() {
        assert_eq!(heard(&[]), None);
        assert_eq!(heard(&[f64::NAN, 0.0, -1.0, f64::INFINITY]), None);
        let two = heard(&[1_000.0, 1_001.0]).unwrap();
        assert_eq!((two.count, two.median_hz, two.ratio), (2, None, None));
    }

    #[test]
    fn the_right_pitch_has_a_ratio_of_one_and_no_mix_up() {
        let figures = heard(&[999.5, 1_000.0, 1_400.0]).unwrap();
        assert_eq!(figures.median_hz, Some(1_000.0));
        assert_eq!((figures.ratio, figures.rate_mix_up), (Some(1.0), None));
        assert_eq!((rate_mix_up(0.99), rate_mix_up(1.01)), (None, None));
    }

    #[test]
    fn a_pitch_off_by_the_ratio_of_two_rates_names_them() {
        let high = heard(&[1_088.0, 1_089.0, 1_088.4]).unwrap();
        assert_eq!(
            high.rate_mix_up.unwrap().to_string(),
            "44,100 Hz sound played at 48,000 Hz"
        );
        for (ratio, expected) in [
            (0.919, "48,000 Hz sound played at 44,100 Hz"),
            (2.0, "24,000 Hz sound played at 48,000 Hz"),
            (0.333, "48,000 Hz sound played at 16,000 Hz"),
            (6.0, "8,000 Hz sound played at 48,000 Hz"),
        ] {
            let mix_up = rate_mix_up(ratio).map(|pair| pair.to_string());
            assert_eq!(mix_up.as_deref(), Some(expected), "{ratio}");
        }
        // Three pairs have this ratio and none of them has 48 kHz: any of them tells the story.
        assert!(rate_mix_up(44_100.0 / 32_000.0).is_some());
    }

    #[test]
    fn a_pitch_that_no_rates_explain_names_none() {
        for ratio in [1.05, 1.2, 100.0, 0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(rate_mix_up(ratio), None, "{ratio}");
        }
    }
}
