//! Depacketizing: what reassembly asks of a codec about its RTP payloads.
//!
//! Owns the choice by codec and nothing of order, loss or time, which are [`super::reassemble`]'s.
//! Payloads come off the wire: each module here refuses what contradicts its RFC and never panics.

mod h264;
mod opus;
mod vp8;

use bytes::Bytes;

use super::codec::Codec;
use super::digest::FrameDigest;

/// A frame's content, taken out of its payloads.
#[derive(Debug)]
pub(super) struct Content {
    /// Whether a decoder can start here.
    pub(super) key: bool,
    /// Digest of the content.
    pub(super) digest: FrameDigest,
    /// The bytes for a decoder, when they were asked for.
    pub(super) access_unit: Option<Vec<u8>>,
}

/// Whether a payload can be the first of a frame.
pub(super) fn starts_frame(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::starts_frame(payload),
        Codec::Vp8 => vp8::starts_frame(payload),
        Codec::Opus => true,
    }
}

/// Whether a payload that can be the first of a frame, but comes right after lost packets, most likely
/// lost the beginning of its frame with them.
pub(super) fn lost_its_beginning(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::idr_without_parameter_sets(payload),
        Codec::Vp8 | Codec::Opus => false,
    }
}

/// Whether a packet with this marker bit is the last of its frame.
///
/// In Opus every packet is (RFC 7587 section 4.2); its marker only says that a talkspurt begins.
pub(super) fn ends_frame(codec: Codec, marker: bool) -> bool {
    marker || codec.is_audio()
}

/// The content of a frame, from all of its payloads in order; `None` when they contradict the RFC.
pub(super) fn depacketize(codec: Codec, payloads: &[Bytes], keep: bool) -> Option<Content> {
    match codec {
        Codec::H264 => h264::depacketize(payloads, keep),
        Codec::Vp8 => vp8::depacketize(payloads, keep),
        Codec::Opus => opus::depacketize(payloads, keep),
    }
}
