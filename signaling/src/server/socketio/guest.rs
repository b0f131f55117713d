//! One client of Socket.IO: its events into the call or the rooms, its limits, its end.

use std::{
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering::Relaxed},
};

use serde_json::{Value, json};
use socketioxide::{
    SendError, SocketError,
    extract::{Event, SocketRef, TryData},
    socket::DisconnectReason,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};

use super::super::{
    CloseCause, Member, ServedDialect, Shared,
    dialect::{CallFull, SocketioRooms},
    limits::TokenBucket,
    member::Said,
    refuse,
};
use crate::{
    Direction, ObservedFrame, PeerId, Role, RoomId,
    message::{ClientMessage, excerpt, json::json as to_json},
    room::Refusal,
};

/// Events that may come before a client is let in; more are dropped.
const MAX_EARLY: usize = 32;

/// The one event of `socketio-relay`.
const SIGNALING_MESSAGE: &str = "signalingMessage";

/// Listens to a client that is about to be told that it is connected.
///
/// It may speak as soon as it has been told, which is before [`welcome`]: the library says so first and calls that
/// afterwards, on a task of its own. What it says meanwhile waits.
pub(super) fn listen(shared: &Arc<Shared>, socket: &SocketRef) {
    let guest = Arc::new(Guest::new(shared));
    socket.extensions.insert(guest.clone());
    // The handlers run here and now, in the order of the events: only the futures that they return are spawned.
    socket.on_fallback(
        move |socket: SocketRef, Event(event): Event, TryData(data): TryData<Value>| {
            let mut early = guest.early();
            match &mut *early {
                Some(early) if early.len() < MAX_EARLY => early.push((event, data.ok())),
                Some(_) => log::debug!("{event} is dropped: {MAX_EARLY} came before the client was in"),
                None => {
                    drop(early);
                    guest.hear(&guest.member(socket), &event, data.ok());
                }
            }
            ready(())
        },
    );
}

/// Lets a client in that has just been told that it is connected.
pub(super) fn welcome(shared: &Arc<Shared>, socket: &SocketRef) {
    let Some(guest) = socket.extensions.get::<Arc<Guest>>() else {
        return;
    };
    shared.counters.connections_opened.fetch_add(1, Relaxed);
    let member = guest.member(socket.clone());
    if guest.shared_dialect == ServedDialect::SocketioRelay {
        if let Err(full) = guest.enter_call(shared, &member) {
            return member.dismiss(CloseCause::CallFull, &full.to_string());
        }
    } else {
        guest.watch(member.clone());
        let query = socket.req_parts().uri.query().unwrap_or_default();
        let join = guest.rooms().join_by_query(query);
        if let Some(join) = join {
            guest.say(shared, &member, join);
        }
    }
    let leaving = guest.clone();
    socket.on_disconnect(move |reason: DisconnectReason| {
        leaving.leave(cause(reason));
        ready(())
    });
    // Under the lock, so that what comes now stays behind what has come.
    let mut early = guest.early();
    for (event, data) in early.take().unwrap_or_default() {
        guest.hear(&member, &event, data);
    }
}

fn cause(reason: DisconnectReason) -> CloseCause {
    match reason {
        DisconnectReason::TransportClose | DisconnectReason::ClientNSDisconnect => CloseCause::ClientClosed,
        DisconnectReason::HeartbeatTimeout => CloseCause::Timeout,
        DisconnectReason::MultipleHttpPollingError | DisconnectReason::PacketParsingError => {
            CloseCause::Protocol
        }
        DisconnectReason::TransportError => CloseCause::Io,
        DisconnectReason::ServerNSDisconnect | DisconnectReason::ClosingServer => CloseCause::Dropped,
    }
}

/// A client as a call or a room speaks to it.
#[derive(Clone, Debug)]
pub(in crate::server) struct SocketMember {
    socket: SocketRef,
    guest: Arc<Guest>,
    peer: Option<PeerId>,
}

impl SocketMember {
    /// Emits what the room says, and returns in how many events.
    pub(in crate::server) fn tell(&self, said: &Said<'_>) -> u64 {
        let emit = self.guest.rooms().tell(said.message());
        emit.map_or(0, |emit| {
            self.emit(emit.event, &emit.data);
            1
        })
    }

    fn emit(&self, event: &str, data: &Value) {
        match self.socket.emit(event, data) {
            Ok(()) => self
                .guest
                .observe(Direction::Sent, self.peer.as_ref(), event, data),
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {
                log::info!("a slow reader leaves: its queue is full");
                // On a task of its own, because the rooms are locked here. The library can tell it nothing either,
                // and closes the connection once its ping goes unanswered.
                let guest = self.guest.clone();
                tokio::spawn(async move { guest.leave(CloseCause::Slow) });
            }
            Err(error) => log::debug!("{event} not sent: {error}"),
        }
    }

    /// Says why, and ends the connection. Never under a lock: the handler of the end runs at once.
    fn dismiss(&self, cause: CloseCause, why: &str) {
        log::debug!("connection {} ended: {cause} {why}", self.guest.connection);
        self.emit("error", &json!({"code": cause.to_string(), "message": why}));
        self.guest.leave(cause);
        if let Err(error) = self.socket.clone().disconnect() {
            log::debug!("not disconnected: {error}");
        }
    }
}

/// Events with their first arguments, in order.
type Early = Vec<(String, Option<Value>)>;

/// What a client is to the server.
#[derive(Debug)]
pub(super) struct Guest {
    shared: Weak<Shared>,
    shared_dialect: ServedDialect,
    connection: u64,
    /// Locked inside the lock of the rooms or alone, never around it.
    rooms: Mutex<SocketioRooms>,
    /// Locked around the lock of the rooms, never inside it.
    state: Mutex<State>,
    /// What came before the client was let in; `None` once it is. The outermost lock.
    early: Mutex<Option<Early>>,
}

#[derive(Debug)]
struct State {
    bucket: TokenBucket,
    joined: Option<Joined>,
    left: bool,
    /// Ends a client that joins nothing.
    watch: Option<AbortHandle>,
}

#[derive(Clone, Debug)]
struct Joined {
    id: PeerId,
    /// `None` is the call of two.
    room: Option<RoomId>,
}

impl Guest {
    fn new(shared: &Arc<Shared>) -> Self {
        let state = State {
            bucket: TokenBucket::new(shared.config.viewer.rate, Instant::now()),
            joined: None,
            left: false,
            watch: None,
        };
        Self {
            shared: Arc::downgrade(shared),
            shared_dialect: shared.config.dialect,
            connection: shared.connections.fetch_add(1, Relaxed) + 1,
            rooms: Mutex::new(SocketioRooms::new(RoomId::main())),
            state: Mutex::new(state),
            early: Mutex::new(Some(Vec::new())),
        }
    }

    fn member(self: &Arc<Self>, socket: SocketRef) -> SocketMember {
        SocketMember {
            socket,
            guest: Arc::clone(self),
            peer: None,
        }
    }

    fn early(&self) -> MutexGuard<'_, Option<Early>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rooms(&self) -> MutexGuard<'_, SocketioRooms> {
        // A translator is total: no panic leaves it half changed.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, member: &SocketMember, event: &str, data: Option<Value>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let (in_rate, joined) = {
            let mut state = self.state();
            (state.bucket.take(Instant::now()), state.joined.clone())
        };
        if !in_rate {
            return member.dismiss(CloseCause::Flood, "faster than the rate of a client");
        }
        shared.counters.messages_received.fetch_add(1, Relaxed);
        // An event without an argument is one with none; one that cannot be read is refused like one.
        let data = data.unwrap_or_default();
        let peer = joined.as_ref().map(|joined| &joined.id);
        self.observe(Direction::Received, peer, event, &data);
        // The library bounds what is posted, and a WebSocket message only at its own, much larger limit.
        let (bytes, limit) = (to_json(&data).len(), shared.config.max_message_size);
        if bytes > limit {
            let why = format!("{bytes} bytes, at most {limit} are accepted");
            return member.dismiss(CloseCause::TooBig, &why);
        }
        let member = &SocketMember {
            peer: peer.cloned(),
            ..member.clone()
        };
        if let Some(Joined { id, room: None }) = &joined {
            return relay(&shared, member, id, event, &data);
        }
        let said = self.rooms().hear(event, data);
        match said {
            Ok(Some(message)) => self.say(&shared, member, message),
            Ok(None) => {}
            Err(why) => refuse(&Member::Socket(member.clone()), why, &shared.counters),
        }
    }

    fn say(&self, shared: &Shared, member: &SocketMember, message: ClientMessage) {
        let me = || Member::Socket(member.clone());
        let mut state = self.state();
        if state.left {
            return;
        }
        let mut core = shared.core();
        let (room, role, protocol) = match (&state.joined, message) {
            (Some(Joined { id, room: Some(room) }), message) => {
                let outputs = core.rooms.message(room, id.clone(), message);
                return core.apply(outputs, &shared.counters);
            }
            (_, ClientMessage::Broadcaster { room, protocol }) => (room, Role::Broadcaster, protocol),
            (_, ClientMessage::Viewer { room, protocol }) => (room, Role::Viewer, protocol),
            (_, message) => {
                let message = message.kind();
                return refuse(&me(), Refusal::NotJoined { message }, &shared.counters);
            }
        };
        match core.rooms.join(&room, role, protocol) {
            Ok((id, outputs)) => {
                if role == Role::Broadcaster {
                    let rate = shared.config.broadcaster.rate;
                    state.bucket.set_limit(rate, Instant::now());
                }
                let member = SocketMember {
                    peer: Some(id.clone()),
                    ..member.clone()
                };
                core.members.insert(id.clone(), Member::Socket(member));
                core.apply(outputs, &shared.counters);
                state.joined = Some(Joined { id, room: Some(room) });
                if let Some(watch) = state.watch.take() {
                    watch.abort();
                }
            }
            Err(why) => refuse(&me(), why, &shared.counters),
        }
    }

    fn enter_call(&self, shared: &Shared, member: &SocketMember) -> Result<(), CallFull> {
        let mut state = self.state();
        let mut core = shared.core();
        let id = core.pair.enter()?;
        let member = SocketMember {
            peer: Some(id.clone()),
            ..member.clone()
        };
        core.members.insert(id.clone(), Member::Socket(member));
        state.joined = Some(Joined { id, room: None });
        Ok(())
    }

    /// Ends the client in time unless it joins.
    fn watch(&self, member: SocketMember) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let limit = shared.config.join_timeout;
        let why = format!(
            "{} within {} ms",
            self.shared_dialect.how_to_join(),
            limit.as_millis()
        );
        let watch = tokio::spawn(async move {
            sleep(limit).await;
            member.dismiss(CloseCause::NoJoin, &why);
        });
        self.state().watch = Some(watch.abort_handle());
    }

    /// Once; whoever comes first says why.
    fn leave(&self, cause: CloseCause) {
        let mut state = self.state();
        if std::mem::replace(&mut state.left, true) {
            return;
        }
        if let Some(watch) = state.watch.take() {
            watch.abort();
        }
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        shared.counters.closed(cause);
        let Some(Joined { id, room }) = state.joined.take() else {
            return;
        };
        let mut core = shared.core();
        core.members.remove(&id);
        match room {
            None => core.pair.leave(&id),
            Some(room) => {
                let outputs = core.rooms.leave(&room, id);
                if !shared.silent.load(Relaxed) {
                    core.apply(outputs, &shared.counters);
                }
            }
        }
    }

    fn observe(&self, direction: Direction, peer: Option<&PeerId>, event: &str, data: &Value) {
        if let Some(shared) = self.shared.upgrade()
            && let Some(observer) = &shared.config.observer
        {
            observer.observe(&ObservedFrame {
                at: Instant::now(),
                direction,
                connection: self.connection,
                peer,
                text: &to_json(&(event, data)),
                means: &[],
            });
        }
    }
}

/// To the other of the two, unread. With nobody there it is lost, as a relay without a memory loses it.
fn relay(shared: &Shared, member: &SocketMember, from: &PeerId, event: &str, data: &Value) {
    if event != SIGNALING_MESSAGE {
        shared.counters.messages_rejected.fetch_add(1, Relaxed);
        let why = format!(
            "unknown event {:?}; this server relays {SIGNALING_MESSAGE}",
            excerpt(event)
        );
        return member.emit("error", &json!({"code": "unknown-type", "message": why}));
    }
    let core = shared.core();
    let other = core.pair.other(from).and_then(|id| core.members.get(id));
    if let Some(Member::Socket(other)) = other {
        shared.counters.messages_relayed.fetch_add(1, Relaxed);
        other.emit(event, data);
    }
}
