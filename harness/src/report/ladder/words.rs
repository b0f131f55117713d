//! What a peer's own connection does, in a few words.
//!
//! Owns the wording of marks. What is no step of a connection has none.

use super::frame::clipped;
use crate::engine::{ConnectionState, IceConnectionState};
use crate::trace::{DtlsSeen, FrameWay, HttpSeen, TraceKind, TurnSeen};

/// Characters of a text that came from elsewhere.
const MAX_TEXT: usize = 160;

/// The connection that an event belongs to, if to one, and its words; none if the ladder does not show it.
pub(super) fn mark(kind: &TraceKind) -> Option<(Option<u64>, String)> {
    let of = |connection: &u64, text: String| Some((Some(*connection), text));
    match kind {
        TraceKind::SignalingOpen { dialect: None, .. } => Some((None, "signaling open".to_owned())),
        TraceKind::SignalingOpen {
            dialect: Some(dialect),
            ..
        } => Some((None, format!("signaling open ({})", clipped(dialect, 20)))),
        TraceKind::SignalingClosed { reason } => {
            Some((None, format!("signaling closed: {}", clipped(reason, MAX_TEXT))))
        }
        TraceKind::SignalingReconnecting { attempt, wait_us } => Some((
            None,
            format!("dials again in {} ms (attempt {attempt})", wait_us / 1_000),
        )),
        TraceKind::LocalDescription { connection, sdp_type } => {
            of(connection, format!("made its {}", clipped(sdp_type, 20)))
        }
        TraceKind::RemoteDescriptionApplied { connection } => {
            of(connection, "applied the remote description".to_owned())
        }
        TraceKind::CandidateQueued { connection } => of(connection, "kept an early candidate".to_owned()),
        TraceKind::SignalingUnreadable { binary: true, .. } => {
            Some((None, "got a binary frame, which is not read".to_owned()))
        }
        TraceKind::SignalingUnreadable { reason, .. } => {
            Some((None, format!("cannot read it: {}", clipped(reason, MAX_TEXT))))
        }
        TraceKind::CandidateDiscarded { .. } => Some((None, "threw an early candidate away".to_owned())),
        TraceKind::Ice { connection, state } => of(connection, format!("ICE {}", ice(*state))),
        TraceKind::Connection { connection, state } => of(connection, connection_state(*state).to_owned()),
        TraceKind::ConnectionOpened {
            connection, remote, ..
        } => of(connection, format!("opened for {}", clipped(remote, 20))),
        TraceKind::Turn {
            connection,
            way,
            message,
            ..
        } => of(connection, turn(*way, message)),
        TraceKind::Dtls {
            connection,
            way,
            message,
        } => of(connection, dtls(*way, message)),
        TraceKind::Rtp {
            connection,
            way,
            payload_type,
            ..
        } => of(
            connection,
            format!("RTP {}, payload type {payload_type}", passed(*way)),
        ),
        TraceKind::Unclassified { connection, way, .. } => {
            of(connection, format!("datagram of no kind {}", passed(*way)))
        }
        TraceKind::FirstPacket { connection, media } => of(connection, format!("first packet ({media})")),
        TraceKind::FirstFrame { connection, .. } => of(connection, "first key frame".to_owned()),
        TraceKind::EngineError { connection, message } => {
            of(connection, format!("error: {}", clipped(message, MAX_TEXT)))
        }
        TraceKind::Http { way, message, .. } => Some((None, http(*way, message))),
        _ => None,
    }
}

fn turn(way: FrameWay, message: &TurnSeen) -> String {
    let passed = passed(way);
    match message.error {
        Some(code) => format!("TURN {} refused with {code} {passed}", message.method),
        None => format!("TURN {} {} {passed}", message.method, message.class),
    }
}

fn http(way: FrameWay, message: &HttpSeen) -> String {
    let passed = passed(way);
    match message {
        HttpSeen::Request { method, path, .. } => {
            format!("HTTP {} {} {passed}", clipped(method, 10), clipped(path, 60))
        }
        HttpSeen::Response { status, .. } => format!("HTTP {status} {passed}"),
        HttpSeen::Failed { reason } => format!("HTTP failed: {}", clipped(reason, MAX_TEXT)),
    }
}

fn ice(state: IceConnectionState) -> &'static str {
    match state {
        IceConnectionState::New => "new",
        IceConnectionState::Checking => "checking",
        IceConnectionState::Connected => "connected",
        IceConnectionState::Completed => "completed",
        IceConnectionState::Disconnected => "disconnected",
        IceConnectionState::Failed => "failed",
        IceConnectionState::Closed => "closed",
    }
}

fn connection_state(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::New => "connection new",
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Disconnected => "disconnected",
        ConnectionState::Failed => "connection failed",
        ConnectionState::Closed => "connection closed",
    }
}

fn passed(way: FrameWay) -> &'static str {
    match way {
        FrameWay::Out => "sent",
        FrameWay::In => "got",
    }
}

fn dtls(way: FrameWay, message: &DtlsSeen) -> String {
    let passed = passed(way);
    match message {
        DtlsSeen::ClientHello { .. } => format!("DTLS ClientHello {passed}"),
        DtlsSeen::ServerHello { .. } => format!("DTLS ServerHello {passed}"),
        DtlsSeen::Certificate { fingerprint } => {
            let first: String = fingerprint.chars().take(8).collect();
            format!("certificate {}… {passed}", clipped(&first, 8))
        }
        DtlsSeen::ChangeCipherSpec => format!("DTLS ChangeCipherSpec {passed}"),
        DtlsSeen::Alert { level, description } => {
            let level = if *level == 2 { "fatal alert" } else { "alert" };
            format!("DTLS {level} {description} {passed}")
        }
        DtlsSeen::PlaintextData => format!("DTLS data in clear {passed}"),
    }
}
