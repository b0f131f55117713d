//! Packetizing: one encoded frame becomes the RTP payloads that every connection shares.
//!
//! Owns the split into payloads (RFC 6184 in packetization mode 1, RFC 7741, RFC 7587). It writes no RTP
//! header: sequence number, timestamp offset and SSRC belong to the connection that sends.

use bytes::Bytes;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;
use thiserror::Error;

use super::codec::Codec;
use super::digest::FrameDigest;

/// Largest RTP payload in bytes: 1,200 keeps a packet with headers, SRTP tag and TURN framing
/// below the 1,280-byte minimum MTU of IPv6 (RFC 8200 section 5).
pub const MAX_PAYLOAD: usize = 1_200;

/// One frame of a broadcast, encoded and packetized once, to be shared by every connection.
///
/// The codec is the track's: a frame is always sent on a track of the codec that made it.
#[derive(Debug)]
pub struct EncodedFrame {
    /// Number of the frame among those that are sent, from 0.
    pub index: u32,
    /// Media time since the start of the broadcast, in ticks of the codec's RTP clock
    /// ([`Codec::clock_rate`]).
    pub media_time: i64,
    /// Whether a decoder can start here: an IDR picture, a VP8 key frame, any Opus frame.
    pub key: bool,
    /// What identifies the content, see [`FrameDigest`].
    pub digest: FrameDigest,
    /// RTP payloads in sending order, each at most [`MAX_PAYLOAD`] bytes. The last one of a picture
    /// carries the marker bit; an Opus frame has one, which carries it only where a talkspurt begins.
    pub payloads: Vec<Bytes>,
}

impl EncodedFrame {
    /// Size of all payloads together, in bytes.
    pub fn bytes(&self) -> usize {
        self.payloads.iter().map(Bytes::len).sum()
    }
}

/// A frame that cannot be sent.
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
    /// The encoder's output is empty.
    #[error("frame {index}: the {codec} encoder gave no bytes")]
    Empty {
        /// Number of the frame.
        index: u32,
        /// The codec.
        codec: Codec,
    },
    /// An Opus packet that does not fit: it must not be split (RFC 7587 section 4.2).
    #[error("frame {index}: the Opus packet has {bytes} bytes; expected at most {MAX_PAYLOAD}")]
    TooLarge {
        /// Number of the frame.
        index: u32,
        /// Size of the packet.
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

/// Turns what an encoder gives into [`EncodedFrame`]s: H.264 in Annex B form, VP8 frames, Opus packets.
#[derive(Debug)]
pub struct Packetizer {
    codec: Codec,
    h264: H264Payloader,
    /// The PictureID of the next VP8 frame, 15 bits.
    picture_id: u16,
}

impl Packetizer {
    /// A packetizer for one stream.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            h264: H264Payloader::default(),
            picture_id: 0,
        }
    }

    /// Packetizes one frame.
    ///
    /// # Errors
    ///
    /// When the bytes are no frame of the codec, or an Opus packet is too large.
    pub fn packetize(
        &mut self,
        index: u32,
        media_time: i64,
        key: bool,
        frame: Vec<u8>,
    ) -> Result<EncodedFrame, PacketizeError> {
        let codec = self.codec;
        let bytes = frame.len();
        let digest = FrameDigest::of(codec, &frame).ok_or(match codec {
            Codec::H264 => PacketizeError::NoNalUnit { index, bytes },
            Codec::Vp8 | Codec::Opus => PacketizeError::Empty { index, codec },
        })?;
        let payloads = match codec {
            Codec::H264 => self.h264(index, frame)?,
            Codec::Vp8 => self.vp8(&frame),
            Codec::Opus if bytes > MAX_PAYLOAD => return Err(PacketizeError::TooLarge { index, bytes }),
            Codec::Opus => vec![Bytes::from(frame)],
        };
        Ok(EncodedFrame {
            index,
            media_time,
            key,
            digest,
            payloads,
        })
    }

    fn h264(&mut self, index: u32, access_unit: Vec<u8>) -> Result<Vec<Bytes>, PacketizeError> {
        let refused = |reason: String| PacketizeError::Payloader { index, reason };
        let payloads = self
            .h264
            .payload(MAX_PAYLOAD, &Bytes::from(access_unit))
            .map_err(|error| refused(error.to_string()))?;
        if payloads.is_empty() {
            return Err(refused("no payload came out".to_owned()));
        }
        Ok(payloads)
    }

    /// Splits a VP8 frame behind descriptors with a PictureID of 15 bits (RFC 7741 section 4.2).
    ///
    /// rtc's payloader would start with ids of 7 bits and change the form at the 128th frame.
    fn vp8(&mut self, frame: &[u8]) -> Vec<Bytes> {
        let [high, low] = self.picture_id.to_be_bytes();
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        // X; I; M and the PictureID.
        let descriptor = [0x80, 0x80, 0x80 | high, low];
        frame
            .chunks(MAX_PAYLOAD - descriptor.len())
            .enumerate()
            .map(|(position, piece)| {
                let mut payload = Vec::with_capacity(descriptor.len() + piece.len());
                payload.extend_from_slice(&descriptor);
                payload.extend_from_slice(piece);
                if position == 0 {
                    // S, with PID 0: the frame's first partition begins here.
                    payload[0] |= 0x10;
                }
                Bytes::from(payload)
            })
            .collect()
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
        let frame = Packetizer::new(Codec::H264)
            .packetize(7, 21_000, true, access_unit(5_000))
            .unwrap();
        assert!(frame.payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        assert_eq!(frame.payloads[0][0] & 0x1f, super::super::h264::STAP_A);
        assert_eq!(frame.payloads.len(), 1 + 5);
        assert!(frame.digest.parameter_sets.is_some());
    }

    #[test]
    fn bytes_without_a_nal_unit_are_refused_with_their_frame_number() {
        let refused = Packetizer::new(Codec::H264)
            .packetize(3, 0, false, vec![1, 2, 3])
            .unwrap_err();
        assert_eq!(refused, PacketizeError::NoNalUnit { index: 3, bytes: 3 });
    }

    #[test]
    fn a_vp8_frame_fills_its_payloads_and_only_the_first_one_starts_it() {
        let mut packetizer = Packetizer::new(Codec::Vp8);
        let frame = packetizer.packetize(0, 0, true, vec![7; 3 * 1_196]).unwrap();
        let lengths: Vec<usize> = frame.payloads.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [MAX_PAYLOAD; 3]);
        let starts: Vec<u8> = frame.payloads.iter().map(|payload| payload[0]).collect();
        assert_eq!(starts, [0x90, 0x80, 0x80]);
    }

    #[test]
    fn picture_ids_have_15_bits_from_the_first_one_to_the_wrap() {
        let mut packetizer = Packetizer::new(Codec::Vp8);
        let ids: Vec<[u8; 2]> = (0..=0x8000)
            .map(|index| {
                let frame = packetizer.packetize(index, 0, false, vec![1]).unwrap();
                [frame.payloads[0][2], frame.payloads[0][3]]
            })
            .collect();
        assert_eq!(ids[0], [0x80, 0]);
        assert_eq!(ids[0x7fff], [0xff, 0xff]);
        assert_eq!(ids[0x8000], [0x80, 0]);
    }

    #[test]
    fn an_opus_packet_is_its_payload_or_refused() {
        let mut packetizer = Packetizer::new(Codec::Opus);
        let packet = packetizer.packetize(0, 0, true, vec![0x78; MAX_PAYLOAD]).unwrap();
        assert_eq!(packet.payloads, [vec![0x78; MAX_PAYLOAD]]);
        assert_eq!(
            packetizer.packetize(1, 960, true, vec![0x78; 1_201]).unwrap_err(),
            PacketizeError::TooLarge {
                index: 1,
                bytes: 1_201
            }
        );
    }

    #[test]
    fn a_frame_without_bytes_is_refused() {
        for codec in [Codec::Vp8, Codec::Opus] {
            assert_eq!(
                Packetizer::new(codec)
                    .packetize(5, 0, true, Vec::new())
                    .unwrap_err(),
                PacketizeError::Empty { index: 5, codec }
            );
        }
    }
}
