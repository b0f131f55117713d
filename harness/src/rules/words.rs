//! Events in the words of findings: what a peer did, and on which connection.
//!
//! Owns the wording only.

use super::message::Message;
use crate::trace::{DtlsSeen, FrameWay, TraceKind};

/// A frame in a few words.
pub(super) fn described(way: FrameWay, message: &Message) -> String {
    let name = message.name();
    match (way, message.peer()) {
        (FrameWay::Out, Some(peer)) => format!("sent {name} to {peer}"),
        (FrameWay::In, Some(peer)) => format!("got {name} from {peer}"),
        (FrameWay::Out, None) => format!("sent {name}"),
        (FrameWay::In, None) => format!("got {name}"),
    }
}

/// Whose event it is, by the number of the connection.
pub(super) fn connection_of(kind: &TraceKind) -> Option<u64> {
    match kind {
        TraceKind::LocalDescription { connection, .. }
        | TraceKind::RemoteDescriptionApplied { connection }
        | TraceKind::CandidateQueued { connection }
        | TraceKind::Ice { connection, .. }
        | TraceKind::Connection { connection, .. }
        | TraceKind::Stun { connection, .. }
        | TraceKind::Turn { connection, .. }
        | TraceKind::Dtls { connection, .. }
        | TraceKind::Rtp { connection, .. }
        | TraceKind::Unclassified { connection, .. }
        | TraceKind::FirstPacket { connection, .. }
        | TraceKind::FirstFrame { connection, .. }
        | TraceKind::EngineError { connection, .. } => Some(*connection),
        _ => None,
    }
}

/// An event of a connection in a few words.
pub(super) fn summary(kind: &TraceKind) -> String {
    let way = |way: &FrameWay| match way {
        FrameWay::Out => "sent",
        FrameWay::In => "got",
    };
    match kind {
        TraceKind::LocalDescription { sdp_type, .. } => format!("made its {sdp_type}"),
        TraceKind::RemoteDescriptionApplied { .. } => "applied the remote description".to_owned(),
        TraceKind::CandidateQueued { .. } => "kept an early candidate".to_owned(),
        TraceKind::Ice { state, .. } => format!("ICE {state:?}").to_lowercase(),
        TraceKind::Connection { state, .. } => format!("connection {state:?}").to_lowercase(),
        TraceKind::Stun {
            way: passed, message, ..
        } => format!("{} a STUN {}", way(passed), message.class),
        TraceKind::Turn {
            way: passed, message, ..
        } => match message.error {
            Some(code) => format!("{} {code} for a TURN {}", way(passed), message.method),
            None => format!("{} a TURN {} {}", way(passed), message.method, message.class),
        },
        TraceKind::Dtls {
            way: passed, message, ..
        } => {
            let name = match message {
                DtlsSeen::ClientHello { .. } => "ClientHello",
                DtlsSeen::ServerHello { .. } => "ServerHello",
                DtlsSeen::Certificate { .. } => "certificate",
                DtlsSeen::ChangeCipherSpec => "ChangeCipherSpec",
                DtlsSeen::Alert { .. } => "DTLS alert",
                DtlsSeen::PlaintextData => "data in clear",
            };
            format!("{} a {name}", way(passed))
        }
        TraceKind::Rtp {
            way: passed,
            payload_type,
            ..
        } => format!("{} RTP of payload type {payload_type}", way(passed)),
        TraceKind::Unclassified { .. } => "a datagram of no kind".to_owned(),
        TraceKind::FirstPacket { media, .. } => format!("first {media} packet"),
        TraceKind::FirstFrame { .. } => "first key frame".to_owned(),
        TraceKind::EngineError { message, .. } => message.clone(),
        _ => "event".to_owned(),
    }
}
