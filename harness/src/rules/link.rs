//! One peer connection as one peer sees it: which steps it has taken, and what its wire showed.
//!
//! Owns the steps and the rules of trickling (TR), connectivity (IC), DTLS (DT) and RTP (RT) that can be decided at
//! one end. It knows neither the other end nor the server.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{EventRef, RuleFinding};
use super::message::CandidateInit;
use super::negotiation::{Negotiation, SdpKind, Side};
use super::sdp::{Candidate, Direction, Sdp, Setup};
use crate::check::Severity;
use crate::trace::{DtlsSeen, FrameWay, StunSeen};

/// Pairs of addresses whose checks are told apart.
const MAX_PAIRS: usize = 64;

/// A peer may not be heard of for this long before media must stop (RFC 7675 section 5.1).
const CONSENT_US: u64 = 30_000_000;

/// What has happened at one end of a connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) connection: Option<u64>,
    pub(super) negotiation: Negotiation,
    pub(super) wire_is_read: bool,
    pub(super) opened: Option<EventRef>,
    pub(super) offer_out: Option<EventRef>,
    pub(super) offer_in: Option<EventRef>,
    pub(super) answer_out: Option<EventRef>,
    pub(super) answer_in: Option<EventRef>,
    pub(super) applied: Option<EventRef>,
    pub(super) candidate_out: Option<EventRef>,
    pub(super) candidate_in: Option<EventRef>,
    pub(super) candidates_in: u64,
    pub(super) unusable_candidates: u64,
    /// A candidate that came before any description, and whether the bot kept it.
    pub(super) early: Option<(EventRef, bool)>,
    pub(super) checking: Option<EventRef>,
    pub(super) ice_connected: Option<EventRef>,
    pub(super) ice_failed: Option<EventRef>,
    pub(super) dtls_connected: Option<EventRef>,
    pub(super) first_packet: Option<EventRef>,
    pub(super) first_video_packet: Option<EventRef>,
    pub(super) first_frame: Option<EventRef>,
    pub(super) error: Option<(EventRef, String)>,
    pub(super) bad_credentials: Option<EventRef>,
    pub(super) hello_out: Option<EventRef>,
    pub(super) hello_in: Option<EventRef>,
    pub(super) wrong_certificate: Option<EventRef>,
    pub(super) checks_out: u64,
    pub(super) checks_in: u64,
    pub(super) answers_in: u64,
    pub(super) closed: bool,
    pub(super) roles: [Option<bool>; 2],
    ended: BTreeMap<Option<String>, EventRef>,
    pairs: BTreeMap<String, Pair>,
    encrypted: bool,
    last_answer_us: Option<u64>,
    last_keepalive_us: Option<u64>,
    /// Rules that were broken here, so that one breach is not told again for every packet.
    told: BTreeSet<&'static str>,
}

#[derive(Debug, Default)]
struct Pair {
    conflicts: u32,
    nominated: Option<EventRef>,
}

/// Rules that are told once for each end of a connection, because the wire repeats them.
const ONCE: [&str; 14] = [
    "IC-01", "IC-02", "IC-03", "IC-04", "IC-07", "DT-01", "DT-02", "DT-04", "DT-05", "DT-06", "RT-03",
    "RT-05", "TR-09", "RT-01",
];

impl Link {
    /// Adds a finding, once if it is one that repeats itself.
    fn tell(&mut self, finding: RuleFinding, out: &mut Vec<RuleFinding>) {
        let once = ONCE.iter().find(|rule| **rule == finding.rule);
        if once.is_none_or(|rule| self.told.insert(rule)) {
            out.push(finding);
        }
    }

    /// A description was sent (local) or came (remote).
    pub(super) fn description(
        &mut self,
        peer: &str,
        (side, kind): (Side, SdpKind),
        sdp: &str,
        event: &EventRef,
        refs: &dyn Fn(u64) -> Option<EventRef>,
        out: &mut Vec<RuleFinding>,
    ) {
        let step = match (side, kind) {
            (Side::Local, SdpKind::Offer) => Some(&mut self.offer_out),
            (Side::Remote, SdpKind::Offer) => Some(&mut self.offer_in),
            (Side::Local, SdpKind::Answer) => Some(&mut self.answer_out),
            (Side::Remote, SdpKind::Answer) => Some(&mut self.answer_in),
            _ => None,
        };
        if let Some(step) = step {
            step.get_or_insert_with(|| event.clone());
        }
        for breach in self.negotiation.description(event.number, side, kind, sdp) {
            // `OA-08-jump` and the like break a rule's letter, and are the traffic of stacks that work (docs/engine.md).
            let (rule, most) = match breach.rule.char_indices().nth(5) {
                Some((at, '-')) => (&breach.rule[..at], Severity::Note),
                // A broadcaster may have one codec on purpose; it is for a browser's peer to mind.
                _ if breach.rule == "RT-01" => (breach.rule, Severity::Note),
                _ => (breach.rule, Severity::Error),
            };
            let mut finding = RuleFinding::new(rule, peer, breach.message, event.clone())
                .quoting(breach.quote)
                .because_of(breach.cause.and_then(refs))
                .at_most(most);
            finding.fix = breach.fix.to_string();
            self.tell(finding, out);
        }
    }

    /// A candidate was sent.
    pub(super) fn candidate_sent(&mut self, event: &EventRef) {
        self.candidate_out.get_or_insert_with(|| event.clone());
    }

    /// A candidate came.
    pub(super) fn candidate(
        &mut self,
        peer: &str,
        init: &CandidateInit,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        self.candidates_in += 1;
        self.candidate_in.get_or_insert_with(|| event.clone());
        let mut broken: Vec<(&'static str, String, Option<String>, Option<EventRef>)> = Vec::new();
        let quote = || Some(init.candidate.clone());
        if init.mid.is_none() && init.index.is_none() {
            let message = format!(
                "{peer} got a candidate with neither sdpMid nor sdpMLineIndex, which no browser takes"
            );
            broken.push(("TR-03", message, quote(), None));
        }
        if let Err(error) = Candidate::parse(&init.candidate) {
            self.unusable_candidates += 1;
            let message = format!("{peer} got a candidate that cannot be read: {error}");
            broken.push(("TR-02", message, quote(), None));
        }
        if let Some(end) = self.ended.get(&init.ufrag) {
            let message = format!("{peer} got a candidate after the end of candidates of its generation");
            broken.push(("TR-06", message, quote(), Some(end.clone())));
        }
        let applied = self.answer_in.clone().or_else(|| self.offer_in.clone());
        match self.negotiation.remote() {
            Some(remote) => {
                if let Some((rule, message, quote)) = unknown_section(peer, remote, init) {
                    self.unusable_candidates += 1;
                    broken.push((rule, message, quote, applied.clone()));
                }
                if let Some((message, quote)) = foreign_generation(peer, &self.negotiation, init) {
                    self.unusable_candidates += 1;
                    broken.push(("TR-04", message, quote, applied));
                }
            }
            None => {
                self.early.get_or_insert_with(|| (event.clone(), false));
                let message =
                    format!("{peer} got a candidate before the description that it belongs to, and keeps it");
                broken.push(("TR-01", message, quote(), None));
            }
        }
        for (rule, message, quote, cause) in broken {
            let most = if rule == "TR-01" {
                Severity::Note
            } else {
                Severity::Error
            };
            let finding = RuleFinding::new(rule, peer, message, event.clone());
            out.push(finding.quoting(quote).because_of(cause).at_most(most));
        }
    }

    /// The end of candidates came.
    pub(super) fn end_of_candidates(
        &mut self,
        peer: &str,
        ufrag: Option<&str>,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        if let (Some(ufrag), Some(remote)) = (ufrag, self.negotiation.remote())
            && !ufrags(remote).contains(ufrag)
        {
            let message = format!(
                "{peer} got an end of candidates for the generation {ufrag}, but the description has {}",
                listed(&ufrags(remote))
            );
            let cause = self.answer_in.clone().or_else(|| self.offer_in.clone());
            out.push(RuleFinding::new("TR-07", peer, message, event.clone()).because_of(cause));
        }
        self.ended.insert(ufrag.map(str::to_owned), event.clone());
    }

    /// A STUN message passed.
    pub(super) fn stun(
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
            ("success", true) => {
                self.answers_in += 1;
                self.last_answer_us = Some(event.at_us);
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
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return;
        };
        let username = stun.username.as_deref().unwrap_or_default();
        // RFC 8445 section 7.2.2: the receiver's fragment, a colon, the sender's.
        let (first, second) = username.split_once(':').unwrap_or((username, ""));
        let (ours, theirs) = if is_in { (first, second) } else { (second, first) };
        let fits = ufrags(local).contains(ours) && ufrags(remote).contains(theirs);
        if fits {
            return;
        }
        let cause = self.answer_in.clone().or_else(|| self.offer_in.clone());
        self.bad_credentials.get_or_insert_with(|| event.clone());
        let message = format!(
            "a connectivity check {} {peer} has the username {username}; the descriptions say {} here and {} there",
            if is_in { "to" } else { "from" },
            listed(&ufrags(local)),
            listed(&ufrags(remote))
        );
        let finding = RuleFinding::new("IC-01", peer, message, event.clone())
            .quoting(Some(format!("USERNAME {username}")))
            .because_of(cause);
        self.tell(finding, out);
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
    pub(super) fn dtls(
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
        let Some((theirs, at)) = answer else { return };
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
    pub(super) fn rtp(
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
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return;
        };
        // What is received is numbered as the receiver said (RFC 3264 section 5.1).
        let receiver = if is_in { local } else { remote };
        let known = receiver
            .sections
            .iter()
            .filter(|section| !section.rejected())
            .any(|section| {
                section
                    .formats
                    .iter()
                    .any(|format| *format == payload_type.to_string())
            });
        if !known {
            let message = format!(
                "RTP of payload type {payload_type} passed {peer}'s wire, and the receiver's description has no such format"
            );
            let cause = self.answer_in.clone().or_else(|| self.answer_out.clone());
            self.tell(
                RuleFinding::new("RT-03", peer, message, event.clone()).because_of(cause),
                out,
            );
            return;
        }
        let sender = if is_in { remote } else { local };
        let name = payload_type.to_string();
        let allows = |sdp: &Sdp, one: Direction| {
            sdp.sections.iter().any(|section| {
                section.formats.contains(&name)
                    && (section.direction == Direction::Sendrecv || section.direction == one)
            })
        };
        if !allows(sender, Direction::Sendonly) || !allows(receiver, Direction::Recvonly) {
            let message = format!(
                "RTP of payload type {payload_type} passed {peer}'s wire, and the directions of its m-section do not allow it"
            );
            let cause = self.answer_in.clone().or_else(|| self.answer_out.clone());
            self.tell(
                RuleFinding::new("RT-05", peer, message, event.clone()).because_of(cause),
                out,
            );
        }
        if let Some(last) = self.last_answer_us
            && event.at_us.saturating_sub(last) > CONSENT_US
        {
            let message = format!("{peer} has media although no check was answered for more than 30 s");
            self.tell(RuleFinding::new("IC-07", peer, message, event.clone()), out);
        }
    }

    /// Notes when a keepalive left, which the engine sends more often than it should (docs/engine.md).
    pub(super) fn keepalive(&mut self, peer: &str, event: &EventRef, out: &mut Vec<RuleFinding>) {
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
    pub(super) fn unclassified(
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

fn ufrags(sdp: &Sdp) -> BTreeSet<&str> {
    sdp.sections
        .iter()
        .filter_map(|section| section.ice_ufrag.as_deref())
        .collect()
}

fn listed(names: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.iter().copied().collect();
    names.join(", ")
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

/// TR-02: a candidate names a section of the description.
fn unknown_section(
    peer: &str,
    remote: &Sdp,
    init: &CandidateInit,
) -> Option<(&'static str, String, Option<String>)> {
    match (&init.mid, init.index) {
        (Some(mid), _) => {
            let known = remote
                .sections
                .iter()
                .any(|section| section.mid.as_deref() == Some(mid.as_str()));
            (!known).then(|| {
                let message = format!(
                    "{peer} got a candidate for the mid {mid:?}, which the description does not have"
                );
                ("TR-02", message, Some(format!("sdpMid {mid:?}")))
            })
        }
        (None, Some(index)) if index >= remote.sections.len() as u64 => {
            let message = format!(
                "{peer} got a candidate for m-section {index}; the description has {}",
                remote.sections.len()
            );
            Some(("TR-02", message, Some(format!("sdpMLineIndex {index}"))))
        }
        _ => None,
    }
}

/// TR-04: a candidate names a generation of the description.
fn foreign_generation(
    peer: &str,
    negotiation: &Negotiation,
    init: &CandidateInit,
) -> Option<(String, Option<String>)> {
    let ufrag = init.ufrag.as_deref()?;
    let known = negotiation.current_remote_ufrags();
    (!known.contains(ufrag)).then(|| {
        let message = format!(
            "{peer} got a candidate of the generation {ufrag}, but the description has {}",
            listed(&known)
        );
        (message, Some(format!("usernameFragment {ufrag:?}")))
    })
}
