//! A signaling client over any byte stream: one spawned task owns the socket, a handle sends, a queue brings events.
//!
//! Knows WebSocket and a [`Dialect`]; knows neither how the stream came to be nor what the bot does.

mod custom;
mod handshake;
#[cfg(feature = "http")]
mod http;
mod speaker;
mod task;
mod wire;

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    task::AbortHandle,
    time::Instant,
};

use tokio_tungstenite::WebSocketStream;

use crate::{
    CloseReason, Command, Dialect, DialectName, Direction, EncodeError, Event, FrameFilter, FrameObserver,
    HttpObserver, QueueLimits, outbox::Outbox,
};

pub use custom::{BotGone, SignalingPeer};
pub use handshake::ClientError;
use speaker::Speaker;
use wire::Wire;

/// Where the WebSocket handshake goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTarget {
    /// `ws://host:port/path`; gives the `Host` header and the path, the stream is the caller's.
    pub url: String,
    /// More headers of the request, such as `Origin` or `Sec-WebSocket-Protocol`.
    pub headers: Vec<(String, String)>,
}

/// Times and bounds of a client.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The server must answer the handshake within this. Default 5 s.
    pub handshake_timeout: Duration,
    /// How often a ping is sent. Default 1 s.
    pub ping_interval: Duration,
    /// The connection counts as dead when nothing at all came for this long. Default 4 s.
    pub idle_timeout: Duration,
    /// How long a polite close may take before the stream is dropped. Default 1 s.
    pub close_timeout: Duration,
    /// Longest message that is accepted, in bytes. Default 1 MiB.
    pub max_message_size: usize,
    /// What may wait to be written. Default 16,384 messages and 8 MiB: a broadcaster's offers to 1,000 viewers.
    pub send_queue: QueueLimits,
    /// Events that may wait to be read; when they are full the socket is not read. Default 1,024.
    pub event_queue: usize,
    /// An HTTP exchange must be over within this, redirects and all. Default 10 s.
    pub http_timeout: Duration,
    /// Sees every text frame. Default none.
    pub observer: Option<FrameObserver>,
    /// Sees every HTTP request and answer. Default none.
    pub http_observer: Option<HttpObserver>,
    /// Decides what becomes of every text frame. Default none: all pass.
    pub filter: Option<FrameFilter>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(4),
            close_timeout: Duration::from_secs(1),
            max_message_size: 1 << 20,
            send_queue: QueueLimits {
                messages: 16_384,
                bytes: 8 << 20,
            },
            event_queue: 1_024,
            http_timeout: Duration::from_secs(10),
            observer: None,
            http_observer: None,
            filter: None,
        }
    }
}

/// An event and when its frame was read from the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// When the frame was read.
    pub at: Instant,
    /// What happened.
    pub event: Event,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection has ended or is ending.
    #[error("connection is closed; its last event says why")]
    Closed,
    /// The server does not read fast enough.
    #[error(
        "send queue is full with {messages} messages, {bytes} bytes; the server reads too slowly, \
         retry later or raise ClientConfig::send_queue"
    )]
    Full {
        /// Messages waiting.
        messages: usize,
        /// Bytes waiting.
        bytes: usize,
    },
    /// The protocol cannot say it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Makes connections.
#[derive(Debug)]
pub struct Client;

/// Sends commands. The connection closes politely when the last clone is dropped; commands sent before still go out.
#[derive(Clone, Debug)]
pub struct ClientHandle {
    shared: Arc<Handle>,
}

#[derive(Debug)]
enum Handle {
    /// A WebSocket of ours.
    Socket {
        outbox: Arc<Outbox<Ask>>,
        wire: Arc<Wire>,
        speaker: Arc<Speaker>,
        task: AbortHandle,
    },
    /// Somebody else's client.
    Custom {
        commands: mpsc::Sender<Command>,
        task: AbortHandle,
    },
}

/// Puts frames on a client's connection that nobody sent; it does not keep the connection open.
#[derive(Clone, Debug)]
pub struct Injector(Weak<Wire>);

impl Injector {
    /// The client reads this next, as if its server had sent it.
    pub fn receive(&self, text: &str) {
        if let Some(wire) = self.0.upgrade() {
            wire.inject(Direction::Received, text.into());
        }
    }

    /// The client is seen to send this, and its server never gets it: what a server makes of it is to be played too.
    pub fn seen_to_send(&self, text: &str) {
        if let Some(wire) = self.0.upgrade() {
            wire.observe(Direction::Sent, text, &[]);
        }
    }
}

/// Why the task is asked to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Nobody sends or nobody listens any more.
    Close,
}

/// Brings events, the last of which is [`Event::Closed`]. Dropping it closes the connection politely.
#[derive(Debug)]
pub struct ClientEvents {
    events: mpsc::Receiver<TimedEvent>,
    socket: Option<(Arc<Outbox<Ask>>, Arc<Wire>)>,
    /// Somebody else's client ends with its bot.
    custom: Option<AbortHandle>,
    closed: Arc<OnceLock<(Instant, CloseReason)>>,
    done: bool,
}

impl Client {
    /// Does the WebSocket handshake on `stream` and spawns the task that owns it from then on.
    ///
    /// Needs a tokio runtime with time enabled.
    ///
    /// # Errors
    /// [`ClientError`] when no WebSocket came of it; the stream is dropped.
    pub async fn connect<S>(
        stream: S,
        mut target: ClientTarget,
        dialect: Dialect,
        config: ClientConfig,
    ) -> Result<(ClientHandle, ClientEvents), ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        target.url = dialect.endpoint(&target.url);
        let socket = handshake::shake(stream, target, dialect.subprotocol(), &config).await?;
        let (sender, events) = mpsc::channel(config.event_queue.max(1));
        let outbox = Arc::new(Outbox::new(config.send_queue));
        let translates = dialect.name() != Some(DialectName::Native);
        let speaker = Arc::new(Speaker::new(dialect));
        let closed = Arc::new(OnceLock::new());
        let wire = Arc::new(Wire::new(
            config.filter.clone(),
            config.observer.clone(),
            translates,
        ));
        let task = task::Task {
            config,
            outbox: outbox.clone(),
            wire: wire.clone(),
            speaker: speaker.clone(),
            events: sender,
            closed: closed.clone(),
        };
        let task = tokio::spawn(task.run(socket)).abort_handle();
        let handle = Handle::Socket {
            outbox: outbox.clone(),
            wire: wire.clone(),
            speaker,
            task,
        };
        let events = ClientEvents {
            events,
            socket: Some((outbox, wire)),
            custom: None,
            closed,
            done: false,
        };
        Ok((
            ClientHandle {
                shared: Arc::new(handle),
            },
            events,
        ))
    }

    /// Does the WebSocket handshake of a dialect on `stream` and no more, for whoever wants to write frames itself.
    ///
    /// # Errors
    /// [`ClientError`] when no WebSocket came of it; the stream is dropped.
    pub async fn handshake<S>(
        stream: S,
        mut target: ClientTarget,
        dialect: &Dialect,
        config: &ClientConfig,
    ) -> Result<WebSocketStream<S>, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        target.url = dialect.endpoint(&target.url);
        handshake::open(stream, target, dialect.subprotocol(), config).await
    }

    /// Gives a bot somebody else's signaling client: `client` is a future that takes the bot's commands to wherever
    /// they belong, and tells the bot what happens. It should end when there are no commands any more; it is aborted
    /// when the bot no longer listens.
    ///
    /// Observer and filter of the configuration see nothing of it, because there are no frames to see.
    pub fn custom<F, E>(
        config: &ClientConfig,
        client: impl FnOnce(SignalingPeer) -> F,
    ) -> (ClientHandle, ClientEvents)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        custom::start(config, client)
    }
}

impl ClientHandle {
    /// Queues a command without waiting. Commands go out in the order in which they were sent.
    ///
    /// # Errors
    /// [`SendError`]; nothing of the command was sent, unless a filter let a part of it take its time.
    pub fn send(&self, command: Command) -> Result<(), SendError> {
        match &*self.shared {
            Handle::Socket {
                outbox,
                wire,
                speaker,
                ..
            } => speaker.say(&command, wire, outbox),
            Handle::Custom { commands, .. } => commands.try_send(command).map_err(|error| match error {
                mpsc::error::TrySendError::Closed(_) => SendError::Closed,
                mpsc::error::TrySendError::Full(_) => SendError::Full {
                    messages: commands.max_capacity(),
                    bytes: 0,
                },
            }),
        }
    }

    /// Drops the stream without a close frame, as a killed process would, as soon as the runtime gets to it.
    pub fn abort(&self) {
        match &*self.shared {
            Handle::Socket { outbox, task, .. } => {
                outbox.shut();
                task.abort();
            }
            Handle::Custom { task, .. } => task.abort(),
        }
    }

    /// Puts frames on this connection that nobody sent, for faults on purpose; nothing where the client is somebody
    /// else's.
    pub fn injector(&self) -> Injector {
        Injector(match &*self.shared {
            Handle::Socket { wire, .. } => Arc::downgrade(wire),
            Handle::Custom { .. } => Weak::new(),
        })
    }

    /// Reads nothing of what the server sends for this long, as a client that hangs would. A client of somebody
    /// else's reads on.
    pub fn stall(&self, duration: Duration) {
        if let Handle::Socket { wire, .. } = &*self.shared {
            wire.stall(duration);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Self::Socket { outbox, wire, .. } = self {
            wire.close(outbox);
        }
    }
}

impl ClientEvents {
    /// The next event in the order of arrival; `None` after [`Event::Closed`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<TimedEvent> {
        if self.done {
            return None;
        }
        if let Some(event) = self.events.recv().await {
            return Some(event);
        }
        self.done = true;
        // A task that could not say why it ended was aborted, or its runtime was dropped.
        let (at, reason) = self
            .closed
            .get()
            .cloned()
            .unwrap_or_else(|| (Instant::now(), CloseReason::Aborted));
        Some(TimedEvent {
            at,
            event: Event::Closed(reason),
        })
    }
}

impl Drop for ClientEvents {
    fn drop(&mut self) {
        if let Some((outbox, wire)) = &self.socket {
            wire.close(outbox);
        }
        if let Some(task) = &self.custom {
            task.abort();
        }
    }
}
