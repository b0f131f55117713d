//! Mutations that nobody chose: one change of one kind of message, drawn from a seed.
//!
//! Owns what is drawn, the message and the change, so that a seed names one mutation for good.

use serde_json::{Value, json};

use super::edit;
use super::frames::{Act, Hop};
use super::{Does, WireFault};
use crate::net::model::Random;

/// A mutation of one kind of message, drawn from a seed.
pub(super) fn fault(seed: u64) -> WireFault {
    let (hop, kind) = match Random::new(seed).bits() % 4 {
        0 => (Hop::ToViewer, "offer"),
        1 => (Hop::ToBroadcaster, "answer"),
        2 => (Hop::ToViewer, "candidate"),
        _ => (Hop::ToBroadcaster, "candidate"),
    };
    WireFault {
        name: "random",
        about: "one drawn change of one kind of message",
        does: Does::Frames(hop, kind, Act::Mutate(seed)),
    }
}

/// One change of a message, drawn from a seed: a line of its SDP deleted, repeated, swapped with the next or changed in
/// one character, or a character of its candidate.
pub(super) fn mutate(message: &mut Value, seed: u64) {
    let mut random = Random::new(!seed);
    let mut below = |bound: usize| (random.bits() % bound.max(1) as u64) as usize;
    let (op, at, place, letter) = (below(4), below(1 << 16), below(1 << 16), b'a' + below(26) as u8);
    let change = |line: &str| {
        let mut letters: Vec<char> = line.chars().collect();
        let length = letters.len().max(1);
        if let Some(changed) = letters.get_mut(place % length) {
            *changed = if *changed == letter as char {
                '7'
            } else {
                letter as char
            };
        }
        letters.into_iter().collect::<String>()
    };
    edit::sdp(message, |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let count = lines.len().max(1);
        let at = at % count;
        match op {
            0 if at < lines.len() => drop(lines.remove(at)),
            1 if at < lines.len() => lines.insert(at, lines[at].clone()),
            2 if at + 1 < lines.len() => lines.swap(at, at + 1),
            _ => {
                if let Some(line) = lines.get_mut(at) {
                    *line = change(line);
                }
            }
        }
        lines.join("\r\n") + "\r\n"
    });
    edit::candidate(message, |fields| {
        let names: Vec<String> = fields.keys().cloned().collect();
        let Some(name) = names.get(at % names.len().max(1)) else {
            return;
        };
        match (op, fields.get(name).and_then(Value::as_str).map(str::to_owned)) {
            (0, _) => drop(fields.remove(name)),
            (_, Some(text)) => drop(fields.insert(name.clone(), json!(change(&text)))),
            _ => drop(fields.insert(name.clone(), json!(7))),
        }
    });
}
