//! A scenario: everything that a run does, as one value. Flags, files and the library only build it.
//!
//! Owns the description and its validation. It starts nothing.

mod action;
mod call;
mod disturbance;
mod exec;
mod fault;
pub(crate) mod file;
mod ice;
mod media;
mod reconnect;
pub(crate) mod serial;
mod signaling;
mod validate;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dialect::DialectChoice;
use crate::net::impair::Impairment;
use crate::net::model::{LinkSpec, NetworkFile, derive};
use serial::millis;

pub use action::{Action, Muting, Party, TimedAction};
pub use call::{CallSpec, CallStart, Topology};
pub use exec::ExecSpec;
pub use fault::{AudioHole, MediaFault, PlantedDelays, SourceFlaws, WireFaultSpec};
pub use file::ScenarioFileError;
pub use ice::IceSpec;
pub use media::{AudioSource, MediaSpec};
pub use reconnect::ReconnectSpec;
pub use signaling::SignalingSpec;
pub use validate::ScenarioError;

/// Most viewers in one run of one process.
pub const MAX_VIEWERS: u32 = 10_000;

/// What a run does. Durations are in milliseconds in the serialized form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Seed of the default clip, SSRCs and everything else that is drawn. Default 1.
    pub seed: u64,
    /// A server under test that the run starts and stops. Default: it is there, or it is greenroom's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecSpec>,
    /// What the bots speak to the signaling server, and greenroom's own server to them: a name, or a file that
    /// ends in `.toml`. Default: native.
    pub dialect: DialectChoice,
    /// Who sends to whom. Default: a broadcaster to viewers.
    pub topology: Topology,
    /// How a call begins, where the topology is one.
    pub call: CallSpec,
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
    /// Whether the first rule that is broken as an error ends the run. Default: no, and every finding is told.
    pub abort_on_fail: bool,
    /// What happens on the way, in order of time.
    pub timeline: Vec<TimedAction>,
    /// How a bot comes back to a signaling server that it lost.
    pub reconnect: ReconnectSpec,
    /// What the network does to datagrams, beyond what it does by itself.
    pub network: NetworkSpec,
    /// Limits that decide the verdict.
    pub deadlines: Deadlines,
    /// Which viewers decode what they receive. Default: one.
    pub decode: DecodeSelection,
    /// Damage done on purpose to what single viewers receive, to prove that it is caught.
    pub faults: Vec<MediaFault>,
    /// Faults of the exchange between a viewer and its broadcaster, by name (`greenroom fault list`).
    pub wire_faults: Vec<WireFaultSpec>,
    /// Delays added on purpose to single stages, to prove that they are measured where they are.
    pub planted_delays: PlantedDelays,
    /// Faults of the broadcaster itself, made on purpose, to prove that viewers notice.
    pub flaws: SourceFlaws,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            exec: None,
            dialect: DialectChoice::default(),
            topology: Topology::Broadcast,
            call: CallSpec::default(),
            rooms: vec![RoomSpec::default()],
            role: RoleSelection::All,
            media: MediaSpec::default(),
            join: JoinSpec::default(),
            warmup: Duration::ZERO,
            duration: Duration::from_secs(10),
            abort_on_fail: false,
            timeline: Vec::new(),
            reconnect: ReconnectSpec::default(),
            network: NetworkSpec::default(),
            deadlines: Deadlines::default(),
            decode: DecodeSelection::Count(1),
            faults: Vec::new(),
            wire_faults: Vec::new(),
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

/// How the bots arrive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JoinSpec {
    /// Viewers that start per second; all at once if absent.
    pub rate_per_s: Option<f64>,
    /// How long after the viewers the broadcaster starts. Default 0.
    #[serde(rename = "broadcaster_delay_ms", with = "millis")]
    pub broadcaster_delay: Duration,
    /// How long after the broadcaster the first viewer starts. Default 0.
    #[serde(rename = "viewers_delay_ms", with = "millis")]
    pub viewers_delay: Duration,
}

/// What the network does to datagrams and to signaling frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSpec {
    /// From the broadcaster to each viewer, by real sockets.
    pub down: Option<LinkSpec>,
    /// From each viewer to the broadcaster, by real sockets.
    pub up: Option<LinkSpec>,
    /// STUN and TURN servers, for real sockets only; the simulated network has its own.
    #[serde(skip_serializing_if = "IceSpec::is_empty")]
    pub ice: IceSpec,
    /// What happens to signaling frames, bot by bot.
    pub signaling: Vec<SignalingSpec>,
    /// The simulated network: who has which links and which NAT. Real sockets know nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sim: Option<NetworkFile>,
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

impl NetworkSpec {
    /// What happens to what the broadcaster of a room sends by the connection with this number.
    pub(crate) fn impair_down(&self, seed: u64, room: usize, connection: u64) -> Option<Impairment> {
        self.down
            .map(|link| impairment(link, seed, 2 * room as u64, connection))
    }

    /// What happens to what a viewer of a room sends by the connection with this number.
    pub(crate) fn impair_up(&self, seed: u64, room: usize, connection: u64) -> Option<Impairment> {
        self.up
            .map(|link| impairment(link, seed, 2 * room as u64 + 1, connection))
    }
}

/// One stream of fates per room, direction and connection.
fn impairment(link: LinkSpec, seed: u64, room_and_direction: u64, connection: u64) -> Impairment {
    let seed = derive(seed, [room_and_direction, connection]);
    Impairment { link, seed }
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

    /// Makes it a call of two, in a protocol that carries one: `relay`, where none was chosen that does.
    pub fn make_call(&mut self) {
        self.topology = Topology::Call;
        if !self.dialect.is_for_two() {
            self.dialect = DialectChoice::BuiltIn(greenroom_signaling::DialectName::Relay);
        }
        for room in &mut self.rooms {
            room.viewers = 1;
        }
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
}

#[cfg(test)]
mod tests;
