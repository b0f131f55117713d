//! The candidate attribute (RFC 8839 section 5.1).
//!
//! Owns its grammar. It must not resolve an address or decide whether a candidate is of use.

use std::fmt;

/// A candidate, as its attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Equal for candidates of the same kind, base and server: 1 to 32 ice-chars.
    pub(crate) foundation: String,
    /// 1 for RTP, 2 for RTCP without rtcp-mux.
    pub(crate) component: u16,
    /// `udp` or `tcp`, in lower case.
    pub(crate) transport: String,
    /// RFC 8445 section 5.1.2.
    pub(crate) priority: u32,
    /// An IP address, or a name such as browsers invent for mDNS.
    pub(crate) address: String,
    /// The port; 9 for active TCP candidates.
    pub(crate) port: u16,
    /// Where the address comes from.
    pub(crate) kind: CandidateType,
    /// The related address.
    pub(crate) raddr: Option<String>,
    /// The related port.
    pub(crate) rport: Option<u16>,
    /// `active`, `passive` or `so` (RFC 6544).
    pub(crate) tcptype: Option<String>,
    /// The generation that the candidate belongs to (RFC 8840 section 4.1 names it beside, browsers in the line).
    pub(crate) ufrag: Option<String>,
}

/// `typ` of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CandidateType {
    /// A local interface's.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the other peer; never signalled in practice.
    PeerReflexive,
    /// A TURN server's.
    Relayed,
    /// A future kind, which the grammar allows.
    Other(String),
}

/// Why a text is no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CandidateError {
    /// There is nothing: the browsers' way to say end-of-candidates.
    Empty,
    /// A field that must be there is not.
    Missing(&'static str),
    /// A field has a value that it must not have.
    Invalid(&'static str, String),
}

impl fmt::Display for CandidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the candidate is empty"),
            Self::Missing(field) => write!(f, "the candidate has no {field}"),
            Self::Invalid(field, value) => write!(f, "the candidate's {field} cannot be {value:?}"),
        }
    }
}

impl std::error::Error for CandidateError {}

impl Candidate {
    /// Reads the attribute, with or without `a=` and `candidate:`.
    ///
    /// # Errors
    ///
    /// The first field that is missing or wrong. Unknown extensions are skipped.
    pub(crate) fn parse(text: &str) -> Result<Self, CandidateError> {
        let text = text.trim();
        let text = text.strip_prefix("a=").unwrap_or(text);
        let text = text.strip_prefix("candidate:").unwrap_or(text);
        let mut words = text.split_whitespace();
        let foundation = words.next().ok_or(CandidateError::Empty)?;
        if foundation.len() > 32 || !foundation.chars().all(is_ice_char) {
            return Err(invalid("foundation", foundation));
        }
        let component: u16 = number("component", words.next())?;
        if !(1..=256).contains(&component) {
            return Err(invalid("component", &component.to_string()));
        }
        let transport = words.next().ok_or(CandidateError::Missing("transport"))?;
        let priority = number("priority", words.next())?;
        let address = words.next().ok_or(CandidateError::Missing("address"))?;
        let port = number("port", words.next())?;
        match words.next() {
            Some("typ") => {}
            Some(other) => return Err(invalid("keyword typ", other)),
            None => return Err(CandidateError::Missing("type")),
        }
        let mut candidate = Self {
            foundation: foundation.to_owned(),
            component,
            transport: transport.to_ascii_lowercase(),
            priority,
            address: address.to_owned(),
            port,
            kind: match words.next().ok_or(CandidateError::Missing("type"))? {
                "host" => CandidateType::Host,
                "srflx" => CandidateType::ServerReflexive,
                "prflx" => CandidateType::PeerReflexive,
                "relay" => CandidateType::Relayed,
                other => CandidateType::Other(other.to_owned()),
            },
            raddr: None,
            rport: None,
            tcptype: None,
            ufrag: None,
        };
        // Extensions come in pairs; a name without value at the end says nothing.
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                "raddr" => candidate.raddr = Some(value.to_owned()),
                "rport" => candidate.rport = Some(number("rport", Some(value))?),
                "tcptype" => candidate.tcptype = Some(value.to_owned()),
                "ufrag" => candidate.ufrag = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(candidate)
    }
}

/// ice-char of RFC 8839 section 5.1: what foundations, fragments and passwords are made of.
pub(crate) fn is_ice_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/')
}

fn number<N: std::str::FromStr>(field: &'static str, word: Option<&str>) -> Result<N, CandidateError> {
    let word = word.ok_or(CandidateError::Missing(field))?;
    // `parse` takes a plus sign, which the grammar does not.
    let number = word
        .parse()
        .ok()
        .filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| invalid(field, word))
}

fn invalid(field: &'static str, value: &str) -> CandidateError {
    // A name may be as long as a description; a sentence should not.
    CandidateError::Invalid(field, value.chars().take(64).collect())
}
