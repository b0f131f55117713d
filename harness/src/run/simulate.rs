//! A run in virtual time: the same bots, server and verdict on one thread, over a network in memory.
//!
//! Owns the thread, its runtime with a paused clock, and its seeded randomness. A run owns its runtime, so
//! that it may be called from any test.

use std::time::Duration;

use greenroom_determinism::Deterministic;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{Run, RunError, prepare};
use crate::bot::Shared;
use crate::measure::measured::LinkFigures;
use crate::net::model::{Direction, Flow};
use crate::report::{Report, Simulated};
use crate::scenario::Party;

/// Wall time at the start of every simulated run: 2026-01-01T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Stack of the thread: what a main thread has, for debug builds of deep futures.
const STACK: usize = 8 << 20;

/// Does the run on a thread of its own and waits for its report.
pub(super) async fn run(run: Run) -> Result<Report, RunError> {
    let (done, report) = oneshot::channel();
    let seed = run.scenario.seed;
    let failed = |reason: String| RunError::Simulation(reason);
    std::thread::Builder::new()
        .name(format!("greenroom-sim-{seed}"))
        .stack_size(STACK)
        .spawn(move || {
            // Nobody waits any more when this fails.
            let _ = done.send(on_this_thread(run));
        })
        .map_err(|error| failed(error.to_string()))?;
    let started_us = crate::clock::unix_us();
    let (mut report, lasted) = report
        .await
        .map_err(|_| failed("its thread panicked".to_owned()))??;
    report.simulated = Some(Simulated {
        seed,
        virtual_ms: lasted.as_secs_f64() * 1_000.0,
        real_ms: crate::clock::unix_us().saturating_sub(started_us) as f64 / 1_000.0,
    });
    Ok(report)
}

fn on_this_thread(run: Run) -> Result<(Report, Duration), RunError> {
    let simulation = |reason: String| RunError::Simulation(reason);
    let determinism =
        Deterministic::enter(run.scenario.seed, EPOCH).map_err(|error| simulation(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| simulation(error.to_string()))?;
    let report = runtime.block_on(async {
        let start = Instant::now();
        determinism.follow(move || start.elapsed());
        let (_orders, inbox) = mpsc::channel(1);
        let (ready, _) = watch::channel(false);
        let report = prepare::prepare(run).await?.conduct(inbox, ready).await;
        report.map(|report| (report, start.elapsed()))
    });
    // Outside of the runtime its clock is the real one.
    determinism.hold();
    drop(runtime);
    drop(determinism);
    report
}

/// Adds what the network did to the links of a room's bots, if it is a simulated one.
pub(super) fn add_links(shared: &Shared, all: &mut Option<Vec<LinkFigures>>) {
    let Some(network) = &shared.network else { return };
    let viewers = (1..).map(Party::Viewer);
    for party in std::iter::once(Party::Broadcaster).chain(viewers) {
        let Some(flows) = network.flow_counts(shared.room_number, party) else {
            return;
        };
        let peer = shared.label(&match party {
            Party::Broadcaster => "broadcaster".to_owned(),
            Party::Viewer(number) => format!("viewer-{number}"),
        });
        for (direction, flows) in [Direction::Up, Direction::Down].into_iter().zip(flows) {
            let links = flows.all().map(|(flow, counts)| LinkFigures {
                peer: peer.clone(),
                direction,
                payload_type: match flow {
                    Flow::Rtp(payload_type) => Some(payload_type),
                    Flow::Other => None,
                },
                counts,
            });
            all.get_or_insert_default().extend(links);
        }
    }
}
