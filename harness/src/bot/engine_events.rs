//! Engine events in the trace, the same for every bot.
//!
//! Owns which event is put down as what. What a bot does about an event is its own business.

use super::Shared;
use crate::engine::{EngineEvent, EngineEventKind};
use crate::trace::TraceKind;

impl Shared {
    /// Puts an event into the trace if it is one that belongs there.
    pub(crate) fn trace_engine(&self, label: &str, event: &EngineEvent) {
        let connection = event.connection.0;
        let kind = match &event.kind {
            EngineEventKind::LocalDescription(description) => TraceKind::LocalDescription {
                connection,
                sdp_type: description.sdp_type.to_string(),
            },
            EngineEventKind::RemoteDescriptionApplied => TraceKind::RemoteDescriptionApplied { connection },
            EngineEventKind::CandidateQueued => TraceKind::CandidateQueued { connection },
            EngineEventKind::Ice(state) => TraceKind::Ice {
                connection,
                state: *state,
            },
            EngineEventKind::Connection(state) => TraceKind::Connection {
                connection,
                state: *state,
            },
            EngineEventKind::FirstPacket(media) => TraceKind::FirstPacket {
                connection,
                media: *media,
            },
            EngineEventKind::Error(error) => TraceKind::EngineError {
                connection,
                message: error.to_string(),
            },
            // Signaled frames are in the trace as such; media is summed up by the second.
            _ => return,
        };
        self.trace.at(event.at, label, || kind);
    }
}
