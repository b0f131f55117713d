//! The ladder's columns, and what each step looks like in them.
//!
//! Owns who is drawn, which steps that shows, and which of them are one line with a count. It knows nothing of lines
//! and arrows, which the canvas draws.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::draw::{self, Canvas, Shape};
use super::fitted::Block;
use super::frame::{FrameKind, clipped};
use super::{Ladder, MAX_STEPS, Step, What};
use crate::check::Severity;
use crate::rules::Diagnosis;
use crate::trace::FrameWay;
use crate::trace::label::is_called;

/// Columns that are drawn.
const MAX_COLUMNS: usize = 6;
/// Marks of causes and rules on one step.
const MAX_TAGS: usize = 4;

/// Who is drawn, from left to right; the server is where `None` stands.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) drawn: Vec<Option<usize>>,
    /// Viewers that are in the trace, and not drawn.
    rest: Vec<usize>,
    canvas: Canvas,
}

impl Columns {
    pub(super) fn of(ladder: &Ladder, diagnosis: &Diagnosis) -> Self {
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

    pub(super) fn column(&self, peer: Option<usize>) -> Option<usize> {
        self.drawn.iter().position(|drawn| *drawn == peer)
    }

    pub(super) fn has(&self, peer: usize) -> bool {
        self.drawn.contains(&Some(peer))
    }

    /// Viewers that are drawn.
    fn viewers(&self) -> usize {
        let server = self.column(None).unwrap_or_default();
        self.drawn.len().saturating_sub(server + 1)
    }

    pub(super) fn head(&self, ladder: &Ladder) -> Vec<String> {
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
    pub(super) fn draw(&self, ladder: &Ladder, diagnosis: &Diagnosis) -> Vec<Block> {
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
                text: format!("{}{}", times(text), self.whose(ladder, step, text)),
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
                    (sent, _) => {
                        let answers = if *answered == 1 { "answer" } else { "answers" };
                        format!("{} sent, {answered} {answers} got", checks(sent))
                    }
                };
                let text = format!("{got}{refused}{}", self.whose(ladder, step, ""));
                Shape::Mark { at, text }
            }
            What::Banner(text) => Shape::Banner(times(text)),
        }
    }

    /// For which viewer a broadcaster does something, where there are several and its text does not say so.
    fn whose(&self, ladder: &Ladder, step: &Step, text: &str) -> String {
        let many = self.viewers() > 1 && step.peer.is_some_and(|peer| ladder.peers[peer].broadcaster);
        match &step.other {
            Some(other) if many && !text.contains(other.as_str()) => format!(" ({})", clipped(other, 20)),
            _ => String::new(),
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

/// What causes and rules name, by the number of the event.
fn tags(ladder: &Ladder, diagnosis: &Diagnosis) -> HashMap<u64, Vec<String>> {
    let mut tags: HashMap<u64, Vec<String>> = HashMap::new();
    let broken = ladder.steps.iter().filter(|step| step.broken);
    let broken: BTreeSet<u64> = broken.map(Step::number).collect();
    for cause in &diagnosis.causes {
        let kind = cause.kind;
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

/// By which `viewer-10` comes after `viewer-9`.
pub(super) fn natural(label: &str) -> (String, u64, String) {
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
