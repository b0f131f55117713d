//! The generator's limits: when its own state could explain what it found.
//!
//! Owns the thresholds (docs/verdict.md). A tail needs the samples that carry it: one late timer in a short
//! run is no sick generator. A breach excuses only what it could have caused: a late timer
//! does not flip bytes, and 20 ms of lag do not explain a server that is silent for five seconds.

use std::fmt;

use super::findings::{Finding, FindingKind};
use crate::measure::distribution::Summary;
use crate::measure::health::GeneratorHealth;

/// Scheduler lag and pacing error above this at p99 are a breach (at p95 with few samples; of the pacing
/// error at the median with fewer).
const MAX_LAG_MS: f64 = 10.0;
/// Lag above this at p99 is starvation: no figure of the run can be trusted.
const STARVED_LAG_MS: f64 = 50.0;
/// One stall longer than this can freeze a picture by itself.
const MAX_STALL_MS: f64 = 100.0;
/// CPU use above this share of the allowed cores is a breach.
const MAX_CPU_SHARE: f64 = 0.80;
/// Waiting longer than this for a CPU, on average, is starvation: others have the machine. Measured on two
/// cores with 2 to 50 viewers: 0.05 to 0.25 ms idle, 0.1 to 0.5 beside one busy process per core, 0.3 to
/// 1.2 beside two, 1.0 to 3.4 beside four.
const STARVED_WAIT_MS: f64 = 0.7;

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
    /// The longest time in which this process did not run when it wanted to.
    Stall,
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
            Limit::Stall => write!(
                f,
                "stood still for {value:.0} ms at once (limit {MAX_STALL_MS} ms)"
            ),
            Limit::CpuShare => write!(
                f,
                "CPU {:.0} % of its cores (limit {:.0} %)",
                value * 100.0,
                MAX_CPU_SHARE * 100.0
            ),
            Limit::CpuWait => write!(
                f,
                "waited {value:.2} ms for a CPU on average (limit {STARVED_WAIT_MS} ms)"
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
    let tail = |summary: &Summary| summary.p99_ms.or(summary.p95_ms);
    let lag = health.scheduler_lag.as_ref().and_then(tail);
    let pacing = health
        .pacing_error
        .as_ref()
        .and_then(|pacing| tail(pacing).or(pacing.p50_ms));
    let longest = |summary: &Option<Summary>| summary.as_ref().map_or(0.0, |summary| summary.max_ms);
    let stall = longest(&health.scheduler_lag).max(longest(&health.pacing_error));
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
        over(Limit::Stall, Some(stall), MAX_STALL_MS, f64::INFINITY),
        over(Limit::CpuShare, health.cpu_share, MAX_CPU_SHARE, f64::INFINITY),
        over(
            Limit::CpuWait,
            health.cpu_wait_ms,
            STARVED_WAIT_MS,
            STARVED_WAIT_MS,
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
        // Seconds of silence, and packets that are gone, need a generator that hardly ran.
        let hardly_ran = self.starved || self.limit == Limit::CpuShare;
        match finding.kind {
            FindingKind::FramesLost | FindingKind::SoundLost => {
                hardly_ran || matches!(self.limit, Limit::SocketDrops | Limit::SkippedFrames)
            }
            FindingKind::Freeze | FindingKind::KeyFrameLate => {
                hardly_ran
                    || matches!(
                        self.limit,
                        Limit::Stall | Limit::SocketDrops | Limit::SkippedFrames
                    )
            }
            FindingKind::FrameRate => hardly_ran || self.limit == Limit::PacingError,
            FindingKind::LipSync => hardly_ran || matches!(self.limit, Limit::PacingError | Limit::Stall),
            FindingKind::NoFirstFrame
            | FindingKind::JoinLate
            | FindingKind::NoKeyFrame
            | FindingKind::NoBroadcaster
            | FindingKind::NotDecoded
            | FindingKind::NotHeard
            | FindingKind::BurstsMissing
            | FindingKind::HeardWhileMuted
            | FindingKind::MediaAfterStop
            | FindingKind::MessagesLost
            | FindingKind::NothingVerified => hardly_ran,
            FindingKind::FramesCorrupt
            | FindingKind::FramesRepeated
            | FindingKind::FramesUnexpected
            | FindingKind::SoundCorrupt
            | FindingKind::SoundRepeated
            | FindingKind::SoundUnexpected
            | FindingKind::SoundGap
            | FindingKind::SoundHole
            | FindingKind::SoundRate
            | FindingKind::PictureQuality
            | FindingKind::MessagesReordered
            | FindingKind::MessagesUnreadable
            | FindingKind::ViewerVanished
            | FindingKind::StampWrong
            | FindingKind::NotBlackWhileMuted
            | FindingKind::SignalingUnreachable
            | FindingKind::SignalingLost
            | FindingKind::ServerEnded
            | FindingKind::SignalingRefused
            | FindingKind::SignalingBroken
            | FindingKind::ChatOutOfOrder
            | FindingKind::ChatLost
            | FindingKind::RuleBroken
            | FindingKind::EngineError => false,
        }
    }
}
