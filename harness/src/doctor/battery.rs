//! The questions of the battery, and the run that asks each.
//!
//! Owns their names, what they ask and how. It runs nothing.

use std::time::Duration;

use greenroom_fixtures::Size;
use serde::{Deserialize, Serialize};

use crate::dialect::DialectChoice;
use crate::scenario::{Action, AudioSource, DecodeSelection, Party, Scenario, SignalingSpec, TimedAction};

/// Something that a signaling server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each says itself what it asks: Question::asks")]
pub enum Question {
    OneViewer,
    TwoViewers,
    ViewerFirst,
    ThirdPeer,
    SimultaneousStart,
    LateCandidates,
    MalformedFrames,
    OversizeFrame,
    BinaryFrame,
    StalledReader,
    AbruptLeave,
    Reconnect,
}

/// Who comes beside the bots, and does what no client should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guest {
    /// Joins as the broadcaster that is there already, or as the third of two.
    Intruder,
    /// Says what is no message.
    Babbler,
    /// Says more than anybody would.
    Flood,
    /// Says binary frames.
    Binary,
    /// Joins as a viewer, and reads nothing from then on.
    Sleeper,
    /// Joins as a viewer, and vanishes.
    Ghost,
}

impl Question {
    /// Every one, in the order in which they are asked.
    pub const ALL: [Self; 12] = [
        Self::OneViewer,
        Self::TwoViewers,
        Self::ViewerFirst,
        Self::ThirdPeer,
        Self::SimultaneousStart,
        Self::LateCandidates,
        Self::MalformedFrames,
        Self::OversizeFrame,
        Self::BinaryFrame,
        Self::StalledReader,
        Self::AbruptLeave,
        Self::Reconnect,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneViewer => "one-viewer",
            Self::TwoViewers => "two-viewers",
            Self::ViewerFirst => "viewer-first",
            Self::ThirdPeer => "third-peer",
            Self::SimultaneousStart => "simultaneous-start",
            Self::LateCandidates => "late-candidates",
            Self::MalformedFrames => "malformed-frames",
            Self::OversizeFrame => "oversize-frame",
            Self::BinaryFrame => "binary-frame",
            Self::StalledReader => "stalled-reader",
            Self::AbruptLeave => "abrupt-leave",
            Self::Reconnect => "reconnect",
        }
    }

    /// What it asks.
    pub fn asks(self) -> &'static str {
        match self {
            Self::OneViewer => "does a viewer that comes after the broadcaster get the stream?",
            Self::TwoViewers => "do two viewers get it, one after the other?",
            Self::ViewerFirst => "does a viewer that comes first get it when the broadcaster comes?",
            Self::ThirdPeer => {
                "does somebody who wants to be the broadcaster too, or the third of two, disturb anybody?"
            }
            Self::SimultaneousStart => "do they meet who all come at once?",
            Self::LateCandidates => "does a viewer get it whose messages take their time?",
            Self::MalformedFrames => "does the server live through what is no message?",
            Self::OversizeFrame => "does it live through a message of four million characters?",
            Self::BinaryFrame => "does it live through binary frames?",
            Self::StalledReader => "does a viewer that reads nothing hold anybody up?",
            Self::AbruptLeave => "does a viewer that vanishes disturb anybody?",
            Self::Reconnect => "are viewers served that come back, and by a broadcaster that does?",
        }
    }

    /// Why it makes no sense in this dialect.
    pub(super) fn not_for(self, dialect: &DialectChoice) -> Option<&'static str> {
        let over_http = dialect.is_over_http();
        match self {
            Self::TwoViewers | Self::StalledReader | Self::AbruptLeave if dialect.is_for_two() => {
                Some("a call has two peers")
            }
            Self::Reconnect if dialect.is_for_two() => Some("nobody is announced to the other one"),
            _ if over_http && self.guest().is_some() => Some("it is spoken over HTTP, not in frames"),
            _ => None,
        }
    }

    pub(super) fn guest(self) -> Option<Guest> {
        match self {
            Self::ThirdPeer => Some(Guest::Intruder),
            Self::MalformedFrames => Some(Guest::Babbler),
            Self::OversizeFrame => Some(Guest::Flood),
            Self::BinaryFrame => Some(Guest::Binary),
            Self::StalledReader => Some(Guest::Sleeper),
            Self::AbruptLeave => Some(Guest::Ghost),
            Self::OneViewer
            | Self::TwoViewers
            | Self::ViewerFirst
            | Self::SimultaneousStart
            | Self::LateCandidates
            | Self::Reconnect => None,
        }
    }

    /// The run that asks it.
    pub(super) fn scenario(self, dialect: &DialectChoice) -> Scenario {
        let mut scenario = Scenario {
            dialect: dialect.clone(),
            duration: Duration::from_millis(1_500),
            decode: DecodeSelection::None,
            ..Scenario::default()
        };
        scenario.media.size = Size::SMALL;
        scenario.media.audio = AudioSource::None;
        let one_after_the_other = !matches!(self, Self::ViewerFirst | Self::SimultaneousStart);
        if one_after_the_other {
            scenario.join.viewers_delay = Duration::from_millis(300);
            scenario.join.rate_per_s = Some(2.0);
        }
        let mut viewers = match self {
            Self::OneViewer | Self::ViewerFirst | Self::LateCandidates => 1,
            Self::SimultaneousStart => 3,
            _ => 2,
        };
        if dialect.is_for_two() {
            viewers = 1;
        }
        scenario.rooms.iter_mut().for_each(|room| room.viewers = viewers);
        match self {
            Self::ViewerFirst => scenario.join.broadcaster_delay = Duration::from_millis(800),
            Self::LateCandidates => scenario.network.signaling.push(SignalingSpec {
                of: Some(Party::Viewer(1)),
                delay: Duration::from_millis(400),
                ..SignalingSpec::default()
            }),
            Self::Reconnect => {
                scenario.duration = Duration::from_millis(3_500);
                let at = |at, action| TimedAction {
                    at: Duration::from_millis(at),
                    action,
                };
                scenario.timeline = vec![
                    at(300, Action::Leave { viewer: 1 }),
                    at(700, Action::Join),
                    at(1_500, Action::BroadcasterLeave),
                    at(2_000, Action::BroadcasterReturn),
                ];
            }
            _ => {}
        }
        if self.guest().is_some() {
            // Long enough for whoever comes after the guest.
            scenario.duration = Duration::from_millis(3_000);
        }
        scenario
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A question that is not in the battery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the battery has no question {name:?}; there are {}", Question::ALL.map(Question::name).join(", "))]
pub struct UnknownQuestion {
    /// What was asked for.
    pub name: String,
}

impl std::str::FromStr for Question {
    type Err = UnknownQuestion;

    fn from_str(name: &str) -> Result<Self, UnknownQuestion> {
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| UnknownQuestion {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_a_run_that_can_be_done_in_every_dialect_that_it_is_for() {
        for dialect in greenroom_signaling::DialectName::ALL.map(DialectChoice::from) {
            for question in Question::ALL {
                assert_eq!(question.name().parse(), Ok(question));
                if question.not_for(&dialect).is_none() {
                    let scenario = question.scenario(&dialect);
                    assert_eq!(scenario.validate(), Ok(()), "{question} in {dialect}");
                }
            }
        }
        assert!(
            "tea"
                .parse::<Question>()
                .unwrap_err()
                .to_string()
                .contains("one-viewer")
        );
    }
}
