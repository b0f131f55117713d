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
use greenroom::{Action, Run, Verdict};
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

/// What is said of a run that fails, with the kind of its first cause.
async fn found(run: Run) -> (String, CauseKind) {
    let report = run.run().await.unwrap();
    assert_eq!(report.verdict, Verdict::Fail, "{}", report.because);
    (report.because, report.causes[0].kind)
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
    let (said, kind) = found(call(Kind::Broadcast, Fault::AnswersToViewersOnly).viewers(1)).await;
    assert_eq!(kind, CauseKind::AnswerNeverRelayed);
    assert_eq!(
        said,
        "viewer-1's answer went to viewer-1 itself and never to broadcaster"
    );
}

#[tokio::test]
async fn an_offer_that_goes_to_all_viewers_is_the_cause_where_one_takes_it_that_is_served_already() {
    let late = call(Kind::Broadcast, Fault::OffersToAllViewers)
        .viewers(1)
        .at(ms(500), Action::Join);
    let (said, kind) = found(late).await;
    assert_eq!(kind, CauseKind::OfferMisrouted);
    assert_eq!(
        said,
        "viewer-1 got an offer that was made for another viewer, and answered it"
    );
}

#[tokio::test]
async fn a_viewer_that_came_first_and_was_never_announced_is_named() {
    let (said, kind) =
        found(call(Kind::Broadcast, Fault::ForgetsWhoCameFirst).broadcaster_delay(ms(700))).await;
    assert_eq!(kind, CauseKind::NeverAnnounced);
    assert_eq!(said, "broadcaster was never told that viewer-1 is in the room");
}

#[tokio::test]
async fn text_that_comes_back_as_binary_is_called_that() {
    let (said, kind) = found(call(Kind::Relay, Fault::TextAsBinary)).await;
    assert_eq!(kind, CauseKind::OfferDamaged);
    assert_eq!(
        said,
        "broadcaster's offer was sent as text and came to viewer-1 as a binary frame, which nobody reads"
    );
    let (said, kind) = found(call(Kind::Broadcast, Fault::TextAsBinary)).await;
    assert_eq!(kind, CauseKind::NeverAnnounced);
    assert_eq!(
        said,
        "what the server says to broadcaster comes as binary frames, which nobody reads, so it never heard of viewer-1"
    );
}

#[tokio::test]
async fn two_who_both_offer_at_once_and_do_not_give_way_are_called_glare() {
    let call = Run::simulated(1).viewers(1).duration(ms(2_000));
    let (said, kind) = found(call.wire_fault("glare", 1)).await;
    assert_eq!(kind, CauseKind::Glare);
    assert_eq!(
        said,
        "broadcaster and viewer-1 both offered, and neither gave way"
    );
}
