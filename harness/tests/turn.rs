//! Through a real TURN server: relayed streams are verified like any other, and what the server refuses is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::path::Path;

use greenroom::rules::CauseKind;
use greenroom::trace::{TraceEvent, TraceKind};
use greenroom::{IceSpec, Run, Verdict};
use support::coturn::{Coturn, CoturnError, PASSWORD, USER};
use support::peers::or_skip;
use support::{on_sockets, report};

async fn coturn() -> Option<Coturn> {
    or_skip(Coturn::start().await, CoturnError::is_missing)
}

fn relayed(coturn: &Coturn, password: &str) -> Run {
    on_sockets()
        .ice(IceSpec {
            turn: vec![coturn.turn()],
            turn_user: Some(USER.to_owned()),
            relay_only: true,
            ..IceSpec::default()
        })
        .turn_password(password)
}

fn trace(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("trace.jsonl")).unwrap()
}

fn events(trace: &str) -> impl Iterator<Item = TraceKind> + '_ {
    let events = trace.lines().skip(1);
    events.map(|line| serde_json::from_str::<TraceEvent>(line).unwrap().event)
}

/// The types of the candidates that were signaled, such as `relay`.
fn candidate_types(trace: &str) -> Vec<&str> {
    let mut types: Vec<_> = trace
        .split(" typ ")
        .skip(1)
        .filter_map(|rest| rest.split([' ', '"', '\\']).next())
        .collect();
    types.sort_unstable();
    types.dedup();
    types
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_is_relayed_only_is_verified_frame_by_frame() {
    let Some(coturn) = coturn().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let report = report(relayed(&coturn, PASSWORD).output_dir(dir.path())).await;
    report.assert_passed();
    assert!(
        report.measured.totals.verified >= 2 * 50,
        "{:?}",
        report.measured.totals
    );
    let trace = trace(dir.path());
    assert_eq!(candidate_types(&trace), ["relay"]);
    // What is inside is read: the checks, the handshake and the media of both ends.
    for (what, is) in [
        (
            "checks",
            (|kind| matches!(kind, TraceKind::Stun { .. })) as fn(&TraceKind) -> bool,
        ),
        ("handshakes", |kind| matches!(kind, TraceKind::Dtls { .. })),
        ("media", |kind| matches!(kind, TraceKind::Rtp { .. })),
    ] {
        assert!(events(&trace).any(|kind| is(&kind)), "no {what} in the trace");
    }
    assert!(!trace.contains(PASSWORD) && !format!("{report:?}").contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_the_cause_and_the_first_401_is_not() {
    let Some(coturn) = coturn().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let run = relayed(&coturn, "wrong").viewers(1).output_dir(dir.path());
    let report = report(run).await;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.findings);
    let table = report.table(greenroom::Style::Plain);
    let cause = report
        .causes
        .first()
        .unwrap_or_else(|| panic!("no cause: {table}"));
    assert_eq!(cause.kind, CauseKind::TurnRefused, "{cause:?}");
    assert!(
        cause.message.contains("with 401") && cause.fix.contains("--turn-password-file"),
        "{cause:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stun_server_gives_no_alarm() {
    let Some(coturn) = coturn().await else { return };
    let run = on_sockets().ice(IceSpec {
        stun: vec![coturn.stun()],
        ..IceSpec::default()
    });
    report(run).await.assert_passed();
    assert!(!coturn.log().is_empty());
}
