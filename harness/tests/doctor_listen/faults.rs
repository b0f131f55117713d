//! Each fault of a client, alone.

use std::time::Duration;

use greenroom::signaling::DialectName;
use greenroom::{Answer, ClientQuestion};
use serde_json::json;

use super::cards::{card_of, cause, doctor, sick};
use super::clients::{Canned, Client, host};
use crate::support::within;

/// A peer connection of its own for each viewer, whose candidate leads nowhere.
fn own(number: u32) -> Canned {
    Canned {
        number,
        has_candidate: true,
    }
}

#[tokio::test]
async fn one_peer_connection_for_all_viewers_is_seen_in_the_second_offer() {
    let card = card_of(DialectName::BroadcastWs, |url| {
        host(url, |_| Some(own(1).offer()), true)
    })
    .await;
    cause(
        &card,
        ClientQuestion::OwnConnection,
        &[
            "viewer-1 (#",
            "viewer-2 (#",
            "one peer connection",
            "fragment can1",
        ],
    );
}

#[tokio::test]
async fn a_host_that_ignores_the_answer_is_told_by_the_checks_that_it_never_begins() {
    let card = card_of(DialectName::BroadcastWs, |url| {
        host(url, |number| Some(own(number).offer()), true)
    })
    .await;
    cause(
        &card,
        ClientQuestion::TakesAnswer,
        &[
            "the answer of viewer-1 was delivered (#",
            "no connectivity check",
            "its offer was #",
        ],
    );
    assert_eq!(sick(&card), [ClientQuestion::TakesAnswer], "{card:#?}");
}

#[tokio::test]
async fn a_host_that_offers_to_nobody_was_told_of_somebody() {
    let card = card_of(DialectName::BroadcastWs, |url| host(url, |_| None, true)).await;
    cause(
        &card,
        ClientQuestion::Offers,
        &["told of viewer-1 (#", "made no offer in 3.0 s"],
    );
    assert_eq!(sick(&card), [ClientQuestion::Offers], "{card:#?}");
}

#[tokio::test]
async fn a_host_that_offers_once_was_told_of_the_second_viewer_too() {
    let card = card_of(DialectName::BroadcastWs, |url| {
        host(url, |number| (number == 1).then(|| own(1).offer()), true)
    })
    .await;
    cause(
        &card,
        ClientQuestion::Offers,
        &["it had offered before (#", "told of viewer-2 (#"],
    );
}

#[tokio::test]
async fn a_host_whose_handler_is_overwritten_goes_silent_after_chat() {
    let card = card_of(DialectName::BroadcastWs, |url| {
        host(url, |number| Some(own(number).offer()), false)
    })
    .await;
    cause(
        &card,
        ClientQuestion::AfterChat,
        &[
            "before a line of chat came to it (#",
            "not to viewer-3",
            "after that (#",
        ],
    );
}

#[tokio::test]
async fn a_host_without_candidates_is_told_by_its_offer() {
    let bare = |number| Canned {
        number,
        has_candidate: false,
    };
    let card = card_of(DialectName::BroadcastWs, move |url| {
        host(url, move |number| Some(bare(number).offer()), true)
    })
    .await;
    cause(
        &card,
        ClientQuestion::Candidates,
        &["its offer (#", "none came in 3.0 s"],
    );
}

#[tokio::test]
async fn a_page_that_never_joins_is_told_what_to_say() {
    let card = card_of(DialectName::BroadcastWs, |url| async move {
        Client::connect(&url).await.ignore_all().await;
    })
    .await;
    cause(
        &card,
        ClientQuestion::Joins,
        &[
            "opened its connection (#1",
            "joined nothing",
            "said nothing at all",
        ],
    );
    let fix = card.line(ClientQuestion::Joins).unwrap().fix.as_deref().unwrap();
    assert!(fix.contains(r#"{"type":"viewer"}"#), "{fix}");
    assert_eq!(card.lines.len(), 2, "nothing else can be asked: {card:#?}");
}

#[tokio::test]
async fn words_that_the_server_refuses_are_quoted() {
    let card = card_of(DialectName::BroadcastWs, |url| async move {
        let mut client = Client::connect(&url).await;
        client.say(json!({"type": "hello"})).await;
        client.ignore_all().await;
    })
    .await;
    cause(&card, ClientQuestion::Understood, &["hello"]);
    cause(&card, ClientQuestion::Joins, &[r#"{"type":"hello"}"#]);
}

#[tokio::test]
async fn nobody_is_no_fault_and_no_green_card() {
    let (doctor, _) = doctor(DialectName::BroadcastWs).await;
    let doctor = doctor.patience(Duration::from_millis(100));
    let card = within(Duration::from_secs(20), doctor.examine(std::future::pending()))
        .await
        .unwrap();
    assert_eq!(card.line(ClientQuestion::Joins).unwrap().answer, Answer::Unclear);
    assert!(!card.is_green());
}

#[tokio::test]
async fn a_viewer_that_never_answers_was_sent_an_offer() {
    let card = card_of(DialectName::BroadcastWs, |url| async move {
        let mut client = Client::connect(&url).await;
        client.say(json!({"type": "viewer"})).await;
        client.ignore_all().await;
    })
    .await;
    cause(
        &card,
        ClientQuestion::Answers,
        &["sent an offer (#", "no answer came in 3.0 s"],
    );
    assert_eq!(sick(&card), [ClientQuestion::Answers], "{card:#?}");
}

#[tokio::test]
async fn a_viewer_that_sends_no_candidates_is_told_by_its_answer() {
    let card = card_of(DialectName::BroadcastWs, |url| async move {
        let mut client = Client::connect(&url).await;
        client.say(json!({"type": "viewer"})).await;
        while let Some(message) = client.hear().await {
            if message["type"] == "offer" {
                let bare = Canned {
                    number: 1,
                    has_candidate: false,
                };
                let answer = bare.answer();
                client.say(json!({"type": "answer", "answer": answer})).await;
            }
        }
    })
    .await;
    cause(
        &card,
        ClientQuestion::Candidates,
        &["its answer (#", "none came in"],
    );
}

#[tokio::test]
async fn a_peer_that_offers_when_it_is_offered_to_leaves_nobody_to_answer() {
    let card = card_of(DialectName::Relay, |url| async move {
        let mut client = Client::connect(&url).await;
        let mut offered = false;
        while let Some(message) = client.hear().await {
            if message["type"] == "offer" && !std::mem::replace(&mut offered, true) {
                client.say(json!({"sdp": own(1).offer()})).await;
            }
        }
    })
    .await;
    cause(
        &card,
        ClientQuestion::GivesWay,
        &["was offered to (#", "an offer of its own (#", "never answered"],
    );
    assert_eq!(sick(&card), [ClientQuestion::GivesWay], "{card:#?}");
}

#[tokio::test]
async fn a_peer_that_is_called_and_says_nothing_has_not_answered() {
    let card = card_of(DialectName::Relay, |url| async move {
        Client::connect(&url).await.ignore_all().await;
    })
    .await;
    cause(&card, ClientQuestion::Answers, &["sent an offer (#"]);
}
