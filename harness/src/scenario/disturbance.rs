//! What a scenario itself does to a viewer's stream, so that it is not held against the system under test.
//!
//! Owns the summing up of scripted loss and delay, on real sockets and in the simulated network.

use std::time::Duration;

use super::{Action, Scenario};
use crate::net::model::{Access, LinkSpec, NetworkAction, NetworkFile};

impl Scenario {
    /// Share of packets on the way to a viewer that the scenario takes away or spoils, in the long run.
    pub(crate) fn scripted_loss(&self, viewer: u32) -> f64 {
        let spoils = |link: &LinkSpec| 1.0 - (1.0 - link.loss.long_run()) * (1.0 - link.corrupt);
        let sockets = self.network.down.as_ref().map_or(0.0, spoils);
        let model = self.network.sim.as_ref().map_or(0.0, |file| {
            let Access { up, .. } = file.broadcaster();
            let Access { down, .. } = file.viewer(viewer);
            1.0 - (1.0 - spoils(&up)) * (1.0 - spoils(&down))
        });
        1.0 - (1.0 - sockets) * (1.0 - model)
    }

    /// Whether the scenario makes packets come late or not at all, so that repairs are to be waited for.
    pub(crate) fn disturbs(&self, viewer: u32) -> bool {
        self.scripted_loss(viewer) > 0.0 || self.starves(viewer)
    }

    /// How much later than without the scenario a packet may reach a viewer.
    pub(crate) fn scripted_delay(&self, viewer: u32) -> Duration {
        let slows = |link: &LinkSpec| link.delay + link.jitter + queue(link);
        let sockets = self.network.down.as_ref().map_or(Duration::ZERO, slows);
        let model = self.network.sim.as_ref().map_or(Duration::ZERO, |file| {
            slows(&file.broadcaster().up) + slows(&file.viewer(viewer).down)
        });
        sockets + model
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

    /// Whether the scenario may take any number of packets away from a viewer: it is cut off, or its link or the
    /// broadcaster's is too narrow for what is sent.
    pub(crate) fn starves(&self, viewer: u32) -> bool {
        let narrow = |link: &LinkSpec| link.rate_kbps.is_some();
        let by_file = self.network.sim.as_ref().is_some_and(|file: &NetworkFile| {
            narrow(&file.broadcaster().up) || narrow(&file.viewer(viewer).down)
        });
        self.network.down.as_ref().is_some_and(narrow)
            || by_file
            || self.timeline.iter().any(|timed| match &timed.action {
                Action::Network(NetworkAction::Partition { viewer: cut, .. }) => *cut == viewer,
                Action::Network(NetworkAction::Link { .. }) => true,
                _ => false,
            })
    }
}

/// How long a datagram may wait in a full queue.
fn queue(link: &LinkSpec) -> Duration {
    link.rate_kbps.map_or(Duration::ZERO, |kbps| {
        Duration::from_secs_f64(f64::from(link.queue_bytes) * 8.0 / (f64::from(kbps.max(1)) * 1_000.0))
    })
}
