//! Signaling: what a relay owes to its rooms.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const SG: &[Rule] = &[
    Rule {
        id: "SG-01",
        severity: Severity::Error,
        title: "A message to one peer reaches exactly that peer of the same room, and never another room.",
        source: "greenroom (docs/signaling.md, Negotiating)",
        why: "A description or candidate at the wrong peer breaks two connections at once, and one that \
              crosses rooms shows strangers addresses and streams that are not theirs. It comes about \
              when a server broadcasts and leaves it to clients to filter, or finds peers by a name \
              that is unique only within a room.",
        broken: "\
room lobby: b1, v2     room stage: b5, v6
b1 -> server: offer, to v2
server -> v2: offer, from b1
server -> v6: offer, from b1              <- another room",
        fix: "Look peers up by room and id together, and send to that one connection.",
        decided: Decided::Yes,
    },
    Rule {
        id: "SG-02",
        severity: Severity::Error,
        title: "The server stamps the sender of a relayed message, and a sender that the client supplies \
              is ignored.",
        source: "greenroom (docs/signaling.md, Negotiating)",
        why: "A client that may choose its own name can answer in place of another: the broadcaster \
              then connects to the wrong person, or a working viewer is cut off. It comes about when a \
              server passes messages on as they are, because the client fills in the sender already.",
        broken: "\
v3 -> server: {\"type\":\"answer\",\"to\":\"b1\",\"from\":\"v2\",...}
server -> b1: {\"type\":\"answer\",\"from\":\"v2\",...}       <- v3 speaks as v2",
        fix: "Overwrite the sender with the connection's own id whenever a message is relayed. Do not \
              trust any identity in a message.",
        decided: Decided::Yes,
    },
    Rule {
        id: "SG-03",
        severity: Severity::Error,
        title: "A room has one broadcaster; the loser of a race gets a typed error, and frames of a \
              broadcaster that was replaced are refused.",
        source: "greenroom (docs/signaling.md, Joining)",
        why: "With two broadcasters viewers get two offers, and the picture is that of whoever was \
              last; with an old one that still speaks, a finished stream overwrites the new one. It \
              comes about when a server checks for a broadcaster and registers one in two steps, or \
              keeps a half-open connection for alive after a reconnect.",
        broken: "\
b1 -> server: broadcaster, room lobby     server -> b1: joined
b4 -> server: broadcaster, room lobby     server -> b4: joined     <- two of them
server -> v2: broadcaster-joined b4",
        fix: "Check and register in one step, under one lock or in one task. Give each broadcaster a \
              new id, and refuse what comes under an older one.",
        decided: Decided::Yes,
    },
    Rule {
        id: "SG-04",
        severity: Severity::Error,
        title: "A message to a peer that is unknown or has left is answered with a typed error within 1 s.",
        source: "greenroom (docs/signaling.md, Errors)",
        why: "Without an error the sender waits for an answer that cannot come, and the user looks at a \
              spinner until some timeout. It comes about when a server drops what it cannot deliver, \
              which is harmless until a peer leaves in the middle of a negotiation.",
        broken: "\
server -> b1: new-viewer v2
v2 leaves
b1 -> server: offer, to v2
                                          <- nothing comes back",
        fix: "Answer with the error unknown-target that names the peer, and let the client drop that \
              connection.",
        decided: Decided::No(
            "a message may cross its receiver's leaving, and the bots' ends alone do not order the two",
        ),
    },
    Rule {
        id: "SG-05",
        severity: Severity::Error,
        title: "From one peer to another messages keep their order without gaps, or a resync is sent \
              explicitly.",
        source: "greenroom (docs/signaling.md, Order and delivery); RFC 8838 section 18",
        why: "Negotiation depends on order: a candidate before its offer or an answer after the next \
              offer breaks the connection (TR-05, OA-02). A silent gap is the hardest kind to find, \
              because everything looks fine except one missing message. It comes about when messages \
              are handled in parallel, or a full queue drops the newest.",
        broken: "\
b1 sends to v2:      1 offer   2 candidate   3 candidate   4 end-of-candidates
v2 receives:         1 offer   3 candidate   4 end-of-candidates     <- 2 is missing",
        fix: "Use one queue per receiver, filled by one task per sender. When it is full, close the \
              connection or tell the peer to begin again.",
        decided: Decided::Yes,
    },
    Rule {
        id: "SG-06",
        severity: Severity::Error,
        title: "Every member who may see a peer hears of its leaving within the heartbeat timeout and one \
              second.",
        source: "greenroom (docs/signaling.md, Who hears of whom)",
        why: "A peer that left unnoticed leaves a frozen picture, and a broadcaster that goes on \
              sending to nobody. It comes about when a browser is killed or a network goes away: TCP \
              alone notices after minutes, so only a heartbeat finds out. Often the server cleans up \
              and forgets to tell the others.",
        broken: "\
server: heartbeat timeout 10 s
00 s  the network of v2 goes away
60 s  no viewer-left at b1                <- due at 11 s",
        fix: "Ping every connection and close it after the timeout. Send the leaving from the one place \
              that every end of a connection goes through.",
        decided: Decided::No("the heartbeat of a server under test is not known to the checker"),
    },
    Rule {
        id: "SG-07",
        severity: Severity::Error,
        title: "Mute and stop set a state with a version; setting it twice changes nothing, and a late \
              joiner gets the current value.",
        source: "greenroom (docs/signaling.md, Muting and stopping)",
        why: "As a toggle, one doubled or lost message turns mute into its opposite until somebody \
              notices. Without the state at the join, a late viewer shows a speaker symbol for somebody \
              who is muted, or waits for a stream that has ended. It comes about when mute is a message \
              to whoever is there at that moment.",
        broken: "\
b1 -> server: mute audio                  server -> all: state, version 1, audio muted
v3 joins
server -> v3: joined, state version 0, nothing muted     <- not the current value",
        fix: "Keep value and version in the room, answer a repetition with the state as it is, and put \
              the state into the reply to a join. Clients take the higher version.",
        decided: Decided::Yes,
    },
    Rule {
        id: "SG-08",
        severity: Severity::Error,
        title: "Who breaks the limit for size or rate is closed with 1009 or 1008, and the other members \
              notice nothing.",
        source: "greenroom (docs/signaling.md, Close codes); RFC 6455 section 7.4",
        why: "One client in a loop can slow down a room, and a huge message can exhaust the server's \
              memory: everybody's stream then suffers for one. It comes about when there is no limit, \
              when the limit blocks the task that serves the room, or when it closes the room instead \
              of the client.",
        broken: "\
v3 -> server: 5 000 chat messages in one second
server -> v2: chat (delayed by 8 s)       <- others pay for it
server -> v3: nothing, the connection stays open",
        fix: "Limit size while reading and rate per connection. Close with 1009 or 1008 and a reason, \
              and treat it as an ordinary leaving.",
        decided: Decided::No("bots send no message that is too large or too fast"),
    },
];
