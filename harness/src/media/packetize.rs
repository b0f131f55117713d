//! Packetizing: one encoded picture becomes the RTP payloads that every connection shares.
//!
//! Owns the split into payloads (RFC 6184, packetization mode 1). It writes no RTP header: sequence
//! number, timestamp offset and SSRC belong to the connection that sends.

use bytes::Bytes;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;
use thiserror::Error;

use super::h264::{FrameDigest, digest_annex_b};

/// Largest RTP payload in bytes: 1,200 keeps a packet with headers, SRTP tag and TURN framing
/// below the 1,280-byte minimum MTU of IPv6 (RFC 8200 section 5).
pub const MAX_PAYLOAD: usize = 1_200;

/// One picture of a broadcast, encoded and packetized once, to be shared by every connection.
#[derive(Debug)]
pub struct EncodedFrame {
    /// Number of the frame in the broadcast, from 0; also the number in its stamp.
    pub index: u32,
    /// Media time in ticks of the 90 kHz RTP clock since the start of the broadcast.
    pub media_time: i64,
    /// Whether a decoder can start here (an IDR picture).
    pub key: bool,
    /// What identifies the content, see [`FrameDigest`].
    pub digest: FrameDigest,
    /// RTP payloads in sending order; the last one carries the marker bit.
    pub payloads: Vec<Bytes>,
}

impl EncodedFrame {
    /// Size of all payloads together, in bytes.
    pub fn bytes(&self) -> usize {
        self.payloads.iter().map(Bytes::len).sum()
    }
}

/// An access unit that cannot be sent.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PacketizeError {
    /// The encoder's output holds no NAL unit.
    #[error(
        "frame {index}: the encoder gave {bytes} bytes without a NAL unit; expected an Annex B access unit"
    )]
    NoNalUnit {
        /// Number of the frame.
        index: u32,
        /// Size of the output.
        bytes: usize,
    },
    /// The payloader refused the access unit.
    #[error("frame {index}: the access unit cannot be packetized: {reason}")]
    Payloader {
        /// Number of the frame.
        index: u32,
        /// What the payloader said.
        reason: String,
    },
}

/// Turns Annex B access units into [`EncodedFrame`]s.
#[derive(Debug, Default)]
pub struct Packetizer {
    payloader: H264Payloader,
}

impl Packetizer {
    /// Packetizes one access unit.
    ///
    /// # Errors
    ///
    /// When the bytes are not an Annex B access unit.
    pub fn packetize(
        &mut self,
        index: u32,
        media_time: i64,
        key: bool,
        access_unit: Vec<u8>,
    ) -> Result<EncodedFrame, PacketizeError> {
        let digest = digest_annex_b(&access_unit).ok_or(PacketizeError::NoNalUnit {
            index,
            bytes: access_unit.len(),
        })?;
        let payloads = self
            .payloader
            .payload(MAX_PAYLOAD, &Bytes::from(access_unit))
            .map_err(|error| PacketizeError::Payloader {
                index,
                reason: error.to_string(),
            })?;
        if payloads.is_empty() {
            return Err(PacketizeError::Payloader {
                index,
                reason: "no payload came out".to_owned(),
            });
        }
        Ok(EncodedFrame {
            index,
            media_time,
            key,
            digest,
            payloads,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access_unit(size: usize) -> Vec<u8> {
        let mut unit = vec![
            0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 0, 0, 0, 1, 0x65, 0x88,
        ];
        unit.extend((0..size).map(|i| (i % 251) as u8 | 1));
        unit
    }

    #[test]
    fn payloads_stay_within_the_mtu_and_parameter_sets_travel_first() {
        let frame = Packetizer::default()
            .packetize(7, 21_000, true, access_unit(5_000))
            .unwrap();
        assert!(frame.payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        assert_eq!(frame.payloads[0][0] & 0x1f, super::super::h264::STAP_A);
        assert_eq!(frame.payloads.len(), 1 + 5);
        assert!(frame.digest.parameter_sets.is_some());
    }

    #[test]
    fn bytes_without_a_nal_unit_are_refused_with_their_frame_number() {
        let refused = Packetizer::default()
            .packetize(3, 0, false, vec![1, 2, 3])
            .unwrap_err();
        assert_eq!(refused, PacketizeError::NoNalUnit { index: 3, bytes: 3 });
    }
}
