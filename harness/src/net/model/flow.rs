//! Counts of what a link did, flow by flow: what a receiver that looks at one stream can be held against.
//!
//! Owns the counting. It decides nothing, and sees only what became of each datagram.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::link::{Arrival, LinkCounts};

/// Datagrams of one flow under way whose times are remembered; beyond it the earliest is forgotten.
const MAX_REMEMBERED: usize = 4_096;

/// What a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// RTP of one payload type (RFC 3550 section 5.1).
    Rtp(u8),
    /// Everything else.
    Other,
}

/// What one link did to each flow.
#[derive(Clone, Debug, Default)]
pub struct FlowCounts {
    flows: BTreeMap<Flow, Counted>,
}

#[derive(Clone, Debug, Default)]
struct Counted {
    counts: LinkCounts,
    /// Arrival times, ascending, of datagrams that nothing of their flow has overtaken yet.
    under_way: VecDeque<Duration>,
}

impl FlowCounts {
    /// What was done to one flow.
    pub fn of(&self, flow: Flow) -> LinkCounts {
        self.flows
            .get(&flow)
            .map_or_else(LinkCounts::default, |counted| counted.counts)
    }

    /// Every flow that there was.
    pub fn all(&self) -> impl Iterator<Item = (Flow, LinkCounts)> {
        self.flows.iter().map(|(flow, counted)| (*flow, counted.counts))
    }

    /// Notes what became of one datagram at `now`: the link's counts before and after, and its arrivals.
    pub(super) fn note(
        &mut self,
        flow: Flow,
        now: Duration,
        (before, after): (LinkCounts, LinkCounts),
        arrivals: &[Arrival],
    ) {
        let counted = self.flows.entry(flow).or_default();
        let counts = &mut counted.counts;
        counts.sent += after.sent - before.sent;
        counts.delivered += after.delivered - before.delivered;
        counts.lost += after.lost - before.lost;
        counts.queue_dropped += after.queue_dropped - before.queue_dropped;
        counts.too_large += after.too_large - before.too_large;
        counts.duplicated += after.duplicated - before.duplicated;
        counts.corrupted += after.corrupted - before.corrupted;
        // A copy comes second and never counts as reordered.
        let Some(arrival) = arrivals.first() else { return };
        let under_way = &mut counted.under_way;
        while under_way.back().is_some_and(|earlier| *earlier > arrival.at) {
            under_way.pop_back();
            counts.reordered += 1;
        }
        while under_way.front().is_some_and(|there| *there <= now) || under_way.len() >= MAX_REMEMBERED {
            under_way.pop_front();
        }
        under_way.push_back(arrival.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::model::link::Link;
    use crate::net::model::spec::{LinkSpec, Loss};

    #[test]
    fn flows_are_counted_apart_and_sum_up_to_the_link() {
        let spec = LinkSpec {
            loss: Loss::Independent { share: 0.1 },
            jitter: Duration::from_millis(20),
            reorder: true,
            duplicate: 0.1,
            corrupt: 0.1,
            ..LinkSpec::default()
        };
        let mut link = Link::new(spec, 1);
        let mut flows = FlowCounts::default();
        let mut out = Vec::new();
        for number in 0..3_000_u64 {
            let now = Duration::from_millis(number);
            let flow = if number % 3 == 0 {
                Flow::Rtp(111)
            } else {
                Flow::Other
            };
            let before = link.counts();
            link.send(now, b"datagram", &mut out);
            flows.note(flow, now, (before, link.counts()), &out);
            out.clear();
        }
        let (sound, other, all) = (flows.of(Flow::Rtp(111)), flows.of(Flow::Other), link.counts());
        assert_eq!((sound.sent, other.sent), (1_000, 2_000));
        assert_eq!(sound.lost + other.lost, all.lost);
        assert_eq!(sound.duplicated + other.duplicated, all.duplicated);
        assert_eq!(sound.corrupted + other.corrupted, all.corrupted);
        // A datagram may be overtaken by one of another flow only.
        assert!(sound.reordered + other.reordered < all.reordered);
        assert!(sound.reordered > 100, "{sound:?}");
        assert_eq!(flows.of(Flow::Rtp(96)), LinkCounts::default());
    }
}
