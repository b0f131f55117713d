//! A frame of Janus' API, as far as its rules look at it.
//!
//! Owns the reading. It is total and judges nothing.

use serde_json::Value;

/// A request, a reply or an event.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Its field `janus`.
    pub(super) kind: String,
    /// The request in its body, where it has one.
    request: Option<String>,
    pub(super) transaction: Option<String>,
    pub(super) handle: Option<u64>,
    pub(super) is_subscriber: bool,
    /// Type of its description.
    pub(super) jsep: Option<String>,
    /// What the plugin says that happened.
    pub(super) videoroom: Option<String>,
    pub(super) configured: bool,
    pub(super) started: bool,
    /// Whether an id came with it, of the core's or of the plugin's.
    pub(super) has_id: bool,
    /// The core's code or the plugin's.
    pub(super) error: Option<u64>,
    /// Whether it ends the candidates.
    pub(super) completed: bool,
}

impl Frame {
    /// Reads a frame; `None` for what is none of this API.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let word = |place: &str| value.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let number = |place: &str| value.pointer(place).and_then(Value::as_u64);
        let is_ok = |place: &str| {
            value
                .pointer(place)
                .is_some_and(|found| found == "ok" || found == true)
        };
        let is_there = |place: &str| value.pointer(place).is_some_and(|found| !found.is_null());
        Some(Self {
            kind: word("/janus")?,
            request: word("/body/request"),
            transaction: word("/transaction"),
            handle: number("/handle_id").or_else(|| number("/sender")),
            is_subscriber: matches!(word("/body/ptype").as_deref(), Some("subscriber" | "listener")),
            jsep: word("/jsep/type"),
            videoroom: word("/plugindata/data/videoroom"),
            configured: is_ok("/plugindata/data/configured"),
            started: is_ok("/plugindata/data/started"),
            has_id: is_there("/data/id") || is_there("/plugindata/data/id"),
            error: number("/error/code").or_else(|| number("/plugindata/data/error_code")),
            completed: value
                .pointer("/candidate/completed")
                .is_some_and(|found| found == true),
        })
    }

    /// What it is, in a word: the plugin's where it is for the plugin.
    pub(super) fn name(&self) -> &str {
        match &self.request {
            Some(request) if self.kind == "message" => request,
            _ => &self.kind,
        }
    }

    /// Whether Janus owes a result, and not only an acknowledgement that nobody waits for.
    pub(super) fn wants_answer(&self) -> bool {
        !matches!(
            self.kind.as_str(),
            "keepalive" | "trickle" | "detach" | "destroy" | "hangup"
        ) && !matches!(self.name(), "leave" | "unpublish")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_of_janus_is_none() {
        for text in ["", "2", "[]", "{}", r#"{"janus":7}"#] {
            assert!(Frame::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_message_is_called_by_the_plugins_word_and_an_error_is_found_in_either_place() {
        let join = r#"{"janus":"message","handle_id":2,"transaction":"t","body":{"request":"join","ptype":"subscriber"}}"#;
        let join = Frame::read(join).unwrap_or_default();
        assert_eq!(
            (join.name(), join.is_subscriber, join.handle),
            ("join", true, Some(2))
        );
        for (text, code) in [
            (r#"{"janus":"error","error":{"code":458}}"#, 458),
            (
                r#"{"janus":"event","plugindata":{"data":{"error_code":426}}}"#,
                426,
            ),
        ] {
            assert_eq!(Frame::read(text).and_then(|frame| frame.error), Some(code));
        }
    }
}
