//! Whose turn it is where messages name nobody, pure: which viewer is announced when, and whom an offer, an answer or
//! a candidate belongs to. Knows no wire format.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Candidate, PeerId};

/// How long the next viewer waits for the answer of the one before it, counted from its announcement: 5 s.
pub const EXCHANGE_LIMIT: Duration = Duration::from_secs(5);

/// How many ICE user fragments of offers are remembered, the newest.
const REMEMBERED_UFRAGS: usize = 16 << 10;

/// How many user fragments one offer may bring: one for each of its media, with room to spare.
const UFRAGS_PER_OFFER: usize = 16;

/// The exchanges of one broadcaster with its viewers, one after the other.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// Not announced yet, in the order in which they joined.
    waiting: VecDeque<PeerId>,
    /// Announced, and no offer came yet. A viewer that leaves stays in here: its offer is still being made.
    unoffered: VecDeque<Announced>,
    /// The exchange that was begun last.
    current: Option<Exchange>,
    /// Who got the latest offer.
    offered_last: Option<PeerId>,
    by_ufrag: HashMap<Box<str>, PeerId>,
    ufrags: VecDeque<Box<str>>,
}

#[derive(Debug)]
struct Announced {
    viewer: PeerId,
    until: Instant,
}

#[derive(Debug)]
struct Exchange {
    viewer: PeerId,
    until: Instant,
    offered: bool,
    answered: bool,
}

impl Exchanges {
    /// A viewer has come. Returns whether one is to be announced now, as the other methods do that return a `bool`.
    pub(super) fn viewer_came(&mut self, viewer: PeerId, now: Instant) -> bool {
        self.waiting.push_back(viewer);
        self.next(now)
    }

    /// A viewer has gone, in whatever part of its exchange.
    pub(super) fn viewer_left(&mut self, viewer: &PeerId, now: Instant) -> bool {
        self.waiting.retain(|waiting| waiting != viewer);
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.viewer == *viewer)
        {
            self.current = None;
        }
        self.next(now)
    }

    /// Whom an offer is for: offers come in the order of the announcements, one each, and one more renegotiates with
    /// the viewer of the latest exchange.
    pub(super) fn offered(&mut self, sdp: &str, now: Instant) -> Option<PeerId> {
        self.give_up(now);
        let viewer = match self.unoffered.pop_front() {
            Some(announced) => announced.viewer,
            None => self.current.as_ref()?.viewer.clone(),
        };
        if let Some(current) = &mut self.current
            && current.viewer == viewer
        {
            current.offered = true;
        }
        for ufrag in ufrags(sdp) {
            self.remember(ufrag, &viewer);
        }
        self.offered_last = Some(viewer.clone());
        Some(viewer)
    }

    /// Whether the answer of a viewer belongs to the latest exchange. Any other would be taken for that one's.
    pub(super) fn expects_answer(&self, from: &PeerId) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.offered && current.viewer == *from)
    }

    /// The viewer of the latest exchange has answered for good.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        if let Some(current) = &mut self.current {
            current.answered = true;
        }
        self.next(now)
    }

    /// Whom a candidate of the broadcaster is for.
    pub(super) fn candidate_for(&self, candidate: &Candidate) -> Option<&PeerId> {
        let unoffered = self.unoffered.front().map(|announced| &announced.viewer);
        let Some(ufrag) = ufrag_of(candidate) else {
            return self.offered_last.as_ref().or(unoffered);
        };
        // One that no offer had yet runs ahead of the offer that is being made.
        let known = self.by_ufrag.get(ufrag);
        known.or(unoffered).or(self.offered_last.as_ref())
    }

    /// When [`Self::timed_out`] has something to do.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let current = self.current.as_ref()?;
        (!current.answered && !self.waiting.is_empty()).then_some(current.until)
    }

    /// Begins the next exchange if the current one has taken too long.
    pub(super) fn timed_out(&mut self, now: Instant) -> bool {
        self.next(now)
    }

    fn next(&mut self, now: Instant) -> bool {
        let busy = |current: &Exchange| !current.answered && now < current.until;
        if self.current.as_ref().is_some_and(busy) {
            return false;
        }
        let Some(viewer) = self.waiting.pop_front() else {
            return false;
        };
        self.give_up(now);
        let until = now + EXCHANGE_LIMIT;
        self.unoffered.push_back(Announced {
            viewer: viewer.clone(),
            until,
        });
        self.current = Some(Exchange {
            viewer,
            until,
            offered: false,
            answered: false,
        });
        true
    }

    /// Offers that have not come within the limit will not come: one that is never made must not shift all others.
    fn give_up(&mut self, now: Instant) {
        self.unoffered.retain(|announced| now < announced.until);
    }

    fn remember(&mut self, ufrag: &str, viewer: &PeerId) {
        // One peer connection for all viewers has one fragment for all: the latest offer holds.
        if self.by_ufrag.insert(ufrag.into(), viewer.clone()).is_some() {
            return;
        }
        self.ufrags.push_back(ufrag.into());
        if self.ufrags.len() > REMEMBERED_UFRAGS
            && let Some(oldest) = self.ufrags.pop_front()
        {
            self.by_ufrag.remove(&oldest);
        }
    }
}

/// The user fragments of a description (RFC 8839 section 5.4), each once.
fn ufrags(sdp: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for ufrag in sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:")) {
        let ufrag = ufrag.trim();
        if !found.contains(&ufrag) && found.len() < UFRAGS_PER_OFFER {
            found.push(ufrag);
        }
    }
    found
}

/// The user fragment that a candidate names: in its field (W3C webrtc 4.8.1.1) or as the extension `ufrag` of its
/// line, which comes after the eight fields of a candidate (RFC 8839 section 5.1).
fn ufrag_of(candidate: &Candidate) -> Option<&str> {
    if let Some(named) = &candidate.username_fragment {
        return Some(named);
    }
    let mut words = candidate.candidate.split_ascii_whitespace().skip(8);
    loop {
        let (name, value) = (words.next()?, words.next()?);
        if name == "ufrag" {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(ufrag: &str) -> String {
        format!("v=0\r\nm=audio 9\r\na=ice-ufrag:{ufrag}\r\nm=video 9\r\na=ice-ufrag:{ufrag}\r\n")
    }

    fn line(line: &str) -> Candidate {
        Candidate {
            candidate: line.into(),
            ..Candidate::default()
        }
    }

    fn named(ufrag: &str) -> Candidate {
        Candidate {
            username_fragment: Some(ufrag.into()),
            ..line("candidate:1 1 udp 1 192.0.2.1 9 typ host")
        }
    }

    fn offered(exchanges: &mut Exchanges, ufrag: &str, now: Instant) -> String {
        let viewer = exchanges.offered(&sdp(ufrag), now);
        viewer.map_or_else(String::new, |viewer| viewer.to_string())
    }

    fn candidate(exchanges: &Exchanges, candidate: &Candidate) -> String {
        let viewer = exchanges.candidate_for(candidate);
        viewer.map_or_else(String::new, ToString::to_string)
    }

    #[test]
    fn a_candidate_names_its_ufrag_in_its_field_or_in_its_line() {
        let host = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
        let reflexive = "candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 0.0.0.0 rport 9";
        assert_eq!(ufrag_of(&named("abcd")), Some("abcd"));
        assert_eq!(ufrag_of(&line(&format!("{host} ufrag abcd"))), Some("abcd"));
        assert_eq!(
            ufrag_of(&line(&format!("{reflexive} generation 0 ufrag abcd cost 9"))),
            Some("abcd")
        );
        // A word that only looks like one: the foundation, and the value of another extension.
        for none in [
            host.to_owned(),
            "candidate:ufrag x".to_owned(),
            format!("{host} generation ufrag x"),
            format!("{host} ufrag"),
            String::new(),
        ] {
            assert_eq!(ufrag_of(&line(&none)), None, "{none}");
        }
    }

    #[test]
    fn the_next_viewer_is_announced_once_the_one_before_it_has_answered() {
        let now = Instant::now();
        let mut exchanges = Exchanges::default();
        assert!(exchanges.viewer_came("v1".into(), now));
        assert!(!exchanges.viewer_came("v2".into(), now));
        assert_eq!(offered(&mut exchanges, "aaaa", now), "v1");
        assert!(!exchanges.expects_answer(&"v2".into()));
        assert!(exchanges.expects_answer(&"v1".into()));
        assert!(exchanges.answered(now), "v2");
        assert!(
            !exchanges.expects_answer(&"v2".into()),
            "an answer before the offer is no answer"
        );
        assert_eq!(offered(&mut exchanges, "bbbb", now), "v2");
        assert!(
            !exchanges.expects_answer(&"v1".into()),
            "it would be taken for that of v2"
        );
        assert_eq!(offered(&mut exchanges, "cccc", now), "v2", "renegotiates");
    }

    #[test]
    fn the_offer_for_a_viewer_that_left_goes_to_no_other() {
        let now = Instant::now();
        let mut exchanges = Exchanges::default();
        assert!(exchanges.viewer_came("v1".into(), now));
        assert!(!exchanges.viewer_came("v2".into(), now));
        assert!(exchanges.viewer_left(&"v1".into(), now), "announces v2");
        assert_eq!(
            offered(&mut exchanges, "aaaa", now),
            "v1",
            "whom the room knows to be gone"
        );
        assert_eq!(offered(&mut exchanges, "bbbb", now), "v2");
        assert_eq!(candidate(&exchanges, &named("aaaa")), "v1");
    }

    #[test]
    fn an_offer_that_never_comes_shifts_no_other() {
        let now = Instant::now();
        let mut exchanges = Exchanges::default();
        assert!(exchanges.viewer_came("v1".into(), now));
        assert_eq!(exchanges.timeout(), None, "nobody waits for the end of it");
        assert!(!exchanges.viewer_came("v2".into(), now + EXCHANGE_LIMIT / 2));
        assert_eq!(exchanges.timeout(), Some(now + EXCHANGE_LIMIT));
        assert!(!exchanges.timed_out(now + EXCHANGE_LIMIT - Duration::from_millis(1)));
        assert!(exchanges.timed_out(now + EXCHANGE_LIMIT));
        assert_eq!(offered(&mut exchanges, "bbbb", now + EXCHANGE_LIMIT), "v2");
    }

    #[test]
    fn a_candidate_goes_by_its_ufrag_and_else_to_the_latest_exchange() {
        let now = Instant::now();
        let mut exchanges = Exchanges::default();
        assert_eq!(candidate(&exchanges, &named("aaaa")), "");
        assert!(exchanges.viewer_came("v1".into(), now));
        assert_eq!(candidate(&exchanges, &named("aaaa")), "v1", "ahead of its offer");
        offered(&mut exchanges, "aaaa", now);
        assert!(!exchanges.viewer_came("v2".into(), now));
        assert!(exchanges.answered(now));
        let unnamed = line("candidate:1 1 udp 1 192.0.2.1 9 typ host");
        assert_eq!(candidate(&exchanges, &unnamed), "v1", "v2 has no offer yet");
        assert_eq!(candidate(&exchanges, &named("bbbb")), "v2", "ahead of its offer");
        offered(&mut exchanges, "bbbb", now);
        assert_eq!(candidate(&exchanges, &unnamed), "v2");
        assert_eq!(candidate(&exchanges, &named("aaaa")), "v1", "late");
    }

    #[test]
    fn what_is_remembered_of_offers_is_bounded() {
        let now = Instant::now();
        let mut exchanges = Exchanges::default();
        exchanges.viewer_came("v1".into(), now);
        for offer in 0..REMEMBERED_UFRAGS + 10 {
            offered(&mut exchanges, &offer.to_string(), now);
        }
        assert_eq!(exchanges.ufrags.len(), REMEMBERED_UFRAGS);
        assert_eq!(exchanges.by_ufrag.len(), REMEMBERED_UFRAGS);
        let many: String = (0..100).map(|n| format!("a=ice-ufrag:u{n}\r\n")).collect();
        assert_eq!(ufrags(&many).len(), UFRAGS_PER_OFFER);
    }
}
