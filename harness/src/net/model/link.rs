//! One direction of one link: what becomes of each datagram, decided from a seed.
//!
//! Owns the order of things: queue, loss, delay, corruption, duplication. Pure: (datagram, now) -> arrivals; it keeps
//! no datagram, only what it needs to know of those under way.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::random::{Random, to_unit};
use super::spec::{LinkSpec, Loss};

/// IPv4 header without options and UDP header (RFC 791 section 3.1, RFC 768).
const IP_AND_UDP_HEADERS: usize = 28;

/// Datagrams under way whose times are remembered to tell which are overtaken; beyond it the earliest is
/// forgotten, which is the least likely to be.
const MAX_REMEMBERED: usize = 65_536;

/// A datagram at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is there, since the start of the run. Arrivals of one time keep the order in which they
    /// were given out.
    pub at: Duration,
    /// Its bytes, with a bit flipped perhaps.
    pub bytes: Vec<u8>,
}

/// What became of the datagrams of one link, as the receiver counts it if it waits for all of them.
/// `sent` is `delivered + lost + queue_dropped + too_large`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounts {
    /// Given to the link.
    pub sent: u64,
    /// Arrived or arriving, each counted once.
    pub delivered: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub queue_dropped: u64,
    /// Dropped because they were larger than the MTU.
    pub too_large: u64,
    /// Second copies, beyond `delivered`.
    pub duplicated: u64,
    /// Arrivals with a bit flipped.
    pub corrupted: u64,
    /// Datagrams that come after one that was sent later (RFC 4737 section 3.3); second copies never count.
    pub reordered: u64,
}

/// One direction of one link.
#[derive(Clone, Debug)]
pub struct Link {
    spec: LinkSpec,
    random: Random,
    counts: LinkCounts,
    /// The latest `now` seen; time never goes back.
    now: Duration,
    /// Gilbert-Elliott: in the bad state.
    bad: bool,
    /// When the last packet is on the wire to its last bit.
    busy_until: Duration,
    /// Packets that wait: when their turn comes, and their size. Their bytes are at most the queue's, and
    /// each has a header, so there are at most `queue_bytes / 28`.
    waiting: VecDeque<(Duration, usize)>,
    waiting_bytes: usize,
    /// The latest arrival given out: without reordering nothing comes before it.
    latest: Duration,
    /// Arrival times, ascending, of datagrams that nothing has overtaken yet.
    under_way: VecDeque<Duration>,
}

/// What is drawn for one datagram. Everything is drawn for every datagram, so that a change of one number
/// of the spec leaves the other fates alone: a fault that is taken away takes only itself away.
struct Draws {
    step: f64,
    loss: f64,
    jitter: f64,
    copy: f64,
    copy_jitter: f64,
    corrupt: f64,
    bit: u64,
}

impl Draws {
    fn of(random: &mut Random) -> Self {
        let mut unit = || to_unit(random.bits());
        Self {
            step: unit(),
            loss: unit(),
            jitter: unit(),
            copy: unit(),
            copy_jitter: unit(),
            corrupt: unit(),
            bit: random.bits(),
        }
    }
}

impl Link {
    /// A link; the same seed gives the same fates.
    pub fn new(spec: LinkSpec, seed: u64) -> Self {
        Self {
            spec,
            random: Random::new(seed),
            counts: LinkCounts::default(),
            now: Duration::ZERO,
            bad: false,
            busy_until: Duration::ZERO,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            latest: Duration::ZERO,
            under_way: VecDeque::new(),
        }
    }

    /// What the link does now.
    pub fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// Changes what the link does to datagrams from now on. What is under way keeps its time, the random
    /// stream goes on, and the counts too.
    pub fn set_spec(&mut self, spec: LinkSpec) {
        self.bad &= matches!(spec.loss, Loss::GilbertElliott { .. });
        self.spec = spec;
    }

    /// What became of the datagrams so far.
    pub fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// Sends a datagram at `now`, since the start of the run; appends no arrival, one or two to `out`. A
    /// `now` before an earlier one is taken for that one.
    pub fn send(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<Arrival>) {
        self.now = self.now.max(now);
        self.counts.sent += 1;
        let draws = Draws::of(&mut self.random);
        let lost = self.is_lost(&draws);
        let packet = bytes.len() + IP_AND_UDP_HEADERS;
        if packet > self.spec.mtu as usize {
            self.counts.too_large += 1;
            return;
        }
        let Some(departed) = self.queue(packet) else {
            self.counts.queue_dropped += 1;
            return;
        };
        // What is lost on the way has used the wire all the same.
        if lost {
            self.counts.lost += 1;
            return;
        }
        self.counts.delivered += 1;
        let at = self.arrival_time(departed, draws.jitter);
        self.note_overtaken(at);
        let mut bytes = bytes.to_vec();
        let copy = (draws.copy < self.spec.duplicate).then(|| bytes.clone());
        if draws.corrupt < self.spec.corrupt && !bytes.is_empty() {
            self.counts.corrupted += 1;
            let bit = (draws.bit % (bytes.len() as u64 * 8)) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        out.push(Arrival { at, bytes });
        if let Some(bytes) = copy {
            self.counts.duplicated += 1;
            // A copy never comes first, so that the receiver takes it for the copy too.
            let at = self.arrival_time(departed, draws.copy_jitter).max(at);
            self.latest = self.latest.max(at);
            out.push(Arrival { at, bytes });
        }
    }

    /// Takes a step of the loss model; every datagram is one, whatever else happens to it.
    fn is_lost(&mut self, draws: &Draws) -> bool {
        match self.spec.loss {
            Loss::Independent { share } => draws.loss < share,
            Loss::GilbertElliott {
                enter,
                leave,
                loss_good,
                loss_bad,
            } => {
                self.bad = if self.bad {
                    draws.step >= leave
                } else {
                    draws.step < enter
                };
                draws.loss < if self.bad { loss_bad } else { loss_good }
            }
        }
    }

    /// When the last bit of a packet is on the wire; `None` if the queue is full.
    fn queue(&mut self, packet: usize) -> Option<Duration> {
        while let Some((_, bytes)) = self.waiting.front().filter(|(turn, _)| *turn <= self.now) {
            self.waiting_bytes -= bytes;
            self.waiting.pop_front();
        }
        let turn = self.now.max(self.busy_until);
        let Some(rate) = self.spec.rate_kbps else {
            return Some(turn);
        };
        if turn > self.now {
            if self.waiting_bytes + packet > self.spec.queue_bytes as usize {
                return None;
            }
            self.waiting.push_back((turn, packet));
            self.waiting_bytes += packet;
        }
        // A kilobit per second is a bit per millisecond. A rate of 0, which validation refuses, is 1.
        let nanos = packet as u64 * 8 * 1_000_000 / u64::from(rate.max(1));
        self.busy_until = turn + Duration::from_nanos(nanos);
        Some(self.busy_until)
    }

    /// When something that left at `departed` is there.
    fn arrival_time(&mut self, departed: Duration, jitter: f64) -> Duration {
        let drawn = departed + self.spec.delay + nanos_of(self.spec.jitter, jitter);
        if self.spec.reorder {
            return drawn;
        }
        self.latest = self.latest.max(drawn);
        self.latest
    }

    /// Counts what the datagram that arrives at `at` overtakes.
    fn note_overtaken(&mut self, at: Duration) {
        self.latest = self.latest.max(at);
        while self.under_way.back().is_some_and(|earlier| *earlier > at) {
            self.under_way.pop_back();
            self.counts.reordered += 1;
        }
        // What has arrived cannot be overtaken any more.
        while self.under_way.front().is_some_and(|there| *there <= self.now)
            || self.under_way.len() >= MAX_REMEMBERED
        {
            self.under_way.pop_front();
        }
        self.under_way.push_back(at);
    }
}

/// A share of a time, to the nanosecond.
fn nanos_of(time: Duration, share: f64) -> Duration {
    Duration::from_nanos((time.as_nanos() as f64 * share) as u64)
}

#[cfg(test)]
mod tests;
