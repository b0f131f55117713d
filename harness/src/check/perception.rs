//! Findings in what a viewer hears and sees: sound, picture quality, lip sync, mute, stop, messages.
//!
//! Owns how each is recognised in the figures and the limits above which it is one.

use super::findings::{Finding, FindingKind, Severity, disturbed, numbers};
use super::tally::of_tally;
use crate::measure::measured::{DataBothWays, ViewerFigures};
use crate::measure::quality::BAD_PSNR_DB;
use crate::measure::tone::{MAX_OFF_PITCH, TONE_HZ};
use crate::media::kind::MediaKind;
use crate::net::model::LinkSpec;
use crate::scenario::Scenario;

/// Sound may be this much early or late against its picture, in milliseconds (EBU R37).
const SOUND_EARLY_MS: f64 = 40.0;
const SOUND_LATE_MS: f64 = 60.0;

/// Pairs of flash and burst that an offset needs before it is held against anybody.
const MIN_PAIRS: u64 = 3;

/// A stream below this share of its announced frame rate does not keep it.
const MIN_RATE_SHARE: f64 = 0.9;

/// Frames that a rate needs before it is held against anybody.
const MIN_RATED_FRAMES: u64 = 30;

/// How long after a stop was signaled media may still come, in milliseconds.
const STOP_GRACE_MS: f64 = 1_000.0;

/// Sound packets after which a decoder must have given something.
const HEARD_BY: u64 = 50;

/// Everything that is to be found in one viewer's sound and pictures.
pub(super) fn of_viewer(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let explained = explained_sound_losses(scenario, viewer);
    of_tally(
        &viewer.label,
        MediaKind::Audio,
        &viewer.sound_tally,
        explained,
        findings,
    );
    heard(scenario, viewer, findings);
    lip_sync(scenario, viewer, findings);
    quality(viewer, findings);
    frame_rate(viewer, findings);
    after_stop(scenario, viewer, findings);
}

/// Sound packets that the scripted loss can have cost: no more than four standard deviations above its mean,
/// even if nothing was repaired.
pub(super) fn explained_sound_losses(scenario: &Scenario, viewer: &ViewerFigures) -> u64 {
    if scenario.starves(viewer.number) {
        return viewer.sound_tally.lost;
    }
    let loss = scenario.scripted_loss(viewer.number);
    let expected = viewer.sound_tally.expected as f64;
    let most = expected * loss + 4.0 * (expected * loss * (1.0 - loss)).sqrt() + 1.0;
    if loss > 0.0 && viewer.sound_tally.lost as f64 <= most {
        viewer.sound_tally.lost
    } else {
        0
    }
}

fn heard(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let was_to_hear = cfg!(feature = "opus") && scenario.decode.includes(viewer.number);
    let Some(sound) = viewer.sound else {
        if was_to_hear && viewer.sound_packets >= HEARD_BY {
            let message = format!("{peer} decoded none of {} sound packets", viewer.sound_packets);
            findings.push(Finding::error(FindingKind::NotHeard, peer, message));
        }
        return;
    };
    if sound.undecodable > 0 {
        let message = format!(
            "{peer} could not decode {} of {} sound packets",
            sound.undecodable, sound.packets
        );
        findings.push(Finding::error(FindingKind::NotHeard, peer, message));
    }
    if viewer.tones.is_none() && sound.bursts_sent >= MIN_PAIRS && viewer.sound_tally.lost == 0 {
        let message = format!(
            "{peer} heard none of {} bursts that were sent; the sound is not the one that was encoded",
            sound.bursts_sent
        );
        findings.push(Finding::error(FindingKind::BurstsMissing, peer, message));
    }
    if sound.holes.count > 0 {
        let message = format!(
            "{peer} heard nothing for {} ms in all although sound was sent: {} hole(s), {} ms at the longest, \
             the first from packet {}",
            sound.holes.total_ms,
            sound.holes.count,
            sound.holes.longest_ms,
            sound.first_hole.unwrap_or(0)
        );
        findings.push(Finding::error(FindingKind::SoundHole, peer, message));
    }
    if sound.gaps.count > 0 {
        // Lost packets are counted where packets are; this says how long the ear missed them.
        let message = format!(
            "{peer} missed {} ms of sound in {} gap(s), {} ms at the longest",
            sound.gaps.total_ms, sound.gaps.count, sound.gaps.longest_ms
        );
        findings.push(Finding::error(FindingKind::SoundGap, peer, message).with(Severity::Note));
    }
    if sound.audible_while_muted_ms > 0 {
        let message = format!(
            "{peer} heard {} ms of sound later than a second after the mute was signaled",
            sound.audible_while_muted_ms
        );
        findings.push(
            Finding::error(FindingKind::HeardWhileMuted, peer, message).with(disturbed(scenario, viewer)),
        );
    }
    if let Some(tones) = viewer.tones
        && let (Some(frequency), Some(ratio)) = (tones.median_hz, tones.ratio)
        && (ratio - 1.0).abs() > MAX_OFF_PITCH
    {
        let guess = tones
            .rate_mix_up
            .map_or_else(String::new, |rates| format!(": {rates}"));
        let message = format!(
            "{peer} heard the {TONE_HZ:.0} Hz tone at {frequency:.0} Hz, {:+.1} %{guess}",
            (ratio - 1.0) * 100.0
        );
        findings.push(Finding::error(FindingKind::SoundRate, peer, message));
    }
}

fn lip_sync(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let Some(offset) = viewer.av_offset.filter(|offset| offset.count >= MIN_PAIRS) else {
        return;
    };
    let Some(median) = offset.median_ms else { return };
    // What was planted into the pictures' path alone is no fault of theirs.
    let delays = &scenario.planted_delays;
    let planted = (delays.capture + delays.encode + delays.decode).as_secs_f64() * 1_000.0;
    let unexplained = median + planted;
    if !(-SOUND_EARLY_MS..=SOUND_LATE_MS).contains(&unexplained) {
        let (by, way, limit) = if unexplained > 0.0 {
            (median, "later", SOUND_LATE_MS)
        } else {
            (-median, "earlier", SOUND_EARLY_MS)
        };
        let message = format!(
            "{peer} heard sound {by:.0} ms {way} than it saw the picture (median of {}; the limit is {limit:.0} ms)",
            offset.count
        );
        // A lost picture is repaired, and waits for that; lost sound is not.
        findings.push(Finding::error(FindingKind::LipSync, peer, message).with(disturbed(scenario, viewer)));
    }
}

fn quality(viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let Some(quality) = viewer.quality.as_ref().filter(|quality| quality.bad_frames > 0) else {
        return;
    };
    let message = format!(
        "{peer} saw {} of {} pictures below {BAD_PSNR_DB:.0} dB ({}), the worst at {:.1} dB in frame {}",
        quality.bad_frames,
        quality.count,
        numbers("frame", &quality.bad_examples, quality.bad_frames),
        quality.psnr_db_min,
        quality.worst_frame
    );
    findings.push(Finding::error(FindingKind::PictureQuality, peer, message));
}

fn frame_rate(viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    if let (Some(rate), Some(announced)) = (viewer.frames_per_second, viewer.announced_fps)
        && viewer.frames >= MIN_RATED_FRAMES
        && rate < announced * MIN_RATE_SHARE
    {
        let message = format!("{peer} got {rate:.1} frames per second; {announced:.1} are announced");
        findings.push(Finding::error(FindingKind::FrameRate, peer, message));
    }
}

fn after_stop(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let delay = scenario.scripted_delay(viewer.number).as_secs_f64() * 1_000.0;
    if let Some(after) = viewer
        .media_after_stop_ms
        .filter(|after| *after > STOP_GRACE_MS + delay)
    {
        let message = format!(
            "{peer} still got media {:.1} s after the stop was signaled",
            after / 1_000.0
        );
        findings.push(
            Finding::error(FindingKind::MediaAfterStop, peer, message).with(disturbed(scenario, viewer)),
        );
    }
}

/// What is to be found in the messages of the data channels, which are reliable and ordered whatever the
/// network does.
pub(super) fn of_messages(scenario: &Scenario, data: &DataBothWays, findings: &mut Vec<Finding>) {
    // Each repair takes SCTP a second or more, and everything behind it waits.
    let impaired = [scenario.network.down, scenario.network.up]
        .into_iter()
        .flatten()
        .any(|link| link != LinkSpec::default())
        || scenario.network.sim.is_some();
    let lost_severity = if impaired { Severity::Note } else { Severity::Error };
    for (way, figures) in [
        ("from the broadcaster", &data.down),
        ("to the broadcaster", &data.up),
    ] {
        let mut found = |kind, count: u64, what: &str| {
            if count > 0 {
                let message = format!("{count} messages on data channels {way} {what}");
                let severity = match kind {
                    FindingKind::MessagesLost => lost_severity,
                    _ => Severity::Error,
                };
                findings.push(Finding {
                    peer: None,
                    severity,
                    ..Finding::error(kind, "", message)
                });
            }
        };
        found(
            FindingKind::MessagesLost,
            figures.lost.unwrap_or(0),
            "never arrived",
        );
        found(
            FindingKind::MessagesReordered,
            figures.reordered,
            "came after a later one, or again",
        );
        found(
            FindingKind::MessagesUnreadable,
            figures.unreadable,
            "are none that were sent",
        );
    }
}
