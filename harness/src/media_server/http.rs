//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03) in front of the hub: requests in, statuses and headers out.
//!
//! Owns HTTP and nothing else. A connection carries one request, under a deadline, and a body has a bound.

use std::convert::Infallible;
use std::time::Duration;

use greenroom_signaling::RoomId;
use greenroom_signaling::sdpfrag::SdpFragment;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::MediaServerConfig;
use super::flaw::Flaw;
use super::hub::{Ask, Opened, Refusal, Reply};
use super::sdp::{self, OfferError, Wanted};

type Answer = Response<Full<Bytes>>;

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Longest body that is read, in bytes.
const MAX_BODY: usize = 64 << 10;
/// The head of a request must be there within this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A request must be answered, and the answer read, within this.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(20);
/// Seconds after which somebody who came too early should come again.
const RETRY_AFTER: &str = "1";

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

const HELP: &str =
    "greenroom media server: POST an offer to /whip/NAME to publish, or to /whep/NAME to play\n";

/// Serves one connection.
pub(super) async fn serve<S>(config: &MediaServerConfig, asks: &mpsc::Sender<Ask>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(route(config, asks, request).await) });
    let exchange = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(EXCHANGE_TIMEOUT, exchange).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("HTTP exchange failed: {error}"),
        Err(_) => log::debug!("HTTP exchange took longer than {} s", EXCHANGE_TIMEOUT.as_secs()),
    }
}

async fn route(config: &MediaServerConfig, asks: &mpsc::Sender<Ask>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let mut parts = path.split('/').skip(1);
    let (place, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let has_more = parts.next().is_some();
    // A preflight has no token (RFC 9725 section 4.7).
    let is_preflight = request.method() == Method::OPTIONS;
    let mut answer = if !is_preflight && !is_admitted(config, request.headers()) {
        let mut answer = text(StatusCode::UNAUTHORIZED, "a bearer token is missing or wrong\n");
        set(&mut answer, header::WWW_AUTHENTICATE, "Bearer");
        answer
    } else {
        match place {
            "whip" if !has_more => endpoint(config, asks, Wanted::Publish, name, request).await,
            "whep" if !has_more => endpoint(config, asks, Wanted::Play, name, request).await,
            "session" if !has_more => of_session(config, asks, name, request).await,
            _ => text(StatusCode::NOT_FOUND, HELP),
        }
    };
    set(&mut answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        &mut answer,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch",
    );
    answer
}

fn is_admitted(config: &MediaServerConfig, headers: &HeaderMap) -> bool {
    let Some(token) = &config.token else { return true };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    given.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && given.trim() == token)
}

async fn endpoint(
    config: &MediaServerConfig,
    asks: &mpsc::Sender<Ask>,
    wanted: Wanted,
    name: &str,
    request: Request<Incoming>,
) -> Answer {
    if name.parse::<RoomId>().is_err() {
        return text(StatusCode::NOT_FOUND, HELP);
    }
    let method = request.method().clone();
    if method == Method::OPTIONS {
        return options(config, "OPTIONS, POST", Some((ACCEPT_POST, SDP)));
    }
    if method == Method::GET || method == Method::HEAD {
        let mut answer = empty(StatusCode::OK);
        if wanted == Wanted::Play {
            set(&mut answer, header::CONTENT_TYPE, SDP);
        }
        return answer;
    }
    if method != Method::POST {
        return not_allowed("GET, HEAD, OPTIONS, POST");
    }
    if config.flaw == Some(Flaw::MovedPermanently) {
        return redirect(StatusCode::MOVED_PERMANENTLY, request.uri().path());
    }
    if let Some(elsewhere) = &config.redirect {
        let elsewhere = format!("{}{}", elsewhere.trim_end_matches('/'), request.uri().path());
        return redirect(StatusCode::TEMPORARY_REDIRECT, &elsewhere);
    }
    if !is_a(request.headers(), SDP) && config.flaw != Some(Flaw::AnyContentType) {
        let mut answer = text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "an offer is application/sdp\n",
        );
        set(&mut answer, ACCEPT_POST, SDP);
        return answer;
    }
    let offer = match body(request).await {
        Ok(offer) => offer,
        Err(answer) => return *answer,
    };
    match sdp::check(&offer, wanted) {
        Ok(()) => {}
        Err(error @ OfferError::Malformed(_)) => return text(StatusCode::BAD_REQUEST, error.to_string()),
        Err(error @ OfferError::Unsupported(_)) => {
            return text(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        }
    }
    let opened = ask(asks, |reply| Ask::Open {
        wanted,
        stream: name.to_owned(),
        offer,
        reply,
    });
    match opened.await {
        Ok(opened) => created(config, opened),
        Err(refusal) => refused(config, &refusal),
    }
}

/// The session is there: 201 with the answer, or 406 with an offer instead.
fn created(config: &MediaServerConfig, opened: Opened) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(opened.sdp)));
    *answer.status_mut() = match config.flaw {
        _ if opened.is_counter_offer => StatusCode::NOT_ACCEPTABLE,
        Some(Flaw::OkForCreated) => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    let content_type = match config.flaw {
        Some(Flaw::WrongContentType) => "text/plain",
        _ => SDP,
    };
    set(&mut answer, header::CONTENT_TYPE, content_type);
    if config.flaw != Some(Flaw::NoLocation) {
        set(
            &mut answer,
            header::LOCATION,
            &format!("/session/{}", opened.session),
        );
    }
    if config.trickle {
        set(&mut answer, header::ETAG, &opened.etag);
        set(&mut answer, ACCEPT_PATCH, SDP_FRAGMENT);
    }
    answer
}

async fn of_session(
    config: &MediaServerConfig,
    asks: &mpsc::Sender<Ask>,
    session: &str,
    request: Request<Incoming>,
) -> Answer {
    let session = session.to_owned();
    let method = request.method().clone();
    let done = if method == Method::OPTIONS {
        return options(
            config,
            "DELETE, OPTIONS, PATCH",
            Some((ACCEPT_PATCH, SDP_FRAGMENT)),
        );
    } else if method == Method::DELETE {
        // Whatever If-Match says (RFC 9725 section 4.2).
        let ended = ask(asks, |reply| Ask::End { session, reply }).await;
        return match ended {
            Ok(()) => empty(StatusCode::OK),
            Err(refusal) => refused(config, &refusal),
        };
    } else if method != Method::PATCH {
        return not_allowed("DELETE, OPTIONS, PATCH");
    } else if is_a(request.headers(), SDP) {
        match body(request).await {
            Ok(answer) => {
                ask(asks, |reply| Ask::Answer {
                    session,
                    answer,
                    reply,
                })
                .await
            }
            Err(answer) => return *answer,
        }
    } else if !config.trickle {
        return not_allowed("DELETE, OPTIONS");
    } else if is_a(request.headers(), SDP_FRAGMENT) || config.flaw == Some(Flaw::AnyContentType) {
        let if_match = request.headers().get(header::IF_MATCH);
        let if_match = if_match.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text_of_body = match body(request).await {
            Ok(text) => text,
            Err(answer) => return *answer,
        };
        match SdpFragment::parse(&text_of_body) {
            Ok(fragment) => {
                let trickle = |reply: Reply| Ask::Trickle {
                    session,
                    if_match,
                    fragment,
                    reply,
                };
                ask(asks, trickle).await
            }
            Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
        }
    } else {
        let mut answer = text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "candidates are application/trickle-ice-sdpfrag\n",
        );
        set(&mut answer, ACCEPT_PATCH, SDP_FRAGMENT);
        return answer;
    };
    match done {
        Ok(()) if config.flaw == Some(Flaw::TrickleAnswered) => {
            let mut answer = Response::new(Full::new(Bytes::from_static(b"a=ice-lite\r\n")));
            set(&mut answer, header::CONTENT_TYPE, SDP_FRAGMENT);
            set(&mut answer, header::ETAG, "\"another\"");
            answer
        }
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(refusal) => refused(config, &refusal),
    }
}

/// Asks the hub.
async fn ask<T>(
    asks: &mpsc::Sender<Ask>,
    make: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Ask,
) -> Result<T, Refusal> {
    let gone = || Refusal::Failed("the server is ending".to_owned());
    let (reply, answer) = oneshot::channel();
    asks.send(make(reply)).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

fn refused(config: &MediaServerConfig, refusal: &Refusal) -> Answer {
    let status = match refusal {
        Refusal::NoSession => StatusCode::NOT_FOUND,
        Refusal::NotLive | Refusal::Taken => StatusCode::CONFLICT,
        Refusal::Full | Refusal::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::NoIfMatch => StatusCode::PRECONDITION_REQUIRED,
        Refusal::Stale => StatusCode::PRECONDITION_FAILED,
        Refusal::NoRestart | Refusal::NotAsked | Refusal::Unacceptable(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut answer = text(status, format!("{refusal}\n"));
    let comes_later = matches!(refusal, Refusal::NotLive | Refusal::Full | Refusal::Failed(_));
    if comes_later && config.flaw != Some(Flaw::NoRetryAfter) {
        set(&mut answer, header::RETRY_AFTER, RETRY_AFTER);
    }
    answer
}

async fn body(request: Request<Incoming>) -> Result<String, Box<Answer>> {
    let read = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let bytes = match read {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let why = format!("the body cannot be read, or has more than {MAX_BODY} bytes: {error}\n");
            return Err(Box::new(text(StatusCode::PAYLOAD_TOO_LARGE, why)));
        }
    };
    String::from_utf8(bytes.into())
        .map_err(|_| Box::new(text(StatusCode::BAD_REQUEST, "the body is no UTF-8 text\n")))
}

fn options(config: &MediaServerConfig, allow: &str, accepts: Option<(HeaderName, &str)>) -> Answer {
    let mut answer = empty(StatusCode::OK);
    set(&mut answer, header::ALLOW, allow);
    set(&mut answer, header::ACCESS_CONTROL_ALLOW_METHODS, allow);
    set(
        &mut answer,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Authorization, Content-Type, If-Match",
    );
    if let Some((name, value)) = accepts.filter(|_| config.flaw != Some(Flaw::NoAcceptPost)) {
        set(&mut answer, name, value);
    }
    answer
}

fn not_allowed(allow: &str) -> Answer {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    set(&mut answer, header::ALLOW, allow);
    answer
}

fn redirect(status: StatusCode, location: &str) -> Answer {
    let mut answer = empty(status);
    set(&mut answer, header::LOCATION, location);
    answer
}

fn is_a(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    // A value that HTTP cannot carry is left out: none of ours is one, unless the configuration is.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    set(&mut answer, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    answer
}
