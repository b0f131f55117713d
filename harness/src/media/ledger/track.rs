//! What was sent of one medium: its frames, and which of them each connection was handed.
//!
//! Owns the look-up by number, time and content, bounded to the newest frames. It parses nothing.

use std::collections::{HashMap, VecDeque};

use super::LedgerFrame;

/// Frames that stay available for look-up: two minutes of video at 30 fps, 72 s of sound.
pub const KEPT_FRAMES: usize = 3_600;

/// The frames handed to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First frame; of video a key frame.
    pub first: u32,
    /// Last frame, once it is known.
    pub last: Option<u32>,
    /// Frames in between that were not handed over.
    pub skipped: u32,
}

/// One medium of a ledger.
#[derive(Debug, Default)]
pub struct LedgerTrack {
    frames: VecDeque<LedgerFrame>,
    by_content: HashMap<u64, Vec<u32>>,
    /// By the names of both ends, in the order in which they were opened.
    spans: HashMap<(String, String), Vec<Span>>,
}

impl LedgerTrack {
    /// Takes the next frame; gives the number of the last one when this one does not follow it.
    pub(super) fn add(&mut self, frame: LedgerFrame) -> Result<(), u32> {
        if let Some(last) = self.frames.back()
            && (frame.index != last.index.wrapping_add(1) || frame.media_time <= last.media_time)
        {
            return Err(last.index);
        }
        if self.frames.len() == KEPT_FRAMES
            && let Some(old) = self.frames.pop_front()
            && let Some(same) = self.by_content.get_mut(&old.picture)
        {
            same.retain(|index| *index != old.index);
            if same.is_empty() {
                self.by_content.remove(&old.picture);
            }
        }
        self.by_content
            .entry(frame.picture)
            .or_default()
            .push(frame.index);
        self.frames.push_back(frame);
        Ok(())
    }

    pub(super) fn open(&mut self, broadcaster: String, viewer: String, first: u32) {
        let span = Span {
            first,
            last: None,
            skipped: 0,
        };
        self.spans.entry((broadcaster, viewer)).or_default().push(span);
    }

    pub(super) fn skip(&mut self, broadcaster: String, viewer: String) {
        if let Some(span) = self.newest_span(broadcaster, viewer) {
            span.skipped += 1;
        }
    }

    pub(super) fn close(&mut self, broadcaster: String, viewer: String, last: u32) {
        if let Some(span) = self.newest_span(broadcaster, viewer) {
            span.last = Some(last);
        }
    }

    fn newest_span(&mut self, broadcaster: String, viewer: String) -> Option<&mut Span> {
        self.spans.get_mut(&(broadcaster, viewer))?.last_mut()
    }

    /// The frame with this number, if it is still kept.
    pub fn frame(&self, index: u32) -> Option<&LedgerFrame> {
        let first = self.frames.front()?.index;
        self.frames.get(index.checked_sub(first)? as usize)
    }

    /// The frame at exactly this media time, if it is still kept.
    pub fn at_media_time(&self, media_time: i64) -> Option<&LedgerFrame> {
        let at = self
            .frames
            .binary_search_by_key(&media_time, |frame| frame.media_time)
            .ok()?;
        self.frames.get(at)
    }

    /// The frames with this digest.
    pub fn with_content(&self, digest: u64) -> impl Iterator<Item = &LedgerFrame> {
        self.by_content
            .get(&digest)
            .into_iter()
            .flatten()
            .filter_map(|index| self.frame(*index))
    }

    /// Frames that are kept, and those that can be found by their content.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.frames.len(), self.by_content.values().map(Vec::len).sum())
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<&LedgerFrame> {
        self.frames.back()
    }

    /// The frames handed to the newest connection of these names; `None` when none ever was.
    pub fn span(&self, broadcaster: &str, viewer: &str) -> Option<Span> {
        self.spans_of(broadcaster, viewer).last().copied()
    }

    /// The frames handed to connections of these names, in the order in which they were opened: a server that was
    /// restarted may give names that it has given before.
    pub fn spans_of(&self, broadcaster: &str, viewer: &str) -> &[Span] {
        let names = (broadcaster.to_owned(), viewer.to_owned());
        self.spans.get(&names).map_or(&[], Vec::as_slice)
    }
}
