//! greenroom's own protocol, version 1, seen from a client. The messages are in [`crate::message`].

use crate::{
    Command, DecodeError, EncodeError, Event, PeerId, Role, SdpType,
    message::{ClientMessage, PROTOCOL, ServerMessage},
};

/// greenroom's own protocol, version 1. It needs no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Native {
    pub(super) fn decode(self, frame: &str) -> Result<Vec<Event>, DecodeError> {
        let event = match ServerMessage::parse(frame)? {
            ServerMessage::Joined {
                id,
                role,
                state,
                peers,
                ..
            } => {
                let peers = peers.into_iter().map(|peer| (peer.id, peer.role)).collect();
                Event::Joined {
                    id,
                    role,
                    state,
                    peers,
                }
            }
            ServerMessage::NewViewer { id } => Event::PeerJoined {
                id,
                role: Role::Viewer,
            },
            ServerMessage::ViewerLeft { id } => Event::PeerLeft {
                id,
                role: Role::Viewer,
            },
            ServerMessage::BroadcasterJoined { id } => Event::PeerJoined {
                id,
                role: Role::Broadcaster,
            },
            ServerMessage::BroadcasterLeft { id } => Event::PeerLeft {
                id,
                role: Role::Broadcaster,
            },
            ServerMessage::Offer { from, offer } => Event::Description {
                from: Some(from),
                description: offer,
            },
            ServerMessage::Answer { from, answer } => Event::Description {
                from: Some(from),
                description: answer,
            },
            // A browser says the end of a generation as an empty candidate (W3C webrtc 4.8.1.1).
            ServerMessage::Candidate { from, candidate } if candidate.candidate.is_empty() => {
                Event::EndOfCandidates {
                    from: Some(from),
                    username_fragment: candidate.username_fragment,
                }
            }
            ServerMessage::Candidate { from, candidate } => Event::Candidate {
                from: Some(from),
                candidate,
            },
            ServerMessage::EndOfCandidates {
                from,
                username_fragment,
            } => Event::EndOfCandidates {
                from: Some(from),
                username_fragment,
            },
            ServerMessage::Chat { from, message, seq } => Event::Chat {
                from: Some(from),
                text: message,
                seq: Some(seq),
            },
            ServerMessage::State(state) => Event::RoomState(state),
            ServerMessage::Error { code, message, to } => Event::Error { code, message, to },
        };
        Ok(vec![event])
    }

    pub(super) fn encode(self, command: &Command) -> Result<Vec<String>, EncodeError> {
        let target = |to: &Option<PeerId>, message| to.clone().ok_or(EncodeError::MissingTarget { message });
        let message = match command.clone() {
            Command::Join {
                room,
                role: Role::Broadcaster,
            } => ClientMessage::Broadcaster {
                room,
                protocol: PROTOCOL,
            },
            Command::Join {
                room,
                role: Role::Viewer,
            } => ClientMessage::Viewer {
                room,
                protocol: PROTOCOL,
            },
            Command::Description { to, description } => match description.sdp_type {
                SdpType::Offer => ClientMessage::Offer {
                    to: target(&to, "offer")?,
                    offer: description,
                },
                SdpType::Answer | SdpType::Pranswer => ClientMessage::Answer {
                    to: target(&to, "answer")?,
                    answer: description,
                },
                SdpType::Rollback => return Err(EncodeError::Rollback),
            },
            Command::Candidate { to, candidate } => ClientMessage::Candidate {
                to: target(&to, "candidate")?,
                candidate,
            },
            Command::EndOfCandidates {
                to,
                username_fragment,
            } => ClientMessage::EndOfCandidates {
                to: target(&to, "end-of-candidates")?,
                username_fragment,
            },
            Command::Chat { text } => ClientMessage::Chat { message: text },
            Command::Mute { media } => ClientMessage::Mute { media },
            Command::Unmute { media } => ClientMessage::Unmute { media },
            Command::Stop => ClientMessage::Stop,
            Command::Leave => ClientMessage::Leave,
        };
        Ok(vec![message.to_json()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Candidate, Description, MutedMedia};

    #[track_caller]
    fn check(command: Command, frame: &str) {
        assert_eq!(Native.encode(&command), Ok(vec![frame.to_owned()]));
    }

    fn description(sdp_type: SdpType) -> Description {
        Description {
            sdp_type,
            sdp: "v=0\r\n".into(),
        }
    }

    #[test]
    fn each_command_has_its_frame() {
        let room: crate::RoomId = "r".parse().unwrap();
        let to = || Some(PeerId::from("v1"));
        check(
            Command::Join {
                room: room.clone(),
                role: Role::Broadcaster,
            },
            r#"{"type":"broadcaster","room":"r","protocol":1}"#,
        );
        check(
            Command::Join {
                room,
                role: Role::Viewer,
            },
            r#"{"type":"viewer","room":"r","protocol":1}"#,
        );
        check(
            Command::Description {
                to: to(),
                description: description(SdpType::Offer),
            },
            r#"{"type":"offer","to":"v1","offer":{"type":"offer","sdp":"v=0\r\n"}}"#,
        );
        check(
            Command::Description {
                to: to(),
                description: description(SdpType::Pranswer),
            },
            r#"{"type":"answer","to":"v1","answer":{"type":"pranswer","sdp":"v=0\r\n"}}"#,
        );
        let candidate = Candidate {
            candidate: "candidate:1".into(),
            sdp_mid: Some("0".into()),
            sdp_m_line_index: Some(0),
            username_fragment: Some("u".into()),
        };
        check(
            Command::Candidate { to: to(), candidate },
            r#"{"type":"candidate","to":"v1","candidate":{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"u"}}"#,
        );
        check(
            Command::EndOfCandidates {
                to: to(),
                username_fragment: None,
            },
            r#"{"type":"end-of-candidates","to":"v1"}"#,
        );
        check(
            Command::Chat {
                text: "\"hi\"".into(),
            },
            r#"{"type":"chat","message":"\"hi\""}"#,
        );
        check(
            Command::Mute {
                media: MutedMedia::Audio,
            },
            r#"{"type":"mute","media":"audio"}"#,
        );
        check(
            Command::Unmute {
                media: MutedMedia::All,
            },
            r#"{"type":"unmute"}"#,
        );
        check(Command::Stop, r#"{"type":"stop"}"#);
        check(Command::Leave, r#"{"type":"leave"}"#);
    }

    #[test]
    fn a_command_that_cannot_be_said_is_a_typed_error() {
        let offer = Command::Description {
            to: None,
            description: description(SdpType::Offer),
        };
        assert_eq!(
            Native.encode(&offer),
            Err(EncodeError::MissingTarget { message: "offer" })
        );
        let rollback = Command::Description {
            to: Some("v1".into()),
            description: description(SdpType::Rollback),
        };
        assert_eq!(Native.encode(&rollback), Err(EncodeError::Rollback));
    }

    #[test]
    fn an_empty_candidate_means_the_end_of_candidates() {
        let frame = r#"{"type":"candidate","from":"v1","candidate":{"candidate":"","sdpMid":"0","usernameFragment":"u"}}"#;
        let event = Event::EndOfCandidates {
            from: Some("v1".into()),
            username_fragment: Some("u".into()),
        };
        assert_eq!(Native.decode(frame), Ok(vec![event]));
    }

    #[test]
    fn an_error_code_of_another_implementation_is_kept() {
        let frame = r#"{"type":"error","code":"teapot","message":"short and stout"}"#;
        let event = Event::Error {
            code: crate::ErrorCode::Other("teapot".into()),
            message: "short and stout".into(),
            to: None,
        };
        assert_eq!(Native.decode(frame), Ok(vec![event]));
    }
}
