//! What a DTLS handshake shows against the descriptions of a connection's one end: the rules DT.
//!
//! Owns what came before the answer and is held against it then. It reads no key and no certificate, only its hash.

use super::Link;
use crate::rules::finding::{EventRef, RuleFinding};
use crate::rules::sdp::Setup;
use crate::trace::{DtlsSeen, FrameWay};

impl Link {
    /// Something of the DTLS handshake passed.
    pub(in crate::rules) fn dtls(
        &mut self,
        peer: &str,
        way: FrameWay,
        seen: &DtlsSeen,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let is_in = way == FrameWay::In;
        match seen {
            DtlsSeen::ClientHello {
                version,
                srtp_profiles,
            } => {
                if !is_in {
                    self.hello_out.get_or_insert_with(|| event.clone());
                }
                if *version > 0xfefd && *version != 0xfefc {
                    self.too_old(peer, *version, event, out);
                }
                if srtp_profiles.is_empty() {
                    let message = format!(
                        "the ClientHello at {peer} does not offer use_srtp, so that no media key can be agreed"
                    );
                    self.tell(RuleFinding::new("DT-04", peer, message, event.clone()), out);
                }
                self.check_client(peer, is_in, event, out);
            }
            DtlsSeen::ServerHello { version, cipher, .. } => {
                if *version > 0xfefd {
                    self.too_old(peer, *version, event, out);
                }
                // RFC 5246 appendix A.5: the suites without encryption.
                if matches!(cipher, 0x0000..=0x0002 | 0x003b | 0x002c..=0x002e) {
                    let message = format!(
                        "the handshake at {peer} chose the cipher {cipher:#06x}, which encrypts nothing"
                    );
                    self.tell(RuleFinding::new("DT-04", peer, message, event.clone()), out);
                }
            }
            DtlsSeen::Certificate { fingerprint } if is_in => {
                self.check_certificate(peer, fingerprint, event, out)
            }
            DtlsSeen::ChangeCipherSpec => self.encrypted = true,
            DtlsSeen::PlaintextData => {
                let message =
                    format!("application data passed {peer}'s wire in clear, before the handshake was done");
                self.tell(RuleFinding::new("DT-05", peer, message, event.clone()), out);
            }
            DtlsSeen::Certificate { .. } | DtlsSeen::Alert { .. } => {}
        }
    }

    /// A description came or was sent: what the handshake has shown already is held against it.
    pub(in crate::rules) fn described(&mut self, peer: &str, out: &mut Vec<RuleFinding>) {
        if self.negotiation.remote().is_some()
            && let Some((fingerprint, event)) = self.early_certificate.take()
        {
            self.check_certificate(peer, &fingerprint, &event, out);
        }
        if self.answer_in.is_some() || self.answer_out.is_some() {
            for (is_in, event) in std::mem::take(&mut self.early_hellos) {
                self.check_client(peer, is_in, &event, out);
            }
        }
    }

    fn too_old(&mut self, peer: &str, version: u16, event: &EventRef, out: &mut Vec<RuleFinding>) {
        let message =
            format!("the handshake at {peer} is of version {version:#06x}; DTLS 1.2, 0xfefd, is the least");
        self.tell(RuleFinding::new("DT-04", peer, message, event.clone()), out);
    }

    /// DT-02: the side whose setup is active sends the ClientHello.
    fn check_client(&mut self, peer: &str, is_in: bool, event: &EventRef, out: &mut Vec<RuleFinding>) {
        let answer = match (&self.answer_in, &self.answer_out) {
            (Some(at), _) => Some((true, at.clone())),
            (None, Some(at)) => Some((false, at.clone())),
            (None, None) => None,
        };
        let Some((theirs, at)) = answer else {
            // Of a hello that is sent again the first one says enough.
            if self.early_hellos.iter().all(|(known, _)| *known != is_in) {
                self.early_hellos.push((is_in, event.clone()));
            }
            return;
        };
        let sdp = if theirs {
            self.negotiation.remote()
        } else {
            self.negotiation.local()
        };
        let setup = sdp.and_then(|sdp| sdp.sections.iter().find_map(|section| section.setup));
        // Who answered active sends the hello, so it must come from the answerer, and else from the offerer.
        let expected_in = match setup {
            Some(Setup::Active) => theirs,
            Some(Setup::Passive) => !theirs,
            _ => return,
        };
        if expected_in != is_in {
            let message = format!(
                "a ClientHello {} {peer}, whose answer says setup:{}; the active side sends it",
                if is_in { "came to" } else { "left" },
                if setup == Some(Setup::Active) {
                    "active"
                } else {
                    "passive"
                }
            );
            self.tell(
                RuleFinding::new("DT-02", peer, message, event.clone()).because_of(Some(at)),
                out,
            );
        }
    }

    fn check_certificate(
        &mut self,
        peer: &str,
        fingerprint: &str,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let Some(remote) = self.negotiation.remote() else {
            // It came before the answer, and is held against it then (RFC 8842 section 5).
            self.early_certificate = Some((fingerprint.to_owned(), event.clone()));
            return;
        };
        let promised: Vec<&str> = remote
            .sections
            .iter()
            .flat_map(|section| &section.fingerprints)
            .filter(|promised| promised.algorithm.eq_ignore_ascii_case("sha-256"))
            .map(|promised| promised.value.as_str())
            .collect();
        if promised.is_empty()
            || promised
                .iter()
                .any(|promised| promised.eq_ignore_ascii_case(fingerprint))
        {
            return;
        }
        self.wrong_certificate.get_or_insert_with(|| event.clone());
        let cause = self.answer_in.clone().or_else(|| self.offer_in.clone());
        let message = format!(
            "the certificate that came to {peer} has the fingerprint {}, the description promised {}",
            ends(fingerprint),
            promised
                .first()
                .map_or_else(String::new, |promised| ends(promised))
        );
        let quote = promised
            .first()
            .map(|promised| format!("a=fingerprint:sha-256 {promised}"));
        let finding = RuleFinding::new("DT-01", peer, message, event.clone())
            .quoting(quote)
            .because_of(cause);
        self.tell(finding, out);
    }

    /// A datagram that is nothing passed.
    pub(in crate::rules) fn unclassified(
        &mut self,
        peer: &str,
        first_byte: Option<u8>,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let what = first_byte.map_or_else(|| "is empty".to_owned(), |byte| format!("begins with {byte}"));
        let message = format!("a datagram at {peer} {what}: neither STUN, DTLS, TURN, RTP nor RTCP");
        self.tell(RuleFinding::new("DT-06", peer, message, event.clone()), out);
    }
}

/// Beginning and end of a fingerprint, which is enough to tell two apart.
fn ends(fingerprint: &str) -> String {
    let (first, last) = (
        fingerprint.get(..8),
        fingerprint
            .len()
            .checked_sub(8)
            .and_then(|at| fingerprint.get(at..)),
    );
    match (first, last) {
        (Some(first), Some(last)) => format!("{first}…{last}").to_uppercase(),
        _ => fingerprint.to_uppercase(),
    }
}
