//! The bodies that browsers put into any protocol: descriptions and candidates in JSON, and what is read out of them.

use serde_json::Value;

use crate::{Candidate, DecodeError, Description, SdpType, message::excerpt};

/// A text frame as JSON.
pub(super) fn parse(frame: &str) -> Result<Value, DecodeError> {
    serde_json::from_str(frame).map_err(|error| malformed(frame, error.to_string()))
}

pub(super) fn malformed(frame: &str, detail: impl Into<String>) -> DecodeError {
    DecodeError::Malformed {
        detail: detail.into(),
        excerpt: excerpt(frame),
    }
}

/// An `RTCSessionDescriptionInit`, or its SDP alone where the message itself says the type.
pub(super) fn description(body: Option<&Value>, sdp_type: Option<SdpType>) -> Result<Description, String> {
    let body = body.ok_or("it has no description")?;
    match (body, sdp_type) {
        (Value::String(sdp), Some(sdp_type)) => Ok(Description {
            sdp_type,
            sdp: sdp.clone(),
        }),
        _ => serde_json::from_value(body.clone()).map_err(|error| error.to_string()),
    }
}

/// An `RTCIceCandidateInit`.
pub(super) fn candidate(body: Option<&Value>) -> Result<Candidate, String> {
    let body = body
        .filter(|body| body.is_object())
        .ok_or("it has no candidate")?;
    serde_json::from_value(body.clone()).map_err(|error| error.to_string())
}

/// The session that a description belongs to: user name and id of its `o=` line (RFC 8866 section 5.2).
pub(super) fn session(sdp: &str) -> Option<String> {
    let origin = sdp.lines().find_map(|line| line.strip_prefix("o="))?;
    let mut words = origin.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}

/// The ICE username fragments of a description (RFC 8839 section 5.4).
pub(super) fn fragments(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines()
        .filter_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

/// The fragment that a candidate names, beside it or in its own text (RFC 8839 section 5.1, as browsers extend it).
pub(super) fn fragment(candidate: &Candidate) -> Option<&str> {
    let beside = candidate.username_fragment.as_deref();
    beside.filter(|ufrag| !ufrag.is_empty()).or_else(|| {
        let mut words = candidate.candidate.split_whitespace();
        words.find(|word| *word == "ufrag")?;
        words.next()
    })
}
