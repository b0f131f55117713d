//! Conversations with a VideoRoom, step by step, with the answers that the real one gives.

use proptest::prelude::*;

use super::*;
use crate::{Candidate, SdpType};

/// One bot, and what it said last.
struct Talk {
    bot: Janus,
    now: Instant,
    said: Vec<Value>,
    meant: Vec<Option<Command>>,
}

impl Talk {
    fn new() -> Self {
        Self {
            bot: Janus::new("viewer-7".into()),
            now: Instant::now(),
            said: Vec::new(),
            meant: Vec::new(),
        }
    }

    fn take(&mut self, outputs: Vec<Output>) -> Vec<Event> {
        self.said.clear();
        self.meant.clear();
        let mut events = Vec::new();
        for output in outputs {
            match output {
                Output::Event(event) => events.push(event),
                Output::Frame { text, says } => {
                    self.said.push(serde_json::from_str(&text).unwrap());
                    self.meant.push(says);
                }
                Output::Request(_) | Output::Unsaid(_) => {}
            }
        }
        events
    }

    fn say(&mut self, command: Command) -> Vec<Event> {
        let outputs = self.bot.encode(self.now, &command);
        self.take(outputs)
    }

    #[track_caller]
    fn hear(&mut self, frame: &Value) -> Vec<Event> {
        let outputs = self.bot.decode(self.now, &frame.to_string()).unwrap();
        self.take(outputs)
    }

    /// Janus answers the last thing that was said.
    #[track_caller]
    fn answered(&mut self, mut answer: Value) -> Vec<Event> {
        answer["transaction"] = self.said.last().unwrap()["transaction"].clone();
        self.hear(&answer)
    }

    #[track_caller]
    fn created(&mut self, id: u64) -> Vec<Event> {
        self.answered(json!({"janus": "success", "data": {"id": id}}))
    }

    /// The only thing that was said.
    #[track_caller]
    fn only(&self) -> &Value {
        let [said] = &self.said[..] else {
            panic!("{:?}", self.said)
        };
        said
    }

    /// The request that the plugin was made, and on which handle.
    #[track_caller]
    fn asked(&self, handle: u64, request: &str) -> &Value {
        let said = self.only();
        let what = (said["handle_id"].as_u64(), said["body"]["request"].as_str());
        assert_eq!(what, (Some(handle), Some(request)), "{said}");
        &said["body"]
    }

    fn join(role: Role) -> Self {
        let mut talk = Self::new();
        let room = "1234".parse().unwrap();
        assert_eq!(talk.say(Command::Join { room, role }), []);
        assert_eq!(talk.only()["janus"], "create");
        talk.created(1);
        assert_eq!(talk.only()["plugin"], PLUGIN);
        assert_eq!(talk.only()["session_id"], 1);
        talk.created(10);
        assert_eq!(talk.asked(10, "create")["room"], 1234);
        talk
    }

    /// In the room, where these publish.
    #[track_caller]
    fn joined(role: Role, publishers: &[u64]) -> (Self, Vec<Event>) {
        let mut talk = Self::join(role);
        talk.answered(plugin(10, json!({"error_code": 427, "error": "exists"})));
        assert_eq!(talk.asked(10, "join")["ptype"], "publisher");
        assert!(matches!(&talk.meant[..], [Some(Command::Join { .. })]));
        let publishers: Vec<_> = publishers.iter().map(|id| json!({"id": id})).collect();
        let joined = json!({"videoroom": "joined", "id": 5, "publishers": publishers});
        let events = talk.answered(plugin(10, joined));
        let id = match role {
            Role::Broadcaster => name(5),
            Role::Viewer => "viewer-7".into(),
        };
        assert!(
            matches!(&events[0], Event::Joined { id: me, role: as_what, .. } if (me, as_what) == (&id, &role))
        );
        (talk, events)
    }

    /// A viewer that has its offer.
    fn watching() -> Self {
        let (mut talk, events) = Self::joined(Role::Viewer, &[77]);
        assert_eq!(events[1..], [here(77)]);
        assert_eq!(talk.only()["janus"], "attach");
        talk.created(11);
        let join = talk.asked(11, "join");
        assert_eq!(
            (&join["ptype"], &join["streams"][0]["feed"]),
            (&json!("subscriber"), &json!(77))
        );
        let events = talk.answered(attached(11));
        assert!(
            matches!(&events[..], [Event::Description { from: Some(from), description }]
                if *from == name(77) && description.sdp_type == SdpType::Offer),
            "{events:?}"
        );
        talk
    }
}

fn plugin(handle: u64, data: Value) -> Value {
    json!({"janus": "event", "sender": handle, "plugindata": {"plugin": PLUGIN, "data": data}})
}

fn attached(handle: u64) -> Value {
    let mut event = plugin(handle, json!({"videoroom": "attached"}));
    event["jsep"] = json!({"type": "offer", "sdp": "v=0"});
    event
}

fn here(feed: u64) -> Event {
    let (id, role) = (name(feed), Role::Broadcaster);
    Event::PeerJoined { id, role }
}

fn gone(feed: u64) -> Event {
    let (id, role) = (name(feed), Role::Broadcaster);
    Event::PeerLeft { id, role }
}

fn description(sdp_type: SdpType) -> Command {
    let sdp = "v=0".to_owned();
    Command::Description {
        to: None,
        description: Description { sdp_type, sdp },
    }
}

#[track_caller]
fn refusal(events: &[Event]) -> (&str, &str) {
    match events {
        [Event::Error { code, message, .. }] => (code.as_str(), message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broadcaster_publishes_once_and_an_ack_is_not_its_answer() {
    let (mut talk, events) = Talk::joined(Role::Broadcaster, &[]);
    assert!(matches!(
        &events[1..],
        [Event::PeerJoined {
            role: Role::Viewer,
            ..
        }]
    ));
    talk.say(description(SdpType::Offer));
    talk.asked(10, "publish");
    assert_eq!(talk.only()["jsep"], json!({"type": "offer", "sdp": "v=0"}));
    let publish = talk.said.clone();
    assert_eq!(talk.answered(json!({"janus": "ack"})), []);
    talk.said = publish;
    let mut configured = plugin(10, json!({"videoroom": "event", "configured": "ok"}));
    configured["jsep"] = json!({"type": "answer", "sdp": "v=0"});
    let events = talk.answered(configured);
    assert!(
        matches!(&events[..], [Event::Description { description, .. }] if description.sdp_type == SdpType::Answer),
        "{events:?}"
    );
}

#[test]
fn candidates_are_trickled_to_their_end_both_ways() {
    let mut talk = Talk::watching();
    let candidate = Candidate {
        candidate: "candidate:1".to_owned(),
        sdp_m_line_index: Some(0),
        ..Candidate::default()
    };
    talk.say(Command::Candidate { to: None, candidate });
    assert_eq!(talk.only()["janus"], "trickle");
    assert_eq!(talk.only()["handle_id"], 11);
    assert_eq!(talk.only()["candidate"]["sdpMLineIndex"], 0);
    talk.say(Command::EndOfCandidates {
        to: None,
        username_fragment: None,
    });
    assert_eq!(talk.only()["candidate"], json!({"completed": true}));

    let trickle =
        |handle: u64, candidate: Value| json!({"janus": "trickle", "sender": handle, "candidate": candidate});
    let one = json!({"candidate": "candidate:1"});
    assert!(matches!(
        &talk.hear(&trickle(11, one.clone()))[..],
        [Event::Candidate { .. }]
    ));
    assert_eq!(talk.hear(&trickle(10, one)), [], "of no peer connection");
    let end = json!({"completed": true});
    assert!(matches!(
        &talk.hear(&trickle(11, end))[..],
        [Event::EndOfCandidates { .. }]
    ));
}

#[test]
fn a_viewer_answers_the_offer_and_starts() {
    let mut talk = Talk::watching();
    talk.say(description(SdpType::Answer));
    talk.asked(11, "start");
    assert_eq!(talk.only()["jsep"]["type"], "answer");
    assert_eq!(
        talk.answered(plugin(11, json!({"videoroom": "event", "started": "ok"}))),
        []
    );
    for news in ["webrtcup", "media", "slowlink"] {
        assert_eq!(talk.hear(&json!({"janus": news, "sender": 11})), []);
    }
}

#[test]
fn a_viewer_that_comes_first_subscribes_when_somebody_publishes() {
    let (mut talk, events) = Talk::joined(Role::Viewer, &[]);
    assert_eq!((events.len(), talk.said.len()), (1, 0));
    let events = talk.hear(&plugin(
        10,
        json!({"videoroom": "event", "publishers": [{"id": 77}]}),
    ));
    assert_eq!(events, [here(77)]);
    assert_eq!(talk.only()["janus"], "attach");
}

#[test]
fn a_publisher_that_returns_is_received_on_another_handle_and_the_last_packets_of_the_first_are_awaited() {
    let mut talk = Talk::watching();
    for (feed, handle) in [(77, 12), (78, 13), (79, 14)] {
        let left = plugin(10, json!({"videoroom": "event", "unpublished": feed}));
        assert_eq!(talk.hear(&left), [gone(feed)]);
        let detached = talk.said.iter().map(|said| said["handle_id"].as_u64()).next();
        assert_eq!(detached, (feed > 77).then(|| Some(handle - 2)));
        // What belonged to it is too late.
        talk.say(description(SdpType::Answer));
        assert_eq!(talk.said, [] as [Value; 0]);
        let leaves = plugin(10, json!({"videoroom": "event", "leaving": feed}));
        assert_eq!(talk.hear(&leaves), [], "said twice");
        let back = plugin(
            10,
            json!({"videoroom": "event", "publishers": [{"id": feed + 1}]}),
        );
        assert_eq!(talk.hear(&back), [here(feed + 1)]);
        talk.created(handle);
        assert_eq!(talk.asked(handle, "join")["streams"][0]["feed"], feed + 1);
        assert_eq!(talk.answered(attached(handle)).len(), 1);
        let (before, now) = (name(feed), name(feed + 1));
        for (to, is_said) in [(before, false), (now, true)] {
            let (to, username_fragment) = (Some(to), None);
            talk.say(Command::EndOfCandidates {
                to,
                username_fragment,
            });
            assert_eq!(!talk.said.is_empty(), is_said);
        }
    }
}

#[test]
fn of_two_publishers_the_second_is_received_when_the_first_has_left() {
    let mut talk = Talk::watching();
    let second = plugin(
        10,
        json!({"videoroom": "event", "publishers": [{"id": 88}, {"id": 77}]}),
    );
    assert_eq!(talk.hear(&second), []);
    let left = plugin(10, json!({"videoroom": "event", "leaving": 77}));
    assert_eq!(talk.hear(&left), [gone(77), here(88)]);
    talk.created(12);
    assert_eq!(talk.asked(12, "join")["streams"][0]["feed"], 88);
}

#[test]
fn a_publisher_that_leaves_while_it_is_subscribed_to_is_let_go() {
    let (mut talk, _) = Talk::joined(Role::Viewer, &[77]);
    let attach = talk.said.clone();
    assert_eq!(talk.hear(&plugin(10, json!({"leaving": 77}))), [gone(77)]);
    talk.said = attach;
    talk.created(11);
    assert_eq!(talk.only()["janus"], "detach");

    let (mut talk, _) = Talk::joined(Role::Viewer, &[77]);
    talk.created(11);
    let events = talk.answered(plugin(11, json!({"error_code": 428, "error": "No such feed"})));
    assert_eq!(events, [gone(77)]);
}

#[test]
fn a_room_that_is_not_there_and_cannot_be_created_says_both() {
    let mut talk = Talk::join(Role::Viewer);
    talk.answered(plugin(
        10,
        json!({"error_code": 433, "error": "Unauthorized (wrong admin_key)"}),
    ));
    talk.asked(10, "join");
    let events = talk.answered(plugin(
        10,
        json!({"error_code": 426, "error": "No such room (1234)"}),
    ));
    let (code, message) = refusal(&events);
    assert_eq!(code, "janus-426");
    assert!(
        message.contains("No such room (1234)")
            && message.contains("wrong admin_key")
            && message.contains("create the room"),
        "{message}"
    );
}

#[test]
fn refusals_of_the_core_and_of_the_plugin_are_named() {
    let (mut talk, _) = Talk::joined(Role::Broadcaster, &[]);
    talk.say(description(SdpType::Offer));
    let full = json!({"error_code": 432, "error": "Maximum number of publishers (1) already reached"});
    let events = talk.answered(plugin(10, full));
    let (code, message) = refusal(&events);
    assert_eq!(code, "janus-432");
    assert!(message.contains("would not publish"), "{message}");

    let mut talk = Talk::new();
    let room = "1234".parse().unwrap();
    talk.say(Command::Join {
        room,
        role: Role::Viewer,
    });
    let events =
        talk.answered(json!({"janus": "error", "error": {"code": 403, "reason": "Unauthorized request"}}));
    assert_eq!(refusal(&events).0, "janus-403");
    // Of what nobody asked, or has an answer to already.
    let frame =
        json!({"janus": "error", "transaction": "99", "error": {"code": 459, "reason": "No such handle"}});
    assert_eq!(talk.hear(&frame), []);
}

#[test]
fn media_that_janus_answers_and_does_not_send_on_are_named() {
    let (mut talk, _) = Talk::joined(Role::Broadcaster, &[]);
    talk.say(description(SdpType::Offer));
    let streams = json!([{"type": "video", "disabled": true}, {"type": "audio"}]);
    let configured =
        json!({"videoroom": "event", "configured": "ok", "video_codec": "none", "streams": streams});
    let events = talk.answered(plugin(10, configured));
    let (code, message) = refusal(&events);
    assert_eq!(code, "janus-codec");
    assert!(
        message.contains("takes no video of") && message.contains("1234"),
        "{message}"
    );
}

#[test]
fn the_session_is_kept_alive_and_ends_with_the_bot() {
    let (mut talk, _) = Talk::joined(Role::Broadcaster, &[]);
    let due = talk.bot.next_timeout().unwrap();
    assert_eq!(due, talk.now + KEEP_ALIVE);
    let outputs = talk.bot.timeout(due);
    talk.now = due;
    assert_eq!(talk.take(outputs), []);
    assert_eq!(talk.only()["janus"], "keepalive");
    assert_eq!(talk.answered(json!({"janus": "ack"})), []);
    assert_eq!(talk.bot.next_timeout(), Some(due + KEEP_ALIVE));

    talk.say(Command::Leave);
    assert_eq!(talk.said[0]["body"]["request"], "leave");
    assert_eq!(talk.said[1]["janus"], "destroy");
    assert_eq!(talk.meant, [Some(Command::Leave), None]);
    assert_eq!(talk.bot.next_timeout(), None);
}

#[test]
fn what_janus_does_not_answer_is_named() {
    let mut talk = Talk::join(Role::Viewer);
    let until = talk.bot.next_timeout().unwrap();
    assert_eq!(until, talk.now + ANSWER_LIMIT);
    let outputs = talk.bot.timeout(until);
    let events = talk.take(outputs);
    let (code, message) = refusal(&events);
    assert_eq!(code, "janus-silent");
    assert!(message.contains("create the room"), "{message}");
}

#[test]
fn a_peer_connection_that_fails_and_a_session_that_expires_are_named_and_an_end_of_ours_is_not() {
    let mut talk = Talk::watching();
    let hangup = |reason: &str, handle: u64| json!({"janus": "hangup", "sender": handle, "reason": reason});
    assert_eq!(talk.hear(&hangup("DTLS alert", 11)), []);
    assert_eq!(talk.hear(&hangup("ICE failed", 99)), []);
    assert_eq!(refusal(&talk.hear(&hangup("ICE failed", 11))).0, "janus-hangup");
    let expired = json!({"janus": "timeout", "session_id": 1});
    assert_eq!(refusal(&talk.hear(&expired)).0, "janus-timeout");
    assert_eq!(talk.hear(&expired), []);
    let destroyed = plugin(10, json!({"videoroom": "destroyed", "room": 1234}));
    assert_eq!(refusal(&talk.hear(&destroyed)).0, "janus-destroyed");
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..15).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[0-9]{1,2}".prop_map(Value::from),
        prop_oneof![
            Just("offer"),
            Just("answer"),
            Just("joined"),
            Just("ok"),
            Just("v=0")
        ]
        .prop_map(Value::from),
    ];
    let field = prop_oneof![
        Just("id"),
        Just("data"),
        Just("plugindata"),
        Just("jsep"),
        Just("type"),
        Just("sdp"),
        Just("error_code"),
        Just("publishers"),
        Just("leaving"),
        Just("unpublished"),
        Just("videoroom"),
        Just("streams"),
        Just("disabled"),
        Just("candidate"),
        Just("completed"),
        Just("error"),
        Just("reason"),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((field.clone(), inner), 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn kinds() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("ack"),
        Just("success"),
        Just("event"),
        Just("error"),
        Just("trickle"),
        Just("hangup"),
        Just("timeout"),
        Just("detached"),
        Just("teapot"),
    ]
}

proptest! {
    #[test]
    fn no_conversation_makes_it_panic_or_remember_without_bound(
        frames in prop::collection::vec(
            (kinds(), 0_u64..20, 8_u64..14, anything(), anything(), anything(), anything()), 0..60,
        ),
        role in prop_oneof![Just(Role::Viewer), Just(Role::Broadcaster)],
        texts in prop::collection::vec(".{0,40}", 0..4),
    ) {
        let (mut talk, _) = Talk::joined(role, &[10]);
        for text in texts {
            let _ = talk.bot.decode(talk.now, &text);
        }
        for (kind, transaction, sender, data, jsep, candidate, error) in frames {
            let frame = json!({
                "janus": kind, "transaction": transaction.to_string(), "sender": sender, "data": data,
                "plugindata": {"data": data}, "jsep": jsep, "candidate": candidate, "error": error,
            });
            let _ = talk.bot.decode(talk.now, &frame.to_string());
            talk.now += Duration::from_secs(1);
            if talk.bot.next_timeout().is_some_and(|at| talk.now >= at) {
                let _ = talk.bot.timeout(talk.now);
            }
            prop_assert!(talk.bot.watching.feeds.len() <= MAX_FEEDS);
        }
        talk.say(description(SdpType::Answer));
        talk.say(Command::Leave);
        prop_assert_eq!(talk.bot.next_timeout(), None);
    }
}
