//! What a socket does while its connection is being established, and no longer after.
//!
//! Early media waits: the DTLS server is connected one flight before the client and may send at once
//! (RFC 5763 section 5), and the network may reorder that flight. The stack drops such packets, and
//! with them the first key frame. And the stack is nudged: adding a remote candidate does not wake its
//! driver, which then starts the connectivity checks only after its next timer, up to a second later.
//!
//! Owns that queue and that nudge; it reads no more of a datagram than its first byte.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use webrtc::runtime::RecvMeta;

/// Receives that may wait; a key frame of 140 KB is 120 packets.
const MAX_HELD: usize = 256;

/// Holds media back, and nudges the driver, until it is opened.
#[derive(Debug, Default)]
pub(crate) struct Connecting {
    open: AtomicBool,
    nudged: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: VecDeque<(Vec<u8>, RecvMeta)>,
    waker: Option<Waker>,
}

impl Connecting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// DTLS is done: what waits is delivered, and nothing waits any more.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes the driver look at its timers again.
    pub(crate) fn nudge(&self) {
        self.nudged.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether there was a nudge since this was last asked.
    pub(crate) fn take_nudge(&self) -> bool {
        self.nudged.swap(false, Ordering::AcqRel)
    }

    fn wake(&self) {
        let waker = self.state().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a receive would give something that is not the network's: a nudge, or what was held back.
    #[cfg(feature = "sim")]
    pub(crate) fn has_work(&self) -> bool {
        if self.is_open() {
            !self.state().held.is_empty()
        } else {
            self.nudged.load(Ordering::Acquire)
        }
    }

    /// Whoever polls the socket out of turn is woken by what comes, and not by what is there already.
    pub(crate) fn remember(&self, waker: &Waker) {
        self.state().waker = Some(waker.clone());
    }

    /// Has whoever polls the socket poll it again.
    #[cfg(feature = "sim")]
    pub(crate) fn poll_again(&self) {
        self.wake();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whoever polls the socket in the meantime is woken by the opening and by a nudge.
    pub(crate) fn register(&self, waker: &Waker) {
        self.state().waker = Some(waker.clone());
        if self.is_open() || self.nudged.load(Ordering::Acquire) {
            waker.wake_by_ref();
        }
    }

    /// Takes the media out of `count` receives and moves the others together; gives how many those are.
    pub(crate) fn hold_back(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
        count: usize,
    ) -> usize {
        let mut kept = 0;
        for at in 0..count {
            let len = meta[at].len.min(bufs[at].len());
            if is_media(&bufs[at][..len]) {
                let mut state = self.state();
                if state.held.len() < MAX_HELD {
                    state.held.push_back((bufs[at][..len].to_vec(), meta[at]));
                }
                continue;
            }
            if kept != at {
                let (before, after) = bufs.split_at_mut(at);
                before[kept][..len].copy_from_slice(&after[0][..len]);
                meta[kept] = meta[at];
            }
            kept += 1;
        }
        kept
    }

    /// Delivers what waited, once it is open; gives how many receives those are.
    pub(crate) fn deliver(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut state = self.state();
        let room = bufs.len().min(meta.len());
        let mut delivered = 0;
        while delivered < room {
            let Some((bytes, received)) = state.held.pop_front() else {
                break;
            };
            let len = bytes.len().min(bufs[delivered].len());
            bufs[delivered][..len].copy_from_slice(&bytes[..len]);
            meta[delivered] = received;
            meta[delivered].len = len;
            delivered += 1;
        }
        delivered
    }
}

/// SRTP or SRTCP by its first byte (RFC 7983 section 7).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receives(first_bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<RecvMeta>) {
        let buffers = first_bytes.iter().map(|byte| vec![*byte, 7, 0, 0]).collect();
        let mut meta = vec![RecvMeta::default(); first_bytes.len()];
        meta.iter_mut().for_each(|meta| (meta.len, meta.stride) = (2, 2));
        (buffers, meta)
    }

    #[test]
    fn media_waits_and_the_rest_passes_in_order() {
        let connecting = Connecting::default();
        let (mut buffers, mut meta) = receives(&[22, 128, 0, 129, 23]);
        let mut bufs: Vec<IoSliceMut<'_>> =
            buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let kept = connecting.hold_back(&mut bufs, &mut meta, 5);
        assert_eq!(
            bufs[..kept].iter().map(|buf| buf[0]).collect::<Vec<_>>(),
            [22, 0, 23]
        );
        connecting.open();
        assert_eq!(connecting.deliver(&mut bufs[..1], &mut meta), 1);
        assert_eq!((bufs[0][0], meta[0].len), (128, 2));
        assert_eq!(connecting.deliver(&mut bufs, &mut meta), 1);
        assert_eq!(bufs[0][0], 129);
        assert_eq!(connecting.deliver(&mut bufs, &mut meta), 0);
    }

    #[test]
    fn a_nudge_is_taken_once() {
        let connecting = Connecting::default();
        assert!(!connecting.take_nudge());
        connecting.nudge();
        assert!(connecting.take_nudge());
        assert!(!connecting.take_nudge());
    }

    #[test]
    fn what_waits_is_bounded() {
        let connecting = Connecting::default();
        for _ in 0..MAX_HELD * 2 {
            let (mut buffers, mut meta) = receives(&[150]);
            let mut bufs = [IoSliceMut::new(&mut buffers[0])];
            assert_eq!(connecting.hold_back(&mut bufs, &mut meta, 1), 0);
        }
        assert_eq!(connecting.state().held.len(), MAX_HELD);
    }
}
