//! Janus: transactions, VideoRoom and the life of a session.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const JA: &[Rule] = &[
    Rule {
        id: "JA-01",
        severity: Severity::Error,
        title: "Each request has a transaction and each reply repeats it; an ack says only that the \
              request came, and its result follows as an event.",
        source: "Janus documentation, JavaScript and WebSockets API (mainpage)",
        why: "A client that takes the ack for the result goes on too early, and the VideoRoom \
              refuses the next request with 424. A reply with another transaction is nobody's: the \
              request waits for ever, and the page shows nothing.",
        broken: "\
-> {\"janus\":\"message\",\"transaction\":\"t3\",\"body\":{\"request\":\"join\",...}}
<- {\"janus\":\"ack\",\"transaction\":\"t3\"}
-> {\"janus\":\"message\",\"transaction\":\"t4\",\"body\":{\"request\":\"publish\"}}  <- not joined yet",
        fix: "Keep a table of transactions, drop an entry with its event, success or error and not \
              with its ack, and send the next request then.",
        decided: Decided::Yes,
    },
    Rule {
        id: "JA-02",
        severity: Severity::Error,
        title: "A publisher's join is answered with joined and its id; its offer with configured and \
              an answer.",
        source: "Janus documentation, VideoRoom plugin",
        why: "Without the answer the peer connection stays in have-local-offer and nothing is ever \
              sent. It comes about when a proxy or a gateway in between passes the plugin's data on \
              and leaves the jsep beside it behind.",
        broken: "\
-> message: publish, jsep: offer
<- event: {\"videoroom\":\"event\",\"configured\":\"ok\"}   <- where is the jsep?",
        fix: "Pass events on whole, jsep beside plugindata; send publish or configure with the offer \
              on the handle that joined as publisher.",
        decided: Decided::Yes,
    },
    Rule {
        id: "JA-03",
        severity: Severity::Error,
        title: "A subscriber's join is answered with attached and an offer of Janus, which the client \
              answers with start; start is answered with started.",
        source: "Janus documentation, VideoRoom plugin",
        why: "The roles are turned round: Janus offers, also to viewers. A client that offers here, \
              or sends start without its answer, gets no media although every request succeeded.",
        broken: "\
-> message: join, ptype subscriber
<- event: attached, jsep: offer
-> message: start                         <- without jsep: answer",
        fix: "Apply the offer that comes with attached, send the answer in the jsep of start, and \
              wait for started.",
        decided: Decided::Yes,
    },
    Rule {
        id: "JA-04",
        severity: Severity::Error,
        title: "A session is kept alive well within its timeout, ends its candidates once, and every \
              refusal is looked at.",
        source: "Janus documentation (session_timeout in janus.jcfg, apierror.h, VideoRoom error codes)",
        why: "Janus destroys a session after 60 s without a request, with its handles and peer \
              connections, while the WebSocket stays open: streams stop after a minute for no \
              visible reason. A refusal has a code, which says what to change.",
        broken: "\
-> {\"janus\":\"attach\",...}     at 0 s
(nothing for 61 s)
<- {\"janus\":\"timeout\",\"session_id\":7}     <- the session is gone",
        fix: "Send a keepalive every 25 to 30 s for each session. Read error codes, and act on them.",
        decided: Decided::Yes,
    },
];
