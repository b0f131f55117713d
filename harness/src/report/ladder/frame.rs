//! Signaling frames in the words of the ladder.
//!
//! Owns a frame's short name, whom it is for, from or about, and a number for its content. It reads no JSON, which
//! the checker's reader does, and judges nothing: whether a frame was right is the checker's question.

use crate::rules::message::Message;

/// Characters of a name that comes out of a frame.
const MAX_NAME: usize = 60;

/// A frame.
#[derive(Debug)]
pub(super) struct Frame {
    /// What it is, in a word or three.
    pub(super) name: String,
    pub(super) kind: FrameKind,
    /// The name, in its room, of the peer that it is for, from, or about.
    pub(super) peer: Option<String>,
    /// A number for its text: the same frame has the same one on both sides of one hop.
    pub(super) text: u64,
}

/// What the ladder has to know of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A peer asks to enter.
    Join { broadcaster: bool },
    /// A peer is in the room under this name.
    Joined(String),
    /// Goes from peer to peer; `content` is what stays the same when a server relays it.
    Relayed { content: u64, foldable: bool },
    /// Somebody else came, went, or something was refused.
    Told,
    /// Anything else.
    Other,
}

impl Frame {
    /// Reads a frame as what it means, or as it is if it says that itself. In a foreign protocol a frame without a meaning
    /// says nothing to anybody here.
    pub(super) fn all(frame: &str, means: &[String], is_foreign: bool) -> Vec<Self> {
        if means.is_empty() {
            let mut read = Self::read(frame);
            if is_foreign {
                read.kind = FrameKind::Other;
                read.peer = None;
                if read.name.is_empty() || read.name.starts_with("unreadable") {
                    read.name = clipped(&format!("frame {frame}"), MAX_NAME);
                }
            }
            return vec![read];
        }
        let text = number(frame);
        let read = |means: &String| Self {
            text,
            ..Self::read(means)
        };
        means.iter().map(read).collect()
    }

    pub(super) fn read(frame: &str) -> Self {
        let (word, message) = Message::named(frame);
        let (name, kind) = of(word, &message, frame.len());
        let peer = match message {
            Message::PeerJoined { id } | Message::PeerLeft { id } => Some(id),
            Message::Error { to, .. } => to,
            Message::Malformed { peer, .. } => peer,
            message => message.peer().map(str::to_owned),
        };
        Self {
            name: clipped(&name, MAX_NAME),
            kind,
            peer,
            text: number(frame),
        }
    }
}

fn of(word: String, message: &Message, bytes: usize) -> (String, FrameKind) {
    let relayed = |content: &str, foldable: bool| {
        let content = number(content);
        FrameKind::Relayed { content, foldable }
    };
    let content = message.content();
    match (message, &content) {
        (Message::Join { broadcaster, .. }, _) => {
            let broadcaster = *broadcaster;
            (format!("join as {word}"), FrameKind::Join { broadcaster })
        }
        (Message::Joined { id, .. }, _) => (format!("joined {id}"), FrameKind::Joined(id.clone())),
        (Message::PeerJoined { id } | Message::PeerLeft { id }, _) => {
            (format!("{word} {id}"), FrameKind::Told)
        }
        (Message::Error { code, .. }, _) if code.is_empty() => {
            ("error without a code".to_owned(), FrameKind::Told)
        }
        (Message::Error { code, .. }, _) => (format!("error {code}"), FrameKind::Told),
        (message, Some(content)) => {
            let foldable = !matches!(message, Message::Description { .. });
            (message.name().to_owned(), relayed(content, foldable))
        }
        (Message::Malformed { rest, .. }, _) => (word, relayed(rest, false)),
        (Message::Unreadable, _) => (format!("unreadable frame of {bytes} bytes"), FrameKind::Other),
        _ if word.is_empty() => ("frame without a type".to_owned(), FrameKind::Other),
        _ => (word, FrameKind::Other),
    }
}

fn number(text: &str) -> u64 {
    twox_hash::XxHash3_64::oneshot(text.as_bytes())
}

/// At most so many characters, in one line, with an ellipsis where something is left out.
pub(super) fn clipped(text: &str, most: usize) -> String {
    let mut clipped: String = text
        .chars()
        .take(most)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(most).is_some() {
        clipped.pop();
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frame: &str, name: &str, peer: Option<&str>) {
        let read = Frame::read(frame);
        assert_eq!(
            (read.name.as_str(), read.peer.as_deref()),
            (name, peer),
            "{frame}"
        );
    }

    #[test]
    fn frames_have_short_names() {
        check(
            r#"{"type":"offer","to":"v1","offer":{"type":"offer","sdp":""}}"#,
            "offer",
            Some("v1"),
        );
        check(
            r#"{"type":"candidate","from":"v1","candidate":{"candidate":"candidate:1"}}"#,
            "candidate",
            Some("v1"),
        );
        check(
            r#"{"type":"candidate","to":"b1","candidate":{"candidate":""}}"#,
            "end-of-candidates",
            Some("b1"),
        );
        check(r#"{"type":"joined","id":"b1"}"#, "joined b1", None);
        check(r#"{"type":"new-viewer","id":"v1"}"#, "new-viewer v1", Some("v1"));
        check(r#"{"type":"error","code":"room-full"}"#, "error room-full", None);
        check(r#"{"type":"viewer","room":"x"}"#, "join as viewer", None);
        check(r#"{"type":"mute"}"#, "mute", None);
        check("{", "unreadable frame of 1 bytes", None);
        check("{}", "frame without a type", None);
        check(
            r#"{"type":"offer","to":"v1","offer":{"type":"offer"}}"#,
            "offer",
            Some("v1"),
        );
    }

    #[test]
    fn a_relayed_frame_keeps_its_content_and_another_one_has_another() {
        let content = |frame: &str| match Frame::read(frame).kind {
            FrameKind::Relayed { content, .. } => content,
            other => panic!("{other:?}"),
        };
        let sent = content(r#"{"type":"answer","to":"b1","answer":{"type":"answer","sdp":"x"}}"#);
        assert_eq!(
            sent,
            content(r#"{"answer":{"sdp":"x","type":"answer"},"from":"v1","type":"answer"}"#)
        );
        assert_ne!(
            sent,
            content(r#"{"type":"answer","from":"v1","answer":{"type":"answer","sdp":"y"}}"#)
        );
        // What is no answer any more is still the one that was sent, changed.
        assert_ne!(
            sent,
            content(r#"{"type":"answer","from":"v1","answer":{"type":"answer"}}"#)
        );
    }
}
