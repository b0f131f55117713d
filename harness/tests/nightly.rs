//! What takes minutes and the whole machine: `ci/test nightly`.

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use greenroom::{Report, Run, Verdict};
use support::{ms, within};

/// Tries of each verdict.
const TRIES: usize = 10;

/// Processes that do nothing but use a CPU; they end with the test.
struct Hogs(Vec<Child>);

impl Hogs {
    /// Four for each core: everybody else waits in line.
    fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hog = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
        Self((0..cores * 4).filter_map(|_| hog().ok()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

/// A signaling server in a process of its own.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> std::io::Result<Self> {
        use std::io::BufRead as _;
        let mut child = Command::new(env!("CARGO_BIN_EXE_greenroom"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            std::io::BufReader::new(stdout).read_line(&mut line)?;
        }
        let url = line.split_whitespace().last().unwrap_or_default().to_owned();
        Ok(Self { child, url })
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &pid])
                .status()
                .is_ok_and(|status| status.success())
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn report(run: Run) -> Report {
    match within(ms(120_000), run.run()).await {
        Ok(report) => report,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and the whole machine; ci/test nightly runs it"]
async fn beside_a_cpu_hog_the_verdict_is_invalid_ten_times_of_ten() {
    let _hogs = Hogs::start();
    for attempt in 1..=TRIES {
        let report = report(Run::embedded().duration(ms(4_000))).await;
        let why = &report.because;
        assert_eq!(
            report.verdict,
            Verdict::Invalid,
            "attempt {attempt}: {why}\n{}",
            report.table(greenroom::Style::Plain)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and the whole machine; ci/test nightly runs it"]
async fn a_server_that_stands_still_during_the_joins_is_a_failure_ten_times_of_ten() {
    for attempt in 1..=TRIES {
        let server = Server::start().expect("the server starts");
        server.signal("STOP");
        let run = tokio::spawn(report(Run::against(server.url.clone()).duration(ms(2_000))));
        // Six seconds of standing still are the fault itself, not a way to wait for something.
        tokio::time::sleep(ms(6_000)).await;
        server.signal("CONT");
        let report = run.await.expect("the run ends");
        assert_eq!(
            report.verdict,
            Verdict::Fail,
            "attempt {attempt}: {}\n{}",
            report.because,
            report.table(greenroom::Style::Plain)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and the whole machine; ci/test nightly runs it"]
async fn fifty_viewers_for_twenty_seconds_are_verified_to_the_last_frame() {
    let report = report(Run::embedded().viewers(50).duration(ms(20_000))).await;
    report.assert_passed();
    assert_eq!(report.measured.totals.expected, report.measured.totals.verified);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and the whole machine; ci/test nightly runs it"]
async fn one_viewer_of_fifty_that_never_gets_a_key_frame_is_found_alone() {
    let fault = greenroom::MediaFault::WithholdKeyFrames { viewer: 37 };
    let report = report(Run::embedded().viewers(50).duration(ms(3_000)).fault(fault)).await;
    assert_eq!(report.verdict, Verdict::Fail);
    let errors = support::errors(&report);
    assert!(
        errors
            .iter()
            .all(|finding| finding.peer.as_deref() == Some("viewer-37")),
        "{errors:#?}"
    );
    assert!(
        errors
            .iter()
            .any(|finding| finding.kind == greenroom::FindingKind::NoKeyFrame),
        "{errors:#?}"
    );
    assert_eq!(report.criteria[0].figure, "49 of 50");
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir(Path::new("/proc/self/fd")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and the whole machine; ci/test nightly runs it"]
async fn a_hundred_runs_in_one_process_leave_no_descriptor() {
    let mut after_first = None;
    for _ in 0..100 {
        report(support::on_sockets().duration(ms(200)))
            .await
            .assert_passed();
        let open = descriptors();
        let allowed = *after_first.get_or_insert(open);
        // A closed socket may still be on its way out.
        assert!(
            open <= allowed + 4,
            "{open} descriptors, {allowed} after the first run"
        );
    }
}
