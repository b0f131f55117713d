//! WHIP: ingest over HTTP.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const WI: &[Rule] = &[
    Rule {
        id: "WI-01",
        severity: Severity::Error,
        title: "POST of an offer of type application/sdp gives 201 with an answer of that type and the \
              Location of the session; the client offers to send, the server answers to receive, all \
              or nothing.",
        source: "RFC 9725 sections 4.2, 4.4.3",
        why: "A session without a Location cannot be ended and gets no candidates, and a client that \
              waits for 201 takes any other status for a failure although media would flow. It comes \
              about when a signaling endpoint of another kind, which answers 200 and JSON, is put \
              under a new address.",
        broken: "\
POST /whip/live   Content-Type: application/sdp   a=sendonly
200 OK                                    <- 201 Created, with
Content-Type: application/sdp             <- a Location",
        fix: "Answer 201 with Content-Type: application/sdp and a Location, and refuse with 4xx what \
              is no offer, with 422 what cannot be taken whole. Offer each section as sendonly or \
              sendrecv.",
        decided: Decided::Yes,
    },
    Rule {
        id: "WI-02",
        severity: Severity::Error,
        title: "A client keeps its candidates until the 201 has come, and during a restart until the \
              new entity-tag has; the answer holds all candidates of the server.",
        source: "RFC 9725 section 4.3.2",
        why: "A PATCH that comes before the session is there goes to no session and is lost, and the \
              connection then depends on candidates that the server learns by itself. A server has \
              no way to send a candidate later, so an answer without any never connects.",
        broken: "\
client -> server: POST /whip/live         not answered yet
client -> server: PATCH /whip/live        <- no session is there to take it
server -> client: 201, Location: /session/7f3a",
        fix: "Queue what onicecandidate gives until the POST is answered, then send it together. At \
              the server, gather before answering.",
        decided: Decided::Yes,
    },
    Rule {
        id: "WI-03",
        severity: Severity::Error,
        title: "PATCH of application/trickle-ice-sdpfrag with the current entity-tag in If-Match gives \
              204 without body and entity-tag; without If-Match 428, with an old tag 412, with \
              another type 4xx.",
        source: "RFC 9725 sections 4.3.1, 4.3.2",
        why: "The entity-tag tells candidates of one ICE generation from those of another. If it is \
              not sent or not looked at, late candidates of before a restart are added after it and \
              the connection breaks at random.",
        broken: "\
server: 201, ETag: \"a1\"
client: PATCH /session/7f3a               without If-Match
server: 204 No Content                    <- 428 Precondition Required",
        fix: "Send If-Match with the last ETag that the session gave, and compare it: 428 without \
              one, 412 for another one, 204 and nothing else for candidates.",
        decided: Decided::Yes,
    },
    Rule {
        id: "WI-04",
        severity: Severity::Error,
        title: "PATCH with If-Match: * and new credentials restarts ICE and gives 200, a fragment with \
              the new credentials of the server and a new strong entity-tag; if it fails the session \
              stays as it was.",
        source: "RFC 9725 section 4.3.3",
        why: "A restart that keeps its entity-tag cannot be told from what was before it, so \
              candidates of both generations mix. Without the credentials of the server the checks \
              of the client fail, and the stream ends where a change of network should have gone \
              unnoticed.",
        broken: "\
client: PATCH, If-Match: *    a=ice-ufrag:Nw2k  a=ice-pwd:...
server: 200 OK, ETag: \"a1\"                <- the tag of before the restart
        a=ice-ufrag:S9xq  a=ice-pwd:...",
        fix: "Send If-Match: * with a new ice-ufrag and ice-pwd; answer 200 with both of the server \
              and an ETag that was never used in this session.",
        decided: Decided::Yes,
    },
    Rule {
        id: "WI-05",
        severity: Severity::Error,
        title: "DELETE at the session ends it whatever If-Match says; a POST is redirected with 307 \
              and never with 301 or 302; overload is 503 with Retry-After; who had to be authorized \
              is so in every request.",
        source: "RFC 9725 sections 4.1, 4.2, 4.5, 4.7",
        why: "A session that cannot be ended holds its stream name, so the next start is refused \
              until a timeout. After 301 or 302 a client sends GET and loses its offer. A PATCH \
              without the token of its POST is refused, and candidates are lost without a word.",
        broken: "\
client: DELETE /session/7f3a
server: 428 Precondition Required         <- a DELETE needs no If-Match",
        fix: "Do not look at If-Match in a DELETE, redirect with 307 and a Location, let CORS \
              preflights through without a token, and send Authorization with each request.",
        decided: Decided::Yes,
    },
];
