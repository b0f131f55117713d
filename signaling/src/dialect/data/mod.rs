//! A dialect by data alone: a file says which messages mean what, and this speaks it.
//!
//! Owns what one connection remembers: its name, what messages brought for later ones, and when to ping. Pure, and
//! total: no file and no frame makes it panic, and what it remembers is bounded by the names in the file.

mod check;
mod explain;
mod file;
mod hear;
mod names;
mod say;
mod template;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Number, Value};
use tokio::time::Instant;

use super::{
    Output,
    unaddressed::{BROADCASTER, Unaddressed},
};
use crate::{Command, Event, PeerId, Role, RoomState};

pub use check::DialectFileError;
pub use explain::Explained;
pub use file::{Confirmation, DialectFile, Every, Happens, Joins, Ping, Receive, Sends};
pub use template::{Template, TemplateError};

/// A dialect by data, on one connection.
#[derive(Clone, Debug)]
pub struct Data {
    file: Arc<DialectFile>,
    /// Its own name until the server gives it another.
    me: Value,
    /// The name has been said or given, and is no other any more.
    is_named: bool,
    role: Option<Role>,
    room: Option<Value>,
    /// What messages brought, under the file's own names.
    kept: BTreeMap<String, Value>,
    /// Ids came as numbers, and go back as such.
    ids_are_numbers: bool,
    /// Whom a viewer has heard of.
    broadcaster: Option<PeerId>,
    /// A join that needs what no message has brought yet.
    held: Option<Command>,
    /// The server let the bot in before it asked.
    is_welcome: bool,
    /// Who is meant, where messages name nobody.
    peers: Unaddressed,
    ping_at: Option<Instant>,
    state: RoomState,
}

impl Data {
    /// For a bot of this name.
    pub fn new(file: Arc<DialectFile>, me: PeerId) -> Self {
        Self {
            file,
            me: Value::from(me.as_str()),
            is_named: false,
            role: None,
            room: None,
            kept: BTreeMap::new(),
            ids_are_numbers: false,
            broadcaster: None,
            held: None,
            is_welcome: false,
            peers: Unaddressed::default(),
            ping_at: None,
            state: RoomState::default(),
        }
    }

    /// What it speaks.
    pub fn file(&self) -> &DialectFile {
        &self.file
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        [self.ping_at, self.peers.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs: Vec<Output> = self.peers.timeout(now).map(Output::Event).into_iter().collect();
        let file = Arc::clone(&self.file);
        if let Some(ping) = file
            .send
            .ping
            .as_ref()
            .filter(|_| self.ping_at.is_some_and(|at| now >= at))
        {
            self.ping_at = Some(now + ping.every.0);
            // Before it knows what the message needs, there is nothing to keep alive.
            if let Ok(text) = ping.text.fill(&|name| self.known(name)) {
                outputs.push(Output::Frame {
                    text: text.to_string(),
                    says: None,
                });
            }
        }
        outputs
    }

    /// What is known beyond a single message.
    fn known(&self, name: &str) -> Option<Value> {
        match name {
            "me" => Some(self.me.clone()),
            "room" => self.room.clone(),
            "role" => self.role.map(|role| Value::from(role.to_string())),
            other => self.kept.get(other).cloned(),
        }
    }

    /// What a name in a received message stands for and nothing else.
    fn fixed(&self, name: &str) -> Option<Value> {
        match name {
            "me" if self.is_named => Some(self.me.clone()),
            "room" => self.room.clone(),
            _ => None,
        }
    }

    /// What the bot is called by others.
    fn my_id(&self) -> PeerId {
        match self.role {
            Some(Role::Broadcaster) if !self.file.is_addressed() => PeerId::from(BROADCASTER),
            _ => id_text(&self.me),
        }
    }

    fn joined(&self, role: Role, peers: Vec<(PeerId, Role)>) -> Event {
        Event::Joined {
            id: self.my_id(),
            role,
            state: self.state,
            peers,
        }
    }

    /// An id that came; that it was a number is remembered.
    fn id(&mut self, value: &Value) -> PeerId {
        self.ids_are_numbers |= value.is_number();
        id_text(value)
    }

    /// An id as it came.
    fn id_value(&self, id: &PeerId) -> Value {
        let number = id.as_str().parse::<Number>().ok();
        match number.filter(|_| self.ids_are_numbers) {
            Some(number) => Value::Number(number),
            None => Value::from(id.as_str()),
        }
    }
}

fn id_text(value: &Value) -> PeerId {
    match value {
        Value::String(text) => PeerId::from(text.as_str()),
        other => PeerId::from(other.to_string()),
    }
}

fn other(role: Option<Role>) -> Role {
    match role {
        Some(Role::Broadcaster) => Role::Viewer,
        Some(Role::Viewer) | None => Role::Broadcaster,
    }
}

#[cfg(test)]
mod tests;
