//! The engine over webrtc 0.21: one task per connection, sockets and clock from an injected runtime.
//!
//! Owns everything that touches the `webrtc` and `rtc` crates. Nothing of theirs leaves this folder.

mod callbacks;
mod codecs;
mod connection;
mod incoming;
mod interceptor;
mod mapping;
mod negotiation;
mod outgoing;
mod outlet;
mod setup;

use std::net::IpAddr;

use tokio::sync::mpsc;

use crate::net::ports::Ports;

use super::{
    COMMAND_CAPACITY, ConnectionHandle, ConnectionSpec, Engine, EngineError, EngineEvent, IceServers,
};

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct WebrtcConfig {
    /// Address that connections bind to and offer as their host candidate. Default: 127.0.0.1.
    pub bind: IpAddr,
    /// Seed of SSRCs and of the initial sequence numbers and timestamps.
    pub seed: u64,
    /// STUN and TURN servers; of TURN only over UDP, which is all that the stack has. Default: none.
    pub ice: IceServers,
    /// Where connections get their ports from. Default: the machine.
    pub(crate) ports: Ports,
}

/// A number that no other connection of a run has.
fn number_of(spec: &ConnectionSpec) -> u64 {
    spec.bind.map_or(spec.id.0, number_of_address)
}

/// A number that no other address has.
fn number_of_address(address: std::net::SocketAddr) -> u64 {
    let ip = match address.ip() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip) as u64,
    };
    ip << 16 | u64::from(address.port())
}

impl Default for WebrtcConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            seed: 1,
            ice: IceServers::default(),
            ports: Ports::default(),
        }
    }
}

/// Connections by the webrtc crate.
#[derive(Clone, Debug, Default)]
pub struct WebrtcEngine {
    config: WebrtcConfig,
}

impl WebrtcEngine {
    /// An engine; it must be used inside a tokio runtime.
    pub fn new(config: WebrtcConfig) -> Self {
        Self { config }
    }
}

impl Engine for WebrtcEngine {
    fn connect(
        &self,
        spec: ConnectionSpec,
        events: mpsc::Sender<EngineEvent>,
    ) -> Result<ConnectionHandle, EngineError> {
        let (commands, inbox) = mpsc::channel(COMMAND_CAPACITY);
        tokio::spawn(connection::run(self.config.clone(), spec, inbox, events));
        Ok(ConnectionHandle::new(commands))
    }

    fn describe(&self) -> String {
        "webrtc 0.21.1".to_owned()
    }
}
