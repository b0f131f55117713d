//! Faults on the exchange of one viewer and its broadcaster: frames lost, repeated, misrouted, rewritten, and datagrams
//! dropped, each by its name.
//!
//! Owns the damage, done on the wire between bots and server and below the peer connections. It knows the words of
//! greenroom's protocol and of SDP, and nothing of the rules that it breaks.

mod edit;
mod frames;
mod list;

use std::sync::{Mutex, MutexGuard, PoisonError};

use greenroom_signaling::{Direction, FrameFate, Injector};
use serde_json::Value;

use crate::net::model::Random;
use crate::net::tap::DatagramKind;
use crate::scenario::Party;

use frames::{Act, Hop, State, late};

pub use list::all;

/// Datagrams that are dropped on their way to the viewer and from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drops {
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
    does: Does,
}

/// What a fault is about.
#[derive(Clone, Copy, Debug)]
enum Does {
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
