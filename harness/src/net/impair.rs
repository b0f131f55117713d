//! Impairment: what a bad network does to what one connection sends, on real sockets as in the simulated network.
//!
//! Pure: (datagram, now) -> departures. It is a [`Link`] of the model and the bound on what may be under
//! way; whoever carries the datagrams owns the timer and the socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::model::{Arrival, Link, LinkCounts, LinkSpec};

/// Datagrams that may be under way; more are lost, as in a full router.
const MAX_UNDER_WAY: usize = 16_384;

/// What to do to the datagrams that one connection sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// What the link does.
    pub link: LinkSpec,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// The datagrams of one connection that are under way, in the order in which they are due.
#[derive(Debug)]
pub struct Impairer {
    link: Link,
    /// Equal times keep the order of sending.
    under_way: BTreeMap<(Duration, u64), (SocketAddr, Vec<u8>)>,
    next: u64,
    overflowed: u64,
    /// Kept for its memory.
    arrivals: Vec<Arrival>,
}

impl Impairer {
    /// An impairer; the same seed gives the same fates.
    pub fn new(impairment: Impairment) -> Self {
        Self {
            link: Link::new(impairment.link, impairment.seed),
            under_way: BTreeMap::new(),
            next: 0,
            overflowed: 0,
            arrivals: Vec::new(),
        }
    }

    /// Takes a datagram at `now`, counted from when the connection got its socket.
    pub fn send(&mut self, now: Duration, to: SocketAddr, datagram: &[u8]) {
        self.link.send(now, datagram, &mut self.arrivals);
        for arrival in self.arrivals.drain(..) {
            if self.under_way.len() >= MAX_UNDER_WAY {
                self.overflowed += 1;
                continue;
            }
            self.under_way
                .insert((arrival.at, self.next), (to, arrival.bytes));
            self.next += 1;
        }
    }

    /// When the next datagram is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next datagram that is due by `now`.
    pub fn take_due(&mut self, now: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        self.next_due().filter(|at| *at <= now)?;
        self.under_way.pop_first().map(|(_, datagram)| datagram)
    }

    /// What the link did so far.
    pub fn counts(&self) -> LinkCounts {
        self.link.counts()
    }

    /// Datagrams lost because too many were under way.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::model::Loss;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn impairer(link: LinkSpec, seed: u64) -> Impairer {
        Impairer::new(Impairment { link, seed })
    }

    fn to() -> SocketAddr {
        ([127, 0, 0, 1], 9).into()
    }

    /// The first bytes of what comes of 10,000 numbered datagrams, one each millisecond.
    fn carried(link: LinkSpec, seed: u64) -> Vec<u16> {
        let mut impairer = impairer(link, seed);
        for number in 0..10_000_u16 {
            impairer.send(MS(number.into()), to(), &number.to_be_bytes());
        }
        std::iter::from_fn(|| impairer.take_due(MS(60_000)))
            .map(|(_, bytes)| u16::from_be_bytes([bytes[0], bytes[1]]))
            .collect()
    }

    fn lossy() -> LinkSpec {
        LinkSpec {
            loss: Loss::Independent { share: 0.05 },
            jitter: MS(20),
            reorder: true,
            duplicate: 0.01,
            ..LinkSpec::default()
        }
    }

    #[test]
    fn the_same_seed_does_the_same_and_another_seed_something_else() {
        assert_eq!(carried(lossy(), 7), carried(lossy(), 7));
        assert_ne!(carried(lossy(), 7), carried(lossy(), 8));
        assert_eq!(
            carried(LinkSpec::default(), 1),
            (0..10_000).collect::<Vec<u16>>(),
            "a perfect link does nothing"
        );
    }

    #[test]
    fn what_is_done_is_what_is_counted() {
        let mut impairer = impairer(lossy(), 3);
        for number in 0..1_000 {
            impairer.send(MS(number), to(), &[0; 100]);
        }
        let taken = std::iter::from_fn(|| impairer.take_due(MS(5_000))).count() as u64;
        let counts = impairer.counts();
        assert_eq!(taken, counts.sent - counts.lost + counts.duplicated);
        assert!((30..80).contains(&counts.lost), "{counts:?} of 1,000 at 5 %");
    }

    #[test]
    fn a_delayed_datagram_leaves_when_it_is_due_and_not_before() {
        let mut impairer = impairer(
            LinkSpec {
                delay: MS(20),
                ..LinkSpec::default()
            },
            1,
        );
        impairer.send(MS(5), to(), b"late");
        assert_eq!(impairer.next_due(), Some(MS(25)));
        assert_eq!(impairer.take_due(MS(24)), None);
        assert_eq!(impairer.take_due(MS(25)), Some((to(), b"late".to_vec())));
        assert_eq!(impairer.next_due(), None);
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let slow = LinkSpec {
            delay: MS(60_000),
            ..LinkSpec::default()
        };
        let mut impairer = impairer(slow, 1);
        for _ in 0..MAX_UNDER_WAY + 5 {
            impairer.send(MS(0), to(), b"x");
        }
        assert_eq!(
            (impairer.under_way.len(), impairer.overflowed()),
            (MAX_UNDER_WAY, 5)
        );
    }
}
