//! The stream of a broadcaster bot, or of one peer of a call: which frame and which sound packet is taken when, and what becomes
//! of it.
//!
//! Owns pacing and the key frame policy. Everything is in the ledger before a connection gets it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use greenroom_signaling::Muted;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{BroadcasterRecord, Fanout, StreamPosition};
use crate::bot::pace::Pacer;
use crate::bot::source::{Slot, Sources};
use crate::bot::{Progress, Shared};
use crate::engine::EngineEvent;
use crate::media::kind::MediaKind;
use crate::media::ledger::{LedgerEntry, LedgerFrame};
use crate::media::packetize::EncodedFrame;
use crate::trace::TraceKind;

/// Least time between two key frames, whoever asks for them.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Where one medium of a stream is.
#[derive(Debug)]
struct Position {
    /// Runs from the first connection on: before it there is nobody to encode for.
    pacer: Option<Pacer>,
    /// The turn at which the pacer started.
    first_turn: u32,
    /// The next turn.
    next_turn: u32,
    /// Number of the next frame that is sent.
    next_index: u32,
}

impl Position {
    /// Starts where an earlier broadcaster of the room ended.
    fn at(next_turn: u32, next_index: u32) -> Self {
        Self {
            pacer: None,
            first_turn: next_turn,
            next_turn,
            next_index,
        }
    }

    /// When the next turn is due.
    fn due(&self) -> Option<Instant> {
        Some(self.pacer?.due(self.next_turn - self.first_turn))
    }
}

/// Encoded frames in the planted delay of the encoder.
type Outbox = VecDeque<(Instant, Arc<EncodedFrame>, LedgerFrame)>;

/// What one bot sends, to however many connections.
pub(crate) struct Stream {
    pub(crate) shared: Arc<Shared>,
    label: String,
    pub(crate) record: BroadcasterRecord,
    pub(crate) fanout: Fanout,
    sources: Sources,
    video: Position,
    sound: Position,
    outbox: Outbox,
    pub(crate) muted: Muted,
    pub(crate) live: bool,
    pub(crate) key_frame_wanted: bool,
    last_key_frame: Option<Instant>,
    /// What the encoder is set to, in bits per second.
    bitrate_bps: u32,
}

impl Stream {
    /// Goes on where `record.next` says; what becomes of its connections comes to `events`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        label: String,
        events: mpsc::Sender<EngineEvent>,
        sources: Sources,
        record: BroadcasterRecord,
    ) -> Self {
        let from = record.next;
        let bitrate_bps = shared.scenario.media.bitrate_bps;
        Self {
            fanout: Fanout::new(Arc::clone(&shared), label.clone(), events),
            shared,
            label,
            record,
            sources,
            video: Position::at(from.video_turn, from.video_index),
            sound: Position::at(from.sound_index, from.sound_index),
            outbox: Outbox::new(),
            muted: Muted::default(),
            live: true,
            key_frame_wanted: false,
            last_key_frame: None,
            bitrate_bps,
        }
    }

    /// What remains of it.
    pub(crate) fn end(mut self) -> (BroadcasterRecord, Sources) {
        self.record.next = StreamPosition {
            video_turn: self.video.next_turn,
            video_index: self.video.next_index,
            sound_index: self.sound.next_index,
        };
        (self.record, self.sources)
    }

    /// When the next frame is taken.
    fn next_capture(&self) -> Option<Instant> {
        let due = self.video.due().filter(|_| self.live)?;
        Some(due + self.shared.scenario.planted_delays.capture)
    }

    /// When the next sound packet is taken.
    fn next_sound(&self) -> Option<Instant> {
        let due = self.sound.due().filter(|_| self.live)?;
        Some(due + self.shared.scenario.flaws.audio_late)
    }

    /// When the stream has something to do.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let dispatch = self.outbox.front().map(|(ready, ..)| *ready);
        [self.next_capture(), self.next_sound(), dispatch]
            .into_iter()
            .flatten()
            .min()
    }

    /// Begins with the first connection.
    pub(crate) fn start_stream(&mut self, now: Instant) {
        if !self.live || self.video.pacer.is_some() {
            return;
        }
        let flawed = self.shared.scenario.flaws.video_fps;
        self.video.pacer = Some(match flawed {
            Some(fps) => Pacer::at_fps(now, fps),
            None => Pacer::new(now, self.sources.video.rate()),
        });
        if self.sources.sound.is_some() {
            self.sound.pacer = Some(Pacer::of_sound(now));
        }
    }

    /// Takes whatever is due; tells whether a picture was encoded, which takes its time.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        self.sound_due(now);
        let captured = self.capture_due(now);
        self.dispatch_due(Instant::now());
        captured
    }

    /// Takes and encodes the next frame if it is due; tells whether it was.
    fn capture_due(&mut self, now: Instant) -> bool {
        let at = self.next_capture().filter(|at| *at <= now);
        let (Some(at), Some(due), Some(pacer)) = (at, self.video.due(), self.video.pacer) else {
            return false;
        };
        let captured = Instant::now();
        self.record
            .pacing_error
            .record(captured.saturating_duration_since(at));
        let muted = self.muted.video;
        let key = !self.sends_nothing(muted) && self.take_key_frame_turn(captured);
        let slot = Slot {
            index: self.video.next_index,
            turn: self.video.next_turn,
            // Media time counts the room's turns, so that it rises when a broadcaster returns.
            media_time: pacer.media_time(self.video.next_turn),
        };
        self.video.next_turn += 1;
        match self.sources.video.frame(slot, muted, key) {
            Ok(None) => {}
            Ok(Some(frame)) => {
                self.video.next_index += 1;
                let encoded = frame.encoded;
                let entry = LedgerFrame {
                    index: slot.index,
                    media_time: slot.media_time,
                    picture: encoded.digest.picture,
                    parameter_sets: encoded.digest.parameter_sets,
                    key: encoded.key,
                    muted,
                    stamp: frame.stamp,
                    level_dbfs: None,
                    due_us: self.shared.clock.us(due),
                    captured_us: self.shared.clock.us(captured),
                    encoded_us: 0,
                };
                let ready = Instant::now() + self.shared.scenario.planted_delays.encode;
                self.outbox.push_back((ready, encoded, entry));
                self.dispatch_due(Instant::now());
            }
            Err(error) => self.source_failed(&error),
        }
        true
    }

    /// Whether muted video is no video: there is no encoder to make a black picture.
    fn sends_nothing(&self, muted: bool) -> bool {
        muted && matches!(self.sources.video, crate::bot::source::VideoSource::Ivf(_))
    }

    /// Takes, encodes and hands out every sound packet that is due.
    fn sound_due(&mut self, now: Instant) {
        while let (Some(_), Some(due)) = (self.next_sound().filter(|at| *at <= now), self.sound.due()) {
            let index = self.sound.next_index;
            let Some(source) = &mut self.sources.sound else {
                return;
            };
            let captured = Instant::now();
            let packet = match source.packet(index, self.muted.audio) {
                Ok(packet) => packet,
                Err(error) => return self.source_failed(&error),
            };
            self.sound.next_turn += 1;
            self.sound.next_index += 1;
            let encoded = Instant::now();
            self.shared.ledger.write(LedgerEntry::Sound(LedgerFrame {
                index,
                media_time: packet.encoded.media_time,
                picture: packet.encoded.digest.picture,
                parameter_sets: None,
                key: true,
                muted: self.muted.audio,
                stamp: None,
                level_dbfs: Some(packet.level_dbfs),
                due_us: self.shared.clock.us(due),
                captured_us: self.shared.clock.us(captured),
                encoded_us: self.shared.clock.us(encoded),
            }));
            self.record.sound_packets += 1;
            self.record.skipped_frames += self.fanout.send(MediaKind::Audio, &packet.encoded, encoded);
        }
    }

    /// The rest of the run has nothing to judge: it ends with this error.
    fn source_failed(&mut self, error: &crate::bot::source::SourceError) {
        self.record.source_error = Some(error.to_string());
        self.stop_stream();
    }

    /// Whether the next frame is to be a key frame.
    fn take_key_frame_turn(&mut self, now: Instant) -> bool {
        let allowed = self
            .last_key_frame
            .is_none_or(|last| now.saturating_duration_since(last) >= KEY_FRAME_INTERVAL);
        let turn = self.last_key_frame.is_none() || (self.key_frame_wanted && allowed);
        if turn {
            self.key_frame_wanted = false;
            self.last_key_frame = Some(now);
        }
        turn
    }

    /// Hands every frame that left the encoder to the connections.
    fn dispatch_due(&mut self, now: Instant) {
        while self.outbox.front().is_some_and(|(ready, ..)| *ready <= now) {
            let Some((_, frame, mut entry)) = self.outbox.pop_front() else {
                return;
            };
            let encoded = Instant::now();
            entry.encoded_us = self.shared.clock.us(encoded);
            self.shared.ledger.write(LedgerEntry::Frame(entry));
            if frame.key {
                self.record.key_frames += 1;
                self.shared
                    .trace
                    .at(encoded, &self.label, || TraceKind::KeyFrame {
                        index: frame.index,
                        bytes: frame.bytes() as u64,
                    });
            }
            self.record.frames += 1;
            self.record.bytes += frame.bytes() as u64;
            Progress::add(&self.shared.progress.sent, 1);
            let skipped = self.fanout.send(MediaKind::Video, &frame, encoded);
            self.record.skipped_frames += skipped;
            // A viewer that missed a frame cannot go on without a new start.
            self.key_frame_wanted |= skipped > 0;
            self.measure(&entry);
        }
    }

    fn measure(&self, entry: &LedgerFrame) {
        let mut figures = self.shared.figures();
        if figures.in_window(self.shared.clock.instant(entry.due_us)) {
            figures
                .capture_delay
                .record_us(entry.captured_us.saturating_sub(entry.due_us));
            figures
                .encode_delay
                .record_us(entry.encoded_us.saturating_sub(entry.captured_us));
        }
    }

    /// Hands out what is encoded and nothing after it.
    pub(crate) fn stop_stream(&mut self) {
        self.live = false;
        for slot in &mut self.outbox {
            slot.0 = Instant::now();
        }
        self.dispatch_due(Instant::now());
        self.fanout.close_spans();
    }

    /// Sets the encoder to another bitrate, if it is another.
    pub(crate) fn set_bitrate(&mut self, bps: u32) {
        if std::mem::replace(&mut self.bitrate_bps, bps) == bps {
            return;
        }
        match self.sources.video.set_bitrate(bps) {
            Ok(false) => {}
            Ok(true) => {
                self.record.bitrate_changes += 1;
                self.shared
                    .trace
                    .now(&self.label, || TraceKind::Bitrate { bps: u64::from(bps) });
            }
            Err(error) => self.source_failed(&error),
        }
    }
}
