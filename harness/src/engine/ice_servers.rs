//! STUN and TURN servers, as an engine is given them.
//!
//! Owns the values, and keeps passwords out of whatever is printed. It asks no server.

use std::fmt;

/// The servers that connections ask for candidates, and whether any but relayed ones are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServers {
    /// URLs of STUN servers (RFC 7064), such as `stun:192.0.2.1:3478`, of which connections ask for their server
    /// reflexive candidates. Default: none.
    pub stun: Vec<String>,
    /// TURN servers, of which connections ask for relayed candidates. Default: none.
    pub turn: Vec<TurnServer>,
    /// Whether only relayed candidates are gathered and signaled (`iceTransportPolicy` `relay`, W3C webrtc-pc section
    /// 4.2.4). Default: no.
    pub relay_only: bool,
}

/// A TURN server with what it knows this side by (long-term credentials, RFC 8489 section 9.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServer {
    /// Its URL (RFC 7065), such as `turn:192.0.2.1:3478`; over UDP.
    pub url: String,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Password,
}

/// A password: it is sent, and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// Itself, for whoever sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_and_never_printed() {
        let server = TurnServer {
            url: "turn:192.0.2.1".to_owned(),
            user: "bot".to_owned(),
            password: Password::new("s3cret"),
        };
        assert_eq!(server.password.expose(), "s3cret");
        assert!(!format!("{server:?}").contains("s3cret"));
    }
}
