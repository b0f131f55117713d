//! What a bot and its server have told each other of their room: who is in, its state and its chat, and what was lost.
//!
//! Owns the rules of signaling (SG) that one bot's frames can break, and, at the end, messages that never arrived.

use std::collections::BTreeMap;

use super::finding::{EventRef, RuleFinding};
use super::janus::Janus;
use super::link::Link;
use super::message::Message;
use super::{Checker, MAX_LINKS, MAX_NAMES};
use crate::trace::FrameWay;

/// What was sent so shortly before an end may still be under way.
const GRACE_US: u64 = 1_000_000;

/// The first frame that a bot could not read.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) at: EventRef,
    /// It was binary, where all messages are text.
    pub(super) binary: bool,
}

/// A bot as the trace shows it.
#[derive(Debug, Default)]
pub(super) struct Bot {
    pub(super) broadcaster: Option<bool>,
    pub(super) room: String,
    pub(super) id: Option<String>,
    pub(super) join_sent: Option<EventRef>,
    pub(super) joined: Option<EventRef>,
    pub(super) signaling_open: Option<EventRef>,
    /// Whether it speaks another protocol than greenroom's own, so that its frames say nothing by themselves.
    pub(super) is_foreign: bool,
    /// Whether its protocol is that of a media server, which is nobody's viewer.
    pub(super) through_server: bool,
    pub(super) speaks_janus: bool,
    pub(super) janus: Janus,
    /// Where it speaks HTTP: whether that is WHEP, or WHIP.
    pub(super) protocol: Option<bool>,
    /// Whether its protocol names nobody, so that the names in its messages are its own.
    pub(super) is_unaddressed: bool,
    pub(super) signaling_closed: Option<(EventRef, String)>,
    pub(super) refused: Option<(EventRef, String)>,
    pub(super) left: Option<EventRef>,
    pub(super) unreadable: Option<Unreadable>,
    /// Who was announced to it, and when.
    pub(super) announced: BTreeMap<String, EventRef>,
    /// By the name of the other peer.
    pub(super) links: BTreeMap<String, Link>,
    pub(super) by_connection: BTreeMap<u64, String>,
    /// Versions of the room's state that it was told of.
    pub(super) version: Option<u64>,
    pub(super) last_chat: Option<u64>,
    /// What it said and heard before it knew its own name, which a relay that reorders may bring about.
    pub(super) early: Vec<(FrameWay, Message, EventRef)>,
}

impl Bot {
    /// What it knows of its connection to a peer; `None` when it has as many as are remembered.
    pub(super) fn link(&mut self, remote: &str) -> Option<&mut Link> {
        if self.links.len() >= MAX_LINKS && !self.links.contains_key(remote) {
            return None;
        }
        Some(self.links.entry(remote.to_owned()).or_default())
    }

    /// Whether it was there to say and hear something until then.
    pub(super) fn stayed_until(&self, at_us: u64) -> bool {
        let stayed = |end: &EventRef| end.at_us >= at_us;
        self.left.as_ref().is_none_or(stayed)
            && self.signaling_closed.as_ref().is_none_or(|(end, _)| stayed(end))
    }
}

impl Checker {
    /// What is known of a bot that asks to enter again ends here.
    pub(super) fn close_session(&mut self, label: &str, at_us: u64) {
        let Some(bot) = self.bots.get(label) else { return };
        let unanswered = unanswered(label, bot, at_us);
        let ends = [
            bot.left.as_ref(),
            bot.signaling_closed.as_ref().map(|(end, _)| end),
        ];
        let end = ends.into_iter().flatten().map(|end| end.at_us).min();
        if let Some(id) = bot.id.clone()
            && self.left.len() < MAX_NAMES
        {
            self.left.insert(id, end.unwrap_or(at_us));
        }
        self.keep(unanswered.into_iter().collect());
    }

    /// SG-03: one broadcaster in a room.
    pub(super) fn second_broadcaster(&mut self, label: &str, broadcaster: bool, at: &EventRef) {
        if !broadcaster {
            return;
        }
        let room = self.bot(label).room.clone();
        let other = self.bots.iter().find(|(other, bot)| {
            other.as_str() != label
                && bot.room == room
                && bot.broadcaster == Some(true)
                && bot.joined.is_some()
                && bot.left.is_none()
                && bot.signaling_closed.is_none()
        });
        let Some((other, bot)) = other else { return };
        let message =
            format!("{label} was let into the room {room:?} as a second broadcaster beside {other}");
        let finding = RuleFinding::new("SG-03", label, message, at.clone()).because_of(bot.joined.clone());
        self.keep(vec![finding]);
    }

    /// SG-07: versions of a state only rise.
    pub(super) fn room_state(&mut self, label: &str, version: u64, at: EventRef) {
        let bot = self.bot(label);
        let before = bot.version.replace(version.max(bot.version.unwrap_or(0)));
        if before.is_some_and(|before| version < before) {
            let message = format!(
                "{label} was told of state {version} after state {}",
                before.unwrap_or(0)
            );
            let finding = RuleFinding::new("SG-07", label, message, at);
            self.keep(vec![finding]);
        }
    }

    /// SG-05 for what everybody hears: chat is numbered without gaps.
    pub(super) fn chat(&mut self, label: &str, seq: Option<u64>, at: EventRef) {
        let Some(seq) = seq else { return };
        let last = self.bot(label).last_chat.replace(seq);
        if last.is_some_and(|last: u64| last.checked_add(1) != Some(seq)) {
            let message = format!("{label} heard chat line {seq} after line {}", last.unwrap_or(0));
            let finding = RuleFinding::new("SG-05", label, message, at);
            self.keep(vec![finding]);
        }
    }

    /// Messages that never arrived, where their receiver was there to take them.
    pub(super) fn judge_lost_messages(&mut self) {
        let mut found = Vec::new();
        for sent in self.relay.lost() {
            let Some(from) = self.labels.get(&sent.from).cloned() else {
                continue;
            };
            // Said again because nobody was there to hear it, and heard once, it has arrived.
            if self.is_unaddressed(&from) && self.relay.has_arrived(sent) {
                continue;
            }
            let Some(to) = self.whom(&from, &sent.to).map(str::to_owned) else {
                continue;
            };
            // The server's name of whom it was for, or its label where there is none.
            let to_id = if self.is_unaddressed(&from) {
                to.as_str()
            } else {
                sent.to.as_str()
            };
            let until = sent.event.at_us.saturating_add(GRACE_US);
            // Under a label of its own a bot may have come anew since.
            let came_before = |bot: &Bot| {
                let join = bot.join_sent.as_ref().or(bot.joined.as_ref());
                join.is_none_or(|join| join.number < sent.event.number)
            };
            let was_there = |label: &str, id: &str| {
                self.left.get(id).is_some_and(|left| *left >= until)
                    || self.bots.get(label).is_some_and(|bot| {
                        bot.id.as_deref() == Some(id) && came_before(bot) && bot.stayed_until(until)
                    })
            };
            let changed = self.relay.changed(sent, to_id);
            let was_due = until <= self.end_us && was_there(&to, to_id) && was_there(&from, &sent.from);
            // What came in its place is not under way any more.
            if !was_due && changed.is_none() {
                continue;
            }
            let rule = match sent.name {
                "candidate" | "end-of-candidates" => "TR-05",
                _ => "SG-05",
            };
            let what = if changed.is_some() {
                "arrived other than it was sent"
            } else {
                "never arrived"
            };
            let mut text = format!("the {} that {from} sent to {to} {what}", sent.name);
            if let Some(whom) = sent.came_to(&from).filter(|_| changed.is_none()) {
                text += &format!("; it came to {whom}");
            }
            let is_changed = changed.is_some();
            let effect = changed.unwrap_or_else(|| sent.event.clone());
            let finding = RuleFinding::new(rule, &to, text, effect).because_of(Some(sent.event.clone()));
            // What the rule itself advises is about order.
            found.push(if is_changed {
                finding.mended_by("Pass the content on as it came: parse no more of it than whom it is for.")
            } else {
                finding
            });
        }
        for (label, bot) in &self.bots {
            found.extend(unanswered(label, bot, self.end_us));
        }
        self.keep(found);
    }
}

/// The finding that a join is which nobody answered until then.
fn unanswered(label: &str, bot: &Bot, until_us: u64) -> Option<RuleFinding> {
    let unanswered = bot.joined.is_none() && bot.refused.is_none();
    let join = bot.join_sent.clone().filter(|_| unanswered)?;
    let due = join.at_us.saturating_add(GRACE_US);
    (due <= until_us && bot.stayed_until(due)).then(|| {
        let text = format!("{label} asked to enter the room and never heard whether it is in");
        RuleFinding::new("SG-05", label, text, join)
    })
}
