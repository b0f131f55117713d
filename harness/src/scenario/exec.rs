//! A server under test that the run starts itself.
//!
//! Owns what is to be started and when it counts as ready; nothing is started here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serial::millis;

/// A command that is started before the bots and stopped after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// What `sh -c` is given, such as `node server.js`. It stays in the foreground: its end is the server's.
    pub command: String,
    /// Ready when the port of the run's URL accepts a connection, and then a GET of this `http://` URL is answered with a
    /// status below 500. Default: the port alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_url: Option<String>,
    /// How long it may take to be ready. Default 10 s.
    #[serde(rename = "timeout_ms", with = "millis", default = "default_timeout")]
    pub timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl ExecSpec {
    /// A command that is ready when the port of the run's URL accepts a connection, within 10 s.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            ready_url: None,
            timeout: default_timeout(),
        }
    }
}
