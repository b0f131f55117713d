//! Wire formats as data: each turns [`Command`]s into text frames and text frames into [`Event`]s.
//!
//! Pure: no clock, socket or randomness. One file per dialect; the enum below is the only place that lists them.

mod name;
mod native;

use crate::{Command, Event, Role};

pub use name::{DialectName, UnknownDialect};
pub use native::Native;

/// What a bot must know of a protocol beyond its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Who makes the offer.
    pub offerer: Role,
    /// Whether descriptions and candidates name the peer that they are for or from.
    pub addressed: bool,
}

/// The protocol that a client speaks. Holds whatever state the protocol needs, one value per connection.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// greenroom's own protocol, version 1.
    Native(Native),
}

impl Dialect {
    /// greenroom's own protocol, version 1 (docs/signaling.md).
    pub fn native() -> Self {
        Self::Native(Native)
    }

    /// Reads one text frame of the server. A frame may mean nothing to a bot, or several things.
    ///
    /// # Errors
    /// [`DecodeError`] for a frame that the protocol does not have. The connection can go on.
    pub fn decode(&mut self, frame: &str) -> Result<Vec<Event>, DecodeError> {
        match self {
            Self::Native(native) => native.decode(frame),
        }
    }

    /// Writes the text frames that say a command, in order.
    ///
    /// # Errors
    /// [`EncodeError`] for a command that the protocol cannot say.
    pub fn encode(&mut self, command: &Command) -> Result<Vec<String>, EncodeError> {
        match self {
            Self::Native(native) => native.encode(command),
        }
    }

    /// Who offers, and whether messages are addressed.
    pub fn traits(&self) -> Traits {
        match self {
            Self::Native(native) => native.traits(),
        }
    }
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
    /// A binary frame, where every message is text.
    #[error("binary frame of {bytes} bytes, expected text; a relay that resends a Buffer does this")]
    Binary {
        /// Its payload in bytes.
        bytes: usize,
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
    /// A rollback is local to one peer and never signaled (RFC 9429 section 4.1.8.2).
    #[error("a rollback is never signaled; apply it to the local peer connection only")]
    Rollback,
}
