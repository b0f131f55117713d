//! What a peer may get wrong in what it says: both its sending and the arrival change.
//!
//! Owns these changes and their excuses.

use greenroom::trace::{DtlsSeen, TraceEvent, TraceKind};
use serde_json::json;

use super::super::edit::{
    Passed, attribute, frame, parts, passed, rewrite, rewrite_sdp, sdp, version, with_version,
};
use super::{Excuse, Mutation, pick};

/// A description, with those of the same maker for the same peer before and after it.
struct Place {
    message: Passed,
    text: String,
    before: Vec<String>,
    after: Vec<String>,
    /// Of the offer, where this is its answer.
    offer: Option<String>,
}

pub(super) fn apply(mutation: Mutation, events: &mut [TraceEvent], at: usize) -> Option<Excuse> {
    match mutation {
        Mutation::CandidateAfterEnd => after_end(events, at),
        Mutation::CandidateMid | Mutation::CandidateUfrag => {
            let all = passed(events)
                .into_iter()
                .filter(|passed| passed.kind == "candidate");
            let candidate = pick(all.collect(), at)?;
            let (field, value) = if mutation == Mutation::CandidateMid {
                ("sdpMid", "zz")
            } else {
                ("usernameFragment", "nobody")
            };
            for place in [candidate.left, candidate.came] {
                rewrite(&mut events[place], |message| {
                    message["candidate"][field] = json!(value)
                });
            }
            Some(Excuse::None)
        }
        _ => description(mutation, events, at),
    }
}

fn places(events: &[TraceEvent]) -> Vec<Place> {
    let all: Vec<Passed> = passed(events)
        .into_iter()
        .filter(|passed| passed.kind == "offer" || passed.kind == "answer")
        .collect();
    let text = |passed: &Passed| sdp(&events[passed.left]).unwrap_or_default();
    all.iter()
        .map(|message| {
            let is_same = |other: &&Passed| other.from == message.from && other.to == message.to;
            let is_offer = |other: &&Passed| other.from == message.to && other.to == message.from;
            let of = |before: bool| {
                let others = all.iter().filter(is_same);
                others
                    .filter(|other| other.left != message.left && (other.left < message.left) == before)
                    .map(text)
                    .collect()
            };
            Place {
                message: message.clone(),
                text: text(message),
                before: of(true),
                after: of(false),
                offer: (message.kind == "answer")
                    .then(|| {
                        all.iter()
                            .filter(is_offer)
                            .filter(|offer| offer.came < message.left)
                            .map(text)
                            .next_back()
                    })
                    .flatten(),
            }
        })
        .collect()
}

fn description(mutation: Mutation, events: &mut [TraceEvent], at: usize) -> Option<Excuse> {
    let place = pick(places(events), at)?;
    let Place {
        message,
        text,
        before,
        ..
    } = &place;
    let (changed, excuse) = match mutation {
        Mutation::Ufrag => (
            attribute(text, "ice-ufrag", |_| "nobody".to_owned()),
            Excuse::None,
        ),
        Mutation::Pwd => (pwd(events, text), Excuse::None),
        Mutation::SwapMids => (swapped(text)?, Excuse::None),
        Mutation::Fingerprint => {
            let changed = attribute(text, "fingerprint", |value| value.replace(' ', " 99:"));
            (changed, other_certificate(events, &place))
        }
        Mutation::Setup => setup(events, &place)?,
        Mutation::BumpVersion => {
            let excuse = if place.after.is_empty() {
                Excuse::Harmless("a version may jump, and that is only noted")
            } else {
                Excuse::None
            };
            (with_version(text, version(text) + 5), excuse)
        }
        Mutation::StallVersion => {
            let last = before.last().filter(|last| version(last) < version(text))?;
            let stalled = with_version(text, version(last));
            let excuse = if without_candidates(&stalled) == without_candidates(last) {
                Excuse::Harmless("only candidates differ, which the version need not count")
            } else {
                Excuse::None
            };
            (stalled, excuse)
        }
        Mutation::DropSection => {
            let mut parts = parts(text);
            parts.pop().filter(|_| parts.len() > 1)?;
            (parts.concat(), Excuse::None)
        }
        _ => payload_type(&place)?,
    };
    for place in [message.left, message.came] {
        rewrite_sdp(&mut events[place], |_| changed.clone());
    }
    Some(excuse)
}

fn without_candidates(text: &str) -> Vec<&str> {
    let gathered = ["a=candidate:", "a=end-of-candidates"];
    let is_said = |line: &&str| !gathered.iter().any(|prefix| line.starts_with(prefix));
    text.lines().filter(is_said).collect()
}

/// Another password; the checks that are made for it fail then.
fn pwd(events: &mut [TraceEvent], text: &str) -> String {
    let first = format!("{}:", ufrag(text).unwrap_or_default());
    for event in events {
        if let TraceKind::Stun { message, .. } = &mut event.event
            && message
                .username
                .as_ref()
                .is_some_and(|username| username.starts_with(&first))
        {
            message.integrity = Some(false);
        }
    }
    attribute(text, "ice-pwd", |_| "[24 chars #0badf00d]".to_owned())
}

/// The first two sections exchange their mids.
fn swapped(text: &str) -> Option<String> {
    let mut mids = text.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    let (one, other) = (mids.next()?.to_owned(), mids.next()?.to_owned());
    Some(attribute(text, "mid", |mid| {
        if mid == one {
            other.clone()
        } else if mid == other {
            one.clone()
        } else {
            mid.to_owned()
        }
    }))
}

fn ufrag(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"))
}

/// Whether the trace has the handshake of this connection.
fn has_handshake(events: &[TraceEvent], message: &Passed) -> bool {
    let viewer = [&events[message.left].peer, &events[message.came].peer];
    // The viewer's label is in its events; both ends' wires are read or neither is.
    let range = message.left.min(message.came)..;
    let until = events[range.start..]
        .iter()
        .position(|event| {
            viewer.contains(&&event.peer) && frame(event).is_some_and(|(_, value)| value["type"] == "leave")
        })
        .map_or(events.len(), |at| range.start + at);
    events[range.start..until].iter().any(|event| {
        viewer.contains(&&event.peer)
            && event.peer != super::super::call::BROADCASTER
            && matches!(
                &event.event,
                TraceKind::Dtls {
                    message: DtlsSeen::Certificate { .. },
                    ..
                }
            )
    })
}

fn other_certificate(events: &[TraceEvent], place: &Place) -> Excuse {
    let restarts = |text: &str, next: &str| ufrag(text) != ufrag(next);
    let from_before = place
        .before
        .last()
        .is_some_and(|before| !restarts(before, &place.text));
    let to_next = place
        .after
        .first()
        .is_some_and(|next| !restarts(&place.text, next));
    if from_before || to_next {
        // DT-03: the certificate changes, and ICE does not restart with it.
        return Excuse::None;
    }
    if place.before.is_empty() && has_handshake(events, &place.message) {
        return Excuse::None;
    }
    if place.before.is_empty() {
        Excuse::Unseen("the certificate is not in the trace: the wire is not read")
    } else {
        Excuse::Unseen("that a new association, which an ICE restart allows, never begins is not decided")
    }
}

fn setup(events: &[TraceEvent], place: &Place) -> Option<(String, Excuse)> {
    let now = place
        .text
        .lines()
        .find_map(|line| line.strip_prefix("a=setup:"))?;
    let other = match now {
        "active" => "passive",
        "passive" => "active",
        // Of an offer.
        _ => "active",
    };
    let changed = attribute(&place.text, "setup", |_| other.to_owned());
    let is_first = place.before.is_empty();
    let excuse = if place.message.kind == "offer" {
        let answer = passed(events).into_iter().find(|answer| {
            answer.kind == "answer" && answer.from == place.message.to && answer.left > place.message.came
        });
        let answered = answer
            .and_then(|answer| sdp(&events[answer.left]))
            .unwrap_or_default();
        if !is_first && answered.contains("a=setup:passive") {
            Excuse::Harmless("a later offer may name the role in force (RFC 8842 section 5.5)")
        } else {
            Excuse::None
        }
    } else if is_first && place.after.is_empty() && !has_handshake(events, &place.message) {
        Excuse::Unseen("the handshake is not in the trace: the wire is not read")
    } else {
        Excuse::None
    };
    Some((changed, excuse))
}

/// The first format of the first RTP section becomes a number that nothing explains.
fn payload_type(place: &Place) -> Option<(String, Excuse)> {
    let line = place.text.lines().find(|line| line.contains("RTP/SAVPF"))?;
    let mut words: Vec<&str> = line.split(' ').collect();
    *words.get_mut(3)? = "77";
    let changed = place.text.replacen(line, &words.join(" "), 1);
    let rejected = |line: &str| line.split(' ').nth(1) == Some("0");
    let is_rejected = rejected(line)
        || place.offer.as_deref().is_some_and(|offer| {
            offer
                .lines()
                .find(|line| line.contains("RTP/SAVPF"))
                .is_some_and(rejected)
        });
    Some((
        changed,
        if is_rejected {
            Excuse::Harmless("the formats of a rejected section count for nothing")
        } else {
            Excuse::None
        },
    ))
}

/// The end of candidates and the candidate before it change places, at both ends.
fn after_end(events: &mut [TraceEvent], at: usize) -> Option<Excuse> {
    let all = passed(events);
    let ends = all.iter().filter(|passed| passed.kind == "end-of-candidates");
    let pairs = ends.filter_map(|end| {
        let before = all
            .iter()
            .filter(|other| other.from == end.from && other.to == end.to && other.left < end.left);
        let last = before.max_by_key(|other| other.left)?;
        (last.kind == "candidate").then(|| (last.clone(), end.clone()))
    });
    let (candidate, end) = pick(pairs.collect(), at)?;
    for (one, other) in [(candidate.left, end.left), (candidate.came, end.came)] {
        let (first, second) = (events[one].event.clone(), events[other].event.clone());
        events[one].event = second;
        events[other].event = first;
    }
    Some(Excuse::None)
}
