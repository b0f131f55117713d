//! The generator's limits: when its own state could explain what it found.
//!
//! Owns the thresholds (docs/verdict.md). A breach excuses only what it could have caused: a late timer
//! does not flip bytes, and 20 ms of lag do not explain a server that is silent for five seconds.

use std::fmt;

use super::findings::{Finding, FindingKind};
use crate::measure::health::GeneratorHealth;

/// Scheduler lag and pacing error above this at p99 (at the maximum, with few samples) are a breach.
const MAX_LAG_MS: f64 = 10.0;
/// Lag above this at p99 is starvation: no figure of the run can be trusted.
const STARVED_LAG_MS: f64 = 50.0;
/// CPU use above this share of the allowed cores is a breach.
const MAX_CPU_SHARE: f64 = 0.80;
/// Waiting for a CPU above this share of the time in which threads wanted one is starvation. Measured: 0.28
/// to 0.40 on an idle machine, 0.5 beside one busy process per core, 0.67 beside two, 0.80 beside four.
const STARVED_WAIT_SHARE: f64 = 0.60;

/// One limit that the generator exceeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// Which.
    pub limit: Limit,
    /// Its value: milliseconds, a share, or a count.
    pub value: f64,
    /// Whether it is so bad that nothing of the run can be trusted.
    pub starved: bool,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// How late tasks are woken.
    SchedulerLag,
    /// How late frames are taken from the source.
    PacingError,
    /// CPU use of this process.
    CpuShare,
    /// Time spent waiting for a CPU that others use.
    CpuWait,
    /// Datagrams dropped at our sockets.
    SocketDrops,
    /// Frames that a connection's queue had no room for.
    SkippedFrames,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.limit {
            Limit::SchedulerLag => write!(f, "scheduler lag {value:.1} ms (limit {MAX_LAG_MS} ms)"),
            Limit::PacingError => write!(f, "pacing error {value:.1} ms (limit {MAX_LAG_MS} ms)"),
            Limit::CpuShare => write!(
                f,
                "CPU {:.0} % of its cores (limit {:.0} %)",
                value * 100.0,
                MAX_CPU_SHARE * 100.0
            ),
            Limit::CpuWait => write!(
                f,
                "waited for a CPU {:.0} % of the time it wanted one (limit {:.0} %)",
                value * 100.0,
                STARVED_WAIT_SHARE * 100.0
            ),
            Limit::SocketDrops => write!(f, "{value:.0} datagrams dropped at its own sockets (limit 0)"),
            Limit::SkippedFrames => write!(
                f,
                "{value:.0} frames found no room in a connection's queue (limit 0)"
            ),
        }
    }
}

/// Every limit that the generator exceeded.
pub(crate) fn breaches(health: &GeneratorHealth) -> Vec<Breach> {
    let tail = |summary: &crate::measure::distribution::Summary| {
        summary.p99_ms.or(summary.p95_ms).unwrap_or(summary.max_ms)
    };
    let lag = health.scheduler_lag.as_ref().map(tail);
    let pacing = health.pacing_error.as_ref().map(tail);
    let over = |limit, value: Option<f64>, max: f64, starved: f64| {
        value.filter(|value| *value > max).map(|value| Breach {
            limit,
            value,
            starved: value > starved,
        })
    };
    [
        over(Limit::SchedulerLag, lag, MAX_LAG_MS, STARVED_LAG_MS),
        over(Limit::PacingError, pacing, MAX_LAG_MS, STARVED_LAG_MS),
        over(Limit::CpuShare, health.cpu_share, MAX_CPU_SHARE, f64::INFINITY),
        over(
            Limit::CpuWait,
            health.cpu_wait_share,
            STARVED_WAIT_SHARE,
            STARVED_WAIT_SHARE,
        ),
        over(
            Limit::SocketDrops,
            health.socket_drops.map(|drops| drops as f64),
            0.0,
            f64::INFINITY,
        ),
        over(
            Limit::SkippedFrames,
            Some(health.skipped_frames as f64),
            0.0,
            f64::INFINITY,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Breach {
    /// Whether this could have caused that.
    pub fn could_cause(&self, finding: &Finding) -> bool {
        // Seconds of silence need a generator that hardly ran.
        let hardly_ran = self.starved || self.limit == Limit::CpuShare;
        match finding.kind {
            FindingKind::FramesLost => true,
            FindingKind::Freeze | FindingKind::KeyFrameLate => {
                matches!(
                    self.limit,
                    Limit::SchedulerLag
                        | Limit::PacingError
                        | Limit::CpuShare
                        | Limit::CpuWait
                        | Limit::SocketDrops
                )
            }
            FindingKind::NoFirstFrame | FindingKind::JoinLate | FindingKind::NoKeyFrame => hardly_ran,
            FindingKind::SignalingLost | FindingKind::SignalingUnreachable => hardly_ran,
            FindingKind::NothingVerified => hardly_ran,
            FindingKind::FramesCorrupt
            | FindingKind::FramesRepeated
            | FindingKind::FramesUnexpected
            | FindingKind::ViewerVanished
            | FindingKind::StampWrong
            | FindingKind::NotBlackWhileMuted
            | FindingKind::SignalingRefused
            | FindingKind::ChatOutOfOrder
            | FindingKind::EngineError => false,
        }
    }
}
