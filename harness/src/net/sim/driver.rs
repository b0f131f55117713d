//! A driver of the stack that is polled in turns, so that a run repeats.
//!
//! Events come first; whether a timer or datagrams that are due at the same time do next, the seed says,
//! because real life has no preference and the stack may depend on one.
//!
//! Owns the order within one connection. It changes nothing of what is ready.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use tokio::time::Sleep;

use super::socket::Socket;
use crate::net::connecting::Connecting;
use crate::net::model::Random;
use crate::net::turn::{self, Turn};

/// What the driver takes from a socket before it looks at anything else: one datagram and then a burst.
const BURST: usize = 65;

/// The sockets of one connection.
pub(super) type Sockets = Arc<Mutex<Vec<Weak<Socket>>>>;

/// A driver that is polled in turns.
pub(super) struct InTurns {
    driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    sockets: Sockets,
    connecting: Arc<Connecting>,
    order: Random,
}

impl InTurns {
    pub(super) fn new(
        driver: Pin<Box<dyn Future<Output = ()> + Send>>,
        sockets: Sockets,
        connecting: Arc<Connecting>,
        seed: u64,
    ) -> Self {
        Self {
            driver,
            sockets,
            connecting,
            order: Random::new(seed),
        }
    }

    fn timer_first(&mut self) -> bool {
        self.order.bits().is_multiple_of(2)
    }

    /// Breaks off when the driver is done.
    fn poll_turn(&mut self, turn: Turn, cx: &mut Context<'_>) -> ControlFlow<()> {
        let before = turn::give(turn);
        let polled = self.driver.as_mut().poll(cx);
        turn::give(before);
        match polled {
            Poll::Ready(()) => ControlFlow::Break(()),
            Poll::Pending => ControlFlow::Continue(()),
        }
    }

    fn sockets(&self) -> Vec<Arc<Socket>> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().filter_map(Weak::upgrade).collect()
    }

    /// Lets the driver receive what is there: what waits in front of the network, or of one socket. Tells whether
    /// it did; a driver that does not listen yet is woken when it does.
    fn receive(&mut self, cx: &mut Context<'_>) -> ControlFlow<(), bool> {
        let sockets = self.sockets();
        if self.connecting.has_work() {
            self.connecting.poll_again();
            sockets.iter().for_each(|socket| socket.poll_again());
            self.poll_turn(Turn::Datagrams(1), cx)?;
            return ControlFlow::Continue(!self.connecting.has_work());
        }
        for socket in &sockets {
            if let Some(count) = socket.poll_due(cx) {
                let before = socket.taken();
                self.poll_turn(Turn::Datagrams(count.min(BURST)), cx)?;
                return ControlFlow::Continue(socket.taken() > before);
            }
        }
        ControlFlow::Continue(false)
    }

    /// Goes round until nothing is ready.
    fn poll_all_turns(&mut self, cx: &mut Context<'_>) -> ControlFlow<()> {
        loop {
            self.poll_turn(Turn::Events, cx)?;
            let timer_first = self.timer_first();
            if timer_first {
                self.poll_turn(Turn::Timer, cx)?;
                if turn::take_fired() {
                    continue;
                }
            }
            if self.receive(cx)? {
                continue;
            }
            if !timer_first {
                self.poll_turn(Turn::Timer, cx)?;
                if turn::take_fired() {
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
pub(super) struct Timer(pub(super) Pin<Box<Sleep>>);

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match turn::current() {
            Turn::Events | Turn::Datagrams(_) => return Poll::Pending,
            Turn::Any | Turn::Timer => {}
        }
        let polled = self.0.as_mut().poll(cx);
        if polled.is_ready() && turn::current() == Turn::Timer {
            turn::fired();
        }
        polled
    }
}
