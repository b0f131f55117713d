//! Fan-out skew: how far apart the first and the last viewer complete the same frame.

use std::collections::VecDeque;

use super::distribution::Distribution;

/// Frames that are open at once; at 30 fps four seconds, more than any deadline.
const OPEN_FRAMES: usize = 128;

/// Collects the arrivals of each frame at all viewers.
#[derive(Debug, Default)]
pub struct FanoutSkew {
    open: VecDeque<OpenFrame>,
    done: Distribution,
}

/// One frame that every viewer had the time to complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSkew {
    /// Number of the frame.
    pub index: u32,
    /// Viewers that completed it.
    pub viewers: u32,
    /// From the first to the last of them, in microseconds.
    pub skew_us: u64,
}

#[derive(Debug)]
struct OpenFrame {
    index: u32,
    first_us: u64,
    last_us: u64,
    viewers: u32,
}

impl FanoutSkew {
    /// Takes one arrival; `at_us` must be of one clock for all viewers. Gives the frame that is closed by it.
    pub fn arrival(&mut self, index: u32, at_us: u64) -> Option<FrameSkew> {
        let slot = self.open.partition_point(|frame| frame.index < index);
        match self.open.get_mut(slot) {
            Some(frame) if frame.index == index => {
                frame.first_us = frame.first_us.min(at_us);
                frame.last_us = frame.last_us.max(at_us);
                frame.viewers += 1;
            }
            _ => {
                if self.open.front().is_some_and(|oldest| index < oldest.index)
                    && self.open.len() == OPEN_FRAMES
                {
                    // Its frame was closed long ago; such a latecomer is lost to the skew and shows in the latency.
                    return None;
                }
                self.open.insert(
                    slot,
                    OpenFrame {
                        index,
                        first_us: at_us,
                        last_us: at_us,
                        viewers: 1,
                    },
                );
            }
        }
        if self.open.len() > OPEN_FRAMES {
            self.close_oldest()
        } else {
            None
        }
    }

    /// Closes the frames that are still open; gives them, and the skew of every frame that at least two
    /// viewers completed.
    pub fn finish(mut self) -> (Vec<FrameSkew>, Distribution) {
        let closed = std::iter::from_fn(|| self.close_oldest()).collect();
        (closed, self.done)
    }

    fn close_oldest(&mut self) -> Option<FrameSkew> {
        let frame = self.open.pop_front()?;
        let skew_us = frame.last_us - frame.first_us;
        if frame.viewers > 1 {
            self.done.record_us(skew_us);
        }
        Some(FrameSkew {
            index: frame.index,
            viewers: frame.viewers,
            skew_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_of_a_frame_is_from_its_first_to_its_last_viewer() {
        let mut skew = FanoutSkew::default();
        for index in 0..300 {
            for viewer in [2, 0, 1] {
                skew.arrival(index, u64::from(index) * 33_000 + viewer * 1_500);
            }
        }
        let (closed, skews) = skew.finish();
        assert_eq!(
            closed.last(),
            Some(&FrameSkew {
                index: 299,
                viewers: 3,
                skew_us: 3_000
            })
        );
        let summary = skews.summary().unwrap();
        assert_eq!((summary.count, summary.min_ms, summary.max_ms), (300, 3.0, 3.0));
    }

    #[test]
    fn a_frame_that_one_viewer_saw_has_no_skew() {
        let mut skew = FanoutSkew::default();
        skew.arrival(1, 5);
        assert_eq!(skew.finish().1.count(), 0);
    }

    #[test]
    fn open_frames_are_bounded_and_late_arrivals_of_closed_ones_are_ignored() {
        let mut skew = FanoutSkew::default();
        let closed = (100..10_000).filter_map(|index| skew.arrival(index, 1)).count();
        assert_eq!(closed, 9_900 - OPEN_FRAMES);
        assert!(skew.open.len() <= OPEN_FRAMES);
        assert_eq!(skew.arrival(1, 99), None);
        assert!(skew.open.len() <= OPEN_FRAMES);
        assert_eq!(skew.finish().1.count(), 0);
    }
}
