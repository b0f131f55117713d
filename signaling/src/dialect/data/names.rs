//! The names that greenroom knows: where each may stand and which values it stands for.
//!
//! Every other name is the file's own: it keeps what was bound last, for the messages that follow.

use serde_json::Value;

use crate::{Candidate, Description, SdpType};

use super::file::Happens;

/// Names that greenroom knows, in any place.
const KNOWN: [&str; 25] = [
    "me",
    "room",
    "role",
    "from",
    "to",
    "peer",
    "peers",
    "sdp",
    "type",
    "description",
    "candidate",
    "candidate.candidate",
    "candidate.sdpMid",
    "candidate.sdpMLineIndex",
    "candidate.usernameFragment",
    "ufrag",
    "text",
    "seq",
    "media",
    "version",
    "audio",
    "video",
    "stopped",
    "code",
    "message",
];

/// What a name that greenroom knows can stand for; a file's own stands for anything.
pub(super) fn accepts(name: &str, value: &Value) -> bool {
    match name {
        "me" | "from" | "to" | "peer" | "code" => value.is_string() || value.is_i64() || value.is_u64(),
        "room" | "sdp" | "text" | "message" => value.is_string(),
        "role" => matches!(value.as_str(), Some("broadcaster" | "viewer")),
        "type" => matches!(value.as_str(), Some("offer" | "answer" | "pranswer")),
        "description" => description(value).is_some(),
        // Some pages send the `null` that their browser gave them as the end.
        "candidate" => value.is_null() || candidate(value).is_some(),
        "candidate.candidate" | "candidate.sdpMid" | "candidate.usernameFragment" | "ufrag" => {
            value.is_null() || value.is_string()
        }
        "candidate.sdpMLineIndex" => value.is_null() || value.as_u64().is_some_and(|index| index < 1 << 16),
        "media" => matches!(value.as_str(), None | Some("audio" | "video")),
        "seq" | "version" => value.is_u64(),
        "audio" | "video" | "stopped" => value.is_boolean(),
        "peers" => value.is_array(),
        _ => true,
    }
}

/// An `RTCSessionDescriptionInit` that may be signaled.
pub(super) fn description(value: &Value) -> Option<Description> {
    let description: Description = serde_json::from_value(value.clone()).ok()?;
    (description.sdp_type != SdpType::Rollback).then_some(description)
}

/// An `RTCIceCandidateInit`.
pub(super) fn candidate(value: &Value) -> Option<Candidate> {
    value.is_object().then_some(())?;
    serde_json::from_value(value.clone()).ok()
}

/// The names that a message which means this may have, beside `$me`, `$room` and the file's own.
pub(super) fn of_event(event: Happens) -> &'static [&'static str] {
    match event {
        Happens::Joined => &["peer", "peers", "role", "version", "audio", "video", "stopped"],
        Happens::PeerJoined | Happens::PeerLeft => &["peer", "peers", "role"],
        Happens::Offer | Happens::Answer | Happens::Description => &["from", "sdp", "type", "description"],
        Happens::Candidate => &[
            "from",
            "candidate",
            "candidate.candidate",
            "candidate.sdpMid",
            "candidate.sdpMLineIndex",
            "candidate.usernameFragment",
        ],
        Happens::EndOfCandidates => &["from", "ufrag"],
        Happens::Chat => &["from", "text", "seq"],
        Happens::State => &["version", "audio", "video", "stopped"],
        Happens::Error => &["code", "message", "to"],
        Happens::Ignore => &[],
    }
}

/// One of these sets a message which means this must have.
pub(super) fn needed_by_event(event: Happens) -> &'static [&'static [&'static str]] {
    match event {
        Happens::Offer | Happens::Answer => &[&["sdp"], &["description"]],
        Happens::Description => &[&["description"], &["type", "sdp"]],
        Happens::Candidate => &[&["candidate"], &["candidate.candidate"]],
        Happens::Chat => &[&["text"]],
        Happens::Joined
        | Happens::PeerJoined
        | Happens::PeerLeft
        | Happens::EndOfCandidates
        | Happens::State
        | Happens::Error
        | Happens::Ignore => &[],
    }
}

/// The names that a message of this command may have, beside `$me`, `$room`, `$role` and the file's own, and the sets
/// of which it must have one.
pub(super) fn of_command(command: &str) -> (&'static [&'static str], &'static [&'static [&'static str]]) {
    match command {
        "offer" | "answer" => (
            &["to", "sdp", "type", "description"],
            &[&["sdp"], &["description"]],
        ),
        "description" => (
            &["to", "sdp", "type", "description"],
            &[&["description"], &["type", "sdp"]],
        ),
        "candidate" => (
            &[
                "to",
                "candidate",
                "candidate.candidate",
                "candidate.sdpMid",
                "candidate.sdpMLineIndex",
                "candidate.usernameFragment",
            ],
            &[&["candidate"], &["candidate.candidate"]],
        ),
        "end-of-candidates" => (&["to", "ufrag"], &[]),
        "chat" => (&["text"], &[&["text"]]),
        "mute" | "unmute" => (&["media"], &[]),
        _ => (&[], &[]),
    }
}

/// The known name that is most like a wrong one, if any is one letter away or has two letters changed about.
pub(super) fn near(wrong: &str) -> Option<&'static str> {
    let mut sorted: Vec<char> = wrong.chars().collect();
    sorted.sort_unstable();
    KNOWN.into_iter().find(|known| {
        let mut letters: Vec<char> = known.chars().collect();
        letters.sort_unstable();
        letters == sorted || known.eq_ignore_ascii_case(wrong) || one_apart(known, wrong)
    })
}

/// Whether one letter more, less or another makes one word of the other.
fn one_apart(a: &str, b: &str) -> bool {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let same_head = long
        .chars()
        .zip(short.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let same_tail = long
        .chars()
        .rev()
        .zip(short.chars().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (long, short) = (long.chars().count(), short.chars().count());
    long - short <= 1 && same_head + same_tail + 1 >= long
}

/// Whether it is a name that greenroom knows, in whatever place.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}
