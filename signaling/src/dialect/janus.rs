//! The VideoRoom of Janus over its WebSocket transport: one publisher, subscribers that answer, one room by number.
//!
//! A session holds handles, and a handle holds one peer connection: the publisher's own, or a subscriber's to one feed. Every
//! bot is in the room through a first handle, which tells it who publishes. Owns these steps; decides nothing about media.

mod exchange;
mod message;
mod refusal;
mod room;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use self::{
    exchange::{ANSWER_LIMIT, Exchange, Step},
    message::Says,
};
use super::{DecodeError, Output};
use crate::{Command, Description, Event, PeerId, Role, RoomState};

/// What a client has to ask for in its handshake.
pub(super) const SUBPROTOCOL: &str = "janus-protocol";
/// The far end of a publisher's peer connection. That of a viewer's is the feed, by the name that its publisher has too.
const JANUS: &str = "janus";
const PLUGIN: &str = "janus.plugin.videoroom";
/// Well within the 60 s after which Janus ends a session that says nothing. Pings of the WebSocket do not count.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// Publishers of a room that are remembered while another one is received.
const MAX_FEEDS: usize = 64;
/// Why a peer connection ends that this side has closed, or that is of no use any more.
const EXPECTED_ENDS: [&str; 4] = ["DTLS alert", "Close PC", "Janus API", "Detach"];

/// A client of the VideoRoom.
#[derive(Clone, Debug)]
pub struct Janus {
    me: PeerId,
    exchange: Exchange,
    keep_alive: Option<Instant>,
    role: Role,
    room: u64,
    /// Said when there is a handle to say it on.
    join: Option<Command>,
    /// Why there was no room to be created, which matters if there is none.
    not_created: Option<String>,
    /// By which this client is in the room, and by which a broadcaster publishes.
    handle: Option<u64>,
    watching: Watching,
}

/// What a viewer knows of the publishers.
#[derive(Clone, Debug, Default)]
struct Watching {
    /// Who publishes, the oldest first; the first one is received.
    feeds: VecDeque<u64>,
    /// The handle that receives it.
    handle: Option<u64>,
    /// The one before it, whose last packets may still be on their way.
    before: Option<u64>,
}

impl Janus {
    /// For a bot of this name.
    pub fn new(me: PeerId) -> Self {
        Self {
            me,
            exchange: Exchange::default(),
            keep_alive: None,
            role: Role::Viewer,
            room: 0,
            join: None,
            not_created: None,
            handle: None,
            watching: Watching::default(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.keep_alive.into_iter().chain(self.exchange.limit()).min()
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        let silent = |step: Step| {
            let (what, limit) = (step.name(), ANSWER_LIMIT.as_secs());
            refusal::error(
                "silent",
                format!(
                    "Janus has not answered within {limit} s, asked to {what}; look at its log and its load"
                ),
            )
        };
        let given_up = self.exchange.give_up(now).into_iter();
        let mut outputs: Vec<_> = given_up.map(silent).map(Output::Event).collect();
        if self.keep_alive.is_some_and(|at| now >= at) {
            self.keep_alive = Some(now + KEEP_ALIVE);
            let request = json!({"janus": "keepalive"});
            outputs.push(self.exchange.ask(now, Step::KeepAlive, request, None));
        }
        outputs
    }

    pub(super) fn encode(&mut self, now: Instant, command: &Command) -> Vec<Output> {
        let says = Some(command.clone());
        match command {
            Command::Join { room, role } => {
                self.role = *role;
                self.room = room::number(room);
                self.join = says;
                let request = json!({"janus": "create"});
                vec![self.exchange.ask(now, Step::CreateSession, request, None)]
            }
            Command::Description { to, description } => {
                // Who offers publishes, and who answers starts what it has subscribed to.
                let (step, request) = match self.role {
                    Role::Broadcaster => (Step::Publish, "publish"),
                    Role::Viewer => (Step::Start, "start"),
                };
                // Without a handle there is no negotiation that it could belong to: its publisher has left.
                let Some(handle) = self.handle_to(to.as_ref()) else {
                    return Vec::new();
                };
                let mut message = on(handle, json!({"request": request}));
                message["jsep"] = json!(description);
                vec![self.exchange.ask(now, step, message, says)]
            }
            Command::Candidate { to, candidate } => self.trickle(now, to.as_ref(), json!(candidate), says),
            Command::EndOfCandidates { to, .. } => {
                self.trickle(now, to.as_ref(), json!({"completed": true}), says)
            }
            // To unpublish would close the peer connection ahead of what is still on its way: who stops only sends no more.
            Command::Stop | Command::Chat { .. } | Command::Mute { .. } | Command::Unmute { .. } => {
                Vec::new()
            }
            Command::Leave => self.leave(says),
        }
    }

    fn trickle(
        &mut self,
        now: Instant,
        to: Option<&PeerId>,
        candidate: Value,
        says: Option<Command>,
    ) -> Vec<Output> {
        let Some(handle) = self.handle_to(to) else {
            return Vec::new();
        };
        let request = json!({"janus": "trickle", "handle_id": handle, "candidate": candidate});
        vec![self.exchange.ask(now, Step::Candidate, request, says)]
    }

    /// The handle whose peer connection the bot negotiates.
    fn of_peer_connection(&self) -> Option<u64> {
        match self.role {
            Role::Broadcaster => self.handle,
            Role::Viewer => self.watching.handle,
        }
    }

    /// The same, if this is who it is with.
    fn handle_to(&self, to: Option<&PeerId>) -> Option<u64> {
        let far = self.far_end();
        self.of_peer_connection()
            .filter(|_| to.is_none() || to == far.as_ref())
    }

    /// Who is at the other end of the peer connection.
    fn far_end(&self) -> Option<PeerId> {
        match self.role {
            Role::Broadcaster => Some(PeerId::from(JANUS)),
            Role::Viewer => self.watching.feeds.front().map(|feed| name(*feed)),
        }
    }

    /// Leaves the room and ends the session. The room stays, for others that are in it or return to it.
    fn leave(&mut self, says: Option<Command>) -> Vec<Output> {
        self.keep_alive = None;
        self.watching = Watching::default();
        let mut outputs: Vec<_> = match self.handle.take() {
            Some(handle) => vec![self.exchange.tell(on(handle, json!({"request": "leave"})), says)],
            None => says.map(Output::Unsaid).into_iter().collect(),
        };
        if self.exchange.has_session() {
            outputs.push(self.exchange.tell(json!({"janus": "destroy"}), None));
        }
        self.exchange.end();
        outputs
    }

    pub(super) fn decode(&mut self, now: Instant, frame: &str) -> Result<Vec<Output>, DecodeError> {
        let message = message::read(frame)?;
        let from = self.far_end();
        let ours = message.handle.is_some() && message.handle == self.of_peer_connection();
        Ok(match message.says {
            Says::Ack => {
                self.exchange.heard(message.transaction);
                Vec::new()
            }
            Says::Created(id) => match self.exchange.answered(message.transaction) {
                Some(step) => self.created(now, step, id),
                None => Vec::new(),
            },
            Says::Plugin(data, description) => {
                let step = self.exchange.answered(message.transaction);
                self.plugin(now, step, message.handle, &data, description)
            }
            Says::Refused { code, reason } => {
                let step = self.exchange.answered(message.transaction);
                // What nobody waits for, such as a leave that came too late, matters to nobody.
                match (step, message.transaction) {
                    (None, Some(_)) => Vec::new(),
                    (step, _) => told([refusal::refused(step, code, &reason)]),
                }
            }
            Says::Candidate(candidate) if ours => told([Event::Candidate { from, candidate }]),
            Says::EndOfCandidates if ours => told([Event::EndOfCandidates {
                from,
                username_fragment: None,
            }]),
            Says::Hangup(reason) if ours && !EXPECTED_ENDS.contains(&reason.as_str()) => told([refusal::error(
                "hangup",
                format!("Janus closed the peer connection: {reason}; its log and the trace show how far it came"),
            )]),
            Says::SessionEnded if self.keep_alive.take().is_some() => told([refusal::error(
                "timeout",
                "Janus ended the session; it heard nothing for its session_timeout, which has to be above 25 s"
                    .to_owned(),
            )]),
            Says::Candidate(_)
            | Says::EndOfCandidates
            | Says::Hangup(_)
            | Says::SessionEnded
            | Says::News => Vec::new(),
        })
    }

    fn created(&mut self, now: Instant, step: Step, id: u64) -> Vec<Output> {
        let (step, request) = match step {
            Step::CreateSession => {
                self.exchange.set_session(id);
                self.keep_alive = Some(now + KEEP_ALIVE);
                (Step::Attach, json!({"janus": "attach", "plugin": PLUGIN}))
            }
            Step::Attach => {
                self.handle = Some(id);
                // Whoever comes first creates the room, so that a viewer may wait in it for its broadcaster.
                let request = json!({
                    "request": "create", "room": self.room, "description": "greenroom", "is_private": true,
                    "publishers": 1, "bitrate": 0, "fir_freq": 0, "videocodec": "h264,vp8", "audiocodec": "opus",
                });
                (Step::CreateRoom, on(id, request))
            }
            Step::AttachTo(feed) if self.watching.feeds.front() == Some(&feed) => {
                self.watching.handle = Some(id);
                // With autoupdate Janus offers anew when the publisher leaves; that it has left is told anyway.
                let request = json!({
                    "request": "join", "ptype": "subscriber", "room": self.room, "autoupdate": false,
                    "streams": [{"feed": feed}],
                });
                (Step::Subscribe(feed), on(id, request))
            }
            // The publisher has left meanwhile.
            Step::AttachTo(_) => return vec![self.detach(id)],
            _ => return Vec::new(),
        };
        vec![self.exchange.ask(now, step, request, None)]
    }

    fn plugin(
        &mut self,
        now: Instant,
        step: Option<Step>,
        handle: Option<u64>,
        data: &Value,
        description: Option<Description>,
    ) -> Vec<Output> {
        if let Some(code) = data.get("error_code").and_then(Value::as_u64) {
            let reason = data.get("error").and_then(Value::as_str);
            return self.plugin_refused(now, step, code, reason.unwrap_or("without a reason"));
        }
        if step == Some(Step::CreateRoom) {
            return self.join_room(now);
        }
        let mut outputs = Vec::new();
        if step == Some(Step::Join) {
            outputs.extend(self.joined(data));
        }
        if self.role == Role::Viewer && handle == self.handle {
            outputs.extend(self.publishers(now, data));
        }
        if step == Some(Step::Publish) {
            outputs.extend(told(self.not_taken(data)));
        }
        if data.get("videoroom").and_then(Value::as_str) == Some("destroyed") && handle == self.handle {
            let message = format!(
                "the room {} was destroyed; start again, it will be created",
                self.room
            );
            outputs.extend(told([refusal::error("destroyed", message)]));
        }
        if let Some(description) = description
            && handle.is_some()
            && handle == self.of_peer_connection()
        {
            outputs.extend(told([Event::Description {
                from: self.far_end(),
                description,
            }]));
        }
        outputs
    }

    fn plugin_refused(&mut self, now: Instant, step: Option<Step>, code: u64, reason: &str) -> Vec<Output> {
        match (step, code) {
            (Some(Step::CreateRoom), code) => {
                if code != refusal::ROOM_EXISTS {
                    self.not_created = Some(format!("{code}: {reason}"));
                }
                self.join_room(now)
            }
            (Some(Step::Join), refusal::NO_SUCH_ROOM) => {
                let not_created = self.not_created.take().unwrap_or_default();
                let reason = format!("{reason}, and creating it was refused with {not_created}");
                told([refusal::refused(step, code, &reason)])
            }
            // It left between its announcement and this.
            (Some(Step::Subscribe(feed)), refusal::NO_SUCH_FEED) => self.gone(now, feed),
            // What nobody waits for matters to nobody.
            (None, _) => Vec::new(),
            (step, code) => told([refusal::refused(step, code, reason)]),
        }
    }

    fn join_room(&mut self, now: Instant) -> Vec<Output> {
        let Some(handle) = self.handle else {
            return Vec::new();
        };
        let request =
            json!({"request": "join", "ptype": "publisher", "room": self.room, "display": self.me.as_str()});
        let says = self.join.take();
        vec![self.exchange.ask(now, Step::Join, on(handle, request), says)]
    }

    fn joined(&self, data: &Value) -> Vec<Output> {
        // A broadcaster is what viewers will call it; a viewer is in the room only to hear who publishes.
        let feed = data.get("id").and_then(Value::as_u64);
        let feed = feed.filter(|_| self.role == Role::Broadcaster);
        let joined = Event::Joined {
            id: feed.map_or_else(|| self.me.clone(), name),
            role: self.role,
            state: RoomState::default(),
            peers: Vec::new(),
        };
        // A broadcaster sends once, to the server.
        let server = (self.role == Role::Broadcaster).then(|| Event::PeerJoined {
            id: PeerId::from(JANUS),
            role: Role::Viewer,
        });
        told([joined].into_iter().chain(server))
    }

    /// Media of the offer that Janus answered and will not send on.
    fn not_taken(&self, data: &Value) -> Option<Event> {
        let streams = data.get("streams").and_then(Value::as_array)?;
        let refused: Vec<_> = streams
            .iter()
            .filter(|stream| stream.get("disabled").and_then(Value::as_bool) == Some(true))
            .filter_map(|stream| stream.get("type").and_then(Value::as_str))
            .map(|kind| match kind {
                "video" => "video",
                "audio" => "audio",
                _ => "a stream",
            })
            .collect();
        (!refused.is_empty()).then(|| {
            let (what, room) = (refused.join(" and "), self.room);
            let message = format!(
                "Janus takes no {what} of what is published: the room {room} allows no codec that was offered; \
                 allow it (videocodec, audiocodec, h264_profile of the room), or publish another codec"
            );
            refusal::error("codec", message)
        })
    }

    /// Who publishes now, and who no longer.
    fn publishers(&mut self, now: Instant, data: &Value) -> Vec<Output> {
        let mut outputs = Vec::new();
        for field in ["unpublished", "leaving", "kicked"] {
            if let Some(feed) = data.get(field).and_then(Value::as_u64) {
                outputs.extend(self.gone(now, feed));
            }
        }
        let publishers = data.get("publishers").and_then(Value::as_array);
        for feed in publishers.into_iter().flatten() {
            let Some(feed) = feed.get("id").and_then(Value::as_u64) else {
                continue;
            };
            let feeds = &mut self.watching.feeds;
            if feeds.contains(&feed) || feeds.len() >= MAX_FEEDS {
                continue;
            }
            feeds.push_back(feed);
            if feeds.len() == 1 {
                outputs.extend(self.receive(now, feed));
            }
        }
        outputs
    }

    /// A publisher has left. The next one is received, if there is one.
    fn gone(&mut self, now: Instant, feed: u64) -> Vec<Output> {
        let feeds = &mut self.watching.feeds;
        let received = feeds.front() == Some(&feed);
        feeds.retain(|known| *known != feed);
        let next = feeds.front().copied();
        if !received {
            return Vec::new();
        }
        let before = self.watching.handle.take();
        let older = match before {
            Some(_) => std::mem::replace(&mut self.watching.before, before),
            None => None,
        };
        let mut outputs: Vec<_> = older.map(|handle| self.detach(handle)).into_iter().collect();
        outputs.push(Output::Event(Event::PeerLeft {
            id: name(feed),
            role: Role::Broadcaster,
        }));
        if let Some(next) = next {
            outputs.extend(self.receive(now, next));
        }
        outputs
    }

    /// Each feed is received by a handle of its own.
    fn receive(&mut self, now: Instant, feed: u64) -> Vec<Output> {
        let there = Event::PeerJoined {
            id: name(feed),
            role: Role::Broadcaster,
        };
        let request = json!({"janus": "attach", "plugin": PLUGIN});
        let attach = self.exchange.ask(now, Step::AttachTo(feed), request, None);
        vec![Output::Event(there), attach]
    }

    fn detach(&mut self, handle: u64) -> Output {
        let request = json!({"janus": "detach", "handle_id": handle});
        self.exchange.tell(request, None)
    }
}

/// A publisher, as both its viewers and itself call it.
fn name(feed: u64) -> PeerId {
    PeerId::from(format!("feed-{feed}"))
}

/// A message to the plugin on a handle.
fn on(handle: u64, body: Value) -> Value {
    json!({"janus": "message", "handle_id": handle, "body": body})
}

fn told(events: impl IntoIterator<Item = Event>) -> Vec<Output> {
    events.into_iter().map(Output::Event).collect()
}
