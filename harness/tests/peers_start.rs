//! The real peers of the other tests: each starts, answers, and is gone afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use support::chromium::ChromiumError;
use support::janus::{Janus, JanusError, ROOM, SUBPROTOCOL};
use support::node::{Node, NodeError};
use support::page::Browser;
use support::peers::or_skip;
use support::site::Site;
use support::within;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Far beyond anything healthy.
const DEADLINE: Duration = Duration::from_secs(30);

/// An offer to send one VP8 stream, of which only the answer matters.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
    a=rtpmap:96 VP8/90000\r\na=setup:actpass\r\na=ice-ufrag:greenroom\r\na=ice-pwd:greenroomgreenroomgreenroom\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=msid:stream track\r\na=ssrc:1 cname:greenroom\r\n";

/// A conversation with Janus, whose replies are found by their transaction.
struct Client {
    socket: WebSocketStream<TcpStream>,
    transactions: u32,
}

impl Client {
    async fn connect(janus: &Janus) -> Self {
        let url = janus.url();
        let stream = TcpStream::connect(url.strip_prefix("ws://").unwrap())
            .await
            .unwrap();
        let mut request = url.into_client_request().unwrap();
        let subprotocol = SUBPROTOCOL.parse().unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", subprotocol);
        let (socket, _) = client_async(request, stream).await.unwrap();
        Self {
            socket,
            transactions: 0,
        }
    }

    /// Asks, and gives the first reply that is more than "I have heard".
    async fn ask(&mut self, mut request: Value) -> Value {
        self.transactions += 1;
        let transaction = format!("t{}", self.transactions);
        request["transaction"] = json!(transaction);
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .unwrap();
        within(DEADLINE, async {
            loop {
                let message = self.socket.next().await.unwrap().unwrap();
                let reply: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
                if reply["transaction"] == transaction && reply["janus"] != "ack" {
                    return reply;
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn janus_starts_and_says_who_it_is() {
    let Some(janus) = or_skip(Janus::start().await, JanusError::is_missing) else {
        return;
    };
    let info = Client::connect(&janus).await.ask(json!({"janus": "info"})).await;
    assert_eq!(info["janus"], "server_info", "{info}");
    assert!(info["plugins"]["janus.plugin.videoroom"].is_object(), "{info}");
}

#[tokio::test]
async fn janus_answers_a_publisher_with_a_candidate_on_loopback() {
    let Some(janus) = or_skip(Janus::start().await, JanusError::is_missing) else {
        return;
    };
    let mut client = Client::connect(&janus).await;
    let session = client.ask(json!({"janus": "create"})).await["data"]["id"].take();
    let plugin = "janus.plugin.videoroom";
    let attach = json!({"janus": "attach", "session_id": session, "plugin": plugin});
    let handle = client.ask(attach).await["data"]["id"].take();
    let join = json!({"request": "joinandconfigure", "room": ROOM, "ptype": "publisher"});
    let published = client
        .ask(json!({
            "janus": "message", "session_id": session, "handle_id": handle, "body": join,
            "jsep": {"type": "offer", "sdp": OFFER},
        }))
        .await;
    let answer = published["jsep"]["sdp"].as_str().unwrap_or_default();
    let candidates: Vec<_> = answer
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .collect();
    assert!(
        !candidates.is_empty() && candidates.iter().all(|line| line.contains(" 127.0.0.1 ")),
        "{published}\n{:#?}",
        janus.log()
    );
}

#[tokio::test]
async fn nobody_listens_where_a_dropped_janus_was() {
    let Some(janus) = or_skip(Janus::start().await, JanusError::is_missing) else {
        return;
    };
    let address = janus.url().strip_prefix("ws://").unwrap().to_owned();
    TcpStream::connect(&address).await.unwrap();
    drop(janus);
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn a_socket_io_client_and_a_socket_io_server_exchange_an_event() {
    let server = Node::run(
        r#"require("socket.io")(0).on("connection", (socket) => socket.on("ask", (what) => socket.emit("told", what + 1)));
           "#,
    );
    let Some(mut server) = or_skip(server, NodeError::is_missing) else {
        return;
    };
    let port = server.port().await.unwrap();
    let mut client = Node::run(&format!(
        r#"const socket = require("socket.io-client")("http://127.0.0.1:{port}");
           socket.on("told", (what) => {{ console.log(`told ${{what}}`); socket.close(); }});
           socket.emit("ask", 41);"#
    ))
    .unwrap();
    client.line("told 42").await.unwrap();
    assert!(client.ended().await.unwrap().success(), "{:#?}", client.lines());
}

#[tokio::test]
async fn express_serves_and_ws_relays_on_one_port() {
    let server = Node::run(
        r#"const { Server } = require("ws");
           const app = require("express")();
           app.get("/who", (request, response) => response.send("express"));
           new Server({ server: app.listen(0) }).on("connection", (socket) => socket.send("ws"));"#,
    );
    let Some(mut server) = or_skip(server, NodeError::is_missing) else {
        return;
    };
    let authority = format!("127.0.0.1:{}", server.port().await.unwrap());
    let stream = TcpStream::connect(&authority).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{authority}/"), stream).await.unwrap();
    let first = within(DEADLINE, socket.next()).await.unwrap().unwrap();
    assert_eq!(first, Message::text("ws"));
    let mut client = Node::run(&format!(
        r#"fetch("http://{authority}/who").then((response) => response.text()).then(console.log);"#
    ))
    .unwrap();
    client.line("express").await.unwrap();
}

#[tokio::test]
async fn a_script_that_fails_is_quoted() {
    let script = Node::run(r#"throw new Error("no such room");"#);
    let Some(mut script) = or_skip(script, NodeError::is_missing) else {
        return;
    };
    let why = script.port().await.unwrap_err().to_string();
    assert!(why.contains("no such room"), "{why}");
    assert!(!script.ended().await.unwrap().success());
}

/// A page with its camera in one video, and a picture that nobody stamped in another.
const MIRROR: &str = r#"<video id="camera" autoplay muted></video><video id="grey" autoplay muted></video>
    <script>
      navigator.mediaDevices.getUserMedia({ video: true, audio: true }).then((stream) => {
        document.getElementById("camera").srcObject = stream;
      });
      const canvas = document.createElement("canvas");
      document.getElementById("grey").srcObject = canvas.captureStream();
      const context = canvas.getContext("2d");
      setInterval(() => { context.fillStyle = "grey"; context.fillRect(0, 0, canvas.width, canvas.height); }, 50);
    </script>"#;

#[tokio::test]
async fn a_page_shows_the_stamps_of_its_camera_and_none_where_there_is_none() {
    let Some(mut browser) = or_skip(Browser::start(7).await, ChromiumError::is_missing) else {
        return;
    };
    let site = Site::serve(&[("/", MIRROR)]).await;
    let mut page = browser.open(&site.url()).await;
    assert_eq!(page.stream("#camera", 10).await, 7);
    let grey = page.frame("#grey").await;
    assert!(grey.stamp().is_err(), "{:?}", grey.stamp());
    let luma = grey.rgba.chunks_exact(4).map(|sample| sample[1]);
    assert!(
        luma.clone().all(|luma| luma.abs_diff(128) < 4),
        "{:?}",
        luma.max()
    );
}
