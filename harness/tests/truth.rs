//! Measured truth: a delay that is added somewhere shows there, with its size, and nowhere else.
//!
//! One run at a time and nothing else beside it: these tests ask for milliseconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::measure::measured::Delays;
use greenroom::net::model::LinkSpec;
use greenroom::{DecodeSelection, PlantedDelays, Run};
use support::{ms, on_sockets, report};

/// What was added, in milliseconds, and how far a figure may be from it.
const ADDED: u64 = 80;
const TOLERANCE_MS: f64 = 2.0;

/// The median of each stage.
fn medians(delays: &Delays) -> [f64; 4] {
    [&delays.capture, &delays.encode, &delays.transport, &delays.decode]
        .map(|stage| stage.as_ref().expect("measured").p50_ms.expect("samples"))
}

async fn measure(run: Run) -> [f64; 4] {
    let report = report(run.viewers(1).decode(DecodeSelection::All)).await;
    report.assert_passed();
    medians(&report.measured.delays)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_added_delay_appears_in_its_own_figure_and_in_no_other() {
    let base = measure(on_sockets()).await;
    let planted = |change: fn(&mut PlantedDelays)| {
        let mut delays = PlantedDelays::default();
        change(&mut delays);
        on_sockets().planted_delays(delays)
    };
    let runs = [
        ("capture", planted(|delays| delays.capture = ms(ADDED))),
        ("encode", planted(|delays| delays.encode = ms(ADDED))),
        (
            "transport",
            on_sockets().impair_down(LinkSpec {
                delay: ms(ADDED),
                ..LinkSpec::default()
            }),
        ),
        ("decode", planted(|delays| delays.decode = ms(ADDED))),
    ];
    for (stage, (name, run)) in runs.into_iter().enumerate() {
        let measured = measure(run).await;
        for (figure, (with, without)) in measured.into_iter().zip(base).enumerate() {
            let expected = if figure == stage { ADDED as f64 } else { 0.0 };
            let off = with - without - expected;
            assert!(
                off.abs() <= TOLERANCE_MS,
                "{ADDED} ms in {name}: figure {figure} is off by {off:.2} ms; {measured:?} against {base:?}"
            );
        }
    }
}
