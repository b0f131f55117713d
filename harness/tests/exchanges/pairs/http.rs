//! WHIP and WHEP over HTTP: WI and WE.
//!
//! Owns these pairs and the legal sessions that they begin with.

use greenroom::trace::{FrameWay, HttpSeen, TraceEvent, TraceKind};

use super::super::call::event;
use super::super::diagnose;
use super::Pair;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const CANDIDATE: &str = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
const SESSION: &str = "/session/7f3a9c51d2e84b60";

/// A description of one section, with the candidates of a server.
fn sdp(direction: &str, ufrag: &str) -> String {
    format!(
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na={direction}\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:p\r\n{CANDIDATE}"
    )
}

fn credentials(ufrag: &str) -> String {
    format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:p\r\n")
}

/// A session in the making: 10 ms from each half to the next.
struct Session {
    label: &'static str,
    events: Vec<TraceEvent>,
    exchange: u64,
}

impl Session {
    fn of(label: &'static str, dialect: &str) -> Self {
        let opened = TraceKind::SignalingOpen {
            dialect: Some(dialect.to_owned()),
            addressed: true,
        };
        Self {
            label,
            events: vec![event(0, label, opened)],
            exchange: 0,
        }
    }

    fn half(&mut self, way: FrameWay, message: HttpSeen) {
        let at = self.events.len() as u64 * 10_000;
        let kind = TraceKind::http(self.exchange, way, message, &[]);
        self.events.push(event(at, self.label, kind));
    }

    fn exchange(&mut self, request: HttpSeen, response: HttpSeen) -> &mut Self {
        self.exchange += 1;
        self.half(FrameWay::Out, request);
        self.half(FrameWay::In, response);
        self
    }

    /// The session goes on for a while without a word.
    fn end(&mut self) -> Vec<TraceEvent> {
        let end = event(60_000_000, self.label, TraceKind::KeyFrame { index: 0, bytes: 0 });
        self.events.push(end);
        std::mem::take(&mut self.events)
    }
}

fn patch(if_match: &str, body: &str) -> HttpSeen {
    let headers = [
        ("content-type", FRAGMENT),
        ("if-match", if_match),
        ("authorization", "Bearer t"),
    ];
    HttpSeen::request("PATCH", SESSION, headers, body.as_bytes())
}

fn post(path: &str, body: &str) -> HttpSeen {
    let headers = [("content-type", SDP), ("authorization", "Bearer t")];
    HttpSeen::request("POST", path, headers, body.as_bytes())
}

fn described(status: u16, body: &str) -> HttpSeen {
    let headers = [("content-type", SDP), ("location", SESSION), ("etag", "\"a1\"")];
    HttpSeen::response(status, headers, body.as_bytes())
}

fn delete() -> (HttpSeen, HttpSeen) {
    let headers = [("authorization", "Bearer t")];
    (
        HttpSeen::request("DELETE", SESSION, headers, b""),
        HttpSeen::response(200, [], b""),
    )
}

/// Candidates, a restart with its candidates, and the end, in either protocol.
fn after_setup(session: &mut Session) -> Vec<TraceEvent> {
    let options = HttpSeen::request("OPTIONS", SESSION, [], b"");
    let allowed = HttpSeen::response(200, [("accept-post", SDP)], b"");
    let taken = || HttpSeen::response(204, [], b"");
    let restarted = [("content-type", FRAGMENT), ("etag", "\"a2\"")];
    let (delete, deleted) = delete();
    session
        .exchange(patch("\"a1\"", CANDIDATE), taken())
        .exchange(
            patch("*", &credentials("new")),
            HttpSeen::response(200, restarted, credentials("server").as_bytes()),
        )
        .exchange(patch("\"a2\"", CANDIDATE), taken())
        .exchange(options, allowed)
        .exchange(delete, deleted)
        .end()
}

fn whip() -> Vec<TraceEvent> {
    let mut session = Session::of("broadcaster", "whip");
    let redirected = HttpSeen::response(307, [("location", "https://other.example/whip/live")], b"");
    let offer = || post("/whip/live", &sdp("sendonly", "old"));
    session.exchange(offer(), redirected);
    session.exchange(offer(), described(201, &sdp("recvonly", "theirs")));
    after_setup(&mut session)
}

fn whep() -> Vec<TraceEvent> {
    let mut session = Session::of("viewer-1", "whep");
    let offer = post("/whep/live", &sdp("recvonly", "old"));
    session.exchange(offer, described(201, &sdp("sendonly", "theirs")));
    after_setup(&mut session)
}

/// A player whose offer is met with another.
fn countered() -> Vec<TraceEvent> {
    let mut session = Session::of("viewer-1", "whep");
    let offer = post("/whep/live", &sdp("recvonly", "old"));
    session.exchange(offer, described(406, &sdp("sendonly", "theirs")));
    let headers = [
        ("content-type", SDP),
        ("if-match", "\"a1\""),
        ("authorization", "Bearer t"),
    ];
    let answer = HttpSeen::request("PATCH", SESSION, headers, sdp("recvonly", "old").as_bytes());
    session.exchange(answer, HttpSeen::response(204, [], b""));
    let (delete, deleted) = delete();
    session.exchange(delete, deleted).end()
}

/// The message of that place among those of HTTP, from 0.
fn message(events: &mut [TraceEvent], place: usize) -> &mut HttpSeen {
    let mut messages = events.iter_mut().filter_map(|event| match &mut event.event {
        TraceKind::Http { message, .. } => Some(message),
        _ => None,
    });
    messages.nth(place).unwrap()
}

fn set_status(events: &mut [TraceEvent], place: usize, to: u16) {
    if let HttpSeen::Response { status, .. } = message(events, place) {
        *status = to;
    }
}

/// Without that header, or with another value.
fn set_header(events: &mut [TraceEvent], place: usize, name: &str, to: Option<&str>) {
    if let HttpSeen::Request { headers, .. } | HttpSeen::Response { headers, .. } = message(events, place) {
        headers.retain(|(found, _)| found != name);
        headers.extend(to.map(|to| (name.to_owned(), to.to_owned())));
    }
}

fn set_body(events: &mut [TraceEvent], place: usize, change: impl Fn(&str) -> String) {
    if let HttpSeen::Request { body, .. } | HttpSeen::Response { body, .. } = message(events, place) {
        *body = change(body);
    }
}

/// Where each half is in [`whip`].
const OFFER: usize = 2;
const CREATED: usize = 3;
const TRICKLE: usize = 4;
const TRICKLED: usize = 5;
const RESTART: usize = 6;
const RESTARTED: usize = 7;
const OPTIONS: usize = 11;
const DELETE: usize = 12;
const DELETED: usize = 13;

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("WI-01", |events| set_status(events, CREATED, 200)).of(whip),
    Pair::new("WI-01", |events| set_header(events, CREATED, "location", None)).of(whip),
    Pair::new("WI-01", |events| {
        set_header(events, CREATED, "content-type", Some("text/plain"))
    })
    .of(whip),
    Pair::new("WI-01", |events| {
        set_header(events, CREATED, "etag", Some("W/\"a1\""))
    })
    .of(whip),
    Pair::new("WI-01", |events| {
        set_header(events, OFFER, "content-type", Some("application/json"))
    })
    .of(whip),
    Pair::new("WI-01", |events| {
        set_body(events, CREATED, |body| body.replace("recvonly", "sendrecv"))
    })
    .of(whip),
    Pair::new("WI-01", |events| set_body(events, CREATED, |_| String::new())).of(whip),
    Pair::new("WI-01", |events| {
        set_body(events, OFFER, |body| body.replace("sendonly", "recvonly"));
    })
    .alone()
    .of(whip),
    Pair::new("WI-02", |events| {
        set_body(events, CREATED, |body| body.replace(CANDIDATE, ""))
    })
    .of(whip),
    Pair::new("WI-02", |events| events.swap(CREATED + 1, TRICKLE + 1)).of(whip),
    Pair::new("WI-02", |events| events.swap(RESTARTED + 1, RESTARTED + 2)).of(whip),
    Pair::new("WI-03", |events| set_status(events, TRICKLED, 200)).of(whip),
    Pair::new("WI-03", |events| {
        set_header(events, TRICKLED, "etag", Some("\"a1\""))
    })
    .of(whip),
    Pair::new("WI-03", |events| set_header(events, TRICKLE, "if-match", None)).of(whip),
    Pair::new("WI-03", |events| {
        set_header(events, TRICKLE, "if-match", Some("\"a0\""))
    })
    .of(whip),
    Pair::new("WI-03", |events| set_status(events, TRICKLED, 412)).of(whip),
    Pair::new("WI-03", |events| {
        set_header(events, TRICKLE, "content-type", Some("text/plain"))
    })
    .of(whip),
    Pair::new("WI-04", |events| set_status(events, RESTARTED, 204)).of(whip),
    Pair::new("WI-04", |events| {
        set_header(events, RESTARTED, "etag", Some("\"a1\""))
    })
    .of(whip),
    Pair::new("WI-04", |events| set_header(events, RESTARTED, "etag", None)).of(whip),
    Pair::new("WI-04", |events| set_body(events, RESTARTED, |_| String::new())).of(whip),
    Pair::new("WI-04", |events| {
        set_header(events, RESTART, "if-match", Some("\"a1\""))
    })
    .of(whip),
    Pair::new("WI-05", |events| set_status(events, 1, 302)).of(whip),
    Pair::new("WI-05", |events| set_header(events, 1, "location", None)).of(whip),
    Pair::new("WI-05", |events| set_status(events, 1, 503)).of(whip),
    Pair::new("WI-05", |events| set_status(events, DELETED, 428)).of(whip),
    Pair::new("WI-05", |events| set_status(events, DELETED, 405)).of(whip),
    Pair::new("WI-05", |events| {
        set_header(events, DELETE, "authorization", None)
    })
    .of(whip),
    Pair::new("WI-05", |events| {
        set_header(events, TRICKLE, "authorization", None)
    })
    .of(whip),
    Pair::new("WI-05", |events| set_header(events, OPTIONS, "accept-post", None)).of(whip),
    Pair::new("WE-01", |events| set_status(events, 1, 200)).of(whep),
    Pair::new("WE-01", |events| {
        set_body(events, 1, |body| body.replace("sendonly", "recvonly"))
    })
    .of(whep),
    Pair::new("WE-01", |events| set_header(events, 1, "location", None)).of(countered),
    Pair::new("WE-01", |events| set_body(events, 1, |_| String::new())).of(countered),
    Pair::new("WE-01", |events| set_status(events, 3, 200)).of(countered),
    Pair::new("WE-01", |events| {
        events.drain(3..7);
    })
    .alone()
    .of(countered),
    Pair::new("WE-02", |events| {
        set_body(events, 0, |body| body.replace("recvonly", "sendonly"));
    })
    .alone()
    .of(whep),
    Pair::new("WE-02", |events| set_status(events, 3, 200)).of(whep),
];

#[test]
fn a_legal_session_over_http_breaks_nothing_at_either_end() {
    for legal in [whip(), whep(), countered()] {
        let found = diagnose(&legal).findings;
        assert!(found.is_empty(), "{found:#?}");
        // The same, as a server sees it that no bot of ours talks to.
        let mut at_server = legal;
        for event in &mut at_server {
            event.peer = "server/1".to_owned();
        }
        assert!(diagnose(&at_server).findings.is_empty());
        set_status(&mut at_server, 1, 200);
        let found = diagnose(&at_server).findings;
        assert!(
            found
                .iter()
                .all(|finding| finding.message.starts_with("server/1 "))
        );
    }
}
