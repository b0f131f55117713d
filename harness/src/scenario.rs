//! A scenario: everything that a run does, as one value. Flags, files and the library only build it.
//!
//! Owns the description and its validation. It starts nothing.

use std::path::PathBuf;
use std::time::Duration;

use greenroom_fixtures::Size;
use greenroom_signaling::RoomId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::media::codec::Codec;
use crate::net::impair::Impairment;

/// Most viewers in one run of one process.
pub const MAX_VIEWERS: u32 = 10_000;

/// What a run does. Durations are in milliseconds in the serialized form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Seed of the default clip, SSRCs and everything else that is drawn. Default 1.
    pub seed: u64,
    /// Rooms, each with its own broadcaster. Default: one room `greenroom` with four viewers.
    pub rooms: Vec<RoomSpec>,
    /// Which bots this process runs. Default: all.
    pub role: RoleSelection,
    /// What is streamed.
    pub media: MediaSpec,
    /// How the bots arrive.
    pub join: JoinSpec,
    /// Time that is streamed and verified before figures are taken. Default 0.
    #[serde(rename = "warmup_ms", with = "millis")]
    pub warmup: Duration,
    /// Time that is streamed after the warm-up, counted from when every viewer has joined. Default 10 s.
    #[serde(rename = "duration_ms", with = "millis")]
    pub duration: Duration,
    /// What happens on the way, in order of time.
    pub timeline: Vec<TimedAction>,
    /// What the network does to datagrams, beyond what it does by itself.
    pub network: NetworkSpec,
    /// Limits that decide the verdict.
    pub deadlines: Deadlines,
    /// Which viewers decode what they receive. Default: one.
    pub decode: DecodeSelection,
    /// Damage done on purpose to what single viewers receive, to prove that it is caught.
    pub faults: Vec<MediaFault>,
    /// Delays added on purpose to single stages, to prove that they are measured where they are.
    pub planted_delays: PlantedDelays,
    /// Faults of the broadcaster itself, made on purpose, to prove that viewers notice.
    pub flaws: SourceFlaws,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            rooms: vec![RoomSpec::default()],
            role: RoleSelection::All,
            media: MediaSpec::default(),
            join: JoinSpec::default(),
            warmup: Duration::ZERO,
            duration: Duration::from_secs(10),
            timeline: Vec::new(),
            network: NetworkSpec::default(),
            deadlines: Deadlines::default(),
            decode: DecodeSelection::Count(1),
            faults: Vec::new(),
            planted_delays: PlantedDelays::default(),
            flaws: SourceFlaws::default(),
        }
    }
}

/// One room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomSpec {
    /// Its name. Default `greenroom`.
    pub name: String,
    /// Viewers that join at the start; they are `viewer-1`, `viewer-2`, … Default 4.
    pub viewers: u32,
}

impl Default for RoomSpec {
    fn default() -> Self {
        Self {
            name: "greenroom".to_owned(),
            viewers: 4,
        }
    }
}

/// Which bots a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleSelection {
    /// Broadcaster and viewers.
    All,
    /// The broadcaster only; it writes the ledger.
    Broadcaster,
    /// The viewers only; they read the ledger.
    Viewers,
}

/// What is streamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSpec {
    /// Codec of the video: H.264 is encoded live; VP8 is sent from an IVF file, or encoded live by a build
    /// with the feature `libvpx`. Default `h264`.
    pub codec: Codec,
    /// A y4m file, or an IVF file for VP8; the procedural clip if absent.
    pub video: Option<PathBuf>,
    /// Picture size of the procedural clip. Default 640×360.
    #[serde(with = "size")]
    pub size: Size,
    /// Frames per second; the clip's own rate if absent (30 for the procedural clip).
    pub fps: Option<u32>,
    /// Bitrate in bits per second. Default 1,000,000.
    pub bitrate_bps: u32,
    /// What is to be heard. Default: the procedural sound.
    pub audio: AudioSource,
    /// Whether the bitrate follows what viewers estimate (REMB), and viewers estimate. Default no, so that
    /// runs compare.
    pub adapt: bool,
    /// Whether messages go both ways over a data channel. Default no.
    pub data_channel: bool,
}

/// What is to be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioSource {
    /// The procedural, speech-like sound.
    #[default]
    Procedural,
    /// A wav file.
    File(PathBuf),
    /// Nothing: there is no audio track.
    None,
}

impl Default for MediaSpec {
    fn default() -> Self {
        Self {
            codec: Codec::H264,
            video: None,
            size: Size::DEFAULT,
            fps: None,
            bitrate_bps: 1_000_000,
            audio: AudioSource::default(),
            adapt: false,
            data_channel: false,
        }
    }
}

/// How the bots arrive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JoinSpec {
    /// Viewers that start per second; all at once if absent.
    pub rate_per_s: Option<f64>,
    /// How long after the viewers the broadcaster starts. Default 0.
    #[serde(rename = "broadcaster_delay_ms", with = "millis")]
    pub broadcaster_delay: Duration,
}

/// What the network does to datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSpec {
    /// From the broadcaster to the viewers.
    pub down: Option<Impairment>,
    /// From the viewers to the broadcaster.
    pub up: Option<Impairment>,
}

/// Limits that decide the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    /// A frame complete later than this after it was due is late. Default 500 ms.
    #[serde(rename = "frame_ms", with = "millis")]
    pub frame: Duration,
    /// A viewer has its first frame within this time after it started, or after the broadcaster did. Default 5 s.
    #[serde(rename = "join_ms", with = "millis")]
    pub join: Duration,
    /// The first key frame is complete within this time after `connected`. Default 1 s.
    #[serde(rename = "first_key_frame_ms", with = "millis")]
    pub first_key_frame: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            frame: Duration::from_millis(500),
            join: Duration::from_secs(5),
            first_key_frame: Duration::from_secs(1),
        }
    }
}

/// Which viewers decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecodeSelection {
    /// Every viewer.
    All,
    /// The first so many viewers of each room.
    Count(u32),
    /// None.
    None,
}

impl DecodeSelection {
    /// Whether viewer `number`, counted from 1, decodes.
    pub fn includes(self, number: u32) -> bool {
        match self {
            Self::All => true,
            Self::Count(count) => number <= count,
            Self::None => false,
        }
    }
}

/// An action at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedAction {
    /// When, counted from when every viewer has joined.
    #[serde(rename = "at_ms", with = "millis")]
    pub at: Duration,
    /// What.
    pub action: Action,
}

/// Something that happens during a run, in every room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Somebody says something.
    Chat {
        /// Who.
        from: Party,
        /// What.
        text: String,
    },
    /// The broadcaster mutes: black pictures and silence from then on.
    Mute(Muting),
    /// The broadcaster unmutes.
    Unmute(Muting),
    /// The broadcaster's encoder is set to another bitrate, without a new key frame.
    Bitrate {
        /// Bits per second of the video.
        bps: u32,
    },
    /// The broadcaster stops the stream.
    Stop,
    /// One more viewer joins; it gets the next free number.
    Join,
    /// A viewer leaves in good order.
    Leave {
        /// Its number, from 1.
        viewer: u32,
    },
    /// A viewer vanishes without a word.
    Kill {
        /// Its number, from 1.
        viewer: u32,
    },
    /// The broadcaster leaves in good order.
    BroadcasterLeave,
    /// A broadcaster that left comes back.
    BroadcasterReturn,
    /// The embedded signaling server vanishes.
    KillServer,
}

/// What is muted or unmuted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Muting {
    /// Pictures and sound.
    #[default]
    All,
    /// Pictures only.
    Video,
    /// Sound only.
    Audio,
}

/// Somebody in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The broadcaster.
    Broadcaster,
    /// The viewer with this number, from 1.
    Viewer(u32),
}

/// Damage done to what a viewer receives. Frames are counted from the start of the broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MediaFault {
    /// One byte of a frame is flipped.
    FlipByte {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
    },
    /// A frame is not sent.
    DropFrame {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
    },
    /// A frame is sent twice.
    RepeatFrame {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
    },
    /// From this frame on nothing is sent for a while, then all at once.
    Freeze {
        /// Viewer number, from 1.
        viewer: u32,
        /// Frame number.
        frame: u32,
        /// For how long.
        #[serde(rename = "duration_ms", with = "millis")]
        duration: Duration,
    },
    /// Key frames are never sent.
    WithholdKeyFrames {
        /// Viewer number, from 1.
        viewer: u32,
    },
    /// One byte of a sound packet is flipped.
    FlipSound {
        /// Viewer number, from 1.
        viewer: u32,
        /// Packet number.
        packet: u32,
    },
    /// Sound packets are not sent: a hole of 20 ms each.
    DropSound {
        /// Viewer number, from 1.
        viewer: u32,
        /// Number of the first one.
        packet: u32,
        /// How many.
        packets: u32,
    },
}

impl MediaFault {
    /// The viewer that it is for.
    pub fn viewer(&self) -> u32 {
        match self {
            Self::FlipByte { viewer, .. }
            | Self::DropFrame { viewer, .. }
            | Self::RepeatFrame { viewer, .. }
            | Self::Freeze { viewer, .. }
            | Self::FlipSound { viewer, .. }
            | Self::DropSound { viewer, .. }
            | Self::WithholdKeyFrames { viewer } => *viewer,
        }
    }
}

/// Delays added to single stages of the path of a frame. Default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlantedDelays {
    /// Between when a frame is due and when it is taken.
    #[serde(rename = "capture_ms", with = "millis")]
    pub capture: Duration,
    /// In the encoder.
    #[serde(rename = "encode_ms", with = "millis")]
    pub encode: Duration,
    /// In the decoder.
    #[serde(rename = "decode_ms", with = "millis")]
    pub decode: Duration,
}

/// What is wrong with the broadcaster itself, on purpose. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceFlaws {
    /// Sound leaves so much later than its pictures.
    #[serde(rename = "audio_late_ms", with = "millis")]
    pub audio_late: Duration,
    /// The microphone gives nothing for a while; packets go on.
    pub audio_hole: Option<AudioHole>,
    /// The sound was sampled at this rate, in Hz, and is taken for 48,000.
    pub audio_sampled_at: Option<u32>,
    /// Frames per second that really come, while the clip's own rate is announced.
    pub video_fps: Option<u32>,
    /// Pictures are blurred by this many samples in every direction.
    pub blur: Option<u32>,
    /// Muting is signaled and not done.
    pub ignores_mute: bool,
    /// Stopping is signaled and not done.
    pub ignores_stop: bool,
}

/// Where the microphone gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioHole {
    /// Number of the first sound packet that is silent.
    pub packet: u32,
    /// How many.
    pub packets: u32,
}

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
    /// The default timeline: a chat line and a short mute; every run ends with a stop.
    pub fn default_timeline(warmup: Duration, duration: Duration) -> Vec<TimedAction> {
        let at = |share: f64| warmup + duration.mul_f64(share);
        vec![
            TimedAction {
                at: at(0.2),
                action: Action::Chat {
                    from: Party::Broadcaster,
                    text: "welcome to the greenroom".to_owned(),
                },
            },
            TimedAction {
                at: at(0.4),
                action: Action::Mute(Muting::All),
            },
            TimedAction {
                at: at(0.5),
                action: Action::Unmute(Muting::All),
            },
        ]
    }

    /// Time from when every viewer has joined until the stream stops.
    pub fn streamed(&self) -> Duration {
        self.warmup.saturating_add(self.duration)
    }

    /// Numbers of viewers of a room, those that join later included.
    pub fn viewers_of(&self, room: &RoomSpec) -> u32 {
        let later = self
            .timeline
            .iter()
            .filter(|timed| timed.action == Action::Join)
            .count();
        room.viewers
            .saturating_add(u32::try_from(later).unwrap_or(u32::MAX))
    }

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

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Sizes as `640x360`.
mod size {
    use greenroom_fixtures::Size;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(size: &Size, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(size)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
