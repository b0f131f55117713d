//! The pictures of a session: verified and measured, and shown to the eye of a viewer that decodes.
//!
//! Owns what is known of each complete frame. It asks for nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::eye::{Decoded, Eye};
use super::{Context, awaited, note_opening};
use crate::bot::Progress;
use crate::measure::av_sync::AvSync;
use crate::measure::distribution::Distribution;
use crate::measure::freeze::{FreezeDetector, Freezes};
use crate::measure::mute::MuteWatch;
use crate::measure::quality::QualityTally;
use crate::media::kind::MediaKind;
use crate::media::ledger::{LedgerFrame, Span};
use crate::media::reassemble::ReceivedFrame;
use crate::media::rtp_time::VIDEO_CLOCK_RATE;
use crate::media::verify::{Arrived, Judgement, Verifier};
use crate::trace::TraceKind;

/// Media time between two frames above which a sender has paused, in ticks: libwebrtc's margin of a freeze.
const MIN_PAUSE_TICKS: i64 = 150 * 90;

/// What one viewer received in one second.
#[derive(Debug, Default)]
pub(super) struct MediaSecond {
    pub(super) frames: u32,
    pub(super) bytes: u64,
    pub(super) verified: u64,
    pub(super) key_frames: u32,
}

/// The pictures of one stream as they come in.
#[derive(Debug)]
pub(super) struct VideoTrack {
    verifier: Verifier,
    judged: Vec<Judgement>,
    freeze: FreezeDetector,
    pub(super) eye: Eye,
    last_rtp_time: Option<i64>,
    /// Whether the video was said to be muted since the last frame.
    muted_lately: bool,
    spacing: Spacing,
    pub(super) first_key_at: Option<Instant>,
    pub(super) key_frame_needed: bool,
    frames: u64,
    second: MediaSecond,
    latency: Distribution,
}

/// What remains of them.
#[derive(Debug)]
pub(crate) struct VideoRecord {
    pub(super) verifier: Verifier,
    pub(crate) freezes: Freezes,
    pub(crate) decoded: Decoded,
    pub(crate) quality: QualityTally,
    pub(crate) first_key_at: Option<Instant>,
    pub(crate) frames: u64,
    pub(crate) spacing: Spacing,
}

/// Media time between frames that follow each other without loss or pause.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spacing {
    ticks: i64,
    gaps: i64,
}

impl Spacing {
    fn add(&mut self, ticks: i64) {
        // Time that does not rise is no gap between frames.
        if ticks > 0 {
            self.ticks = self.ticks.saturating_add(ticks);
            self.gaps += 1;
        }
    }

    /// Adds the gaps of another connection.
    pub(crate) fn merge(&mut self, other: Self) {
        self.ticks = self.ticks.saturating_add(other.ticks);
        self.gaps += other.gaps;
    }

    fn mean(self) -> Option<i64> {
        (self.gaps > 0).then(|| self.ticks / self.gaps)
    }

    /// Frames per second of media time.
    pub(crate) fn per_second(self) -> Option<f64> {
        (self.gaps > 0).then(|| f64::from(VIDEO_CLOCK_RATE) * self.gaps as f64 / self.ticks as f64)
    }
}

impl VideoTrack {
    pub(super) fn new(
        deadline: Duration,
        clock_offset_us: Option<i64>,
        decodes: bool,
        mute: MuteWatch,
    ) -> Self {
        Self {
            verifier: Verifier::new(deadline, clock_offset_us),
            judged: Vec::new(),
            freeze: FreezeDetector::default(),
            eye: Eye::new(decodes, mute),
            last_rtp_time: None,
            muted_lately: false,
            spacing: Spacing::default(),
            first_key_at: None,
            key_frame_needed: false,
            frames: 0,
            second: MediaSecond::default(),
            latency: Distribution::default(),
        }
    }

    pub(super) fn clock_offset_us(&self) -> Option<i64> {
        self.verifier.clock_offset_us()
    }

    /// Takes a complete frame.
    pub(super) fn frame(&mut self, context: &Context, frame: Box<ReceivedFrame>, av_sync: &mut AvSync) {
        let shared = &context.shared;
        self.frames += 1;
        self.second.frames += 1;
        self.second.bytes += u64::from(frame.bytes);
        self.second.key_frames += u32::from(frame.key);
        if frame.key && self.first_key_at.is_none() {
            self.first_key_at = Some(frame.completed_at);
            shared
                .trace
                .at(frame.completed_at, &context.label, || TraceKind::FirstFrame {
                    connection: context.id.0,
                    bytes: frame.bytes,
                });
        }
        let arrived = Arrived {
            rtp_time: frame.rtp_time,
            digest: frame.digest,
            completed_us: shared.clock.us(frame.completed_at),
        };
        {
            let ledger = shared.ledger.lock();
            let sent = ledger.track(MediaKind::Video);
            note_opening(&mut self.verifier, context.span(sent, MediaKind::Video));
            self.verifier.frame(arrived, sent, &mut self.judged);
        }
        let paused = self.sender_paused(&frame);
        if let Some(gap) = self.freeze_before(context, &frame, paused) {
            let ms = gap.as_secs_f64() * 1_000.0;
            shared
                .trace
                .at(frame.completed_at, &context.label, || TraceKind::Freeze { ms });
        }
        self.note_judgements(context, Some(frame.bytes), av_sync);
        if self.eye.takes(&frame) {
            let ready = Instant::now() + shared.scenario.planted_delays.decode;
            self.eye.wait(ready, frame);
            self.decode_due(context, Instant::now(), av_sync);
        }
    }

    /// Notes what the room says of the video.
    pub(super) fn signaled(&mut self, muted: bool, at: Instant) {
        self.eye.mute.signaled(muted, at);
        self.muted_lately |= muted;
    }

    /// Whether the sender, because it was muted, sent nothing between the last frame and this one.
    fn sender_paused(&mut self, frame: &ReceivedFrame) -> bool {
        let muted = std::mem::replace(&mut self.muted_lately, self.eye.mute.is_muted());
        let Some(before) = self.last_rtp_time.replace(frame.rtp_time) else {
            return false;
        };
        let gap = frame.rtp_time - before;
        let usual = self.spacing.mean().unwrap_or(gap);
        let paused = muted && !frame.after_loss && gap > MIN_PAUSE_TICKS.max(3 * usual);
        if !paused && !frame.after_loss {
            self.spacing.add(gap);
        }
        paused
    }

    fn freeze_before(&mut self, context: &Context, frame: &ReceivedFrame, paused: bool) -> Option<Duration> {
        // Before the window the stream is still being joined: a stall there is the join time's business.
        if paused || !context.shared.figures().in_window(frame.completed_at) {
            self.freeze.pause();
        }
        self.freeze.frame(frame.completed_at)
    }

    /// Takes a frame that will never be complete.
    pub(super) fn damaged(&mut self, context: &Context, rtp_time: i64, missing: u32) {
        self.verifier.damaged();
        self.key_frame_needed = true;
        context
            .shared
            .trace
            .now(&context.label, || TraceKind::FrameDamaged { rtp_time, missing });
    }

    /// Judges what waited for the ledger.
    pub(super) fn tick(&mut self, context: &Context, clock_offset_us: Option<i64>, av_sync: &mut AvSync) {
        {
            let ledger = context.shared.ledger.lock();
            self.verifier.set_clock_offset(clock_offset_us);
            let sent = ledger.track(MediaKind::Video);
            note_opening(&mut self.verifier, context.span(sent, MediaKind::Video));
            self.verifier
                .ledger_grew(ledger.track(MediaKind::Video), &mut self.judged);
        }
        self.note_judgements(context, None, av_sync);
    }

    /// What came in since this was asked the last time.
    pub(super) fn take_second(&mut self) -> MediaSecond {
        std::mem::take(&mut self.second)
    }

    /// When the next frame leaves the planted delay of the decoder.
    pub(super) fn next_decode(&self) -> Option<Instant> {
        self.eye.next()
    }

    /// When the first frame was decoded.
    pub(super) fn first_decoded_at(&self) -> Option<Instant> {
        self.eye.first_at
    }

    /// Decodes and compares every frame whose time has come.
    pub(super) fn decode_due(&mut self, context: &Context, now: Instant, av_sync: &mut AvSync) {
        if !self.eye.look(context, now, &self.verifier) {
            self.key_frame_needed = true;
        }
        self.eye.compare(context, &self.verifier, av_sync);
    }

    /// Gives up on pictures that the ledger never came to know.
    pub(super) fn forget_shown(&mut self) {
        self.eye.forget_all();
    }

    fn note_judgements(&mut self, context: &Context, bytes: Option<u32>, av_sync: &mut AvSync) {
        self.eye.compare(context, &self.verifier, av_sync);
        let shared = &context.shared;
        for judgement in std::mem::take(&mut self.judged) {
            match judgement {
                Judgement::Verified { frame, completed_us } => {
                    self.second.verified += 1;
                    Progress::add(&shared.progress.verified, 1);
                    self.measure(context, &frame, completed_us, bytes);
                }
                Judgement::Corrupt { index } => {
                    Progress::add(&shared.progress.corrupt, 1);
                    shared
                        .trace
                        .now(&context.label, || TraceKind::FrameCorrupt { index });
                }
                Judgement::Repeated { index } => {
                    shared
                        .trace
                        .now(&context.label, || TraceKind::FrameRepeated { index });
                }
                Judgement::Unexpected { rtp_time } => {
                    shared
                        .trace
                        .now(&context.label, || TraceKind::FrameUnexpected { rtp_time });
                }
            }
        }
    }

    fn measure(&mut self, context: &Context, frame: &LedgerFrame, completed_us: u64, bytes: Option<u32>) {
        let shared = &context.shared;
        let due = context.due_instant(frame, self.clock_offset_us());
        let latency = due.and_then(|due| completed_us.checked_sub(shared.clock.us(due)));
        if context.sampled {
            shared.trace.now(&context.label, || TraceKind::Frame {
                index: frame.index,
                latency_us: latency.and_then(|us| i64::try_from(us).ok()),
                bytes: bytes.unwrap_or(0),
            });
        }
        let (Some(due), Some(latency)) = (due, latency) else {
            return;
        };
        let mut figures = shared.figures();
        if figures.in_window(due) {
            figures.frame_latency.record_us(latency);
            figures
                .transport_delay
                .record_us(latency.saturating_sub(frame.encoded_us.saturating_sub(frame.due_us)));
            let closed = figures.skew.arrival(frame.index, completed_us);
            drop(figures);
            if let Some(frame) = closed {
                shared.note_skew(frame);
            }
            self.latency.record_us(latency);
        }
    }

    /// Whether everything up to `until`, or up to the last frame handed over, has arrived and is decoded.
    pub(super) fn drained(&self, span: Option<Span>, until: Option<u32>, known: bool) -> bool {
        let Some(span) = span else {
            return known && self.frames == 0;
        };
        let Some(last) = awaited(span, until) else {
            return false;
        };
        self.eye.is_done() && self.verifier.highest().is_some_and(|highest| highest >= last)
    }

    pub(super) fn end(self) -> (VideoRecord, Distribution) {
        let record = VideoRecord {
            verifier: self.verifier,
            freezes: self.freeze.freezes(),
            decoded: self.eye.decoded(),
            quality: self.eye.quality,
            first_key_at: self.first_key_at,
            frames: self.frames,
            spacing: self.spacing,
        };
        (record, self.latency)
    }
}
