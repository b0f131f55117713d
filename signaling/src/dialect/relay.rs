//! A call of two over a server that gives every text frame to everybody else (tutorials part 22 and level 4).
//!
//! Nobody is announced, so an offer that nobody heard is said again until somebody says anything. Owns that, and the
//! shapes that messages come in; [`super::SocketioRelay`] says the same over Socket.IO.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{DecodeError, DialectName, EncodeError, Output, body, unaddressed::BROADCASTER};
use crate::{Command, Event, PeerId, Role, RoomState, SdpType};

/// How long an offer waits for any word before it is said again.
const SAY_AGAIN: Duration = Duration::from_secs(1);
/// Messages that are kept to be said again; a description and its candidates.
const MAX_KEPT: usize = 64;

/// What the broadcaster calls the other one.
const VIEWER: &str = "viewer#1";

/// Every frame to everybody else.
#[derive(Clone, Debug)]
pub struct Relay {
    me: PeerId,
    role: Option<Role>,
    /// The other one has said something.
    heard: bool,
    /// The offer and its candidates, as long as nobody has heard them.
    kept: Vec<Output>,
    again_at: Option<Instant>,
    /// The other one offers too, and may not have been there to hear ours: only an answer tells.
    glare: bool,
    /// The last offer that came: one that is said again is no new one.
    last_offer: Option<String>,
}

impl Relay {
    /// For a bot of this name.
    pub fn new(me: PeerId) -> Self {
        Self {
            me,
            role: None,
            heard: false,
            kept: Vec::new(),
            again_at: None,
            glare: false,
            last_offer: None,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.again_at
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        if self.again_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.again_at = Some(now + SAY_AGAIN);
        self.kept.clone()
    }

    pub(super) fn encode(&mut self, now: Instant, command: &Command) -> Result<Vec<Output>, EncodeError> {
        let frame = |value: Value| Output::Frame {
            text: value.to_string(),
            says: Some(command.clone()),
        };
        let said = match command {
            Command::Join { role, .. } => return Ok(self.join(command, *role)),
            // Both shapes at once: who reads `sdp` finds a description in it, with or without reading `type`.
            Command::Description { description, .. } => match description.sdp_type {
                SdpType::Offer | SdpType::Answer | SdpType::Pranswer => {
                    frame(json!({"type": description.sdp_type, "sdp": description}))
                }
                SdpType::Rollback => return Err(EncodeError::Rollback),
            },
            Command::Candidate { candidate, .. } => {
                frame(json!({"type": "candidate", "candidate": candidate}))
            }
            Command::Leave => return Ok(vec![Output::Unsaid(command.clone())]),
            Command::Chat { .. } => {
                return Err(EncodeError::NoWord {
                    dialect: DialectName::Relay,
                    message: "chat",
                });
            }
            // The pages send no end of candidates; muting and stopping are seen and heard, not signaled.
            Command::EndOfCandidates { .. }
            | Command::Mute { .. }
            | Command::Unmute { .. }
            | Command::Stop => return Ok(Vec::new()),
        };
        if matches!(command, Command::Description { description, .. } if description.sdp_type == SdpType::Answer)
        {
            // Who answers has taken its own offer back.
            self.forget_kept();
        }
        if !self.heard {
            if matches!(command, Command::Description { description, .. } if description.sdp_type == SdpType::Offer)
            {
                self.kept.clear();
                self.again_at = Some(now + SAY_AGAIN);
            }
            if self.again_at.is_some() && self.kept.len() < MAX_KEPT {
                self.kept.push(said.clone());
            }
        }
        Ok(vec![said])
    }

    fn join(&mut self, command: &Command, role: Role) -> Vec<Output> {
        self.role = Some(role);
        let id = match role {
            Role::Broadcaster => PeerId::from(BROADCASTER),
            Role::Viewer => self.me.clone(),
        };
        let joined = Event::Joined {
            id,
            role,
            state: RoomState::default(),
            peers: Vec::new(),
        };
        let mut outputs = vec![Output::Unsaid(command.clone()), Output::Event(joined)];
        if role == Role::Broadcaster {
            // Nobody says whether there is anybody: it offers as the pages do.
            outputs.push(Output::Event(Event::PeerJoined {
                id: PeerId::from(VIEWER),
                role: Role::Viewer,
            }));
        }
        outputs
    }

    pub(super) fn decode(&mut self, frame: &str) -> Result<Vec<Output>, DecodeError> {
        let value = body::parse(frame)?;
        let read = self.read(&value);
        read.map_err(|detail| body::malformed(frame, detail))
    }

    /// Reads a message in any of its shapes.
    pub(super) fn read(&mut self, value: &Value) -> Result<Vec<Output>, String> {
        let sdp_type = match value.get("type").and_then(Value::as_str) {
            Some("offer") => Some(SdpType::Offer),
            Some("answer") => Some(SdpType::Answer),
            _ => None,
        };
        let named = sdp_type.and_then(|kind| value.get(kind.to_string()));
        let event = if let Some(body) = named.or_else(|| value.get("sdp")) {
            let description = body::description(Some(body), sdp_type)?;
            if description.sdp_type == SdpType::Offer {
                if self.last_offer.as_ref() == Some(&description.sdp) {
                    return Ok(Vec::new());
                }
                self.last_offer = Some(description.sdp.clone());
            }
            Event::Description {
                from: Some(self.other()),
                description,
            }
        } else if let Some(body) = value.get("candidate") {
            // Some pages send the `null` that their browser gave them as the end.
            if body.is_null() {
                return Ok(Vec::new());
            }
            Event::Candidate {
                from: Some(self.other()),
                candidate: body::candidate(Some(body))?,
            }
        } else {
            return Err("it has neither sdp nor candidate".to_owned());
        };
        let mut told = Vec::new();
        match &event {
            Event::Description { description, .. } if description.sdp_type == SdpType::Offer => {
                self.glare |= !self.kept.is_empty();
            }
            Event::Description { .. } => self.forget_kept(),
            _ if self.glare => {}
            _ => self.forget_kept(),
        }
        if !std::mem::replace(&mut self.heard, true) && self.role == Some(Role::Viewer) {
            told.push(Output::Event(Event::PeerJoined {
                id: self.other(),
                role: Role::Broadcaster,
            }));
        }
        told.push(Output::Event(event));
        Ok(told)
    }

    /// The other one has heard what was said.
    fn forget_kept(&mut self) {
        self.kept.clear();
        self.again_at = None;
        self.glare = false;
    }

    fn other(&self) -> PeerId {
        PeerId::from(match self.role {
            Some(Role::Broadcaster) => VIEWER,
            Some(Role::Viewer) | None => BROADCASTER,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Description;

    fn bot(role: Role) -> Relay {
        let mut bot = Relay::new("viewer-1".into());
        let room = "r".parse().unwrap();
        bot.encode(Instant::now(), &Command::Join { room, role }).unwrap();
        bot
    }

    fn offer() -> Command {
        Command::Description {
            to: None,
            description: Description {
                sdp_type: SdpType::Offer,
                sdp: "v=0\r\n".into(),
            },
        }
    }

    #[test]
    fn every_shape_of_the_tutorials_is_read() {
        for (frame, kind) in [
            (
                r#"{"type":"offer","sdp":{"type":"offer","sdp":"x"}}"#,
                SdpType::Offer,
            ),
            (r#"{"type":"offer","sdp":"x"}"#, SdpType::Offer),
            (r#"{"sdp":{"type":"answer","sdp":"x"}}"#, SdpType::Answer),
            (
                r#"{"type":"answer","answer":{"type":"answer","sdp":"x"}}"#,
                SdpType::Answer,
            ),
        ] {
            let told = bot(Role::Broadcaster).decode(frame).unwrap();
            assert!(
                matches!(&told[..], [Output::Event(Event::Description { description, .. })]
                    if description.sdp_type == kind && description.sdp == "x"),
                "{frame}: {told:?}"
            );
        }
        for frame in [
            r#"{"candidate":{"candidate":"c"}}"#,
            r#"{"type":"candidate","candidate":{"candidate":"c"}}"#,
        ] {
            let told = bot(Role::Broadcaster).decode(frame).unwrap();
            assert!(
                matches!(&told[..], [Output::Event(Event::Candidate { .. })]),
                "{frame}"
            );
        }
        for frame in ["", "{}", "[]", r#"{"sdp":1}"#, r#"{"candidate":1}"#] {
            bot(Role::Viewer).decode(frame).unwrap_err();
        }
    }

    #[test]
    fn what_it_writes_is_read_by_pages_of_either_shape() {
        let said = bot(Role::Broadcaster).encode(Instant::now(), &offer()).unwrap();
        let [Output::Frame { text, .. }] = &said[..] else {
            panic!("{said:?}")
        };
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["type"], "offer");
        assert_eq!(value["sdp"]["type"], "offer");
    }

    #[test]
    fn an_offer_that_nobody_heard_is_said_again_until_somebody_says_anything() {
        let now = Instant::now();
        let mut bot = bot(Role::Broadcaster);
        let said = bot.encode(now, &offer()).unwrap();
        assert_eq!(bot.timeout(now), []);
        assert_eq!(bot.timeout(now + SAY_AGAIN), said);
        bot.decode(r#"{"candidate":{"candidate":"c"}}"#).unwrap();
        assert_eq!(bot.next_timeout(), None);
        assert_eq!(bot.timeout(now + 3 * SAY_AGAIN), []);
    }

    #[test]
    fn an_offer_that_collides_with_another_is_said_again_until_one_of_them_is_answered() {
        let now = Instant::now();
        let their_offer = r#"{"type":"offer","sdp":{"type":"offer","sdp":"x"}}"#;
        let answer = Command::Description {
            to: None,
            description: Description {
                sdp_type: SdpType::Answer,
                sdp: "v=0\r\n".into(),
            },
        };
        let mut keeps = bot(Role::Broadcaster);
        let said = keeps.encode(now, &offer()).unwrap();
        keeps.decode(their_offer).unwrap();
        keeps.decode(r#"{"candidate":{"candidate":"c"}}"#).unwrap();
        assert_eq!(
            keeps.timeout(now + SAY_AGAIN),
            said,
            "it may never have been heard"
        );
        keeps.decode(r#"{"sdp":{"type":"answer","sdp":"x"}}"#).unwrap();
        assert_eq!(keeps.next_timeout(), None);
        let mut yields = bot(Role::Viewer);
        yields.encode(now, &offer()).unwrap();
        yields.decode(their_offer).unwrap();
        yields.encode(now, &answer).unwrap();
        assert_eq!(yields.next_timeout(), None);
    }

    #[test]
    fn an_offer_that_is_said_again_is_no_second_one() {
        let mut bot = bot(Role::Viewer);
        let frame = r#"{"type":"offer","sdp":{"type":"offer","sdp":"x"}}"#;
        assert_eq!(bot.decode(frame).unwrap().len(), 2);
        assert_eq!(bot.decode(frame).unwrap(), []);
    }
}
