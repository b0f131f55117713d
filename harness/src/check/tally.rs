//! Findings in the counts of one medium: what was lost, corrupt, repeated, or never sent.
//!
//! Owns how the counts become findings, the same for frames and for sound packets.

use super::findings::{Finding, FindingKind, Severity, numbers};
use crate::media::kind::MediaKind;
use crate::media::verify::Tally;

/// Pushes what is to be found; `explained` is how many losses the scenario itself asked for.
pub(super) fn of_tally(
    peer: &str,
    media: MediaKind,
    tally: &Tally,
    explained: u64,
    findings: &mut Vec<Finding>,
) {
    let unit = media.unit();
    let [lost, corrupt, repeated, unexpected] = kinds(media);
    if tally.lost > 0 {
        let (why, severity) = if explained > 0 {
            ("; the scripted loss explains it", Severity::Note)
        } else {
            ("", Severity::Error)
        };
        let message = format!(
            "{peer} lost {} of {} {unit}s ({}){why}",
            tally.lost,
            tally.expected,
            numbers(number_of(media), &tally.lost_examples, tally.lost)
        );
        findings.push(Finding::error(lost, peer, message).with(severity));
    }
    if tally.corrupt > 0 {
        let message = format!(
            "{peer} got {} of {} {unit}s with another content than was sent ({})",
            tally.corrupt,
            tally.expected,
            numbers(number_of(media), &tally.corrupt_examples, tally.corrupt)
        );
        findings.push(Finding::error(corrupt, peer, message));
    }
    if tally.repeated > 0 {
        let message = format!("{peer} got {} {unit}s again", tally.repeated);
        findings.push(Finding::error(repeated, peer, message));
    }
    if tally.unexpected > 0 && tally.verified > 0 {
        let message = format!(
            "{peer} got {} {unit}s at times at which nothing was sent",
            tally.unexpected
        );
        findings.push(Finding::error(unexpected, peer, message));
    }
}

/// Lost, corrupt, repeated, unexpected.
fn kinds(media: MediaKind) -> [FindingKind; 4] {
    match media {
        MediaKind::Video => [
            FindingKind::FramesLost,
            FindingKind::FramesCorrupt,
            FindingKind::FramesRepeated,
            FindingKind::FramesUnexpected,
        ],
        MediaKind::Audio => [
            FindingKind::SoundLost,
            FindingKind::SoundCorrupt,
            FindingKind::SoundRepeated,
            FindingKind::SoundUnexpected,
        ],
    }
}

/// What the numbers in a sentence are of.
fn number_of(media: MediaKind) -> &'static str {
    match media {
        MediaKind::Video => "frame",
        MediaKind::Audio => "packet",
    }
}
