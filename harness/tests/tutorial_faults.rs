//! The faults of the tutorials' servers, each in a server of ours: found, with the cause in one sentence, without Node.js
//! and without the documents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::rules::CauseKind;
use greenroom::signaling::DialectName;
use greenroom::{Report, Run, Verdict};
use support::faulty::{Fault, Kind, in_memory};
use support::ms;

/// A call in virtual time over such a server.
fn call(kind: Kind, fault: Fault) -> Run {
    let (dialect, viewers) = match kind {
        Kind::Broadcast => (DialectName::BroadcastWs, 2),
        Kind::Relay => (DialectName::Relay, 1),
    };
    Run::simulated(1)
        .dialect(dialect)
        .viewers(viewers)
        .duration(ms(2_000))
        .server(move |listener| async move {
            in_memory(listener, kind, fault).await;
            Ok::<_, std::io::Error>(())
        })
}

async fn found(run: Run) -> Report {
    let report = run.run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Fail, "{}", report.because);
    eprintln!("{}", report.table(greenroom::Style::Plain));
    report
}

#[tokio::test]
async fn without_a_fault_the_same_servers_pass() {
    for kind in [Kind::Broadcast, Kind::Relay] {
        call(kind, Fault::None).run().await.unwrap().assert_passed();
        let early = call(kind, Fault::None).broadcaster_delay(ms(700));
        early.run().await.unwrap().assert_passed();
    }
}

#[tokio::test]
async fn answers_that_go_to_viewers_only_are_told_by_who_got_them() {
    let report = found(call(Kind::Broadcast, Fault::AnswersToViewersOnly).viewers(1)).await;
    assert_eq!(report.causes[0].kind, CauseKind::AnswerNeverRelayed);
    assert_eq!(report.because, "");
}

#[tokio::test]
async fn a_viewer_that_came_first_and_was_never_announced_is_named() {
    let report = found(call(Kind::Broadcast, Fault::ForgetsWhoCameFirst).broadcaster_delay(ms(700))).await;
    assert_eq!(report.causes[0].kind, CauseKind::NeverAnnounced);
    assert_eq!(report.because, "");
}

#[tokio::test]
async fn text_that_comes_back_as_binary_is_called_that() {
    for kind in [Kind::Broadcast, Kind::Relay] {
        let report = found(call(kind, Fault::TextAsBinary)).await;
        assert_eq!(report.because, "");
    }
}
