//! Faults on the exchange of one viewer and its broadcaster: frames lost, repeated, misrouted, rewritten, and datagrams
//! dropped, rewritten and added, each by its name.
//!
//! Owns the damage: most is done on the wire between bots and server and below the peer connections, and some by a bot
//! that asks here whether it is to misbehave. It knows the words of greenroom's protocol and of SDP, STUN, DTLS and RTP as
//! far as it rewrites them, and nothing of the rules that it breaks.

mod datagrams;
mod edit;
mod follow;
mod frames;
mod list;
mod random;
mod rewrite;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use greenroom_signaling::{Direction, FrameFate, Injector};
use serde_json::Value;

use crate::net::filter::DatagramFate;
use crate::scenario::{MediaFault, Party};

use datagrams::{From, Which};
use frames::{Act, Hop, State, late};

pub(crate) use datagrams::End;

pub use list::all;

/// By then a peer has gathered and sent its candidates.
const BEHIND_CANDIDATES_MS: u64 = 300;

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
    /// Datagrams of one kind that leave there.
    Datagrams(From, Which, datagrams::Act),
    /// The descriptions on these hops come late, and whoever gets candidates before them throws those away.
    EarlyCandidates(&'static [(Hop, &'static str)]),
    /// Broadcaster and viewer offer at once, and neither takes the other's offer.
    Glare,
    /// Key frames are not sent.
    KeyFrames,
}

impl Does {
    /// Which frames it is about, and what it does to them.
    fn to_frames(self) -> Vec<(Hop, &'static str, Act)> {
        match self {
            Self::Frames(hop, kind, act) => vec![(hop, kind, act)],
            Self::EarlyCandidates(descriptions) => {
                let late = |(hop, kind): &(Hop, &'static str)| (*hop, *kind, Act::Late(BEHIND_CANDIDATES_MS));
                descriptions.iter().map(late).collect()
            }
            Self::Glare => vec![
                (Hop::ToBroadcaster, "new-viewer", Act::ViewerOffers),
                (Hop::ToViewer, "offer", Act::OffersCross),
            ],
            Self::Datagrams(..) | Self::KeyFrames => Vec::new(),
        }
    }
}

/// The fault with this name; `random-7` is a mutation that is drawn from the seed 7.
pub fn find(name: &str) -> Option<WireFault> {
    match name.strip_prefix("random-").and_then(|seed| seed.parse().ok()) {
        Some(seed) => Some(random::fault(seed)),
        None => all().iter().find(|fault| fault.name == name).copied(),
    }
}

/// The faults of one room, shared by its bots.
#[derive(Debug, Default)]
pub(crate) struct RoomFaults {
    planted: Vec<(u32, WireFault)>,
    state: Mutex<State>,
    /// Those of the planted that have changed something.
    acted: Mutex<BTreeSet<usize>>,
}

impl RoomFaults {
    /// The faults with these names, each for a viewer's exchange; `None` when there are none.
    pub(crate) fn new(planted: &[(u32, WireFault)]) -> Option<Self> {
        (!planted.is_empty()).then(|| Self {
            planted: planted.to_vec(),
            state: Mutex::default(),
            acted: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acted(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.acted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Faults that met nothing to damage so far, by viewer and name: what was asked for did not happen.
    pub(crate) fn idle(&self) -> Vec<(u32, &'static str)> {
        let acted = self.acted();
        let planted = self.planted.iter().enumerate();
        planted
            .filter(|(index, _)| !acted.contains(index))
            .map(|(_, (viewer, fault))| (*viewer, fault.name))
            .collect()
    }

    /// A bot is connected to its server.
    pub(crate) fn connected(&self, party: Party, injector: Injector) {
        self.state().injectors.insert(party, injector);
    }

    /// What becomes of a datagram that leaves one end of the connection between the broadcaster and a viewer.
    pub(crate) fn datagram(&self, viewer: u32, from: End, datagram: &[u8]) -> DatagramFate {
        let passed = &mut self.state().passed;
        passed.note(viewer, datagram);
        let mut datagrams = vec![datagram.to_owned()];
        let mut touched = false;
        for (index, which, act) in self.of_datagrams(viewer, from) {
            let mut next = Vec::new();
            for datagram in datagrams {
                match passed.act(index, (which, act), (viewer, from), &datagram) {
                    Some(others) => {
                        self.acted().insert(index);
                        touched = true;
                        next.extend(others);
                    }
                    None => next.push(datagram),
                }
            }
            datagrams = next;
        }
        if touched {
            DatagramFate::Instead(datagrams)
        } else {
            DatagramFate::Pass
        }
    }

    fn of_datagrams(
        &self,
        viewer: u32,
        end: End,
    ) -> impl Iterator<Item = (usize, Which, datagrams::Act)> + '_ {
        let of_viewer = self.planted.iter().enumerate();
        of_viewer.filter_map(move |(index, (of, fault))| match fault.does {
            Does::Datagrams(from, which, act) if *of == viewer && from.includes(end) => {
                Some((index, which, act))
            }
            _ => None,
        })
    }

    /// Whether a fault is about datagrams.
    pub(crate) fn has_datagrams(&self) -> bool {
        let mut faults = self.planted.iter().map(|(_, fault)| fault.does);
        faults.any(|does| matches!(does, Does::Datagrams(..)))
    }

    /// The viewer that the server calls so, once it has been told.
    pub(crate) fn viewer_called(&self, id: &str) -> Option<u32> {
        self.state().number_of(id)
    }

    /// Whether candidates of a viewer's connection that come before their description are thrown away.
    pub(crate) fn loses_early_candidates(&self, viewer: u32) -> bool {
        let mut faults = self.planted.iter();
        faults.any(|(of, fault)| *of == viewer && matches!(fault.does, Does::EarlyCandidates(_)))
    }

    /// What is done to the frames of a viewer's stream where they are sent; asked once the viewer is connected.
    pub(crate) fn of_frames(&self, viewer: u32) -> Option<MediaFault> {
        let planted = self.planted.iter();
        let index = planted.enumerate().find_map(|(index, (of, fault))| {
            (*of == viewer && matches!(fault.does, Does::KeyFrames)).then_some(index)
        })?;
        // The first frame of a stream is a key frame, so there is one to withhold.
        self.acted().insert(index);
        Some(MediaFault::WithholdKeyFrames { viewer })
    }

    /// Whether a viewer takes no offer, because it waits for the answer to its own.
    pub(crate) fn ignores_offers(&self, viewer: u32) -> bool {
        let mut faults = self.planted.iter();
        faults.any(|(of, fault)| *of == viewer && matches!(fault.does, Does::Glare))
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
            for (hop, kind, act) in fault.does.to_frames() {
                if state.fits(party, direction, &value, hop, *viewer, kind) {
                    touched = true;
                    let before = frames.clone();
                    frames = state.act(index, act, *viewer, &value, frames);
                    if act.is_elsewhere() || !frames::say_the_same(&before, &frames) {
                        self.acted().insert(index);
                    }
                }
            }
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

    #[test]
    fn a_fault_that_met_nothing_to_damage_is_idle() {
        let planted =
            ["answer-other-mid", "late-answer", "withhold-key-frames"].map(|name| (1, find(name).unwrap()));
        let faults = RoomFaults::new(&planted).unwrap();
        joined(&faults, Party::Broadcaster, "b1");
        joined(&faults, Party::Viewer(1), "v1");
        let all = [
            (1, "answer-other-mid"),
            (1, "late-answer"),
            (1, "withhold-key-frames"),
        ];
        assert_eq!(faults.idle(), all);
        assert!(faults.of_frames(2).is_none() && faults.of_frames(1).is_some());
        // No section has a mid, so there is none to change; the keys change their places, and nothing is said by it.
        let answer = r#"{"type":"answer","from":"v1","answer":{"type":"answer","sdp":"v=0\r\n"}}"#;
        faults.fate(Party::Broadcaster, Direction::Received, answer);
        assert_eq!(faults.idle(), [(1, "answer-other-mid")]);
    }

    #[test]
    fn no_fault_breaks_down_at_what_a_strange_server_sends() {
        let bodies = [
            r#""oops""#,
            "7",
            "null",
            "[]",
            "{}",
            r#"{"sdp":"a=fingerprint:é\na=mid:\nm="}"#,
        ];
        let kinds = [
            "offer",
            "answer",
            "candidate",
            "end-of-candidates",
            "new-viewer",
            "joined",
            "state",
            "chat",
        ];
        for fault in all() {
            let faults = RoomFaults::new(&[(1, *fault)]).unwrap();
            for (party, id) in [(Party::Broadcaster, "b1"), (Party::Viewer(1), "v1")] {
                let frame = format!(r#"{{"type":"joined","id":"{id}"}}"#);
                faults.fate(party, Direction::Received, &frame);
            }
            for (kind, body) in kinds.iter().flat_map(|kind| bodies.map(|body| (kind, body))) {
                let frame = format!(r#"{{"type":"{kind}","id":"v1","from":"v1","{kind}":{body}}}"#);
                for party in [Party::Broadcaster, Party::Viewer(1)] {
                    for direction in [Direction::Received, Direction::Sent] {
                        faults.fate(party, direction, &frame);
                    }
                }
            }
        }
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
