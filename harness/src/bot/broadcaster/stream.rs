//! The stream of a broadcaster bot: which frame is taken when, and what becomes of it.
//!
//! Owns pacing and the key frame policy. Every frame is in the ledger before a connection gets it.

use std::time::Duration;

use tokio::time::Instant;

use super::BroadcasterBot;
use crate::bot::Progress;
use crate::media::ledger::{LedgerEntry, LedgerFrame};
use crate::trace::TraceKind;

/// Least time between two key frames, whoever asks for them.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);

impl BroadcasterBot {
    pub(super) fn next_capture(&self) -> Option<Instant> {
        let pacer = self.pacer.filter(|_| self.live)?;
        Some(
            pacer.due(self.record.next_index - self.first_index)
                + self.shared.scenario.planted_delays.capture,
        )
    }

    /// Takes and encodes the next frame if it is due; tells whether it was.
    pub(super) fn capture_due(&mut self, now: Instant) -> bool {
        let (Some(at), Some(pacer)) = (self.next_capture().filter(|at| *at <= now), self.pacer) else {
            return false;
        };
        let index = self.record.next_index;
        let due = pacer.due(index - self.first_index);
        let captured = Instant::now();
        self.record
            .pacing_error
            .record(captured.saturating_duration_since(at));
        let key = self.take_key_frame_turn(captured);
        // Media time counts the room's frames, so that it rises when a broadcaster returns.
        let media_time = pacer.media_time(index);
        match self.source.frame(index, media_time, self.muted, key) {
            Ok(frame) => {
                self.record.next_index += 1;
                let entry = LedgerFrame {
                    index,
                    media_time,
                    picture: frame.digest.picture,
                    parameter_sets: frame.digest.parameter_sets,
                    key: frame.key,
                    muted: self.muted,
                    due_us: self.shared.clock.us(due),
                    captured_us: self.shared.clock.us(captured),
                    encoded_us: 0,
                };
                let ready = Instant::now() + self.shared.scenario.planted_delays.encode;
                self.outbox.push_back((ready, frame, entry));
                self.dispatch_due(Instant::now());
            }
            Err(error) => {
                // The rest of the run has nothing to judge: it ends with this error.
                self.record.source_error = Some(error.to_string());
                self.stop_stream();
            }
        }
        true
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
    pub(super) fn dispatch_due(&mut self, now: Instant) {
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
            let skipped = self.fanout.send(&frame, encoded);
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
    pub(super) fn stop_stream(&mut self) {
        self.live = false;
        for slot in &mut self.outbox {
            slot.0 = Instant::now();
        }
        self.dispatch_due(Instant::now());
        self.fanout.close_spans();
    }
}
