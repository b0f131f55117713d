//! Faults on signaling frames: lost, repeated, late, misrouted, rewritten, or followed by others.
//!
//! Owns which frames a fault is about, what becomes of them, and what has to be remembered for it: who is called what,
//! and what has come before. How their text is rewritten is [`edit`]'s, and
//! what comes beside them [`follow`]'s.

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_signaling::{Direction, Injector, LateFrame};
use serde_json::Value;

use super::datagrams::{End, Passed};
use super::{follow, random};
use crate::fault::signaling::shortened;
use crate::scenario::Party;

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
    /// The viewer that it announces offers too.
    ViewerOffers,
    /// The viewer's own offer comes to the broadcaster at the same time.
    OffersCross,
    /// Its JSON is rewritten.
    Edit(fn(&mut Value)),
    /// From the second one on its JSON is rewritten.
    EditLater(fn(&mut Value)),
    /// Something of it is changed, drawn from a seed.
    Mutate(u64),
    /// These come before it.
    Before(fn(&Value) -> Vec<Value>),
    /// This one follows it, so many milliseconds later.
    Follow(u64, fn(&Value) -> Option<Value>),
}

impl Act {
    /// Whether what it does shows in another place than in the frame itself.
    pub(super) fn is_elsewhere(self) -> bool {
        matches!(self, Self::Misroute | Self::Copy | Self::OffersCross)
    }
}

/// Whether frames come as before, and say the same: the order of JSON's keys says nothing.
pub(super) fn say_the_same(before: &[LateFrame], after: &[LateFrame]) -> bool {
    let value = |frame: &LateFrame| serde_json::from_str::<Value>(&frame.text).ok();
    let same = |one: &LateFrame, other: &LateFrame| {
        one.after == other.after
            && (one.text == other.text || value(one).is_some_and(|one| Some(one) == value(other)))
    };
    before.len() == after.len() && before.iter().zip(after).all(|(one, other)| same(one, other))
}

/// What the faults of a room have seen of its frames.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Names that the server gave, by viewer number.
    ids: BTreeMap<u32, String>,
    broadcaster: Option<String>,
    pub(super) injectors: BTreeMap<Party, Injector>,
    /// Offers of viewers on their way to the broadcaster.
    crossing: BTreeMap<u32, String>,
    /// Frames that wait for the next one of their fault.
    behind: BTreeMap<usize, String>,
    /// Faults that act once and have.
    done: Vec<usize>,
    counts: BTreeMap<usize, u32>,
    pub(super) passed: Passed,
}

pub(super) fn late(ms: u64, text: String) -> LateFrame {
    LateFrame {
        after: Duration::from_millis(ms),
        text,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

impl State {
    /// Learns from `joined` who is called what, and from descriptions what checks are made with.
    pub(super) fn learn(&mut self, party: Party, direction: Direction, value: &Value) {
        if direction == Direction::Received
            && text(value, "type") == Some("joined")
            && let Some(id) = text(value, "id")
        {
            match party {
                Party::Broadcaster => self.broadcaster = Some(id.to_owned()),
                Party::Viewer(number) => drop(self.ids.insert(number, id.to_owned())),
            }
        }
        // Either description of a viewer's connection passes the viewer.
        if let Party::Viewer(number) = party {
            let (kind, of) = match direction {
                Direction::Received => ("offer", End::Broadcaster),
                Direction::Sent => ("answer", End::Viewer),
            };
            if let Some(sdp) = value.get(kind).and_then(|body| text(body, "sdp")) {
                self.passed.description(number, of, sdp);
            }
        }
    }

    /// The viewer with this name.
    pub(super) fn number_of(&self, id: &str) -> Option<u32> {
        let mut ids = self.ids.iter();
        ids.find(|(_, known)| *known == id).map(|(number, _)| *number)
    }

    pub(super) fn fits(
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

    /// The viewer that is being announced offers by itself, as the broadcaster is about to.
    fn viewer_offers(&mut self, viewer: u32, announcement: &Value) {
        let (Some(broadcaster), Some(injector)) =
            (&self.broadcaster, self.injectors.get(&Party::Viewer(viewer)))
        else {
            return;
        };
        for heard in follow::offer_of_newcomer(announcement) {
            let mut said = heard.clone();
            if let Some(fields) = said.as_object_mut() {
                fields.remove("from");
                fields.insert("to".to_owned(), Value::from(broadcaster.as_str()));
            }
            injector.seen_to_send(&said.to_string());
            self.crossing.insert(viewer, heard.to_string());
        }
    }

    /// The viewer's offer comes to the broadcaster, as a server that passes everything on would bring it.
    fn offers_cross(&mut self, viewer: u32) {
        if let (Some(offer), Some(injector)) = (
            self.crossing.remove(&viewer),
            self.injectors.get(&Party::Broadcaster),
        ) {
            injector.receive(&offer);
        }
    }

    pub(super) fn act(
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
            Act::ViewerOffers => {
                self.viewer_offers(viewer, value);
                frames
            }
            Act::OffersCross => {
                self.offers_cross(viewer);
                frames
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
            Act::Mutate(seed) => rewritten(frames, |value| random::mutate(value, seed)),
            Act::Before(before) => {
                let others = if self.once(index) {
                    before(value)
                } else {
                    Vec::new()
                };
                let others = others.into_iter().map(|value| late(0, value.to_string()));
                others.chain(frames).collect()
            }
            Act::Follow(ms, follow) => {
                let next = follow(value).filter(|_| self.once(index));
                frames
                    .into_iter()
                    .chain(next.map(|value| late(ms, value.to_string())))
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
    LateFrame {
        text: shortened(&frame.text, 0.5).to_owned(),
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
