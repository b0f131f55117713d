//! Socket.IO as text frames of a WebSocket: Engine.IO protocol 4 below, Socket.IO protocol 5 above, one namespace.
//!
//! Owns what a client has to say to be let in and to stay, and events with one JSON argument. No binary events, no
//! acknowledgements, no other transport: none of the dialects above it needs them.

use serde_json::{Value, json};

use super::{DecodeError, EncodeError, Output, body};
use crate::{Command, ErrorCode, Event};

/// Events that may wait until the server has let the client in.
const MAX_WAITING: usize = 1_024;

/// One client's connection.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketIo {
    connected: bool,
    waiting: Vec<Output>,
}

/// What a frame is.
#[derive(Debug, PartialEq)]
pub(super) enum Packet {
    /// An event with its first argument.
    Event(String, Value),
    /// The client is in.
    Connected,
    /// Something for the protocol alone.
    Nothing,
}

/// Where the WebSocket of a Socket.IO server is: at its own path unless the URL names one.
pub(super) fn endpoint(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, query)| (url, query));
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let path = url
        .get(host_at..)
        .and_then(|rest| rest.find('/').map(|at| host_at + at));
    let (origin, path) = path.map_or((url, "/"), |at| url.split_at(at));
    let path = if path == "/" { "/socket.io/" } else { path };
    let more = if query.is_empty() {
        String::new()
    } else {
        format!("&{query}")
    };
    format!("{origin}{path}?EIO=4&transport=websocket{more}")
}

impl SocketIo {
    /// Says an event, now or when the server has let the client in.
    pub(super) fn emit(
        &mut self,
        name: &str,
        argument: &Value,
        says: Command,
    ) -> Result<Vec<Output>, EncodeError> {
        let output = Output::Frame {
            text: format!("42{}", json!([name, argument])),
            says: Some(says),
        };
        if self.connected {
            return Ok(vec![output]);
        }
        if self.waiting.len() >= MAX_WAITING {
            let waiting = self.waiting.len();
            return Err(EncodeError::NotConnected { waiting });
        }
        self.waiting.push(output);
        Ok(Vec::new())
    }

    /// Reads a frame, and answers what the protocol wants answered.
    pub(super) fn read(&mut self, frame: &str) -> Result<(Packet, Vec<Output>), DecodeError> {
        let answer = |text: &str| {
            let text = text.to_owned();
            vec![Output::Frame { text, says: None }]
        };
        let fail = |detail: &str| body::malformed(frame, detail);
        let mut characters = frame.chars();
        Ok(match (characters.next(), characters.next()) {
            // Opened: ask for the namespace.
            (Some('0'), _) => (Packet::Nothing, answer("40")),
            (Some('2'), _) => (Packet::Nothing, answer("3")),
            (Some('4'), Some('0')) => {
                self.connected = true;
                (Packet::Connected, std::mem::take(&mut self.waiting))
            }
            (Some('4'), Some('2')) => {
                // Between the type and the array stands a number where an acknowledgement is asked for.
                let from = frame.find('[').ok_or_else(|| fail("an event has no array"))?;
                let array: Vec<Value> = frame
                    .get(from..)
                    .and_then(|array| serde_json::from_str(array).ok())
                    .ok_or_else(|| fail("the array of an event cannot be read"))?;
                let mut array = array.into_iter();
                match array.next() {
                    Some(Value::String(name)) => {
                        (Packet::Event(name, array.next().unwrap_or_default()), Vec::new())
                    }
                    _ => return Err(fail("an event has no name")),
                }
            }
            (Some('4'), Some('4')) => {
                let why: Value = frame
                    .get(2..)
                    .and_then(|text| serde_json::from_str(text).ok())
                    .unwrap_or_default();
                let message = why.get("message").and_then(Value::as_str).unwrap_or("no reason");
                let refused = Event::Error {
                    code: ErrorCode::Other("connect-error".to_owned()),
                    message: message.to_owned(),
                    to: None,
                };
                (Packet::Nothing, vec![Output::Event(refused)])
            }
            (Some('4'), Some('1')) | (Some('1' | '3' | '6'), _) => (Packet::Nothing, Vec::new()),
            _ => return Err(fail("no Socket.IO frame of text; is the server one?")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_socket_ios_unless_the_url_names_another() {
        assert_eq!(
            endpoint("ws://h:1"),
            "ws://h:1/socket.io/?EIO=4&transport=websocket"
        );
        assert_eq!(
            endpoint("ws://h:1/"),
            "ws://h:1/socket.io/?EIO=4&transport=websocket"
        );
        assert_eq!(
            endpoint("wss://h/io/?token=a"),
            "wss://h/io/?EIO=4&transport=websocket&token=a"
        );
    }

    #[test]
    fn a_client_is_let_in_answers_pings_and_then_says_what_waited() {
        let mut client = SocketIo::default();
        let said = client.emit("hello", &json!({"a": 1}), Command::Stop).unwrap();
        assert_eq!(said, []);
        let (_, answer) = client.read(r#"0{"sid":"x","pingInterval":25000}"#).unwrap();
        assert_eq!(
            answer,
            [Output::Frame {
                text: "40".into(),
                says: None
            }]
        );
        let (packet, waited) = client.read(r#"40{"sid":"y"}"#).unwrap();
        assert_eq!(packet, Packet::Connected);
        let text = r#"42["hello",{"a":1}]"#.to_owned();
        assert_eq!(
            waited,
            [Output::Frame {
                text,
                says: Some(Command::Stop)
            }]
        );
        let (_, pong) = client.read("2").unwrap();
        assert_eq!(
            pong,
            [Output::Frame {
                text: "3".into(),
                says: None
            }]
        );
    }

    #[test]
    fn events_are_read_with_and_without_an_acknowledgement_and_garbage_is_refused() {
        let mut client = SocketIo::default();
        for frame in [r#"42["a",[1]]"#, r#"4217["a",[1]]"#] {
            let (packet, _) = client.read(frame).unwrap();
            assert_eq!(packet, Packet::Event("a".into(), json!([1])), "{frame}");
        }
        for frame in ["", "42", "42[", "42[1]", "{}", "é", "4é"] {
            client.read(frame).unwrap_err();
        }
    }
}
