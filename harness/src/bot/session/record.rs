//! What remains of a session when it is over.
//!
//! Owns plain data, and the closing of the counts once the ledger knows what was handed over.

use std::time::Duration;

use tokio::time::Instant;

use super::Until;
use super::sound::SoundRecord;
use super::video::VideoRecord;
use crate::engine::ConnectionStats;
use crate::measure::av_sync::AvSync;
use crate::measure::data::DataLog;
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::ledger::Ledger;
use crate::media::verify::Tally;

/// One session of a viewer.
#[derive(Debug)]
pub(crate) struct SessionRecord {
    pub(crate) broadcaster: String,
    pub(crate) viewer: String,
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
        let span = |media| ledger.track(media).span(&self.broadcaster, &self.viewer);
        let (video, audio) = (span(MediaKind::Video), span(MediaKind::Audio));
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
