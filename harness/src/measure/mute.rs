//! What is presented although it is said to be muted.
//!
//! Owns the grace on both sides of a mute: media and signaling travel apart, so media from before the
//! mute may come after its notice, and media from after the unmute before its notice.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How far media and signaling may be apart: what is on its way and in buffers still plays.
pub const MUTE_GRACE: Duration = Duration::from_secs(1);

/// Presentations that may wait to be counted: a second of frames at 120 fps, or of sound packets.
const MAX_PENDING: usize = 128;

/// Watches one medium of one viewer.
#[derive(Clone, Debug)]
pub struct MuteWatch {
    grace: Duration,
    since: Option<Instant>,
    /// Presented late in a mute; an unmute that is still on its way would explain them.
    pending: VecDeque<Instant>,
    counted: u64,
}

impl MuteWatch {
    /// A watch that allows for a network which delays media by `delay` more than signaling.
    pub fn new(delay: Duration) -> Self {
        Self {
            grace: MUTE_GRACE + delay,
            since: None,
            pending: VecDeque::new(),
            counted: 0,
        }
    }

    /// Takes what the signaling says.
    pub fn signaled(&mut self, muted: bool, at: Instant) {
        self.settle(at);
        if !muted {
            self.since = None;
            self.pending.clear();
        } else if self.since.is_none() {
            self.since = Some(at);
        }
    }

    /// Whether the signaling says that it is muted.
    pub fn is_muted(&self) -> bool {
        self.since.is_some()
    }

    /// Takes something that was seen or heard.
    pub fn presented(&mut self, at: Instant) {
        self.settle(at);
        let late = self
            .since
            .is_some_and(|since| at.saturating_duration_since(since) > self.grace);
        if late {
            if self.pending.len() == MAX_PENDING {
                // No unmute explains what came so much earlier.
                self.pending.pop_front();
                self.counted += 1;
            }
            self.pending.push_back(at);
        }
    }

    /// How often something was presented that no notice explains.
    pub fn count(&self) -> u64 {
        self.counted
    }

    /// Counts what is older than the grace: an unmute that came now would be too late for it.
    fn settle(&mut self, now: Instant) {
        while self
            .pending
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) > MUTE_GRACE)
        {
            self.pending.pop_front();
            self.counted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Packets every 20 ms from the start until `end`, muted from 1 s until `unmuted`, at a network without delay.
    fn watched(unmuted: u64, end: u64, audible: impl Fn(u64) -> bool) -> u64 {
        let start = Instant::now();
        let mut watch = MuteWatch::new(Duration::ZERO);
        for at in (0..end).step_by(20) {
            match at {
                1_000 => watch.signaled(true, start + ms(at)),
                _ if at == unmuted => watch.signaled(false, start + ms(at)),
                _ => {}
            }
            if audible(at) {
                watch.presented(start + ms(at));
            }
        }
        watch.signaled(watch.is_muted(), start + ms(end));
        watch.count()
    }

    #[test]
    fn a_mute_that_is_done_within_its_grace_is_none_to_count() {
        assert_eq!(watched(5_000, 8_000, |at| !(1_900..5_000).contains(&at)), 0);
    }

    #[test]
    fn media_that_overtakes_the_notice_of_the_unmute_is_none_to_count() {
        assert_eq!(watched(5_000, 8_000, |at| !(1_900..4_100).contains(&at)), 0);
    }

    #[test]
    fn what_goes_on_through_a_mute_is_counted_but_for_the_grace_at_both_ends() {
        // Muted from 1 to 5 s; from 2 s on it is late, and the last second may be the unmute's.
        let counted = watched(5_000, 8_000, |_| true);
        assert!((98..=101).contains(&counted), "{counted}");
    }

    #[test]
    fn without_a_mute_nothing_is_counted() {
        let mut watch = MuteWatch::new(Duration::ZERO);
        (0..500).for_each(|n| watch.presented(Instant::now() + ms(n * 20)));
        assert_eq!(watch.count(), 0);
    }

    #[test]
    fn a_slow_network_gets_its_delay_on_top() {
        let start = Instant::now();
        let mut watch = MuteWatch::new(ms(3_000));
        watch.signaled(true, start);
        (0..200).for_each(|n| watch.presented(start + ms(n * 20)));
        watch.signaled(true, start + ms(10_000));
        assert_eq!(watch.count(), 0);
    }
}
