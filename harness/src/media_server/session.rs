//! One session: a broadcaster or a viewer of a stream, over one connection.
//!
//! Owns what its URL, its entity tag and its deadlines are. It does nothing by itself.

use std::fmt::Write as _;
use std::time::Duration;

use greenroom_signaling::Candidate;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::ring;

use super::flaw::Flaw;
use super::hub::{Opened, Refusal};
use super::sdp::Wanted;
use crate::engine::ConnectionHandle;

/// How long an answer may take to be made, its candidates gathered.
const OPENING: Duration = Duration::from_secs(5);
/// How long a client may take from the answer, or from a counter-offer, until it is connected.
const CONNECTING: Duration = Duration::from_secs(30);

/// A session as the hub has it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) token: String,
    /// In its quotes. Sessions do not restart ICE, so it is one for life.
    pub(super) etag: String,
    pub(super) stream: String,
    pub(super) wanted: Wanted,
    pub(super) handle: ConnectionHandle,
    /// Of this side, as soon as it is made.
    pub(super) description: Option<String>,
    pub(super) candidates: Vec<Candidate>,
    /// Whoever waits for the description.
    pub(super) reply: Option<oneshot::Sender<Result<Opened, Refusal>>>,
    /// The description is an offer, which the client has not answered yet.
    pub(super) awaits_answer: bool,
    /// Of the client's generation.
    pub(super) ufrag: Option<String>,
    pub(super) deadline: Option<Instant>,
}

impl Session {
    /// It has begun: its description is to be there by then.
    pub(super) fn opening_by(now: Instant) -> Option<Instant> {
        Some(now + OPENING)
    }

    /// Its client knows it, and is to be connected by then.
    pub(super) fn connecting_by(now: Instant) -> Option<Instant> {
        Some(now + CONNECTING)
    }
}

/// 128 bits that nobody guesses (RFC 9725 section 4.2), in hexadecimal; none if the machine has no randomness.
pub(super) fn token(flaw: Option<Flaw>, count: u64) -> Option<String> {
    if flaw == Some(Flaw::GuessableSessions) {
        return Some(count.to_string());
    }
    let mut bytes = [0; 16];
    ring::default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_the_same_unless_that_is_the_flaw() {
        let one = token(None, 1).unwrap();
        assert_eq!(one.len(), 32);
        assert_ne!(Some(one), token(None, 1));
        assert_eq!(token(Some(Flaw::GuessableSessions), 7).as_deref(), Some("7"));
    }
}
