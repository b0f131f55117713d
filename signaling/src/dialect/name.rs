//! What dialects are called, in flags, files and reports. Knows nothing of what they say.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The name of a built-in dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DialectName {
    /// greenroom's own protocol (docs/signaling.md).
    #[default]
    Native,
    /// One broadcaster and its viewers, `{type: …}` without addresses. Also called `tutorial-28`.
    BroadcastWs,
    /// Every text frame to everybody else: a call of two.
    Relay,
    /// The same as one Socket.IO event, `signalingMessage`.
    SocketioRelay,
    /// One host and its viewers as Socket.IO events that name the viewer.
    SocketioRooms,
    /// The VideoRoom of Janus, over its WebSocket transport.
    Janus,
    /// Ingest over HTTP (RFC 9725).
    Whip,
    /// Playback over HTTP (draft-ietf-wish-whep-03).
    Whep,
}

impl DialectName {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Native,
        Self::BroadcastWs,
        Self::Relay,
        Self::SocketioRelay,
        Self::SocketioRooms,
        Self::Janus,
        Self::Whip,
        Self::Whep,
    ];

    /// What a server at this URL most likely speaks, as far as its address says: the port and path of Janus
    /// (janus.transport.websockets.jcfg), or the path of Socket.IO.
    pub fn guess(url: &str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let named = |name: &str| path.split('/').any(|part| part == name);
        if named("socket.io") {
            return Some(Self::SocketioRooms);
        }
        let janus = named("janus") || host.ends_with(":8188") || host.ends_with(":8989");
        janus.then_some(Self::Janus)
    }

    /// Whether it is spoken in HTTP exchanges and not in frames of a WebSocket.
    pub fn is_over_http(self) -> bool {
        matches!(self, Self::Whip | Self::Whep)
    }

    /// Whether its frames are packets of Socket.IO.
    pub fn is_socketio(self) -> bool {
        matches!(self, Self::SocketioRelay | Self::SocketioRooms)
    }

    /// Whether it is for two peers and no more.
    pub fn is_for_two(self) -> bool {
        matches!(self, Self::Relay | Self::SocketioRelay)
    }

    /// Whether media goes through the server: a broadcaster sends once, and viewers receive what the server sends on.
    pub fn has_media_server(self) -> bool {
        matches!(self, Self::Janus | Self::Whip | Self::Whep)
    }

    /// Whether rooms have names in it; without them a server has one.
    pub fn names_rooms(self) -> bool {
        matches!(self, Self::Native | Self::Janus)
    }

    /// Whether it has a word for chat.
    pub fn has_chat(self) -> bool {
        matches!(self, Self::Native | Self::BroadcastWs)
    }

    /// Whether viewers are told what is muted.
    pub fn says_muted(self) -> bool {
        matches!(self, Self::Native)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::BroadcastWs => "broadcast-ws",
            Self::Relay => "relay",
            Self::SocketioRelay => "socketio-relay",
            Self::SocketioRooms => "socketio-rooms",
            Self::Janus => "janus",
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }
}

impl fmt::Display for DialectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that no dialect has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no dialect is called {name:?}; there are {}", all())]
pub struct UnknownDialect {
    /// What was asked for.
    pub name: String,
}

fn all() -> String {
    DialectName::ALL.map(DialectName::as_str).join(", ")
}

impl FromStr for DialectName {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        if name == "tutorial-28" {
            return Ok(Self::BroadcastWs);
        }
        let known = Self::ALL.into_iter().find(|known| known.as_str() == name);
        known.ok_or_else(|| UnknownDialect {
            name: name.to_owned(),
        })
    }
}

impl TryFrom<String> for DialectName {
    type Error = UnknownDialect;

    fn try_from(name: String) -> Result<Self, UnknownDialect> {
        name.parse()
    }
}

impl From<DialectName> for String {
    fn from(name: DialectName) -> Self {
        name.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_says_nothing_is_no_guess() {
        let guesses = [
            ("ws://127.0.0.1:3000/", None),
            ("ws://127.0.0.1:8188/", Some(DialectName::Janus)),
            ("wss://example.org/janus?token=8188", Some(DialectName::Janus)),
            ("ws://h/socket.io/?x=1", Some(DialectName::SocketioRooms)),
            ("ws://h/janusz", None),
            ("", None),
        ];
        for (url, expected) in guesses {
            assert_eq!(DialectName::guess(url), expected, "{url}");
        }
    }

    #[test]
    fn every_name_is_read_as_it_is_written_and_others_are_refused_with_what_there_is() {
        for name in DialectName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert_eq!("tutorial-28".parse(), Ok(DialectName::BroadcastWs));
        let error = "sip".parse::<DialectName>().unwrap_err().to_string();
        assert!(
            error.contains("\"sip\"") && error.contains("broadcast-ws"),
            "{error}"
        );
    }
}
