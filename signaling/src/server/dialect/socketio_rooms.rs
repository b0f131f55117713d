//! `socketio-rooms` as a room hears it: one host and its viewers as events that name the viewer.
//!
//! The tutorial has no server; which events there are is defined here and in docs/dialects.md. Knows nothing of
//! sockets: an event is its name and its argument.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Candidate, DecodeError, Description, ErrorCode, PeerId, Role, RoomId,
    message::{
        ClientMessage, PROTOCOL, ServerMessage, excerpt,
        json::{self, json},
    },
    room::Refusal,
};

/// An event on its way to a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Emit {
    /// Its name.
    pub(crate) event: &'static str,
    /// Its one argument.
    pub(crate) data: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    viewer_id: PeerId,
    #[serde(deserialize_with = "json::offer")]
    offer: Description,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// There is one host, so a viewer need not name it.
    host_id: Option<PeerId>,
    #[serde(deserialize_with = "json::answer")]
    answer: Description,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FromEither {
    viewer_id: Option<PeerId>,
    host_id: Option<PeerId>,
    /// A page that does not look gives the `null` that ends its candidates.
    candidate: Option<Candidate>,
}

/// What a client is told, under the id of whom it came from.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    viewer_id: Option<&'a PeerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_id: Option<&'a PeerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<&'a Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<&'a Candidate>,
}

#[derive(Debug, Serialize)]
struct Refused<'a> {
    code: &'a ErrorCode,
    message: &'a str,
}

/// The translator of one connection.
#[derive(Debug)]
pub(crate) struct SocketioRooms {
    room: RoomId,
    role: Option<Role>,
    /// Whom a viewer talks to.
    host: Option<PeerId>,
}

impl SocketioRooms {
    /// For a connection that has joined nothing yet, and can join `room`.
    pub(crate) fn new(room: RoomId) -> Self {
        Self {
            room,
            role: None,
            host: None,
        }
    }

    /// The join of a client that says its role where it connects: `role=host` or `role=viewer` in the query.
    pub(crate) fn join_by_query(&self, query: &str) -> Option<ClientMessage> {
        query.split('&').find_map(|pair| match pair {
            "role=host" => Some(self.join(Role::Broadcaster)),
            "role=viewer" => Some(self.join(Role::Viewer)),
            _ => None,
        })
    }

    /// What an event of the client says to the room, if anything.
    pub(crate) fn hear(&self, event: &str, data: Value) -> Result<Option<ClientMessage>, Refusal> {
        let said = match event {
            "host-join" => self.join(Role::Broadcaster),
            "viewer-join" => self.join(Role::Viewer),
            "offer" => {
                let Offer { viewer_id, offer } = read(event, data)?;
                ClientMessage::Offer { to: viewer_id, offer }
            }
            "answer" => {
                let Answer { host_id, answer } = read(event, data)?;
                let to = host_id.or_else(|| self.host.clone());
                let to = to.ok_or_else(|| self.nobody_for("answer"))?;
                ClientMessage::Answer { to, answer }
            }
            "candidate" => {
                let message: FromEither = read(event, data)?;
                let Some(candidate) = message.candidate else {
                    return Ok(None);
                };
                let to = match self.role {
                    Some(Role::Broadcaster) => message.viewer_id,
                    _ => message.host_id.or_else(|| self.host.clone()),
                };
                let to = to.ok_or_else(|| self.nobody_for("candidate"))?;
                ClientMessage::Candidate { to, candidate }
            }
            other => return Err(DecodeError::UnknownType { kind: excerpt(other) }.into()),
        };
        Ok(Some(said))
    }

    /// The events that tell the client what the room says.
    pub(crate) fn tell(&mut self, message: &ServerMessage) -> Option<Emit> {
        let emit = |event, data| Some(Emit { event, data });
        match message {
            ServerMessage::Joined { role, peers, .. } => {
                self.role = Some(*role);
                self.host = peers.first().map(|peer| peer.id.clone());
                None
            }
            ServerMessage::BroadcasterJoined { id } => {
                self.host = Some(id.clone());
                None
            }
            ServerMessage::BroadcasterLeft { .. } => {
                self.host = None;
                None
            }
            ServerMessage::NewViewer { id } => emit("viewer-join", id.as_str().into()),
            ServerMessage::ViewerLeft { id } => emit("viewer-left", id.as_str().into()),
            ServerMessage::Offer { from, offer } => emit(
                "offer",
                value(&Told {
                    host_id: Some(from),
                    offer: Some(offer),
                    ..Told::default()
                }),
            ),
            ServerMessage::Answer { from, answer } => emit(
                "answer",
                value(&Told {
                    viewer_id: Some(from),
                    answer: Some(answer),
                    ..Told::default()
                }),
            ),
            ServerMessage::Candidate { from, candidate } => {
                let to_host = self.role == Some(Role::Broadcaster);
                emit(
                    "candidate",
                    value(&Told {
                        viewer_id: to_host.then_some(from),
                        host_id: (!to_host).then_some(from),
                        candidate: Some(candidate),
                        ..Told::default()
                    }),
                )
            }
            ServerMessage::Error { code, message, .. } => emit("error", value(&Refused { code, message })),
            // Nothing that these events could say, and nothing that a client of theirs could have caused.
            ServerMessage::EndOfCandidates { .. } | ServerMessage::State(_) | ServerMessage::Chat { .. } => {
                None
            }
        }
    }

    fn join(&self, role: Role) -> ClientMessage {
        let (room, protocol) = (self.room.clone(), PROTOCOL);
        match role {
            Role::Broadcaster => ClientMessage::Broadcaster { room, protocol },
            Role::Viewer => ClientMessage::Viewer { room, protocol },
        }
    }

    fn nobody_for(&self, message: &'static str) -> Refusal {
        match self.role {
            None => Refusal::NotJoined { message },
            Some(role @ Role::Broadcaster) if message == "answer" => Refusal::NotAllowed { role, message },
            Some(role) => Refusal::NobodyThere { message, role },
        }
    }
}

fn read<T: DeserializeOwned>(event: &str, data: Value) -> Result<T, DecodeError> {
    let text = json(&data);
    serde_json::from_value(data).map_err(|error| DecodeError::Malformed {
        detail: excerpt(&format!("{event}: {error}")),
        excerpt: excerpt(&text),
    })
}

/// Structs and strings only: there is nothing in them that JSON cannot hold.
fn value(told: &impl Serialize) -> Value {
    serde_json::to_value(told).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::message::Peer;

    fn translator() -> SocketioRooms {
        SocketioRooms::new(RoomId::main())
    }

    fn joined(role: Role, host: Option<&str>) -> SocketioRooms {
        let mut translator = translator();
        let peer = |id: &str| Peer {
            id: id.into(),
            role: Role::Broadcaster,
        };
        let told = translator.tell(&ServerMessage::Joined {
            protocol: PROTOCOL,
            id: "x1".into(),
            role,
            room: RoomId::main(),
            state: crate::RoomState::default(),
            peers: host.map(peer).into_iter().collect(),
        });
        assert_eq!(told, None, "the tutorial has no word for it");
        translator
    }

    #[track_caller]
    fn said(translator: &SocketioRooms, event: &str, data: Value) -> String {
        match translator.hear(event, data) {
            Ok(message) => message.map_or_else(String::new, |message| message.to_json()),
            Err(why) => why.code().to_string(),
        }
    }

    #[test]
    fn each_event_of_the_tutorial_becomes_an_addressed_message() {
        let host = joined(Role::Broadcaster, None);
        let viewer = joined(Role::Viewer, Some("b1"));
        let offer = json!({"type": "offer", "sdp": "v=0"});
        let answer = json!({"type": "answer", "sdp": "v=0"});
        let candidate = json!({"candidate": "c", "sdpMid": "0"});
        for (from, event, data, message) in [
            (
                &host,
                "offer",
                json!({"viewerId": "v2", "offer": offer}),
                r#"{"type":"offer","to":"v2","offer":{"type":"offer","sdp":"v=0"}}"#,
            ),
            (
                &host,
                "candidate",
                json!({"viewerId": "v2", "candidate": candidate}),
                r#"{"type":"candidate","to":"v2","candidate":{"candidate":"c","sdpMid":"0"}}"#,
            ),
            (
                &viewer,
                "answer",
                json!({"hostId": "b1", "answer": answer}),
                r#"{"type":"answer","to":"b1","answer":{"type":"answer","sdp":"v=0"}}"#,
            ),
            // The tutorial's viewer has no hostId where it wants to trickle.
            (
                &viewer,
                "answer",
                json!({"answer": answer}),
                r#"{"type":"answer","to":"b1","answer":{"type":"answer","sdp":"v=0"}}"#,
            ),
            (
                &viewer,
                "candidate",
                json!({"candidate": candidate}),
                r#"{"type":"candidate","to":"b1","candidate":{"candidate":"c","sdpMid":"0"}}"#,
            ),
            (&viewer, "candidate", json!({"candidate": null}), ""),
        ] {
            assert_eq!(said(from, event, data), message, "{event}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused_by_the_room_s_rules() {
        let candidate = json!({"candidate": {"candidate": "c"}});
        let answer = json!({"answer": {"type": "answer", "sdp": ""}});
        for (from, event, data, code) in [
            (translator(), "answer", answer.clone(), "not-joined"),
            (
                joined(Role::Broadcaster, None),
                "answer",
                answer.clone(),
                "not-allowed",
            ),
            (
                joined(Role::Broadcaster, None),
                "candidate",
                candidate,
                "unknown-target",
            ),
            (joined(Role::Viewer, None), "answer", answer, "unknown-target"),
            (
                joined(Role::Viewer, None),
                "offer",
                json!({"offer": 1}),
                "malformed-message",
            ),
            (joined(Role::Viewer, None), "mute", Value::Null, "unknown-type"),
        ] {
            assert_eq!(said(&from, event, data), code, "{event}");
        }
    }

    #[test]
    fn each_side_is_told_under_the_id_of_the_other() {
        let mut host = joined(Role::Broadcaster, None);
        let mut viewer = joined(Role::Viewer, None);
        let answer: Description = serde_json::from_value(json!({"type": "answer", "sdp": "v=0"})).unwrap();
        let offer: Description = serde_json::from_value(json!({"type": "offer", "sdp": "v=0"})).unwrap();
        let candidate = Candidate {
            candidate: "c".into(),
            ..Candidate::default()
        };
        let mut check = |to_host: bool, message: ServerMessage, event: &str, data: Value| {
            let told = if to_host { &mut host } else { &mut viewer }.tell(&message);
            let told = told.map(|emit| (emit.event, emit.data));
            assert_eq!(told, Some((event, data)));
        };
        let v2 = || PeerId::from("v2");
        let b1 = || PeerId::from("b1");
        check(
            true,
            ServerMessage::NewViewer { id: v2() },
            "viewer-join",
            json!("v2"),
        );
        check(
            true,
            ServerMessage::ViewerLeft { id: v2() },
            "viewer-left",
            json!("v2"),
        );
        check(
            true,
            ServerMessage::Answer { from: v2(), answer },
            "answer",
            json!({"viewerId": "v2", "answer": {"type": "answer", "sdp": "v=0"}}),
        );
        check(
            false,
            ServerMessage::Offer { from: b1(), offer },
            "offer",
            json!({"hostId": "b1", "offer": {"type": "offer", "sdp": "v=0"}}),
        );
        for (to_host, from, data) in [
            (
                true,
                v2(),
                json!({"viewerId": "v2", "candidate": {"candidate": "c"}}),
            ),
            (
                false,
                b1(),
                json!({"hostId": "b1", "candidate": {"candidate": "c"}}),
            ),
        ] {
            let candidate = candidate.clone();
            check(
                to_host,
                ServerMessage::Candidate { from, candidate },
                "candidate",
                data,
            );
        }
    }

    #[test]
    fn a_role_is_read_from_the_query_of_the_handshake() {
        let join = |query: &str| translator().join_by_query(query).map(|message| message.kind());
        assert_eq!(join("role=host&EIO=4&transport=polling"), Some("broadcaster"));
        assert_eq!(join("EIO=4&role=viewer"), Some("viewer"));
        assert_eq!(join("EIO=4&role=hostess&notrole=host"), None);
    }

    proptest! {
        #[test]
        fn no_event_panics(event in "offer|answer|candidate|.{0,10}", text in r#"[{}\[\]"a-z:,0-9]{0,40}"#, id in ".{0,8}") {
            for translator in [translator(), joined(Role::Broadcaster, None), joined(Role::Viewer, Some("b1"))] {
                let data = serde_json::from_str(&text).unwrap_or(Value::Null);
                let _ = translator.hear(&event, data);
                let _ = translator.hear(&event, json!({"viewerId": id, "hostId": id, "offer": {"type": "offer", "sdp": id}, "answer": {}, "candidate": {"candidate": id}}));
            }
        }
    }
}
