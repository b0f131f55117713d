//! What every bot does with its signaling: how its client is set up, and what becomes of troubles.
//! They go into the trace, and are remembered.
//!
//! Owns the wording and the kinds. Whether a trouble matters is the checker's to say.

use std::sync::{Mutex, PoisonError};

use greenroom_signaling::{ClientConfig, DecodeError, DialectName, ErrorCode, FrameFate, FrameFilter};
use tokio::time::Instant;

use super::Shared;
use crate::dialect::Spoken;
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
            http_observer: Some(self.http_observer(label)),
            filter: self.frame_filter(party),
            ..ClientConfig::default()
        }
    }

    /// A bot's signaling is open.
    pub(crate) fn signaling_opened(&self, label: &str, party: Party) {
        let dialect = self.dialer_of(party).dialect();
        self.trace.now(label, || match dialect {
            Spoken::BuiltIn(DialectName::Native) => TraceKind::native_signaling_open(),
            foreign => TraceKind::SignalingOpen {
                dialect: Some(foreign.to_string()),
                addressed: false,
            },
        });
    }

    /// What is planted decides which frames pass, and the way to the server what becomes of those.
    fn frame_filter(&self, party: Party) -> Option<FrameFilter> {
        let planted = self.wire_faults.clone();
        let way = self.signaling_faults(party).map(Mutex::new);
        if planted.is_none() && way.is_none() {
            return None;
        }
        let start = Instant::now();
        Some(FrameFilter::new(move |now, direction, text| {
            let fate = match &planted {
                Some(planted) => planted.fate(party, direction, text),
                None => FrameFate::Pass,
            };
            let Some(way) = &way else { return fate };
            let since = now.saturating_duration_since(start);
            let mut way = way.lock().unwrap_or_else(PoisonError::into_inner);
            in_turn(text, fate, |text| way.fate(since, direction, text))
        }))
    }

    /// The way between this bot and the server, if the scenario makes it a bad one.
    fn signaling_faults(&self, party: Party) -> Option<SignalingFaults> {
        let spec = self
            .scenario
            .network
            .signaling
            .iter()
            .find(|spec| spec.is_for(party))?;
        let number = super::line::number(party);
        // One stream of fates per room, bot and connection to the server.
        let dials = {
            let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
            let dials = dials.entry(number).or_default();
            *dials += 1;
            *dials
        };
        let of_bot = derive(!self.scenario.seed, [self.room_number as u64, number]);
        Some(SignalingFaults::new(*spec, derive(of_bot, [dials, 0])))
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

    /// A frame came that says nothing in the dialect.
    pub(crate) fn undecodable(&self, label: &str, at: Instant, error: &DecodeError) -> PeerError {
        self.trace.at(at, label, || TraceKind::SignalingUnreadable {
            binary: matches!(error, DecodeError::Binary { .. }),
            reason: error.to_string(),
        });
        PeerError {
            kind: PeerErrorKind::Protocol,
            message: format!("a signaling frame cannot be read: {error}"),
        }
    }
}

/// The fate of a frame that meets two filters: what the first one lets pass meets the second one, and is as much
/// later as both say.
fn in_turn(text: &str, first: FrameFate, mut second: impl FnMut(&str) -> FrameFate) -> FrameFate {
    let FrameFate::Instead(frames) = first else {
        return second(text);
    };
    let passing = frames.into_iter().flat_map(|frame| match second(&frame.text) {
        FrameFate::Pass => vec![frame],
        FrameFate::Instead(mut frames) => {
            frames.iter_mut().for_each(|late| late.after += frame.after);
            frames
        }
    });
    FrameFate::Instead(passing.collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use greenroom_signaling::LateFrame;

    use super::*;

    fn late(ms: u64, text: &str) -> LateFrame {
        LateFrame {
            after: Duration::from_millis(ms),
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_the_first_filter_lets_pass_meets_the_second_one_and_delays_add_up() {
        let twice = |text: &str| FrameFate::Instead(vec![late(20, text), late(30, text)]);
        assert_eq!(in_turn("a", FrameFate::Pass, twice), twice("a"));
        let first = || FrameFate::Instead(vec![late(0, "b"), late(100, "c")]);
        let both = [late(20, "b"), late(30, "b"), late(120, "c"), late(130, "c")];
        assert_eq!(in_turn("a", first(), twice), FrameFate::Instead(both.into()));
        assert_eq!(in_turn("a", first(), |_| FrameFate::Pass), first());
        let lost = || FrameFate::Instead(Vec::new());
        assert_eq!(in_turn("a", lost(), twice), lost());
        assert_eq!(in_turn("a", first(), |_| lost()), lost());
    }
}
