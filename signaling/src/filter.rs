//! A filter on the text frames of a client's connection, for faults on purpose.
//!
//! Owns the vocabulary of what may become of a frame. Decides nothing, and knows no message.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::Direction;

/// What becomes of one text frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameFate {
    /// It passes as it is, at once.
    Pass,
    /// These pass instead of it, in any number; none means that it is lost.
    Instead(Vec<LateFrame>),
}

/// A frame that passes later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateFrame {
    /// How much later. Frames that are due at one time keep the order in which they were given.
    pub after: Duration,
    /// Its text.
    pub text: String,
}

type Decide = dyn Fn(Instant, Direction, &str) -> FrameFate + Send + Sync;

/// Asked for the fate of each text frame: of a sent one before it is written, of a received one before it is read.
/// Observers see a sent frame before it and a received one after it: what a client said, and what it heard.
#[derive(Clone)]
pub struct FrameFilter(Arc<Decide>);

impl FrameFilter {
    /// Wraps a function of the time, the direction and the text. It must not block.
    pub fn new(decide: impl Fn(Instant, Direction, &str) -> FrameFate + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(crate) fn decide(&self, now: Instant, direction: Direction, text: &str) -> FrameFate {
        (self.0)(now, direction, text)
    }
}

impl fmt::Debug for FrameFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameFilter")
    }
}
