//! Faults on the exchange of one viewer and its broadcaster: frames lost, repeated, misrouted, rewritten, and datagrams
//! dropped, each by its name.
//!
//! Owns the damage, done on the wire between bots and server and below the peer connections. It knows the words of
//! greenroom's protocol and of SDP, and nothing of the rules that it breaks.

mod edit;
mod list;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use greenroom_signaling::{Direction, FrameFate, Injector, LateFrame};
use serde_json::Value;

use crate::net::model::Random;
use crate::net::tap::DatagramKind;
use crate::scenario::Party;

pub use list::all;

/// Whose frames, as the bot that sends or receives them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// What the broadcaster hears of the viewer.
    ToBroadcaster,
    /// What the viewer says.
    FromViewer,
    /// What the viewer hears.
    ToViewer,
}

/// What is done to a frame that fits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// It is lost.
    Lose,
    /// Only the first one is lost.
    LoseFirst,
    /// Only the second one is lost.
    LoseSecond,
    /// It passes twice.
    Twice,
    /// Only its first half passes.
    Truncate,
    /// Another viewer gets it.
    Misroute,
    /// Another viewer gets it too.
    Copy,
    /// It says that another viewer has sent it.
    Rename,
    /// It passes behind the one that comes next.
    Behind,
    /// It passes this many milliseconds later.
    Late(u64),
    /// The broadcaster gets it back, as an offer of the viewer's, and the viewer never.
    Reflect,
    /// Its JSON is rewritten.
    Edit(fn(&mut Value)),
    /// From the second one on its JSON is rewritten.
    EditLater(fn(&mut Value)),
    /// Something of it is changed, drawn from a seed.
    Mutate(u64),
    /// This one follows it.
    Follow(fn(&Value) -> Option<Value>),
}

/// Datagrams that are dropped on their way to the viewer and from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drops {
    Stun,
    Dtls,
    Rtp,
}

/// One fault by its name.
#[derive(Clone, Copy, Debug)]
pub struct WireFault {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    pub(super) does: Does,
}

/// What a fault is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    /// Frames of one type on one hop.
    Frames(Hop, &'static str, Act),
    /// Datagrams.
    Datagrams(Drops),
    /// Key frames are not sent.
    KeyFrames,
}

impl WireFault {
    /// Whether it withholds key frames, which is done where frames are sent.
    pub(crate) fn withholds_key_frames(&self) -> bool {
        matches!(self.does, Does::KeyFrames)
    }
}

/// The fault with this name; `random-7` is a mutation that is drawn from the seed 7.
pub fn find(name: &str) -> Option<WireFault> {
    match name.strip_prefix("random-").and_then(|seed| seed.parse().ok()) {
        Some(seed) => Some(random(seed)),
        None => all().iter().find(|fault| fault.name == name).copied(),
    }
}

/// A mutation of one kind of message, drawn from a seed.
fn random(seed: u64) -> WireFault {
    let (hop, kind) = match Random::new(seed).bits() % 4 {
        0 => (Hop::ToViewer, "offer"),
        1 => (Hop::ToBroadcaster, "answer"),
        2 => (Hop::ToViewer, "candidate"),
        _ => (Hop::ToBroadcaster, "candidate"),
    };
    WireFault {
        name: "random",
        about: "one drawn change of one kind of message",
        does: Does::Frames(hop, kind, Act::Mutate(seed)),
    }
}

/// The faults of one room, shared by its bots.
#[derive(Debug, Default)]
pub(crate) struct RoomFaults {
    planted: Vec<(u32, WireFault)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Names that the server gave, by viewer number.
    ids: BTreeMap<u32, String>,
    broadcaster: Option<String>,
    injectors: BTreeMap<Party, Injector>,
    /// Frames that wait for the next one of their fault.
    behind: BTreeMap<usize, String>,
    /// Faults that act once and have.
    done: Vec<usize>,
    counts: BTreeMap<usize, u32>,
}

impl RoomFaults {
    /// The faults with these names, each for a viewer's exchange; `None` when there are none.
    pub(crate) fn new(planted: &[(u32, WireFault)]) -> Option<Self> {
        (!planted.is_empty()).then(|| Self {
            planted: planted.to_vec(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bot is connected to its server.
    pub(crate) fn connected(&self, party: Party, injector: Injector) {
        self.state().injectors.insert(party, injector);
    }

    /// Whether a datagram of the connection between the broadcaster and a viewer is dropped.
    pub(crate) fn drops(&self, viewer: u32, datagram: &[u8]) -> bool {
        self.planted.iter().any(|(of, fault)| {
            let Does::Datagrams(drops) = fault.does else {
                return false;
            };
            *of == viewer
                && match DatagramKind::of(datagram) {
                    DatagramKind::Stun => drops == Drops::Stun,
                    DatagramKind::Dtls => drops == Drops::Dtls,
                    DatagramKind::Rtp { .. } => drops == Drops::Rtp,
                    _ => false,
                }
        })
    }

    /// Whether a connection has datagrams to drop.
    pub(crate) fn drops_any(&self, viewer: u32) -> bool {
        self.planted
            .iter()
            .any(|(of, fault)| *of == viewer && matches!(fault.does, Does::Datagrams(_)))
    }

    /// The fate of a frame of a bot.
    pub(crate) fn fate(&self, party: Party, direction: Direction, text: &str) -> FrameFate {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return FrameFate::Pass;
        };
        let mut state = self.state();
        state.learn(party, direction, &value);
        let mut frames = vec![late(0, text.to_owned())];
        let mut touched = false;
        for (index, (viewer, fault)) in self.planted.iter().enumerate() {
            let Does::Frames(hop, kind, act) = fault.does else {
                continue;
            };
            if !state.fits(party, direction, &value, hop, *viewer, kind) {
                continue;
            }
            touched = true;
            frames = state.act(index, act, *viewer, &value, frames);
        }
        if touched {
            FrameFate::Instead(frames)
        } else {
            FrameFate::Pass
        }
    }
}

fn late(ms: u64, text: String) -> LateFrame {
    LateFrame {
        after: Duration::from_millis(ms),
        text,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

impl State {
    /// Learns from `joined` who is called what.
    fn learn(&mut self, party: Party, direction: Direction, value: &Value) {
        if direction == Direction::Received
            && text(value, "type") == Some("joined")
            && let Some(id) = text(value, "id")
        {
            match party {
                Party::Broadcaster => self.broadcaster = Some(id.to_owned()),
                Party::Viewer(number) => drop(self.ids.insert(number, id.to_owned())),
            }
        }
    }

    fn fits(
        &self,
        party: Party,
        direction: Direction,
        value: &Value,
        hop: Hop,
        viewer: u32,
        kind: &str,
    ) -> bool {
        let side = match (party, direction) {
            (Party::Broadcaster, Direction::Sent) => return false,
            (Party::Broadcaster, Direction::Received) => Hop::ToBroadcaster,
            (Party::Viewer(number), _) if number != viewer => return false,
            (Party::Viewer(_), Direction::Sent) => Hop::FromViewer,
            (Party::Viewer(_), Direction::Received) => Hop::ToViewer,
        };
        if side != hop || text(value, "type") != Some(kind) {
            return false;
        }
        // The broadcaster has frames of every viewer; those that name one are only that one's.
        let about = text(value, "to")
            .or_else(|| text(value, "from"))
            .or_else(|| text(value, "id"));
        match (party, about) {
            (Party::Broadcaster, Some(id)) if kind != "joined" => match self.ids.get(&viewer) {
                Some(known) => known == id,
                // In real time the broadcaster may hear of the viewer before the viewer knows its own name.
                None => kind == "new-viewer" && !self.ids.values().any(|known| known == id),
            },
            _ => true,
        }
    }

    fn once(&mut self, index: usize) -> bool {
        let first = !self.done.contains(&index);
        if first {
            self.done.push(index);
        }
        first
    }

    /// How many frames have come for a fault, this one included.
    fn count(&mut self, index: usize) -> u32 {
        let count = self.counts.entry(index).or_default();
        *count += 1;
        *count
    }

    /// The broadcaster hears a viewer's offer, made of its own.
    fn reflect(&self, viewer: u32, value: &Value) {
        // Another text than the broadcaster's own: it is the viewer's.
        let mut value = edit::answer_anew(value).unwrap_or_else(|| value.clone());
        if let Some(fields) = value.as_object_mut() {
            let id = self.ids.get(&viewer).cloned().unwrap_or_default();
            fields.insert("from".to_owned(), Value::from(id));
        }
        if let Some(injector) = self.injectors.get(&Party::Broadcaster) {
            injector.receive(&value.to_string());
        }
    }

    fn act(
        &mut self,
        index: usize,
        act: Act,
        viewer: u32,
        value: &Value,
        frames: Vec<LateFrame>,
    ) -> Vec<LateFrame> {
        match act {
            Act::Lose => Vec::new(),
            Act::LoseFirst if self.once(index) => Vec::new(),
            Act::LoseFirst => frames,
            Act::LoseSecond => match self.count(index) {
                2 => Vec::new(),
                _ => frames,
            },
            Act::Reflect => {
                self.reflect(viewer, value);
                Vec::new()
            }
            Act::EditLater(edit) => match self.count(index) {
                1 => frames,
                _ => rewritten(frames, edit),
            },
            Act::Twice => frames
                .iter()
                .flat_map(|frame| [frame.clone(), frame.clone()])
                .collect(),
            Act::Truncate => frames.into_iter().map(halved).collect(),
            Act::Misroute => {
                self.give_to_another(viewer, value);
                Vec::new()
            }
            Act::Copy => {
                self.give_to_another(viewer, value);
                frames
            }
            Act::Rename => {
                let other = self
                    .ids
                    .iter()
                    .find(|(number, _)| **number != viewer)
                    .map(|(_, id)| id.clone());
                rewritten(frames, |value| {
                    if let Some(other) = &other {
                        value["from"] = Value::from(other.as_str());
                    }
                })
            }
            Act::Behind => match self.behind.remove(&index) {
                Some(waited) => frames.into_iter().chain([late(0, waited)]).collect(),
                None if self.once(index) => {
                    if let Some(frame) = frames.into_iter().next() {
                        self.behind.insert(index, frame.text);
                    }
                    Vec::new()
                }
                None => frames,
            },
            Act::Late(ms) => frames.into_iter().map(|frame| late(ms, frame.text)).collect(),
            Act::Edit(edit) => rewritten(frames, edit),
            Act::Mutate(seed) => rewritten(frames, |value| edit::mutate(value, seed)),
            Act::Follow(follow) => {
                let next = follow(value).filter(|_| self.once(index));
                frames
                    .into_iter()
                    .chain(next.map(|value| late(40, value.to_string())))
                    .collect()
            }
        }
    }

    /// Another viewer than the one that it is for hears a frame.
    fn give_to_another(&self, viewer: u32, value: &Value) {
        let mut numbers: Vec<u32> = self
            .ids
            .keys()
            .copied()
            .filter(|number| *number != viewer)
            .collect();
        numbers.sort_unstable();
        let Some(other) = numbers.first() else { return };
        let mut value = value.clone();
        // As a server would stamp it: whoever sent it is who it is from.
        if let Some(fields) = value.as_object_mut()
            && fields.remove("to").is_some()
            && !fields.contains_key("from")
        {
            let sender = self.ids.get(&viewer).cloned().unwrap_or_default();
            let from_broadcaster = fields.get("type").and_then(Value::as_str) == Some("offer");
            let from = if from_broadcaster {
                self.broadcaster.clone().unwrap_or_default()
            } else {
                sender
            };
            fields.insert("from".to_owned(), Value::from(from));
        }
        if let Some(injector) = self.injectors.get(&Party::Viewer(*other)) {
            injector.receive(&value.to_string());
        }
    }
}

fn halved(frame: LateFrame) -> LateFrame {
    let mut end = frame.text.len() / 2;
    while !frame.text.is_char_boundary(end) {
        end -= 1;
    }
    LateFrame {
        text: frame.text[..end].to_owned(),
        ..frame
    }
}

fn rewritten(frames: Vec<LateFrame>, edit: impl Fn(&mut Value)) -> Vec<LateFrame> {
    let rewrite = |frame: LateFrame| match serde_json::from_str::<Value>(&frame.text) {
        Ok(mut value) => {
            edit(&mut value);
            LateFrame {
                text: value.to_string(),
                ..frame
            }
        }
        Err(_) => frame,
    };
    frames.into_iter().map(rewrite).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_says_what_it_does() {
        for (index, fault) in all().iter().enumerate() {
            assert!(
                all()[..index].iter().all(|other| other.name != fault.name),
                "{}",
                fault.name
            );
            assert!(
                fault.about.len() > 10
                    && fault
                        .name
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit())
            );
            assert!(find(fault.name).is_some());
        }
        assert!(all().len() >= 60, "{} faults", all().len());
        assert!(find("nonsense").is_none());
    }

    fn joined(faults: &RoomFaults, party: Party, id: &str) {
        let frame = format!(r#"{{"type":"joined","id":"{id}"}}"#);
        assert_eq!(faults.fate(party, Direction::Received, &frame), FrameFate::Pass);
    }

    #[test]
    fn a_fault_touches_the_frames_of_its_viewer_and_type_and_no_others() {
        let fault = find("lose-answer").unwrap();
        let faults = RoomFaults::new(&[(2, fault)]).unwrap();
        joined(&faults, Party::Viewer(2), "v2");
        joined(&faults, Party::Viewer(1), "v1");
        let answer = r#"{"type":"answer","to":"b1","answer":{"type":"answer","sdp":"v=0"}}"#;
        assert_eq!(
            faults.fate(Party::Viewer(2), Direction::Sent, answer),
            FrameFate::Instead(Vec::new())
        );
        assert_eq!(
            faults.fate(Party::Viewer(1), Direction::Sent, answer),
            FrameFate::Pass
        );
        assert_eq!(
            faults.fate(Party::Viewer(2), Direction::Received, answer),
            FrameFate::Pass
        );
        assert_eq!(
            faults.fate(Party::Viewer(2), Direction::Sent, r#"{"type":"leave"}"#),
            FrameFate::Pass
        );
    }
}
