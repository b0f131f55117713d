//! Counters of a server, and the causes by which it counts closed connections.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why a server's WebSocket connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseCause {
    /// The peer said `leave`; closed with 1000.
    Left,
    /// The client closed it.
    ClientClosed,
    /// The stream ended without a close frame.
    Eof,
    /// The stream failed otherwise.
    Io,
    /// Nothing came for [`crate::ServerConfig::dead_timeout`]; closed with 1008.
    Timeout,
    /// No join within [`crate::ServerConfig::join_timeout`]; closed with 1008.
    NoJoin,
    /// The call has its two peers; closed with 1008.
    CallFull,
    /// More waited for the client than its queue holds; closed with 1008.
    Slow,
    /// The client sent faster than its rate; closed with 1008.
    Flood,
    /// A frame or message over [`crate::ServerConfig::max_message_size`]; closed with 1009.
    TooBig,
    /// A binary message; closed with 1003.
    Binary,
    /// A text frame that is not UTF-8; closed with 1007.
    InvalidText,
    /// The client broke RFC 6455; closed with 1002.
    Protocol,
    /// The task that served it was dropped.
    Dropped,
}

impl CloseCause {
    /// The close code and the first word of the reason; `None` where the server sends no close frame of its own.
    pub(super) fn code(self) -> Option<CloseCode> {
        match self {
            Self::Left => Some(CloseCode::Normal),
            Self::Timeout | Self::NoJoin | Self::CallFull | Self::Slow | Self::Flood => {
                Some(CloseCode::Policy)
            }
            Self::TooBig => Some(CloseCode::Size),
            Self::Binary => Some(CloseCode::Unsupported),
            Self::InvalidText => Some(CloseCode::Invalid),
            Self::Protocol => Some(CloseCode::Protocol),
            Self::ClientClosed | Self::Eof | Self::Io | Self::Dropped => None,
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::ClientClosed => "client-closed",
            Self::Eof => "eof",
            Self::Io => "io",
            Self::Timeout => "timeout",
            Self::NoJoin => "no-join",
            Self::CallFull => "call-full",
            Self::Slow => "slow",
            Self::Flood => "flood",
            Self::TooBig => "too-big",
            Self::Binary => "binary",
            Self::InvalidText => "invalid-text",
            Self::Protocol => "protocol",
            Self::Dropped => "dropped",
        })
    }
}

/// Counters at one moment. Those that are not of the moment count from the start of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// WebSocket connections that are open.
    pub connections: u64,
    /// WebSocket connections that were ever opened.
    pub connections_opened: u64,
    /// Rooms with somebody in them.
    pub rooms: u64,
    /// Peers that are in a room.
    pub members: u64,
    /// HTTP connections that ended without a WebSocket: other requests, refusals, timeouts.
    pub http_only: u64,
    /// Text frames that came.
    pub messages_received: u64,
    /// Frames that were queued for members, one for each recipient.
    pub messages_relayed: u64,
    /// Messages that were answered with an error.
    pub messages_rejected: u64,
    /// Closed WebSocket connections by cause.
    pub closed: BTreeMap<CloseCause, u64>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connections_opened: AtomicU64,
    pub(super) http_only: AtomicU64,
    pub(super) messages_received: AtomicU64,
    pub(super) messages_relayed: AtomicU64,
    pub(super) messages_rejected: AtomicU64,
    closed: Mutex<BTreeMap<CloseCause, u64>>,
}

impl Counters {
    pub(super) fn closed(&self, cause: CloseCause) {
        *self
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(cause)
            .or_default() += 1;
    }

    pub(super) fn snapshot(&self, rooms: usize, members: usize) -> ServerStats {
        ServerStats {
            connections: self.connections.load(Relaxed),
            connections_opened: self.connections_opened.load(Relaxed),
            rooms: rooms as u64,
            members: members as u64,
            http_only: self.http_only.load(Relaxed),
            messages_received: self.messages_received.load(Relaxed),
            messages_relayed: self.messages_relayed.load(Relaxed),
            messages_rejected: self.messages_rejected.load(Relaxed),
            closed: self.closed.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
