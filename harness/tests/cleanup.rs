//! What a run leaves behind: nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use support::{ms, on_sockets, report, within};
use tokio::runtime::Handle;

/// The two tests count what the process has open, so the second waits for the first.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The sockets of this process.
fn sockets() -> BTreeSet<PathBuf> {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .collect()
}

/// Waits until there are no more tasks and sockets than before; says what is left when that does not happen.
async fn gone(tasks: usize, sockets_before: &BTreeSet<PathBuf>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let alive = Handle::current().metrics().num_alive_tasks();
        let open: Vec<PathBuf> = sockets().difference(sockets_before).cloned().collect();
        if alive <= tasks && open.is_empty() {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "left: {alive} tasks (before: {tasks}), {open:?}"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_no_task_and_no_socket_whether_it_ends_or_is_dropped() {
    let _alone = ALONE.lock().await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    let before = sockets();

    report(on_sockets().duration(ms(500))).await.assert_passed();
    gone(tasks, &before).await;

    let mut handle = on_sockets().duration(ms(60_000)).start().await.unwrap();
    within(ms(10_000), handle.ready()).await;
    assert!(sockets().len() > before.len(), "a live run has sockets");
    drop(handle);
    gone(tasks, &before).await;

    // Dropped while the bots are on their way.
    drop(on_sockets().start().await.unwrap());
    gone(tasks, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_writes_nothing_unless_it_is_asked_and_then_what_it_says() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let run = on_sockets().duration(ms(500)).output_dir(dir.path().join("out"));
    let report = report(run).await;
    report.assert_passed();
    let written = std::fs::read_to_string(dir.path().join("out/report.json")).unwrap();
    let read: greenroom::Report = serde_json::from_str(&written).unwrap();
    assert_eq!(read.measured.totals, report.measured.totals);

    let trace = std::fs::read_to_string(dir.path().join("out/trace.jsonl")).unwrap();
    let mut lines = trace.lines();
    let header: greenroom::trace::TraceHeader = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(header.greenroom_trace, greenroom::trace::TRACE_VERSION);
    let events: Vec<greenroom::trace::TraceEvent> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert_eq!(report.trace_events, Some(events.len() as u64));
    assert_eq!(report.trace_events_dropped, Some(0));
    let peers: BTreeSet<&str> = events.iter().map(|event| event.peer.as_str()).collect();
    assert!(
        peers.contains("broadcaster") && peers.contains("viewer-1") && peers.contains("viewer-2"),
        "{peers:?}"
    );
    assert!(trace.contains("a=ice-pwd:["), "descriptions are in the trace");
    assert!(
        !trace.replace("a=ice-pwd:[", "").contains("a=ice-pwd:"),
        "and no password is"
    );
    // Bounded by viewers and seconds: one viewer's frames, one summary a second each, and the rest is control.
    assert!(events.len() < 600, "{} events", events.len());
}
