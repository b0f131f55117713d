//! What makes a text a session description: OA-05 (RFC 8866 section 5), OA-08 (the o= line by itself), TR-02 (candidates
//! in descriptions).
//!
//! Owns the grammar of single lines, as far as stacks that work refuse a description for it. It must not compare lines.

use super::super::sdp::{Candidate, Sdp};
use super::breach::Breaches;
use super::transport::{clip, media_line, name};

/// The lines that no description may lack, after v=, without which it is not read at all.
const REQUIRED: [&str; 3] = ["o=", "s=", "t="];

/// What a peer has to accept of an offer (RFC 9429 section 5.1.2), and what drafts of data channels said.
const PROTOCOLS: [&str; 11] = [
    "UDP/TLS/RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "TCP/DTLS/RTP/SAVPF",
    "TCP/DTLS/RTP/SAVP",
    "RTP/SAVPF",
    "RTP/SAVP",
    "RTP/AVPF",
    "RTP/AVP",
    "UDP/DTLS/SCTP",
    "TCP/DTLS/SCTP",
    "DTLS/SCTP",
];

/// Reports what no parser has to take.
pub(super) fn check(sdp: &Sdp, is_offer: bool, breaches: &mut Breaches) {
    breaches.of_none(|breaches| {
        lines(sdp, breaches);
        if is_offer {
            protocols(sdp, breaches);
        }
        origin(sdp, breaches);
        candidates(sdp, breaches);
    });
}

/// OA-05 (RFC 8866 section 5).
fn lines(sdp: &Sdp, breaches: &mut Breaches) {
    for required in REQUIRED {
        if !sdp.lines.iter().any(|line| line.starts_with(required)) {
            breaches.add(
                "OA-05",
                format!("the description has no {required} line, which was expected in every one"),
                None,
                "send a complete session description (RFC 8866)",
            );
        }
    }
    if let Some(line) = &sdp.malformed {
        breaches.add(
            "OA-05",
            format!(
                "the description has the line {:?}; a letter of RFC 8866, an equals sign and a value were expected",
                clip(line)
            ),
            Some(line),
            "leave out what is no line of a session description, blanks at the ends of lines too",
        );
    }
}

/// OA-05 for offers (RFC 9429 section 5.1.2). Of an answer, the comparison with its offer says the same.
fn protocols(sdp: &Sdp, breaches: &mut Breaches) {
    for (index, section) in sdp.sections.iter().enumerate() {
        if section.rejected() || PROTOCOLS.contains(&section.proto.as_str()) {
            continue;
        }
        breaches.add(
            "OA-05",
            format!(
                "{} was offered over {}; UDP/TLS/RTP/SAVPF was expected for media and UDP/DTLS/SCTP for data",
                name(section, index),
                clip(&section.proto)
            ),
            media_line(section),
            "offer UDP/TLS/RTP/SAVPF or UDP/DTLS/SCTP",
        );
    }
}

/// OA-08: six fields, with numbers for id and version (RFC 8866 section 5.2), and an id that 63 bits can say (RFC 9429
/// section 5.2.1).
fn origin(sdp: &Sdp, breaches: &mut Breaches) {
    let Some(line) = sdp.line("o") else {
        return;
    };
    let id = sdp.origin.as_ref().map(|origin| origin.session_id.as_str());
    let is_number = |id: &str| id.bytes().all(|byte| byte.is_ascii_digit());
    let fits = |id: &str| is_number(id) && id.parse().is_ok_and(|id: u64| id < i64::MAX as u64);
    if !id.is_some_and(fits) {
        breaches.add(
            "OA-08",
            "the o= line cannot be read; a user name, a session id below 2^63 - 1, a session version and an address \
             were expected"
                .to_owned(),
            Some(line),
            "write the o= line as RFC 8866 section 5.2 has it, with numbers for session id and version",
        );
    }
}

/// TR-02, for candidates that come with their description (RFC 8839 section 5.1).
fn candidates(sdp: &Sdp, breaches: &mut Breaches) {
    for (index, section) in sdp.sections.iter().enumerate() {
        let unreadable = section
            .candidates
            .iter()
            .find_map(|text| Candidate::parse(text).err());
        if let Some(error) = unreadable {
            breaches.add(
                "TR-02",
                format!(
                    "{} lists a candidate that cannot be read: {error}",
                    name(section, index)
                ),
                section.line("candidate"),
                "write candidates as RFC 8839 section 5.1 has them",
            );
        }
    }
}
