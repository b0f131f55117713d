//! docs/signaling.md says what the code does: its examples are messages, its tables are the defaults.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use greenroom_signaling::{
    ClientConfig, DecodeError, ErrorCode,
    message::{ClientMessage, ServerMessage},
};
use serde_json::Value;

const REFERENCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signaling.md"));

/// The lines of every fenced block that is marked so.
fn examples(mark: &str) -> Vec<&'static str> {
    let fence = format!("```json {mark}\n");
    REFERENCE
        .split(&fence)
        .skip(1)
        .flat_map(|rest| rest.split("\n```").next().unwrap_or_default().lines())
        .collect()
}

/// Each example parses and loses nothing on the way back; gives the types that were seen.
fn check<T: Debug>(
    mark: &str,
    parse: impl Fn(&str) -> Result<T, DecodeError>,
    write: impl Fn(&T) -> String,
) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    for example in examples(mark) {
        let message = parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        let value: Value = serde_json::from_str(example).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&write(&message)).unwrap(),
            value,
            "{message:?}"
        );
        types.insert(value["type"].as_str().unwrap().to_owned());
    }
    types
}

#[test]
fn every_message_has_an_example_and_every_example_is_a_message() {
    let client = check("client", ClientMessage::parse, ClientMessage::to_json);
    let expected = [
        "answer",
        "broadcaster",
        "candidate",
        "chat",
        "end-of-candidates",
        "leave",
        "mute",
        "offer",
        "stop",
        "unmute",
        "viewer",
    ];
    assert_eq!(client, expected.map(str::to_owned).into());

    let server = check("server", ServerMessage::parse, ServerMessage::to_json);
    let expected = [
        "answer",
        "broadcaster-joined",
        "broadcaster-left",
        "candidate",
        "chat",
        "end-of-candidates",
        "error",
        "joined",
        "new-viewer",
        "offer",
        "state",
        "viewer-left",
    ];
    assert_eq!(server, expected.map(str::to_owned).into());
}

#[track_caller]
fn assert_row(section: &str, name: &str, value: &str) {
    let text = REFERENCE.split(section).nth(1).expect("the section is there");
    let text = text.split("\n## ").next().unwrap();
    let row = format!("| `{name}` | {value} |");
    assert!(text.contains(&row), "no row {row:?} under {section:?}");
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[test]
fn every_error_code_is_explained_and_no_other() {
    let table = REFERENCE
        .split("## Errors")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let listed: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(listed, ErrorCode::ALL.iter().map(ErrorCode::as_str).collect());
}

#[test]
fn the_client_defaults_are_those_of_the_table() {
    const SECTION: &str = "## Limits and times of greenroom's client";
    let config = ClientConfig::default();
    assert_row(SECTION, "handshake_timeout", &seconds(config.handshake_timeout));
    assert_row(SECTION, "ping_interval", &seconds(config.ping_interval));
    assert_row(SECTION, "idle_timeout", &seconds(config.idle_timeout));
    assert_row(SECTION, "close_timeout", &seconds(config.close_timeout));
    assert_row(SECTION, "max_message_size", &config.max_message_size.to_string());
    assert_row(
        SECTION,
        "send_queue.messages",
        &config.send_queue.messages.to_string(),
    );
    assert_row(SECTION, "send_queue.bytes", &config.send_queue.bytes.to_string());
    assert_row(SECTION, "event_queue", &config.event_queue.to_string());
}

#[cfg(feature = "server")]
#[test]
fn the_server_defaults_are_those_of_the_table() {
    const SECTION: &str = "## Limits and times of a server";
    let config = greenroom_signaling::ServerConfig::default();
    for (name, value) in [
        ("header_timeout", config.header_timeout),
        ("http_timeout", config.http_timeout),
        ("join_timeout", config.join_timeout),
        ("ping_interval", config.ping_interval),
        ("dead_timeout", config.dead_timeout),
        ("close_timeout", config.close_timeout),
    ] {
        assert_row(SECTION, name, &seconds(value));
    }
    for (name, value) in [
        ("max_message_size", config.max_message_size),
        ("max_write_buffer_size", config.max_write_buffer_size),
        ("max_connections", config.max_connections),
        ("viewer.queue.messages", config.viewer.queue.messages),
        ("viewer.queue.bytes", config.viewer.queue.bytes),
        ("viewer.rate.per_second", config.viewer.rate.per_second as usize),
        ("viewer.rate.burst", config.viewer.rate.burst as usize),
        ("broadcaster.queue.messages", config.broadcaster.queue.messages),
        ("broadcaster.queue.bytes", config.broadcaster.queue.bytes),
        (
            "broadcaster.rate.per_second",
            config.broadcaster.rate.per_second as usize,
        ),
        ("broadcaster.rate.burst", config.broadcaster.rate.burst as usize),
        ("rooms.rooms", config.rooms.rooms),
        ("rooms.members_per_room", config.rooms.members_per_room),
    ] {
        assert_row(SECTION, name, &value.to_string());
    }
}
