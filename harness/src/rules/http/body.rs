//! The body of a message: a description or a fragment of one (RFC 8840 section 9), as far as WHIP has rules about it.
//!
//! Owns reading lines. It judges nothing.

use super::Protocol;
use crate::trace::HttpSeen;

/// An m-section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// `audio`, `video` or another.
    pub(super) media: &'a str,
    pub(super) rejected: bool,
    /// `sendrecv` where nothing says otherwise (RFC 8866 section 6.7).
    pub(super) direction: &'a str,
}

/// The text of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a>(&'a str);

impl<'a> Body<'a> {
    pub(super) fn of(seen: &'a HttpSeen) -> Self {
        match seen {
            HttpSeen::Request { body, .. } | HttpSeen::Response { body, .. } => Self(body),
            HttpSeen::Failed { .. } => Self(""),
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_description(self) -> bool {
        self.0.starts_with("v=0")
    }

    /// The sections with sound or pictures. Others have no direction.
    pub(super) fn sections(self) -> Vec<Section<'a>> {
        let mut session = "sendrecv";
        let mut sections: Vec<Section<'a>> = Vec::new();
        for line in self.0.lines() {
            if let Some(rest) = line.strip_prefix("m=") {
                let mut words = rest.split(' ');
                let media = words.next().unwrap_or_default();
                let rejected = words.next() == Some("0") && !self.0.contains("a=bundle-only");
                sections.push(Section {
                    media,
                    rejected,
                    direction: session,
                });
            } else if let Some(word @ ("sendrecv" | "sendonly" | "recvonly" | "inactive")) =
                line.strip_prefix("a=")
            {
                match sections.last_mut() {
                    Some(section) => section.direction = word,
                    None => session = word,
                }
            }
        }
        sections.retain(|section| matches!(section.media, "audio" | "video"));
        sections
    }

    pub(super) fn has_candidates(self) -> bool {
        self.0.lines().any(|line| line.starts_with("a=candidate:"))
    }

    pub(super) fn ufrag(self) -> Option<&'a str> {
        self.0.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"))
    }

    pub(super) fn has_password(self) -> bool {
        self.0.lines().any(|line| line.starts_with("a=ice-pwd:"))
    }

    /// Which protocol an offer is made in: players receive.
    pub(super) fn protocol(self) -> Option<Protocol> {
        let sections = self.sections();
        let all =
            |word: &str| !sections.is_empty() && sections.iter().all(|section| section.direction == word);
        if all("recvonly") {
            Some(Protocol::Whep)
        } else if all("sendonly") {
            Some(Protocol::Whip)
        } else {
            None
        }
    }
}

/// Whether a Content-Type is that one, whatever its parameters.
pub(super) fn same_type(value: &str, kind: &str) -> bool {
    let bare = value.split(';').next().unwrap_or_default();
    bare.trim().eq_ignore_ascii_case(kind)
}

/// The path of a Location, without the mark of a query that was left out.
pub(super) fn path_of(location: &str) -> &str {
    let location = location.split('?').next().unwrap_or_default();
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => location,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_and_rejected_sections_are_read() {
        let sdp =
            "v=0\r\na=recvonly\r\nm=audio 9 X 0\r\nm=video 0 X 0\r\na=sendonly\r\nm=application 9 X 0\r\n";
        let section = |media, rejected, direction| Section {
            media,
            rejected,
            direction,
        };
        assert_eq!(
            Body(sdp).sections(),
            [
                section("audio", false, "recvonly"),
                section("video", true, "sendonly")
            ]
        );
        assert_eq!(Body(sdp).protocol(), None);
        assert_eq!(Body("m=audio 9 X\na=recvonly\n").protocol(), Some(Protocol::Whep));
    }

    #[test]
    fn a_location_is_compared_by_its_path_and_a_type_without_its_parameters() {
        for location in ["/s/1", "/s/1?…", "https://h:1/s/1"] {
            assert_eq!(path_of(location), "/s/1");
        }
        assert!(same_type("Application/SDP; charset=utf-8", "application/sdp"));
        assert!(!same_type("application/sdpx", "application/sdp"));
    }
}
