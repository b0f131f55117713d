//! WHEP: playback over HTTP.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const WE: &[Rule] = &[
    Rule {
        id: "WE-01",
        severity: Severity::Error,
        title: "POST of an offer gives 201 with an answer, or 406 with a counter-offer and a Location, \
              which the player answers by PATCH of application/sdp within its time and gets 204 for.",
        source: "draft-ietf-wish-whep-03, Playback Session Set Up",
        why: "A player that takes 406 for a refusal never plays what the server would have offered, \
              and one that answers late finds the session gone. Servers of older drafts have no \
              counter-offer; then 406 is a refusal, which is a warning here.",
        broken: "\
player: POST /whep/live   an offer
server: 406 Not Acceptable, an offer      <- no Location: where to answer?",
        fix: "Answer 201 with the SDP and a Location; send a counter-offer with both as well. In the \
              player, apply it, PATCH the answer to the Location and expect 204.",
        decided: Decided::Yes,
    },
    Rule {
        id: "WE-02",
        severity: Severity::Error,
        title: "A player offers to receive; PATCH, entity-tags, DELETE, redirections and Authorization \
              are as in WHIP.",
        source: "draft-ietf-wish-whep-03, ICE and HTTP usage as in RFC 9725 sections 4.3 to 4.7",
        why: "What a player sends by mistake nobody plays: an offer with sendonly gets an answer \
              that the server cannot fill. The rest breaks as in WHIP: candidates at no session, \
              sessions that never end.",
        broken: "\
player: POST /whep/live
        m=video 9 UDP/TLS/RTP/SAVPF 96
        a=sendonly                        <- a player receives",
        fix: "Make the transceivers of the player recvonly, and keep to WI-02 to WI-05 for the \
              session.",
        decided: Decided::Yes,
    },
];
