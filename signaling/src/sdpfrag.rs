//! SDP fragments (RFC 8840 section 9): the candidates of an ICE session, as WHIP and WHEP carry them in a PATCH.
//!
//! Owns the text. Which session a fragment belongs to, and whether it may change it, is its reader's to decide.

use crate::{Candidate, SdpType, protocol::Description};

/// Longest fragment that is read, in bytes.
const MAX_TEXT: usize = 64 << 10;
/// Sections and candidates that are read of one fragment.
const MAX_LINES: usize = 1_024;

/// What of a description its fragments repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FragmentHead {
    bundle: Option<String>,
    /// The first ones: sections of a bundle share them (RFC 9143 section 7.3).
    ufrag: Option<String>,
    pwd: Option<String>,
    sections: Vec<Section>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    /// Without its `m=`.
    media: String,
    mid: Option<String>,
    candidates: Vec<String>,
    ended: bool,
}

impl FragmentHead {
    /// Reads it off the local description.
    pub fn of(description: &Description) -> Self {
        debug_assert!(description.sdp_type != SdpType::Rollback, "a rollback has no SDP");
        let mut head = Self::default();
        for line in description.sdp.lines().map(str::trim_end) {
            if let Some(media) = line.strip_prefix("m=") {
                // The port means nothing before a candidate is chosen (RFC 8840 section 4.1).
                let mut words = media.split(' ');
                let kind = words.next().unwrap_or_default();
                let rest: Vec<&str> = words.skip(1).collect();
                head.sections.push(Section {
                    media: format!("{kind} 9 {}", rest.join(" ")),
                    ..Section::default()
                });
            } else if let Some(mid) = line.strip_prefix("a=mid:") {
                if let Some(section) = head.sections.last_mut() {
                    section.mid = Some(mid.to_owned());
                }
            } else if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
                head.ufrag.get_or_insert_with(|| ufrag.to_owned());
            } else if let Some(pwd) = line.strip_prefix("a=ice-pwd:") {
                head.pwd.get_or_insert_with(|| pwd.to_owned());
            } else if line.starts_with("a=group:BUNDLE") {
                head.bundle.get_or_insert_with(|| line.to_owned());
            }
        }
        head
    }

    /// The fragment that carries these candidates, and says whether they are the last ones.
    pub fn fragment(&self, candidates: &[Candidate], ended: bool) -> String {
        let mut sections = self.sections.clone();
        for candidate in candidates {
            if let Some(section) = section_of(&mut sections, candidate) {
                let line = candidate.candidate.trim();
                section.candidates.push(line.trim_start_matches("a=").to_owned());
            }
        }
        if ended {
            // Those of a bundle end together; one section says so.
            let said = sections.iter().position(|section| !section.candidates.is_empty());
            if let Some(section) = sections.get_mut(said.unwrap_or(0)) {
                section.ended = true;
            }
        }
        let mut text = String::new();
        let mut line = |parts: &[&str]| {
            parts.iter().for_each(|part| text.push_str(part));
            text.push_str("\r\n");
        };
        if let Some(bundle) = &self.bundle {
            line(&[bundle]);
        }
        if let Some(ufrag) = &self.ufrag {
            line(&["a=ice-ufrag:", ufrag]);
        }
        if let Some(pwd) = &self.pwd {
            line(&["a=ice-pwd:", pwd]);
        }
        for section in sections
            .iter()
            .filter(|section| section.ended || !section.candidates.is_empty())
        {
            line(&["m=", &section.media]);
            if let Some(mid) = &section.mid {
                line(&["a=mid:", mid]);
            }
            for candidate in &section.candidates {
                line(&["a=", candidate]);
            }
            if section.ended {
                line(&["a=end-of-candidates"]);
            }
        }
        text
    }
}

fn section_of<'a>(sections: &'a mut [Section], candidate: &Candidate) -> Option<&'a mut Section> {
    let by_mid = candidate.sdp_mid.as_ref().and_then(|mid| {
        let mut all = sections.iter();
        all.position(|section| section.mid.as_ref() == Some(mid))
    });
    let by_index = candidate.sdp_m_line_index.map(usize::from);
    sections.get_mut(by_mid.or(by_index).unwrap_or(0))
}

/// A fragment as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SdpFragment {
    /// The ICE username fragment of the session that it is about.
    pub ufrag: Option<String>,
    /// The password beside it: with a new fragment, an ICE restart.
    pub pwd: Option<String>,
    /// Candidates, each with its section's tag.
    pub candidates: Vec<Candidate>,
    /// No more follow.
    pub ended: bool,
}

/// A text that is no fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// It is not made of SDP lines.
    #[error("line {line} is {text:?}; expected TYPE=VALUE (RFC 8866 section 5)")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its first characters.
        text: String,
    },
    /// It says nothing about any candidate or credential.
    #[error("neither candidates nor credentials are in it (RFC 8840 section 9)")]
    Empty,
    /// It is longer than anybody needs.
    #[error("it has {bytes} bytes; at most {MAX_TEXT} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl SdpFragment {
    /// Reads a fragment. Attributes that it does not know are passed over, as SDP wants it (RFC 8866 section 5.13).
    ///
    /// # Errors
    /// [`FragmentError`] for what is none.
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        if text.len() > MAX_TEXT {
            return Err(FragmentError::TooLong { bytes: text.len() });
        }
        let mut read = Self::default();
        let (mut sections, mut mid) = (0_u16, None);
        let lines = text.lines().map(str::trim_end).enumerate();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()).take(MAX_LINES) {
            match line.split_once('=') {
                Some(("m", _)) => {
                    sections = sections.saturating_add(1);
                    mid = None;
                }
                Some(("a", attribute)) => match attribute.split_once(':') {
                    Some(("mid", tag)) => mid = Some(tag.to_owned()),
                    Some(("ice-ufrag", ufrag)) => {
                        read.ufrag.get_or_insert_with(|| ufrag.to_owned());
                    }
                    Some(("ice-pwd", pwd)) => {
                        read.pwd.get_or_insert_with(|| pwd.to_owned());
                    }
                    Some(("candidate", _)) => read.candidates.push(Candidate {
                        candidate: attribute.to_owned(),
                        sdp_mid: mid.clone(),
                        sdp_m_line_index: mid.is_none().then(|| sections.saturating_sub(1)),
                        username_fragment: read.ufrag.clone(),
                    }),
                    _ => read.ended |= attribute == "end-of-candidates",
                },
                Some((kind, _)) if kind.len() == 1 => {}
                _ => {
                    return Err(FragmentError::Line {
                        line: number + 1,
                        text: line.chars().take(40).collect(),
                    });
                }
            }
        }
        if read.ufrag.is_none() && read.candidates.is_empty() && !read.ended {
            return Err(FragmentError::Empty);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> Description {
        let sdp = "v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
                   a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
                   m=video 50000 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=ice-ufrag:EsAw\r\n";
        Description {
            sdp_type: SdpType::Offer,
            sdp: sdp.into(),
        }
    }

    fn candidate(text: &str, mid: &str) -> Candidate {
        Candidate {
            candidate: text.into(),
            sdp_mid: Some(mid.into()),
            ..Candidate::default()
        }
    }

    #[test]
    fn a_fragment_repeats_the_credentials_and_the_sections_that_have_something_to_say() {
        let head = FragmentHead::of(&offer());
        let text = head.fragment(
            &[candidate("candidate:1 1 udp 1 192.0.2.1 9 typ host", "1")],
            true,
        );
        assert_eq!(
            text,
            "a=group:BUNDLE 0 1\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n\
             a=end-of-candidates\r\n"
        );
        let read = SdpFragment::parse(&text).unwrap();
        assert_eq!(read.ufrag.as_deref(), Some("EsAw"));
        assert!(read.ended);
        let [read] = &read.candidates[..] else {
            panic!("{read:?}")
        };
        assert_eq!(read.sdp_mid.as_deref(), Some("1"));
        assert_eq!(read.candidate, "candidate:1 1 udp 1 192.0.2.1 9 typ host");
    }

    #[test]
    fn an_end_without_candidates_stands_in_the_first_section() {
        let text = FragmentHead::of(&offer()).fragment(&[], true);
        assert!(text.contains("m=audio 9") && !text.contains("m=video"), "{text}");
        let read = SdpFragment::parse(&text).unwrap();
        assert!(read.ended && read.candidates.is_empty());
    }

    #[test]
    fn what_is_no_fragment_is_refused_with_what_is_wrong() {
        assert_eq!(SdpFragment::parse(""), Err(FragmentError::Empty));
        assert_eq!(
            SdpFragment::parse("a=mid:0\r\nv=0\r\n"),
            Err(FragmentError::Empty)
        );
        let error = SdpFragment::parse("a=ice-ufrag:x\r\n{}\r\n").unwrap_err();
        assert!(matches!(error, FragmentError::Line { line: 2, .. }), "{error}");
        let long = "a=x\r\n".repeat(20_000);
        assert!(matches!(
            SdpFragment::parse(&long),
            Err(FragmentError::TooLong { .. })
        ));
    }
}
