//! A generator that cannot do what it is asked: it ends in time and blames nobody else.
//!
//! In a binary of its own, because it takes a whole core.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::{DecodeSelection, Verdict};
use support::{ms, on_sockets, within};

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_is_too_slow_ends_in_time_and_never_passes() {
    let mut run = on_sockets()
        .viewers(1)
        .duration(ms(1_000))
        .decode(DecodeSelection::None);
    let media = &mut run.scenario_mut().media;
    media.size = "3840x2160".parse().unwrap();
    media.fps = Some(120);
    let report = within(ms(60_000), run.run()).await.unwrap();
    assert_eq!(
        report.verdict,
        Verdict::Invalid,
        "{}",
        report.table(greenroom::Style::Plain)
    );
    let pacing = report.measured.generator.pacing_error.expect("measured");
    assert!(pacing.max_ms > 50.0, "{pacing:?}");
    assert!(
        report.measured.streamed_ms < 5_000.0,
        "the end came when it was due"
    );
}
