//! The engine over webrtc 0.21: one task per connection, sockets and clock from an injected runtime.
//!
//! Owns everything that touches the `webrtc` and `rtc` crates. Nothing of theirs leaves this folder.

mod callbacks;
mod connection;
mod incoming;
mod interceptor;
mod mapping;
mod outgoing;
mod outlet;
mod setup;

use std::net::IpAddr;

use tokio::sync::mpsc;

use super::{COMMAND_CAPACITY, ConnectionHandle, ConnectionSpec, Engine, EngineError, EngineEvent};

/// Settings of the engine.
#[derive(Clone, Copy, Debug)]
pub struct WebrtcConfig {
    /// Address that connections bind to and offer as their host candidate. Default: 127.0.0.1.
    pub bind: IpAddr,
    /// Seed of SSRCs and of the initial sequence numbers and timestamps.
    pub seed: u64,
}

impl Default for WebrtcConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            seed: 1,
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
        tokio::spawn(connection::run(self.config, spec, inbox, events));
        Ok(ConnectionHandle::new(commands))
    }

    fn describe(&self) -> String {
        "webrtc 0.21.1".to_owned()
    }
}
