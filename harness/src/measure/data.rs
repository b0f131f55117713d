//! Messages on data channels: what was sent, what arrived, in which order and how late.
//!
//! Owns the message format and the counting, per peer and bounded. It sends nothing.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::distribution::{Distribution, Summary};

/// A message this long before the end of its channel must have arrived, in microseconds: SCTP repeats what is
/// lost after one second and, if it is lost again, after two more (RFC 9260 section 6.3.3).
const SETTLED_US: u64 = 4_000_000;

/// Peers that are told apart.
const MAX_PEERS: usize = 10_000;

/// One message: a number, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataMessage {
    /// Number of the message on its channel, from 0.
    pub seq: u64,
    /// When it was sent, in microseconds of the sender's run clock.
    pub sent_us: u64,
}

impl DataMessage {
    /// Its form on the wire: JSON, so that any page can take part.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What one bot sent and received on its data channels.
#[derive(Clone, Debug, Default)]
pub struct DataLog {
    peers: BTreeMap<String, PeerLog>,
    unreadable: u64,
    latency: Distribution,
}

#[derive(Clone, Debug, Default)]
struct PeerLog {
    sent: u64,
    /// When the latest messages were sent, back to the last one that must have arrived.
    recent: VecDeque<u64>,
    delivered: u64,
    reordered: u64,
    highest: Option<u64>,
}

impl DataLog {
    fn peer(&mut self, peer: &str) -> Option<&mut PeerLog> {
        if !self.peers.contains_key(peer) && self.peers.len() == MAX_PEERS {
            return None;
        }
        Some(self.peers.entry(peer.to_owned()).or_default())
    }

    /// The next message to a peer, counted as sent.
    pub fn next_to(&mut self, peer: &str, now_us: u64) -> Option<DataMessage> {
        let log = self.peer(peer)?;
        let message = DataMessage {
            seq: log.sent,
            sent_us: now_us,
        };
        log.sent += 1;
        log.recent.push_back(now_us);
        log.forget_settled(now_us);
        Some(message)
    }

    /// Takes a message of a peer. `clock_offset_us` is what to add to the sender's clock to get ours.
    pub fn received(&mut self, peer: &str, bytes: &[u8], at_us: u64, clock_offset_us: Option<i64>) {
        let Ok(message) = serde_json::from_slice::<DataMessage>(bytes) else {
            self.unreadable += 1;
            return;
        };
        let Some(log) = self.peer(peer) else { return };
        log.delivered += 1;
        match log.highest {
            Some(highest) if message.seq <= highest => log.reordered += 1,
            _ => log.highest = Some(message.seq),
        }
        let sent = clock_offset_us.and_then(|offset| message.sent_us.checked_add_signed(offset));
        if let Some(sent) = sent {
            self.latency.record_us(at_us.saturating_sub(sent));
        }
    }

    /// Messages to `peer` that it must have received, when the channel closes at `end_us`.
    pub fn settled_to(&self, peer: &str, end_us: u64) -> u64 {
        self.peers.get(peer).map_or(0, |log| {
            let unsettled = log.recent.iter().filter(|at| **at + SETTLED_US > end_us).count();
            log.sent - unsettled as u64
        })
    }

    /// Messages of `peer` that arrived.
    pub fn delivered_from(&self, peer: &str) -> u64 {
        self.peers.get(peer).map_or(0, |log| log.delivered)
    }

    /// Everything that was received, summed up; `sent` and `lost` are for whoever knows both ends.
    pub fn figures(&self) -> DataFigures {
        let sum = |field: fn(&PeerLog) -> u64| self.peers.values().map(field).sum();
        DataFigures {
            sent: sum(|log| log.sent),
            delivered: sum(|log| log.delivered),
            reordered: sum(|log| log.reordered),
            lost: None,
            unreadable: self.unreadable,
            latency: self.latency.summary(),
        }
    }

    /// Adds the latencies of this log to others.
    pub fn add_latency_to(&self, sum: &mut Distribution) {
        sum.merge(&self.latency);
    }
}

impl PeerLog {
    fn forget_settled(&mut self, now_us: u64) {
        while self.recent.front().is_some_and(|at| at + SETTLED_US <= now_us) {
            self.recent.pop_front();
        }
    }
}

/// Messages in one direction, or at one bot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFigures {
    /// Messages sent.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that came after a later one, or again.
    pub reordered: u64,
    /// Messages that never arrived although they had a second; absent where one end is not known.
    pub lost: Option<u64>,
    /// Messages that are none of ours.
    pub unreadable: u64,
    /// From sent to received; absent where the two clocks cannot be compared.
    pub latency: Option<Summary>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_in_their_order_and_with_their_latency() {
        let (mut sender, mut receiver) = (DataLog::default(), DataLog::default());
        let messages: Vec<DataMessage> = (0..5)
            .filter_map(|n| sender.next_to("viewer", n * 100_000))
            .collect();
        for at in [0, 1, 3, 2] {
            let message: DataMessage = messages[at];
            receiver.received("us", &message.encode(), message.sent_us + 5_000, Some(0));
        }
        receiver.received("us", b"hello", 0, Some(0));
        let figures = receiver.figures();
        assert_eq!(
            (figures.delivered, figures.reordered, figures.unreadable),
            (4, 1, 1)
        );
        assert_eq!(figures.latency.unwrap().max_ms, 5.0);
        // The last message was sent at 400 ms: at 4.35 s it is still on its way, and at 5 s it is lost.
        assert_eq!(sender.settled_to("viewer", 4_350_000), 4);
        assert_eq!(sender.settled_to("viewer", 5_000_000), 5);
        assert_eq!(receiver.delivered_from("us"), 4);
    }

    #[test]
    fn a_sender_on_another_clock_gives_no_latency() {
        let mut log = DataLog::default();
        let message = DataMessage { seq: 0, sent_us: 7 };
        log.received("peer", &message.encode(), 9, None);
        assert_eq!(log.figures().latency, None);
        assert_eq!(log.figures().delivered, 1);
    }

    #[test]
    fn hours_of_messages_are_remembered_in_a_handful_of_times() {
        let mut log = DataLog::default();
        (0..100_000).for_each(|n| assert!(log.next_to("peer", n * 100_000).is_some()));
        assert!(log.peers["peer"].recent.len() <= 41);
        assert_eq!(log.settled_to("peer", 100_000 * 100_000), 99_961);
    }
}
