//! A guest that behaves as no client should, on a WebSocket of its own.
//!
//! Owns what it does to the server. It judges nothing: whether the server bore it shows at the bots beside it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_signaling::{Command, Event, Output, Role};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::battery::Guest;
use crate::bot::dial::{ByteStream, DialError, Dialer};

/// Characters of a message that is too long.
const TOO_LONG: usize = 4_000_000;
/// How long a server may take to say something about it.
const REACTION: Duration = Duration::from_millis(400);
/// How long joining may take; a server need not confirm it.
const JOINING: Duration = Duration::from_millis(800);

/// What is no message of any dialect.
const BABBLE: [&str; 8] = [
    "this is no message",
    "{",
    "null",
    "[]",
    "17",
    "\"offer\"",
    r#"{"type":null,"sdp":null,"candidate":null}"#,
    r#"{"type":"offer"}"#,
];
/// The same for those who read Socket.IO.
const BABBLE_IN_EVENTS: [&str; 5] = [
    "this is no packet",
    "42",
    r#"42["offer"]"#,
    r#"42["signalingMessage",null]"#,
    r#"42["answer",17]"#,
];

/// An offer of somebody who has not been asked.
const UNASKED: &str =
    r#"{"type":"offer","sdp":{"type":"offer","sdp":"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"}}"#;

/// A guest that has done what it came for. Some stay for as long as this lives.
pub(super) struct Visit {
    /// The server never showed it the door.
    pub(super) was_let_in: bool,
    _socket: Option<WebSocketStream<Box<dyn ByteStream>>>,
}

impl Visit {
    fn over(was_let_in: bool) -> Self {
        Self {
            was_let_in,
            _socket: None,
        }
    }

    fn staying(socket: WebSocketStream<Box<dyn ByteStream>>) -> Self {
        Self {
            was_let_in: true,
            _socket: Some(socket),
        }
    }
}

/// Comes in and misbehaves.
///
/// # Errors
///
/// When the server lets nobody in.
pub(super) async fn visit(guest: Guest, dialer: &Dialer, room: &str) -> Result<Visit, DialError> {
    let mut socket = dialer.open_websocket().await?;
    let dialect = dialer.dialect();
    let in_events = dialect.is_socketio();
    match guest {
        Guest::Intruder if dialect.is_for_two() => {
            join(&mut socket, dialer, room, Role::Viewer).await;
            let offer = if in_events {
                format!(r#"42["signalingMessage",{UNASKED}]"#)
            } else {
                UNASKED.to_owned()
            };
            say(&mut socket, Message::Text(offer.into())).await;
        }
        Guest::Intruder => {
            join(&mut socket, dialer, room, Role::Broadcaster).await;
            // It stays: a server that believed it would now send newcomers to it.
            hear(&mut socket, REACTION).await;
            return Ok(Visit::staying(socket));
        }
        Guest::Babbler => {
            let babble: &[&str] = if in_events { &BABBLE_IN_EVENTS } else { &BABBLE };
            for word in babble {
                if !say(&mut socket, Message::Text((*word).into())).await {
                    // It was shown the door; the next word takes another connection.
                    socket = dialer.open_websocket().await?;
                }
            }
        }
        Guest::Flood => {
            say(&mut socket, Message::Text("x".repeat(TOO_LONG).into())).await;
        }
        Guest::Binary => {
            join(&mut socket, dialer, room, Role::Viewer).await;
            say(&mut socket, Message::Binary(vec![0, 1, 2, 255].into())).await;
        }
        Guest::Sleeper => {
            join(&mut socket, dialer, room, Role::Viewer).await;
            return Ok(Visit::staying(socket));
        }
        Guest::Ghost => {
            join(&mut socket, dialer, room, Role::Viewer).await;
            // Without a close frame.
            drop(socket);
            return Ok(Visit::over(true));
        }
    }
    let was_let_in = hear(&mut socket, REACTION).await;
    let _ = timeout(REACTION, socket.close(None)).await;
    Ok(Visit::over(was_let_in))
}

/// Says it; false if the server has hung up.
async fn say(socket: &mut WebSocketStream<Box<dyn ByteStream>>, message: Message) -> bool {
    matches!(timeout(REACTION, socket.send(message)).await, Ok(Ok(())))
}

/// Reads until the server is quiet, or gone; false if it is gone.
async fn hear(socket: &mut WebSocketStream<Box<dyn ByteStream>>, quiet: Duration) -> bool {
    loop {
        match timeout(quiet, socket.next()).await {
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return false,
            Ok(Some(Ok(_))) => {}
            Err(_) => return true,
        }
    }
}

/// Says what a client of the dialect says to be let in, and waits until it is or nothing more comes of it.
async fn join(socket: &mut WebSocketStream<Box<dyn ByteStream>>, dialer: &Dialer, room: &str, role: Role) {
    let (Ok(mut dialect), Ok(room)) = (dialer.dialect().by("guest"), room.parse()) else {
        return;
    };
    let mut outputs = dialect
        .encode(Instant::now(), &Command::Join { room, role })
        .unwrap_or_default();
    let joining = async {
        loop {
            for output in std::mem::take(&mut outputs) {
                match output {
                    Output::Frame { text, .. } => {
                        say(socket, Message::Text(text.into())).await;
                    }
                    Output::Event(Event::Joined { .. } | Event::Error { .. }) => return,
                    _ => {}
                }
            }
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    outputs = dialect.decode(Instant::now(), &text).unwrap_or_default();
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    };
    // A server that never confirms has had its time.
    let _ = timeout(JOINING, joining).await;
}
