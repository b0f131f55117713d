//! The command: its card in text and JSON, its exit codes, and the document that describes both kinds of card.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::time::Duration;

use greenroom::{Asked, Card, ClientQuestion, Question};

use super::clients::{Canned, Client, host};
use crate::support::command::{finish, greenroom, signal, text};

const DEADLINE: Duration = Duration::from_secs(90);

/// Starts the doctor, and gives the URL that it tells its user to open.
fn start(dir: &std::path::Path, args: &[&str]) -> (Child, String) {
    let mut all = vec![
        "doctor",
        "--listen",
        "127.0.0.1:0=broadcast-ws",
        "--output-dir",
        "out",
    ];
    all.extend(args);
    let mut child = greenroom(dir, &all).spawn().unwrap();
    let mut line = String::new();
    let stderr = child.stderr.take().unwrap();
    BufReader::new(stderr).read_line(&mut line).unwrap();
    let url = line.split([' ', ',']).find(|word| word.starts_with("ws://"));
    (
        child,
        url.unwrap_or_else(|| panic!("no URL in {line:?}")).to_owned(),
    )
}

/// Offers, and never looks at an answer.
async fn deaf_host(url: String) {
    let offer = |number| Canned {
        number,
        has_candidate: true,
    };
    host(url, move |number| Some(offer(number).offer()), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_client_gives_99_with_its_cause_its_fix_and_the_ladder() {
    let dir = tempfile::tempdir().unwrap();
    let (child, url) = start(dir.path(), &["--step", "2s", "--ladder", "takes-answer"]);
    let client = tokio::spawn(deaf_host(url));
    let output = tokio::task::spawn_blocking(move || finish(child, DEADLINE))
        .await
        .unwrap();
    client.abort();
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(99), "{out}");
    for part in [
        "✓ joins",
        "✗ takes-answer",
        "cause  the answer of viewer-1 was delivered (#",
        "fix    handle the answer",
        "- media",
        "1 sick",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    let (_, ladder) = out.split_once("\ntakes-answer\n").unwrap();
    assert!(
        ladder.contains("client") && ladder.contains("viewer-1"),
        "{ladder}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_120_and_a_card_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let (child, _) = start(dir.path(), &["--for", "200ms", "--json"]);
    let output = tokio::task::spawn_blocking(move || finish(child, DEADLINE))
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(120));
    let card: Card<ClientQuestion> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        card.line(ClientQuestion::Joins)
            .unwrap()
            .cause
            .contains("nobody connected")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_gives_105_and_the_card_so_far() {
    let dir = tempfile::tempdir().unwrap();
    let (child, url) = start(dir.path(), &[]);
    let mut client = Client::connect(&url).await;
    client.say(serde_json::json!({"type": "viewer"})).await;
    while client.hear().await.unwrap()["type"] != "offer" {}
    signal(&child, "INT");
    let output = tokio::task::spawn_blocking(move || finish(child, DEADLINE))
        .await
        .unwrap();
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(105), "{out}");
    assert!(out.contains("✓ joins") && out.contains("? answers"), "{out}");
}

#[test]
fn what_a_client_is_not_asked_is_refused_before_it_is_waited_for() {
    for args in [
        &["doctor"][..],
        &["doctor", "--listen", "127.0.0.1:0=janus"],
        &["doctor", "--listen", "127.0.0.1:0", "--as", "guest"],
        &["doctor", "--listen", "127.0.0.1:0", "ws://127.0.0.1:1/"],
        &["doctor", "ws://127.0.0.1:1/", "--as", "host"],
        &["doctor", "--listen", "127.0.0.1:0", "--ladder", "tea"],
    ] {
        assert_eq!(
            crate::support::command::call(args).status.code(),
            Some(104),
            "{args:?}"
        );
    }
}

#[test]
fn the_document_names_every_question_and_what_it_asks() {
    let document = include_str!("../../../docs/doctor.md");
    let row = |name: String, asks: &str| {
        let row = format!("| `{name}` | {asks} |");
        assert!(document.contains(&row), "docs/doctor.md lacks\n{row}");
    };
    for question in Question::ALL {
        row(question.to_string(), question.asks());
    }
    for question in ClientQuestion::ALL {
        row(question.to_string(), question.asks());
    }
}
