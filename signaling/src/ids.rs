//! Names of peers and rooms. Owns what makes one valid; knows nothing of who holds it.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a peer does in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends media to every viewer. A room has at most one.
    Broadcaster,
    /// Receives media from the broadcaster.
    Viewer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broadcaster => "broadcaster",
            Self::Viewer => "viewer",
        })
    }
}

/// The name of a peer, chosen by the signaling server and opaque to everybody else.
///
/// Cloning copies a pointer. The order is that of the text, so `v10` comes before `v2`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(Arc<str>);

impl PeerId {
    /// The name as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PeerId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for PeerId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0)
    }
}

impl Serialize for PeerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The name of a room: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// The longest name, in characters (each is one byte).
    pub const MAX_LEN: usize = 64;

    /// The room of a server whose dialect names none.
    #[cfg(feature = "server")]
    pub(crate) fn main() -> Self {
        Self("main".into())
    }

    /// The name as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not the name of a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoomId {
    /// The name is empty.
    #[error("room name is empty; use 1 to 64 characters out of A-Z a-z 0-9 . _ -")]
    Empty,
    /// The name is longer than [`RoomId::MAX_LEN`].
    #[error("room name has {len} bytes; use at most 64")]
    TooLong {
        /// Length in bytes.
        len: usize,
    },
    /// A character is outside the allowed set.
    #[error("room name has {found:?} at byte {at}; use only A-Z a-z 0-9 . _ -")]
    Character {
        /// The first character that is not allowed.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}

impl FromStr for RoomId {
    type Err = InvalidRoomId;

    fn from_str(name: &str) -> Result<Self, InvalidRoomId> {
        if name.is_empty() {
            return Err(InvalidRoomId::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(InvalidRoomId::TooLong { len: name.len() });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.char_indices().find(|&(_, c)| !allowed(c)) {
            Some((at, found)) => Err(InvalidRoomId::Character { found, at }),
            None => Ok(Self(name.into())),
        }
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({})", self.0)
    }
}

impl Serialize for RoomId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoomId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_is_checked_for_length_and_characters() {
        let longest = "r".repeat(64);
        for good in ["r", "Room-1_a.b", longest.as_str()] {
            assert_eq!(good.parse::<RoomId>().unwrap().as_str(), good);
        }
        let parse = |name: &str| name.parse::<RoomId>().unwrap_err();
        assert_eq!(parse(""), InvalidRoomId::Empty);
        assert_eq!(parse(&"r".repeat(65)), InvalidRoomId::TooLong { len: 65 });
        assert_eq!(parse("a b"), InvalidRoomId::Character { found: ' ', at: 1 });
        assert_eq!(parse("zoë"), InvalidRoomId::Character { found: 'ë', at: 2 });
        assert_eq!(parse("a/../b"), InvalidRoomId::Character { found: '/', at: 1 });
    }

    #[test]
    fn a_room_name_on_the_wire_is_checked_too() {
        assert!(serde_json::from_str::<RoomId>("\"ok\"").is_ok());
        let refused = serde_json::from_str::<RoomId>("\"not ok\"").unwrap_err();
        assert!(refused.to_string().contains("use only"), "{refused}");
    }
}
