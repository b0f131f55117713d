//! Session descriptions as a broadcaster and its viewers write them.
//!
//! Owns their text, and what may change from one to the next. It must not know when they are sent.

use std::fmt::Write as _;

/// How a stack writes: what is legal both ways, and read by other lines of the checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As a browser: the transport's lines in every section, trickling announced, all mandatory codecs.
    Browser,
    /// As greenroom's own engine: the fingerprint at session level, one codec per medium, trickling not announced.
    Engine,
}

/// What an m-section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Audio,
    Video,
    Data,
}

/// The ICE credentials of one generation at one end. The password is written as a trace has it: redacted, with a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl Credentials {
    /// Those of the generation `number` of `who`, different for each.
    pub(crate) fn new(who: &str, number: usize) -> Self {
        Self {
            ufrag: format!("{who}gen{number}"),
            pwd: format!(
                "[24 chars #{:08x}]",
                0x1000_0000 + number * 0x1_0000 + digest(who)
            ),
        }
    }
}

/// What the certificate of `who` hashes to.
pub(crate) fn fingerprint(who: &str) -> String {
    let byte = |at: usize| format!("{:02X}", (digest(who) + 37 * at) % 256);
    (0..32).map(byte).collect::<Vec<_>>().join(":")
}

fn digest(who: &str) -> usize {
    who.bytes()
        .fold(7, |sum, byte| (sum * 31 + usize::from(byte)) % 0xffff)
}

/// One m-section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) medium: Medium,
    pub(crate) mid: String,
    /// As the broadcaster says it; the viewer answers with its reverse.
    pub(crate) direction: &'static str,
    /// Port 0.
    pub(crate) rejected: bool,
}

/// Everything that a description says.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) style: Style,
    pub(crate) who: String,
    pub(crate) version: u64,
    pub(crate) setup: &'static str,
    pub(crate) credentials: Credentials,
    pub(crate) sections: Vec<Section>,
    /// Added to each dynamic payload type: numbers may differ each way (RFC 3264 section 5.1).
    pub(crate) renumbered: u8,
    /// Candidates that are in it, as attribute lines.
    pub(crate) candidates: Vec<String>,
    pub(crate) ended: bool,
}

impl Description {
    /// The text.
    pub(crate) fn text(&self) -> String {
        let session = 1_000 + digest(&self.who);
        let live: Vec<&str> = self.live().map(|section| section.mid.as_str()).collect();
        let mut text = format!(
            "v=0\r\no=- {session} {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
            self.version,
            live.join(" ")
        );
        let mark = format!("a=fingerprint:sha-256 {}\r\n", fingerprint(&self.who));
        if self.style == Style::Engine {
            text += &mark;
        }
        let first = live.first().map(|mid| (*mid).to_owned());
        for section in &self.sections {
            self.section(section, &mut text);
            if section.rejected {
                continue;
            }
            let options = if self.style == Style::Browser {
                format!("{mark}a=ice-options:trickle ice2\r\n")
            } else {
                String::new()
            };
            let _ = write!(
                text,
                "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n{options}a=setup:{}\r\n",
                self.credentials.ufrag, self.credentials.pwd, self.setup
            );
            if Some(&section.mid) == first.as_ref() {
                for candidate in &self.candidates {
                    let _ = write!(text, "a={candidate}\r\n");
                }
                if self.ended {
                    text += "a=end-of-candidates\r\n";
                }
            }
        }
        text
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| !section.rejected)
    }

    fn section(&self, section: &Section, text: &mut String) {
        let port = if section.rejected { 0 } else { 9 };
        let more = self.renumbered;
        let all = self.style == Style::Browser;
        let head = match section.medium {
            Medium::Audio if all => format!(
                "m=audio {port} UDP/TLS/RTP/SAVPF {opus} 0 8\r\na=rtpmap:{opus} opus/48000/2\r\n\
                 a=rtcp-fb:{opus} transport-cc\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n",
                opus = 109 + more
            ),
            Medium::Audio => format!(
                "m=audio {port} UDP/TLS/RTP/SAVPF {opus}\r\na=rtpmap:{opus} opus/48000/2\r\n",
                opus = 109 + more
            ),
            Medium::Video if all => format!(
                "m=video {port} UDP/TLS/RTP/SAVPF {vp8} {rtx} {h264}\r\na=rtpmap:{vp8} VP8/90000\r\n\
                 a=rtcp-fb:{vp8} nack pli\r\na=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={vp8}\r\n\
                 a=rtpmap:{h264} H264/90000\r\n\
                 a=fmtp:{h264} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n",
                vp8 = 96 + more,
                rtx = 97 + more,
                h264 = 98 + more
            ),
            Medium::Video => format!(
                "m=video {port} UDP/TLS/RTP/SAVPF {h264}\r\na=rtpmap:{h264} H264/90000\r\n\
                 a=fmtp:{h264} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n",
                h264 = 98 + more
            ),
            Medium::Data => {
                format!("m=application {port} UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n")
            }
        };
        *text += &head;
        let _ = write!(text, "c=IN IP4 0.0.0.0\r\na=mid:{}\r\n", section.mid);
        if section.medium != Medium::Data {
            let _ = write!(text, "a={}\r\na=rtcp-mux\r\n", section.direction);
        }
    }

    /// The payload type that media of this kind has on its way to whoever wrote this.
    pub(crate) fn payload_type(&self, medium: Medium) -> u8 {
        self.renumbered
            + match medium {
                Medium::Audio => 109,
                _ => 98,
            }
    }
}

/// What the receiving side answers to a direction.
pub(crate) fn reversed(direction: &'static str) -> &'static str {
    match direction {
        "sendonly" => "recvonly",
        "recvonly" => "sendonly",
        other => other,
    }
}
