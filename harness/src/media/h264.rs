//! H.264 bitstreams (ITU-T H.264 Annex B, RFC 6184): NAL unit types and the digest of an access unit.
//!
//! Owns which NAL units count when two access units are "the same frame". It does not packetize and does not decode.

use std::hash::Hasher;

use twox_hash::XxHash3_64;

pub use super::digest::FrameDigest;

/// NAL unit type 5: a slice of an IDR picture, which a decoder can start from.
pub const NAL_IDR: u8 = 5;
/// NAL unit type 7: sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// NAL unit type 8: picture parameter set.
pub const NAL_PPS: u8 = 8;
/// NAL unit type 9: access unit delimiter.
pub const NAL_AUD: u8 = 9;
/// NAL unit type 12: filler data.
pub const NAL_FILLER: u8 = 12;
/// RTP payload type structure 24: STAP-A, several NAL units in one packet (RFC 6184 section 5.7.1).
pub const STAP_A: u8 = 24;
/// RTP payload type structure 28: FU-A, a fragment of one NAL unit (RFC 6184 section 5.8).
pub const FU_A: u8 = 28;

/// The type of a NAL unit, from its first byte; `None` for an empty unit.
pub fn nal_type(nal: &[u8]) -> Option<u8> {
    nal.first().map(|header| header & 0x1f)
}

/// Splits an Annex B byte stream into NAL units, without their start codes.
///
/// Trailing zero bytes of a unit belong to the next start code and are dropped, as Annex B B.1.1
/// says. Empty units are skipped.
pub fn annex_b_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = next_start(stream).map_or(&stream[..0], |(_, after)| &stream[after..]);
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (unit, tail) = match next_start(rest) {
                Some((at, after)) => (&rest[..at], &rest[after..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = tail;
            let end = unit
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    })
}

/// The offset of the next `00 00 01` and of the byte after it.
fn next_start(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while at + 3 <= bytes.len() {
        // A byte above 1 in the third place rules out all three positions that it could be part of.
        match bytes[at + 2] {
            0 => at += 1,
            1 if bytes[at] == 0 && bytes[at + 1] == 0 => return Some((at, at + 3)),
            _ => at += 3,
        }
    }
    None
}

/// Feeds NAL units, whole or in pieces, into a [`FrameDigest`].
#[derive(Default)]
pub struct Digester {
    picture: XxHash3_64,
    parameter_sets: XxHash3_64,
    has_parameter_sets: bool,
    has_idr: bool,
    units: u32,
}

impl Digester {
    /// Adds one complete NAL unit.
    pub fn unit(&mut self, nal: &[u8]) {
        self.unit_from_pieces(nal.len(), std::iter::once(nal));
    }

    /// Adds one NAL unit of `len` bytes that lies in several pieces, header byte first.
    pub fn unit_from_pieces<'a>(&mut self, len: usize, pieces: impl Iterator<Item = &'a [u8]> + Clone) {
        let Some(kind) = pieces.clone().find_map(nal_type) else {
            return;
        };
        let hasher = match kind {
            NAL_AUD | NAL_FILLER => return,
            NAL_SPS | NAL_PPS => {
                self.has_parameter_sets = true;
                &mut self.parameter_sets
            }
            _ => {
                self.has_idr |= kind == NAL_IDR;
                &mut self.picture
            }
        };
        self.units += 1;
        hasher.write(&(len as u64).to_be_bytes());
        for piece in pieces {
            hasher.write(piece);
        }
    }

    /// Whether an IDR slice was among the units.
    pub fn has_idr(&self) -> bool {
        self.has_idr
    }

    /// The digest of what was fed; `None` when no NAL unit that counts was seen.
    pub fn finish(&self) -> Option<FrameDigest> {
        (self.units > 0).then(|| FrameDigest {
            picture: self.picture.finish(),
            parameter_sets: self.has_parameter_sets.then(|| self.parameter_sets.finish()),
        })
    }
}

/// The digest of an Annex B access unit.
pub fn digest_annex_b(stream: &[u8]) -> Option<FrameDigest> {
    let mut digester = Digester::default();
    annex_b_units(stream).for_each(|unit| digester.unit(unit));
    digester.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(stream: &[u8]) -> Vec<&[u8]> {
        annex_b_units(stream).collect()
    }

    #[test]
    fn three_and_four_byte_start_codes_delimit_units() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 9, 8, 7];
        assert_eq!(units(&stream), [&[0x67, 1, 2][..], &[0x65, 9, 8, 7]]);
    }

    #[test]
    fn a_stream_without_start_codes_has_no_units() {
        assert!(units(&[1, 2, 3, 4]).is_empty());
        assert!(units(&[]).is_empty());
        assert!(units(&[0, 0, 1]).is_empty());
        assert!(units(&[0, 0, 0, 0, 0, 1]).is_empty());
    }

    #[test]
    fn delimiters_and_filler_do_not_change_the_digest() {
        let bare = digest_annex_b(&[0, 0, 1, 0x65, 1, 2, 3]);
        let padded = digest_annex_b(&[0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 2, 3, 0, 0, 1, 12, 0xff, 0x80]);
        assert!(bare.is_some());
        assert_eq!(bare, padded);
    }

    #[test]
    fn parameter_sets_are_digested_apart_from_the_picture() {
        let alone = digest_annex_b(&[0, 0, 1, 0x65, 1, 2, 3]).unwrap();
        let with_sets =
            digest_annex_b(&[0, 0, 1, 0x67, 5, 0, 0, 1, 0x68, 6, 0, 0, 1, 0x65, 1, 2, 3]).unwrap();
        assert_eq!(alone.picture, with_sets.picture);
        assert!(with_sets.matches(&alone), "an SFU may cache parameter sets");
        let other_sets =
            digest_annex_b(&[0, 0, 1, 0x67, 4, 0, 0, 1, 0x68, 6, 0, 0, 1, 0x65, 1, 2, 3]).unwrap();
        assert!(!with_sets.matches(&other_sets), "but it may not change them");
    }

    #[test]
    fn one_flipped_bit_and_a_moved_unit_boundary_change_the_digest() {
        let sent = digest_annex_b(&[0, 0, 1, 0x41, 1, 2, 3, 4]).unwrap();
        let flipped = digest_annex_b(&[0, 0, 1, 0x41, 1, 2, 3, 5]).unwrap();
        let split = digest_annex_b(&[0, 0, 1, 0x41, 1, 0, 0, 1, 2, 3, 4]).unwrap();
        assert!(!sent.matches(&flipped));
        assert!(!sent.matches(&split));
    }

    #[test]
    fn pieces_digest_like_the_whole_unit() {
        let mut whole = Digester::default();
        whole.unit(&[0x65, 1, 2, 3, 4]);
        let mut pieces = Digester::default();
        pieces.unit_from_pieces(5, [&[0x65][..], &[1, 2], &[3, 4]].into_iter());
        assert_eq!(whole.finish(), pieces.finish());
        assert!(pieces.has_idr());
    }
}
