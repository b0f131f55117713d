//! Exploring: one scenario under faults that are drawn from seeds, and a failing seed shrunk to the fewest.
//!
//! Owns what is drawn and how it is taken away again. The runs are simulated ones; what fails is the
//! checker's to say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::{FindingKind, Severity, Verdict};
use crate::net::model::{LinkOf, LinkSpec, Loss, NetworkAction, Random};
use crate::report::Report;
use crate::run::{Run, RunError};
use crate::scenario::{Action, Muting, Party, Scenario, SignalingSpec, TimedAction};

/// Most faults of the network that one seed draws; one of signaling may come on top.
const MAX_PLANTED: u64 = 6;

/// A fault that was drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planted {
    /// A viewer's downlink from the start.
    Link {
        /// Number of the viewer, from 1.
        viewer: u32,
        /// What it does.
        spec: LinkSpec,
    },
    /// What happens to a bot's signaling frames from the start.
    Signaling(SignalingSpec),
    /// Something that happens on the way.
    Action(TimedAction),
    /// The broadcaster leaves and comes back.
    Return {
        /// When it leaves.
        leaves: Duration,
        /// When it comes back.
        returns: Duration,
    },
}

/// One explored seed.
#[derive(Clone, Debug)]
pub struct Explored {
    /// The seed.
    pub seed: u64,
    /// What it drew; of a seed that failed, the fewest with which it still fails in the same way.
    pub planted: Vec<Planted>,
    /// How many it drew at first.
    pub drawn: usize,
    /// The report with those that are left.
    pub report: Report,
}

impl Explored {
    /// Whether the run passed.
    pub fn passed(&self) -> bool {
        self.report.verdict == Verdict::Pass
    }
}

/// Runs a scenario under the faults of a seed, and shrinks what fails.
///
/// # Errors
///
/// As [`Run::run`].
pub async fn explore(scenario: &Scenario, seed: u64) -> Result<Explored, RunError> {
    let mut planted = draw(scenario, seed);
    let drawn = planted.len();
    let mut report = run(scenario, seed, &planted).await?;
    let Some(kind) = first_error(&report) else {
        return Ok(Explored {
            seed,
            planted,
            drawn,
            report,
        });
    };
    let mut at = 0;
    while at < planted.len() {
        let mut fewer = planted.clone();
        fewer.remove(at);
        let again = run(scenario, seed, &fewer).await?;
        if first_error(&again) == Some(kind) {
            planted = fewer;
            report = again;
        } else {
            at += 1;
        }
    }
    Ok(Explored {
        seed,
        planted,
        drawn,
        report,
    })
}

async fn run(scenario: &Scenario, seed: u64, planted: &[Planted]) -> Result<Report, RunError> {
    Run::simulated(seed)
        .scenario(with(scenario, seed, planted))
        .run()
        .await
}

/// The worst thing that was found in a run that did not pass.
fn first_error(report: &Report) -> Option<FindingKind> {
    let worst = report
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.kind);
    match report.verdict {
        Verdict::Pass => None,
        _ => worst.or(Some(FindingKind::NothingVerified)),
    }
}

/// The scenario with these faults in it.
fn with(scenario: &Scenario, seed: u64, planted: &[Planted]) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.seed = seed;
    let mut file = scenario.network.sim.take().unwrap_or_default();
    for fault in planted {
        match fault {
            Planted::Link { viewer, spec } => file.set_down(*viewer, *spec),
            // Before what the scenario says itself, because the first one that fits holds.
            Planted::Signaling(spec) => scenario.network.signaling.insert(0, *spec),
            Planted::Action(timed) => scenario.timeline.push(timed.clone()),
            Planted::Return { leaves, returns } => {
                for (at, action) in [
                    (*leaves, Action::BroadcasterLeave),
                    (*returns, Action::BroadcasterReturn),
                ] {
                    scenario.timeline.push(TimedAction { at, action });
                }
            }
        }
    }
    scenario.network.sim = Some(file);
    scenario
}

/// What a seed draws for a scenario.
pub fn draw(scenario: &Scenario, seed: u64) -> Vec<Planted> {
    let mut draws = Draws(Random::new(seed ^ 0x6578_706c_6f72_6521));
    let viewers = scenario
        .rooms
        .iter()
        .map(|room| room.viewers)
        .min()
        .unwrap_or(1)
        .max(1);
    let streamed = scenario.streamed();
    // From a stream of its own: a seed keeps what it draws of the network when signaling learns a new fault.
    let mut of_signaling = Draws(Random::new(seed ^ 0x7369_676e_616c_696e));
    let signaling = match of_signaling.below(6) {
        0 => Some(slow_signaling(&mut of_signaling, viewers)),
        1 => Some(stall(&mut of_signaling, viewers, streamed)),
        _ => None,
    };
    (0..=draws.below(MAX_PLANTED - 1))
        .map(|_| one(&mut draws, viewers, streamed))
        .chain(signaling)
        .collect()
}

/// A way to the server that takes its time, and that a WebSocket would keep in order. Frames that are lost would not
/// come again, and no bot could do anything about it.
fn slow_signaling(draws: &mut Draws, viewers: u32) -> Planted {
    Planted::Signaling(SignalingSpec {
        of: someone(draws, viewers),
        delay: draws.within(Duration::ZERO, Duration::from_millis(200)),
        jitter: draws.within(Duration::ZERO, Duration::from_millis(100)),
        ..SignalingSpec::default()
    })
}

/// A bot that reads nothing for a while.
fn stall(draws: &mut Draws, viewers: u32, streamed: Duration) -> Planted {
    let of = someone(draws, viewers).unwrap_or(Party::Broadcaster);
    let duration = draws.within(Duration::from_millis(50), Duration::from_secs(1));
    Planted::Action(TimedAction {
        at: draws.within(streamed.mul_f64(0.1), streamed.mul_f64(0.8)),
        action: Action::StallSignaling { of, duration },
    })
}

/// One bot, or everybody.
fn someone(draws: &mut Draws, viewers: u32) -> Option<Party> {
    match draws.below(u64::from(viewers) + 2) as u32 {
        0 => None,
        1 => Some(Party::Broadcaster),
        number => Some(Party::Viewer(number - 1)),
    }
}

fn one(draws: &mut Draws, viewers: u32, streamed: Duration) -> Planted {
    let viewer = 1 + draws.below(u64::from(viewers)) as u32;
    let at = draws.within(streamed.mul_f64(0.1), streamed.mul_f64(0.8));
    let action = |action| Planted::Action(TimedAction { at, action });
    match draws.below(8) {
        0 | 1 => Planted::Link {
            viewer,
            spec: link(draws),
        },
        2 => action(Action::Network(NetworkAction::Partition {
            viewer,
            duration: draws.within(Duration::from_millis(100), Duration::from_secs(3)),
        })),
        3 => action(Action::Network(NetworkAction::Link {
            of: LinkOf::Viewer(viewer),
            direction: crate::net::model::Direction::Down,
            spec: link(draws),
        })),
        4 => action(Action::Join),
        5 => action(Action::Leave { viewer }),
        6 => action(if draws.below(2) == 0 {
            Action::Mute(Muting::All)
        } else {
            Action::Unmute(Muting::All)
        }),
        _ => Planted::Return {
            leaves: at,
            returns: at + draws.within(Duration::from_millis(50), streamed.mul_f64(0.15)),
        },
    }
}

fn link(draws: &mut Draws) -> LinkSpec {
    LinkSpec {
        loss: Loss::Independent {
            share: draws.unit() * 0.05,
        },
        delay: draws.within(Duration::ZERO, Duration::from_millis(150)),
        jitter: draws.within(Duration::ZERO, Duration::from_millis(20)),
        reorder: draws.below(2) == 0,
        duplicate: draws.unit() * 0.02,
        corrupt: draws.unit() * 0.005,
        ..LinkSpec::default()
    }
}

/// What a seed draws from.
struct Draws(Random);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.bits() % bound.max(1)
    }

    fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    /// A time between two, in whole milliseconds.
    fn within(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_millis() as u64;
        from + Duration::from_millis(self.below(span + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_each_time_and_they_make_a_scenario() {
        let scenario = Scenario::default();
        for seed in 0..500 {
            let planted = draw(&scenario, seed);
            assert_eq!(planted, draw(&scenario, seed));
            assert!((1..=MAX_PLANTED as usize + 1).contains(&planted.len()));
            with(&scenario, seed, &planted).validate().unwrap();
        }
    }
}
