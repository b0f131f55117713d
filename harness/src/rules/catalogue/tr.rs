//! Trickle ICE: candidates, their end, and the order in which they arrive.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const TR: &[Rule] = &[
    Rule {
        id: "TR-01",
        severity: Severity::Error,
        title: "A candidate is applied after the description that it belongs to; one that comes early is \
              kept, not lost.",
        source: "W3C webrtc-pc, addIceCandidate",
        why: "Without a remote description addIceCandidate fails with InvalidStateError. If the \
              application swallows that, the candidate is gone, and with it perhaps the only path: the \
              connection works in the office and fails behind a NAT. It comes about because candidates \
              are trickled while setRemoteDescription is still awaited. A candidate that comes early \
              and is queued is only a note.",
        broken: "\
b1 -> v2: candidate (ufrag F7gI)          <- v2 has no remote description
v2: addIceCandidate: InvalidStateError, ignored
b1 -> v2: offer (ufrag F7gI)",
        fix: "Queue candidates per connection until setRemoteDescription has resolved, then add them in \
              order. Send the description before its candidates.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-02",
        severity: Severity::Error,
        title: "A candidate for an unknown mid or index is refused alone, and the session goes on.",
        source: "W3C webrtc-pc, addIceCandidate; RFC 9429 section 4.1.19",
        why: "The stack answers with OperationError, and nothing else is wrong. An application that \
              takes it for fatal throws away a connection over one line. The candidate itself mostly \
              comes from an SFU with other mids, or from an offer that was rolled back or replaced in \
              the meantime.",
        broken: "\
answer    a=mid:0   a=mid:1
b1 -> v2: candidate, sdpMid \"2\"           <- no such section: OperationError
v2: pc.close()                            <- one bad candidate ends the session",
        fix: "Send sdpMid exactly as the description has it. Catch errors of addIceCandidate one by \
              one, log them, and go on.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-03",
        severity: Severity::Error,
        title: "A candidate that is not empty names its m-section by sdpMid or sdpMLineIndex, and where \
              it has both the mid counts.",
        source: "RFC 9429 sections 3.5.2.1 and 4.1.19",
        why: "With both null nobody knows which transport the candidate is for, and addIceCandidate \
              fails with TypeError. The path is lost, so some users never connect. It comes about when \
              only candidate.candidate is sent, or when a server's message type drops fields that it \
              does not know.",
        broken: "\
{\"type\":\"candidate\",\"to\":\"v2\",\"candidate\":{\"candidate\":\"candidate:1 1 udp 2130706431 ...\"}}
                                          <- neither sdpMid nor sdpMLineIndex",
        fix: "Send the whole object (JSON.stringify(event.candidate)), not only its text. A server \
              should pass it on unread.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-04",
        severity: Severity::Error,
        title: "A candidate's usernameFragment is that of an applied remote description; candidates from \
              before a restart are discarded.",
        source: "W3C webrtc-pc, addIceCandidate; RFC 9429 section 3.5.2.1",
        why: "The ufrag says which ICE generation a candidate is from. An old candidate in a new \
              generation is paired with the wrong password, and its checks fail until they time out, so \
              a restart that should take a second takes many. It comes about when the usernameFragment \
              is dropped on the way, or when a queue of candidates survives the restart.",
        broken: "\
b1 -> v2: offer (ufrag F7gI)
b1 -> v2: offer, ICE restart (ufrag Qm2p)
b1 -> v2: candidate, usernameFragment \"F7gI\"   <- a generation that is over",
        fix: "Pass usernameFragment on. Empty the queue of candidates when an offer with a new ufrag is \
              applied.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-05",
        severity: Severity::Error,
        title: "Signaling delivers candidates and end-of-candidates exactly once and in order, in each \
              direction.",
        source: "RFC 8838 section 18",
        why: "Trickle ICE counts on its channel. A lost candidate may be the only path; an end that \
              overtakes the last candidate makes the peer give up too soon; a doubled one wastes \
              checks. It comes about in servers that handle each message in a task of its own, with \
              fan-out that drops when a queue is full, or when a client resends after a reconnect.",
        broken: "\
b1 sends:     candidate 1, candidate 2, end-of-candidates
v2 receives:  candidate 1, end-of-candidates, candidate 2     <- not in the order sent",
        fix: "Handle the messages of one connection in one task, and forward them through one queue per \
              receiver. When that queue is full, close the connection instead of dropping.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-06",
        severity: Severity::Error,
        title: "After end-of-candidates no candidate follows in that generation, and a receiver ignores \
              one that does.",
        source: "RFC 8838 sections 13 and 14",
        why: "The end lets the peer call ICE failed without waiting. A candidate after it may never be \
              tried, so a path through TURN, which is gathered last, can be lost. It comes about when \
              the end is sent from a timer or from the first section that is done, rather than when \
              gathering is complete.",
        broken: "\
b1 -> v2: candidate (host)
b1 -> v2: end-of-candidates
b1 -> v2: candidate (relay)               <- after the end of its generation",
        fix: "Send the end when iceGatheringState is complete (the null or empty candidate), and never \
              from a timer.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-07",
        severity: Severity::Error,
        title: "End-of-candidates names its generation, and means one mid, or all of them when mid and \
              index are null.",
        source: "RFC 8838 section 13; RFC 9429 section 4.1.19",
        why: "Without a ufrag, an end from before a restart can finish the new generation at once: ICE \
              fails although good candidates are still to come. With the mid of one section, the others \
              wait for their end until a timer runs out. It comes about when the end is sent as a bare \
              message without its fields.",
        broken: "\
b1 -> v2: offer, ICE restart (ufrag Qm2p)
b1 -> v2: {\"type\":\"end-of-candidates\"}    <- of which generation? It was that of F7gI",
        fix: "Send the ufrag with the end, and a mid only if that section alone is done.",
        decided: Decided::Yes,
    },
    Rule {
        id: "TR-08",
        severity: Severity::Error,
        title: "Once a pair is nominated, no new candidate is signaled in the same ICE session.",
        source: "RFC 8838 section 13",
        why: "With the nomination the session has its path, and late candidates are not considered any \
              more. An application that counts on them, say for a change from wireless to mobile data, \
              sees no change and a stream that stops. It usually comes from a slow gatherer, or from a \
              client that sends new interfaces as candidates instead of restarting ICE.",
        broken: "\
b1: USE-CANDIDATE on 192.0.2.1 <-> 198.51.100.7     nominated
b1 -> v2: candidate 203.0.113.9                     <- too late for this session",
        fix: "Stop trickling when the pair is nominated. For a new network use an ICE restart.",
        decided: Decided::No(
            "a browser that has both kinds goes on trickling server reflexive candidates after a host pair is nominated: telling that from a breach needs its checklist",
        ),
    },
    Rule {
        id: "TR-09",
        severity: Severity::Warning,
        title: "An offer carries ice-options trickle and ice2, an answer only what was offered, and who \
              does not trickle gets all candidates at once.",
        source: "RFC 9429 sections 5.2.1 and 5.3.1; RFC 8840",
        why: "Whether a peer takes candidates later is said only in a=ice-options. A peer that does not \
              trickle waits for nothing: with an offer without candidates it fails at once. It comes \
              about with gateways and hardware players, which are given the browser's first offer \
              before gathering is complete.",
        broken: "\
v2 -> b1: offer     (no a=ice-options, 2 candidates)
b1 -> v2: answer    a=ice-options:trickle, no candidates     <- v2 did not say that it trickles",
        fix: "Keep a=ice-options in the SDP. For a peer without it, wait for iceGatheringState complete \
              and send localDescription then.",
        decided: Decided::Yes,
    },
];
