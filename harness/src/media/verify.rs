//! Verification: is each frame that arrived the frame that was sent?
//!
//! Owns the mapping from RTP time to the ledger and the counts per connection. A frame is looked up
//! by its unwrapped RTP time plus an offset that is learned once per stream, and confirmed by its
//! digest; never by digest alone, because two frames may be equal. It does not decide what a count
//! means for the run.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::h264::FrameDigest;
use super::ledger::{LedgerFrame, LedgerTrack, Span};
use crate::clock::micros;

/// Frames that wait for their ledger entry; at 30 fps this is half a minute of a ledger that lags.
pub const MAX_PENDING: usize = 1_024;

/// Frame numbers remembered to tell a repeated frame from a late one.
const WINDOW: usize = 4_096;

/// Examples of lost and corrupt frames that are kept for the report.
const MAX_EXAMPLES: usize = 16;

/// A complete frame at a viewer, as far as verification needs it.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Unwrapped RTP timestamp.
    pub rtp_time: i64,
    /// Digest of its content.
    pub digest: FrameDigest,
    /// When its last packet arrived, in microseconds of the viewer's run clock.
    pub completed_us: u64,
}

/// What one arrived frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The frame that was sent, for the first time.
    Verified {
        /// The frame that was sent.
        frame: LedgerFrame,
        /// When it was complete, in microseconds of the viewer's run clock.
        completed_us: u64,
    },
    /// Sent at this time with another content.
    Corrupt {
        /// Number of the frame.
        index: u32,
    },
    /// The frame that was sent, once more.
    Repeated {
        /// Number of the frame.
        index: u32,
    },
    /// Nothing was sent at this RTP time.
    Unexpected {
        /// Unwrapped RTP timestamp.
        rtp_time: i64,
    },
}

/// Counts for one connection. `expected` = `verified` + `lost` + `corrupt`; the rest stands beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Frames handed to the connection from its first key frame until it left or the stream stopped.
    pub expected: u64,
    /// Frames that arrived complete and equal.
    pub verified: u64,
    /// Frames that never arrived complete.
    pub lost: u64,
    /// Frames that arrived complete and different.
    pub corrupt: u64,
    /// Verified frames that were complete later than the deadline after they were due.
    pub late: u64,
    /// Frames that arrived again.
    pub repeated: u64,
    /// Verified frames that came after a later one.
    pub reordered: u64,
    /// Frames whose packets arrived in part; each is lost or was repaired by a repetition.
    pub damaged: u64,
    /// Frames at RTP times at which nothing was sent.
    pub unexpected: u64,
    /// Numbers of the first lost frames.
    pub lost_examples: Vec<u32>,
    /// Numbers of the first corrupt frames.
    pub corrupt_examples: Vec<u32>,
}

impl Tally {
    /// Adds the counts of another connection.
    pub fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.verified += other.verified;
        self.lost += other.lost;
        self.corrupt += other.corrupt;
        self.late += other.late;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
        self.damaged += other.damaged;
        self.unexpected += other.unexpected;
        self.lost_examples.extend(&other.lost_examples);
        self.lost_examples.truncate(MAX_EXAMPLES);
        self.corrupt_examples.extend(&other.corrupt_examples);
        self.corrupt_examples.truncate(MAX_EXAMPLES);
    }
}

/// Whether more frames, or more of the ledger, may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    StreamGoesOn,
    StreamEnded,
}

/// How the RTP time of a stream relates to the ledger's media time.
#[derive(Debug)]
enum Offset {
    /// Offsets that every frame so far agrees with, and how many frames those were.
    Learning {
        candidates: Vec<i64>,
        confirmed: u32,
    },
    Known(i64),
}

/// Verifies the frames of one connection against the ledger.
#[derive(Debug)]
pub struct Verifier {
    deadline_us: u64,
    /// Microseconds to add to the ledger's clock to get the viewer's; `None` when they cannot be compared.
    clock_offset_us: Option<i64>,
    offset: Offset,
    /// First frame that was handed to the connection; nothing is learned before it is known.
    first: Option<u32>,
    pending: VecDeque<Arrived>,
    seen: Window,
    missing: VecDeque<u32>,
    tally: Tally,
}

impl Verifier {
    /// A verifier for one stream. Frames complete more than `deadline` after they were due are late.
    pub fn new(deadline: Duration, clock_offset_us: Option<i64>) -> Self {
        Self {
            deadline_us: micros(deadline),
            clock_offset_us,
            offset: Offset::Learning {
                candidates: Vec::new(),
                confirmed: 0,
            },
            first: None,
            pending: VecDeque::new(),
            seen: Window::default(),
            missing: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Sets how the ledger's clock relates to the viewer's, once the ledger's header is known.
    pub fn set_clock_offset(&mut self, offset_us: Option<i64>) {
        self.clock_offset_us = offset_us;
    }

    /// Tells which frame was the first that was handed to the connection.
    ///
    /// Content repeats: a still picture, silence, a file that is played again. Of equal frames, those that were
    /// sent before the connection was there are no candidates, and those after it are few when the first arrive.
    pub fn opened(&mut self, first: u32) {
        self.first.get_or_insert(first);
    }

    /// Whether [`opened`](Self::opened) is still to be called.
    pub fn awaits_opening(&self) -> bool {
        self.first.is_none()
    }

    /// Takes a frame and pushes every judgement that it makes possible.
    pub fn frame(&mut self, frame: Arrived, ledger: &LedgerTrack, out: &mut Vec<Judgement>) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
            self.tally.unexpected += 1;
        }
        self.learn(&frame, ledger);
        self.pending.push_back(frame);
        self.judge_pending(ledger, End::NotYet, out);
    }

    /// Counts a frame whose packets will never be complete.
    pub fn damaged(&mut self) {
        self.tally.damaged += 1;
    }

    /// Judges what waited for the ledger.
    pub fn ledger_grew(&mut self, ledger: &LedgerTrack, out: &mut Vec<Judgement>) {
        if matches!(self.offset, Offset::Learning { .. }) {
            let waiting: Vec<Arrived> = self.pending.iter().copied().collect();
            self.offset = Offset::Learning {
                candidates: Vec::new(),
                confirmed: 0,
            };
            waiting.iter().for_each(|frame| self.learn(frame, ledger));
        }
        self.judge_pending(ledger, End::NotYet, out);
    }

    /// How the ledger's clock relates to the viewer's, in microseconds.
    pub fn clock_offset_us(&self) -> Option<i64> {
        self.clock_offset_us
    }

    /// The frame that was sent at this RTP time, once the stream's offset is known.
    pub fn sent_at<'a>(&self, rtp_time: i64, ledger: &'a LedgerTrack) -> Option<&'a LedgerFrame> {
        match self.offset {
            Offset::Known(offset) => ledger.at_media_time(rtp_time - offset),
            Offset::Learning { .. } => None,
        }
    }

    /// The number of the highest frame verified or found corrupt so far.
    pub fn highest(&self) -> Option<u32> {
        self.seen.highest
    }

    /// The number of the lowest frame verified or found corrupt so far.
    pub fn lowest(&self) -> Option<u32> {
        self.seen.lowest
    }

    /// The counts so far; `expected` and `lost` are known only after [`finish`](Self::finish).
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Ends the connection: everything in `span` up to frame `until` should have arrived.
    pub fn finish(
        mut self,
        span: Option<Span>,
        until: Option<u32>,
        ledger: &LedgerTrack,
        out: &mut Vec<Judgement>,
    ) -> Tally {
        if let Offset::Learning { candidates, .. } = &self.offset
            && let [only] = candidates[..]
        {
            // A stream of a single frame, or of frames that are all alike but one.
            self.offset = Offset::Known(only);
        }
        let end = if span.is_some_and(|span| span.last.is_some()) {
            End::StreamEnded
        } else {
            End::StreamGoesOn
        };
        self.judge_pending(ledger, end, out);
        let Some(span) = span else {
            // Nothing is known to have been handed over, so only what arrived can have been expected.
            self.tally.expected = self.tally.verified + self.tally.corrupt;
            return self.tally;
        };
        let last = match (span.last, until) {
            (Some(last), Some(until)) => Some(last.min(until)),
            (last, until) => last.or(until).or(self.seen.highest),
        };
        // A frame that arrived was expected, even when it was handed over after the moment of leaving.
        let last = last.max(self.seen.highest.filter(|highest| *highest >= span.first));
        let Some(last) = last.filter(|last| *last >= span.first) else {
            return self.tally;
        };
        // A frame that found no room in the connection's queue was due to it all the same.
        let handed = u64::from(last - span.first + 1);
        let arrived = self.tally.verified + self.tally.corrupt;
        self.tally.expected = handed.max(arrived);
        self.tally.lost = self.tally.expected - arrived;
        if self.tally.lost > 0 {
            let first_seen = self.seen.lowest.unwrap_or(last + 1);
            let before = (span.first..first_seen.min(last + 1)).take(MAX_EXAMPLES);
            let after = (self.seen.highest.map_or(last + 1, |highest| highest + 1)..=last).take(MAX_EXAMPLES);
            let between = self.missing.iter().copied();
            self.tally.lost_examples = before.chain(between).chain(after).take(MAX_EXAMPLES).collect();
        }
        self.tally
    }

    fn learn(&mut self, frame: &Arrived, ledger: &LedgerTrack) {
        let Offset::Learning {
            candidates,
            confirmed,
        } = &mut self.offset
        else {
            return;
        };
        let Some(first) = self.first else { return };
        let mut offsets = ledger
            .with_content(frame.digest.picture)
            .filter(|sent| sent.index >= first)
            .map(|sent| frame.rtp_time - sent.media_time)
            .peekable();
        if offsets.peek().is_none() {
            return;
        }
        let agreed: Vec<i64> = if *confirmed == 0 {
            offsets.collect()
        } else {
            offsets.filter(|offset| candidates.contains(offset)).collect()
        };
        if agreed.is_empty() {
            // A frame that contradicts the ones before: start over rather than trust either.
            *confirmed = 0;
            candidates.clear();
            return;
        }
        *confirmed += 1;
        *candidates = agreed;
        if let ([only], true) = (&candidates[..], *confirmed >= 2) {
            self.offset = Offset::Known(*only);
        }
    }

    /// Judges every frame that waits and can be judged. At the end of a stream that is known to its end
    /// the others were never sent; of one that goes on they only came after what is known of it.
    fn judge_pending(&mut self, ledger: &LedgerTrack, end: End, out: &mut Vec<Judgement>) {
        let Offset::Known(offset) = self.offset else {
            if end != End::NotYet {
                self.tally.unexpected += self.pending.len() as u64;
                self.pending.clear();
            }
            return;
        };
        let mut waiting = VecDeque::new();
        while let Some(frame) = self.pending.pop_front() {
            let media_time = frame.rtp_time - offset;
            let sent = ledger.at_media_time(media_time).copied();
            let is_ahead = ledger
                .newest()
                .is_none_or(|newest| newest.media_time < media_time);
            match (sent, is_ahead, end) {
                (None, true, End::NotYet) => waiting.push_back(frame),
                (None, true, End::StreamGoesOn) => {}
                _ => out.push(self.judge(frame, sent)),
            }
        }
        self.pending = waiting;
    }

    fn judge(&mut self, arrived: Arrived, sent: Option<LedgerFrame>) -> Judgement {
        let Some(frame) = sent else {
            self.tally.unexpected += 1;
            return Judgement::Unexpected {
                rtp_time: arrived.rtp_time,
            };
        };
        let index = frame.index;
        if self.seen.contains(index) {
            self.tally.repeated += 1;
            return Judgement::Repeated { index };
        }
        self.note_missing(index);
        let reordered = self.seen.insert(index);
        if !frame.digest().matches(&arrived.digest) {
            self.tally.corrupt += 1;
            if self.tally.corrupt_examples.len() < MAX_EXAMPLES {
                self.tally.corrupt_examples.push(index);
            }
            return Judgement::Corrupt { index };
        }
        self.tally.verified += 1;
        self.tally.reordered += u64::from(reordered);
        if let Some(latency) = self.since_due_us(&frame, arrived.completed_us)
            && latency > self.deadline_us
        {
            self.tally.late += 1;
        }
        Judgement::Verified {
            frame,
            completed_us: arrived.completed_us,
        }
    }

    fn since_due_us(&self, frame: &LedgerFrame, completed_us: u64) -> Option<u64> {
        let due = i64::try_from(frame.due_us).ok()? + self.clock_offset_us?;
        Some(u64::try_from(i64::try_from(completed_us).ok()? - due).unwrap_or(0))
    }

    /// Remembers the numbers that were jumped over, and forgets one that came late.
    fn note_missing(&mut self, index: u32) {
        match self.seen.highest {
            Some(highest) if index > highest => {
                self.missing
                    .extend((highest + 1..index).take(MAX_EXAMPLES.saturating_sub(self.missing.len())));
            }
            Some(_) => self.missing.retain(|missing| *missing != index),
            None => {}
        }
    }
}

/// Which of the last [`WINDOW`] frame numbers were seen.
#[derive(Debug)]
struct Window {
    bits: Vec<u64>,
    lowest: Option<u32>,
    highest: Option<u32>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            bits: vec![0; WINDOW / 64],
            lowest: None,
            highest: None,
        }
    }
}

impl Window {
    fn contains(&self, index: u32) -> bool {
        match self.highest {
            Some(highest) if index <= highest => {
                let at = index as usize % WINDOW;
                // What fell out of the window counts as seen: so late a frame is a repetition for every purpose.
                (highest - index) as usize >= WINDOW || self.bits[at / 64] >> (at % 64) & 1 == 1
            }
            _ => false,
        }
    }

    /// Marks a number as seen and tells whether a higher one was seen before.
    fn insert(&mut self, index: u32) -> bool {
        let reordered = self.highest.is_some_and(|highest| index < highest);
        if let Some(highest) = self.highest {
            let jump = (index.saturating_sub(highest) as usize).min(WINDOW);
            for passed in 1..=jump {
                let at = (highest as usize + passed) % WINDOW;
                self.bits[at / 64] &= !(1 << (at % 64));
            }
        }
        let at = index as usize % WINDOW;
        self.bits[at / 64] |= 1 << (at % 64);
        self.highest = Some(self.highest.map_or(index, |highest| highest.max(index)));
        self.lowest = Some(self.lowest.map_or(index, |lowest| lowest.min(index)));
        reordered
    }
}

#[cfg(test)]
mod tests;
