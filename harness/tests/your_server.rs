//! A server of the user's own inside a simulated run, and the race in it that some seeds find.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::{Router, routing::any};
use greenroom::{FindingKind, MemoryListener, Report, Run, SignalingSpec, Verdict};
use serde_json::{Value, json};
use tokio::sync::broadcast;

// docs/simulation.md shows the part between the two lines.
// ---
async fn serve(listener: MemoryListener, racy: bool) -> std::io::Result<()> {
    let room = broadcast::Sender::<Value>::new(64);
    let open = move |up: WebSocketUpgrade| async move { up.on_upgrade(move |ws| peer(ws, room, racy)) };
    axum::serve(listener, Router::new().route("/", any(open))).await
}

async fn peer(mut socket: WebSocket, room: broadcast::Sender<Value>, racy: bool) {
    let (number, mut inbox, mut me) = (room.receiver_count(), room.subscribe(), String::new());
    loop {
        let mut message: Value = tokio::select! {
            biased; // the same seed has to give the same order
            Ok(message) = inbox.recv() => {
                if message["type"] == "broadcaster" && me.starts_with("viewer") {
                    let _ = room.send(json!({"type": "new-viewer", "id": me, "to": "broadcaster"}));
                } else if message["to"] == me {
                    let _ = socket.send(Message::text(message.to_string())).await;
                }
                continue;
            }
            Some(Ok(frame)) = socket.recv() => serde_json::from_slice(&frame.into_data()).unwrap_or_default(),
            else => return,
        };
        let role = message["type"].as_str().unwrap_or_default().to_owned();
        if role == "viewer" || role == "broadcaster" {
            me = role.replace("viewer", &format!("viewer-{number}"));
            let joined = json!({"type": "joined", "protocol": 1, "id": me, "role": role, "room": message["room"],
                "peers": [], "state": {"version": 0, "muted": {"audio": false, "video": false}, "stopped": false}});
            let _ = socket.send(Message::text(joined.to_string())).await;
        }
        if role == "viewer" {
            message = json!({"type": "new-viewer", "id": me, "to": "broadcaster"});
        }
        message["from"] = json!(me);
        let _ = room.send(message);
        if role == "viewer" && racy {
            tokio::time::sleep(Duration::from_millis(15)).await; // looks something up
            inbox = room.subscribe(); // the race: what came meanwhile is gone
        }
    }
}
// ---

/// A call of one second on a bad way to the server.
async fn call(seed: u64, racy: bool) -> Report {
    let faults = SignalingSpec {
        jitter: Duration::from_millis(40),
        ..SignalingSpec::default()
    };
    let call = Run::simulated(seed).viewers(1).duration(Duration::from_secs(1));
    let call = call
        .signaling_faults(faults)
        .server(move |listener| serve(listener, racy));
    call.run().await.unwrap()
}

#[tokio::test]
async fn a_race_in_the_users_server_is_found_by_some_seeds_and_replays_from_each() {
    let mut failed = Vec::new();
    // Always all of them: of a single seed nothing could be said.
    let seeds: Vec<u64> = (1..=12).collect();
    for seed in &seeds {
        let report = call(*seed, true).await;
        if report.verdict == Verdict::Fail {
            failed.push((*seed, report));
        }
    }
    assert!(
        !failed.is_empty() && failed.len() < seeds.len(),
        "{} of {seeds:?}",
        failed.len()
    );
    for (seed, report) in &failed {
        assert_eq!(
            report.findings[0].kind,
            FindingKind::NoFirstFrame,
            "{}",
            report.because
        );
        let again = call(*seed, true).await;
        assert_eq!(
            (&again.findings, &again.measured.totals),
            (&report.findings, &report.measured.totals)
        );
        let table = report.table(greenroom::Style::Plain);
        assert!(table.contains(&format!("GREENROOM_SEED={seed}")), "{table}");
    }
}

#[tokio::test]
async fn the_same_server_without_the_race_passes_with_every_seed() {
    for seed in greenroom::seeds(1..=12) {
        call(seed, false).await.assert_passed();
    }
}

#[tokio::test]
async fn a_server_that_panics_is_the_first_finding_with_its_words() {
    let report = Run::simulated(1)
        .viewers(1)
        .duration(Duration::from_secs(1))
        .server(|listener| async move {
            let _listens = listener;
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(1, 2, "the table of rooms is gone");
        })
        .run()
        .await
        .unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::ServerEnded);
    assert!(
        report.because.contains("the table of rooms is gone"),
        "{}",
        report.because
    );
}

#[test]
fn the_documentation_shows_this_server() {
    let shown = include_str!("../../docs/simulation.md");
    let code = include_str!("your_server.rs").split("// ---\n").nth(1).unwrap();
    assert!(
        shown.contains(code),
        "copy the part between the lines into docs/simulation.md"
    );
}
