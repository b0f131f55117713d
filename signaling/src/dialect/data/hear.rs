//! What a bot is told: the first shape of the file that fits a message says what it means.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    Data,
    file::{Happens, Receive},
    id_text, names, other,
    template::Bound,
};
use crate::{
    Candidate, DecodeError, Description, ErrorCode, Event, Output, PeerId, Role, RoomState, SdpType,
    dialect::{body, unaddressed::BROADCASTER},
    message::excerpt,
};

impl Data {
    pub(in crate::dialect) fn decode(
        &mut self,
        now: Instant,
        frame: &str,
    ) -> Result<Vec<Output>, DecodeError> {
        let message = body::parse(frame)?;
        let file = Arc::clone(&self.file);
        let Some((_, receive, bound)) = self.find(&file.receive, &message) else {
            return Err(DecodeError::Unexplained {
                dialect: file.name.clone(),
                excerpt: excerpt(frame),
            });
        };
        let events = self.hear(now, receive, &bound);
        let mut outputs: Vec<Output> = events.into_iter().map(Output::Event).collect();
        for reply in &receive.reply {
            let known = |name: &str| match bound.get(name) {
                Some(value) => Some((*value).clone()),
                None => self.known(name),
            };
            // What is optional in the message may be missing in its reply, which then is not said.
            if let Ok(text) = reply.fill(&known) {
                outputs.push(Output::Frame {
                    text: text.to_string(),
                    says: None,
                });
            }
        }
        outputs.extend(self.join_at_last());
        Ok(outputs)
    }

    /// The first one that fits, its place, and what the message bound.
    pub(super) fn find<'f, 'v>(
        &self,
        receives: &'f [Receive],
        message: &'v Value,
    ) -> Option<(usize, &'f Receive, Bound<'f, 'v>)> {
        receives.iter().enumerate().find_map(|(place, receive)| {
            let is_for_me = receive.only.is_none_or(|only| self.role == Some(only));
            let bound = is_for_me.then(|| receive.shape.read(message, &|name| self.fixed(name)))?;
            Some((place, receive, bound?))
        })
    }

    /// Keeps what the message brought and gives what it tells the bot.
    pub(super) fn hear(&mut self, now: Instant, receive: &Receive, bound: &Bound<'_, '_>) -> Vec<Event> {
        if let Some(me) = bound.get("me") {
            self.me = (*me).clone();
            self.ids_are_numbers |= me.is_number();
            self.is_named = true;
        }
        for (name, value) in bound {
            if !names::is_known(name) {
                self.kept.insert((*name).to_owned(), (*value).clone());
            }
        }
        let from = bound.get("from").map(|from| self.id(from));
        // A server that tells everybody everything sends back what the bot itself said.
        if from.as_ref().is_some_and(|from| *from == id_text(&self.me)) && receive.event != Happens::Chat {
            return Vec::new();
        }
        match receive.event {
            Happens::Joined => self.let_in(receive, bound),
            Happens::PeerJoined if !self.file.is_addressed() => {
                self.peers.new_viewer(now).into_iter().collect()
            }
            Happens::PeerJoined => {
                let peers = self.peers_of(receive, bound);
                peers
                    .into_iter()
                    .map(|(id, role)| self.peer_joined(id, role))
                    .collect()
            }
            Happens::PeerLeft => self.peers_left(receive, bound),
            Happens::Offer => self.described(now, from, SdpType::Offer, bound),
            Happens::Answer => self.described(now, from, SdpType::Answer, bound),
            Happens::Description => {
                let named = bound.get("type").and_then(|kind| sdp_type(kind));
                self.described(now, from, named.unwrap_or(SdpType::Offer), bound)
            }
            Happens::Candidate => self.candidate(from, bound),
            Happens::EndOfCandidates => self.end_of_candidates(from, text(bound, "ufrag")),
            Happens::Chat => vec![Event::Chat {
                from,
                text: text(bound, "text").unwrap_or_default(),
                seq: bound.get("seq").and_then(|seq| seq.as_u64()),
            }],
            Happens::State => {
                self.remember_state(bound);
                vec![Event::RoomState(self.state)]
            }
            Happens::Error => vec![Event::Error {
                code: ErrorCode::from(
                    bound
                        .get("code")
                        .map_or_else(String::new, |code| id_text(code).to_string()),
                ),
                message: text(bound, "message").unwrap_or_default(),
                to: bound.get("to").map(|to| id_text(to)),
            }],
            Happens::Ignore => Vec::new(),
        }
    }

    fn let_in(&mut self, receive: &Receive, bound: &Bound<'_, '_>) -> Vec<Event> {
        self.remember_state(bound);
        let Some(role) = self.role else {
            self.is_welcome = true;
            return Vec::new();
        };
        let peers = self.peers_of(receive, bound);
        if role == Role::Viewer {
            self.broadcaster = peers.first().map(|(id, _)| id.clone());
        }
        vec![self.joined(role, peers)]
    }

    /// The peers that a message names and that the bot may talk to.
    fn peers_of(&mut self, receive: &Receive, bound: &Bound<'_, '_>) -> Vec<(PeerId, Role)> {
        let ordinary = receive.role.unwrap_or(other(self.role));
        let mut found = Vec::new();
        if let Some(id) = bound.get("peer") {
            found.push((self.id(id), role_of(bound).unwrap_or(ordinary)));
        }
        let items = bound.get("peers").and_then(|peers| peers.as_array());
        for item in items.into_iter().flatten() {
            let read = match &receive.each {
                Some(each) => each.read(item, &|_| None),
                None if names::accepts("peer", item) => Some(Bound::from([("peer", item)])),
                None => None,
            };
            if let Some(read) = read
                && let Some(id) = read.get("peer")
            {
                found.push((self.id(id), role_of(&read).unwrap_or(ordinary)));
            }
        }
        let me = id_text(&self.me);
        found.retain(|(id, role)| Some(*role) != self.role && *id != me);
        found
    }

    fn peer_joined(&mut self, id: PeerId, role: Role) -> Event {
        if role == Role::Broadcaster {
            self.broadcaster = Some(id.clone());
        }
        Event::PeerJoined { id, role }
    }

    fn peers_left(&mut self, receive: &Receive, bound: &Bound<'_, '_>) -> Vec<Event> {
        let mut gone = self.peers_of(receive, bound);
        if gone.is_empty() && self.role == Some(Role::Viewer) && !bound.contains_key("peer") {
            gone.extend(self.broadcaster.clone().map(|id| (id, Role::Broadcaster)));
        }
        if gone.iter().any(|(id, _)| self.broadcaster.as_ref() == Some(id)) {
            self.broadcaster = None;
        }
        let left = |(id, role)| Event::PeerLeft { id, role };
        gone.into_iter().map(left).collect()
    }

    fn described(
        &mut self,
        now: Instant,
        from: Option<PeerId>,
        meant: SdpType,
        bound: &Bound<'_, '_>,
    ) -> Vec<Event> {
        let named = bound.get("type").and_then(|kind| sdp_type(kind));
        let whole = bound
            .get("description")
            .and_then(|whole| names::description(whole));
        let description = whole.unwrap_or_else(|| Description {
            sdp_type: named.unwrap_or(meant),
            sdp: text(bound, "sdp").unwrap_or_default(),
        });
        let is_offer = description.sdp_type == SdpType::Offer;
        if !self.file.is_addressed() {
            return if is_offer {
                self.peers.offer(description)
            } else {
                self.peers.answer(now, description)
            };
        }
        let mut told = Vec::new();
        if is_offer && self.role != Some(Role::Broadcaster) {
            told.extend(self.heard_of_broadcaster(from.clone()));
        }
        let from = from.or_else(|| self.unnamed());
        told.push(Event::Description { from, description });
        told
    }

    /// An offer tells a viewer who the broadcaster is, where nothing else has.
    fn heard_of_broadcaster(&mut self, from: Option<PeerId>) -> Vec<Event> {
        let role = Role::Broadcaster;
        let id = match (from, &self.broadcaster) {
            (None, Some(_)) => return Vec::new(),
            (Some(from), Some(known)) if from == *known => return Vec::new(),
            (from, _) => from.unwrap_or_else(|| PeerId::from(BROADCASTER)),
        };
        let gone = self.broadcaster.replace(id.clone());
        let gone = gone.map(|id| Event::PeerLeft { id, role });
        gone.into_iter().chain([Event::PeerJoined { id, role }]).collect()
    }

    /// Whom a message is from that names nobody: a viewer hears its broadcaster only.
    fn unnamed(&self) -> Option<PeerId> {
        (self.role == Some(Role::Viewer)).then(|| {
            let known = self.broadcaster.clone();
            known.unwrap_or_else(|| PeerId::from(BROADCASTER))
        })
    }

    fn candidate(&mut self, from: Option<PeerId>, bound: &Bound<'_, '_>) -> Vec<Event> {
        let whole = bound.get("candidate").and_then(|whole| names::candidate(whole));
        let index = bound
            .get("candidate.sdpMLineIndex")
            .and_then(|index| index.as_u64());
        let candidate = whole.unwrap_or_else(|| Candidate {
            candidate: text(bound, "candidate.candidate").unwrap_or_default(),
            sdp_mid: text(bound, "candidate.sdpMid"),
            sdp_m_line_index: index.and_then(|index| u16::try_from(index).ok()),
            username_fragment: text(bound, "candidate.usernameFragment"),
        });
        // A browser says the end of a generation as an empty candidate (W3C webrtc 4.8.1.1).
        if candidate.candidate.is_empty() {
            return self.end_of_candidates(from, candidate.username_fragment);
        }
        if !self.file.is_addressed() {
            return self.peers.candidate(candidate).into_iter().collect();
        }
        let from = from.or_else(|| self.unnamed());
        vec![Event::Candidate { from, candidate }]
    }

    fn end_of_candidates(&self, from: Option<PeerId>, username_fragment: Option<String>) -> Vec<Event> {
        let from = from.or_else(|| self.unnamed());
        vec![Event::EndOfCandidates {
            from,
            username_fragment,
        }]
    }

    fn remember_state(&mut self, bound: &Bound<'_, '_>) {
        let flag = |name: &str| bound.get(name).and_then(|value| value.as_bool());
        let before = self.state;
        let mut state = RoomState {
            stopped: flag("stopped").unwrap_or(before.stopped),
            ..before
        };
        state.muted.audio = flag("audio").unwrap_or(before.muted.audio);
        state.muted.video = flag("video").unwrap_or(before.muted.video);
        let version = bound.get("version").and_then(|version| version.as_u64());
        let counted = before.version + u64::from(state != before);
        state.version = version.unwrap_or(counted);
        self.state = state;
    }
}

fn text(bound: &Bound<'_, '_>, name: &str) -> Option<String> {
    bound
        .get(name)
        .and_then(|value| value.as_str())
        .map(str::to_owned)
}

fn role_of(bound: &Bound<'_, '_>) -> Option<Role> {
    let role = bound.get("role")?;
    serde_json::from_value((*role).clone()).ok()
}

fn sdp_type(value: &Value) -> Option<SdpType> {
    serde_json::from_value(value.clone()).ok()
}
