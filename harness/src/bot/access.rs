//! What gets bots into a server that does not let everybody in: headers, a token, the authorities that it is trusted by.
//!
//! Owns what is sent and trusted, and keeps it out of every report, trace and log. It opens no connection.

use std::fmt;
use std::path::{Path, PathBuf};

/// Headers of the WebSocket handshake, and whom TLS trusts ([`Run::access`](crate::Run::access)).
///
/// Values are secret: they are sent, and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    headers: Vec<(String, String)>,
    ca: Option<PathBuf>,
    insecure: bool,
}

impl Access {
    /// A header of the handshake's request; one that HTTP cannot send is an error when a bot connects.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The page that a browser would say it comes from (RFC 6455 section 10.2), such as `https://example.org`.
    #[must_use]
    pub fn origin(self, origin: impl Into<String>) -> Self {
        self.header("Origin", origin)
    }

    /// A bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub fn bearer(self, token: impl fmt::Display) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// A PEM file with authorities that are trusted beside those of the machine.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Trusts any certificate. Whoever is in between can read and change everything.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn authorities(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    pub(crate) fn is_insecure(&self) -> bool {
        self.insecure
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Access")
            .field("headers", &names)
            .field("ca", &self.ca)
            .field("insecure", &self.insecure)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_and_never_printed() {
        let access = Access::default().bearer("s3cret").origin("https://example.org");
        assert_eq!(
            access.headers(),
            [
                ("Authorization".to_owned(), "Bearer s3cret".to_owned()),
                ("Origin".to_owned(), "https://example.org".to_owned())
            ]
        );
        let printed = format!("{access:?}");
        assert!(
            printed.contains("Authorization") && !printed.contains("s3cret"),
            "{printed}"
        );
    }
}
