//! The carrier: takes datagrams from sockets, asks the model, and puts them into other sockets in time.
//!
//! Owns the model of a run and the addresses that its hosts have. One task advances the model; it ends
//! with the network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::socket::Socket;
use crate::net::model::{
    Delivery, Direction, Flow, FlowCounts, HostId, LinkSpec, Network, NetworkError, NetworkFile,
};
use crate::net::tap::DatagramKind;
use crate::scenario::{Party, RoomSpec};

/// First port that a host's connections bind to.
const FIRST_PORT: u16 = 5_000;

/// The network of one run. Dropping it ends its task.
#[derive(Debug)]
pub(crate) struct SimNet {
    start: Instant,
    seed: u64,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    network: Network,
    /// The stack alone keeps a socket open.
    sockets: BTreeMap<SocketAddr, Weak<Socket>>,
    hosts: BTreeMap<(usize, Option<u32>), HostId>,
    next_port: BTreeMap<HostId, u16>,
    deliveries: Vec<Delivery>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimNet {
    /// A network with a host for every bot of these rooms; `viewers` gives how many a room will have.
    ///
    /// # Errors
    ///
    /// When there are more hosts than a network takes.
    pub(crate) fn start(
        file: &NetworkFile,
        seed: u64,
        rooms: &[RoomSpec],
        viewers: impl Fn(&RoomSpec) -> u32,
    ) -> Result<Arc<Self>, NetworkError> {
        let mut network = Network::new(seed, file.nat_timeout);
        let mut hosts = BTreeMap::new();
        for (number, room) in rooms.iter().enumerate() {
            let access = file.broadcaster();
            hosts.insert(
                (number, None),
                network.add_host(access.up, access.down, access.nat)?,
            );
            for viewer in 1..=viewers(room) {
                let access = file.viewer(viewer);
                let host = network.add_host(access.up, access.down, access.nat)?;
                hosts.insert((number, Some(viewer)), host);
            }
        }
        let state = Arc::new(Mutex::new(State {
            network,
            sockets: BTreeMap::new(),
            hosts,
            next_port: BTreeMap::new(),
            deliveries: Vec::new(),
        }));
        let changed = Arc::<Notify>::default();
        let start = Instant::now();
        let task = tokio::spawn(carry(Arc::clone(&state), Arc::clone(&changed), start));
        Ok(Arc::new(Self {
            start,
            seed,
            state,
            changed,
            task,
        }))
    }

    /// Seed of everything that is drawn besides the model.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// A fresh address of a bot's host; `None` for a bot that the network does not know.
    pub(crate) fn address_of(&self, room: usize, party: Party) -> Option<SocketAddr> {
        let mut state = lock(&self.state);
        let host = *state.hosts.get(&key(room, party))?;
        let port = state.next_port.entry(host).or_insert(FIRST_PORT);
        let address = SocketAddr::new(host.private_address(), *port);
        *port = port.checked_add(1).unwrap_or(FIRST_PORT);
        Some(address)
    }

    /// Cuts a bot off, or ends that.
    pub(crate) fn partition(&self, room: usize, party: Party, partitioned: bool) {
        let mut state = lock(&self.state);
        if let Some(host) = state.hosts.get(&key(room, party)).copied() {
            state.network.partition(host, partitioned);
        }
    }

    /// Changes a bot's link.
    pub(crate) fn set_link(&self, room: usize, party: Party, direction: Direction, spec: &LinkSpec) {
        let mut state = lock(&self.state);
        if let Some(host) = state.hosts.get(&key(room, party)).copied() {
            state.network.set_link(host, direction, *spec);
        }
    }

    /// What the links of a bot did to each flow so far, up and down.
    pub(crate) fn flow_counts(&self, room: usize, party: Party) -> Option<[FlowCounts; 2]> {
        let state = lock(&self.state);
        let host = *state.hosts.get(&key(room, party))?;
        Some([Direction::Up, Direction::Down].map(|way| state.network.flow_counts(host, way).clone()))
    }

    /// A socket is bound.
    pub(super) fn bind(&self, socket: &Arc<Socket>) {
        lock(&self.state)
            .sockets
            .insert(socket.address(), Arc::downgrade(socket));
    }

    /// A socket is gone.
    pub(super) fn unbind(&self) {
        // Not the one that has taken its address over.
        lock(&self.state)
            .sockets
            .retain(|_, socket| socket.strong_count() > 0);
    }

    /// Takes a datagram.
    pub(super) fn send(&self, source: SocketAddr, destination: SocketAddr, bytes: &[u8]) {
        let now = self.start.elapsed();
        let mut state = lock(&self.state);
        let Some(host) = state
            .hosts
            .values()
            .copied()
            .find(|host| host.private_address() == source.ip())
        else {
            return;
        };
        let before = state.network.next_crossing();
        let mut deliveries = std::mem::take(&mut state.deliveries);
        state.network.send_of(
            now,
            host,
            source,
            destination,
            (flow_of(bytes), bytes),
            &mut deliveries,
        );
        hand_out(&mut state, &mut deliveries, self.start);
        state.deliveries = deliveries;
        if state.network.next_crossing() != before {
            self.changed.notify_one();
        }
    }
}

/// What a datagram is counted as.
fn flow_of(bytes: &[u8]) -> Flow {
    match DatagramKind::of(bytes) {
        DatagramKind::Rtp { payload_type, .. } => Flow::Rtp(payload_type),
        _ => Flow::Other,
    }
}

impl Drop for SimNet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn key(room: usize, party: Party) -> (usize, Option<u32>) {
    match party {
        Party::Broadcaster => (room, None),
        Party::Viewer(number) => (room, Some(number)),
    }
}

/// Advances the model whenever a datagram reaches the next hop.
async fn carry(state: Arc<Mutex<State>>, changed: Arc<Notify>, start: Instant) {
    loop {
        let next: Option<Duration> = lock(&state).network.next_crossing();
        let Some(at) = next else {
            changed.notified().await;
            continue;
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(start + at) => {}
            () = changed.notified() => continue,
        }
        let mut state = lock(&state);
        let mut deliveries = std::mem::take(&mut state.deliveries);
        state.network.advance(start.elapsed(), &mut deliveries);
        hand_out(&mut state, &mut deliveries, start);
        state.deliveries = deliveries;
    }
}

/// Puts datagrams into the sockets that they are for, to be received at their time.
fn hand_out(state: &mut State, deliveries: &mut Vec<Delivery>, start: Instant) {
    for delivery in deliveries.drain(..) {
        let socket = state.sockets.get(&delivery.destination).and_then(Weak::upgrade);
        if let Some(socket) = socket {
            socket.deliver(start + delivery.at, delivery.source, delivery.bytes);
        }
    }
}
