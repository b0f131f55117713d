//! `broadcast-ws` by the wire: what a page of that tutorial says and hears (docs/dialects.md).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use std::{sync::mpsc, time::Duration};

use common::{Lobby, Page, timed};
use greenroom_signaling::{Direction, EXCHANGE_LIMIT, FrameObserver, ServedDialect, ServerConfig};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

fn lobby() -> Lobby {
    Lobby::new(ServerConfig {
        dialect: ServedDialect::BroadcastWs,
        ..ServerConfig::default()
    })
}

async fn broadcaster(lobby: &mut Lobby) -> Page {
    let mut page = Page::new(lobby).await;
    page.say(json!({"type": "broadcaster"})).await;
    page
}

/// A viewer that the server has seen: it has heard its own chat.
async fn viewer(lobby: &mut Lobby) -> Page {
    let mut page = Page::new(lobby).await;
    page.say(json!({"type": "viewer"})).await;
    assert_eq!(page.until_chat("here").await, Vec::<Value>::new());
    page
}

fn offer(ufrag: &str) -> Value {
    json!({"type": "offer", "offer": {"type": "offer", "sdp": format!("v=0\r\na=ice-ufrag:{ufrag}\r\n")}})
}

fn answer(sdp: &str) -> Value {
    json!({"type": "answer", "answer": {"type": "answer", "sdp": sdp}})
}

fn candidate(line: &str) -> Value {
    json!({"type": "candidate", "candidate": {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}})
}

fn candidate_of(ufrag: &str) -> Value {
    let mut message = candidate(&format!("candidate:{ufrag}"));
    message["candidate"]["usernameFragment"] = ufrag.into();
    message
}

fn new_viewer() -> Value {
    json!({"type": "new-viewer"})
}

/// Skips the chats by which others were fenced.
async fn heard(page: &mut Page) -> Value {
    loop {
        let message = page.next().await;
        if message["type"] != "chat" {
            return message;
        }
    }
}

/// What came before a fence, without the fences of others.
async fn rest(page: &mut Page) -> Vec<Value> {
    let mut messages = page.until_chat("rest").await;
    messages.retain(|message| message["type"] != "chat");
    messages
}

#[tokio::test(start_paused = true)]
async fn a_viewer_is_announced_offered_to_and_its_answer_goes_to_the_broadcaster_only() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut first = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    host.say(offer("aaaa")).await;
    assert_eq!(heard(&mut first).await, offer("aaaa"));
    first.say(answer("one")).await;
    assert_eq!(heard(&mut host).await, answer("one"));
    let mut second = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    host.say(offer("bbbb")).await;
    assert_eq!(heard(&mut second).await, offer("bbbb"));
    second.say(answer("two")).await;
    assert_eq!(heard(&mut host).await, answer("two"));
    for page in [&mut host, &mut first, &mut second] {
        assert_eq!(rest(page).await, Vec::<Value>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn three_viewers_at_once_are_taken_one_after_the_other() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(viewer(&mut lobby).await);
    }
    for (turn, ufrag) in ["aaaa", "bbbb", "cccc"].into_iter().enumerate() {
        assert_eq!(heard(&mut host).await, new_viewer());
        assert_eq!(rest(&mut host).await, Vec::<Value>::new(), "one at a time");
        host.say(offer(ufrag)).await;
        for (number, page) in viewers.iter_mut().enumerate() {
            if number == turn {
                assert_eq!(heard(page).await, offer(ufrag));
                page.say(answer(ufrag)).await;
            } else {
                assert_eq!(rest(page).await, Vec::<Value>::new());
            }
        }
        assert_eq!(heard(&mut host).await, answer(ufrag));
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_who_came_first_are_announced_when_the_broadcaster_comes_and_when_it_comes_back() {
    let mut lobby = lobby();
    let mut early = viewer(&mut lobby).await;
    for ufrag in ["aaaa", "bbbb"] {
        let mut host = broadcaster(&mut lobby).await;
        assert_eq!(heard(&mut host).await, new_viewer());
        host.say(offer(ufrag)).await;
        assert_eq!(heard(&mut early).await, offer(ufrag));
        early.say(answer(ufrag)).await;
        assert_eq!(heard(&mut host).await, answer(ufrag));
        host.leave().await;
        assert_eq!(rest(&mut early).await, Vec::<Value>::new(), "nothing says stop");
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_goes_by_its_ufrag_even_after_the_next_exchange_has_begun() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut first = viewer(&mut lobby).await;
    let mut second = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    host.say(offer("aaaa")).await;
    assert_eq!(heard(&mut first).await, offer("aaaa"));
    first.say(answer("one")).await;
    assert_eq!(heard(&mut host).await, answer("one"));
    assert_eq!(heard(&mut host).await, new_viewer());
    host.say(offer("bbbb")).await;
    assert_eq!(heard(&mut second).await, offer("bbbb"));

    let in_line = candidate("candidate:1 1 udp 1 192.0.2.1 9 typ host generation 0 ufrag aaaa");
    let unnamed = candidate("candidate:1 1 udp 1 192.0.2.1 9 typ host");
    for message in [
        candidate_of("aaaa"),
        in_line.clone(),
        unnamed.clone(),
        candidate_of("bbbb"),
    ] {
        host.say(message).await;
    }
    rest(&mut host).await;
    assert_eq!(rest(&mut first).await, [candidate_of("aaaa"), in_line]);
    assert_eq!(rest(&mut second).await, [unnamed, candidate_of("bbbb")]);
}

#[tokio::test(start_paused = true)]
async fn a_viewers_candidates_go_to_the_broadcaster_only() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut first = viewer(&mut lobby).await;
    let mut second = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    first.say(candidate_of("vvvv")).await;
    assert_eq!(heard(&mut host).await, candidate_of("vvvv"));
    assert_eq!(rest(&mut second).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_leaves_in_the_middle_hands_the_turn_on_and_its_offer_goes_to_nobody_else() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let leaver = viewer(&mut lobby).await;
    let mut second = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    leaver.leave().await;
    let (next, took) = timed(heard(&mut host)).await;
    assert_eq!(next, new_viewer());
    assert!(took < EXCHANGE_LIMIT / 2, "not only after the limit: {took:?}");
    // The page has been making this one since the first announcement.
    host.say(offer("gone")).await;
    let refused = heard(&mut host).await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("error"), &json!("unknown-target"))
    );
    host.say(candidate_of("gone")).await;
    assert_eq!(heard(&mut host).await["code"], json!("unknown-target"));
    host.say(offer("bbbb")).await;
    assert_eq!(heard(&mut second).await, offer("bbbb"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_holds_the_next_viewer_up_for_the_limit_and_no_longer() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut silent = viewer(&mut lobby).await;
    let (first, began) = (heard(&mut host).await, tokio::time::Instant::now());
    assert_eq!(first, new_viewer());
    host.say(offer("aaaa")).await;
    assert_eq!(heard(&mut silent).await, offer("aaaa"));
    let mut second = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    let took = began.elapsed();
    assert!(
        took >= EXCHANGE_LIMIT && took < EXCHANGE_LIMIT + Duration::from_millis(100),
        "announced after {took:?}"
    );
    host.say(offer("bbbb")).await;
    assert_eq!(heard(&mut second).await, offer("bbbb"));
    // Now it would be taken for the answer of the second.
    silent.say(answer("late")).await;
    rest(&mut silent).await;
    second.say(answer("two")).await;
    assert_eq!(heard(&mut host).await, answer("two"));
    assert_eq!(rest(&mut host).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_never_too_late_while_nobody_waits() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut slow = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    host.say(offer("aaaa")).await;
    assert_eq!(heard(&mut slow).await, offer("aaaa"));
    tokio::time::advance(EXCHANGE_LIMIT * 2).await;
    slow.say(answer("at last")).await;
    assert_eq!(heard(&mut host).await, answer("at last"));
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_chat_and_so_does_its_sender() {
    let mut lobby = lobby();
    let mut pages = [
        broadcaster(&mut lobby).await,
        viewer(&mut lobby).await,
        viewer(&mut lobby).await,
    ];
    pages[1].say(json!({"type": "chat", "message": "hello"})).await;
    for page in &mut pages {
        assert!(
            page.until_chat("fence")
                .await
                .contains(&json!({"type": "chat", "message": "hello"})),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_answered_with_an_error_and_ends_nothing() {
    let mut lobby = lobby();
    let mut stranger = Page::new(&mut lobby).await;
    for (message, code) in [
        (json!({"type": "chat", "message": "hi"}), "not-joined"),
        (offer("aaaa"), "not-joined"),
        (json!({"type": "mute"}), "unknown-type"),
    ] {
        stranger.say(message).await;
        assert_eq!(stranger.next().await["code"], json!(code));
    }
    let mut host = broadcaster(&mut lobby).await;
    let viewer = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    let mut pages = [stranger, viewer, host];
    for (page, message, code) in [
        (0, json!({"type": "broadcaster"}), "broadcaster-exists"),
        (1, offer("aaaa"), "not-allowed"),
        (1, json!({"type": "viewer"}), "already-joined"),
        (2, answer("x"), "not-allowed"),
        (
            2,
            json!({"type": "offer", "offer": {"type": "answer", "sdp": ""}}),
            "malformed-message",
        ),
        (2, json!({"type": "offer"}), "malformed-message"),
        (2, json!(["offer"]), "malformed-message"),
    ] {
        let page = &mut pages[page];
        page.say(message).await;
        let refused = heard(page).await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code)),
            "{refused}"
        );
    }
    let [_, _, mut host] = pages;
    // A browser's end of candidates, which this wire cannot carry: no error, and nobody is told.
    host.say(json!({"type": "candidate", "candidate": null})).await;
    assert_eq!(rest(&mut host).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn malformed_oversize_and_binary_input_disturbs_nobody_else() {
    let mut lobby = lobby();
    let mut host = broadcaster(&mut lobby).await;
    let mut bystander = viewer(&mut lobby).await;
    assert_eq!(heard(&mut host).await, new_viewer());
    for (attack, code) in [
        (Message::text("x".repeat(65 << 10)), Some(1009)),
        (Message::binary(vec![1, 2, 3]), Some(1003)),
        (Message::text("not json"), None),
        (Message::text(""), None),
        (
            Message::text(r#"{"type":"offer","offer":"[object Object]"}"#),
            None,
        ),
    ] {
        let mut attacker = viewer(&mut lobby).await;
        attacker.send(attack).await;
        match code {
            Some(code) => assert_eq!(attacker.closed().await.0, code),
            None => assert_eq!(heard(&mut attacker).await["code"], json!("malformed-message")),
        }
        host.say(offer("aaaa")).await;
        assert_eq!(heard(&mut bystander).await, offer("aaaa"));
        attacker.leave().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_joins_is_told_what_to_send() {
    let mut lobby = lobby();
    let mut page = Page::new(&mut lobby).await;
    let ((code, reason), took) = timed(page.closed()).await;
    assert_eq!(code, 1008);
    assert_eq!(
        reason,
        r#"no-join: neither {"type":"broadcaster"} nor {"type":"viewer"} came within 10000 ms"#
    );
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(11),
        "{took:?}"
    );
    lobby.ended().await;
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_the_frames_as_they_are_on_the_wire() {
    let (sender, frames) = mpsc::channel();
    let mut lobby = Lobby::new(ServerConfig {
        dialect: ServedDialect::BroadcastWs,
        observer: Some(FrameObserver::new(move |frame| {
            let _ = sender.send((frame.direction, frame.text.to_owned()));
        })),
        ..ServerConfig::default()
    });
    let mut host = broadcaster(&mut lobby).await;
    let _viewer = Page::new(&mut lobby).await.said(json!({"type": "viewer"})).await;
    assert_eq!(host.next().await, new_viewer());
    let seen: Vec<_> = frames.try_iter().collect();
    for frame in [
        (Direction::Received, r#"{"type":"broadcaster"}"#.to_owned()),
        (Direction::Received, r#"{"type":"viewer"}"#.to_owned()),
        (Direction::Sent, r#"{"type":"new-viewer"}"#.to_owned()),
    ] {
        assert!(seen.contains(&frame), "{frame:?} in {seen:?}");
    }
}
