//! The Socket.IO dialects by the wire: frames of Engine.IO 4 over a WebSocket and over polling (docs/dialects.md).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use std::{sync::mpsc, time::Duration};

use common::Lobby;
use futures_util::{SinkExt, StreamExt};
use greenroom_signaling::{CloseCause, Direction, FrameObserver, ServedDialect, ServerConfig};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

const DEADLINE: Duration = Duration::from_secs(120);

fn lobby(dialect: ServedDialect) -> Lobby {
    Lobby::new(ServerConfig {
        dialect,
        ..ServerConfig::default()
    })
}

/// A client that speaks Engine.IO by hand.
struct Client(WebSocketStream<DuplexStream>);

impl Client {
    /// Connected to the namespace `/`.
    async fn new(lobby: &mut Lobby, query: &str) -> Self {
        let stream = lobby.stream();
        let url = format!("ws://greenroom.test/socket.io/?EIO=4&transport=websocket{query}");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut client = Self(socket);
        let open = client.packet().await;
        assert!(open.starts_with(r#"0{"sid":""#), "{open}");
        client.send("40").await;
        let connected = client.packet().await;
        assert!(connected.starts_with(r#"40{"sid":""#), "{connected}");
        client
    }

    async fn send(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.unwrap();
    }

    async fn emit(&mut self, event: &str, data: Value) {
        self.send(&format!("42{}", json!([event, data]))).await;
    }

    /// The next packet that is not the server's ping, which is answered.
    #[track_caller]
    fn packet(&mut self) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match timeout(DEADLINE, self.0.next()).await {
                    Ok(Some(Ok(Message::Text(text)))) if text == "2" => self.send("3").await,
                    Ok(Some(Ok(Message::Text(text)))) => return text.to_string(),
                    Ok(Some(Ok(Message::Ping(_)))) => {}
                    other => panic!("{caller}: expected a packet, got {other:?}"),
                }
            }
        }
    }

    #[track_caller]
    fn event(&mut self) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let packet = self.packet().await;
            let event = packet.strip_prefix("42");
            let event = event.unwrap_or_else(|| panic!("{caller}: expected an event, got {packet}"));
            serde_json::from_str(event).unwrap()
        }
    }

    async fn refused(&mut self) -> String {
        let event = self.event().await;
        assert_eq!(event[0], "error", "{event}");
        event[1]["code"].as_str().unwrap().to_owned()
    }

    /// Everything that was sent to this client before has been read: the answer to nonsense comes after it.
    async fn nothing_else(&mut self) {
        self.emit("fence", Value::Null).await;
        assert_eq!(self.refused().await, "unknown-type");
    }

    /// Hangs up, and waits until the server has done so too, which may have been first.
    async fn leave(mut self) {
        let _ = self.0.send(Message::text("41")).await;
        let _ = self.0.close(None).await;
        let hung_up = timeout(DEADLINE, async { while let Some(Ok(_)) = self.0.next().await {} });
        hung_up.await.expect("the server hangs up");
    }
}

fn offer() -> Value {
    json!({"type": "offer", "sdp": "v=0\r\n"})
}

fn answer() -> Value {
    json!({"type": "answer", "sdp": "v=0\r\n"})
}

#[tokio::test]
async fn a_call_hears_signaling_messages_of_the_other_and_not_its_own() {
    let mut lobby = lobby(ServedDialect::SocketioRelay);
    let mut left = Client::new(&mut lobby, "").await;
    let mut right = Client::new(&mut lobby, "").await;
    for data in [
        json!({"type": "offer", "offer": offer()}),
        json!([1, {"a": null}]),
        json!("text"),
    ] {
        left.emit("signalingMessage", data.clone()).await;
        assert_eq!(right.event().await, json!(["signalingMessage", data]));
    }
    right
        .emit("signalingMessage", json!({"type": "answer", "answer": answer()}))
        .await;
    assert_eq!(left.event().await[1]["type"], "answer");
    left.nothing_else().await;
    right.nothing_else().await;
}

#[tokio::test]
async fn a_hundred_events_in_a_row_arrive_in_order() {
    let mut lobby = lobby(ServedDialect::SocketioRelay);
    let mut left = Client::new(&mut lobby, "").await;
    let mut right = Client::new(&mut lobby, "").await;
    for number in 0..100 {
        left.emit("signalingMessage", json!(number)).await;
    }
    for number in 0..100 {
        assert_eq!(right.event().await, json!(["signalingMessage", number]));
    }
}

#[tokio::test]
async fn a_third_peer_of_a_call_is_told_why_and_disconnected() {
    let mut lobby = lobby(ServedDialect::SocketioRelay);
    let mut left = Client::new(&mut lobby, "").await;
    let mut right = Client::new(&mut lobby, "").await;
    let mut third = Client::new(&mut lobby, "").await;
    assert_eq!(
        third.event().await,
        json!(["error", {"code": "call-full", "message": "the call has two peers already"}])
    );
    assert_eq!(third.packet().await, "41", "disconnected");
    third.emit("signalingMessage", json!("stolen")).await;
    left.emit("signalingMessage", json!("ours")).await;
    assert_eq!(right.event().await[1], "ours");
    right.leave().await;
    left.nothing_else().await;
    let mut next = Client::new(&mut lobby, "").await;
    left.emit("signalingMessage", json!("again")).await;
    assert_eq!(next.event().await[1], "again");
    assert_eq!(lobby.server.stats().closed.get(&CloseCause::CallFull), Some(&1));
}

#[tokio::test]
async fn a_host_and_two_viewers_negotiate_by_name() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut host = Client::new(&mut lobby, "").await;
    host.emit("host-join", Value::Null).await;
    host.nothing_else().await;
    let mut viewers = Vec::new();
    for _ in 0..2 {
        let mut viewer = Client::new(&mut lobby, "").await;
        viewer.emit("viewer-join", json!({})).await;
        let joined = host.event().await;
        assert_eq!(joined[0], "viewer-join");
        viewers.push((viewer, joined[1].clone()));
    }
    // The second first: it is the name that counts and not the order.
    for (viewer, id) in viewers.iter_mut().rev() {
        host.emit("offer", json!({"viewerId": id, "offer": offer()}))
            .await;
        let offered = viewer.event().await;
        assert_eq!((&offered[0], &offered[1]["offer"]), (&json!("offer"), &offer()));
        let host_id = &offered[1]["hostId"];
        viewer
            .emit("answer", json!({"hostId": host_id, "answer": answer()}))
            .await;
        assert_eq!(
            host.event().await,
            json!(["answer", {"viewerId": id, "answer": answer()}])
        );
        let candidate = json!({"candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0});
        host.emit("candidate", json!({"viewerId": id, "candidate": candidate}))
            .await;
        assert_eq!(
            viewer.event().await,
            json!(["candidate", {"hostId": host_id, "candidate": candidate}])
        );
        viewer.emit("candidate", json!({"candidate": candidate})).await;
        assert_eq!(
            host.event().await,
            json!(["candidate", {"viewerId": id, "candidate": candidate}])
        );
    }
    let (first, first_id) = viewers.remove(0);
    first.leave().await;
    assert_eq!(host.event().await, json!(["viewer-left", first_id]));
    viewers[0].0.nothing_else().await;
}

#[tokio::test]
async fn a_role_in_the_query_joins_and_a_viewer_may_come_first() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut viewer = Client::new(&mut lobby, "&role=viewer").await;
    viewer.nothing_else().await;
    let mut host = Client::new(&mut lobby, "&role=host").await;
    let joined = host.event().await;
    assert_eq!(joined[0], "viewer-join");
    host.emit("offer", json!({"viewerId": joined[1], "offer": offer()}))
        .await;
    assert_eq!(viewer.event().await[0], "offer");
}

#[tokio::test]
async fn what_cannot_be_said_is_answered_with_an_error_and_ends_nothing() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut host = Client::new(&mut lobby, "&role=host").await;
    let mut client = Client::new(&mut lobby, "").await;
    for (event, data, code) in [
        ("offer", json!({"viewerId": "v9", "offer": offer()}), "not-joined"),
        ("answer", json!({"answer": answer()}), "not-joined"),
        ("host-join", Value::Null, "broadcaster-exists"),
        ("offer", json!("text"), "malformed-message"),
        ("candidate", json!([]), "malformed-message"),
        ("mute", json!({}), "unknown-type"),
    ] {
        client.emit(event, data).await;
        assert_eq!(client.refused().await, code, "{event}");
    }
    host.emit("offer", json!({"viewerId": "v9", "offer": offer()}))
        .await;
    assert_eq!(host.refused().await, "unknown-target");
    // An event without an argument.
    client.send(r#"42["viewer-join"]"#).await;
    assert_eq!(host.event().await[0], "viewer-join");
}

#[tokio::test]
async fn malformed_oversize_and_binary_input_disturbs_nobody_else() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut host = Client::new(&mut lobby, "&role=host").await;
    let oversize = format!("42{}", json!(["offer", "x".repeat(70 << 10)]));
    for attack in [
        Message::text("nonsense"),
        Message::text(""),
        Message::text("42"),
        Message::text("42[]"),
        Message::text("42{"),
        Message::text(r#"42[1,2]"#),
        Message::text("4"),
        Message::text("9"),
        Message::text(r#"451-["offer",{"_placeholder":true,"num":0}]"#),
        Message::binary(vec![0, 1, 2]),
        Message::text(oversize),
    ] {
        let mut attacker = Client::new(&mut lobby, "").await;
        let _ = attacker.0.send(attack).await;
        attacker.leave().await;
        let viewer = Client::new(&mut lobby, "&role=viewer").await;
        assert_eq!(host.event().await[0], "viewer-join");
        viewer.leave().await;
        assert_eq!(host.event().await[0], "viewer-left");
    }
    assert_eq!(lobby.server.stats().closed.get(&CloseCause::TooBig), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_joins_is_told_what_to_send() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut client = Client::new(&mut lobby, "").await;
    let event = client.event().await;
    assert_eq!(
        (&event[0], &event[1]["code"]),
        (&json!("error"), &json!("no-join"))
    );
    let message = event[1]["message"].as_str().unwrap();
    assert!(
        message.contains("host-join") && message.contains("role=host") && message.contains("10000 ms"),
        "{message}"
    );
    assert_eq!(client.packet().await, "41");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays_and_one_that_does_not_is_gone() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut host = Client::new(&mut lobby, "&role=host").await;
    let _silent = Client::new(&mut lobby, "&role=viewer").await;
    assert_eq!(host.event().await[0], "viewer-join");
    // The host answers as it reads, over the 45 seconds that the other is silent.
    assert_eq!(host.event().await[0], "viewer-left");
    assert_eq!(lobby.server.stats().closed, [(CloseCause::Timeout, 1)].into());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_loses_its_place_and_the_other_goes_on() {
    let mut lobby = lobby(ServedDialect::SocketioRelay);
    let mut left = Client::new(&mut lobby, "").await;
    let _stuck = Client::new(&mut lobby, "").await;
    // More than its stream and its queue hold.
    for _ in 0..1_000 {
        left.emit("signalingMessage", json!("x".repeat(1 << 10))).await;
    }
    left.nothing_else().await;
    timeout(DEADLINE, async {
        while lobby.server.stats().closed.get(&CloseCause::Slow) != Some(&1) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it leaves");
    let mut next = Client::new(&mut lobby, "").await;
    left.emit("signalingMessage", json!("to the next")).await;
    assert_eq!(next.event().await[1], "to the next");
}

/// One request over a connection of its own, and its answer.
async fn ask(lobby: &mut Lobby, request: String) -> String {
    let mut stream = lobby.stream();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[tokio::test]
async fn polling_carries_a_client_as_well() {
    let mut lobby = lobby(ServedDialect::SocketioRelay);
    let open = ask(&mut lobby, get("/socket.io/?EIO=4&transport=polling")).await;
    assert!(open.starts_with("HTTP/1.1 200"), "{open}");
    assert!(
        open.to_lowercase().contains("access-control-allow-origin: *"),
        "{open}"
    );
    assert!(open.contains(r#""upgrades":["websocket"]"#), "{open}");
    let sid = open
        .split(r#""sid":""#)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = |body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    assert!(ask(&mut lobby, post("40")).await.ends_with("ok"));
    let connected = ask(&mut lobby, get(&path)).await;
    assert!(connected.contains(r#"40{"sid":""#), "{connected}");

    let mut other = Client::new(&mut lobby, "").await;
    other.emit("signalingMessage", json!("to the poll")).await;
    let polled = ask(&mut lobby, get(&path)).await;
    assert!(
        polled.ends_with(r#"42["signalingMessage","to the poll"]"#),
        "{polled}"
    );
    assert!(
        ask(&mut lobby, post(r#"42["signalingMessage","and back"]"#))
            .await
            .ends_with("ok")
    );
    assert_eq!(other.event().await[1], "and back");
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let mut lobby = lobby(ServedDialect::SocketioRelay);
    for (path, status, body) in [
        ("/health", "200", "ok"),
        ("/", "404", "Socket.IO at /socket.io/"),
        ("/socket.io/?EIO=4&transport=carrier-pigeon", "400", ""),
        (
            "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA",
            "400",
            "",
        ),
    ] {
        let answer = ask(&mut lobby, get(path)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(body),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn dropping_the_connections_takes_their_clients_out_and_leaves_nothing_behind() {
    let mut lobby = lobby(ServedDialect::SocketioRooms);
    let mut host = Client::new(&mut lobby, "&role=host").await;
    let mut viewer = Client::new(&mut lobby, "&role=viewer").await;
    assert_eq!(host.event().await[0], "viewer-join");
    assert_eq!(lobby.server.stats().members, 2);
    lobby.cut();
    for client in [&mut host, &mut viewer] {
        let ended = timeout(DEADLINE, async {
            while let Some(Ok(_)) = client.0.next().await {}
        });
        ended.await.expect("the connection ends");
    }
    timeout(DEADLINE, async {
        while lobby.server.stats().members > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nobody is left");
    assert_eq!(lobby.server.stats().connections, 0);
}

#[tokio::test]
async fn an_observer_sees_events_as_json_arrays() {
    let (sender, frames) = mpsc::channel();
    let mut lobby = Lobby::new(ServerConfig {
        dialect: ServedDialect::SocketioRooms,
        observer: Some(FrameObserver::new(move |frame| {
            let peer = frame.peer.map(ToString::to_string);
            let _ = sender.send((frame.direction, frame.connection, peer, frame.text.to_owned()));
        })),
        ..ServerConfig::default()
    });
    let mut host = Client::new(&mut lobby, "&role=host").await;
    let mut viewer = Client::new(&mut lobby, "").await;
    viewer.emit("viewer-join", json!("me")).await;
    assert_eq!(host.event().await[0], "viewer-join");
    let seen: Vec<_> = frames.try_iter().collect();
    assert_eq!(
        seen,
        [
            (Direction::Received, 2, None, r#"["viewer-join","me"]"#.to_owned()),
            (
                Direction::Sent,
                1,
                Some("b1".to_owned()),
                r#"["viewer-join","v2"]"#.to_owned()
            ),
        ]
    );
}
