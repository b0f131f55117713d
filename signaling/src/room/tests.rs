//! The rules as tables, and the role × message matrix in full.

use std::collections::BTreeSet;

use super::*;
use crate::{Candidate, Description, Muted, SdpType};

pub(super) fn room() -> Room {
    Room::new("r".parse().unwrap(), 4)
}

pub(super) fn id(name: &str) -> PeerId {
    name.into()
}

fn description(sdp_type: SdpType) -> Description {
    Description {
        sdp_type,
        sdp: "v=0".into(),
    }
}

/// A message from its wire name, addressed where the protocol addresses it.
pub(super) fn message(kind: &str, to: &str) -> ClientMessage {
    let room = "r".parse().unwrap();
    match kind {
        "broadcaster" => ClientMessage::Broadcaster {
            room,
            protocol: PROTOCOL,
        },
        "viewer" => ClientMessage::Viewer {
            room,
            protocol: PROTOCOL,
        },
        "offer" => ClientMessage::Offer {
            to: id(to),
            offer: description(SdpType::Offer),
        },
        "answer" => ClientMessage::Answer {
            to: id(to),
            answer: description(SdpType::Answer),
        },
        "candidate" => ClientMessage::Candidate {
            to: id(to),
            candidate: Candidate::default(),
        },
        "end-of-candidates" => ClientMessage::EndOfCandidates {
            to: id(to),
            username_fragment: None,
        },
        "chat" => ClientMessage::Chat { message: "hi".into() },
        "mute" => ClientMessage::Mute {
            media: MutedMedia::Audio,
        },
        "unmute" => ClientMessage::Unmute {
            media: MutedMedia::All,
        },
        "stop" => ClientMessage::Stop,
        "leave" => ClientMessage::Leave,
        other => panic!("no message {other}"),
    }
}

/// `+b1` joins (the role by the first letter), `-v1` leaves, `b1 offer v1` speaks.
fn input(line: &str) -> Input {
    if let Some(name) = line.strip_prefix('+') {
        let role = if name.starts_with('b') {
            Role::Broadcaster
        } else {
            Role::Viewer
        };
        return Input::Join { id: id(name), role };
    }
    if let Some(name) = line.strip_prefix('-') {
        return Input::Leave { id: id(name) };
    }
    let words: Vec<&str> = line.split(' ').collect();
    let message = message(words[1], words.get(2).unwrap_or(&""));
    Input::Message {
        from: id(words[0]),
        message,
    }
}

/// One output in one line: whom it goes to and what it says.
fn shown(output: &Output) -> String {
    match output {
        Output::Send { to, message } => {
            let to: Vec<&str> = to.iter().map(PeerId::as_str).collect();
            format!("{} < {}", to.join(","), shown_message(message))
        }
        Output::Reject { to, why } => format!("{to} ! {}", why.code()),
        Output::Close { to } => format!("{to} closed"),
    }
}

fn shown_state(state: &RoomState) -> String {
    let flag = |set, letter| if set { letter } else { "-" };
    format!(
        "#{}{}{}{}",
        state.version,
        flag(state.muted.audio, "a"),
        flag(state.muted.video, "v"),
        flag(state.stopped, "s")
    )
}

fn shown_message(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Joined { id, state, peers, .. } => {
            let peers: Vec<&str> = peers.iter().map(|peer| peer.id.as_str()).collect();
            format!("joined {id} {} [{}]", shown_state(state), peers.join(","))
        }
        ServerMessage::NewViewer { id } => format!("new-viewer {id}"),
        ServerMessage::ViewerLeft { id } => format!("viewer-left {id}"),
        ServerMessage::BroadcasterJoined { id } => format!("broadcaster-joined {id}"),
        ServerMessage::BroadcasterLeft { id } => format!("broadcaster-left {id}"),
        ServerMessage::Offer { from, .. } => format!("offer from {from}"),
        ServerMessage::Answer { from, .. } => format!("answer from {from}"),
        ServerMessage::Candidate { from, .. } => format!("candidate from {from}"),
        ServerMessage::EndOfCandidates { from, .. } => format!("end-of-candidates from {from}"),
        ServerMessage::Chat { from, seq, .. } => format!("chat {seq} from {from}"),
        ServerMessage::State(state) => format!("state {}", shown_state(state)),
        ServerMessage::Error { code, .. } => format!("error {code}"),
    }
}

/// Plays `before`, then checks what the last line brings.
#[track_caller]
fn check(before: &[&str], line: &str, expect: &[&str]) {
    let mut room = room();
    for line in before {
        room.handle(input(line));
    }
    let outputs: Vec<String> = room.handle(input(line)).iter().map(shown).collect();
    assert_eq!(outputs, expect, "{line} after {before:?}");
}

#[test]
fn a_viewer_that_comes_second_learns_of_the_broadcaster_and_is_announced_to_it_alone() {
    check(
        &["+b1", "+v1"],
        "+v2",
        &["v2 < joined v2 #0--- [b1]", "b1 < new-viewer v2"],
    );
}

#[test]
fn a_viewer_that_comes_first_waits_and_is_announced_to_the_broadcaster_when_it_arrives() {
    check(&[], "+v1", &["v1 < joined v1 #0--- []"]);
    check(
        &["+v1", "+v2"],
        "+b1",
        &[
            "b1 < joined b1 #0--- []",
            "b1 < new-viewer v1",
            "b1 < new-viewer v2",
            "v1,v2 < broadcaster-joined b1",
        ],
    );
}

#[test]
fn viewers_are_told_in_the_order_in_which_they_joined() {
    check(
        &["+v9", "+v10", "+b1"],
        "b1 chat",
        &["v9,v10,b1 < chat 1 from b1"],
    );
}

#[test]
fn the_second_broadcaster_is_refused_and_the_first_keeps_the_room() {
    check(&["+b1"], "+b2", &["b2 ! broadcaster-exists"]);
    check(&["+b1", "+v1", "+b2"], "b1 offer v1", &["v1 < offer from b1"]);
    check(&["+b1", "+b2"], "b2 offer v1", &["b2 ! not-joined"]);
}

#[test]
fn a_full_room_refuses_one_more() {
    check(&["+v1", "+v2", "+v3", "+v4"], "+v5", &["v5 ! room-full"]);
    check(&["+v1", "+v2", "+v3", "+v4"], "+b1", &["b1 ! room-full"]);
    check(
        &["+v1", "+v2", "+v3", "+v4", "-v1"],
        "+v5",
        &["v5 < joined v5 #0--- []"],
    );
}

#[test]
fn a_peer_joins_once() {
    check(&["+v1"], "+v1", &["v1 ! already-joined"]);
    check(&["+v1"], "v1 broadcaster", &["v1 ! already-joined"]);
    check(&["+b1"], "b1 viewer", &["b1 ! already-joined"]);
}

#[test]
fn leaving_is_told_to_those_who_could_talk_to_the_leaver() {
    check(&["+b1", "+v1", "+v2"], "-v1", &["b1 < viewer-left v1"]);
    check(&["+b1", "+v1", "+v2"], "-b1", &["v1,v2 < broadcaster-left b1"]);
    check(&["+v1", "+v2"], "-v1", &[]);
    check(&["+b1"], "-b1", &[]);
    check(&["+b1", "+v1", "-v1"], "-v1", &[]);
    check(&["+b1", "+v1"], "v1 leave", &["b1 < viewer-left v1", "v1 closed"]);
    check(
        &["+b1", "+v1"],
        "b1 leave",
        &["v1 < broadcaster-left b1", "b1 closed"],
    );
}

#[test]
fn a_broadcaster_that_returns_meets_those_who_stayed_and_a_live_stream_that_is_not_stopped() {
    check(
        &["+b1", "+v1", "b1 mute", "b1 stop", "-b1", "+v2"],
        "+b3",
        &[
            "b3 < joined b3 #3a-- []",
            "b3 < new-viewer v1",
            "b3 < new-viewer v2",
            "v1,v2 < broadcaster-joined b3",
            "v1,v2 < state #3a--",
        ],
    );
    // Nothing was stopped: nothing changes.
    check(
        &["+b1", "+v1", "-b1"],
        "+b3",
        &[
            "b3 < joined b3 #0--- []",
            "b3 < new-viewer v1",
            "v1 < broadcaster-joined b3",
        ],
    );
}

#[test]
fn a_message_for_nobody_here_is_answered_with_a_typed_error() {
    for before in [&["+b1", "+v1"][..], &["+b1", "+v1", "+v9", "-v9"]] {
        check(before, "b1 offer v9", &["b1 ! unknown-target"]);
        check(before, "b1 candidate v9", &["b1 ! unknown-target"]);
        check(before, "b1 end-of-candidates v9", &["b1 ! unknown-target"]);
    }
    check(
        &["+b1", "+v1", "-b1", "+b2"],
        "v1 answer b1",
        &["v1 ! unknown-target"],
    );
    check(&["+b1"], "b1 candidate b1", &["b1 ! unknown-target"]);
}

#[test]
fn a_viewer_reaches_no_other_viewer_and_cannot_tell_whether_there_is_one() {
    let refusal = |to: &str| {
        let mut room = room();
        for line in ["+b1", "+v1", "+v2"] {
            room.handle(input(line));
        }
        match room.handle(input(&format!("v1 candidate {to}"))).remove(0) {
            Output::Reject { why, .. } => why.to_string().replace(to, "X"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal("v2"), refusal("v7"));
    check(&["+b1", "+v1", "+v2"], "v1 answer v2", &["v1 ! unknown-target"]);
}

#[test]
fn state_is_idempotent_and_a_late_joiner_gets_it() {
    check(&["+b1", "+v1"], "b1 mute", &["b1,v1 < state #1a--"]);
    check(&["+b1", "+v1", "b1 mute"], "b1 mute", &["b1 < state #1a--"]);
    check(&["+b1", "+v1"], "b1 unmute", &["b1 < state #0---"]);
    check(&["+b1", "+v1", "b1 mute"], "b1 unmute", &["b1,v1 < state #2---"]);
    check(&["+b1", "+v1", "b1 stop"], "b1 stop", &["b1 < state #1--s"]);
    check(
        &["+b1", "b1 mute", "b1 stop"],
        "+v1",
        &["v1 < joined v1 #2a-s [b1]", "b1 < new-viewer v1"],
    );
}

#[test]
fn each_media_is_muted_on_its_own() {
    let muted = |media: &[MutedMedia]| {
        let mut state = RoomState::default();
        media.iter().for_each(|&media| set_muted(&mut state, media, true));
        state.muted
    };
    assert_eq!(
        muted(&[MutedMedia::Audio]),
        Muted {
            audio: true,
            video: false
        }
    );
    assert_eq!(
        muted(&[MutedMedia::Video]),
        Muted {
            audio: false,
            video: true
        }
    );
    assert_eq!(
        muted(&[MutedMedia::All]),
        Muted {
            audio: true,
            video: true
        }
    );
}

#[test]
fn chat_is_numbered_without_gaps_and_reaches_everyone_including_its_sender() {
    check(&["+b1", "+v1"], "v1 chat", &["b1,v1 < chat 1 from v1"]);
    check(
        &["+b1", "+v1", "v1 chat", "v1 offer b1", "b1 chat"],
        "v1 chat",
        &["b1,v1 < chat 3 from v1"],
    );
}

#[test]
fn each_role_may_send_what_the_matrix_says() {
    #[rustfmt::skip]
    let matrix = [
        // message            broadcaster                  viewer                     nobody
        ("broadcaster",       "! already-joined",          "! already-joined",        "! not-joined"),
        ("viewer",            "! already-joined",          "! already-joined",        "! not-joined"),
        ("offer",             "< offer from b1",           "! not-allowed",           "! not-joined"),
        ("answer",            "! not-allowed",             "< answer from v1",        "! not-joined"),
        ("candidate",         "< candidate from b1",       "< candidate from v1",     "! not-joined"),
        ("end-of-candidates", "< end-of-candidates from b1", "< end-of-candidates from v1", "! not-joined"),
        ("chat",              "< chat 1 from b1",          "< chat 1 from v1",        "! not-joined"),
        ("mute",              "< state #1a--",             "! not-allowed",           "! not-joined"),
        ("unmute",            "< state #0---",             "! not-allowed",           "! not-joined"),
        ("stop",              "< state #1--s",             "! not-allowed",           "! not-joined"),
        ("leave",             "< broadcaster-left b1",     "< viewer-left v1",        "! not-joined"),
    ];
    for (kind, broadcaster, viewer, nobody) in matrix {
        for (from, to, expect) in [
            ("b1", "v1", broadcaster),
            ("v1", "b1", viewer),
            ("v9", "b1", nobody),
        ] {
            let mut room = room();
            room.handle(input("+b1"));
            room.handle(input("+v1"));
            let outputs = room.handle(Input::Message {
                from: id(from),
                message: message(kind, to),
            });
            let first = shown(&outputs[0]);
            assert!(
                first.ends_with(expect),
                "{from} {kind}: expected {expect}, got {first}"
            );
            if expect.starts_with('!') {
                assert_eq!(
                    first.split(' ').next(),
                    Some(from),
                    "the refusal goes to the sender"
                );
                assert_eq!(outputs.len(), 1, "a refused message reaches nobody");
            }
        }
    }
}

#[test]
fn an_unknown_target_is_named_in_the_error() {
    let why = Refusal::UnknownTarget {
        to: id("v9"),
        role: Role::Broadcaster,
    };
    let ServerMessage::Error { to, .. } = why.into_message() else {
        panic!("expected an error")
    };
    assert_eq!(to, Some(id("v9")));
}

#[test]
fn rooms_are_apart_and_vanish_when_empty() {
    let mut rooms = Rooms::new(RoomLimits::default());
    let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
    let (broadcaster, _) = rooms.join(&one, Role::Broadcaster, PROTOCOL).unwrap();
    let (stranger, _) = rooms.join(&two, Role::Viewer, PROTOCOL).unwrap();
    assert_eq!((rooms.len(), rooms.members()), (2, 2));
    let outputs = rooms.message(&one, broadcaster.clone(), message("offer", stranger.as_str()));
    assert_eq!(
        outputs.iter().map(shown).collect::<Vec<_>>(),
        ["b1 ! unknown-target"]
    );
    assert_eq!(
        rooms
            .message(&two, broadcaster.clone(), ClientMessage::Stop)
            .len(),
        1,
        "a stranger is refused"
    );
    rooms.leave(&one, broadcaster.clone());
    rooms.message(&two, stranger, ClientMessage::Leave);
    assert!(rooms.is_empty());
    assert_eq!(rooms.members(), 0);
    assert_eq!(rooms.leave(&one, broadcaster), []);
}

#[test]
fn a_name_is_never_given_twice() {
    let mut rooms = Rooms::new(RoomLimits::default());
    let room = "r".parse().unwrap();
    let mut names = BTreeSet::new();
    for _ in 0..3 {
        let (name, _) = rooms.join(&room, Role::Broadcaster, PROTOCOL).unwrap();
        rooms.leave(&room, name.clone());
        assert!(names.insert(name));
    }
}

#[test]
fn a_server_refuses_what_it_does_not_speak_or_has_no_room_for_and_remembers_nothing_of_it() {
    let mut rooms = Rooms::new(RoomLimits {
        rooms: 1,
        members_per_room: 1,
    });
    let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
    let refusal = |rooms: &mut Rooms, room, protocol| {
        rooms
            .join(room, Role::Viewer, protocol)
            .unwrap_err()
            .code()
            .to_string()
    };
    assert_eq!(refusal(&mut rooms, &one, 2), "unsupported-protocol");
    assert!(rooms.is_empty());
    rooms.join(&one, Role::Viewer, PROTOCOL).unwrap();
    assert_eq!(refusal(&mut rooms, &one, PROTOCOL), "room-full");
    assert_eq!(refusal(&mut rooms, &two, PROTOCOL), "too-many-rooms");
    assert_eq!((rooms.len(), rooms.members()), (1, 1));
}
