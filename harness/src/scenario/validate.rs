//! Whether a scenario can be run, and what is wrong with it if not.
//!
//! Owns the limits. It checks what can be known without opening anything.

use std::time::Duration;

use greenroom_signaling::RoomId;
use thiserror::Error;

use super::{Action, MAX_VIEWERS, MediaFault, Party, RoleSelection, RoomSpec, Scenario, TimedAction};
use crate::net::model::{LinkOf, LinkSpecError, NetworkAction, NetworkFile, NetworkFileError};

/// The longest deadline, delay or pause.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

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
    /// The simulated network cannot be.
    #[error("the simulated network: {0}")]
    Network(NetworkFileError),
    /// A link that an action makes cannot be.
    #[error("the link of an action: {0}")]
    Link(LinkSpecError),
}

/// What is wrong, and in which field of the serialized form: `rooms[0].viewers`.
pub(super) struct Misplaced {
    pub(super) path: String,
    pub(super) error: ScenarioError,
}

fn misplaced(path: impl Into<String>, error: ScenarioError) -> Result<(), Misplaced> {
    let path = path.into();
    Err(Misplaced { path, error })
}

fn out_of_bounds(
    path: impl Into<String>,
    what: &'static str,
    got: impl ToString,
    expected: &'static str,
) -> Result<(), Misplaced> {
    let got = got.to_string();
    misplaced(path, ScenarioError::OutOfBounds { what, got, expected })
}

impl Scenario {
    /// Checks everything that can be checked without starting.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with what would be right.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.check().map_err(|misplaced| misplaced.error)
    }

    /// The same, and where it is wrong.
    pub(super) fn check(&self) -> Result<(), Misplaced> {
        self.check_rooms()?;
        if self.duration < Duration::from_millis(100) || self.streamed() > Duration::from_secs(7 * 24 * 3_600)
        {
            let got = format!("{:?}", self.duration);
            return out_of_bounds("duration_ms", "the duration", got, "100 ms to 7 days");
        }
        self.check_media()?;
        if let Some(rate) = self.join.rate_per_s
            && !(rate.is_finite() && (0.01..=10_000.0).contains(&rate))
        {
            let got = format!("{rate}/s");
            return out_of_bounds("join.rate_per_s", "the join rate", got, "0.01/s to 10000/s");
        }
        for (name, link) in [("down", self.network.down), ("up", self.network.up)] {
            link.map_or(Ok(()), |link| link.validate()).or_else(|error| {
                misplaced(
                    format!("network.{name}.{}", error.field),
                    ScenarioError::Link(error),
                )
            })?;
        }
        if let Some((field, got, expected)) = self.network.ice.out_of_bounds() {
            let path = format!("network.ice.{field}");
            return out_of_bounds(path, "a STUN or TURN setting", got, expected);
        }
        if let Some((field, got, expected)) = self.reconnect.out_of_bounds() {
            return out_of_bounds(format!("reconnect.{field}"), "a wait to reconnect", got, expected);
        }
        for (index, spec) in self.network.signaling.iter().enumerate() {
            if let Some((field, got, expected)) = spec.out_of_bounds() {
                let path = format!("network.signaling[{index}].{field}");
                return out_of_bounds(path, "a signaling fault", got, expected);
            }
        }
        for (index, spec) in self.wire_faults.iter().enumerate() {
            if crate::fault::wire::find(&spec.name).is_none() {
                let got = format!("{:?}", spec.name);
                let path = format!("wire_faults[{index}].name");
                return out_of_bounds(path, "the fault's name", got, "a name of `greenroom fault list`");
            }
        }
        if let Some(file) = &self.network.sim {
            file.validate().or_else(|error| {
                misplaced(
                    format!("network.sim{}", path_within(file, &error)),
                    ScenarioError::Network(error),
                )
            })?;
        }
        self.check_times()?;
        self.timeline
            .iter()
            .enumerate()
            .try_for_each(|(index, timed)| self.check_action(&format!("timeline[{index}]"), timed))
    }

    fn check_rooms(&self) -> Result<(), Misplaced> {
        if self.rooms.is_empty() {
            return misplaced("rooms", ScenarioError::NoRoom);
        }
        for (index, room) in self.rooms.iter().enumerate() {
            let path = format!("rooms[{index}].name");
            let name = room.name.clone();
            if let Err(error) = name.parse::<RoomId>() {
                let reason = error.to_string();
                return misplaced(path, ScenarioError::RoomName { name, reason });
            }
            if self.rooms[..index].iter().any(|other| other.name == name) {
                return misplaced(path, ScenarioError::DuplicateRoom { name });
            }
            self.check_viewer_numbers(room)?;
        }
        let viewers: u64 = self
            .rooms
            .iter()
            .map(|room| u64::from(self.viewers_of(room)))
            .sum();
        if viewers == 0 && self.role != RoleSelection::Broadcaster {
            return misplaced("rooms[0].viewers", ScenarioError::NoViewer);
        }
        if viewers > u64::from(MAX_VIEWERS) {
            let error = ScenarioError::TooManyViewers { got: viewers };
            return misplaced("rooms[0].viewers", error);
        }
        Ok(())
    }

    fn check_media(&self) -> Result<(), Misplaced> {
        let frame_rates = [
            ("media.fps", "the frame rate", self.media.fps),
            ("flaws.video_fps", "the flawed frame rate", self.flaws.video_fps),
        ];
        for (path, what, fps) in frame_rates {
            if let Some(fps) = fps
                && !(1..=120).contains(&fps)
            {
                return out_of_bounds(path, what, fps, "1 to 120 frames per second");
            }
        }
        if self.media.codec.is_audio() {
            return out_of_bounds("media.codec", "the video codec", self.media.codec, "h264 or vp8");
        }
        check_bitrate("media.bitrate_bps", self.media.bitrate_bps)?;
        if let Some(rate) = self.flaws.audio_sampled_at
            && !(8_000..=192_000).contains(&rate)
        {
            return out_of_bounds(
                "flaws.audio_sampled_at",
                "the flawed sample rate",
                format!("{rate} Hz"),
                "8,000 to 192,000 Hz",
            );
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), Misplaced> {
        let delays = &self.planted_delays;
        let times = [
            ("deadlines.frame_ms", self.deadlines.frame),
            ("deadlines.join_ms", self.deadlines.join),
            ("deadlines.first_key_frame_ms", self.deadlines.first_key_frame),
            ("join.broadcaster_delay_ms", self.join.broadcaster_delay),
            ("join.viewers_delay_ms", self.join.viewers_delay),
            ("planted_delays.capture_ms", delays.capture),
            ("planted_delays.encode_ms", delays.encode),
            ("planted_delays.decode_ms", delays.decode),
            ("flaws.audio_late_ms", self.flaws.audio_late),
        ];
        let times = times.map(|(path, time)| (path.to_owned(), time));
        let freezes = self
            .faults
            .iter()
            .enumerate()
            .filter_map(|(index, fault)| match fault {
                MediaFault::Freeze { duration, .. } => {
                    Some((format!("faults[{index}].freeze.duration_ms"), *duration))
                }
                _ => None,
            });
        for (path, time) in times.into_iter().chain(freezes) {
            if time > LONGEST {
                return out_of_bounds(path, "a deadline or delay", format!("{time:?}"), "at most a day");
            }
        }
        if self.deadlines.frame.is_zero() {
            return out_of_bounds(
                "deadlines.frame_ms",
                "the frame deadline",
                0,
                "more than nothing, for example 500ms",
            );
        }
        Ok(())
    }

    fn check_action(&self, path: &str, timed: &TimedAction) -> Result<(), Misplaced> {
        let end = self.streamed();
        if timed.at > end {
            let error = ScenarioError::ActionAfterEnd { at: timed.at, end };
            return misplaced(format!("{path}.at_ms"), error);
        }
        match &timed.action {
            Action::Bitrate { bps } => check_bitrate(&format!("{path}.action.bitrate.bps"), *bps),
            Action::Network(NetworkAction::Partition { duration, .. }) if *duration > LONGEST => {
                out_of_bounds(
                    format!("{path}.action.network.partition.duration_ms"),
                    "the length of a partition",
                    format!("{duration:?}"),
                    "at most a day",
                )
            }
            Action::StallSignaling { duration: time, .. } | Action::RestartServer { after: time }
                if *time > LONGEST =>
            {
                let path = format!("{path}.action");
                out_of_bounds(
                    path,
                    "the time of an action",
                    format!("{time:?}"),
                    "at most a day",
                )
            }
            Action::Network(NetworkAction::Link { spec, .. }) => spec.validate().or_else(|error| {
                misplaced(
                    format!("{path}.action.network.link.spec.{}", error.field),
                    ScenarioError::Link(error),
                )
            }),
            _ => Ok(()),
        }
    }

    fn check_viewer_numbers(&self, room: &RoomSpec) -> Result<(), Misplaced> {
        let viewers = self.viewers_of(room);
        let named = self.timeline.iter().enumerate().filter_map(|(index, timed)| {
            let (place, viewer) = match timed.action {
                Action::Leave { viewer } => ("leave.viewer", viewer),
                Action::Kill { viewer } => ("kill.viewer", viewer),
                Action::Chat {
                    from: Party::Viewer(viewer),
                    ..
                } => ("chat.from.viewer", viewer),
                Action::CutSignaling {
                    of: Party::Viewer(viewer),
                } => ("cut-signaling.of.viewer", viewer),
                Action::StallSignaling {
                    of: Party::Viewer(viewer),
                    ..
                } => ("stall-signaling.of.viewer", viewer),
                Action::Network(NetworkAction::Partition { viewer, .. }) => {
                    ("network.partition.viewer", viewer)
                }
                Action::Network(NetworkAction::Link {
                    of: LinkOf::Viewer(viewer),
                    ..
                }) => ("network.link.of.viewer", viewer),
                _ => return None,
            };
            Some((format!("timeline[{index}].action.{place}"), viewer))
        });
        let faulty = self
            .faults
            .iter()
            .enumerate()
            .map(|(index, fault)| (format!("faults[{index}]"), fault.viewer()));
        let on_the_wire = self
            .wire_faults
            .iter()
            .enumerate()
            .map(|(index, fault)| (format!("wire_faults[{index}].viewer"), fault.viewer));
        match named
            .chain(faulty)
            .chain(on_the_wire)
            .find(|(_, viewer)| !(1..=viewers).contains(viewer))
        {
            Some((path, viewer)) => misplaced(path, ScenarioError::NoSuchViewer { viewer, viewers }),
            None => Ok(()),
        }
    }
}

fn check_bitrate(path: &str, bps: u32) -> Result<(), Misplaced> {
    if (10_000..=50_000_000).contains(&bps) {
        return Ok(());
    }
    out_of_bounds(
        path,
        "the bitrate",
        format!("{bps} bit/s"),
        "10 kbit/s to 50 Mbit/s",
    )
}

/// Where in a network an error is, as the end of a path.
fn path_within(file: &NetworkFile, error: &NetworkFileError) -> String {
    let entry = |number: u32| file.viewers.iter().rposition(|entry| entry.viewer == number);
    match error {
        NetworkFileError::Syntax { .. } => String::new(),
        NetworkFileError::Link { place, error } => {
            let (who, direction) = place.split_once(": ").unwrap_or((place, ""));
            let index = who
                .strip_prefix("viewer ")
                .and_then(|number| entry(number.parse().ok()?));
            match index {
                Some(index) => format!(".viewers[{index}].{direction}.{}", error.field),
                None => format!(".{who}.{direction}.{}", error.field),
            }
        }
        NetworkFileError::ViewerZero => {
            format!(".viewers[{}].viewer", entry(0).unwrap_or_default())
        }
        NetworkFileError::ViewerTwice { viewer } => {
            format!(".viewers[{}].viewer", entry(*viewer).unwrap_or_default())
        }
        NetworkFileError::NatTimeout { .. } => ".nat_timeout_ms".to_owned(),
    }
}
