//! One connection of a viewer: what comes in is verified, measured and perhaps decoded.
//!
//! Owns what a viewer knows of one broadcaster's stream, from the offer to the close, and puts its media
//! together. It sends nothing by itself except requests for key frames, estimates and messages.

mod eye;
mod record;
mod sound;
mod video;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use greenroom_signaling::{PeerId, RoomState};
use tokio::time::Instant;

use self::sound::SoundTrack;
use self::video::VideoTrack;
use super::Shared;
use crate::engine::{ConnectionHandle, ConnectionId, ConnectionStats, EngineCommand, EngineEventKind};
use crate::measure::av_sync::AvSync;
use crate::measure::data::DataLog;
use crate::measure::distribution::Distribution;
use crate::measure::join::{JoinPhase, JoinTimes};
use crate::measure::mute::MuteWatch;
use crate::measure::receiver_estimate::{ReceivedSecond, ReceiverEstimate};
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::ledger::{Ledger, LedgerFrame, LedgerTrack, Span};
use crate::media::reassemble::{ReceiveStats, ReceivedFrame};
use crate::media::verify::Verifier;
use crate::trace::TraceKind;

pub(crate) use self::eye::Decoded;
pub(crate) use self::record::SessionRecord;
pub(crate) use self::video::Spacing;

/// Least time between two requests for a key frame from one viewer.
const KEY_FRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// Time without a key frame after which one is asked for.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(300);

/// Time without anything after which a stream does not flow any more.
const FLOWS: Duration = Duration::from_millis(500);

/// Least bitrate that is estimated, in bits per second.
const MIN_ESTIMATE_BPS: u32 = 50_000;

/// The last frame of each medium that is waited for; `None` where there is no such limit.
pub(crate) type Until = PerMedia<Option<u32>>;

/// What both tracks of a session share.
#[derive(Debug)]
struct Context {
    shared: Arc<Shared>,
    label: String,
    id: ConnectionId,
    /// The connection's name in the ledger.
    broadcaster: String,
    viewer: String,
    /// Connections of the same names in the ledger that were opened before.
    before: PerMedia<usize>,
    /// Whether each frame goes into the trace.
    sampled: bool,
    /// Since when it says that the stream is stopped.
    stopped_at: Option<Instant>,
}

impl Context {
    /// The frames of a medium that were handed to this connection; `None` while none was.
    fn span(&self, sent: &LedgerTrack, media: MediaKind) -> Option<Span> {
        let sent_on = self.shared.has_media_server();
        span_of(
            sent,
            (&self.broadcaster, &self.viewer),
            *self.before.get(media),
            sent_on,
        )
    }

    /// Whether something of this time belongs to the figures.
    fn in_window(&self, at: Instant) -> bool {
        self.shared.figures().in_window(at)
    }

    /// When a frame was due, on this process's clock, which is `clock_offset_us` after the ledger's.
    fn due_instant(&self, sent: &LedgerFrame, clock_offset_us: Option<i64>) -> Option<Instant> {
        let us = sent.due_us.checked_add_signed(clock_offset_us?)?;
        Some(self.shared.clock.instant(us))
    }
}

/// One stream as it comes in.
#[derive(Debug)]
pub(crate) struct Session {
    context: Context,
    pub(crate) broadcaster: PeerId,
    pub(crate) handle: Option<ConnectionHandle>,
    video: VideoTrack,
    sound: SoundTrack,
    av_sync: AvSync,
    data: DataLog,
    data_open: bool,
    estimate: ReceiverEstimate,
    /// Whether this is the viewer's first session: only that one counts as its join.
    first_of_viewer: bool,
    /// When something came last.
    last_at: Option<Instant>,
    connected_at: Option<Instant>,
    /// Since when a key frame is awaited: a muted sender may send nothing.
    awaited_since: Option<Instant>,
    /// Whether the video is said to be muted.
    muted: bool,
    key_frame_asked_at: Option<Instant>,
    /// How long after the stop media still came.
    after_stop: Option<Duration>,
    pub(crate) stats: Option<ConnectionStats>,
}

/// What a session is made of.
pub(crate) struct SessionSpec {
    pub(crate) label: String,
    pub(crate) id: ConnectionId,
    pub(crate) broadcaster: PeerId,
    /// Its name in the ledger.
    pub(crate) name: String,
    /// Number of the viewer, from 1.
    pub(crate) number: u32,
    pub(crate) handle: ConnectionHandle,
    /// Whether to decode.
    pub(crate) decode: bool,
    /// Whether each frame goes into the trace.
    pub(crate) sampled: bool,
    /// Whether it is the viewer's first session.
    pub(crate) first_of_viewer: bool,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, spec: SessionSpec) -> Self {
        let offset = clock_offset_of(&shared, &shared.ledger.lock());
        let deadline = shared.scenario.deadlines.frame;
        let delay = shared.scenario.scripted_lag(spec.number);
        let most = shared.scenario.media.bitrate_bps;
        let broadcaster_in_ledger = shared.name_in_ledger(spec.broadcaster.as_str()).to_owned();
        let before = {
            let ledger = shared.ledger.lock();
            let opened = |media| {
                ledger
                    .track(media)
                    .spans_of(&broadcaster_in_ledger, &spec.name)
                    .len()
            };
            PerMedia {
                video: opened(MediaKind::Video),
                audio: opened(MediaKind::Audio),
            }
        };
        Self {
            video: VideoTrack::new(deadline, offset, spec.decode, MuteWatch::new(delay)),
            sound: SoundTrack::new(deadline, offset, spec.decode, MuteWatch::new(delay)),
            context: Context {
                shared,
                label: spec.label,
                id: spec.id,
                broadcaster: broadcaster_in_ledger,
                viewer: spec.name,
                before,
                sampled: spec.sampled,
                stopped_at: None,
            },
            broadcaster: spec.broadcaster,
            handle: Some(spec.handle),
            av_sync: AvSync::default(),
            data: DataLog::default(),
            data_open: false,
            estimate: ReceiverEstimate::new(most, MIN_ESTIMATE_BPS.min(most), most),
            first_of_viewer: spec.first_of_viewer,
            last_at: None,
            connected_at: None,
            awaited_since: None,
            muted: false,
            key_frame_asked_at: None,
            after_stop: None,
            stats: None,
        }
    }

    /// The connection is connected: from now on a key frame is awaited.
    pub(crate) fn connected(&mut self, at: Instant) {
        self.connected_at.get_or_insert(at);
        self.await_key_frame(at);
    }

    fn await_key_frame(&mut self, at: Instant) {
        if self.video.first_key_at.is_some() || self.connected_at.is_none() {
            return;
        }
        self.awaited_since = (!self.muted).then(|| self.awaited_since.unwrap_or(at));
    }

    /// What the connection is called in the ledger, when the viewer has learned it late.
    pub(crate) fn set_name(&mut self, name: String) {
        self.context.viewer = name;
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.context.id
    }

    /// When the first key frame was complete.
    pub(crate) fn first_key_at(&self) -> Option<Instant> {
        self.video.first_key_at
    }

    /// When the first frame was decoded.
    pub(crate) fn first_decoded_at(&self) -> Option<Instant> {
        self.video.first_decoded_at()
    }

    /// Whether something came a moment ago.
    pub(crate) fn flows(&self, now: Instant) -> bool {
        self.last_at
            .is_some_and(|at| now.saturating_duration_since(at) <= FLOWS)
    }

    /// Takes what came in of media, and notes which phases of the join it completes.
    pub(crate) fn media(&mut self, at: Instant, kind: EngineEventKind, join: &mut JoinTimes) {
        match kind {
            EngineEventKind::FirstPacket(_) => join.reach(JoinPhase::FirstPacket, at),
            EngineEventKind::Frame(media, frame) => {
                self.frame(media, frame);
                if let Some(at) = self.first_key_at() {
                    join.reach(JoinPhase::FirstFrame, at);
                }
                if let Some(at) = self.first_decoded_at() {
                    join.reach(JoinPhase::FirstDecoded, at);
                }
            }
            EngineEventKind::FrameDamaged {
                media,
                rtp_time,
                missing,
            } => self.damaged(media, rtp_time, missing),
            _ => {}
        }
    }

    /// Takes a complete frame or sound packet.
    pub(crate) fn frame(&mut self, media: MediaKind, frame: Box<ReceivedFrame>) {
        self.last_at = Some(frame.completed_at);
        if let Some(stopped) = self.context.stopped_at {
            let after = frame.completed_at.saturating_duration_since(stopped);
            self.after_stop = Some(self.after_stop.map_or(after, |latest| latest.max(after)));
        }
        match media {
            MediaKind::Audio => self.sound.packet(&self.context, &frame, &mut self.av_sync),
            MediaKind::Video => {
                let had_key = self.video.first_key_at.is_some();
                self.video.frame(&self.context, frame, &mut self.av_sync);
                if !had_key && self.video.first_key_at.is_some() && self.first_of_viewer {
                    let progress = &self.context.shared.progress;
                    progress.announce(&progress.joined);
                }
            }
        }
    }

    /// Takes a frame or sound packet that will never be complete.
    pub(crate) fn damaged(&mut self, media: MediaKind, rtp_time: i64, missing: u32) {
        match media {
            MediaKind::Video => self.video.damaged(&self.context, rtp_time, missing),
            MediaKind::Audio => self.sound.damaged(),
        }
    }

    /// Notes what the room says of the stream.
    pub(crate) fn room_state(&mut self, state: &RoomState, at: Instant) {
        self.sound.mute.signaled(state.muted.audio, at);
        self.video.signaled(state.muted.video, at);
        self.muted = state.muted.video;
        self.await_key_frame(at);
        if state.stopped {
            self.context.stopped_at.get_or_insert(at);
        }
    }

    /// Judges what waited for the ledger, asks for a key frame where one is needed, says a message.
    pub(crate) fn tick(&mut self, now: Instant) {
        let offset = {
            let ledger = self.context.shared.ledger.lock();
            clock_offset_of(&self.context.shared, &ledger)
        };
        self.video.tick(&self.context, offset, &mut self.av_sync);
        self.sound.tick(&self.context, offset, &mut self.av_sync);
        let waiting = self.video.first_key_at.is_none()
            && self
                .awaited_since
                .is_some_and(|at| now.saturating_duration_since(at) >= KEY_FRAME_PATIENCE);
        if waiting || self.video.key_frame_needed {
            self.ask_for_key_frame(now);
        }
        self.say_on_data_channel(now);
    }

    fn ask_for_key_frame(&mut self, now: Instant) {
        let asked_lately = self
            .key_frame_asked_at
            .is_some_and(|at| now.saturating_duration_since(at) < KEY_FRAME_REQUEST_INTERVAL);
        if !asked_lately && self.tell(EngineCommand::RequestKeyFrame) {
            self.key_frame_asked_at = Some(now);
            self.video.key_frame_needed = false;
        }
    }

    /// Sends a command that may fail: what depends on it shows when it stays away.
    fn tell(&self, command: EngineCommand) -> bool {
        self.handle
            .as_ref()
            .is_some_and(|handle| handle.send(command).is_ok())
    }

    pub(crate) fn data_opened(&mut self) {
        self.data_open = true;
    }

    /// Takes a message of the data channel.
    pub(crate) fn message(&mut self, message: &Bytes, at: Instant) {
        let at_us = self.context.shared.clock.us(at);
        let offset = self.video.clock_offset_us();
        self.data
            .received(self.broadcaster.as_str(), message, at_us, offset);
    }

    fn say_on_data_channel(&mut self, now: Instant) {
        if !self.data_open || self.handle.is_none() || self.context.stopped_at.is_some() {
            return;
        }
        let now_us = self.context.shared.clock.us(now);
        if let Some(message) = self.data.next_to(self.broadcaster.as_str(), now_us) {
            self.tell(EngineCommand::SendData(Bytes::from(message.encode())));
        }
    }

    /// Puts the summary of the last second into the trace, and estimates what the path carries.
    pub(crate) fn second_passed(&mut self) {
        let second = self.video.take_second();
        let shared = &self.context.shared;
        shared.trace.now(&self.context.label, || TraceKind::MediaSecond {
            frames: second.frames,
            bytes: second.bytes,
            verified: second.verified,
            key_frames: second.key_frames,
            sound_packets: self.sound.take_second(),
        });
        if shared.scenario.media.adapt {
            self.tell(EngineCommand::ReportStats);
        }
    }

    /// Takes statistics, and estimates from them what the path carries.
    pub(crate) fn statistics(&mut self, stats: ConnectionStats) {
        let before = self.stats.as_ref().and_then(|stats| stats.video);
        if let (true, Some(before), Some(now)) =
            (self.context.shared.scenario.media.adapt, before, stats.video)
        {
            let since = |field: fn(&ReceiveStats) -> u64| field(&now).saturating_sub(field(&before));
            // What came after a later packet came because it was asked for again: the path lost it once. When it
            // comes it is no longer missing, so that it counts in the second in which it was lost.
            let missed = |stats: &ReceiveStats| stats.packets_lost + stats.packets_reordered;
            let lost = missed(&now).saturating_sub(missed(&before));
            let arrived = since(|stats| stats.packets_received - stats.packets_duplicated);
            let received_bps = since(|stats| stats.bytes_received) * 8;
            let second = ReceivedSecond {
                expected: u32::try_from(arrived + since(|stats| stats.packets_lost)).unwrap_or(u32::MAX),
                lost: u32::try_from(lost).unwrap_or(u32::MAX),
                received_bps: u32::try_from(received_bps).unwrap_or(u32::MAX),
            };
            let bps = u64::from(self.estimate.second(second));
            self.tell(EngineCommand::SendEstimate { bps });
        }
        self.stats = Some(stats);
    }

    /// When the next frame leaves the planted delay of the decoder.
    pub(crate) fn next_decode(&self) -> Option<Instant> {
        self.video.next_decode()
    }

    /// Decodes every frame whose time has come.
    pub(crate) fn decode_due(&mut self, now: Instant) {
        self.video.decode_due(&self.context, now, &mut self.av_sync);
    }

    /// Whether everything up to `until`, or up to the last frame handed over, has arrived.
    pub(crate) fn drained(&self, until: Until) -> bool {
        let ledger = self.context.shared.ledger.lock();
        let known = self.context.shared.ledger.exists;
        let span = |media| self.context.span(ledger.track(media), media);
        self.video.drained(span(MediaKind::Video), until.video, known)
            && self.sound.drained(span(MediaKind::Audio), until.audio, known)
    }

    /// Ends the session and keeps what is needed for the final counts.
    pub(crate) fn end(mut self, until: Until) -> (SessionRecord, Distribution) {
        self.video.forget_shown();
        let ended_at = Instant::now();
        self.sound.mute.signaled(self.sound.mute.is_muted(), ended_at);
        self.video
            .eye
            .mute
            .signaled(self.video.eye.mute.is_muted(), ended_at);
        let (video, latency) = self.video.end();
        let record = SessionRecord {
            broadcaster: self.context.broadcaster,
            viewer: self.context.viewer,
            before: self.context.before,
            sent_on: self.context.shared.has_media_server(),
            until,
            video,
            sound: self.sound.end(),
            av_sync: self.av_sync,
            data: self.data,
            stats: self.stats,
            awaited_since: self.awaited_since,
            ended_at,
            stopped_at: self.context.stopped_at,
            after_stop: self.after_stop,
        };
        (record, latency)
    }
}

/// The last frame of a medium that a viewer waits for: the last one that was handed over, or an earlier one
/// at which it stops waiting. `None` while there is no such frame yet.
fn awaited(span: Span, until: Option<u32>) -> Option<u32> {
    match (span.last, until) {
        (Some(last), Some(until)) => Some(last.min(until)),
        (last, until) => last.or(until),
    }
}

/// The frames handed to the connection of these names that was opened after `before` others. Of one that a server feeds
/// with what was sent to it (`sent_on`), the newest one is meant, which is older than the viewer.
fn span_of(
    sent: &LedgerTrack,
    (broadcaster, viewer): (&str, &str),
    before: usize,
    sent_on: bool,
) -> Option<Span> {
    let spans = sent.spans_of(broadcaster, viewer);
    if sent_on { spans.last() } else { spans.get(before) }.copied()
}

/// Tells a verifier which frame its connection began with, as soon as the ledger knows.
fn note_opening(verifier: &mut Verifier, span: Option<Span>) {
    if verifier.awaits_opening()
        && let Some(span) = span
    {
        verifier.opened(span.first);
    }
}

/// How the ledger's clock relates to ours; `None` when it was written on another host or boot.
fn clock_offset_of(shared: &Shared, ledger: &Ledger) -> Option<i64> {
    let header = ledger.header()?;
    let same_boot = header.boot_id.is_some() && header.boot_id == crate::clock::boot_id();
    let theirs = i64::try_from(header.epoch_unix_us).ok()?;
    let ours = i64::try_from(shared.clock.epoch_unix_us()).ok()?;
    same_boot.then(|| theirs - ours)
}
