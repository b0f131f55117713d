//! A server and bots over in-memory streams, and waiting for an event under a deadline.
//!
//! The clock is tokio's and paused in most tests: a deadline passes at once when every task waits for another.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its part of this module"
)]

use std::time::Duration;

use greenroom_signaling::{
    Client, ClientConfig, ClientEvents, ClientHandle, ClientTarget, CloseReason, Command, Description,
    Dialect, ErrorCode, Event, PeerId, Role, RoomState, SdpType, Server, ServerConfig,
};
use tokio::{
    io::DuplexStream,
    task::JoinSet,
    time::{Instant, timeout},
};

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
