//! A server and bots over in-memory streams, and waiting for an event under a deadline.
//!
//! The clock is tokio's and paused in most tests: a deadline passes at once when every task waits for another.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its part of this module"
)]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use greenroom_signaling::{
    Client, ClientConfig, ClientEvents, ClientHandle, ClientTarget, CloseReason, Command, Description,
    Dialect, ErrorCode, Event, PeerId, Role, RoomState, SdpType, Server, ServerConfig,
};
use tokio::{
    io::DuplexStream,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// Longer than every timeout of the crate.
const DEADLINE: Duration = Duration::from_secs(120);

/// A server whose connections are in-memory streams.
pub struct Lobby {
    pub server: Server,
    connections: JoinSet<()>,
}

impl Lobby {
    pub fn new(config: ServerConfig) -> Self {
        Self {
            server: Server::new(config),
            connections: JoinSet::new(),
        }
    }

    /// A stream of 64 KiB each way whose other end the server has.
    pub fn stream(&mut self) -> DuplexStream {
        self.stream_of(64 << 10)
    }

    pub fn stream_of(&mut self, capacity: usize) -> DuplexStream {
        let (near, far) = tokio::io::duplex(capacity);
        let server = self.server.clone();
        self.connections
            .spawn(async move { server.serve_connection(far).await });
        near
    }

    pub async fn connect(&mut self) -> Bot {
        let stream = self.stream();
        Bot::over(stream, ClientConfig::default()).await
    }

    /// A bot that has joined room `r`.
    pub async fn join(&mut self, role: Role) -> Bot {
        let mut bot = self.connect().await;
        bot.join("r", role).await;
        bot
    }

    /// A bare WebSocket without the client's pings and timeouts.
    pub async fn raw(&mut self) -> tokio_tungstenite::WebSocketStream<DuplexStream> {
        let stream = self.stream();
        tokio_tungstenite::client_async("ws://greenroom.test/ws", stream)
            .await
            .unwrap()
            .0
    }

    /// Drops what serves each connection, as a listener that is dropped does.
    pub fn cut(&mut self) {
        self.connections.abort_all();
    }

    /// Waits until a connection has ended.
    pub async fn one_ended(&mut self) {
        let ended = timeout(DEADLINE, self.connections.join_next()).await;
        ended.expect("a connection ends").expect("there was one").unwrap();
    }

    /// Waits until every connection has ended.
    pub async fn ended(&mut self) {
        timeout(DEADLINE, async {
            while self.connections.join_next().await.is_some() {}
        })
        .await
        .expect("connections end");
    }
}

/// A client with its events.
pub struct Bot {
    pub handle: ClientHandle,
    pub events: ClientEvents,
    pub id: PeerId,
    pub state: RoomState,
    pub peers: Vec<(PeerId, Role)>,
}

pub fn target() -> ClientTarget {
    ClientTarget {
        url: "ws://greenroom.test/ws".into(),
        headers: Vec::new(),
    }
}

impl Bot {
    pub async fn over(stream: DuplexStream, config: ClientConfig) -> Self {
        let (handle, events) = Client::connect(stream, target(), Dialect::native(), config)
            .await
            .unwrap();
        Self {
            handle,
            events,
            id: "?".into(),
            state: RoomState::default(),
            peers: Vec::new(),
        }
    }

    pub fn send(&self, command: Command) {
        self.handle.send(command).unwrap();
    }

    pub fn say(&self, text: &str) {
        self.send(Command::Chat { text: text.into() });
    }

    pub async fn join(&mut self, room: &str, role: Role) {
        self.send(Command::Join {
            room: room.parse().unwrap(),
            role,
        });
        match self.next().await {
            Event::Joined {
                id,
                role: joined,
                state,
                peers,
            } => {
                assert_eq!(joined, role);
                (self.id, self.state, self.peers) = (id, state, peers);
            }
            other => panic!("expected joined, got {other:?}"),
        }
    }

    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Event> {
        let caller = std::panic::Location::caller();
        async move {
            match timeout(DEADLINE, self.events.next()).await {
                Ok(Some(timed)) => timed.event,
                Ok(None) => panic!("{caller}: no event after closed"),
                Err(_) => panic!("{caller}: no event within {DEADLINE:?}"),
            }
        }
    }

    pub async fn next_error(&mut self) -> ErrorCode {
        match self.next().await {
            Event::Error { code, .. } => code,
            other => panic!("expected an error, got {other:?}"),
        }
    }

    pub async fn next_chat(&mut self) -> (String, u64) {
        match self.next().await {
            Event::Chat {
                text, seq: Some(seq), ..
            } => (text, seq),
            other => panic!("expected chat, got {other:?}"),
        }
    }

    /// Skips to the end.
    pub async fn closed(&mut self) -> CloseReason {
        loop {
            if let Event::Closed(reason) = self.next().await {
                assert!(self.events.next().await.is_none(), "closed is the last event");
                return reason;
            }
        }
    }

    /// Everything that was sent to this bot before its own next chat has come when that chat comes back.
    pub async fn until_own_chat(&mut self) -> Vec<Event> {
        self.say("fence");
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Event::Chat { from, .. } if from.as_ref() == Some(&self.id) => return events,
                event => events.push(event),
            }
        }
    }
}

pub fn offer() -> Description {
    Description {
        sdp_type: SdpType::Offer,
        sdp: "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n".into(),
    }
}

pub fn answer() -> Description {
    Description {
        sdp_type: SdpType::Answer,
        sdp: "v=0\r\no=- 2 1 IN IP4 0.0.0.0\r\n".into(),
    }
}

/// How long a future takes on the test's clock.
pub async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let value = future.await;
    (value, start.elapsed())
}

/// A page of a dialect that is not the native one: a bare WebSocket, and JSON that the test writes by hand.
pub struct Page(WebSocketStream<DuplexStream>);

impl Page {
    pub async fn new(lobby: &mut Lobby) -> Self {
        Self(lobby.raw().await)
    }

    pub async fn send(&mut self, frame: Message) {
        // The server may have stopped reading in the middle of one that is too big.
        let _ = self.0.send(frame).await;
    }

    pub async fn say(&mut self, message: serde_json::Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn said(mut self, message: serde_json::Value) -> Self {
        self.say(message).await;
        self
    }

    /// The next frame that is not the server's ping.
    #[track_caller]
    pub fn frame(&mut self) -> impl Future<Output = Message> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match timeout(DEADLINE, self.0.next()).await {
                    Ok(Some(Ok(Message::Ping(_)))) => {}
                    Ok(Some(Ok(frame))) => return frame,
                    other => panic!("{caller}: expected a frame, got {other:?}"),
                }
            }
        }
    }

    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = serde_json::Value> {
        let caller = std::panic::Location::caller();
        async move {
            match self.frame().await {
                Message::Text(text) => serde_json::from_str(&text).unwrap(),
                other => panic!("{caller}: expected text, got {other:?}"),
            }
        }
    }

    /// What was sent to this page before its own chat came back.
    pub async fn until_chat(&mut self, text: &str) -> Vec<serde_json::Value> {
        let fence = serde_json::json!({"type": "chat", "message": text});
        self.say(fence.clone()).await;
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                message if message == fence => return messages,
                message => messages.push(message),
            }
        }
    }

    /// Everything that this page has sent before has been taken.
    pub async fn ponged(&mut self) {
        self.0.send(Message::Ping("p".into())).await.unwrap();
        assert_eq!(self.frame().await, Message::Pong("p".into()));
    }

    /// Each hears the other, and nothing came before that.
    pub async fn meet(&mut self, other: &mut Self) {
        self.ponged().await;
        other.ponged().await;
        self.say("to you".into()).await;
        assert_eq!(other.next().await, "to you");
        other.say("and back".into()).await;
        assert_eq!(self.next().await, "and back");
    }

    /// The server's close frame: code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.frame().await {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Close(None) => panic!("a close frame without a code"),
                _ => {}
            }
        }
    }

    /// Closes politely and waits until the server has hung up.
    pub async fn leave(mut self) {
        let _ = self.0.close(None).await;
        let hung_up = timeout(DEADLINE, async { while let Some(Ok(_)) = self.0.next().await {} });
        hung_up.await.expect("the server hangs up");
    }
}
