//! The servers, observed by raw WebSockets and by socket.io-client.
//!
//! That something is not sent is seen by what comes next: each connection delivers in order.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::node::{Node, NodeError};
use crate::support::peers::or_skip;
use crate::support::tutorials::{Tutorial, Tutorials};
use crate::support::within;

/// Far beyond anything healthy.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server as it is written, on a port of its own.
struct Server {
    node: Node,
    port: u16,
}

impl Server {
    /// None if the documents or Node.js are missing.
    async fn start(tutorial: impl FnOnce(&Tutorials) -> Tutorial) -> Option<Self> {
        let program = tutorial(&Tutorials::find()?).server(0);
        let mut node = or_skip(Node::run(&program), NodeError::is_missing)?;
        let port = node.port().await.unwrap();
        Some(Self { node, port })
    }

    async fn connect(&self) -> Peer {
        let authority = format!("localhost:{}", self.port);
        let stream = TcpStream::connect(&authority).await.unwrap();
        let (socket, _) = client_async(format!("ws://{authority}/"), stream).await.unwrap();
        Peer(socket)
    }

    /// A peer of part 28 that has said what it is, after the server has heard it.
    async fn join(&self, role: &str) -> Peer {
        let mut peer = self.connect().await;
        peer.say(json!({"type": role})).await;
        peer.is_heard().await;
        peer
    }
}

struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    async fn frame(&mut self) -> Message {
        within(DEADLINE, self.0.next()).await.unwrap().unwrap()
    }

    async fn hear(&mut self) -> Value {
        serde_json::from_str(self.frame().await.to_text().unwrap()).unwrap()
    }

    /// Waits until the server of part 28 has heard everything that this peer said: its chat comes back to everybody. What
    /// else comes before that is a failure.
    async fn is_heard(&mut self) {
        let chat = json!({"type": "chat", "message": "heard"});
        self.say(chat.clone()).await;
        assert_eq!(self.hear().await, chat);
    }
}

#[tokio::test]
async fn part_28_sends_an_answer_to_each_viewer_and_never_to_the_broadcaster() {
    let Some(server) = Server::start(Tutorials::part_28).await else {
        return;
    };
    let mut broadcaster = server.join("broadcaster").await;
    let mut viewer = server.connect().await;
    viewer.say(json!({"type": "viewer"})).await;
    assert_eq!(broadcaster.hear().await, json!({"type": "new-viewer"}));
    let answer = json!({"type": "answer", "answer": {"type": "answer", "sdp": "v=0"}});
    viewer.say(answer.clone()).await;
    assert_eq!(viewer.hear().await, answer, "it goes back to who sent it");
    broadcaster.is_heard().await;
}

#[tokio::test]
async fn part_28_sends_the_offer_for_a_second_viewer_to_the_first_one_too() {
    let Some(server) = Server::start(Tutorials::part_28).await else {
        return;
    };
    let mut broadcaster = server.join("broadcaster").await;
    let offer = |sdp: &str| json!({"type": "offer", "offer": {"type": "offer", "sdp": sdp}});
    let mut viewers = Vec::new();
    for sdp in ["for the first", "for the second"] {
        let mut viewer = server.connect().await;
        viewer.say(json!({"type": "viewer"})).await;
        assert_eq!(broadcaster.hear().await, json!({"type": "new-viewer"}));
        broadcaster.say(offer(sdp)).await;
        viewers.push(viewer);
    }
    assert_eq!(viewers[0].hear().await, offer("for the first"));
    assert_eq!(viewers[0].hear().await, offer("for the second"));
    assert_eq!(viewers[1].hear().await, offer("for the second"));
}

#[tokio::test]
async fn part_28_never_tells_a_broadcaster_of_a_viewer_that_came_before_it() {
    let Some(server) = Server::start(Tutorials::part_28).await else {
        return;
    };
    let _early = server.join("viewer").await;
    let mut broadcaster = server.join("broadcaster").await;
    // Not because nobody is told of anybody.
    let mut late = server.connect().await;
    late.say(json!({"type": "viewer"})).await;
    assert_eq!(broadcaster.hear().await, json!({"type": "new-viewer"}));
}

#[tokio::test]
async fn part_28_is_killed_by_one_frame_that_is_no_json() {
    let Some(mut server) = Server::start(Tutorials::part_28).await else {
        return;
    };
    let mut broadcaster = server.join("broadcaster").await;
    server.connect().await.send(Message::text("hello")).await;
    assert!(!server.node.ended().await.unwrap().success());
    server.node.line("SyntaxError").await.unwrap();
    let end = within(DEADLINE, broadcaster.0.next()).await;
    assert!(
        !matches!(end, Some(Ok(ref message)) if message.is_text()),
        "everybody's connection ends: {end:?}"
    );
}

/// Both relays: text comes out as binary, because `ws` hands a message on as bytes, and comes out at everybody's.
async fn resends_text_as_binary_to_everybody_else(tutorial: fn(&Tutorials) -> Tutorial) {
    let Some(server) = Server::start(tutorial).await else {
        return;
    };
    let mut caller = server.connect().await;
    let (mut callee, mut third) = (server.connect().await, server.connect().await);
    let offer = json!({"type": "offer", "sdp": {"type": "offer", "sdp": "v=0"}}).to_string();
    caller.send(Message::text(offer.clone())).await;
    assert_eq!(callee.frame().await, Message::binary(offer.clone()));
    assert_eq!(
        third.frame().await,
        Message::binary(offer),
        "a call has no third party"
    );
    callee.send(Message::text("answer")).await;
    assert_eq!(
        caller.frame().await,
        Message::binary("answer"),
        "and nobody hears himself"
    );
}

#[tokio::test]
async fn part_22_resends_text_as_binary_and_to_a_third_peer_too() {
    resends_text_as_binary_to_everybody_else(Tutorials::part_22).await;
}

#[tokio::test]
async fn level_4_resends_text_as_binary_and_to_a_third_peer_too() {
    resends_text_as_binary_to_everybody_else(Tutorials::level_4).await;
}

#[tokio::test]
async fn the_socket_io_tutorial_relays_to_everybody_else() {
    let Some(server) = Server::start(Tutorials::socketio).await else {
        return;
    };
    // The offer goes from the first to the second; what the second sends then is the first thing that the first one hears.
    let mut clients = Node::run(&format!(
        r#"const {{ io }} = require("socket.io-client");
           const [first, second] = [0, 1].map(() => io("http://localhost:{port}", {{ forceNew: true }}));
           first.on("signalingMessage", (message) => console.log("first hears", JSON.stringify(message)));
           second.on("signalingMessage", (message) => {{
             console.log("second hears", JSON.stringify(message));
             second.emit("signalingMessage", {{ type: "answer", answer: {{ type: "answer", sdp: "v=0" }} }});
           }});
           const connected = [first, second].map((socket) => new Promise((done) => socket.on("connect", done)));
           Promise.all(connected).then(() =>
             first.emit("signalingMessage", {{ type: "offer", offer: {{ type: "offer", sdp: "v=0" }} }}));"#,
        port = server.port
    ))
    .unwrap();
    let answer = clients.line("first hears").await.unwrap();
    assert_eq!(
        answer,
        r#"first hears {"type":"answer","answer":{"type":"answer","sdp":"v=0"}}"#
    );
    let offer = clients.line("second hears").await.unwrap();
    assert_eq!(
        offer,
        r#"second hears {"type":"offer","offer":{"type":"offer","sdp":"v=0"}}"#
    );
}
