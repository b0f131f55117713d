//! The seam between a bot and any signaling protocol: what a bot may ask for and what may happen to it.
//!
//! Nothing here knows a wire format (that is [`crate::Dialect`]) or a socket (that is [`crate::client`]).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{DecodeError, PeerId, Role, RoomId};

/// The type of a session description (RFC 9429 section 4.1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// Opens a negotiation.
    Offer,
    /// Answers without ending the negotiation.
    Pranswer,
    /// Answers and ends the negotiation.
    Answer,
    /// Takes back an offer; local to one peer and never signaled.
    Rollback,
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer => "offer",
            Self::Pranswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        })
    }
}

/// A session description; its JSON is that of W3C `RTCSessionDescriptionInit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its place in the negotiation.
    #[serde(rename = "type")]
    pub sdp_type: SdpType,
    /// The SDP text (RFC 8866), opaque to this crate.
    pub sdp: String,
}

/// An ICE candidate; its JSON is that of W3C `RTCIceCandidateInit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate attribute (RFC 8839 section 5.1), opaque to this crate.
    pub candidate: String,
    /// The media stream identification tag of its m-section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The index of its m-section, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
    /// The ICE generation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// Which media the broadcaster has muted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Muted {
    /// Audio is muted.
    pub audio: bool,
    /// Video is muted.
    pub video: bool,
}

/// What a room remembers of the broadcast; a late joiner gets it with [`Event::Joined`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoomState {
    /// Grows by one with each change; of two states the one with the higher version holds.
    pub version: u64,
    /// Which media is muted.
    pub muted: Muted,
    /// The broadcaster has ended the live stream.
    pub stopped: bool,
}

/// The media that a mute or unmute means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MutedMedia {
    /// Audio only.
    Audio,
    /// Video only.
    Video,
    /// Audio and video.
    #[default]
    All,
}

/// What a bot asks of its signaling server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Enter a room; the answer is [`Event::Joined`] or [`Event::Error`].
    Join {
        /// The room.
        room: RoomId,
        /// As what.
        role: Role,
    },
    /// Send a session description.
    Description {
        /// To whom; needed where [`crate::Traits::addressed`] holds.
        to: Option<PeerId>,
        /// The description.
        description: Description,
    },
    /// Send one trickled candidate (RFC 8838).
    Candidate {
        /// To whom; needed where [`crate::Traits::addressed`] holds.
        to: Option<PeerId>,
        /// The candidate.
        candidate: Candidate,
    },
    /// Say that no more candidates follow (RFC 8838 section 13).
    EndOfCandidates {
        /// To whom; needed where [`crate::Traits::addressed`] holds.
        to: Option<PeerId>,
        /// The ICE generation that ends.
        username_fragment: Option<String>,
    },
    /// Say something to everyone in the room.
    Chat {
        /// What.
        text: String,
    },
    /// Mute media; the broadcaster only.
    Mute {
        /// Which.
        media: MutedMedia,
    },
    /// Unmute media; the broadcaster only.
    Unmute {
        /// Which.
        media: MutedMedia,
    },
    /// End the live stream; the broadcaster only.
    Stop,
    /// Leave the room.
    Leave,
}

/// What happens to a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The bot is in the room.
    Joined {
        /// The name that the server gave it.
        id: PeerId,
        /// Its role.
        role: Role,
        /// The state of the broadcast at this moment.
        state: RoomState,
        /// Who is there and not announced by a [`Event::PeerJoined`] of its own.
        peers: Vec<(PeerId, Role)>,
    },
    /// A peer that this bot may talk to is there.
    PeerJoined {
        /// Its name.
        id: PeerId,
        /// Its role.
        role: Role,
    },
    /// A peer that this bot could talk to has gone.
    PeerLeft {
        /// Its name.
        id: PeerId,
        /// Its role.
        role: Role,
    },
    /// A session description came.
    Description {
        /// From whom, where the protocol says so.
        from: Option<PeerId>,
        /// The description.
        description: Description,
    },
    /// A trickled candidate came.
    Candidate {
        /// From whom, where the protocol says so.
        from: Option<PeerId>,
        /// The candidate.
        candidate: Candidate,
    },
    /// No more candidates follow.
    EndOfCandidates {
        /// From whom, where the protocol says so.
        from: Option<PeerId>,
        /// The ICE generation that ends.
        username_fragment: Option<String>,
    },
    /// Somebody said something, possibly this bot.
    Chat {
        /// Who, where the protocol says so.
        from: Option<PeerId>,
        /// What.
        text: String,
        /// Its number in the room from 1, where the protocol counts.
        seq: Option<u64>,
    },
    /// The state of the broadcast changed.
    RoomState(RoomState),
    /// The server refused something; the connection lives on.
    Error {
        /// Which rule.
        code: ErrorCode,
        /// For people.
        message: String,
        /// The peer that the refused message was for.
        to: Option<PeerId>,
    },
    /// A frame came that the dialect cannot read; the connection lives on.
    Undecodable(DecodeError),
    /// The connection has ended. Always the last event.
    Closed(CloseReason),
}

/// Why a server refused a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ErrorCode {
    /// Not JSON, or a field is missing or of the wrong type.
    MalformedMessage,
    /// JSON with a `type` that the protocol does not have.
    UnknownType,
    /// A join asked for a protocol version that the server does not speak.
    UnsupportedProtocol,
    /// A message before the join.
    NotJoined,
    /// A second join on one connection.
    AlreadyJoined,
    /// The room has its broadcaster; the first one stays.
    BroadcasterExists,
    /// The room has no place left.
    RoomFull,
    /// The server has no place for another room.
    TooManyRooms,
    /// The role may not send this message.
    NotAllowed,
    /// The addressed peer is not in the room, has left it, or is not for this role to address.
    UnknownTarget,
    /// A code that this crate does not know, from another implementation.
    Other(String),
}

impl ErrorCode {
    /// The code as it goes over the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::MalformedMessage => "malformed-message",
            Self::UnknownType => "unknown-type",
            Self::UnsupportedProtocol => "unsupported-protocol",
            Self::NotJoined => "not-joined",
            Self::AlreadyJoined => "already-joined",
            Self::BroadcasterExists => "broadcaster-exists",
            Self::RoomFull => "room-full",
            Self::TooManyRooms => "too-many-rooms",
            Self::NotAllowed => "not-allowed",
            Self::UnknownTarget => "unknown-target",
            Self::Other(code) => code,
        }
    }

    /// Every code that a greenroom server sends.
    pub const ALL: [Self; 10] = [
        Self::MalformedMessage,
        Self::UnknownType,
        Self::UnsupportedProtocol,
        Self::NotJoined,
        Self::AlreadyJoined,
        Self::BroadcasterExists,
        Self::RoomFull,
        Self::TooManyRooms,
        Self::NotAllowed,
        Self::UnknownTarget,
    ];
}

impl From<String> for ErrorCode {
    fn from(code: String) -> Self {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == code)
            .unwrap_or(Self::Other(code))
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Other(code) => code,
            known => known.as_str().to_owned(),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a connection ended, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// This side closed it politely.
    Local,
    /// This side cut it without a word ([`crate::ClientHandle::abort`]), or its runtime went away.
    Aborted,
    /// The server sent a close frame (RFC 6455 section 7.4).
    Remote {
        /// The status code; 1005 where the frame carried none.
        code: u16,
        /// The text beside it.
        reason: String,
    },
    /// The stream ended without a close frame.
    Eof,
    /// Nothing at all came for this long although pings were sent.
    Timeout {
        /// The limit that passed.
        idle: Duration,
    },
    /// The server broke the WebSocket protocol.
    Protocol(String),
    /// The stream failed.
    Io(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => write!(f, "closed by this side"),
            Self::Aborted => write!(f, "cut by this side without a close frame"),
            Self::Remote { code, reason } if reason.is_empty() => {
                write!(f, "closed by the server with code {code}")
            }
            Self::Remote { code, reason } => {
                write!(f, "closed by the server with code {code}: {reason}")
            }
            Self::Eof => write!(f, "stream ended without a close frame"),
            Self::Timeout { idle } => {
                write!(
                    f,
                    "nothing received for {} ms although pings were sent",
                    idle.as_millis()
                )
            }
            Self::Protocol(what) => write!(f, "server broke the WebSocket protocol: {what}"),
            Self::Io(what) => write!(f, "stream failed: {what}"),
        }
    }
}
