//! Janus and its VideoRoom: transactions, the order of publishing and subscribing, and a session's life (JA).
//!
//! Owns what is remembered of each bot's requests. It reads raw frames, because acknowledgements and transactions mean
//! nothing to a bot.

mod errors;
mod frame;

use std::collections::{BTreeMap, BTreeSet};

use self::frame::Frame;
use super::Checker;
use super::finding::{EventRef, RuleFinding};
use crate::check::Severity;
use crate::trace::{FrameWay, TraceEvent};

/// Requests of a bot that wait for their answer, and transactions that it is remembered by.
const MAX_PENDING: usize = 4_096;
/// A session that is silent for so long is destroyed: `session_timeout` of janus.jcfg, by default.
const SESSION_TIMEOUT_US: u64 = 60_000_000;
/// A client should not be silent for longer: half of that.
const KEEPALIVE_US: u64 = 30_000_000;
/// An answer is overdue after this.
const ANSWER_US: u64 = 10_000_000;

/// A request that waits.
#[derive(Clone, Debug)]
struct Asked {
    /// What it is: of a message to the plugin the plugin's own word.
    what: String,
    is_message: bool,
    is_subscriber: bool,
    has_offer: bool,
    acked: Option<EventRef>,
    event: EventRef,
}

/// A handle at the plugin.
#[derive(Debug, Default)]
struct Handle {
    /// The acknowledgement of a join that has not succeeded yet.
    joining: Option<EventRef>,
    /// An offer of the server that waits for `start`.
    offered: Option<EventRef>,
    completed: Option<EventRef>,
}

/// A bot's dealings with its Janus.
#[derive(Debug, Default)]
pub(super) struct Janus {
    pending: BTreeMap<String, Asked>,
    /// Every transaction that it has begun, as far as remembered.
    known: BTreeSet<String>,
    handles: BTreeMap<u64, Handle>,
    /// When it last sent something in its session.
    last: Option<EventRef>,
    has_session: bool,
}

type Found = Vec<RuleFinding>;

impl Checker {
    /// A frame of a bot that speaks to Janus passed.
    pub(super) fn janus(&mut self, event: &TraceEvent, way: FrameWay, frame: &str) {
        let Some(frame) = Frame::read(frame) else { return };
        let passed = if way == FrameWay::Out { "sent" } else { "got" };
        let at = self.at(event, format!("{passed} {}", frame.name()));
        let label = event.peer.clone();
        let janus = &mut self.bot(&label).janus;
        let found = match way {
            FrameWay::Out => janus.said(&label, &frame, &at),
            FrameWay::In => janus.heard(&label, &frame, &at),
        };
        self.keep(found);
    }

    /// What only the end can tell.
    pub(super) fn finish_janus(&mut self) {
        let mut found = Vec::new();
        for (label, bot) in &self.bots {
            let gone = bot.signaling_closed.as_ref().map(|(at, _)| at.at_us);
            let end = gone.unwrap_or(self.end_us).min(self.end_us);
            found.extend(bot.janus.overdue(label, end));
        }
        self.keep(found);
    }
}

impl Janus {
    fn said(&mut self, label: &str, frame: &Frame, at: &EventRef) -> Found {
        let mut found = Vec::new();
        found.extend(self.silence(label, at.at_us, at));
        if self.has_session {
            self.last = Some(at.clone());
        }
        let Some(transaction) = &frame.transaction else {
            let text = format!(
                "{label} sent {} without a transaction, so nothing can answer it",
                frame.name()
            );
            found.push(RuleFinding::new("JA-01", label, text, at.clone()));
            return found;
        };
        if self.known.len() < MAX_PENDING {
            self.known.insert(transaction.clone());
        }
        self.ends(frame);
        let handle = frame
            .handle
            .filter(|id| self.handles.contains_key(id) || self.handles.len() < MAX_PENDING);
        if let Some(handle) = handle.map(|id| self.handles.entry(id).or_default()) {
            found.extend(handle.said(label, frame, at));
        }
        if self.pending.len() < MAX_PENDING && frame.wants_answer() {
            let asked = Asked {
                what: frame.name().to_owned(),
                is_message: frame.kind == "message",
                is_subscriber: frame.is_subscriber,
                has_offer: frame.jsep.as_deref() == Some("offer"),
                acked: None,
                event: at.clone(),
            };
            self.pending.insert(transaction.clone(), asked);
        }
        found
    }

    /// Whoever leaves waits for nothing any more.
    fn ends(&mut self, frame: &Frame) {
        match (frame.kind.as_str(), frame.handle) {
            ("destroy", _) => {
                self.pending.clear();
                self.handles.clear();
                self.last = None;
                self.has_session = false;
            }
            ("detach", Some(handle)) => drop(self.handles.remove(&handle)),
            ("message", Some(handle)) if frame.name() == "leave" => drop(self.handles.remove(&handle)),
            _ => {}
        }
    }

    fn heard(&mut self, label: &str, frame: &Frame, at: &EventRef) -> Found {
        let mut found = Vec::new();
        if frame.kind == "timeout" {
            let text = format!("{label}'s session timed out: it sent nothing for too long");
            let finding = RuleFinding::new("JA-04", label, text, at.clone()).because_of(self.last.take());
            self.has_session = false;
            return vec![finding];
        }
        let is_reply = matches!(frame.kind.as_str(), "ack" | "success" | "error" | "event");
        let Some(transaction) = frame.transaction.as_ref().filter(|_| is_reply) else {
            // What nobody asked for has no transaction, but an acknowledgement or a result must have one.
            if matches!(frame.kind.as_str(), "ack" | "success") {
                let text = format!(
                    "the server of {label} sent {} without a transaction",
                    frame.name()
                );
                found.push(RuleFinding::new("JA-01", label, text, at.clone()));
            }
            return found;
        };
        if !self.known.contains(transaction) && self.known.len() < MAX_PENDING {
            let text = format!("the server of {label} answered with a transaction that {label} never used");
            let finding = RuleFinding::new("JA-01", label, text, at.clone());
            return vec![finding.quoting(Some(format!("\"transaction\":\"{transaction}\"")))];
        }
        if frame.kind == "ack" {
            if let Some(asked) = self.pending.get_mut(transaction) {
                asked.acked = Some(at.clone());
                if !asked.is_message {
                    self.pending.remove(transaction);
                }
            }
            return found;
        }
        let Some(asked) = self.pending.remove(transaction) else {
            return found;
        };
        if let Some(code) = frame.error {
            found.push(refused(label, &asked, code, at));
            return found;
        }
        found.extend(self.result(label, &asked, frame, at));
        found
    }

    /// A request succeeded.
    fn result(&mut self, label: &str, asked: &Asked, frame: &Frame, at: &EventRef) -> Option<RuleFinding> {
        let broken = |rule: &'static str, text: String| {
            let finding = RuleFinding::new(rule, label, text, at.clone());
            Some(finding.because_of(Some(asked.event.clone())))
        };
        if matches!(asked.what.as_str(), "create" | "attach") && !asked.is_message {
            self.has_session = true;
            self.last.get_or_insert_with(|| at.clone());
            return if frame.has_id {
                None
            } else {
                broken(
                    "JA-01",
                    format!("the server of {label} answered {} without data.id", asked.what),
                )
            };
        }
        let handle = frame.handle.and_then(|id| self.handles.get_mut(&id));
        let jsep = frame.jsep.as_deref();
        let word = frame.videoroom.as_deref();
        match asked.what.as_str() {
            "join" if asked.is_subscriber => {
                if let Some(handle) = handle {
                    handle.joining = None;
                    handle.offered = Some(at.clone());
                }
                if word == Some("attached") && jsep == Some("offer") {
                    return None;
                }
                broken(
                    "JA-03",
                    format!("the server of {label} let it subscribe without attached and an offer"),
                )
            }
            "join" | "joinandconfigure" => {
                if let Some(handle) = handle {
                    handle.joining = None;
                }
                if word == Some("joined") && frame.has_id {
                    return None;
                }
                broken(
                    "JA-02",
                    format!("the server of {label} answered its join without joined and an id"),
                )
            }
            "publish" | "configure" if asked.has_offer => {
                if frame.configured && jsep == Some("answer") {
                    return None;
                }
                broken(
                    "JA-02",
                    format!("the server of {label} answered its offer without configured and an answer"),
                )
            }
            "start" if !frame.started => broken(
                "JA-03",
                format!("the server of {label} answered start without started"),
            ),
            _ => None,
        }
    }

    /// Silence of a session until then.
    fn silence(&self, label: &str, until_us: u64, at: &EventRef) -> Option<RuleFinding> {
        let last = self.last.as_ref()?;
        let silent = until_us.saturating_sub(last.at_us);
        if silent <= KEEPALIVE_US {
            return None;
        }
        let text = format!(
            "{label} sent nothing in its session for {:.0} s; Janus destroys it after 60 s by default, and 25 to 30 s are safe",
            silent as f64 / 1e6
        );
        let most = if silent > SESSION_TIMEOUT_US {
            Severity::Error
        } else {
            Severity::Warning
        };
        let finding = RuleFinding::new("JA-04", label, text, at.clone()).because_of(Some(last.clone()));
        Some(finding.at_most(most))
    }

    fn overdue(&self, label: &str, end_us: u64) -> Found {
        let is_late = |event: &EventRef| event.at_us.saturating_add(ANSWER_US) <= end_us;
        let mut found = Vec::new();
        for asked in self.pending.values().filter(|asked| is_late(&asked.event)) {
            let text = match &asked.acked {
                Some(_) => format!(
                    "{label}'s {} was acknowledged and never answered; an ack is no result",
                    asked.what
                ),
                None => format!("{label}'s {} was never answered", asked.what),
            };
            let shown = asked.acked.clone().unwrap_or_else(|| asked.event.clone());
            found.push(RuleFinding::new("JA-01", label, text, shown).because_of(Some(asked.event.clone())));
        }
        for offered in self.handles.values().filter_map(|handle| handle.offered.as_ref()) {
            if is_late(offered) {
                let text = format!("{label} never answered the offer of its subscription with start");
                found.push(RuleFinding::new("JA-03", label, text, offered.clone()));
            }
        }
        found.extend(
            self.last
                .as_ref()
                .and_then(|last| self.silence(label, end_us, last)),
        );
        found
    }
}

impl Handle {
    fn said(&mut self, label: &str, frame: &Frame, at: &EventRef) -> Found {
        let mut found = Vec::new();
        let mut tell = |rule: &'static str, text: String, cause: Option<EventRef>| {
            found.push(RuleFinding::new(rule, label, text, at.clone()).because_of(cause));
        };
        match frame.name() {
            "join" | "joinandconfigure" => self.joining = Some(at.clone()),
            name @ ("publish" | "configure" | "start") => {
                if let Some(joining) = &self.joining {
                    let text =
                        format!("{label} sent {name} before its join had succeeded; an ack is no result");
                    tell("JA-01", text, Some(joining.clone()));
                }
                if name == "start" {
                    let offered = self.offered.take();
                    if offered.is_some() && frame.jsep.as_deref() != Some("answer") {
                        tell("JA-03", format!("{label} sent start without its answer"), offered);
                    }
                }
            }
            "trickle" if frame.completed => self.completed = Some(at.clone()),
            "trickle" => {
                if let Some(completed) = &self.completed {
                    let text = format!("{label} sent a candidate after it had said that there are no more");
                    tell("JA-04", text, Some(completed.clone()));
                }
            }
            _ => {}
        }
        if frame.jsep.is_some() {
            // A new description begins a new list of candidates.
            self.completed = None;
        }
        found
    }
}

/// The finding that an error is.
fn refused(label: &str, asked: &Asked, code: u64, at: &EventRef) -> RuleFinding {
    let meaning = errors::of(code);
    let text = format!(
        "the server of {label} refused its {} with {code}: {}",
        asked.what, meaning.what
    );
    let finding = RuleFinding::new("JA-04", label, text, at.clone())
        .because_of(Some(asked.event.clone()))
        .mended_by(meaning.fix);
    // A room that cannot be made may be there, and a publisher may leave before somebody subscribes to it.
    finding.at_most(match (asked.what.as_str(), code) {
        ("create", _) => Severity::Note,
        ("join", 428) if asked.is_subscriber => Severity::Warning,
        _ => Severity::Error,
    })
}
