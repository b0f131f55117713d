//! Opus payloads: each one is a frame (RFC 7587 section 4.2).
//!
//! Owns nothing more: what the packet's own table of contents says is the decoder's matter.

use bytes::Bytes;

use super::Content;
use crate::media::digest::FrameDigest;

/// The packet as it is; `None` for an empty one, which no encoder makes (RFC 6716 section 3.4, R1).
pub(super) fn depacketize(payloads: &[Bytes], keep: bool) -> Option<Content> {
    let [packet] = payloads else { return None };
    Some(Content {
        // A decoder can start anywhere.
        key: true,
        digest: FrameDigest::of_pieces([&packet[..]])?,
        access_unit: keep.then(|| packet.to_vec()),
    })
}
