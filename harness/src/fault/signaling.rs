//! What a bad way to the signaling server does to text frames: delay, loss, repeats, truncation.
//!
//! Pure: (frame, now) -> what passes and how much later. Knows no message and no rule; it does to every frame
//! what the scenario asks for, drawn from a seed.

use std::time::Duration;

use greenroom_signaling::{Direction, FrameFate, LateFrame};

use crate::net::model::Random;
use crate::scenario::SignalingSpec;

/// The frames between one bot and its server.
#[derive(Debug)]
pub(crate) struct SignalingFaults {
    spec: SignalingSpec,
    random: Random,
    /// Per direction, before which nothing may pass, where the order is kept.
    latest: [Duration; 2],
}

impl SignalingFaults {
    /// The same seed gives the same fates.
    pub(crate) fn new(spec: SignalingSpec, seed: u64) -> Self {
        Self {
            spec,
            random: Random::new(seed),
            latest: [Duration::ZERO; 2],
        }
    }

    /// The fate of a frame at `now`, counted from any one start.
    pub(crate) fn fate(&mut self, now: Duration, direction: Direction, text: &str) -> FrameFate {
        // All are drawn for every frame, so that a fault that is taken away takes only itself away.
        let [lose, duplicate, truncate, cut, jitter, copy_jitter] =
            std::array::from_fn(|_| self.random.unit());
        if lose < self.spec.lose {
            return FrameFate::Instead(Vec::new());
        }
        let text = if truncate < self.spec.truncate {
            shortened(text, cut)
        } else {
            text
        };
        let copy = (duplicate < self.spec.duplicate).then_some(copy_jitter);
        let passing = [Some(jitter), copy].into_iter().flatten().map(|share| LateFrame {
            after: self.delay(now, direction, share),
            text: text.to_owned(),
        });
        FrameFate::Instead(passing.collect())
    }

    fn delay(&mut self, now: Duration, direction: Direction, share: f64) -> Duration {
        let due = now + self.spec.delay + self.spec.jitter.mul_f64(share);
        if self.spec.reorder {
            return due - now;
        }
        let latest = &mut self.latest[usize::from(direction == Direction::Received)];
        *latest = due.max(*latest);
        *latest - now
    }
}

/// The beginning of a text, without its last character at least.
pub(in crate::fault) fn shortened(text: &str, share: f64) -> &str {
    let mut end = (text.len() as f64 * share) as usize;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// What passes of 1,000 numbered frames, one each millisecond, in the order in which it is due.
    fn passed(spec: SignalingSpec, seed: u64) -> Vec<(Duration, String)> {
        let mut faults = SignalingFaults::new(spec, seed);
        let mut passed = Vec::new();
        for number in 0..1_000 {
            let text = format!("{{\"number\":{number}}}");
            let FrameFate::Instead(frames) = faults.fate(MS(number), Direction::Sent, &text) else {
                panic!("frames under faults never just pass");
            };
            passed.extend(
                frames
                    .into_iter()
                    .map(|late| (MS(number) + late.after, late.text)),
            );
        }
        passed.sort_by_key(|(due, _)| *due);
        passed
    }

    fn numbers(passed: &[(Duration, String)]) -> Vec<u64> {
        let number = |text: &str| text.strip_prefix("{\"number\":")?.strip_suffix('}')?.parse().ok();
        passed.iter().filter_map(|(_, text)| number(text)).collect()
    }

    #[test]
    fn without_a_fault_every_frame_passes_at_once() {
        let all = passed(SignalingSpec::default(), 1);
        assert_eq!(numbers(&all), (0..1_000).collect::<Vec<_>>());
        assert!(all.iter().zip(0..).all(|((due, _), number)| *due == MS(number)));
    }

    #[test]
    fn a_delay_keeps_the_order_with_jitter_too_and_reordering_does_not() {
        let mut spec = SignalingSpec {
            delay: MS(50),
            jitter: MS(20),
            ..SignalingSpec::default()
        };
        let all = passed(spec, 1);
        assert_eq!(numbers(&all), (0..1_000).collect::<Vec<_>>());
        assert!(
            all.iter()
                .zip(0..)
                .all(|((due, _), number)| *due >= MS(number + 50) && *due <= MS(number + 70))
        );
        spec.reorder = true;
        assert_ne!(numbers(&passed(spec, 1)), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn frames_are_lost_and_repeated_in_their_shares() {
        let spec = SignalingSpec {
            lose: 0.1,
            duplicate: 0.1,
            ..SignalingSpec::default()
        };
        let mut all = numbers(&passed(spec, 1));
        let passed = all.len();
        all.dedup();
        assert!((850..950).contains(&all.len()), "{} of 1,000 at 10 %", all.len());
        assert!(
            (60..120).contains(&(passed - all.len())),
            "{}",
            passed - all.len()
        );
    }

    #[test]
    fn a_truncated_frame_is_a_beginning_of_it_and_never_all() {
        let spec = SignalingSpec {
            truncate: 1.0,
            ..SignalingSpec::default()
        };
        let mut faults = SignalingFaults::new(spec, 1);
        for text in ["{\"type\":\"chat\",\"message\":\"é\u{1f600}\"}", "é", "x", ""] {
            for _ in 0..200 {
                let FrameFate::Instead(frames) = faults.fate(MS(0), Direction::Received, text) else {
                    panic!("truncated frames do not just pass");
                };
                assert!(text.starts_with(&frames[0].text));
                assert!(text.is_empty() || frames[0].text.len() < text.len());
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_another_seed_others() {
        let spec = SignalingSpec {
            lose: 0.1,
            jitter: MS(20),
            ..SignalingSpec::default()
        };
        assert_eq!(passed(spec, 7), passed(spec, 7));
        assert_ne!(passed(spec, 7), passed(spec, 8));
    }
}
