//! A connected client against servers that answer, freeze, lie or die. Builds without the `server` feature.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use greenroom_signaling::{
    Client, ClientConfig, ClientEvents, ClientHandle, ClientTarget, CloseReason, Command, DecodeError,
    Dialect, Direction, EncodeError, Event, FrameFate, FrameFilter, FrameObserver, LateFrame, QueueLimits,
    SendError,
};
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::CloseFrame},
};

type FakeServer = WebSocketStream<DuplexStream>;

fn target() -> ClientTarget {
    ClientTarget {
        url: "ws://greenroom.test:8080/ws".into(),
        headers: Vec::new(),
    }
}

fn native() -> Dialect {
    Dialect::native()
}

/// A client that is connected to a server made of the other end of its stream.
async fn connected(config: ClientConfig) -> (ClientHandle, ClientEvents, FakeServer) {
    connected_over(config, 64 << 10).await
}

async fn connected_over(config: ClientConfig, capacity: usize) -> (ClientHandle, ClientEvents, FakeServer) {
    let (near, far) = tokio::io::duplex(capacity);
    let (client, server) = tokio::join!(
        Client::connect(near, target(), native(), config),
        tokio_tungstenite::accept_async(far)
    );
    let (handle, events) = client.unwrap();
    (handle, events, server.unwrap())
}

async fn next(events: &mut ClientEvents) -> Event {
    timeout(Duration::from_secs(120), events.next())
        .await
        .expect("an event in time")
        .expect("not ended")
        .event
}

async fn assert_closed(events: &mut ClientEvents, reason: CloseReason) {
    assert_eq!(next(events).await, Event::Closed(reason));
    assert_eq!(events.next().await, None);
    assert_eq!(events.next().await, None);
}

fn chat(text: &str) -> Command {
    Command::Chat { text: text.into() }
}

fn chat_frame(seq: u64) -> Message {
    Message::text(format!(
        r#"{{"type":"chat","from":"v1","message":"hi","seq":{seq}}}"#
    ))
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_is_noticed_within_five_seconds() {
    let (_handle, mut events, frozen) = connected(ClientConfig::default()).await;
    let start = Instant::now();
    assert_closed(
        &mut events,
        CloseReason::Timeout {
            idle: Duration::from_secs(4),
        },
    )
    .await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "took {:?}",
        start.elapsed()
    );
    drop(frozen);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_is_noticed_although_writes_are_stuck() {
    let (handle, mut events, frozen) = connected_over(ClientConfig::default(), 1 << 10).await;
    for _ in 0..100 {
        handle.send(chat(&"x".repeat(1_000))).unwrap();
    }
    assert_closed(
        &mut events,
        CloseReason::Timeout {
            idle: Duration::from_secs(4),
        },
    )
    .await;
    drop(frozen);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_server_that_answers_pings_is_alive() {
    let (handle, mut events, mut server) = connected(ClientConfig::default()).await;
    let mut pings = 0;
    let _ = timeout(Duration::from_secs(60), async {
        while let Some(Ok(message)) = server.next().await {
            pings += u32::from(message.is_ping());
        }
    })
    .await;
    assert!((58..=60).contains(&pings), "{pings} pings in a minute");
    server.send(chat_frame(1)).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Chat { .. }));
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn a_killed_server_is_noticed_at_once() {
    let (_handle, mut events, server) = connected(ClientConfig::default()).await;
    let start = Instant::now();
    drop(server);
    assert_closed(&mut events, CloseReason::Eof).await;
    assert!(start.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn the_close_code_of_the_server_is_told_and_what_came_before_is_not_lost() {
    let (_handle, mut events, mut server) = connected(ClientConfig::default()).await;
    server.send(chat_frame(1)).await.unwrap();
    server
        .close(Some(CloseFrame {
            code: 1012.into(),
            reason: "restart".into(),
        }))
        .await
        .unwrap();
    let client = async {
        assert!(matches!(next(&mut events).await, Event::Chat { .. }));
        assert_closed(
            &mut events,
            CloseReason::Remote {
                code: 1012,
                reason: "restart".into(),
            },
        )
        .await;
    };
    let ((), reply) = tokio::join!(client, server.next());
    assert!(
        matches!(reply, Some(Ok(Message::Close(Some(_))))),
        "the close frame is answered: {reply:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_cannot_be_read_is_an_event_and_the_connection_lives() {
    let (_handle, mut events, mut server) = connected(ClientConfig::default()).await;
    server.send(Message::binary(b"{}".to_vec())).await.unwrap();
    server.send(Message::text("{")).await.unwrap();
    server.send(Message::text(r#"{"type":"dance"}"#)).await.unwrap();
    server.send(chat_frame(1)).await.unwrap();
    assert_eq!(
        next(&mut events).await,
        Event::Undecodable(DecodeError::Binary { bytes: 2 })
    );
    assert!(matches!(
        next(&mut events).await,
        Event::Undecodable(DecodeError::Malformed { .. })
    ));
    let unknown = DecodeError::UnknownType { kind: "dance".into() };
    assert_eq!(next(&mut events).await, Event::Undecodable(unknown));
    assert!(matches!(next(&mut events).await, Event::Chat { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_protocol_is_told_so() {
    let (_handle, mut events, mut server) = connected(ClientConfig::default()).await;
    // A masked frame, which only a client may send.
    server
        .get_mut()
        .write_all(&[0x81, 0x82, 0, 0, 0, 0, b'{', b'}'])
        .await
        .unwrap();
    let (event, reply) = tokio::join!(next(&mut events), server.next());
    assert!(
        matches!(event, Event::Closed(CloseReason::Protocol(_))),
        "{event:?}"
    );
    let Some(Ok(Message::Close(Some(frame)))) = reply else {
        panic!("expected a close frame, got {reply:?}")
    };
    assert_eq!(u16::from(frame.code), 1002);
}

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_says_what_was_sent_and_closes_with_1000() {
    // A stream that takes a few messages at a time.
    let (handle, mut events, mut server) = connected_over(ClientConfig::default(), 300).await;
    let clone = handle.clone();
    drop(handle);
    for number in 0..1_000 {
        clone.send(chat(&number.to_string())).unwrap();
    }
    drop(clone);
    let mut heard = 0;
    let code = loop {
        match server.next().await.unwrap().unwrap() {
            Message::Text(_) => heard += 1,
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            _ => {}
        }
    };
    assert_eq!((heard, code), (1_000, 1000));
    drop(server);
    assert_closed(&mut events, CloseReason::Local).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_events_closes_with_1000_and_later_commands_are_refused() {
    let (handle, events, mut server) = connected(ClientConfig::default()).await;
    drop(events);
    let Some(Ok(Message::Close(Some(frame)))) = server.next().await else {
        panic!("expected a close frame")
    };
    assert_eq!(u16::from(frame.code), 1000);
    assert_eq!(handle.send(chat("late")), Err(SendError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_polite_close_does_not_wait_longer_than_a_second_for_a_frozen_server() {
    let (handle, mut events, frozen) = connected(ClientConfig::default()).await;
    let start = Instant::now();
    drop(handle);
    assert_closed(&mut events, CloseReason::Local).await;
    assert_eq!(start.elapsed().as_secs(), 1);
    drop(frozen);
}

#[tokio::test(start_paused = true)]
async fn an_abort_cuts_the_stream_without_a_close_frame() {
    let (handle, mut events, mut server) = connected(ClientConfig::default()).await;
    handle.abort();
    assert_eq!(handle.send(chat("late")), Err(SendError::Closed));
    assert_closed(&mut events, CloseReason::Aborted).await;
    let end = server.next().await;
    assert!(
        !matches!(end, Some(Ok(_))),
        "expected an end without a close frame, got {end:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_send_queue_refuses_a_command_and_keeps_those_before_it() {
    let send_queue = QueueLimits {
        messages: 3,
        bytes: 1 << 10,
    };
    let (handle, _events, mut server) = connected(ClientConfig {
        send_queue,
        ..ClientConfig::default()
    })
    .await;
    for text in ["1", "2", "3"] {
        handle.send(chat(text)).unwrap();
    }
    let full = handle.send(chat("4")).unwrap_err();
    assert!(matches!(full, SendError::Full { messages: 3, .. }), "{full:?}");
    for expected in ["1", "2", "3"] {
        let text = server.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(text.contains(&format!("\"{expected}\"")), "{text}");
    }
    assert_eq!(handle.send(chat("5")), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_stream_takes_at_once_goes_out_without_delay() {
    let (handle, _events, mut server) = connected_over(ClientConfig::default(), 300).await;
    let start = Instant::now();
    handle.send(chat(&"x".repeat(2_000))).unwrap();
    let Some(Ok(Message::Text(text))) = server.next().await else {
        panic!("expected the chat")
    };
    assert!(text.len() > 2_000);
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "took {:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_that_the_dialect_cannot_say_is_refused_by_the_call() {
    let (handle, _events, _server) = connected(ClientConfig::default()).await;
    let nobody = Command::EndOfCandidates {
        to: None,
        username_fragment: None,
    };
    let refused = SendError::Encode(EncodeError::MissingTarget {
        message: "end-of-candidates",
    });
    assert_eq!(handle.send(nobody), Err(refused));
}

#[tokio::test(start_paused = true)]
async fn events_that_nobody_takes_hold_the_server_back_and_are_all_there_later() {
    let config = ClientConfig {
        event_queue: 2,
        ..ClientConfig::default()
    };
    let (handle, mut events, mut server) = connected(config).await;
    for seq in 1..=20 {
        server.send(chat_frame(seq)).await.unwrap();
    }
    // Longer than the idle timeout: that nothing is read is not the server's silence.
    sleep(Duration::from_secs(60)).await;
    for expected in 1..=20 {
        let Event::Chat { seq, .. } = next(&mut events).await else {
            panic!("expected chat")
        };
        assert_eq!(seq, Some(expected));
    }
    handle.send(chat("still here")).unwrap();
    loop {
        if let Message::Text(text) = server.next().await.unwrap().unwrap() {
            break assert!(text.contains("still here"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_event_can_be_cancelled_without_losing_it() {
    let (_handle, mut events, mut server) = connected(ClientConfig::default()).await;
    let answers = tokio::spawn(async move {
        for seq in 1..=5 {
            sleep(Duration::from_millis(350)).await;
            server.send(chat_frame(seq)).await.unwrap();
        }
        server
    });
    let mut seen = Vec::new();
    while seen.len() < 5 {
        tokio::select! {
            biased;
            () = sleep(Duration::from_millis(10)) => {}
            event = events.next() => match event.unwrap().event {
                Event::Chat { seq, .. } => seen.push(seq.unwrap()),
                other => panic!("unexpected {other:?}"),
            },
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    drop(answers.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_every_text_frame_both_ways_with_its_time() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let start = Instant::now();
    let observer = FrameObserver::new(move |frame| {
        let entry = (
            frame.at - start,
            format!("{:?}", frame.direction),
            frame.text.to_owned(),
        );
        log.lock().unwrap().push(entry);
    });
    let (handle, mut events, mut server) = connected(ClientConfig {
        observer: Some(observer),
        ..ClientConfig::default()
    })
    .await;
    handle.send(chat("hi")).unwrap();
    server.next().await.unwrap().unwrap();
    sleep(Duration::from_millis(500)).await;
    server.send(Message::text("{")).await.unwrap();
    next(&mut events).await;
    let expected = [
        (
            Duration::ZERO,
            "Sent".to_owned(),
            r#"{"type":"chat","message":"hi"}"#.to_owned(),
        ),
        (Duration::from_millis(500), "Received".to_owned(), "{".to_owned()),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// A filter that lets every frame of a direction take this long.
fn late(direction: Direction, ms: u64) -> ClientConfig {
    let filter = FrameFilter::new(move |_, way, text| {
        if way != direction {
            return FrameFate::Pass;
        }
        FrameFate::Instead(vec![LateFrame {
            after: Duration::from_millis(ms),
            text: text.to_owned(),
        }])
    });
    ClientConfig {
        filter: Some(filter),
        ..ClientConfig::default()
    }
}

async fn next_text(server: &mut FakeServer) -> String {
    loop {
        let message = timeout(Duration::from_secs(120), server.next()).await;
        if let Message::Text(text) = message.expect("a message in time").expect("not ended").unwrap() {
            return text.to_string();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_filtered_frame_is_written_when_it_is_due_and_in_order() {
    let (handle, _events, mut server) = connected(late(Direction::Sent, 300)).await;
    let start = Instant::now();
    for number in 0..3 {
        handle.send(chat(&number.to_string())).unwrap();
    }
    for number in 0..3 {
        assert!(next_text(&mut server).await.contains(&format!("\"{number}\"")));
    }
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_millis(310),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_filtered_frame_is_read_when_it_is_due_and_what_is_lost_never() {
    let (_handle, mut events, mut server) = connected(late(Direction::Received, 300)).await;
    let start = Instant::now();
    server.send(chat_frame(1)).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Chat { .. }));
    assert!(start.elapsed() >= Duration::from_millis(300));

    let seen = Arc::new(Mutex::new(0));
    let counted = seen.clone();
    let config = ClientConfig {
        filter: Some(FrameFilter::new(|_, _, _| FrameFate::Instead(Vec::new()))),
        observer: Some(FrameObserver::new(move |_| *counted.lock().unwrap() += 1)),
        ..ClientConfig::default()
    };
    let (handle, mut events, mut server) = connected(config).await;
    handle.send(chat("gone")).unwrap();
    server.send(chat_frame(1)).await.unwrap();
    server.close(None).await.unwrap();
    let end = next(&mut events).await;
    assert!(matches!(end, Event::Closed(_)), "{end:?}");
    assert_eq!(
        *seen.lock().unwrap(),
        1,
        "an observer sees what was said, and not what was never heard"
    );
}

#[tokio::test(start_paused = true)]
async fn a_polite_close_does_not_overtake_what_is_under_way() {
    let (handle, events, mut server) = connected(late(Direction::Sent, 300)).await;
    handle.send(chat("goodbye")).unwrap();
    drop((handle, events));
    assert!(next_text(&mut server).await.contains("goodbye"));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_reader_reads_nothing_until_it_does_and_then_everything() {
    let (handle, mut events, mut server) = connected(ClientConfig::default()).await;
    let start = Instant::now();
    handle.stall(Duration::from_secs(10));
    for seq in 1..=5 {
        server.send(chat_frame(seq)).await.unwrap();
    }
    handle.send(chat("still talking")).unwrap();
    assert!(next_text(&mut server).await.contains("still talking"));
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "a stalled reader still writes"
    );
    for seq in 1..=5 {
        let Event::Chat { seq: got, .. } = next(&mut events).await else {
            panic!("a chat line")
        };
        assert_eq!(got, Some(seq));
    }
    assert!(start.elapsed() >= Duration::from_secs(10));
}
