//! How a session begins: POST, and 201, a redirection, a refusal or, in WHEP, a counter-offer (WI-01, WE-01, WE-02).
//!
//! Owns these duties.

use super::body::{Body, path_of, same_type};
use super::{Asked, Breach, Protocol, SDP, Session, Who, teardown};
use crate::rules::finding::EventRef;
use crate::trace::HttpSeen;

/// A client asks for a session.
pub(super) fn asked(protocol: Option<Protocol>, session: &mut Session, asked: &Asked) -> Vec<Breach> {
    let mut broken = Vec::new();
    *session = Session {
        opening: Some(asked.event.clone()),
        client_ufrag: asked.body().ufrag().map(str::to_owned),
        authorized: asked.header("authorization").is_some(),
        ..Session::default()
    };
    if !asked.is_of_type(SDP) && !asked.body().is_empty() {
        let what = "sent an offer that does not say Content-Type: application/sdp";
        broken.push(
            Breach::by(Who::Client, "WI-01", what).quoting(asked.header("content-type").unwrap_or("none")),
        );
    }
    // A player of an older draft asks without an offer.
    let (right, rule) = match protocol {
        Some(Protocol::Whep) => (["recvonly", "sendrecv"], "WE-02"),
        _ => (["sendonly", "sendrecv"], "WI-01"),
    };
    let sections = asked.body().sections();
    let wrong = sections
        .iter()
        .find(|section| !section.rejected && !right.contains(&section.direction));
    if let Some(section) = wrong.filter(|_| protocol.is_some()) {
        let what = format!(
            "offers {} as {}, expected {} or {}",
            section.media, section.direction, right[0], right[1]
        );
        broken.push(Breach::by(Who::Client, rule, what).quoting(format!("a={}", section.direction)));
    }
    broken
}

/// A server answers.
pub(super) fn answered(
    protocol: Option<Protocol>,
    session: &mut Session,
    asked: &Asked,
    status: u16,
    answer: &HttpSeen,
    at: &EventRef,
) -> Vec<Breach> {
    let by_server = |what: &str| Breach::by(Who::Server, "WI-01", what).quoting(format!("{status}"));
    let is_good = asked.is_of_type(SDP) && asked.body().is_description();
    if (200..300).contains(&status) {
        if !is_good && !asked.body().is_empty() {
            return vec![by_server(
                "took what is no offer of type application/sdp, expected 4xx",
            )];
        }
        return created(protocol, session, status, answer, at);
    }
    if status == 406 && protocol == Some(Protocol::Whep) {
        return countered(session, answer, at);
    }
    Vec::new()
}

fn created(
    protocol: Option<Protocol>,
    session: &mut Session,
    status: u16,
    answer: &HttpSeen,
    at: &EventRef,
) -> Vec<Breach> {
    let mut broken = Vec::new();
    let by_server = |what: String| Breach::by(Who::Server, "WI-01", what);
    if status != 201 {
        broken.push(
            by_server(format!("made a session with {status}, expected 201 Created"))
                .quoting(status.to_string()),
        );
    }
    let kind = answer.header("content-type").unwrap_or("none");
    if !same_type(kind, SDP) {
        let what = "sent its answer without Content-Type: application/sdp".to_owned();
        broken.push(by_server(what).quoting(kind));
    }
    match answer.header("location") {
        Some(location) => broken.extend(teardown::placed(location)),
        None => {
            let what = "made a session without a Location, so that nobody can end it".to_owned();
            broken.push(by_server(what).quoting("no Location"));
        }
    }
    let etag = answer.header("etag");
    if let Some(weak) = etag.filter(|etag| !is_strong(etag)) {
        let what = "gave the session an entity-tag that is not a strong one".to_owned();
        broken.push(by_server(what).quoting(format!("ETag: {weak}")));
    }
    let body = Body::of(answer);
    if body.is_description() {
        broken.extend(described(protocol, body));
    } else {
        let what = "made a session and sent no answer with it".to_owned();
        broken.push(by_server(what).quoting("no SDP in the body"));
    }
    session.opened = Some(at.clone());
    session.path = answer
        .header("location")
        .map(|location| path_of(location).to_owned());
    session.etag = etag.map(str::to_owned);
    broken
}

/// What an answer owes to the protocol.
fn described(protocol: Option<Protocol>, body: Body<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    let sections = body.sections();
    let right = match protocol {
        Some(Protocol::Whep) => "sendonly",
        _ => "recvonly",
    };
    let wrong = sections
        .iter()
        .find(|section| !section.rejected && section.direction != right && section.direction != "inactive");
    if let Some(section) = wrong.filter(|_| protocol.is_some()) {
        let what = format!(
            "answers {} as {}, expected {right}",
            section.media, section.direction
        );
        broken.push(Breach::by(Who::Server, "WI-01", what).quoting(format!("a={}", section.direction)));
    }
    let rejected = sections.iter().filter(|section| section.rejected).count();
    if rejected > 0 && rejected < sections.len() {
        let what = format!(
            "rejected {rejected} of {} m-sections, expected all or a 422",
            sections.len()
        );
        broken.push(Breach::by(Who::Server, "WI-01", what).warning());
    }
    if !body.has_candidates() {
        let what = "answered without a candidate, and it has no way to send one later";
        broken.push(Breach::by(Who::Server, "WI-02", what).quoting("no a=candidate"));
    }
    broken
}

/// WHEP: an answer of 406 is an offer of the server's own.
fn countered(session: &mut Session, answer: &HttpSeen, at: &EventRef) -> Vec<Breach> {
    let body = Body::of(answer);
    if body.is_empty() {
        let what = "refused an offer with 406 and made no counter-offer, as older drafts had it";
        return vec![Breach::by(Who::Server, "WE-01", what).warning()];
    }
    let mut broken = Vec::new();
    let is_sdp = answer
        .header("content-type")
        .is_some_and(|kind| same_type(kind, SDP));
    if !is_sdp || !body.is_description() {
        let what = "sent a counter-offer that is not SDP of type application/sdp";
        broken.push(Breach::by(Who::Server, "WE-01", what));
    }
    if answer.header("location").is_none() {
        let what = "made a counter-offer without a Location, so that nobody can answer it";
        broken.push(Breach::by(Who::Server, "WE-01", what).quoting("no Location"));
    }
    session.path = answer
        .header("location")
        .map(|location| path_of(location).to_owned());
    session.etag = answer.header("etag").map(str::to_owned);
    session.countered = Some(at.clone());
    session.opened = Some(at.clone());
    broken
}

/// Whether an entity-tag is a strong one: quoted, and not marked as weak (RFC 9110 section 8.8.3).
pub(super) fn is_strong(etag: &str) -> bool {
    etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"')
}
