//! The messages of greenroom's native protocol version 1, as they are on the wire (docs/signaling.md).
//!
//! Owns the JSON and nothing else: which message is allowed when is decided by [`crate::room`].

pub(crate) mod json;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{Candidate, DecodeError, Description, ErrorCode, MutedMedia, PeerId, Role, RoomId, RoomState};
pub(crate) use json::excerpt;
use json::{explain, json, media};

/// The protocol version that this crate speaks.
pub const PROTOCOL: u32 = 1;

const fn protocol_default() -> u32 {
    PROTOCOL
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ClientMessage {
    /// Join as the broadcaster.
    Broadcaster {
        /// The room.
        room: RoomId,
        /// Version that the client speaks; 1 if absent.
        #[serde(default = "protocol_default")]
        protocol: u32,
    },
    /// Join as a viewer.
    Viewer {
        /// The room.
        room: RoomId,
        /// Version that the client speaks; 1 if absent.
        #[serde(default = "protocol_default")]
        protocol: u32,
    },
    /// Offer to a viewer.
    Offer {
        /// The viewer.
        to: PeerId,
        /// A description of type `offer`.
        #[serde(deserialize_with = "json::offer")]
        offer: Description,
    },
    /// Answer to the broadcaster.
    Answer {
        /// The broadcaster.
        to: PeerId,
        /// A description of type `answer` or `pranswer`.
        #[serde(deserialize_with = "json::answer")]
        answer: Description,
    },
    /// One trickled candidate.
    Candidate {
        /// The other side.
        to: PeerId,
        /// The candidate.
        candidate: Candidate,
    },
    /// No more candidates follow.
    EndOfCandidates {
        /// The other side.
        to: PeerId,
        /// The ICE generation that ends.
        #[serde(default, rename = "usernameFragment", skip_serializing_if = "Option::is_none")]
        username_fragment: Option<String>,
    },
    /// Chat to everyone in the room.
    Chat {
        /// The text.
        message: String,
    },
    /// Mute media.
    Mute {
        /// Which; both if absent.
        #[serde(default, with = "media", skip_serializing_if = "media::is_all")]
        media: MutedMedia,
    },
    /// Unmute media.
    Unmute {
        /// Which; both if absent.
        #[serde(default, with = "media", skip_serializing_if = "media::is_all")]
        media: MutedMedia,
    },
    /// End the live stream.
    Stop,
    /// Leave the room.
    Leave,
}

/// A peer as `joined` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name.
    pub id: PeerId,
    /// Its role.
    pub role: Role,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// The answer to a join.
    Joined {
        /// Version that the server speaks.
        protocol: u32,
        /// The name of the client from now on.
        id: PeerId,
        /// Its role.
        role: Role,
        /// The room.
        room: RoomId,
        /// The state of the broadcast.
        state: RoomState,
        /// For a viewer the broadcaster, if one is there; empty for the broadcaster.
        peers: Vec<Peer>,
    },
    /// To the broadcaster: a viewer is there.
    NewViewer {
        /// The viewer.
        id: PeerId,
    },
    /// To the broadcaster: a viewer has gone.
    ViewerLeft {
        /// The viewer.
        id: PeerId,
    },
    /// To viewers: the broadcaster is there.
    BroadcasterJoined {
        /// The broadcaster.
        id: PeerId,
    },
    /// To viewers: the broadcaster has gone.
    BroadcasterLeft {
        /// The broadcaster.
        id: PeerId,
    },
    /// An offer, to a viewer.
    Offer {
        /// The sender, as the server knows it.
        from: PeerId,
        /// The description.
        #[serde(deserialize_with = "json::offer")]
        offer: Description,
    },
    /// An answer, to the broadcaster.
    Answer {
        /// The sender, as the server knows it.
        from: PeerId,
        /// The description.
        #[serde(deserialize_with = "json::answer")]
        answer: Description,
    },
    /// A trickled candidate.
    Candidate {
        /// The sender, as the server knows it.
        from: PeerId,
        /// The candidate.
        candidate: Candidate,
    },
    /// No more candidates follow.
    EndOfCandidates {
        /// The sender, as the server knows it.
        from: PeerId,
        /// The ICE generation that ends.
        #[serde(default, rename = "usernameFragment", skip_serializing_if = "Option::is_none")]
        username_fragment: Option<String>,
    },
    /// Chat, to everyone including its sender.
    Chat {
        /// The sender, as the server knows it.
        from: PeerId,
        /// The text.
        message: String,
        /// Its number in this room, from 1 without gaps.
        seq: u64,
    },
    /// The state of the broadcast.
    State(RoomState),
    /// A message was refused.
    Error {
        /// Which rule.
        code: ErrorCode,
        /// For people.
        message: String,
        /// The peer that the refused message was for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<PeerId>,
    },
}

impl ClientMessage {
    const TYPES: [&str; 11] = [
        "broadcaster",
        "viewer",
        "offer",
        "answer",
        "candidate",
        "end-of-candidates",
        "chat",
        "mute",
        "unmute",
        "stop",
        "leave",
    ];

    /// Reads a frame.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a message of version 1.
    pub fn parse(frame: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(frame).map_err(|error| explain(frame, &error, &Self::TYPES))
    }

    /// The message as JSON.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// The `type` of the message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Broadcaster { .. } => "broadcaster",
            Self::Viewer { .. } => "viewer",
            Self::Offer { .. } => "offer",
            Self::Answer { .. } => "answer",
            Self::Candidate { .. } => "candidate",
            Self::EndOfCandidates { .. } => "end-of-candidates",
            Self::Chat { .. } => "chat",
            Self::Mute { .. } => "mute",
            Self::Unmute { .. } => "unmute",
            Self::Stop => "stop",
            Self::Leave => "leave",
        }
    }
}

impl ServerMessage {
    const TYPES: [&str; 12] = [
        "joined",
        "new-viewer",
        "viewer-left",
        "broadcaster-joined",
        "broadcaster-left",
        "offer",
        "answer",
        "candidate",
        "end-of-candidates",
        "chat",
        "state",
        "error",
    ];

    /// Reads a frame.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a message of version 1.
    pub fn parse(frame: &str) -> Result<Self, DecodeError> {
        serde_json::from_str(frame).map_err(|error| explain(frame, &error, &Self::TYPES))
    }

    /// The message as JSON.
    pub fn to_json(&self) -> String {
        json(self)
    }
}
