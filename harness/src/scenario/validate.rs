//! Whether a scenario can be run, and what is wrong with it if not.
//!
//! Owns the limits. It checks what can be known without opening anything.

use std::time::Duration;

use greenroom_signaling::RoomId;
use thiserror::Error;

use super::{Action, MAX_VIEWERS, MediaFault, Party, RoleSelection, RoomSpec, Scenario};

/// A scenario that cannot be run.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ScenarioError {
    /// There is no room.
    #[error("the scenario has no room; give at least one")]
    NoRoom,
    /// A room's name is not valid.
    #[error("room {name:?}: {reason}")]
    RoomName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two rooms have one name.
    #[error("two rooms are called {name:?}; give each its own name")]
    DuplicateRoom {
        /// The name.
        name: String,
    },
    /// Nobody would watch, and so nothing would be verified.
    #[error("there is no viewer, so nothing would be verified; ask for at least one with --viewers 1")]
    NoViewer,
    /// More viewers than one process takes.
    #[error(
        "{got} viewers are more than {MAX_VIEWERS}, the most that one process takes; spread them over several with --role viewers"
    )]
    TooManyViewers {
        /// How many.
        got: u64,
    },
    /// A number is out of bounds.
    #[error("{what} is {got}; expected {expected}")]
    OutOfBounds {
        /// Which number.
        what: &'static str,
        /// Its value.
        got: String,
        /// What would be right.
        expected: &'static str,
    },
    /// An action comes after the end.
    #[error(
        "an action at {at:?} comes after the end of the run at {end:?}; lengthen --duration or move the action"
    )]
    ActionAfterEnd {
        /// When it would be.
        at: Duration,
        /// When the run ends.
        end: Duration,
    },
    /// A fault or an action names a viewer that does not exist.
    #[error("viewer {viewer} is named, but the room has viewers 1 to {viewers}")]
    NoSuchViewer {
        /// The number.
        viewer: u32,
        /// The last number.
        viewers: u32,
    },
}

impl Scenario {
    /// Checks everything that can be checked without starting.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with what would be right.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let out_of_bounds =
            |what, got: String, expected| Err(ScenarioError::OutOfBounds { what, got, expected });
        if self.rooms.is_empty() {
            return Err(ScenarioError::NoRoom);
        }
        for (index, room) in self.rooms.iter().enumerate() {
            room.name
                .parse::<RoomId>()
                .map_err(|error| ScenarioError::RoomName {
                    name: room.name.clone(),
                    reason: error.to_string(),
                })?;
            if self.rooms[..index].iter().any(|other| other.name == room.name) {
                return Err(ScenarioError::DuplicateRoom {
                    name: room.name.clone(),
                });
            }
            self.check_viewer_numbers(room)?;
        }
        let viewers: u64 = self
            .rooms
            .iter()
            .map(|room| u64::from(self.viewers_of(room)))
            .sum();
        if viewers == 0 && self.role != RoleSelection::Broadcaster {
            return Err(ScenarioError::NoViewer);
        }
        if viewers > u64::from(MAX_VIEWERS) {
            return Err(ScenarioError::TooManyViewers { got: viewers });
        }
        if self.duration < Duration::from_millis(100) || self.streamed() > Duration::from_secs(7 * 24 * 3_600)
        {
            return out_of_bounds("the duration", format!("{:?}", self.duration), "100 ms to 7 days");
        }
        if let Some(fps) = self.media.fps
            && !(1..=120).contains(&fps)
        {
            return out_of_bounds("the frame rate", fps.to_string(), "1 to 120 frames per second");
        }
        if self.media.codec.is_audio() {
            return out_of_bounds("the video codec", self.media.codec.to_string(), "h264 or vp8");
        }
        let bitrates = self.timeline.iter().filter_map(|timed| match timed.action {
            Action::Bitrate { bps } => Some(bps),
            _ => None,
        });
        for bps in bitrates.chain([self.media.bitrate_bps]) {
            if !(10_000..=50_000_000).contains(&bps) {
                return out_of_bounds("the bitrate", format!("{bps} bit/s"), "10 kbit/s to 50 Mbit/s");
            }
        }
        if let Some(fps) = self.flaws.video_fps
            && !(1..=120).contains(&fps)
        {
            return out_of_bounds(
                "the flawed frame rate",
                fps.to_string(),
                "1 to 120 frames per second",
            );
        }
        if let Some(rate) = self.flaws.audio_sampled_at
            && !(8_000..=192_000).contains(&rate)
        {
            return out_of_bounds(
                "the flawed sample rate",
                format!("{rate} Hz"),
                "8,000 to 192,000 Hz",
            );
        }
        if let Some(rate) = self.join.rate_per_s
            && !(rate.is_finite() && (0.01..=10_000.0).contains(&rate))
        {
            return out_of_bounds("the join rate", format!("{rate}/s"), "0.01/s to 10000/s");
        }
        for impairment in [self.network.down, self.network.up].into_iter().flatten() {
            if !(0.0..=1.0).contains(&impairment.loss) {
                return out_of_bounds("the loss", impairment.loss.to_string(), "a share from 0 to 1");
            }
            if impairment.delay_ms > 60_000 {
                return out_of_bounds(
                    "the delay",
                    format!("{} ms", impairment.delay_ms),
                    "at most a minute",
                );
            }
        }
        let longest = Duration::from_secs(24 * 3_600);
        let others = [
            self.deadlines.frame,
            self.deadlines.join,
            self.deadlines.first_key_frame,
            self.join.broadcaster_delay,
            self.planted_delays.capture,
            self.planted_delays.encode,
            self.planted_delays.decode,
            self.flaws.audio_late,
        ];
        let freezes = self.faults.iter().filter_map(|fault| match fault {
            MediaFault::Freeze { duration, .. } => Some(*duration),
            _ => None,
        });
        if let Some(long) = others.into_iter().chain(freezes).find(|time| *time > longest) {
            return out_of_bounds("a deadline or delay", format!("{long:?}"), "at most a day");
        }
        if self.deadlines.frame.is_zero() {
            return out_of_bounds(
                "the frame deadline",
                "0".to_owned(),
                "more than nothing, for example 500ms",
            );
        }
        let late = self.timeline.iter().find(|timed| timed.at > self.streamed());
        if let Some(late) = late {
            return Err(ScenarioError::ActionAfterEnd {
                at: late.at,
                end: self.streamed(),
            });
        }
        Ok(())
    }

    fn check_viewer_numbers(&self, room: &RoomSpec) -> Result<(), ScenarioError> {
        let viewers = self.viewers_of(room);
        let named = self.timeline.iter().filter_map(|timed| match timed.action {
            Action::Leave { viewer }
            | Action::Kill { viewer }
            | Action::Chat {
                from: Party::Viewer(viewer),
                ..
            } => Some(viewer),
            _ => None,
        });
        let faulty = self.faults.iter().map(MediaFault::viewer);
        match named.chain(faulty).find(|viewer| !(1..=viewers).contains(viewer)) {
            Some(viewer) => Err(ScenarioError::NoSuchViewer { viewer, viewers }),
            None => Ok(()),
        }
    }
}
