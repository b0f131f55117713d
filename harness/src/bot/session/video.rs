//! The pictures of a session: verified, measured, and decoded where the viewer is one that decodes.
//!
//! Owns what is known of each frame from its completion to its comparison. It asks for nothing.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_fixtures::{Flash, PictureView, Stamp};
use tokio::time::Instant;

use super::Context;
use crate::bot::Progress;
use crate::measure::av_sync::{AvSync, Cue};
use crate::measure::distribution::Distribution;
use crate::measure::freeze::{FreezeDetector, Freezes};
use crate::measure::quality::{Quality, QualityTally};
use crate::media::codec::Codec;
use crate::media::decode::{BLACK_LUMA, Decoder};
use crate::media::kind::MediaKind;
use crate::media::ledger::{LedgerFrame, LedgerTrack};
use crate::media::reassemble::ReceivedFrame;
use crate::media::verify::{Arrived, Judgement, Verifier};
use crate::trace::TraceKind;

/// Decoded pictures that may wait for the ledger: four seconds at 30 fps.
const MAX_SHOWN: usize = 128;

/// A pause of the sender this long is none of the network's: libwebrtc's margin of a freeze.
const SENDER_PAUSE_TICKS: i64 = 150 * 90;

/// How long after a mute was signaled pictures may still be seen.
pub(super) const MUTE_PATIENCE: Duration = Duration::from_secs(1);

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

/// A decoded picture, as far as it is compared.
#[derive(Debug)]
struct Shown {
    rtp_time: i64,
    completed_at: Instant,
    decoded_at: Instant,
    seen: Seen,
}

/// What was read from a decoded picture.
#[derive(Clone, Copy, Debug)]
struct Seen {
    black: bool,
    /// Frame number in its stamp; `None` when that cannot be read.
    stamp: Option<u32>,
    /// Whether the flash is on; `None` when that cannot be read.
    flash: Option<bool>,
    /// How close it is to the picture that was meant; `None` when that is not known.
    quality: Option<Quality>,
}

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
    decodes: bool,
    decoder: Option<(Codec, Decoder)>,
    to_decode: VecDeque<(Instant, Box<ReceivedFrame>)>,
    shown: VecDeque<Shown>,
    decoded: Decoded,
    quality: QualityTally,
    flash_was_on: bool,
    last_rtp_time: Option<i64>,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    /// How long the sender itself sent nothing.
    paused: Duration,
    pub(super) first_key_at: Option<Instant>,
    pub(super) first_decoded_at: Option<Instant>,
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
    /// From the first complete frame to the last, without the pauses of the sender.
    pub(crate) lasted: Duration,
}

impl VideoTrack {
    pub(super) fn new(deadline: Duration, clock_offset_us: Option<i64>, decodes: bool) -> Self {
        Self {
            verifier: Verifier::new(deadline, clock_offset_us),
            judged: Vec::new(),
            freeze: FreezeDetector::default(),
            decodes,
            decoder: None,
            to_decode: VecDeque::new(),
            shown: VecDeque::new(),
            decoded: Decoded::default(),
            quality: QualityTally::default(),
            flash_was_on: false,
            last_rtp_time: None,
            first_at: None,
            last_at: None,
            paused: Duration::ZERO,
            first_key_at: None,
            first_decoded_at: None,
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
        self.first_at.get_or_insert(frame.completed_at);
        let before = self.last_at.replace(frame.completed_at);
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
        let paused = {
            let ledger = shared.ledger.lock();
            let sent = ledger.track(MediaKind::Video);
            self.verifier.frame(arrived, sent, &mut self.judged);
            self.sender_paused(frame.rtp_time, sent)
        };
        if let (true, Some(before)) = (paused, before) {
            self.paused += frame.completed_at.saturating_duration_since(before);
        }
        if let Some(gap) = self.freeze_before(context, &frame, paused) {
            let ms = gap.as_secs_f64() * 1_000.0;
            shared
                .trace
                .at(frame.completed_at, &context.label, || TraceKind::Freeze { ms });
        }
        self.note_judgements(context, Some(frame.bytes), av_sync);
        if self.decodes && frame.access_unit.is_some() {
            let ready = Instant::now() + shared.scenario.planted_delays.decode;
            self.to_decode.push_back((ready, frame));
            self.decode_due(context, Instant::now(), av_sync);
        }
    }

    /// Whether the sender itself sent nothing between the last frame and this one.
    fn sender_paused(&mut self, rtp_time: i64, sent: &LedgerTrack) -> bool {
        let Some(before) = self.last_rtp_time.replace(rtp_time) else {
            return false;
        };
        let number = |time| self.verifier.sent_at(time, sent).map(|frame| frame.index);
        rtp_time - before > SENDER_PAUSE_TICKS
            && matches!((number(before), number(rtp_time)), (Some(last), Some(this)) if this == last + 1)
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
            self.verifier
                .ledger_grew(ledger.track(MediaKind::Video), &mut self.judged);
        }
        self.note_judgements(context, None, av_sync);
    }

    /// What came in since this was asked the last time.
    pub(super) fn take_second(&mut self) -> MediaSecond {
        std::mem::take(&mut self.second)
    }

    pub(super) fn next_decode(&self) -> Option<Instant> {
        self.to_decode.front().map(|(ready, _)| *ready)
    }

    pub(super) fn decode_due(&mut self, context: &Context, now: Instant, av_sync: &mut AvSync) {
        while self.to_decode.front().is_some_and(|(ready, _)| *ready <= now) {
            let Some((_, frame)) = self.to_decode.pop_front() else {
                return;
            };
            self.decode(context, &frame, av_sync);
        }
    }

    fn decode(&mut self, context: &Context, frame: &ReceivedFrame, av_sync: &mut AvSync) {
        let Some(unit) = &frame.access_unit else { return };
        let seen = self.decoder_for(frame.codec).and_then(|decoder| {
            if frame.after_loss {
                decoder.frames_lost();
            }
            decoder.decode(unit, |picture| look_at(context, picture)).ok()
        });
        let Some(seen) = seen else {
            self.decoded.failed += 1;
            self.key_frame_needed = true;
            return;
        };
        let at = Instant::now();
        self.decoded.frames += 1;
        self.first_decoded_at.get_or_insert(at);
        let muted = context.muted_for(MediaKind::Video, at);
        if !seen.black && muted.is_some_and(|muted| muted > MUTE_PATIENCE) {
            self.decoded.muted_not_black += 1;
        }
        if self.shown.len() == MAX_SHOWN {
            self.forget_oldest_shown();
        }
        self.shown.push_back(Shown {
            rtp_time: frame.rtp_time,
            completed_at: frame.completed_at,
            decoded_at: at,
            seen,
        });
        self.compare_shown(context, av_sync);
    }

    /// The decoder of a codec, made when its first frame comes.
    fn decoder_for(&mut self, codec: Codec) -> Option<&mut Decoder> {
        if self.decoder.as_ref().is_none_or(|(current, _)| *current != codec) {
            let decoder = Decoder::new(codec).map_err(|error| log::error!("{error}")).ok()?;
            self.decoder = Some((codec, decoder));
        }
        self.decoder.as_mut().map(|(_, decoder)| decoder)
    }

    /// Holds what was shown against what was sent, as far as the ledger is known: it may lag behind.
    fn compare_shown(&mut self, context: &Context, av_sync: &mut AvSync) {
        while let Some(shown) = self.shown.front() {
            let sent = {
                let ledger = context.shared.ledger.lock();
                let track = ledger.track(MediaKind::Video);
                self.verifier.sent_at(shown.rtp_time, track).copied()
            };
            let Some(sent) = sent else { return };
            let Some(shown) = self.shown.pop_front() else {
                return;
            };
            let seen = shown.seen;
            match (sent.muted, seen.black, seen.stamp) {
                (true, true, _) => self.decoded.muted_black += 1,
                (true, false, _) => self.decoded.muted_not_black += 1,
                (false, ..) if sent.stamp.is_none() => {}
                (false, _, Some(stamp)) if Some(stamp) == sent.stamp => self.decoded.stamps_matched += 1,
                (false, _, Some(_)) => self.decoded.stamps_wrong += 1,
                (false, _, None) => self.decoded.stamps_unreadable += 1,
            }
            if let (false, Some(quality)) = (sent.muted, seen.quality) {
                self.quality.record(sent.index, quality);
            }
            self.watch_flash(context, &shown, &sent, av_sync);
            self.measure_shown(context, &shown, &sent);
        }
    }

    /// Notes the moment at which the flash goes on.
    fn watch_flash(&mut self, context: &Context, shown: &Shown, sent: &LedgerFrame, av_sync: &mut AvSync) {
        let on = !sent.muted && shown.seen.flash == Some(true);
        if on && !self.flash_was_on {
            av_sync.flash(Cue {
                due_us: sent.due_us,
                at_us: context.shared.clock.us(shown.decoded_at),
            });
        }
        self.flash_was_on = on;
    }

    fn measure_shown(&self, context: &Context, shown: &Shown, sent: &LedgerFrame) {
        let Some(due) = context.due_instant(sent, self.clock_offset_us()) else {
            return;
        };
        let mut figures = context.shared.figures();
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
            self.decoded.stamps_read += u64::from(shown.seen.stamp.is_some());
        }
    }

    /// Gives up on pictures that the ledger never came to know.
    pub(super) fn forget_shown(&mut self) {
        while !self.shown.is_empty() {
            self.forget_oldest_shown();
        }
    }

    fn note_judgements(&mut self, context: &Context, bytes: Option<u32>, av_sync: &mut AvSync) {
        self.compare_shown(context, av_sync);
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
    pub(super) fn drained(
        &self,
        sent: &LedgerTrack,
        (broadcaster, viewer): (&str, &str),
        until: Option<u32>,
        known: bool,
    ) -> bool {
        let Some(span) = sent.span(broadcaster, viewer) else {
            return known && self.frames == 0;
        };
        let last = match (span.last, until) {
            (Some(last), Some(until)) => last.min(until),
            (Some(last), None) => last,
            (None, Some(until)) => until,
            (None, None) => return false,
        };
        self.to_decode.is_empty() && self.verifier.highest().is_some_and(|highest| highest >= last)
    }

    pub(super) fn end(self) -> (VideoRecord, Distribution) {
        let lasted = match (self.first_at, self.last_at) {
            (Some(first), Some(last)) => last.saturating_duration_since(first).saturating_sub(self.paused),
            _ => Duration::ZERO,
        };
        let record = VideoRecord {
            verifier: self.verifier,
            freezes: self.freeze.freezes(),
            decoded: self.decoded,
            quality: self.quality,
            first_key_at: self.first_key_at,
            frames: self.frames,
            lasted,
        };
        (record, self.latency)
    }
}

/// Reads the marks of a decoded picture, and compares it with the one that was meant.
fn look_at(context: &Context, picture: &PictureView<'_>) -> Seen {
    let stamp = Stamp::read(picture).ok().map(|stamp| stamp.frame);
    let meant = stamp.and_then(|number| context.shared.reference_picture(number));
    Seen {
        black: picture.mean_luma() < BLACK_LUMA,
        stamp,
        flash: Flash::read(picture),
        quality: meant.and_then(|meant| Quality::of(picture, &meant).ok()),
    }
}
