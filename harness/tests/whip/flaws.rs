//! What a media server does wrong and what a client does wrong, and the rule that names each of them.
//!
//! Owns the tables. Our bots meet what a well-behaved client can meet. The rest is asked for by hand, and what really went
//! over the wire is what the checker is given. The same requests to a server without the flaw are held against it.

use std::net::SocketAddr;

use greenroom::rules::{Checker, RuleFinding};
use greenroom::trace::{FrameWay, HttpSeen, TraceEvent, TraceKind};
use greenroom::{Flaw, MediaServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{ms, within};
use super::{MediaDirection, SENDS, header, offer, served, story, through, traced};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const TOKEN: &str = "Bearer t";

/// What a request names in its If-Match.
#[derive(Clone, Copy)]
enum Tag {
    None,
    Current,
    Stale,
}

/// What a client does by hand.
#[derive(Clone, Copy)]
enum Step {
    /// An offer of its own direction and type, each to a stream of its own.
    Offer,
    /// An offer that says so of its direction.
    Directed(&'static str),
    /// An offer of another type.
    Typed(&'static str),
    /// An offer, and candidates before it is answered.
    TooEarly,
    /// The end of candidates, of that type.
    Candidates(&'static str, Tag),
    /// New credentials.
    Restart(Tag),
    Options,
    Delete,
    DeleteWithoutToken,
}

use Step::{Candidates, Delete, DeleteWithoutToken, Directed, Offer, Options, Restart, TooEarly, Typed};

/// Who meets a flaw.
enum Met {
    /// A broadcaster of ours, whose exchanges begin with that.
    ByBots(&'static str),
    /// A client by hand.
    ByHand(&'static [Step]),
}

use Met::{ByBots, ByHand};

/// Every flaw: who meets it, and the rule that names it.
const FLAWS: &[(Flaw, Met, &str)] = &[
    (
        Flaw::OkForCreated,
        ByBots("POST 200 PATCH 204 DELETE 200"),
        "WI-01",
    ),
    // What has no URL is neither told candidates nor ended.
    (Flaw::NoLocation, ByBots("POST 201"), "WI-01"),
    (Flaw::WrongContentType, ByBots("POST 201"), "WI-01"),
    (
        Flaw::AnswersSendrecv,
        ByBots("POST 201 PATCH 204 DELETE 200"),
        "WI-01",
    ),
    (
        Flaw::NoCandidates,
        ByBots("POST 201 PATCH 204 DELETE 200"),
        "WI-02",
    ),
    (Flaw::TrickleAnswered, ByBots("POST 201 PATCH 200"), "WI-03"),
    (Flaw::MovedPermanently, ByBots("POST 301"), "WI-05"),
    (
        Flaw::NoIfMatchNeeded,
        ByHand(&[Offer, Candidates(FRAGMENT, Tag::None)]),
        "WI-03",
    ),
    (
        Flaw::StaleEtagTaken,
        ByHand(&[Offer, Candidates(FRAGMENT, Tag::Stale)]),
        "WI-03",
    ),
    (
        Flaw::AnyContentType,
        ByHand(&[Offer, Candidates("text/plain", Tag::Current)]),
        "WI-03",
    ),
    (
        Flaw::DeleteIgnored,
        ByHand(&[Offer, Delete, Candidates(FRAGMENT, Tag::Current)]),
        "WI-05",
    ),
    (Flaw::GuessableSessions, ByHand(&[Offer]), "WI-05"),
    (Flaw::NoAcceptPost, ByHand(&[Options]), "WI-05"),
    // The server has room for one session.
    (Flaw::NoRetryAfter, ByHand(&[Offer, Offer]), "WI-05"),
];

/// What a client does wrong, to which endpoint, and the rule that names it.
///
/// Undecided: a client that goes without a DELETE. A trace may end before its client does, and a client that lost its
/// network cannot send one.
const CLIENTS: &[(&str, &[Step], &str)] = &[
    ("whip", &[Directed("recvonly")], "WI-01"),
    ("whip", &[Typed("application/json")], "WI-01"),
    ("whip", &[TooEarly], "WI-02"),
    ("whip", &[Offer, Candidates(FRAGMENT, Tag::None)], "WI-03"),
    ("whip", &[Offer, Candidates("text/plain", Tag::Current)], "WI-03"),
    ("whip", &[Offer, Restart(Tag::Current)], "WI-04"),
    ("whip", &[Offer, DeleteWithoutToken], "WI-05"),
    ("whep", &[Typed("application/json")], "WE-01"),
    ("whep", &[Directed("sendonly")], "WE-02"),
    ("whep", &[TooEarly], "WE-02"),
];

/// A client by hand, and the trace of what it said and heard.
struct Hand {
    address: SocketAddr,
    protocol: &'static str,
    /// Its offer, which has no candidates.
    offer: String,
    session: Option<(String, String)>,
    streams: u32,
    exchanges: u64,
    trace: Vec<TraceEvent>,
}

/// A request, and the connection on which its answer comes.
struct Asked {
    stream: TcpStream,
    exchange: u64,
}

impl Hand {
    async fn at(address: SocketAddr, protocol: &'static str) -> Self {
        let direction = match protocol {
            "whep" => MediaDirection::Receive {
                video: None,
                keep_access_units: false,
            },
            _ => SENDS,
        };
        let mut hand = Self {
            address,
            protocol,
            offer: offer(direction).await.0,
            session: None,
            streams: 0,
            exchanges: 0,
            trace: Vec::new(),
        };
        hand.note(TraceKind::SignalingOpen {
            dialect: Some(protocol.to_owned()),
            addressed: true,
        });
        hand
    }

    fn label(&self) -> &'static str {
        match self.protocol {
            "whep" => "viewer-1",
            _ => "broadcaster",
        }
    }

    /// Events are a millisecond apart, in their order.
    fn note(&mut self, event: TraceKind) {
        let at_us = self.trace.len() as u64 * 1_000;
        let peer = self.label().to_owned();
        self.trace.push(TraceEvent { at_us, peer, event });
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Asked {
        let length = body.len();
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        text += body;
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        self.exchanges += 1;
        let seen = HttpSeen::request(method, path, headers.iter().copied(), body.as_bytes());
        self.note(TraceKind::http(self.exchanges, FrameWay::Out, seen, &[]));
        let exchange = self.exchanges;
        Asked { stream, exchange }
    }

    async fn hear(&mut self, mut asked: Asked) {
        let mut answer = String::new();
        within(ms(20_000), asked.stream.read_to_string(&mut answer))
            .await
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        let seen = HttpSeen::response(status, headers, body.as_bytes());
        self.note(TraceKind::http(asked.exchange, FrameWay::In, seen, &[]));
        if let Some((location, etag)) = header(&answer, "location").zip(header(&answer, "etag")) {
            self.session = Some((location.to_owned(), etag.to_owned()));
        }
    }

    async fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let asked = self.ask(method, path, headers, body).await;
        self.hear(asked).await;
    }

    fn endpoint(&mut self) -> String {
        self.streams += 1;
        format!("/{}/{}", self.protocol, self.streams)
    }

    async fn post(&mut self, kind: &str, sdp: &str) -> Asked {
        let path = self.endpoint();
        let headers = [("content-type", kind), ("authorization", TOKEN)];
        self.ask("POST", &path, &headers, sdp).await
    }

    async fn patch(&mut self, kind: &str, tag: Tag, body: &str) {
        let (path, etag) = self.session.clone().unwrap();
        let mut headers = vec![("content-type", kind), ("authorization", TOKEN)];
        headers.extend(match tag {
            Tag::None => None,
            Tag::Current => Some(("if-match", etag.as_str())),
            Tag::Stale => Some(("if-match", "\"stale\"")),
        });
        self.exchange("PATCH", &path, &headers, body).await;
    }

    /// The end of candidates under the credentials of the offer.
    fn fragment(&self) -> String {
        let mut lines = self.offer.lines();
        let ufrag = lines.find(|line| line.starts_with("a=ice-ufrag:")).unwrap();
        format!("{ufrag}\r\na=end-of-candidates\r\n")
    }

    async fn take(&mut self, step: Step) {
        let offer = self.offer.clone();
        match step {
            Offer => {
                let asked = self.post(SDP, &offer).await;
                self.hear(asked).await;
            }
            Typed(kind) => {
                let asked = self.post(kind, &offer).await;
                self.hear(asked).await;
            }
            Directed(direction) => {
                let turned = offer
                    .replace("a=sendonly", &format!("a={direction}"))
                    .replace("a=recvonly", &format!("a={direction}"));
                let asked = self.post(SDP, &turned).await;
                self.hear(asked).await;
            }
            TooEarly => {
                let asked = self.post(SDP, &offer).await;
                let path = format!("/{}/{}", self.protocol, self.streams);
                let headers = [("content-type", FRAGMENT), ("authorization", TOKEN)];
                let fragment = self.fragment();
                self.exchange("PATCH", &path, &headers, &fragment).await;
                self.hear(asked).await;
            }
            Candidates(kind, tag) => {
                let fragment = self.fragment();
                self.patch(kind, tag, &fragment).await;
            }
            Restart(tag) => {
                let fresh = "a=ice-ufrag:fresh\r\na=ice-pwd:0123456789abcdefghijkl\r\n";
                self.patch(FRAGMENT, tag, fresh).await;
            }
            Options => {
                let path = self.endpoint();
                self.exchange("OPTIONS", &path, &[], "").await;
            }
            Delete => {
                let (path, _) = self.session.clone().unwrap();
                let headers = [("authorization", TOKEN)];
                self.exchange("DELETE", &path, &headers, "").await;
            }
            DeleteWithoutToken => {
                let (path, _) = self.session.clone().unwrap();
                self.exchange("DELETE", &path, &[], "").await;
            }
        }
    }
}

/// What the checker says of these steps at a strict server, or at one with a flaw.
async fn judged(flaw: Option<Flaw>, protocol: &'static str, steps: &[Step]) -> Vec<RuleFinding> {
    let config = MediaServerConfig {
        flaw,
        token: Some("t".to_owned()),
        max_sessions: 1,
        ..MediaServerConfig::default()
    };
    let served = served(config).await;
    let mut hand = Hand::at(served.address, protocol).await;
    for step in steps {
        hand.take(*step).await;
    }
    let mut checker = Checker::default();
    hand.trace.iter().for_each(|event| checker.observe(event));
    checker.finish().findings
}

fn names(findings: &[RuleFinding], rule: &str, who: &str) -> bool {
    findings
        .iter()
        .any(|finding| finding.rule == rule && finding.message.starts_with(who))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flaw_of_a_server_is_named_by_its_rule_and_a_strict_server_by_none() {
    for (name, flaw) in Flaw::ALL {
        let rows = FLAWS.iter().filter(|(row, ..)| *row == flaw);
        assert_eq!(rows.count(), 1, "rows of {name}");
    }
    let server = "the server of broadcaster ";
    let mut missed = Vec::new();
    for (flaw, met, rule) in FLAWS {
        match met {
            ByBots(expected) => {
                let config = MediaServerConfig {
                    flaw: Some(*flaw),
                    ..MediaServerConfig::default()
                };
                let served = served(config).await;
                let run = through(served.address).viewers(1).duration(ms(300));
                let (report, exchanges) = traced(run).await;
                let story = story(&exchanges, "broadcaster");
                assert!(story.starts_with(expected), "{flaw}: {story}");
                let mut said = report.findings.iter().map(|finding| &finding.message);
                if !said.any(|message| message.contains(rule)) {
                    missed.push(format!("{flaw} by {rule}: {:?}", report.findings));
                }
            }
            ByHand(steps) => {
                let found = judged(Some(*flaw), "whip", steps).await;
                if !names(&found, rule, server) {
                    missed.push(format!("{flaw} by {rule}: {found:#?}"));
                }
                let strict = judged(None, "whip", steps).await;
                if strict.iter().any(|finding| finding.message.starts_with(server)) {
                    missed.push(format!("a server without {flaw} is blamed: {strict:#?}"));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_client_is_named_by_its_rule_and_the_strict_server_is_not() {
    for (protocol, steps, rule) in CLIENTS {
        let found = judged(None, protocol, steps).await;
        let who = match *protocol {
            "whep" => "viewer-1 ",
            _ => "broadcaster ",
        };
        assert!(names(&found, rule, who), "{rule}: {found:#?}");
        let others = found.iter().filter(|finding| !finding.message.starts_with(who));
        assert_eq!(others.count(), 0, "{rule}: {found:#?}");
    }
    let legal = [Options, Offer, Candidates(FRAGMENT, Tag::Current), Delete];
    let found = judged(None, "whip", &legal).await;
    assert!(found.is_empty(), "{found:#?}");
}
