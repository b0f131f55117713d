//! What the wire of a connection's one end shows against its descriptions.
//!
//! Owns the rules of connectivity (IC), DTLS (DT) and RTP (RT) that passing datagrams can break.

use std::collections::BTreeSet;

use super::{Link, listed, ufrags};
use crate::check::Severity;
use crate::rules::consent::CONSENT_US;
use crate::rules::finding::{EventRef, RuleFinding};
use crate::rules::sdp::{Direction, Sdp, Section, Setup};
use crate::trace::{DtlsSeen, FrameWay, StunSeen};

/// Pairs of addresses whose checks are told apart.
const MAX_PAIRS: usize = 64;

/// Checks of a generation that is over are answered for this long (RFC 8445 section 8.3).
const RETIRE_US: u64 = 3_000_000;

impl Link {
    /// A STUN message passed.
    pub(in crate::rules) fn stun(
        &mut self,
        peer: &str,
        way: FrameWay,
        remote: &str,
        stun: &StunSeen,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let is_in = way == FrameWay::In;
        match (stun.class.as_str(), is_in) {
            ("request", true) => self.checks_in += 1,
            ("request", false) => self.checks_out += 1,
            // A STUN server answers too, and whoever does not know the password is not the peer.
            ("success", true) if stun.integrity == Some(true) => {
                self.answers_in += 1;
                self.last_answer = Some(event.clone());
            }
            _ => {}
        }
        if stun.class == "request" && stun.username.is_some() {
            self.check_username(peer, is_in, stun, event, out);
            self.check_role(peer, is_in, stun, event, out);
        }
        if stun.integrity == Some(false) {
            self.bad_credentials.get_or_insert_with(|| event.clone());
            let message = format!(
                "a connectivity check {} {peer} is not made with the ice-pwd of the description",
                if is_in { "to" } else { "from" }
            );
            self.tell(RuleFinding::new("IC-01", peer, message, event.clone()), out);
        }
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(remote) {
            return;
        }
        let pair = self.pairs.entry(remote.to_owned()).or_default();
        if stun.error == Some(487) {
            pair.conflicts += 1;
            if pair.conflicts > 2 {
                self.conflict.get_or_insert_with(|| event.clone());
                let message = format!(
                    "{peer} and its peer answered 487 {} times on one pair: both keep their ICE role",
                    pair.conflicts
                );
                self.tell(RuleFinding::new("IC-03", peer, message, event.clone()), out);
            }
        } else if stun.use_candidate && stun.class == "request" {
            pair.nominated.get_or_insert_with(|| event.clone());
            if stun.controlling == Some(false) {
                let message =
                    format!("{peer}'s wire has USE-CANDIDATE from an agent that says it is controlled");
                self.tell(RuleFinding::new("IC-04", peer, message, event.clone()), out);
            }
        }
    }

    fn check_username(
        &mut self,
        peer: &str,
        is_in: bool,
        stun: &StunSeen,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let username = stun.username.as_deref().unwrap_or_default();
        // RFC 8445 section 7.2.2: the receiver's fragment, a colon, the sender's.
        let (first, second) = username.split_once(':').unwrap_or((username, ""));
        let (ours, theirs) = if is_in { (first, second) } else { (second, first) };
        let local = self.negotiation.local().map(ufrags);
        let remote = self.negotiation.remote().map(ufrags);
        // Before the answer only one of the two is known, and nobody's check is there before the offer.
        let fits = |known: &Option<BTreeSet<&str>>, ufrag: &str| {
            known.as_ref().is_none_or(|known| known.contains(ufrag))
        };
        if fits(&local, ours) && fits(&remote, theirs) {
            if stun.use_candidate && local.is_some() && remote.is_some() {
                self.retire(event.at_us);
            }
            return;
        }
        if self.is_restarting(ours, theirs) || self.is_retiring(ours, theirs, event.at_us) {
            return;
        }
        let cause = self
            .answer_in
            .as_ref()
            .or(self.offer_in.as_ref())
            .or(self.offer_out.as_ref());
        let cause = cause.cloned();
        let said =
            |known: Option<BTreeSet<&str>>| known.map_or("nothing yet".to_owned(), |known| listed(&known));
        let message = format!(
            "a connectivity check {} {peer} has the username {username}; the descriptions say {} here and {} there",
            if is_in { "to" } else { "from" },
            said(local),
            said(remote)
        );
        self.bad_credentials.get_or_insert_with(|| event.clone());
        let finding = RuleFinding::new("IC-01", peer, message, event.clone())
            .quoting(Some(format!("USERNAME {username}")))
            .because_of(cause);
        self.tell(finding, out);
    }

    /// Whether a check is one of the generation that an open offer begins: the answerer's fragment is known only with
    /// the answer, and the answerer checks as soon as it has one (RFC 8445 section 9).
    fn is_restarting(&self, ours: &str, theirs: &str) -> bool {
        let is_new = |side: Option<&Sdp>, is_ours: bool, ufrag: &str| {
            side.is_some_and(|sdp| ufrags(sdp).contains(ufrag))
                && !self.generations.iter().any(|generation| {
                    let known = if is_ours {
                        &generation.ours
                    } else {
                        &generation.theirs
                    };
                    known.contains(ufrag)
                })
        };
        match self.negotiation.signaling_state() {
            "have-local-offer" => is_new(self.negotiation.local(), true, ours),
            "have-remote-offer" => is_new(self.negotiation.remote(), false, theirs),
            _ => false,
        }
    }

    /// Whether a check is one of a generation whose pair is kept until the next one has its own.
    fn is_retiring(&self, ours: &str, theirs: &str, at_us: u64) -> bool {
        self.generations.iter().any(|generation| {
            let is_over = generation.until_us.is_some_and(|until| at_us > until);
            !is_over && generation.ours.contains(ours) && generation.theirs.contains(theirs)
        })
    }

    /// A pair of the latest generation is nominated: those before it end.
    fn retire(&mut self, at_us: u64) {
        let Some((_, before)) = self.generations.split_last_mut() else {
            return;
        };
        for generation in before {
            generation.until_us.get_or_insert(at_us.saturating_add(RETIRE_US));
        }
    }

    fn check_role(
        &mut self,
        peer: &str,
        is_in: bool,
        stun: &StunSeen,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let Some(controlling) = stun.controlling else {
            return;
        };
        self.roles[usize::from(is_in)] = Some(controlling);
        let offered = self.offer_out.is_some() && self.offer_in.is_none();
        let answered = self.offer_in.is_some() && self.offer_out.is_none();
        if !offered && !answered {
            return;
        }
        // A lite peer or a conflict that was settled may turn the roles; only the sender's own claim is held here.
        let should_control = offered != is_in;
        let lite = [self.negotiation.local(), self.negotiation.remote()]
            .into_iter()
            .flatten()
            .any(|sdp| sdp.line("ice-lite").is_some());
        if controlling != should_control && !lite && self.pairs.values().all(|pair| pair.conflicts == 0) {
            let message = format!(
                "the agent that {} says in its checks that it is {}; the offerer controls",
                if should_control { "offered" } else { "answered" },
                if controlling { "controlling" } else { "controlled" }
            );
            self.tell(RuleFinding::new("IC-02", peer, message, event.clone()), out);
        }
    }

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
                let step = if is_in {
                    &mut self.hello_in
                } else {
                    &mut self.hello_out
                };
                step.get_or_insert_with(|| event.clone());
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

    /// The first RTP packet of a payload type passed.
    pub(in crate::rules) fn rtp(
        &mut self,
        peer: &str,
        way: FrameWay,
        payload_type: u8,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let is_in = way == FrameWay::In;
        if !self.encrypted && self.dtls_connected.is_none() {
            let message = format!("RTP passed {peer}'s wire before the DTLS handshake had agreed on keys");
            self.tell(RuleFinding::new("DT-05", peer, message, event.clone()), out);
        }
        if (64..=95).contains(&payload_type) {
            let message = format!(
                "{peer}'s wire has RTP of payload type {payload_type}, which cannot be told from RTCP"
            );
            self.tell(RuleFinding::new("RT-03", peer, message, event.clone()), out);
            return;
        }
        // Until an offer is answered media follows the old descriptions or the new ones, and what was sent before an
        // answer may arrive after it (RFC 3264 section 8).
        let in_force = self.negotiation.in_force(is_in);
        let mut fits: Vec<Carried> = in_force
            .into_iter()
            .map(|(local, remote)| {
                let (sender, receiver) = if is_in { (remote, local) } else { (local, remote) };
                carried(sender, receiver, payload_type)
            })
            .collect();
        if fits.is_empty() {
            return;
        }
        // Who has offered to receive is ready for it before the answer says that it comes (RFC 3264 section 5.1).
        if is_in && self.negotiation.signaling_state() == "have-local-offer" {
            let offered = self.negotiation.local();
            fits.extend(offered.map(|offer| received(offer, payload_type)));
        }
        let cause = self.answer_in.clone().or_else(|| self.answer_out.clone());
        if fits.iter().all(|fit| *fit == Carried::Unknown) {
            let message = format!(
                "RTP of payload type {payload_type} passed {peer}'s wire, and the receiver's description has no such format"
            );
            self.tell(
                RuleFinding::new("RT-03", peer, message, event.clone()).because_of(cause),
                out,
            );
            return;
        }
        if !fits.contains(&Carried::Allowed) {
            let message = format!(
                "RTP of payload type {payload_type} passed {peer}'s wire, and the directions of its m-section do not allow it"
            );
            self.tell(
                RuleFinding::new("RT-05", peer, message, event.clone()).because_of(cause),
                out,
            );
        }
        // Consent is the sender's to have; of what it is sent itself the other end's trace tells.
        if let Some(last) = self.last_answer.as_ref().filter(|_| !is_in)
            && event.at_us.saturating_sub(last.at_us) > CONSENT_US
        {
            let message = format!("{peer} sends media although no check was answered for more than 30 s");
            let finding = RuleFinding::new("IC-07", peer, message, event.clone());
            self.tell(finding.because_of(Some(last.clone())), out);
        }
    }

    /// Notes when a keepalive left, which the engine sends more often than it should (docs/engine.md).
    pub(in crate::rules) fn keepalive(&mut self, peer: &str, event: &EventRef, out: &mut Vec<RuleFinding>) {
        if self.dtls_connected.is_none() {
            return;
        }
        if let Some(last) = self.last_keepalive_us.replace(event.at_us) {
            let gap = event.at_us.saturating_sub(last);
            if (100_000..4_000_000).contains(&gap) {
                let message = format!(
                    "{peer} asks for consent after {:.1} s; 4 s is the least",
                    gap as f64 / 1e6
                );
                let finding = RuleFinding::new("IC-07", peer, message, event.clone());
                self.tell(finding.at_most(Severity::Note), out);
            }
        }
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

/// What an exchange says of a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    /// No section that is received has it.
    Unknown,
    /// The directions of its section do not let it pass.
    Held,
    Allowed,
}

/// What is received is numbered as the receiver said (RFC 3264 section 5.1); the sender's section is the one in the same
/// place, whatever numbers it has.
fn carried(sender: &Sdp, receiver: &Sdp, payload_type: u8) -> Carried {
    let sends = |index| {
        let section = sender.sections.get(index);
        section.is_none_or(|section| allows(section, Direction::Sendonly))
    };
    of_sections(receiver, payload_type, |index, section| {
        sends(index) && allows(section, Direction::Recvonly)
    })
}

/// What the receiver's description alone says of a payload type.
fn received(receiver: &Sdp, payload_type: u8) -> Carried {
    of_sections(receiver, payload_type, |_, section| {
        allows(section, Direction::Recvonly)
    })
}

fn allows(section: &Section, one: Direction) -> bool {
    section.direction == Direction::Sendrecv || section.direction == one
}

/// Whether a section that has the payload type lets it pass.
fn of_sections(receiver: &Sdp, payload_type: u8, lets_pass: impl Fn(usize, &Section) -> bool) -> Carried {
    let name = payload_type.to_string();
    let sections = receiver.sections.iter().enumerate();
    let having = sections.filter(|(_, section)| !section.rejected() && section.formats.contains(&name));
    match having.map(|(index, section)| lets_pass(index, section)).max() {
        None => Carried::Unknown,
        Some(false) => Carried::Held,
        Some(true) => Carried::Allowed,
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
