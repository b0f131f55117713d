//! `greenroom run`: builds the scenario from flags, conducts it, prints the report.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::args::{Reporter, RunArgs};
use super::progress::ProgressLine;
use super::{complain, exit, style_of};
use crate::check::Verdict;
use crate::report::Report;
use crate::run::{Run, RunError};
use crate::scenario::{JoinSpec, MediaSpec, RoleSelection, RoomSpec, Scenario};

/// Does the runs that the flags ask for; gives the worst exit code.
pub(super) async fn run(args: RunArgs) -> u8 {
    let mut code = exit::PASS;
    let mut reports = Vec::new();
    for number in 1..=args.repeat {
        if args.repeat > 1 {
            let _ = writeln!(std::io::stderr(), "run {number} of {}", args.repeat);
        }
        match once(&args, number).await {
            Ok(report) => {
                code = exit::worse(code, report.exit_code());
                print(&args, &report);
                let interrupted = report.interrupted;
                reports.push(report);
                if interrupted {
                    break;
                }
            }
            Err(error) => {
                complain(&error.to_string());
                return exit::of_error(&error);
            }
        }
    }
    if args.repeat > 1 {
        sum_up(&args, &reports);
    }
    code
}

async fn once(args: &RunArgs, number: u32) -> Result<Report, RunError> {
    let scenario = scenario(args);
    let viewers = u64::from(args.viewers);
    let streamed = scenario.streamed();
    let mut run = match &args.url {
        Some(url) => Run::against(url.clone()),
        None => Run::embedded(),
    };
    run = run.scenario(scenario).output_dir(output_dir(args, number));
    if let Some(ledger) = &args.ledger {
        run = run.ledger(ledger.clone());
    }
    let progress = run.progress();
    let mut handle = run.start().await?;
    let line = ProgressLine::start(progress, viewers, streamed);
    let interrupted = tokio::select! {
        biased;
        () = handle.wait() => false,
        () = interrupt_signal() => true,
    };
    if interrupted {
        handle.interrupt();
        let _ = writeln!(
            std::io::stderr(),
            "\ninterrupted: taking what is on its way; Ctrl-C again stops at once"
        );
        tokio::spawn(async {
            interrupt_signal().await;
            std::process::exit(i32::from(exit::KILLED));
        });
    }
    let report = handle.finish().await;
    drop(line);
    report
}

/// Resolves on Ctrl-C or SIGTERM.
pub(super) async fn interrupt_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

fn scenario(args: &RunArgs) -> Scenario {
    let role = RoleSelection::from(args.role);
    let timeline = match role {
        // Somebody else's broadcaster has its own plans.
        RoleSelection::Viewers => Vec::new(),
        RoleSelection::All | RoleSelection::Broadcaster => {
            Scenario::default_timeline(args.warmup, args.duration)
        }
    };
    let defaults = Scenario::default();
    Scenario {
        seed: args.seed,
        rooms: vec![RoomSpec {
            name: args.room.clone(),
            viewers: args.viewers,
        }],
        role,
        media: MediaSpec {
            codec: args.codec,
            video: args.video.clone(),
            audio: args.audio.clone().unwrap_or_default(),
            adapt: args.adapt,
            data_channel: args.data_channel,
            fps: args.fps,
            bitrate_bps: args.bitrate,
            ..MediaSpec::default()
        },
        join: JoinSpec {
            rate_per_s: args.join_rate,
            broadcaster_delay: Duration::ZERO,
        },
        warmup: args.warmup,
        duration: args.duration,
        timeline,
        deadlines: crate::scenario::Deadlines {
            frame: args.deadline,
            ..defaults.deadlines.clone()
        },
        decode: args.decode,
        ..defaults
    }
}

/// The run folder: the one that was asked for, or a new one named for the time.
fn output_dir(args: &RunArgs, number: u32) -> PathBuf {
    let dir = args.output_dir.clone().unwrap_or_else(|| {
        let now = UNIX_EPOCH + Duration::from_micros(crate::clock::unix_us());
        let name = humantime::format_rfc3339_millis(now)
            .to_string()
            .replace(':', "-");
        PathBuf::from("greenroom-runs").join(name)
    });
    if args.repeat > 1 {
        dir.join(format!("run-{number}"))
    } else {
        dir
    }
}

/// Prints what was asked for. JSON has stdout for itself, so a table goes to stderr beside it.
fn print(args: &RunArgs, report: &Report) {
    let json = args.reporter.contains(&Reporter::Json);
    if args.reporter.contains(&Reporter::Table) {
        // A closed pipe is no reason to fail.
        let _ = if json {
            write!(
                std::io::stderr(),
                "{}",
                report.table(style_of(&std::io::stderr()))
            )
        } else {
            write!(
                std::io::stdout(),
                "{}",
                report.table(style_of(&std::io::stdout()))
            )
        };
    }
    if json {
        let mut out = std::io::stdout().lock();
        let _ = serde_json::to_writer(&mut out, report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out));
    }
}

/// One line a run, when there were several.
fn sum_up(args: &RunArgs, reports: &[Report]) {
    if !args.reporter.contains(&Reporter::Table) {
        return;
    }
    let mut out = String::from("\nrun  verdict  verified/expected   latency p50/p99 ms  because\n");
    for (number, report) in reports.iter().enumerate() {
        let verdict = match report.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Invalid => "invalid",
        };
        let totals = &report.measured.totals;
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        let latency = report.measured.delays.frame_latency.as_ref();
        out += &format!(
            "{:>3}  {verdict:<7}  {:>8}/{:<8}   {:>8}/{:<8}   {}\n",
            number + 1,
            totals.verified,
            totals.expected,
            shown(latency.and_then(|latency| latency.p50_ms)),
            shown(latency.and_then(|latency| latency.p99_ms)),
            report.because
        );
    }
    let _ = if args.reporter.contains(&Reporter::Json) {
        write!(std::io::stderr(), "{out}")
    } else {
        write!(std::io::stdout(), "{out}")
    };
}
