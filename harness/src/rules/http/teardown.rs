//! How a session ends, and what holds for every exchange: DELETE, OPTIONS, redirections and overload (WI-05).
//!
//! Owns these duties.

use super::body::Body;
use super::{Asked, Breach, Session, Who};
use crate::rules::finding::EventRef;
use crate::trace::HttpSeen;

/// Digits of a number that can still be a count, and is no secret: less than 30 bits.
const MAX_COUNT_DIGITS: usize = 9;

/// A client ends its session.
pub(super) fn asked(session: &Session, asked: &Asked) -> Vec<Breach> {
    let Some(opened) = session.opened.as_ref() else {
        return Vec::new();
    };
    let mut broken = Vec::new();
    if let Some(path) = session.path.as_ref().filter(|path| **path != asked.path) {
        let what = format!(
            "sent its DELETE to {}, expected {path}, which the Location says",
            asked.path
        );
        broken.push(Breach::by(Who::Client, "WI-05", what).because_of(Some(opened.clone())));
    }
    if session.authorized && asked.header("authorization").is_none() {
        let what = "sent its DELETE without the Authorization that its POST had";
        broken.push(Breach::by(Who::Client, "WI-05", what).because_of(Some(opened.clone())));
    }
    broken
}

/// A server answers a DELETE.
pub(super) fn answered(session: &mut Session, status: u16, at: &EventRef) -> Vec<Breach> {
    let was_open = session.opened.is_some() && session.ended.is_none();
    let by_server = |what: String| vec![Breach::by(Who::Server, "WI-05", what).quoting(status.to_string())];
    match status {
        200..300 => {
            session.ended = Some(at.clone());
            session.countered = None;
            Vec::new()
        }
        412 | 428 => by_server(format!(
            "refused a DELETE with {status}; it must not look at If-Match there"
        )),
        404 | 405 | 501 if was_open => {
            by_server(format!("refused to end a session with {status}, expected 200"))
        }
        _ => Vec::new(),
    }
}

/// A server takes a PATCH: only of a session that has not ended, whatever it said to the DELETE.
pub(super) fn taken(session: &Session, asked: &Asked, status: u16) -> Vec<Breach> {
    // What was under way when the session ended may be answered later.
    let ended = session.ended.as_ref();
    let ended = ended.filter(|ended| ended.number < asked.event.number);
    let late = ended.filter(|_| (200..300).contains(&status)).map(|ended| {
        let what = format!("took a PATCH with {status} after it had ended the session, expected 404");
        Breach::by(Who::Server, "WI-05", what)
            .quoting(status.to_string())
            .because_of(Some(ended.clone()))
    });
    late.into_iter().collect()
}

/// A server says where a session is: somebody who is not its client must not find it (RFC 9725 section 5).
///
/// A short number as the last part is a count, and nothing else is taken for guessable. With a query it is not judged: the
/// secret may be there, and a trace does not hold it.
pub(super) fn placed(location: &str) -> Option<Breach> {
    let last = location.rsplit('/').next().unwrap_or_default();
    let is_count =
        (1..=MAX_COUNT_DIGITS).contains(&last.len()) && last.bytes().all(|byte| byte.is_ascii_digit());
    is_count.then(|| {
        let what = "counts its sessions in their Locations, so that anybody can end one";
        Breach::by(Who::Server, "WI-05", what)
            .quoting(format!("Location: {location}"))
            .warning()
    })
}

/// A server answers an OPTIONS.
pub(super) fn options(asked: &Asked, status: u16, answer: &HttpSeen) -> Vec<Breach> {
    let is_preflight = asked.header("access-control-request-method").is_some();
    if is_preflight && matches!(status, 401 | 403) {
        let what =
            format!("refused a CORS preflight with {status}; a browser sends no Authorization with it");
        return vec![Breach::by(Who::Server, "WI-05", what).quoting(status.to_string())];
    }
    // A session is patched and not posted to.
    let says_what = answer.header("accept-post").or(answer.header("accept-patch"));
    if (200..300).contains(&status) && !is_preflight && says_what.is_none() {
        let what = "answered OPTIONS without Accept-Post: application/sdp";
        return vec![Breach::by(Who::Server, "WI-05", what).warning()];
    }
    Vec::new()
}

/// What holds whatever was asked.
pub(super) fn of_any(asked: &Asked, status: u16, answer: &HttpSeen) -> Vec<Breach> {
    let method = &asked.method;
    let by_server = |what: String| Breach::by(Who::Server, "WI-05", what).quoting(status.to_string());
    let mut broken = Vec::new();
    if matches!(status, 301 | 302) && method == "POST" {
        let what = format!("redirects a POST with {status}, which makes it a GET; expected 307");
        broken.push(by_server(what));
    }
    if matches!(status, 307 | 308) && answer.header("location").is_none() {
        let what = format!("redirects with {status} and does not say where to");
        broken.push(by_server(what));
    }
    if status == 503 && answer.header("retry-after").is_none() {
        let what = "is overloaded and does not say when to come again".to_owned();
        broken.push(by_server(what).warning());
    }
    if method == "DELETE" && (200..300).contains(&status) && Body::of(answer).is_description() {
        let what = "answered a DELETE with a description, expected nothing".to_owned();
        broken.push(by_server(what).warning());
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_counted_is_guessable_and_a_random_one_is_not() {
        for counted in ["/session/1", "https://h/whip/live/2026", "42"] {
            assert!(placed(counted).is_some(), "{counted}");
        }
        for random in ["/session/7f3a9c51d2e84b60", "/s/4820117730", "/s/1?…", "/s/", ""] {
            assert!(placed(random).is_none(), "{random}");
        }
    }
}
