//! `broadcast-ws` as a room hears it: `{type: …}` without addresses, which the server supplies.
//!
//! Owns the wire format and who the other side is; whose turn it is, is [`Exchanges`]'s.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::exchanges::Exchanges;
use crate::{
    Candidate, Description, ErrorCode, PeerId, Role, RoomId, SdpType,
    message::{
        ClientMessage, PROTOCOL, ServerMessage,
        json::{self, explain, json},
    },
    room::Refusal,
};

/// What a page says. Fields that it does not need, such as a room, are ignored.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum FromPage {
    Broadcaster,
    Viewer,
    Offer {
        #[serde(deserialize_with = "json::offer")]
        offer: Description,
    },
    Answer {
        #[serde(deserialize_with = "json::answer")]
        answer: Description,
    },
    Candidate {
        /// A page that does not look gives the `null` that ends its candidates.
        candidate: Option<Candidate>,
    },
    Chat {
        message: String,
    },
}

impl FromPage {
    const TYPES: [&str; 6] = ["broadcaster", "viewer", "offer", "answer", "candidate", "chat"];
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum ToPage {
    NewViewer,
    Offer {
        offer: Description,
    },
    Answer {
        answer: Description,
    },
    Candidate {
        candidate: Candidate,
    },
    Chat {
        message: String,
    },
    /// Not of the tutorial, whose pages ignore a type that they do not know.
    Error {
        code: ErrorCode,
        message: String,
    },
}

/// The translator of one connection.
#[derive(Debug)]
pub(crate) struct BroadcastWs {
    room: RoomId,
    side: Side,
}

#[derive(Debug)]
enum Side {
    Outside,
    Viewer { broadcaster: Option<PeerId> },
    Broadcaster(Exchanges),
}

impl BroadcastWs {
    /// For a connection that has joined nothing yet, and can join `room`.
    pub(crate) fn new(room: RoomId) -> Self {
        Self {
            room,
            side: Side::Outside,
        }
    }

    /// What a frame of the client says to the room, if anything.
    pub(crate) fn hear(&mut self, frame: &str, now: Instant) -> Result<Option<ClientMessage>, Refusal> {
        let message =
            serde_json::from_str(frame).map_err(|error| explain(frame, &error, &FromPage::TYPES))?;
        let said = match message {
            FromPage::Broadcaster => ClientMessage::Broadcaster {
                room: self.room.clone(),
                protocol: PROTOCOL,
            },
            FromPage::Viewer => ClientMessage::Viewer {
                room: self.room.clone(),
                protocol: PROTOCOL,
            },
            FromPage::Offer { offer } => {
                let to = match &mut self.side {
                    Side::Broadcaster(exchanges) => exchanges.offered(&offer.sdp, now),
                    _ => None,
                };
                let to = to.ok_or_else(|| self.nobody_for("offer"))?;
                ClientMessage::Offer { to, offer }
            }
            FromPage::Answer { answer } => {
                let to = match &self.side {
                    Side::Viewer { broadcaster } => broadcaster.clone(),
                    _ => None,
                };
                let to = to.ok_or_else(|| self.nobody_for("answer"))?;
                ClientMessage::Answer { to, answer }
            }
            FromPage::Candidate { candidate: None } => return Ok(None),
            FromPage::Candidate {
                candidate: Some(candidate),
            } => {
                let to = match &self.side {
                    Side::Outside => None,
                    Side::Viewer { broadcaster } => broadcaster.clone(),
                    Side::Broadcaster(exchanges) => exchanges.candidate_for(&candidate).cloned(),
                };
                let to = to.ok_or_else(|| self.nobody_for("candidate"))?;
                ClientMessage::Candidate { to, candidate }
            }
            FromPage::Chat { message } => ClientMessage::Chat { message },
        };
        Ok(Some(said))
    }

    /// The frames that tell the client what the room says.
    pub(crate) fn tell(&mut self, message: &ServerMessage, now: Instant) -> Vec<String> {
        let mut frames = Vec::new();
        let mut announce = false;
        match message {
            ServerMessage::Joined { role, peers, .. } => {
                self.side = match role {
                    Role::Broadcaster => Side::Broadcaster(Exchanges::default()),
                    Role::Viewer => Side::Viewer {
                        broadcaster: peers.first().map(|peer| peer.id.clone()),
                    },
                };
            }
            ServerMessage::NewViewer { id } => {
                if let Side::Broadcaster(exchanges) = &mut self.side {
                    announce = exchanges.viewer_came(id.clone(), now);
                }
            }
            ServerMessage::ViewerLeft { id } => {
                if let Side::Broadcaster(exchanges) = &mut self.side {
                    announce = exchanges.viewer_left(id, now);
                }
            }
            ServerMessage::BroadcasterJoined { id } => {
                self.side = Side::Viewer {
                    broadcaster: Some(id.clone()),
                };
            }
            ServerMessage::BroadcasterLeft { .. } => self.side = Side::Viewer { broadcaster: None },
            ServerMessage::Offer { offer, .. } => frames.push(ToPage::Offer { offer: offer.clone() }),
            ServerMessage::Answer { from, answer } => {
                if let Side::Broadcaster(exchanges) = &mut self.side {
                    if exchanges.expects_answer(from) {
                        frames.push(ToPage::Answer {
                            answer: answer.clone(),
                        });
                        announce = answer.sdp_type == SdpType::Answer && exchanges.answered(now);
                    } else {
                        log::debug!("an answer of {from} outside its exchange goes nowhere");
                    }
                }
            }
            ServerMessage::Candidate { candidate, .. } => frames.push(ToPage::Candidate {
                candidate: candidate.clone(),
            }),
            ServerMessage::Chat { message, .. } => frames.push(ToPage::Chat {
                message: message.clone(),
            }),
            ServerMessage::Error { code, message, .. } => frames.push(ToPage::Error {
                code: code.clone(),
                message: message.clone(),
            }),
            // Nothing that this wire could say, and nothing that its clients could have caused.
            ServerMessage::EndOfCandidates { .. } | ServerMessage::State(_) => {}
        }
        if announce {
            frames.push(ToPage::NewViewer);
        }
        frames.iter().map(json).collect()
    }

    /// When [`Self::timed_out`] wants to be called.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        match &self.side {
            Side::Broadcaster(exchanges) => exchanges.timeout(),
            _ => None,
        }
    }

    /// The frames that are due although nothing came.
    pub(crate) fn timed_out(&mut self, now: Instant) -> Vec<String> {
        let announce = match &mut self.side {
            Side::Broadcaster(exchanges) => exchanges.timed_out(now),
            _ => false,
        };
        announce.then(|| json(&ToPage::NewViewer)).into_iter().collect()
    }

    /// Why a message cannot be said: by this role, or for want of somebody to hear it.
    fn nobody_for(&self, message: &'static str) -> Refusal {
        let role = match &self.side {
            Side::Outside => return Refusal::NotJoined { message },
            Side::Viewer { .. } => Role::Viewer,
            Side::Broadcaster(_) => Role::Broadcaster,
        };
        match (role, message) {
            (Role::Viewer, "offer") | (Role::Broadcaster, "answer") => Refusal::NotAllowed { role, message },
            _ => Refusal::NobodyThere { message, role },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::room::{Output, RoomLimits, Rooms};

    /// A room whose members are translators, without sockets or clock.
    struct World {
        rooms: Rooms,
        /// Each with its name in the room, once it has joined.
        clients: Vec<(BroadcastWs, Option<PeerId>)>,
        now: Instant,
        /// Client and frame.
        told: Vec<(usize, String)>,
    }

    impl World {
        fn new(clients: usize) -> Self {
            let translator = || (BroadcastWs::new(RoomId::main()), None);
            Self {
                rooms: Rooms::new(RoomLimits::default()),
                clients: (0..clients).map(|_| translator()).collect(),
                now: Instant::now(),
                told: Vec::new(),
            }
        }

        fn tell(&mut self, id: &PeerId, message: &ServerMessage) {
            let found = self
                .clients
                .iter()
                .position(|(_, name)| name.as_ref() == Some(id));
            if let Some(client) = found {
                let frames = self.clients[client].0.tell(message, self.now);
                self.told.extend(frames.into_iter().map(|frame| (client, frame)));
            }
        }

        fn apply(&mut self, outputs: Vec<Output>) {
            for output in outputs {
                match output {
                    Output::Send { to, message } => to.iter().for_each(|id| self.tell(id, &message)),
                    Output::Reject { to, why } => self.tell(&to, &why.into_message()),
                    Output::Close { .. } => unreachable!("no frame of this dialect says leave"),
                }
            }
        }

        fn hear(&mut self, client: usize, frame: &str) {
            let (translator, name) = &mut self.clients[client];
            let outputs = match (translator.hear(frame, self.now), name.clone()) {
                (Ok(None) | Err(_), _) => return,
                (Ok(Some(message)), Some(name)) => self.rooms.message(&RoomId::main(), name, message),
                (Ok(Some(message)), None) => {
                    let role = match message {
                        ClientMessage::Broadcaster { .. } => Role::Broadcaster,
                        ClientMessage::Viewer { .. } => Role::Viewer,
                        _ => return,
                    };
                    let Ok((id, outputs)) = self.rooms.join(&RoomId::main(), role, PROTOCOL) else {
                        return;
                    };
                    *name = Some(id);
                    outputs
                }
            };
            self.apply(outputs);
        }

        fn leave(&mut self, client: usize) {
            let gone = std::mem::replace(
                &mut self.clients[client],
                (BroadcastWs::new(RoomId::main()), None),
            );
            if let Some(name) = gone.1 {
                let outputs = self.rooms.leave(&RoomId::main(), name);
                self.apply(outputs);
            }
        }

        fn pass(&mut self, millis: u64) {
            self.now += std::time::Duration::from_millis(millis);
            for client in 0..self.clients.len() {
                let translator = &mut self.clients[client].0;
                if translator.timeout().is_some_and(|timeout| timeout <= self.now) {
                    let frames = translator.timed_out(self.now);
                    assert!(!frames.is_empty(), "a timeout without effect would spin");
                    self.told.extend(frames.into_iter().map(|frame| (client, frame)));
                }
            }
        }

        fn is_broadcaster(&self, client: usize) -> bool {
            let name = self.clients[client].1.as_ref();
            name.is_some_and(|name| name.as_str().starts_with('b'))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Hear(usize, String),
        Leave(usize),
        Pass(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let frame = prop_oneof![
            2 => Just(r#"{"type":"broadcaster"}"#.to_owned()),
            3 => Just(r#"{"type":"viewer","room":"ignored"}"#.to_owned()),
            3 => "[a-c]{4}".prop_map(|ufrag| {
                format!(r#"{{"type":"offer","offer":{{"type":"offer","sdp":"a=ice-ufrag:{ufrag}\r\n"}}}}"#)
            }),
            3 => Just(r#"{"type":"answer","answer":{"type":"answer","sdp":"v=0\r\n"}}"#.to_owned()),
            2 => "[a-c]{4}".prop_map(|ufrag| {
                format!(r#"{{"type":"candidate","candidate":{{"candidate":"x","usernameFragment":"{ufrag}"}}}}"#)
            }),
            1 => Just(r#"{"type":"candidate","candidate":null}"#.to_owned()),
            1 => Just(r#"{"type":"chat","message":"hi"}"#.to_owned()),
            2 => ".{0,40}",
            1 => "[a-z-]{0,12}".prop_map(|kind| format!(r#"{{"type":"{kind}","{kind}":{{}}}}"#)),
        ];
        prop_oneof![
            12 => (0..5_usize, frame).prop_map(|(client, frame)| Step::Hear(client, frame)),
            1 => (0..5_usize).prop_map(Step::Leave),
            2 => (0..6_000_u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn no_input_panics_no_answer_reaches_a_viewer_and_no_offer_the_broadcaster(
            steps in prop::collection::vec(any_step(), 0..80)
        ) {
            let mut world = World::new(5);
            let mut announced = 0;
            let mut arrivals = 0;
            for step in steps {
                let before = world.rooms.members();
                match step {
                    Step::Hear(client, frame) => world.hear(client, &frame),
                    Step::Leave(client) => world.leave(client),
                    Step::Pass(millis) => world.pass(millis),
                }
                // A viewer counts for each broadcaster that it meets.
                if world.rooms.members() > before {
                    arrivals += world.rooms.members();
                }
                for (client, frame) in std::mem::take(&mut world.told) {
                    let broadcaster = world.is_broadcaster(client);
                    for (kind, to_broadcaster) in [("answer", true), ("new-viewer", true), ("offer", false)] {
                        if frame.starts_with(&format!(r#"{{"type":"{kind}""#)) {
                            prop_assert_eq!(broadcaster, to_broadcaster, "{} got {}", client, frame);
                        }
                    }
                    announced += usize::from(frame.contains("new-viewer"));
                }
            }
            prop_assert!(announced <= arrivals, "nobody is announced twice");
        }
    }

    #[test]
    fn an_answer_without_its_offer_goes_to_nobody() {
        let answer = r#"{"type":"answer","answer":{"type":"answer","sdp":"v=0\r\n"}}"#;
        let offer = r#"{"type":"offer","offer":{"type":"offer","sdp":"v=0\r\n"}}"#;
        let mut world = World::new(2);
        world.hear(0, r#"{"type":"broadcaster"}"#);
        world.hear(1, r#"{"type":"viewer"}"#);
        world.hear(1, answer);
        world.hear(0, offer);
        world.hear(1, answer);
        let kinds: Vec<(usize, &str)> = world
            .told
            .iter()
            .map(|(client, frame)| (*client, frame.split('"').nth(3).unwrap_or_default()))
            .collect();
        assert_eq!(kinds, [(0, "new-viewer"), (1, "offer"), (0, "answer")]);
    }
}
