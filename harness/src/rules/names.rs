//! Who is meant by a name.
//!
//! Owns the names that bots give each other where their protocol has none. There a broadcaster counts its viewers, and only
//! what a message says tells which of them got it: the same description at both ends joins the name and the bot. Where a
//! server gives the names, they are looked up.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{DescriptionKind, Message};
use super::relay::Sent;
use super::{Checker, MAX_NAMES};
use crate::trace::label::room_of;

/// Names by who uses them.
#[derive(Debug, Default)]
pub(super) struct Names {
    learned: BTreeMap<(String, String), Known>,
}

#[derive(Debug)]
struct Known {
    label: String,
    /// An offer may have reached others too; whose answer came is whose name it is.
    by_answer: bool,
    /// The bot has not begun anew since.
    current: bool,
}

impl Names {
    fn of(&self, by: &str, name: &str) -> Option<&str> {
        let known = self.learned.get(&(by.to_owned(), name.to_owned()))?;
        Some(&known.label)
    }

    /// Whether a bot has a name for another one already.
    pub(super) fn has_one_for(&self, by: &str, label: &str) -> bool {
        let mut all = self.learned.iter();
        all.any(|((user, _), known)| user == by && known.current && known.label == label)
    }

    fn learn(&mut self, by: &str, name: &str, label: &str, by_answer: bool) {
        let key = (by.to_owned(), name.to_owned());
        match self.learned.get(&key) {
            Some(known) if known.by_answer || !by_answer => return,
            None if self.learned.len() >= MAX_NAMES => return,
            _ => {}
        }
        let known = Known {
            label: label.to_owned(),
            by_answer,
            current: true,
        };
        self.learned.insert(key, known);
    }

    /// A bot begins anew: it forgets its names, and others find a new one for it.
    pub(super) fn begins_anew(&mut self, label: &str) {
        self.learned.retain(|(by, _), _| by != label);
        for known in self.learned.values_mut().filter(|known| known.label == label) {
            known.current = false;
        }
    }
}

impl Checker {
    pub(super) fn is_unaddressed(&self, label: &str) -> bool {
        self.bots.get(label).is_some_and(|bot| bot.is_unaddressed)
    }

    /// The bot that a bot means by a name, if it is one.
    pub(super) fn whom(&self, by: &str, name: &str) -> Option<&str> {
        if !self.is_unaddressed(by) {
            return self.labels.get(name).map(String::as_str);
        }
        self.names.of(by, name).or_else(|| {
            let room = room_of(by);
            let label = if room.is_empty() {
                name.to_owned()
            } else {
                format!("{room}/{name}")
            };
            self.bots.get_key_value(&label).map(|(label, _)| label.as_str())
        })
    }

    /// What a bot calls another one.
    pub(super) fn name_of(&self, by: &str, other: &str) -> Option<&str> {
        let bot = self.bots.get(by)?;
        if !bot.is_unaddressed {
            return self.bots.get(other)?.id.as_deref();
        }
        let fits = |name: &&String| self.whom(by, name) == Some(other);
        let is_current = |name: &String| {
            let known = self.names.learned.get(&(by.to_owned(), name.clone()));
            known.is_none_or(|known| known.current)
        };
        let names = bot.links.keys().chain(bot.announced.keys()).filter(fits);
        names.max_by_key(|name| is_current(name)).map(String::as_str)
    }

    /// Whether a message was meant for a bot; `None` if that cannot be told.
    pub(super) fn is_for(&self, sent: &Sent, label: &str) -> Option<bool> {
        match self.whom(&sent.from, &sent.to) {
            Some(meant) => Some(meant == label),
            None if self.names.has_one_for(&sent.from, label) => Some(false),
            None => None,
        }
    }

    /// A description came as it was sent: each end knows now whom it means by the other's name.
    pub(super) fn learn_names(&mut self, sent: &Sent, label: &str, from: &str, message: &Message) {
        let Message::Description { kind, .. } = message else {
            return;
        };
        let by_answer = *kind == DescriptionKind::Answer;
        for (by, name, meant) in [
            (sent.from.as_str(), sent.to.as_str(), label),
            (label, from, &sent.from),
        ] {
            let is_plain = self.names.of(by, name).is_none() && self.whom(by, name).is_some();
            if !is_plain {
                self.names.learn(by, name, meant, by_answer);
            }
        }
    }

    /// At the end: of names that stand for nobody yet, and as many viewers that nobody has named, the first stands for the
    /// one that came first.
    pub(super) fn pair_the_rest(&mut self) {
        let broadcasters = self.bots.iter();
        let broadcasters = broadcasters
            .filter(|(_, bot)| bot.is_unaddressed && !bot.through_server && bot.broadcaster == Some(true));
        let mut pairs = Vec::new();
        for (label, broadcaster) in broadcasters {
            let asked = |name: &String| {
                let link = broadcaster.links.get(name)?;
                link.offer_out.as_ref().or(link.offer_in.as_ref())
            };
            let names: BTreeSet<&String> = broadcaster
                .links
                .keys()
                .chain(broadcaster.announced.keys())
                .collect();
            let unknown = names.into_iter().filter(|name| self.whom(label, name).is_none());
            let mut unknown: Vec<_> = unknown
                .filter_map(|name| {
                    let at = broadcaster.announced.get(name).or_else(|| asked(name))?;
                    Some((at.number, name.clone()))
                })
                .collect();
            let unnamed = self.bots.iter().filter(|(other, bot)| {
                bot.broadcaster == Some(false)
                    && room_of(other) == room_of(label)
                    && !bot.links.keys().any(|name| self.whom(other, name).is_none())
                    && !self.names.has_one_for(label, other)
            });
            let mut unnamed: Vec<_> = unnamed
                .filter_map(|(other, bot)| Some((bot.joined.as_ref()?.number, other.clone())))
                .collect();
            // With another number of them somebody was never announced, and nobody can tell who.
            if unknown.len() != unnamed.len() {
                continue;
            }
            unknown.sort();
            unnamed.sort();
            let matched = unknown.into_iter().zip(unnamed);
            pairs.extend(matched.map(|((_, name), (_, other))| (label.clone(), name, other)));
        }
        for (label, name, other) in pairs {
            self.names.learn(&label, &name, &other, false);
        }
    }
}
