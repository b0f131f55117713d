//! What a room does, seen from bots that speak to a real server over in-memory streams.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Bot, Lobby, answer, offer, timed};
use futures_util::{SinkExt, StreamExt};
use greenroom_signaling::{
    Candidate, CloseCause, CloseReason, Command, Direction, ErrorCode, Event, FrameObserver, Muted,
    MutedMedia, Role, RoomState, ServerConfig,
};
use tokio_tungstenite::tungstenite::Message;

fn lobby() -> Lobby {
    Lobby::new(ServerConfig::default())
}

fn joined(bot: &Bot, role: Role) -> Event {
    Event::PeerJoined {
        id: bot.id.clone(),
        role,
    }
}

fn left(bot: &Bot, role: Role) -> Event {
    Event::PeerLeft {
        id: bot.id.clone(),
        role,
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_comes_first_meets_the_broadcaster_when_it_arrives() {
    let mut lobby = lobby();
    let mut viewer = lobby.join(Role::Viewer).await;
    assert_eq!(viewer.peers, []);
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    assert_eq!(broadcaster.next().await, joined(&viewer, Role::Viewer));
    assert_eq!(viewer.next().await, joined(&broadcaster, Role::Broadcaster));

    let second = lobby.join(Role::Viewer).await;
    assert_eq!(second.peers, [(broadcaster.id.clone(), Role::Broadcaster)]);
    assert_eq!(broadcaster.next().await, joined(&second, Role::Viewer));
    assert_eq!(viewer.until_own_chat().await, [], "viewers do not see each other");
}

#[tokio::test(start_paused = true)]
async fn a_negotiation_reaches_exactly_its_peer_under_the_name_that_the_server_knows() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let mut viewer = lobby.join(Role::Viewer).await;
    let mut bystander = lobby.join(Role::Viewer).await;
    broadcaster.until_own_chat().await;

    let candidate = Candidate {
        candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ host".into(),
        ..Default::default()
    };
    let (viewer_id, broadcaster_id) = (viewer.id.clone(), broadcaster.id.clone());
    let to = || Some(viewer_id.clone());
    broadcaster.send(Command::Description {
        to: to(),
        description: offer(),
    });
    broadcaster.send(Command::Candidate {
        to: to(),
        candidate: candidate.clone(),
    });
    broadcaster.send(Command::EndOfCandidates {
        to: to(),
        username_fragment: Some("u".into()),
    });
    let from = || Some(broadcaster_id.clone());
    let heard = viewer.until_own_chat().await;
    let expected = [
        Event::Description {
            from: from(),
            description: offer(),
        },
        Event::Candidate {
            from: from(),
            candidate,
        },
        Event::EndOfCandidates {
            from: from(),
            username_fragment: Some("u".into()),
        },
    ];
    assert_eq!(
        heard
            .into_iter()
            .filter(|event| !matches!(event, Event::Chat { .. }))
            .collect::<Vec<_>>(),
        expected
    );

    viewer.send(Command::Description {
        to: from(),
        description: answer(),
    });
    viewer.until_own_chat().await;
    let heard = broadcaster.until_own_chat().await;
    assert!(
        heard.contains(&Event::Description {
            from: to(),
            description: answer()
        }),
        "{heard:?}"
    );
    let overheard = bystander.until_own_chat().await;
    assert!(
        overheard.iter().all(|event| matches!(event, Event::Chat { .. })),
        "{overheard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sender_cannot_choose_the_name_under_which_it_is_heard() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let mut liar = lobby.raw().await;
    for frame in [
        r#"{"type":"viewer","room":"r"}"#.to_owned(),
        format!(r#"{{"type":"chat","message":"hi","from":"{}"}}"#, broadcaster.id),
    ] {
        liar.send(Message::text(frame)).await.unwrap();
    }
    let Event::PeerJoined { id: liar_id, .. } = broadcaster.next().await else {
        panic!("expected the viewer")
    };
    let Event::Chat { from, .. } = broadcaster.next().await else {
        panic!("expected chat")
    };
    assert_eq!(from, Some(liar_id));
}

#[tokio::test(start_paused = true)]
async fn a_broadcaster_that_returns_has_a_new_name_and_meets_those_who_stayed() {
    let mut lobby = lobby();
    let mut first = lobby.join(Role::Broadcaster).await;
    let mut viewer = lobby.join(Role::Viewer).await;
    first.send(Command::Stop);
    let stopped = RoomState {
        version: 1,
        muted: Muted::default(),
        stopped: true,
    };
    assert_eq!(viewer.next().await, Event::RoomState(stopped));
    first.handle.abort();
    assert_eq!(first.closed().await, CloseReason::Aborted);
    assert_eq!(viewer.next().await, left(&first, Role::Broadcaster));

    let mut second = lobby.join(Role::Broadcaster).await;
    assert_ne!(second.id, first.id);
    let live = RoomState {
        version: 2,
        muted: Muted::default(),
        stopped: false,
    };
    assert_eq!(second.state, live);
    assert_eq!(second.next().await, joined(&viewer, Role::Viewer));
    assert_eq!(viewer.next().await, joined(&second, Role::Broadcaster));
    assert_eq!(viewer.next().await, Event::RoomState(live));
}

#[tokio::test(start_paused = true)]
async fn three_clients_hear_a_lively_chat_in_one_order() {
    let mut lobby = lobby();
    let mut bots = Vec::new();
    for role in [Role::Broadcaster, Role::Viewer, Role::Viewer] {
        bots.push(lobby.join(role).await);
    }
    bots[0].until_own_chat().await;
    bots[1].next_chat().await;
    bots[2].next_chat().await;
    for round in 0..50 {
        for (speaker, bot) in bots.iter().enumerate() {
            bot.say(&format!("{speaker}:{round}"));
        }
        tokio::task::yield_now().await;
    }
    let mut heard = Vec::new();
    for bot in &mut bots {
        let mut chat = Vec::new();
        for _ in 0..150 {
            chat.push(bot.next_chat().await);
        }
        heard.push(chat);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0], heard[2]);
    let numbers: Vec<u64> = heard[0].iter().map(|&(_, seq)| seq).collect();
    assert_eq!(
        numbers,
        (2..152).collect::<Vec<_>>(),
        "numbered without gaps after the fence"
    );
    for speaker in 0..3 {
        let own: Vec<&str> = heard[0]
            .iter()
            .map(|(text, _)| text.as_str())
            .filter(|text| text.starts_with(&format!("{speaker}:")))
            .collect();
        let said: Vec<String> = (0..50).map(|round| format!("{speaker}:{round}")).collect();
        assert_eq!(own, said, "each speaker is heard in the order of speaking");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_joiner_gets_what_was_muted_and_stopped() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    broadcaster.send(Command::Mute {
        media: MutedMedia::All,
    });
    broadcaster.send(Command::Unmute {
        media: MutedMedia::Video,
    });
    broadcaster.send(Command::Unmute {
        media: MutedMedia::Video,
    });
    broadcaster.send(Command::Stop);
    broadcaster.until_own_chat().await;
    let viewer = lobby.join(Role::Viewer).await;
    let state = RoomState {
        version: 3,
        muted: Muted {
            audio: true,
            video: false,
        },
        stopped: true,
    };
    assert_eq!(viewer.state, state);
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_race_for_the_room_is_told_so_and_may_watch_instead() {
    let mut lobby = lobby();
    let mut winner = lobby.join(Role::Broadcaster).await;
    let mut loser = lobby.connect().await;
    loser.send(Command::Join {
        room: "r".parse().unwrap(),
        role: Role::Broadcaster,
    });
    assert_eq!(loser.next_error().await, ErrorCode::BroadcasterExists);
    loser.join("r", Role::Viewer).await;
    assert_eq!(winner.next().await, joined(&loser, Role::Viewer));
}

#[tokio::test]
async fn of_a_hundred_broadcasters_at_once_exactly_one_gets_the_room() {
    let mut lobby = lobby();
    let mut bots = Vec::new();
    for _ in 0..100 {
        bots.push(lobby.connect().await);
    }
    for bot in &bots {
        bot.send(Command::Join {
            room: "r".parse().unwrap(),
            role: Role::Broadcaster,
        });
    }
    let mut owners = 0;
    for bot in &mut bots {
        match bot.next().await {
            Event::Joined { .. } => owners += 1,
            Event::Error { code, .. } => assert_eq!(code, ErrorCode::BroadcasterExists),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(owners, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_for_a_peer_that_left_is_answered_and_not_lost_in_silence() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let viewer = lobby.join(Role::Viewer).await;
    broadcaster.until_own_chat().await;
    viewer.handle.abort();
    assert_eq!(broadcaster.next().await, left(&viewer, Role::Viewer));
    broadcaster.send(Command::Description {
        to: Some(viewer.id.clone()),
        description: offer(),
    });
    let event = broadcaster.next().await;
    let Event::Error { code, to, .. } = event else {
        panic!("expected an error, got {event:?}")
    };
    assert_eq!((code, to), (ErrorCode::UnknownTarget, Some(viewer.id)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_another_room_is_out_of_reach() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let mut stranger = lobby.connect().await;
    stranger.join("other", Role::Viewer).await;
    broadcaster.send(Command::Description {
        to: Some(stranger.id.clone()),
        description: offer(),
    });
    broadcaster.say("to my room");
    assert_eq!(broadcaster.next_error().await, ErrorCode::UnknownTarget);
    assert_eq!(stranger.until_own_chat().await, []);
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_answered_with_a_typed_error_and_the_connection_lives() {
    let mut lobby = lobby();
    let mut socket = lobby.raw().await;
    for (frame, code) in [
        ("{", "malformed-message"),
        (r#"{"type":"dance"}"#, "unknown-type"),
        (r#"{"type":"chat","message":"hi"}"#, "not-joined"),
        (
            r#"{"type":"viewer","room":"r","protocol":2}"#,
            "unsupported-protocol",
        ),
        (r#"{"type":"viewer","room":"no spaces"}"#, "malformed-message"),
        (r#"{"type":"viewer","room":"r","protocol":1}"#, "joined"),
        (
            r#"{"type":"offer","to":"v1","offer":{"type":"offer","sdp":""}}"#,
            "not-allowed",
        ),
        (r#"{"type":"chat","message":"still here"}"#, "still here"),
    ] {
        socket.send(Message::text(frame)).await.unwrap();
        let reply = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(
            reply.contains(&format!("\"{code}\"")),
            "{frame} was answered with {reply}"
        );
    }
    assert_eq!(lobby.server.stats().messages_rejected, 6);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_announced_at_once() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let viewer = lobby.join(Role::Viewer).await;
    broadcaster.until_own_chat().await;
    viewer.handle.abort();
    let (event, took) = timed(broadcaster.next()).await;
    assert_eq!(event, left(&viewer, Role::Viewer));
    assert!(took < Duration::from_millis(50), "took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_by_message_is_closed_with_1000_and_announced() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let mut viewer = lobby.join(Role::Viewer).await;
    broadcaster.until_own_chat().await;
    viewer.send(Command::Leave);
    assert!(matches!(
        viewer.closed().await,
        CloseReason::Remote { code: 1000, .. }
    ));
    assert_eq!(broadcaster.next().await, left(&viewer, Role::Viewer));
}

#[tokio::test(start_paused = true)]
async fn the_counters_return_to_zero_and_say_why_connections_closed() {
    let mut lobby = lobby();
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let viewer = lobby.join(Role::Viewer).await;
    broadcaster.until_own_chat().await;
    let stats = lobby.server.stats();
    assert_eq!((stats.connections, stats.rooms, stats.members), (2, 1, 2));
    assert_eq!(stats.messages_received, 3);
    // joined twice, new-viewer, and the chat to both
    assert_eq!(stats.messages_relayed, 5);

    viewer.handle.abort();
    drop(broadcaster);
    lobby.ended().await;
    let stats = lobby.server.stats();
    assert_eq!((stats.connections, stats.rooms, stats.members), (0, 0, 0));
    assert_eq!(stats.connections_opened, 2);
    assert_eq!(
        stats.closed,
        [(CloseCause::ClientClosed, 1), (CloseCause::Eof, 1)].into()
    );
}

#[tokio::test(start_paused = true)]
async fn a_broadcaster_learns_of_every_one_of_2000_viewers_who_wait() {
    let mut lobby = lobby();
    let mut viewers = Vec::new();
    for _ in 0..2_000 {
        let mut socket = lobby.raw().await;
        socket
            .send(Message::text(r#"{"type":"viewer","room":"r"}"#))
            .await
            .unwrap();
        socket.next().await.unwrap().unwrap();
        viewers.push(socket);
    }
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    for _ in 0..2_000 {
        assert!(matches!(
            broadcaster.next().await,
            Event::PeerJoined {
                role: Role::Viewer,
                ..
            }
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_of_the_server_sees_each_frame_with_its_connection_and_peer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let observer = FrameObserver::new(move |frame| {
        let peer = frame.peer.map(ToString::to_string).unwrap_or_default();
        let kind = frame.text.split('"').nth(3).unwrap_or_default().to_owned();
        log.lock()
            .unwrap()
            .push((frame.connection, peer, frame.direction, kind));
    });
    let mut lobby = Lobby::new(ServerConfig {
        observer: Some(observer),
        ..ServerConfig::default()
    });
    let mut broadcaster = lobby.join(Role::Broadcaster).await;
    let viewer = lobby.join(Role::Viewer).await;
    broadcaster.next().await;
    let entry = |connection, peer: &str, direction, kind: &str| {
        (connection, peer.to_owned(), direction, kind.to_owned())
    };
    let (b, v) = (broadcaster.id.as_str(), viewer.id.as_str());
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|entry| entry.0);
    let expected = [
        entry(1, "", Direction::Received, "broadcaster"),
        entry(1, b, Direction::Sent, "joined"),
        entry(1, b, Direction::Sent, "new-viewer"),
        entry(2, "", Direction::Received, "viewer"),
        entry(2, v, Direction::Sent, "joined"),
    ];
    assert_eq!(seen, expected);
}
