//! The network between simulated hosts: an access link up and one down for each, its NAT, and a core that
//! takes no time.
//!
//! Owns addresses, routing and partitions. Pure: (datagram, now) -> deliveries. What comes to a NAT and a
//! queue later than now has to wait until then, since others may come first: it waits here, and
//! [`Network::advance`] carries it on at [`Network::next_crossing`].

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::flow::{Flow, FlowCounts};
use super::link::{Arrival, Link, LinkCounts};
use super::nat::{Nat, NatDrop, NatKind};
use super::random::derive;
use super::spec::LinkSpec;
use super::stun::{self, STUN_SERVER};

/// Hosts of one network: as many as there are addresses 10.0.1.2, 10.0.2.2, … 10.255.255.2.
pub const MAX_HOSTS: usize = 65_535;

/// Datagrams on uplinks at one time; more are dropped and counted. 200 hosts that send 500 a second over
/// a satellite have 28,000.
const MAX_ON_UPLINKS: usize = 131_072;

/// One host of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(u32);

/// A direction as the host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the host to the network.
    Up,
    /// From the network to the host.
    Down,
}

/// A datagram for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it is there, since the start of the run. Deliveries of one time keep the order in which they
    /// were given out.
    pub at: Duration,
    /// Whom it is for.
    pub host: HostId,
    /// Where it comes from, as the receiver sees it.
    pub source: SocketAddr,
    /// The receiver's own address.
    pub destination: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What became of datagrams between the links; what the links did is in [`LinkCounts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Given to the network.
    pub sent: u64,
    /// Came through to a downlink.
    pub routed: u64,
    /// Answered by the STUN server, which is where they ended.
    pub answered: u64,
    /// To or from an address that nobody has, a private one behind a NAT included.
    pub unroutable: u64,
    /// To or from a host that was cut off.
    pub partitioned: u64,
    /// To or from a host whose UDP is blocked.
    pub blocked: u64,
    /// To a port of a NAT that has no mapping, or from a sender that its filter does not know.
    pub filtered: u64,
    /// Out of a NAT whose table was full.
    pub nat_full: u64,
    /// Dropped because too many were on uplinks.
    pub overflowed: u64,
}

/// A host that cannot be added.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// Every address is taken.
    #[error("the network has {MAX_HOSTS} hosts already, the most that it has addresses for; expected fewer")]
    Full,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    seed: u64,
    nat_timeout: Duration,
    hosts: Vec<Host>,
    crossings: BinaryHeap<Crossing>,
    next_order: u64,
    now: Duration,
    counts: NetworkCounts,
    /// Kept for its memory.
    arrivals: Vec<Arrival>,
}

#[derive(Debug)]
struct Host {
    up: Link,
    down: Link,
    nat: Nat,
    partitioned: bool,
    up_flows: FlowCounts,
    down_flows: FlowCounts,
}

/// A datagram on its way from an uplink into the core.
#[derive(Debug, PartialEq, Eq)]
struct Crossing {
    at: Duration,
    /// Equal times keep the order of sending.
    order: u64,
    from: HostId,
    flow: Flow,
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

impl Ord for Crossing {
    /// The earliest is the greatest, as `BinaryHeap` wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Crossing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Network {
    /// A network without hosts; the same seed and the same calls give the same deliveries. Mappings of
    /// NATs end after `nat_timeout` of silence, [`super::nat::MAPPING_TIMEOUT`] as a rule.
    pub fn new(seed: u64, nat_timeout: Duration) -> Self {
        Self {
            seed,
            nat_timeout,
            hosts: Vec::new(),
            crossings: BinaryHeap::new(),
            next_order: 0,
            now: Duration::ZERO,
            counts: NetworkCounts::default(),
            arrivals: Vec::new(),
        }
    }

    /// Adds a host; the first has 10.0.1.2, the next 10.0.2.2. Behind a NAT it appears as 203.0.113.1 and
    /// so on, which RFC 5737 reserves for documentation, and from the 255th host on as an address of
    /// 198.18.0.0/15, which RFC 2544 reserves for benchmarks.
    ///
    /// # Errors
    ///
    /// There are [`MAX_HOSTS`].
    pub fn add_host(&mut self, up: LinkSpec, down: LinkSpec, nat: NatKind) -> Result<HostId, NetworkError> {
        if self.hosts.len() >= MAX_HOSTS {
            return Err(NetworkError::Full);
        }
        let id = HostId(self.hosts.len() as u32);
        self.hosts.push(Host {
            up: Link::new(up, derive(self.seed, [u64::from(id.0), 0])),
            down: Link::new(down, derive(self.seed, [u64::from(id.0), 1])),
            nat: Nat::new(nat, id.public_address(), self.nat_timeout),
            partitioned: false,
            up_flows: FlowCounts::default(),
            down_flows: FlowCounts::default(),
        });
        Ok(id)
    }

    /// Changes a link from now on; what is under way keeps its time.
    pub fn set_link(&mut self, host: HostId, direction: Direction, spec: LinkSpec) {
        self.host_mut(host).link_mut(direction).set_spec(spec);
    }

    /// What a link does now.
    pub fn link(&self, host: HostId, direction: Direction) -> &LinkSpec {
        self.host(host).link(direction).spec()
    }

    /// Cuts a host off, or joins it again. What a host sends meanwhile is dropped, and so is what comes to
    /// it; what is on its downlink already still arrives.
    pub fn partition(&mut self, host: HostId, partitioned: bool) {
        self.host_mut(host).partitioned = partitioned;
    }

    /// What one link did so far.
    pub fn link_counts(&self, host: HostId, direction: Direction) -> LinkCounts {
        self.host(host).link(direction).counts()
    }

    /// What one link did to each flow so far.
    pub fn flow_counts(&self, host: HostId, direction: Direction) -> &FlowCounts {
        let host = self.host(host);
        match direction {
            Direction::Up => &host.up_flows,
            Direction::Down => &host.down_flows,
        }
    }

    /// What became of datagrams between the links so far.
    pub fn counts(&self) -> NetworkCounts {
        self.counts
    }

    /// Sends a datagram from a host's private address at `now`, after it has carried on whatever was due;
    /// appends to `out` what becomes known of deliveries, which may be of others' datagrams too.
    pub fn send(
        &mut self,
        now: Duration,
        from: HostId,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<Delivery>,
    ) {
        self.send_of(now, from, source, destination, (Flow::Other, bytes), out);
    }

    /// As [`Network::send`], and the datagram is counted as one of `flow`.
    pub fn send_of(
        &mut self,
        now: Duration,
        from: HostId,
        source: SocketAddr,
        destination: SocketAddr,
        (flow, bytes): (Flow, &[u8]),
        out: &mut Vec<Delivery>,
    ) {
        self.advance(now, out);
        self.counts.sent += 1;
        if source.ip() != from.private_address() {
            self.counts.unroutable += 1;
            return;
        }
        let now = self.now;
        let host = &mut self.hosts[from.0 as usize];
        if host.partitioned {
            self.counts.partitioned += 1;
            return;
        }
        let before = host.up.counts();
        host.up.send(now, bytes, &mut self.arrivals);
        host.up_flows
            .note(flow, now, (before, host.up.counts()), &self.arrivals);
        for arrival in self.arrivals.drain(..) {
            if self.crossings.len() >= MAX_ON_UPLINKS {
                self.counts.overflowed += 1;
                continue;
            }
            self.crossings.push(Crossing {
                at: arrival.at,
                order: self.next_order,
                from,
                flow,
                source,
                destination,
                bytes: arrival.bytes,
            });
            self.next_order += 1;
        }
        self.advance(now, out);
    }

    /// When something next comes from an uplink into the core; then it is time for [`Network::advance`].
    pub fn next_crossing(&self) -> Option<Duration> {
        self.crossings.peek().map(|crossing| crossing.at)
    }

    /// Carries on what has come from uplinks by `now`, in order of time; appends its deliveries to `out`.
    pub fn advance(&mut self, now: Duration, out: &mut Vec<Delivery>) {
        self.now = self.now.max(now);
        while self.crossings.peek().is_some_and(|first| first.at <= self.now) {
            if let Some(crossing) = self.crossings.pop() {
                self.cross(crossing, out);
            }
        }
    }

    /// Takes a datagram through its sender's NAT to the STUN server or towards its receiver.
    fn cross(&mut self, crossing: Crossing, out: &mut Vec<Delivery>) {
        let Crossing {
            at,
            from,
            flow,
            source,
            destination,
            bytes,
            ..
        } = crossing;
        let host = &mut self.hosts[from.0 as usize];
        if host.partitioned {
            self.counts.partitioned += 1;
            return;
        }
        let source = match host.nat.outbound(at, source, destination) {
            Ok(source) => source,
            Err(reason) => return self.count_nat_drop(reason),
        };
        if destination != STUN_SERVER {
            return self.route(at, source, destination, (flow, &bytes), out);
        }
        match stun::answer(&bytes, source) {
            Some(answer) => {
                self.counts.answered += 1;
                self.route(at, STUN_SERVER, source, (Flow::Other, &answer), out);
            }
            None => self.counts.unroutable += 1,
        }
    }

    /// Takes a datagram through its receiver's NAT onto the downlink.
    fn route(
        &mut self,
        at: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        (flow, bytes): (Flow, &[u8]),
        out: &mut Vec<Delivery>,
    ) {
        let Some(id) = self.host_of(destination) else {
            self.counts.unroutable += 1;
            return;
        };
        let host = &mut self.hosts[id.0 as usize];
        if host.partitioned {
            self.counts.partitioned += 1;
            return;
        }
        let destination = match host.nat.inbound(at, source, destination) {
            Ok(destination) => destination,
            Err(reason) => return self.count_nat_drop(reason),
        };
        self.counts.routed += 1;
        let before = host.down.counts();
        host.down.send(at, bytes, &mut self.arrivals);
        host.down_flows
            .note(flow, at, (before, host.down.counts()), &self.arrivals);
        out.extend(self.arrivals.drain(..).map(|arrival| Delivery {
            at: arrival.at,
            host: id,
            source,
            destination,
            bytes: arrival.bytes,
        }));
    }

    /// Which host an address of the network belongs to: a private one only without NAT, a public one only
    /// with one.
    fn host_of(&self, address: SocketAddr) -> Option<HostId> {
        let SocketAddr::V4(address) = address else {
            return None;
        };
        let number = match address.ip().octets() {
            [10, high, low, 2] => u32::from(u16::from_be_bytes([high, low])),
            [203, 0, 113, number] => u32::from(number),
            [198, net @ (18 | 19), high, low] => u32::from_be_bytes([0, net - 18, high, low]),
            _ => return None,
        };
        let id = HostId(number.checked_sub(1)?);
        let reachable_at = match self.hosts.get(id.0 as usize)?.nat.kind() {
            NatKind::None => id.private_address(),
            _ => id.public_address().into(),
        };
        (reachable_at == *address.ip()).then_some(id)
    }

    fn count_nat_drop(&mut self, reason: NatDrop) {
        match reason {
            NatDrop::Blocked => self.counts.blocked += 1,
            NatDrop::NoMapping | NatDrop::Filtered => self.counts.filtered += 1,
            NatDrop::TableFull => self.counts.nat_full += 1,
        }
    }

    fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0 as usize]
    }
}

impl Host {
    fn link(&self, direction: Direction) -> &Link {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn link_mut(&mut self, direction: Direction) -> &mut Link {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

impl HostId {
    /// The host's own address.
    pub fn private_address(self) -> std::net::IpAddr {
        let [_, _, high, low] = self.number().to_be_bytes();
        Ipv4Addr::new(10, high, low, 2).into()
    }

    /// The address that others see if the host is behind a NAT.
    pub fn public_address(self) -> Ipv4Addr {
        match self.number().to_be_bytes() {
            [0, 0, 0, low @ 1..=254] => Ipv4Addr::new(203, 0, 113, low),
            [_, net, high, low] => Ipv4Addr::new(198, 18 + net, high, low),
        }
    }

    /// From 1, so that no address ends in 0.
    fn number(self) -> u32 {
        self.0 + 1
    }
}

#[cfg(test)]
mod tests;
