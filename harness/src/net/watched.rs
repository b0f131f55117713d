//! Watched sockets: the runtime that is injected into the stack, with a tap and impairment on each one.
//!
//! Owns the wrapping of `webrtc::runtime::Runtime` over another one, tokio's or the simulated network's.
//! It decides nothing about what it carries.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, Transmit,
};

use super::connecting::Connecting;
use super::filter::{DatagramFate, DatagramFilter};
use super::impair::{Impairer, Impairment};
use super::relayed::{self, Relayed};
use super::tap::{Datagram, Tap, Way};

/// The runtime of one connection, with every datagram seen and possibly impaired.
#[derive(Debug)]
pub(crate) struct WatchedRuntime {
    inner: Arc<dyn Runtime>,
    tap: Option<Tap>,
    impairment: Option<Impairment>,
    filter: Option<DatagramFilter>,
    connecting: Arc<Connecting>,
}

impl WatchedRuntime {
    /// A runtime for one connection; needs to be used inside a tokio runtime. Received media waits until
    /// `connecting` is opened.
    pub(crate) fn new(
        inner: Arc<dyn Runtime>,
        tap: Option<Tap>,
        (impairment, filter): (Option<Impairment>, Option<DatagramFilter>),
        connecting: Arc<Connecting>,
    ) -> Self {
        Self {
            inner,
            tap,
            impairment,
            filter,
            connecting,
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for WatchedRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.inner.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = self.inner.wrap_udp_socket(socket)?;
        let local = inner.local_addr()?;
        let delayed = self
            .impairment
            .map(|impairment| Delayed::start(impairment, Arc::clone(&inner)));
        Ok(Arc::new(TappedSocket {
            inner,
            local,
            tap: self.tap.clone(),
            delayed,
            filter: self.filter.clone(),
            connecting: Arc::clone(&self.connecting),
            relayed: Mutex::default(),
        }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.inner.resolve_host(host)
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.inner.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.inner.yield_now()
    }

    fn name(&self) -> &'static str {
        "greenroom"
    }
}

/// A UDP socket whose datagrams are seen and possibly delayed or lost.
#[derive(Debug)]
struct TappedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    tap: Option<Tap>,
    delayed: Option<Delayed>,
    filter: Option<DatagramFilter>,
    connecting: Arc<Connecting>,
    relayed: Mutex<Relayed>,
}

impl TappedSocket {
    /// Hands media that a TURN server relays to the stack without its wrapping, as if its sender had sent it here: the
    /// stack would unwrap it after it has announced tracks, and lose what comes before the announcement (docs/engine.md).
    fn unwrap_media(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta], count: usize) {
        for (buf, meta) in bufs.iter_mut().zip(meta).take(count) {
            let received = meta.len.min(buf.len());
            // One datagram alone: those that the kernel has joined differ in what is around them.
            if !relayed::is_media(&buf[..received]) || received > meta.stride.max(1) {
                continue;
            }
            let mut relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
            let inner = relayed.unwrap(&self.datagram(Way::In, meta.addr, &buf[..received]));
            let Some((remote, bytes)) = inner.map(|inner| (inner.remote, inner.bytes.to_vec())) else {
                continue;
            };
            buf[..bytes.len()].copy_from_slice(&bytes);
            (meta.addr, meta.len, meta.stride) = (remote, bytes.len(), bytes.len());
        }
    }

    fn datagram<'a>(&self, way: Way, remote: SocketAddr, bytes: &'a [u8]) -> Datagram<'a> {
        Datagram {
            way,
            local: self.local,
            remote,
            at: Instant::now(),
            bytes,
        }
    }

    fn see_received(&self, bufs: &[IoSliceMut<'_>], meta: &[RecvMeta], count: usize) {
        if self.tap.is_none() {
            return;
        }
        for (buf, meta) in bufs.iter().zip(meta).take(count) {
            for datagram in buf[..meta.len.min(buf.len())].chunks(meta.stride.max(1)) {
                self.see(Way::In, meta.addr, datagram);
            }
        }
    }

    fn see(&self, way: Way, remote: SocketAddr, bytes: &[u8]) {
        if let Some(tap) = &self.tap {
            tap.see(&self.datagram(way, remote, bytes));
        }
    }
}

impl TappedSocket {
    /// Sends one datagram to where another one goes. A socket without room loses it, as a network may.
    fn put(&self, cx: &mut Context<'_>, like: &Transmit<'_>, datagram: &[u8]) {
        match &self.delayed {
            Some(delayed) => delayed.send(like.destination, datagram),
            None => {
                let transmit = Transmit {
                    contents: datagram,
                    segment_size: None,
                    destination: like.destination,
                    ecn: like.ecn,
                    src_ip: like.src_ip,
                };
                let _ = self.inner.poll_send(cx, &transmit);
            }
        }
    }
}

impl AsyncUdpSocket for TappedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        if relayed::is_channel_bind(transmit.contents) {
            let request = self.datagram(Way::Out, transmit.destination, transmit.contents);
            let mut relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = relayed.unwrap(&request);
        }
        if let Some(filter) = &self.filter {
            let datagrams = || transmit.contents.chunks(segment);
            let fates: Vec<DatagramFate> = datagrams().map(|datagram| filter.fate(datagram)).collect();
            if fates.iter().any(|fate| *fate != DatagramFate::Pass) {
                for (datagram, fate) in datagrams().zip(fates) {
                    // The tap shows what the stack has sent; what came of it is seen at the other end.
                    self.see(Way::Out, transmit.destination, datagram);
                    match fate {
                        DatagramFate::Pass => self.put(cx, transmit, datagram),
                        DatagramFate::Instead(others) => {
                            others.iter().for_each(|other| self.put(cx, transmit, other));
                        }
                    }
                }
                return Poll::Ready(Ok(transmit.contents.len()));
            }
        }
        let sent = match &self.delayed {
            Some(delayed) => {
                for datagram in transmit.contents.chunks(segment) {
                    delayed.send(transmit.destination, datagram);
                }
                Poll::Ready(Ok(transmit.contents.len()))
            }
            None => self.inner.poll_send(cx, transmit),
        };
        if let Poll::Ready(Ok(_)) = sent {
            for datagram in transmit.contents.chunks(segment) {
                self.see(Way::Out, transmit.destination, datagram);
            }
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if !super::turn::may_receive() {
            self.connecting.remember(cx.waker());
            return self.inner.poll_recv(cx, bufs, meta);
        }
        loop {
            let open = self.connecting.is_open();
            if !open && self.connecting.take_nudge() {
                // Transient for the driver: it goes round its loop, and so to its timers, once.
                return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
            }
            if open {
                let waited = self.connecting.deliver(bufs, meta);
                if waited > 0 {
                    return Poll::Ready(Ok(waited));
                }
            }
            let received = self.inner.poll_recv(cx, bufs, meta);
            match received {
                Poll::Ready(Ok(count)) => {
                    self.see_received(bufs, meta, count);
                    self.unwrap_media(bufs, meta, count);
                    let kept = if open {
                        count
                    } else {
                        self.connecting.hold_back(bufs, meta, count)
                    };
                    if kept > 0 || count == 0 {
                        return Poll::Ready(Ok(kept));
                    }
                }
                Poll::Pending if !open => {
                    self.connecting.register(cx.waker());
                    return Poll::Pending;
                }
                other => return other,
            }
        }
    }
}

/// Outgoing datagrams under way; the task that carries them ends with the socket.
#[derive(Debug)]
struct Delayed {
    start: Instant,
    impairer: Arc<Mutex<Impairer>>,
    changed: Arc<Notify>,
    task: AbortHandle,
}

impl Delayed {
    fn start(impairment: Impairment, socket: Arc<dyn AsyncUdpSocket>) -> Self {
        let start = Instant::now();
        let impairer = Arc::new(Mutex::new(Impairer::new(impairment)));
        let changed = Arc::<Notify>::default();
        let carrying = carry(start, Arc::clone(&impairer), Arc::clone(&changed), socket);
        Self {
            start,
            impairer,
            changed,
            task: tokio::spawn(carrying).abort_handle(),
        }
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let mut impairer = self.impairer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = impairer.next_due();
        impairer.send(self.start.elapsed(), to, datagram);
        if impairer.next_due() != before {
            self.changed.notify_one();
        }
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends each datagram when it is due.
async fn carry(
    start: Instant,
    impairer: Arc<Mutex<Impairer>>,
    changed: Arc<Notify>,
    socket: Arc<dyn AsyncUdpSocket>,
) {
    let lock = || impairer.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let due = lock().take_due(start.elapsed());
        if let Some((to, datagram)) = due {
            // Sending may fail as on any network; whoever waits for the datagram notices.
            let _ = socket.send_to(&datagram, to).await;
            continue;
        }
        let next = lock().next_due();
        tokio::select! {
            biased;
            () = changed.notified() => {}
            () = tokio::time::sleep_until(start + next.unwrap_or_default()), if next.is_some() => {}
        }
    }
}
