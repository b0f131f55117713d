//! The one place where wall time is read, and the microsecond scale of a run.
//!
//! Everything else takes `tokio::time::Instant`, which a paused runtime can steer. Latency is never
//! built on wall time: it only maps the ledger of another process on the same host onto this one's
//! monotonic clock.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Time since the start of a run, in microseconds, tied once to the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    epoch: Instant,
    epoch_unix_us: u64,
}

impl RunClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            epoch: Instant::now(),
            epoch_unix_us: unix_us(),
        }
    }

    /// Microseconds from the start of the run to `at`; 0 for anything earlier.
    pub fn us(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.epoch))
    }

    /// Microseconds from the start of the run until now.
    pub fn now_us(&self) -> u64 {
        self.us(Instant::now())
    }

    /// The instant `us` microseconds after the start of the run.
    pub fn instant(&self, us: u64) -> Instant {
        self.epoch + Duration::from_micros(us)
    }

    /// Wall time at the start of the run, in microseconds since the Unix epoch.
    pub fn epoch_unix_us(&self) -> u64 {
        self.epoch_unix_us
    }
}

/// A duration in whole microseconds, saturating.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Wall time in microseconds since the Unix epoch.
pub(crate) fn unix_us() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module is the one reader of wall time"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, micros)
}

/// What identifies this boot of this host; two processes that share it share their wall clock too.
pub(crate) fn boot_id() -> Option<String> {
    static BOOT_ID: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .map(|id| id.trim().to_owned())
    };
    BOOT_ID.get_or_init(read).clone()
}
