//! What a frame of a client says, in any dialect that greenroom serves.
//!
//! Owns the reading of the client's own frames, which no bot decodes: how it joins, and what it was told. It is total.

use serde_json::Value;

use super::ClientRole;

/// A frame of the client, or to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It wants to broadcast, or to watch.
    Join(ClientRole),
    /// A viewer is there.
    NewViewer,
    /// Chat.
    Chat,
    /// The server refuses something, with its words for why.
    Error { code: String, message: String },
    /// Anything else.
    Other,
}

impl Says {
    pub(super) fn read(frame: &str) -> Self {
        let value: Value = serde_json::from_str(frame).unwrap_or_default();
        // An event of Socket.IO is its name and its argument.
        let (word, body) = match value.as_array().map(Vec::as_slice) {
            Some([word, body]) => (word.as_str(), body),
            _ => (value.get("type").and_then(Value::as_str), &value),
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        match word.unwrap_or_default() {
            "broadcaster" | "host-join" => Self::Join(ClientRole::Host),
            "viewer" => Self::Join(ClientRole::Viewer),
            // A viewer says it without an argument; a host is told it, with the viewer's id.
            "viewer-join" if body.is_string() => Self::NewViewer,
            "viewer-join" => Self::Join(ClientRole::Viewer),
            "new-viewer" => Self::NewViewer,
            "chat" => Self::Chat,
            "error" => Self::Error {
                code: text("code").to_owned(),
                message: text("message").to_owned(),
            },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_of_every_dialect_are_read_and_nothing_else_is_one() {
        for (frame, says) in [
            (r#"{"type":"broadcaster"}"#, Says::Join(ClientRole::Host)),
            (r#"{"type":"viewer","room":"r"}"#, Says::Join(ClientRole::Viewer)),
            (r#"["host-join",null]"#, Says::Join(ClientRole::Host)),
            (r#"["viewer-join",null]"#, Says::Join(ClientRole::Viewer)),
            (r#"["viewer-join","v1"]"#, Says::NewViewer),
            (r#"{"type":"new-viewer"}"#, Says::NewViewer),
            (r#"{"type":"chat","message":"viewer"}"#, Says::Chat),
            (r#"{"sdp":{"type":"offer","sdp":"viewer"}}"#, Says::Other),
            ("viewer", Says::Other),
            ("[]", Says::Other),
        ] {
            assert_eq!(Says::read(frame), says, "{frame}");
        }
        let refused = Says::read(r#"["error",{"code":"unknown-type","message":"what?"}]"#);
        assert!(
            matches!(refused, Says::Error { code, message } if code == "unknown-type" && message == "what?")
        );
    }
}
