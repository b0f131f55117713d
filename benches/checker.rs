//! What the checker costs per event, over the trace of a simulated call, without reading it from a file.
//!
//! The trace is made before the clock starts, and refused when the checker finds something in it.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use anyhow::{Result, ensure};
use criterion::{Criterion, Throughput};
use greenroom::rules::Checker;
use greenroom::trace::TraceEvent;
use greenroom::{AudioSource, DecodeSelection, RoomSpec, Run};

const ROOMS: u32 = 160;
const VIEWERS: u32 = 10;

fn main() -> Result<()> {
    let events = trace()?;
    ensure!(events.len() >= 100_000, "{} events", events.len());
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("checker");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.sample_size(10);
    group.bench_function("observe and finish", |bencher| {
        bencher.iter(|| {
            let mut checker = Checker::default();
            events.iter().for_each(|event| checker.observe(event));
            checker.finish()
        });
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// The trace of 160 rooms with ten viewers each.
fn trace() -> Result<Vec<TraceEvent>> {
    let dir = tempfile::tempdir()?;
    let mut run = Run::simulated(1)
        .duration(Duration::from_secs(1))
        .decode(DecodeSelection::None)
        .audio(AudioSource::None);
    // One after the other, so that the trace's writer keeps up and nothing is missing in it.
    run.scenario_mut().join.rate_per_s = Some(5.0);
    run.scenario_mut().rooms = (0..ROOMS)
        .map(|number| RoomSpec {
            name: format!("room-{number}"),
            viewers: VIEWERS,
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(run.output_dir(dir.path()).run())?;
    let alarms = greenroom::score::alarms(&report);
    ensure!(alarms.is_empty(), "{alarms:?}");
    ensure!(report.trace_events_dropped == Some(0), "the trace has holes");
    let file = std::fs::File::open(dir.path().join("trace.jsonl"))?;
    BufReader::new(file)
        .lines()
        .skip(1)
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}
