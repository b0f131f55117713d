//! `greenroom explore`: many seeds, their faults, and the fewest with which a run still fails.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use greenroom_fixtures::Size;
use tokio::task::JoinSet;

use super::args::ExploreArgs;
use super::{complain, exit, style_of};
use crate::explore::{Explored, explore};
use crate::scenario::Scenario;

/// Does what the flags say; gives the exit code.
pub(super) async fn run(args: ExploreArgs) -> u8 {
    let scenario = match scenario(&args) {
        Ok(scenario) => Arc::new(scenario),
        Err(message) => {
            complain(&message);
            return exit::BAD_INPUT;
        }
    };
    let started_us = crate::clock::unix_us();
    let live = std::io::stderr().is_terminal();
    let mut waiting = (0..u64::from(args.seeds)).map(|number| args.from.saturating_add(number));
    let mut running = JoinSet::new();
    let jobs = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut failed: Vec<Explored> = Vec::new();
    let mut done = 0_u32;
    loop {
        while running.len() < jobs.max(1) {
            let Some(seed) = waiting.next() else { break };
            let scenario = Arc::clone(&scenario);
            running.spawn(async move { explore(&scenario, seed).await });
        }
        match running.join_next().await {
            None => break,
            Some(Ok(Ok(explored))) => {
                done += 1;
                if !explored.passed() {
                    tell(&explored);
                    failed.push(explored);
                }
            }
            Some(Ok(Err(error))) => {
                complain(&error.to_string());
                return exit::of_error(&error);
            }
            Some(Err(error)) => {
                complain(&format!("a run broke down: {error}"));
                return exit::HARNESS_FAILED;
            }
        }
        if live {
            let _ = write!(
                std::io::stderr(),
                "\r\u{1b}[K{done} of {} seeds, {} failed",
                args.seeds,
                failed.len()
            );
        }
    }
    if live {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
    let seconds = crate::clock::unix_us().saturating_sub(started_us) as f64 / 1e6;
    let _ = writeln!(
        std::io::stdout(),
        "{done} seeds in {seconds:.1} s: {} passed, {} failed",
        done as usize - failed.len(),
        failed.len()
    );
    if failed.is_empty() {
        exit::PASS
    } else {
        crate::check::Verdict::Fail.exit_code()
    }
}

/// Says what failed, with what it takes, and how to see it again.
fn tell(explored: &Explored) {
    let seed = explored.seed;
    let _ = writeln!(
        std::io::stdout(),
        "seed {seed}: {}\n  {} of {} faults are enough: {}\n  again: greenroom explore --seeds 1 --from {seed}",
        explored.report.because,
        explored.planted.len(),
        explored.drawn,
        serde_json::to_string(&explored.planted).unwrap_or_default(),
    );
    log::debug!("{}", explored.report.table(style_of(&std::io::stdout())));
}

/// The scenario of the file, or a short call of three viewers.
fn scenario(args: &ExploreArgs) -> Result<Scenario, String> {
    let mut scenario = match &args.scenario {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            Scenario::from_toml(&text).map_err(|error| format!("{path}: {error}"))?
        }
        None => {
            let mut scenario = Scenario {
                duration: Duration::from_secs(10),
                ..Scenario::default()
            };
            scenario.media.size = Size::SMALL;
            scenario.rooms.iter_mut().for_each(|room| room.viewers = 3);
            scenario
        }
    };
    if let Some(duration) = args.duration {
        scenario.duration = duration;
    }
    Ok(scenario)
}
