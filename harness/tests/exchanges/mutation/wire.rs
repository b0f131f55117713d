//! What a stack may do on the wire.
//!
//! Owns these changes and their excuses.

use greenroom::trace::{DtlsSeen, FrameWay, StunSeen, TraceEvent, TraceKind};

use super::{Excuse, Mutation, pick};

pub(super) fn apply(mutation: Mutation, events: &mut Vec<TraceEvent>, at: usize) -> Option<Excuse> {
    let can = |event: &TraceEvent| match (&event.event, mutation) {
        (TraceKind::Stun { message, .. }, Mutation::Username | Mutation::Role) => message.class == "request",
        (TraceKind::Dtls { message, way, .. }, Mutation::Certificate) => {
            *way == FrameWay::In && matches!(message, DtlsSeen::Certificate { .. })
        }
        (TraceKind::Rtp { .. }, Mutation::RtpPayloadType)
        | (TraceKind::FirstFrame { .. }, Mutation::LoseKeyFrame) => true,
        _ => false,
    };
    let places = (0..events.len()).filter(|at| can(&events[*at]));
    let place = pick(places.collect(), at)?;
    match &mut events[place].event {
        TraceKind::Stun { message, .. } if mutation == Mutation::Username => username(message),
        TraceKind::Stun { message, .. } => message.controlling = message.controlling.map(|is| !is),
        TraceKind::Dtls {
            message: DtlsSeen::Certificate { fingerprint },
            ..
        } => *fingerprint = fingerprint.chars().rev().collect(),
        TraceKind::Rtp { payload_type, .. } => *payload_type = 50,
        _ => {
            let label = events[place].peer.clone();
            events.remove(place);
            let is_first = |event: &TraceEvent| {
                event.peer == label && matches!(event.event, TraceKind::FirstFrame { .. })
            };
            let join = |event: &TraceEvent| {
                event.peer == label
                    && matches!(&event.event, TraceKind::Signaling { way: FrameWay::Out, frame, .. } if frame.contains("\"viewer\""))
            };
            if events.iter().any(is_first) {
                // Of one that came back only the last stay counts, or it has another picture in the same stay.
                let returns = events[place..].iter().any(join);
                return Some(if returns {
                    Excuse::Harmless("it came back and has its picture then")
                } else if events[..place].iter().rposition(join) < events.iter().rposition(is_first) {
                    Excuse::Harmless("another picture of the same viewer came")
                } else {
                    Excuse::None
                });
            }
        }
    }
    Some(Excuse::None)
}

/// Both fragments become others, so that neither half can be anybody's.
fn username(message: &mut StunSeen) {
    if let Some(username) = &mut message.username {
        *username = "else:where".to_owned();
    }
}
