//! A network in memory: sockets that hand datagrams over after a delay of tokio's clock, and the runtime
//! that gives them to the stack.
//!
//! Owns the wire and its record. One runtime serves one connection.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the driver of a connection takes from a socket before it looks at anything else: one datagram
/// and then a burst.
const BURST: usize = 65;

/// A datagram on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) at: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) lost: bool,
    pub(crate) bytes: Vec<u8>,
}

/// SplitMix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The wire between all sockets.
#[derive(Debug)]
pub(crate) struct Network {
    start: Instant,
    delay: Duration,
    /// Of 1000 datagrams.
    loss: u64,
    random: Mutex<Random>,
    seed: u64,
    /// The stack alone keeps a socket open.
    hosts: Mutex<BTreeMap<SocketAddr, Weak<Socket>>>,
    sent: Mutex<Vec<Datagram>>,
}

impl Network {
    pub(crate) fn new(delay: Duration, loss: u64, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            delay,
            loss,
            random: Mutex::new(Random(seed)),
            seed,
            hosts: Mutex::default(),
            sent: Mutex::default(),
        })
    }

    /// Every datagram so far, lost ones too.
    pub(crate) fn sent(&self) -> Vec<Datagram> {
        lock(&self.sent).clone()
    }

    fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let lost = lock(&self.random).next() % 1_000 < self.loss;
        lock(&self.sent).push(Datagram {
            at: self.start.elapsed(),
            from,
            to,
            lost,
            bytes: bytes.to_vec(),
        });
        let socket = lock(&self.hosts).get(&to).and_then(Weak::upgrade);
        if let Some(socket) = socket.filter(|_| !lost) {
            let waker = {
                let mut inbox = lock(&socket.inbox);
                inbox
                    .queue
                    .push_back((Instant::now() + self.delay, from, bytes.to_vec()));
                inbox.owner.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// What the driver that is being polled may see as ready.
    static TURN: Cell<Turn> = const { Cell::new(Turn::Any) };
    /// Whether the timer fired in its turn.
    static FIRED: Cell<bool> = const { Cell::new(false) };
}

/// The driver selects among its timer, its events and its sockets in an order that is random and follows
/// from the process, not from the run. So it is polled in turns, with only one of them ready in each.
/// Events come first; whether a timer or datagrams that are due at the same time do next, the seed says,
/// because real life has no preference and the stack may depend on one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    Any,
    /// Events alone, which are the stack's own channel.
    Events,
    /// And so many datagrams.
    Datagrams(usize),
    /// Or the timer, once.
    Timer,
}

/// The sockets of one connection.
type Sockets = Arc<Mutex<Vec<Weak<Socket>>>>;

/// A driver that is polled in turns.
struct InTurns {
    driver: Boxed<'static, ()>,
    sockets: Sockets,
    order: Random,
}

impl InTurns {
    /// Breaks off when the driver is done.
    fn poll_turn(&mut self, turn: Turn, cx: &mut Context<'_>) -> ControlFlow<()> {
        let before = TURN.replace(turn);
        let polled = self.driver.as_mut().poll(cx);
        TURN.set(before);
        match polled {
            Poll::Ready(()) => ControlFlow::Break(()),
            Poll::Pending => ControlFlow::Continue(()),
        }
    }

    /// Goes round until nothing is ready.
    fn poll_all_turns(&mut self, cx: &mut Context<'_>) -> ControlFlow<()> {
        loop {
            self.poll_turn(Turn::Events, cx)?;
            let timer_first = self.order.next().is_multiple_of(2);
            if timer_first {
                self.poll_turn(Turn::Timer, cx)?;
                if FIRED.take() {
                    continue;
                }
            }
            // One socket at a time, too.
            let due = lock(&self.sockets)
                .iter()
                .filter_map(Weak::upgrade)
                .find_map(|socket| socket.poll_due(cx));
            if let Some(count) = due {
                self.poll_turn(Turn::Datagrams(count.min(BURST)), cx)?;
                continue;
            }
            if !timer_first {
                self.poll_turn(Turn::Timer, cx)?;
                if FIRED.take() {
                    continue;
                }
            }
            return ControlFlow::Continue(());
        }
    }
}

impl Future for InTurns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_all_turns(cx) {
            ControlFlow::Break(()) => Poll::Ready(()),
            ControlFlow::Continue(()) => Poll::Pending,
        }
    }
}

/// A timer of the driver, which fires in its turn.
struct Timer(Pin<Box<Sleep>>);

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match TURN.get() {
            Turn::Events | Turn::Datagrams(_) => return Poll::Pending,
            Turn::Any | Turn::Timer => {}
        }
        let polled = self.0.as_mut().poll(cx);
        if polled.is_ready() && TURN.get() == Turn::Timer {
            FIRED.set(true);
            TURN.set(Turn::Events);
        }
        polled
    }
}

/// What a socket has received and who waits for it.
#[derive(Debug, Default)]
struct Inbox {
    queue: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    /// The task of the driver, or whoever else polls.
    owner: Option<Waker>,
    /// The driver's future for this socket.
    receive: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Socket {
    /// Keeps the stack's socket, and its address, as long as the stack does.
    _bound: std::net::UdpSocket,
    address: SocketAddr,
    network: Arc<Network>,
    inbox: Mutex<Inbox>,
}

impl Socket {
    /// How many datagrams are due; wakes the driver's future for them. Otherwise the task is woken in time.
    fn poll_due(&self, cx: &mut Context<'_>) -> Option<usize> {
        let mut inbox = lock(&self.inbox);
        loop {
            let now = Instant::now();
            let due = inbox.queue.iter().take_while(|(due, ..)| *due <= now).count();
            if due > 0 {
                if let Some(receive) = inbox.receive.take() {
                    receive.wake();
                }
                return Some(due);
            }
            inbox.owner = Some(cx.waker().clone());
            let next = inbox.queue.front()?.0;
            let timer = inbox
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return None;
            }
        }
    }

    fn take(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        let Some((_, from, bytes)) = lock(&self.inbox).queue.pop_front() else {
            return Poll::Pending;
        };
        let length = bytes.len().min(bufs[0].len());
        bufs[0][..length].copy_from_slice(&bytes[..length]);
        meta[0] = RecvMeta::default();
        meta[0].addr = from;
        meta[0].len = length;
        meta[0].stride = length.max(1);
        Poll::Ready(Ok(1))
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn poll_send(&self, _cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for bytes in transmit.contents.chunks(segment) {
            self.network.send(self.address, transmit.destination, bytes);
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match TURN.get() {
            Turn::Any => match self.poll_due(cx) {
                Some(_) => self.take(bufs, meta),
                None => Poll::Pending,
            },
            Turn::Datagrams(left) if left > 0 => {
                TURN.set(Turn::Datagrams(left - 1));
                self.take(bufs, meta)
            }
            _ => {
                lock(&self.inbox).receive = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Not the one that has taken the address over.
        lock(&self.network.hosts).retain(|_, socket| socket.strong_count() > 0);
    }
}

/// A runtime for one connection.
#[derive(Debug)]
pub(crate) struct SimulatedRuntime {
    network: Arc<Network>,
    sockets: Sockets,
    in_turns: bool,
}

impl SimulatedRuntime {
    /// `in_turns` makes the order within the driver a matter of the run.
    pub(crate) fn new(network: &Arc<Network>, in_turns: bool) -> Self {
        Self {
            network: Arc::clone(network),
            sockets: Arc::default(),
            in_turns,
        }
    }
}

impl Runtime for SimulatedRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        if !self.in_turns {
            return TokioRuntime.spawn(future);
        }
        TokioRuntime.spawn(Box::pin(InTurns {
            driver: future,
            sockets: Arc::clone(&self.sockets),
            order: Random(!self.network.seed),
        }))
    }

    fn wrap_udp_socket(&self, bound: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let address = bound.local_addr()?;
        let socket = Arc::new(Socket {
            _bound: bound,
            address,
            network: Arc::clone(&self.network),
            inbox: Mutex::default(),
        });
        lock(&self.network.hosts).insert(address, Arc::downgrade(&socket));
        let mut sockets = lock(&self.sockets);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(&socket));
        Ok(socket)
    }

    fn wrap_tcp_listener(&self, _listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn connect_tcp<'a>(&'a self, _remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn resolve_host<'a>(&'a self, _host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        Box::pin(Timer(Box::pin(tokio::time::sleep(duration))))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "simulated"
    }
}
