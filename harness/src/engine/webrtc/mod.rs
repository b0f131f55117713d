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
use std::sync::Arc;

use tokio::sync::mpsc;
use webrtc::runtime::{Runtime, TokioRuntime};

use crate::net::connecting::Connecting;
#[cfg(feature = "sim")]
use crate::net::sim::{SimNet, SimRuntime};

use super::{COMMAND_CAPACITY, ConnectionHandle, ConnectionSpec, Engine, EngineError, EngineEvent};

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct WebrtcConfig {
    /// Address that connections bind to and offer as their host candidate. Default: 127.0.0.1.
    pub bind: IpAddr,
    /// Seed of SSRCs and of the initial sequence numbers and timestamps.
    pub seed: u64,
    /// URLs of STUN servers (RFC 7064), such as `stun:192.0.2.1:3478`, of which connections ask for their server
    /// reflexive candidates. Default: none.
    pub stun_servers: Vec<String>,
    /// The network in memory that connections use instead of the machine's.
    #[cfg(feature = "sim")]
    pub(crate) network: Option<Arc<SimNet>>,
}

impl WebrtcConfig {
    /// Whether the network is a model.
    fn is_simulated(&self) -> bool {
        #[cfg(feature = "sim")]
        return self.network.is_some();
        #[cfg(not(feature = "sim"))]
        false
    }

    /// What gives one connection its sockets and timers.
    #[cfg_attr(
        not(feature = "sim"),
        expect(unused_variables, reason = "there is one network, the machine's")
    )]
    fn runtime_for(&self, spec: &ConnectionSpec, connecting: &Arc<Connecting>) -> Arc<dyn Runtime> {
        #[cfg(feature = "sim")]
        if let Some(network) = &self.network {
            let number = spec.bind.map_or(spec.id.0, number_of);
            return Arc::new(SimRuntime::new(
                Arc::clone(network),
                Arc::clone(connecting),
                number,
            ));
        }
        Arc::new(TokioRuntime)
    }
}

/// A number that no other address has.
#[cfg(feature = "sim")]
fn number_of(address: std::net::SocketAddr) -> u64 {
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
            stun_servers: Vec::new(),
            #[cfg(feature = "sim")]
            network: None,
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
