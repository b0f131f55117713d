//! Where messages came that their receivers passed over, in a protocol that names nobody.
//!
//! A bot takes no notice of an answer that a server sends to viewers, and so its frame means nothing; that it came there is
//! still the best that can be said of why it never came to the broadcaster. Owns the texts of the frames that were sent.

use std::collections::HashMap;

use serde_json::Value;

use super::Checker;
use super::finding::EventRef;
use super::relay::digest;

/// Frames that are remembered; later ones are not told from others.
const MAX_FRAMES: usize = 16_384;

/// The frames that bots sent, and the event of each.
#[derive(Debug, Default)]
pub(super) struct Copies(HashMap<u64, u64>);

/// A number for what a frame says: a server that writes JSON anew may put spaces and fields elsewhere.
fn same(frame: &str) -> u64 {
    match serde_json::from_str::<Value>(frame) {
        Ok(value) => digest(&value.to_string()),
        Err(_) => digest(frame),
    }
}

impl Checker {
    /// A bot sent a frame as the event of this number.
    pub(super) fn frame_sent(&mut self, label: &str, frame: &str) {
        if self.is_unaddressed(label) && self.copies.0.len() < MAX_FRAMES {
            self.copies.0.insert(same(frame), self.number);
        }
    }

    /// A frame came to a bot and means nothing to it.
    pub(super) fn frame_passed_over(&mut self, label: &str, frame: &str, at: EventRef) {
        if !self.is_unaddressed(label) {
            return;
        }
        if let Some(number) = self.copies.0.get(&same(frame)) {
            self.relay.copied(*number, at);
        }
    }
}
