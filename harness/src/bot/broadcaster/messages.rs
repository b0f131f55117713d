//! Messages of a broadcaster on its data channels: one every 100 ms to each viewer.
//!
//! Owns when the next one is due. What became of them is counted in [`crate::measure::data`].

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::BroadcasterBot;
use crate::engine::{ConnectionId, EngineCommand};
use crate::measure::measured::PeerErrorKind;

/// Time between two messages on one channel.
pub(crate) const MESSAGE_INTERVAL: Duration = Duration::from_millis(100);

impl BroadcasterBot {
    /// A channel is open: its first message is due.
    pub(super) fn data_opened(&mut self, connection: ConnectionId, at: Instant) {
        self.messages.insert(connection, at);
    }

    /// When the next message is due.
    pub(super) fn next_message(&self) -> Option<Instant> {
        self.messages.values().min().copied().filter(|_| self.stream.live)
    }

    /// Sends every message that is due.
    pub(super) fn say_on_data_channels(&mut self, now: Instant) {
        if !self.stream.live {
            return;
        }
        let due: Vec<ConnectionId> = self
            .messages
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(viewer) = self.stream.fanout.viewer_of(id) else {
                self.messages.remove(&id);
                continue;
            };
            let now_us = self.shared.clock.us(now);
            if let Some(message) = self.stream.record.data.next_to(viewer.as_str(), now_us) {
                let command = EngineCommand::SendData(Bytes::from(message.encode()));
                if let Err(error) = self.stream.fanout.tell(id, command) {
                    self.note_error(PeerErrorKind::Engine, format!("{viewer}: {error}"));
                }
            }
            if let Some(at) = self.messages.get_mut(&id) {
                *at = now + MESSAGE_INTERVAL;
            }
        }
    }
}
