//! What frames of a recorded session mean by a file: one value follows one connection, as a bot in its place would.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::{Data, names, template::Template};
use crate::{Event, Role, dialect::unaddressed::Unaddressed};

/// What a frame was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explained {
    /// The client said this, by its name in `[send]`; a reply is `reply`.
    Said(&'static str),
    /// The client was told this by `receive[place]`.
    Told {
        /// Which one, from 0.
        place: usize,
        /// What it means.
        events: Vec<Event>,
    },
    /// No message of the file has this shape.
    No,
}

impl Data {
    /// What a frame of the client is.
    pub fn explain_sent(&mut self, frame: &str) -> Explained {
        let Ok(message) = serde_json::from_str::<Value>(frame) else {
            return Explained::No;
        };
        let file = Arc::clone(&self.file);
        let replies = file.receive.iter().flat_map(|receive| &receive.reply);
        let said = file
            .send
            .all()
            .into_iter()
            .chain(replies.map(|reply| ("reply", reply)));
        // A message that says more fits better: an offer may have every field of one that says less.
        let fitting = said.filter_map(|(name, text)| Some((name, text, self.read_sent(text, &message)?)));
        let Some((name, _, bound)) = fitting.max_by_key(|(_, text, _)| text.names().len()) else {
            return Explained::No;
        };
        for (name, value) in bound {
            match name.as_str() {
                "me" => {
                    self.is_named = true;
                    self.me = value;
                }
                "room" => self.room = Some(value),
                _ => {}
            }
        }
        let role = match name {
            "join.broadcaster" => Some(Role::Broadcaster),
            "join.viewer" => Some(Role::Viewer),
            _ => None,
        };
        if let Some(role) = role {
            self.enter(role);
        }
        Explained::Said(name)
    }

    /// The client is seen to be this, where it has no message to say so.
    pub fn enter(&mut self, role: Role) {
        self.role = Some(role);
        self.peers = Unaddressed::new(role);
    }

    /// What a frame of the server is.
    pub fn explain_received(&mut self, now: Instant, frame: &str) -> Explained {
        let Ok(message) = serde_json::from_str::<Value>(frame) else {
            return Explained::No;
        };
        let file = Arc::clone(&self.file);
        match self.find(&file.receive, &message) {
            Some((place, receive, bound)) => {
                let events = self.hear(now, receive, &bound);
                Explained::Told { place, events }
            }
            None => Explained::No,
        }
    }

    fn read_sent(&self, text: &Template, message: &Value) -> Option<Vec<(String, Value)>> {
        let fixed = |name: &str| match self.fixed(name) {
            None if !names::is_known(name) => self.kept.get(name).cloned(),
            fixed => fixed,
        };
        let bound = text.read(message, &fixed)?;
        let owned = bound
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.clone()));
        Some(owned.collect())
    }
}
