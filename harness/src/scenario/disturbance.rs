//! What a scenario itself does to a viewer's stream, so that it is not held against the system under test.
//!
//! Owns the summing up of scripted loss and delay, on real sockets and in the simulated network.

use std::time::Duration;

use super::{Action, Scenario};
use crate::net::model::{Access, LinkSpec, NetworkAction};

/// A link that carries less than this many times what is sent may drop packets by its queue: a key frame is a burst.
const HEADROOM: u64 = 4;

/// Sound and everything that is no media, in bits per second.
const BESIDE_VIDEO_BPS: u64 = 64_000;

impl Scenario {
    /// The links from the broadcaster to a viewer, where the scenario has any: in the simulated network those of both
    /// hosts, and on sockets the one that is put before them.
    fn links_to(&self, viewer: u32) -> Vec<LinkSpec> {
        match &self.network.sim {
            Some(file) => {
                let Access { up, .. } = file.broadcaster();
                let Access { down, .. } = file.viewer(viewer);
                vec![up, down]
            }
            None => self.network.down.into_iter().collect(),
        }
    }

    /// Whether the scenario flips bits in datagrams, of anybody and at any time.
    pub(crate) fn corrupts(&self) -> bool {
        let flips = |link: &LinkSpec| link.corrupt > 0.0;
        let sockets = [self.network.down, self.network.up].into_iter().flatten();
        let model = self.network.sim.iter().flat_map(|file| {
            let viewers = file.viewers.iter().map(|entry| file.viewer(entry.viewer));
            let all = viewers.chain([file.broadcaster(), file.viewer(u32::MAX)]);
            all.flat_map(|access| [access.up, access.down])
                .collect::<Vec<_>>()
        });
        let actions = self.timeline.iter().filter_map(|timed| match &timed.action {
            Action::Network(NetworkAction::Link { spec, .. }) => Some(*spec),
            _ => None,
        });
        sockets.chain(model).chain(actions).any(|link| flips(&link))
    }

    /// Share of packets on the way to a viewer that the scenario takes away or spoils, in the long run.
    pub(crate) fn scripted_loss(&self, viewer: u32) -> f64 {
        let passes = |link: &LinkSpec| (1.0 - link.loss.long_run()) * (1.0 - link.corrupt);
        1.0 - self.links_to(viewer).iter().map(passes).product::<f64>()
    }

    /// Whether the scenario makes packets come late or not at all, so that repairs are to be waited for.
    pub(crate) fn disturbs(&self, viewer: u32) -> bool {
        self.scripted_loss(viewer) > 0.0 || self.starves(viewer)
    }

    /// How much later than without the scenario a packet may reach a viewer.
    pub(crate) fn scripted_delay(&self, viewer: u32) -> Duration {
        let slows = |link: &LinkSpec| link.delay + link.jitter + queue(link);
        self.links_to(viewer).iter().map(slows).sum()
    }

    /// How much later than its notice something may still be presented: what a partition held up is repaired after it.
    pub(crate) fn scripted_lag(&self, viewer: u32) -> Duration {
        let cuts = self.timeline.iter().filter_map(|timed| match &timed.action {
            Action::Network(NetworkAction::Partition {
                viewer: cut,
                duration,
            }) if *cut == viewer => Some(*duration),
            _ => None,
        });
        let planted = &self.planted_delays;
        self.scripted_delay(viewer)
            + cuts.max().unwrap_or_default()
            + planted.capture
            + planted.encode
            + planted.decode
    }

    /// Whether the scenario may take any number of packets away from a viewer: it is cut off, its link becomes another
    /// one on the way, or one is too narrow for what is sent.
    pub(crate) fn starves(&self, viewer: u32) -> bool {
        self.links_to(viewer).iter().any(|link| self.is_narrow(link))
            || self.timeline.iter().any(|timed| match &timed.action {
                Action::Network(NetworkAction::Partition { viewer: cut, .. }) => *cut == viewer,
                Action::Network(NetworkAction::Link { .. }) => true,
                _ => false,
            })
    }

    fn is_narrow(&self, link: &LinkSpec) -> bool {
        let needed = (u64::from(self.media.bitrate_bps) + BESIDE_VIDEO_BPS) * HEADROOM;
        link.rate_kbps
            .is_some_and(|kbps| u64::from(kbps) * 1_000 < needed)
    }
}

/// How long a datagram may wait in a full queue.
fn queue(link: &LinkSpec) -> Duration {
    link.rate_kbps.map_or(Duration::ZERO, |kbps| {
        Duration::from_secs_f64(f64::from(link.queue_bytes) * 8.0 / (f64::from(kbps.max(1)) * 1_000.0))
    })
}
