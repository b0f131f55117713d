//! The network under the peer connections: sockets, the tap on every datagram, and impairment.
//!
//! Owns what happens between a stack and its socket. [`tap`] reads, [`stun`] and [`dtls`] know what is in clear, `relayed`
//! what a TURN server carries, `filter` asks a fault and [`impair`] decides, [`ports`] and `watched` do the I/O, `sim` does it in memory and in virtual time; none
//! of them knows signaling or media beyond the first bytes of a datagram.

pub(crate) mod connecting;
pub mod dtls;
pub(crate) mod filter;
pub mod impair;
pub mod model;
pub mod ports;
pub(crate) mod relayed;
#[cfg(feature = "sim")]
pub(crate) mod sim;
pub mod stun;
pub mod tap;
pub(crate) mod turn;
pub(crate) mod watched;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// The local address that this host uses to reach the server at `url`: the one to offer as host candidate.
///
/// 127.0.0.1 when the server is on this host or the question cannot be answered.
pub(crate) fn local_address_towards(url: &str) -> IpAddr {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let Ok(url) = url::Url::parse(url) else {
        return loopback;
    };
    let Some(host) = url.host_str() else {
        return loopback;
    };
    let port = url.port_or_known_default().unwrap_or(80);
    let Some(remote) = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
    else {
        return loopback;
    };
    let any: SocketAddr = if remote.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    // Connecting a UDP socket sends nothing; it only asks the routing table.
    let local = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(remote)?;
        socket.local_addr()
    });
    local.map_or(loopback, |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_this_host_is_reached_from_loopback() {
        assert_eq!(
            local_address_towards("ws://127.0.0.1:3000/"),
            IpAddr::from([127, 0, 0, 1])
        );
        assert_eq!(local_address_towards("nonsense"), IpAddr::from([127, 0, 0, 1]));
    }
}
