//! A dialect by data in small scenes. The files of built-in dialects are held against those in harness/tests/dialect_files.rs.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Candidate, DecodeError, Description, EncodeError, SdpType};

/// As TOML would be read: this crate knows none.
fn file(value: Value) -> Arc<DialectFile> {
    let file: DialectFile = serde_json::from_value(value).unwrap();
    file.check().unwrap();
    Arc::new(file)
}

/// A server that greets with a token, counts its peers in numbers, and wants pings and pongs.
fn acme() -> Value {
    json!({
        "name": "acme",
        "send": {
            "join": {
                "broadcaster": r#"{"op":"start","room":"$room","key":"$token"}"#,
                "viewer": [r#"{"op":"watch","room":"$room","key":"$token"}"#, r#"{"op":"ready"}"#],
            },
            "offer": r#"{"op":"sdp","peer":"$to","sdp":"$sdp","key":"$token"}"#,
            "answer": r#"{"op":"sdp","peer":"$to","sdp":"$sdp","key":"$token"}"#,
            "candidate": r#"{"op":"ice","peer":"$to","c":"$candidate.candidate","m?":"$candidate.sdpMid"}"#,
            "ping": {"every": "20s", "text": r#"{"op":"alive","key":"$token"}"#},
        },
        "receive": [
            {"match": r#"{"op":"hello","token":"$token"}"#, "event": "ignore"},
            {"match": r#"{"op":"in","id":"$me","there?":"$peers"}"#, "each": r#"{"n":"$peer","as":"$role"}"#, "event": "joined"},
            {"match": r#"{"op":"came","id":"$peer"}"#, "event": "peer-joined"},
            {"match": r#"{"op":"went","id":"$peer"}"#, "event": "peer-left"},
            {"match": r#"{"op":"sdp","peer":"$from","sdp":"$sdp"}"#, "only": "viewer", "event": "offer"},
            {"match": r#"{"op":"sdp","peer":"$from","sdp":"$sdp"}"#, "event": "answer"},
            {"match": r#"{"op":"ice","peer":"$from","c":"$candidate.candidate","m?":"$candidate.sdpMid"}"#, "event": "candidate"},
            {"match": r#"{"op":"tick","n":"$n"}"#, "event": "ignore", "reply": r#"{"op":"tock","n":"$n"}"#},
        ],
    })
}

fn bot(role: Role) -> (Data, Vec<Output>) {
    let mut bot = Data::new(file(acme()), "viewer-1".into());
    let room = "r".parse().unwrap();
    let said = bot.encode(Instant::now(), &Command::Join { room, role }).unwrap();
    (bot, said)
}

fn let_in(role: Role) -> Data {
    let (mut bot, _) = bot(role);
    for frame in [r#"{"op":"hello","token":"t1"}"#, r#"{"op":"in","id":7}"#] {
        bot.decode(Instant::now(), frame).unwrap();
    }
    bot
}

#[track_caller]
fn frames(outputs: &[Output]) -> Vec<Value> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Frame { text, .. } => Some(serde_json::from_str(text).unwrap()),
        Output::Event(_) | Output::Request(_) | Output::Unsaid(_) => None,
    });
    frames.collect()
}

#[track_caller]
fn told(bot: &mut Data, frame: &Value) -> Vec<Event> {
    let outputs = bot.decode(Instant::now(), &frame.to_string()).unwrap();
    let events = outputs.into_iter().filter_map(|output| match output {
        Output::Event(event) => Some(event),
        Output::Frame { .. } | Output::Request(_) | Output::Unsaid(_) => None,
    });
    events.collect()
}

fn description(sdp_type: SdpType) -> Description {
    Description {
        sdp_type,
        sdp: "v=0".into(),
    }
}

#[test]
fn a_join_that_needs_a_token_waits_for_the_message_that_brings_it() {
    let (mut bot, said) = bot(Role::Viewer);
    assert_eq!(said, []);
    let outputs = bot
        .decode(Instant::now(), r#"{"op":"hello","token":"t1"}"#)
        .unwrap();
    assert_eq!(
        frames(&outputs),
        [
            json!({"op": "watch", "room": "r", "key": "t1"}),
            json!({"op": "ready"})
        ]
    );
    assert!(matches!(
        &outputs[0],
        Output::Frame {
            says: Some(Command::Join { .. }),
            ..
        }
    ));
    let events = told(
        &mut bot,
        &json!({"op": "in", "id": 7, "there": [{"n": 3, "as": "broadcaster"}, {"n": 4, "as": "viewer"}, 5]}),
    );
    let peers = vec![("3".into(), Role::Broadcaster)];
    let state = RoomState::default();
    let role = Role::Viewer;
    assert_eq!(
        events,
        [Event::Joined {
            id: "7".into(),
            role,
            state,
            peers
        }]
    );
}

#[test]
fn ids_that_are_numbers_go_back_as_numbers_and_tokens_go_along() {
    let mut bot = let_in(Role::Broadcaster);
    assert_eq!(told(&mut bot, &json!({"op": "came", "id": 9})).len(), 1);
    let offer = Command::Description {
        to: Some("9".into()),
        description: description(SdpType::Offer),
    };
    let said = bot.encode(Instant::now(), &offer).unwrap();
    assert_eq!(
        frames(&said),
        [json!({"op": "sdp", "peer": 9, "sdp": "v=0", "key": "t1"})]
    );
    bot.decode(Instant::now(), r#"{"op":"hello","token":"t2"}"#)
        .unwrap();
    let said = bot.encode(Instant::now(), &offer).unwrap();
    assert_eq!(frames(&said)[0]["key"], "t2", "the last one counts");
    let nobody = Command::Candidate {
        to: None,
        candidate: Candidate::default(),
    };
    assert!(matches!(
        bot.encode(Instant::now(), &nobody),
        Err(EncodeError::MissingTarget { .. })
    ));
}

#[test]
fn the_same_message_means_an_offer_to_a_viewer_and_an_answer_to_the_broadcaster() {
    let sdp = json!({"op": "sdp", "peer": 3, "sdp": "v=0"});
    let events = told(&mut let_in(Role::Broadcaster), &sdp);
    let from = Some("3".into());
    let answer = description(SdpType::Answer);
    assert_eq!(
        events,
        [Event::Description {
            from: from.clone(),
            description: answer
        }]
    );
    // Nobody has told this viewer of the broadcaster before.
    let mut viewer = let_in(Role::Viewer);
    let events = told(&mut viewer, &sdp);
    let offer = description(SdpType::Offer);
    let role = Role::Broadcaster;
    assert_eq!(
        events,
        [
            Event::PeerJoined { id: "3".into(), role },
            Event::Description {
                from,
                description: offer
            }
        ]
    );
    assert_eq!(told(&mut viewer, &sdp).len(), 1);
    assert_eq!(
        told(&mut viewer, &json!({"op": "went", "id": 3})),
        [Event::PeerLeft { id: "3".into(), role }]
    );
}

#[test]
fn candidates_come_in_parts_and_an_empty_one_is_the_end() {
    let mut bot = let_in(Role::Broadcaster);
    let events = told(
        &mut bot,
        &json!({"op": "ice", "peer": 9, "c": "candidate:1", "m": "0"}),
    );
    let candidate = Candidate {
        candidate: "candidate:1".into(),
        sdp_mid: Some("0".into()),
        ..Candidate::default()
    };
    let from = Some(PeerId::from("9"));
    assert_eq!(
        events,
        [Event::Candidate {
            from: from.clone(),
            candidate: candidate.clone()
        }]
    );
    let events = told(&mut bot, &json!({"op": "ice", "peer": 9, "c": ""}));
    assert!(
        matches!(&events[..], [Event::EndOfCandidates { .. }]),
        "{events:?}"
    );
    let said = bot
        .encode(Instant::now(), &Command::Candidate { to: from, candidate })
        .unwrap();
    assert_eq!(
        frames(&said),
        [json!({"op": "ice", "peer": 9, "c": "candidate:1", "m": "0"})]
    );
}

#[test]
fn what_the_protocol_wants_said_is_said_at_once_and_every_now_and_then() {
    let (mut bot, _) = bot(Role::Viewer);
    let start = bot.next_timeout().unwrap();
    assert_eq!(bot.timeout(start), [], "nothing to say it with yet");
    bot.decode(start, r#"{"op":"hello","token":"t1"}"#).unwrap();
    let tick = bot.decode(start, r#"{"op":"tick","n":5}"#).unwrap();
    assert_eq!(frames(&tick), [json!({"op": "tock", "n": 5})]);
    let next = bot.next_timeout().unwrap();
    assert_eq!(next, start + Duration::from_secs(20));
    assert_eq!(bot.timeout(start), []);
    assert_eq!(frames(&bot.timeout(next)), [json!({"op": "alive", "key": "t1"})]);
}

#[test]
fn what_no_shape_fits_is_refused_with_its_beginning_and_nothing_is_lost() {
    let mut bot = let_in(Role::Broadcaster);
    for frame in [r#"{"op":"news"}"#, r#"{"op":"sdp","peer":9,"sdp":5}"#, "[]", "1"] {
        let error = bot.decode(Instant::now(), frame).unwrap_err();
        assert!(matches!(error, DecodeError::Unexplained { .. }), "{frame}");
        assert!(error.to_string().contains("no [[receive]] of acme"), "{error}");
    }
    assert!(matches!(
        bot.decode(Instant::now(), "{"),
        Err(DecodeError::Malformed { .. })
    ));
    assert_eq!(told(&mut bot, &json!({"op": "came", "id": 9})).len(), 1);
    let chat = Command::Chat { text: "hi".into() };
    assert!(matches!(
        bot.encode(Instant::now(), &chat),
        Err(EncodeError::NotInFile { .. })
    ));
}

#[test]
fn what_a_bot_said_itself_and_peers_of_its_own_role_are_not_told() {
    let mut bot = let_in(Role::Viewer);
    assert_eq!(told(&mut bot, &json!({"op": "sdp", "peer": 7, "sdp": "v=0"})), []);
    assert_eq!(told(&mut bot, &json!({"op": "came", "id": 7})), []);
    let events = told(
        &mut bot,
        &json!({"op": "in", "id": 7, "there": [{"n": 4, "as": "viewer"}]}),
    );
    assert!(
        matches!(&events[..], [Event::Joined { peers, .. }] if peers.is_empty()),
        "{events:?}"
    );
}

#[test]
fn a_recorded_session_is_followed_from_outside() {
    let mut seen = Data::new(file(acme()), "?".into());
    let now = Instant::now();
    assert!(matches!(
        seen.explain_received(now, r#"{"op":"hello","token":"t1"}"#),
        Explained::Told { place: 0, .. }
    ));
    let start = r#"{"op":"start","room":"r","key":"t1"}"#;
    assert_eq!(
        seen.explain_sent(r#"{"op":"start","room":"r","key":"stolen"}"#),
        Explained::No
    );
    assert_eq!(seen.explain_sent(start), Explained::Said("join.broadcaster"));
    assert!(matches!(
        seen.explain_received(now, r#"{"op":"in","id":1}"#),
        Explained::Told { place: 1, .. }
    ));
    // A broadcaster is never sent an offer.
    let sdp = seen.explain_received(now, r#"{"op":"sdp","peer":2,"sdp":"v=0"}"#);
    assert!(matches!(sdp, Explained::Told { place: 5, .. }), "{sdp:?}");
    assert_eq!(
        seen.explain_sent(r#"{"op":"tock","n":1}"#),
        Explained::Said("reply")
    );
    assert_eq!(seen.explain_sent(r#"{"op":"bye"}"#), Explained::No);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof!["[a-z$?_.]{0,6}", "\\$(me|to|from|sdp|peer|peers|token|room|role)"].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(op|id|peer|sdp|[a-z?]{1,4})", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_file_and_no_frame_makes_it_panic_and_what_it_keeps_is_bounded_by_the_file(
        shape in any_json(), messages in prop::collection::vec(any_json(), 0..8), viewer in any::<bool>(),
    ) {
        let mut value = acme();
        value["receive"][0]["match"] = Value::from(shape.to_string());
        value["receive"][0]["reply"] = Value::from(shape.to_string());
        let read: Result<DialectFile, _> = serde_json::from_value(value);
        let Ok(read) = read else { return Ok(()) };
        let _ = read.check();
        let names = read.receive.iter().map(|receive| receive.shape.names().len()).sum::<usize>();
        let mut bot = Data::new(Arc::new(read), "viewer-1".into());
        let role = if viewer { Role::Viewer } else { Role::Broadcaster };
        let _ = bot.encode(Instant::now(), &Command::Join { room: "r".parse().unwrap(), role });
        for message in messages {
            let _ = bot.explain_sent(&message.to_string());
            let _ = bot.decode(Instant::now(), &message.to_string());
            let _ = bot.explain_received(Instant::now(), &message.to_string());
        }
        prop_assert!(bot.kept.len() <= names);
    }

    #[test]
    fn a_message_that_was_written_by_a_shape_is_read_by_it(shape in any_json(), values in prop::collection::vec("[a-z]{1,3}", 9)) {
        let Ok(template) = Template::try_from(shape.to_string()) else { return Ok(()) };
        let known = |name: &str| {
            let value = Value::from(values[name.len() % values.len()].as_str());
            names::accepts(name, &value).then_some(value)
        };
        if let Ok(written) = template.fill(&known) {
            prop_assert!(template.read(&written, &|_| None).is_some(), "{written}");
        }
    }
}
