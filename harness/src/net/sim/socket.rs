//! A socket of the simulated network: an inbox in order of time.
//!
//! Owns what one connection has received and not yet read, bounded as a kernel's receive buffer is.

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep};
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::carrier::SimNet;
use crate::net::turn::{self, Turn};

/// Datagrams that may wait; more are dropped, as by a kernel whose receive buffer is full.
const MAX_WAITING: usize = 16_384;

#[derive(Debug, Default)]
struct Inbox {
    /// By time of arrival, then in the order in which they were handed out.
    waiting: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    handed_out: u64,
    taken: u64,
    /// The task of the driver, or whoever else polls.
    owner: Option<Waker>,
    /// The driver's future for this socket.
    receive: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
pub(super) struct Socket {
    /// Keeps the stack's socket, and its address, as long as the stack does.
    _bound: std::net::UdpSocket,
    address: SocketAddr,
    net: Arc<SimNet>,
    inbox: Mutex<Inbox>,
}

impl Socket {
    pub(super) fn new(bound: std::net::UdpSocket, net: Arc<SimNet>) -> io::Result<Arc<Self>> {
        let socket = Arc::new(Self {
            address: bound.local_addr()?,
            _bound: bound,
            net,
            inbox: Mutex::default(),
        });
        socket.net.bind(&socket);
        Ok(socket)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a datagram that arrives at `at`.
    pub(super) fn deliver(&self, at: Instant, from: SocketAddr, bytes: Vec<u8>) {
        let waker = {
            let mut inbox = self.inbox();
            if inbox.waiting.len() == MAX_WAITING {
                return;
            }
            let place = (at, inbox.handed_out);
            inbox.handed_out += 1;
            inbox.waiting.insert(place, (from, bytes));
            inbox.owner.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How many datagrams have arrived; has the driver's future for them polled. Before that, the task is woken
    /// in time.
    pub(super) fn poll_due(&self, cx: &mut Context<'_>) -> Option<usize> {
        let mut inbox = self.inbox();
        loop {
            let now = Instant::now();
            let due = inbox.waiting.keys().take_while(|(at, _)| *at <= now).count();
            if due > 0 {
                if let Some(receive) = inbox.receive.take() {
                    receive.wake();
                }
                return Some(due);
            }
            inbox.owner = Some(cx.waker().clone());
            let (next, _) = *inbox.waiting.keys().next()?;
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

    /// Has the driver's future for this socket polled.
    pub(super) fn poll_again(&self) {
        let receive = self.inbox().receive.take();
        if let Some(receive) = receive {
            receive.wake();
        }
    }

    /// How many datagrams were taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.inbox().taken
    }

    fn take(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        let mut inbox = self.inbox();
        let Some((_, (from, bytes))) = inbox.waiting.pop_first() else {
            return Poll::Pending;
        };
        inbox.taken += 1;
        drop(inbox);
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let length = bytes.len().min(buf.len());
        buf[..length].copy_from_slice(&bytes[..length]);
        *meta = RecvMeta::default();
        meta.addr = from;
        meta.len = length;
        meta.stride = length.max(1);
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
            self.net.send(self.address, transmit.destination, bytes);
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match turn::current() {
            Turn::Any => match self.poll_due(cx) {
                Some(_) => self.take(bufs, meta),
                None => Poll::Pending,
            },
            Turn::Datagrams(left @ 1..) => {
                let taken = self.take(bufs, meta);
                if taken.is_ready() {
                    turn::give(Turn::Datagrams(left - 1));
                } else {
                    self.inbox().receive = Some(cx.waker().clone());
                }
                taken
            }
            _ => {
                self.inbox().receive = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.net.unbind();
    }
}
