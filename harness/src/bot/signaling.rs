//! What every bot does with the troubles of its signaling: it puts them into the trace, and remembers them.
//!
//! Owns the wording and the kinds. Whether a trouble matters is the checker's to say.

use greenroom_signaling::{CloseReason, ErrorCode};
use tokio::time::Instant;

use super::Shared;
use crate::measure::measured::{PeerError, PeerErrorKind};
use crate::trace::TraceKind;

impl Shared {
    /// The server refused a message.
    pub(crate) fn refused(&self, label: &str, at: Instant, code: &ErrorCode, message: &str) -> PeerError {
        self.trace.at(at, label, || TraceKind::SignalingError {
            code: code.to_string(),
            message: message.to_owned(),
        });
        PeerError {
            kind: match code {
                // Who was addressed may just have left: a race that every room has.
                ErrorCode::UnknownTarget => PeerErrorKind::UnknownTarget,
                _ => PeerErrorKind::Refused,
            },
            message: format!("the signaling server refused a message: {code}: {message}"),
        }
    }

    /// The signaling connection is closed.
    pub(crate) fn signaling_closed(&self, label: &str, at: Instant, reason: &CloseReason) {
        self.trace.at(at, label, || TraceKind::SignalingClosed {
            reason: reason.to_string(),
        });
    }
}

/// A signaling frame that the dialect cannot read.
pub(crate) fn undecodable(error: &impl std::fmt::Display) -> PeerError {
    PeerError {
        kind: PeerErrorKind::Protocol,
        message: format!("a signaling frame cannot be read: {error}"),
    }
}
