//! One host and its viewers as Socket.IO events that name the viewer (the wire of tutorial part 27).
//!
//! `host-join` and `viewer-join` say who a client is, which the tutorial leaves to a server that it does not show
//! (docs/dialects.md). Owns the names of events and fields.

use serde_json::{Value, json};

use super::{
    DecodeError, EncodeError, Output, body,
    socketio::{Packet, SocketIo},
};
use crate::{Command, Description, Event, PeerId, Role, RoomState, SdpType};

/// What the host is called until an offer has named it.
const HOST: &str = "host";

/// One host and its viewers over Socket.IO.
#[derive(Clone, Debug)]
pub struct SocketioRooms {
    me: PeerId,
    role: Option<Role>,
    join: Option<Command>,
    connected: bool,
    connection: SocketIo,
    host: Option<PeerId>,
}

impl SocketioRooms {
    /// For a bot of this name.
    pub fn new(me: PeerId) -> Self {
        Self {
            me,
            role: None,
            join: None,
            connected: false,
            connection: SocketIo::default(),
            host: None,
        }
    }

    pub(super) fn encode(&mut self, command: &Command) -> Result<Vec<Output>, EncodeError> {
        let says = command.clone();
        match command {
            Command::Join { .. } if !self.connected => {
                self.join = Some(says);
                Ok(Vec::new())
            }
            Command::Join { role, .. } => self.join(*role, says),
            Command::Description { to, description } => {
                let to = to.as_ref().ok_or(EncodeError::MissingTarget {
                    message: "a description",
                })?;
                match description.sdp_type {
                    SdpType::Offer => {
                        self.emit("offer", &json!({"viewerId": to, "offer": description}), says)
                    }
                    SdpType::Answer | SdpType::Pranswer => {
                        self.emit("answer", &json!({"hostId": to, "answer": description}), says)
                    }
                    SdpType::Rollback => Err(EncodeError::Rollback),
                }
            }
            Command::Candidate { to, candidate } => {
                let to = to.as_ref().ok_or(EncodeError::MissingTarget {
                    message: "a candidate",
                })?;
                let whom = if self.role == Some(Role::Broadcaster) {
                    "viewerId"
                } else {
                    "hostId"
                };
                self.emit("candidate", &json!({whom: to, "candidate": candidate}), says)
            }
            Command::Leave => Ok(vec![Output::Unsaid(says)]),
            // The tutorial has no word for any of them.
            Command::EndOfCandidates { .. }
            | Command::Chat { .. }
            | Command::Mute { .. }
            | Command::Unmute { .. }
            | Command::Stop => Ok(Vec::new()),
        }
    }

    fn emit(&mut self, name: &str, argument: &Value, says: Command) -> Result<Vec<Output>, EncodeError> {
        self.connection.emit(name, argument, says)
    }

    fn join(&mut self, role: Role, says: Command) -> Result<Vec<Output>, EncodeError> {
        self.role = Some(role);
        let (name, id) = match role {
            Role::Broadcaster => ("host-join", PeerId::from(HOST)),
            Role::Viewer => ("viewer-join", self.me.clone()),
        };
        let mut outputs = self.emit(name, &Value::Null, says)?;
        outputs.push(Output::Event(Event::Joined {
            id,
            role,
            state: RoomState::default(),
            peers: Vec::new(),
        }));
        Ok(outputs)
    }

    pub(super) fn decode(&mut self, frame: &str) -> Result<Vec<Output>, DecodeError> {
        let (packet, mut outputs) = self.connection.read(frame)?;
        let (name, argument) = match packet {
            Packet::Event(name, argument) => (name, argument),
            Packet::Connected => {
                self.connected = true;
                if let Some(Command::Join { room, role }) = self.join.take() {
                    let joined = self.join(role, Command::Join { room, role });
                    outputs.extend(joined.unwrap_or_default());
                }
                return Ok(outputs);
            }
            Packet::Nothing => return Ok(outputs),
        };
        let fail = |detail: String| body::malformed(frame, detail);
        let id = |field: &str| {
            let id = argument.get(field).and_then(Value::as_str);
            id.map(PeerId::from)
        };
        let viewer = |what: &str| {
            let id = argument.as_str().map(PeerId::from).or_else(|| id("viewerId"));
            id.ok_or_else(|| fail(format!("{what} names no viewer")))
        };
        let role = Role::Viewer;
        match name.as_str() {
            "viewer-join" => outputs.push(Output::Event(Event::PeerJoined {
                id: viewer("viewer-join")?,
                role,
            })),
            "viewer-left" => outputs.push(Output::Event(Event::PeerLeft {
                id: viewer("viewer-left")?,
                role,
            })),
            "offer" => {
                let offer = body::description(argument.get("offer"), Some(SdpType::Offer)).map_err(fail)?;
                outputs.extend(self.offer(id("hostId"), offer));
            }
            "answer" => {
                let answer =
                    body::description(argument.get("answer"), Some(SdpType::Answer)).map_err(fail)?;
                outputs.push(Output::Event(Event::Description {
                    from: id("viewerId"),
                    description: answer,
                }));
            }
            "candidate" => {
                let candidate = body::candidate(argument.get("candidate")).map_err(fail)?;
                let from = id("viewerId")
                    .or_else(|| id("hostId"))
                    .or_else(|| self.host.clone());
                outputs.push(Output::Event(Event::Candidate { from, candidate }));
            }
            "error" => {
                let text = |field: &str| {
                    let text = argument.get(field).and_then(Value::as_str);
                    text.unwrap_or_default().to_owned()
                };
                outputs.push(Output::Event(Event::Error {
                    code: text("code").into(),
                    message: text("message"),
                    to: None,
                }));
            }
            _ => return Err(DecodeError::UnknownType { kind: name }),
        }
        Ok(outputs)
    }

    fn offer(&mut self, host: Option<PeerId>, description: Description) -> Vec<Output> {
        let host = host
            .or_else(|| self.host.clone())
            .unwrap_or_else(|| PeerId::from(HOST));
        let role = Role::Broadcaster;
        let mut told = Vec::new();
        if self.host.as_ref() != Some(&host) {
            if let Some(id) = self.host.replace(host.clone()) {
                told.push(Event::PeerLeft { id, role });
            }
            told.push(Event::PeerJoined {
                id: host.clone(),
                role,
            });
        }
        told.push(Event::Description {
            from: Some(host),
            description,
        });
        told.into_iter().map(Output::Event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(role: Role) -> SocketioRooms {
        let mut bot = SocketioRooms::new("viewer-1".into());
        let room = "r".parse().unwrap();
        assert_eq!(bot.encode(&Command::Join { room, role }).unwrap(), []);
        let outputs = bot.decode("40").unwrap();
        assert!(
            matches!(
                &outputs[..],
                [Output::Frame { .. }, Output::Event(Event::Joined { .. })]
            ),
            "{outputs:?}"
        );
        bot
    }

    #[test]
    fn a_host_hears_who_joins_and_its_offer_names_the_viewer() {
        let mut host = let_in(Role::Broadcaster);
        let id = PeerId::from("s1");
        for frame in [
            r#"42["viewer-join","s1"]"#,
            r#"42["viewer-join",{"viewerId":"s1"}]"#,
        ] {
            let told = host.decode(frame).unwrap();
            let role = Role::Viewer;
            assert_eq!(told, [Output::Event(Event::PeerJoined { id: id.clone(), role })]);
        }
        let description = Description {
            sdp_type: SdpType::Offer,
            sdp: "x".into(),
        };
        let offer = Command::Description {
            to: Some(id),
            description,
        };
        let said = host.encode(&offer).unwrap();
        let [Output::Frame { text, .. }] = &said[..] else {
            panic!("{said:?}")
        };
        let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        let body = json!({"offer": {"type": "offer", "sdp": "x"}, "viewerId": "s1"});
        assert_eq!(event, json!(["offer", body]));
    }

    #[test]
    fn a_viewer_answers_the_host_that_offered() {
        let mut viewer = let_in(Role::Viewer);
        let told = viewer
            .decode(r#"42["offer",{"hostId":"h9","offer":{"type":"offer","sdp":"x"}}]"#)
            .unwrap();
        assert!(
            matches!(&told[1], Output::Event(Event::Description { from: Some(from), .. }) if from.as_str() == "h9"),
            "{told:?}"
        );
        let candidate = viewer
            .decode(r#"42["candidate",{"candidate":{"candidate":"c"}}]"#)
            .unwrap();
        assert!(
            matches!(&candidate[..], [Output::Event(Event::Candidate { from: Some(from), .. })] if from.as_str() == "h9")
        );
        for frame in [r#"42["viewer-left"]"#, r#"42["offer",{}]"#, r#"42["teapot",1]"#] {
            viewer.decode(frame).unwrap_err();
        }
    }
}
