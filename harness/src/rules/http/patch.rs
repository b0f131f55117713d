//! What goes on in a session: candidates and restarts by PATCH (WI-02, WI-03, WI-04), and a player's answer to a
//! counter-offer (WE-01).
//!
//! Owns these duties.

use super::body::{Body, same_type};
use super::setup::is_strong;
use super::{Asked, Breach, FRAGMENT, Protocol, SDP, Session, Who};
use crate::trace::HttpSeen;

/// Whether the request is for an ICE restart: it names no tag but all, or brings credentials that are new.
fn is_restart(session: &Session, asked: &Asked) -> bool {
    let is_new = |ufrag: &str| {
        session
            .client_ufrag
            .as_deref()
            .is_some_and(|known| known != ufrag)
    };
    asked.is_of_type(FRAGMENT) && (names_all(asked) || asked.body().ufrag().is_some_and(is_new))
}

/// `*`, and the form in which the specification's example prints it.
fn names_all(asked: &Asked) -> bool {
    matches!(asked.header("if-match"), Some("*" | "\"*\""))
}

/// A client sends candidates, a restart or an answer.
pub(super) fn asked(protocol: Option<Protocol>, session: &mut Session, asked: &Asked) -> Vec<Breach> {
    let mut broken = Vec::new();
    let by_client = |rule, what: &str| Breach::by(Who::Client, rule, what);
    if let Some(opening) = &session.opening {
        let what = "sent a PATCH before its POST was answered; candidates wait for the 201";
        broken.push(by_client("WI-02", what).because_of(Some(opening.clone())));
        return broken;
    }
    let Some(opened) = session.opened.clone() else {
        return broken;
    };
    if let Some(path) = session.path.as_ref().filter(|path| **path != asked.path) {
        let what = format!(
            "sent a PATCH to {}, expected {path}, which the Location says",
            asked.path
        );
        broken.push(by_client("WI-01", &what).because_of(Some(opened.clone())));
    }
    if session.authorized && asked.header("authorization").is_none() {
        let what = "sent a PATCH without the Authorization that its POST had";
        broken.push(by_client("WI-05", what).because_of(Some(opened.clone())));
    }
    if asked.is_of_type(SDP) && protocol == Some(Protocol::Whep) {
        // The answer to a counter-offer is of another connection than the offer that was refused.
        session.client_ufrag = asked.body().ufrag().map(str::to_owned);
        return broken;
    }
    if !asked.is_of_type(FRAGMENT) {
        let what = "sent a PATCH that does not say Content-Type: application/trickle-ice-sdpfrag";
        let quote = asked.header("content-type").unwrap_or("none");
        broken.push(
            by_client("WI-03", what)
                .quoting(quote)
                .because_of(Some(opened.clone())),
        );
    }
    let restarts = is_restart(session, asked);
    if let Some(restarting) = session.restarting.as_ref().filter(|_| !restarts) {
        let what = "sent candidates before its restart was answered; they wait for the new entity-tag";
        broken.push(by_client("WI-02", what).because_of(Some(restarting.clone())));
    } else if session.etag.is_some() && asked.header("if-match").is_none() {
        let what = "sent a PATCH without If-Match to a session that has an entity-tag";
        broken.push(
            by_client("WI-03", what)
                .quoting("no If-Match")
                .because_of(Some(opened.clone())),
        );
    }
    if restarts {
        if !names_all(asked) {
            let what = "asks for an ICE restart without If-Match: *";
            let quote = asked.header("if-match").unwrap_or("no If-Match");
            broken.push(
                by_client("WI-04", what)
                    .quoting(quote)
                    .because_of(Some(opened.clone())),
            );
        }
        if asked.body().ufrag().is_none() || !asked.body().has_password() {
            let what = "asks for an ICE restart without a new ice-ufrag and a new ice-pwd";
            broken.push(by_client("WI-04", what).because_of(Some(opened)));
        }
        session.restarting = Some(asked.event.clone());
    }
    broken
}

/// A server answers.
pub(super) fn answered(session: &mut Session, asked: &Asked, status: u16, answer: &HttpSeen) -> Vec<Breach> {
    let is_taken = (200..300).contains(&status);
    if asked.is_of_type(SDP) && session.countered.is_some() {
        session.countered = None;
        if is_taken && status != 204 {
            let what = format!("took the answer to its counter-offer with {status}, expected 204");
            return vec![Breach::by(Who::Server, "WE-01", what).quoting(status.to_string())];
        }
        return Vec::new();
    }
    let by_server = |rule, what: String| Breach::by(Who::Server, rule, what).quoting(status.to_string());
    if !asked.is_of_type(FRAGMENT) {
        return if is_taken && !asked.is_of_type(SDP) {
            let what = "took a PATCH of a type that it does not know, expected 4xx".to_owned();
            vec![by_server("WI-03", what)]
        } else {
            Vec::new()
        };
    }
    if is_restart(session, asked) {
        return restarted(session, asked, is_taken, status, answer);
    }
    let named = asked.header("if-match");
    let mut broken = Vec::new();
    match (&session.etag, named, is_taken) {
        (Some(_), None, true) => {
            let what = "took a PATCH without If-Match, expected 428 Precondition Required".to_owned();
            broken.push(by_server("WI-03", what));
        }
        (Some(etag), Some(named), true) if etag != named => {
            let what = format!("took a PATCH for {named} although the session is at {etag}, expected 412");
            broken.push(by_server("WI-03", what));
        }
        (Some(etag), Some(named), false) if etag == named && matches!(status, 412 | 428) => {
            let what = format!("refused a PATCH that names its current entity-tag {etag}");
            broken.push(by_server("WI-03", what));
        }
        _ => {}
    }
    if is_taken && status != 204 {
        let what = format!("took candidates with {status}, expected 204 No Content");
        broken.push(by_server("WI-03", what));
    }
    if is_taken && (!Body::of(answer).is_empty() || answer.header("etag").is_some()) {
        let what = "took candidates with a body or an entity-tag, expected neither".to_owned();
        broken.push(by_server("WI-03", what));
    }
    broken
}

fn restarted(
    session: &mut Session,
    asked: &Asked,
    is_taken: bool,
    status: u16,
    answer: &HttpSeen,
) -> Vec<Breach> {
    if !is_taken {
        return Vec::new();
    }
    let mut broken = Vec::new();
    let by_server = |what: String, quote: String| Breach::by(Who::Server, "WI-04", what).quoting(quote);
    if status != 200 {
        let what = format!("took an ICE restart with {status}, expected 200 and its new credentials");
        broken.push(by_server(what, status.to_string()));
    }
    let body = Body::of(answer);
    let is_fragment = answer
        .header("content-type")
        .is_some_and(|kind| same_type(kind, FRAGMENT));
    if status == 200 && (!is_fragment || body.ufrag().is_none() || !body.has_password()) {
        let what =
            "answered an ICE restart without a fragment that has its new ice-ufrag and ice-pwd".to_owned();
        broken.push(by_server(
            what,
            answer.header("content-type").unwrap_or("none").to_owned(),
        ));
    }
    let etag = answer.header("etag");
    match etag {
        Some(etag) if is_strong(etag) && session.etag.as_deref() != Some(etag) => {}
        Some(etag) => {
            let what = "answered an ICE restart without a new strong entity-tag".to_owned();
            broken.push(by_server(what, format!("ETag: {etag}")));
        }
        None => {
            let what = "answered an ICE restart without a new entity-tag".to_owned();
            broken.push(by_server(what, "no ETag".to_owned()));
        }
    }
    session.etag = etag.map(str::to_owned).or(session.etag.take());
    session.client_ufrag = asked.body().ufrag().map(str::to_owned);
    broken
}
