//! Who speaks to whom, and how a call of two begins, as data.
//!
//! Owns the description; [`crate::bot::caller`] does it.

use serde::{Deserialize, Serialize};

/// Who sends to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// A broadcaster sends to viewers.
    #[default]
    Broadcast,
    /// Two peers send to each other, over one connection.
    Call,
}

/// Who offers when a call begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStart {
    /// The first peer, and the second one answers.
    #[default]
    Sequential,
    /// Both, at the same moment. That is glare, and the polite one takes its offer back.
    Simultaneous,
}

/// A call of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallSpec {
    /// Who offers at first. Default sequential.
    pub start: CallStart,
    /// A fault on purpose: neither is polite, so that nobody resolves glare. Default no.
    pub nobody_yields: bool,
}
