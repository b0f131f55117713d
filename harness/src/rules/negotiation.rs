//! The offers and answers of one peer connection as one peer sees them (RFC 9429, RFC 3264, RFC 9143).
//!
//! Owns the signaling state and decides OA-01 to OA-16, RT-01, RT-02, TR-09 and what DT-03 and TR-02 say about
//! descriptions. It must not look at candidates on the wire, at time or at other connections, and it keeps nothing but
//! the pending descriptions and the last two exchanges.
//!
//! Some identifiers have a suffix. They name what breaks a rule's letter and yet is ordinary traffic of stacks that
//! work, so that the caller can treat it as a note:
//!
//! | identifier | what |
//! |---|---|
//! | `OA-03-glare` | a remote offer meets an open local one, which nobody can avoid |
//! | `OA-07-length` | a mid longer than 3 bytes |
//! | `OA-08-jump` | the session version rises by more than 1 |
//! | `OA-08-constant` | str0m, whose session version is always 2 |
//! | `OA-16-feedback` | the five kinds of feedback that Janus answers with whatever was offered |
//! | `TR-09-unannounced` | no a=ice-options at all, as webrtc-rs writes its descriptions, where JSEP wants trickle |

mod alone;
mod answer;
mod breach;
mod formats;
mod successive;
#[cfg(test)]
mod tests;
mod text;
mod transport;

use std::collections::BTreeSet;

use self::breach::Breaches;
use super::sdp::Sdp;

pub(crate) use self::breach::Breach;

/// Whose description it is, as the peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The peer's own: setLocalDescription.
    Local,
    /// The other peer's: setRemoteDescription.
    Remote,
}

/// RTCSdpType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SdpKind {
    /// Begins an exchange.
    Offer,
    /// Ends it.
    Answer,
    /// Answers, and may be followed by another answer.
    Pranswer,
    /// Takes the open offer back.
    Rollback,
}

/// One peer connection's offers and answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiation {
    /// The last complete exchange.
    current: Option<Exchange>,
    /// The one before it, by which packets may still arrive.
    previous: Option<Exchange>,
    /// The open offer.
    offer: Option<Described>,
    /// The provisional answer to it.
    pranswer: Option<Described>,
    /// An offer that came while another was open. Whichever is answered was the one that counted, so that glare and
    /// a wrong offer are reported once and what follows from them is not.
    crossed: Option<Described>,
    /// What has been said once and would be said of every later description again.
    told: BTreeSet<(Side, &'static str)>,
}

/// One description.
#[derive(Clone, Debug)]
struct Described {
    event: u64,
    side: Side,
    /// `None` if the text cannot be compared.
    sdp: Option<Sdp>,
}

/// An offer and its answer.
#[derive(Clone, Debug)]
struct Exchange {
    offer: Described,
    answer: Described,
}

impl Exchange {
    fn of(&self, side: Side) -> &Described {
        if self.offer.side == side {
            &self.offer
        } else {
            &self.answer
        }
    }

    /// Offer and answer, if both can be compared.
    fn sdps(&self) -> Option<(&Sdp, &Sdp)> {
        Some((self.offer.sdp.as_ref()?, self.answer.sdp.as_ref()?))
    }
}

impl Negotiation {
    /// The peer is about to apply a description, or has applied it: what is wrong with it.
    ///
    /// `event` is the caller's number of it, which later breaches name as their cause. A description that the state
    /// does not allow changes nothing.
    pub(crate) fn description(&mut self, event: u64, side: Side, kind: SdpKind, sdp: &str) -> Vec<Breach> {
        let mut breaches = Breaches::new(event);
        match kind {
            SdpKind::Offer => self.offered(event, side, sdp, &mut breaches),
            SdpKind::Answer => self.answered(event, side, sdp, true, &mut breaches),
            SdpKind::Pranswer => self.answered(event, side, sdp, false, &mut breaches),
            SdpKind::Rollback => self.rolled_back(sdp, &mut breaches),
        }
        breaches.into_vec()
    }

    /// RTCSignalingState, in the W3C's words.
    pub(crate) fn signaling_state(&self) -> &'static str {
        let Some(offer) = &self.offer else {
            return "stable";
        };
        match (offer.side, self.pranswer.is_some()) {
            (Side::Local, false) => "have-local-offer",
            (Side::Local, true) => "have-remote-pranswer",
            (Side::Remote, false) => "have-remote-offer",
            (Side::Remote, true) => "have-local-pranswer",
        }
    }

    /// remoteDescription: the pending one, or the current one.
    pub(crate) fn remote(&self) -> Option<&Sdp> {
        self.latest(Side::Remote)?.sdp.as_ref()
    }

    /// localDescription: the pending one, or the current one.
    pub(crate) fn local(&self) -> Option<&Sdp> {
        self.latest(Side::Local)?.sdp.as_ref()
    }

    /// The fragments of the applied remote descriptions, current and pending: what a candidate may belong to.
    pub(crate) fn current_remote_ufrags(&self) -> BTreeSet<&str> {
        let current = self
            .current
            .as_ref()
            .and_then(|current| current.of(Side::Remote).sdp.as_ref());
        let sections = [self.remote(), current]
            .into_iter()
            .flatten()
            .flat_map(|sdp| &sdp.sections);
        sections
            .filter(|section| !section.rejected())
            .filter_map(|section| section.ice_ufrag.as_deref())
            .collect()
    }

    /// Local and remote description of every exchange that media may follow: the latest descriptions, those of the last
    /// complete exchange while another is open, and, for what arrives, those of the exchange before.
    pub(crate) fn in_force(&self, arrives: bool) -> Vec<(&Sdp, &Sdp)> {
        let previous = self.previous.as_ref().filter(|_| arrives);
        let complete = [self.current.as_ref(), previous].into_iter().flatten();
        let complete = complete.filter_map(|exchange| {
            let [local, remote] = [Side::Local, Side::Remote].map(|side| exchange.of(side).sdp.as_ref());
            local.zip(remote)
        });
        let latest = self.local().zip(self.remote());
        latest.into_iter().chain(complete).collect()
    }

    fn latest(&self, side: Side) -> Option<&Described> {
        let pending = [&self.pranswer, &self.offer];
        let pending = pending
            .into_iter()
            .flatten()
            .find(|described| described.side == side);
        pending.or_else(|| self.current.as_ref().map(|current| current.of(side)))
    }

    fn offered(&mut self, event: u64, side: Side, text: &str, breaches: &mut Breaches) {
        let state = self.signaling_state();
        let crosses = self
            .offer
            .as_ref()
            .filter(|open| open.side != side || self.pranswer.is_some());
        let open = crosses.map(|open| (open.event, open.side));
        let is_glare = open.is_some_and(|(_, other)| other == Side::Local) && self.pranswer.is_none();
        if let Some((cause, _)) = open {
            // RFC 9429 sections 5.5 and 5.6; of two offers that cross, RFC 3264 section 4 speaks.
            let rule = match (self.pranswer.is_some(), is_glare) {
                (true, _) => "OA-01",
                (false, true) => "OA-03-glare",
                (false, false) => "OA-03",
            };
            breaches.because_of(cause);
            breaches.add(
                rule,
                format!(
                    "{} came in {state}, where another offer is still open; an offer was expected in stable only, or \
                     again from the side whose offer is open",
                    offer_of(side)
                ),
                None,
                "wait for stable before offering, or roll back first (perfect negotiation)",
            );
        }
        let described = Described {
            event,
            side,
            sdp: parse(text, "offer", breaches),
        };
        if open.is_none() || is_glare {
            self.judge(&described, None, breaches);
        }
        if open.is_some() {
            self.crossed = Some(described);
        } else {
            self.offer = Some(described);
        }
    }

    fn answered(&mut self, event: u64, side: Side, text: &str, is_final: bool, breaches: &mut Breaches) {
        let word = if is_final { "answer" } else { "pranswer" };
        let is_open = self.offer.as_ref().is_some_and(|offer| offer.side != side);
        let is_crossed = !is_open && self.crossed.as_ref().is_some_and(|offer| offer.side != side);
        if !is_open && !is_crossed {
            // RFC 9429 sections 5.5 and 5.6.
            if let Some(latest) = self
                .offer
                .as_ref()
                .or(self.current.as_ref().map(|current| &current.answer))
            {
                breaches.because_of(latest.event);
            }
            let (whose, expected) = match side {
                Side::Local => ("local", "a remote offer that is open"),
                Side::Remote => ("remote", "a local offer that is open"),
            };
            breaches.add(
                "OA-02",
                format!(
                    "a {whose} {word} came in {}, where {expected} was expected",
                    self.signaling_state()
                ),
                None,
                "answer every offer once, and only while it is open",
            );
            return;
        }
        let Some(sdp) = parse(text, word, breaches) else {
            return;
        };
        if is_crossed {
            // The peer gave way: applying the other's offer rolled its own back (W3C setRemoteDescription).
            self.offer = self.crossed.take();
            self.pranswer = None;
        }
        let described = Described {
            event,
            side,
            sdp: Some(sdp),
        };
        if let Some(offer) = &self.offer {
            breaches.because_of(offer.event);
        }
        let offer = self.offer.take();
        self.judge(&described, offer.as_ref(), breaches);
        self.offer = offer;
        if !is_final {
            self.pranswer = Some(described);
            return;
        }
        self.pranswer = None;
        self.crossed = None;
        let exchange = self.offer.take().map(|offer| Exchange {
            offer,
            answer: described,
        });
        self.previous = std::mem::replace(&mut self.current, exchange);
    }

    fn rolled_back(&mut self, text: &str, breaches: &mut Breaches) {
        if self.offer.is_none() {
            // RFC 9429 section 4.1.10.2.
            if let Some(current) = &self.current {
                breaches.because_of(current.answer.event);
            }
            breaches.add(
                "OA-04",
                "a rollback came in stable; an open offer was expected, which it could take back".to_owned(),
                None,
                "roll back only while an offer is open",
            );
            return;
        }
        if let Some(line) = text.lines().find(|line| !line.trim().is_empty()) {
            breaches.add(
                "OA-04",
                "a rollback carries a session description; an empty one was expected".to_owned(),
                Some(line.trim()),
                "send a rollback without sdp",
            );
        }
        self.offer = self.crossed.take();
        self.pranswer = None;
    }

    /// Everything that is decided about a description that the state allows.
    fn judge(&mut self, described: &Described, offer: Option<&Described>, breaches: &mut Breaches) {
        let Some(sdp) = &described.sdp else {
            return;
        };
        let side = described.side;
        let is_initial = self.current.is_none();
        text::check(sdp, offer.is_none(), breaches);
        formats::check(sdp, offer.is_none(), breaches);
        alone::check(
            sdp,
            offer.is_none(),
            is_initial,
            &mut Once {
                told: &mut self.told,
                side,
            },
            breaches,
        );
        // The offer was taken out while it is compared with, so its side's latest is the provisional answer or the
        // last exchange; a repeated offer still finds the open one.
        let previous = self.latest(side);
        if let Some((before, old)) =
            previous.and_then(|previous| Some((previous.event, previous.sdp.as_ref()?)))
        {
            breaches.of(before, |breaches| successive::origin(old, sdp, breaches));
        }
        if let Some(current) = &self.current {
            successive::check(current, described, offer, breaches);
        }
        if let Some(offered) = offer.and_then(|offer| offer.sdp.as_ref()) {
            let mut once = Once {
                told: &mut self.told,
                side,
            };
            answer::check(offered, sdp, is_initial, &mut once, breaches);
        }
    }
}

/// What is worth saying once per side.
struct Once<'a> {
    told: &'a mut BTreeSet<(Side, &'static str)>,
    side: Side,
}

impl Once<'_> {
    fn first(&mut self, what: &'static str) -> bool {
        self.told.insert((self.side, what))
    }
}

fn offer_of(side: Side) -> &'static str {
    match side {
        Side::Local => "a local offer",
        Side::Remote => "a remote offer",
    }
}

/// Reads a description; one that cannot be compared is a breach of OA-05, which is about what can be compared.
fn parse(text: &str, word: &str, breaches: &mut Breaches) -> Option<Sdp> {
    Sdp::parse(text)
        .map_err(|error| {
            let quote = match &error {
                super::sdp::SdpError::MediaLine(line) => Some(line.as_str()),
                _ => None,
            };
            breaches.add(
                "OA-05",
                format!("the {word} cannot be compared with another description: {error}"),
                quote,
                "send a complete session description (RFC 8866)",
            );
        })
        .ok()
}
