//! What a client is asked, and which questions are for whom.
//!
//! Owns names and words. It judges nothing.

use std::fmt;
use std::str::FromStr;

use greenroom_signaling::{DialectName, ServedDialect};
use serde::{Deserialize, Serialize};

use crate::doctor::Asked;

/// What a client is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientRole {
    /// It broadcasts, and offers to viewers.
    Host,
    /// It watches, and answers a broadcaster.
    Viewer,
    /// It is one of two, in a dialect that relays.
    Peer,
}

/// Something that a client is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each says itself what it asks: Asked::asks")]
pub enum ClientQuestion {
    Joins,
    Understood,
    Offers,
    Answers,
    GivesWay,
    Candidates,
    TakesAnswer,
    Connects,
    Media,
    OwnConnection,
    NextViewer,
    Returns,
    AfterChat,
    Rules,
}

impl ClientRole {
    /// What it is called in a sentence, and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Viewer => "viewer",
            Self::Peer => "peer",
        }
    }
}

/// What a client says first, in words.
pub(super) fn how_to_join(dialect: ServedDialect) -> &'static str {
    match dialect.name() {
        DialectName::BroadcastWs => r#"{"type":"viewer"}, or {"type":"broadcaster"},"#,
        DialectName::SocketioRooms => "viewer-join, or host-join,",
        _ => r#"{"type":"viewer", ...}, or {"type":"broadcaster", ...},"#,
    }
}

impl fmt::Display for ClientRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A role that no client has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client is a host, a viewer or, in a call, a peer; it cannot be {name:?}")]
pub struct UnknownClientRole {
    /// What was asked for.
    pub name: String,
}

impl FromStr for ClientRole {
    type Err = UnknownClientRole;

    fn from_str(name: &str) -> Result<Self, UnknownClientRole> {
        let known = [Self::Host, Self::Viewer, Self::Peer].into_iter();
        let found = known.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| UnknownClientRole {
            name: name.to_owned(),
        })
    }
}

impl ClientQuestion {
    /// Every one, in the order in which they are answered.
    pub const ALL: [Self; 14] = [
        Self::Joins,
        Self::Understood,
        Self::Offers,
        Self::Answers,
        Self::GivesWay,
        Self::Candidates,
        Self::TakesAnswer,
        Self::Connects,
        Self::Media,
        Self::OwnConnection,
        Self::NextViewer,
        Self::Returns,
        Self::AfterChat,
        Self::Rules,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joins => "joins",
            Self::Understood => "understood",
            Self::Offers => "offers",
            Self::Answers => "answers",
            Self::GivesWay => "gives-way",
            Self::Candidates => "candidates",
            Self::TakesAnswer => "takes-answer",
            Self::Connects => "connects",
            Self::Media => "media",
            Self::OwnConnection => "own-connection",
            Self::NextViewer => "next-viewer",
            Self::Returns => "returns",
            Self::AfterChat => "after-chat",
            Self::Rules => "rules",
        }
    }

    /// Whether it is for a client of this role; of one that never said what it is, only whether it joins is asked.
    pub fn is_for(self, role: Option<ClientRole>) -> bool {
        let Some(role) = role else {
            return matches!(self, Self::Joins | Self::Understood);
        };
        match self {
            Self::Joins | Self::Understood | Self::Candidates | Self::Connects | Self::Rules => true,
            Self::Offers | Self::TakesAnswer | Self::Media | Self::OwnConnection | Self::NextViewer => {
                role == ClientRole::Host
            }
            Self::Answers => role != ClientRole::Host,
            Self::GivesWay => role == ClientRole::Peer,
            Self::Returns => role == ClientRole::Viewer,
            Self::AfterChat => role != ClientRole::Peer,
        }
    }
}

impl Asked for ClientQuestion {
    fn asks(self) -> &'static str {
        match self {
            Self::Joins => "does it say that it broadcasts or wants to watch?",
            Self::Understood => "does the server understand all that it says?",
            Self::Offers => "does it offer to each viewer of whom it is told?",
            Self::Answers => "does it answer an offer?",
            Self::GivesWay => "does it answer although it has an offer of its own open?",
            Self::Candidates => "do its candidates come, in its description or after it?",
            Self::TakesAnswer => "does it do something with the answer to its offer?",
            Self::Connects => "does it connect?",
            Self::Media => "does media come from it?",
            Self::OwnConnection => "does each viewer get a peer connection of its own?",
            Self::NextViewer => "does a viewer's media go on when the next one comes?",
            Self::Returns => "does it watch a broadcaster that has left and come back?",
            Self::AfterChat => "does it go on after a line of chat?",
            Self::Rules => "do its messages keep the rules of offer and answer, and of candidates?",
        }
    }
}

impl fmt::Display for ClientQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A question that no client is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client is not asked {name:?}; it is asked {}", ClientQuestion::ALL.map(ClientQuestion::name).join(", "))]
pub struct UnknownClientQuestion {
    /// What was asked for.
    pub name: String,
}

impl FromStr for ClientQuestion {
    type Err = UnknownClientQuestion;

    fn from_str(name: &str) -> Result<Self, UnknownClientQuestion> {
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| UnknownClientQuestion {
            name: name.to_owned(),
        })
    }
}
