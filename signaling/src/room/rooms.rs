//! The rooms of one server, pure: makes them for the first who joins, names peers, removes them when empty.

use std::collections::BTreeMap;

use super::{Input, Output, Refusal, Room};
use crate::{
    PeerId, Role, RoomId,
    message::{ClientMessage, PROTOCOL},
};

/// How much a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Rooms. Default 10,000.
    pub rooms: usize,
    /// Members of one room, the broadcaster among them. Default 10,000.
    pub members_per_room: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            rooms: 10_000,
            members_per_room: 10_000,
        }
    }
}

/// The rooms of one server.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    limits: RoomLimits,
    rooms: BTreeMap<RoomId, Room>,
    members: usize,
    names: u64,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// How many rooms have somebody in them.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether no room has anybody in it.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// How many peers are in a room.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Lets a peer into a room under a new name: `b` or `v` and a number that this server never uses twice.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub fn join(
        &mut self,
        room: &RoomId,
        role: Role,
        protocol: u32,
    ) -> Result<(PeerId, Vec<Output>), Refusal> {
        if protocol != PROTOCOL {
            return Err(Refusal::UnsupportedProtocol { found: protocol });
        }
        match self.rooms.get(room) {
            Some(existing) => existing.admits(role)?,
            None if self.rooms.len() >= self.limits.rooms => {
                return Err(Refusal::TooManyRooms {
                    limit: self.limits.rooms,
                });
            }
            None => Room::new(room.clone(), self.limits.members_per_room).admits(role)?,
        }
        self.names += 1;
        let id = PeerId::from(match role {
            Role::Broadcaster => format!("b{}", self.names),
            Role::Viewer => format!("v{}", self.names),
        });
        let entered = self
            .rooms
            .entry(room.clone())
            .or_insert_with(|| Room::new(room.clone(), self.limits.members_per_room));
        let outputs = entered.handle(Input::Join { id: id.clone(), role });
        self.members += 1;
        Ok((id, outputs))
    }

    /// A member says something. Empty if the room is gone.
    pub fn message(&mut self, room: &RoomId, from: PeerId, message: ClientMessage) -> Vec<Output> {
        self.handle(room, Input::Message { from, message })
    }

    /// A connection has gone. Empty if its peer had left before.
    pub fn leave(&mut self, room: &RoomId, id: PeerId) -> Vec<Output> {
        self.handle(room, Input::Leave { id })
    }

    fn handle(&mut self, room: &RoomId, input: Input) -> Vec<Output> {
        let Some(entered) = self.rooms.get_mut(room) else {
            return Vec::new();
        };
        let before = entered.len();
        let outputs = entered.handle(input);
        // Neither a message nor a leave adds a member.
        self.members -= before - entered.len();
        if entered.is_empty() {
            self.rooms.remove(room);
        }
        outputs
    }
}
