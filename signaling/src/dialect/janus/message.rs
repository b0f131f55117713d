//! What Janus sends, read: whose it is, which request it answers, and what it says. Decides nothing.

use serde_json::Value;

use crate::{Candidate, DecodeError, Description, dialect::body};

/// One message of Janus.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    /// Of the request that it answers; none, or unreadable, for what Janus says by itself.
    pub(super) transaction: Option<u64>,
    /// The handle that it is about.
    pub(super) handle: Option<u64>,
    pub(super) says: Says,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(super) enum Says {
    /// The request was heard. Of a keepalive and a candidate that is the whole answer, of others a promise.
    Ack,
    /// A session or a handle is there.
    Created(u64),
    /// The plugin says this, in answer to a request or by itself.
    Plugin(Value, Option<Description>),
    /// The core refused a request.
    Refused {
        code: u64,
        reason: String,
    },
    Candidate(Candidate),
    EndOfCandidates,
    /// The peer connection of a handle is closed.
    Hangup(String),
    /// The session has ended, because it was not kept alive.
    SessionEnded,
    /// How things are going: nothing to act on.
    News,
}

/// Reads one text frame.
pub(super) fn read(frame: &str) -> Result<Message, DecodeError> {
    let value = body::parse(frame)?;
    let fail = |detail: &str| body::malformed(frame, detail);
    let kind = value.get("janus").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| fail("messages of Janus have a field \"janus\"; is the server one?"))?;
    let says = match kind {
        "ack" => Says::Ack,
        "success" | "event" if value.get("plugindata").is_some() => {
            let data = value.pointer("/plugindata/data").cloned();
            let data = data.ok_or_else(|| fail("the plugin's event has no data"))?;
            let jsep = value.get("jsep").filter(|jsep| !jsep.is_null());
            let description = jsep.map(|jsep| body::description(Some(jsep), None)).transpose();
            Says::Plugin(
                data,
                description.map_err(|detail| body::malformed(frame, detail))?,
            )
        }
        "success" => match value.pointer("/data/id").and_then(Value::as_u64) {
            Some(id) => Says::Created(id),
            None => Says::News,
        },
        "error" => {
            let reason = value.pointer("/error/reason").and_then(Value::as_str);
            Says::Refused {
                code: number(&value, "/error/code").unwrap_or_default(),
                reason: reason.unwrap_or("without a reason").to_owned(),
            }
        }
        "trickle" => {
            let candidate = value.get("candidate");
            let field = |name: &str| candidate.and_then(|candidate| candidate.get(name));
            if field("completed").and_then(Value::as_bool) == Some(true) {
                Says::EndOfCandidates
            } else {
                let candidate = body::candidate(candidate);
                Says::Candidate(candidate.map_err(|detail| body::malformed(frame, detail))?)
            }
        }
        "hangup" => {
            let reason = value.get("reason").and_then(Value::as_str);
            Says::Hangup(reason.unwrap_or("without a reason").to_owned())
        }
        "timeout" => Says::SessionEnded,
        "webrtcup" | "media" | "slowlink" | "detached" | "event" | "server_info" | "pong" => Says::News,
        unknown => {
            return Err(DecodeError::UnknownType {
                kind: unknown.chars().take(80).collect(),
            });
        }
    };
    let transaction = value.get("transaction").and_then(Value::as_str);
    Ok(Message {
        transaction: transaction.and_then(|text| text.parse().ok()),
        handle: number(&value, "/sender"),
        says,
    })
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_request_and_its_handle() {
        let frame = r#"{"janus":"event","transaction":"3","session_id":1,"sender":9,"plugindata":
            {"plugin":"janus.plugin.videoroom","data":{"videoroom":"event","configured":"ok"}},
            "jsep":{"type":"answer","sdp":"v=0"}}"#;
        let message = read(frame).unwrap();
        assert_eq!((message.transaction, message.handle), (Some(3), Some(9)));
        let Says::Plugin(data, Some(answer)) = message.says else {
            panic!("{:?}", message.says)
        };
        assert_eq!(
            (data["configured"].as_str(), answer.sdp.as_str()),
            (Some("ok"), "v=0")
        );
    }

    #[test]
    fn candidates_end_with_completed() {
        let says = |candidate: &str| {
            let frame = format!(r#"{{"janus":"trickle","sender":9,"candidate":{candidate}}}"#);
            read(&frame).unwrap().says
        };
        assert_eq!(says(r#"{"completed":true}"#), Says::EndOfCandidates);
        let one = says(r#"{"sdpMid":"0","sdpMLineIndex":0,"candidate":"candidate:1"}"#);
        assert!(
            matches!(&one, Says::Candidate(candidate) if candidate.sdp_mid.as_deref() == Some("0")),
            "{one:?}"
        );
    }

    #[test]
    fn what_janus_never_says_is_refused() {
        for frame in [
            "",
            "[]",
            "{}",
            r#"{"janus":1}"#,
            r#"{"janus":"trickle"}"#,
            r#"{"janus":"event","plugindata":{}}"#,
            r#"{"janus":"event","plugindata":{"data":{}},"jsep":{"type":"teapot"}}"#,
        ] {
            assert!(
                matches!(read(frame), Err(DecodeError::Malformed { .. })),
                "{frame}"
            );
        }
        assert!(matches!(
            read(r#"{"janus":"teapot"}"#),
            Err(DecodeError::UnknownType { .. })
        ));
    }
}
