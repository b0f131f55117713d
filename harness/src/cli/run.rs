//! `greenroom run`: builds the scenario from a file and flags, conducts it, prints the report.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use greenroom_fixtures::Size;
use greenroom_signaling::DialectName;

use super::args::{Given, Reporter, RunArgs};
use super::progress::ProgressLine;
use super::{complain, exit, style_of};
use crate::bot::access::Access;
use crate::check::Verdict;
use crate::media::codec::Codec;
use crate::net::model::{AccessSpec, LinkSpec, NatKind, NetworkFile, NetworkPreset};
use crate::report::Report;
use crate::run::{Run, RunError};
use crate::scenario::{Action, ExecSpec, RoleSelection, Scenario, Topology};

/// Does the runs that the flags ask for; gives the worst exit code.
pub(super) async fn run(mut args: RunArgs, given: &Given) -> u8 {
    guess_dialect(&mut args, given);
    let plan = match Plan::of(&args, given) {
        Ok(plan) => plan,
        Err(message) => {
            complain(&message);
            return exit::BAD_INPUT;
        }
    };
    let mut code = exit::PASS;
    let mut reports = Vec::new();
    for number in 1..=args.repeat {
        if args.repeat > 1 {
            let _ = writeln!(std::io::stderr(), "run {number} of {}", args.repeat);
        }
        match once(&args, &plan, number).await {
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

/// Speaks what the URL makes most likely, unless somebody said what to speak.
fn guess_dialect(args: &mut RunArgs, given: &Given) {
    let guess = args.targets.iter().find_map(|target| DialectName::guess(target));
    if let (false, Some(guess)) = (given.has("dialect"), guess) {
        let _ = writeln!(
            std::io::stderr(),
            "speaking {guess}, by the URL; --dialect says otherwise"
        );
        args.dialect = guess.into();
    }
}

async fn once(args: &RunArgs, plan: &Plan, number: u32) -> Result<Report, RunError> {
    let scenario = plan.scenario.clone();
    let viewers = scenario.rooms.iter().map(|room| u64::from(room.viewers)).sum();
    let streamed = scenario.streamed();
    let simulated = scenario.network.sim.is_some();
    let mut run = match &plan.url {
        Some(url) => match plan.play.as_ref() {
            Some(play) => Run::through_media_server(url.clone(), play.clone()),
            None => Run::against(url.clone()),
        },
        None if simulated => Run::simulated(scenario.seed),
        None => Run::embedded(),
    };
    run = run
        .scenario(scenario)
        .access(plan.access.clone())
        .output_dir(output_dir(args, number));
    if simulated {
        // Its time is not ours: there is nothing to wait for on the way.
        return run.run().await;
    }
    if let Some(ledger) = &args.ledger {
        run = run.ledger(ledger.clone());
    }
    let progress = run.progress();
    // A server under test has a process group of its own, which a Ctrl-C on the terminal does not reach: it ends with
    // the run that is dropped here.
    let started = tokio::select! {
        biased;
        () = interrupt_signal() => None,
        started = run.start() => Some(started),
    };
    let Some(started) = started else {
        complain("interrupted before the bots were on their way; nothing was measured");
        std::process::exit(i32::from(crate::report::EXIT_INTERRUPTED));
    };
    let mut handle = started?;
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
        let report = tokio::select! {
            biased;
            report = handle.finish() => Some(report),
            () = interrupt_signal() => None,
        };
        drop(line);
        if let Some(report) = report {
            return report;
        }
        // The run is dropped; what it started ends with its task, which has a moment for it.
        tokio::time::sleep(LAST_MOMENT).await;
        std::process::exit(i32::from(exit::KILLED));
    }
    let report = handle.finish().await;
    drop(line);
    report
}

/// How long a run that is killed has to end what it started.
const LAST_MOMENT: Duration = Duration::from_millis(200);

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

/// What to run, where, and what gets the bots in.
struct Plan {
    scenario: Scenario,
    url: Option<String>,
    /// Where viewers play, if the URL is where a broadcaster publishes.
    play: Option<String>,
    access: Access,
}

impl Plan {
    /// What the file says, if there is one, and the flags over it.
    fn of(args: &RunArgs, given: &Given) -> Result<Self, String> {
        let (files, urls): (Vec<_>, Vec<_>) =
            args.targets.iter().partition(|target| target.ends_with(".toml"));
        let (file, url) = match (files.as_slice(), urls.as_slice()) {
            ([], [] | [_]) | ([_], [] | [_]) => (files.first(), urls.first()),
            (_, []) => return Err("two scenario files are given; a run has one".to_owned()),
            _ => return Err("two signaling servers are given; a run has one".to_owned()),
        };
        let (url, play) = match (&args.publish, &args.play, url) {
            (None, None, url) => (url.map(|url| (*url).clone()), None),
            (_, _, Some(_)) => {
                return Err(
                    "--publish and --play say where the media server is; leave the other URL out".to_owned(),
                );
            }
            (Some(publish), play, None) => (Some(publish.clone()), play.clone()),
            (None, Some(play), None) => (Some(play.clone()), None),
        };
        let mut scenario = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                let scenario = Scenario::from_toml(&text).map_err(|error| format!("{path}: {error}"))?;
                over(scenario, args, |flag| given.has(flag))?
            }
            None => over(without_file(args)?, args, |_| true)?,
        };
        if args.publish.is_some() || args.play.is_some() {
            scenario.dialect = if args.publish.is_some() {
                DialectName::Whip.into()
            } else {
                DialectName::Whep.into()
            };
            if file.is_none() {
                scenario
                    .timeline
                    .retain(|timed| !matches!(timed.action, Action::Chat { .. }));
            }
        }
        let is_for_two = scenario.dialect.built_in().is_some_and(DialectName::is_for_two);
        if is_for_two && file.is_none() && !given.has("viewers") {
            scenario.rooms.iter_mut().for_each(|room| room.viewers = 1);
        }
        if let Some(sim) = &args.sim {
            scenario.network.sim = Some(network(sim)?);
        }
        scenario.wire_faults.extend(args.fault.iter().cloned());
        if let Some(impair) = &args.impair {
            (scenario.network.up, scenario.network.down) = both_ways(&network(impair)?)?;
        }
        if scenario.network.sim.is_some() {
            if url.is_some() {
                return Err(
                    "a simulated run has a signaling server of its own; leave the URL or --sim out"
                        .to_owned(),
                );
            }
            if file.is_none() {
                scenario.media.size = Size::SMALL;
            }
        }
        Ok(Self {
            scenario,
            url,
            play,
            access: args.access.access()?,
        })
    }
}

/// What a network does to every viewer, up and down, where there are only real sockets.
fn both_ways(file: &NetworkFile) -> Result<(Option<LinkSpec>, Option<LinkSpec>), String> {
    let every = file.viewer(u32::MAX);
    if !file.viewers.is_empty() || file.broadcaster != AccessSpec::default() || every.nat != NatKind::None {
        return Err(
            "--impair has the same links for every viewer and no NAT; leave [broadcaster], [[viewers]] and nat \
             to --sim"
                .to_owned(),
        );
    }
    Ok((Some(every.up), Some(every.down)))
}

/// A network by its preset's name, or from a file.
fn network(text: &str) -> Result<NetworkFile, String> {
    if !text.ends_with(".toml") {
        let preset = text.parse::<NetworkPreset>().map_err(|error| error.to_string())?;
        return Ok(NetworkFile::of_preset(preset));
    }
    let read = std::fs::read_to_string(text).map_err(|error| format!("{text}: {error}"))?;
    NetworkFile::parse(&read).map_err(|error| format!("{text}: {error}"))
}

/// What flags alone do: one room, and on the way a line of chat and a short mute.
fn without_file(args: &RunArgs) -> Result<Scenario, String> {
    let timeline = match RoleSelection::from(args.role) {
        // Somebody else's broadcaster has its own plans.
        RoleSelection::Viewers => Vec::new(),
        RoleSelection::All | RoleSelection::Broadcaster => {
            let mut timeline = Scenario::default_timeline(args.warmup, args.duration);
            let dialect = args.dialect.read().map_err(|error| error.to_string())?;
            timeline.retain(|timed| match timed.action {
                Action::Chat { .. } => dialect.has_chat() && args.topology == Topology::Broadcast,
                // A file pauses while it is muted, which is a freeze to viewers that nobody tells.
                Action::Mute(_) | Action::Unmute(_) => dialect.says_muted() || args.codec != Codec::Vp8,
                _ => true,
            });
            timeline
        }
    };
    Ok(Scenario {
        timeline,
        ..Scenario::default()
    })
}

/// The scenario with those flags that count.
fn over(mut scenario: Scenario, args: &RunArgs, counts: impl Fn(&str) -> bool) -> Result<Scenario, String> {
    let set = |flag: &str, change: &mut dyn FnMut()| {
        if counts(flag) {
            change();
        }
    };
    if counts("room") {
        match scenario.rooms.as_mut_slice() {
            [room] => room.name.clone_from(&args.room),
            rooms => {
                return Err(format!(
                    "--room names one room, but the scenario has {}; leave it out",
                    rooms.len()
                ));
            }
        }
    }
    set("dialect", &mut || scenario.dialect.clone_from(&args.dialect));
    set("viewers", &mut || {
        for room in &mut scenario.rooms {
            room.viewers = args.viewers;
        }
    });
    set("topology", &mut || {
        scenario.topology = args.topology;
        if args.topology == Topology::Call {
            scenario.make_call();
        }
    });
    set("call_start", &mut || scenario.call.start = args.call_start);
    let media = &mut scenario.media;
    set("codec", &mut || media.codec = args.codec);
    set("video", &mut || media.video.clone_from(&args.video));
    set("audio", &mut || {
        media.audio = args.audio.clone().unwrap_or_default()
    });
    set("adapt", &mut || media.adapt = args.adapt);
    set("data_channel", &mut || media.data_channel = args.data_channel);
    set("fps", &mut || media.fps = args.fps);
    set("bitrate", &mut || media.bitrate_bps = args.bitrate);
    set("seed", &mut || scenario.seed = args.seed);
    set("role", &mut || scenario.role = args.role.into());
    set("join_rate", &mut || scenario.join.rate_per_s = args.join_rate);
    set("warmup", &mut || scenario.warmup = args.warmup);
    set("exec", &mut || {
        scenario.exec = args.exec.as_ref().map(|command| ExecSpec {
            ready_url: args.ready_url.clone(),
            timeout: args.exec_timeout,
            ..ExecSpec::new(command)
        });
    });
    set("no_reconnect", &mut || {
        if args.no_reconnect {
            scenario.reconnect.attempts = Some(0);
        }
    });
    set("abort_on_fail", &mut || {
        scenario.abort_on_fail = args.abort_on_fail
    });
    set("duration", &mut || scenario.duration = args.duration);
    set("deadline", &mut || scenario.deadlines.frame = args.deadline);
    set("decode", &mut || scenario.decode = args.decode);
    args.ice.over(&mut scenario.network.ice, counts);
    Ok(scenario)
}

/// The run folder: the one that was asked for, or a new one named for the time.
fn output_dir(args: &RunArgs, number: u32) -> PathBuf {
    let dir = args.output_dir.clone().unwrap_or_else(new_folder);
    if args.repeat > 1 {
        dir.join(format!("run-{number}"))
    } else {
        dir
    }
}

/// A folder of its own under `greenroom-runs`, named for now.
pub(super) fn new_folder() -> PathBuf {
    let now = UNIX_EPOCH + Duration::from_micros(crate::clock::unix_us());
    let name = humantime::format_rfc3339_millis(now)
        .to_string()
        .replace(':', "-");
    PathBuf::from("greenroom-runs").join(name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impairment_has_the_presets_links_each_in_its_own_direction() {
        let lte = NetworkPreset::Lte;
        let (up, down) = both_ways(&network("lte").unwrap()).unwrap();
        assert_eq!((up, down), (Some(lte.up()), Some(lte.down())));
        assert_ne!(lte.up(), lte.down());
        let mut natted = NetworkFile::of_preset(lte);
        natted.default.nat = Some(NatKind::Symmetric);
        assert!(both_ways(&natted).unwrap_err().contains("--sim"));
    }
}
