//! What the formats of one description must be whatever they answer: OA-16 (RFC 8866 section 5.14, RFC 3264 section 5.1).
//!
//! Owns the m= line's list of formats. It must not compare two descriptions.

use super::super::sdp::{Sdp, Section};
use super::breach::Breaches;
use super::transport::{clip, media_line, name};

/// RTP has seven bits for a payload type (RFC 3550 section 5.1).
const HIGHEST_PAYLOAD_TYPE: u8 = 127;

/// Up to here payload types are assigned once and for all, and need no a=rtpmap (RFC 3551 section 6).
const HIGHEST_ASSIGNED: u8 = 34;

/// Reports formats that nobody could tell what they are.
pub(super) fn check(sdp: &Sdp, is_offer: bool, breaches: &mut Breaches) {
    breaches.of_none(|breaches| {
        let live = sdp.sections.iter().enumerate();
        for (index, section) in live.filter(|(_, section)| !section.rejected()) {
            // Of an answer, the comparison with its offer says the same.
            if section.formats.is_empty() && is_offer {
                breaches.add(
                    "OA-16",
                    format!(
                        "{} was offered without a format; at least one was expected",
                        name(section, index)
                    ),
                    media_line(section),
                    "list the payload types that the section can have",
                );
            }
            if section.is_rtp() {
                payload_types(section, index, breaches);
            }
        }
    });
}

fn payload_types(section: &Section, index: usize, breaches: &mut Breaches) {
    for format in &section.formats {
        let number = format.parse().ok();
        let is_payload_type = number.is_some_and(|number: u8| number <= HIGHEST_PAYLOAD_TYPE);
        let (came, fix) = if !is_payload_type {
            (
                "which is no payload type; 0 to 127 were expected",
                "use payload types of 0 to 127, the dynamic ones from 96 on first",
            )
        } else if section.codec(format).is_none() && number.is_none_or(|number| number > HIGHEST_ASSIGNED) {
            (
                "which nothing explains; an a=rtpmap line was expected",
                "write an a=rtpmap line for every dynamic payload type, or take it off the m= line",
            )
        } else {
            continue;
        };
        breaches.add(
            "OA-16",
            format!("{} lists {}, {came}", name(section, index), clip(format)),
            media_line(section),
            fix,
        );
    }
}
