//! Hostile and broken clients: each is cut off with a reason, and everybody else goes on.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use std::time::Duration;

use common::{Bot, Lobby, timed};
use futures_util::{SinkExt, StreamExt};
use greenroom_signaling::{
    ClientConfig, CloseCause, Command, Event, PeerLimits, QueueLimits, RateLimit, Role, ServerConfig,
    ServerStats,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

fn lobby() -> Lobby {
    Lobby::new(ServerConfig::default())
}

/// The close frame that the server sends, after whatever else it sends.
async fn close_frame(socket: &mut WebSocketStream<DuplexStream>) -> (u16, String) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("expected a close frame, got {other:?}"),
        }
    }
}

async fn viewer(lobby: &mut Lobby) -> WebSocketStream<DuplexStream> {
    let mut socket = lobby.raw().await;
    socket
        .send(Message::text(r#"{"type":"viewer","room":"r"}"#))
        .await
        .unwrap();
    socket.next().await.unwrap().unwrap();
    socket
}

fn closed(stats: &ServerStats, cause: CloseCause) -> u64 {
    stats.closed.get(&cause).copied().unwrap_or(0)
}

/// The victim is closed with `code` and a reason that begins with the cause; the others are told and go on.
async fn check(cause: CloseCause, code: u16, attack: impl AsyncFnOnce(&mut WebSocketStream<DuplexStream>)) {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let mut bystander = lobby.join(Role::Viewer).await;
    broadcaster.until_own_chat().await;
    bystander.next_chat().await;
    let mut attacker = viewer(&mut lobby).await;
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));

    attack(&mut attacker).await;
    let (found, reason) = close_frame(&mut attacker).await;
    assert_eq!(found, code, "{reason}");
    assert!(reason.starts_with(&format!("{cause}: ")), "{reason}");
    let ((), took) = timed(async { while attacker.next().await.is_some() {} }).await;
    assert!(
        took < Duration::from_millis(500),
        "the stream ends {took:?} after the close frame"
    );

    assert!(matches!(broadcaster.next().await, Event::PeerLeft { .. }));
    bystander.say("undisturbed");
    assert_eq!(broadcaster.next_chat().await, ("undisturbed".into(), 2));
    drop(attacker);
    drop((broadcaster, bystander));
    lobby.ended().await;
    assert_eq!(closed(&lobby.server.stats(), cause), 1);
}

fn frame(opcode: OpCode, payload: Vec<u8>, last: bool) -> Message {
    Message::Frame(Frame::message(Bytes::from(payload), opcode, last))
}

#[tokio::test(start_paused = true)]
async fn an_oversize_message_is_answered_with_1009() {
    check(CloseCause::TooBig, 1009, async |socket| {
        let text = format!(r#"{{"type":"chat","message":"{}"}}"#, "x".repeat(64 << 10));
        // The server stops reading at the header, so the send of the rest may fail.
        let _ = socket.send(Message::text(text)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_oversize_message_in_small_fragments_is_answered_with_1009() {
    check(CloseCause::TooBig, 1009, async |socket| {
        for part in 0..40 {
            let opcode = OpCode::Data(if part == 0 { Data::Text } else { Data::Continue });
            let _ = socket.send(frame(opcode, vec![b'x'; 2 << 10], false)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_only_claims_to_be_huge_is_answered_with_1009() {
    check(CloseCause::TooBig, 1009, async |socket| {
        let mut head = vec![0x81, 0xff];
        head.extend((1_u64 << 62).to_be_bytes());
        head.extend([0; 4]);
        socket.get_mut().write_all(&head).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_oversize_frame_is_read_away_so_that_no_reset_overtakes_the_reason() {
    check(CloseCause::TooBig, 1009, async |socket| {
        let mut bytes = vec![0x81, 0xff];
        bytes.extend((1_u64 << 20).to_be_bytes());
        bytes.extend(vec![0; 4 + (1 << 20)]);
        socket
            .get_mut()
            .write_all(&bytes)
            .await
            .expect("the server takes it all");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_leaver_gets_everything_that_was_said_before_it_left() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let stream = lobby.stream_of(1 << 10);
    let mut leaver = tokio_tungstenite::client_async("ws://greenroom.test/ws", stream)
        .await
        .unwrap()
        .0;
    leaver
        .send(Message::text(r#"{"type":"viewer","room":"r"}"#))
        .await
        .unwrap();
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));
    for seq in 1..=200 {
        broadcaster.say("chatter");
        assert_eq!(broadcaster.next_chat().await, ("chatter".into(), seq));
    }
    leaver.send(Message::text(r#"{"type":"leave"}"#)).await.unwrap();
    assert!(matches!(broadcaster.next().await, Event::PeerLeft { .. }));
    let mut chats = 0;
    let code = loop {
        match leaver.next().await.unwrap().unwrap() {
            Message::Text(text) => chats += u32::from(text.contains("chatter")),
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            _ => {}
        }
    };
    assert_eq!((chats, code), (200, 1000));
}

#[tokio::test(start_paused = true)]
async fn the_largest_allowed_message_passes() {
    let mut lobby = lobby();
    let mut bot = lobby.join(Role::Viewer).await;
    let text = "x".repeat((64 << 10) - r#"{"type":"chat","message":""}"#.len());
    bot.say(&text);
    assert_eq!(bot.next_chat().await, (text, 1));
}

#[tokio::test(start_paused = true)]
async fn a_binary_message_is_answered_with_1003() {
    check(CloseCause::Binary, 1003, async |socket| {
        socket.send(Message::binary(b"{}".to_vec())).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf8_is_answered_with_1007() {
    check(CloseCause::InvalidText, 1007, async |socket| {
        socket
            .send(frame(OpCode::Data(Data::Text), vec![0xc3, 0x28], true))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unmasked_frame_is_answered_with_1002() {
    check(CloseCause::Protocol, 1002, async |socket| {
        socket
            .get_mut()
            .write_all(&[0x81, 0x02, b'{', b'}'])
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_answered_with_1008() {
    check(CloseCause::Flood, 1008, async |socket| {
        for _ in 0..20_000 {
            if socket.feed(Message::Pong(Bytes::new())).await.is_err() {
                break;
            }
        }
        let _ = socket.flush().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_client_below_the_rate_is_left_alone() {
    let mut lobby = lobby();
    let mut bot = lobby.join(Role::Viewer).await;
    for _ in 0..30 {
        for _ in 0..500 {
            bot.send(Command::Candidate {
                to: Some("b0".into()),
                candidate: Default::default(),
            });
            bot.next_error().await;
        }
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(lobby.server.stats().messages_rejected, 15_000);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_closed_and_the_others_miss_nothing() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    // A stream that holds little stands for a full socket buffer.
    let stream = lobby.stream_of(4 << 10);
    let mut slow = tokio_tungstenite::client_async("ws://greenroom.test/ws", stream)
        .await
        .unwrap()
        .0;
    slow.send(Message::text(r#"{"type":"viewer","room":"r"}"#))
        .await
        .unwrap();
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));
    let mut other = lobby.join(Role::Viewer).await;
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));

    let mut told = false;
    for number in 1..=1_500 {
        broadcaster.say("chatter");
        let seq = loop {
            match broadcaster.next().await {
                Event::Chat { seq, .. } => break seq,
                Event::PeerLeft { .. } => told = true,
                other => panic!("unexpected {other:?}"),
            }
        };
        assert_eq!(seq, Some(number));
        assert_eq!(other.next_chat().await, ("chatter".into(), number));
    }
    assert!(told, "the broadcaster hears that the slow reader is gone");
    assert_eq!(closed(&lobby.server.stats(), CloseCause::Slow), 1);

    // What it does read is without gaps up to its end: no single message was dropped.
    let mut read = Vec::new();
    while let Some(Ok(message)) = slow.next().await {
        read.push(message.to_string());
    }
    let numbers: Vec<&String> = read.iter().filter(|text| text.contains("chatter")).collect();
    assert!(numbers.len() > 10, "only {} read", numbers.len());
    for (index, text) in numbers.iter().enumerate() {
        assert!(text.contains(&format!("\"seq\":{}}}", index + 1)), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_wakes_up_in_time_reads_why_it_was_closed() {
    let queue = QueueLimits {
        messages: 8,
        bytes: 64 << 10,
    };
    let rate = RateLimit {
        per_second: 1_000,
        burst: 1_000,
    };
    let config = ServerConfig {
        viewer: PeerLimits { queue, rate },
        ..ServerConfig::default()
    };
    let mut lobby = Lobby::new(config);
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let stream = lobby.stream_of(1 << 10);
    let mut slow = tokio_tungstenite::client_async("ws://greenroom.test/ws", stream)
        .await
        .unwrap()
        .0;
    slow.send(Message::text(r#"{"type":"viewer","room":"r"}"#))
        .await
        .unwrap();
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));
    for _ in 0..300 {
        broadcaster.say("chatter");
    }
    while !matches!(broadcaster.next().await, Event::PeerLeft { .. }) {}
    assert_eq!(
        close_frame(&mut slow).await,
        (1008, "slow: over 8 messages or 65536 bytes waiting".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_joins_is_closed_after_ten_seconds() {
    let mut lobby = lobby();
    let mut idler = lobby.raw().await;
    let ((code, reason), took) = timed(close_frame(&mut idler)).await;
    assert_eq!(
        (code, reason.as_str()),
        (1008, "no-join: no room joined within 10000 ms")
    );
    assert_eq!(took.as_secs(), 10);

    let member = viewer(&mut lobby).await;
    sleep(Duration::from_secs(11)).await;
    assert_eq!(
        lobby.server.stats().members,
        1,
        "one that has joined may be silent"
    );
    drop(member);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_no_ping_is_dead_after_45_seconds() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let zombie = viewer(&mut lobby).await;
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));
    let (event, took) = timed(broadcaster.next()).await;
    assert!(matches!(event, Event::PeerLeft { .. }), "{event:?}");
    assert_eq!(took.as_secs(), 45);
    assert_eq!(closed(&lobby.server.stats(), CloseCause::Timeout), 1);
    drop(zombie);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_only_answers_pings_stays() {
    let mut lobby = lobby();
    let mut quiet = viewer(&mut lobby).await;
    let mut pings = 0;
    let _ = timeout(Duration::from_secs(130), async {
        while let Some(Ok(message)) = quiet.next().await {
            pings += u32::from(message.is_ping());
        }
    })
    .await;
    assert_eq!(pings, 5);
    assert_eq!(lobby.server.stats().members, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_trickles_in_is_cut_after_five_seconds() {
    let mut lobby = lobby();
    let mut stream = lobby.stream();
    let (read, took) = timed(async {
        for byte in b"GET /ws HTTP/1.1\r\nHost: x\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        stream.read(&mut [0; 64]).await
    })
    .await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(took <= Duration::from_secs(6), "took {took:?}");
    lobby.ended().await;
    assert_eq!(lobby.server.stats().http_only, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_task_on_the_server_is_dropped_is_announced_too() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let (near, far) = tokio::io::duplex(64 << 10);
    let server = lobby.server.clone();
    let task = tokio::spawn(async move { server.serve_connection(far).await });
    let mut viewer = Bot::over(near, ClientConfig::default()).await;
    viewer.join("r", Role::Viewer).await;
    assert!(matches!(broadcaster.next().await, Event::PeerJoined { .. }));
    task.abort();
    assert!(matches!(broadcaster.next().await, Event::PeerLeft { .. }));
    assert_eq!(closed(&lobby.server.stats(), CloseCause::Dropped), 1);
}
