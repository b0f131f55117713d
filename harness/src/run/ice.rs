//! From the servers that a scenario names to those that an engine gets: the password joins them here.
//!
//! Owns the reading of the password's file. It asks no server.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::engine::{IceServers, Password, TurnServer};
use crate::scenario::IceSpec;

/// Why the TURN servers of a scenario cannot be asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IceError {
    /// The password's file cannot be read.
    #[error("the TURN password's file {path}: {reason}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        reason: String,
    },
    /// The password's file begins with an empty line.
    #[error("the TURN password's file {path} begins with an empty line; it should be the password")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// Nobody gave a password.
    #[error("the TURN server needs a password; name its file with --turn-password-file")]
    NoPassword,
}

/// What an engine is given; `password` goes before the one in the scenario's file.
pub(super) fn servers(spec: &IceSpec, password: Option<&Password>) -> Result<IceServers, IceError> {
    let mut servers = IceServers {
        stun: spec.stun.clone(),
        turn: Vec::new(),
        relay_only: spec.relay_only,
    };
    if !spec.turn.is_empty() {
        let password = match (password, &spec.turn_password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(file)) => read(file)?,
            (None, None) => return Err(IceError::NoPassword),
        };
        servers.turn.extend(spec.turn.iter().map(|url| TurnServer {
            url: url.clone(),
            user: spec.turn_user.clone().unwrap_or_default(),
            password: password.clone(),
        }));
    }
    Ok(servers)
}

/// The local address from which the first server is reached, so that it can be asked: a signaling server may be nearer.
pub(super) fn reached_from(servers: &IceServers) -> Option<IpAddr> {
    let turn = servers.turn.iter().map(|server| &server.url);
    let url = servers.stun.iter().chain(turn).next()?;
    let (_, address) = url.split_once(':')?;
    Some(crate::net::local_address_towards(&format!("udp://{address}")))
}

fn read(path: &Path) -> Result<Password, IceError> {
    let path = path.to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.lines().next().map(str::trim) {
            Some(password) if !password.is_empty() => Ok(Password::new(password)),
            _ => Err(IceError::Empty { path }),
        },
        Err(error) => Err(IceError::File {
            reason: error.to_string(),
            path,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let mut spec = IceSpec {
            turn: vec!["turn:127.0.0.1".to_owned()],
            turn_user: Some("bot".to_owned()),
            ..IceSpec::default()
        };
        assert_eq!(servers(&spec, None), Err(IceError::NoPassword));
        spec.turn_password_file = Some(file.clone());
        assert!(matches!(servers(&spec, None), Err(IceError::File { .. })));
        std::fs::write(&file, "\n").unwrap();
        assert!(matches!(servers(&spec, None), Err(IceError::Empty { .. })));
        std::fs::write(&file, "s3cret\nmore").unwrap();
        let read = servers(&spec, None).unwrap();
        assert_eq!(read.turn[0].password.expose(), "s3cret");
        let given = servers(&spec, Some(&Password::new("other"))).unwrap();
        assert_eq!(given.turn[0].password.expose(), "other");
    }
}
