//! What connectivity checks show against the descriptions of a connection's one end: the rules IC.
//!
//! Owns generations and roles as they are checked. Whether consent was kept is said where media is.

use std::collections::BTreeSet;

use super::{Link, TurnRefused, listed, ufrags};
use crate::check::Severity;
use crate::rules::finding::{EventRef, RuleFinding};
use crate::rules::sdp::Sdp;
use crate::trace::{FrameWay, StunSeen, TurnSeen};

/// Pairs of addresses whose checks are told apart.
const MAX_PAIRS: usize = 64;

/// Checks of a generation that is over are answered for this long (RFC 8445 section 8.3).
const RETIRE_US: u64 = 3_000_000;

/// Asks to ask again with another nonce (RFC 8489 section 9.2.5).
const STALE_NONCE: u16 = 438;

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
        } else if stun.use_candidate && stun.class == "request" && stun.controlling == Some(false) {
            let message = format!("{peer}'s wire has USE-CANDIDATE from an agent that says it is controlled");
            self.tell(RuleFinding::new("IC-04", peer, message, event.clone()), out);
        }
    }

    /// A TURN server was asked, or answered. The first 401 and a 438 only say what to ask with (RFC 8489 section 9.2).
    pub(in crate::rules) fn turn(&mut self, server: &str, turn: &TurnSeen, event: &EventRef) {
        if let Some(code) = turn
            .error
            .filter(|code| turn.has_credentials && *code != STALE_NONCE)
        {
            self.turn_refused.get_or_insert_with(|| TurnRefused {
                server: server.to_owned(),
                method: turn.method.clone(),
                code,
                event: event.clone(),
            });
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
        if !is_in {
            self.claims_control = Some(controlling);
        }
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
}
