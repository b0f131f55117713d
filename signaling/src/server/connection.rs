//! One WebSocket connection: its frames into the rooms, its queue onto the wire, its deadlines, its end.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{
    CloseCause, ServedDialect, ServerConfig, Shared,
    dialect::{BroadcastWs, CallFull},
    http::Place,
    limits::TokenBucket,
    member::{Member, TextMember},
    refuse,
};
use crate::{
    Direction, ObservedFrame, PeerId, Role, RoomId,
    message::ClientMessage,
    room::Refusal,
    socket::{Ending, Socket, Turn},
};

pub(super) async fn serve<S>(shared: &Arc<Shared>, place: Place, mut socket: Socket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut session = Session::new(shared.clone(), place);
    let end = session.run(&mut socket).await;
    // The room hears of it now, and not only once a peer that may be gone has answered a close frame.
    session.leave();
    session.ended = true;
    shared.counters.closed(end.cause);
    log::debug!(
        "connection {} ended: {} {}",
        session.connection,
        end.cause,
        end.detail
    );
    let limit = shared.config.close_timeout;
    match end.cause.code() {
        Some(code) => {
            let reason = format!("{}: {}", end.cause, end.detail);
            // A leaver hears what was said before it left; a slow reader has shown that it will not.
            let flush = (end.cause == CloseCause::Left).then_some(&**session.member.outbox());
            socket
                .close(
                    code,
                    reason,
                    flush,
                    |text| session.observe(Direction::Sent, text),
                    limit,
                )
                .await;
        }
        None if end.cause == CloseCause::ClientClosed => socket.finish(limit).await,
        None => {}
    }
}

struct End {
    cause: CloseCause,
    detail: String,
}

impl End {
    fn new(cause: CloseCause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
        }
    }
}

/// What a connection is to the server. Leaves its room on drop, whatever ends its task.
struct Session {
    shared: Arc<Shared>,
    connection: u64,
    member: TextMember,
    bucket: TokenBucket,
    joined: Option<Joined>,
    left: bool,
    ended: bool,
    _place: Place,
}

struct Joined {
    id: PeerId,
    place: Where,
}

enum Where {
    Room { room: RoomId, role: Role },
    Call,
}

impl Session {
    fn new(shared: Arc<Shared>, place: Place) -> Self {
        let limits = shared.config.viewer;
        let translator = match shared.config.dialect {
            ServedDialect::BroadcastWs => Some(BroadcastWs::new(RoomId::main())),
            _ => None,
        };
        shared.counters.connections_opened.fetch_add(1, Relaxed);
        Self {
            connection: shared.connections.fetch_add(1, Relaxed) + 1,
            member: TextMember::new(limits.queue, translator),
            bucket: TokenBucket::new(limits.rate, Instant::now()),
            joined: None,
            left: false,
            ended: false,
            _place: place,
            shared,
        }
    }

    async fn run<S>(&mut self, socket: &mut Socket<S>) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.shared.config.dialect == ServedDialect::Relay
            && let Err(full) = self.enter_call()
        {
            return End::new(CloseCause::CallFull, full.to_string());
        }
        let shared = self.shared.clone();
        let mut deadlines = Deadlines::new(&shared.config, Instant::now());
        let mut alarm = pin!(sleep_until(self.alarm(&deadlines)));
        loop {
            let turn = tokio::select! {
                // What has come is read before a deadline counts, so that a process that was suspended does not
                // take its own silence for that of its clients.
                biased;
                turn = socket.turn(self.member.outbox(), |text| self.observe(Direction::Sent, text)) => turn,
                () = &mut alarm => {
                    let now = Instant::now();
                    if let Some(end) = deadlines.passed(now, self.joined.is_some()) {
                        return end;
                    }
                    if deadlines.ping_due(now) {
                        socket.ping();
                    }
                    self.member.timed_out(now);
                    alarm.as_mut().reset(self.alarm(&deadlines));
                    continue;
                }
                () = self.member.changed() => {
                    alarm.as_mut().reset(self.alarm(&deadlines));
                    continue;
                }
            };
            let end = match turn {
                Turn::Message(message) => {
                    let now = Instant::now();
                    deadlines.heard = now;
                    self.take(message, now)
                }
                Turn::Ended(ending) => Some(end_of(ending)),
                Turn::Closing(cause) => Some(End::new(cause, self.detail(cause))),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn alarm(&self, deadlines: &Deadlines<'_>) -> Instant {
        let next = deadlines.next(self.joined.is_some());
        self.member.timeout().map_or(next, |timeout| next.min(timeout))
    }

    /// One frame of the client; says so if it was the last.
    fn take(&mut self, message: Message, now: Instant) -> Option<End> {
        if !self.bucket.take(now) {
            return Some(End::new(CloseCause::Flood, self.detail(CloseCause::Flood)));
        }
        match message {
            Message::Text(text) => {
                self.observe(Direction::Received, &text);
                self.shared.counters.messages_received.fetch_add(1, Relaxed);
                self.hear(&text);
                None
            }
            Message::Binary(payload) => {
                let detail = format!("{} bytes, every message is text", payload.len());
                Some(End::new(CloseCause::Binary, detail))
            }
            Message::Close(_) => Some(End::new(CloseCause::ClientClosed, "")),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        }
    }

    fn hear(&mut self, text: &Utf8Bytes) {
        if let Some(Joined {
            id,
            place: Where::Call,
        }) = &self.joined
        {
            return self.relay(id, text);
        }
        match self.member.hear(text) {
            Ok(Some(message)) => self.say(message),
            Ok(None) => {}
            Err(why) => refuse(&Member::Text(self.member.clone()), why, &self.shared.counters),
        }
    }

    /// To the other of the two, unread. With nobody there it is lost, as a relay without a memory loses it.
    fn relay(&self, from: &PeerId, text: &Utf8Bytes) {
        let core = self.shared.core();
        let other = core.pair.other(from).and_then(|id| core.members.get(id));
        if let Some(Member::Text(other)) = other {
            self.shared.counters.messages_relayed.fetch_add(1, Relaxed);
            other.push(text.clone());
        }
    }

    fn say(&mut self, message: ClientMessage) {
        match (&self.joined, message) {
            (
                Some(Joined {
                    id,
                    place: Where::Room { room, .. },
                }),
                message,
            ) => {
                let mut core = self.shared.core();
                let outputs = core.rooms.message(room, id.clone(), message);
                core.apply(outputs, &self.shared.counters);
            }
            (_, ClientMessage::Broadcaster { room, protocol }) => {
                self.join(room, Role::Broadcaster, protocol);
            }
            (_, ClientMessage::Viewer { room, protocol }) => self.join(room, Role::Viewer, protocol),
            (_, message) => {
                let why = Refusal::NotJoined {
                    message: message.kind(),
                };
                refuse(&Member::Text(self.member.clone()), why, &self.shared.counters);
            }
        }
    }

    fn join(&mut self, room: RoomId, role: Role, protocol: u32) {
        let shared = self.shared.clone();
        let mut core = shared.core();
        match core.rooms.join(&room, role, protocol) {
            Ok((id, outputs)) => {
                if role == Role::Broadcaster {
                    // Before the burst that tells it of the viewers who wait.
                    self.member.outbox().set_limits(shared.config.broadcaster.queue);
                    self.bucket
                        .set_limit(shared.config.broadcaster.rate, Instant::now());
                }
                core.members.insert(id.clone(), Member::Text(self.member.clone()));
                core.apply(outputs, &shared.counters);
                self.joined = Some(Joined {
                    id,
                    place: Where::Room { room, role },
                });
            }
            Err(why) => refuse(&Member::Text(self.member.clone()), why, &shared.counters),
        }
    }

    fn enter_call(&mut self) -> Result<(), CallFull> {
        let mut core = self.shared.core();
        let id = core.pair.enter()?;
        core.members.insert(id.clone(), Member::Text(self.member.clone()));
        self.joined = Some(Joined {
            id,
            place: Where::Call,
        });
        Ok(())
    }

    fn leave(&mut self) {
        self.member.outbox().shut();
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        let Some(Joined { id, place }) = &self.joined else {
            return;
        };
        let mut core = self.shared.core();
        core.members.remove(id);
        match place {
            Where::Call => core.pair.leave(id),
            Where::Room { room, .. } => {
                let outputs = core.rooms.leave(room, id.clone());
                if !self.shared.silent.load(Relaxed) {
                    core.apply(outputs, &self.shared.counters);
                }
            }
        }
    }

    fn detail(&self, cause: CloseCause) -> String {
        let config = &self.shared.config;
        let limits = match self.joined {
            Some(Joined {
                place:
                    Where::Room {
                        role: Role::Broadcaster,
                        ..
                    },
                ..
            }) => config.broadcaster,
            _ => config.viewer,
        };
        match cause {
            CloseCause::Slow => {
                format!(
                    "over {} messages or {} bytes waiting",
                    limits.queue.messages, limits.queue.bytes
                )
            }
            CloseCause::Flood => {
                format!(
                    "over {} messages/s after {}",
                    limits.rate.per_second, limits.rate.burst
                )
            }
            _ => String::new(),
        }
    }

    fn observe(&self, direction: Direction, text: &str) {
        if let Some(observer) = &self.shared.config.observer {
            observer.observe(&ObservedFrame {
                at: Instant::now(),
                direction,
                connection: self.connection,
                peer: self.joined.as_ref().map(|joined| &joined.id),
                text,
                means: &[],
            });
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
        if !self.ended {
            self.shared.counters.closed(CloseCause::Dropped);
        }
    }
}

fn end_of(ending: Ending) -> End {
    match ending {
        Ending::Eof => End::new(CloseCause::Eof, ""),
        Ending::TooBig(detail) => End::new(CloseCause::TooBig, detail),
        Ending::InvalidText => End::new(CloseCause::InvalidText, "text is not UTF-8"),
        Ending::Protocol(detail) => End::new(CloseCause::Protocol, detail),
        Ending::Io(detail) => End::new(CloseCause::Io, detail),
    }
}

/// The times at which something happens although nothing comes.
struct Deadlines<'a> {
    config: &'a ServerConfig,
    opened: Instant,
    heard: Instant,
    ping: Instant,
}

impl<'a> Deadlines<'a> {
    fn new(config: &'a ServerConfig, now: Instant) -> Self {
        Self {
            config,
            opened: now,
            heard: now,
            ping: now + config.ping_interval,
        }
    }

    fn dead(&self) -> Instant {
        self.heard + self.config.dead_timeout
    }

    fn join(&self) -> Instant {
        self.opened + self.config.join_timeout
    }

    /// When to look again. A frame in between only moves [`Self::dead`] later, and the next look sees that.
    fn next(&self, joined: bool) -> Instant {
        let next = self.ping.min(self.dead());
        if joined { next } else { next.min(self.join()) }
    }

    fn passed(&self, now: Instant, joined: bool) -> Option<End> {
        if !joined && now >= self.join() {
            let detail = format!(
                "{} within {} ms",
                self.config.dialect.how_to_join(),
                self.config.join_timeout.as_millis()
            );
            return Some(End::new(CloseCause::NoJoin, detail));
        }
        if now >= self.dead() {
            let detail = format!("nothing received for {} ms", self.config.dead_timeout.as_millis());
            return Some(End::new(CloseCause::Timeout, detail));
        }
        None
    }

    fn ping_due(&mut self, now: Instant) -> bool {
        let due = now >= self.ping;
        if due {
            self.ping = now + self.config.ping_interval;
        }
        due
    }
}
