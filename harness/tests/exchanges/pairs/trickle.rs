//! Trickle ICE: TR.
//!
//! Owns these pairs.

use greenroom::trace::TraceEvent;
use serde_json::{Value, json};

use super::super::edit::{passed, rewrite};
use super::super::mutation::Mutation;
use super::offer_answer::place;
use super::{Change, Pair};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("TR-01", |events| {
        // The first candidate and the offer change places, at both ends.
        let offer = place(events, "offer");
        let candidate = place(events, "candidate");
        for (one, other) in [(offer.0, candidate.0), (offer.1, candidate.1)] {
            let (first, second) = (events[one].event.clone(), events[other].event.clone());
            events[one].event = second;
            events[other].event = first;
        }
    })
    .alone(),
    Pair::new("TR-02", |events| {
        candidate(events, |init| init["sdpMid"] = json!("7"))
    }),
    Pair::new("TR-03", |events| {
        candidate(events, |init| {
            init["sdpMid"] = json!(null);
            init["sdpMLineIndex"] = json!(null);
        });
    })
    .alone(),
    Pair::new("TR-04", |events| {
        candidate(events, |init| init["usernameFragment"] = json!("nobody"));
    }),
    Pair::new("TR-05", |events| {
        let came = place(events, "candidate").1;
        events.insert(came + 1, events[came].clone());
    }),
    Pair::new("TR-05", |events| {
        events.remove(place(events, "end-of-candidates").1);
    }),
    Pair::new("TR-06", |events| {
        Mutation::CandidateAfterEnd.apply(events, 0);
    })
    .after(&[Change::Restart]),
    Pair::new("TR-07", |events| {
        let end = place(events, "end-of-candidates");
        for at in [end.0, end.1] {
            rewrite(&mut events[at], |message| {
                message["usernameFragment"] = json!("nobody")
            });
        }
    }),
];

/// Changes a candidate of the first viewer's connection that comes after its description.
fn candidate(events: &mut [TraceEvent], change: impl Fn(&mut Value)) {
    let mut all = passed(events).into_iter();
    let last = all.rfind(|passed| passed.kind == "candidate" && passed.to == "v2");
    let Some(last) = last else { return };
    for at in [last.left, last.came] {
        rewrite(&mut events[at], |message| change(&mut message["candidate"]));
    }
}
