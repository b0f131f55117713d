//! Signaling frames as the checker and the ladder read them: who says what to whom.
//!
//! Owns the reading of greenroom's protocol and of whatever names its messages alike. It is total, keeps no state
//! and judges nothing.

use serde_json::Value;

/// What a frame says. Names of peers are those that the server gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// A peer wants to enter a room.
    Join { broadcaster: bool, room: String },
    /// A peer is in the room.
    Joined {
        id: String,
        broadcaster: bool,
        /// Version of the room's state.
        version: Option<u64>,
    },
    /// Another peer is there.
    PeerJoined { id: String },
    /// Another peer has gone.
    PeerLeft { id: String },
    /// A session description; `peer` is whom it is for or from.
    Description {
        peer: Option<String>,
        kind: DescriptionKind,
        sdp: String,
    },
    /// A candidate.
    Candidate {
        peer: Option<String>,
        candidate: CandidateInit,
    },
    /// No more candidates.
    EndOfCandidates {
        peer: Option<String>,
        /// The one section that it is about, by its mid or its index; all of them if it names none.
        mid: Option<String>,
        index: Option<u64>,
        ufrag: Option<String>,
    },
    /// The state of the broadcast.
    State { version: u64, stopped: bool },
    /// Chat, numbered by the server.
    Chat { seq: Option<u64> },
    /// The server refused something.
    Error { code: String, to: Option<String> },
    /// Leaving.
    Leave,
    /// Something else that can be read.
    Other,
    /// A negotiation message whose body is not one; `rest` is all of it but whom it is for or from.
    Malformed { peer: Option<String>, rest: String },
    /// No message.
    Unreadable,
}

/// The kind of a description that is signaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DescriptionKind {
    Offer,
    Answer,
    Pranswer,
    Rollback,
}

impl DescriptionKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Pranswer => "pranswer",
            Self::Rollback => "rollback",
        }
    }
}

/// W3C `RTCIceCandidateInit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CandidateInit {
    pub(super) candidate: String,
    pub(super) mid: Option<String>,
    pub(super) index: Option<u64>,
    pub(super) ufrag: Option<String>,
}

impl Message {
    /// Reads a frame.
    pub(super) fn read(frame: &str) -> Self {
        Self::named(frame).1
    }

    /// Reads a frame: its own word for what it is, empty without one, and what it says.
    pub(crate) fn named(frame: &str) -> (String, Self) {
        match serde_json::from_str::<Value>(frame) {
            Ok(value) if value.is_object() => {
                // Janus calls its messages otherwise.
                let word = value.get("type").or_else(|| value.get("janus"));
                let word = word.and_then(Value::as_str).unwrap_or_default();
                (word.to_owned(), Self::of(word, &value))
            }
            _ => (String::new(), Self::Unreadable),
        }
    }

    fn of(word: &str, value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let peer = || text("from").or_else(|| text("to"));
        let id = || text("id").unwrap_or_default();
        match word {
            role @ ("broadcaster" | "viewer") => Self::Join {
                broadcaster: role == "broadcaster",
                room: text("room").unwrap_or_default(),
            },
            "joined" => Self::Joined {
                id: id(),
                broadcaster: text("role").as_deref() == Some("broadcaster"),
                version: value
                    .get("state")
                    .and_then(|state| state.get("version"))
                    .and_then(Value::as_u64),
            },
            "new-viewer" | "broadcaster-joined" => Self::PeerJoined { id: id() },
            "viewer-left" | "broadcaster-left" => Self::PeerLeft { id: id() },
            kind @ ("offer" | "answer") => {
                Self::description(value.get(kind), peer()).unwrap_or_else(|| Self::malformed(value, peer()))
            }
            "candidate" => Self::candidate(value.get("candidate"), peer())
                .unwrap_or_else(|| Self::malformed(value, peer())),
            "end-of-candidates" => Self::EndOfCandidates {
                peer: peer(),
                mid: None,
                index: None,
                ufrag: text("usernameFragment"),
            },
            "state" => Self::State {
                version: value.get("version").and_then(Value::as_u64).unwrap_or_default(),
                stopped: value.get("stopped").and_then(Value::as_bool).unwrap_or_default(),
            },
            "chat" => Self::Chat {
                seq: value.get("seq").and_then(Value::as_u64),
            },
            "error" => Self::Error {
                code: text("code").unwrap_or_default(),
                to: text("to"),
            },
            "leave" => Self::Leave,
            _ => Self::Other,
        }
    }

    fn malformed(value: &Value, peer: Option<String>) -> Self {
        let mut rest = value.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.retain(|name, _| name != "from" && name != "to");
        }
        let rest = rest.to_string();
        Self::Malformed { peer, rest }
    }

    fn description(body: Option<&Value>, peer: Option<String>) -> Option<Self> {
        let field = |name: &str| body?.get(name)?.as_str();
        let kind = match field("type")? {
            "offer" => DescriptionKind::Offer,
            "answer" => DescriptionKind::Answer,
            "pranswer" => DescriptionKind::Pranswer,
            "rollback" => DescriptionKind::Rollback,
            _ => return None,
        };
        let sdp = field("sdp")?.to_owned();
        Some(Self::Description { peer, kind, sdp })
    }

    fn candidate(body: Option<&Value>, peer: Option<String>) -> Option<Self> {
        let body = body.filter(|body| body.is_object())?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let candidate = CandidateInit {
            candidate: text("candidate").unwrap_or_default(),
            mid: text("sdpMid"),
            index: body.get("sdpMLineIndex").and_then(Value::as_u64),
            ufrag: text("usernameFragment"),
        };
        if candidate.candidate.is_empty() {
            // A browser's way to say the end of a generation (W3C webrtc-pc 4.8.1.1).
            let CandidateInit {
                mid, index, ufrag, ..
            } = candidate;
            return Some(Self::EndOfCandidates {
                peer,
                mid,
                index,
                ufrag,
            });
        }
        Some(Self::Candidate { peer, candidate })
    }

    /// Whom a negotiation message is for or from.
    pub(crate) fn peer(&self) -> Option<&str> {
        match self {
            Self::Description { peer, .. }
            | Self::Candidate { peer, .. }
            | Self::EndOfCandidates { peer, .. } => peer.as_deref(),
            _ => None,
        }
    }

    /// What it is, in a word or two.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Join { .. } => "join",
            Self::Joined { .. } => "joined",
            Self::PeerJoined { .. } => "peer joined",
            Self::PeerLeft { .. } => "peer left",
            Self::Description { kind, .. } => kind.name(),
            Self::Candidate { .. } => "candidate",
            Self::EndOfCandidates { .. } => "end-of-candidates",
            Self::State { .. } => "state",
            Self::Chat { .. } => "chat",
            Self::Error { .. } => "error",
            Self::Leave => "leave",
            Self::Other => "message",
            Self::Malformed { .. } | Self::Unreadable => "unreadable frame",
        }
    }

    /// What stays the same when a server relays it: the message without whom it is for or from.
    pub(crate) fn content(&self) -> Option<String> {
        match self {
            Self::Description { kind, sdp, .. } => Some(format!("{}\n{sdp}", kind.name())),
            Self::Candidate { candidate, .. } => Some(format!("candidate\n{candidate:?}")),
            Self::EndOfCandidates {
                mid, index, ufrag, ..
            } => Some(format!("end\n{mid:?}\n{index:?}\n{ufrag:?}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_native_protocol_are_read() {
        let offer = r#"{"type":"offer","to":"v1","offer":{"type":"offer","sdp":"v=0\r\n"}}"#;
        assert_eq!(
            Message::read(offer),
            Message::Description {
                peer: Some("v1".to_owned()),
                kind: DescriptionKind::Offer,
                sdp: "v=0\r\n".to_owned()
            }
        );
        let joined = r#"{"type":"joined","id":"b1","role":"broadcaster","state":{"version":3}}"#;
        assert_eq!(
            Message::read(joined),
            Message::Joined {
                id: "b1".to_owned(),
                broadcaster: true,
                version: Some(3)
            }
        );
        let end = r#"{"type":"candidate","from":"v1","candidate":{"candidate":"","usernameFragment":"u"}}"#;
        assert_eq!(
            Message::read(end),
            Message::EndOfCandidates {
                peer: Some("v1".to_owned()),
                mid: None,
                index: None,
                ufrag: Some("u".to_owned())
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_so() {
        for frame in ["", "[]", "{"] {
            assert_eq!(Message::read(frame), Message::Unreadable, "{frame}");
        }
        let of = |frame| match Message::read(frame) {
            Message::Malformed { peer, rest } => (peer, rest),
            other => panic!("{other:?}"),
        };
        let (peer, rest) = of(r#"{"type":"offer","to":"v1","offer":{"type":"offer"}}"#);
        assert_eq!(peer.as_deref(), Some("v1"));
        assert_eq!(
            rest,
            of(r#"{"type":"offer","from":"b1","offer":{"type":"offer"}}"#).1
        );
        assert_ne!(
            rest,
            of(r#"{"type":"offer","offer":{"type":"maybe","sdp":""}}"#).1
        );
        assert_eq!(of(r#"{"type":"candidate"}"#).0, None);
        assert_eq!(Message::read(r#"{"type":"mute"}"#), Message::Other);
    }

    #[test]
    fn a_relayed_message_keeps_its_content() {
        let sent = Message::read(r#"{"type":"answer","to":"b1","answer":{"type":"answer","sdp":"x"}}"#);
        let relayed = Message::read(r#"{"type":"answer","from":"v1","answer":{"type":"answer","sdp":"x"}}"#);
        assert_eq!(sent.content(), relayed.content());
        assert_ne!(sent.peer(), relayed.peer());
    }
}
