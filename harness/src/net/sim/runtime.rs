//! The runtime that the stack gets in a simulated run: sockets of the network in memory, tokio's paused clock.
//!
//! Owns the wrapping of `webrtc::runtime::Runtime` for one connection. It reads no real clock.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::carrier::SimNet;
use super::driver::{InTurns, Sockets, Timer};
use super::socket::Socket;
use crate::net::connecting::Connecting;

/// The runtime of one connection.
#[derive(Debug)]
pub(crate) struct SimRuntime {
    net: Arc<SimNet>,
    sockets: Sockets,
    connecting: Arc<Connecting>,
    /// Tells connections apart in what is drawn for them.
    number: u64,
}

impl SimRuntime {
    pub(crate) fn new(net: Arc<SimNet>, connecting: Arc<Connecting>, number: u64) -> Self {
        Self {
            net,
            sockets: Sockets::default(),
            connecting,
            number,
        }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for SimRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        let seed = !self.net.seed() ^ self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        TokioRuntime.spawn(Box::pin(InTurns::new(
            future,
            Arc::clone(&self.sockets),
            Arc::clone(&self.connecting),
            seed,
        )))
    }

    fn wrap_udp_socket(&self, bound: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = Socket::new(bound, Arc::clone(&self.net))?;
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        // The model has addresses and no names.
        Box::pin(async move {
            host.parse()
                .map(|address| vec![address])
                .map_err(|_| io::ErrorKind::NotFound.into())
        })
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
