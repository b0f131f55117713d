//! The HTTP side of a connection: one request, which is answered or becomes a WebSocket.
//!
//! Owns routing and the opening handshake (RFC 6455 section 4.2). No request keeps the connection: the next one
//! opens its own, so that a silent client is either in its handshake, under a deadline, or a WebSocket.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
};

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Bytes,
    header::{
        ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use super::{Shared, connection};
use crate::socket::{self, Socket};

pub(super) type Answer = Response<Full<Bytes>>;

const HELP: &str = "greenroom signaling: WebSocket at / and /ws, GET /health\n";

pub(super) async fn serve<S>(shared: &Arc<Shared>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let admitted = Mutex::new(None);
    let service = service_fn(|request| {
        let (answer, place) = route(shared, &request);
        *admitted.lock().unwrap_or_else(PoisonError::into_inner) = place;
        async move { Ok::<_, Infallible>(answer) }
    });
    let exchange = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.header_timeout)
        .serve_connection(TokioIo::new(stream), service)
        .without_shutdown();
    let parts = match timeout(shared.config.http_timeout, exchange).await {
        Ok(Ok(parts)) => Some((parts.io.into_inner(), parts.read_buf)),
        Ok(Err(error)) => {
            log::debug!("HTTP exchange failed: {error}");
            None
        }
        Err(_) => {
            log::debug!(
                "HTTP exchange took longer than {} ms",
                shared.config.http_timeout.as_millis()
            );
            None
        }
    };
    let place = admitted.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (parts, place) {
        (Some((stream, already_read)), Some(place)) => {
            let config = &shared.config;
            let write_buffer = config
                .max_write_buffer_size
                .max(config.max_message_size.saturating_mul(4));
            let settings = socket::config(config.max_message_size, write_buffer);
            let ws = WebSocketStream::from_partially_read(
                stream,
                already_read.to_vec(),
                Role::Server,
                Some(settings),
            );
            connection::serve(shared, place, Socket::new(ws.await)).await;
        }
        (Some((mut stream, _)), None) => {
            shared.counters.http_only.fetch_add(1, Relaxed);
            let _ = timeout(shared.config.close_timeout, stream.shutdown()).await;
        }
        (None, _) => {
            shared.counters.http_only.fetch_add(1, Relaxed);
        }
    }
}

/// Every path of the server. Pages and metrics get their line here.
fn route<B>(shared: &Arc<Shared>, request: &Request<B>) -> (Answer, Option<Place>) {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/" | "/ws") => upgrade(shared, request.headers()),
        (&Method::GET, "/health") => (text(StatusCode::OK, "ok"), None),
        (_, "/" | "/ws" | "/health") => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, HELP);
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET"));
            (answer, None)
        }
        _ => (text(StatusCode::NOT_FOUND, HELP), None),
    }
}

/// RFC 6455 section 4.2. No extension is accepted: permessage-deflate would let a small frame become a large message.
fn upgrade(shared: &Arc<Shared>, headers: &HeaderMap) -> (Answer, Option<Place>) {
    let key = match handshake_key(headers) {
        Ok(key) => key,
        Err(answer) => return (*answer, None),
    };
    let Some(place) = Place::take(shared) else {
        return (too_many(), None);
    };
    let Ok(accept) = HeaderValue::try_from(derive_accept_key(key)) else {
        return (text(StatusCode::BAD_REQUEST, HELP), None);
    };
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    (answer, Some(place))
}

fn handshake_key(headers: &HeaderMap) -> Result<&[u8], Box<Answer>> {
    let wants = |name, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let version = headers.get(SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    if !wants(UPGRADE, "websocket") || !wants(CONNECTION, "upgrade") || version != Some(b"13") {
        let mut answer = text(StatusCode::UPGRADE_REQUIRED, HELP);
        let headers = answer.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(answer));
    }
    // 16 bytes in base64 (section 4.1).
    match headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes) {
        Some(key) if key.len() == 24 => Ok(key),
        _ => {
            let help = "Sec-WebSocket-Key must be 16 bytes in base64 (RFC 6455 section 4.1)\n";
            Err(Box::new(text(StatusCode::BAD_REQUEST, help)))
        }
    }
}

/// The answer to one connection too many.
pub(super) fn too_many() -> Answer {
    let mut answer = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many connections; retry later\n",
    );
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

pub(super) fn text(status: StatusCode, body: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}

/// One of the places of [`super::ServerConfig::max_connections`], given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
}

impl Place {
    pub(super) fn take(shared: &Arc<Shared>) -> Option<Self> {
        let limit = shared.config.max_connections as u64;
        let taken = shared
            .counters
            .connections
            .fetch_update(Relaxed, Relaxed, |open| (open < limit).then_some(open + 1));
        taken.ok().map(|_| Self {
            shared: shared.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.counters.connections.fetch_sub(1, Relaxed);
    }
}
