//! What goes over the wire, as state machines: each dialect turns [`Command`]s into frames and frames into [`Event`]s.
//!
//! Pure: (input, now) -> outputs, no clock, socket or randomness. One file per dialect; the enum below is the only
//! place that lists them. How a dialect looks to people is in docs/dialects.md.

mod body;
mod broadcast_ws;
mod data;
pub(crate) mod http;
mod http_session;
mod janus;
mod meaning;
mod name;
mod native;
mod relay;
mod socketio;
mod socketio_relay;
mod socketio_rooms;
mod unaddressed;

use std::sync::Arc;
mod whep;
mod whip;

use tokio::time::Instant;

use crate::{Command, Event, PeerId, Role};

pub use broadcast_ws::BroadcastWs;
pub use data::{
    Confirmation, Data, DialectFile, DialectFileError, Every, Explained, Happens, Joins, Ping, Receive,
    Sends, Template, TemplateError,
};
pub use http::{HttpFailure, HttpMethod, HttpRequest, HttpResponse};
pub use janus::Janus;
pub(crate) use meaning::{of_command, of_event};
pub use name::{DialectName, UnknownDialect};
pub use native::Native;
pub use relay::Relay;
pub use socketio_relay::SocketioRelay;
pub use socketio_rooms::SocketioRooms;
pub use whep::Whep;
pub use whip::Whip;

/// What a bot must know of a protocol beyond its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Who makes the offer.
    pub offerer: Role,
    /// Whether every bot knows every peer by the name that the server gave it. Where it does not, the dialect names
    /// peers by what it sees, and two bots may call one peer by two names.
    pub addressed: bool,
}

/// What a dialect wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell the bot.
    Event(Event),
    /// Send this text frame. `says` is the command that it carries, for traces; none for what only the protocol needs.
    Frame {
        /// The text.
        text: String,
        /// What it says.
        says: Option<Command>,
    },
    /// Make this request, and tell [`Dialect::answered`] what came of it.
    Request(HttpRequest),
    /// The command is done, and the protocol has no word for it.
    Unsaid(Command),
}

/// The protocol that a client speaks. Holds whatever state the protocol needs, one value per connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Dialect {
    /// greenroom's own protocol, version 1.
    Native(Native),
    /// One broadcaster and its viewers, without addresses.
    BroadcastWs(BroadcastWs),
    /// Every frame to everybody else.
    Relay(Relay),
    /// The same as a Socket.IO event.
    SocketioRelay(SocketioRelay),
    /// One host and its viewers as Socket.IO events.
    SocketioRooms(SocketioRooms),
    /// The VideoRoom of Janus. Boxed: it is several times as big as the others.
    Janus(Box<Janus>),
    /// What a file says.
    Data(Box<Data>),
    /// Ingest over HTTP.
    Whip(Whip),
    /// Playback over HTTP.
    Whep(Whep),
}

impl Dialect {
    /// greenroom's own protocol, version 1 (docs/signaling.md).
    pub fn native() -> Self {
        Self::Native(Native)
    }

    /// A built-in dialect, for a bot that is called `me` where the server gives no names.
    ///
    /// # Errors
    /// [`UnspokenDialect`] for one that no client speaks yet.
    pub fn named(name: DialectName, me: PeerId) -> Result<Self, UnspokenDialect> {
        Ok(match name {
            DialectName::Native => Self::Native(Native),
            DialectName::BroadcastWs => Self::BroadcastWs(BroadcastWs::new(me)),
            DialectName::Relay => Self::Relay(Relay::new(me)),
            DialectName::SocketioRelay => Self::SocketioRelay(SocketioRelay::new(me)),
            DialectName::SocketioRooms => Self::SocketioRooms(SocketioRooms::new(me)),
            DialectName::Janus => Self::Janus(Box::new(Janus::new(me))),
            DialectName::Whip => Self::Whip(Whip::new()),
            DialectName::Whep => Self::Whep(Whep::new(me)),
        })
    }

    /// What a file says, for a bot that is called `me` until the server gives it a name. The file should have been
    /// checked ([`DialectFile::check`]).
    pub fn data(file: Arc<DialectFile>, me: PeerId) -> Self {
        Self::Data(Box::new(Data::new(file, me)))
    }

    /// Which of the built-in ones it is; none where it comes from a file.
    pub fn name(&self) -> Option<DialectName> {
        match self {
            Self::Native(_) => Some(DialectName::Native),
            Self::BroadcastWs(_) => Some(DialectName::BroadcastWs),
            Self::Relay(_) => Some(DialectName::Relay),
            Self::SocketioRelay(_) => Some(DialectName::SocketioRelay),
            Self::SocketioRooms(_) => Some(DialectName::SocketioRooms),
            Self::Janus(_) => Some(DialectName::Janus),
            Self::Whip(_) => Some(DialectName::Whip),
            Self::Whep(_) => Some(DialectName::Whep),
            Self::Data(_) => None,
        }
    }

    /// Reads one text frame of the server. A frame may mean nothing to a bot, or several things.
    ///
    /// # Errors
    /// [`DecodeError`] for a frame that the protocol does not have. The connection can go on.
    pub fn decode(&mut self, now: Instant, frame: &str) -> Result<Vec<Output>, DecodeError> {
        match self {
            Self::Native(native) => Ok(native.decode(frame)?.into_iter().map(Output::Event).collect()),
            Self::BroadcastWs(dialect) => dialect.decode(now, frame),
            Self::Relay(dialect) => dialect.decode(frame),
            Self::SocketioRelay(dialect) => dialect.decode(now, frame),
            Self::SocketioRooms(dialect) => dialect.decode(frame),
            Self::Janus(dialect) => dialect.decode(now, frame),
            Self::Data(dialect) => dialect.decode(now, frame),
            Self::Whip(_) | Self::Whep(_) => Err(DecodeError::Http {
                detail: "a frame came, and this protocol has none".to_owned(),
            }),
        }
    }

    /// Says a command.
    ///
    /// # Errors
    /// [`EncodeError`] for a command that the protocol cannot say.
    pub fn encode(&mut self, now: Instant, command: &Command) -> Result<Vec<Output>, EncodeError> {
        match self {
            Self::Native(native) => {
                let frame = |text| Output::Frame { text, says: None };
                Ok(native.encode(command)?.into_iter().map(frame).collect())
            }
            Self::BroadcastWs(dialect) => dialect.encode(command),
            Self::Relay(dialect) => dialect.encode(now, command),
            Self::SocketioRelay(dialect) => dialect.encode(now, command),
            Self::SocketioRooms(dialect) => dialect.encode(command),
            Self::Janus(dialect) => Ok(dialect.encode(now, command)),
            Self::Data(dialect) => dialect.encode(now, command),
            Self::Whip(dialect) => dialect.encode(command),
            Self::Whep(dialect) => dialect.encode(command),
        }
    }

    /// When [`Dialect::timeout`] is due, if something is to happen although nothing comes.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Native(_) | Self::SocketioRooms(_) => None,
            Self::BroadcastWs(dialect) => dialect.next_timeout(),
            Self::Relay(dialect) => dialect.next_timeout(),
            Self::SocketioRelay(dialect) => dialect.next_timeout(),
            Self::Janus(dialect) => dialect.next_timeout(),
            Self::Data(dialect) => dialect.next_timeout(),
            Self::Whip(dialect) => dialect.next_timeout(),
            Self::Whep(dialect) => dialect.next_timeout(),
        }
    }

    /// The time has come.
    pub fn timeout(&mut self, now: Instant) -> Vec<Output> {
        match self {
            Self::Native(_) | Self::SocketioRooms(_) => Vec::new(),
            Self::BroadcastWs(dialect) => dialect.timeout(now),
            Self::Relay(dialect) => dialect.timeout(now),
            Self::SocketioRelay(dialect) => dialect.timeout(now),
            Self::Janus(dialect) => dialect.timeout(now),
            Self::Data(dialect) => dialect.timeout(now),
            Self::Whip(dialect) => dialect.timeout(now),
            Self::Whep(dialect) => dialect.timeout(now),
        }
    }

    /// What came of the request of that number ([`HttpRequest::number`]).
    pub fn answered(
        &mut self,
        now: Instant,
        number: u64,
        answer: Result<HttpResponse, HttpFailure>,
    ) -> Vec<Output> {
        match self {
            Self::Whip(dialect) => dialect.answered(now, number, answer),
            Self::Whep(dialect) => dialect.answered(now, number, answer),
            Self::Native(_)
            | Self::BroadcastWs(_)
            | Self::Relay(_)
            | Self::SocketioRelay(_)
            | Self::SocketioRooms(_)
            | Self::Janus(_)
            | Self::Data(_) => Vec::new(),
        }
    }

    /// Who offers, and whether messages are addressed.
    pub fn traits(&self) -> Traits {
        match self {
            Self::Data(dialect) => Traits {
                offerer: dialect.file().offers,
                addressed: dialect.file().is_addressed(),
            },
            Self::Whep(_) => Traits {
                offerer: Role::Viewer,
                addressed: false,
            },
            _ => Traits {
                offerer: Role::Broadcaster,
                addressed: matches!(self, Self::Native(_)),
            },
        }
    }

    /// Where the WebSocket of a server is that was given as `url`.
    pub fn endpoint(&self, url: &str) -> String {
        match self {
            Self::SocketioRelay(_) | Self::SocketioRooms(_) => socketio::endpoint(url),
            Self::Native(_)
            | Self::BroadcastWs(_)
            | Self::Relay(_)
            | Self::Janus(_)
            | Self::Whip(_)
            | Self::Whep(_)
            | Self::Data(_) => url.to_owned(),
        }
    }

    /// The WebSocket subprotocol that a client has to ask for and its server to choose (RFC 6455 section 1.9).
    pub fn subprotocol(&self) -> Option<&'static str> {
        match self {
            Self::Janus(_) => Some(janus::SUBPROTOCOL),
            Self::Native(_)
            | Self::BroadcastWs(_)
            | Self::Relay(_)
            | Self::SocketioRelay(_)
            | Self::SocketioRooms(_)
            | Self::Whip(_)
            | Self::Whep(_)
            | Self::Data(_) => None,
        }
    }
}

/// A dialect that no client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bots do not speak {name} yet; docs/dialects.md lists what they speak")]
pub struct UnspokenDialect {
    /// Its name.
    pub name: DialectName,
}

/// Why a frame could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("malformed message: {detail}; it began with {excerpt:?}")]
    Malformed {
        /// What the parser says.
        detail: String,
        /// The first 80 characters of the frame.
        excerpt: String,
    },
    /// JSON with a `type` that the protocol does not have.
    #[error("unknown message type {kind:?}")]
    UnknownType {
        /// The type, cut at 80 characters.
        kind: String,
    },
    /// JSON of a shape that the dialect's file does not have.
    #[error(
        "no [[receive]] of {dialect} fits a message that began with {excerpt:?}; add one, with event = \"ignore\" where \
         bots need not know it"
    )]
    Unexplained {
        /// What the file is called.
        dialect: String,
        /// The first 80 characters of the frame.
        excerpt: String,
    },
    /// A binary frame, where every message is text.
    #[error("binary frame of {bytes} bytes, expected text; a relay that resends a Buffer does this")]
    Binary {
        /// Its payload in bytes.
        bytes: usize,
    },
    /// An answer over HTTP that the protocol does not have.
    #[error("{detail}")]
    Http {
        /// What is wrong with it.
        detail: String,
    },
}

/// Why a command could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The protocol addresses every such message and the command names nobody.
    #[error("{message} needs a peer to go to, got none; take it from the joined or peer-joined event")]
    MissingTarget {
        /// The message that was to be written.
        message: &'static str,
    },
    /// There is no word for it in the protocol.
    #[error("{dialect} has no word for {message}")]
    NoWord {
        /// The protocol.
        dialect: DialectName,
        /// What was to be said.
        message: &'static str,
    },
    /// There is no message for it in the dialect's file.
    #[error("{dialect} has no word for {message}; add it to [send]")]
    NotInFile {
        /// What the file is called.
        dialect: String,
        /// What was to be said.
        message: &'static str,
    },
    /// The message needs what no message of the server has brought yet.
    #[error("{message} needs ${name}, which no message has brought yet")]
    Unbound {
        /// What was to be said.
        message: &'static str,
        /// What it needs.
        name: String,
    },
    /// A command before the server has let the client in, and too many wait already.
    #[error("{waiting} messages wait for the server to let the client in; has it answered at all?")]
    NotConnected {
        /// How many wait.
        waiting: usize,
    },
    /// A rollback is local to one peer and never signaled (RFC 9429 section 4.1.8.2).
    #[error("a rollback is never signaled; apply it to the local peer connection only")]
    Rollback,
}
