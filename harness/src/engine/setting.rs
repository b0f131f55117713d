//! What a run gives to an engine: addresses, the seed, and ports of the run's own network.
//!
//! Owns what is the same for every engine of a run. It knows no stack but the built-in one, which it can make.

use std::io;
use std::net::IpAddr;

use super::webrtc::{WebrtcConfig, WebrtcEngine};
use super::{ConnectionSpec, IceServers};
use crate::net::ports::{Port, Ports};

/// What a run gives to the engine that serves its bots ([`Run::engine`](crate::Run::engine)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineSetting {
    /// Address that connections bind to and offer as their host candidate, unless the specification of a connection
    /// names one.
    pub bind: IpAddr,
    /// Seed of whatever is drawn: the same run draws the same.
    pub seed: u64,
    /// The STUN and TURN servers that the scenario names; an engine that cannot ask them leaves them out.
    pub ice: IceServers,
    pub(crate) ports: Ports,
}

impl EngineSetting {
    /// The built-in engine, over webrtc 0.21.
    pub fn webrtc(&self) -> WebrtcEngine {
        WebrtcEngine::new(WebrtcConfig {
            bind: self.bind,
            seed: self.seed,
            ice: self.ice.clone(),
            ports: self.ports.clone(),
        })
    }

    /// A UDP port for one connection: on the machine's network, or on the simulated one of the run. It is watched and
    /// impaired as the specification says. A stack without clock and socket of its own that uses it, and the clock of
    /// `tokio::time`, works in virtual time too.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub fn open_port(&self, spec: &ConnectionSpec) -> io::Result<Port> {
        let address = spec.bind.unwrap_or_else(|| (self.bind, 0).into());
        // The simulated network has links of its own.
        let impairment = spec.impairment.filter(|_| !self.ports.is_simulated());
        self.ports
            .open(address, spec.tap.clone(), (impairment, spec.filter.clone()))
    }
}
