//! What the end-to-end tests share: a small run, and a deadline for everything.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

pub(crate) mod app;
pub(crate) mod call;
pub(crate) mod camera;
pub(crate) mod chromium;
pub(crate) mod command;
pub(crate) mod coturn;
pub(crate) mod faulty;
pub(crate) mod janus;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod peers;
pub(crate) mod process;
pub(crate) mod served;
pub(crate) mod site;
pub(crate) mod tutorials;

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use greenroom::{Finding, FindingKind, Report, Run, Severity, Verdict};
use greenroom_fixtures::Size;

/// A call in virtual time, which takes a fraction of what it lasts and has no busy neighbours. The nightly
/// checks set `GREENROOM_TESTS_ON=sockets` and do all of them on sockets.
pub(crate) fn small() -> Run {
    if std::env::var("GREENROOM_TESTS_ON").is_ok_and(|on| on == "sockets") {
        return on_sockets();
    }
    Run::simulated(1).viewers(2).duration(Duration::from_secs(2))
}

/// The same in real time, over real sockets. Small pictures: the tests ask whether frames arrive, not how much a
/// core encodes.
pub(crate) fn on_sockets() -> Run {
    Run::embedded()
        .size(Size::SMALL)
        .viewers(2)
        .duration(Duration::from_secs(2))
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Awaits under a deadline that is far beyond anything healthy.
pub(crate) async fn within<T>(deadline: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(deadline, future)
        .await
        .unwrap_or_else(|_| panic!("nothing within {deadline:?}"))
}

/// Does a run under a deadline, and again if the machine was too busy for it to say anything.
///
/// `invalid` means just that: do it again. Three times in a row is no coincidence and is given out.
/// Each repeat is written past the test runner's capture, so that `ci/flakes` can count them: a suite
/// that repeats often is a suite that measures the machine.
pub(crate) async fn report(mut run: Run) -> Report {
    let scenario = run.scenario_mut().clone();
    let mut report = within(Duration::from_secs(60), run.run()).await.unwrap();
    for _ in 0..2 {
        if report.verdict != Verdict::Invalid {
            break;
        }
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        let why: Vec<_> = errors(&report)
            .iter()
            .map(|error| error.message.as_str())
            .collect();
        let _ = writeln!(std::io::stderr(), "repeated: {name}: {}", why.join("; "));
        // Only the machine's time makes a run invalid, and only on sockets does it count.
        let again = Run::embedded().scenario(scenario.clone());
        report = within(Duration::from_secs(60), again.run()).await.unwrap();
    }
    report
}

/// The errors that were found.
pub(crate) fn errors(report: &Report) -> Vec<&Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect()
}

/// The only error that was found.
#[track_caller]
pub(crate) fn only_error(report: &Report, kind: FindingKind) -> &Finding {
    let errors = errors(report);
    assert!(
        errors.len() == 1 && errors[0].kind == kind,
        "expected one {kind:?}, found {errors:#?}\n{}",
        report.table(greenroom::Style::Plain)
    );
    errors[0]
}
