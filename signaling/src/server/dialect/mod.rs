//! The dialects that the server speaks, and how each becomes the messages of a room.
//!
//! A translator is pure, belongs to one connection and knows nothing of it: frames of a client in, messages for the
//! room out, and the reverse, with the time where it needs one. What is allowed stays the room's to say.

mod broadcast_ws;
mod exchanges;
mod pair;
#[cfg(feature = "socketio")]
mod socketio_rooms;

use crate::DialectName;

pub(super) use broadcast_ws::BroadcastWs;
pub use exchanges::EXCHANGE_LIMIT;
pub(super) use pair::{CallFull, Pair};
#[cfg(feature = "socketio")]
pub(super) use socketio_rooms::SocketioRooms;

/// A dialect that a [`crate::Server`] speaks (docs/dialects.md). Made from a [`DialectName`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServedDialect {
    /// greenroom's own protocol.
    #[default]
    Native,
    /// One broadcaster and its viewers, without addresses.
    BroadcastWs,
    /// Every text frame to the other of two.
    Relay,
    /// The same as the Socket.IO event `signalingMessage`.
    #[cfg(feature = "socketio")]
    SocketioRelay,
    /// One host and its viewers as Socket.IO events that name the viewer.
    #[cfg(feature = "socketio")]
    SocketioRooms,
}

impl ServedDialect {
    /// Its name.
    pub fn name(self) -> DialectName {
        match self {
            Self::Native => DialectName::Native,
            Self::BroadcastWs => DialectName::BroadcastWs,
            Self::Relay => DialectName::Relay,
            #[cfg(feature = "socketio")]
            Self::SocketioRelay => DialectName::SocketioRelay,
            #[cfg(feature = "socketio")]
            Self::SocketioRooms => DialectName::SocketioRooms,
        }
    }

    #[cfg(feature = "socketio")]
    pub(super) fn is_socketio(self) -> bool {
        matches!(self, Self::SocketioRelay | Self::SocketioRooms)
    }

    /// What a client that has joined nothing should have sent.
    pub(super) fn how_to_join(self) -> &'static str {
        match self {
            Self::BroadcastWs => r#"neither {"type":"broadcaster"} nor {"type":"viewer"} came"#,
            #[cfg(feature = "socketio")]
            Self::SocketioRooms => {
                "neither host-join nor viewer-join came, nor role=host or role=viewer in the query,"
            }
            _ => "no room joined",
        }
    }
}

/// A dialect that this server does not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("greenroom's signaling server does not speak {dialect}: {why}")]
pub struct NotServed {
    /// Which.
    pub dialect: DialectName,
    /// Why, and what to do instead.
    pub why: &'static str,
}

impl TryFrom<DialectName> for ServedDialect {
    type Error = NotServed;

    fn try_from(dialect: DialectName) -> Result<Self, NotServed> {
        let not = |why| Err(NotServed { dialect, why });
        match dialect {
            DialectName::Native => Ok(Self::Native),
            DialectName::BroadcastWs => Ok(Self::BroadcastWs),
            DialectName::Relay => Ok(Self::Relay),
            #[cfg(feature = "socketio")]
            DialectName::SocketioRelay => Ok(Self::SocketioRelay),
            #[cfg(feature = "socketio")]
            DialectName::SocketioRooms => Ok(Self::SocketioRooms),
            #[cfg(not(feature = "socketio"))]
            DialectName::SocketioRelay | DialectName::SocketioRooms => {
                not("this build lacks Socket.IO; build it with the feature socketio")
            }
            DialectName::Janus => not("it takes a media server; start one and name its URL"),
            DialectName::Whip | DialectName::Whep => not(
                "it takes a media server; greenroom serve --listen ADDR=whip is one, run with --publish and --play",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_that_needs_a_media_server_is_refused_with_the_reason() {
        for dialect in [DialectName::Janus, DialectName::Whip, DialectName::Whep] {
            let error = ServedDialect::try_from(dialect).unwrap_err();
            assert_eq!(error.dialect, dialect);
            assert!(error.to_string().contains("media server"), "{error}");
        }
        for dialect in [DialectName::Native, DialectName::BroadcastWs, DialectName::Relay] {
            assert_eq!(
                ServedDialect::try_from(dialect).map(ServedDialect::name),
                Ok(dialect)
            );
        }
    }
}
