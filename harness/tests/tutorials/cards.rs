//! The report cards of the servers: `greenroom doctor URL --exec 'node server.js'`, which lines are sick and why.

use greenroom::{Answer, Card, Question};

use super::commands::{addresses, app, as_written, keeps_text};
use crate::support::tutorials::{Tutorial, Tutorials};

/// The card of a server; none if something is missing.
fn card(
    tutorial: fn(&Tutorials) -> Tutorial,
    repair: fn(String) -> String,
    dialect: &str,
    questions: &[Question],
) -> Option<Card> {
    let app = app(tutorial, repair)?;
    let only: Vec<&str> = questions.iter().map(|question| question.name()).collect();
    let only = only.join(",");
    let (_, card, errors) = app.greenroom("doctor", &["--dialect", dialect, "--json", "--only", &only]);
    Some(serde_json::from_str(&card).unwrap_or_else(|error| panic!("{error}: {card}{errors}")))
}

/// The line is sick, and its cause says this.
#[track_caller]
fn is_sick(card: &Card, question: Question, cause: &str) {
    let line = card.line(question).unwrap();
    assert!(
        line.answer == Answer::Sick && line.cause.contains(cause),
        "expected {cause:?} in {line:#?}"
    );
    assert!(line.fix.is_some(), "{line:#?}");
}

#[track_caller]
fn is_healthy(card: &Card, question: Question) {
    let line = card.line(question).unwrap();
    assert_eq!(line.answer, Answer::Healthy, "{line:#?}");
}

#[test]
fn part_28_sends_answers_to_viewers_forgets_who_came_first_and_dies_of_what_is_no_json() {
    let questions = [
        Question::OneViewer,
        Question::ViewerFirst,
        Question::MalformedFrames,
    ];
    let Some(card) = card(Tutorials::part_28, as_written, "broadcast-ws", &questions) else {
        return;
    };
    let own = "viewer-1's answer went to viewer-1 itself and never to broadcaster";
    is_sick(&card, Question::OneViewer, own);
    let untold = "broadcaster was never told that viewer-1 is in the room";
    is_sick(&card, Question::ViewerFirst, untold);
    is_sick(&card, Question::MalformedFrames, "exited with status 1");
    is_sick(&card, Question::MalformedFrames, "SyntaxError");
}

#[test]
fn part_28_once_it_addresses_still_dies_of_what_is_no_json() {
    let questions = [
        Question::TwoViewers,
        Question::ViewerFirst,
        Question::MalformedFrames,
        Question::BinaryFrame,
    ];
    let Some(card) = card(Tutorials::part_28, addresses, "broadcast-ws", &questions) else {
        return;
    };
    is_healthy(&card, Question::TwoViewers);
    is_healthy(&card, Question::ViewerFirst);
    is_sick(&card, Question::MalformedFrames, "exited with status 1");
    is_sick(&card, Question::BinaryFrame, "exited with status 1");
}

const BINARY: &str = "came to viewer-1 as a binary frame";
const THIRD: &str = "the server let a third peer into a call of two";

/// Both relays.
fn resends_text_as_binary_and_lets_a_third_peer_in(tutorial: fn(&Tutorials) -> Tutorial) {
    let questions = [Question::OneViewer, Question::ViewerFirst, Question::ThirdPeer];
    let Some(written) = card(tutorial, as_written, "relay", &questions[..2]) else {
        return;
    };
    is_sick(&written, Question::OneViewer, BINARY);
    is_sick(&written, Question::ViewerFirst, BINARY);
    let repaired = card(tutorial, keeps_text, "relay", &questions).unwrap();
    is_healthy(&repaired, Question::OneViewer);
    is_healthy(&repaired, Question::ViewerFirst);
    is_sick(&repaired, Question::ThirdPeer, THIRD);
}

#[test]
fn part_22_resends_text_as_binary_and_lets_a_third_peer_in() {
    resends_text_as_binary_and_lets_a_third_peer_in(Tutorials::part_22);
}

#[test]
fn level_4_resends_text_as_binary_and_lets_a_third_peer_in() {
    resends_text_as_binary_and_lets_a_third_peer_in(Tutorials::level_4);
}

#[test]
fn the_socket_io_tutorial_carries_a_call_and_lets_a_third_peer_in() {
    let questions = [Question::OneViewer, Question::ViewerFirst, Question::ThirdPeer];
    let Some(card) = card(Tutorials::socketio, as_written, "socketio-relay", &questions) else {
        return;
    };
    is_healthy(&card, Question::OneViewer);
    is_healthy(&card, Question::ViewerFirst);
    is_sick(&card, Question::ThirdPeer, THIRD);
}
