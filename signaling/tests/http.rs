//! The HTTP side of the server: what it upgrades, what it answers and what it refuses.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use common::Lobby;
use greenroom_signaling::{Role, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const UPGRADE: &str = "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends one request and reads the answer until the server hangs up or has said `101` and all its headers.
async fn ask(lobby: &mut Lobby, request: &str) -> String {
    let mut stream = lobby.stream();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    loop {
        let read = stream.read(&mut piece).await.unwrap();
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        if read == 0 || (text.starts_with("HTTP/1.1 101") && text.contains("\r\n\r\n")) {
            return text.into_owned();
        }
    }
}

#[track_caller]
fn assert_answer(answer: &str, status: &str, contains: &[&str]) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "expected {status}, got {answer}"
    );
    for part in contains {
        assert!(
            answer.to_lowercase().contains(&part.to_lowercase()),
            "no {part:?} in {answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_path_has_its_answer() {
    let mut lobby = Lobby::new(ServerConfig::default());
    for (request, status, contains) in [
        (
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
            "200",
            &["\r\n\r\nok"][..],
        ),
        (
            "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "405",
            &["allow: GET"],
        ),
        (
            "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
            "404",
            &["WebSocket at / and /ws"],
        ),
        (
            "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
            "426",
            &["upgrade: websocket", "sec-websocket-version: 13"],
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "426", &[]),
        ("nonsense\r\n\r\n", "400", &[]),
    ] {
        assert_answer(&ask(&mut lobby, request).await, status, contains);
    }
    lobby.ended().await;
    let stats = lobby.server.stats();
    assert_eq!((stats.http_only, stats.connections_opened), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn both_paths_upgrade_with_the_accept_key_of_rfc_6455() {
    let mut lobby = Lobby::new(ServerConfig::default());
    for path in ["/", "/ws", "/ws?room=r"] {
        let answer = ask(&mut lobby, &format!("GET {path} HTTP/1.1\r\n{UPGRADE}\r\n")).await;
        assert_answer(
            &answer,
            "101",
            &[
                "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "connection: upgrade",
            ],
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_of_another_version_or_with_a_bad_key_is_refused() {
    let mut lobby = Lobby::new(ServerConfig::default());
    for (bad, status) in [
        (UPGRADE.replace("13", "8"), "426"),
        (UPGRADE.replace("WebSocket\r\n", "h2c\r\n"), "426"),
        (UPGRADE.replace("keep-alive, Upgrade", "keep-alive"), "426"),
        (UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400"),
    ] {
        assert_answer(
            &ask(&mut lobby, &format!("GET /ws HTTP/1.1\r\n{bad}\r\n")).await,
            status,
            &[],
        );
    }
}

#[tokio::test(start_paused = true)]
async fn compression_is_declined() {
    let mut lobby = Lobby::new(ServerConfig::default());
    let request =
        format!("GET /ws HTTP/1.1\r\n{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    let answer = ask(&mut lobby, &request).await;
    assert_answer(&answer, "101", &[]);
    assert!(!answer.to_lowercase().contains("extensions"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_above_the_limit_is_answered_with_503_until_a_place_is_free() {
    let mut lobby = Lobby::new(ServerConfig {
        max_connections: 1,
        ..ServerConfig::default()
    });
    let only = lobby.join(Role::Viewer).await;
    let request = format!("GET /ws HTTP/1.1\r\n{UPGRADE}\r\n");
    assert_answer(&ask(&mut lobby, &request).await, "503", &["retry-after"]);
    assert_eq!(
        lobby.server.stats().members,
        1,
        "the one that is there is left alone"
    );
    drop(only);
    lobby.ended().await;
    assert_answer(&ask(&mut lobby, &request).await, "101", &[]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_comes_with_the_handshake_is_not_lost() {
    let mut lobby = Lobby::new(ServerConfig::default());
    let mut stream = lobby.stream();
    let join = br#"{"type":"viewer","room":"r"}"#;
    let mut bytes = format!("GET /ws HTTP/1.1\r\n{UPGRADE}\r\n").into_bytes();
    // A masked text frame with a mask of zeros.
    bytes.extend([0x81, 0x80 | join.len() as u8, 0, 0, 0, 0]);
    bytes.extend(join);
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\"joined\"") {
        let mut piece = [0; 512];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
}
