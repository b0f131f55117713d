//! What Janus refuses, in words that say what to do: the core's codes 403 to 472, the VideoRoom's 421 to 438 and 499.
//!
//! Owns the wording only.

use super::exchange::Step;
use crate::{ErrorCode, Event};

/// The feed is gone: it left between its announcement and the subscription to it.
pub(super) const NO_SUCH_FEED: u64 = 428;
/// The room is there already, which is all that is wanted of it.
pub(super) const ROOM_EXISTS: u64 = 427;
/// There is no such room.
pub(super) const NO_SUCH_ROOM: u64 = 426;

/// Janus refused a step.
pub(super) fn refused(step: Option<Step>, code: u64, reason: &str) -> Event {
    let what = step.map_or("do what was asked", Step::name);
    let advice = advice(code);
    error(
        &code.to_string(),
        format!("Janus would not {what}: {reason}; {advice}"),
    )
}

/// A trouble of another kind, as `janus-NAME`.
pub(super) fn error(name: &str, message: String) -> Event {
    Event::Error {
        code: ErrorCode::Other(format!("janus-{name}")),
        message,
        to: None,
    }
}

fn advice(code: u64) -> &'static str {
    match code {
        403 | 405 | 470 => {
            "it asks for a secret or token, which greenroom does not send; switch api_secret and token_auth off, or \
             put a proxy in between that adds them"
        }
        426 => {
            "create the room in janus.plugin.videoroom.jcfg, or allow clients to create rooms (no admin_key)"
        }
        427 => "use it as it is, or take another name",
        428 => "the publisher has left; it has to publish again",
        430 => {
            "check that rooms have numbers (string_ids = false), and that the room's settings are of this version"
        }
        432 => "another publisher holds the room's only place; stop it, or raise publishers of the room",
        433 => {
            "the room or its creation needs a pin or key, which greenroom does not send; take a room without one"
        }
        436 => "another client of the room has this id; take another room",
        437 | 465 => "Janus cannot read the description; look at it in the trace, and at Janus' log",
        424 | 425 | 429 | 431 | 434 | 435 | 471 => {
            "the request does not fit what the handle is doing; the trace shows what came before it"
        }
        456 | 467 | 452..=455 | 457 | 421..=423 => {
            "the request is not of this version's protocol; compare it with the documentation of the Janus under test"
        }
        458 => "the session has ended: it was not kept alive, or Janus was restarted",
        459 => "the handle is gone: it was detached, or Janus was restarted",
        460 => "janus.plugin.videoroom is not loaded; check plugins in janus.jcfg",
        461..=463 => "the VideoRoom failed; look at Janus' log",
        464 | 466 | 469 => {
            "the description or candidate does not fit the negotiation; the trace shows what came before it"
        }
        472 => "Janus takes no new sessions (accept_new_sessions); it is shutting down, or was told so",
        _ => "look at Janus' log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_core_and_the_video_room_says_what_to_do() {
        let codes = [403, 405].into_iter().chain(421..=438).chain(452..=472);
        for code in codes.filter(|code| *code != 438 && *code != 468) {
            assert_ne!(advice(code), advice(499), "{code}");
        }
        let Event::Error { code, message, .. } = refused(Some(Step::Join), 426, "No such room (7)") else {
            panic!("no error")
        };
        assert_eq!(code.as_str(), "janus-426");
        assert!(
            message.starts_with("Janus would not join the room: No such room (7); create the room"),
            "{message}"
        );
    }
}
