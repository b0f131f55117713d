//! The pages, in two browsers whose cameras show different streams, one started after the other.

use crate::support::chromium::ChromiumError;
use crate::support::node::{Node, NodeError};
use crate::support::page::{Browser, Observed};
use crate::support::peers::or_skip;
use crate::support::site::Site;
use crate::support::tutorials::{Tutorial, Tutorials};

/// Different pictures that have to be seen before a video is believed.
const PICTURES: usize = 10;

/// The streams that the cameras show.
const STREAMS: [u8; 2] = [1, 2];

/// Two pages and what serves them.
struct Pages {
    first: Observed,
    second: Observed,
    // These end after the pages' last words.
    _browsers: [Browser; 2],
    _site: Option<Site>,
    _server: Node,
}

/// What keeps text text, which is all that parts 22 and level 4 lack.
fn keeps_text(server: &str) -> String {
    let repaired = server.replace("client.send(message)", "client.send(message.toString())");
    assert_ne!(repaired, server, "there is nothing to repair");
    repaired
}

fn as_written(server: &str) -> String {
    server.to_owned()
}

/// Two browsers, or none if Chromium is missing.
async fn browsers() -> Option<[Browser; 2]> {
    let first = or_skip(Browser::start(STREAMS[0]).await, ChromiumError::is_missing)?;
    let second = or_skip(Browser::start(STREAMS[1]).await, ChromiumError::is_missing)?;
    Some([first, second])
}

/// Opens a page twice, against a server under Node.js; none if something of it is missing.
async fn open(
    tutorial: impl FnOnce(&Tutorials) -> Tutorial,
    script: &str,
    server: impl FnOnce(&str) -> String,
) -> Option<Pages> {
    let tutorial = tutorial(&Tutorials::find()?);
    let mut node = or_skip(Node::run(&server(&tutorial.server(0))), NodeError::is_missing)?;
    let program = tutorial.script(node.port().await.unwrap());
    let site = Site::serve(&[("/", tutorial.html()), (script, &program)]).await;
    let mut browsers = browsers().await?;
    Some(Pages {
        first: browsers[0].open(&site.url()).await,
        second: browsers[1].open(&site.url()).await,
        _browsers: browsers,
        _site: Some(site),
        _server: node,
    })
}

impl Pages {
    /// Both are connected, and each shows the other's camera.
    async fn each_sees_the_other(&mut self) {
        self.first.connected().await;
        self.second.connected().await;
        let seen = [
            self.first.stream("#remoteVideo", PICTURES).await,
            self.second.stream("#remoteVideo", PICTURES).await,
        ];
        assert_eq!(seen, [STREAMS[1], STREAMS[0]]);
    }
}

/// Starts part 22's call: each page asks for its camera when it is opened, and the second one calls.
async fn call(pages: &mut Pages) {
    let has_camera = "observer.connections[0].getSenders().length === 2";
    for page in [&mut pages.first, &mut pages.second] {
        page.when(has_camera).await;
    }
    pages.second.click("#call").await;
}

#[tokio::test]
async fn part_22_connects_two_pages_once_its_server_keeps_text() {
    let Some(mut pages) = open(Tutorials::part_22, "/script.js", keeps_text).await else {
        return;
    };
    call(&mut pages).await;
    pages.each_sees_the_other().await;
}

#[tokio::test]
async fn part_22_as_written_cannot_read_what_its_server_resends() {
    let Some(mut pages) = open(Tutorials::part_22, "/script.js", as_written).await else {
        return;
    };
    call(&mut pages).await;
    pages.first.when("observer.failures.length > 0").await;
    let why = pages.first.failures().await;
    assert!(why[0].contains("[object Blob]"), "{why:?}");
}

#[tokio::test]
async fn level_4_connects_two_pages_started_one_after_the_other_once_its_server_keeps_text() {
    let Some(mut pages) = open(Tutorials::level_4, "/main.js", keeps_text).await else {
        return;
    };
    // Its offer goes to nobody.
    start_level_4(&mut pages.first).await;
    start_level_4(&mut pages.second).await;
    pages.each_sees_the_other().await;
}

#[tokio::test]
async fn level_4_as_written_cannot_read_what_its_server_resends() {
    let Some(mut pages) = open(Tutorials::level_4, "/main.js", as_written).await else {
        return;
    };
    start_level_4(&mut pages.first).await;
    start_level_4(&mut pages.second).await;
    pages.first.when("observer.failures.length > 0").await;
    let why = pages.first.failures().await;
    assert!(why[0].contains("[object Blob]"), "{why:?}");
}

/// Clicks, and waits until its offer is sent.
async fn start_level_4(page: &mut Observed) {
    page.click("#startBtn").await;
    page.when("observer.sent.some((text) => JSON.parse(text).sdp)")
        .await;
}
