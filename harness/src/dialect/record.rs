//! The proxy that records: a WebSocket server for the clients, and for each a client of the server behind it.
//!
//! Owns both ends of every connection and what is kept of them. Frames pass unchanged; so do the headers of the
//! handshake, but for those that belong to one connection. Nothing outlives [`Recorder::run`].

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::{accept_hdr_async, client_async};

use super::recording::{RecordedFrame, Side};
use crate::bot::dial::Dialer;

/// Clients at a time; more are not taken on.
const MAX_CONNECTIONS: usize = 256;

/// Records what passes between clients and one server.
pub(crate) struct Recorder<W> {
    upstream: Dialer,
    log: Arc<Log<W>>,
}

struct Log<W> {
    start: Instant,
    state: Mutex<(W, u64, Option<std::io::Error>)>,
}

impl<W: Write + Send + 'static> Recorder<W> {
    /// For the server behind this dialer.
    pub(crate) fn new(upstream: Dialer, out: W) -> Self {
        let state = Mutex::new((out, 0, None));
        let start = Instant::now();
        Self {
            upstream,
            log: Arc::new(Log { start, state }),
        }
    }

    /// Frames so far, and why the last one could not be written, if it could not.
    pub(crate) fn written(&self) -> (u64, Option<String>) {
        let state = self.log.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.1, state.2.as_ref().map(ToString::to_string))
    }

    /// Takes clients on until it is dropped, and tells of those whose server cannot be reached.
    pub(crate) async fn run(&self, listener: TcpListener, told: impl Fn(String)) {
        let mut connections = JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    let Ok((stream, _)) = accepted else { continue };
                    number += 1;
                    let passing = pass(stream, self.upstream.clone(), number, Arc::clone(&self.log));
                    connections.spawn(passing);
                }
                Some(ended) = connections.join_next() => {
                    if let Ok(Err(problem)) = ended {
                        told(problem);
                    }
                }
            }
        }
    }
}

impl<W: Write> Log<W> {
    fn keep(&self, connection: u64, from: Side, message: &Message) {
        let Message::Text(text) = message else { return };
        let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let frame = RecordedFrame {
            connection,
            at_ms,
            from,
            text: text.to_string(),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, frames, failed) = &mut *state;
        let written = serde_json::to_string(&frame)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(out, "{line}"))
            .and_then(|()| out.flush());
        match written {
            Ok(()) => *frames += 1,
            Err(error) => *failed = Some(error),
        }
    }
}

/// One client and its connection to the server, until either ends.
async fn pass<W: Write>(
    stream: TcpStream,
    upstream: Dialer,
    number: u64,
    log: Arc<Log<W>>,
) -> Result<(), String> {
    let mut asked = None;
    #[expect(clippy::result_large_err, reason = "the callback is the library's")]
    let look = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        // The server has not chosen yet; what a client asks for first is what servers choose.
        let protocols = request.headers().get(SEC_WEBSOCKET_PROTOCOL);
        let first = protocols
            .and_then(|all| all.to_str().ok())
            .and_then(|all| all.split(',').next());
        if let Some(first) = first.and_then(|first| first.trim().parse().ok()) {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, first);
        }
        asked = Some(request.clone());
        Ok(response)
    };
    let client = accept_hdr_async(stream, look).await;
    let mut client = client.map_err(|error| format!("client {number}: no WebSocket: {error}"))?;
    let wanted = |detail: String| format!("client {number}: the server behind: {detail}");
    let mut request = upstream
        .asked()
        .into_client_request()
        .map_err(|error| wanted(error.to_string()))?;
    for (name, value) in asked.iter().flat_map(|asked| asked.headers()) {
        let is_its_own = matches!(
            name.as_str(),
            "host" | "connection" | "upgrade" | "sec-websocket-key" | "sec-websocket-version"
        );
        // Compressed frames could not be read.
        if !is_its_own && name.as_str() != "sec-websocket-extensions" {
            request.headers_mut().append(name.clone(), value.clone());
        }
    }
    for (name, value) in upstream.headers() {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(wanted(format!("the header {name:?} cannot be sent")));
        };
        request.headers_mut().insert(name, value);
    }
    let stream = upstream.open().await.map_err(|error| wanted(error.to_string()))?;
    let (mut server, _) = client_async(request, stream)
        .await
        .map_err(|error| wanted(error.to_string()))?;
    loop {
        let (message, from) = tokio::select! {
            message = client.next() => (message, Side::Client),
            message = server.next() => (message, Side::Server),
        };
        let Some(Ok(message)) = message else {
            let _ = client.close(None).await;
            let _ = server.close(None).await;
            return Ok(());
        };
        log.keep(number, from, &message);
        // Each end answers pings itself.
        if matches!(message, Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) {
            continue;
        }
        let passed = match from {
            Side::Client => server.send(message).await,
            Side::Server => client.send(message).await,
        };
        if passed.is_err() {
            return Ok(());
        }
    }
}
