//! One m= section: its attributes and what it takes from the session level.
//!
//! Owns the meaning of single attribute lines. It must not judge and looks at no other section.

use super::{Codec, Direction, Fingerprint, Section, Setup, find_line};

impl Section {
    /// Whether the section is rejected or disabled: port 0, unless a=bundle-only explains the port.
    pub(crate) fn rejected(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    /// Whether it carries RTP.
    pub(crate) fn is_rtp(&self) -> bool {
        self.proto.contains("RTP/")
    }

    /// The section's own raw line: `"m"` gives the m= line, `"setup"` the a=setup line.
    pub(crate) fn line(&self, name: &str) -> Option<&str> {
        find_line(&self.lines, name)
    }

    /// The raw line of an attribute about one payload type: `("fmtp", "96")` gives the a=fmtp:96 line.
    pub(crate) fn line_of(&self, attribute: &str, payload_type: &str) -> Option<&str> {
        let prefix = format!("a={attribute}:{payload_type} ");
        let line = self.lines.iter().find(|line| line.starts_with(&prefix));
        line.map(String::as_str)
    }

    /// What a payload type stands for, the static ones of RFC 3551 included.
    pub(crate) fn codec(&self, payload_type: &str) -> Option<Codec> {
        self.rtpmap
            .get(payload_type)
            .cloned()
            .or_else(|| static_codec(payload_type))
    }

    /// The payload type that an rtx one repeats (RFC 4588 section 8.6).
    pub(crate) fn apt(&self, payload_type: &str) -> Option<&str> {
        self.parameter(payload_type, "apt")
    }

    /// One parameter of a payload type's a=fmtp line.
    pub(crate) fn parameter(&self, payload_type: &str, name: &str) -> Option<&str> {
        let parameters = self.fmtp.get(payload_type)?.split(';');
        parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// An m= line, its value and the whole of it.
    pub(super) fn begin(value: &str, line: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let media = words.next()?.to_owned();
        // "9/2" is a range of ports.
        let port = words.next()?.split('/').next()?.parse().ok()?;
        let proto = words.next()?.to_owned();
        let formats = words.map(str::to_owned).collect();
        let lines = vec![line.to_owned()];
        Some(Self {
            media,
            port,
            proto,
            formats,
            lines,
            ..Self::default()
        })
    }

    /// Takes an attribute line in; any other says nothing here.
    pub(super) fn attribute(&mut self, line: &str) {
        let Some(attribute) = line.strip_prefix("a=") else {
            return;
        };
        if let Some(direction) = direction(line) {
            self.direction = direction;
            return;
        }
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        match name {
            "mid" => self.mid = Some(value.to_owned()),
            "ice-ufrag" => self.ice_ufrag = Some(value.to_owned()),
            "ice-pwd" => self.ice_pwd = Some(value.to_owned()),
            "ice-options" => self
                .ice_options
                .extend(value.split_whitespace().map(str::to_owned)),
            "fingerprint" => {
                if let Some((algorithm, value)) = value.split_once(char::is_whitespace) {
                    self.fingerprints.push(Fingerprint {
                        algorithm: algorithm.to_ascii_lowercase(),
                        value: value.trim().to_ascii_lowercase(),
                    });
                }
            }
            "setup" => self.setup = setup(value),
            "tls-id" => self.tls_id = Some(value.to_owned()),
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp-mux-only" => self.rtcp_mux_only = true,
            "bundle-only" => self.bundle_only = true,
            "candidate" => self.candidates.push(value.to_owned()),
            "end-of-candidates" => self.end_of_candidates = true,
            "crypto" => self.crypto = true,
            "ssrc" => {
                let ssrc = value.split_whitespace().next().and_then(|ssrc| ssrc.parse().ok());
                self.ssrcs.extend(ssrc.filter(|ssrc| !self.ssrcs.contains(ssrc)));
            }
            "rtpmap" | "fmtp" | "rtcp-fb" => {
                if let Some((payload_type, value)) = value.split_once(char::is_whitespace) {
                    self.of_payload_type(name, payload_type, value.trim());
                }
            }
            _ => {}
        }
    }

    fn of_payload_type(&mut self, name: &str, payload_type: &str, value: &str) {
        let payload_type = payload_type.to_owned();
        match name {
            "rtpmap" => self
                .rtpmap
                .extend(codec(value).map(|codec| (payload_type, codec))),
            "fmtp" => self.fmtp.extend([(payload_type, value.to_owned())]),
            _ => {
                let words: Vec<String> = value.split_whitespace().map(str::to_ascii_lowercase).collect();
                self.rtcp_fb.push((payload_type, words.join(" ")));
            }
        }
    }

    /// Takes over what only the session level says.
    pub(super) fn inherit(&mut self, session: &Self) {
        // Credentials come in pairs: half a pair at section level is not completed by the session's other half.
        if self.ice_ufrag.is_none() && self.ice_pwd.is_none() {
            self.ice_ufrag.clone_from(&session.ice_ufrag);
            self.ice_pwd.clone_from(&session.ice_pwd);
        }
        self.ice_options.extend_from_slice(&session.ice_options);
        if self.fingerprints.is_empty() {
            self.fingerprints.clone_from(&session.fingerprints);
        }
        if self.line("setup").is_none() {
            self.setup = session.setup;
        }
        if self.tls_id.is_none() {
            self.tls_id.clone_from(&session.tls_id);
        }
        self.end_of_candidates |= session.end_of_candidates;
    }
}

/// The direction that a line names.
pub(super) fn direction(line: &str) -> Option<Direction> {
    match line {
        "a=sendrecv" => Some(Direction::Sendrecv),
        "a=sendonly" => Some(Direction::Sendonly),
        "a=recvonly" => Some(Direction::Recvonly),
        "a=inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

fn setup(value: &str) -> Option<Setup> {
    match value {
        "actpass" => Some(Setup::Actpass),
        "active" => Some(Setup::Active),
        "passive" => Some(Setup::Passive),
        "holdconn" => Some(Setup::Holdconn),
        _ => None,
    }
}

fn codec(value: &str) -> Option<Codec> {
    let mut parts = value.split('/');
    Some(Codec {
        name: parts.next()?.trim().to_ascii_lowercase(),
        clock: parts.next()?.trim().parse().ok()?,
        channels: parts
            .next()
            .and_then(|channels| channels.trim().parse().ok())
            .unwrap_or(1),
    })
}

/// The static payload types (RFC 3551 table 4) that real-time peers still offer without a=rtpmap.
fn static_codec(payload_type: &str) -> Option<Codec> {
    codec(match payload_type {
        "0" => "PCMU/8000",
        "3" => "GSM/8000",
        "4" => "G723/8000",
        "8" => "PCMA/8000",
        "9" => "G722/8000",
        "10" => "L16/44100/2",
        "11" => "L16/44100",
        "13" => "CN/8000",
        "18" => "G729/8000",
        "34" => "H263/90000",
        _ => return None,
    })
}
