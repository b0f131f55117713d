//! The bounded queue between whoever sends and the task that owns a socket.
//!
//! Holds text frames in order and never drops one while the connection lives: a frame that does not fit is refused,
//! and its sender decides what that means. Knows neither sockets nor messages.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// How much may wait in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of text.
    pub bytes: usize,
}

/// How much waited when something did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Why a push put nothing into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    Full(Full),
    Closed,
}

/// A queue with one consumer, and the word `C` by which the connection is told to end.
#[derive(Debug)]
pub(crate) struct Outbox<C> {
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C> {
    limits: QueueLimits,
    queue: VecDeque<Utf8Bytes>,
    bytes: usize,
    closing: Option<C>,
    closed: bool,
    consumer: Option<Waker>,
}

impl<C> Outbox<C> {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let state = State {
            limits,
            queue: VecDeque::new(),
            bytes: 0,
            closing: None,
            closed: false,
            consumer: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// What waits already stays, even if it is more than the new limits.
    #[cfg(feature = "server")]
    pub(crate) fn set_limits(&self, limits: QueueLimits) {
        self.lock().limits = limits;
    }

    /// Queues all of `frames` in order, or none of them.
    pub(crate) fn push(&self, frames: impl IntoIterator<Item = Utf8Bytes>) -> Result<(), PushError> {
        let mut state = self.lock();
        if state.closed {
            return Err(PushError::Closed);
        }
        let (messages, bytes) = (state.queue.len(), state.bytes);
        for frame in frames {
            state.bytes += frame.len();
            state.queue.push_back(frame);
        }
        if state.queue.len() > state.limits.messages || state.bytes > state.limits.bytes {
            state.queue.truncate(messages);
            state.bytes = bytes;
            return Err(PushError::Full(Full { messages, bytes }));
        }
        wake(state);
        Ok(())
    }

    /// Takes no more frames and tells the consumer to end. The first word holds.
    pub(crate) fn close(&self, word: C) {
        let mut state = self.lock();
        if !state.closed {
            state.closed = true;
            state.closing = Some(word);
        }
        wake(state);
    }

    /// Takes no more frames, without a word: the consumer knows.
    pub(crate) fn shut(&self) {
        self.lock().closed = true;
    }

    /// The word, once.
    pub(crate) fn take_closing(&self) -> Option<C> {
        self.lock().closing.take()
    }

    /// The next frame. Pending also registers for [`Self::close`].
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Utf8Bytes> {
        let mut state = self.lock();
        match state.queue.pop_front() {
            Some(frame) => {
                state.bytes -= frame.len();
                Poll::Ready(frame)
            }
            None => {
                register(&mut state, cx);
                Poll::Pending
            }
        }
    }

    /// Has the consumer woken by the next push or close, without taking a frame.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        register(&mut self.lock(), cx);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        // Every critical section above leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn register<C>(state: &mut State<C>, cx: &Context<'_>) {
    match &mut state.consumer {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}

/// Wakes outside the lock, so that the consumer does not run into it.
fn wake<C>(mut state: MutexGuard<'_, State<C>>) {
    let consumer = state.consumer.take();
    drop(state);
    if let Some(consumer) = consumer {
        consumer.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(messages: usize, bytes: usize) -> Outbox<&'static str> {
        Outbox::new(QueueLimits { messages, bytes })
    }

    fn drain(outbox: &Outbox<&'static str>) -> Vec<String> {
        let cx = Context::from_waker(Waker::noop());
        let mut frames = Vec::new();
        while let Poll::Ready(frame) = outbox.poll_next(&cx) {
            frames.push(frame.to_string());
        }
        frames
    }

    #[test]
    fn frames_leave_in_order_and_free_their_place() {
        let outbox = outbox(2, 10);
        for _ in 0..3 {
            assert_eq!(outbox.push(["one".into(), "two".into()]), Ok(()));
            assert_eq!(drain(&outbox), ["one", "two"]);
        }
    }

    #[test]
    fn a_push_that_does_not_fit_leaves_nothing_behind() {
        let by_count = outbox(2, 100);
        by_count.push(["a".into()]).unwrap();
        let full = PushError::Full(Full {
            messages: 1,
            bytes: 1,
        });
        assert_eq!(by_count.push(["b".into(), "c".into()]), Err(full));
        assert_eq!(by_count.push(["d".into()]), Ok(()));
        assert_eq!(drain(&by_count), ["a", "d"]);

        let by_bytes = outbox(100, 4);
        by_bytes.push(["abc".into()]).unwrap();
        assert!(matches!(by_bytes.push(["de".into()]), Err(PushError::Full(_))));
        assert_eq!(by_bytes.push(["f".into()]), Ok(()));
        assert_eq!(drain(&by_bytes), ["abc", "f"]);
    }

    #[test]
    fn the_first_word_holds_and_what_waited_can_still_leave() {
        let outbox = outbox(2, 10);
        outbox.push(["last".into()]).unwrap();
        outbox.close("first");
        outbox.close("second");
        assert_eq!(outbox.push(["late".into()]), Err(PushError::Closed));
        assert_eq!(outbox.take_closing(), Some("first"));
        assert_eq!(outbox.take_closing(), None);
        assert_eq!(drain(&outbox), ["last"]);
    }
}
