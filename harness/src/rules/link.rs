//! One peer connection as one peer sees it: which steps it has taken, and what its wire showed.
//!
//! Owns the steps, and the rules that signaling can break at one end: those of descriptions and of trickling (TR).
//! It knows neither the other end nor the server.

mod dtls;
mod ice;
mod rtp;

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{EventRef, RuleFinding};
use super::message::CandidateInit;
use super::negotiation::{Negotiation, SdpKind, Side};
use super::sdp::{Candidate, Sdp};
use crate::check::Severity;

/// What has happened at one end of a connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) connection: Option<u64>,
    pub(super) negotiation: Negotiation,
    pub(super) wire_is_read: bool,
    pub(super) offer_out: Option<EventRef>,
    pub(super) offer_in: Option<EventRef>,
    pub(super) answer_out: Option<EventRef>,
    pub(super) answer_in: Option<EventRef>,
    pub(super) applied: Option<EventRef>,
    pub(super) candidate_out: Option<EventRef>,
    pub(super) candidate_in: Option<EventRef>,
    pub(super) candidates_in: u64,
    pub(super) unusable_candidates: u64,
    /// The first candidate that was thrown away because it came before any description, and how many were.
    pub(super) discarded: Option<EventRef>,
    pub(super) candidates_discarded: u64,
    pub(super) checking: Option<EventRef>,
    pub(super) ice_connected: Option<EventRef>,
    pub(super) ice_failed: Option<EventRef>,
    /// What a TURN server refused first, after it was given credentials.
    pub(super) turn_refused: Option<TurnRefused>,
    pub(super) dtls_connected: Option<EventRef>,
    pub(super) first_packet: Option<EventRef>,
    pub(super) first_video_packet: Option<EventRef>,
    pub(super) first_frame: Option<EventRef>,
    pub(super) error: Option<(EventRef, String)>,
    pub(super) bad_credentials: Option<EventRef>,
    /// The 487 by which a role conflict had become a loop.
    pub(super) conflict: Option<EventRef>,
    pub(super) hello_out: Option<EventRef>,
    pub(super) wrong_certificate: Option<EventRef>,
    pub(super) checks_out: u64,
    pub(super) checks_in: u64,
    pub(super) answers_in: u64,
    pub(super) closed: bool,
    /// Whether its own checks say that it is controlling.
    pub(super) claims_control: Option<bool>,
    /// Ends of candidates, by the generations that they ended.
    ended: Vec<Ended>,
    /// Credentials that were negotiated, the latest last.
    generations: Vec<Fragments>,
    /// Candidates that wait for their description, which says whether they fit.
    early_candidates: Vec<(CandidateInit, EventRef)>,
    early_certificate: Option<(String, EventRef)>,
    early_hellos: Vec<(bool, EventRef)>,
    pairs: BTreeMap<String, Pair>,
    encrypted: bool,
    pub(super) last_answer: Option<EventRef>,
    last_keepalive_us: Option<u64>,
    /// Rules that were broken here, so that one breach is not told again for every packet.
    told: BTreeSet<(&'static str, Severity)>,
}

/// A refusal of a TURN server.
#[derive(Clone, Debug)]
pub(super) struct TurnRefused {
    pub(super) server: String,
    pub(super) method: String,
    pub(super) code: u16,
    pub(super) event: EventRef,
}

/// The fragments of one generation at both ends.
#[derive(Debug, PartialEq, Eq)]
struct Fragments {
    ours: BTreeSet<String>,
    theirs: BTreeSet<String>,
    /// When its checks end, once a later generation has its pair.
    until_us: Option<u64>,
}

/// An end of candidates that came.
#[derive(Debug)]
struct Ended {
    /// The generations that it ended; `None` if it came before any was known and named none.
    ufrags: Option<BTreeSet<String>>,
    /// The one section that it is about, by its mid or its index.
    section: (Option<String>, Option<u64>),
    event: EventRef,
}

impl Ended {
    /// Whether a candidate belongs to what has ended. One that names no generation belongs to the latest.
    fn covers(&self, init: &CandidateInit, remote: Option<&Sdp>) -> bool {
        let latest = remote.map(ufrags).unwrap_or_default();
        let (mid, index) = &self.section;
        let is_its_section = match (mid, &init.mid) {
            (None, _) if index.is_none() => true,
            (Some(ended), Some(mid)) => ended == mid,
            // One has a mid and the other an index, or both have an index.
            _ => {
                let ended = place(remote, mid.as_deref(), *index);
                ended.is_some() && ended == place(remote, init.mid.as_deref(), init.index)
            }
        };
        let is_its_generation = match (&self.ufrags, init.ufrag.as_deref()) {
            (None, _) => latest.is_empty(),
            (Some(ended), Some(ufrag)) => ended.contains(ufrag),
            (Some(ended), None) => latest.iter().any(|ufrag| ended.contains(*ufrag)),
        };
        is_its_section && is_its_generation
    }
}

#[derive(Debug, Default)]
struct Pair {
    conflicts: u32,
}

/// A rule that a candidate breaks, with the sentence, the quote and the event that it contradicts.
type Broken = (&'static str, String, Option<String>, Option<EventRef>);

/// Candidates that may wait for a description.
const MAX_EARLY: usize = 64;
/// Generations of ICE that a connection is remembered by.
const MAX_GENERATIONS: usize = 16;
/// Ends of candidates that it is remembered by: one for each section of a generation, and then some.
const MAX_ENDS: usize = 256;

/// Rules that are told once for each end of a connection, because the wire repeats them.
const ONCE: [&str; 14] = [
    "IC-01", "IC-02", "IC-03", "IC-04", "IC-07", "DT-01", "DT-02", "DT-04", "DT-05", "DT-06", "RT-03",
    "RT-05", "TR-09", "RT-01",
];

impl Link {
    /// Adds a finding, once if it is one that repeats itself. A note does not stand for the error that follows it.
    pub(super) fn tell(&mut self, finding: RuleFinding, out: &mut Vec<RuleFinding>) {
        let once = ONCE.iter().find(|rule| **rule == finding.rule);
        if once.is_none_or(|rule| self.told.insert((rule, finding.severity))) {
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
        self.note_generation();
        if let Some(remote) = self.negotiation.remote() {
            let names: BTreeSet<String> = ufrags(remote).into_iter().map(str::to_owned).collect();
            for ended in &mut self.ended {
                ended.ufrags.get_or_insert_with(|| names.clone());
            }
        }
        self.described(peer, out);
        if self.negotiation.remote().is_some() {
            for (init, event) in std::mem::take(&mut self.early_candidates) {
                for (rule, message, quote, cause) in self.unfit(peer, &init) {
                    let finding = RuleFinding::new(rule, peer, message, event.clone());
                    out.push(finding.quoting(quote).because_of(cause));
                }
            }
        }
    }

    /// Remembers the credentials that an exchange has ended with.
    fn note_generation(&mut self) {
        if self.negotiation.signaling_state() != "stable" {
            return;
        }
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return;
        };
        let of = |sdp| ufrags(sdp).into_iter().map(str::to_owned).collect();
        let generation = Fragments {
            ours: of(local),
            theirs: of(remote),
            until_us: None,
        };
        let is_known = self
            .generations
            .last()
            .is_some_and(|last| last.ours == generation.ours && last.theirs == generation.theirs);
        if !is_known {
            self.generations.push(generation);
            let beyond = self.generations.len().saturating_sub(MAX_GENERATIONS);
            self.generations.drain(..beyond);
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
        let mut broken: Vec<Broken> = Vec::new();
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
        let remote = self.negotiation.remote();
        if let Some(end) = self.ended.iter().find(|end| end.covers(init, remote)) {
            let message = format!("{peer} got a candidate after the end of candidates of its generation");
            broken.push(("TR-06", message, quote(), Some(end.event.clone())));
        }
        match self.negotiation.remote() {
            Some(_) => broken.extend(self.unfit(peer, init)),
            None => {
                // Whether it is lost is said later, if it is.
                if self.early_candidates.len() < MAX_EARLY {
                    self.early_candidates.push((init.clone(), event.clone()));
                }
                let message = format!("{peer} got a candidate before the description that it belongs to");
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

    /// A candidate was thrown away because it came before the description that it belongs to.
    pub(super) fn candidate_discarded(&mut self, peer: &str, event: &EventRef, out: &mut Vec<RuleFinding>) {
        self.candidates_discarded += 1;
        self.discarded.get_or_insert_with(|| event.clone());
        let message = format!(
            "{peer} threw away a candidate that had come before the description that it belongs to; it was expected to \
             keep it until then"
        );
        let came = self.candidate_in.clone();
        out.push(RuleFinding::new("TR-01", peer, message, event.clone()).because_of(came));
    }

    /// What the remote description has against a candidate.
    fn unfit(&mut self, peer: &str, init: &CandidateInit) -> Vec<Broken> {
        let Some(remote) = self.negotiation.remote() else {
            return Vec::new();
        };
        let applied = self.answer_in.clone().or_else(|| self.offer_in.clone());
        let section = unknown_section(peer, remote, init);
        let generation = foreign_generation(peer, &self.negotiation, init)
            .map(|(message, quote)| ("TR-04", message, quote));
        let unfit: Vec<Broken> = [section, generation]
            .into_iter()
            .flatten()
            .map(|(rule, message, quote)| (rule, message, quote, applied.clone()))
            .collect();
        self.unusable_candidates += unfit.len() as u64;
        unfit
    }

    /// The end of candidates came.
    pub(super) fn end_of_candidates(
        &mut self,
        peer: &str,
        ufrag: Option<&str>,
        section: (Option<&str>, Option<u64>),
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
        // One that names no generation ends the one that is in force (W3C webrtc-pc, addIceCandidate).
        let latest = self.negotiation.remote().map(ufrags);
        let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
        let ended = ufrag.map(|ufrag| BTreeSet::from([ufrag])).or(latest);
        if self.ended.len() >= MAX_ENDS {
            self.ended.remove(0);
        }
        self.ended.push(Ended {
            ufrags: ended.map(owned),
            section: (section.0.map(str::to_owned), section.1),
            event: event.clone(),
        });
    }
}

/// Which section is meant: the mid wins over the index (W3C webrtc-pc, addIceCandidate).
fn place(remote: Option<&Sdp>, mid: Option<&str>, index: Option<u64>) -> Option<u64> {
    match (mid, remote) {
        (Some(mid), Some(remote)) => {
            let mut sections = remote.sections.iter();
            let at = sections.position(|section| section.mid.as_deref() == Some(mid))?;
            u64::try_from(at).ok()
        }
        _ => index,
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
