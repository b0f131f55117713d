//! What every bot does with its signaling: how its client is set up, and what becomes of troubles.
//! They go into the trace, and are remembered.
//!
//! Owns the wording and the kinds. Whether a trouble matters is the checker's to say.

use std::sync::{Mutex, PoisonError};

use greenroom_signaling::{ClientConfig, CloseReason, ErrorCode, FrameFilter};
use tokio::time::Instant;

use super::Shared;
use crate::fault::signaling::SignalingFaults;
use crate::measure::measured::{PeerError, PeerErrorKind};
use crate::net::model::derive;
use crate::scenario::Party;
use crate::trace::TraceKind;

impl Shared {
    /// What a bot's signaling client is to do beside its work: to be observed, and to suffer what the scenario says.
    pub(crate) fn client_config(&self, label: &str, party: Party) -> ClientConfig {
        ClientConfig {
            observer: self.frame_observer(label),
            filter: self.frame_filter(party),
            ..ClientConfig::default()
        }
    }

    fn frame_filter(&self, party: Party) -> Option<FrameFilter> {
        if let Some(faults) = self.wire_faults.clone() {
            return Some(FrameFilter::new(move |_, direction, text| {
                faults.fate(party, direction, text)
            }));
        }
        let spec = self
            .scenario
            .network
            .signaling
            .iter()
            .find(|spec| spec.is_for(party))?;
        let number = match party {
            Party::Broadcaster => 0,
            Party::Viewer(number) => number,
        };
        // One stream of fates per room, bot and connection to the server.
        let dials = {
            let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
            let dials = dials.entry(number).or_default();
            *dials += 1;
            *dials
        };
        let of_bot = derive(!self.scenario.seed, [self.room_number as u64, number.into()]);
        let seed = derive(of_bot, [dials, 0]);
        let faults = Mutex::new(SignalingFaults::new(*spec, seed));
        let start = Instant::now();
        Some(FrameFilter::new(move |now, direction, text| {
            faults.lock().unwrap_or_else(PoisonError::into_inner).fate(
                now.saturating_duration_since(start),
                direction,
                text,
            )
        }))
    }

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
