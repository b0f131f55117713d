//! Events with what each of them has to wait for, and every order that keeps to it.
//!
//! Owns the partial order and the clock. It must not know what an event means.

use std::collections::HashMap;

use greenroom::trace::{TraceEvent, TraceKind};

/// An event's place in a [`Weave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Knot(usize);

/// Events of a call before they are put into an order.
#[derive(Debug, Default)]
pub(crate) struct Weave {
    events: Vec<(String, TraceKind)>,
    /// By event, those that come before it.
    before: Vec<Vec<usize>>,
    /// The last event of each thread: what one task does, or what one channel carries, is in order.
    threads: HashMap<String, usize>,
    /// What the next event of a thread waits for beside its predecessor.
    waiting: HashMap<String, Vec<usize>>,
}

impl Weave {
    /// Adds an event of `peer` behind the last one of the same thread and behind `after`.
    pub(crate) fn add(&mut self, thread: &str, peer: &str, event: TraceKind, after: &[Knot]) -> Knot {
        let number = self.events.len();
        self.events.push((peer.to_owned(), event));
        let mut before: Vec<usize> = after.iter().map(|knot| knot.0).collect();
        before.extend(self.threads.insert(thread.to_owned(), number));
        before.extend(self.waiting.remove(thread).unwrap_or_default());
        self.before.push(before);
        Knot(number)
    }

    /// What comes next in a thread waits for `knot` as well.
    pub(crate) fn wait(&mut self, thread: &str, knot: Knot) {
        self.waiting.entry(thread.to_owned()).or_default().push(knot.0);
    }

    /// The last event of a thread.
    pub(crate) fn last(&self, thread: &str) -> Option<Knot> {
        self.threads.get(thread).copied().map(Knot)
    }

    /// `later` comes after `sooner` as well. Only for events of which `later` was added afterwards.
    pub(crate) fn order(&mut self, sooner: Knot, later: Knot) {
        debug_assert!(sooner.0 < later.0, "an order that cannot be kept");
        self.before[later.0].push(sooner.0);
    }

    /// One order that keeps to what waits for what. `choices` say, again and again from the first, which of the events
    /// that may come next does, and how much later; all zeros give the order in which they were added.
    pub(crate) fn events(self, choices: &[(u8, u8)]) -> Vec<TraceEvent> {
        let mut missing: Vec<usize> = self.before.iter().map(Vec::len).collect();
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); self.events.len()];
        for (event, before) in self.before.iter().enumerate() {
            for sooner in before {
                followers[*sooner].push(event);
            }
        }
        let mut ready: Vec<usize> = (0..missing.len()).filter(|event| missing[*event] == 0).collect();
        let mut choices = choices.iter().cycle();
        let mut at_us = 0;
        let mut ordered = Vec::with_capacity(self.events.len());
        while !ready.is_empty() {
            let (choice, pause) = choices.next().copied().unwrap_or_default();
            let event = ready.remove(usize::from(choice) % ready.len());
            at_us += [0, 100, 2_000, 20_000][usize::from(pause) % 4];
            let (peer, kind) = self.events[event].clone();
            ordered.push(TraceEvent {
                at_us,
                peer,
                event: kind,
            });
            for follower in &followers[event] {
                missing[*follower] -= 1;
                if missing[*follower] == 0 {
                    // In the order of adding, so that zeros choose what was added first.
                    let place = ready.partition_point(|other| other < follower);
                    ready.insert(place, *follower);
                }
            }
        }
        assert_eq!(ordered.len(), self.events.len(), "events wait for each other");
        ordered
    }
}
