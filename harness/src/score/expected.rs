//! What each fault on purpose is to be found as: the first cause, and the rule that it breaks.
//!
//! Owns the expectation, fault by fault, argued from the rule and not from what the checker happens to say.

use crate::rules::CauseKind;

/// What a fault is to be found as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The first broken step, where it costs the viewer its picture.
    pub cause: Option<CauseKind>,
    /// The rule, where one is broken.
    pub rule: Option<&'static str>,
}

/// What the fault with this name is to be found as.
pub fn expected(_fault: &str) -> Expected {
    Expected::default()
}
