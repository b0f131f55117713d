//! What happens to the network on the way of a run, as data.
//!
//! Owns the vocabulary; whoever runs the timeline does it to a [`super::Network`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::serial::millis;

use super::network::Direction;
use super::spec::LinkSpec;

/// Something that happens to the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum NetworkAction {
    /// A viewer is cut off: nothing reaches it and nothing that it sends goes anywhere.
    Partition {
        /// Its number, from 1.
        viewer: u32,
        /// For how long.
        #[serde(rename = "duration_ms", with = "millis")]
        duration: Duration,
    },
    /// A link becomes another one until the next such action.
    Link {
        /// Whose.
        of: LinkOf,
        /// Towards the network or from it.
        direction: Direction,
        /// What it does from now on.
        spec: LinkSpec,
    },
}

/// Whose links an action is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkOf {
    /// Those of every viewer.
    All,
    /// Those of the viewer with this number, from 1.
    Viewer(u32),
    /// Those of the broadcaster.
    Broadcaster,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_survives_its_serialized_form() {
        let partition = NetworkAction::Partition {
            viewer: 3,
            duration: Duration::from_secs(4),
        };
        let narrow = NetworkAction::Link {
            of: LinkOf::All,
            direction: Direction::Down,
            spec: LinkSpec {
                rate_kbps: Some(300),
                ..LinkSpec::default()
            },
        };
        for (json, action) in [
            (r#"{"partition":{"viewer":3,"duration_ms":4000}}"#, partition),
            (
                r#"{"link":{"of":"all","direction":"down","spec":{"rate_kbps":300}}}"#,
                narrow,
            ),
        ] {
            assert_eq!(serde_json::from_str::<NetworkAction>(json).unwrap(), action);
            let text = serde_json::to_string(&action).unwrap();
            assert_eq!(serde_json::from_str::<NetworkAction>(&text).unwrap(), action);
        }
        let of: LinkOf = serde_json::from_str(r#"{"viewer":2}"#).unwrap();
        assert_eq!(of, LinkOf::Viewer(2));
    }
}
