//! Redaction: what must not leave a run in its trace.
//!
//! Owns the rules. ICE passwords would let a reader join the call; chat text is nobody's business.

use serde_json::Value;

/// A signaling frame with every `a=ice-pwd` value and the text of chat messages replaced.
///
/// A frame that is not JSON is redacted as text.
pub fn redact_frame(frame: &str) -> String {
    match serde_json::from_str::<Value>(frame) {
        Ok(mut value) => {
            let is_chat = value.get("type").and_then(Value::as_str) == Some("chat");
            redact_value(&mut value, is_chat);
            value.to_string()
        }
        Err(_) => redact_sdp(frame),
    }
}

/// Redacts each.
pub(super) fn redact_frames(frames: &[String]) -> Vec<String> {
    frames.iter().map(|frame| redact_frame(frame)).collect()
}

/// A frame of any protocol, with what it means in greenroom's own. Where other protocols put the text of chat nobody knows,
/// so of a frame that means chat only the length is left.
pub(super) fn redact_foreign_frame(frame: &str, means: &[String]) -> String {
    let is_chat = |means: &String| {
        serde_json::from_str::<Value>(means)
            .is_ok_and(|value| value.get("type").is_some_and(|kind| kind == "chat"))
    };
    if means.iter().any(is_chat) {
        return format!("<{} bytes of chat redacted>", frame.len());
    }
    redact_frame(frame)
}

/// Fields of other protocols whose text lets somebody in: those of Janus are `token`, `apisecret`, `secret` and `pin`.
const SECRETS: [&str; 4] = ["token", "apisecret", "secret", "pin"];

fn redact_value(value: &mut Value, is_chat: bool) {
    match value {
        Value::String(text) if text.contains("a=ice-pwd:") => *text = redact_sdp(text),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_value(item, false)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if is_chat && name == "message" => {
                        *text = format!("<{} characters redacted>", text.chars().count());
                    }
                    Value::String(text) if SECRETS.contains(&name.as_str()) => {
                        *text = format!("<{} characters redacted>", text.chars().count());
                    }
                    _ => redact_value(field, false),
                }
            }
        }
        _ => {}
    }
}

/// Replaces the value of each `a=ice-pwd` attribute (RFC 8839 section 5.4) by its length and a digest: whether two
/// passwords are the same and whether one is long enough can still be told, and the password cannot.
fn redact_sdp(text: &str) -> String {
    let mut parts = text.split("a=ice-pwd:");
    let mut redacted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '/')
            .unwrap_or(part.len());
        let password = &part[..end];
        let digest = twox_hash::XxHash3_64::oneshot(password.as_bytes()) as u32;
        redacted.push_str(&format!(
            "a=ice-pwd:[{} chars #{digest:08x}]",
            password.chars().count()
        ));
        redacted.push_str(&part[end..]);
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_chat_leave_no_trace_and_the_rest_stays() {
        let offer = r#"{"type":"offer","offer":{"type":"offer","sdp":"v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:s3cret+/x\r\na=ice-pwd:other\r\nm=video"}}"#;
        let redacted = redact_frame(offer);
        assert!(
            !redacted.contains("s3cret") && !redacted.contains("other"),
            "{redacted}"
        );
        assert!(
            redacted.contains("a=ice-ufrag:abcd") && redacted.contains("m=video"),
            "{redacted}"
        );
        let chat = redact_frame(r#"{"type":"chat","message":"meet me at five","from":"v1"}"#);
        assert!(!chat.contains("five") && chat.contains("v1"), "{chat}");
    }

    #[test]
    fn a_foreign_frame_that_means_chat_keeps_its_length_only_and_secrets_are_hidden() {
        let frame = r#"42["say",{"words":"meet me at five"}]"#;
        let means = [r#"{"type":"chat","message":"meet me at five"}"#.to_owned()];
        assert_eq!(redact_foreign_frame(frame, &means), "<37 bytes of chat redacted>");
        assert_eq!(redact_foreign_frame("2", &[]), "2");
        let create = redact_foreign_frame(r#"{"janus":"create","apisecret":"five","token":"five"}"#, &[]);
        assert!(!create.contains("five") && create.contains("create"), "{create}");
    }

    #[test]
    fn a_frame_that_is_not_json_is_redacted_too() {
        let redacted = redact_frame("x a=ice-pwd:abc\ny");
        assert!(
            redacted.starts_with("x a=ice-pwd:[3 chars #") && redacted.ends_with("]\ny"),
            "{redacted}"
        );
        assert_eq!(redacted, redact_frame("x a=ice-pwd:abc\ny"));
        assert_ne!(redacted, redact_frame("x a=ice-pwd:abd\ny"));
        assert_eq!(redact_frame(""), "");
    }
}
