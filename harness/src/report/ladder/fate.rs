//! What became of each message: whether it arrived, where, and as what.
//!
//! Owns the comparison of what was sent with what arrived, peer against peer and, where greenroom's own server wrote
//! down what it saw, hop by hop. Whether that was right is the checker's question.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::frame::FrameKind;
use super::meant::{Meant, is_unaddressed};
use super::{Ladder, Step, What};
use crate::rules::Diagnosis;
use crate::trace::FrameWay;

/// What was sent so shortly before the end may still be under way.
const GRACE_US: u64 = 1_000_000;
/// Messages of one content that are compared.
const MAX_COMPARED: usize = 64;

/// A message from peer to peer: which step, what, and from and to whom.
pub(super) struct Passed {
    step: usize,
    pub(super) peer: usize,
    pub(super) content: u64,
    pub(super) name: String,
    pub(super) from: Option<String>,
    to: Option<String>,
    done: bool,
}

/// Marks the steps whose message went wrong.
pub(super) fn tell(ladder: &mut Ladder, diagnosis: &Diagnosis) {
    let mut sent = passed(ladder, FrameWay::Out);
    let mut arrived = passed(ladder, FrameWay::In);
    as_sent(ladder, &mut sent, &mut arrived);
    let meant = Meant::of(ladder, &sent, &arrived);
    as_meant(ladder, &meant, &mut sent, &mut arrived);
    elsewhere(ladder, &meant, &mut sent, &mut arrived);
    changed(ladder, &mut sent, &mut arrived);
    again(ladder, &meant, &sent, &arrived);
    let mut hops = Hops::of(ladder);
    lost(ladder, &meant, &sent, &mut hops, &blamed(diagnosis));
    between_server_and_peers(ladder, hops);
    unanswered(ladder);
}

/// Events that a cause or a finding names: what became of them is known, however close to the end.
fn blamed(diagnosis: &Diagnosis) -> BTreeSet<u64> {
    let causes = diagnosis
        .causes
        .iter()
        .flat_map(|cause| cause.last.iter().chain(&cause.shown_by));
    let findings = diagnosis.findings.iter().map(|finding| &finding.effect);
    causes.chain(findings).map(|event| event.number).collect()
}

fn passed(ladder: &Ladder, wanted: FrameWay) -> Vec<Passed> {
    let steps = ladder.steps.iter().enumerate();
    steps
        .filter_map(|(number, step)| match &step.what {
            What::Arrow {
                way,
                name,
                kind: FrameKind::Relayed { content, .. },
                me,
                ..
            } if *way == wanted => {
                let (from, to) = match way {
                    FrameWay::Out => (me.clone(), step.other.clone()),
                    FrameWay::In => (step.other.clone(), me.clone()),
                };
                Some(Passed {
                    step: number,
                    peer: step.peer?,
                    content: *content,
                    name: name.clone(),
                    from,
                    to,
                    done: false,
                })
            }
            _ => None,
        })
        .collect()
}

/// What arrived where it was sent.
fn as_sent(ladder: &Ladder, sent: &mut [Passed], arrived: &mut [Passed]) {
    let room = |passed: &Passed| ladder.peers[passed.peer].room.clone();
    let key = |passed: &Passed| {
        let names = (passed.from.clone(), passed.to.clone());
        (room(passed), passed.content, names)
    };
    let mut waiting: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (number, passed) in sent.iter().enumerate() {
        waiting.entry(key(passed)).or_default().push_back(number);
    }
    for passed in arrived {
        if let Some(number) = waiting.get_mut(&key(passed)).and_then(VecDeque::pop_front) {
            passed.done = true;
            sent[number].done = true;
        }
    }
}

/// What arrived at whom it was meant for, in a protocol that names nobody: the ends of a message have names of their own.
fn as_meant(ladder: &Ladder, meant: &Meant, sent: &mut [Passed], arrived: &mut [Passed]) {
    let mut waiting: HashMap<(usize, u64), VecDeque<usize>> = HashMap::new();
    for (number, passed) in sent.iter().enumerate() {
        let to = passed
            .to
            .as_deref()
            .filter(|_| !passed.done && is_unaddressed(ladder, passed.peer));
        if let Some(receiver) = to.and_then(|name| meant.whom(ladder, passed.peer, name)) {
            waiting
                .entry((receiver, passed.content))
                .or_default()
                .push_back(number);
        }
    }
    for passed in arrived.iter_mut().filter(|passed| !passed.done) {
        let same = waiting.get_mut(&(passed.peer, passed.content));
        if let Some(number) = same.and_then(VecDeque::pop_front) {
            passed.done = true;
            sent[number].done = true;
        }
    }
}

/// What arrived at somebody else, or under another name.
fn elsewhere(ladder: &mut Ladder, meant: &Meant, sent: &mut [Passed], arrived: &mut [Passed]) {
    let mut waiting: HashMap<u64, Vec<usize>> = HashMap::new();
    for (number, passed) in sent.iter().enumerate().filter(|(_, passed)| !passed.done) {
        let same = waiting.entry(passed.content).or_default();
        if same.len() < MAX_COMPARED {
            same.push(number);
        }
    }
    for passed in arrived.iter_mut().filter(|passed| !passed.done) {
        let Some(same) = waiting.get_mut(&passed.content) else {
            continue;
        };
        let fits = |number: &usize| sent[*number].from == passed.from || sent[*number].to == passed.to;
        let Some(place) = same
            .iter()
            .position(fits)
            .or(if same.is_empty() { None } else { Some(0) })
        else {
            continue;
        };
        let other = &mut sent[same.remove(place)];
        let for_whom = other
            .to
            .as_deref()
            .and_then(|name| meant.whom(ladder, other.peer, name));
        let is_unknown = for_whom.is_none() && is_unaddressed(ladder, other.peer);
        if other.to.is_none() || is_unknown {
            // A protocol that names nobody, so there is nobody to mistake.
            other.done = true;
            passed.done = true;
            continue;
        }
        other.done = true;
        passed.done = true;
        let label = |peer: Option<usize>, name: &Option<String>| match peer {
            Some(peer) => ladder.peers[peer].label.clone(),
            None => name.clone().unwrap_or_else(|| "nobody".to_owned()),
        };
        let came_to = ladder.peers[passed.peer].label.clone();
        let (of_sent, of_arrived) = if for_whom == Some(passed.peer) {
            let says = passed.from.clone().unwrap_or_else(|| "nobody".to_owned());
            (
                format!("(!) came to {came_to} as if {says} had sent it"),
                format!("(!) {} sent it", ladder.peers[other.peer].label),
            )
        } else {
            (
                format!("(!) came to {came_to}"),
                format!("(!) was for {}", label(for_whom, &other.to)),
            )
        };
        let (sender, receiver) = (other.peer, passed.peer);
        note(&mut ladder.steps[other.step], of_sent, Some(receiver));
        note(&mut ladder.steps[passed.step], of_arrived, Some(sender));
    }
}

/// What arrived at the right peer as something else.
fn changed(ladder: &mut Ladder, sent: &mut [Passed], arrived: &mut [Passed]) {
    let key = |passed: &Passed| (passed.name.clone(), passed.from.clone(), passed.to.clone());
    let mut waiting: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (number, passed) in sent.iter().enumerate().filter(|(_, passed)| !passed.done) {
        waiting.entry(key(passed)).or_default().push_back(number);
    }
    for passed in arrived.iter_mut().filter(|passed| !passed.done) {
        let Some(number) = waiting.get_mut(&key(passed)).and_then(VecDeque::pop_front) else {
            continue;
        };
        let other = &mut sent[number];
        if ladder.peers[other.peer].room != ladder.peers[passed.peer].room {
            continue;
        }
        passed.done = true;
        other.done = true;
        let number = ladder.steps[other.step].number();
        note(
            &mut ladder.steps[passed.step],
            format!("(!) changed on the way since #{number}"),
            None,
        );
    }
}

/// What arrived more often than it was sent.
fn again(ladder: &mut Ladder, meant: &Meant, sent: &[Passed], arrived: &[Passed]) {
    let known: HashMap<u64, &Passed> = sent.iter().map(|passed| (passed.content, passed)).collect();
    for passed in arrived.iter().filter(|passed| !passed.done) {
        let from = passed
            .from
            .as_deref()
            .and_then(|name| ladder.named(passed.peer, name));
        let known = known.get(&passed.content);
        let for_other = known
            .filter(|sent| is_unaddressed(ladder, sent.peer))
            .and_then(|sent| meant.whom(ladder, sent.peer, sent.to.as_deref()?))
            .filter(|whom| *whom != passed.peer);
        let text = match (for_other, known) {
            (Some(whom), _) => format!("(!) was for {}", ladder.peers[whom].label),
            (None, Some(_)) => "(!) came again".to_owned(),
            (None, None) if from.is_some() => "(!) nobody sent it like this".to_owned(),
            // Its sender is in another process.
            (None, None) => continue,
        };
        note(&mut ladder.steps[passed.step], text, None);
    }
}

fn note(step: &mut Step, text: String, involves: Option<usize>) {
    step.notes.push(text);
    step.involves = involves.or(step.involves);
}

/// The frames that greenroom's own server read and wrote, until somebody claims them.
struct Hops {
    any: bool,
    read: HashMap<(String, u64), VecDeque<u64>>,
    /// By receiver and text: where in the list they are.
    wrote: HashMap<(String, u64), VecDeque<usize>>,
}

impl Hops {
    fn of(ladder: &Ladder) -> Self {
        let mut hops = Self {
            any: !ladder.server.is_empty(),
            read: HashMap::new(),
            wrote: HashMap::new(),
        };
        for (place, frame) in ladder.server.iter().enumerate() {
            let key = (frame.client.clone(), frame.text);
            match frame.way {
                FrameWay::In => hops.read.entry(key).or_default().push_back(frame.number),
                FrameWay::Out => hops.wrote.entry(key).or_default().push_back(place),
            }
        }
        hops
    }
}

/// What never arrived.
fn lost(ladder: &mut Ladder, meant: &Meant, sent: &[Passed], hops: &mut Hops, blamed: &BTreeSet<u64>) {
    let wrote = ladder.server.iter().filter(|frame| frame.way == FrameWay::Out);
    let sent_on: BTreeSet<(String, u64)> = wrote
        .filter_map(|frame| match &frame.kind {
            FrameKind::Relayed { content, .. } => Some((frame.client.clone(), *content)),
            _ => None,
        })
        .collect();
    for passed in sent {
        let step = &ladder.steps[passed.step];
        let What::Arrow { text, .. } = &step.what else {
            continue;
        };
        let key = passed.from.clone().map(|from| (from, *text));
        let read = key
            .and_then(|key| hops.read.get_mut(&key))
            .and_then(VecDeque::pop_front);
        if passed.done {
            continue;
        }
        let late = step.at_us.saturating_add(GRACE_US) > ladder.end_us && !blamed.contains(&step.number());
        let to = passed
            .to
            .as_deref()
            .and_then(|name| meant.whom(ladder, passed.peer, name));
        let Some(to) = to else {
            // Nobody in this trace has that name, so nobody can tell.
            continue;
        };
        let whom = ladder.peers[to].label.clone();
        let from = passed.from.clone().unwrap_or_default();
        let label = format!("{} from {from}", passed.name);
        let step = &mut ladder.steps[passed.step];
        if late {
            step.notes.push("(not there when the trace ends)".to_owned());
            continue;
        }
        match (hops.any, read) {
            (true, Some(read)) => {
                let key = (passed.to.clone().unwrap_or_default(), passed.content);
                let wrote = sent_on.contains(&key);
                // What the server wrote is told where it is looked at hop by hop.
                if !wrote {
                    let number = step.number();
                    let (at_us, involves) = (step.at_us, step.peer);
                    step.notes.push(format!("the server read it (#{read})"));
                    let note = format!("(never arrived) the server sent nothing on to {whom}");
                    let mut half = from_server(number, at_us, to, label, note);
                    half.involves = involves;
                    ladder.steps.push(half);
                } else {
                    step.notes
                        .push(format!("the server read it (#{read}) and sent it on"));
                }
            }
            (true, None) => {
                step.broken = true;
                step.notes
                    .push("(never arrived) the server never read it".to_owned());
            }
            (false, _) => {
                step.broken = true;
                step.notes.push("(never arrived)".to_owned());
            }
        }
    }
}

fn from_server(number: u64, at_us: u64, to: usize, label: String, note: String) -> Step {
    Step {
        numbers: vec![number],
        at_us,
        peer: Some(to),
        other: None,
        count: 1,
        what: What::FromServer(label),
        broken: true,
        notes: vec![note],
        involves: None,
    }
}

/// What greenroom's own server wrote and a peer never got.
fn between_server_and_peers(ladder: &mut Ladder, mut hops: Hops) {
    if !hops.any {
        return;
    }
    for step in &ladder.steps {
        if let What::Arrow {
            way: FrameWay::In,
            text,
            me: Some(me),
            ..
        } = &step.what
            && let Some(places) = hops.wrote.get_mut(&(me.clone(), *text))
        {
            places.pop_front();
        }
    }
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, peer) in ladder.peers.iter().enumerate() {
        for name in &peer.names {
            by_name.entry(name).or_default().push(number);
        }
    }
    let mut more = Vec::new();
    for frame in hops
        .wrote
        .into_values()
        .flatten()
        .filter_map(|place| ladder.server.get(place))
    {
        let late = frame.at_us.saturating_add(GRACE_US) > ladder.end_us;
        let worth = matches!(
            frame.kind,
            FrameKind::Relayed { .. } | FrameKind::Told | FrameKind::Joined(_)
        );
        // Of two rooms with the same names nobody can tell which one it was.
        let Some([to]) = by_name.get(frame.client.as_str()).map(Vec::as_slice) else {
            continue;
        };
        if late || !worth {
            continue;
        }
        let label = match &frame.peer {
            Some(from) if matches!(frame.kind, FrameKind::Relayed { .. }) => {
                format!("{} from {from}", frame.name)
            }
            _ => frame.name.clone(),
        };
        let mut half = from_server(
            frame.number,
            frame.at_us,
            *to,
            label,
            "(never arrived) as the server sent it".to_owned(),
        );
        half.other.clone_from(&frame.peer);
        more.push(half);
    }
    ladder.steps.extend(more);
}

/// Joins that nobody answered.
fn unanswered(ladder: &mut Ladder) {
    let mut answered: BTreeSet<usize> = BTreeSet::new();
    let end_us = ladder.end_us;
    for step in ladder.steps.iter_mut().rev() {
        let (Some(peer), What::Arrow { way, kind, name, .. }) = (step.peer, &step.what) else {
            continue;
        };
        match (way, kind) {
            (FrameWay::In, FrameKind::Joined(_)) => {
                answered.insert(peer);
            }
            (FrameWay::In, FrameKind::Told) if name.starts_with("error") => {
                answered.insert(peer);
            }
            (FrameWay::Out, FrameKind::Join { .. }) => {
                let late = step.at_us.saturating_add(GRACE_US) > end_us;
                if !answered.remove(&peer) && !late {
                    step.notes.push("(never answered)".to_owned());
                }
            }
            _ => {}
        }
    }
}
