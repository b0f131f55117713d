//! The accept loop over real loopback sockets, on the real clock.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use std::{net::SocketAddr, time::Duration};

use common::target;
use greenroom_signaling::{
    Client, ClientConfig, ClientEvents, ClientHandle, CloseReason, Command, Dialect, Event, Role, Server,
    ServerConfig,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(10);

async fn join(address: SocketAddr, role: Role) -> (ClientHandle, ClientEvents) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (handle, mut events) = Client::connect(stream, target(), Dialect::native(), ClientConfig::default())
        .await
        .unwrap();
    handle
        .send(Command::Join {
            room: "r".parse().unwrap(),
            role,
        })
        .unwrap();
    assert!(matches!(next(&mut events).await, Event::Joined { .. }));
    (handle, events)
}

async fn next(events: &mut ClientEvents) -> Event {
    timeout(DEADLINE, events.next())
        .await
        .expect("an event in time")
        .expect("not ended")
        .event
}

#[tokio::test]
async fn dropping_the_server_future_closes_every_client_and_the_port() {
    let server = Server::new(ServerConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener).await }
    });
    let (_first, mut broadcaster) = join(address, Role::Broadcaster).await;
    let (_second, mut viewer) = join(address, Role::Viewer).await;
    assert!(matches!(next(&mut broadcaster).await, Event::PeerJoined { .. }));
    assert_eq!(server.stats().connections, 2);

    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    for events in [&mut broadcaster, &mut viewer] {
        loop {
            match next(events).await {
                Event::Closed(reason) => break assert_eq!(reason, CloseReason::Eof),
                Event::PeerLeft { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }
    let stats = server.stats();
    assert_eq!((stats.connections, stats.rooms, stats.members), (0, 0, 0));
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn an_oversize_frame_over_tcp_is_answered_before_the_connection_is_reset() {
    let server = Server::new(ServerConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { server.serve(listener).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await
        .unwrap();
    // 1 MiB announced and sent, far more than the server reads before it answers.
    let mut bytes = vec![0x81, 0xff];
    bytes.extend((1_u64 << 20).to_be_bytes());
    bytes.extend(vec![0; 4 + (1 << 20)]);
    // Reading only now: a reset would have thrown the answer away.
    let _ = stream.write_all(&bytes).await;
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("an end in time")
        .expect("no reset");
    // A close frame begins with 0x88, its length and the code; 1009 is 0x03f1.
    assert!(
        answer
            .windows(4)
            .any(|bytes| bytes[0] == 0x88 && bytes[2..] == [0x03, 0xf1]),
        "{answer:?}"
    );
    serving.abort();
}
