//! Session descriptions (RFC 8866) as far as offer/answer rules look into them.
//!
//! Owns the tolerant reading of SDP text: what a line means and which raw line said so. It must not judge: what is
//! missing is `None`, what is odd stays in the raw lines, and [`negotiation`](super::negotiation) has the opinions.

mod candidate;
mod section;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use candidate::{Candidate, is_ice_char};

/// The longest text that is read, in bytes; a browser with fifty sections stays below it.
pub(crate) const MAX_TEXT: usize = 256 * 1024;
/// The most m= sections of one description.
pub(crate) const MAX_SECTIONS: usize = 256;

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sdp {
    /// The o= line, if it has its six fields.
    pub(crate) origin: Option<Origin>,
    /// The raw lines before the first m= line.
    pub(crate) lines: Vec<String>,
    /// The a=group lines.
    pub(crate) groups: Vec<Group>,
    /// The m= sections, in order.
    pub(crate) sections: Vec<Section>,
    /// The first line that RFC 8866 section 5 does not know, if there is one.
    pub(crate) malformed: Option<String>,
    /// The text without what may change while candidates are gathered, and without the session version.
    content: String,
}

/// The o= line (RFC 8866 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The session's number, as text because only its equality counts.
    pub(crate) session_id: String,
    /// The session version.
    pub(crate) version: u64,
    /// User name, network type, address type and address, separated by spaces.
    pub(crate) rest: String,
}

/// An a=group line (RFC 5888).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// `BUNDLE`, `LS` and so on.
    pub(crate) semantics: String,
    /// The sections of the group, the tagged one first.
    pub(crate) mids: Vec<String>,
}

/// One m= section. Where it says "or the session's", a value at session level counts if the section has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    /// `audio`, `video` or `application`.
    pub(crate) media: String,
    /// The port; 0 rejects a section that is not bundle-only.
    pub(crate) port: u16,
    /// The transport, `UDP/TLS/RTP/SAVPF` for instance.
    pub(crate) proto: String,
    /// Payload types, or `webrtc-datachannel`.
    pub(crate) formats: Vec<String>,
    /// a=mid.
    pub(crate) mid: Option<String>,
    /// The direction, or the session's, or sendrecv.
    pub(crate) direction: Direction,
    /// a=ice-ufrag, or the session's.
    pub(crate) ice_ufrag: Option<String>,
    /// a=ice-pwd, or the session's; may be redacted, see [`pwd_length`].
    pub(crate) ice_pwd: Option<String>,
    /// The words of a=ice-options, and the session's.
    pub(crate) ice_options: Vec<String>,
    /// a=fingerprint, or the session's.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// a=setup, or the session's; `None` also if its value is unknown.
    pub(crate) setup: Option<Setup>,
    /// a=tls-id, or the session's.
    pub(crate) tls_id: Option<String>,
    /// Whether a=rtcp-mux is there.
    pub(crate) rtcp_mux: bool,
    /// Whether a=rtcp-mux-only is there (RFC 8858).
    pub(crate) rtcp_mux_only: bool,
    /// Whether a=bundle-only is there (RFC 9143).
    pub(crate) bundle_only: bool,
    /// a=rtpmap by payload type.
    pub(crate) rtpmap: BTreeMap<String, Codec>,
    /// a=fmtp by payload type; of several lines the last.
    pub(crate) fmtp: BTreeMap<String, String>,
    /// a=rtcp-fb: payload type or `*`, and the feedback in lower case with single spaces.
    pub(crate) rtcp_fb: Vec<(String, String)>,
    /// The values of a=candidate, from the foundation on.
    pub(crate) candidates: Vec<String>,
    /// Whether a=end-of-candidates is there, or at session level.
    pub(crate) end_of_candidates: bool,
    /// Whether there is an a=crypto line (SDES, RFC 4568).
    pub(crate) crypto: bool,
    /// The SSRCs of a=ssrc lines, each once, in order.
    pub(crate) ssrcs: Vec<u32>,
    /// The raw lines, the m= line first.
    pub(crate) lines: Vec<String>,
}

/// a=fingerprint (RFC 8122 section 5), in lower case so that equal ones compare equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint {
    /// The hash function, `sha-256` for instance.
    pub(crate) algorithm: String,
    /// Hexadecimal bytes, separated by colons.
    pub(crate) value: String,
}

/// What a payload type stands for. The name compares without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Codec {
    /// The encoding name, in lower case.
    pub(crate) name: String,
    /// The clock rate, in Hz.
    pub(crate) clock: u32,
    /// Audio channels; 1 if the line names none.
    pub(crate) channels: u32,
}

/// A direction attribute (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Both ways, which is also what no attribute means.
    #[default]
    Sendrecv,
    /// Whoever wrote the description sends.
    Sendonly,
    /// Whoever wrote the description receives.
    Recvonly,
    /// Nobody sends.
    Inactive,
}

/// a=setup (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Either role: the answer decides.
    Actpass,
    /// Whoever wrote the description is the DTLS client.
    Active,
    /// Whoever wrote the description is the DTLS server.
    Passive,
    /// No connection for now.
    Holdconn,
}

/// Why a text is no session description that could be compared with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SdpError {
    /// It does not begin with `v=0`.
    NoVersion,
    /// It is longer than [`MAX_TEXT`].
    TooLong(usize),
    /// It has more than [`MAX_SECTIONS`] sections.
    TooManySections,
    /// This m= line lacks media, port or transport.
    MediaLine(String),
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVersion => write!(f, "it does not begin with v=0"),
            Self::TooLong(len) => write!(f, "it has {len} bytes, more than {MAX_TEXT}"),
            Self::TooManySections => write!(f, "it has more than {MAX_SECTIONS} m= sections"),
            Self::MediaLine(_) => write!(f, "an m= line lacks media, port, transport or formats"),
        }
    }
}

impl std::error::Error for SdpError {}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sendrecv => "sendrecv",
            Self::Sendonly => "sendonly",
            Self::Recvonly => "recvonly",
            Self::Inactive => "inactive",
        })
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Actpass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Holdconn => "holdconn",
        })
    }
}

impl Sdp {
    /// Reads a description. Lines may end in CRLF or LF; what is unknown is kept as a raw line.
    ///
    /// # Errors
    ///
    /// Only what makes a comparison with another description impossible.
    pub(crate) fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_TEXT {
            return Err(SdpError::TooLong(text.len()));
        }
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .peekable();
        if lines.peek() != Some(&"v=0") {
            return Err(SdpError::NoVersion);
        }
        let mut sdp = Self {
            origin: None,
            lines: Vec::new(),
            groups: Vec::new(),
            sections: Vec::new(),
            malformed: malformed(text),
            content: String::new(),
        };
        // The session level is read as if it were a section, and then inherited.
        let mut session = Section::default();
        let mut session_direction = None;
        for line in lines {
            sdp.append_content(line);
            if let Some(value) = line.strip_prefix("m=") {
                if sdp.sections.len() >= MAX_SECTIONS {
                    return Err(SdpError::TooManySections);
                }
                let section =
                    Section::begin(value, line).ok_or_else(|| SdpError::MediaLine(line.to_owned()))?;
                let direction = session_direction.unwrap_or_default();
                sdp.sections.push(Section { direction, ..section });
                continue;
            }
            if let Some(section) = sdp.sections.last_mut() {
                section.lines.push(line.to_owned());
                section.attribute(line);
                continue;
            }
            sdp.lines.push(line.to_owned());
            if let Some(value) = line.strip_prefix("o=") {
                sdp.origin = Origin::parse(value);
            } else if let Some(value) = line.strip_prefix("a=group:") {
                let mut words = value.split_whitespace().map(str::to_owned);
                if let Some(semantics) = words.next() {
                    sdp.groups.push(Group {
                        semantics,
                        mids: words.collect(),
                    });
                }
            } else {
                session_direction = section::direction(line).or(session_direction);
                session.attribute(line);
            }
        }
        sdp.sections
            .iter_mut()
            .for_each(|section| section.inherit(&session));
        Ok(sdp)
    }

    /// The BUNDLE group that `mid` is in.
    pub(crate) fn bundle_of(&self, mid: &str) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.is_bundle() && group.contains(mid))
    }

    /// The section with this mid, the first if there are several.
    pub(crate) fn section(&self, mid: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.mid.as_deref() == Some(mid))
    }

    /// The raw line at session level: `"o"` gives the o= line, `"fingerprint"` the a=fingerprint line.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        find_line(&self.lines, name)
    }

    /// Whether both say the same, whatever candidates have been gathered since (RFC 9429 section 5.2.1 lets ports,
    /// c= and a=rtcp follow them) and whatever the session version.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.content == other.content
    }

    fn append_content(&mut self, line: &str) {
        const GATHERED: [&str; 4] = ["c=", "a=candidate:", "a=end-of-candidates", "a=rtcp:"];
        if GATHERED.iter().any(|prefix| line.starts_with(prefix)) {
            return;
        }
        let is_media = line.starts_with("m=");
        for (at, word) in line.split_whitespace().enumerate() {
            let varies = match at {
                1 => is_media && word != "0",
                2 => line.starts_with("o="),
                _ => false,
            };
            self.content.push_str(if varies { "*" } else { word });
            self.content.push(' ');
        }
        self.content.push('\n');
    }
}

impl Origin {
    fn parse(value: &str) -> Option<Self> {
        let words: Vec<&str> = value.split_whitespace().collect();
        let [user, session_id, version, network, family, address] = words[..] else {
            return None;
        };
        Some(Self {
            session_id: session_id.to_owned(),
            version: version.parse().ok()?,
            rest: format!("{user} {network} {family} {address}"),
        })
    }
}

impl Group {
    /// Whether it is a BUNDLE group.
    pub(crate) fn is_bundle(&self) -> bool {
        self.semantics == "BUNDLE"
    }

    /// Whether the section with this mid is in it.
    pub(crate) fn contains(&self, mid: &str) -> bool {
        self.mids.iter().any(|member| member == mid)
    }
}

/// The characters of an a=ice-pwd value. A trace has it redacted as `[24 chars #1a2b3c4d]`: length and digest, so
/// that equal texts still mean equal passwords.
pub(crate) fn pwd_length(value: &str) -> usize {
    redacted_length(value).unwrap_or_else(|| value.chars().count())
}

/// The length that a redacted value names; `None` for one in clear.
pub(crate) fn redacted_length(value: &str) -> Option<usize> {
    let inside = value.strip_prefix('[')?.strip_suffix(']')?;
    let (length, digest) = inside.split_once(" chars #")?;
    let is_digest = !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| length.parse().ok())?
}

/// The first line that is not a known letter, an equals sign and a value. Whatever ends the lines, and an empty line at
/// the very end, passes: section 5 asks parsers to be tolerant there.
fn malformed(text: &str) -> Option<String> {
    /// The letters of section 5.
    const LETTERS: &str = "vosiuepcbtrzkam";
    /// The letters of lines whose last word ends them; a name or an attribute may end in a blank.
    const WORDS: &str = "votcm";
    let text = text.trim_end_matches(['\r', '\n']);
    let line = text.lines().find(|line| {
        let letter = line.split_once('=').map_or("", |(letter, _)| letter);
        let is_known = letter.len() == 1 && LETTERS.contains(letter);
        !is_known || (WORDS.contains(letter) && line.ends_with([' ', '\t']))
    });
    line.map(str::to_owned)
}

fn find_line<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().map(String::as_str).find(|line| {
        let Some((kind, value)) = line.split_once('=') else {
            return false;
        };
        kind == name || (kind == "a" && value.split(':').next() == Some(name))
    })
}
