//! The command as a person meets it: help, errors with a remedy, exit codes, JSON, signals, two processes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use greenroom::{Report, Verdict};
use support::command::{Server, call, finish, greenroom, signal, text};

#[test]
fn the_default_run_passes_prints_its_table_and_keeps_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let output = finish(
        greenroom(dir.path(), &["run", "--duration", "2s"])
            .spawn()
            .unwrap(),
        Duration::from_secs(60),
    );
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}\n{}", text(&output.stderr));
    for part in [
        "expected",
        "verified",
        "frame latency",
        "fan-out skew",
        "generator",
        "PASS",
    ] {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
    assert!(!table.contains('\u{1b}'), "no colours on a pipe");
    assert_eq!(text(&output.stderr), "", "quiet on a pipe");
    let runs: Vec<_> = std::fs::read_dir(dir.path().join("greenroom-runs"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(runs.len(), 1);
    for file in ["report.json", "trace.jsonl"] {
        assert!(runs[0].path().join(file).is_file(), "{file}");
    }
}

#[test]
fn json_has_stdout_for_itself_and_repeats_line_by_line() {
    let args = [
        "run",
        "--duration",
        "500ms",
        "--viewers",
        "1",
        "--repeat",
        "2",
        "--reporter",
        "json",
        "--reporter",
        "table",
    ];
    let output = call(&args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let reports: Vec<Report> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a report a line"))
        .collect();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|report| report.verdict == Verdict::Pass));
    assert!(
        text(&output.stderr).contains("PASS"),
        "the table goes to stderr beside JSON"
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let viewers = |args: &[&str]| {
        let mut command = greenroom(dir.path(), &["run", "--duration", "300ms", "--reporter", "json"]);
        let output = command
            .args(args)
            .env("GREENROOM_VIEWERS", "2")
            .env("GREENROOM_ROOM", "stage")
            .output()
            .unwrap();
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report.scenario.rooms[0].name, "stage");
        report.scenario.rooms[0].viewers
    };
    assert_eq!(viewers(&[]), 2);
    assert_eq!(viewers(&["--viewers", "3"]), 3);
}

#[test]
fn a_scenario_file_wins_over_the_defaults_and_flags_win_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = "seed = 5\nduration = \"400ms\"\nmedia.size = \"160x90\"\n\
                [[rooms]]\nname = \"file\"\nviewers = 2\n\
                [[timeline]]\nat = \"100ms\"\naction = { chat = { from = { viewer = 2 }, text = \"hi\" } }\n";
    std::fs::write(dir.path().join("call.toml"), file).unwrap();
    let run = |args: &[&str], seed: Option<&str>| {
        let mut command = greenroom(dir.path(), &["run", "call.toml", "--reporter", "json"]);
        if let Some(seed) = seed {
            command.env("GREENROOM_SEED", seed);
        }
        let output = command.args(args).output().unwrap();
        let report: Report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        report.scenario
    };
    let scenario = run(&[], None);
    assert_eq!(scenario, greenroom::Scenario::from_toml(file).unwrap());
    // A flag that is set to its default is set.
    let changed = run(&["--seed", "1", "--duration", "300ms"], Some("9"));
    assert_eq!((changed.seed, changed.duration), (1, Duration::from_millis(300)));
    assert_eq!(changed.rooms, scenario.rooms);
    assert_eq!(changed.timeline, scenario.timeline);
    assert_eq!(run(&[], Some("9")).seed, 9);
}

#[test]
fn every_flag_reaches_the_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.y4m");
    let made = greenroom(
        dir.path(),
        &[
            "fixture",
            "generate",
            "--size",
            "160x90",
            "--seconds",
            "1",
            "clip.y4m",
        ],
    )
    .output();
    assert_eq!(made.unwrap().status.code(), Some(0));
    let args = [
        "run",
        "--room",
        "r",
        "--viewers",
        "3",
        "--join-rate",
        "50/s",
        "--duration",
        "1s",
        "--warmup",
        "200ms",
        "--video",
        "clip.y4m",
        "--bitrate",
        "300k",
        "--fps",
        "15",
        "--decode",
        "2",
        "--deadline",
        "400ms",
        "--seed",
        "9",
        "--output-dir",
        "here",
        "--reporter",
        "json",
    ];
    let output = greenroom(dir.path(), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let scenario = &report.scenario;
    assert_eq!(
        scenario.media.video.as_deref().map(|path| dir.path().join(path)),
        Some(clip)
    );
    assert_eq!(
        (scenario.media.bitrate_bps, scenario.media.fps),
        (300_000, Some(15))
    );
    assert_eq!(scenario.join.rate_per_s, Some(50.0));
    assert_eq!((scenario.seed, scenario.rooms[0].viewers), (9, 3));
    assert_eq!(scenario.deadlines.frame, Duration::from_millis(400));
    assert_eq!(
        report
            .measured
            .viewers
            .iter()
            .filter(|viewer| viewer.decoded.is_some())
            .count(),
        2
    );
    // 1.2 s at 15 fps, and a little while joining.
    let frames = report.measured.broadcasters[0].frames;
    assert!((16..120).contains(&frames), "{frames} frames");
    assert!(
        report
            .measured
            .delays
            .capture
            .as_ref()
            .is_some_and(|capture| capture.count <= 17),
        "the warm-up is not measured"
    );
    assert!(dir.path().join("here/report.json").is_file());
}

#[test]
fn a_file_of_the_drawn_clip_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "fixture",
        "generate",
        "--size",
        "320x180",
        "--seconds",
        "2",
        "--fps",
        "10",
        "clip.y4m",
    ];
    assert_eq!(
        greenroom(dir.path(), &args).output().unwrap().status.code(),
        Some(0)
    );
    let clip = greenroom_fixtures::Clip::open_y4m(&dir.path().join("clip.y4m")).unwrap();
    assert_eq!(
        (clip.frames(), clip.size().to_string()),
        (20, "320x180".to_owned())
    );
}

#[test]
fn a_server_listens_for_each_dialect_that_it_is_told_to_and_says_so_in_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = greenroom(dir.path(), &["serve"])
        .args(["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0=tutorial-28"])
        .args([
            "--listen",
            "127.0.0.1:0=relay",
            "--listen",
            "127.0.0.1:0=socketio-rooms",
        ])
        .spawn()
        .unwrap();
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .take(4)
        .map(Result::unwrap)
        .collect();
    for (line, (begin, end)) in lines.iter().zip([
        ("listening on ws://127.0.0.1:", "/"),
        ("listening on ws://127.0.0.1:", "/ (broadcast-ws)"),
        ("listening on ws://127.0.0.1:", "/ (relay)"),
        ("listening on http://127.0.0.1:", "/socket.io/ (socketio-rooms)"),
    ]) {
        let port = line.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end));
        let port: u16 = port.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
            "{line}"
        );
    }
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0), "one Ctrl-C ends all");
}

#[test]
fn broadcaster_and_viewers_in_two_processes_are_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let url = server.url.clone();
    let common = ["--viewers", "3", "--ledger", "ledger.jsonl", "--reporter", "json"];
    let broadcaster = greenroom(
        dir.path(),
        &["run", &url, "--role", "broadcaster", "--duration", "4s"],
    )
    .args(common)
    .spawn()
    .unwrap();
    let viewers = greenroom(
        dir.path(),
        &["run", &url, "--role", "viewers", "--duration", "2s"],
    )
    .args(common)
    .spawn()
    .unwrap();
    let viewers = finish(viewers, Duration::from_secs(60));
    let report: Report = serde_json::from_slice(&viewers.stdout).unwrap();
    assert_eq!(
        viewers.status.code(),
        Some(0),
        "{}",
        report.table(greenroom::Style::Plain)
    );
    assert_eq!(
        report.measured.judged_at,
        greenroom::measure::measured::JudgedAt::Exact
    );
    assert!(report.measured.totals.verified > 100);
    assert_eq!(report.measured.totals.expected, report.measured.totals.verified);
    assert!(
        report.measured.delays.frame_latency.is_some(),
        "one host, one clock"
    );
    let broadcaster = finish(broadcaster, Duration::from_secs(60));
    let report: Report = serde_json::from_slice(&broadcaster.stdout).unwrap();
    assert_eq!(
        broadcaster.status.code(),
        Some(120),
        "a broadcaster alone verifies nothing"
    );
    assert_eq!(report.measured.broadcasters[0].connections, 3);
    signal(&server.child, "INT");
    assert_eq!(
        server.child.wait().unwrap().code(),
        Some(0),
        "a server that is told to end has not failed"
    );
}

#[test]
fn viewers_without_a_ledger_say_at_which_level_they_judged_and_do_not_pass() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let url = server.url.clone();
    let broadcaster = greenroom(
        dir.path(),
        &[
            "run",
            &url,
            "--role",
            "broadcaster",
            "--viewers",
            "1",
            "--duration",
            "60s",
        ],
    )
    .spawn()
    .unwrap();
    let judged_at = |decode: &str| {
        let args = [
            "run",
            &url,
            "--role",
            "viewers",
            "--viewers",
            "1",
            "--duration",
            "500ms",
            "--decode",
            decode,
            "--reporter",
            "json",
        ];
        let output = finish(
            greenroom(dir.path(), &args).spawn().unwrap(),
            Duration::from_secs(60),
        );
        assert_eq!(output.status.code(), Some(120), "{}", text(&output.stderr));
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report.because.contains("--ledger"), "{}", report.because);
        report.measured.judged_at
    };
    assert_eq!(judged_at("none"), greenroom::measure::measured::JudgedAt::Intact);
    assert_eq!(judged_at("all"), greenroom::measure::measured::JudgedAt::Stamped);
    signal(&broadcaster, "INT");
    finish(broadcaster, Duration::from_secs(20));
}

#[test]
fn the_first_ctrl_c_reports_and_the_second_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let mut child = greenroom(
            dir.path(),
            &[
                "run",
                "--duration",
                "60s",
                "--viewers",
                "1",
                "--output-dir",
                "out",
            ],
        )
        .spawn()
        .unwrap();
        wait_for_trace(&mut child, &dir.path().join("out/trace.jsonl"));
        child
    };
    let child = start();
    signal(&child, "INT");
    let output = finish(child, Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(105), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("interrupted"),
        "{}",
        text(&output.stdout)
    );

    // Viewers without a ledger do not know when everything is here, so they take the whole time to drain.
    let server = Server::start(dir.path());
    let url = server.url.as_str();
    let common = ["--viewers", "1", "--duration", "60s", "--room", "second"];
    let broadcaster = greenroom(
        dir.path(),
        &["run", url, "--role", "broadcaster", "--output-dir", "b"],
    )
    .args(common)
    .spawn()
    .unwrap();
    let mut viewers = greenroom(
        dir.path(),
        &["run", url, "--role", "viewers", "--output-dir", "v"],
    )
    .args(common)
    .spawn()
    .unwrap();
    wait_for_trace(&mut viewers, &dir.path().join("v/trace.jsonl"));
    signal(&viewers, "INT");
    // The second one only after the first has been taken, or the two would be one.
    let mut stderr = viewers.stderr.take().unwrap();
    let mut seen = Vec::new();
    while !text(&seen).contains("Ctrl-C again") {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", text(&seen));
        seen.push(byte[0]);
    }
    signal(&viewers, "INT");
    assert_eq!(finish(viewers, Duration::from_secs(20)).status.code(), Some(130));
    signal(&broadcaster, "KILL");
    finish(broadcaster, Duration::from_secs(20));
}

/// Waits until frames flow.
fn wait_for_trace(child: &mut Child, trace: &Path) {
    // The file belongs to another process, so it is looked at, for 20 s at the most.
    for _ in 0..2_000 {
        if std::fs::read_to_string(trace).is_ok_and(|events| events.contains("first-frame")) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "the command ended early");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("no frames within 20 s");
}

#[test]
fn help_teaches_by_examples() {
    for args in [
        &["--help"][..],
        &["run", "--help"],
        &["fixture", "generate", "--help"],
    ] {
        let output = call(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("Example"), "{args:?}");
    }
    assert!(text(&call(&["run", "--help"]).stdout).contains("GREENROOM_VIEWERS"));
    assert_eq!(call(&["--version"]).status.code(), Some(0));
}
