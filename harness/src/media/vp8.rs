//! VP8 bitstreams (RFC 6386): what the uncompressed header of a frame says.
//!
//! Owns the frame tag and the key frame header, section 9.1. It does not packetize and does not decode.

/// First octets of a frame that tell whether it is a key frame: the tag of three and the start code.
pub const KEY_FRAME_MARK: usize = 6;

/// What follows the frame tag of a key frame.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// Whether a frame, or its first [`KEY_FRAME_MARK`] octets, is a key frame, which a decoder can start from.
///
/// The lowest bit of the tag is 0 in key frames.
pub fn is_key_frame(frame: &[u8]) -> bool {
    matches!(frame, [tag, _, _, a, b, c, ..] if tag & 1 == 0 && [*a, *b, *c] == START_CODE)
}

/// Width and height of a key frame in luma samples, each up to 16,383; `None` for another frame.
pub fn key_frame_size(frame: &[u8]) -> Option<(u32, u32)> {
    if !is_key_frame(frame) {
        return None;
    }
    let [a, b, c, d] = *frame.get(KEY_FRAME_MARK..)?.first_chunk()?;
    // The upper two bits of each ask for scaling, which is the renderer's business.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some((side(a, b), side(c, d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_states_its_size_without_the_scaling_bits() {
        let frame = [0x50, 1, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x81, 7];
        assert!(is_key_frame(&frame));
        assert_eq!(key_frame_size(&frame), Some((640, 360)));
    }

    #[test]
    fn other_frames_and_ends_of_frames_have_no_size() {
        let delta = [0x51, 1, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
        assert_eq!(key_frame_size(&delta), None);
        let key = [0x50, 1, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
        for len in 0..key.len() {
            assert_eq!(key_frame_size(&key[..len]), None);
        }
    }
}
