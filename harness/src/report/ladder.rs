//! The ladder: a sequence diagram in text of the signaling exchange and of each connection's steps.
//!
//! Owns the presentation of a trace for somebody who looks for the hop that failed. It judges nothing: causes and
//! broken rules come from a [`Diagnosis`], and what became of a frame is told by comparing what was sent with what
//! arrived.

mod closing;
mod columns;
mod draw;
mod fate;
mod fitted;
mod frame;
mod meant;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{HashMap, HashSet};

use self::columns::Columns;
use self::fitted::fitted;
use self::frame::{Frame, FrameKind, clipped};
use crate::rules::Diagnosis;
use crate::trace::label::{is_called, is_run, last_part, room_of, server_client};
use crate::trace::{FrameWay, TraceEvent, TraceKind};

/// Steps that are kept.
const MAX_STEPS: usize = 200_000;
/// Lines that are written.
const MAX_LINES: usize = 400;
/// Events of a fold that a finding can still point at.
const MAX_NUMBERS: usize = 256;

/// Draws the exchange of these events, which are a trace from its first event on: see [`Ladder`].
pub fn ladder(events: &[TraceEvent], diagnosis: &Diagnosis, peer: Option<&str>) -> String {
    let mut ladder = Ladder::new(peer);
    for event in events {
        ladder.observe(event);
    }
    ladder.finish(diagnosis)
}

/// Draws a trace event by event, so that a long one need not be held in memory.
///
/// ```
/// let mut ladder = greenroom::Ladder::new(Some("viewer-3"));
/// // ladder.observe(&event) for each event of a trace
/// assert!(ladder.finish(&Default::default()).contains("viewer-3"));
/// ```
#[derive(Debug)]
pub struct Ladder {
    only: Option<String>,
    number: u64,
    end_us: u64,
    peers: Vec<Peer>,
    by_label: HashMap<String, usize>,
    /// Peers by room and by the name that a server gave.
    names: HashMap<(String, String), usize>,
    steps: Vec<Step>,
    left_out: u64,
    /// The step that counts the connectivity checks of a connection.
    checks: HashMap<(usize, u64), usize>,
    /// Whom a connection is for.
    remotes: HashMap<(usize, u64), String>,
    /// What greenroom's own server saw.
    server: Vec<ServerFrame>,
    /// Who speaks another protocol than greenroom's own.
    foreign: HashSet<String>,
    /// Whose protocol names nobody.
    unaddressed: HashSet<String>,
}

/// A bot.
#[derive(Debug)]
struct Peer {
    label: String,
    room: String,
    broadcaster: bool,
    /// Its names in the room, the last one being the current one.
    names: Vec<String>,
    first_frame: Option<(u64, u64)>,
}

/// A frame at greenroom's own server.
#[derive(Debug)]
struct ServerFrame {
    number: u64,
    at_us: u64,
    way: FrameWay,
    /// The name in the room, or the number of a connection that has none yet.
    client: String,
    name: String,
    kind: FrameKind,
    peer: Option<String>,
    text: u64,
}

/// Something that the ladder shows.
#[derive(Clone, Debug)]
struct Step {
    /// Its event, and those that are folded into it.
    numbers: Vec<u64>,
    at_us: u64,
    /// Whose; none for what concerns everybody.
    peer: Option<usize>,
    /// Towards whom, by the name in the room.
    other: Option<String>,
    count: u64,
    what: What,
    /// It never arrived.
    broken: bool,
    notes: Vec<String>,
    /// Another peer that it concerns although it is not towards it.
    involves: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Arrow {
        way: FrameWay,
        name: String,
        kind: FrameKind,
        text: u64,
        /// The peer's own name in the room at that time.
        me: Option<String>,
    },
    /// From greenroom's own server to a peer that never got it.
    FromServer(String),
    Mark(String),
    Checks {
        sent: u64,
        answered: u64,
        received: u64,
        refused: u64,
    },
    Banner(String),
}

impl Ladder {
    /// With a peer only that viewer, its broadcaster and the server are drawn; without one, as many as fit.
    pub fn new(peer: Option<&str>) -> Self {
        Self {
            only: peer.map(str::to_owned),
            number: 0,
            end_us: 0,
            peers: Vec::new(),
            by_label: HashMap::new(),
            names: HashMap::new(),
            steps: Vec::new(),
            left_out: 0,
            checks: HashMap::new(),
            remotes: HashMap::new(),
            server: Vec::new(),
            foreign: HashSet::new(),
            unaddressed: HashSet::new(),
        }
    }

    /// Takes the next event of the trace, the first one being number 1.
    pub fn observe(&mut self, event: &TraceEvent) {
        self.number += 1;
        self.end_us = self.end_us.max(event.at_us);
        let label = event.peer.as_str();
        if is_run(label) {
            if let TraceKind::Action { action } = &event.event {
                let action = serde_json::to_string(action).unwrap_or_default();
                let text = format!("the run does: {}", clipped(&action, 60));
                self.push(event, None, None, What::Banner(text));
            }
            return;
        }
        if let Some(client) = server_client(label) {
            if let TraceKind::Signaling { way, frame, means } = &event.event {
                for read in Frame::all(frame, means, false) {
                    self.at_server(event.at_us, client, *way, read);
                }
            }
            return;
        }
        if let TraceKind::SignalingOpen { dialect: Some(_), .. } = &event.event
            && self.foreign.len() < MAX_STEPS
        {
            self.foreign.insert(label.to_owned());
        }
        if let TraceKind::SignalingOpen { addressed: false, .. } = &event.event
            && self.unaddressed.len() < MAX_STEPS
        {
            self.unaddressed.insert(label.to_owned());
        }
        match &event.event {
            TraceKind::Signaling { way, frame, means } => {
                let is_foreign = self.foreign.contains(label);
                for read in Frame::all(frame, means, is_foreign) {
                    self.frame(event, *way, read);
                }
            }
            TraceKind::Http { way, means, .. } => {
                self.of_connection(event, &event.event);
                for read in means {
                    self.frame(event, *way, Frame::read(read));
                }
            }
            kind if self.wanted(label) => self.of_connection(event, kind),
            _ => {}
        }
    }

    /// The drawing, and below it what is known of why it ended as it did.
    pub fn finish(mut self, diagnosis: &Diagnosis) -> String {
        fate::tell(&mut self, diagnosis);
        self.steps.sort_by_key(Step::number);
        let columns = Columns::of(&self, diagnosis);
        let mut head = columns.head(&self);
        let mut tail = closing::of(&self, &columns, diagnosis);
        let blocks = columns.draw(&self, diagnosis);
        if blocks.is_empty() {
            head.push("  nothing of this is in the trace".to_owned());
        }
        let room = MAX_LINES.saturating_sub(head.len() + tail.len());
        head.extend(fitted(blocks, room));
        head.append(&mut tail);
        head.truncate(MAX_LINES);
        let mut text = head.join("\n");
        text.push('\n');
        text
    }

    /// Whether what this peer does by itself can be part of the drawing.
    fn wanted(&self, label: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| is_called(label, only) || last_part(label).starts_with("broadcaster"))
    }

    fn push(&mut self, event: &TraceEvent, peer: Option<usize>, other: Option<String>, what: What) -> bool {
        if self.steps.len() >= MAX_STEPS {
            self.left_out += 1;
            return false;
        }
        self.steps.push(Step {
            numbers: vec![self.number],
            at_us: event.at_us,
            peer,
            other,
            count: 1,
            what,
            broken: false,
            notes: Vec::new(),
            involves: None,
        });
        true
    }

    /// The peer with this label, unless there is no room for one more.
    fn peer(&mut self, label: &str) -> Option<usize> {
        if let Some(peer) = self.by_label.get(label) {
            return Some(*peer);
        }
        if self.peers.len() >= MAX_STEPS {
            return None;
        }
        self.peers.push(Peer {
            label: label.to_owned(),
            room: room_of(label).to_owned(),
            broadcaster: last_part(label).starts_with("broadcaster"),
            names: Vec::new(),
            first_frame: None,
        });
        self.by_label.insert(label.to_owned(), self.peers.len() - 1);
        Some(self.peers.len() - 1)
    }

    fn frame(&mut self, event: &TraceEvent, way: FrameWay, read: Frame) {
        let Some(number) = self.peer(&event.peer) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(number) else {
            return;
        };
        match &read.kind {
            FrameKind::Join { broadcaster } if way == FrameWay::Out => peer.broadcaster = *broadcaster,
            FrameKind::Joined(name) if way == FrameWay::In && peer.names.last() != Some(name) => {
                peer.names.push(name.clone());
                self.names.insert((peer.room.clone(), name.clone()), number);
            }
            _ => {}
        }
        let what = What::Arrow {
            way,
            name: read.name,
            kind: read.kind,
            text: read.text,
            me: peer.names.last().cloned(),
        };
        self.push(event, Some(number), read.peer, what);
    }

    fn at_server(&mut self, at_us: u64, client: &str, way: FrameWay, read: Frame) {
        if self.server.len() >= 2 * MAX_STEPS {
            return;
        }
        self.server.push(ServerFrame {
            number: self.number,
            at_us,
            way,
            client: client.to_owned(),
            name: read.name,
            kind: read.kind,
            peer: read.peer,
            text: read.text,
        });
    }

    fn of_connection(&mut self, event: &TraceEvent, kind: &TraceKind) {
        let Some(peer) = self.peer(&event.peer) else {
            return;
        };
        match kind {
            TraceKind::Stun {
                connection,
                way,
                message,
                ..
            } => return self.check(event, (peer, *connection), *way, &message.class),
            TraceKind::ConnectionOpened {
                connection, remote, ..
            } => {
                self.remotes.insert((peer, *connection), remote.clone());
            }
            // The next checks are those of another state.
            TraceKind::Ice { connection, .. } | TraceKind::Connection { connection, .. } => {
                self.checks.remove(&(peer, *connection));
            }
            TraceKind::FirstFrame { .. } => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.first_frame.get_or_insert((self.number, event.at_us));
                }
            }
            TraceKind::KeyFrameRequested { viewer } => {
                let text = format!("asked for a key frame by {}", clipped(viewer, 20));
                self.push(event, Some(peer), Some(viewer.clone()), What::Mark(text));
                return;
            }
            TraceKind::KeyFrame { .. } => {
                self.push(event, Some(peer), None, What::Mark("made a key frame".to_owned()));
                return;
            }
            TraceKind::SignalingError { code, .. } => {
                // Its frame says so already, where there is one.
                let name = clipped(&format!("error {code}"), 60);
                let told = self.steps.iter().rev().take(64).any(|step| {
                    step.peer == Some(peer)
                        && matches!(&step.what, What::Arrow { name: told, .. } if *told == name)
                });
                if !told {
                    self.push(event, Some(peer), None, What::Mark(format!("signaling {name}")));
                }
                return;
            }
            _ => {}
        }
        if let Some((connection, text)) = words::mark(kind) {
            let other = connection.and_then(|connection| self.remotes.get(&(peer, connection)).cloned());
            self.push(event, Some(peer), other, What::Mark(text));
        }
    }

    /// Counts a STUN message.
    fn check(&mut self, event: &TraceEvent, of: (usize, u64), way: FrameWay, class: &str) {
        let number = match self.checks.get(&of) {
            Some(number) => *number,
            None => {
                let what = What::Checks {
                    sent: 0,
                    answered: 0,
                    received: 0,
                    refused: 0,
                };
                let other = self.remotes.get(&of).cloned();
                if !self.push(event, Some(of.0), other, what) {
                    return;
                }
                self.checks.insert(of, self.steps.len() - 1);
                self.steps.len() - 1
            }
        };
        let Some(step) = self.steps.get_mut(number) else {
            return;
        };
        if step.numbers.len() < MAX_NUMBERS && step.numbers.last() != Some(&self.number) {
            step.numbers.push(self.number);
        }
        if let What::Checks {
            sent,
            answered,
            received,
            refused,
        } = &mut step.what
        {
            match (way, class) {
                (FrameWay::Out, "request") => *sent += 1,
                (FrameWay::In, "request") => *received += 1,
                (FrameWay::In, "success") => *answered += 1,
                (FrameWay::In, "error") => *refused += 1,
                _ => {}
            }
        }
    }

    /// The peer that this one means by a name.
    fn named(&self, by: usize, name: &str) -> Option<usize> {
        let room = &self.peers.get(by)?.room;
        self.names.get(&(room.clone(), name.to_owned())).copied()
    }
}

impl Step {
    fn number(&self) -> u64 {
        self.numbers.first().copied().unwrap_or_default()
    }
}
