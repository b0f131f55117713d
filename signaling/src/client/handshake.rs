//! The client's half of the opening handshake (RFC 6455 section 4.1), under a deadline, with errors that say what
//! to do.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error,
        client::IntoClientRequest,
        error::ProtocolError,
        http::{
            HeaderName, HeaderValue, Request,
            header::{Entry, SEC_WEBSOCKET_PROTOCOL},
        },
    },
};

use super::{ClientConfig, ClientTarget};
use crate::{
    message::excerpt,
    socket::{self, Socket},
};

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The URL or a header cannot be sent.
    #[error("cannot ask {url:?} for a WebSocket: {detail}; give ws://host:port/path and plain header values")]
    Request {
        /// The URL as given.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The server did not answer in time.
    #[error(
        "{url} did not answer the WebSocket handshake within {} ms; is it an HTTP server, and does it run?",
        .limit.as_millis()
    )]
    Timeout {
        /// The URL as given.
        url: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The server answered with something else than 101 Switching Protocols.
    #[error("{url} answered HTTP {status} to the WebSocket handshake, expected 101; {}{}", advice(*.status), quoted(.body))]
    Refused {
        /// The URL as given.
        url: String,
        /// The HTTP status that came.
        status: u16,
        /// The beginning of the body, as far as it had come.
        body: String,
    },
    /// The server's answer is not that of a WebSocket server.
    #[error("{url} broke the WebSocket handshake: {detail}; is something else listening there?")]
    Protocol {
        /// The URL as given.
        url: String,
        /// What was wrong.
        detail: String,
    },
    /// The server does not speak the subprotocol that was asked for.
    #[error(
        "{url} is a WebSocket, but not of subprotocol {asked:?}: {detail}; is it the server of this dialect?"
    )]
    Subprotocol {
        /// The URL as given.
        url: String,
        /// What was asked for.
        asked: String,
        /// What came of it.
        detail: String,
    },
    /// The stream failed or ended.
    #[error(
        "stream to {url} failed in the WebSocket handshake: {detail}; is the server up, and is it plain ws?"
    )]
    Io {
        /// The URL as given.
        url: String,
        /// What happened.
        detail: String,
    },
}

impl ClientError {
    /// The same under another name of the URL, for one whose query is nobody's business.
    #[must_use]
    pub fn under(mut self, name: &str) -> Self {
        match &mut self {
            Self::Request { url, .. }
            | Self::Timeout { url, .. }
            | Self::Refused { url, .. }
            | Self::Protocol { url, .. }
            | Self::Subprotocol { url, .. }
            | Self::Io { url, .. } => *url = name.to_owned(),
        }
        self
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        301 | 302 | 303 | 307 | 308 => "connect to where it redirects",
        400 | 426 => "the server did not take it for a WebSocket handshake; look for a proxy in between",
        401 | 403 => "check the Origin header and the credentials",
        404 => "check the path; a greenroom server has WebSocket at / and /ws",
        429 | 503 => "the server is at its limit; retry later",
        500..=599 => "look at the server's log",
        _ => "check that the URL is that of a signaling server",
    }
}

fn quoted(body: &str) -> String {
    match body.trim() {
        "" => String::new(),
        body => format!("; it said {body:?}"),
    }
}

pub(super) async fn shake<S>(
    stream: S,
    target: ClientTarget,
    subprotocol: Option<&'static str>,
    config: &ClientConfig,
) -> Result<Socket<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    open(stream, target, subprotocol, config).await.map(Socket::new)
}

pub(super) async fn open<S>(
    stream: S,
    target: ClientTarget,
    subprotocol: Option<&'static str>,
    config: &ClientConfig,
) -> Result<WebSocketStream<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = request(&target)?;
    if let Some(subprotocol) = subprotocol
        // Whoever gives the header wants it so.
        && let Entry::Vacant(header) = request.headers_mut().entry(SEC_WEBSOCKET_PROTOCOL)
    {
        header.insert(HeaderValue::from_static(subprotocol));
    }
    let url = target.url;
    // A command may be as long as the queue, and the library's buffer must take it whole.
    let settings = socket::config(
        config.max_message_size,
        config.send_queue.bytes.saturating_add(64 << 10),
    );
    let shaken = timeout(
        config.handshake_timeout,
        client_async_with_config(request, stream, Some(settings)),
    );
    match shaken.await {
        Err(_) => Err(ClientError::Timeout {
            url,
            limit: config.handshake_timeout,
        }),
        Ok(Ok((ws, _))) => Ok(ws),
        Ok(Err(error)) => Err(match error {
            Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = excerpt(&String::from_utf8_lossy(body));
                ClientError::Refused {
                    url,
                    status: response.status().as_u16(),
                    body,
                }
            }
            Error::Io(error) => ClientError::Io {
                url,
                detail: error.to_string(),
            },
            Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error)) => ClientError::Subprotocol {
                url,
                asked: subprotocol.unwrap_or("none").to_owned(),
                detail: error.to_string(),
            },
            Error::Protocol(error @ ProtocolError::HandshakeIncomplete) => ClientError::Io {
                url,
                detail: format!("stream ended: {error}"),
            },
            Error::Url(error) => ClientError::Request {
                url,
                detail: error.to_string(),
            },
            other => ClientError::Protocol {
                url,
                detail: other.to_string(),
            },
        }),
    }
}

fn request(target: &ClientTarget) -> Result<Request<()>, ClientError> {
    let fail = |detail: String| ClientError::Request {
        url: target.url.clone(),
        detail,
    };
    let mut request = target
        .url
        .as_str()
        .into_client_request()
        .map_err(|error| fail(error.to_string()))?;
    for (name, value) in &target.headers {
        let bad = |what: &str| fail(format!("header {name:?} has {what}"));
        let name = HeaderName::try_from(name.as_str()).map_err(|_| bad("a name that HTTP cannot send"))?;
        let value =
            HeaderValue::try_from(value.as_str()).map_err(|_| bad("a value that HTTP cannot send"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}
