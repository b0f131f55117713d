//! VP8 payloads become frames: the payload descriptor is taken off (RFC 7741 section 4.2).
//!
//! Owns the descriptor. It reads of the frame only what tells a key frame (RFC 6386 section 9.1).

use bytes::Bytes;

use super::Content;
use crate::media::digest::FrameDigest;
use crate::media::vp8;

/// What a payload descriptor says, as far as reassembly needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Descriptor {
    /// The payload begins with the first octet of the first partition: S is 1 and PID is 0.
    starts_frame: bool,
    /// Octets of the descriptor itself.
    len: usize,
}

impl Descriptor {
    /// Reads the descriptor; `None` when the payload ends within it or right after it.
    fn parse(payload: &[u8]) -> Option<Self> {
        // |X|R|N|S|R| PID | and, when X is set, |I|L|T|K| RSV |.
        let first = *payload.first()?;
        let mut len = 1;
        if first & 0x80 != 0 {
            let extension = *payload.get(len)?;
            len += 1;
            if extension & 0x80 != 0 {
                // M in the first octet of the PictureID makes it 15 bits long.
                len += 1 + usize::from(*payload.get(len)? >> 7);
            }
            // TL0PICIDX, then one octet that TID with Y and KEYIDX share.
            len += usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
        }
        // A descriptor always describes something: libwebrtc, too, drops a packet without.
        (payload.len() > len).then_some(Self {
            starts_frame: first & 0x17 == 0x10,
            len,
        })
    }
}

/// Whether a payload is the first of a frame: it starts a partition, and that is the first one.
pub(super) fn starts_frame(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.starts_frame)
}

/// The frame without descriptors; `None` when they contradict RFC 7741.
pub(super) fn depacketize(payloads: &[Bytes], keep: bool) -> Option<Content> {
    let mut pieces: Vec<&[u8]> = Vec::with_capacity(payloads.len());
    // Empty payloads are padding, which may follow any packet.
    for payload in payloads.iter().filter(|payload| !payload.is_empty()) {
        let descriptor = Descriptor::parse(payload)?;
        // The first packet starts the frame, and no other one does: else two frames share a timestamp.
        if descriptor.starts_frame != pieces.is_empty() {
            return None;
        }
        pieces.push(&payload[descriptor.len..]);
    }
    let mut header = [0_u8; vp8::KEY_FRAME_MARK];
    let octets = pieces.iter().copied().flatten();
    let read = header
        .iter_mut()
        .zip(octets)
        .map(|(slot, octet)| *slot = *octet)
        .count();
    Some(Content {
        key: vp8::is_key_frame(&header[..read]),
        digest: FrameDigest::of_pieces(pieces.iter().copied())?,
        access_unit: keep.then(|| pieces.concat()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &[u8], expect: Option<(bool, usize)>) {
        let descriptor = Descriptor::parse(payload).map(|found| (found.starts_frame, found.len));
        assert_eq!(descriptor, expect, "{payload:02x?}");
    }

    #[test]
    fn every_form_of_the_descriptor_is_as_long_as_its_flags_say() {
        check(&[0x10, 1], Some((true, 1)));
        check(&[0x80, 0x00, 1], Some((false, 2)));
        check(&[0x90, 0x80, 0x7f, 1], Some((true, 3)));
        check(&[0x90, 0x80, 0x80, 0xff, 1], Some((true, 4)));
        check(&[0x90, 0x40, 9, 1], Some((true, 3)));
        check(&[0x90, 0x20, 0x60, 1], Some((true, 3)));
        check(&[0x90, 0x10, 0x1f, 1], Some((true, 3)));
        check(&[0x90, 0x30, 0x7f, 1], Some((true, 3)));
        check(&[0x90, 0xf0, 0xff, 0xff, 9, 0x7f, 1], Some((true, 6)));
    }

    #[test]
    fn a_payload_that_ends_within_or_right_after_its_descriptor_is_refused() {
        let whole = [0x90, 0xf0, 0xff, 0xff, 9, 0x7f, 1];
        for len in 0..whole.len() {
            check(&whole[..len], None);
        }
        check(&[0x10], None);
    }

    #[test]
    fn only_the_start_of_the_first_partition_starts_a_frame() {
        assert!(starts_frame(&[0x10, 0]));
        assert!(starts_frame(&[0x30, 0]), "a discardable frame starts as well");
        assert!(starts_frame(&[0x58, 0]), "reserved bits are ignored");
        assert!(!starts_frame(&[0x00, 0]), "the middle of the first partition");
        assert!(!starts_frame(&[0x11, 0]), "the start of the second partition");
    }

    fn frame(payloads: &[&'static [u8]]) -> Option<Vec<u8>> {
        let payloads: Vec<Bytes> = payloads.iter().map(|octets| Bytes::from_static(octets)).collect();
        depacketize(&payloads, true).and_then(|content| content.access_unit)
    }

    #[test]
    fn two_frames_under_one_timestamp_and_a_missing_start_are_refused() {
        assert_eq!(frame(&[&[0x10, 1], &[0x00, 2], &[0x11, 3]]), Some(vec![1, 2, 3]));
        assert_eq!(frame(&[&[0x10, 1], &[], &[0x00, 2]]), Some(vec![1, 2]));
        assert_eq!(frame(&[&[0x10, 1], &[0x10, 2]]), None);
        assert_eq!(frame(&[&[0x00, 1], &[0x00, 2]]), None);
        assert_eq!(frame(&[&[0x11, 1]]), None);
        assert_eq!(frame(&[&[]]), None);
    }

    #[test]
    fn a_key_frame_is_told_by_its_first_octets_wherever_the_packets_end() {
        let key = |payloads: &[&'static [u8]]| {
            let payloads: Vec<Bytes> = payloads.iter().map(|octets| Bytes::from_static(octets)).collect();
            depacketize(&payloads, false).map(|content| content.key)
        };
        assert_eq!(key(&[&[0x10, 0x50, 1, 0, 0x9d, 0x01, 0x2a, 9]]), Some(true));
        assert_eq!(
            key(&[&[0x10, 0x50, 1], &[0x00, 0, 0x9d, 0x01], &[0x00, 0x2a]]),
            Some(true)
        );
        assert_eq!(key(&[&[0x10, 0x51, 1, 0, 0x9d, 0x01, 0x2a, 9]]), Some(false));
        assert_eq!(key(&[&[0x10, 0x50, 1, 0, 0x9d, 0x01, 0x2b, 9]]), Some(false));
        assert_eq!(key(&[&[0x10, 0x50, 1]]), Some(false));
    }
}
