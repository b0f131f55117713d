//! What remains of a session when it is over.
//!
//! Owns plain data, and the closing of the counts once the ledger knows what was handed over.

use std::time::Duration;

use tokio::time::Instant;

use super::sound::SoundRecord;
use super::video::VideoRecord;
use super::{Until, span_of};
use crate::engine::ConnectionStats;
use crate::measure::av_sync::AvSync;
use crate::measure::data::DataLog;
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::ledger::{Ledger, Span};
use crate::media::verify::{Tally, Verifier};

/// One session of a viewer.
#[derive(Debug)]
pub(crate) struct SessionRecord {
    pub(crate) broadcaster: String,
    pub(crate) viewer: String,
    /// Connections of the same names in the ledger that were opened before.
    pub(crate) before: PerMedia<usize>,
    /// A server sends on what the broadcaster sent to it, from whenever the viewer came.
    pub(crate) sent_on: bool,
    /// The viewer left after these frames were handed over; later ones are not expected.
    pub(crate) until: Until,
    pub(crate) video: VideoRecord,
    pub(crate) sound: SoundRecord,
    pub(crate) av_sync: AvSync,
    pub(crate) data: DataLog,
    pub(crate) stats: Option<ConnectionStats>,
    /// Since when a key frame was awaited.
    pub(crate) awaited_since: Option<Instant>,
    pub(crate) ended_at: Instant,
    /// When the stream was stopped, if it was while this lasted.
    pub(crate) stopped_at: Option<Instant>,
    /// How long after the stop media still came.
    pub(crate) after_stop: Option<Duration>,
}

impl SessionRecord {
    /// The final counts, once the ledger knows the last frames that were handed over.
    pub(crate) fn tallies(self, ledger: &Ledger) -> PerMedia<Tally> {
        let span = |media, verifier: &Verifier| {
            let span = span_of(
                ledger.track(media),
                (&self.broadcaster, &self.viewer),
                *self.before.get(media),
                self.sent_on,
            )?;
            if !self.sent_on {
                return Some(span);
            }
            // Which frame the server began with is not for the broadcaster to know: it is the first one that came.
            let first = span.first.max(verifier.lowest()?);
            Some(Span { first, ..span })
        };
        let video = span(MediaKind::Video, &self.video.verifier);
        let audio = span(MediaKind::Audio, &self.sound.verifier);
        PerMedia {
            video: self.video.verifier.finish(
                video,
                self.until.video,
                ledger.track(MediaKind::Video),
                &mut Vec::new(),
            ),
            audio: self.sound.verifier.finish(
                audio,
                self.until.audio,
                ledger.track(MediaKind::Audio),
                &mut Vec::new(),
            ),
        }
    }
}
