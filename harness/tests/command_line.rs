//! The command as a person meets it: help, errors with a remedy, exit codes, JSON, signals, two processes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use greenroom::{Report, Verdict};

/// A call of the command in a folder of its own.
fn greenroom(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    command
        .args(args)
        .current_dir(dir)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn call(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    greenroom(dir.path(), args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for a child under a deadline, and kills it beyond.
fn finish(child: Child, deadline: Duration) -> Output {
    let pid = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    ended.recv_timeout(deadline).map_or_else(
        |_| {
            signal_pid(pid, "KILL");
            panic!("the command did not end within {deadline:?}: {:?}", ended.recv());
        },
        Result::unwrap,
    )
}

fn signal(child: &Child, name: &str) {
    signal_pid(child.id(), name);
}

fn signal_pid(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// A signaling server in a process of its own; it ends with the test, however that ends.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut child = greenroom(dir, &["serve", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let line = read_until(&mut child, "ws://");
        let url = line.split_whitespace().last().unwrap().to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a child's output up to a line that contains `what`.
fn read_until(child: &mut Child, what: &str) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains(what)));
    line.unwrap_or_else(|| panic!("the command ended without saying {what:?}"))
}

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

/// Each malformed input, and what the message must say: the problem, and what to do.
#[test]
fn malformed_inputs_are_refused_with_104_the_problem_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("empty.y4m", b"");
    write("text.y4m", b"this is no video\n");
    write("huge.y4m", b"YUV4MPEG2 W100000 H100000 F30:1 Ip C420jpeg\n");
    write(
        "wrap.y4m",
        b"YUV4MPEG2 W18446744073709551615 H2 F30:1 Ip C420jpeg\n",
    );
    write("rate.y4m", b"YUV4MPEG2 W64 H64 F0:0 Ip C420jpeg\n");
    write("interlaced.y4m", b"YUV4MPEG2 W64 H64 F30:1 It C420jpeg\n");
    write("deep.y4m", b"YUV4MPEG2 W64 H64 F30:1 Ip C420p10\n");
    write("wide.y4m", b"YUV4MPEG2 W64 H64 F30:1 Ip C444\n");
    write("bare.y4m", b"YUV4MPEG2 W64 H64 F30:1 Ip C420jpeg\n");
    let mut cut = b"YUV4MPEG2 W64 H64 F30:1 Ip C420jpeg\nFRAME\n".to_vec();
    cut.extend([0; 6_000]);
    write("cut.y4m", &cut);
    write("ledger-text.jsonl", b"no ledger\n");
    write("ledger-version.jsonl", br#"{"entry":"header","greenroom_ledger":99,"codec":"H264","clock_rate":90000,"epoch_unix_us":1,"boot_id":null}"#);
    write("ledger-version.jsonl", br#"{"entry":"header","greenroom_ledger":99,"codec":"H264","clock_rate":90000,"epoch_unix_us":1,"boot_id":null}
"#);
    write(
        "ledger-headless.jsonl",
        br#"{"entry":"close","broadcaster":"b","viewer":"v","last":1}
"#,
    );
    let cases: &[(&[&str], &str)] = &[
        (&["run", "--video", "missing.y4m"], "missing.y4m"),
        (&["run", "--video", "empty.y4m"], "empty.y4m"),
        (&["run", "--video", "text.y4m"], "ffmpeg"),
        (&["run", "--video", "huge.y4m"], "4096"),
        (&["run", "--video", "wrap.y4m"], "wrap.y4m"),
        (&["run", "--video", "rate.y4m"], "rate.y4m"),
        (&["run", "--video", "interlaced.y4m"], "ffmpeg"),
        (&["run", "--video", "deep.y4m"], "yuv420p"),
        (&["run", "--video", "wide.y4m"], "yuv420p"),
        (&["run", "--video", "bare.y4m"], "bare.y4m"),
        (&["run", "--video", "cut.y4m"], "cut.y4m"),
        (&["run", "--viewers", "0"], "--viewers 1"),
        (&["run", "--viewers", "-3"], "--help"),
        (&["run", "--viewers", "99999"], "--role viewers"),
        (&["run", "--duration", "soon"], "500ms"),
        (&["run", "--duration", "0s"], "100 ms"),
        (&["run", "--warmup", "18446744073709551615s"], "seven days"),
        (&["run", "--bitrate", "fast"], "800k"),
        (&["run", "--bitrate", "1"], "10 kbit/s"),
        (&["run", "--fps", "0"], "1 to 120"),
        (&["run", "--join-rate", "never"], "20/s"),
        (&["run", "--decode", "some"], "none"),
        (&["run", "--role", "audience"], "broadcaster"),
        (&["run", "--reporter", "xml"], "json"),
        (&["run", "--room", "two words"], "two words"),
        (&["run", "--repeat", "0"], "1..=10000"),
        (&["run", "--vidoe", "x"], "--video"),
        (&["run", "not a url"], "ws://HOST:PORT/"),
        (&["run", "http://127.0.0.1:3000/"], "ws://"),
        (&["run", "ws://user:pw@127.0.0.1/"], "leave it out"),
        (
            &[
                "run",
                "ws://127.0.0.1:9/",
                "--role",
                "viewers",
                "--ledger",
                "ledger-text.jsonl",
            ],
            "line 1",
        ),
        (
            &[
                "run",
                "ws://127.0.0.1:9/",
                "--role",
                "viewers",
                "--ledger",
                "ledger-version.jsonl",
            ],
            "same release",
        ),
        (
            &[
                "run",
                "ws://127.0.0.1:9/",
                "--role",
                "viewers",
                "--ledger",
                "ledger-headless.jsonl",
            ],
            "header",
        ),
        (
            &["run", "ws://127.0.0.1:9/", "--role", "viewers", "--ledger", "."],
            "directory",
        ),
        (&["run", "--output-dir", "/proc/nowhere"], "--output-dir"),
        (&["serve", "--listen", "localhost"], "--listen"),
        (&["serve", "--listen", "203.0.113.1:1"], "--listen"),
        (&["fixture", "generate", "--size", "big", "x.y4m"], "--size"),
        (&["fixture", "generate", "--size", "3x3", "x.y4m"], "--size"),
        (&["fixture", "generate", "missing/dir/x.y4m"], "missing/dir/x.y4m"),
        (&["walk"], "--help"),
    ];
    assert!(cases.len() >= 25);
    for (args, expect) in cases {
        let output = finish(
            greenroom(dir.path(), args).spawn().unwrap(),
            Duration::from_secs(20),
        );
        let message = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(104),
            "{args:?}: {message}{}",
            text(&output.stdout)
        );
        assert!(
            message.contains(expect),
            "{args:?} should say {expect:?}: {message}"
        );
        assert!(
            !message.contains("panicked") && !message.contains("pw@"),
            "{args:?}: {message}"
        );
    }
    assert!(
        !dir.path().join("greenroom-runs").exists(),
        "nothing was started, nothing is left"
    );
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
