//! One broadcaster and its viewers over `{type: …}` messages that name nobody (the wire of tutorial part 28).
//!
//! Owns the names of messages and fields; whom a message is from is told by [`super::unaddressed`].

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    DecodeError, DialectName, EncodeError, Output, body,
    unaddressed::{BROADCASTER, Unaddressed},
};
use crate::{Command, ErrorCode, Event, PeerId, Role, RoomState, SdpType};

/// One broadcaster and its viewers, without addresses.
#[derive(Clone, Debug)]
pub struct BroadcastWs {
    me: PeerId,
    peers: Unaddressed,
}

impl BroadcastWs {
    /// For a bot of this name.
    pub fn new(me: PeerId) -> Self {
        Self {
            me,
            peers: Unaddressed::Outside,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.peers.next_timeout()
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        self.peers.timeout(now).map(Output::Event).into_iter().collect()
    }

    pub(super) fn encode(&mut self, command: &Command) -> Result<Vec<Output>, EncodeError> {
        let frame = |value: Value| Output::Frame {
            text: value.to_string(),
            says: Some(command.clone()),
        };
        Ok(match command {
            Command::Join { role, .. } => {
                // The server confirms nothing: who has said it is in.
                let (id, word) = match role {
                    Role::Broadcaster => (PeerId::from(BROADCASTER), "broadcaster"),
                    Role::Viewer => (self.me.clone(), "viewer"),
                };
                self.peers = Unaddressed::new(*role);
                let joined = Event::Joined {
                    id,
                    role: *role,
                    state: RoomState::default(),
                    peers: Vec::new(),
                };
                vec![frame(json!({ "type": word })), Output::Event(joined)]
            }
            Command::Description { description, .. } => match description.sdp_type {
                SdpType::Offer => vec![frame(json!({"type": "offer", "offer": description}))],
                SdpType::Answer | SdpType::Pranswer => {
                    vec![frame(json!({"type": "answer", "answer": description}))]
                }
                SdpType::Rollback => return Err(EncodeError::Rollback),
            },
            Command::Candidate { candidate, .. } => {
                vec![frame(json!({"type": "candidate", "candidate": candidate}))]
            }
            Command::Chat { text } => vec![frame(json!({"type": "chat", "message": text}))],
            // The pages send no end of candidates and would not survive one. Muting is heard and seen, not signaled, and
            // who leaves or stops closes its connection.
            Command::EndOfCandidates { .. }
            | Command::Mute { .. }
            | Command::Unmute { .. }
            | Command::Stop => Vec::new(),
            Command::Leave => vec![Output::Unsaid(command.clone())],
        })
    }

    pub(super) fn decode(&mut self, now: Instant, frame: &str) -> Result<Vec<Output>, DecodeError> {
        let value = body::parse(frame)?;
        let fail = |detail: String| body::malformed(frame, detail);
        let events = match value.get("type").and_then(Value::as_str) {
            Some("offer") => {
                let offer = body::description(value.get("offer"), Some(SdpType::Offer)).map_err(fail)?;
                self.peers.offer(offer)
            }
            Some("answer") => {
                let answer = body::description(value.get("answer"), Some(SdpType::Answer)).map_err(fail)?;
                self.peers.answer(now, answer)
            }
            Some("candidate") => {
                let candidate = body::candidate(value.get("candidate")).map_err(fail)?;
                self.peers.candidate(candidate).into_iter().collect()
            }
            Some("new-viewer") => self.peers.new_viewer(now).into_iter().collect(),
            Some("chat") => {
                let text = value.get("message").and_then(Value::as_str);
                let text = text
                    .ok_or_else(|| fail("it has no message".to_owned()))?
                    .to_owned();
                vec![Event::Chat {
                    from: None,
                    text,
                    seq: None,
                }]
            }
            Some("error") => {
                let text = |name: &str| {
                    let text = value.get(name).and_then(Value::as_str);
                    text.unwrap_or_default().to_owned()
                };
                vec![Event::Error {
                    code: ErrorCode::from(text("code")),
                    message: text("message"),
                    to: None,
                }]
            }
            // What a server sends to everybody because it was said to it.
            Some("broadcaster" | "viewer") => Vec::new(),
            Some(kind) => {
                return Err(DecodeError::UnknownType {
                    kind: kind.chars().take(80).collect(),
                });
            }
            None => return Err(fail(format!("{} messages have a type", DialectName::BroadcastWs))),
        };
        Ok(events.into_iter().map(Output::Event).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::unaddressed::ANSWER_LIMIT, *};

    fn bot(role: Role, now: Instant) -> BroadcastWs {
        let mut bot = BroadcastWs::new("viewer-7".into());
        let room = "r".parse().unwrap();
        bot.encode(&Command::Join { room, role }).unwrap();
        bot.decode(now, r#"{"type":"chat","message":"hi"}"#).unwrap();
        bot
    }

    #[track_caller]
    fn told(bot: &mut BroadcastWs, now: Instant, frame: &Value) -> Vec<Event> {
        let outputs = bot.decode(now, &frame.to_string()).unwrap();
        outputs
            .into_iter()
            .map(|output| match output {
                Output::Event(event) => event,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn sdp(session: u32, ufrag: &str) -> String {
        format!("v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\na=ice-ufrag:{ufrag}\r\n")
    }

    fn described(kind: &str, session: u32, ufrag: &str) -> Value {
        json!({"type": kind, kind: {"type": kind, "sdp": sdp(session, ufrag)}})
    }

    fn candidate(ufrag: &str) -> Value {
        json!({"type": "candidate", "candidate": {"candidate": "candidate:1", "usernameFragment": ufrag}})
    }

    fn joined(id: &str) -> Event {
        let role = if id == BROADCASTER {
            Role::Broadcaster
        } else {
            Role::Viewer
        };
        Event::PeerJoined { id: id.into(), role }
    }

    fn from(event: &Event) -> Option<&str> {
        match event {
            Event::Description { from, .. } | Event::Candidate { from, .. } => {
                from.as_ref().map(PeerId::as_str)
            }
            _ => None,
        }
    }

    #[test]
    fn the_next_viewer_is_offered_to_when_the_one_before_has_answered() {
        let now = Instant::now();
        let mut bot = bot(Role::Broadcaster, now);
        let new = json!({"type": "new-viewer"});
        assert_eq!(told(&mut bot, now, &new), [joined("viewer#1")]);
        assert_eq!(told(&mut bot, now, &new), []);
        let events = told(&mut bot, now, &described("answer", 1, "one"));
        assert_eq!(from(&events[0]), Some("viewer#1"));
        assert_eq!(events[1..], [joined("viewer#2")]);
        // A candidate of the first one, after the second one has its turn.
        assert_eq!(from(&told(&mut bot, now, &candidate("one"))[0]), Some("viewer#1"));
        assert_eq!(
            from(&told(&mut bot, now, &candidate("unknown"))[0]),
            Some("viewer#2")
        );
    }

    #[test]
    fn a_viewer_that_never_answers_holds_the_others_up_for_five_seconds() {
        let now = Instant::now();
        let mut bot = bot(Role::Broadcaster, now);
        for _ in 0..2 {
            told(&mut bot, now, &json!({"type": "new-viewer"}));
        }
        let until = now + ANSWER_LIMIT;
        assert_eq!(bot.next_timeout(), Some(until));
        assert_eq!(bot.timeout(now), []);
        assert_eq!(bot.timeout(until), [Output::Event(joined("viewer#2"))]);
        assert_eq!(bot.next_timeout(), None);
    }

    #[test]
    fn a_viewer_takes_its_own_offer_and_leaves_others_alone_where_everybody_hears_everything() {
        let now = Instant::now();
        let mut bot = bot(Role::Viewer, now);
        let events = told(&mut bot, now, &described("offer", 1, "mine"));
        assert_eq!(events[0], joined(BROADCASTER));
        assert_eq!(from(&events[1]), Some(BROADCASTER));
        assert_eq!(told(&mut bot, now, &candidate("mine")).len(), 1);
        // Its own answer comes back: this server tells everybody everything.
        assert_eq!(told(&mut bot, now, &described("answer", 9, "me")), []);
        assert_eq!(told(&mut bot, now, &described("offer", 2, "others")), []);
        assert_eq!(told(&mut bot, now, &candidate("others")), []);
        // The same session again is a re-offer.
        assert_eq!(told(&mut bot, now, &described("offer", 1, "mine")).len(), 1);
    }

    #[test]
    fn another_offer_of_a_server_that_addresses_is_another_broadcaster() {
        let now = Instant::now();
        let mut bot = bot(Role::Viewer, now);
        told(&mut bot, now, &described("offer", 1, "mine"));
        let events = told(&mut bot, now, &described("offer", 2, "new"));
        assert!(matches!(events[0], Event::PeerLeft { .. }), "{events:?}");
        assert_eq!(events[1], joined(BROADCASTER));
        assert_eq!(from(&events[2]), Some(BROADCASTER));
    }

    #[test]
    fn what_is_no_message_of_it_is_refused_and_nothing_is_lost() {
        let now = Instant::now();
        let mut bot = bot(Role::Viewer, now);
        for frame in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"type":"offer"}"#,
            r#"{"type":"candidate"}"#,
            r#"{"type":"chat"}"#,
        ] {
            assert!(
                matches!(bot.decode(now, frame), Err(DecodeError::Malformed { .. })),
                "{frame}"
            );
        }
        assert!(matches!(
            bot.decode(now, r#"{"type":"teapot"}"#),
            Err(DecodeError::UnknownType { .. })
        ));
        assert_eq!(told(&mut bot, now, &described("offer", 1, "mine")).len(), 2);
    }
}
