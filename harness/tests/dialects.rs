//! greenroom's bots and greenroom's server in each language that both speak: everybody is connected, every frame is
//! verified, and the checker has nothing to say.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::signaling::DialectName;
use greenroom::{Action, Party, Run, RunError};
use support::{ms, on_sockets, report, small};

const ONE_TO_MANY: [DialectName; 3] = [
    DialectName::Native,
    DialectName::BroadcastWs,
    DialectName::SocketioRooms,
];
const WITH_CHAT: [DialectName; 2] = [DialectName::Native, DialectName::BroadcastWs];
const FOR_TWO: [DialectName; 2] = [DialectName::Relay, DialectName::SocketioRelay];

fn each() -> impl Iterator<Item = (DialectName, u32)> {
    let many = ONE_TO_MANY.into_iter().map(|dialect| (dialect, 3));
    many.chain(FOR_TWO.into_iter().map(|dialect| (dialect, 1)))
}

async fn passes(run: Run, dialect: DialectName) {
    let report = report(run.dialect(dialect)).await;
    report.assert_passed();
    let totals = &report.measured.totals;
    assert!(totals.verified > 20, "{dialect}: {totals:?}");
    assert_eq!(totals.expected, totals.verified, "{dialect}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialect_connects_everybody_on_sockets() {
    for (dialect, viewers) in each() {
        passes(on_sockets().viewers(viewers).duration(ms(1_000)), dialect).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_may_come_first_and_may_come_late() {
    for (dialect, viewers) in each() {
        passes(small().viewers(viewers).broadcaster_delay(ms(700)), dialect).await;
    }
    for dialect in ONE_TO_MANY {
        passes(
            small().at(ms(500), Action::Join).at(ms(900), Action::Join),
            dialect,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_that_leave_disturb_nobody_and_another_one_is_served() {
    for dialect in ONE_TO_MANY {
        let run = small()
            .viewers(3)
            .at(ms(400), Action::Leave { viewer: 1 })
            .at(ms(600), Action::Leave { viewer: 2 })
            .at(ms(900), Action::Join);
        passes(run, dialect).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_reaches_everybody_where_there_is_a_word_for_it() {
    for dialect in WITH_CHAT {
        let say = |from: Party| Action::Chat {
            from,
            text: "hello".to_owned(),
        };
        let run = small()
            .at(ms(300), say(Party::Broadcaster))
            .at(ms(500), say(Party::Viewer(2)));
        let report = report(run.dialect(dialect)).await;
        report.assert_passed();
        for viewer in &report.measured.viewers {
            assert_eq!(viewer.chat, ["hello", "hello"], "{dialect}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_viewers_at_once_get_an_offer_each_although_nothing_is_addressed() {
    passes(small().viewers(20), DialectName::BroadcastWs).await;
}

#[tokio::test]
async fn what_a_dialect_cannot_do_is_refused_before_anything_starts() {
    let call = Run::embedded().dialect(DialectName::Relay).viewers(2).run().await;
    assert!(matches!(call, Err(RunError::Unsupported(_))), "{call:?}");
    let fault = Run::embedded()
        .dialect(DialectName::BroadcastWs)
        .wire_fault("lose-answer", 1)
        .run()
        .await;
    assert!(matches!(fault, Err(RunError::Unsupported(_))), "{fault:?}");
    let served = Run::embedded().dialect(DialectName::Janus).viewers(1).run().await;
    assert!(
        served.as_ref().is_err_and(|error| error.is_bad_input()),
        "{served:?}"
    );
}
