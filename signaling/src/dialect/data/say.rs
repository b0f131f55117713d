//! What a bot says, in the words of the file.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Data, file::Confirmation, template::Template};
use crate::{
    Command, EncodeError, MutedMedia, Output, PeerId, Role, SdpType, dialect::unaddressed::Unaddressed,
};

impl Data {
    pub(in crate::dialect) fn encode(
        &mut self,
        now: Instant,
        command: &Command,
    ) -> Result<Vec<Output>, EncodeError> {
        let file = Arc::clone(&self.file);
        let send = &file.send;
        match command {
            Command::Join { room, role } => {
                self.role = Some(*role);
                self.room = Some(Value::from(room.as_str()));
                self.peers = Unaddressed::new(*role);
                self.ping_at = send.ping.as_ref().map(|ping| now + ping.every.0);
                Ok(self.join(*role, command.clone()))
            }
            Command::Description { to, description } => {
                let (name, own) = match description.sdp_type {
                    SdpType::Offer => ("an offer", &send.offer),
                    SdpType::Answer | SdpType::Pranswer => ("an answer", &send.answer),
                    SdpType::Rollback => return Err(EncodeError::Rollback),
                };
                let text = own.as_ref().or(send.description.as_ref());
                let text = text.ok_or_else(|| self.no_word(name))?;
                let values = [
                    ("to", self.target(to.as_ref())),
                    ("sdp", Some(Value::from(description.sdp.as_str()))),
                    ("type", Some(json!(description.sdp_type))),
                    ("description", Some(json!(description))),
                ];
                self.say(name, text, &values, command)
            }
            Command::Candidate { to, candidate } => {
                let text = send.candidate.as_ref();
                let text = text.ok_or_else(|| self.no_word("a candidate"))?;
                let values = [
                    ("to", self.target(to.as_ref())),
                    ("candidate", Some(json!(candidate))),
                    ("candidate.candidate", Some(json!(candidate.candidate))),
                    ("candidate.sdpMid", Some(json!(candidate.sdp_mid))),
                    ("candidate.sdpMLineIndex", Some(json!(candidate.sdp_m_line_index))),
                    (
                        "candidate.usernameFragment",
                        Some(json!(candidate.username_fragment)),
                    ),
                ];
                self.say("a candidate", text, &values, command)
            }
            Command::EndOfCandidates {
                to,
                username_fragment,
            } => {
                let values = [
                    ("to", self.target(to.as_ref())),
                    ("ufrag", Some(json!(username_fragment))),
                ];
                self.say_if(
                    "the end of candidates",
                    send.end_of_candidates.as_ref(),
                    &values,
                    command,
                )
            }
            Command::Chat { text } => {
                let line = send.chat.as_ref().ok_or_else(|| self.no_word("chat"))?;
                self.say(
                    "chat",
                    line,
                    &[("text", Some(Value::from(text.as_str())))],
                    command,
                )
            }
            // Muting and stopping are seen and heard where the protocol has no word for them.
            Command::Mute { media } => self.say_if(
                "mute",
                send.mute.as_ref(),
                &[("media", Some(muted(*media)))],
                command,
            ),
            Command::Unmute { media } => self.say_if(
                "unmute",
                send.unmute.as_ref(),
                &[("media", Some(muted(*media)))],
                command,
            ),
            Command::Stop => self.say_if("stop", send.stop.as_ref(), &[], command),
            Command::Leave if send.leave.is_none() => Ok(vec![Output::Unsaid(command.clone())]),
            Command::Leave => self.say_if("leave", send.leave.as_ref(), &[], command),
        }
    }

    fn say_if(
        &self,
        name: &'static str,
        text: Option<&Template>,
        values: &[(&str, Option<Value>)],
        says: &Command,
    ) -> Result<Vec<Output>, EncodeError> {
        text.map_or_else(|| Ok(Vec::new()), |text| self.say(name, text, values, says))
    }

    fn say(
        &self,
        message: &'static str,
        text: &Template,
        values: &[(&str, Option<Value>)],
        says: &Command,
    ) -> Result<Vec<Output>, EncodeError> {
        let known = |name: &str| match values.iter().find(|(own, _)| *own == name) {
            Some((_, value)) => value.clone(),
            None => self.known(name),
        };
        let filled = text.fill(&known).map_err(|name| match name.as_str() {
            "to" => EncodeError::MissingTarget { message },
            _ => EncodeError::Unbound { message, name },
        })?;
        Ok(vec![Output::Frame {
            text: filled.to_string(),
            says: Some(says.clone()),
        }])
    }

    fn target(&self, to: Option<&PeerId>) -> Option<Value> {
        to.map(|to| self.id_value(to))
    }

    fn no_word(&self, message: &'static str) -> EncodeError {
        EncodeError::NotInFile {
            dialect: self.file.name.clone(),
            message,
        }
    }

    /// Says the join, or holds it until a message brings what it needs.
    pub(super) fn join(&mut self, role: Role, says: Command) -> Vec<Output> {
        let file = Arc::clone(&self.file);
        let texts = match role {
            Role::Broadcaster => &file.send.join.broadcaster,
            Role::Viewer => &file.send.join.viewer,
        };
        let filled: Result<Vec<Value>, String> = texts
            .iter()
            .map(|text| text.fill(&|name| self.known(name)))
            .collect();
        let Ok(filled) = filled else {
            self.held = Some(says);
            return Vec::new();
        };
        self.is_named |= texts.iter().any(|text| text.has("me"));
        let mut says = Some(says);
        let mut outputs: Vec<Output> = filled
            .into_iter()
            .map(|text| Output::Frame {
                text: text.to_string(),
                says: says.take(),
            })
            .collect();
        outputs.extend(says.map(Output::Unsaid));
        if file.join == Confirmation::Silent || self.is_welcome {
            outputs.push(Output::Event(self.joined(role, Vec::new())));
        }
        outputs
    }

    /// Says a join that was held, if nothing is missing any more.
    pub(super) fn join_at_last(&mut self) -> Vec<Output> {
        match self.held.take() {
            Some(Command::Join { room, role }) => self.join(role, Command::Join { room, role }),
            _ => Vec::new(),
        }
    }
}

fn muted(media: MutedMedia) -> Value {
    match media {
        MutedMedia::Audio => Value::from("audio"),
        MutedMedia::Video => Value::from("video"),
        MutedMedia::All => Value::Null,
    }
}
