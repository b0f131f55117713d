//! Findings: what the system under test did wrong, viewer by viewer, each with its figure.
//!
//! Owns the closed list of kinds and how each is recognised in the figures.

use serde::{Deserialize, Serialize};

use super::tally::of_tally;
use super::{first_frame_ms, meant_to_finish, perception};
use crate::measure::join::JoinPhase;
use crate::measure::measured::{
    JudgedAt, Measured, PeerError, PeerErrorKind, SignalingLoss, ViewerFigures, ViewerOutcome,
};
use crate::media::codec::Codec;
use crate::media::kind::MediaKind;
use crate::rules::RuleFinding;
use crate::scenario::{RoleSelection, Scenario};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; decides nothing.
    Note,
    /// Suspicious; decides nothing.
    Warning,
    /// The run fails.
    Error,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The signaling server could not be reached.
    SignalingUnreachable,
    /// The signaling connection ended before the run did.
    SignalingLost,
    /// The signaling server that the run brought ended without being asked to.
    ServerEnded,
    /// The signaling server refused a message.
    SignalingRefused,
    /// A viewer never had a frame.
    NoFirstFrame,
    /// A viewer had its first frame too late.
    JoinLate,
    /// A connection never had a key frame.
    NoKeyFrame,
    /// A connection had its first key frame too late.
    KeyFrameLate,
    /// Frames were lost.
    FramesLost,
    /// Frames arrived with another content.
    FramesCorrupt,
    /// Frames arrived again.
    FramesRepeated,
    /// Frames arrived at times at which nothing was sent.
    FramesUnexpected,
    /// The picture froze.
    Freeze,
    /// A viewer vanished.
    ViewerVanished,
    /// Sound packets were lost.
    SoundLost,
    /// Sound packets arrived with another content.
    SoundCorrupt,
    /// Sound packets arrived again.
    SoundRepeated,
    /// Sound packets arrived at times at which nothing was sent.
    SoundUnexpected,
    /// Sound was missing where packets did not come.
    SoundGap,
    /// Nothing was to be heard where sound was sent.
    SoundHole,
    /// Sound plays at another pitch than it was made.
    SoundRate,
    /// A viewer that was to decode heard nothing, or not everything.
    NotHeard,
    /// None of the bursts in the sound was heard.
    BurstsMissing,
    /// Sound was to be heard while it was muted.
    HeardWhileMuted,
    /// Sound and picture are apart.
    LipSync,
    /// Pictures differ too much from what was sent.
    PictureQuality,
    /// Fewer frames come than are announced.
    FrameRate,
    /// Media came although the stream was stopped.
    MediaAfterStop,
    /// Messages of a data channel did not come.
    MessagesLost,
    /// Messages of a data channel came in another order.
    MessagesReordered,
    /// Messages of a data channel are not what was sent.
    MessagesUnreadable,
    /// A decoded picture shows another frame.
    StampWrong,
    /// A picture was to be seen while the video was muted.
    NotBlackWhileMuted,
    /// Chat lines came in another order than they are numbered.
    ChatOutOfOrder,
    /// Chat lines did not come.
    ChatLost,
    /// The other side broke the signaling protocol.
    SignalingBroken,
    /// The server never let a broadcaster into its room.
    NoBroadcaster,
    /// A viewer that was to decode saw nothing.
    NotDecoded,
    /// A rule of offer/answer, ICE, DTLS, RTP or signaling was broken; the message begins with its id.
    RuleBroken,
    /// The engine reported an error.
    EngineError,
    /// No frame was verified at any viewer.
    NothingVerified,
}

/// Something that the system under test did wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// At whom; absent when it is the run as a whole.
    pub peer: Option<String>,
    /// When, in milliseconds since the start of the run, where that is one moment.
    pub at_ms: Option<f64>,
    /// One sentence with the figure.
    pub message: String,
}

impl Finding {
    pub(super) fn error(kind: FindingKind, peer: &str, message: String) -> Self {
        Self {
            kind,
            severity: Severity::Error,
            peer: Some(peer.to_owned()),
            at_ms: None,
            message,
        }
    }

    fn at(self, at_ms: f64) -> Self {
        Self {
            at_ms: Some(at_ms),
            ..self
        }
    }

    pub(super) fn with(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Lost frames that the scenario itself asked for: no more than the scripted loss can have cost, even if
/// nothing was repaired.
pub(super) fn explained_losses(scenario: &Scenario, viewer: &ViewerFigures) -> u64 {
    if scenario.starves(viewer.number) {
        return viewer.tally.lost;
    }
    let loss = scenario.scripted_loss(viewer.number);
    if loss <= 0.0 {
        return 0;
    }
    let packets = viewer
        .rtp
        .map_or(0, |rtp| rtp.packets_received + rtp.packets_lost) as f64;
    let expected = viewer.tally.expected as f64;
    let packets_per_frame = (packets / expected.max(1.0)).max(1.0);
    let share = 1.0 - (1.0 - loss).powf(packets_per_frame);
    // Four standard deviations above the mean.
    let most = expected * share + 4.0 * (expected * share * (1.0 - share)).sqrt() + 1.0;
    if viewer.tally.lost as f64 <= most {
        viewer.tally.lost
    } else {
        0
    }
}

/// Everything that is to be found, the worst first.
pub(super) fn all(scenario: &Scenario, measured: &Measured, broken: &[RuleFinding]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // First, because whatever the bots say of their signaling follows from it.
    if let Some(ended) = &measured.server_ended {
        let message = format!(
            "the signaling server ended by itself at {:.1} s: {}",
            ended.at_ms / 1_000.0,
            ended.why
        );
        findings.push(Finding::error(FindingKind::ServerEnded, "server", message).at(ended.at_ms));
    }
    for broadcaster in &measured.broadcasters {
        let peer = "broadcaster";
        if let Some(error) = &broadcaster.dial_error {
            findings.push(Finding::error(
                FindingKind::SignalingUnreachable,
                peer,
                error.clone(),
            ));
        }
        let losses = broadcaster.signaling_losses.iter();
        findings.extend(losses.map(|loss| signaling_lost(peer, loss)));
        let had_time = broadcaster.stayed_ms >= scenario.deadlines.join.as_secs_f64() * 1_000.0;
        if !broadcaster.joined && had_time && broadcaster.dial_error.is_none() {
            let message = "the server never let the broadcaster into the room".to_owned();
            findings.push(Finding::error(FindingKind::NoBroadcaster, peer, message));
        }
        findings.extend(broadcaster.errors.iter().map(|error| reported(peer, error)));
    }
    for viewer in &measured.viewers {
        connection_findings(scenario, viewer, &mut findings);
        frame_findings(scenario, viewer, &mut findings);
        picture_findings(scenario, viewer, &mut findings);
        perception::of_viewer(scenario, viewer, &mut findings);
        chat_findings(measured, viewer, &mut findings);
        findings.extend(viewer.errors.iter().map(|error| reported(&viewer.label, error)));
    }
    if let Some(data) = &measured.data {
        perception::of_messages(scenario, data, &mut findings);
    }
    let has_ledger = measured.judged_at == JudgedAt::Exact || measured.judged_at == JudgedAt::Nothing;
    if measured.totals.verified == 0 && has_ledger && scenario.role != RoleSelection::Broadcaster {
        findings.push(Finding {
            kind: FindingKind::NothingVerified,
            severity: Severity::Error,
            peer: None,
            at_ms: None,
            message: "no frame was verified at any viewer".to_owned(),
        });
    }
    findings.extend(
        broken
            .iter()
            .filter(|rule| rule.severity > Severity::Note)
            .map(|rule| {
                let message = format!("{}: {}", rule.rule, rule.message);
                Finding::error(FindingKind::RuleBroken, &rule.peer, message)
                    .with(rule.severity)
                    .at(rule.effect.at_us as f64 / 1_000.0)
            }),
    );
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// A loss is an error, whether or not the bot came back. Only one that the scenario itself brought about, and that the bot
/// came back from, is what was to be seen.
fn signaling_lost(peer: &str, loss: &SignalingLoss) -> Finding {
    let attempts = match loss.attempts {
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    let back = match (loss.away_ms, loss.attempts) {
        (Some(away), _) => format!("it was back after {away:.0} ms, {attempts}"),
        (None, 0) => "it did not try to come back".to_owned(),
        (None, _) => format!("it did not come back in {attempts}"),
    };
    let planned = if loss.planned {
        ", as the scenario has it"
    } else {
        ""
    };
    let message = format!(
        "{peer}'s signaling was lost at {:.1} s{planned}: {}; {back}",
        loss.at_ms / 1_000.0,
        loss.why
    );
    let severity = match (loss.planned, loss.away_ms) {
        (true, Some(_)) => Severity::Note,
        _ => Severity::Error,
    };
    Finding::error(FindingKind::SignalingLost, peer, message)
        .with(severity)
        .at(loss.at_ms)
}

/// An error that a bot noted. What the stack reports, and a peer that has just left, decide nothing by
/// themselves, because their effect shows elsewhere.
fn reported(peer: &str, error: &PeerError) -> Finding {
    let (kind, severity) = match error.kind {
        PeerErrorKind::Refused => (FindingKind::SignalingRefused, Severity::Error),
        PeerErrorKind::UnknownTarget => (FindingKind::SignalingRefused, Severity::Note),
        PeerErrorKind::Protocol => (FindingKind::SignalingBroken, Severity::Error),
        PeerErrorKind::Engine => (FindingKind::EngineError, Severity::Warning),
    };
    Finding::error(kind, peer, format!("{peer}: {}", error.message)).with(severity)
}

/// Whether a viewer had the time to get a frame: as long as the deadline, of a stream that was live.
///
/// One that never got into the room, or never heard of a broadcaster, had the whole time to do so.
pub(super) fn had_time_to_join(scenario: &Scenario, viewer: &ViewerFigures) -> bool {
    let limit = scenario.deadlines.join.as_secs_f64() * 1_000.0;
    let lived = viewer.ended_at_ms - viewer.started_at_ms;
    lived >= limit && (!viewer.saw_broadcaster || viewer.live_ms >= limit)
}

fn connection_findings(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    if let Some(error) = &viewer.dial_error {
        findings.push(Finding::error(
            FindingKind::SignalingUnreachable,
            peer,
            format!("{peer}: {error}"),
        ));
    }
    let losses = viewer.signaling_losses.iter();
    findings.extend(losses.map(|loss| signaling_lost(peer, loss)));
    if viewer.end == ViewerOutcome::Vanished {
        let message = format!("{peer} vanished at {:.1} s", viewer.ended_at_ms / 1_000.0);
        findings.push(Finding::error(FindingKind::ViewerVanished, peer, message).at(viewer.ended_at_ms));
    }
    let limit = scenario.deadlines.join.as_secs_f64() * 1_000.0;
    match first_frame_ms(viewer) {
        Some(ms) if ms > limit => {
            let message = format!("{peer} had its first frame after {ms:.0} ms; the limit is {limit:.0} ms");
            findings.push(Finding::error(FindingKind::JoinLate, peer, message));
        }
        None if viewer.without_key_frame_ms.is_none()
            && viewer.dial_error.is_none()
            && meant_to_finish(viewer) =>
        {
            let stuck = viewer.stuck_before.map_or("the end", |phase| phase.label());
            let waited = if viewer.saw_broadcaster {
                ""
            } else {
                "; it never heard of a broadcaster"
            };
            let message = format!("{peer} never had a frame: it got stuck before \"{stuck}\"{waited}");
            let severity = if had_time_to_join(scenario, viewer) {
                Severity::Error
            } else {
                Severity::Note
            };
            findings.push(Finding::error(FindingKind::NoFirstFrame, peer, message).with(severity));
        }
        _ => {}
    }
    let limit = scenario.deadlines.first_key_frame.as_secs_f64() * 1_000.0;
    if let Some(waited) = viewer.without_key_frame_ms.filter(|waited| *waited > limit) {
        let message = format!(
            "{peer} was connected for {:.1} s and never got a key frame",
            waited / 1_000.0
        );
        // Whoever is cut off while a connection is new gets nothing on it, and that is scripted.
        let severity = if scenario.starves(viewer.number) {
            Severity::Note
        } else {
            Severity::Error
        };
        findings.push(Finding::error(FindingKind::NoKeyFrame, peer, message).with(severity));
    }
    // A sender has its next frame only at its next turn.
    let turn = viewer.announced_fps.map_or(0.0, |rate| 1_000.0 / rate);
    if let Some(waited) = viewer.first_key_frame_ms.filter(|waited| *waited > limit + turn) {
        let message = format!(
            "{peer} got its first key frame {waited:.0} ms after it was connected; the limit is {limit:.0} ms"
        );
        findings
            .push(Finding::error(FindingKind::KeyFrameLate, peer, message).with(disturbed(scenario, viewer)));
    }
}

fn frame_findings(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let explained = explained_losses(scenario, viewer);
    of_tally(peer, MediaKind::Video, &viewer.tally, explained, findings);
    let freezes = viewer.freezes;
    if freezes.count > 0 {
        let message = format!(
            "{peer} froze {} time(s), {:.0} ms in all, {:.0} ms at the longest",
            freezes.count, freezes.total_ms, freezes.longest_ms
        );
        let explained = explained_freezes(scenario, viewer.number);
        let severity = if explained {
            Severity::Note
        } else {
            Severity::Error
        };
        findings.push(Finding::error(FindingKind::Freeze, peer, message).with(severity));
    }
}

/// Chat lines are numbered by the room, so a viewer that was there sees each number once, in order.
fn chat_findings(measured: &Measured, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let seqs = &viewer.chat_seqs;
    // Whoever was away missed what was said, and a server that was restarted counts anew. Within one stay SG-05 judges.
    if !viewer.signaling_losses.is_empty() {
        return;
    }
    if !seqs.windows(2).all(|pair| pair[0] < pair[1]) {
        let message = format!("{peer} got chat lines in the order {seqs:?}");
        findings.push(Finding::error(FindingKind::ChatOutOfOrder, peer, message));
        return;
    }
    let in_room = |room: &str| room == viewer.room;
    let said: u64 = measured
        .viewers
        .iter()
        .filter(|other| in_room(&other.room))
        .map(|other| other.chat_said)
        .sum::<u64>()
        + measured
            .broadcasters
            .iter()
            .filter(|other| in_room(&other.room))
            .map(|other| other.chat_said)
            .sum::<u64>();
    // Whoever was there before the first word and until the end must have heard every one.
    let started_first = measured
        .viewers
        .iter()
        .all(|other| viewer.started_at_ms <= other.started_at_ms + 1_000.0);
    let heard_all = viewer.end == ViewerOutcome::Finished
        && started_first
        && viewer
            .join_ms
            .iter()
            .any(|(phase, _)| *phase == JoinPhase::Joined);
    let gaps = seqs.windows(2).any(|pair| pair[1] != pair[0] + 1);
    if gaps || (heard_all && (seqs.len() as u64) < said.min(1_000)) {
        let message = format!("{peer} got {} of {said} chat lines: {seqs:?}", seqs.len());
        findings.push(Finding::error(FindingKind::ChatLost, peer, message));
    }
}

/// How bad it is that something came late: what the scenario itself disturbs is repaired late.
pub(super) fn disturbed(scenario: &Scenario, viewer: &ViewerFigures) -> Severity {
    if scenario.disturbs(viewer.number) {
        Severity::Note
    } else {
        Severity::Error
    }
}

/// Whether the scenario makes the picture stop by itself.
fn explained_freezes(scenario: &Scenario, viewer: u32) -> bool {
    scenario.disturbs(viewer)
}

/// Stamps that may be unreadable in any run, however short; in a longer one it is one in a hundred.
const MAX_UNREADABLE: u64 = 2;

/// Complete frames after which a decoder must have shown something.
const DECODED_BY: u64 = 30;

fn picture_findings(scenario: &Scenario, viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let decoded = viewer.decoded.unwrap_or_default();
    let can_decode = cfg!(feature = "h264") || scenario.media.codec == Codec::Vp8;
    let was_to_decode = can_decode && scenario.decode.includes(viewer.number);
    let intact = viewer.tally.lost + viewer.tally.corrupt == 0 && viewer.first_key_frame_ms.is_some();
    if was_to_decode && intact && viewer.frames >= DECODED_BY && decoded.frames_decoded * 2 < viewer.frames {
        let message = format!(
            "{peer} decoded {} of {} frames",
            decoded.frames_decoded, viewer.frames
        );
        findings.push(Finding::error(FindingKind::NotDecoded, peer, message));
    }
    // One stamp in a thousand is refused on small pictures; more is another picture than was sent.
    let stamped = decoded.stamps_matched + decoded.stamps_wrong + decoded.stamps_unreadable;
    let refused = (stamped / 100).max(MAX_UNREADABLE);
    if intact && viewer.judged_at == JudgedAt::Exact && decoded.stamps_unreadable > refused {
        let message = format!(
            "{peer} could not read {} of {stamped} stamps",
            decoded.stamps_unreadable
        );
        findings.push(Finding::error(FindingKind::StampWrong, peer, message));
    }
    if decoded.stamps_wrong > 0 {
        let message = format!(
            "{peer} decoded {} pictures that show another frame than was sent",
            decoded.stamps_wrong
        );
        findings.push(Finding::error(FindingKind::StampWrong, peer, message));
    }
    let seen = decoded.muted_not_black.max(decoded.seen_while_muted);
    if seen > 0 {
        let message = format!("{peer} saw {seen} pictures while the video was muted");
        findings.push(Finding::error(FindingKind::NotBlackWhileMuted, peer, message));
    }
}

/// Numbers of frames or packets for a sentence, with the sign that there are more.
pub(super) fn numbers(what: &str, examples: &[u32], count: u64) -> String {
    let shown: Vec<String> = examples.iter().take(8).map(ToString::to_string).collect();
    let more = if count > shown.len() as u64 { ", …" } else { "" };
    format!("{what} {}{more}", shown.join(", "))
}
