//! Socket.IO on the listeners of a server: engine and namespaces are `socketioxide`'s, rooms and limits are ours.
//!
//! Owns the HTTP side, which is long-polling as well as WebSocket, and ties the library's tasks to the connection
//! that they serve. What a client says is [`guest`]'s.

mod guest;
mod leash;

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use futures_util::FutureExt as _;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, HeaderValue},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler as _, service::SocketIoService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    ServedDialect, ServerConfig, Shared,
    http::{self, Place},
};
pub(super) use guest::SocketMember;
use leash::leash;

const HELP: &str = "greenroom signaling: Socket.IO at /socket.io/, GET /health\n";

/// The Socket.IO side of a server.
pub(super) struct Gateway {
    service: SocketIoService<Elsewhere>,
    io: SocketIo,
}

impl Gateway {
    /// For a server whose dialect is one of Socket.IO.
    pub(super) fn new(config: &ServerConfig, shared: Weak<Shared>) -> Self {
        // What may wait for a host waits for each client: the library has one bound for all.
        let waiting = match config.dialect {
            ServedDialect::SocketioRooms => config.broadcaster.queue.messages,
            _ => config.viewer.queue.messages,
        };
        let (service, io) = SocketIo::builder()
            .ping_interval(config.ping_interval)
            .ping_timeout(config.dead_timeout.saturating_sub(config.ping_interval))
            .connect_timeout(config.join_timeout)
            .max_buffer_size(waiting)
            .max_payload(config.max_message_size as u64)
            .build_with_inner_svc(Elsewhere);
        let listening = shared.clone();
        let listen = move |socket: SocketRef| {
            if let Some(shared) = listening.upgrade() {
                guest::listen(&shared, &socket);
            }
            ready(Ok::<_, Infallible>(()))
        };
        let welcome = move |socket: SocketRef| {
            // In here and not in the future: what a socket says is taken in order, and the library spawns each future.
            if let Some(shared) = shared.upgrade() {
                guest::welcome(&shared, &socket);
            }
            ready(())
        };
        io.ns("/", welcome.with(listen));
        Self { service, io }
    }

    /// Serves one HTTP connection until it ends, and what it became too. Dropping the future cuts it.
    pub(super) async fn serve<S>(&self, shared: &Arc<Shared>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let place = Place::take(shared);
        let upgraded = AtomicBool::new(false);
        let upgraded = &upgraded;
        let (stream, leash) = leash(stream);
        let service = service_fn(|request| {
            let answer = place.is_some().then(|| self.service.call(request));
            async move {
                let mut answer = match answer {
                    Some(answer) => answer.await?.map(Either::Left),
                    None => http::too_many().map(Either::Right),
                };
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    upgraded.store(true, Relaxed);
                } else {
                    // As elsewhere in this server: the next request opens its own connection.
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                // A page of any origin may signal here, as it may over a WebSocket.
                answer
                    .headers_mut()
                    .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                Ok::<_, Infallible>(answer)
            }
        });
        let exchange = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.config.header_timeout)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        // A poll waits for a ping at most.
        let limit = shared.config.http_timeout + shared.config.ping_interval;
        match timeout(limit, exchange).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::debug!("HTTP exchange failed: {error}"),
            Err(_) => log::debug!("HTTP exchange took longer than {} ms", limit.as_millis()),
        }
        if !upgraded.load(Relaxed) {
            shared.counters.http_only.fetch_add(1, Relaxed);
        }
        leash.dropped().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Sessions that poll hold no connection that could be cut. The first poll of this closes all of them.
        let _ = self.io.close().now_or_never();
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway")
    }
}

/// Every path but that of Socket.IO.
#[derive(Clone, Copy, Debug)]
struct Elsewhere;

impl Service<Request<Incoming>> for Elsewhere {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let found = (request.method(), request.uri().path()) == (&Method::GET, "/health");
        ready(Ok(if found {
            http::text(StatusCode::OK, "ok")
        } else {
            http::text(StatusCode::NOT_FOUND, HELP)
        }))
    }
}
