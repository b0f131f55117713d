//! `relay` by the wire: two peers, and every text of one to the other (docs/dialects.md).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use common::{Lobby, Page};
use greenroom_signaling::{CloseCause, ServedDialect, ServerConfig};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

fn lobby() -> Lobby {
    Lobby::new(ServerConfig {
        dialect: ServedDialect::Relay,
        ..ServerConfig::default()
    })
}

/// Two peers that have heard each other.
async fn call(lobby: &mut Lobby) -> (Page, Page) {
    let (mut left, mut right) = (Page::new(lobby).await, Page::new(lobby).await);
    left.meet(&mut right).await;
    (left, right)
}

#[tokio::test(start_paused = true)]
async fn every_text_goes_to_the_other_as_it_is_and_never_back() {
    let mut lobby = lobby();
    let (mut left, mut right) = call(&mut lobby).await;
    let texts = [
        r#"{"type":"offer","sdp":"v=0\r\n"}"#,
        r#"{ "candidate" : {"candidate":"","sdpMid":"0"} }"#,
        "not json at all",
        "",
        "zoë \u{1f600}",
    ];
    for text in texts {
        left.send(Message::text(text)).await;
        right.send(Message::text(text)).await;
    }
    for page in [&mut left, &mut right] {
        for text in texts {
            assert_eq!(page.frame().await, Message::text(text));
        }
    }
    let stats = lobby.server.stats();
    assert_eq!((stats.rooms, stats.members), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_third_peer_is_refused_and_the_call_goes_on() {
    let mut lobby = lobby();
    let (mut left, mut right) = call(&mut lobby).await;
    let mut third = Page::new(&mut lobby).await;
    let (code, reason) = third.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (1008, "call-full: the call has two peers already")
    );
    left.say(json!({"sdp": 1})).await;
    assert_eq!(right.next().await, json!({"sdp": 1}));
    assert_eq!(lobby.server.stats().closed, [(CloseCause::CallFull, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_left_makes_place_for_another() {
    let mut lobby = lobby();
    let (left, mut right) = call(&mut lobby).await;
    left.leave().await;
    lobby.one_ended().await;
    let mut next = Page::new(&mut lobby).await;
    next.meet(&mut right).await;
    drop((next, right));
    lobby.ended().await;
    let stats = lobby.server.stats();
    assert_eq!((stats.rooms, stats.members, stats.connections), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_is_there_to_hear_is_lost() {
    let mut lobby = lobby();
    let mut early = Page::new(&mut lobby).await;
    early.say(json!("lost")).await;
    early.ponged().await;
    let mut late = Page::new(&mut lobby).await;
    late.ponged().await;
    early.say(json!("heard")).await;
    assert_eq!(late.next().await, json!("heard"));
}

#[tokio::test(start_paused = true)]
async fn a_binary_frame_is_refused_and_reaches_nobody() {
    let mut lobby = lobby();
    let (mut left, mut right) = call(&mut lobby).await;
    left.send(Message::binary(vec![1, 2])).await;
    let (code, reason) = left.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (1003, "binary: 2 bytes, every message is text")
    );
    let mut next = Page::new(&mut lobby).await;
    next.meet(&mut right).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_has_to_join_and_silence_is_no_fault() {
    let mut lobby = lobby();
    let (mut left, mut right) = call(&mut lobby).await;
    // Longer than the time to join elsewhere.
    for _ in 0..3 {
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
        left.meet(&mut right).await;
    }
}
