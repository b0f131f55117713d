//! The tutorials' own pages in Chromium: what their card says of each.
//!
//! The documents are not ours; without `GREENROOM_TUTORIALS`, and without Chromium, these tests are skipped.

use std::path::Path;
use std::time::Duration;

use greenroom::signaling::DialectName;
use greenroom::{Card, ClientQuestion};

use super::cards::{cause, doctor, sick};
use crate::support::chromium::ChromiumError;
use crate::support::page::Browser;
use crate::support::peers::{or_skip, skipped};
use crate::support::site::Site;
use crate::support::tutorials::{Tutorial, Tutorials};
use crate::support::within;

/// How long a page may take for a step, on a busy machine.
const STEP: Duration = Duration::from_secs(8);
/// How long it may take to be opened and to join.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a page that never joins is waited for once it is open.
const SHORT: Duration = Duration::from_secs(10);

/// The card of a page, from what its reader has and the button that starts it; none if something is missing.
async fn card_of(
    dialect: DialectName,
    tutorial: fn(&Tutorials) -> Tutorial,
    button: Option<&str>,
) -> Option<Card<ClientQuestion>> {
    let tutorial = tutorial(&Tutorials::find()?);
    card_of_site(dialect, |port| async move { tutorial.site(port).await }, button).await
}

async fn card_of_site<F: Future<Output = Site>>(
    dialect: DialectName,
    site: impl FnOnce(u16) -> F,
    button: Option<&str>,
) -> Option<Card<ClientQuestion>> {
    let mut browser = or_skip(Browser::start(1).await, ChromiumError::is_missing)?;
    let (doctor, _) = doctor(dialect).await;
    let site = site(doctor.address().unwrap().port()).await;
    let never_joins = button.is_none() && !dialect.is_for_two();
    let patience = if never_joins { SHORT } else { PATIENCE };
    let doctor = doctor.step(STEP).patience(patience);
    let examining = tokio::spawn(doctor.examine(std::future::pending()));
    let mut page = browser.open(&site.url()).await;
    if let Some(button) = button {
        page.click(button).await;
    }
    let card = within(Duration::from_secs(150), examining).await.unwrap();
    Some(card.unwrap())
}

#[tokio::test]
async fn part_28_has_a_page_that_never_asks_to_view() {
    let Some(card) = card_of(DialectName::BroadcastWs, Tutorials::part_28, None).await else {
        return;
    };
    cause(
        &card,
        ClientQuestion::Joins,
        &["joined nothing", "said nothing at all"],
    );
}

#[tokio::test]
async fn part_28_loses_its_signaling_to_its_chat() {
    let start = Some("#startStream");
    let Some(card) = card_of(DialectName::BroadcastWs, Tutorials::part_28, start).await else {
        return;
    };
    cause(
        &card,
        ClientQuestion::Offers,
        &["told of viewer-1 (#", "made no offer"],
    );
    assert_eq!(sick(&card), [ClientQuestion::Offers], "{card:#?}");
}

#[tokio::test]
async fn part_28_without_its_chat_has_one_connection_and_loses_its_first_viewer_to_the_second() {
    let start = Some("#startStream");
    let Some(card) = card_of(
        DialectName::BroadcastWs,
        Tutorials::part_28_before_the_chat,
        start,
    )
    .await
    else {
        return;
    };
    cause(
        &card,
        ClientQuestion::OwnConnection,
        &["viewer-1 (#", "viewer-2 (#", "one peer connection"],
    );
    cause(
        &card,
        ClientQuestion::NextViewer,
        &["viewer-1 got media until viewer-2 came"],
    );
}

#[tokio::test]
async fn level_4_answers_a_call_although_it_has_called_nobody() {
    let start = Some("#startBtn");
    let Some(card) = card_of(DialectName::Relay, Tutorials::level_4, start).await else {
        return;
    };
    assert_eq!(sick(&card), [], "{card:#?}");
}

#[tokio::test]
async fn part_22_answers_a_call() {
    let Some(card) = card_of(DialectName::Relay, Tutorials::part_22, None).await else {
        return;
    };
    assert_eq!(sick(&card), [], "{card:#?}");
}

/// The client of Socket.IO, from the packages of the tests.
fn socketio_client() -> Option<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/node/node_modules/socket.io-client/dist/socket.io.js"
    );
    let found = Path::new(path).is_file();
    if !found {
        skipped(&"the packages of harness/tests/node are not installed");
    }
    found.then(|| std::fs::read_to_string(path).unwrap())
}

/// The card of a script over Socket.IO that has a video of each name that the tutorials use.
async fn card_of_script(dialect: DialectName, script: String) -> Option<Card<ClientQuestion>> {
    let client = socketio_client()?;
    let videos = ["hostVideo", "viewerVideo", "localVideo", "remoteVideo"];
    let videos = videos.map(|id| format!("<video id=\"{id}\" autoplay playsinline muted></video>"));
    let html = format!(
        "{}<script src=\"/socket.io.js\"></script><script type=\"module\" src=\"/script.js\"></script>",
        videos.concat()
    );
    let site = |port: u16| async move {
        let script = script.replace(":3000", &format!(":{port}"));
        Site::serve(&[("/", &html), ("/socket.io.js", &client), ("/script.js", &script)]).await
    };
    // The script starts by itself.
    card_of_site(dialect, site, Some("body")).await
}

/// A page of part 27, which leaves the connection to the server, and to join when it is ready, to its reader.
fn part_27(join: &str, is_ready: &str, script: &str) -> String {
    format!(
        "const socket = io('http://localhost:3000', {{ transports: ['websocket'] }});\n{script}\n\
         observer.when(() => socket.connected && {is_ready}).then(() => socket.emit('{join}'));"
    )
}

#[tokio::test]
async fn part_27_has_a_host_that_ignores_the_answer() {
    let Some(tutorials) = Tutorials::find() else {
        return;
    };
    let [host, _] = tutorials.part_27();
    let script = part_27(
        "host-join",
        "document.getElementById('hostVideo').srcObject",
        &host,
    );
    let Some(card) = card_of_script(DialectName::SocketioRooms, script).await else {
        return;
    };
    cause(
        &card,
        ClientQuestion::TakesAnswer,
        &["the answer of viewer-1 was delivered (#", "no connectivity check"],
    );
}

#[tokio::test]
async fn part_27_has_a_viewer_that_sends_no_candidates() {
    let Some(tutorials) = Tutorials::find() else {
        return;
    };
    let [_, viewer] = tutorials.part_27();
    let script = part_27("viewer-join", "true", &viewer);
    let Some(card) = card_of_script(DialectName::SocketioRooms, script).await else {
        return;
    };
    cause(
        &card,
        ClientQuestion::Candidates,
        &["its answer (#", "has no candidate in it"],
    );
}

#[tokio::test]
async fn the_socket_io_page_stops_before_it_can_answer() {
    let Some(tutorials) = Tutorials::find() else {
        return;
    };
    let websocket = "io(\"http://localhost:3000\", { transports: [\"websocket\"] })";
    let script = tutorials.socketio().script(3000);
    let script = script.replace("io(\"http://localhost:3000\")", websocket);
    let Some(card) = card_of_script(DialectName::SocketioRelay, script).await else {
        return;
    };
    cause(
        &card,
        ClientQuestion::Answers,
        &["sent an offer (#", "no answer came"],
    );
}
