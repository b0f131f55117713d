//! One request and its answer, after redirects, over streams that are opened for it.
//!
//! Owns the deadline, the bound of the body, and which redirects are followed: 307 and 308, which keep the method. After a
//! 301 or 302 clients may turn a POST into a GET (RFC 9110 section 15.4), so RFC 9725 section 4.5 rules them out and they
//! are answers as any other.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Request,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};
use url::Url;

use crate::{
    ClientConfig, ClientTarget, Direction, HttpFailure, HttpObserver, HttpPart, HttpRequest, HttpResponse,
    ObservedHttp, dialect,
};

/// Requests that one request may become: itself and four redirects.
const MOST_HOPS: u64 = 5;
/// Headers of an answer that are read.
const MAX_HEADERS: usize = 64;

/// Makes the requests of one client.
pub(super) struct Exchange<D> {
    dial: D,
    endpoint: String,
    headers: Vec<(String, String)>,
    observer: Option<HttpObserver>,
    limit: Duration,
    max_body: usize,
    /// Exchanges so far.
    made: AtomicU64,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Exchanged {
    /// The dialect's number of the request.
    pub(super) number: u64,
    /// The number of the exchange that brought it, for traces.
    pub(super) exchange: u64,
    pub(super) answer: Result<HttpResponse, HttpFailure>,
    pub(super) at: Instant,
}

impl<D, F, S, E> Exchange<D>
where
    D: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: fmt::Display + 'static,
{
    pub(super) fn new(dial: D, target: ClientTarget, config: &ClientConfig) -> Self {
        Self {
            dial,
            endpoint: target.url,
            headers: target.headers,
            observer: config.http_observer.clone(),
            limit: config.http_timeout,
            max_body: config.max_message_size,
            made: AtomicU64::new(0),
        }
    }

    /// Makes a request.
    pub(super) async fn make(&self, request: HttpRequest) -> Exchanged {
        let mut exchange = 0;
        let answer = timeout(self.limit, self.follow(&mut exchange, &request)).await;
        let late = || Err(format!("nothing within {} ms", self.limit.as_millis()));
        Exchanged {
            number: request.number,
            exchange,
            answer: answer.unwrap_or_else(|_| late()).map_err(|reason| HttpFailure {
                method: request.method,
                reason,
            }),
            at: Instant::now(),
        }
    }

    async fn follow(&self, exchange: &mut u64, request: &HttpRequest) -> Result<HttpResponse, String> {
        let wrong = |text: &str, error: url::ParseError| format!("{:?} is no URL: {error}", shown(text));
        let endpoint = Url::parse(&self.endpoint).map_err(|error| wrong(&self.endpoint, error))?;
        let mut url = match &request.url {
            Some(url) => Url::parse(url).map_err(|error| wrong(url, error))?,
            None => endpoint.clone(),
        };
        let mut means: Vec<String> = request.says.iter().filter_map(dialect::of_command).collect();
        let mut hop = 1;
        loop {
            let is_home = url.origin() == endpoint.origin();
            let mut headers: Vec<(String, String)> = Vec::new();
            headers.extend(self.headers.iter().filter(|_| is_home).cloned());
            let own = |(name, value): &(&'static str, String)| ((*name).to_owned(), value.clone());
            headers.extend(request.headers.iter().map(own));
            *exchange = self.made.fetch_add(1, Relaxed) + 1;
            self.observe(*exchange, &url, request, &headers, &means);
            // Sent on, it is no second message.
            means.clear();
            let stream = (self.dial)(url.to_string())
                .await
                .map_err(|error| error.to_string())?;
            let mut response = self.talk(stream, &url, request, &headers).await?;
            if let Some(location) = response.header("location") {
                let location = url.join(location).map_err(|error| wrong(location, error))?;
                response.location = Some(location.to_string());
            }
            match (response.status, &response.location) {
                (307 | 308, Some(location)) if hop < MOST_HOPS => {
                    self.observe_redirect(*exchange, &response);
                    url = Url::parse(location).map_err(|error| wrong(location, error))?;
                    hop += 1;
                }
                // The last redirect of too many is an answer as any other.
                _ => return Ok(response),
            }
        }
    }

    /// One request over its stream.
    async fn talk(
        &self,
        stream: S,
        url: &Url,
        request: &HttpRequest,
        headers: &[(String, String)],
    ) -> Result<HttpResponse, String> {
        let broken = |error: hyper::Error| format!("{}: {error}", shown(url.as_str()));
        let message = message(url, request, headers)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let talk = async {
            let response = sender.send_request(message).await.map_err(broken)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, self.max_body).collect().await;
            let body = body.map_err(|error| format!("its answer {} cannot be read: {error}", head.status))?;
            Ok(HttpResponse {
                status: head.status.as_u16(),
                location: None,
                headers: read(&head.headers),
                body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            })
        };
        // The connection moves the bytes of the talk, and may be closed before the last of them are read.
        let mut talk = pin!(talk);
        tokio::select! {
            biased;
            response = &mut talk => response,
            _ = connection => talk.await,
        }
    }

    fn observe(
        &self,
        exchange: u64,
        url: &Url,
        request: &HttpRequest,
        headers: &[(String, String)],
        means: &[String],
    ) {
        if let Some(observer) = &self.observer {
            observer.observe(&ObservedHttp {
                at: Instant::now(),
                direction: Direction::Sent,
                exchange,
                message: HttpPart::Request {
                    method: request.method.as_str(),
                    url: url.as_str(),
                    headers,
                    body: &request.body,
                },
                means,
            });
        }
    }

    fn observe_redirect(&self, exchange: u64, response: &HttpResponse) {
        if let Some(observer) = &self.observer {
            observer.observe(&ObservedHttp {
                at: Instant::now(),
                direction: Direction::Received,
                exchange,
                message: HttpPart::Response {
                    status: response.status,
                    headers: &response.headers,
                    body: &response.body,
                },
                means: &[],
            });
        }
    }
}

/// The request as HTTP has it. Errors do not repeat the values of headers, which may be secret.
fn message(
    url: &Url,
    request: &HttpRequest,
    headers: &[(String, String)],
) -> Result<Request<Full<Bytes>>, String> {
    let mut target = url.path().to_owned();
    if let Some(query) = url.query() {
        target.push('?');
        target.push_str(query);
    }
    let host = url
        .host_str()
        .ok_or_else(|| format!("{:?} names no host", shown(url.as_str())))?;
    let host = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let mut message = Request::builder()
        .method(request.method.as_str())
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "greenroom")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(request.body.clone())))
        .map_err(|error| error.to_string())?;
    for (name, value) in headers {
        let unusable =
            || format!("header {name:?} cannot be sent; names are tokens and values are visible text");
        let name = HeaderName::try_from(name.as_str()).map_err(|_| unusable())?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| unusable())?;
        message.headers_mut().append(name, value);
    }
    Ok(message)
}

fn read(headers: &HeaderMap) -> Vec<(String, String)> {
    let read = headers.iter().take(MAX_HEADERS).map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    read.collect()
}

/// Without the query, in which tokens are carried.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
