//! Sums over sessions and viewers: what was heard and seen, and what went over data channels.
//!
//! Owns the adding up; a figure that nobody measured stays absent.

use super::room::RoomRun;
use crate::bot::session::SessionRecord;
use crate::measure::av_sync::AvSync;
use crate::measure::data::{DataFigures, DataLog};
use crate::measure::distribution::Distribution;
use crate::measure::measured::DataBothWays;
use crate::measure::quality::QualityTally;
use crate::measure::sound::{SoundFigures, SoundTally};
use crate::measure::tone::ToneTally;

/// What decoding viewers heard and saw.
#[derive(Debug, Default)]
pub(super) struct Heard {
    sound: Option<SoundTally>,
    pub(super) tones: ToneTally,
    pub(super) quality: QualityTally,
    pub(super) av_sync: AvSync,
    pub(super) latency: Distribution,
    /// Pictures that were decoded, compared or not.
    decoded: u64,
    /// Pictures of which the stamp was read and is the right one.
    stamped: u64,
    /// Stamps that were read without a ledger.
    unjudged: u64,
}

impl Heard {
    pub(super) fn add_session(&mut self, session: &SessionRecord) {
        self.latency.merge(&session.sound.latency);
        self.quality.merge(&session.video.quality);
        self.av_sync.merge(&session.av_sync);
        self.decoded += session.video.decoded.frames;
        self.stamped += session.video.decoded.stamps_matched;
        self.unjudged += session.video.decoded.stamps_read;
        if let Some((sound, tones)) = &session.sound.heard {
            self.sound.get_or_insert_default().merge(sound);
            self.tones.merge(tones);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.quality.merge(&other.quality);
        self.av_sync.merge(&other.av_sync);
        self.decoded += other.decoded;
        self.stamped += other.stamped;
        self.unjudged += other.unjudged;
        if let Some(sound) = &other.sound {
            self.sound.get_or_insert_default().merge(sound);
        }
        self.tones.merge(&other.tones);
    }

    pub(super) fn sound(&self) -> Option<SoundFigures> {
        self.sound.as_ref().map(SoundTally::figures)
    }

    pub(super) fn quality_absent_because(&self) -> Option<String> {
        let why = match (self.quality.figures(), self.decoded, self.stamped, self.unjudged) {
            (Some(_), ..) => return None,
            (None, 0, ..) => "no viewer decoded",
            (None, _, 0, 1..) => "no ledger says which clip was sent",
            (None, _, 0, 0) => "no picture carried a stamp that names its source",
            _ => "the pictures that were meant are not known here",
        };
        Some(why.to_owned())
    }
}

/// Messages of all rooms, by direction.
#[derive(Debug, Default)]
pub(super) struct DataSum {
    down: Direction,
    up: Direction,
    any: bool,
}

#[derive(Debug, Default)]
struct Direction {
    sum: DataFigures,
    latency: Distribution,
    lost: u64,
    both_ends_known: bool,
}

impl DataSum {
    pub(super) fn add(&mut self, room: &RoomRun) {
        if !room.shared.scenario.media.data_channel {
            return;
        }
        self.any = true;
        let us = |at| room.shared.clock.us(at);
        let broadcasters = || room.broadcaster_records.iter().map(|record| &record.data);
        for log in broadcasters() {
            self.down.sent(log);
            self.up.received(log);
        }
        for session in room.viewer_records.iter().flat_map(|record| &record.sessions) {
            self.up.sent(&session.data);
            self.down.received(&session.data);
            let end = us(session.stopped_at.unwrap_or(session.ended_at));
            let settled: u64 = broadcasters()
                .map(|log| log.settled_to(&session.viewer, end))
                .sum();
            let delivered = session.data.delivered_from(&session.broadcaster);
            self.down
                .compare(settled, delivered, broadcasters().next().is_some());
            let settled = session.data.settled_to(&session.broadcaster, end);
            let delivered: u64 = broadcasters()
                .map(|log| log.delivered_from(&session.viewer))
                .sum();
            self.up
                .compare(settled, delivered, broadcasters().next().is_some());
        }
    }

    pub(super) fn figures(self) -> Option<DataBothWays> {
        self.any.then(|| DataBothWays {
            down: self.down.figures(),
            up: self.up.figures(),
        })
    }
}

impl Direction {
    fn sent(&mut self, log: &DataLog) {
        self.sum.sent += log.figures().sent;
    }

    fn received(&mut self, log: &DataLog) {
        let figures = log.figures();
        self.sum.delivered += figures.delivered;
        self.sum.reordered += figures.reordered;
        self.sum.unreadable += figures.unreadable;
        log.add_latency_to(&mut self.latency);
    }

    fn compare(&mut self, settled: u64, delivered: u64, both_ends_known: bool) {
        self.lost += settled.saturating_sub(delivered);
        self.both_ends_known = both_ends_known;
    }

    fn figures(self) -> DataFigures {
        DataFigures {
            lost: self.both_ends_known.then_some(self.lost),
            latency: self.latency.summary(),
            ..self.sum
        }
    }
}
