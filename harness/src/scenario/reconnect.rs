//! How a bot comes back to a signaling server that it lost, as data.
//!
//! Owns the description and its limits; [`crate::bot::line`] does it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serial::millis;

/// The shortest first wait: a server that is down is not to be stormed.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(600);

/// How a bot whose signaling connection ended without its asking dials again.
///
/// Before each attempt it waits: up to `first` before the first one, up to twice as long before each one after it, and
/// never longer than `most`. How much of that is drawn from the scenario's seed, at least half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconnectSpec {
    /// Attempts for each loss; 0 is never, and absent is as long as the run goes on. Default absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Longest wait before the first attempt. Default 100 ms; 1 ms to 10 minutes.
    #[serde(rename = "first_ms", with = "millis")]
    pub first: Duration,
    /// Longest wait before any attempt. Default 5 s; no less than `first`, and at most 10 minutes.
    #[serde(rename = "most_ms", with = "millis")]
    pub most: Duration,
}

impl Default for ReconnectSpec {
    fn default() -> Self {
        Self {
            attempts: None,
            first: Duration::from_millis(100),
            most: Duration::from_secs(5),
        }
    }
}

impl ReconnectSpec {
    /// A bot that loses its signaling goes on without.
    pub const NEVER: Self = Self {
        attempts: Some(0),
        first: Duration::from_millis(100),
        most: Duration::from_secs(5),
    };

    /// The first field that is out of bounds: its name, what it is, and what would be right.
    pub(crate) fn out_of_bounds(&self) -> Option<(&'static str, String, &'static str)> {
        if !(SHORTEST..=LONGEST).contains(&self.first) {
            return Some(("first_ms", format!("{:?}", self.first), "1 ms to 10 minutes"));
        }
        (!(self.first..=LONGEST).contains(&self.most)).then(|| {
            let expected = "no less than the first wait, and at most 10 minutes";
            ("most_ms", format!("{:?}", self.most), expected)
        })
    }
}
