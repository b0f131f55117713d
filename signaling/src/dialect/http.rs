//! What dialects over HTTP ask for and are answered. Owns the data; [`crate::client`] makes the requests.

use std::fmt;

use crate::Command;

/// The media type of a whole description (RFC 8866 section 8.2).
pub(super) const SDP: &str = "application/sdp";
/// The media type of candidates (RFC 8840 section 9).
pub(super) const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// What is asked of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// Open a session.
    Post,
    /// Change a session.
    Patch,
    /// End a session.
    Delete,
}

impl HttpMethod {
    /// As it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that a dialect wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The dialect's number for it, by which it is answered.
    pub number: u64,
    /// What is asked.
    pub method: HttpMethod,
    /// An absolute URL; none is the endpoint that the client was given.
    pub url: Option<String>,
    /// Headers beside those of every request, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body; none if empty.
    pub body: String,
    /// The commands that it carries, for traces.
    pub says: Vec<Command>,
}

/// What came of a request, after redirects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The URL that `location` names, resolved against the one that answered.
    pub location: Option<String>,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl HttpResponse {
    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the body is of this media type, whatever its parameters.
    pub fn is_a(&self, media_type: &str) -> bool {
        let essence = self
            .header("content-type")
            .and_then(|value| value.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
    }

    /// Whether the status says that it was done (RFC 9110 section 15.3).
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A request that was not answered, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} got no answer: {reason}")]
pub struct HttpFailure {
    /// What was asked.
    pub method: HttpMethod,
    /// What happened instead.
    pub reason: String,
}
