//! Signaling frames in the words of the ladder.
//!
//! Owns the reading of a frame into a short name, whom it is for or from, and a number for its content. It is total
//! and judges nothing: whether a frame was right is the checker's question.

use serde_json::Value;

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
    pub(super) fn read(frame: &str) -> Self {
        let text = number(frame);
        match serde_json::from_str::<Value>(frame) {
            Ok(value) if value.is_object() => {
                let (name, kind, peer) = of(&value);
                Self {
                    name: clipped(&name, MAX_NAME),
                    kind,
                    peer,
                    text,
                }
            }
            _ => Self {
                name: format!("unreadable frame of {} bytes", frame.len()),
                kind: FrameKind::Other,
                peer: None,
                text,
            },
        }
    }
}

fn of(value: &Value) -> (String, FrameKind, Option<String>) {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let peer = || text("from").or_else(|| text("to"));
    let id = || text("id").unwrap_or_default();
    let kind = text("type").unwrap_or_default();
    match kind.as_str() {
        "broadcaster" | "viewer" => {
            let broadcaster = kind == "broadcaster";
            (format!("join as {kind}"), FrameKind::Join { broadcaster }, None)
        }
        "joined" => (format!("joined {}", id()), FrameKind::Joined(id()), None),
        "new-viewer" | "broadcaster-joined" | "viewer-left" | "broadcaster-left" => {
            (format!("{kind} {}", id()), FrameKind::Told, Some(id()))
        }
        "offer" | "answer" => {
            let field = |name: &str| {
                value
                    .get(&kind)
                    .and_then(|body| body.get(name))
                    .and_then(Value::as_str)
            };
            let said = field("type").unwrap_or(&kind);
            let content = number(&format!("{said}\n{}", field("sdp").unwrap_or_default()));
            let foldable = false;
            (said.to_owned(), FrameKind::Relayed { content, foldable }, peer())
        }
        "candidate" => {
            let body = value.get("candidate");
            let field = |name: &str| {
                body.and_then(|body| body.get(name))
                    .filter(|field| !field.is_null())
            };
            let of_field = |name| field(name).map(Value::to_string).unwrap_or_default();
            let line = field("candidate").and_then(Value::as_str).unwrap_or_default();
            if line.is_empty() {
                // A browser's way to say the end of a generation (W3C webrtc-pc 4.8.1.1).
                return end_of_candidates(field("usernameFragment").and_then(Value::as_str), peer());
            }
            let content = number(&format!(
                "candidate\n{line}\n{}\n{}\n{}",
                of_field("sdpMid"),
                of_field("sdpMLineIndex"),
                of_field("usernameFragment")
            ));
            let foldable = true;
            (kind, FrameKind::Relayed { content, foldable }, peer())
        }
        "end-of-candidates" => end_of_candidates(text("usernameFragment").as_deref(), peer()),
        "error" => {
            let code = text("code").unwrap_or_else(|| "without a code".to_owned());
            (format!("error {code}"), FrameKind::Told, text("to"))
        }
        "" => ("frame without a type".to_owned(), FrameKind::Other, peer()),
        _ => (kind, FrameKind::Other, None),
    }
}

fn end_of_candidates(ufrag: Option<&str>, peer: Option<String>) -> (String, FrameKind, Option<String>) {
    let content = number(&format!("end\n{}", ufrag.unwrap_or_default()));
    let foldable = true;
    let kind = FrameKind::Relayed { content, foldable };
    ("end-of-candidates".to_owned(), kind, peer)
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
    }
}
