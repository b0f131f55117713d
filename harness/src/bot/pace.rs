//! Pacing: when each frame of a broadcast is due. Pure: (start, number) -> instant.

use std::time::Duration;

use greenroom_fixtures::FrameRate;
use tokio::time::Instant;

use crate::media::rtp_time::VIDEO_CLOCK_RATE;

/// The due times of a broadcast at a constant rate; no drift, because each is counted from the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    start: Instant,
    /// Turns in so many seconds.
    turns: u32,
    seconds: u32,
}

impl Pacer {
    /// At the rate of a clip.
    pub(crate) fn new(start: Instant, rate: FrameRate) -> Self {
        Self {
            start,
            turns: rate.num(),
            seconds: rate.den(),
        }
    }

    /// At a whole number of frames a second, which must not be 0.
    pub(crate) fn at_fps(start: Instant, fps: u32) -> Self {
        Self {
            start,
            turns: fps.max(1),
            seconds: 1,
        }
    }

    /// At the rate of sound packets.
    pub(crate) fn of_sound(start: Instant) -> Self {
        Self::at_fps(start, 1_000 / super::source::PACKET_MS)
    }

    /// When frame `index` is due.
    pub(crate) fn due(&self, index: u32) -> Instant {
        let nanos = u128::from(index) * u128::from(self.seconds) * 1_000_000_000 / u128::from(self.turns);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Media time of video frame `index`, in ticks of the 90 kHz clock.
    pub(crate) fn media_time(&self, index: u32) -> i64 {
        i64::from(index) * i64::from(self.seconds) * i64::from(VIDEO_CLOCK_RATE) / i64::from(self.turns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_at_their_rate_without_drift() {
        let start = Instant::now();
        let pacer = Pacer::new(start, FrameRate::new(30_000, 1_001).unwrap());
        assert_eq!(pacer.due(0), start);
        // 30,000 frames of NTSC video take exactly 1,001 seconds.
        assert_eq!(pacer.due(30_000), start + Duration::from_secs(1_001));
        assert_eq!(pacer.media_time(30_000), 1_001 * 90_000);
        assert_eq!(
            Pacer::new(start, FrameRate::new(30, 1).unwrap()).media_time(1),
            3_000
        );
    }
}
