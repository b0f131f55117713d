//! Which STUN and TURN servers connections ask, as a scenario says it.
//!
//! Owns the form and its limits. The password is not in it: a scenario is printed in reports.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// STUN and TURN servers of a run on real sockets. Default: none, and every candidate may be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IceSpec {
    /// URLs of STUN servers (RFC 7064), such as `stun:192.0.2.1:3478`; over UDP.
    pub stun: Vec<String>,
    /// URLs of TURN servers (RFC 7065), such as `turn:192.0.2.1:3478`; over UDP.
    pub turn: Vec<String>,
    /// The user name for every TURN server (RFC 8489 section 9.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_user: Option<String>,
    /// A file whose first line is the password for every TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_password_file: Option<PathBuf>,
    /// Whether only relayed candidates are gathered and signaled. Default: no.
    pub relay_only: bool,
}

impl IceSpec {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first field that cannot be, with what it is and what would be right.
    pub(super) fn out_of_bounds(&self) -> Option<(String, String, &'static str)> {
        let servers = [
            (
                "stun",
                &self.stun,
                "stun:HOST or stun:HOST:PORT; stuns and TCP are not spoken",
            ),
            (
                "turn",
                &self.turn,
                "turn:HOST or turn:HOST:PORT, over UDP; turns and TCP are not spoken",
            ),
        ];
        for (scheme, urls, expected) in servers {
            if let Some(index) = urls.iter().position(|url| !is_over_udp(url, scheme)) {
                return Some((
                    format!("{scheme}[{index}]"),
                    format!("{:?}", urls[index]),
                    expected,
                ));
            }
        }
        if !self.turn.is_empty() && self.turn_user.as_deref().unwrap_or_default().is_empty() {
            let expected = "the name that the TURN server knows, with --turn-user";
            return Some(("turn_user".to_owned(), "absent".to_owned(), expected));
        }
        if self.relay_only && self.turn.is_empty() {
            let expected = "a TURN server beside it, with --turn: nobody else relays";
            return Some(("relay_only".to_owned(), "true".to_owned(), expected));
        }
        None
    }
}

/// Whether this is `scheme:HOST[:PORT]`, with no other transport than UDP.
fn is_over_udp(url: &str, scheme: &str) -> bool {
    let Some(rest) = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':')) else {
        return false;
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, port) = match address.rsplit_once(':') {
        // An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, "3478"),
    };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_udp = query.is_empty() || (scheme == "turn" && query == "transport=udp");
    !host.is_empty() && !host.contains(['/', '@']) && is_port && is_udp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl Fn(&mut IceSpec), expected: Option<&str>) {
        let mut spec = IceSpec {
            turn: vec!["turn:127.0.0.1".to_owned()],
            turn_user: Some("bot".to_owned()),
            ..IceSpec::default()
        };
        change(&mut spec);
        let refused = spec.out_of_bounds().map(|(field, ..)| field);
        assert_eq!(refused.as_deref(), expected, "{spec:?}");
    }

    #[test]
    fn servers_over_udp_are_taken() {
        check(|_| {}, None);
        for url in ["turn:[::1]:3478", "turn:example.org?transport=udp", "turn:[::1]"] {
            check(|spec| spec.turn = vec![url.to_owned()], None);
        }
        check(|spec| spec.stun = vec!["stun:example.org:19302".to_owned()], None);
        check(|spec| spec.relay_only = true, None);
    }

    #[test]
    fn what_the_stack_does_not_speak_is_refused() {
        for url in [
            "turns:example.org",
            "turn:example.org?transport=tcp",
            "turn:example.org:0",
            "turn:",
            "turn://example.org",
            "stun:example.org",
        ] {
            check(|spec| spec.turn = vec![url.to_owned()], Some("turn[0]"));
        }
        check(
            |spec| spec.stun = vec!["stuns:example.org".to_owned()],
            Some("stun[0]"),
        );
    }

    #[test]
    fn a_relay_needs_a_user_and_relayed_candidates_a_relay() {
        check(|spec| spec.turn_user = None, Some("turn_user"));
        let alone = |spec: &mut IceSpec| (spec.relay_only, spec.turn) = (true, Vec::new());
        check(alone, Some("relay_only"));
    }
}
