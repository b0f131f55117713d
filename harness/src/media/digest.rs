//! The digest of a frame: what makes two frames the same, whatever packetized them on the way.
//!
//! Owns the value and how it is compared. Which bytes of a stream count is each codec's own matter.

use std::hash::Hasher as _;

use twox_hash::XxHash3_64;

use super::codec::Codec;
use super::h264;

/// What identifies the content of a frame, whatever packetized or repacked it on the way.
///
/// For H.264 the picture digest covers every NAL unit, length-prefixed, except access unit delimiters
/// and filler (payloaders drop them) and parameter sets, which are digested apart because payloaders
/// and SFUs repack, repeat or cache those. For VP8 and Opus it covers the bytes of the frame, without
/// payload descriptors, whose picture ids SFUs rewrite. XXH3-64 guards against faults, not against
/// forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameDigest {
    /// Digest of the picture's own NAL units, or of a whole VP8 or Opus frame.
    pub picture: u64,
    /// Digest of the parameter sets that travelled with it; `None` when there were none.
    pub parameter_sets: Option<u64>,
}

impl FrameDigest {
    /// The digest of a frame as its encoder gives it: Annex B for H.264. `None` without content.
    pub fn of(codec: Codec, frame: &[u8]) -> Option<Self> {
        match codec {
            Codec::H264 => h264::digest_annex_b(frame),
            Codec::Vp8 | Codec::Opus => Self::of_pieces([frame]),
        }
    }

    /// The digest of a frame that lies in several pieces and is nothing but its bytes.
    pub(super) fn of_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut hasher = XxHash3_64::new();
        let mut empty = true;
        for piece in pieces {
            empty &= piece.is_empty();
            hasher.write(piece);
        }
        (!empty).then(|| Self {
            picture: hasher.finish(),
            parameter_sets: None,
        })
    }

    /// Whether a received frame is this one: equal pictures, and equal parameter sets where both carry them.
    pub fn matches(&self, received: &Self) -> bool {
        self.picture == received.picture
            && match (self.parameter_sets, received.parameter_sets) {
                (Some(sent), Some(got)) => sent == got,
                _ => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_digest_like_the_whole_frame() {
        let whole: Vec<u8> = (0..=255).cycle().take(3_000).collect();
        let pieces = whole.chunks(1_197);
        for codec in [Codec::Vp8, Codec::Opus] {
            assert_eq!(
                FrameDigest::of(codec, &whole),
                FrameDigest::of_pieces(pieces.clone())
            );
        }
        assert_ne!(
            FrameDigest::of(Codec::Vp8, &whole),
            FrameDigest::of(Codec::Vp8, &whole[1..])
        );
    }

    #[test]
    fn a_frame_without_bytes_has_no_digest() {
        for codec in Codec::ALL {
            assert_eq!(FrameDigest::of(codec, &[]), None);
        }
    }
}
