//! Join time of a viewer, by phases.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The steps from nothing to a picture, in the order in which a healthy join takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinPhase {
    /// The WebSocket is open.
    WebsocketOpen,
    /// The server confirmed the join.
    Joined,
    /// The offer arrived; where viewers offer, it was made.
    OfferReceived,
    /// The answer was sent; where viewers offer, it arrived.
    AnswerSent,
    /// `iceConnectionState` became `connected` or `completed`.
    IceConnected,
    /// `connectionState` became `connected`: DTLS is done.
    DtlsConnected,
    /// The first RTP packet arrived.
    FirstPacket,
    /// The first key frame is complete: a decoder could show it.
    FirstFrame,
    /// The first frame was decoded, at viewers that decode.
    FirstDecoded,
}

impl JoinPhase {
    /// All phases, in order.
    pub const ALL: [Self; 9] = [
        Self::WebsocketOpen,
        Self::Joined,
        Self::OfferReceived,
        Self::AnswerSent,
        Self::IceConnected,
        Self::DtlsConnected,
        Self::FirstPacket,
        Self::FirstFrame,
        Self::FirstDecoded,
    ];

    /// The phase in words, for a table.
    pub fn label(self) -> &'static str {
        match self {
            Self::WebsocketOpen => "WebSocket open",
            Self::Joined => "joined",
            Self::OfferReceived => "offer received",
            Self::AnswerSent => "answer sent",
            Self::IceConnected => "ICE connected",
            Self::DtlsConnected => "DTLS connected",
            Self::FirstPacket => "first packet",
            Self::FirstFrame => "first frame",
            Self::FirstDecoded => "first decoded",
        }
    }
}

/// When one viewer reached each phase.
#[derive(Clone, Debug)]
pub struct JoinTimes {
    started: Instant,
    broadcaster_seen: Option<Instant>,
    reached: [Option<Duration>; JoinPhase::ALL.len()],
}

impl JoinTimes {
    /// A viewer that starts to join at `started`.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            broadcaster_seen: None,
            reached: [None; JoinPhase::ALL.len()],
        }
    }

    /// Notes when the viewer learned that there is a broadcaster; only the first time counts.
    pub fn broadcaster_seen(&mut self, at: Instant) {
        self.broadcaster_seen.get_or_insert(at);
    }

    /// Whether there was a broadcaster to join.
    pub fn has_seen_broadcaster(&self) -> bool {
        self.broadcaster_seen.is_some()
    }

    /// Notes a phase; only the first time counts.
    ///
    /// A viewer that came first waits for its broadcaster. That wait is nobody's fault, so the phases
    /// that need a broadcaster are counted from when it came, if that was after the join.
    pub fn reach(&mut self, phase: JoinPhase, at: Instant) {
        let origin = match (self.broadcaster_seen, self.reached[JoinPhase::Joined as usize]) {
            (Some(seen), Some(joined)) if phase > JoinPhase::Joined && seen > self.started + joined => seen,
            _ => self.started,
        };
        self.reached[phase as usize].get_or_insert(at.saturating_duration_since(origin));
    }

    /// Time from the start of the join to a phase; `None` when it was not reached.
    pub fn get(&self, phase: JoinPhase) -> Option<Duration> {
        self.reached[phase as usize]
    }

    /// The first phase that was not reached although it belongs to every join.
    pub fn stuck_before(&self) -> Option<JoinPhase> {
        JoinPhase::ALL
            .into_iter()
            .take_while(|p| *p <= JoinPhase::FirstFrame)
            .find(|p| self.get(*p).is_none())
    }

    /// When the join started.
    pub fn started(&self) -> Instant {
        self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_that_comes_first_counts_from_when_its_broadcaster_came() {
        let start = Instant::now();
        let mut join = JoinTimes::new(start);
        let at = |ms| start + Duration::from_millis(ms);
        join.reach(JoinPhase::Joined, at(10));
        join.broadcaster_seen(at(3_000));
        join.reach(JoinPhase::OfferReceived, at(3_020));
        assert_eq!(join.get(JoinPhase::Joined), Some(Duration::from_millis(10)));
        assert_eq!(
            join.get(JoinPhase::OfferReceived),
            Some(Duration::from_millis(20))
        );
    }

    #[test]
    fn a_viewer_that_comes_second_counts_from_its_own_start() {
        let start = Instant::now();
        let mut join = JoinTimes::new(start);
        join.reach(JoinPhase::Joined, start + Duration::from_millis(10));
        join.broadcaster_seen(start + Duration::from_millis(10));
        join.reach(JoinPhase::OfferReceived, start + Duration::from_millis(20));
        assert_eq!(
            join.get(JoinPhase::OfferReceived),
            Some(Duration::from_millis(20))
        );
    }

    #[test]
    fn only_the_first_time_counts_and_the_missing_step_is_named() {
        let start = Instant::now();
        let mut join = JoinTimes::new(start);
        assert_eq!(join.stuck_before(), Some(JoinPhase::WebsocketOpen));
        for phase in JoinPhase::ALL.into_iter().take(4) {
            join.reach(phase, start + Duration::from_millis(10));
        }
        join.reach(JoinPhase::Joined, start + Duration::from_secs(9));
        assert_eq!(join.get(JoinPhase::Joined), Some(Duration::from_millis(10)));
        assert_eq!(join.stuck_before(), Some(JoinPhase::IceConnected));
        JoinPhase::ALL
            .into_iter()
            .take(8)
            .for_each(|phase| join.reach(phase, start));
        assert_eq!(join.stuck_before(), None, "decoding is not part of every join");
    }
}
