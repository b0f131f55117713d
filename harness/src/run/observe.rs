//! From the bots' records to figures: closes the counts and sums up.
//!
//! Owns the summing; it has no opinion on any figure.

use std::sync::PoisonError;

use tokio::time::Instant;

use super::heard::{DataSum, Heard};
use super::room::RoomRun;
use crate::bot::broadcaster::BroadcasterRecord;
use crate::bot::line::Loss;
use crate::bot::session::{Decoded, SessionRecord, Spacing};
use crate::bot::viewer::{ViewerEnd, ViewerRecord};
use crate::bot::{Figures, Shared};
use crate::clock::RunClock;
use crate::measure::distribution::Distribution;
use crate::measure::health::GeneratorHealth;
use crate::measure::join::{JoinPhase, JoinTimes};
use crate::measure::measured::{
    BroadcasterFigures, DecodedFigures, Delays, JudgedAt, Measured, PhaseFigures, RoomStateFigures,
    RtpFigures, SignalingLoss, ViewerFigures, ViewerOutcome,
};
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::verify::Tally;

/// Sums up what the bots of all rooms recorded.
pub(super) fn sum_up(
    rooms: Vec<RoomRun>,
    mut generator: GeneratorHealth,
    joining: std::time::Duration,
    streamed: std::time::Duration,
) -> Measured {
    let mut all = Figures::default();
    let mut skew = Distribution::default();
    let mut pacing = Distribution::default();
    let mut viewers = Vec::new();
    let mut broadcasters = Vec::new();
    let mut callers = Vec::new();
    let mut joins = Vec::new();
    let mut comparable = true;
    let mut sound_announced = false;
    let mut heard = Heard::default();
    let mut data = DataSum::default();
    let mut idle_faults = Vec::new();
    #[cfg_attr(
        not(feature = "sim"),
        expect(unused_mut, reason = "nothing is simulated in this build")
    )]
    let mut network = None;
    for room in rooms {
        let shared = &room.shared;
        #[cfg(feature = "sim")]
        super::simulate::add_links(shared, &mut network);
        let figures = std::mem::take(&mut *shared.figures.lock().unwrap_or_else(PoisonError::into_inner));
        skew.merge(&merge(&mut all, figures, shared));
        let idle = shared.wire_faults.iter().flat_map(|faults| faults.idle());
        idle_faults.extend(
            idle.map(|(viewer, fault)| format!("{fault} at {}", shared.label(&format!("viewer-{viewer}")))),
        );
        comparable &= has_comparable_clock(shared);
        sound_announced |= announces_sound(shared);
        data.add(&room);
        callers.extend(room.callers);
        for record in room.broadcaster_records {
            pacing.merge(&record.pacing_error);
            generator.skipped_frames += record.skipped_frames;
            broadcasters.push(broadcaster(shared, record));
        }
        for record in room.viewer_records {
            joins.push(record.join.clone());
            viewers.push(viewer(&room.watched, record, &mut heard));
        }
    }
    generator.pacing_error = pacing.summary();
    let mut totals = Tally::default();
    viewers
        .iter()
        .for_each(|viewer: &ViewerFigures| totals.add(&viewer.tally));
    let mut sound_totals = Tally::default();
    viewers
        .iter()
        .for_each(|viewer: &ViewerFigures| sound_totals.add(&viewer.sound_tally));
    let has_sound = sound_announced || viewers.iter().any(|viewer| viewer.sound_packets > 0);
    let received = viewers
        .iter()
        .filter(|viewer| viewer.judged_at != JudgedAt::Nothing);
    Measured {
        joining_ms: joining.as_secs_f64() * 1_000.0,
        streamed_ms: streamed.as_secs_f64() * 1_000.0,
        judged_at: received
            .map(|viewer| viewer.judged_at)
            .min()
            .unwrap_or(JudgedAt::Nothing),
        totals,
        sound_totals: has_sound.then_some(sound_totals),
        sound: heard.sound(),
        tones: heard.tones.figures(),
        quality: heard.quality.figures(),
        quality_absent_because: heard.quality_absent_because(),
        av_offset: heard.av_sync.figures(),
        data: data.figures(),
        join: JoinPhase::ALL
            .into_iter()
            .map(|phase| phase_figures(phase, &joins))
            .collect(),
        delays: Delays {
            sound_latency: heard.latency.summary(),
            ..delays(&all, comparable, !viewers.is_empty())
        },
        viewers,
        broadcasters,
        callers,
        fanout_skew: skew.summary(),
        server_ended: None,
        server_process: None,
        idle_faults,
        network,
        generator,
    }
}

/// Adds a room's distributions to those of all; gives its skew, whose frame numbers are its own.
fn merge(all: &mut Figures, room: Figures, shared: &Shared) -> Distribution {
    all.capture_delay.merge(&room.capture_delay);
    all.encode_delay.merge(&room.encode_delay);
    all.transport_delay.merge(&room.transport_delay);
    all.decode_delay.merge(&room.decode_delay);
    all.frame_latency.merge(&room.frame_latency);
    all.glass_latency.merge(&room.glass_latency);
    let (closed, skew) = room.skew.finish();
    closed.into_iter().for_each(|frame| shared.note_skew(frame));
    skew
}

/// Whether the ledger's clock is our own or that of another process on this boot.
fn has_comparable_clock(shared: &Shared) -> bool {
    let ledger = shared.ledger.lock();
    ledger
        .header()
        .is_some_and(|header| header.boot_id.is_some() && header.boot_id == crate::clock::boot_id())
}

/// Whether the ledger says that there is sound.
fn announces_sound(shared: &Shared) -> bool {
    let ledger = shared.ledger.lock();
    ledger.header().is_some_and(|header| header.audio.is_some())
}

fn delays(all: &Figures, comparable: bool, has_viewers: bool) -> Delays {
    let frame_latency = all.frame_latency.summary();
    let absent_because = match (&frame_latency, comparable, has_viewers) {
        (Some(_), ..) => None,
        (None, _, false) => Some("latency is measured where frames are received"),
        (None, false, true) => {
            Some("no ledger of this host says when frames were due; clocks of two hosts are not compared")
        }
        (None, true, true) => Some("no frame was verified in the measured window"),
    };
    Delays {
        capture: all.capture_delay.summary(),
        encode: all.encode_delay.summary(),
        transport: all.transport_delay.summary(),
        decode: all.decode_delay.summary(),
        frame_latency,
        glass_latency: all.glass_latency.summary(),
        sound_latency: None,
        absent_because: absent_because.map(str::to_owned),
    }
}

fn phase_figures(phase: JoinPhase, joins: &[JoinTimes]) -> PhaseFigures {
    let mut times = Distribution::default();
    joins
        .iter()
        .filter_map(|join| join.get(phase))
        .for_each(|time| times.record(time));
    PhaseFigures {
        phase,
        missing: joins.len() as u64 - times.count(),
        time: times.summary(),
    }
}

fn ms_since_start(clock: &RunClock, at: Instant) -> f64 {
    clock.us(at) as f64 / 1_000.0
}

fn losses(shared: &Shared, losses: Vec<Loss>) -> Vec<SignalingLoss> {
    let figures = |loss: Loss| SignalingLoss {
        at_ms: ms_since_start(&shared.clock, loss.at),
        away_ms: loss
            .back_at
            .map(|back| back.saturating_duration_since(loss.at).as_secs_f64() * 1_000.0),
        why: loss.why,
        planned: loss.planned,
        attempts: loss.attempts,
    };
    losses.into_iter().map(figures).collect()
}

fn broadcaster(shared: &Shared, record: BroadcasterRecord) -> BroadcasterFigures {
    BroadcasterFigures {
        room: shared.room.clone(),
        joined: record.joined,
        stayed_ms: record.stayed.as_secs_f64() * 1_000.0,
        frames: record.frames,
        key_frames: record.key_frames,
        bytes: record.bytes,
        connections: record.connections,
        skipped_frames: record.skipped_frames,
        key_frame_requests: record.key_frame_requests,
        packets_sent: record.packets_sent,
        sound_packets: record.sound_packets,
        frame_rate: record.frame_rate,
        bitrate_changes: record.bitrate_changes,
        chat_said: record.chat_said,
        chat: record.chat.into_iter().map(|line| line.text).collect(),
        dial_error: record.dial_error,
        signaling_losses: losses(shared, record.losses),
        errors: record.errors,
    }
}

fn viewer(shared: &Shared, record: ViewerRecord, all: &mut Heard) -> ViewerFigures {
    let mut tallies = PerMedia::<Tally>::default();
    let mut freezes = crate::measure::freeze::Freezes::default();
    let mut decoded = DecodedFigures::default();
    let mut rtp = PerMedia::<Option<RtpFigures>>::default();
    let mut heard = Heard::default();
    let (mut frames, mut sound_packets) = (0, 0);
    let mut spacing = Spacing::default();
    let announced_fps;
    let mut first_key_frame_ms: Option<f64> = None;
    let mut without_key_frame_ms: Option<f64> = None;
    let mut media_after_stop_ms: Option<f64> = None;
    {
        let ledger = shared.ledger.lock();
        announced_fps = ledger
            .header()
            .map(|header| header.frame_rate)
            .filter(|rate| *rate > 0.0);
        for session in record.sessions {
            frames += session.video.frames;
            sound_packets += session.sound.packets;
            spacing.merge(session.video.spacing);
            freezes.count += session.video.freezes.count;
            freezes.total_ms += session.video.freezes.total_ms;
            freezes.longest_ms = freezes.longest_ms.max(session.video.freezes.longest_ms);
            add_decoded(&mut decoded, session.video.decoded);
            heard.add_session(&session);
            let wait = session.awaited_since.map(|since| {
                let until = session
                    .video
                    .first_key_at
                    .or(session.stopped_at)
                    .unwrap_or(session.ended_at);
                until.saturating_duration_since(since).as_secs_f64() * 1_000.0
            });
            let longest = if session.video.first_key_at.is_some() {
                &mut first_key_frame_ms
            } else {
                &mut without_key_frame_ms
            };
            *longest = most(*longest, wait);
            let after_stop = session.after_stop.map(|after| after.as_secs_f64() * 1_000.0);
            media_after_stop_ms = most(media_after_stop_ms, after_stop);
            for media in MediaKind::ALL {
                let sum = rtp.get_mut(media);
                *sum = match (*sum, rtp_figures(&session, media)) {
                    (Some(sum), Some(session)) => Some(add_rtp(sum, session)),
                    (sum, session) => session.or(sum),
                };
            }
            let of_session = session.tallies(&ledger);
            tallies.video.add(&of_session.video);
            tallies.audio.add(&of_session.audio);
        }
    }
    all.add(&heard);
    let tally = tallies.video;
    let decodes = decoded != DecodedFigures::default();
    let judged_at = match (frames, tally.verified + tally.corrupt, decoded.stamps_read) {
        (0, ..) => JudgedAt::Nothing,
        (_, 1.., _) => JudgedAt::Exact,
        (_, 0, 1..) => JudgedAt::Stamped,
        (_, 0, 0) => JudgedAt::Intact,
    };
    let join_ms = JoinPhase::ALL
        .into_iter()
        .filter_map(|phase| Some((phase, record.join.get(phase)?.as_secs_f64() * 1_000.0)))
        .collect();
    ViewerFigures {
        label: record.label,
        room: shared.room.clone(),
        number: record.number,
        end: match record.end {
            ViewerEnd::Finished => ViewerOutcome::Finished,
            ViewerEnd::Left => ViewerOutcome::Left,
            ViewerEnd::Killed => ViewerOutcome::Vanished,
            ViewerEnd::NeverConnected => ViewerOutcome::NeverConnected,
        },
        started_at_ms: ms_since_start(&shared.clock, record.join.started()),
        ended_at_ms: ms_since_start(&shared.clock, record.ended_at),
        judged_at,
        tally,
        frames,
        frames_per_second: spacing.per_second(),
        announced_fps,
        sound_tally: tallies.audio,
        sound_packets,
        sound: heard.sound(),
        tones: heard.tones.figures(),
        quality: heard.quality.figures(),
        av_offset: heard.av_sync.figures(),
        media_after_stop_ms,
        join_ms,
        stuck_before: record.join.stuck_before(),
        saw_broadcaster: record.join.has_seen_broadcaster(),
        live_ms: record.live.as_secs_f64() * 1_000.0,
        first_key_frame_ms,
        without_key_frame_ms,
        latency: record.latency.summary(),
        freezes,
        decoded: decodes.then_some(decoded),
        rtp: rtp.video,
        sound_rtp: rtp.audio,
        arrivals: record.arrivals,
        chat_said: record.chat_said,
        // Where the server does not number them, as they came.
        chat_seqs: (1..)
            .zip(&record.chat)
            .map(|(arrival, line)| line.seq.unwrap_or(arrival))
            .collect(),
        chat: record.chat.into_iter().map(|line| line.text).collect(),
        state_at_join: record.state_at_join.as_ref().map(state),
        state_at_end: state(&record.state),
        dial_error: record.dial_error,
        signaling_losses: losses(shared, record.losses),
        errors: record.errors,
    }
}

fn state(state: &greenroom_signaling::RoomState) -> RoomStateFigures {
    RoomStateFigures {
        video_muted: state.muted.video,
        audio_muted: state.muted.audio,
        stopped: state.stopped,
    }
}

/// The larger of two figures that may be absent.
fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

fn add_decoded(sum: &mut DecodedFigures, session: Decoded) {
    sum.frames_decoded += session.frames;
    sum.stamps_matched += session.stamps_matched;
    sum.stamps_wrong += session.stamps_wrong;
    sum.stamps_unreadable += session.stamps_unreadable;
    sum.stamps_read += session.stamps_read;
    sum.muted_black += session.muted_black;
    sum.muted_not_black += session.muted_not_black;
    sum.failed += session.failed;
    sum.seen_while_muted += session.seen_while_muted;
}

/// Adds another connection of the same viewer; its rate and jitter are those of the latest one.
fn add_rtp(sum: RtpFigures, session: RtpFigures) -> RtpFigures {
    RtpFigures {
        packets_received: sum.packets_received + session.packets_received,
        packets_lost: sum.packets_lost + session.packets_lost,
        packets_duplicated: sum.packets_duplicated + session.packets_duplicated,
        packets_reordered: sum.packets_reordered + session.packets_reordered,
        bytes_received: sum.bytes_received + session.bytes_received,
        nack_count: sum.nack_count.zip(session.nack_count).map(|(a, b)| a + b),
        pli_count: sum.pli_count.zip(session.pli_count).map(|(a, b)| a + b),
        ..session
    }
}

fn rtp_figures(session: &SessionRecord, media: MediaKind) -> Option<RtpFigures> {
    let stats = session.stats.as_ref()?;
    let (received, nack_count, pli_count) = match media {
        MediaKind::Video => (stats.video?, Some(stats.nack_count), Some(stats.pli_count)),
        // The stack counts NACKs of both media together, and only video has PLIs.
        MediaKind::Audio => (stats.audio?, None, None),
    };
    let first_at = match media {
        MediaKind::Video => session.video.first_key_at,
        MediaKind::Audio => session.sound.first_at,
    };
    let until = session.stopped_at.unwrap_or(session.ended_at);
    let seconds = first_at.map(|first| until.saturating_duration_since(first).as_secs_f64());
    Some(RtpFigures {
        packets_received: received.packets_received,
        packets_lost: received.packets_lost,
        packets_duplicated: received.packets_duplicated,
        packets_reordered: received.packets_reordered,
        bytes_received: received.bytes_received,
        jitter_ms: received.jitter_s * 1_000.0,
        nack_count,
        pli_count,
        bitrate_bps: seconds
            .filter(|s| *s > 0.0)
            .map(|seconds| received.bytes_received as f64 * 8.0 / seconds),
    })
}
