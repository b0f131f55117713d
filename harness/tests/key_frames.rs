//! Key frames come when they are asked for, and not more often than twice a second.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::MediaFault;
use greenroom::trace::{TraceEvent, TraceKind};
use support::{ms, report, small};

/// When something happened, in milliseconds since the start of the run.
fn times(events: &[TraceEvent], is: impl Fn(&TraceKind) -> bool) -> Vec<f64> {
    events
        .iter()
        .filter(|event| is(&event.event))
        .map(|event| event.at_us as f64 / 1_000.0)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_brings_a_key_frame_within_100_ms_and_never_two_within_500_ms() {
    let dir = tempfile::tempdir().unwrap();
    // A viewer that is denied its key frames asks for one again and again.
    let run = small()
        .duration(ms(500))
        .fault(MediaFault::WithholdKeyFrames { viewer: 2 });
    report(run.output_dir(dir.path())).await;
    let trace = std::fs::read_to_string(dir.path().join("trace.jsonl")).unwrap();
    let events: Vec<TraceEvent> = trace
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let requests = times(&events, |event| {
        matches!(event, TraceKind::KeyFrameRequested { .. })
    });
    let key_frames = times(&events, |event| matches!(event, TraceKind::KeyFrame { .. }));
    assert!(
        requests.len() >= 5 && key_frames.len() >= 5,
        "{requests:?} {key_frames:?}"
    );
    for pair in key_frames.windows(2) {
        // Taken at the start of its encoding, noted at the end: a few milliseconds of each.
        assert!(
            pair[1] - pair[0] >= 490.0,
            "two key frames within {} ms",
            pair[1] - pair[0]
        );
    }
    let last = *key_frames.last().unwrap();
    for request in requests.into_iter().filter(|request| *request < last - 600.0) {
        let before = key_frames
            .iter()
            .rev()
            .find(|at| **at <= request)
            .copied()
            .unwrap_or(f64::MIN);
        let after = key_frames
            .iter()
            .find(|at| **at > request)
            .copied()
            .expect("one comes");
        let allowed_from = request.max(before + 500.0);
        assert!(
            after - allowed_from <= 100.0,
            "asked at {request} ms, came at {after} ms, the one before at {before} ms"
        );
    }
}
