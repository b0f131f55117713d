//! The ladder: a sequence diagram in text of the signaling exchange and of each connection's steps.
//!
//! Owns the presentation of a trace for somebody who looks for the hop that failed. It judges nothing: causes and
//! broken rules come from a [`Diagnosis`], and what became of a frame is told by comparing what was sent with what
//! arrived.

mod closing;
mod draw;
mod fate;
mod frame;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::draw::{Canvas, Shape};
use self::frame::{Frame, FrameKind, clipped};
use crate::check::Severity;
use crate::rules::Diagnosis;
use crate::trace::{FrameWay, TraceEvent, TraceKind};

/// Steps that are kept.
const MAX_STEPS: usize = 200_000;
/// Columns that are drawn.
const MAX_COLUMNS: usize = 6;
/// Lines that are written.
const MAX_LINES: usize = 400;
/// Marks of causes and rules on one step.
const MAX_TAGS: usize = 4;
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
        }
    }

    /// Takes the next event of the trace, the first one being number 1.
    pub fn observe(&mut self, event: &TraceEvent) {
        self.number += 1;
        self.end_us = self.end_us.max(event.at_us);
        let label = event.peer.as_str();
        if last_part(label) == "run" {
            if let TraceKind::Action { action } = &event.event {
                let action = serde_json::to_string(action).unwrap_or_default();
                let text = format!("the run does: {}", clipped(&action, 60));
                self.push(event, None, None, What::Banner(text));
            }
            return;
        }
        if let Some(client) = server_client(label) {
            if let TraceKind::Signaling { way, frame } = &event.event {
                self.at_server(event.at_us, client, *way, frame);
            }
            return;
        }
        match &event.event {
            TraceKind::Signaling { way, frame } => self.frame(event, *way, frame),
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

    fn frame(&mut self, event: &TraceEvent, way: FrameWay, frame: &str) {
        let read = Frame::read(frame);
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

    fn at_server(&mut self, at_us: u64, client: &str, way: FrameWay, frame: &str) {
        if self.server.len() >= 2 * MAX_STEPS {
            return;
        }
        let read = Frame::read(frame);
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

/// Who is drawn, from left to right; the server is where `None` stands.
#[derive(Debug)]
struct Columns {
    drawn: Vec<Option<usize>>,
    /// Viewers that are in the trace, and not drawn.
    rest: Vec<usize>,
    canvas: Canvas,
}

impl Columns {
    fn of(ladder: &Ladder, diagnosis: &Diagnosis) -> Self {
        let peers = &ladder.peers;
        let mut viewers: Vec<usize> = (0..peers.len())
            .filter(|peer| !peers[*peer].broadcaster)
            .collect();
        viewers.sort_by_key(|peer| natural(&peers[*peer].label));
        let mut wanted = viewers.clone();
        let mut only_broadcaster = None;
        if let Some(only) = &ladder.only {
            // The whole label counts more than its end.
            let whole = ladder.by_label.get(only).copied();
            let named = whole.or_else(|| (0..peers.len()).find(|peer| is_called(&peers[*peer].label, only)));
            wanted.retain(|peer| Some(*peer) == named);
            only_broadcaster = named.filter(|peer| peers[*peer].broadcaster);
        } else {
            let troubled: BTreeSet<&str> = diagnosis
                .causes
                .iter()
                .map(|cause| cause.viewer.as_str())
                .collect();
            let found: BTreeSet<&str> = diagnosis
                .findings
                .iter()
                .map(|found| found.peer.as_str())
                .collect();
            let rank = |peer: &usize| {
                let label = peers[*peer].label.as_str();
                (!troubled.contains(label), !found.contains(label))
            };
            wanted.sort_by_key(rank);
        }
        let mut by_room: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, peer) in peers.iter().enumerate().filter(|(_, peer)| peer.broadcaster) {
            by_room.entry(&peer.room).or_default().push(number);
        }
        let mut broadcasters: Vec<usize> = only_broadcaster.into_iter().collect();
        let mut chosen = Vec::new();
        for viewer in wanted {
            let room = by_room.get(peers[viewer].room.as_str()).map(Vec::as_slice);
            let more = room
                .unwrap_or_default()
                .iter()
                .filter(|peer| !broadcasters.contains(*peer));
            let more: Vec<usize> = more.copied().take(2).collect();
            if broadcasters.len() + more.len() + chosen.len() + 2 <= MAX_COLUMNS {
                broadcasters.extend(more);
                chosen.push(viewer);
            }
        }
        if ladder.only.is_none() && chosen.is_empty() {
            broadcasters = by_room.into_values().flatten().take(MAX_COLUMNS - 1).collect();
        }
        chosen.sort_by_key(|peer| natural(&peers[*peer].label));
        let rest = viewers
            .into_iter()
            .filter(|peer| !chosen.contains(peer))
            .collect();
        let mut drawn: Vec<Option<usize>> = broadcasters.into_iter().map(Some).collect();
        drawn.push(None);
        drawn.extend(chosen.into_iter().map(Some));
        let canvas = Canvas::of(drawn.len());
        Self { drawn, rest, canvas }
    }

    fn column(&self, peer: Option<usize>) -> Option<usize> {
        self.drawn.iter().position(|drawn| *drawn == peer)
    }

    fn has(&self, peer: usize) -> bool {
        self.drawn.contains(&Some(peer))
    }

    /// Viewers that are drawn.
    fn viewers(&self) -> usize {
        let server = self.column(None).unwrap_or_default();
        self.drawn.len().saturating_sub(server + 1)
    }

    fn head(&self, ladder: &Ladder) -> Vec<String> {
        let mut lines = vec![
            "Time in ms, number of the event in the trace, and what happened. An arrow is a signaling message between"
                .to_owned(),
            "a peer and the signaling server; `x` ends one that never arrived. `*` is what a peer's own connection does."
                .to_owned(),
            "`(!)` says what is odd about a message, and `<<<` marks what a cause or a broken rule names."
                .to_owned(),
        ];
        if let Some(only) = &ladder.only
            && !ladder.peers.iter().any(|peer| is_called(&peer.label, only))
        {
            let mut labels: Vec<&str> = ladder.peers.iter().map(|peer| peer.label.as_str()).collect();
            labels.sort_by_key(|label| natural(label));
            lines.push(format!(
                "There is no peer {} in this trace; there are {}.",
                clipped(only, 40),
                clipped(&several(&labels), 50)
            ));
        }
        if !self.rest.is_empty() && ladder.only.is_none() {
            let labels: Vec<&str> = self
                .rest
                .iter()
                .map(|peer| ladder.peers[*peer].label.as_str())
                .collect();
            let without = self
                .rest
                .iter()
                .filter(|peer| ladder.peers[**peer].first_frame.is_none());
            lines.push(clipped(
                &format!(
                    "Not drawn: {} ({} without a picture). `--peer {}` draws one alone.",
                    several(&labels),
                    without.count(),
                    labels.first().copied().unwrap_or_default()
                ),
                draw::WIDTH,
            ));
        }
        if ladder.left_out > 0 {
            lines.push(format!(
                "{} steps after the first {MAX_STEPS} are left out.",
                ladder.left_out
            ));
        }
        lines.push(String::new());
        let label = |peer: &Option<usize>| match peer {
            Some(peer) => ladder.peers[*peer].label.clone(),
            None => "server".to_owned(),
        };
        let labels: Vec<String> = self.drawn.iter().map(label).collect();
        lines.push(self.canvas.names(labels.iter().map(String::as_str)));
        let name = |peer: &Option<usize>| match peer {
            Some(peer) => ladder.peers[*peer].names.last().map_or("", String::as_str),
            None => "",
        };
        if self.drawn.iter().any(|peer| !name(peer).is_empty()) {
            lines.push(self.canvas.names(self.drawn.iter().map(name)));
        }
        lines.push(self.canvas.empty());
        lines
    }

    /// Each step's lines, and whether a cause or a rule names it.
    fn draw(&self, ladder: &Ladder, diagnosis: &Diagnosis) -> Vec<Block> {
        let tags = tags(ladder, diagnosis);
        // Where the second half of a message is drawn by itself, it is the one that failed.
        let halves = ladder
            .steps
            .iter()
            .filter(|step| matches!(step.what, What::FromServer(_)));
        let halves: BTreeSet<u64> = halves.map(Step::number).collect();
        let mut shown: Vec<(Step, Vec<String>)> = Vec::new();
        // The last step of each pair of peers, with which the next one is folded if they are alike.
        let mut last: HashMap<(Option<usize>, Option<String>), usize> = HashMap::new();
        for step in &ladder.steps {
            if !self.shows(ladder, step) {
                continue;
            }
            let mut tagged: Vec<String> = Vec::new();
            let whole = |number: &&u64| matches!(step.what, What::FromServer(_)) || !halves.contains(number);
            for tag in step
                .numbers
                .iter()
                .filter(whole)
                .filter_map(|number| tags.get(number))
                .flatten()
            {
                if tagged.len() < MAX_TAGS && !tagged.contains(tag) {
                    tagged.push(tag.clone());
                }
            }
            let key = (step.peer, step.other.clone());
            if let Some((before, tags)) = last.get(&key).and_then(|number| shown.get_mut(*number))
                && *tags == tagged
                && before.folds(step)
            {
                before.count += 1;
                continue;
            }
            last.insert(key, shown.len());
            shown.push((step.clone(), tagged));
        }
        shown
            .into_iter()
            .map(|(step, tagged)| {
                let important = !tagged.is_empty() || !step.notes.is_empty();
                let mut notes = step.notes.clone();
                notes.extend(tagged);
                let number =
                    (step.peer.is_some() || matches!(step.what, What::Banner(_))).then(|| step.number());
                let shape = self.shape(ladder, &step);
                Block {
                    number: step.number(),
                    lines: self.canvas.step(step.at_us, number, &shape, &notes),
                    important,
                }
            })
            .collect()
    }

    fn shows(&self, ladder: &Ladder, step: &Step) -> bool {
        let Some(peer) = step.peer else { return true };
        if !self.has(peer) {
            return false;
        }
        if step.involves.is_some_and(|peer| self.has(peer)) {
            return true;
        }
        // What a broadcaster does for somebody who is not drawn.
        let other = step.other.as_deref().and_then(|name| ladder.named(peer, name));
        other.is_none_or(|other| self.has(other) || ladder.peers[peer].room != ladder.peers[other].room)
    }

    fn shape(&self, ladder: &Ladder, step: &Step) -> Shape {
        let at = self.column(step.peer).unwrap_or_default();
        let server = self.column(None).unwrap_or_default();
        let times = |text: &str| match step.count {
            1 => text.to_owned(),
            count => format!("{text} (x{count})"),
        };
        match &step.what {
            What::Arrow { way, name, kind, .. } => {
                let label = self.label(ladder, step, *way, name, kind);
                let (from, to) = if *way == FrameWay::Out {
                    (at, server)
                } else {
                    (server, at)
                };
                Shape::Arrow {
                    from,
                    to,
                    label,
                    broken: step.broken,
                }
            }
            What::FromServer(label) => Shape::Arrow {
                from: server,
                to: at,
                label: label.clone(),
                broken: true,
            },
            What::Mark(text) => Shape::Mark {
                at,
                text: times(text),
            },
            What::Checks {
                sent,
                answered,
                received,
                refused,
            } => {
                let refused = match refused {
                    0 => String::new(),
                    refused => format!(", {refused} refused"),
                };
                let checks = |count: &u64| match count {
                    1 => "1 check".to_owned(),
                    count => format!("{count} checks"),
                };
                let got = match (sent, received) {
                    (0, received) => format!("{} got", checks(received)),
                    (sent, _) => format!("{} sent, {answered} answered", checks(sent)),
                };
                let text = format!("{got}{refused}");
                Shape::Mark { at, text }
            }
            What::Banner(text) => Shape::Banner(times(text)),
        }
    }

    fn label(&self, ladder: &Ladder, step: &Step, way: FrameWay, name: &str, kind: &FrameKind) -> String {
        let FrameKind::Relayed { foldable, .. } = kind else {
            return match step.count {
                1 => name.to_owned(),
                count => format!("{count} x {name}"),
            };
        };
        let name = match (step.count, name) {
            (1, name) => name.to_owned(),
            (count, "candidate") => format!("{count} candidates"),
            (count, name) => format!("{count} x {name}"),
        };
        // With one viewer it goes without saying for whom a candidate is.
        let plain = *foldable && self.viewers() <= 1 && step.notes.is_empty();
        let side = if way == FrameWay::Out { "to" } else { "from" };
        match &step.other {
            Some(other) if !plain && !ladder.peers.is_empty() => {
                format!("{name} {side} {}", clipped(other, 20))
            }
            _ => name,
        }
    }
}

impl Step {
    /// Whether the next step of the same peers is told well enough by a count.
    fn folds(&self, next: &Self) -> bool {
        if self.broken != next.broken || self.notes != next.notes {
            return false;
        }
        match (&self.what, &next.what) {
            (
                What::Arrow { way, name, kind, .. },
                What::Arrow {
                    way: next_way,
                    name: next_name,
                    kind: next_kind,
                    ..
                },
            ) => {
                let foldable = |kind: &FrameKind| {
                    matches!(kind, FrameKind::Relayed { foldable: true, .. } | FrameKind::Other)
                };
                way == next_way && name == next_name && foldable(kind) && foldable(next_kind)
            }
            (What::Mark(text), What::Mark(next)) => text == next,
            _ => false,
        }
    }
}

/// What a step takes of the drawing.
#[derive(Debug)]
struct Block {
    number: u64,
    lines: Vec<String>,
    important: bool,
}

/// As many blocks as have room: those that matter, the first ones and the last ones.
fn fitted(blocks: Vec<Block>, room: usize) -> Vec<String> {
    let total: usize = blocks.iter().map(|block| block.lines.len()).sum();
    if total <= room {
        return blocks.into_iter().flat_map(|block| block.lines).collect();
    }
    // A block that is kept by itself costs a line more, which says what is left out before it.
    let mut kept = vec![false; blocks.len()];
    let mut left = room.saturating_sub(2);
    let mut take = |number: usize, most: usize, cost: usize| {
        let fits = room.saturating_sub(left) + cost <= most && cost <= left;
        if fits && !kept[number] {
            kept[number] = true;
            left -= cost;
        }
        fits
    };
    for (number, block) in blocks.iter().enumerate() {
        if block.important {
            take(number, room / 2, block.lines.len() + 1);
        }
    }
    for (number, block) in blocks.iter().enumerate() {
        if !take(number, room * 4 / 5, block.lines.len()) {
            break;
        }
    }
    for (number, block) in blocks.iter().enumerate().rev() {
        if !take(number, room, block.lines.len()) {
            break;
        }
    }
    let mut lines = Vec::new();
    let mut gap: Option<(u64, u64, usize)> = None;
    let tell = |gap: &mut Option<(u64, u64, usize)>, lines: &mut Vec<String>| {
        if let Some((first, last, count)) = gap.take() {
            lines.push(format!(
                "           … {count} steps are left out here, #{first} to #{last} …"
            ));
        }
    };
    for (block, kept) in blocks.into_iter().zip(kept) {
        if kept {
            tell(&mut gap, &mut lines);
            lines.extend(block.lines);
        } else {
            let (first, _, count) = gap.unwrap_or((block.number, block.number, 0));
            gap = Some((first, block.number, count + 1));
        }
    }
    tell(&mut gap, &mut lines);
    lines
}

/// What causes and rules name, by the number of the event.
fn tags(ladder: &Ladder, diagnosis: &Diagnosis) -> HashMap<u64, Vec<String>> {
    let mut tags: HashMap<u64, Vec<String>> = HashMap::new();
    let broken = ladder.steps.iter().filter(|step| step.broken);
    let broken: BTreeSet<u64> = broken.map(Step::number).collect();
    for cause in &diagnosis.causes {
        let kind = closing::kind(cause.kind);
        match (&cause.shown_by, &cause.last) {
            (Some(shown), _) => tags.entry(shown.number).or_default().push(format!("<<< {kind}")),
            (None, Some(last)) => {
                // Where nothing shows the failure, it lies behind the last step that was right.
                let tag = if broken.contains(&last.number) {
                    format!("<<< {kind}")
                } else {
                    format!("<<< right until here; what should follow is missing: {kind}")
                };
                tags.entry(last.number).or_default().push(tag);
            }
            (None, None) => {}
        }
    }
    for finding in diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Note)
    {
        let tag = format!("<<< {}", clipped(&finding.rule, 12));
        let of_event = tags.entry(finding.effect.number).or_default();
        if of_event.len() < MAX_TAGS * 4 {
            of_event.push(tag);
        }
    }
    tags
}

/// The name of a server's client, if the label is one of a server.
fn server_client(label: &str) -> Option<&str> {
    if last_part(label) == "server" {
        return Some("");
    }
    let (before, client) = label.rsplit_once('/')?;
    (last_part(before) == "server").then_some(client)
}

fn last_part(label: &str) -> &str {
    label.rsplit_once('/').map_or(label, |(_, last)| last)
}

fn room_of(label: &str) -> &str {
    label.rsplit_once('/').map_or("", |(room, _)| room)
}

fn is_called(label: &str, name: &str) -> bool {
    label == name || last_part(label) == name
}

/// By which `viewer-10` comes after `viewer-9`.
fn natural(label: &str) -> (String, u64, String) {
    let digits = label.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (name, number) = label.split_at(label.len() - digits);
    (
        name.to_owned(),
        number.parse().unwrap_or_default(),
        label.to_owned(),
    )
}

/// The first few of them.
fn several(labels: &[&str]) -> String {
    const SHOWN: usize = 3;
    let first = labels.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match labels.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
