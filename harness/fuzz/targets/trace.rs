//! Lines of a trace, and the frames in them, against the checker: it is total, and bounded by what it has read.
#![no_main]

use greenroom::rules::Checker;
use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut checker = Checker::default();
    for (number, line) in text.lines().enumerate() {
        let event = serde_json::from_str(line).unwrap_or_else(|_| frame(number, line));
        checker.observe(&event);
    }
    let diagnosis = checker.finish();
    assert!(diagnosis.findings.len() <= 1_000);
});

/// What is no event is what a bot says or hears.
fn frame(number: usize, line: &str) -> TraceEvent {
    TraceEvent {
        at_us: number as u64,
        peer: if number % 2 == 0 { "broadcaster" } else { "viewer-1" }.to_owned(),
        event: TraceKind::Signaling {
            way: if number % 3 == 0 { FrameWay::Out } else { FrameWay::In },
            frame: line.to_owned(),
            means: Vec::new(),
        },
    }
}
