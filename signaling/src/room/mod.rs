//! The rules of a room, pure: who may join, who may say what to whom, and what everybody is told.
//!
//! Total and deterministic: no input panics, and equal inputs give equal outputs in equal order. It must not know
//! of connections, clocks or text frames. Rule numbers (SG-) are those of the conformance list.

#[cfg(test)]
mod properties;
mod refusal;
mod rooms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    MutedMedia, PeerId, Role, RoomId, RoomState,
    message::{ClientMessage, PROTOCOL, Peer, ServerMessage},
};

pub use refusal::Refusal;
pub use rooms::{RoomLimits, Rooms};

/// What happens to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants in, under a name that the server has just chosen.
    Join {
        /// The name.
        id: PeerId,
        /// As what.
        role: Role,
    },
    /// A connection has gone, with or without a word.
    Leave {
        /// Whose.
        id: PeerId,
    },
    /// A member says something.
    Message {
        /// Who, as the server knows it.
        from: PeerId,
        /// What.
        message: ClientMessage,
    },
}

/// What the server must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one message to each of these members.
    Send {
        /// The members, in the order in which they joined; never empty.
        to: Vec<PeerId>,
        /// The message.
        message: ServerMessage,
    },
    /// Tell the peer of the input why nothing came of it.
    Reject {
        /// The peer.
        to: PeerId,
        /// The rule.
        why: Refusal,
    },
    /// Close the connection of a peer that has left by message.
    Close {
        /// The peer, no member any more.
        to: PeerId,
    },
}

/// One broadcaster, its viewers and the state of the broadcast.
#[derive(Clone, Debug)]
pub struct Room {
    id: RoomId,
    member_limit: usize,
    members: BTreeMap<PeerId, Member>,
    join_order: BTreeMap<u64, PeerId>,
    joins: u64,
    broadcaster: Option<PeerId>,
    state: RoomState,
    chat_seq: u64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    role: Role,
    joined: u64,
}

impl Room {
    /// An empty room that takes at most `member_limit` members, the broadcaster among them.
    pub fn new(id: RoomId, member_limit: usize) -> Self {
        Self {
            id,
            member_limit,
            members: BTreeMap::new(),
            join_order: BTreeMap::new(),
            joins: 0,
            broadcaster: None,
            state: RoomState::default(),
            chat_seq: 0,
        }
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Who is in it, in the order in which they joined.
    pub fn members(&self) -> impl Iterator<Item = (&PeerId, Role)> {
        self.join_order
            .values()
            .filter_map(|id| Some((id, self.members.get(id)?.role)))
    }

    /// The state of the broadcast.
    pub fn state(&self) -> RoomState {
        self.state
    }

    /// Whether a newcomer in this role would be let in.
    ///
    /// # Errors
    /// [`Refusal::BroadcasterExists`] (SG-03) or [`Refusal::RoomFull`].
    pub fn admits(&self, role: Role) -> Result<(), Refusal> {
        if role == Role::Broadcaster && self.broadcaster.is_some() {
            return Err(Refusal::BroadcasterExists {
                room: self.id.clone(),
            });
        }
        if self.members.len() >= self.member_limit {
            return Err(Refusal::RoomFull {
                room: self.id.clone(),
                limit: self.member_limit,
            });
        }
        Ok(())
    }

    /// Takes one input and says what follows from it.
    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Join { id, role } => match self.admits(role) {
                _ if self.members.contains_key(&id) => reject(id, Refusal::AlreadyJoined),
                Ok(()) => self.join(id, role),
                Err(why) => reject(id, why),
            },
            Input::Leave { id } => self.leave(&id),
            Input::Message { from, message } => match self.members.get(&from) {
                Some(&Member { role, .. }) => self.message(from, role, message),
                None => reject(
                    from,
                    Refusal::NotJoined {
                        message: message.kind(),
                    },
                ),
            },
        }
    }

    fn join(&mut self, id: PeerId, role: Role) -> Vec<Output> {
        self.joins += 1;
        self.members.insert(
            id.clone(),
            Member {
                role,
                joined: self.joins,
            },
        );
        self.join_order.insert(self.joins, id.clone());
        match role {
            Role::Broadcaster => self.announce_broadcaster(id),
            Role::Viewer => self.announce_viewer(id),
        }
    }

    fn announce_broadcaster(&mut self, id: PeerId) -> Vec<Output> {
        self.broadcaster = Some(id.clone());
        // A broadcaster that comes (back) starts a new live stream; what it muted outlives it, so that a
        // broken connection does not unmute a microphone.
        let restarted = self.state.stopped;
        if restarted {
            self.state.stopped = false;
            self.state.version += 1;
        }
        let viewers = self.viewers();
        let mut outputs = vec![self.joined(id.clone(), Role::Broadcaster, Vec::new())];
        // One small message for each viewer who waits, rather than a list in `joined` that grows with the room:
        // a broadcaster treats those who came before it and those who come after it alike.
        outputs.extend(
            viewers
                .iter()
                .map(|viewer| send_one(id.clone(), ServerMessage::NewViewer { id: viewer.clone() })),
        );
        if !viewers.is_empty() {
            let message = ServerMessage::BroadcasterJoined { id };
            outputs.push(Output::Send {
                to: viewers.clone(),
                message,
            });
            if restarted {
                outputs.push(Output::Send {
                    to: viewers,
                    message: ServerMessage::State(self.state),
                });
            }
        }
        outputs
    }

    fn announce_viewer(&self, id: PeerId) -> Vec<Output> {
        let broadcaster = self.broadcaster.clone();
        let peers = broadcaster
            .iter()
            .map(|id| Peer {
                id: id.clone(),
                role: Role::Broadcaster,
            })
            .collect();
        let mut outputs = vec![self.joined(id.clone(), Role::Viewer, peers)];
        outputs.extend(broadcaster.map(|to| send_one(to, ServerMessage::NewViewer { id })));
        outputs
    }

    fn joined(&self, id: PeerId, role: Role, peers: Vec<Peer>) -> Output {
        let message = ServerMessage::Joined {
            protocol: PROTOCOL,
            id: id.clone(),
            role,
            room: self.id.clone(),
            state: self.state,
            peers,
        };
        send_one(id, message)
    }

    fn leave(&mut self, id: &PeerId) -> Vec<Output> {
        let Some(member) = self.members.remove(id) else {
            return Vec::new();
        };
        self.join_order.remove(&member.joined);
        match member.role {
            Role::Broadcaster => {
                self.broadcaster = None;
                let message = ServerMessage::BroadcasterLeft { id: id.clone() };
                send_all(self.viewers(), message).into_iter().collect()
            }
            Role::Viewer => {
                let message = ServerMessage::ViewerLeft { id: id.clone() };
                self.broadcaster
                    .clone()
                    .map(|to| send_one(to, message))
                    .into_iter()
                    .collect()
            }
        }
    }

    fn message(&mut self, from: PeerId, role: Role, message: ClientMessage) -> Vec<Output> {
        if !may_say(role, &message) {
            return reject(
                from,
                Refusal::NotAllowed {
                    role,
                    message: message.kind(),
                },
            );
        }
        match message {
            ClientMessage::Broadcaster { .. } | ClientMessage::Viewer { .. } => {
                reject(from, Refusal::AlreadyJoined)
            }
            ClientMessage::Offer { to, offer } => {
                self.direct(from, to, |from| ServerMessage::Offer { from, offer })
            }
            ClientMessage::Answer { to, answer } => {
                self.direct(from, to, |from| ServerMessage::Answer { from, answer })
            }
            ClientMessage::Candidate { to, candidate } => {
                self.direct(from, to, |from| ServerMessage::Candidate { from, candidate })
            }
            ClientMessage::EndOfCandidates {
                to,
                username_fragment,
            } => self.direct(from, to, |from| ServerMessage::EndOfCandidates {
                from,
                username_fragment,
            }),
            ClientMessage::Chat { message } => {
                self.chat_seq += 1;
                let chat = ServerMessage::Chat {
                    from,
                    message,
                    seq: self.chat_seq,
                };
                send_all(self.everyone(), chat).into_iter().collect()
            }
            ClientMessage::Mute { media } => self.change(from, |state| set_muted(state, media, true)),
            ClientMessage::Unmute { media } => self.change(from, |state| set_muted(state, media, false)),
            ClientMessage::Stop => self.change(from, |state| state.stopped = true),
            ClientMessage::Leave => {
                let mut outputs = self.leave(&from);
                outputs.push(Output::Close { to: from });
                outputs
            }
        }
    }

    /// SG-01, SG-02, SG-04: to exactly the addressed peer of this room, under the sender's own name.
    fn direct(&self, from: PeerId, to: PeerId, message: impl FnOnce(PeerId) -> ServerMessage) -> Vec<Output> {
        let sender = self.members.get(&from).map(|member| member.role);
        let target = self.members.get(&to).map(|member| member.role);
        // Directed messages cross between the roles; a viewer is not even told that another viewer exists.
        match (sender, target) {
            (Some(Role::Broadcaster), Some(Role::Viewer)) | (Some(Role::Viewer), Some(Role::Broadcaster)) => {
                vec![send_one(to, message(from))]
            }
            (Some(role), _) => reject(from, Refusal::UnknownTarget { to, role }),
            (None, _) => Vec::new(),
        }
    }

    /// SG-07: a change that changes nothing is answered to its sender alone, under the old version.
    fn change(&mut self, from: PeerId, apply: impl FnOnce(&mut RoomState)) -> Vec<Output> {
        let mut next = self.state;
        apply(&mut next);
        if next == self.state {
            return vec![send_one(from, ServerMessage::State(self.state))];
        }
        next.version += 1;
        self.state = next;
        send_all(self.everyone(), ServerMessage::State(next))
            .into_iter()
            .collect()
    }

    fn everyone(&self) -> Vec<PeerId> {
        self.join_order.values().cloned().collect()
    }

    fn viewers(&self) -> Vec<PeerId> {
        self.members()
            .filter(|&(_, role)| role == Role::Viewer)
            .map(|(id, _)| id.clone())
            .collect()
    }
}

/// The role × message matrix: the broadcaster offers and steers, viewers answer, everybody trickles and chats.
fn may_say(role: Role, message: &ClientMessage) -> bool {
    match message {
        ClientMessage::Offer { .. }
        | ClientMessage::Mute { .. }
        | ClientMessage::Unmute { .. }
        | ClientMessage::Stop => role == Role::Broadcaster,
        ClientMessage::Answer { .. } => role == Role::Viewer,
        ClientMessage::Candidate { .. }
        | ClientMessage::EndOfCandidates { .. }
        | ClientMessage::Chat { .. }
        | ClientMessage::Leave
        // Refused all the same, but for joining twice.
        | ClientMessage::Broadcaster { .. }
        | ClientMessage::Viewer { .. } => true,
    }
}

fn set_muted(state: &mut RoomState, media: MutedMedia, muted: bool) {
    if matches!(media, MutedMedia::Audio | MutedMedia::All) {
        state.muted.audio = muted;
    }
    if matches!(media, MutedMedia::Video | MutedMedia::All) {
        state.muted.video = muted;
    }
}

fn send_one(to: PeerId, message: ServerMessage) -> Output {
    Output::Send {
        to: vec![to],
        message,
    }
}

fn send_all(to: Vec<PeerId>, message: ServerMessage) -> Option<Output> {
    (!to.is_empty()).then_some(Output::Send { to, message })
}

fn reject(to: PeerId, why: Refusal) -> Vec<Output> {
    vec![Output::Reject { to, why }]
}
