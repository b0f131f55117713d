//! WHIP and WHEP over HTTP: what a client and its server owe each other (RFC 9725, draft-ietf-wish-whep-03).
//!
//! Owns what is remembered of a peer's exchanges and who is to blame; each duty is decided in a file of its own. It opens
//! no description further than [`body`] does: offer and answer are judged where every other one is.

mod body;
mod patch;
mod setup;
mod teardown;

use std::collections::BTreeMap;

use self::body::{Body, same_type};
use super::Checker;
use super::finding::{EventRef, RuleFinding};
use crate::check::Severity;
use crate::trace::label::server_client;
use crate::trace::{FrameWay, HttpSeen, TraceEvent};

/// Exchanges of a peer that wait for their response.
const MAX_PENDING: usize = 256;
/// Peers that are remembered.
const MAX_PEERS: usize = 65_536;
/// A counter-offer holds so long when it does not say otherwise (draft-ietf-wish-whep-03, Playback Session Setup).
const COUNTER_OFFER_US: u64 = 30_000_000;

/// Type of an offer or an answer.
const SDP: &str = "application/sdp";
/// Type of candidates and of a restart (RFC 8840 section 9).
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Whip,
    Whep,
}

/// Who broke a rule.
#[derive(Clone, Copy, Debug)]
enum Who {
    Client,
    Server,
}

/// A rule of WHIP that was broken, in a clause that follows the name of who did it.
#[derive(Debug)]
struct Breach {
    rule: &'static str,
    who: Who,
    what: String,
    quote: Option<String>,
    cause: Option<EventRef>,
    most: Severity,
}

impl Breach {
    fn by(who: Who, rule: &'static str, what: impl Into<String>) -> Self {
        Self {
            rule,
            who,
            what: what.into(),
            quote: None,
            cause: None,
            most: Severity::Error,
        }
    }

    fn quoting(self, quote: impl Into<String>) -> Self {
        let quote = Some(quote.into());
        Self { quote, ..self }
    }

    fn warning(self) -> Self {
        Self {
            most: Severity::Warning,
            ..self
        }
    }

    fn because_of(self, cause: Option<EventRef>) -> Self {
        Self { cause, ..self }
    }
}

/// A request that was made.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    path: String,
    seen: HttpSeen,
    event: EventRef,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.seen.header(name)
    }

    fn is_of_type(&self, kind: &str) -> bool {
        self.header("content-type")
            .is_some_and(|value| same_type(value, kind))
    }

    fn body(&self) -> Body<'_> {
        Body::of(&self.seen)
    }
}

/// What a peer and its server have agreed on.
#[derive(Debug, Default)]
struct Session {
    /// POST that is not answered yet.
    opening: Option<EventRef>,
    /// The response that made it.
    opened: Option<EventRef>,
    /// Path of its URL.
    path: Option<String>,
    etag: Option<String>,
    /// Restart that is not answered yet.
    restarting: Option<EventRef>,
    client_ufrag: Option<String>,
    authorized: bool,
    /// Counter-offer that waits for its answer.
    countered: Option<EventRef>,
    /// Response that ended it.
    ended: Option<EventRef>,
}

#[derive(Debug, Default)]
struct Peer {
    protocol: Option<Protocol>,
    pending: BTreeMap<u64, Asked>,
    session: Session,
}

/// The exchanges of every peer.
#[derive(Debug, Default)]
pub(super) struct Http {
    peers: BTreeMap<String, Peer>,
    /// Whether somebody who is no server was heard.
    at_bots: bool,
    /// What servers saw, which counts where no bot is in the trace.
    at_servers: Vec<RuleFinding>,
}

impl Checker {
    /// Half of an exchange passed.
    pub(super) fn http(&mut self, event: &TraceEvent, exchange: u64, way: FrameWay, message: &HttpSeen) {
        let at = self.at(event, described(way, message));
        let dialect = self.bots.get(&event.peer).and_then(|bot| bot.protocol);
        let found = self.http.observe(&event.peer, dialect, exchange, message, &at);
        if server_client(&event.peer).is_none() {
            self.http.at_bots = true;
            self.keep(found);
        } else if self.http.at_servers.len() < super::MAX_FINDINGS {
            self.http.at_servers.extend(found);
        }
    }

    /// What only the end can tell.
    pub(super) fn finish_http(&mut self) {
        let overdue = self.http.overdue(self.end_us);
        let at_servers = std::mem::take(&mut self.http.at_servers);
        if !self.http.at_bots {
            self.keep(at_servers);
        }
        self.keep(overdue);
    }
}

/// What a dialect is called whose exchanges are judged here, as what they are.
pub(super) fn is_whep(dialect: &str) -> Option<bool> {
    match dialect {
        "whip" => Some(false),
        "whep" => Some(true),
        _ => None,
    }
}

impl Http {
    fn observe(
        &mut self,
        label: &str,
        is_whep: Option<bool>,
        exchange: u64,
        message: &HttpSeen,
        at: &EventRef,
    ) -> Vec<RuleFinding> {
        if !self.peers.contains_key(label) && self.peers.len() >= MAX_PEERS {
            return Vec::new();
        }
        let peer = self.peers.entry(label.to_owned()).or_default();
        if let Some(is_whep) = is_whep {
            peer.protocol = Some(if is_whep { Protocol::Whep } else { Protocol::Whip });
        }
        let broken = match message {
            HttpSeen::Request { method, path, .. } => {
                let asked = Asked {
                    method: method.clone(),
                    path: path.clone(),
                    seen: message.clone(),
                    event: at.clone(),
                };
                peer.asks(exchange, asked)
            }
            HttpSeen::Response { status, .. } => peer.is_answered(exchange, *status, message, at),
            HttpSeen::Failed { .. } => {
                if let Some(asked) = peer.pending.remove(&exchange) {
                    peer.session.no_longer_waits_for(&asked);
                }
                Vec::new()
            }
        };
        let protocol = peer.protocol;
        let told = broken.into_iter().map(|breach| told(label, protocol, breach, at));
        told.collect()
    }

    fn overdue(&self, end_us: u64) -> Vec<RuleFinding> {
        let late = self.peers.iter().filter_map(|(label, peer)| {
            let countered = peer.session.countered.as_ref()?;
            let due = countered.at_us.saturating_add(COUNTER_OFFER_US);
            let what = "never answered the counter-offer that came with the 406";
            (due <= end_us && peer.session.ended.is_none()).then(|| {
                let breach = Breach::by(Who::Client, "WE-01", what);
                told(label, peer.protocol, breach, countered)
            })
        });
        late.collect()
    }
}

/// The finding that a breach is. What WHEP has of WHIP is its own rule.
fn told(label: &str, protocol: Option<Protocol>, breach: Breach, at: &EventRef) -> RuleFinding {
    let rule = match (protocol, breach.rule) {
        (Some(Protocol::Whep), "WI-01") => "WE-01",
        (Some(Protocol::Whep), rule) if rule.starts_with("WI") => "WE-02",
        (_, rule) => rule,
    };
    let who = match (breach.who, server_client(label).is_some()) {
        (Who::Client, false) => label.to_owned(),
        (Who::Server, false) => format!("the server of {label}"),
        (Who::Client, true) => format!("the client of {label}"),
        (Who::Server, true) => label.to_owned(),
    };
    RuleFinding::new(rule, label, format!("{who} {}", breach.what), at.clone())
        .quoting(breach.quote)
        .because_of(breach.cause)
        .at_most(breach.most)
}

impl Peer {
    fn asks(&mut self, exchange: u64, asked: Asked) -> Vec<Breach> {
        if asked.method == "POST" && self.protocol.is_none() {
            self.protocol = asked.body().protocol();
        }
        let broken = match asked.method.as_str() {
            "POST" => setup::asked(self.protocol, &mut self.session, &asked),
            "PATCH" => patch::asked(self.protocol, &mut self.session, &asked),
            "DELETE" => teardown::asked(&self.session, &asked),
            _ => Vec::new(),
        };
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_first();
        }
        self.pending.insert(exchange, asked);
        broken
    }

    fn is_answered(&mut self, exchange: u64, status: u16, answer: &HttpSeen, at: &EventRef) -> Vec<Breach> {
        let Some(asked) = self.pending.remove(&exchange) else {
            return Vec::new();
        };
        let mut broken = teardown::of_any(&asked, status, answer);
        if asked.method == "PATCH" {
            broken.extend(teardown::taken(&self.session, &asked, status));
        }
        broken.extend(match asked.method.as_str() {
            "POST" => setup::answered(self.protocol, &mut self.session, &asked, status, answer, at),
            "PATCH" => patch::answered(&mut self.session, &asked, status, answer),
            "DELETE" => teardown::answered(&mut self.session, status, at),
            "OPTIONS" => teardown::options(&asked, status, answer),
            _ => Vec::new(),
        });
        self.session.no_longer_waits_for(&asked);
        for breach in &mut broken {
            breach.cause.get_or_insert_with(|| asked.event.clone());
        }
        broken
    }
}

impl Session {
    fn no_longer_waits_for(&mut self, asked: &Asked) {
        let is_it = |event: &EventRef| event.number == asked.event.number;
        self.opening.take_if(|event| is_it(event));
        self.restarting.take_if(|event| is_it(event));
    }
}

/// A message in a few words.
fn described(way: FrameWay, message: &HttpSeen) -> String {
    let passed = match way {
        FrameWay::Out => "sent",
        FrameWay::In => "got",
    };
    match message {
        HttpSeen::Request { method, path, .. } => format!("{passed} {method} {path}"),
        HttpSeen::Response { status, .. } => format!("{passed} {status}"),
        HttpSeen::Failed { reason } => format!("no response: {reason}"),
    }
}
