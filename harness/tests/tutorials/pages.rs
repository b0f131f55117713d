//! Two peers' pages in Chromium, of part 22, level 4 and the Socket.IO tutorial: what they do with their own servers, as
//! written and after the obvious repair.

use crate::support::call::Call;
use crate::support::node::{Node, NodeError};
use crate::support::page::Observed;
use crate::support::peers::or_skip;
use crate::support::tutorials::{Tutorial, Tutorials};

/// A page that is opened twice, and its server, which ends with it.
pub(crate) struct Running {
    pub(crate) call: Call,
    _server: Node,
}

/// None if the documents, Node.js or Chromium are missing.
pub(crate) async fn run(
    tutorial: impl FnOnce(&Tutorials) -> Tutorial,
    repair: impl FnOnce(&str) -> String,
) -> Option<Running> {
    let tutorial = tutorial(&Tutorials::find()?);
    let program = repair(&tutorial.server(0));
    let mut node = or_skip(Node::run(&program), NodeError::is_missing)?;
    // Both pages are loaded when they are opened; nobody asks the site for more.
    let site = tutorial.site(node.port().await.unwrap()).await;
    let call = Call::open(&site.url()).await?;
    Some(Running { call, _server: node })
}

pub(crate) fn as_written(program: &str) -> String {
    program.to_owned()
}

/// Text stays text, which is all that the servers of part 22 and level 4 lack.
fn keeps_text(server: &str) -> String {
    repaired(server, "client.send(message)", "client.send(message.toString())")
}

fn repaired(program: &str, wrong: &str, right: &str) -> String {
    assert!(program.contains(wrong), "there is no {wrong:?} to repair");
    program.replace(wrong, right)
}

#[tokio::test]
async fn part_22_connects_two_pages_once_its_server_keeps_text() {
    let Some(mut running) = run(Tutorials::part_22, keeps_text).await else {
        return;
    };
    running.call.start_part_22().await;
    running.call.each_sees_the_other().await;
}

#[tokio::test]
async fn level_4_connects_two_pages_started_one_after_the_other_once_its_server_keeps_text() {
    let Some(mut running) = run(Tutorials::level_4, keeps_text).await else {
        return;
    };
    running.call.start_level_4().await;
    running.call.each_sees_the_other().await;
}

#[tokio::test]
async fn part_22_as_written_cannot_read_what_its_server_resends() {
    let Some(mut running) = run(Tutorials::part_22, as_written).await else {
        return;
    };
    running.call.start_part_22().await;
    cannot_read_a_blob(&mut running.call.first).await;
}

#[tokio::test]
async fn level_4_as_written_cannot_read_what_its_server_resends() {
    let Some(mut running) = run(Tutorials::level_4, as_written).await else {
        return;
    };
    running.call.start_level_4().await;
    cannot_read_a_blob(&mut running.call.first).await;
}

#[tokio::test]
async fn level_4_fails_in_both_pages_when_they_start_at_once() {
    let Some(mut running) = run(Tutorials::level_4, keeps_text).await else {
        return;
    };
    let [first, second] = [&mut running.call.first, &mut running.call.second];
    // Each has made its offer when the other's comes.
    for page in [&mut *first, &mut *second] {
        page.evaluate("observer.hold()").await;
        page.click("#startBtn").await;
        page.when("observer.connections[0]?.signalingState === 'have-local-offer'")
            .await;
    }
    for page in [&mut *first, &mut *second] {
        page.evaluate("observer.release()").await;
    }
    // Chromium takes its own offer back and answers: both do, and neither waits for an answer any more.
    for page in [first, second] {
        page.when("observer.failures.length > 0").await;
        let why = page.failures().await;
        assert!(why[0].contains("InvalidStateError"), "{why:?}");
    }
}

async fn cannot_read_a_blob(page: &mut Observed) {
    page.when("observer.failures.length > 0").await;
    let why = page.failures().await;
    assert!(why[0].contains("[object Blob]"), "{why:?}");
}

/// The page of the Socket.IO tutorial, served by its own server; none if something is missing.
async fn socketio(repair: impl FnOnce(&str) -> String, ready: &str) -> Option<Running> {
    let tutorial = Tutorials::find()?.socketio();
    let mut node = or_skip(Node::run(&tutorial.server(0)), NodeError::is_missing)?;
    let port = node.port().await.unwrap();
    let script = repair(&tutorial.script(port));
    node.put("public/index.html", tutorial.html()).unwrap();
    node.put("public/script.js", &script).unwrap();
    let url = format!("http://localhost:{port}/");
    let call = Call::open_when([&url, &url], ready).await?;
    Some(Running { call, _server: node })
}

#[tokio::test]
async fn the_socket_io_tutorial_stops_at_a_name_that_it_never_defined() {
    let Some(mut running) = socketio(as_written, "observer.failures.length > 0").await else {
        return;
    };
    let page = &mut running.call.first;
    assert_eq!(page.failures().await, ["ReferenceError: remote is not defined"]);
    let state = page.evaluate("observer.connections[0].signalingState").await;
    assert_eq!(state, "stable", "nothing was offered");
}

#[tokio::test]
async fn the_socket_io_tutorial_connects_two_pages_once_that_name_is_right() {
    let right = |script: &str| {
        let script = repaired(script, ".srcObject = remote\n", ".srcObject = remoteStream\n");
        repaired(&script, "remote.addTrack", "remoteStream.addTrack")
    };
    let has_offered = "observer.connections[0]?.signalingState === 'have-local-offer'";
    let Some(mut running) = socketio(right, has_offered).await else {
        return;
    };
    running.call.each_sees_the_other().await;
}
