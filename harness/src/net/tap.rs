//! The datagram tap: what can be read of a connection's traffic without its keys.
//!
//! Owns the classification of datagrams (RFC 7983 section 7). It never changes what it sees, and reads no further
//! than RTP's header.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

/// Sees every datagram of a connection; called on the connection's own task, so it must be quick.
#[derive(Clone)]
pub struct Tap(Arc<dyn Fn(&Datagram<'_>) + Send + Sync>);

impl Tap {
    /// A tap that calls `see`.
    pub fn new(see: impl Fn(&Datagram<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(crate) fn see(&self, datagram: &Datagram<'_>) {
        (self.0)(datagram);
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}

/// Which way a datagram went, as seen from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the connection to the network.
    Out,
    /// From the network to the connection.
    In,
}

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Which way it went.
    pub way: Way,
    /// Address of the connection's socket.
    pub local: SocketAddr,
    /// Address of the other side.
    pub remote: SocketAddr,
    /// When it passed.
    pub at: Instant,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What a datagram is, by its first byte (RFC 7983 section 7) and the next few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// STUN (RFC 8489).
    Stun,
    /// DTLS records (RFC 6347).
    Dtls,
    /// A TURN ChannelData message (RFC 8656 section 12.4).
    TurnChannel,
    /// RTP, with the header fields that SRTP leaves in clear.
    Rtp {
        /// Payload type.
        payload_type: u8,
        /// Sequence number.
        sequence: u16,
        /// SSRC.
        ssrc: u32,
    },
    /// RTCP (RFC 5761 section 4).
    Rtcp,
    /// Anything else.
    Unknown,
}

impl DatagramKind {
    /// Classifies a datagram; total, whatever the bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(64..=79) => Self::TurnChannel,
            Some(128..=191) => match bytes {
                // RTCP packet types 192-223 share the byte with RTP's marker and payload type.
                [_, 192..=223, ..] => Self::Rtcp,
                [_, second, high, low, _, _, _, _, a, b, c, d, ..] => Self::Rtp {
                    payload_type: second & 0x7f,
                    sequence: u16::from_be_bytes([*high, *low]),
                    ssrc: u32::from_be_bytes([*a, *b, *c, *d]),
                },
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_are_told_apart_by_their_first_bytes() {
        assert_eq!(DatagramKind::of(&[0, 1, 0, 0]), DatagramKind::Stun);
        assert_eq!(DatagramKind::of(&[22, 254, 253, 0, 0]), DatagramKind::Dtls);
        let rtp = [128, 0xe6, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 5];
        assert_eq!(
            DatagramKind::of(&rtp),
            DatagramKind::Rtp {
                payload_type: 102,
                sequence: 1,
                ssrc: 9
            }
        );
        assert_eq!(DatagramKind::of(&[128, 200, 0, 1]), DatagramKind::Rtcp);
        assert_eq!(DatagramKind::of(&[64, 0]), DatagramKind::TurnChannel);
    }

    #[test]
    fn truncated_and_foreign_datagrams_are_unknown() {
        for bytes in [&[][..], &[128], &[128, 96, 0], &[255, 255], &[10]] {
            assert_eq!(DatagramKind::of(bytes), DatagramKind::Unknown, "{bytes:?}");
        }
        assert_eq!(DatagramKind::of(&[22]), DatagramKind::Dtls);
    }
}
