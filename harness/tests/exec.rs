//! Servers under test that the run starts itself: ready, watched, quoted, and gone afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::net::TcpListener;
use std::time::Duration;

use greenroom::{ExecError, ExecSpec, Report, Run, RunError, Verdict};
use greenroom_fixtures::Size;
use support::command::{finish, greenroom, signal, text};
use support::{errors, ms, within};

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn serve(port: u16) -> String {
    format!(
        "{} serve --listen 127.0.0.1:{port}",
        env!("CARGO_BIN_EXE_greenroom")
    )
}

async fn run(port: u16, exec: ExecSpec) -> Result<Report, RunError> {
    let run = Run::against(format!("ws://127.0.0.1:{port}/")).exec(exec);
    let run = run.viewers(1).size(Size::SMALL).duration(ms(2_000));
    within(Duration::from_secs(60), run.run()).await
}

/// Waits until a process is gone; a killed one stays in /proc until it is reaped.
async fn ended(pid: &str) {
    let path = format!("/proc/{}/cmdline", pid.trim());
    let gone = async {
        while std::fs::read_to_string(&path).is_ok_and(|line| !line.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    within(Duration::from_secs(10), gone).await;
}

fn is_gone(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_started_measured_and_stopped() {
    let port = free_port();
    let report = run(port, ExecSpec::new(serve(port))).await.unwrap();
    report.assert_passed();
    let process = report
        .measured
        .server_process
        .as_ref()
        .expect("this machine tells");
    assert!(process.rss_max > 1 << 20, "{process:?}");
    assert!(process.samples > 1 && process.cores_used < 2.0, "{process:?}");
    assert!(report.table(greenroom::Style::Plain).contains("server       0."));
    assert!(is_gone(port));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_answers_makes_a_server_ready() {
    let port = free_port();
    let exec = ExecSpec {
        ready_url: Some(format!("http://127.0.0.1:{port}/healthz")),
        ..ExecSpec::new(serve(port))
    };
    run(port, exec).await.unwrap().assert_passed();
}

#[tokio::test]
async fn a_command_that_ends_at_once_is_quoted_with_its_status() {
    let command = "echo starting; echo 'Error: Cannot find module express' >&2; exit 7";
    let error = run(free_port(), ExecSpec::new(command)).await.unwrap_err();
    assert!(
        matches!(&error, RunError::Exec(ExecError::Ended { .. })),
        "{error}"
    );
    let said = error.to_string();
    assert!(said.contains("exited with status 7"), "{said}");
    assert!(said.contains("Cannot find module express"), "{said}");
}

#[tokio::test]
async fn a_command_that_never_listens_is_given_up_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("pid");
    let exec = ExecSpec {
        timeout: ms(300),
        ..ExecSpec::new(format!("sleep 600 & echo $! > {}; wait", witness.display()))
    };
    let error = run(free_port(), exec).await.unwrap_err();
    assert!(
        matches!(&error, RunError::Exec(ExecError::NotReady { .. })),
        "{error}"
    );
    let pid = std::fs::read_to_string(&witness).unwrap();
    ended(&pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_on_the_way_is_the_cause_with_its_last_words() {
    let port = free_port();
    let command = format!(
        "{} & server=$!; sleep 1; echo 'FATAL: heap out of memory' >&2; kill -9 $server; exit 134",
        serve(port)
    );
    let report = run(port, ExecSpec::new(command)).await.unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    let found = errors(&report);
    let ended = found
        .iter()
        .find(|finding| finding.message.contains("ended by itself"));
    let said = &ended.expect("it is found").message;
    assert!(said.contains("exited with status 134"), "{said}");
    assert!(said.contains("FATAL: heap out of memory"), "{said}");
    assert!(report.because.contains("ended by itself"), "{}", report.because);
}

#[tokio::test]
async fn a_port_that_is_taken_already_would_test_the_wrong_server() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = run(port, ExecSpec::new("sleep 600")).await.unwrap_err();
    assert!(
        matches!(&error, RunError::Exec(ExecError::Occupied { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_without_a_url_is_refused() {
    let error = Run::embedded().exec(ExecSpec::new("true")).run().await;
    assert!(error.expect_err("bots would not find it").is_bad_input());
}

/// The command itself: its server has a process group of its own, which no Ctrl-C of a terminal reaches.
#[tokio::test]
async fn an_interrupt_while_the_server_starts_ends_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", witness.display());
    let url = format!("ws://127.0.0.1:{}/", free_port());
    let child = greenroom(folder.path(), &["run", &url, "--exec", &script])
        .spawn()
        .unwrap();
    let started = async {
        loop {
            match std::fs::read_to_string(&witness) {
                Ok(pid) if pid.ends_with('\n') => return pid,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let pid = within(Duration::from_secs(10), started).await;
    signal(&child, "INT");
    let output = finish(child, Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(105), "{}", text(&output.stderr));
    ended(&pid).await;
}
