//! Where connections get their UDP ports from: the machine, or the simulated network.
//!
//! Owns that choice, and a port for an engine that is not the built-in one. What is sent through it is not its business.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, TokioRuntime};

use super::connecting::Connecting;
use super::filter::DatagramFilter;
use super::impair::Impairment;
#[cfg(feature = "sim")]
use super::sim::{SimNet, SimRuntime};
use super::tap::Tap;
use super::watched::WatchedRuntime;

/// The most that one receive gives: a run of datagrams that the kernel has put together, or one of the largest.
const MAX_RECEIVED: usize = 64 * 1_024;

/// Where the connections of a run get their UDP ports from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    #[cfg(feature = "sim")]
    simulated: Option<Arc<SimNet>>,
}

impl Ports {
    /// Ports of a network in memory.
    #[cfg(feature = "sim")]
    pub(crate) fn simulated(network: Option<Arc<SimNet>>) -> Self {
        Self { simulated: network }
    }

    /// Whether the network is a model.
    pub(crate) fn is_simulated(&self) -> bool {
        #[cfg(feature = "sim")]
        return self.simulated.is_some();
        #[cfg(not(feature = "sim"))]
        false
    }

    /// What gives one connection its sockets and timers; `number` tells connections apart in what is drawn for them.
    #[cfg_attr(
        not(feature = "sim"),
        expect(unused_variables, reason = "there is one network, the machine's")
    )]
    pub(crate) fn runtime(&self, number: u64, connecting: &Arc<Connecting>) -> Arc<dyn Runtime> {
        #[cfg(feature = "sim")]
        if let Some(network) = &self.simulated {
            return Arc::new(SimRuntime::new(
                Arc::clone(network),
                Arc::clone(connecting),
                number,
            ));
        }
        Arc::new(TokioRuntime)
    }

    /// A port that is bound to `address`, with what watches it and gets in its way.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub(crate) fn open(
        &self,
        address: SocketAddr,
        tap: Option<Tap>,
        in_the_way: (Option<Impairment>, Option<DatagramFilter>),
    ) -> io::Result<Port> {
        // Nothing is held back for a stack that takes media whenever it comes.
        let connecting = Arc::<Connecting>::default();
        connecting.open();
        let inner = self.runtime(0, &connecting);
        let bound = UdpSocket::bind(address)?;
        bound.set_nonblocking(true)?;
        let socket = WatchedRuntime::new(inner, tap, in_the_way, connecting).wrap_udp_socket(bound)?;
        Ok(Port {
            local: socket.local_addr()?,
            socket,
            buffer: vec![0; MAX_RECEIVED],
            waiting: VecDeque::new(),
        })
    }
}

/// The UDP port of one connection, on the machine's network or the simulated one; dropping it closes it.
#[derive(Debug)]
pub struct Port {
    socket: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    buffer: Vec<u8>,
    waiting: VecDeque<(SocketAddr, Bytes)>,
}

impl Port {
    /// The address that it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// As the network says; UDP says little.
    pub async fn send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        self.socket.send_to(datagram, to).await.map(|_| ())
    }

    /// The next datagram and whom it is from. Cancel safe: what was received and not given out is given out next time.
    ///
    /// # Errors
    ///
    /// As the network says; the port may be used again after it.
    pub async fn receive(&mut self) -> io::Result<(SocketAddr, Bytes)> {
        loop {
            if let Some(received) = self.waiting.pop_front() {
                return Ok(received);
            }
            let Self { socket, buffer, .. } = self;
            let mut meta = [RecvMeta::default()];
            poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(buffer)], &mut meta)).await?;
            let [meta] = meta;
            let run = &buffer[..meta.len.min(buffer.len())];
            // The kernel may have put datagrams of one sender together.
            self.waiting.extend(
                run.chunks(meta.stride.max(1))
                    .map(|datagram| (meta.addr, Bytes::copy_from_slice(datagram))),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_gives_datagrams_as_they_were_sent() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let open = || Ports::default().open(any, None, (None, None)).unwrap();
        let (here, mut there) = (open(), open());
        for datagram in [&b"one"[..], b"three"] {
            here.send(there.local_addr(), datagram).await.unwrap();
        }
        for datagram in [&b"one"[..], b"three"] {
            let (from, bytes) = there.receive().await.unwrap();
            assert_eq!((from, &bytes[..]), (here.local_addr(), datagram));
        }
    }
}
