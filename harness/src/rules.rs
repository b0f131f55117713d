//! The checker of traces: which rule of offer/answer, ICE, DTLS and media was broken, by whom, and why there is no
//! picture.
//!
//! Owns every opinion on the exchange itself, event by event. Pure, total and bounded by peers, so that it serves a
//! run as it goes on and a file of yesterday alike. It measures nothing, and knows no fault that was made on purpose.

pub mod catalogue;
mod cause;
mod consent;
pub mod document;
mod finding;
mod link;
pub(crate) mod message;
mod negotiation;
mod relay;
mod sdp;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::link::Link;
use self::message::{DescriptionKind, Message};
use self::negotiation::{SdpKind, Side};
use self::relay::{Arrival, Relay};
use self::words::{connection_of, described, summary};
use crate::check::Severity;
use crate::engine::{ConnectionState, IceConnectionState};
use crate::media::kind::MediaKind;
use crate::trace::{FrameWay, TraceEvent, TraceKind};

pub use finding::{Cause, CauseKind, Diagnosis, EventRef, RuleFinding};

/// Findings that are kept; more are counted.
const MAX_FINDINGS: usize = 1_000;
/// Connections that a bot is remembered by.
const MAX_LINKS: usize = 4_096;
/// Names and connections that are remembered, of each kind.
const MAX_NAMES: usize = 65_536;
/// Messages of a bot that does not know its name yet.
const MAX_EARLY: usize = 256;
/// What was sent so shortly before an end may still be under way.
const GRACE_US: u64 = 1_000_000;
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
    relay: Relay,
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

/// A bot as the trace shows it.
#[derive(Debug, Default)]
struct Bot {
    broadcaster: Option<bool>,
    room: String,
    id: Option<String>,
    join_sent: Option<EventRef>,
    joined: Option<EventRef>,
    signaling_open: Option<EventRef>,
    signaling_closed: Option<(EventRef, String)>,
    refused: Option<(EventRef, String)>,
    left: Option<EventRef>,
    unreadable: Option<EventRef>,
    /// Who was announced to it, and when.
    announced: BTreeMap<String, EventRef>,
    gone: BTreeMap<String, EventRef>,
    /// By the name of the other peer.
    links: BTreeMap<String, Link>,
    by_connection: BTreeMap<u64, String>,
    /// Versions of the room's state that it was told of.
    version: Option<u64>,
    last_chat: Option<u64>,
    /// What it said and heard before it knew its own name, which a relay that reorders may bring about.
    early: Vec<(FrameWay, Message, EventRef)>,
}

impl Bot {
    /// Whether it was there to say and hear something until then.
    fn stayed_until(&self, at_us: u64) -> bool {
        let stayed = |end: &EventRef| end.at_us >= at_us;
        self.left.as_ref().is_none_or(stayed)
            && self.signaling_closed.as_ref().is_none_or(|(end, _)| stayed(end))
    }
}

impl Checker {
    /// Takes the next event. What it finds is in [`Checker::findings`] at once.
    pub fn observe(&mut self, event: &TraceEvent) {
        self.number += 1;
        self.end_us = self.end_us.max(event.at_us);
        if event.peer == "run" || event.peer.ends_with("/run") {
            return;
        }
        if event.peer == "server" || event.peer.starts_with("server/") || event.peer.contains("/server/") {
            return;
        }
        match &event.event {
            TraceKind::Signaling { way, frame } => self.frame(event, *way, frame),
            TraceKind::SignalingOpen => {
                let at = self.at(event, "signaling open");
                self.bot(&event.peer).signaling_open = Some(at);
            }
            TraceKind::SignalingClosed { reason } => {
                let at = self.at(event, "signaling closed");
                self.bot(&event.peer).signaling_closed = Some((at, reason.clone()));
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
        self.judge_lost_messages();
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
                let bot = self.bot(label);
                *bot = Bot {
                    broadcaster: Some(*broadcaster),
                    room: room.clone(),
                    join_sent: Some(at),
                    signaling_open: bot.signaling_open.take(),
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
        if bot.links.len() >= MAX_LINKS && !bot.links.contains_key(&to) {
            return;
        }
        let link = bot.links.entry(to).or_default();
        match &message {
            Message::Description { kind, sdp, .. } => {
                link.description(label, (Side::Local, sdp_kind(*kind)), sdp, &at, &refs, &mut found);
            }
            Message::Candidate { .. } => link.candidate_sent(&at),
            _ => {}
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

    /// What is known of a bot that asks to enter again ends here.
    fn close_session(&mut self, label: &str, at_us: u64) {
        let Some(bot) = self.bots.get(label) else { return };
        let unanswered = unanswered(label, bot, at_us);
        let ends = [
            bot.left.as_ref(),
            bot.signaling_closed.as_ref().map(|(end, _)| end),
        ];
        let end = ends.into_iter().flatten().map(|end| end.at_us).min();
        if let Some(id) = bot.id.clone()
            && self.left.len() < MAX_NAMES
        {
            self.left.insert(id, end.unwrap_or(at_us));
        }
        self.keep(unanswered.into_iter().collect());
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
                let announced = &mut self.bot(&label).announced;
                if announced.len() < MAX_NAMES {
                    announced.insert(id.clone(), at);
                }
                return;
            }
            Message::PeerLeft { id } => {
                let gone = &mut self.bot(&label).gone;
                if gone.len() < MAX_NAMES {
                    gone.insert(id.clone(), at);
                }
                return;
            }
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
                self.bot(&label).unreadable.get_or_insert(at);
                return;
            }
            _ => {}
        }
        let (Some(from), Some(me)) = (message.peer().map(str::to_owned), self.bot(&label).id.clone()) else {
            return;
        };
        self.remember(&at);
        let arrival = self.relay.arrived(&from, &me, &message);
        if matches!(arrival, Arrival::Unknown) {
            self.relay.note_unknown(&from, &me, &message, &at);
        }
        let mut found: Vec<RuleFinding> = relay::judge(&arrival, &label, &message, at.clone())
            .into_iter()
            .collect();
        if let Arrival::AsSent(order) = arrival
            && let Some(later) = self.relay.overtaken(&from, &me, order, &at)
        {
            let text = format!(
                "{label} got its {} after a message that was sent later",
                message.name()
            );
            let rule = if matches!(message, Message::Description { .. }) {
                "SG-05"
            } else {
                "TR-05"
            };
            found.push(RuleFinding::new(rule, &label, text, at.clone()).because_of(Some(later)));
        }
        let quotable = &self.quotable;
        let refs = |number| quoted(quotable, number);
        let Some(bot) = self.bots.get_mut(&label) else {
            return;
        };
        if bot.links.len() >= MAX_LINKS && !bot.links.contains_key(&from) {
            return;
        }
        let link = bot.links.entry(from).or_default();
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

    /// SG-03: one broadcaster in a room.
    fn second_broadcaster(&mut self, label: &str, broadcaster: bool, at: &EventRef) {
        if !broadcaster {
            return;
        }
        let room = self.bot(label).room.clone();
        let other = self.bots.iter().find(|(other, bot)| {
            other.as_str() != label
                && bot.room == room
                && bot.broadcaster == Some(true)
                && bot.joined.is_some()
                && bot.left.is_none()
                && bot.signaling_closed.is_none()
        });
        let Some((other, bot)) = other else { return };
        let message =
            format!("{label} was let into the room {room:?} as a second broadcaster beside {other}");
        let finding = RuleFinding::new("SG-03", label, message, at.clone()).because_of(bot.joined.clone());
        self.keep(vec![finding]);
    }

    /// SG-07: versions of a state only rise.
    fn room_state(&mut self, label: &str, version: u64, at: EventRef) {
        let bot = self.bot(label);
        let before = bot.version.replace(version.max(bot.version.unwrap_or(0)));
        if before.is_some_and(|before| version < before) {
            let message = format!(
                "{label} was told of state {version} after state {}",
                before.unwrap_or(0)
            );
            let finding = RuleFinding::new("SG-07", label, message, at);
            self.keep(vec![finding]);
        }
    }

    /// SG-05 for what everybody hears: chat is numbered without gaps.
    fn chat(&mut self, label: &str, seq: Option<u64>, at: EventRef) {
        let Some(seq) = seq else { return };
        let last = self.bot(label).last_chat.replace(seq);
        if last.is_some_and(|last: u64| last.checked_add(1) != Some(seq)) {
            let message = format!("{label} heard chat line {seq} after line {}", last.unwrap_or(0));
            let finding = RuleFinding::new("SG-05", label, message, at);
            self.keep(vec![finding]);
        }
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
        let at = self.at(event, "connection opened");
        let bot = self.bot(&event.peer);
        let is_known = bot.links.contains_key(remote);
        if bot.by_connection.len() >= MAX_NAMES || (bot.links.len() >= MAX_LINKS && !is_known) {
            return;
        }
        bot.by_connection.insert(connection, remote.to_owned());
        let link = bot.links.entry(remote.to_owned()).or_default();
        if link.connection.is_some() {
            // A new connection to the same peer begins with what has come for it.
            *link = Link::default();
        }
        link.connection = Some(connection);
        link.opened = Some(at);
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

    /// Messages that never arrived, where their receiver was there to take them.
    fn judge_lost_messages(&mut self) {
        let mut found = Vec::new();
        for sent in self.relay.lost() {
            let label = |id: &str| self.labels.get(id).cloned();
            let (Some(from), Some(to)) = (label(&sent.from), label(&sent.to)) else {
                continue;
            };
            let until = sent.event.at_us.saturating_add(GRACE_US);
            let was_there = |label: &str, id: &str| {
                self.left.get(id).is_some_and(|left| *left >= until)
                    || self
                        .bots
                        .get(label)
                        .is_some_and(|bot| bot.id.as_deref() == Some(id) && bot.stayed_until(until))
            };
            let changed = self.relay.changed(sent);
            let was_due = until <= self.end_us && was_there(&to, &sent.to) && was_there(&from, &sent.from);
            // What came in its place is not under way any more.
            if !was_due && changed.is_none() {
                continue;
            }
            let rule = match sent.name {
                "candidate" | "end-of-candidates" => "TR-05",
                _ => "SG-05",
            };
            let what = if changed.is_some() {
                "arrived other than it was sent"
            } else {
                "never arrived"
            };
            let text = format!("the {} that {from} sent to {to} {what}", sent.name);
            let is_changed = changed.is_some();
            let effect = changed.unwrap_or_else(|| sent.event.clone());
            let finding = RuleFinding::new(rule, &to, text, effect).because_of(Some(sent.event.clone()));
            // What the rule itself advises is about order.
            found.push(if is_changed {
                finding.mended_by("Pass the content on as it came: parse no more of it than whom it is for.")
            } else {
                finding
            });
        }
        for (label, bot) in &self.bots {
            found.extend(unanswered(label, bot, self.end_us));
        }
        self.keep(found);
    }
}

/// The finding that a join is which nobody answered until then.
fn unanswered(label: &str, bot: &Bot, until_us: u64) -> Option<RuleFinding> {
    let unanswered = bot.joined.is_none() && bot.refused.is_none();
    let join = bot.join_sent.clone().filter(|_| unanswered)?;
    let due = join.at_us.saturating_add(GRACE_US);
    (due <= until_us && bot.stayed_until(due)).then(|| {
        let text = format!("{label} asked to enter the room and never heard whether it is in");
        RuleFinding::new("SG-05", label, text, join)
    })
}

/// The event with this number, if it is still remembered.
fn quoted(quotable: &VecDeque<EventRef>, number: u64) -> Option<EventRef> {
    let event = quotable.iter().rev().find(|event| event.number == number);
    event.cloned()
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
