//! What the error codes of Janus mean: the core's (apierror.h, 403 to 490) and the VideoRoom's (janus_videoroom.c, 421 to 437
//! and 499).
//!
//! Owns the table.

/// An error in plain words, and what to do about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    pub(super) what: &'static str,
    pub(super) fix: &'static str,
}

const TABLE: &[(u64, &str, &str)] = &[
    (
        403,
        "the API secret or the token is missing or wrong",
        "send apisecret or token as janus.jcfg demands",
    ),
    (
        405,
        "the token does not allow this plugin",
        "allow the plugin for the token",
    ),
    (
        421,
        "the message to the plugin has no body",
        "put the request into body",
    ),
    (422, "the body is no JSON object", "send body as a JSON object"),
    (
        423,
        "the VideoRoom has no such request here",
        "look at the request's name, and at whether the handle has joined as what it needs",
    ),
    (
        424,
        "the handle has not joined yet",
        "wait for joined or attached, not for the ack, before the next request",
    ),
    (
        425,
        "the handle has joined already",
        "attach one handle for each publisher and subscriber",
    ),
    (
        426,
        "there is no such room",
        "make the room in janus.plugin.videoroom.jcfg or with create, and look at whether ids are numbers or strings",
    ),
    (
        427,
        "the room is there already",
        "join it instead, or choose another id",
    ),
    (
        428,
        "there is no such publisher",
        "subscribe only to feeds that a publishers list names, once their PeerConnection is up",
    ),
    (
        429,
        "a field is missing in the request",
        "send every field that the VideoRoom's documentation demands",
    ),
    (
        430,
        "a field of the request has the wrong type",
        "look at numbers that are sent as strings, and at string_ids",
    ),
    (
        431,
        "the description is of the wrong type: publishers offer and subscribers answer",
        "send an offer with publish and an answer with start",
    ),
    (
        432,
        "the room has as many publishers as it may have",
        "raise the room's publishers, or end old sessions",
    ),
    (
        433,
        "the pin, secret or token of the room is missing or wrong",
        "send the room's pin or secret",
    ),
    (
        434,
        "the handle publishes already",
        "use configure for what is to change",
    ),
    (435, "the handle does not publish", "publish first"),
    (
        436,
        "the id is taken",
        "choose another id, or let the VideoRoom choose",
    ),
    (
        437,
        "the description cannot be used",
        "look at the description: codecs that the room allows, and an m-section for them",
    ),
    (
        438,
        "the VideoRoom refused the request with its code 438",
        "look at the server's log at that moment",
    ),
    (450, "the transport failed", "look at the transport's log"),
    (452, "the message has no field janus", "name the request in janus"),
    (453, "the core has no such request", "look at the request's name"),
    (
        454,
        "the message is no JSON",
        "send one JSON object a frame, as text",
    ),
    (
        455,
        "the message is no JSON object",
        "send one JSON object a frame",
    ),
    (
        456,
        "a field is missing in the message",
        "send janus, transaction, session_id and handle_id where they belong",
    ),
    (
        457,
        "the request cannot be made at this path",
        "name session and handle as the request needs them",
    ),
    (
        458,
        "the session is gone: it was never made, or it timed out",
        "send a keepalive every 25 to 30 s, and make a new session after a reconnect",
    ),
    (
        459,
        "the handle is gone",
        "attach again after a reconnect, and name the handle of this session",
    ),
    (
        460,
        "the plugin is not loaded",
        "load janus.plugin.videoroom, and look at its name",
    ),
    (
        461,
        "the plugin refused the handle",
        "look at the server's log at that moment",
    ),
    (
        462,
        "the plugin did not take the message",
        "look at the server's log at that moment",
    ),
    (
        463,
        "the handle could not be detached",
        "look at the server's log at that moment",
    ),
    (
        464,
        "the type of the description is unknown",
        "send jsep.type offer or answer",
    ),
    (
        465,
        "the description cannot be read",
        "send the SDP as the peer connection made it",
    ),
    (
        466,
        "the candidate or its fields cannot be read",
        "send candidate, sdpMid and sdpMLineIndex, or completed",
    ),
    (
        467,
        "the message is no valid JSON for this request",
        "look at the types of its fields",
    ),
    (468, "the id of the session is taken", "let Janus choose it"),
    (
        469,
        "an answer came and nothing was offered",
        "answer once, after the offer",
    ),
    (470, "the token is unknown", "add the token, or send another"),
    (
        471,
        "the server is in a state in which it cannot do this",
        "wait until negotiation is over, and send it again",
    ),
    (
        472,
        "the server takes no new sessions",
        "end old sessions, or ask another server",
    ),
    (
        490,
        "an unknown error of the core",
        "look at the server's log at that moment",
    ),
    (
        499,
        "an unknown error of the VideoRoom",
        "look at the server's log at that moment",
    ),
];

/// What a code means.
pub(super) fn of(code: u64) -> Meaning {
    let found = TABLE.iter().find(|(known, ..)| *known == code);
    let (_, what, fix) = found.copied().unwrap_or((
        code,
        "a code that neither the core nor the VideoRoom has",
        "look at the server's log at that moment",
    ));
    Meaning { what, fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise_and_each_of_the_videorooms_has_a_sentence() {
        assert!(TABLE.is_sorted_by(|(one, ..), (other, ..)| one < other));
        for code in (421..=437).chain([499, 458, 403]) {
            assert!(!of(code).what.contains("neither"), "{code}");
        }
        assert!(of(1).what.contains("neither"));
    }
}
