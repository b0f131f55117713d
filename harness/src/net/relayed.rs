//! What a TURN server carries for a connection: the datagrams inside ChannelData and Send and Data indications (RFC 8656).
//!
//! Owns the unwrapping and the channels that were bound. Nothing of it is encrypted, so it needs no key; it changes
//! nothing and judges nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::stun::{self, StunClass, StunMessage};
use super::tap::{Datagram, DatagramKind, Way};

/// Methods of TURN (RFC 8656 section 17).
pub(crate) const ALLOCATE: u16 = 0x003;
pub(crate) const REFRESH: u16 = 0x004;
const SEND: u16 = 0x006;
const DATA: u16 = 0x007;
pub(crate) const CREATE_PERMISSION: u16 = 0x008;
pub(crate) const CHANNEL_BIND: u16 = 0x009;

/// Attributes of TURN (RFC 8656 section 18).
const CHANNEL_NUMBER: u16 = 0x000c;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_ATTRIBUTE: u16 = 0x0013;

/// Channel and length (RFC 8656 section 12.4).
const CHANNEL_HEADER: usize = 4;

/// Channels that are remembered: one for each peer address.
const MAX_CHANNELS: usize = 64;

/// The channels of one connection, by which its relayed datagrams are read.
#[derive(Debug, Default)]
pub(crate) struct Relayed {
    channels: BTreeMap<u16, SocketAddr>,
}

impl Relayed {
    /// The datagram inside this one, with the peer that it goes to or comes from; `None` if nothing is inside.
    pub(crate) fn unwrap<'a>(&mut self, outer: &Datagram<'a>) -> Option<Datagram<'a>> {
        let (remote, bytes) = match DatagramKind::of(outer.bytes) {
            DatagramKind::TurnChannel => {
                let [high, low, ..] = *outer.bytes else {
                    return None;
                };
                let peer = *self.channels.get(&u16::from_be_bytes([high, low]))?;
                (peer, payload(outer.bytes)?)
            }
            DatagramKind::Stun => {
                if outer.way == Way::Out {
                    self.note_channel(outer.bytes);
                }
                (peer_address(outer.bytes)?, payload(outer.bytes)?)
            }
            _ => return None,
        };
        Some(Datagram {
            remote,
            bytes,
            ..*outer
        })
    }

    /// A ChannelBind request names the peer of a channel; no datagram comes on it unless the server agrees.
    fn note_channel(&mut self, bytes: &[u8]) {
        let is_bind = StunMessage::parse(bytes)
            .is_ok_and(|message| message.method == CHANNEL_BIND && message.class == StunClass::Request);
        let Some([high, low, ..]) = stun::value(bytes, CHANNEL_NUMBER).filter(|_| is_bind) else {
            return;
        };
        if let Some(peer) = peer_address(bytes)
            && self.channels.len() < MAX_CHANNELS
        {
            self.channels.insert(u16::from_be_bytes([*high, *low]), peer);
        }
    }
}

fn peer_address(bytes: &[u8]) -> Option<SocketAddr> {
    stun::address(bytes, XOR_PEER_ADDRESS)
}

/// Whether SRTP or SRTCP is inside (RFC 7983 section 7).
pub(crate) fn is_media(bytes: &[u8]) -> bool {
    matches!(payload(bytes).and_then(<[u8]>::first), Some(128..=191))
}

/// Whether this is a ChannelBind request, by its first two bytes.
pub(crate) fn is_channel_bind(bytes: &[u8]) -> bool {
    bytes.starts_with(&CHANNEL_BIND.to_be_bytes())
}

/// The bytes inside a ChannelData message or a Send or Data indication; `None` of anything else.
pub(crate) fn payload(bytes: &[u8]) -> Option<&[u8]> {
    match DatagramKind::of(bytes) {
        DatagramKind::TurnChannel => {
            let ([_, _, high, low], rest) = bytes.split_first_chunk::<CHANNEL_HEADER>()?;
            rest.get(..usize::from(u16::from_be_bytes([*high, *low])))
        }
        DatagramKind::Stun => {
            let message = StunMessage::parse(bytes).ok()?;
            let carries = message.class == StunClass::Indication && matches!(message.method, SEND | DATA);
            carries.then(|| stun::value(bytes, DATA_ATTRIBUTE)).flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::time::Instant;

    use super::*;

    const PEER: &str = "192.0.2.7:5000";

    /// A STUN message of this type with these attributes, whose values fill whole words.
    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
        }
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend([0x21, 0x12, 0xa4, 0x42]);
        bytes.extend([7; 12]);
        bytes.extend(body);
        bytes
    }

    /// [`PEER`], combined with the magic cookie.
    fn peer() -> [u8; 8] {
        let port = 5_000_u16 ^ 0x2112;
        let [high, low] = port.to_be_bytes();
        [0, 1, high, low, 192 ^ 0x21, 0x12, 2 ^ 0xa4, 7 ^ 0x42]
    }

    fn datagram(way: Way, bytes: &[u8]) -> Datagram<'_> {
        let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
        Datagram {
            way,
            local: server,
            remote: server,
            at: Instant::now(),
            bytes,
        }
    }

    fn seen(relayed: &mut Relayed, way: Way, bytes: &[u8]) -> Option<(String, Vec<u8>)> {
        let inner = relayed.unwrap(&datagram(way, bytes))?;
        Some((inner.remote.to_string(), inner.bytes.to_vec()))
    }

    #[tokio::test]
    async fn an_indication_carries_a_datagram_of_the_peer_that_it_names() {
        let data = message(0x0017, &[(0x0012, &peer()), (0x0013, &[128, 96, 0, 1])]);
        let inner = seen(&mut Relayed::default(), Way::In, &data);
        assert_eq!(inner, Some((PEER.to_owned(), vec![128, 96, 0, 1])));
    }

    #[tokio::test]
    async fn a_channel_carries_datagrams_once_it_is_bound() {
        let mut relayed = Relayed::default();
        let on_channel = [0x40, 1, 0, 2, 128, 96, 0, 0];
        assert_eq!(seen(&mut relayed, Way::In, &on_channel), None);
        let bind = message(0x0009, &[(0x000c, &[0x40, 1, 0, 0]), (0x0012, &peer())]);
        assert_eq!(
            seen(&mut relayed, Way::Out, &bind),
            None,
            "it carries nothing itself"
        );
        let inner = seen(&mut relayed, Way::In, &on_channel);
        assert_eq!(
            inner,
            Some((PEER.to_owned(), vec![128, 96])),
            "without the padding"
        );
    }

    #[tokio::test]
    async fn what_is_cut_or_carries_nothing_is_nothing() {
        for bytes in [
            &[0x40][..],
            &[0x40, 1, 0, 9, 1],
            &[22, 254, 253],
            &message(0x0001, &[]),
        ] {
            assert_eq!(payload(bytes), None, "{bytes:?}");
        }
    }
}
