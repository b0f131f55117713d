//! The tutorials' pages against greenroom's server: they are right, only their own servers are not.

use crate::support::call::{Call, PICTURES, STREAMS};
use crate::support::served::serve;
use crate::support::tutorials::{Tutorial, Tutorials};

/// The page twice, as it is written but for the port; none if the documents or Chromium are missing.
async fn open(tutorial: impl FnOnce(&Tutorials) -> Tutorial, port: u16) -> Option<Call> {
    let site = tutorial(&Tutorials::find()?).site(port).await;
    Call::open(&site.url()).await
}

#[tokio::test]
async fn the_pages_of_part_22_see_each_other_through_our_relay() {
    let (_server, port) = serve("relay").await;
    let Some(mut call) = open(Tutorials::part_22, port).await else {
        return;
    };
    call.start_part_22().await;
    call.each_sees_the_other().await;
}

#[tokio::test]
async fn the_pages_of_level_4_see_each_other_through_our_relay() {
    let (_server, port) = serve("relay").await;
    let Some(mut call) = open(Tutorials::level_4, port).await else {
        return;
    };
    call.start_level_4().await;
    call.each_sees_the_other().await;
}

#[tokio::test]
async fn the_page_of_part_28_shows_the_broadcast_through_our_server_once_it_asks_for_it() {
    let (_server, port) = serve("broadcast-ws").await;
    let Some(mut call) = open(Tutorials::part_28_before_the_chat, port).await else {
        return;
    };
    call.first.click("#startStream").await;
    call.first.when("observer.sent.length > 0").await;
    call.second.when("socket.readyState === WebSocket.OPEN").await;
    // What the page never says. Nothing else is repaired: the answer finds its broadcaster here.
    call.second
        .evaluate("socket.send(JSON.stringify({ type: 'viewer' }))")
        .await;
    call.second.connected().await;
    call.first.connected().await;
    assert_eq!(call.second.stream("#video", PICTURES).await, STREAMS[0]);
}
