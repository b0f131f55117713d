//! Why a server refuses a message, and the `error` message that says so.

use crate::{
    DecodeError, ErrorCode, PeerId, Role, RoomId,
    message::{PROTOCOL, ServerMessage, excerpt},
};

/// A rule that a message broke. The connection lives on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The frame is not a message of the protocol.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// The join names a version that this server does not speak.
    #[error("protocol {found} is not spoken here; join with \"protocol\":{PROTOCOL}")]
    UnsupportedProtocol {
        /// The version asked for.
        found: u32,
    },
    /// A message before the join.
    #[error("{message} came before the join; join as broadcaster or viewer first")]
    NotJoined {
        /// Its type.
        message: &'static str,
    },
    /// A second join on one connection.
    #[error("this connection has joined already; open another connection for another room or role")]
    AlreadyJoined,
    /// The room has its broadcaster (SG-03).
    #[error("room {room} has a broadcaster; join as a viewer or retry once it has left")]
    BroadcasterExists {
        /// The room.
        room: RoomId,
    },
    /// The room has no place left.
    #[error("room {room} is full with {limit} members; retry once somebody has left")]
    RoomFull {
        /// The room.
        room: RoomId,
        /// How many members it takes.
        limit: usize,
    },
    /// The server has no place for another room.
    #[error("server is full with {limit} rooms; join an existing room or retry later")]
    TooManyRooms {
        /// How many rooms it takes.
        limit: usize,
    },
    /// The role may not send this message.
    #[error("a {role} may not send {message}; {}", role_may(*.role))]
    NotAllowed {
        /// The sender's role.
        role: Role,
        /// The type of the message.
        message: &'static str,
    },
    /// The addressed peer is not there for this role (SG-04).
    #[error("no peer {:?} here for a {role} to address; {}", excerpt(.to.as_str()), role_addresses(*.role))]
    UnknownTarget {
        /// Whom the message was for.
        to: PeerId,
        /// The sender's role.
        role: Role,
    },
    /// A message without an address, in a dialect that has none, and nobody whom it could be for.
    #[error("nobody is there for this {message} of a {role}; {}", role_waits(*.role))]
    NobodyThere {
        /// The type of the message.
        message: &'static str,
        /// The sender's role.
        role: Role,
    },
}

fn role_waits(role: Role) -> &'static str {
    match role {
        Role::Broadcaster => "wait until a viewer is announced",
        Role::Viewer => "wait for the offer of a broadcaster",
    }
}

fn role_may(role: Role) -> &'static str {
    match role {
        Role::Broadcaster => "it may offer, trickle, chat, mute, unmute, stop and leave",
        Role::Viewer => "it may answer, trickle, chat and leave",
    }
}

fn role_addresses(role: Role) -> &'static str {
    match role {
        Role::Broadcaster => "it addresses the viewers that new-viewer named and viewer-left has not",
        Role::Viewer => "it addresses the broadcaster that joined or broadcaster-joined named last",
    }
}

impl Refusal {
    /// The code on the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Undecodable(DecodeError::UnknownType { .. }) => ErrorCode::UnknownType,
            Self::Undecodable(_) => ErrorCode::MalformedMessage,
            Self::UnsupportedProtocol { .. } => ErrorCode::UnsupportedProtocol,
            Self::NotJoined { .. } => ErrorCode::NotJoined,
            Self::AlreadyJoined => ErrorCode::AlreadyJoined,
            Self::BroadcasterExists { .. } => ErrorCode::BroadcasterExists,
            Self::RoomFull { .. } => ErrorCode::RoomFull,
            Self::TooManyRooms { .. } => ErrorCode::TooManyRooms,
            Self::NotAllowed { .. } => ErrorCode::NotAllowed,
            Self::UnknownTarget { .. } | Self::NobodyThere { .. } => ErrorCode::UnknownTarget,
        }
    }

    /// The message that tells the sender.
    pub fn into_message(self) -> ServerMessage {
        let code = self.code();
        let message = self.to_string();
        let to = match self {
            Self::UnknownTarget { to, .. } => Some(to),
            _ => None,
        };
        ServerMessage::Error { code, message, to }
    }
}
