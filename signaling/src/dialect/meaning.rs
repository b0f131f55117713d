//! What frames of any dialect mean, in greenroom's own protocol, so that whoever reads a trace knows one language.

use super::Native;
use crate::{
    Command, Event, Role, SdpType,
    message::{PROTOCOL, Peer, ServerMessage},
};

/// What a bot said.
pub(crate) fn of_command(command: &Command) -> Option<String> {
    Native.encode(command).ok()?.pop()
}

/// What a bot was told.
pub(crate) fn of_event(event: &Event) -> Option<String> {
    let message = match event.clone() {
        Event::Joined {
            id,
            role,
            state,
            peers,
        } => ServerMessage::Joined {
            protocol: PROTOCOL,
            id,
            role,
            room: "unnamed".parse().ok()?,
            state,
            peers: peers.into_iter().map(|(id, role)| Peer { id, role }).collect(),
        },
        Event::PeerJoined {
            id,
            role: Role::Viewer,
        } => ServerMessage::NewViewer { id },
        Event::PeerJoined {
            id,
            role: Role::Broadcaster,
        } => ServerMessage::BroadcasterJoined { id },
        Event::PeerLeft {
            id,
            role: Role::Viewer,
        } => ServerMessage::ViewerLeft { id },
        Event::PeerLeft {
            id,
            role: Role::Broadcaster,
        } => ServerMessage::BroadcasterLeft { id },
        Event::Description { from, description } => match description.sdp_type {
            SdpType::Offer => ServerMessage::Offer {
                from: from?,
                offer: description,
            },
            SdpType::Answer | SdpType::Pranswer => ServerMessage::Answer {
                from: from?,
                answer: description,
            },
            SdpType::Rollback => return None,
        },
        Event::Candidate { from, candidate } => ServerMessage::Candidate {
            from: from?,
            candidate,
        },
        Event::EndOfCandidates {
            from,
            username_fragment,
        } => ServerMessage::EndOfCandidates {
            from: from?,
            username_fragment,
        },
        Event::RoomState(state) => ServerMessage::State(state),
        Event::Error { code, message, to } => ServerMessage::Error { code, message, to },
        // Chat that nobody has numbered says nothing of its order.
        Event::Chat { from, text, seq } => ServerMessage::Chat {
            from: from?,
            message: text,
            seq: seq?,
        },
        Event::Undecodable(_) | Event::Closed(_) => return None,
    };
    Some(message.to_json())
}
