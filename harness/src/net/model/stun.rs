//! A simulated STUN server: a Binding request in, the success response out (RFC 8489).
//!
//! Owns the bytes of the response. It knows neither credentials nor fingerprints, which gathering does not use,
//! and stays silent where it has nothing to say.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::net::stun::{BINDING, StunClass, StunMessage};

/// Where the network hosts the server (an address for documentation, RFC 5737; the port of RFC 8489).
pub const STUN_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 3_478));

/// RFC 8489 section 5.
const HEADER: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_a442;
/// RFC 8489 section 18.2: method Binding as a success response.
const BINDING_SUCCESS: u16 = 0x0101;
/// RFC 8489 section 14.2.
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FAMILY_IPV4: u8 = 0x01;

/// The answer to a datagram that came from `source`; `None` to anything but a Binding request over IPv4.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let SocketAddr::V4(source) = source else {
        return None;
    };
    let request = StunMessage::parse(datagram).ok()?;
    if (request.class, request.method) != (StunClass::Request, BINDING) {
        return None;
    }
    let mut response = Vec::with_capacity(HEADER + 12);
    response.extend(BINDING_SUCCESS.to_be_bytes());
    response.extend(12_u16.to_be_bytes());
    response.extend(MAGIC_COOKIE.to_be_bytes());
    response.extend(request.transaction_id);
    response.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
    response.extend(8_u16.to_be_bytes());
    response.extend([0, FAMILY_IPV4]);
    // RFC 8489 section 14.2: the port with the upper half of the cookie, the address with all of it.
    response.extend((source.port() ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes());
    response.extend((source.ip().to_bits() ^ MAGIC_COOKIE).to_be_bytes());
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as a client writes it, and the address in a response as a client reads it.
    fn request() -> Vec<u8> {
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend(1..=12);
        request
    }

    #[test]
    fn the_answer_is_that_of_the_test_vector() {
        // RFC 5769 section 2.2: 192.0.2.1:32853 is e1 12 / a1 47 under the cookie.
        let response = answer(&request(), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(response[..8], [1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
        assert_eq!(response[8..20], request()[8..]);
        assert_eq!(
            response[20..],
            [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        );
    }

    #[test]
    fn attributes_of_a_request_are_passed_over() {
        let mut request = request();
        request[3] = 8;
        request.extend([0x80, 0x22, 0, 4, b't', b'e', b's', b't']);
        assert!(answer(&request, "192.0.2.1:1".parse().unwrap()).is_some());
    }

    #[test]
    fn anything_else_is_ignored() {
        let source = "192.0.2.1:1".parse().unwrap();
        for (at, value) in [(0, 1), (1, 0x11), (1, 2), (3, 4), (3, 1), (4, 0x20), (7, 0)] {
            let mut other = request();
            other[at] = value;
            assert_eq!(answer(&other, source), None, "byte {at} is {value}");
        }
        assert_eq!(answer(&request()[..19], source), None);
        assert_eq!(answer(&[], source), None);
        assert_eq!(answer(&request(), "[2001:db8::1]:1".parse().unwrap()), None);
    }
}
