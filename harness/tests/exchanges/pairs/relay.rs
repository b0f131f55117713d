//! The signaling server: SG.
//!
//! Owns these pairs.

use greenroom::trace::{FrameWay, TraceEvent};
use serde_json::json;

use super::super::call::{event, frame};
use super::super::mutation::Mutation;
use super::offer_answer::place;
use super::{Pair, last};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("SG-01", |events| {
        // The second viewer has the offer that was for the first, once it is there.
        let offer = events[place(events, "offer").1].clone();
        let after = last(events);
        let at = events[after].at_us;
        events.insert(after + 1, event(at, "viewer-2", offer.event));
    }),
    Pair::new("SG-02", |events| {
        Mutation::Rename.apply(events, 0);
    }),
    Pair::new("SG-03", |events| {
        let join = json!({"type": "broadcaster", "room": "lobby", "protocol": 1});
        let joined = json!({"type": "joined", "protocol": 1, "id": "b9", "role": "broadcaster", "room": "lobby",
            "state": {"version": 2}, "peers": []});
        append(events, "broadcaster-2", FrameWay::Out, &join);
        append(events, "broadcaster-2", FrameWay::In, &joined);
    }),
    Pair::new("SG-05", |events| {
        events.remove(place(events, "offer").1);
    }),
    Pair::new("SG-07", |events| {
        append(
            events,
            "viewer-1",
            FrameWay::In,
            &json!({"type": "state", "version": 1}),
        );
    })
    .alone(),
];

fn append(events: &mut Vec<TraceEvent>, peer: &str, way: FrameWay, message: &serde_json::Value) {
    let after = last(events);
    let at = events[after].at_us;
    events.insert(after + 1, event(at, peer, frame(way, message)));
}
