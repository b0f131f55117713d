//! A broken rule and its proof.
//!
//! Owns how breaches of one description are collected: bounded, each line quoted once per rule. It must not decide.

/// The most breaches that one description is reported with; a text made to break rules could give thousands.
const MAX_BREACHES: usize = 64;
/// The longest quote, in characters.
const MAX_QUOTE: usize = 300;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// The rule's identifier, `OA-12` for instance; the module says what a suffix means.
    pub(crate) rule: &'static str,
    /// One sentence: what came and what was expected.
    pub(crate) message: String,
    /// The line that breaks the rule, or the m= line of the section that lacks one.
    pub(crate) quote: Option<String>,
    /// The event of the earlier description that this one contradicts.
    pub(crate) cause: Option<u64>,
    /// The event of this description.
    pub(crate) effect: u64,
    /// What to do about it.
    pub(crate) fix: &'static str,
}

/// The breaches of one description.
pub(super) struct Breaches {
    effect: u64,
    cause: Option<u64>,
    found: Vec<Breach>,
}

impl Breaches {
    pub(super) fn new(effect: u64) -> Self {
        Self {
            effect,
            cause: None,
            found: Vec::new(),
        }
    }

    /// What follows contradicts the description of event `cause`.
    pub(super) fn because_of(&mut self, cause: u64) {
        self.cause = Some(cause);
    }

    /// What `check` finds contradicts the description of event `cause`.
    pub(super) fn of(&mut self, cause: u64, check: impl FnOnce(&mut Self)) {
        let outer = self.cause.replace(cause);
        check(self);
        self.cause = outer;
    }

    /// What `check` finds contradicts no other description.
    pub(super) fn of_none(&mut self, check: impl FnOnce(&mut Self)) {
        let outer = self.cause.take();
        check(self);
        self.cause = outer;
    }

    /// Adds a breach, unless the same line was already found to break the same rule: bundled sections repeat theirs.
    pub(super) fn add(
        &mut self,
        rule: &'static str,
        message: String,
        quote: Option<&str>,
        fix: &'static str,
    ) {
        let quote = quote.map(|quote| quote.chars().take(MAX_QUOTE).collect::<String>());
        let is_known = self.found.iter().any(|breach| {
            breach.rule == rule && (breach.message == message || (quote.is_some() && breach.quote == quote))
        });
        if !is_known && self.found.len() < MAX_BREACHES {
            self.found.push(Breach {
                rule,
                message,
                quote,
                cause: self.cause,
                effect: self.effect,
                fix,
            });
        }
    }

    pub(super) fn into_vec(self) -> Vec<Breach> {
        self.found
    }
}
