//! A broadcaster's and a viewer's pages in Chromium, of parts 28 and 27: why neither shows a broadcast.

use serde_json::{Value, json};

use super::pages::{as_written, run};
use crate::support::call::Call;
use crate::support::node::{Node, NodeError};
use crate::support::page::Observed;
use crate::support::peers::or_skip;
use crate::support::tutorials::Tutorials;

/// Part 28's first page broadcasts.
async fn broadcast(call: &mut Call) {
    call.first.click("#startStream").await;
    call.first.when("observer.sent.length > 0").await;
    assert_eq!(
        call.first.sent().await[0],
        json!({"type": "broadcaster"}).to_string()
    );
    call.second.when("socket.readyState === WebSocket.OPEN").await;
}

/// Says what part 28's page does not.
async fn say(page: &mut Observed, message: Value) {
    page.evaluate(&format!("socket.send({})", json!(message.to_string())))
        .await;
}

/// Waits until the first page has got everything that the server had for it: chat goes to everybody.
async fn all_has_come(call: &mut Call) {
    say(&mut call.second, json!({"type": "chat", "message": "all"})).await;
    call.first
        .when("observer.received.some((text) => JSON.parse(text).type === 'chat')")
        .await;
}

/// The types of messages, candidates left out: of those there are as many as the machine has addresses.
fn types(messages: &[String]) -> Vec<String> {
    let types = messages.iter().map(|text| {
        let message: Value = serde_json::from_str(text).unwrap();
        message["type"].as_str().unwrap().to_owned()
    });
    types.filter(|kind| kind != "candidate").collect()
}

#[tokio::test]
async fn part_28_has_no_page_that_asks_to_view() {
    let Some(mut running) = run(Tutorials::part_28_before_the_chat, as_written).await else {
        return;
    };
    let call = &mut running.call;
    broadcast(call).await;
    assert_eq!(call.second.sent().await, Vec::<String>::new());
    all_has_come(call).await;
    assert_eq!(types(&call.first.received().await), ["chat"]);
}

#[tokio::test]
async fn part_28_without_its_chat_offers_to_a_viewer_and_never_hears_the_answer() {
    let Some(mut running) = run(Tutorials::part_28_before_the_chat, as_written).await else {
        return;
    };
    let call = &mut running.call;
    broadcast(call).await;
    say(&mut call.second, json!({"type": "viewer"})).await;
    // The answer comes back to the viewer itself, which has no use for it.
    call.second.when("observer.failures.length > 0").await;
    let why = call.second.failures().await;
    assert!(why[0].contains("InvalidStateError"), "{why:?}");
    all_has_come(call).await;
    assert_eq!(types(&call.first.sent().await), ["broadcaster", "offer"]);
    assert_eq!(types(&call.second.sent().await), ["viewer", "answer", "chat"]);
    assert_eq!(types(&call.first.received().await), ["new-viewer", "chat"]);
    let state = call
        .first
        .evaluate("observer.connections[0].signalingState")
        .await;
    assert_eq!(state, "have-local-offer");
}

#[tokio::test]
async fn part_28_makes_a_viewer_start_anew_when_another_one_comes() {
    let Some(mut running) = run(Tutorials::part_28_before_the_chat, as_written).await else {
        return;
    };
    let call = &mut running.call;
    broadcast(call).await;
    say(&mut call.second, json!({"type": "viewer"})).await;
    call.second.when("observer.connections.length === 1").await;
    let another = "new Promise((resolve) => {
        const another = new WebSocket(socket.url);
        another.onopen = () => resolve(another.send(JSON.stringify({ type: 'viewer' })));
    })";
    call.second.evaluate(another).await;
    call.second.when("observer.connections.length === 2").await;
    assert_eq!(types(&call.first.sent().await), ["broadcaster", "offer", "offer"]);
    assert_eq!(call.first.evaluate("observer.connections.length").await, 1);
}

#[tokio::test]
async fn part_28_loses_its_signaling_with_its_chat() {
    let Some(mut running) = run(Tutorials::part_28, as_written).await else {
        return;
    };
    let call = &mut running.call;
    broadcast(call).await;
    say(&mut call.second, json!({"type": "viewer"})).await;
    all_has_come(call).await;
    assert_eq!(types(&call.first.received().await), ["new-viewer", "chat"]);
    call.first.when("document.querySelector('#chatbox p')").await;
    let state = call
        .first
        .evaluate("observer.connections[0].signalingState")
        .await;
    assert_eq!(state, "stable", "nothing was offered");
}

/// What part 27 leaves to its reader: a server that knows its first client as the host, and sends each event to whom it is
/// addressed.
const SERVER_FOR_PART_27: &str = r#"
    const app = require("express")();
    app.use(require("express").static(`${__dirname}/public`));
    const server = require("http").createServer(app);
    const io = require("socket.io")(server);
    let host;
    io.on("connection", (socket) => {
      host ??= socket;
      if (socket !== host) host.emit("viewer-join", socket.id);
      socket.on("offer", ({ viewerId, offer }) => io.to(viewerId).emit("offer", { hostId: socket.id, offer }));
      socket.on("answer", ({ hostId, answer }) => io.to(hostId).emit("answer", { viewerId: socket.id, answer }));
      socket.on("candidate", ({ viewerId, candidate }) => io.to(viewerId).emit("candidate", { candidate }));
    });
    server.listen(0);"#;

/// And the pages.
fn page_for_part_27(script: &str) -> String {
    format!(
        r#"<video id="hostVideo" autoplay playsinline muted></video><video id="viewerVideo" autoplay playsinline></video>
           <script src="/socket.io/socket.io.js"></script>
           <script>const socket = io({{ transports: ["websocket"] }});
           {script}</script>"#
    )
}

#[tokio::test]
async fn part_27_has_a_host_that_ignores_the_answer_and_a_viewer_that_sends_no_candidate() {
    let Some(tutorials) = Tutorials::find() else {
        return;
    };
    let Some(mut node) = or_skip(Node::run(SERVER_FOR_PART_27), NodeError::is_missing) else {
        return;
    };
    let port = node.port().await.unwrap();
    let urls = ["host", "viewer"].map(|name| format!("http://localhost:{port}/{name}.html"));
    for (name, script) in ["host", "viewer"].into_iter().zip(tutorials.part_27()) {
        node.put(&format!("public/{name}.html"), &page_for_part_27(&script))
            .unwrap();
    }
    let is_live = "socket.connected && document.getElementById('hostVideo').srcObject";
    let Some(mut call) = Call::open_when([&urls[0], &urls[1]], is_live).await else {
        return;
    };
    call.first
        .when("observer.received.some((text) => text.includes('[\"answer\",'))")
        .await;
    let state = call
        .first
        .evaluate("observer.connections[0].signalingState")
        .await;
    assert_eq!(state, "have-local-offer");
    call.second
        .when("observer.connections[0].iceGatheringState === 'complete'")
        .await;
    call.first
        .when("observer.sent.some((text) => text.includes('[\"candidate\",'))")
        .await;
    let sent = call.second.sent().await;
    assert!(!sent.iter().any(|text| text.contains("candidate\"")), "{sent:#?}");
}
