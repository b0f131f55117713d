//! Faults on purpose: what proves that the harness catches what it claims to catch.
//!
//! Owns the damage and nothing else: it knows neither the verifier nor the checker.

pub(crate) mod media;
pub(crate) mod signaling;
pub(crate) mod source;
pub mod wire;
