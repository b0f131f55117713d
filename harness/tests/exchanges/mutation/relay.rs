//! What a server may do to frames.
//!
//! Owns these changes and their excuses. What frames say inside is `descriptions`'.

use std::collections::HashMap;

use greenroom::trace::{FrameWay, TraceEvent};
use serde_json::{Value, json};

use super::super::call::BROADCASTER;
use super::super::edit::{Passed, frame, kind, passed, rewrite, rewrite_sdp};
use super::{Excuse, Mutation, pick};

/// What was sent so shortly before somebody left may have been under way.
const GRACE_US: u64 = 1_000_000;

pub(super) fn apply(mutation: Mutation, events: &mut Vec<TraceEvent>, at: usize) -> Option<Excuse> {
    match mutation {
        Mutation::Lose => lose(events, at),
        Mutation::Repeat => {
            let came = pick(incoming(events, |kind| is_direct(kind) || kind == "chat"), at)?;
            let again = events.get(came)?.clone();
            events.insert(came + 1, again);
            Some(Excuse::None)
        }
        Mutation::Overtake => overtake(events, at),
        Mutation::Misdeliver => misdeliver(events, at),
        Mutation::Rename => {
            let came = pick(incoming(events, is_direct), at)?;
            rewrite(events.get_mut(came)?, |value| value["from"] = json!("v99"));
            Some(Excuse::None)
        }
        Mutation::Garble => {
            let came = pick(incoming(events, |kind| kind == "offer" || kind == "answer"), at)?;
            rewrite_sdp(events.get_mut(came)?, |sdp| sdp.replace("s=-", "s=x"));
            Some(Excuse::None)
        }
        Mutation::StateBack => {
            let later = |event: &TraceEvent| frame(event).filter(|(_, value)| value["type"] == "state");
            let states = (0..events.len()).filter(|at| later(&events[*at]).is_some());
            let came = pick(states.collect(), at)?;
            let label = events[came].peer.clone();
            let told = events[..came].iter().rev().filter(|event| event.peer == label);
            let before = told.filter_map(|event| {
                let (way, value) = frame(event)?;
                let version = value["version"].as_u64().or(value["state"]["version"].as_u64());
                version.filter(|_| way == FrameWay::In)
            });
            let before = before.into_iter().next().unwrap_or(0);
            rewrite(&mut events[came], |value| {
                value["version"] = json!(before.saturating_sub(1))
            });
            Some(if before == 0 {
                Excuse::Harmless("the first version that a peer is told of is no step back")
            } else {
                Excuse::None
            })
        }
        _ => None,
    }
}

fn is_direct(kind: &str) -> bool {
    matches!(kind, "offer" | "answer" | "candidate" | "end-of-candidates")
}

/// Frames of these kinds that came.
fn incoming(events: &[TraceEvent], wanted: impl Fn(&str) -> bool) -> Vec<usize> {
    let is_wanted = |event: &TraceEvent| {
        frame(event).is_some_and(|(way, value)| way == FrameWay::In && wanted(&kind(&value)))
    };
    (0..events.len()).filter(|at| is_wanted(&events[*at])).collect()
}

/// The message that came there.
fn message(events: &[TraceEvent], came: usize) -> Option<Passed> {
    passed(events).into_iter().find(|message| message.came == came)
}

fn lose(events: &mut Vec<TraceEvent>, at: usize) -> Option<Excuse> {
    let came = pick(incoming(events, |_| true), at)?;
    let (_, value) = frame(&events[came])?;
    let excuse = match kind(&value).as_str() {
        "joined" => lost_admission(events, came),
        "new-viewer" | "broadcaster-joined" => {
            Excuse::Harmless("who was announced is dealt with all the same, so it was known")
        }
        "viewer-left" => Excuse::Unseen("SG-06 is not decided: the server's heartbeat is not known"),
        "error" => Excuse::Unseen("SG-04 is not decided: a message may cross its receiver's leaving"),
        "state" => lost_state(events, came),
        "chat" => lost_line(events, came),
        _ => lost_message(events, came),
    };
    events.remove(came);
    Some(excuse)
}

/// The answer to a join may be lost when who asked goes before it is due.
fn lost_admission(events: &[TraceEvent], came: usize) -> Excuse {
    let label = &events[came].peer;
    let of = |event: &TraceEvent, what: &str| {
        event.peer == *label && frame(event).is_some_and(|(_, value)| value["type"] == what)
    };
    let asked = events[..came].iter().rfind(|event| of(event, "viewer"));
    let left = events[came..].iter().find(|event| of(event, "leave"));
    match (asked, left) {
        (Some(asked), Some(left)) if left.at_us < asked.at_us + GRACE_US => {
            Excuse::Harmless("it leaves within a second of asking, so the answer may have been under way")
        }
        _ => Excuse::None,
    }
}

/// A message between peers may be lost when one of them goes while it is under way.
fn lost_message(events: &[TraceEvent], came: usize) -> Excuse {
    let Some(message) = message(events, came) else {
        return Excuse::None;
    };
    let sent = &events[message.left];
    let leaves = |event: &TraceEvent| frame(event).is_some_and(|(_, value)| value["type"] == "leave");
    let both = [&sent.peer, &events[came].peer];
    let goes = events[message.left..]
        .iter()
        .any(|event| leaves(event) && both.contains(&&event.peer) && event.at_us < sent.at_us + GRACE_US);
    if goes {
        Excuse::Harmless("one of the two leaves within a second, so it may have been under way")
    } else {
        Excuse::None
    }
}

fn heard_by<'a>(
    events: &'a [TraceEvent],
    label: &'a str,
    wanted: &'a str,
) -> impl Iterator<Item = Value> + 'a {
    let frames = events.iter().filter(move |event| event.peer == label);
    frames
        .filter_map(frame)
        .take_while(|(_, value)| value["type"] != "leave")
        .filter(move |(way, value)| *way == FrameWay::In && value["type"] == wanted)
        .map(|(_, value)| value)
}

fn lost_state(events: &[TraceEvent], came: usize) -> Excuse {
    let label = &events[came].peer;
    if heard_by(&events[came + 1..], label, "state").next().is_some() {
        Excuse::Harmless("a state is a value with its version: the next one replaces it")
    } else {
        Excuse::Unseen("no later state says that the last one is missing")
    }
}

/// Lines are numbered, so a gap is seen between two that came.
fn lost_line(events: &[TraceEvent], came: usize) -> Excuse {
    let label = &events[came].peer;
    let joined = events[..came].iter().rposition(|event| {
        event.peer == *label && frame(event).is_some_and(|(_, value)| value["type"] == "joined")
    });
    let before = heard_by(&events[joined.unwrap_or(0)..came], label, "chat")
        .next()
        .is_some();
    let after = heard_by(&events[came + 1..], label, "chat").next().is_some();
    match (before, after) {
        (true, true) => Excuse::None,
        (false, _) => {
            Excuse::Unseen("which line is the first that a peer should hear is the server's to know")
        }
        (true, false) => Excuse::Unseen("no later line says that the last one is missing"),
    }
}

/// Two messages of one sender, or two of the room, that came one after the other.
fn overtake(events: &mut [TraceEvent], at: usize) -> Option<Excuse> {
    let stream = |event: &TraceEvent| {
        let (_, value) = frame(event).filter(|(way, _)| *way == FrameWay::In)?;
        let kind = kind(&value);
        let of = if is_direct(&kind) {
            value["from"].as_str().unwrap_or_default().to_owned()
        } else if kind == "chat" || kind == "state" {
            kind
        } else {
            return None;
        };
        Some((event.peer.clone(), of))
    };
    let mut pairs = Vec::new();
    for (first, event) in events.iter().enumerate() {
        let Some(stream_of) = stream(event) else { continue };
        let next = events[first + 1..]
            .iter()
            .position(|later| stream(later).as_ref() == Some(&stream_of));
        // A peer that returns begins anew.
        let returns = events[first + 1..].iter().position(|later| {
            later.peer == event.peer && frame(later).is_some_and(|(_, value)| value["type"] == "joined")
        });
        if let Some(next) = next.filter(|next| returns.is_none_or(|returns| *next < returns)) {
            pairs.push((first, first + 1 + next));
        }
    }
    // What is not even sent cannot overtake.
    let sent: HashMap<usize, usize> = passed(events)
        .into_iter()
        .map(|message| (message.came, message.left))
        .collect();
    pairs.retain(|(first, second)| sent.get(second).is_none_or(|left| left < first));
    let (first, second) = pick(pairs, at)?;
    let is_same = frame(&events[first]) == frame(&events[second]);
    let (one, other) = (events[first].event.clone(), events[second].event.clone());
    events[first].event = other;
    events[second].event = one;
    Some(if is_same {
        Excuse::Harmless("equal messages cannot be told apart")
    } else {
        Excuse::None
    })
}

/// To another viewer that is in the room at that moment.
fn misdeliver(events: &mut [TraceEvent], at: usize) -> Option<Excuse> {
    let came = pick(incoming(events, is_direct), at)?;
    let receiver = events[came].peer.clone();
    let is_there = |label: &str| {
        let last = events[..came]
            .iter()
            .rev()
            .filter(|event| event.peer == label)
            .filter_map(frame)
            .find(|(_, value)| value["type"] == "joined" || value["type"] == "leave");
        last.is_some_and(|(_, value)| value["type"] == "joined")
    };
    let mut others: Vec<String> = events.iter().map(|event| event.peer.clone()).collect();
    others.sort();
    others.dedup();
    others.retain(|other| *other != receiver && other != BROADCASTER && is_there(other));
    events[came].peer = pick(others, at)?;
    Some(Excuse::None)
}
