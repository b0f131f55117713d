//! A server with a protocol of its own, spoken by a file: the documentation's example runs, and so do the built-in
//! dialects that are also files.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::{Router, routing::any};
use greenroom::Run;
use greenroom::dialect::{Side, prove, read_dialect, read_recording};
use greenroom::signaling::{
    Candidate, Command, Description, Dialect, DialectName, Event, Output, PeerId, Role, SdpType,
};
use serde_json::{Value, json};
use support::command::{Server, finish, greenroom, read_until, signal, text};
use tokio::sync::{Mutex, mpsc};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/dialects")
        .join(name)
}

/// The made-up server: `op` is the type, peers are numbers, every message after the first carries the key that the
/// server gave, and a heartbeat wants its answer.
#[derive(Default)]
struct Acme {
    peers: Mutex<BTreeMap<u64, (bool, mpsc::UnboundedSender<Value>)>>,
}

impl Acme {
    async fn say(&self, to: u64, message: Value) {
        if let Some((_, peer)) = self.peers.lock().await.get(&to) {
            let _ = peer.send(message);
        }
    }

    async fn tell_hosts(&self, message: Value) {
        for (_, peer) in self.peers.lock().await.values().filter(|(hosts, _)| *hosts) {
            let _ = peer.send(message.clone());
        }
    }

    async fn peer(self: Arc<Self>, mut socket: WebSocket) {
        let (sender, mut inbox) = mpsc::unbounded_channel::<Value>();
        let mut me = 0;
        loop {
            let frame = tokio::select! {
                Some(message) = inbox.recv() => {
                    let _ = socket.send(Message::text(message.to_string())).await;
                    continue;
                }
                frame = socket.recv() => frame,
            };
            let frame = match frame {
                Some(Ok(Message::Text(frame))) => frame,
                // Pings answer themselves.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                _ => break,
            };
            let message: Value = serde_json::from_str(&frame).unwrap();
            let op = message["op"].as_str().unwrap();
            if op == "start" || op == "watch" {
                let mut peers = self.peers.lock().await;
                me = 41 + peers.len() as u64;
                let hosts: Vec<u64> = peers
                    .iter()
                    .filter(|(_, (hosts, _))| *hosts)
                    .map(|(id, _)| *id)
                    .collect();
                let others: Vec<u64> = peers
                    .iter()
                    .filter(|(_, (hosts, _))| !hosts)
                    .map(|(id, _)| *id)
                    .collect();
                peers.insert(me, (op == "start", sender.clone()));
                drop(peers);
                let key = format!("key-{me}");
                let _ = sender
                    .send(json!({"op": "welcome", "you": me, "key": key, "hosts": hosts, "motd": "hello"}));
                let _ = sender.send(json!({"op": "beat", "n": 1}));
                if op == "start" {
                    for other in others {
                        let _ = sender.send(json!({"op": "came", "peer": other}));
                    }
                } else {
                    self.tell_hosts(json!({"op": "came", "peer": me})).await;
                }
            } else if op == "beating" {
                assert_eq!(message["n"], 1);
            } else {
                assert_eq!(
                    message["key"],
                    format!("key-{me}"),
                    "nobody is let through without its key"
                );
                let to = message["peer"].as_u64().unwrap();
                let mut passed = message.clone();
                passed["peer"] = json!(me);
                passed.as_object_mut().unwrap().remove("key");
                self.say(to, passed).await;
            }
        }
        self.peers.lock().await.remove(&me);
        self.tell_hosts(json!({"op": "went", "peer": me})).await;
    }
}

async fn acme() -> String {
    let state = Arc::new(Acme::default());
    let open = move |up: WebSocketUpgrade| {
        let state = Arc::clone(&state);
        async move { up.on_upgrade(move |socket| state.peer(socket)) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", any(open));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[test]
fn the_documentation_shows_the_file_that_runs_and_it_has_under_forty_lines() {
    let file = std::fs::read_to_string(docs("acme.toml")).unwrap();
    let shown = std::fs::read_to_string(docs("../dialects.md")).unwrap();
    assert!(
        shown.contains(&format!("```toml\n{file}```")),
        "copy docs/dialects/acme.toml into docs/dialects.md"
    );
    assert!(file.lines().count() < 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_server_is_tested_by_its_file_and_its_recording_proves_the_file() {
    let url = acme().await;
    let dir = tempfile::tempdir().unwrap();
    let mut record = greenroom(
        dir.path(),
        &["dialect", "record", "--listen", "127.0.0.1:0", "--upstream", &url],
    )
    .spawn()
    .unwrap();
    let proxy = read_until(&mut record, "ws://");
    let proxy = proxy.split_whitespace().last().unwrap().to_owned();
    let report = Run::against(proxy)
        .dialect_file(docs("acme.toml"))
        .viewers(2)
        .duration(Duration::from_secs(2))
        .run()
        .await
        .unwrap();
    report.assert_passed();
    signal(&record, "INT");
    let ended = finish(record, Duration::from_secs(10));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));

    let recording = dir.path().join("recording.jsonl");
    let mut frames = read_recording(&recording).unwrap();
    for what in [
        "\"start\"",
        "\"watch\"",
        "\"welcome\"",
        "\"beating\"",
        "candidate:",
    ] {
        assert!(frames.iter().any(|frame| frame.text.contains(what)), "{what}");
    }
    let file = Arc::new(read_dialect(docs("acme.toml")).unwrap());
    let proof = prove(&file, &frames);
    assert_eq!(proof.unexplained, [0; 0], "{proof:?}");
    // A key that was never given is no message of this file.
    let stolen = frames
        .iter_mut()
        .find(|frame| frame.from == Side::Client && frame.text.contains("key-"));
    let stolen = stolen.unwrap();
    stolen.text = stolen.text.replace("key-", "stolen-");
    assert_eq!(prove(&file, &frames).unexplained.len(), 1);

    let check = |dialect: PathBuf| {
        let dialect = dialect.to_str().unwrap().to_owned();
        let args = ["dialect", "check", &dialect, "recording.jsonl"];
        greenroom(dir.path(), &args).output().unwrap()
    };
    let proved = check(docs("acme.toml"));
    assert_eq!(proved.status.code(), Some(0), "{}", text(&proved.stdout));
    let drafted = greenroom(
        dir.path(),
        &["dialect", "draft", "recording.jsonl", "--name", "drafted"],
    )
    .output()
    .unwrap();
    let draft = text(&drafted.stdout);
    assert!(draft.lines().count() < 40, "{draft}");
    let path = dir.path().join("drafted.toml");
    std::fs::write(&path, &draft).unwrap();
    let proved = check(path.clone());
    let words = text(&proved.stdout) + &text(&proved.stderr);
    assert_eq!(proved.status.code(), Some(0), "{words}\n{draft}");
    let run = Run::against(&url)
        .dialect_file(path)
        .viewers(2)
        .duration(Duration::from_secs(1));
    run.run().await.unwrap().assert_passed();
    let failed = check(docs("native.toml"));
    assert_eq!(failed.status.code(), Some(99));
    assert!(
        text(&failed.stdout).contains("line 1: no message of the file explains"),
        "{}",
        text(&failed.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn greenrooms_own_server_is_run_against_by_the_files_of_its_dialects() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let report = Run::against(&server.url)
        .dialect_file(docs("native.toml"))
        .viewers(2)
        .duration(Duration::from_secs(1))
        .run()
        .await
        .unwrap();
    report.assert_passed();
}

#[tokio::test]
async fn a_dialect_file_that_cannot_be_used_is_bad_input_with_its_place() {
    let run = |file: PathBuf| Run::against("ws://127.0.0.1:1/").dialect_file(file).run();
    let error = run(docs("missing.toml")).await.unwrap_err();
    assert!(
        error.is_bad_input() && error.to_string().contains("missing.toml"),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    std::fs::write(&path, "name = \"my\"\nsent = 1\n").unwrap();
    let error = run(path).await.unwrap_err();
    assert!(
        error.is_bad_input() && error.to_string().contains("line 2, column 1"),
        "{error}"
    );
}

/// A built-in dialect and its file, which have to say and hear the same.
struct Pair(Dialect, Dialect);

impl Pair {
    fn new(name: DialectName, file: &str, me: &str) -> Self {
        let data = Arc::new(read_dialect(docs(file)).unwrap());
        Self(
            Dialect::named(name, me.into()).unwrap(),
            Dialect::data(data, me.into()),
        )
    }

    #[track_caller]
    fn say(&mut self, command: &Command) -> Vec<String> {
        let now = tokio::time::Instant::now();
        let said = [&mut self.0, &mut self.1].map(|one| one.encode(now, command).unwrap());
        assert_eq!(plain(&said[0]), plain(&said[1]), "{command:?}");
        let frames = said[0].iter().filter_map(|output| match output {
            Output::Frame { text, .. } => Some(text.clone()),
            _ => None,
        });
        frames.collect()
    }

    #[track_caller]
    fn hear(&mut self, frame: &str) -> Vec<Event> {
        let now = tokio::time::Instant::now();
        let heard = [&mut self.0, &mut self.1].map(|one| one.decode(now, frame).unwrap());
        assert_eq!(plain(&heard[0]), plain(&heard[1]), "{frame}");
        let events = heard[0].iter().filter_map(|output| match output {
            Output::Event(event) => Some(event.clone()),
            _ => None,
        });
        events.collect()
    }
}

/// Frames as values: the order of fields is nobody's business.
fn plain(outputs: &[Output]) -> Vec<String> {
    let plain = outputs.iter().map(|output| match output {
        Output::Frame { text, .. } => serde_json::from_str::<Value>(text).unwrap().to_string(),
        other => format!("{other:?}"),
    });
    plain.collect()
}

fn join(role: Role) -> Command {
    let room = "lobby".parse().unwrap();
    Command::Join { room, role }
}

fn described(to: Option<PeerId>, sdp_type: SdpType, ufrag: &str) -> Command {
    let sdp = format!("v=0\r\no=- {ufrag} 2 IN IP4 127.0.0.1\r\na=ice-ufrag:{ufrag}\r\n");
    let description = Description { sdp_type, sdp };
    Command::Description { to, description }
}

fn candidate(to: Option<PeerId>, ufrag: &str) -> Command {
    let candidate = Candidate {
        candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ host".into(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: Some(0),
        username_fragment: Some(ufrag.into()),
    };
    Command::Candidate { to, candidate }
}

#[test]
fn the_file_of_native_says_and_hears_what_the_built_in_one_does() {
    let mut bot = Pair::new(DialectName::Native, "native.toml", "viewer-1");
    let to = || Some(PeerId::from("b1"));
    let ufrag = Some("u".to_owned());
    bot.say(&join(Role::Viewer));
    // Every message of a server that docs/signaling.md has.
    let page = include_str!("../../docs/signaling.md");
    let blocks = page.split("```json server\n").skip(1);
    let frames: Vec<&str> = blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .collect();
    assert!(frames.len() > 12, "{frames:?}");
    let is_joined = |frame: &str| frame.contains("\"joined\"");
    let broadcasters = |frame: &str| {
        (is_joined(frame) && frame.contains("\"role\":\"broadcaster\",\"room\""))
            || frame.contains("\"new-viewer\"")
            || frame.contains("\"viewer-left\"")
            || frame.contains("\"answer\"")
    };
    let mut broadcaster = Pair::new(DialectName::Native, "native.toml", "broadcaster");
    broadcaster.say(&join(Role::Broadcaster));
    // It leaves last, as the page is read by people and not as a story.
    let (left, before): (Vec<&str>, Vec<&str>) = frames
        .into_iter()
        .partition(|frame| frame.contains("\"broadcaster-left\""));
    for frame in before.into_iter().chain(left) {
        // The page shows what each of both roles is told.
        let told = if broadcasters(frame) {
            &mut broadcaster
        } else {
            &mut bot
        };
        assert_eq!(told.hear(frame).len(), 1, "{frame}");
    }
    let commands = [
        described(to(), SdpType::Offer, "u"),
        described(to(), SdpType::Answer, "u"),
        candidate(to(), "u"),
        Command::EndOfCandidates {
            to: to(),
            username_fragment: ufrag,
        },
        Command::EndOfCandidates {
            to: to(),
            username_fragment: None,
        },
        Command::Chat { text: "hello".into() },
        Command::Stop,
        Command::Leave,
    ];
    for command in commands {
        assert_eq!(bot.say(&command).len(), 1, "{command:?}");
    }
}

#[test]
fn the_file_of_broadcast_ws_tells_viewers_apart_as_the_built_in_one_does() {
    let new = |me| Pair::new(DialectName::BroadcastWs, "broadcast-ws.toml", me);
    let (mut host, mut viewer) = (new("broadcaster"), new("viewer-1"));
    host.say(&join(Role::Broadcaster));
    viewer.say(&join(Role::Viewer));
    let come = r#"{"type":"new-viewer"}"#;
    assert_eq!((host.hear(come).len(), host.hear(come).len()), (1, 0));
    for frame in host.say(&described(None, SdpType::Offer, "host")) {
        assert_eq!(viewer.hear(&frame).len(), 2);
    }
    for frame in viewer.say(&candidate(None, "one")) {
        assert_eq!(host.hear(&frame).len(), 1);
    }
    for frame in viewer.say(&described(None, SdpType::Answer, "one")) {
        assert_eq!(
            host.hear(&frame).len(),
            2,
            "the answer, and the turn of the next one"
        );
    }
    for frame in viewer.say(&Command::Chat { text: "hello".into() }) {
        assert_eq!(host.hear(&frame).len(), 1);
    }
    for frame in [r#"{"type":"viewer"}"#, r#"{"type":"broadcaster"}"#] {
        assert_eq!(host.hear(frame), []);
    }
    assert_eq!(
        host.hear(r#"{"type":"error","code":"full","message":"no"}"#)
            .len(),
        1
    );
    host.say(&Command::Leave);
}
