//! A tap on the frames and HTTP exchanges of a connection, for traces. Sees text as it is on the wire and changes nothing.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use crate::PeerId;

/// Which way a frame went, seen from the side that observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Written by this side.
    Sent,
    /// Read by this side.
    Received,
}

/// One text frame as it passed.
#[derive(Clone, Copy, Debug)]
pub struct ObservedFrame<'a> {
    /// When.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The connection, numbered from 1 by the side that observes; a client is always 0.
    pub connection: u64,
    /// The peer on that connection, once a server has named it; a client says `None`.
    pub peer: Option<&'a PeerId>,
    /// The text; empty for what the protocol has no word for.
    pub text: &'a str,
    /// What it means, as messages of greenroom's own protocol; empty where the text is one itself, or says nothing.
    pub means: &'a [String],
}

/// Called with each text frame, on the task of its connection: hand it on and return.
#[derive(Clone)]
pub struct FrameObserver(Arc<dyn Fn(&ObservedFrame<'_>) + Send + Sync>);

impl FrameObserver {
    /// Wraps a function. It must not block.
    pub fn new(observe: impl Fn(&ObservedFrame<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(crate) fn observe(&self, frame: &ObservedFrame<'_>) {
        (self.0)(frame);
    }
}

impl fmt::Debug for FrameObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameObserver")
    }
}

/// Half of an HTTP exchange, or why there is no other half.
#[derive(Clone, Copy, Debug)]
pub enum HttpPart<'a> {
    /// A request.
    Request {
        /// Such as `POST`.
        method: &'a str,
        /// The whole URL.
        url: &'a str,
        /// Those that say something about it, secrets and all.
        headers: &'a [(String, String)],
        /// The body.
        body: &'a str,
    },
    /// A response.
    Response {
        /// The status code.
        status: u16,
        /// Its headers.
        headers: &'a [(String, String)],
        /// The body.
        body: &'a str,
    },
    /// No response came.
    Failed {
        /// Why.
        reason: &'a str,
    },
}

/// Half of an HTTP exchange as it passed.
#[derive(Clone, Copy, Debug)]
pub struct ObservedHttp<'a> {
    /// When.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The exchange; both halves have its number, and a redirect begins another.
    pub exchange: u64,
    /// What passed.
    pub message: HttpPart<'a>,
    /// What it means, as messages of greenroom's own protocol.
    pub means: &'a [String],
}

/// Called with each half of an HTTP exchange, on the task of its client: hand it on and return.
#[derive(Clone)]
pub struct HttpObserver(
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "there is no client over HTTP")
    )]
    Arc<dyn Fn(&ObservedHttp<'_>) + Send + Sync>,
);

impl HttpObserver {
    /// Wraps a function. It must not block.
    pub fn new(observe: impl Fn(&ObservedHttp<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    #[cfg(feature = "http")]
    pub(crate) fn observe(&self, seen: &ObservedHttp<'_>) {
        (self.0)(seen);
    }
}

impl fmt::Debug for HttpObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpObserver")
    }
}
