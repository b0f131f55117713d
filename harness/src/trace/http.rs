//! HTTP exchanges as a trace holds them: what WHIP and WHEP (RFC 9725, draft-ietf-wish-whep-03) are judged by.
//!
//! Owns which headers are kept, what is hidden of them, and how long a body may be. It judges nothing.

use serde::{Deserialize, Serialize};

use super::redact::redact_frame;

/// Bytes of a body that are kept; of a longer one the length is.
pub const MAX_HTTP_BODY: usize = 64 * 1024;
/// Headers of a message that are kept.
const MAX_HEADERS: usize = 32;
/// Characters of a path, of a method, or of a header's value that are kept.
const MAX_TEXT: usize = 2_048;

/// Headers that are kept, in lower case; of the others not even the names are.
const KEPT: [&str; 14] = [
    "accept",
    "accept-patch",
    "accept-post",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-request-method",
    "allow",
    "content-type",
    "etag",
    "if-match",
    "link",
    "location",
    "retry-after",
];
/// Kept as there, and no more.
const HIDDEN: &str = "authorization";

/// One half of an HTTP exchange, or its failure. Names of headers are in lower case and their values as they came, but that
/// `authorization` says `present`, addresses lose their query, of which `?…` is left in `location`, and `link` the credentials in it (RFC 9725 section 4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpSeen {
    /// A request.
    Request {
        /// Such as `POST`.
        method: String,
        /// Of its URL, without the query.
        path: String,
        /// What is kept of its headers, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        /// At most [`MAX_HTTP_BODY`] bytes, with ICE passwords replaced.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        body: String,
        /// Of the whole body.
        #[serde(default)]
        body_bytes: u64,
    },
    /// A response.
    Response {
        /// Such as 201.
        status: u16,
        /// What is kept of its headers, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        /// At most [`MAX_HTTP_BODY`] bytes, with ICE passwords replaced.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        body: String,
        /// Of the whole body.
        #[serde(default)]
        body_bytes: u64,
    },
    /// No response came.
    Failed {
        /// Why.
        reason: String,
    },
}

impl HttpSeen {
    /// A request, reduced to what a trace may hold. `target` is the URL or its path.
    pub fn request<'a>(
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: &[u8],
    ) -> Self {
        Self::Request {
            method: clipped(method),
            path: path_of(target),
            headers: kept(headers),
            body: body_of(body),
            body_bytes: body.len() as u64,
        }
    }

    /// A response, reduced to what a trace may hold.
    pub fn response<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: &[u8],
    ) -> Self {
        Self::Response {
            status,
            headers: kept(headers),
            body: body_of(body),
            body_bytes: body.len() as u64,
        }
    }

    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = match self {
            Self::Request { headers, .. } | Self::Response { headers, .. } => headers,
            Self::Failed { .. } => return None,
        };
        let found = headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn kept<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let seen = headers.into_iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let value = match name.as_str() {
            HIDDEN => "present".to_owned(),
            "location" if value.contains('?') => clipped(&format!("{}?…", without_query(value))),
            "link" => clipped(&without_credentials(value)),
            kept if KEPT.contains(&kept) => clipped(value),
            _ => return None,
        };
        Some((name, value))
    });
    seen.take(MAX_HEADERS).collect()
}

/// The path of a URL or of a request's target, without its query.
fn path_of(target: &str) -> String {
    let target = without_query(target);
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/")),
        None => target,
    };
    clipped(path)
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// A Link header whose `credential="…"` is hidden.
fn without_credentials(link: &str) -> String {
    let mut parts = link.split("credential=\"");
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find('"').and_then(|end| part.get(end..)).unwrap_or_default();
        hidden.push_str("credential=\"…");
        hidden.push_str(rest);
    }
    hidden
}

/// Redacted before it is cut, so that no password is cut in half and overlooked.
fn body_of(body: &[u8]) -> String {
    let text = redact_frame(&String::from_utf8_lossy(body));
    text.chars()
        .scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes <= MAX_HTTP_BODY).then_some(c)
        })
        .collect()
}

fn clipped(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_no_trace_and_what_rules_need_stays() {
        let headers = [
            ("Authorization", "Bearer s3cret"),
            ("Content-Type", "application/sdp"),
            ("Cookie", "s3cret=1"),
        ];
        let body = b"v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:s3cret\r\n";
        let request = HttpSeen::request("POST", "https://h:1/whip/live?token=s3cret", headers, body);
        let text = serde_json::to_string(&request).unwrap_or_default();
        assert!(!text.contains("s3cret") && text.contains("abcd"), "{text}");
        assert_eq!(request.header("authorization"), Some("present"));
        assert_eq!(request.header("content-type"), Some("application/sdp"));
        assert!(matches!(&request, HttpSeen::Request { path, body_bytes: 41, .. } if path == "/whip/live"));
        let headers = [
            ("location", "/session/7?key=s3cret"),
            (
                "link",
                r#"<turn:t>; rel="ice-server"; username="u"; credential="s3cret"; credential-type="password""#,
            ),
        ];
        let response = HttpSeen::response(201, headers, b"");
        let text = serde_json::to_string(&response).unwrap_or_default();
        assert!(
            !text.contains("s3cret") && text.contains("credential-type"),
            "{text}"
        );
        assert_eq!(response.header("location"), Some("/session/7?…"));
    }

    #[test]
    fn a_long_body_is_cut_and_its_length_is_not() {
        let long = "ä".repeat(MAX_HTTP_BODY);
        let HttpSeen::Response { body, body_bytes, .. } = HttpSeen::response(200, [], long.as_bytes()) else {
            panic!("it is a response");
        };
        assert_eq!(
            (body.len(), body_bytes),
            (MAX_HTTP_BODY, 2 * MAX_HTTP_BODY as u64)
        );
    }

    #[test]
    fn a_target_is_reduced_to_its_path() {
        for (target, path) in [
            ("/a/b?c", "/a/b"),
            ("http://h", "/"),
            ("http://h/x#y", "/x"),
            ("*", "*"),
        ] {
            assert_eq!(path_of(target), path, "{target}");
        }
    }
}
