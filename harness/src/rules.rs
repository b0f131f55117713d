//! The checker of traces: which rule of offer/answer, ICE, DTLS and media was broken, by whom, and why there is no
//! picture.
//!
//! Owns every opinion on the exchange itself, event by event. Pure, total and bounded by peers, so that it serves a
//! run as it goes on and a file of yesterday alike. It measures nothing, and knows no fault that was made on purpose.

pub mod catalogue;
mod cause;
mod consent;
mod copies;
pub mod document;
mod finding;
mod http;
mod janus;
mod link;
pub(crate) mod message;
mod names;
mod negotiation;
mod relay;
mod room;
mod sdp;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use greenroom_signaling::DialectName;

use self::copies::Copies;
use self::http::Http;
use self::janus::Janus;
use self::link::Link;
use self::message::{DescriptionKind, Message};
use self::names::Names;
use self::negotiation::{SdpKind, Side};
use self::relay::Relay;
use self::room::{Bot, Unreadable};
use self::words::{connection_of, described, summary};
use crate::check::Severity;
use crate::engine::{ConnectionState, IceConnectionState};
use crate::media::kind::MediaKind;
use crate::trace::label::{is_run, server_client};
use crate::trace::{FrameWay, TraceEvent, TraceKind};

pub use finding::{Cause, CauseKind, Diagnosis, EventRef, RuleFinding};

/// How long an offer may have been at a peer's socket before the peer knows of it.
const CROSSING_US: u64 = 5_000;
/// Findings that are kept; more are counted.
const MAX_FINDINGS: usize = 1_000;
/// Connections that a bot is remembered by.
const MAX_LINKS: usize = 4_096;
/// Names and connections that are remembered, of each kind.
const MAX_NAMES: usize = 65_536;
/// Messages of a bot that does not know its name yet.
const MAX_EARLY: usize = 256;
/// Descriptions whose events can still be quoted.
const MAX_QUOTABLE: usize = 16_384;

/// Reads a trace event by event.
///
/// ```
/// let mut checker = greenroom::rules::Checker::default();
/// // checker.observe(&event) for each event of a trace
/// assert!(checker.finish().findings.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Checker {
    number: u64,
    bots: BTreeMap<String, Bot>,
    /// Labels by the names that a server gave.
    labels: BTreeMap<String, String>,
    names: Names,
    http: Http,
    relay: Relay,
    copies: Copies,
    findings: Vec<RuleFinding>,
    dropped: u64,
    /// Of findings that are errors, the first.
    first_error: Option<RuleFinding>,
    quotable: VecDeque<EventRef>,
    /// When those left who came back under another name, by their old one.
    left: BTreeMap<String, u64>,
    /// Rules that a description broke where it was made, by its content: they are not told again where it arrives.
    told: BTreeSet<(u64, String)>,
    end_us: u64,
}

impl Checker {
    /// Takes the next event. What it finds is in [`Checker::findings`] at once.
    pub fn observe(&mut self, event: &TraceEvent) {
        self.number += 1;
        self.end_us = self.end_us.max(event.at_us);
        if let TraceKind::Http {
            exchange,
            way,
            message,
            ..
        } = &event.event
        {
            self.http(event, *exchange, *way, message);
        }
        // What a server saw is drawn, and judged at the bots.
        if is_run(&event.peer) || server_client(&event.peer).is_some() {
            return;
        }
        match &event.event {
            TraceKind::Signaling { way, frame, means } => {
                let is_foreign = self.bots.get(&event.peer).is_some_and(|bot| bot.is_foreign);
                match way {
                    FrameWay::Out => self.frame_sent(&event.peer, frame),
                    FrameWay::In if means.is_empty() => {
                        let at = self.at(event, "got a frame that is not for it");
                        self.frame_passed_over(&event.peer, frame, at);
                    }
                    FrameWay::In => {}
                }
                if self.bots.get(&event.peer).is_some_and(|bot| bot.speaks_janus) {
                    self.janus(event, *way, frame);
                }
                if means.is_empty() && !is_foreign {
                    self.frame(event, *way, frame);
                }
                for frame in means {
                    self.frame(event, *way, frame);
                }
            }
            TraceKind::Http { way, means, .. } => {
                for frame in means {
                    self.frame(event, *way, frame);
                }
            }
            TraceKind::SignalingOpen { dialect, addressed } => {
                let at = self.at(event, "signaling open");
                let bot = self.bot(&event.peer);
                bot.signaling_open = Some(at);
                bot.is_foreign = dialect.is_some();
                bot.is_unaddressed = !addressed;
                bot.speaks_janus = dialect.as_deref() == Some(DialectName::Janus.as_str());
                // A new connection has sessions of its own.
                bot.janus = Janus::default();
                bot.protocol = dialect.as_deref().and_then(http::is_whep);
                bot.through_server = dialect.as_deref().is_some_and(is_of_media_server);
            }
            TraceKind::SignalingClosed { reason } => {
                let at = self.at(event, "signaling closed");
                self.bot(&event.peer).signaling_closed = Some((at, reason.clone()));
            }
            TraceKind::SignalingUnreadable { binary, .. } => {
                let at = self.at(event, "got a frame that cannot be read");
                let binary = *binary;
                let bot = self.bot(&event.peer);
                bot.unreadable.get_or_insert(Unreadable { at, binary });
            }
            TraceKind::CandidateDiscarded { remote } => self.candidate_discarded(event, remote),
            TraceKind::MediaSecond { bytes, .. } if *bytes > 0 => {
                let at = self.at(event, "a second of media");
                self.media_second(&event.peer, &at);
            }
            TraceKind::ConnectionOpened {
                connection,
                remote,
                wire_is_read,
            } => self.opened(event, *connection, remote, *wire_is_read),
            other => self.of_connection(event, other),
        }
    }

    /// What was found so far.
    pub fn findings(&self) -> &[RuleFinding] {
        &self.findings
    }

    /// The first rule that was found broken as an error, for whoever ends early because of it.
    pub fn first_error(&self) -> Option<&RuleFinding> {
        self.first_error.as_ref()
    }

    /// Says why viewers have no picture, and what else was broken.
    pub fn finish(mut self) -> Diagnosis {
        self.pair_the_rest();
        self.judge_lost_messages();
        self.finish_http();
        self.finish_janus();
        let causes = cause::of(&self);
        Diagnosis {
            causes,
            findings: self.findings,
            findings_dropped: self.dropped,
        }
    }

    fn at(&self, event: &TraceEvent, what: impl Into<String>) -> EventRef {
        EventRef {
            number: self.number,
            at_us: event.at_us,
            peer: event.peer.clone(),
            what: what.into(),
        }
    }

    fn bot(&mut self, label: &str) -> &mut Bot {
        if !self.bots.contains_key(label) {
            self.bots.insert(label.to_owned(), Bot::default());
        }
        // It was inserted above if it was not there.
        self.bots.entry(label.to_owned()).or_default()
    }

    fn keep(&mut self, findings: Vec<RuleFinding>) {
        for finding in findings {
            if finding.severity == Severity::Error && self.first_error.is_none() {
                self.first_error = Some(finding.clone());
            }
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            } else {
                self.dropped += 1;
            }
        }
    }

    fn remember(&mut self, event: &EventRef) {
        if self.quotable.len() >= MAX_QUOTABLE {
            self.quotable.pop_front();
        }
        self.quotable.push_back(event.clone());
    }

    fn frame(&mut self, event: &TraceEvent, way: FrameWay, frame: &str) {
        let message = Message::read(frame);
        let at = self.at(event, described(way, &message));
        self.message(&event.peer, way, message, at);
    }

    fn message(&mut self, label: &str, way: FrameWay, message: Message, at: EventRef) {
        let bot = self.bot(label);
        if bot.id.is_none() && message.content().is_some() {
            if bot.early.len() < MAX_EARLY {
                bot.early.push((way, message, at));
            }
            return;
        }
        match way {
            FrameWay::Out => self.said(label, message, at),
            FrameWay::In => self.heard(label, message, at),
        }
    }

    /// A bot said something to its server.
    fn said(&mut self, label: &str, message: Message, at: EventRef) {
        match &message {
            Message::Join { broadcaster, room } => {
                // A bot that comes anew begins anew.
                self.close_session(label, at.at_us);
                self.names.begins_anew(label);
                let bot = self.bot(label);
                *bot = Bot {
                    broadcaster: Some(*broadcaster),
                    room: room.clone(),
                    join_sent: Some(at),
                    signaling_open: bot.signaling_open.take(),
                    is_foreign: bot.is_foreign,
                    is_unaddressed: bot.is_unaddressed,
                    speaks_janus: bot.speaks_janus,
                    janus: std::mem::take(&mut bot.janus),
                    protocol: bot.protocol,
                    through_server: bot.through_server,
                    ..Bot::default()
                };
                return;
            }
            Message::Leave => self.bot(label).left = Some(at.clone()),
            _ => {}
        }
        let (Some(to), Some(me)) = (message.peer().map(str::to_owned), self.bot(label).id.clone()) else {
            return;
        };
        self.relay.sent(&me, &to, &message, at.clone());
        self.remember(&at);
        let mut found = Vec::new();
        let quotable = &self.quotable;
        let refs = |number| quoted(quotable, number);
        let Some(bot) = self.bots.get_mut(label) else {
            return;
        };
        let Some(link) = bot.link(&to) else { return };
        match &message {
            Message::Description { kind, sdp, .. } => {
                link.description(label, (Side::Local, sdp_kind(*kind)), sdp, &at, &refs, &mut found);
            }
            Message::Candidate { .. } => link.candidate_sent(&at),
            _ => {}
        }
        if bot.is_unaddressed {
            // Of two peers that both offer, one may have another's offer at its socket and not know of it yet: glare.
            let crossed = |finding: &&mut RuleFinding| {
                let since = finding
                    .cause
                    .as_ref()
                    .map(|cause| at.at_us.saturating_sub(cause.at_us));
                finding.rule == "OA-03" && since.is_some_and(|since| since <= CROSSING_US)
            };
            found
                .iter_mut()
                .filter(crossed)
                .for_each(|finding| finding.severity = Severity::Note);
        }
        if let Some(content) = message.content().map(|content| relay::digest(&content)) {
            for finding in &found {
                if self.told.len() >= MAX_QUOTABLE {
                    self.told.pop_first();
                }
                self.told.insert((content, finding.rule.clone()));
            }
        }
        self.keep(found);
    }

    /// A bot heard something from its server.
    fn heard(&mut self, label: &str, message: Message, at: EventRef) {
        let label = label.to_owned();
        match &message {
            Message::Joined {
                id,
                broadcaster,
                version,
            } => {
                // A name that a bot gave itself may be another one's too; its label is not.
                let id = if self.is_unaddressed(&label) { &label } else { id };
                if self.labels.len() < MAX_NAMES {
                    self.labels.insert(id.clone(), label.clone());
                }
                self.second_broadcaster(&label, *broadcaster, &at);
                let bot = self.bot(&label);
                bot.id = Some(id.clone());
                bot.version = *version;
                bot.joined = Some(at);
                for (way, message, at) in std::mem::take(&mut bot.early) {
                    self.message(&label, way, message, at);
                }
                return;
            }
            Message::PeerJoined { id } => {
                // Where the server gives no names, a peer that comes back has the one that it had.
                if self.is_unaddressed(&label) {
                    let links = &mut self.bot(&label).links;
                    links.retain(|remote, link| remote != id || link.connection.is_none());
                }
                let announced = &mut self.bot(&label).announced;
                if announced.len() < MAX_NAMES {
                    announced.insert(id.clone(), at);
                }
                return;
            }
            Message::PeerLeft { .. } => return,
            Message::Error { code, to } => {
                let bot = self.bot(&label);
                // One that names a target is not about the join.
                if bot.joined.is_none() && to.is_none() {
                    bot.refused = Some((at, code.clone()));
                }
                return;
            }
            Message::State { version, .. } => return self.room_state(&label, *version, at),
            Message::Chat { seq } => return self.chat(&label, *seq, at),
            Message::Malformed { .. } | Message::Unreadable => {
                let unreadable = Unreadable { at, binary: false };
                self.bot(&label).unreadable.get_or_insert(unreadable);
                return;
            }
            _ => {}
        }
        let (Some(from), Some(me)) = (message.peer().map(str::to_owned), self.bot(&label).id.clone()) else {
            return;
        };
        self.remember(&at);
        let Some(mut found) = self.arrival(&label, &me, &from, &message, &at) else {
            return;
        };
        let quotable = &self.quotable;
        let refs = |number| quoted(quotable, number);
        let Some(bot) = self.bots.get_mut(&label) else {
            return;
        };
        let Some(link) = bot.link(&from) else { return };
        match &message {
            Message::Description { kind, sdp, .. } => {
                link.description(
                    &label,
                    (Side::Remote, sdp_kind(*kind)),
                    sdp,
                    &at,
                    &refs,
                    &mut found,
                );
            }
            Message::Candidate { candidate, .. } => link.candidate(&label, candidate, &at, &mut found),
            Message::EndOfCandidates {
                mid, index, ufrag, ..
            } => {
                let section = (mid.as_deref(), *index);
                link.end_of_candidates(&label, ufrag.as_deref(), section, &at, &mut found);
            }
            _ => {}
        }
        if let (Some(content), Message::Description { .. }) = (message.content(), &message) {
            let content = relay::digest(&content);
            found.retain(|finding| !self.told.contains(&(content, finding.rule.clone())));
        }
        self.keep(found);
    }

    /// TR-01: a candidate that came too early was lost by whoever got it.
    fn candidate_discarded(&mut self, event: &TraceEvent, remote: &str) {
        let at = self.at(event, "threw an early candidate away");
        let mut found = Vec::new();
        if let Some(link) = self.bot(&event.peer).links.get_mut(remote) {
            link.candidate_discarded(&event.peer, &at, &mut found);
        }
        self.keep(found);
    }

    fn opened(&mut self, event: &TraceEvent, connection: u64, remote: &str, wire_is_read: bool) {
        let bot = self.bot(&event.peer);
        if bot.by_connection.len() >= MAX_NAMES {
            return;
        }
        bot.by_connection.insert(connection, remote.to_owned());
        let Some(link) = bot.link(remote) else { return };
        if link.connection.is_some() {
            // A new connection to the same peer begins with what has come for it.
            *link = Link::default();
        }
        link.connection = Some(connection);
        link.wire_is_read = wire_is_read;
    }

    fn of_connection(&mut self, event: &TraceEvent, kind: &TraceKind) {
        let Some(connection) = connection_of(kind) else {
            return;
        };
        let what = summary(kind);
        let at = self.at(event, what);
        let peer = event.peer.clone();
        let Some(bot) = self.bots.get_mut(&peer) else {
            return;
        };
        let Some(remote) = bot.by_connection.get(&connection) else {
            return;
        };
        let Some(link) = bot
            .links
            .get_mut(remote)
            .filter(|link| link.connection == Some(connection))
        else {
            return;
        };
        let mut found = Vec::new();
        match kind {
            TraceKind::RemoteDescriptionApplied { .. } => {
                link.applied.get_or_insert(at);
            }
            TraceKind::Ice { state, .. } => match state {
                IceConnectionState::Checking => drop(link.checking.get_or_insert(at)),
                IceConnectionState::Connected | IceConnectionState::Completed => {
                    link.ice_connected.get_or_insert(at);
                }
                IceConnectionState::Failed => drop(link.ice_failed.get_or_insert(at)),
                _ => {}
            },
            TraceKind::Connection { state, .. } => match state {
                ConnectionState::Connected => drop(link.dtls_connected.get_or_insert(at)),
                ConnectionState::Closed => link.closed = true,
                _ => {}
            },
            TraceKind::FirstPacket { media, .. } => {
                if *media == MediaKind::Video {
                    link.first_video_packet.get_or_insert_with(|| at.clone());
                }
                link.first_packet.get_or_insert(at);
            }
            TraceKind::FirstFrame { .. } => drop(link.first_frame.get_or_insert(at)),
            TraceKind::EngineError { message, .. } => {
                link.error.get_or_insert_with(|| (at, message.clone()));
            }
            TraceKind::Stun {
                way, remote, message, ..
            } => {
                link.stun(&peer, *way, remote, message, &at, &mut found);
                if *way == FrameWay::Out && message.class == "request" {
                    link.keepalive(&peer, &at, &mut found);
                }
            }
            TraceKind::Turn { server, message, .. } => link.turn(server, message, &at),
            TraceKind::Dtls { way, message, .. } => link.dtls(&peer, *way, message, &at, &mut found),
            TraceKind::Rtp {
                way, payload_type, ..
            } => link.rtp(&peer, *way, *payload_type, &at, &mut found),
            TraceKind::Unclassified { first_byte, .. } => {
                link.unclassified(&peer, *first_byte, &at, &mut found);
            }
            _ => {}
        }
        self.keep(found);
    }
}

/// The event with this number, if it is still remembered.
fn quoted(quotable: &VecDeque<EventRef>, number: u64) -> Option<EventRef> {
    let event = quotable.iter().rev().find(|event| event.number == number);
    event.cloned()
}

/// Whether the peers of a dialect's bots are no bots but a server that has the media.
fn is_of_media_server(dialect: &str) -> bool {
    let media_servers = [DialectName::Janus, DialectName::Whip, DialectName::Whep];
    media_servers.iter().any(|name| name.as_str() == dialect)
}

fn sdp_kind(kind: DescriptionKind) -> SdpKind {
    match kind {
        DescriptionKind::Offer => SdpKind::Offer,
        DescriptionKind::Answer => SdpKind::Answer,
        DescriptionKind::Pranswer => SdpKind::Pranswer,
        DescriptionKind::Rollback => SdpKind::Rollback,
    }
}

#[cfg(test)]
mod tests;
