//! A call of two as one Socket.IO event, `signalingMessage`, which the server gives to everybody else.
//!
//! Says what [`Relay`] says, one layer up.

use tokio::time::Instant;

use super::{
    DecodeError, EncodeError, Output, Relay, body,
    socketio::{Packet, SocketIo},
};
use crate::{Command, PeerId};

const EVENT: &str = "signalingMessage";

/// A call of two over Socket.IO.
#[derive(Clone, Debug)]
pub struct SocketioRelay {
    call: Relay,
    connection: SocketIo,
    /// Until the server has let the client in, it is not in the call either.
    join: Option<Command>,
    connected: bool,
}

impl SocketioRelay {
    /// For a bot of this name.
    pub fn new(me: PeerId) -> Self {
        Self {
            call: Relay::new(me),
            connection: SocketIo::default(),
            join: None,
            connected: false,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.call.next_timeout()
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        let again = self.call.timeout(now);
        self.wrap(again).unwrap_or_default()
    }

    pub(super) fn encode(&mut self, now: Instant, command: &Command) -> Result<Vec<Output>, EncodeError> {
        if matches!(command, Command::Join { .. }) && !self.connected {
            self.join = Some(command.clone());
            return Ok(Vec::new());
        }
        let said = self.call.encode(now, command)?;
        self.wrap(said)
    }

    pub(super) fn decode(&mut self, now: Instant, frame: &str) -> Result<Vec<Output>, DecodeError> {
        let (packet, mut outputs) = self.connection.read(frame)?;
        match packet {
            Packet::Connected => {
                self.connected = true;
                if let Some(join) = self.join.take() {
                    outputs.extend(self.call.encode(now, &join).unwrap_or_default());
                }
            }
            Packet::Event(name, message) if name == EVENT => {
                let read = self.call.read(&message);
                outputs.extend(read.map_err(|detail| body::malformed(frame, detail))?);
            }
            Packet::Event(kind, _) => return Err(DecodeError::UnknownType { kind }),
            Packet::Nothing => {}
        }
        Ok(outputs)
    }

    /// Makes events of the frames of the call.
    fn wrap(&mut self, said: Vec<Output>) -> Result<Vec<Output>, EncodeError> {
        let mut outputs = Vec::new();
        for output in said {
            match output {
                Output::Frame {
                    text,
                    says: Some(says),
                } => {
                    // The other one reads `offer` or `answer` where a page over a plain relay reads `sdp`.
                    let mut message: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                    if let Command::Description { description, .. } = &says
                        && let Some(fields) = message.as_object_mut()
                        && let Some(body) = fields.remove("sdp")
                    {
                        fields.insert(description.sdp_type.to_string(), body);
                    }
                    outputs.extend(self.connection.emit(EVENT, &message, says)?);
                }
                other => outputs.push(other),
            }
        }
        Ok(outputs)
    }
}
