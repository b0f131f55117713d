//! A NAT between one host and the network, by the names of RFC 3489 section 5 in the words of RFC 4787.
//!
//! Owns mappings, filters and their timeouts. Pure: (datagram's addresses, now) -> translated address, or
//! why not. It never sees a payload.
//!
//! | kind | mapping (RFC 4787 section 4.1) | filtering (section 5) |
//! |---|---|---|
//! | full cone | endpoint-independent | endpoint-independent |
//! | restricted cone | endpoint-independent | address-dependent |
//! | port-restricted | endpoint-independent | address and port-dependent |
//! | symmetric | address and port-dependent | address and port-dependent |
//!
//! A new mapping takes the next port (section 4.2.1: no preservation, no overloading). A mapping lives as
//! long as the host sends through it; what comes in does not refresh it (section 4.3 allows both).
//! Hairpinning (section 6) works as REQ-9a wants, with the external address as source, because the
//! network routes what is sent to a NAT's public address back to it like any other datagram.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a mapping lives without a datagram from inside: the least that RFC 4787 REQ-5 allows.
pub const MAPPING_TIMEOUT: Duration = Duration::from_secs(120);

/// Ports that are given out: dynamic ones, and enough for every mapping (RFC 6335 section 6).
const PORTS: RangeInclusive<u16> = 49_152..=65_535;
/// Mappings of one NAT, and destinations that one mapping lets answer; what needs more is dropped.
const MAX_MAPPINGS: usize = 4_096;
const MAX_PERMISSIONS: usize = 1_024;

/// What stands between a host and the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatKind {
    /// Nothing: the host's address is reachable from everywhere.
    #[default]
    None,
    /// Anybody may send to a mapping.
    FullCone,
    /// Whoever the host has sent to may answer, from any port.
    RestrictedCone,
    /// Whoever the host has sent to may answer, from the port that was sent to.
    PortRestricted,
    /// As port-restricted, and each destination sees another port.
    Symmetric,
    /// A firewall that lets no UDP pass either way.
    UdpBlocked,
}

/// Why a datagram does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatDrop {
    /// UDP is blocked.
    Blocked,
    /// It comes from outside to a port without mapping.
    NoMapping,
    /// It comes from somebody to whom the host has not sent.
    Filtered,
    /// It goes out, and the table is full.
    TableFull,
}

/// The tables of one NAT.
#[derive(Clone, Debug)]
pub struct Nat {
    kind: NatKind,
    public: Ipv4Addr,
    timeout: Duration,
    /// By public port.
    mappings: BTreeMap<u16, Mapping>,
    /// The same mappings by what is inside, and by destination too if the NAT is symmetric.
    ports: BTreeMap<(SocketAddr, Option<SocketAddr>), u16>,
    next_port: u16,
}

#[derive(Clone, Debug)]
struct Mapping {
    inside: SocketAddr,
    destination: Option<SocketAddr>,
    last_sent: Duration,
    /// Who may answer, and when the host last sent there. A port of 0 stands for any.
    permissions: BTreeMap<SocketAddr, Duration>,
}

impl Nat {
    /// A NAT with the public address `public`; mappings end after `timeout` without a datagram from inside.
    pub fn new(kind: NatKind, public: Ipv4Addr, timeout: Duration) -> Self {
        Self {
            kind,
            public,
            timeout,
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_port: *PORTS.start(),
        }
    }

    /// What kind it is.
    pub fn kind(&self) -> NatKind {
        self.kind
    }

    /// Mappings in the table, those included whose end nobody has noticed yet.
    pub fn mappings(&self) -> usize {
        self.mappings.len()
    }

    /// The source that a datagram has outside.
    ///
    /// # Errors
    ///
    /// Why it does not pass.
    pub fn outbound(
        &mut self,
        now: Duration,
        inside: SocketAddr,
        destination: SocketAddr,
    ) -> Result<SocketAddr, NatDrop> {
        match self.kind {
            NatKind::None => return Ok(inside),
            NatKind::UdpBlocked => return Err(NatDrop::Blocked),
            _ => {}
        }
        let key = (inside, (self.kind == NatKind::Symmetric).then_some(destination));
        let port = match self.ports.get(&key).copied() {
            Some(port) if self.is_alive(port, now) => port,
            _ => self.map(now, key)?,
        };
        let permission = self.permission(destination);
        let (kind, timeout) = (self.kind, self.timeout);
        let mapping = self.mappings.get_mut(&port).ok_or(NatDrop::NoMapping)?;
        mapping.last_sent = now;
        if kind != NatKind::FullCone {
            if mapping.permissions.len() >= MAX_PERMISSIONS && !mapping.permissions.contains_key(&permission)
            {
                mapping.permissions.retain(|_, sent| now < *sent + timeout);
                if mapping.permissions.len() >= MAX_PERMISSIONS {
                    return Err(NatDrop::TableFull);
                }
            }
            mapping.permissions.insert(permission, now);
        }
        Ok((self.public, port).into())
    }

    /// Whom inside a datagram is for that comes to the public `destination`.
    ///
    /// # Errors
    ///
    /// Why it does not pass.
    pub fn inbound(
        &self,
        now: Duration,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Result<SocketAddr, NatDrop> {
        match self.kind {
            NatKind::None => return Ok(destination),
            NatKind::UdpBlocked => return Err(NatDrop::Blocked),
            _ => {}
        }
        let mapping = self
            .mappings
            .get(&destination.port())
            .filter(|_| self.is_alive(destination.port(), now))
            .ok_or(NatDrop::NoMapping)?;
        let permitted = self.kind == NatKind::FullCone
            || mapping
                .permissions
                .get(&self.permission(source))
                .is_some_and(|sent| now < *sent + self.timeout);
        if permitted {
            Ok(mapping.inside)
        } else {
            Err(NatDrop::Filtered)
        }
    }

    /// Whom sending to `remote` lets answer.
    fn permission(&self, remote: SocketAddr) -> SocketAddr {
        match self.kind {
            NatKind::RestrictedCone => (remote.ip(), 0).into(),
            _ => remote,
        }
    }

    fn is_alive(&self, port: u16, now: Duration) -> bool {
        self.mappings
            .get(&port)
            .is_some_and(|mapping| now < mapping.last_sent + self.timeout)
    }

    fn map(&mut self, now: Duration, key: (SocketAddr, Option<SocketAddr>)) -> Result<u16, NatDrop> {
        if let Some(ended) = self.ports.remove(&key) {
            self.mappings.remove(&ended);
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            self.forget_ended(now);
            if self.mappings.len() >= MAX_MAPPINGS {
                return Err(NatDrop::TableFull);
            }
        }
        // There are more ports than mappings, so this ends.
        while self.mappings.contains_key(&self.next_port) {
            self.next_port = port_after(self.next_port);
        }
        let port = self.next_port;
        self.next_port = port_after(port);
        let (inside, destination) = key;
        self.ports.insert(key, port);
        self.mappings.insert(
            port,
            Mapping {
                inside,
                destination,
                last_sent: now,
                permissions: BTreeMap::new(),
            },
        );
        Ok(port)
    }

    fn forget_ended(&mut self, now: Duration) {
        let (timeout, ports) = (self.timeout, &mut self.ports);
        self.mappings.retain(|_, mapping| {
            let alive = now < mapping.last_sent + timeout;
            if !alive {
                ports.remove(&(mapping.inside, mapping.destination));
            }
            alive
        });
    }
}

fn port_after(port: u16) -> u16 {
    if port == *PORTS.end() {
        *PORTS.start()
    } else {
        port + 1
    }
}

#[cfg(test)]
mod tests;
