//! Each dialect with greenroom at one end and somebody else's part at the other: bots with real servers of ws and socket.io,
//! and stock clients with greenroom's server. What both ends of ours do together is tested in `dialects.rs`, what browsers
//! do in `tutorials.rs`, and Janus in `janus.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::Run;
use greenroom::signaling::DialectName;
use greenroom_fixtures::Size;
use support::call::Call;
use support::node::{Node, NodeError};
use support::peers::or_skip;
use support::served::serve;
use support::site::Site;
use support::tutorials::Tutorials;
use support::{ms, report};

/// The bots and a server of somebody else: every frame is verified, with viewers that come late and that come first.
async fn bots_with(dialect: DialectName, viewers: u32, server: &str) {
    let Some(mut server) = or_skip(Node::run(server), NodeError::is_missing) else {
        return;
    };
    let url = format!("ws://127.0.0.1:{}/", server.port().await.unwrap());
    for broadcaster_delay in [ms(0), ms(700)] {
        let run = Run::against(&url)
            .dialect(dialect)
            .size(Size::SMALL)
            .viewers(viewers)
            .duration(ms(1_500))
            .broadcaster_delay(broadcaster_delay);
        let report = report(run).await;
        report.assert_passed();
        let totals = &report.measured.totals;
        assert!(totals.verified > 20, "{dialect}: {totals:?}");
        assert_eq!(totals.expected, totals.verified, "{dialect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_call_each_other_through_a_relay_of_ws() {
    bots_with(DialectName::Relay, 1, include_str!("node/relay-ws.cjs")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_broadcast_through_a_server_of_ws() {
    bots_with(DialectName::BroadcastWs, 3, include_str!("node/broadcast-ws.cjs")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_call_each_other_through_socket_io() {
    bots_with(
        DialectName::SocketioRelay,
        1,
        include_str!("node/socketio-relay.cjs"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_broadcast_through_rooms_of_socket_io() {
    bots_with(
        DialectName::SocketioRooms,
        3,
        include_str!("node/socketio-rooms.cjs"),
    )
    .await;
}

/// Runs a script of clients against greenroom's server, and waits for its last word.
async fn clients_of(dialect: &str, script: &str) {
    let (_server, port) = serve(dialect).await;
    let script = script.replace("PORT", &port.to_string());
    let Some(mut clients) = or_skip(Node::run(&script), NodeError::is_missing) else {
        return;
    };
    let ended = clients.ended().await.unwrap();
    let said = clients.lines();
    assert!(
        ended.success() && said.last().is_some_and(|line| line == "all well"),
        "{said:#?}"
    );
}

#[tokio::test]
async fn clients_of_socket_io_call_each_other_through_our_relay_and_a_third_is_refused() {
    clients_of("socketio-relay", include_str!("node/clients-socketio-relay.cjs")).await;
}

#[tokio::test]
async fn clients_of_socket_io_are_host_and_viewers_in_our_rooms_and_a_second_host_is_refused() {
    clients_of("socketio-rooms", include_str!("node/clients-socketio-rooms.cjs")).await;
}

#[tokio::test]
async fn clients_of_ws_call_each_other_through_our_relay_and_a_third_is_refused() {
    clients_of("relay", include_str!("node/clients-relay.cjs")).await;
}

#[tokio::test]
async fn clients_of_ws_are_broadcaster_and_viewers_at_our_server() {
    clients_of("broadcast-ws", include_str!("node/clients-broadcast-ws.cjs")).await;
}

/// The client's library, as a Socket.IO server would serve it.
const CLIENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/node/node_modules/socket.io/client-dist/socket.io.js"
);

#[tokio::test]
async fn the_page_of_the_socket_io_tutorial_calls_through_our_server_once_its_name_is_right() {
    let Some(tutorials) = Tutorials::find() else {
        return;
    };
    let client = std::fs::read_to_string(CLIENT).map_err(|_| NodeError::NoPackages);
    let Some(client) = or_skip(client, NodeError::is_missing) else {
        return;
    };
    let (_server, port) = serve("socketio-relay").await;
    let tutorial = tutorials.socketio();
    let script = tutorial
        .script(port)
        .replace(".srcObject = remote\n", ".srcObject = remoteStream\n")
        .replace("remote.addTrack", "remoteStream.addTrack");
    let site = Site::serve(&[
        ("/", tutorial.html()),
        ("/script.js", &script),
        ("/socket.io/socket.io.js", &client),
    ])
    .await;
    let has_offered = "observer.connections[0]?.signalingState === 'have-local-offer'";
    let Some(mut call) = Call::open_when([&site.url(), &site.url()], has_offered).await else {
        return;
    };
    call.each_sees_the_other().await;
}
