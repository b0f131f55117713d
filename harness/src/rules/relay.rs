//! What a signaling server does to messages: whom they reach, how often, in which order, and whether at all.
//!
//! Owns every message that was sent and has not arrived, bounded. It decides SG-01, SG-02, SG-05 and TR-05; what a
//! message means is not its question.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Checker;
use super::finding::{EventRef, RuleFinding};
use super::message::{DescriptionKind, Message};
use crate::trace::label::room_of;

/// Messages of one sender that are remembered; of older ones nobody can tell any more.
const MAX_REMEMBERED: usize = 4_096;

/// Receivers that are remembered of a message that was not for them.
const MAX_COPIES: usize = 4;

/// A message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) event: EventRef,
    pub(super) name: &'static str,
    /// Name of the sender in its room.
    pub(super) from: String,
    pub(super) to: String,
    /// Number among those from the sender to that peer.
    order: u64,
    pub(super) content: u64,
    pub(super) delivered: u32,
    /// Where it came to those whom it was not for, its sender among them, in a protocol that names nobody.
    copied: Vec<EventRef>,
}

impl Sent {
    /// Those whom it came to and was not for, in words; the sender by its label is called so.
    pub(super) fn came_to(&self, sender: &str) -> Option<String> {
        let name = |at: &EventRef| match at.peer == sender {
            true => format!("{sender} itself"),
            false => at.peer.clone(),
        };
        let mut names: Vec<String> = self.copied.iter().map(name).collect();
        let last = names.pop()?;
        Some(match names.is_empty() {
            true => last,
            false => format!("{} and {last}", names.join(", ")),
        })
    }

    fn came_astray(&mut self, at: EventRef) {
        let is_known = self.copied.iter().any(|known| known.peer == at.peer);
        if !is_known && self.copied.len() < MAX_COPIES {
            self.copied.push(at);
        }
    }
}

/// What became of a message that arrived.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It is the one that its sender sent here, with its number among those from the sender to this peer.
    AsSent(u64),
    /// It was sent here before and has arrived before.
    Again(EventRef),
    /// It was sent to somebody else.
    Misrouted(Sent),
    /// It was sent by somebody else than it says.
    Renamed(Sent),
    /// Nobody sent it like this.
    Unknown,
}

/// What became of a message that arrived, in a protocol that names nobody.
#[derive(Debug)]
enum Came {
    /// It is one that was sent to whoever it came to, as far as that can be told.
    Meant(Sent),
    /// It was sent there before and has arrived before.
    Again(EventRef),
    /// It was meant for somebody else, or is the receiver's own.
    Copy { own: bool, of: Sent },
    /// Nobody sent it like this.
    Unknown,
}

/// The messages between the bots of a run.
#[derive(Debug, Default)]
pub(super) struct Relay {
    sent: HashMap<String, VecDeque<Sent>>,
    orders: BTreeMap<(String, String), u64>,
    /// Messages that nobody had sent like this, by sender, receiver and name.
    unknown: BTreeMap<(String, String, &'static str), EventRef>,
    /// The highest number that has arrived, by sender and receiver.
    arrived: BTreeMap<(String, String), (u64, EventRef)>,
}

/// A number for a content; two messages are the same if it is.
pub(super) fn digest(content: &str) -> u64 {
    twox_hash::XxHash3_64::oneshot(content.as_bytes())
}

impl Relay {
    /// A message left `from` for `to`.
    pub(super) fn sent(&mut self, from: &str, to: &str, message: &Message, event: EventRef) {
        let Some(content) = message.content() else { return };
        let order = self.orders.entry((from.to_owned(), to.to_owned())).or_default();
        *order += 1;
        let messages = self.sent.entry(from.to_owned()).or_default();
        if messages.len() >= MAX_REMEMBERED {
            messages.pop_front();
        }
        messages.push_back(Sent {
            event,
            name: message.name(),
            from: from.to_owned(),
            to: to.to_owned(),
            order: *order,
            content: digest(&content),
            delivered: 0,
            copied: Vec::new(),
        });
    }

    /// A message came to `me` and says that it is from `from`.
    pub(super) fn arrived(&mut self, from: &str, me: &str, message: &Message) -> Arrival {
        let Some(content) = message.content().map(|content| digest(&content)) else {
            return Arrival::Unknown;
        };
        let fits = |sent: &Sent| sent.content == content;
        if let Some(messages) = self.sent.get_mut(from) {
            let mine = messages.iter_mut().filter(|sent| fits(sent) && sent.to == me);
            // Of equal messages the first one that has not arrived.
            if let Some(sent) = mine.min_by_key(|sent| sent.delivered) {
                sent.delivered += 1;
                return if sent.delivered == 1 {
                    Arrival::AsSent(sent.order)
                } else {
                    Arrival::Again(sent.event.clone())
                };
            }
            if let Some(sent) = messages.iter_mut().find(|sent| fits(sent)) {
                sent.delivered += 1;
                return Arrival::Misrouted(sent.clone());
            }
        }
        let others = self.sent.iter_mut().filter(|(name, _)| *name != from);
        for (_, messages) in others {
            if let Some(sent) = messages.iter_mut().find(|sent| fits(sent)) {
                sent.delivered += 1;
                return if sent.to == me {
                    Arrival::Renamed(sent.clone())
                } else {
                    Arrival::Misrouted(sent.clone())
                };
            }
        }
        Arrival::Unknown
    }

    /// Whether a message that arrived was overtaken by a later one of its sender, by its number; gives the later one.
    pub(super) fn overtaken(
        &mut self,
        from: &str,
        me: &str,
        order: u64,
        event: &EventRef,
    ) -> Option<EventRef> {
        let key = (from.to_owned(), me.to_owned());
        match self.arrived.get(&key) {
            Some((highest, later)) if *highest > order => Some(later.clone()),
            _ => {
                self.arrived.insert(key, (order, event.clone()));
                None
            }
        }
    }

    /// A message came that nobody had sent like this.
    pub(super) fn note_unknown(&mut self, from: &str, me: &str, message: &Message, event: &EventRef) {
        let key = (from.to_owned(), me.to_owned(), message.name());
        if self.unknown.len() < MAX_REMEMBERED {
            self.unknown.entry(key).or_insert_with(|| event.clone());
        }
    }

    /// The message that came to `to` in place of one that never arrived. What came before it was sent is none.
    pub(super) fn changed(&self, sent: &Sent, to: &str) -> Option<EventRef> {
        self.unknown
            .get(&(sent.from.clone(), to.to_owned(), sent.name))
            .filter(|came| came.number > sent.event.number)
            .cloned()
    }

    /// Messages that never arrived anywhere, in the order of sending.
    pub(super) fn lost(&self) -> Vec<&Sent> {
        let mut lost: Vec<&Sent> = self
            .sent
            .values()
            .flatten()
            .filter(|sent| sent.delivered == 0)
            .collect();
        lost.sort_by_key(|sent| sent.event.number);
        lost
    }

    /// A frame of somebody else came as it had been sent in the event of this number.
    pub(super) fn copied(&mut self, number: u64, at: EventRef) {
        let mut all = self.sent.values_mut().flatten();
        if let Some(sent) = all.find(|sent| sent.event.number == number) {
            sent.came_astray(at);
        }
    }

    /// Whether the same has arrived, as one of several that its sender sent alike.
    pub(super) fn has_arrived(&self, sent: &Sent) -> bool {
        let mut alike = self.sent.get(&sent.from).into_iter().flatten();
        alike.any(|other| other.content == sent.content && other.to == sent.to && other.delivered > 0)
    }

    /// Messages of `from` for `to` with this name, and how often each arrived somewhere.
    pub(super) fn between<'a>(
        &'a self,
        from: &str,
        to: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Sent> {
        self.sent
            .get(from)
            .into_iter()
            .flatten()
            .filter(move |sent| sent.to == to && sent.name == name)
    }
}

impl Checker {
    /// A message came to a bot: what that breaks, or `None` if it says nothing to the bot.
    pub(super) fn arrival(
        &mut self,
        label: &str,
        me: &str,
        from: &str,
        message: &Message,
        at: &EventRef,
    ) -> Option<Vec<RuleFinding>> {
        if self.is_unaddressed(label) {
            return self.unaddressed_arrival(label, from, message, at);
        }
        let arrival = self.relay.arrived(from, me, message);
        if matches!(arrival, Arrival::Unknown) {
            self.relay.note_unknown(from, me, message, at);
        }
        let mut found: Vec<RuleFinding> = judge(&arrival, label, message, at.clone()).into_iter().collect();
        if let Arrival::AsSent(order) = arrival {
            found.extend(self.order(label, (from, me), order, message, at));
        }
        Some(found)
    }

    /// The same where nobody is named: whom a message is for is told by where else it could have gone.
    fn unaddressed_arrival(
        &mut self,
        label: &str,
        from: &str,
        message: &Message,
        at: &EventRef,
    ) -> Option<Vec<RuleFinding>> {
        let sender = self.whom(label, from).map(str::to_owned);
        match self.came(label, sender.as_deref(), message, at) {
            Came::Meant(sent) => {
                self.learn_names(&sent, label, from, message);
                let order = self.order(label, (&sent.from, &sent.to), sent.order, message, at);
                Some(order.into_iter().collect())
            }
            Came::Again(first) => {
                let finding = judge(&Arrival::Again(first), label, message, at.clone());
                Some(finding.into_iter().collect())
            }
            Came::Copy { own: true, .. } => None,
            Came::Copy { own: false, of } => {
                // Whoever waits for an offer takes the first that comes, and whoever has had its own and is told another
                // one takes it for a new one.
                let is_offer = matches!(
                    message,
                    Message::Description {
                        kind: DescriptionKind::Offer,
                        ..
                    }
                );
                let link = self.bots.get(label).and_then(|bot| bot.links.get(from));
                let waits = link.is_none_or(|link| link.offer_in.is_none() && link.offer_out.is_none())
                    && !self.names.has_one_for(&of.from, label);
                match (is_offer, waits) {
                    (true, true) => Some(Vec::new()),
                    (true, false) => {
                        let finding = judge(&Arrival::Misrouted(of), label, message, at.clone());
                        Some(finding.into_iter().collect())
                    }
                    (false, _) => None,
                }
            }
            Came::Unknown => {
                let from = sender.as_deref().unwrap_or(from);
                self.relay.note_unknown(from, label, message, at);
                Some(Vec::new())
            }
        }
    }

    fn came(&mut self, label: &str, sender: Option<&str>, message: &Message, at: &EventRef) -> Came {
        let Some(content) = message.content().map(|content| digest(&content)) else {
            return Came::Unknown;
        };
        let in_room = self
            .relay
            .sent
            .iter()
            .filter(|(from, _)| room_of(from) == room_of(label));
        let same = in_room.flat_map(|(from, messages)| {
            let numbered = messages.iter().enumerate();
            let same = numbered.filter(|(_, sent)| sent.content == content);
            same.map(move |(place, sent)| (from, place, sent))
        });
        // The best of what it can be: for this bot and awaited, perhaps for it, and of the sender that it seems to have.
        let mut best: Option<(_, String, usize)> = None;
        let mut copy = None;
        let mut again = None;
        for (from, place, sent) in same {
            let is_own = from == label;
            match (is_own, self.is_for(sent, label), sent.delivered) {
                (false, Some(true), 0) | (false, None, 0) => {
                    let is_sure = self.is_for(sent, label).is_some();
                    let rank = (is_sure, sender == Some(from.as_str()), std::cmp::Reverse(place));
                    if best.as_ref().is_none_or(|(other, ..)| *other < rank) {
                        best = Some((rank, from.clone(), place));
                    }
                }
                (false, Some(true), _) => drop(again.get_or_insert_with(|| sent.event.clone())),
                _ => copy = Some((from.clone(), place)),
            }
        }
        let relay = &mut self.relay.sent;
        if let Some((_, from, place)) = best
            && let Some(sent) = relay.get_mut(&from).and_then(|messages| messages.get_mut(place))
        {
            sent.delivered += 1;
            return Came::Meant(sent.clone());
        }
        if let Some((from, place)) = copy {
            let own = from == label;
            if let Some(sent) = relay.get_mut(&from).and_then(|messages| messages.get_mut(place)) {
                sent.came_astray(at.clone());
                return Came::Copy {
                    own,
                    of: sent.clone(),
                };
            }
        }
        again.map_or(Came::Unknown, Came::Again)
    }

    /// The finding that a message is which a later one of its sender has overtaken.
    fn order(
        &mut self,
        label: &str,
        (from, to): (&str, &str),
        order: u64,
        message: &Message,
        at: &EventRef,
    ) -> Option<RuleFinding> {
        let later = self.relay.overtaken(from, to, order, at)?;
        let text = format!(
            "{label} got its {} after a message that was sent later",
            message.name()
        );
        let rule = if matches!(message, Message::Description { .. }) {
            "SG-05"
        } else {
            "TR-05"
        };
        Some(RuleFinding::new(rule, label, text, at.clone()).because_of(Some(later)))
    }
}

/// The finding that an arrival is, if it is one.
fn judge(arrival: &Arrival, me: &str, message: &Message, event: EventRef) -> Option<RuleFinding> {
    let name = message.name();
    match arrival {
        Arrival::AsSent(_) | Arrival::Unknown => None,
        Arrival::Again(first) => {
            let rule = match message {
                Message::Description { .. } => "SG-05",
                _ => "TR-05",
            };
            let message = format!("{me} got the same {name} twice; each message is delivered once");
            Some(RuleFinding::new(rule, me, message, event).because_of(Some(first.clone())))
        }
        Arrival::Misrouted(sent) => {
            let message = format!(
                "{me} got the {name} that {} had sent to {}; a message goes to whom it is for, and to nobody else",
                sent.from, sent.to
            );
            Some(RuleFinding::new("SG-01", me, message, event).because_of(Some(sent.event.clone())))
        }
        Arrival::Renamed(sent) => {
            let message = format!(
                "{me} got a {name} that says it is from {}, but {} had sent it; the server stamps the sender",
                message.peer().unwrap_or("nobody"),
                sent.from
            );
            Some(RuleFinding::new("SG-02", me, message, event).because_of(Some(sent.event.clone())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> EventRef {
        EventRef {
            number,
            at_us: number,
            peer: "broadcaster".to_owned(),
            what: String::new(),
        }
    }

    /// Two ends of candidates that name no generation are equal, and both may be under way at once.
    #[test]
    fn equal_messages_that_are_under_way_together_overtake_nobody() {
        let end = Message::read(r#"{"type":"end-of-candidates","to":"v2"}"#);
        let offer = Message::read(r#"{"type":"offer","to":"v2","offer":{"type":"offer","sdp":"v=0"}}"#);
        let mut relay = Relay::default();
        for (number, message) in [(1, &end), (2, &offer), (3, &end)] {
            relay.sent("b1", "v2", message, event(number));
        }
        for (number, message) in [(4, &end), (5, &offer), (6, &end)] {
            let Arrival::AsSent(order) = relay.arrived("b1", "v2", message) else {
                panic!("message {number} was sent");
            };
            assert_eq!(relay.overtaken("b1", "v2", order, &event(number)), None);
        }
    }
}
