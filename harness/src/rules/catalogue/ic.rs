//! ICE connectivity: checks, roles, nomination, consent.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const IC: &[Rule] = &[
    Rule {
        id: "IC-01",
        severity: Severity::Error,
        title: "A connectivity check carries the user names of the current generation, and its \
              MESSAGE-INTEGRITY fits the remote password.",
        source: "RFC 8445 section 7.2.2",
        why: "A check with other names or the wrong password gets error 401 or no answer, and the pair \
              fails. If that holds for all pairs, ICE fails although the network is fine. It comes \
              about when descriptions are mixed up between peers, so that v2 gets v3's answer, or when \
              checks go on with the credentials from before a restart.",
        broken: "\
remote ufrag Qm2p, local ufrag tR8x
b1 -> v2: Binding request, USERNAME F7gI:tR8x     <- F7gI was before the restart
v2 -> b1: Binding error 401",
        fix: "Keep one connection per peer and route answers by sender. After a restart use the new \
              description's credentials for every new check.",
        decided: Decided::Yes,
    },
    Rule {
        id: "IC-02",
        severity: Severity::Error,
        title: "The offerer is controlling and the answerer controlled, a full agent controls a lite one, \
              and a restart changes no roles.",
        source: "RFC 8445 sections 6.1.1 and 9",
        why: "Only the controlling side nominates. If both think they control, they lose time in role \
              conflicts; if neither does, no pair is ever selected and the state stays at checking. It \
              usually comes from a media server that fixes its role in the configuration although it \
              sometimes offers and sometimes answers.",
        broken: "\
b1 -> v2: offer
v2 -> b1: Binding request, ICE-CONTROLLING     <- v2 answered: it is controlled
b1 -> v2: Binding request, ICE-CONTROLLING",
        fix: "Take the role from who sent the first offer of the session, not from the configuration, \
              and keep it across a restart.",
        decided: Decided::Yes,
    },
    Rule {
        id: "IC-03",
        severity: Severity::Error,
        title: "A role conflict is settled once: by the tiebreaker one side switches or sends 487, and \
              whoever gets 487 switches and checks again.",
        source: "RFC 8445 sections 7.2.5.1 and 7.3.1.1",
        why: "If neither side gives in, every check is answered with 487 and the connection never \
              starts. Two on one pair are still a race; more are a loop. It comes about when a stack \
              compares tiebreakers the wrong way round, draws a new one for each check, or does not \
              repeat the check after it has switched.",
        broken: "\
b1 -> v2: Binding request, ICE-CONTROLLING (tiebreaker 5)
v2 -> b1: Binding error 487
b1 -> v2: Binding request, ICE-CONTROLLING (tiebreaker 5)     <- did not switch after 487
v2 -> b1: Binding error 487",
        fix: "Draw the tiebreaker once per session. On 487 switch the role, change nothing else, and \
              queue the same pair again.",
        decided: Decided::Yes,
    },
    Rule {
        id: "IC-04",
        severity: Severity::Error,
        title: "Only the controlling agent sends USE-CANDIDATE, and it nominates one pair per component \
              and ICE session.",
        source: "RFC 8445 sections 7.1.2 and 8.1.1",
        why: "Several nominations let the two sides settle on different pairs, and media jumps between \
              paths or is dropped by a firewall that saw only one. This aggressive nomination was \
              allowed once and is not with ice2. It comes about in older stacks that put USE-CANDIDATE \
              on every check.",
        broken: "\
b1 -> v2: Binding request on pair 1, USE-CANDIDATE
b1 -> v2: Binding request on pair 2, USE-CANDIDATE     <- a second nomination in this session",
        fix: "Check without USE-CANDIDATE, choose one valid pair, and repeat the check with \
              USE-CANDIDATE on that one. To move, restart ICE.",
        decided: Decided::Yes,
    },
    Rule {
        id: "IC-05",
        severity: Severity::Warning,
        title: "Checks are paced: 50 ms apart by default, never more than one transaction per 5 ms in a \
              process, and retransmitted after 500 ms at the earliest.",
        source: "RFC 8445 sections 14.2 and 14.3",
        why: "A burst of checks fills the NAT's table and looks like a flood, so that checks are lost \
              and connecting gets slower instead of faster. It comes about when a server or a load \
              generator starts many connections in the same moment, each of which paces only itself.",
        broken: "\
10.000 s  b1 -> v2: Binding request
10.001 s  b1 -> v3: Binding request       <- 1 ms later, same process
10.002 s  b1 -> v4: Binding request       <- again",
        fix: "Share one pacer between all connections of a process, and spread joins over time. Do not \
              set an RTO under 500 ms to connect faster.",
        decided: Decided::No(
            "pacing over all agents of a process is the generator's own limit: it is measured as \
             health, not judged from a trace",
        ),
    },
    Rule {
        id: "IC-06",
        severity: Severity::Error,
        title: "Once a pair is selected all data goes over it, and a check is answered from and to the \
              addresses that it used.",
        source: "RFC 8445 sections 7.2.5.2.1 and 12.1",
        why: "Data on another pair may be blocked by a NAT, and the receiver has no consent for that \
              path: loss that comes and goes. A response from another address counts as a failed check. \
              It comes about on servers with several addresses that answer from the default one, and in \
              stacks that go on sending on the first pair that worked.",
        broken: "\
selected pair: 192.0.2.1:5000 <-> 198.51.100.7:6000
b1 -> v2: RTP 10.0.0.5:5002 -> 198.51.100.7:6000       <- not the selected pair",
        fix: "Send from the socket of the selected local candidate, and answer from the socket that \
              received. On a host with several addresses bind to each of them.",
        decided: Decided::No("which pair is selected is not in the trace, only which were nominated"),
    },
    Rule {
        id: "IC-07",
        severity: Severity::Error,
        title: "Consent is refreshed every 4 to 6 s, and no media is sent more than 30 s after the last \
              valid response, or after it is revoked.",
        source: "RFC 7675 sections 5.1 and 5.2",
        why: "Consent proves that the other side still wants the packets. Without it a server sends to \
              people who are long gone, and pays for it; a client that checks too rarely stops in the \
              middle of a good stream. It comes about when a process is suspended or blocked, or when a \
              server forgets connections that ended without a word.",
        broken: "\
12.0 s  b1 -> v2: Binding request         12.1 s  v2 -> b1: Binding response
17.3 s  b1 -> v2: Binding request         no response, then or later
47.0 s  b1 -> v2: RTP                     <- 34.9 s after the last response",
        fix: "Send a check every 5 s, times a random factor of 0.8 to 1.2, and stop sending at 30 s \
              without a response, at 403, or when DTLS closes. Then restart ICE or close.",
        decided: Decided::Yes,
    },
    Rule {
        id: "IC-08",
        severity: Severity::Warning,
        title: "Where consent is not used, keepalives are at least 15 s apart, and they end with the stream.",
        source: "RFC 8445 section 11",
        why: "Keepalives hold the NAT's binding open while nothing else is sent. Too many of them cost \
              battery and uplink on thousands of connections; going on after the end keeps ports open \
              and shows up as traffic from nowhere. It usually comes from a timer that close() does not \
              cancel.",
        broken: "\
20.0 s  b1 -> v2: Binding indication
22.0 s  b1 -> v2: Binding indication      <- 2 s apart
25.0 s  v2 leaves; b1 goes on             <- nothing to keep alive",
        fix: "Use 15 s or more, only when nothing else was sent in that time, and cancel the timer when \
              the stream is removed.",
        decided: Decided::No(
            "consent (RFC 7675) is used on every connection here, and keepalives apply where it is not",
        ),
    },
    Rule {
        id: "IC-09",
        severity: Severity::Warning,
        title: "ICE does not fail before its patience is over, about 39.5 s with default timers, even \
              with nothing left to check.",
        source: "RFC 8863 section 4",
        why: "The peer may still reach this side through a path that no candidate named; giving up \
              early turns slow connections into failed ones. Users behind strict NATs or with IPv6 only \
              are hit first. It comes about when an application has a short timeout of its own, or when \
              a stack fails as soon as its checklist is empty.",
        broken: "\
b1 <-> v2: offer, answer, end-of-candidates; all checks fail at 2 s
b1: iceConnectionState failed             <- at 2 s: v2's own check was on its way",
        fix: "Let the stack decide when ICE has failed. If the application must be faster, restart ICE \
              instead of closing.",
        decided: Decided::No(
            "the trace has no timer of the agent, and a failed state alone does not tell whether it \
             was patient",
        ),
    },
];
