//! The live progress line of a run, on stderr, when that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::bot::Progress;

/// How often the line changes.
const PERIOD: Duration = Duration::from_millis(250);

/// Shows the counters until it is dropped, and then clears the line.
pub(super) struct ProgressLine {
    task: Option<JoinHandle<()>>,
}

impl ProgressLine {
    pub(super) fn start(progress: Arc<Progress>, viewers: u64, streamed: Duration) -> Self {
        let task = std::io::stderr()
            .is_terminal()
            .then(|| tokio::spawn(show(progress, viewers, streamed)));
        Self { task }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

async fn show(progress: Arc<Progress>, viewers: u64, streamed: Duration) {
    let mut ticks = tokio::time::interval(PERIOD);
    let mut ready_since = None;
    loop {
        ticks.tick().await;
        let line = describe(&progress, viewers, streamed, &mut ready_since);
        let _ = write!(std::io::stderr(), "\r\u{1b}[K{line}");
        let _ = std::io::stderr().flush();
    }
}

fn describe(
    progress: &Progress,
    viewers: u64,
    streamed: Duration,
    ready_since: &mut Option<Instant>,
) -> String {
    let joined = progress.joined.load(Ordering::Relaxed);
    let sent = progress.sent.load(Ordering::Relaxed);
    let verified = progress.verified.load(Ordering::Relaxed);
    let corrupt = progress.corrupt.load(Ordering::Relaxed);
    let phase = if progress.ready.load(Ordering::Relaxed) {
        let elapsed = ready_since
            .get_or_insert_with(Instant::now)
            .elapsed()
            .min(streamed);
        format!(
            "streaming {:.0}/{:.0} s",
            elapsed.as_secs_f64(),
            streamed.as_secs_f64()
        )
    } else {
        "joining".to_owned()
    };
    let trouble = if corrupt > 0 {
        format!(", {corrupt} corrupt")
    } else {
        String::new()
    };
    format!("{phase} · {joined} of {viewers} viewers · {sent} frames sent · {verified} verified{trouble}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_the_phase_and_the_counts() {
        let progress = Progress::default();
        progress.joined.store(3, Ordering::Relaxed);
        let mut since = None;
        let line = describe(&progress, 4, Duration::from_secs(10), &mut since);
        assert_eq!(line, "joining · 3 of 4 viewers · 0 frames sent · 0 verified");
        progress.ready.store(true, Ordering::Relaxed);
        progress.corrupt.store(2, Ordering::Relaxed);
        let line = describe(&progress, 4, Duration::from_secs(10), &mut since);
        assert!(
            line.starts_with("streaming 0/10 s") && line.ends_with("2 corrupt"),
            "{line}"
        );
    }
}
