//! Changes to the events of a trace: which message is where, and what it says instead.
//!
//! Owns finding and rewriting. It must not know which change is legal.

use std::collections::HashMap;

use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use serde_json::Value;

/// A message from one peer to another: where it left and where it came.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) left: usize,
    pub(crate) came: usize,
    /// Names that the server gave.
    pub(crate) from: String,
    pub(crate) to: String,
    /// `offer`, `answer`, `candidate` or `end-of-candidates`, also for a browser's way to say the last.
    pub(crate) kind: String,
}

/// A frame's way and content.
pub(crate) fn frame(event: &TraceEvent) -> Option<(FrameWay, Value)> {
    let TraceKind::Signaling { way, frame, .. } = &event.event else {
        return None;
    };
    Some((*way, serde_json::from_str(frame).ok()?))
}

/// Changes a frame; anything else stays.
pub(crate) fn rewrite(event: &mut TraceEvent, change: impl FnOnce(&mut Value)) {
    if let TraceKind::Signaling { frame, .. } = &mut event.event
        && let Ok(mut value) = serde_json::from_str(frame)
    {
        change(&mut value);
        *frame = value.to_string();
    }
}

/// The text of a description in a frame.
pub(crate) fn sdp(event: &TraceEvent) -> Option<String> {
    let (_, value) = frame(event)?;
    let kind = value["type"].as_str()?;
    value[kind]["sdp"].as_str().map(str::to_owned)
}

/// Changes the text of a description in a frame.
pub(crate) fn rewrite_sdp(event: &mut TraceEvent, change: impl FnOnce(&str) -> String) {
    rewrite(event, |value| {
        let kind = value["type"].as_str().unwrap_or_default().to_owned();
        let text = value[&kind]["sdp"].as_str().unwrap_or_default();
        value[&kind]["sdp"] = Value::String(change(text));
    });
}

/// What kind of message a frame is, with an empty candidate taken for what it means.
pub(crate) fn kind(value: &Value) -> String {
    let is_end = value["type"] == "candidate" && value["candidate"]["candidate"] == "";
    if is_end {
        "end-of-candidates".to_owned()
    } else {
        value["type"].as_str().unwrap_or_default().to_owned()
    }
}

/// Every message from peer to peer that arrived. The trace must be legal: each pair of peers keeps its order.
pub(crate) fn passed(events: &[TraceEvent]) -> Vec<Passed> {
    let mut names: HashMap<&str, String> = HashMap::new();
    let mut under_way: HashMap<(String, String), std::collections::VecDeque<usize>> = HashMap::new();
    let mut passed = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let Some((way, value)) = frame(event) else {
            continue;
        };
        if value["type"] == "joined" {
            names.insert(&event.peer, value["id"].as_str().unwrap_or_default().to_owned());
        }
        let is_direct = matches!(
            value["type"].as_str(),
            Some("offer" | "answer" | "candidate" | "end-of-candidates")
        );
        let Some(me) = names.get(event.peer.as_str()).filter(|_| is_direct) else {
            continue;
        };
        let of = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        match way {
            FrameWay::Out => under_way.entry((me.clone(), of("to"))).or_default().push_back(at),
            FrameWay::In => {
                let left = under_way
                    .get_mut(&(of("from"), me.clone()))
                    .and_then(std::collections::VecDeque::pop_front);
                if let Some(left) = left {
                    passed.push(Passed {
                        left,
                        came: at,
                        from: of("from"),
                        to: me.clone(),
                        kind: kind(&value),
                    });
                }
            }
        }
    }
    passed
}

/// Changes the first value of an attribute in every line that has it.
pub(crate) fn attribute(sdp: &str, name: &str, change: impl Fn(&str) -> String) -> String {
    let prefix = format!("a={name}:");
    let line = |line: &str| match line.strip_prefix(&prefix) {
        Some(value) => format!("{prefix}{}\r\n", change(value)),
        None => format!("{line}\r\n"),
    };
    sdp.lines().map(line).collect()
}

/// The session version of a description.
pub(crate) fn version(sdp: &str) -> u64 {
    let line = sdp.lines().find(|line| line.starts_with("o="));
    let word = line.and_then(|line| line.split(' ').nth(2));
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// The description with another session version.
pub(crate) fn with_version(sdp: &str, version: u64) -> String {
    let line = |line: &str| {
        if !line.starts_with("o=") {
            return format!("{line}\r\n");
        }
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words[2] = version.to_string();
        format!("{}\r\n", words.join(" "))
    };
    sdp.lines().map(line).collect()
}

/// The session level, and each m-section.
pub(crate) fn parts(sdp: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            *part += &format!("{line}\r\n");
        }
    }
    parts
}
