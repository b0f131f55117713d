//! Between a client's dialect and its socket: frames that a filter lets take their time, and a reader that stalls.
//!
//! Owns the frames under way and their order, and what an observer sees of them. Writes and reads nothing itself.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Ask;
use crate::{
    Command, Direction, Event, FrameFate, FrameFilter, FrameObserver, ObservedFrame, dialect, outbox::Outbox,
};

/// Frames that may be under way; more are lost.
const MAX_UNDER_WAY: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Wire {
    filter: Option<FrameFilter>,
    observer: Option<FrameObserver>,
    /// Frames of this dialect do not say themselves what they mean.
    translates: bool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By due time, then in the order in which they came.
    under_way: BTreeMap<(Instant, u64), (Direction, Utf8Bytes)>,
    next: u64,
    stalled_until: Option<Instant>,
}

impl Wire {
    pub(super) fn new(
        filter: Option<FrameFilter>,
        observer: Option<FrameObserver>,
        translates: bool,
    ) -> Self {
        Self {
            filter,
            observer,
            translates,
            ..Self::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The frames that pass at once; the others are kept until they are due.
    pub(super) fn pass(&self, direction: Direction, frame: Utf8Bytes) -> Vec<Utf8Bytes> {
        let Some(filter) = &self.filter else {
            return vec![frame];
        };
        let now = Instant::now();
        let FrameFate::Instead(instead) = filter.decide(now, direction, &frame) else {
            return vec![frame];
        };
        let mut at_once = Vec::new();
        for late in instead {
            if late.after.is_zero() {
                at_once.push(late.text.into());
            } else {
                // What is due beyond the end of time is lost.
                if let Some(due) = now.checked_add(late.after) {
                    self.keep(due, direction, late.text.into());
                }
            }
        }
        at_once
    }

    /// A frame was sent: seen now if the socket will not show it as it is, or what it means.
    pub(super) fn sent(&self, text: &str, says: Option<&Command>) {
        if self.filter.is_some() || self.translates {
            self.observe(Direction::Sent, text, &self.meaning_of(says));
        }
    }

    /// A command was done, and no frame says so.
    pub(super) fn unsaid(&self, command: &Command) {
        self.observe(Direction::Sent, "", &self.meaning_of(Some(command)));
    }

    fn meaning_of(&self, says: Option<&Command>) -> Vec<String> {
        let translated = says.filter(|_| self.translates && self.observer.is_some());
        translated.and_then(dialect::of_command).into_iter().collect()
    }

    /// A frame was written.
    pub(super) fn written(&self, text: &str) {
        if self.filter.is_none() && !self.translates {
            self.observe(Direction::Sent, text, &[]);
        }
    }

    /// A frame came, or time passed: `events` is what it means.
    pub(super) fn received<'a>(&self, text: &str, events: impl IntoIterator<Item = &'a Event>) {
        let translated = events
            .into_iter()
            .filter(|_| self.translates && self.observer.is_some());
        let means: Vec<_> = translated.filter_map(dialect::of_event).collect();
        if !text.is_empty() || !means.is_empty() {
            self.observe(Direction::Received, text, &means);
        }
    }

    pub(super) fn observe(&self, direction: Direction, text: &str, means: &[String]) {
        if let Some(observer) = &self.observer {
            observer.observe(&ObservedFrame {
                at: Instant::now(),
                direction,
                connection: 0,
                peer: None,
                text,
                means,
            });
        }
    }

    /// Has the task look again.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Puts a frame on its way that nobody sent.
    pub(super) fn inject(&self, direction: Direction, frame: Utf8Bytes) {
        self.keep(Instant::now(), direction, frame);
    }

    fn keep(&self, due: Instant, direction: Direction, frame: Utf8Bytes) {
        let mut state = self.state();
        if state.under_way.len() >= MAX_UNDER_WAY {
            log::debug!("a frame is lost: {MAX_UNDER_WAY} are under way already");
            return;
        }
        let place = (due, state.next);
        state.next += 1;
        state.under_way.insert(place, (direction, frame));
        drop(state);
        self.changed.notify_one();
    }

    /// Resolves when a frame is due, at `alarm`, or when there is something new to look at. Cancel-safe.
    pub(super) async fn due(&self, alarm: Option<Instant>) {
        let frame = self.state().under_way.first_key_value().map(|((at, _), _)| *at);
        let next = frame.into_iter().chain(alarm).min();
        tokio::select! {
            biased;
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            () = self.changed.notified() => {}
        }
    }

    /// The next frame that is due by `now`.
    pub(super) fn take_due(&self, now: Instant) -> Option<(Direction, Utf8Bytes)> {
        let mut state = self.state();
        let (due, _) = *state.under_way.first_key_value()?.0;
        (due <= now)
            .then(|| state.under_way.pop_first())?
            .map(|(_, frame)| frame)
    }

    /// The received frames that are still under way, in the order in which they are due.
    pub(super) fn take_received(&self) -> Vec<Utf8Bytes> {
        let under_way = std::mem::take(&mut self.state().under_way);
        under_way
            .into_values()
            .filter(|(direction, _)| *direction == Direction::Received)
            .map(|(_, frame)| frame)
            .collect()
    }

    /// Reads nothing for this long.
    pub(super) fn stall(&self, duration: Duration) {
        let until = Instant::now().checked_add(duration);
        let mut state = self.state();
        state.stalled_until = state.stalled_until.max(until);
        drop(state);
        self.changed.notify_one();
    }

    /// Until when nothing is read.
    pub(super) fn stalled_until(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        state.stalled_until = state.stalled_until.filter(|until| now < *until);
        state.stalled_until
    }

    /// Closes an outbox behind what is still under way to it: no close frame overtakes a message.
    pub(super) fn close(&self, outbox: &Outbox<Ask>) {
        let under_way = std::mem::take(&mut self.state().under_way);
        let sent = under_way
            .into_values()
            .filter(|(direction, _)| *direction == Direction::Sent)
            .map(|(_, frame)| frame);
        // What does not fit is lost with the connection.
        let _ = outbox.push(sent);
        outbox.close(Ask::Close);
    }
}
