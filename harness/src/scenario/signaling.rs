//! What happens to signaling frames on the way between bots and their server, as data.
//!
//! Owns the description and its limits; [`crate::fault`] does it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Party;
use super::serial::millis;

/// The longest delay or jitter.
const LONGEST: Duration = Duration::from_secs(60);

/// What happens to the text frames of a bot, in both directions. By itself nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignalingSpec {
    /// Whose; everybody's if absent. Of several that fit, the first one holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    /// Time that every frame takes. Default 0; at most a minute.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// Time added to the delay, drawn evenly from 0 to this for each frame. Default 0.
    #[serde(rename = "jitter_ms", with = "millis")]
    pub jitter: Duration,
    /// Whether jitter lets frames overtake each other, which no WebSocket does and some relays do. Default no.
    pub reorder: bool,
    /// Share of frames that are lost, 0 to 1. Default 0.
    pub lose: f64,
    /// Share of frames that pass twice, 0 to 1. Default 0.
    pub duplicate: f64,
    /// Share of frames of which only a beginning passes, 0 to 1. Default 0.
    pub truncate: f64,
}

impl SignalingSpec {
    /// Whether it is for this bot.
    pub(crate) fn is_for(&self, party: Party) -> bool {
        self.of.is_none_or(|of| of == party)
    }

    /// The first field that is out of bounds: its name, what it is, and what would be right.
    pub(crate) fn out_of_bounds(&self) -> Option<(&'static str, String, &'static str)> {
        let shares = [
            ("lose", self.lose),
            ("duplicate", self.duplicate),
            ("truncate", self.truncate),
        ];
        let times = [("delay_ms", self.delay), ("jitter_ms", self.jitter)];
        let share = shares
            .into_iter()
            .find(|(_, share)| !(0.0..=1.0).contains(share))
            .map(|(name, share)| (name, share.to_string(), "a share from 0 to 1"));
        share.or_else(|| {
            times
                .into_iter()
                .find(|(_, time)| *time > LONGEST)
                .map(|(name, time)| (name, format!("{time:?}"), "at most a minute"))
        })
    }
}
