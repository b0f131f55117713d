//! Findings: what the system under test did wrong, viewer by viewer, each with its figure.
//!
//! Owns the closed list of kinds and how each is recognised in the figures.

use serde::{Deserialize, Serialize};

use super::{first_frame_ms, meant_to_finish};
use crate::measure::measured::{Measured, ViewerFigures, ViewerOutcome};
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

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The signaling server could not be reached.
    SignalingUnreachable,
    /// The signaling connection ended before the run did.
    SignalingLost,
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
    /// A decoded picture shows another frame.
    StampWrong,
    /// A picture was to be seen while the video was muted.
    NotBlackWhileMuted,
    /// Chat lines came in another order than they are numbered.
    ChatOutOfOrder,
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
    fn error(kind: FindingKind, peer: &str, message: String) -> Self {
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

    fn with(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Lost frames that the scenario itself asked for.
pub(super) fn explained_losses(scenario: &Scenario, measured: &Measured) -> u64 {
    if scenario
        .network
        .down
        .is_some_and(|impairment| impairment.loss > 0.0)
    {
        measured.totals.lost
    } else {
        0
    }
}

/// Everything that is to be found, the worst first.
pub(super) fn all(scenario: &Scenario, measured: &Measured) -> Vec<Finding> {
    let mut findings = Vec::new();
    for broadcaster in &measured.broadcasters {
        let peer = "broadcaster";
        if let Some(error) = &broadcaster.dial_error {
            findings.push(Finding::error(
                FindingKind::SignalingUnreachable,
                peer,
                error.clone(),
            ));
        }
        if let Some((at, why)) = &broadcaster.signaling_lost {
            findings.push(signaling_lost(peer, *at, why));
        }
        findings.extend(broadcaster.errors.iter().map(|error| reported(peer, error)));
    }
    for viewer in &measured.viewers {
        connection_findings(scenario, viewer, &mut findings);
        frame_findings(scenario, measured, viewer, &mut findings);
        picture_findings(viewer, &mut findings);
        findings.extend(viewer.errors.iter().map(|error| reported(&viewer.label, error)));
    }
    if measured.totals.verified == 0 && scenario.role != RoleSelection::Broadcaster {
        findings.push(Finding {
            kind: FindingKind::NothingVerified,
            severity: Severity::Error,
            peer: None,
            at_ms: None,
            message: "no frame was verified at any viewer".to_owned(),
        });
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn signaling_lost(peer: &str, at_ms: f64, why: &str) -> Finding {
    let message = format!("{peer}'s signaling was lost at {:.1} s: {why}", at_ms / 1_000.0);
    Finding::error(FindingKind::SignalingLost, peer, message).at(at_ms)
}

/// An error that a bot noted; it decides nothing by itself, because its effect shows elsewhere.
fn reported(peer: &str, error: &str) -> Finding {
    let refused = error.contains("refused a message");
    let kind = if refused {
        FindingKind::SignalingRefused
    } else {
        FindingKind::EngineError
    };
    Finding::error(kind, peer, format!("{peer}: {error}")).with(Severity::Warning)
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
    if let Some((at, why)) = &viewer.signaling_lost {
        findings.push(signaling_lost(peer, *at, why));
    }
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
            && meant_to_finish(viewer)
            && !stopped_when_it_came(viewer) =>
        {
            let stuck = viewer.stuck_before.map_or("the end", |phase| phase.label());
            let waited = if viewer.saw_broadcaster {
                ""
            } else {
                "; it never heard of a broadcaster"
            };
            let message = format!("{peer} never had a frame: it got stuck before \"{stuck}\"{waited}");
            findings.push(Finding::error(FindingKind::NoFirstFrame, peer, message));
        }
        _ => {}
    }
    let limit = scenario.deadlines.first_key_frame.as_secs_f64() * 1_000.0;
    if let Some(waited) = viewer
        .without_key_frame_ms
        .filter(|waited| *waited > limit && !stopped_when_it_came(viewer))
    {
        let message = format!(
            "{peer} was connected for {:.1} s and never got a key frame",
            waited / 1_000.0
        );
        findings.push(Finding::error(FindingKind::NoKeyFrame, peer, message));
    }
    if let Some(waited) = viewer.first_key_frame_ms.filter(|waited| *waited > limit) {
        let message = format!(
            "{peer} got its first key frame {waited:.0} ms after it was connected; the limit is {limit:.0} ms"
        );
        findings.push(Finding::error(FindingKind::KeyFrameLate, peer, message));
    }
}

fn stopped_when_it_came(viewer: &ViewerFigures) -> bool {
    viewer.state_at_join.is_some_and(|state| state.stopped)
}

fn frame_findings(
    scenario: &Scenario,
    measured: &Measured,
    viewer: &ViewerFigures,
    findings: &mut Vec<Finding>,
) {
    let peer = &viewer.label;
    let tally = &viewer.tally;
    if tally.lost > 0 {
        let explained = explained_losses(scenario, measured) > 0;
        let why = if explained {
            "; the scripted loss explains it"
        } else {
            ""
        };
        let message = format!(
            "{peer} lost {} of {} frames ({}){why}",
            tally.lost,
            tally.expected,
            numbers(&tally.lost_examples, tally.lost)
        );
        let severity = if explained {
            Severity::Note
        } else {
            Severity::Error
        };
        findings.push(Finding::error(FindingKind::FramesLost, peer, message).with(severity));
    }
    if tally.corrupt > 0 {
        let message = format!(
            "{peer} got {} of {} frames with another content than was sent ({})",
            tally.corrupt,
            tally.expected,
            numbers(&tally.corrupt_examples, tally.corrupt)
        );
        findings.push(Finding::error(FindingKind::FramesCorrupt, peer, message));
    }
    if tally.repeated > 0 {
        let message = format!("{peer} got {} frames again", tally.repeated);
        findings.push(Finding::error(FindingKind::FramesRepeated, peer, message));
    }
    if tally.unexpected > 0 && tally.verified > 0 {
        let message = format!(
            "{peer} got {} frames at times at which nothing was sent",
            tally.unexpected
        );
        findings.push(Finding::error(FindingKind::FramesUnexpected, peer, message));
    }
    let freezes = viewer.freezes;
    if freezes.count > 0 {
        let message = format!(
            "{peer} froze {} time(s), {:.0} ms in all, {:.0} ms at the longest",
            freezes.count, freezes.total_ms, freezes.longest_ms
        );
        let explained = explained_freezes(scenario);
        let severity = if explained {
            Severity::Note
        } else {
            Severity::Error
        };
        findings.push(Finding::error(FindingKind::Freeze, peer, message).with(severity));
    }
    if !viewer.chat_seqs.windows(2).all(|pair| pair[0] < pair[1]) {
        let message = format!("{peer} got chat lines in the order {:?}", viewer.chat_seqs);
        findings.push(Finding::error(FindingKind::ChatOutOfOrder, peer, message));
    }
}

/// Whether the scenario makes the picture stop by itself.
fn explained_freezes(scenario: &Scenario) -> bool {
    scenario
        .network
        .down
        .is_some_and(|impairment| impairment.loss > 0.0)
}

fn picture_findings(viewer: &ViewerFigures, findings: &mut Vec<Finding>) {
    let peer = &viewer.label;
    let Some(decoded) = &viewer.decoded else { return };
    if decoded.stamps_wrong > 0 {
        let message = format!(
            "{peer} decoded {} pictures that show another frame than was sent",
            decoded.stamps_wrong
        );
        findings.push(Finding::error(FindingKind::StampWrong, peer, message));
    }
    if decoded.muted_not_black > 0 {
        let message = format!(
            "{peer} saw {} pictures while the video was muted",
            decoded.muted_not_black
        );
        findings.push(Finding::error(FindingKind::NotBlackWhileMuted, peer, message));
    }
}

/// Frame numbers for a sentence, with the sign that there are more.
fn numbers(examples: &[u32], count: u64) -> String {
    let shown: Vec<String> = examples.iter().take(8).map(ToString::to_string).collect();
    let more = if count > shown.len() as u64 { ", …" } else { "" };
    format!("frame {}{more}", shown.join(", "))
}
