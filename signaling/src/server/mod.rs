//! The signaling server over streams and listeners that it is given.
//!
//! Owns what its connections share: the rooms behind one lock, the queues of their members, the counters. It must
//! not bind a socket and has no global state; two servers in one process know nothing of each other.

mod connection;
mod dialect;
mod http;
mod limits;
mod listener;
mod member;
#[cfg(feature = "socketio")]
mod socketio;
mod stats;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};

use crate::{
    PeerId,
    room::{Output, Refusal, Rooms},
};

use dialect::Pair;
pub use dialect::{EXCHANGE_LIMIT, NotServed, ServedDialect};
pub use limits::{PeerLimits, RateLimit, ServerConfig};
use member::{Member, Said};
use stats::Counters;
pub use stats::{CloseCause, ServerStats};

/// A signaling server. Clones share their rooms; cloning copies a pointer.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ServerConfig,
    counters: Counters,
    connections: AtomicU64,
    /// Nobody is told of leavers any more.
    silent: AtomicBool,
    /// One lock for all rooms: a message costs microseconds under it, and whoever is told of two messages is
    /// told of them in the order in which they were taken (SG-05).
    core: Mutex<Core>,
    /// Where the dialect is one of Socket.IO.
    #[cfg(feature = "socketio")]
    gateway: Option<socketio::Gateway>,
}

#[derive(Debug)]
struct Core {
    rooms: Rooms,
    /// The call of a server that relays.
    pair: Pair,
    members: HashMap<PeerId, Member>,
}

impl Server {
    /// A server without rooms.
    pub fn new(config: ServerConfig) -> Self {
        let core = Core {
            rooms: Rooms::new(config.rooms),
            pair: Pair::default(),
            members: HashMap::new(),
        };
        #[cfg_attr(
            not(feature = "socketio"),
            expect(unused_variables, reason = "only the gateway needs it")
        )]
        let shared = Arc::new_cyclic(|weak| Shared {
            #[cfg(feature = "socketio")]
            gateway: config
                .dialect
                .is_socketio()
                .then(|| socketio::Gateway::new(&config, weak.clone())),
            config,
            counters: Counters::default(),
            connections: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            core: Mutex::new(core),
        });
        Self { shared }
    }

    /// Serves one HTTP/1.1 connection until it ends: `/` and `/ws` upgrade to WebSocket, `/health` answers. Where the
    /// dialect is one of Socket.IO, `/socket.io/` takes the place of the former two.
    ///
    /// Dropping the future drops the stream and takes its peer out of the room.
    pub async fn serve_connection<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        #[cfg(feature = "socketio")]
        if let Some(gateway) = &self.shared.gateway {
            return gateway.serve(&self.shared, stream).await;
        }
        http::serve(&self.shared, stream).await;
    }

    /// Serves every connection of a listener. Dropping the future closes the listener and every connection; no
    /// task stays behind.
    pub async fn serve(&self, listener: TcpListener) -> std::convert::Infallible {
        listener::serve(self, listener).await
    }

    /// Lets nobody hear of leavers from now on, so that dropping [`Server::serve`] next looks to its clients as
    /// if the process had been killed: connection by connection it would tell some that others left.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Relaxed);
    }

    /// Counters at this moment.
    pub fn stats(&self) -> ServerStats {
        let (rooms, members) = {
            let core = self.shared.core();
            let calls = usize::from(core.pair.len() > 0);
            (core.rooms.len() + calls, core.rooms.members() + core.pair.len())
        };
        self.shared.counters.snapshot(rooms, members)
    }
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        // Rooms are total and queues are pushed whole; a panic elsewhere leaves nothing half done in here.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Does what a room says, under the same lock under which it said so.
    fn apply(&self, outputs: Vec<Output>, counters: &Counters) {
        for output in outputs {
            match output {
                Output::Send { to, message } => {
                    let said = Said::new(&message);
                    for id in &to {
                        if let Some(member) = self.members.get(id) {
                            counters.messages_relayed.fetch_add(member.tell(&said), Relaxed);
                        }
                    }
                }
                Output::Reject { to, why } => {
                    if let Some(member) = self.members.get(&to) {
                        refuse(member, why, counters);
                    }
                }
                Output::Close { to } => {
                    if let Some(member) = self.members.get(&to) {
                        member.close();
                    }
                }
            }
        }
    }
}

/// Answers a message with an error.
fn refuse(member: &Member, why: Refusal, counters: &Counters) {
    counters.messages_rejected.fetch_add(1, Relaxed);
    member.tell(&Said::new(&why.into_message()));
}
