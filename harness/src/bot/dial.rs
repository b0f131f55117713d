//! Dialing: how a bot reaches its signaling server.
//!
//! Owns the way from a URL to a byte stream, or to a client of the caller's in place of greenroom's; the client that
//! speaks over it is generic, so an in-memory stream can stand here as well.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use greenroom_signaling::{
    BotGone, ClientConfig, ClientError, ClientEvents, ClientHandle, ClientTarget, Command, DialectName,
    Event, SignalingPeer, UnspokenDialect,
};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use url::Url;

use super::access::Access;
use super::tls::{Tls, TrustError, is_distrust};
use crate::dialect::Spoken;

/// How long opening the byte stream may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A byte stream to a server.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

type Opening = Pin<Box<dyn Future<Output = std::io::Result<Box<dyn ByteStream>>> + Send>>;

/// Opens byte streams to one signaling server.
#[derive(Clone)]
pub struct Dialer {
    /// As it is shown: without a query, in which tokens are carried.
    url: String,
    /// As it is asked for.
    asked: String,
    open: Arc<dyn Fn() -> Opening + Send + Sync>,
    client: Option<CallersClient>,
    /// What gets in; its headers go to this server only.
    access: Access,
    /// Whether it reaches the servers of other URLs too: not through streams of the caller's.
    reaches_others: bool,
    dialect: Spoken,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A bot as a signaling client of the caller's sees it.
#[derive(Debug)]
pub struct SignalingBot {
    peer: SignalingPeer,
    dialer: Dialer,
}

impl SignalingBot {
    /// What the bot wants next; `None` when it wants nothing any more, and the client should end. Cancel-safe.
    pub async fn next_command(&mut self) -> Option<Command> {
        self.peer.next_command().await
    }

    /// Tells the bot what happened, and waits while it has enough to read.
    ///
    /// # Errors
    ///
    /// The bot is gone.
    pub async fn tell(&self, event: Event) -> Result<(), BotGone> {
        self.peer.tell(event).await
    }

    /// Opens a byte stream to the signaling server of the run.
    ///
    /// # Errors
    ///
    /// Nobody listens, or nobody answers within 5 s.
    pub async fn dial(&self) -> Result<Box<dyn ByteStream>, DialError> {
        self.dialer.open().await
    }
}

type Client = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A signaling client of the caller's, started for each bot.
#[derive(Clone)]
pub(crate) struct CallersClient(Arc<dyn Fn(SignalingBot) -> Client + Send + Sync>);

impl CallersClient {
    pub(crate) fn new<F, E>(client: impl Fn(SignalingBot) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let client = Arc::new(client);
        Self(Arc::new(move |bot| {
            let client = Arc::clone(&client);
            // The function itself is called within, so that a panic in it is the client's too.
            Box::pin(async move { client(bot).await.map_err(|error| error.to_string()) })
        }))
    }
}

impl std::fmt::Debug for CallersClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallersClient")
    }
}

/// A URL that is no signaling server's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// It does not parse.
    #[error(
        "{url:?} is not a URL: {reason}; write it as ws://HOST:PORT/, or http://HOST:PORT/PATH for WHIP and WHEP"
    )]
    Malformed {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Its scheme is not spoken.
    #[error(
        "{url:?} has scheme {scheme:?}; greenroom speaks {} here (for example {}://127.0.0.1:3000/)",
        .spoken.map(|scheme| format!("{scheme}://")).join(" and "), .spoken[0]
    )]
    Scheme {
        /// What was given.
        url: String,
        /// Its scheme.
        scheme: String,
        /// What would be right, without and with TLS.
        spoken: [&'static str; 2],
    },
    /// It names no host.
    #[error("{url:?} names no host; write it as ws://HOST:PORT/")]
    NoHost {
        /// What was given.
        url: String,
    },
    /// It carries what does not belong there.
    #[error("{url:?} carries {what}, which would end up in logs; leave it out")]
    NotForLogs {
        /// What was given, without it.
        url: String,
        /// What it is.
        what: &'static str,
    },
    /// TLS has nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A server that cannot be reached.
#[derive(Debug, Error)]
pub enum DialError {
    /// No byte stream.
    #[error("cannot reach {url}: {reason}; is the signaling server running there?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "{url} is not trusted: {reason}; trust its authority with --ca FILE.pem (Access::ca), or anybody with \
         --insecure (Access::insecure)"
    )]
    Distrusted {
        /// Where.
        url: String,
        /// What is wrong with its certificate.
        reason: String,
    },
    /// A byte stream, but no WebSocket.
    #[error(transparent)]
    Handshake(#[from] ClientError),
    /// Bots do not speak the protocol.
    #[error(transparent)]
    Unspoken(#[from] UnspokenDialect),
}

impl Dialer {
    /// A dialer over TCP to a `ws://` URL, or over TLS to a `wss://` one.
    ///
    /// # Errors
    ///
    /// When the URL is not one, or TLS has nobody to trust.
    pub fn to(text: &str, access: &Access) -> Result<Self, UrlError> {
        Self::by(["ws", "wss"], text, access)
    }

    /// The same to the server of an `http://` or `https://` URL.
    ///
    /// # Errors
    ///
    /// When the URL is not one, or TLS has nobody to trust.
    pub(crate) fn to_http(text: &str, access: &Access) -> Result<Self, UrlError> {
        Self::by(["http", "https"], text, access)
    }

    fn by(spoken: [&'static str; 2], text: &str, access: &Access) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|error| UrlError::Malformed {
            url: for_logs(text),
            reason: error.to_string(),
        })?;
        let tls = match url.scheme() {
            scheme if scheme == spoken[0] => None,
            scheme if scheme == spoken[1] => Some(Tls::new(access)?),
            scheme => {
                return Err(UrlError::Scheme {
                    url: for_logs(text),
                    scheme: scheme.to_owned(),
                    spoken,
                });
            }
        };
        let Some(host) = url
            .host_str()
            .map(|host| host.trim_matches(['[', ']']).to_owned())
        else {
            return Err(UrlError::NoHost { url: for_logs(text) });
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::NotForLogs {
                url: for_logs(text),
                what: "a user name or password",
            });
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let mut dialer = Self::new(url.to_string(), move || {
            let (host, tls) = (host.clone(), tls.clone());
            async move {
                let stream = tokio::net::TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                Ok(match tls {
                    Some(tls) => Box::new(tls.connect(&host, stream).await?) as Box<dyn ByteStream>,
                    None => Box::new(stream),
                })
            }
        });
        dialer.url = for_logs(url.as_str());
        dialer.access = access.clone();
        dialer.reaches_others = true;
        Ok(dialer)
    }

    /// A dialer that opens streams by a function, for example in memory; `url` names it in messages.
    pub fn new<F>(url: String, open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::io::Result<Box<dyn ByteStream>>> + Send + 'static,
    {
        Self {
            asked: url.clone(),
            url,
            open: Arc::new(move || Box::pin(open())),
            client: None,
            access: Access::default(),
            reaches_others: false,
            dialect: Spoken::BuiltIn(DialectName::Native),
        }
    }

    /// The same, with a signaling client of the caller's in place of greenroom's.
    pub(crate) fn with_client(self, client: CallersClient) -> Self {
        Self {
            client: Some(client),
            ..self
        }
    }

    /// The same, in another protocol.
    pub(crate) fn with_dialect(self, dialect: impl Into<Spoken>) -> Self {
        let dialect = dialect.into();
        Self { dialect, ..self }
    }

    /// What is spoken.
    pub(crate) fn dialect(&self) -> &Spoken {
        &self.dialect
    }

    /// A byte stream to the server.
    pub(crate) async fn open(&self) -> Result<Box<dyn ByteStream>, DialError> {
        let unreachable = |reason: String| DialError::Unreachable {
            url: self.url.clone(),
            reason,
        };
        tokio::time::timeout(CONNECT_TIMEOUT, (self.open)())
            .await
            .map_err(|_| unreachable(format!("no answer within {CONNECT_TIMEOUT:?}")))?
            .map_err(|error| {
                if is_distrust(&error) {
                    let (url, reason) = (self.url.clone(), error.to_string());
                    return DialError::Distrusted { url, reason };
                }
                unreachable(error.to_string())
            })
    }

    /// Opens a stream to the server of a URL, where a server of HTTP has sent us.
    async fn open_for(&self, url: &str) -> Result<Box<dyn ByteStream>, DialError> {
        let origin = |text: &str| Url::parse(text).map(|url| url.origin()).ok();
        if !self.reaches_others || origin(url) == origin(&self.asked) {
            return self.open().await;
        }
        let unreachable = |error: UrlError| DialError::Unreachable {
            url: for_logs(url),
            reason: error.to_string(),
        };
        Self::to_http(url, &self.access)
            .map_err(unreachable)?
            .open()
            .await
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a stream and shakes hands, for somebody who writes its own frames.
    pub(crate) async fn open_websocket(&self) -> Result<WebSocketStream<Box<dyn ByteStream>>, DialError> {
        let stream = self.open().await?;
        let dialect = self.dialect.by("guest")?;
        let target = ClientTarget {
            url: self.asked.clone(),
            headers: self.access.headers().to_vec(),
        };
        let config = ClientConfig::default();
        let opened = greenroom_signaling::Client::handshake(stream, target, &dialect, &config).await;
        opened.map_err(|error| error.under(&self.url).into())
    }

    /// Headers of the handshake.
    #[cfg(feature = "cli")]
    pub(crate) fn headers(&self) -> &[(String, String)] {
        self.access.headers()
    }

    /// The URL as it is asked for, with what may be secret in it.
    #[cfg(feature = "cli")]
    pub(crate) fn asked(&self) -> &str {
        &self.asked
    }

    /// Opens a stream and shakes hands, for a bot of this name.
    pub(crate) async fn connect(
        &self,
        me: &str,
        config: ClientConfig,
    ) -> Result<(ClientHandle, ClientEvents), DialError> {
        if let Some(client) = &self.client {
            let dialer = self.clone();
            return Ok(greenroom_signaling::Client::custom(&config, |peer| {
                (client.0)(SignalingBot { peer, dialer })
            }));
        }
        let dialect = self.dialect.by(me)?;
        let stream = self.open().await?;
        let target = ClientTarget {
            url: self.asked.clone(),
            headers: self.access.headers().to_vec(),
        };
        if self.dialect.is_over_http() {
            // Opened before the bot has anything to say, so that a server that is not there is told as any other.
            let first = Mutex::new(Some(stream));
            let dialer = self.clone();
            let dial = move |url: String| {
                let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                let dialer = dialer.clone();
                async move {
                    match first {
                        Some(stream) => Ok(stream),
                        None => dialer.open_for(&url).await,
                    }
                }
            };
            return Ok(greenroom_signaling::Client::over_http(
                dial, target, dialect, &config,
            ));
        }
        let connected = greenroom_signaling::Client::connect(stream, target, dialect, config).await;
        connected.map_err(|error| error.under(&self.url).into())
    }
}

/// A URL as it may stand in reports and logs: without user, password and query, also where it is none.
pub(crate) fn for_logs(text: &str) -> String {
    let (head, rest) = text
        .split_once("://")
        .map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let shown = path.split(['?', '#']).next().unwrap_or_default();
    let query = if path.contains('?') { "?…" } else { "" };
    let scheme = if head.is_empty() {
        String::new()
    } else {
        format!("{head}://")
    };
    format!("{scheme}{host}{shown}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(url: &str, expect: &str) {
        let message = Dialer::to(url, &Access::default())
            .map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        assert!(message.contains(expect), "{message:?} should say {expect:?}");
    }

    #[test]
    fn a_url_that_cannot_work_is_refused_with_one_that_does() {
        refused("", "ws://HOST:PORT/");
        refused("localhost", "ws://HOST:PORT/");
        refused("http://localhost:3000", "greenroom speaks ws:// and wss://");
        refused("localhost:3000", "greenroom speaks ws:// and wss://");
        refused("ws://", "ws://HOST:PORT/");
        let refusal = Dialer::to_http("ws://localhost/", &Access::default()).unwrap_err();
        assert!(
            refusal
                .to_string()
                .contains("greenroom speaks http:// and https://"),
            "{refusal}"
        );
        refused("ws://user:secret@localhost/", "leave it out");
        refused("ws://localhost:99999/", "not a URL");
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated_in_the_error() {
        let message = Dialer::to("ws://user:s3cret@localhost/", &Access::default())
            .unwrap_err()
            .to_string();
        assert!(!message.contains("s3cret"), "{message}");
        for url in [
            "ws://user:s3cret@localhost:99999/",
            "https://user:s3cret@example.org/",
        ] {
            let message = Dialer::to(url, &Access::default()).unwrap_err().to_string();
            assert!(!message.contains("s3cret"), "{message}");
        }
    }

    #[test]
    fn a_query_is_asked_for_and_not_shown() {
        let dialer = Dialer::to("ws://127.0.0.1:1/ws?token=s3cret", &Access::default()).unwrap();
        assert_eq!(dialer.url(), "ws://127.0.0.1:1/ws?…");
        assert_eq!(dialer.asked, "ws://127.0.0.1:1/ws?token=s3cret");
    }

    #[test]
    fn plain_and_ipv6_urls_are_accepted() {
        assert_eq!(
            Dialer::to("ws://127.0.0.1:3000", &Access::default())
                .unwrap()
                .url(),
            "ws://127.0.0.1:3000/"
        );
        Dialer::to("ws://[::1]:3000/room", &Access::default()).unwrap();
    }
}
