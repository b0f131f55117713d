//! What a media server reads of an offer, and what it writes into its own descriptions.
//!
//! Owns these few lines of SDP (RFC 8866); negotiation itself is the engine's.

use greenroom_signaling::Candidate;

use crate::media::codec::Codec;

/// Which way media is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Towards the server: `sendonly` or `sendrecv` (RFC 9725 section 4.2).
    Publish,
    /// From the server: `recvonly` or `sendrecv` (draft-ietf-wish-whep-03 section 4.2).
    Play,
}

/// Why an offer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OfferError {
    /// 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// 422.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// The media sections of a description: everything from one `m=` up to the next.
fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    let begins = sdp
        .match_indices("m=")
        .filter(|(at, _)| *at == 0 || sdp.get(..*at).is_some_and(|before| before.ends_with('\n')));
    let mut begins: Vec<usize> = begins.map(|(at, _)| at).collect();
    begins.push(sdp.len());
    let pairs: Vec<(usize, usize)> = begins
        .windows(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
        .collect();
    pairs.into_iter().filter_map(|(from, to)| sdp.get(from..to))
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| found.trim_end() == line)
}

/// Looks at an offer before the engine does.
pub(super) fn check(offer: &str, wanted: Wanted) -> Result<(), OfferError> {
    if !offer.starts_with("v=0") {
        return Err(OfferError::Malformed(
            "the body is no SDP: its first line should be v=0 (RFC 8866 section 5.1)",
        ));
    }
    if ufrag(offer).is_none() {
        return Err(OfferError::Malformed(
            "the offer has no a=ice-ufrag (RFC 8839 section 5.4)",
        ));
    }
    let (mut audio, mut video) = (0, 0);
    for section in sections(offer) {
        let is_media = section.starts_with("m=audio") || section.starts_with("m=video");
        audio += usize::from(section.starts_with("m=audio"));
        video += usize::from(section.starts_with("m=video"));
        let wrong = match wanted {
            Wanted::Publish => has(section, "a=recvonly") || has(section, "a=inactive"),
            Wanted::Play => has(section, "a=sendonly") || has(section, "a=inactive"),
        };
        if is_media && wrong {
            return Err(OfferError::Unsupported(match wanted {
                Wanted::Publish => "who publishes offers sendonly or sendrecv (RFC 9725 section 4.2)",
                Wanted::Play => "who plays offers recvonly or sendrecv (draft-ietf-wish-whep-03 section 4.2)",
            }));
        }
    }
    if audio > 1 || video > 1 || audio + video == 0 {
        return Err(OfferError::Unsupported(
            "a stream has at most one audio and one video track, and at least one of them (RFC 9725 section 4.4.2)",
        ));
    }
    Ok(())
}

/// The ICE username fragment of a description.
pub(super) fn ufrag(sdp: &str) -> Option<&str> {
    let mut lines = sdp.lines();
    lines.find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

/// The codec of video that an answer prefers.
pub(super) fn video_codec(answer: &str) -> Option<Codec> {
    let section = sections(answer).find(|section| section.starts_with("m=video"))?;
    let formats = section.lines().next()?.split_whitespace().skip(3);
    let named = |format: &str| {
        let prefix = format!("a=rtpmap:{format} ");
        let map = section
            .lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()))?;
        match map.split('/').next()?.to_ascii_uppercase().as_str() {
            "H264" => Some(Codec::H264),
            "VP8" => Some(Codec::Vp8),
            _ => None,
        }
    };
    formats.into_iter().find_map(named)
}

/// A description with its candidates, and the word that there are no more: an answer of WHIP has all of them
/// (RFC 9725 section 4.3.2).
pub(super) fn with_candidates(sdp: &str, candidates: &[Candidate]) -> String {
    let Some(first) = sections(sdp).next() else {
        return sdp.to_owned();
    };
    // The sections are bundled: the first one's transport is everybody's.
    let end = sdp.find(first).map_or(sdp.len(), |at| at + first.len());
    let (mut text, rest) = (
        sdp.get(..end).unwrap_or(sdp).to_owned(),
        sdp.get(end..).unwrap_or_default(),
    );
    for candidate in candidates {
        let line = candidate.candidate.trim().trim_start_matches("a=");
        if !line.is_empty() && !sdp.contains(line) {
            text.push_str("a=");
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    if !sdp.contains("a=end-of-candidates") {
        text.push_str("a=end-of-candidates\r\n");
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=ice-ufrag:u\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
                         a=sendonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 97 96\r\na=sendonly\r\na=rtpmap:97 rtx/90000\r\n\
                         a=rtpmap:96 H264/90000\r\n";

    #[test]
    fn an_offer_is_for_its_direction_and_one_track_of_each_kind() {
        assert_eq!(check(OFFER, Wanted::Publish), Ok(()));
        assert!(matches!(
            check(OFFER, Wanted::Play),
            Err(OfferError::Unsupported(_))
        ));
        let plays = OFFER.replace("sendonly", "recvonly");
        assert_eq!(check(&plays, Wanted::Play), Ok(()));
        assert!(matches!(
            check(&plays, Wanted::Publish),
            Err(OfferError::Unsupported(_))
        ));
        let twice = format!("{OFFER}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n");
        assert!(matches!(
            check(&twice, Wanted::Publish),
            Err(OfferError::Unsupported(_))
        ));
        for malformed in ["", "{}", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"] {
            assert!(matches!(
                check(malformed, Wanted::Publish),
                Err(OfferError::Malformed(_))
            ));
        }
    }

    #[test]
    fn the_codec_is_the_first_that_is_one() {
        assert_eq!(video_codec(OFFER), Some(Codec::H264));
        assert_eq!(video_codec("v=0\r\n"), None);
    }

    #[test]
    fn candidates_stand_at_the_end_of_the_first_section() {
        let candidate = Candidate {
            candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host".into(),
            ..Candidate::default()
        };
        let text = with_candidates(OFFER, std::slice::from_ref(&candidate));
        let expected =
            "a=sendonly\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\nm=video";
        assert!(text.contains(expected), "{text}");
        assert_eq!(with_candidates(&text, &[candidate]), text);
    }
}
