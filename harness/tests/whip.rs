//! WHIP and WHEP: greenroom's bots through greenroom's media server, and what the server says to those who are not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

#[path = "whip/flaws.rs"]
mod flaws;
mod support;

use std::net::SocketAddr;

use greenroom::engine::webrtc::WebrtcEngine;
use greenroom::engine::{
    ConnectionId, ConnectionSpec, Engine, EngineCommand, EngineEventKind, MediaDirection,
};
use greenroom::media::codec::Codec;
use greenroom::trace::{FrameWay, HttpSeen, TraceEvent, TraceKind};
use greenroom::{Access, DecodeSelection, MediaServer, MediaServerConfig, Report, Run};
use greenroom_fixtures::Size;
use support::{ms, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A media server on a port of its own; it ends with this.
struct Served {
    server: MediaServer,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn served(config: MediaServerConfig) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = MediaServer::new(config);
    let serving = server.clone();
    let task = tokio::spawn(async move { match serving.serve(listener).await {} });
    Served {
        server,
        address,
        task,
    }
}

fn through(address: SocketAddr) -> Run {
    let publish = format!("http://{address}/whip/stage");
    Run::through_media_server(publish, format!("http://{address}/whep/stage"))
        .size(Size::SMALL)
        .viewers(3)
        .decode(DecodeSelection::All)
        .duration(ms(2_000))
}

/// A run and the HTTP exchanges in its trace: who, which way, what.
async fn traced(run: Run) -> (Report, Vec<(String, FrameWay, HttpSeen)>) {
    let dir = tempfile::tempdir().unwrap();
    let run = run.output_dir(dir.path());
    let report = within(ms(60_000), run.run()).await.unwrap();
    let text = std::fs::read_to_string(dir.path().join("trace.jsonl")).unwrap();
    let events = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<TraceEvent>(line).unwrap());
    let exchanges = events.filter_map(|event| match event.event {
        TraceKind::Http { way, message, .. } => Some((event.peer, way, message)),
        _ => None,
    });
    (report, exchanges.collect())
}

/// The exchanges of a bot in short, such as `POST 201 PATCH 204 DELETE 200`.
fn story(exchanges: &[(String, FrameWay, HttpSeen)], peer: &str) -> String {
    let of = exchanges.iter().filter(|(label, ..)| label == peer);
    let words = of.map(|(.., message)| match message {
        HttpSeen::Request { method, .. } => method.clone(),
        HttpSeen::Response { status, .. } => status.to_string(),
        HttpSeen::Failed { .. } => "failed".to_owned(),
    });
    let mut story = words.collect::<Vec<_>>().join(" ");
    // Candidates and their end go together or one after the other, as they come.
    while story.contains("PATCH 204 PATCH 204") {
        story = story.replace("PATCH 204 PATCH 204", "PATCH 204");
    }
    story
}

/// What a viewer did once the stream was there.
fn played(exchanges: &[(String, FrameWay, HttpSeen)], viewer: u32) -> String {
    story(exchanges, &format!("viewer-{viewer}")).replace("POST 409 ", "")
}

#[track_caller]
fn all_verified(report: &Report, viewers: u64) {
    report.assert_passed();
    let totals = &report.measured.totals;
    assert!(
        totals.verified > 30 * viewers && totals.verified == totals.expected,
        "{totals:?}"
    );
}

async fn freed(server: &MediaServer) {
    within(ms(10_000), async {
        while server.stats().publishers + server.stats().players > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_publishes_three_play_and_every_frame_is_verified() {
    let served = served(MediaServerConfig::default()).await;
    let (report, exchanges) = traced(through(served.address)).await;
    all_verified(&report, 3);
    assert_eq!(story(&exchanges, "broadcaster"), "POST 201 PATCH 204 DELETE 200");
    for viewer in 1..=3 {
        assert_eq!(played(&exchanges, viewer), "POST 201 PATCH 204 DELETE 200");
    }
    let answers = exchanges.iter().filter_map(|(.., message)| match message {
        HttpSeen::Response {
            status: 201, body, ..
        } => Some((message, body)),
        _ => None,
    });
    for (answer, body) in answers {
        assert_eq!(answer.header("content-type"), Some("application/sdp"));
        assert!(answer.header("location").unwrap().len() > 32 && answer.header("etag").is_some());
        assert!(
            body.contains("a=candidate:") && body.contains("a=end-of-candidates"),
            "{body}"
        );
        assert!(!body.contains("sendrecv"), "{body}");
    }
    // Every session was deleted.
    freed(&served.server).await;
    assert!(served.server.stats().forwarded > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_candidates_is_not_asked_twice_and_media_flows() {
    let config = MediaServerConfig {
        trickle: false,
        ..MediaServerConfig::default()
    };
    let served = served(config).await;
    let (report, exchanges) = traced(through(served.address)).await;
    all_verified(&report, 3);
    assert_eq!(story(&exchanges, "broadcaster"), "POST 201 PATCH 405 DELETE 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_offer_is_answered_and_played() {
    let config = MediaServerConfig {
        counter_offers: true,
        ..MediaServerConfig::default()
    };
    let served = served(config).await;
    let (report, exchanges) = traced(through(served.address).viewers(2)).await;
    all_verified(&report, 2);
    for viewer in 1..=2 {
        assert_eq!(played(&exchanges, viewer), "POST 406 PATCH 204 DELETE 200");
    }
    freed(&served.server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_307_is_followed_to_the_server_that_has_the_stream() {
    let there = served(MediaServerConfig::default()).await;
    let config = MediaServerConfig {
        redirect: Some(format!("http://{}", there.address)),
        ..MediaServerConfig::default()
    };
    let here = served(config).await;
    let (report, exchanges) = traced(through(here.address).viewers(1)).await;
    all_verified(&report, 1);
    assert_eq!(
        story(&exchanges, "broadcaster"),
        "POST 307 POST 201 PATCH 204 DELETE 200"
    );
    freed(&there.server).await;
    assert_eq!(here.server.stats().forwarded, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_gets_in_and_leaves_no_trace_and_without_it_nobody_does() {
    let config = MediaServerConfig {
        token: Some("s3cret".to_owned()),
        ..MediaServerConfig::default()
    };
    let served = served(config).await;
    let run = through(served.address)
        .viewers(1)
        .access(Access::default().bearer("s3cret"));
    let (report, exchanges) = traced(run).await;
    all_verified(&report, 1);
    let requests = exchanges.iter().filter(|(_, way, _)| *way == FrameWay::Out);
    for (.., request) in requests {
        assert_eq!(request.header("authorization"), Some("present"), "{request:?}");
    }
    assert!(!format!("{exchanges:?}").contains("s3cret"));

    let (report, exchanges) = traced(through(served.address).viewers(1).duration(ms(200))).await;
    assert_ne!(report.exit_code(), 0);
    assert_eq!(story(&exchanges, "broadcaster"), "POST 401");
}

/// An offer as a broadcaster makes it, without candidates, and the connection that it belongs to.
async fn offer(direction: MediaDirection) -> (String, greenroom::engine::ConnectionHandle) {
    let (events, mut told) = tokio::sync::mpsc::channel(64);
    let spec = ConnectionSpec {
        id: ConnectionId(1),
        direction,
        bind: None,
        tap: None,
        impairment: None,
        filter: None,
    };
    let handle = WebrtcEngine::default().connect(spec, events).unwrap();
    handle.send(EngineCommand::MakeOffer).unwrap();
    loop {
        let event = within(ms(10_000), told.recv()).await.unwrap();
        if let EngineEventKind::LocalDescription(description) = event.kind {
            return (description.sdp, handle);
        }
    }
}

const SENDS: MediaDirection = MediaDirection::Send {
    video: Codec::H264,
    audio: true,
    data: false,
};

/// One request by hand; gives status and the whole answer.
async fn request(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(ms(20_000), stream.read_to_string(&mut answer))
        .await
        .unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find_map(|(found, value)| (found == name).then_some(value))
}

const SDP: &str = "Content-Type: application/sdp\r\n";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_by_its_status() {
    let served = served(MediaServerConfig::default()).await;
    let at = served.address;
    let (offer, _connection) = offer(SENDS).await;
    for (method, path, headers, body, expected) in [
        ("POST", "/whip/a", "", offer.as_str(), 415),
        ("POST", "/whip/a", SDP, "hello", 400),
        (
            "POST",
            "/whip/a",
            SDP,
            &*offer.replace("a=sendonly", "a=recvonly"),
            422,
        ),
        ("POST", "/whep/a", SDP, &*offer, 422),
        (
            "POST",
            "/whep/a",
            SDP,
            &*offer.replace("a=sendonly", "a=recvonly"),
            409,
        ),
        ("POST", "/whip/a b", SDP, "", 400),
        ("POST", "/elsewhere", SDP, &*offer, 404),
        ("POST", "/whip/a", SDP, &*"v".repeat(100_000), 413),
        ("PUT", "/whip/a", SDP, &*offer, 405),
        ("GET", "/whip/a", "", "", 200),
        ("PATCH", "/session/none", FRAGMENT, "a=ice-ufrag:x\r\n", 404),
        ("DELETE", "/session/none", "", "", 404),
        ("POST", "/session/none", SDP, &*offer, 405),
    ] {
        let (status, answer) = request(at, method, path, headers, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    let (status, answer) = request(at, "OPTIONS", "/whip/a", "", "").await;
    assert_eq!(
        (status, header(&answer, "accept-post")),
        (200, Some("application/sdp"))
    );
    let (_, answer) = request(at, "HEAD", "/whep/a", "", "").await;
    assert_eq!(header(&answer, "content-type"), Some("application/sdp"));
    let (_, answer) = request(
        at,
        "POST",
        "/whep/a",
        SDP,
        &offer.replace("a=sendonly", "a=recvonly"),
    )
    .await;
    assert_eq!(header(&answer, "retry-after"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_changed_under_its_etag_and_ended_without_it() {
    let served = served(MediaServerConfig::default()).await;
    let at = served.address;
    let (offer, _connection) = offer(SENDS).await;
    let (status, answer) = request(at, "POST", "/whip/a", SDP, &offer).await;
    assert_eq!(status, 201, "{answer}");
    let session = header(&answer, "location").unwrap().to_owned();
    let etag = header(&answer, "etag").unwrap().to_owned();
    assert_eq!(
        request(at, "POST", "/whip/a", SDP, &offer).await.0,
        409,
        "it has its publisher"
    );

    let ufrag = offer
        .lines()
        .find(|line| line.starts_with("a=ice-ufrag:"))
        .unwrap();
    let fragment = format!(
        "{ufrag}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n\
         a=candidate:this is none\r\n"
    );
    let matching = format!("{FRAGMENT}If-Match: {etag}\r\n");
    let stale = format!("{FRAGMENT}If-Match: \"stale\"\r\n");
    let other_type = format!("Content-Type: text/plain\r\nIf-Match: {etag}\r\n");
    for (headers, body, expected) in [
        (FRAGMENT, fragment.as_str(), 428),
        (&stale, &fragment, 412),
        (&other_type, &fragment, 415),
        (&matching, "{}", 400),
        (&matching, "a=ice-ufrag:another\r\na=ice-pwd:another\r\n", 422),
        (&matching, &fragment, 204),
        (SDP, &offer, 422),
    ] {
        let (status, answer) = request(at, "PATCH", &session, headers, body).await;
        assert_eq!(status, expected, "{headers}{body}: {answer}");
        if status == 204 {
            assert_eq!(header(&answer, "etag"), None);
        }
    }
    assert_eq!(served.server.stats().publishers, 1);
    assert_eq!(
        request(at, "DELETE", &session, "If-Match: \"stale\"\r\n", "")
            .await
            .0,
        200
    );
    assert_eq!(served.server.stats().publishers, 0);
    assert_eq!(request(at, "DELETE", &session, "", "").await.0, 404);
    assert_eq!(request(at, "PATCH", &session, &matching, &fragment).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_says_when_to_come_again() {
    let config = MediaServerConfig {
        max_sessions: 1,
        ..MediaServerConfig::default()
    };
    let served = served(config).await;
    let (offer, _connection) = offer(SENDS).await;
    assert_eq!(
        request(served.address, "POST", "/whip/a", SDP, &offer).await.0,
        201
    );
    let (status, answer) = request(served.address, "POST", "/whip/b", SDP, &offer).await;
    assert_eq!((status, header(&answer, "retry-after")), (503, Some("1")));
}
