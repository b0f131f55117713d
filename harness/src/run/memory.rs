//! Byte streams in memory between bots and a server of the same process, in real and in virtual time.
//!
//! Owns the streams that are open, so that a server can vanish with all of them. Knows nothing of what they carry.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What may be under way in one direction of one half, in bytes.
const BUFFER: usize = 64 * 1024;

/// Connections that may wait to be accepted; whoever dials then waits too.
const BACKLOG: usize = 1_024;

/// First port of those who dial.
const FIRST_PORT: u16 = 40_001;

/// A listener in memory. With the feature `axum` it implements `axum::serve::Listener`.
#[derive(Debug)]
pub struct MemoryListener {
    incoming: mpsc::Receiver<DuplexStream>,
    accepted: u16,
}

impl MemoryListener {
    /// The next connection and an address that only tells it from others. Cancel-safe; waits for good once the run is
    /// over.
    pub async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        let Some(stream) = self.incoming.recv().await else {
            return std::future::pending().await;
        };
        let port = FIRST_PORT.wrapping_add(self.accepted).max(1);
        self.accepted = self.accepted.wrapping_add(1);
        (stream, ([127, 0, 0, 1], port).into())
    }
}

#[cfg(feature = "axum")]
impl axum::serve::Listener for MemoryListener {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(([127, 0, 0, 1], 80).into())
    }
}

/// Where bots dial and a server listens, one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange(Arc<Mutex<Option<Line>>>);

#[derive(Debug)]
struct Line {
    listener: mpsc::Sender<DuplexStream>,
    /// Each carries what goes over one connection; without them both ends see the end of the stream.
    carriers: JoinSet<()>,
}

impl Exchange {
    fn line(&self) -> MutexGuard<'_, Option<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A listener for a server; whatever the one before had is cut.
    pub(super) fn listen(&self) -> MemoryListener {
        let (listener, incoming) = mpsc::channel(BACKLOG);
        *self.line() = Some(Line {
            listener,
            carriers: JoinSet::new(),
        });
        MemoryListener {
            incoming,
            accepted: 0,
        }
    }

    /// Cuts every connection, and refuses new ones.
    pub(super) fn cut(&self) {
        *self.line() = None;
    }

    /// Opens a connection to whoever listens.
    pub(super) async fn dial(&self) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listener = self
            .line()
            .as_ref()
            .map(|line| line.listener.clone())
            .ok_or_else(refused)?;
        let (ours, mut near) = duplex(BUFFER);
        let (mut far, theirs) = duplex(BUFFER);
        listener.send(theirs).await.map_err(|_| refused())?;
        let mut line = self.line();
        let line = line.as_mut().ok_or_else(refused)?;
        while line.carriers.try_join_next().is_some() {}
        line.carriers.spawn(async move {
            // An error is an end that was dropped, and the other one is dropped for it.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_said_at_one_end_is_heard_at_the_other() {
        let exchange = Exchange::default();
        let mut listener = exchange.listen();
        let (mut ours, (mut theirs, _)) =
            tokio::join!(async { exchange.dial().await.unwrap() }, listener.accept());
        ours.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        theirs.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_vanishes_takes_its_connections_with_it_and_the_next_one_has_none() {
        let exchange = Exchange::default();
        assert!(exchange.dial().await.is_err(), "nobody listens yet");
        let mut listener = exchange.listen();
        let mut ours = exchange.dial().await.unwrap();
        let (mut theirs, _) = listener.accept().await;
        exchange.cut();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(exchange.dial().await.is_err());
        let mut next = exchange.listen();
        assert!(exchange.dial().await.is_ok());
        next.accept().await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_dials_a_listener_that_was_dropped_is_refused() {
        let exchange = Exchange::default();
        drop(exchange.listen());
        let refused = exchange.dial().await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
