//! One connection of a viewer: its frames verified, measured and perhaps decoded.
//!
//! Owns what a viewer knows of one broadcaster's stream, from the offer to the close. It sends nothing
//! by itself except requests for key frames.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use greenroom_signaling::PeerId;
use tokio::time::Instant;

use super::{Progress, Shared};
use crate::engine::{ConnectionHandle, ConnectionId, ConnectionStats, EngineCommand};
use crate::measure::distribution::Distribution;
use crate::measure::freeze::{FreezeDetector, Freezes};
use crate::media::codec::Codec;
use crate::media::decode::{Decoder, Seen};
use crate::media::ledger::Ledger;
use crate::media::reassemble::ReceivedFrame;
use crate::media::verify::{Arrived, Judgement, Tally, Verifier};
use crate::trace::TraceKind;

/// Least time between two requests for a key frame from one viewer.
const KEY_FRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// Time without a key frame after which one is asked for.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(300);

/// Decoded pictures that may wait for the ledger: four seconds at 30 fps.
const MAX_SHOWN: usize = 128;

/// What the decoder of a viewer saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Frames that gave a picture.
    pub(crate) frames: u64,
    /// Stamps that are the ones of the frames that were sent.
    pub(crate) stamps_matched: u64,
    /// Stamps that are others.
    pub(crate) stamps_wrong: u64,
    /// Pictures without a readable stamp that should have had one.
    pub(crate) stamps_unreadable: u64,
    /// Pictures that are black because the broadcaster is muted.
    pub(crate) muted_black: u64,
    /// Pictures that are not black although the broadcaster is muted.
    pub(crate) muted_not_black: u64,
    /// Stamps read without a ledger to compare them with.
    pub(crate) stamps_read: u64,
    /// Frames that gave no picture.
    pub(crate) failed: u64,
}

/// What remains of a session when it is over.
#[derive(Debug)]
pub(crate) struct SessionRecord {
    pub(crate) broadcaster: String,
    pub(crate) viewer: String,
    verifier: Verifier,
    /// The viewer left after this frame was handed over; later ones are not expected.
    pub(crate) until: Option<u32>,
    pub(crate) freezes: Freezes,
    pub(crate) stats: Option<ConnectionStats>,
    pub(crate) decoded: Decoded,
    pub(crate) connected_at: Option<Instant>,
    pub(crate) first_key_at: Option<Instant>,
    pub(crate) ended_at: Instant,
    /// When the stream was stopped, if it was while this lasted.
    pub(crate) stopped_at: Option<Instant>,
    pub(crate) frames: u64,
}

impl SessionRecord {
    /// The final counts, once the ledger knows the last frame that was handed over.
    pub(crate) fn finish(self, ledger: &Ledger) -> Tally {
        let span = ledger.span(&self.broadcaster, &self.viewer);
        self.verifier.finish(span, self.until, ledger, &mut Vec::new())
    }
}

/// One stream as it comes in.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    label: String,
    pub(crate) id: ConnectionId,
    pub(crate) broadcaster: PeerId,
    viewer: String,
    pub(crate) handle: Option<ConnectionHandle>,
    verifier: Verifier,
    judged: Vec<Judgement>,
    freeze: FreezeDetector,
    decoder: Option<Decoder>,
    to_decode: VecDeque<(Instant, Box<ReceivedFrame>)>,
    /// Decoded pictures that wait for the ledger.
    shown: VecDeque<Shown>,
    decoded: Decoded,
    sampled: bool,
    /// Whether this is the viewer's first session: only that one counts as its join.
    first_of_viewer: bool,
    pub(crate) connected_at: Option<Instant>,
    pub(crate) first_key_at: Option<Instant>,
    pub(crate) first_decoded_at: Option<Instant>,
    stopped_at: Option<Instant>,
    key_frame_asked_at: Option<Instant>,
    key_frame_needed: bool,
    frames: u64,
    second: MediaSecond,
    pub(crate) stats: Option<ConnectionStats>,
    pub(crate) latency: Distribution,
}

/// A decoded picture, as far as it is compared.
#[derive(Debug)]
struct Shown {
    rtp_time: i64,
    completed_at: Instant,
    decoded_at: Instant,
    black: bool,
    /// Frame number in its stamp; `None` when that cannot be read.
    stamp: Option<u32>,
}

/// What one viewer received in one second.
#[derive(Debug, Default)]
struct MediaSecond {
    frames: u32,
    bytes: u64,
    verified: u64,
    key_frames: u32,
}

/// What a session is made of.
pub(crate) struct SessionSpec {
    pub(crate) label: String,
    pub(crate) id: ConnectionId,
    pub(crate) broadcaster: PeerId,
    pub(crate) viewer: String,
    pub(crate) handle: ConnectionHandle,
    /// Whether to decode.
    pub(crate) decode: bool,
    /// Whether each frame goes into the trace.
    pub(crate) sampled: bool,
    /// Whether it is the viewer's first session.
    pub(crate) first_of_viewer: bool,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, spec: SessionSpec) -> Self {
        let offset = clock_offset_us(&shared);
        let decoder = if spec.decode {
            Decoder::new(Codec::H264)
                .map_err(|error| log::error!("{error}"))
                .ok()
        } else {
            None
        };
        Self {
            verifier: Verifier::new(shared.scenario.deadlines.frame, offset),
            shared,
            label: spec.label,
            id: spec.id,
            broadcaster: spec.broadcaster,
            viewer: spec.viewer,
            handle: Some(spec.handle),
            judged: Vec::new(),
            freeze: FreezeDetector::default(),
            decoder,
            to_decode: VecDeque::new(),
            shown: VecDeque::new(),
            decoded: Decoded::default(),
            sampled: spec.sampled,
            first_of_viewer: spec.first_of_viewer,
            connected_at: None,
            first_key_at: None,
            first_decoded_at: None,
            stopped_at: None,
            key_frame_asked_at: None,
            key_frame_needed: false,
            frames: 0,
            second: MediaSecond::default(),
            stats: None,
            latency: Distribution::default(),
        }
    }

    /// Takes a complete frame.
    pub(crate) fn frame(&mut self, frame: Box<ReceivedFrame>) {
        self.frames += 1;
        self.second.frames += 1;
        self.second.bytes += u64::from(frame.bytes);
        self.second.key_frames += u32::from(frame.key);
        if frame.key && self.first_key_at.is_none() {
            self.first_key_at = Some(frame.completed_at);
            if self.first_of_viewer {
                self.shared.progress.announce(&self.shared.progress.joined);
            }
            self.shared
                .trace
                .at(frame.completed_at, &self.label, || TraceKind::FirstFrame {
                    connection: self.id.0,
                    bytes: frame.bytes,
                });
        }
        if let Some(gap) = self.freeze_before(&frame) {
            let ms = gap.as_secs_f64() * 1_000.0;
            self.shared
                .trace
                .at(frame.completed_at, &self.label, || TraceKind::Freeze { ms });
        }
        let arrived = Arrived {
            rtp_time: frame.rtp_time,
            digest: frame.digest,
            completed_us: self.shared.clock.us(frame.completed_at),
        };
        {
            let ledger = self.shared.ledger.lock();
            self.verifier.frame(arrived, &ledger, &mut self.judged);
        }
        self.note_judgements(Some(frame.bytes));
        if frame.access_unit.is_some() {
            let ready = Instant::now() + self.shared.scenario.planted_delays.decode;
            self.to_decode.push_back((ready, frame));
            self.decode_due(Instant::now());
        }
    }

    fn freeze_before(&mut self, frame: &ReceivedFrame) -> Option<Duration> {
        // Before the window the stream is still being joined: a stall there is the join time's business.
        if !self.shared.figures().in_window(frame.completed_at) {
            self.freeze.pause();
        }
        self.freeze.frame(frame.completed_at)
    }

    /// Notes that nothing more is sent.
    pub(crate) fn stream_stopped(&mut self, at: Instant) {
        self.stopped_at.get_or_insert(at);
    }

    /// Takes a frame that will never be complete.
    pub(crate) fn damaged(&mut self, rtp_time: i64, missing: u32) {
        self.verifier.damaged();
        self.key_frame_needed = true;
        self.shared
            .trace
            .now(&self.label, || TraceKind::FrameDamaged { rtp_time, missing });
    }

    /// Judges what waited for the ledger, and asks for a key frame where one is needed.
    pub(crate) fn tick(&mut self, now: Instant) {
        {
            let ledger = self.shared.ledger.lock();
            self.verifier
                .set_clock_offset(clock_offset_of(&self.shared, &ledger));
            self.verifier.ledger_grew(&ledger, &mut self.judged);
        }
        self.note_judgements(None);
        let waiting = self.first_key_at.is_none()
            && self
                .connected_at
                .is_some_and(|at| now.saturating_duration_since(at) >= KEY_FRAME_PATIENCE);
        if waiting || self.key_frame_needed {
            self.ask_for_key_frame(now);
        }
    }

    fn ask_for_key_frame(&mut self, now: Instant) {
        let asked_lately = self
            .key_frame_asked_at
            .is_some_and(|at| now.saturating_duration_since(at) < KEY_FRAME_REQUEST_INTERVAL);
        if asked_lately {
            return;
        }
        if let Some(handle) = &self.handle
            && handle.send(EngineCommand::RequestKeyFrame).is_ok()
        {
            self.key_frame_asked_at = Some(now);
            self.key_frame_needed = false;
        }
    }

    /// Puts the summary of the last second into the trace.
    pub(crate) fn second_passed(&mut self) {
        let second = std::mem::take(&mut self.second);
        self.shared.trace.now(&self.label, || TraceKind::MediaSecond {
            frames: second.frames,
            bytes: second.bytes,
            verified: second.verified,
            key_frames: second.key_frames,
        });
    }

    /// When the next frame leaves the planted delay of the decoder.
    pub(crate) fn next_decode(&self) -> Option<Instant> {
        self.to_decode.front().map(|(ready, _)| *ready)
    }

    /// Decodes every frame whose time has come.
    pub(crate) fn decode_due(&mut self, now: Instant) {
        while self.to_decode.front().is_some_and(|(ready, _)| *ready <= now) {
            let Some((_, frame)) = self.to_decode.pop_front() else {
                return;
            };
            self.decode(&frame);
        }
    }

    fn decode(&mut self, frame: &ReceivedFrame) {
        let (Some(decoder), Some(unit)) = (&mut self.decoder, &frame.access_unit) else {
            return;
        };
        if frame.after_loss {
            decoder.frames_lost();
        }
        let Ok(seen) = decoder.decode(unit, Seen::of) else {
            self.decoded.failed += 1;
            self.key_frame_needed = true;
            return;
        };
        let at = Instant::now();
        self.decoded.frames += 1;
        self.first_decoded_at.get_or_insert(at);
        if self.shown.len() == MAX_SHOWN {
            self.forget_oldest_shown();
        }
        self.shown.push_back(Shown {
            rtp_time: frame.rtp_time,
            completed_at: frame.completed_at,
            decoded_at: at,
            black: seen.is_black(),
            stamp: seen.stamp.ok().map(|stamp| stamp.frame),
        });
        self.compare_shown();
    }

    /// Holds what was shown against what was sent, as far as the ledger is known: it may lag behind.
    fn compare_shown(&mut self) {
        while let Some(shown) = self.shown.front() {
            let sent = {
                let ledger = self.shared.ledger.lock();
                self.verifier.sent_at(shown.rtp_time, &ledger).copied()
            };
            let Some(sent) = sent else { return };
            let Some(shown) = self.shown.pop_front() else {
                return;
            };
            *match (sent.muted, shown.black, shown.stamp) {
                (true, true, _) => &mut self.decoded.muted_black,
                (true, false, _) => &mut self.decoded.muted_not_black,
                (false, _, Some(stamp)) if stamp == sent.index => &mut self.decoded.stamps_matched,
                (false, _, Some(_)) => &mut self.decoded.stamps_wrong,
                (false, _, None) => &mut self.decoded.stamps_unreadable,
            } += 1;
            self.measure_shown(&shown, &sent);
        }
    }

    fn measure_shown(&self, shown: &Shown, sent: &crate::media::ledger::LedgerFrame) {
        let Some(due) = self.due_instant(sent) else { return };
        let mut figures = self.shared.figures();
        if figures.in_window(due) {
            figures
                .decode_delay
                .record(shown.decoded_at.saturating_duration_since(shown.completed_at));
            figures
                .glass_latency
                .record(shown.decoded_at.saturating_duration_since(due));
        }
    }

    /// A picture that there is nothing to hold against: its stamp was read, and that is all.
    fn forget_oldest_shown(&mut self) {
        if let Some(shown) = self.shown.pop_front() {
            self.decoded.stamps_read += u64::from(shown.stamp.is_some());
        }
    }

    /// When a frame was due, on this process's clock.
    fn due_instant(&self, sent: &crate::media::ledger::LedgerFrame) -> Option<Instant> {
        let offset = self.verifier.clock_offset_us()?;
        let us = i64::try_from(sent.due_us).ok()?.checked_add(offset)?;
        Some(self.shared.clock.instant(u64::try_from(us).ok()?))
    }

    fn note_judgements(&mut self, bytes: Option<u32>) {
        self.compare_shown();
        for judgement in std::mem::take(&mut self.judged) {
            match judgement {
                Judgement::Verified { frame, completed_us } => {
                    self.second.verified += 1;
                    Progress::add(&self.shared.progress.verified, 1);
                    self.measure(&frame, completed_us, bytes);
                }
                Judgement::Corrupt { index } => {
                    Progress::add(&self.shared.progress.corrupt, 1);
                    self.shared
                        .trace
                        .now(&self.label, || TraceKind::FrameCorrupt { index });
                }
                Judgement::Repeated { index } => {
                    self.shared
                        .trace
                        .now(&self.label, || TraceKind::FrameRepeated { index });
                }
                Judgement::Unexpected { rtp_time } => {
                    self.shared
                        .trace
                        .now(&self.label, || TraceKind::FrameUnexpected { rtp_time });
                }
            }
        }
    }

    fn measure(&mut self, frame: &crate::media::ledger::LedgerFrame, completed_us: u64, bytes: Option<u32>) {
        let due = self.due_instant(frame);
        let latency = due.and_then(|due| completed_us.checked_sub(self.shared.clock.us(due)));
        if self.sampled {
            self.shared.trace.now(&self.label, || TraceKind::Frame {
                index: frame.index,
                latency_us: latency.and_then(|us| i64::try_from(us).ok()),
                bytes: bytes.unwrap_or(0),
            });
        }
        let (Some(due), Some(latency)) = (due, latency) else {
            return;
        };
        let mut figures = self.shared.figures();
        if figures.in_window(due) {
            figures.frame_latency.record_us(latency);
            figures
                .transport_delay
                .record_us(latency.saturating_sub(frame.encoded_us.saturating_sub(frame.due_us)));
            let closed = figures.skew.arrival(frame.index, completed_us);
            drop(figures);
            if let Some(frame) = closed {
                self.shared.note_skew(frame);
            }
            self.latency.record_us(latency);
        }
    }

    /// Whether everything up to `until`, or up to the last frame handed over, has arrived.
    pub(crate) fn drained(&self, until: Option<u32>) -> bool {
        let ledger = self.shared.ledger.lock();
        let Some(span) = ledger.span(self.broadcaster.as_str(), &self.viewer) else {
            return self.shared.ledger.exists && self.frames == 0;
        };
        let last = match (span.last, until) {
            (Some(last), Some(until)) => last.min(until),
            (Some(last), None) => last,
            (None, Some(until)) => until,
            (None, None) => return false,
        };
        self.to_decode.is_empty() && self.verifier.highest().is_some_and(|highest| highest >= last)
    }

    /// Ends the session and keeps what is needed for the final counts.
    pub(crate) fn end(mut self, until: Option<u32>) -> (SessionRecord, Distribution) {
        self.compare_shown();
        while !self.shown.is_empty() {
            self.forget_oldest_shown();
        }
        let record = SessionRecord {
            broadcaster: self.broadcaster.as_str().to_owned(),
            viewer: self.viewer,
            verifier: self.verifier,
            until,
            freezes: self.freeze.freezes(),
            stats: self.stats,
            decoded: self.decoded,
            connected_at: self.connected_at,
            first_key_at: self.first_key_at,
            ended_at: Instant::now(),
            stopped_at: self.stopped_at,
            frames: self.frames,
        };
        (record, self.latency)
    }
}

/// How the ledger's clock relates to ours; `None` when it was written on another host or boot.
fn clock_offset_us(shared: &Shared) -> Option<i64> {
    let ledger = shared.ledger.lock();
    clock_offset_of(shared, &ledger)
}

fn clock_offset_of(shared: &Shared, ledger: &Ledger) -> Option<i64> {
    let header = ledger.header()?;
    let same_boot = header.boot_id.is_some() && header.boot_id == crate::clock::boot_id();
    let theirs = i64::try_from(header.epoch_unix_us).ok()?;
    let ours = i64::try_from(shared.clock.epoch_unix_us()).ok()?;
    same_boot.then(|| theirs - ours)
}
