//! Datagrams rewritten on purpose, and such that nobody should send.
//!
//! Owns the bytes: of STUN messages, of a ClientHello, of RTP headers. Each function is total and gives nothing for a
//! datagram that it does not understand. STUN messages come out without MESSAGE-INTEGRITY and FINGERPRINT, to be sealed.

/// RFC 8489 section 5: type and length, then the cookie and the transaction id.
const STUN_HEADER: usize = 20;
/// RFC 8489 section 18.2: method Binding as an error response.
const BINDING_ERROR: u16 = 0x0111;
/// RFC 8489 section 18.3 and RFC 8445 section 16.1.
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// RFC 6347 sections 4.1 and 4.2.2: the headers of a record and of a handshake message, then version and random bytes.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const MESSAGE_TYPE: usize = 13;
const VERSION: usize = 25;
const SESSION: usize = VERSION + 2 + 32;
const DTLS_1_0: [u8; 2] = [0xfe, 0xff];
/// RFC 5764 section 9, and one of the numbers for private use (RFC 8447 section 7).
const USE_SRTP: u16 = 14;
const UNKNOWN_EXTENSION: u16 = 0xff5a;

/// Payload types: Opus in greenroom's offers, and one that nobody negotiates.
const OPUS: u8 = 111;
const FOREIGN: u8 = 45;

/// The first a=ice-pwd of a description.
pub(super) fn password(sdp: &str) -> Option<&str> {
    sdp.lines()
        .find_map(|line| line.trim().strip_prefix("a=ice-pwd:"))
}

/// The attributes of a STUN message, as far as they are sealed.
fn attributes(message: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut rest = message.get(STUN_HEADER..)?;
    let mut attributes = Vec::new();
    while let Some(([k0, k1, l0, l1], body)) = rest.split_first_chunk() {
        let kind = u16::from_be_bytes([*k0, *k1]);
        if matches!(kind, MESSAGE_INTEGRITY | FINGERPRINT) {
            break;
        }
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        attributes.push((kind, body.get(..length)?));
        rest = body.get(length.next_multiple_of(4)..)?;
    }
    Some(attributes)
}

/// A message of this type, with the transaction id of another one.
fn message(kind: u16, like: &[u8], attributes: &[(u16, &[u8])]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut message = kind.to_be_bytes().to_vec();
    message.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
    message.extend(like.get(4..STUN_HEADER)?);
    message.extend(body);
    Some(message)
}

fn kind_of(message: &[u8]) -> Option<u16> {
    let [k0, k1, ..] = message else { return None };
    Some(u16::from_be_bytes([*k0, *k1]))
}

/// A check that claims the other role, with the same tie-breaker.
pub(super) fn flip_role(check: &[u8]) -> Option<Vec<u8>> {
    let mut attributes = attributes(check)?;
    for (kind, _) in &mut attributes {
        *kind = match *kind {
            ICE_CONTROLLING => ICE_CONTROLLED,
            ICE_CONTROLLED => ICE_CONTROLLING,
            other => other,
        };
    }
    message(kind_of(check)?, check, &attributes)
}

/// A check that nominates its pair.
pub(super) fn nominate(check: &[u8]) -> Option<Vec<u8>> {
    let mut attributes = attributes(check)?;
    attributes.push((USE_CANDIDATE, &[]));
    message(kind_of(check)?, check, &attributes)
}

/// 487 in place of a success response (RFC 8445 section 7.3.1.1).
pub(super) fn role_conflict(response: &[u8]) -> Option<Vec<u8>> {
    let code: &[u8] = b"\x00\x00\x04\x57Role Conflict";
    message(BINDING_ERROR, response, &[(ERROR_CODE, code)])
}

/// Whether a datagram begins with a ClientHello in clear.
pub(super) fn is_client_hello(datagram: &[u8]) -> bool {
    datagram.first() == Some(&HANDSHAKE)
        && datagram.get(3..5) == Some(&[0, 0])
        && datagram.get(MESSAGE_TYPE) == Some(&CLIENT_HELLO)
}

/// A ClientHello that offers DTLS 1.0 at the most.
pub(super) fn hello_of_old_version(hello: &[u8]) -> Option<Vec<u8>> {
    let mut hello = hello.to_vec();
    hello.get_mut(VERSION..VERSION + 2)?.copy_from_slice(&DTLS_1_0);
    Some(hello)
}

/// A ClientHello in which an extension that nobody knows stands where use_srtp was.
pub(super) fn hello_without_use_srtp(hello: &[u8]) -> Option<Vec<u8>> {
    let short = |at: usize| {
        let bytes = hello.get(at..at.checked_add(2)?)?;
        Some(u16::from_be_bytes([*bytes.first()?, *bytes.last()?]))
    };
    let behind_8 = |at: usize| Some(at + 1 + usize::from(*hello.get(at)?));
    let behind_16 = |at: usize| Some(at + 2 + usize::from(short(at)?));
    // Session, cookie, cipher suites, compression methods, then the length of all extensions.
    let compression = behind_16(behind_8(behind_8(SESSION)?)?)?;
    let mut at = behind_8(compression)? + 2;
    while short(at)? != USE_SRTP {
        at = behind_16(at + 2)?;
    }
    let mut rewritten = hello.to_vec();
    rewritten
        .get_mut(at..at + 2)?
        .copy_from_slice(&UNKNOWN_EXTENSION.to_be_bytes());
    Some(rewritten)
}

/// An RTP packet under another payload type; its marker stays.
pub(super) fn foreign_payload_type(packet: &[u8]) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    let second = packet.get_mut(1)?;
    *second = *second & 0x80 | FOREIGN;
    Some(packet)
}

/// An RTP packet of no key: version 2, a payload type that is negotiated, an SSRC of its own, and some sound.
pub(super) fn rtp_in_clear() -> Vec<u8> {
    let mut packet = vec![0x80, OPUS, 0, 1, 0, 0, 0, 1, 0x67, 0x72, 0x6e, 0x72];
    packet.extend(b"in clear");
    packet
}

/// A datagram whose first byte is in no range of RFC 7983 section 7.
pub(super) fn foreign_datagram() -> Vec<u8> {
    b"\xffa frame of its own".to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::dtls::{Handshake, Seen};
    use crate::net::stun::{StunClass, StunMessage};
    use crate::net::tap::DatagramKind;

    /// A ClientHello with a cookie, two cipher suites, and use_srtp behind another extension.
    fn hello() -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 2, 1, 2, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
        body.extend([0, 13, 0, 23, 0, 0, 0, 14, 0, 5, 0, 2, 0, 1, 0]);
        let length = body.len() as u8;
        let mut hello = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, length + 12];
        hello.extend([1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length]);
        hello.extend(body);
        hello
    }

    fn offered(hello: &[u8]) -> (u16, Vec<u16>) {
        match Handshake::default().observe(hello).remove(0) {
            Seen::ClientHello {
                version,
                srtp_profiles,
                ..
            } => (version, srtp_profiles),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_hello_loses_one_thing_and_stays_a_hello() {
        assert!(is_client_hello(&hello()));
        assert_eq!(offered(&hello()), (0xfefd, vec![1]));
        assert_eq!(
            offered(&hello_of_old_version(&hello()).unwrap()),
            (0xfeff, vec![1])
        );
        assert_eq!(
            offered(&hello_without_use_srtp(&hello()).unwrap()),
            (0xfefd, vec![])
        );
        for end in 0..hello().len() {
            // Whatever is missing, nothing panics.
            let _ = hello_without_use_srtp(&hello()[..end]);
        }
    }

    #[test]
    fn a_response_becomes_an_error_of_the_same_transaction() {
        let mut response = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        response.extend(1..=12);
        let error = StunMessage::parse(&role_conflict(&response).unwrap()).unwrap();
        assert_eq!((error.class, error.error_code), (StunClass::Error, Some(487)));
        assert_eq!(error.transaction_id[..], response[8..]);
    }

    #[test]
    fn datagrams_of_no_use_are_what_they_are_meant_to_be() {
        assert!(matches!(
            DatagramKind::of(&rtp_in_clear()),
            DatagramKind::Rtp {
                payload_type: OPUS,
                ..
            }
        ));
        assert!(matches!(
            DatagramKind::of(&foreign_payload_type(&rtp_in_clear()).unwrap()),
            DatagramKind::Rtp {
                payload_type: FOREIGN,
                ..
            }
        ));
        assert_eq!(DatagramKind::of(&foreign_datagram()), DatagramKind::Unknown);
    }
}
