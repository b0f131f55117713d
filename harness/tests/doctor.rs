//! `greenroom doctor`: greenroom's own servers are healthy in every dialect, and each fault of a server is told by the
//! question that is about it.
//!
//! Each question takes some seconds of real time: without `GREENROOM_PEERS`, which `ci/test peers` sets, some are asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use greenroom::signaling::DialectName;
use greenroom::{Answer, Card, CardLine, Doctor, Question};
use support::faulty::{Fault, Kind, on_a_socket};
use support::served::serve;

/// All of them where there is time for it, else these.
fn questions(some: &[Question]) -> Vec<Question> {
    match std::env::var_os("GREENROOM_PEERS") {
        Some(_) => Question::ALL.to_vec(),
        None => some.to_vec(),
    }
}

async fn examine(url: String, dialect: DialectName, questions: Vec<Question>) -> Card {
    let doctor = Doctor::new(url).dialect(dialect).only(questions);
    doctor.examine(|_| {}).await.unwrap()
}

/// Malformed frames always: whatever comes, the server has to be there for the next viewer.
async fn is_healthy(dialect: DialectName, also: Question) {
    let (_server, port) = serve(dialect.as_str()).await;
    let asked = questions(&[Question::MalformedFrames, also]);
    let url = format!("ws://127.0.0.1:{port}/");
    let mut card = examine(url.clone(), dialect, asked).await;
    // A machine that is too busy tells nothing; it is asked again.
    for line in &mut card.lines {
        if line.answer == Answer::Unclear {
            let again = examine(url.clone(), dialect, vec![line.question]).await;
            *line = again.lines[0].clone();
        }
    }
    assert!(card.is_green(), "{dialect}: {:#?}", card.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_is_healthy_in_its_own_protocol() {
    is_healthy(DialectName::Native, Question::Reconnect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_is_healthy_in_broadcast_ws() {
    is_healthy(DialectName::BroadcastWs, Question::ThirdPeer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_is_healthy_as_a_relay() {
    is_healthy(DialectName::Relay, Question::ThirdPeer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_is_healthy_as_a_relay_of_socket_io() {
    is_healthy(DialectName::SocketioRelay, Question::ThirdPeer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_is_healthy_with_rooms_of_socket_io() {
    is_healthy(DialectName::SocketioRooms, Question::AbruptLeave).await;
}

/// What the question makes of a server with this fault; of the same server without one it makes nothing.
async fn sick_line(kind: Kind, fault: Fault, question: Question) -> CardLine {
    let dialect = match kind {
        Kind::Broadcast => DialectName::BroadcastWs,
        Kind::Relay => DialectName::Relay,
    };
    let ask = async |fault| {
        let card = examine(on_a_socket(kind, fault).await, dialect, vec![question]).await;
        card.lines[0].clone()
    };
    let without = ask(Fault::None).await;
    assert_ne!(without.answer, Answer::Sick, "{without:#?}");
    let line = ask(fault).await;
    assert_eq!(line.answer, Answer::Sick, "{line:#?}");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_peer_that_is_let_into_a_call_of_two_is_the_cause() {
    let line = sick_line(Kind::Relay, Fault::LetsAThirdOneIn, Question::ThirdPeer).await;
    let expected = "the server let a third peer into a call of two, and passed on to them what it said";
    assert!(line.cause.starts_with(expected), "{line:#?}");
    assert!(
        line.fix
            .is_some_and(|fix| fix.starts_with("refuse whoever comes third")),
        "and what to do"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frame_that_is_no_json_and_ends_the_server_is_found() {
    let line = sick_line(
        Kind::Broadcast,
        Fault::DiesOfWhatIsNoJson,
        Question::MalformedFrames,
    )
    .await;
    assert!(line.cause.contains("signaling"), "{line:#?}");
}
