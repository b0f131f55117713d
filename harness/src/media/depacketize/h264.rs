//! H.264 payloads become access units (RFC 6184, packetization mode 1).
//!
//! Owns the payload structures: single NAL units, STAP-A and FU-A. It does not look into slices
//! further than to see where a picture starts.

use bytes::Bytes;

use super::Content;
use crate::media::h264::{Digester, FU_A, NAL_IDR, STAP_A, nal_type};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Whether a payload can be the first of a frame (RFC 6184 section 5.2; H.264 7.3.3).
///
/// A slice starts a picture when its `first_mb_in_slice` is 0, which Exp-Golomb writes as a 1 bit.
pub(super) fn starts_frame(payload: &[u8]) -> bool {
    let slice_starts = |header: u8, first: Option<&u8>| match header & 0x1f {
        1..=5 => first.is_some_and(|byte| byte & 0x80 != 0),
        _ => true,
    };
    match nal_type(payload) {
        Some(FU_A) => payload
            .get(1)
            .is_some_and(|fu| fu & 0x80 != 0 && slice_starts(*fu, payload.get(2))),
        Some(_) => slice_starts(payload[0], payload.get(1)),
        None => false,
    }
}

/// An IDR picture that comes right after lost packets most likely lost its parameter sets with them.
pub(super) fn idr_without_parameter_sets(payload: &[u8]) -> bool {
    match nal_type(payload) {
        Some(FU_A) => payload.get(1).is_some_and(|fu| fu & 0x1f == NAL_IDR),
        Some(kind) => kind == NAL_IDR,
        None => false,
    }
}

/// The access unit of a frame's payloads, in Annex B form; `None` when they contradict RFC 6184.
pub(super) fn depacketize(payloads: &[Bytes], keep: bool) -> Option<Content> {
    let mut digester = Digester::default();
    let mut access_unit = keep.then(Vec::new);
    let mut fragments: Vec<&[u8]> = Vec::new();
    let mut header = [0_u8; 1];
    let mut rest = payloads.iter();
    while let Some(payload) = rest.next() {
        match nal_type(payload) {
            None => {}
            Some(STAP_A) => {
                let mut units = &payload[1..];
                while !units.is_empty() {
                    let (len, tail) = units.split_first_chunk::<2>()?;
                    let (unit, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
                    add_unit(&mut digester, access_unit.as_mut(), unit);
                    units = tail;
                }
            }
            Some(FU_A) => {
                let fu = *payload.get(1)?;
                if fu & 0x80 == 0 {
                    return None;
                }
                header[0] = (payload[0] & 0xe0) | (fu & 0x1f);
                fragments.clear();
                fragments.push(&payload[2..]);
                let mut ended = fu & 0x40 != 0;
                while !ended {
                    let next = rest.next()?;
                    let next_fu = *next.get(1)?;
                    if nal_type(next) != Some(FU_A) || next_fu & 0x80 != 0 || (next_fu ^ fu) & 0x1f != 0 {
                        return None;
                    }
                    ended = next_fu & 0x40 != 0;
                    fragments.push(&next[2..]);
                }
                let len = 1 + fragments.iter().map(|piece| piece.len()).sum::<usize>();
                let pieces = std::iter::once(&header[..]).chain(fragments.iter().copied());
                digester.unit_from_pieces(len, pieces.clone());
                if let Some(unit) = access_unit.as_mut() {
                    unit.extend_from_slice(&START_CODE);
                    pieces.for_each(|piece| unit.extend_from_slice(piece));
                }
            }
            Some(1..=23) => add_unit(&mut digester, access_unit.as_mut(), payload),
            Some(_) => return None,
        }
    }
    Some(Content {
        key: digester.has_idr(),
        digest: digester.finish()?,
        access_unit,
    })
}

fn add_unit(digester: &mut Digester, access_unit: Option<&mut Vec<u8>>, unit: &[u8]) {
    digester.unit(unit);
    if let Some(access_unit) = access_unit {
        access_unit.extend_from_slice(&START_CODE);
        access_unit.extend_from_slice(unit);
    }
}
