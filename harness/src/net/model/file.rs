//! A network as a file: who has which links and which NAT.
//!
//! Owns the serialized form, its defaults and its validation. It opens nothing: text in, value out.
//!
//! ```toml
//! [default]                # every viewer without an entry of its own
//! preset = "lte"
//! nat = "port-restricted"
//!
//! [broadcaster]            # a perfect link if absent
//! preset = "lan"
//!
//! [[viewers]]              # what is not said here is that of the default
//! viewer = 3
//! nat = "symmetric"
//! down = { delay_ms = 300, loss = { gilbert-elliott = { enter = 0.01, leave = 0.25 } } }
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::nat::{MAPPING_TIMEOUT, NatKind};
use super::preset::NetworkPreset;
use super::spec::{LinkSpec, LinkSpecError};
use crate::scenario::serial::{millis, position};

/// Who has which links and which NAT. The default is a perfect network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkFile {
    /// What a viewer has that has no entry of its own.
    pub default: AccessSpec,
    /// What the broadcaster has; by itself perfect links and no NAT, whatever viewers have, so that a
    /// viewer's delay is the one of its own links.
    pub broadcaster: AccessSpec,
    /// Viewers that differ from the default, by number, in every room.
    pub viewers: Vec<ViewerAccess>,
    /// How long a NAT keeps a mapping without a datagram from inside. Default 120 s, the least that RFC
    /// 4787 REQ-5 allows.
    #[serde(rename = "nat_timeout_ms", with = "millis")]
    pub nat_timeout: Duration,
}

impl Default for NetworkFile {
    fn default() -> Self {
        Self {
            default: AccessSpec::default(),
            broadcaster: AccessSpec::default(),
            viewers: Vec::new(),
            nat_timeout: MAPPING_TIMEOUT,
        }
    }
}

/// How one host reaches the network, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSpec {
    /// A named pair of links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<NetworkPreset>,
    /// The link to the network; replaces that of the preset as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<LinkSpec>,
    /// The link from the network; replaces that of the preset as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<LinkSpec>,
    /// What stands between host and network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<NatKind>,
}

/// How one viewer reaches the network, where it differs from the default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewerAccess {
    /// Its number, from 1.
    pub viewer: u32,
    /// A named pair of links; replaces both links of the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<NetworkPreset>,
    /// The link to the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<LinkSpec>,
    /// The link from the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<LinkSpec>,
    /// What stands between host and network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<NatKind>,
}

/// How one host reaches the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Access {
    /// The link to the network.
    pub up: LinkSpec,
    /// The link from the network.
    pub down: LinkSpec,
    /// What stands between host and network.
    pub nat: NatKind,
}

/// A network file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NetworkFileError {
    /// It is not TOML, or says something that no network has.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A number of a link is out of bounds.
    #[error("{place}.{error}")]
    Link {
        /// Which link, as a path.
        place: String,
        /// What is wrong with it.
        error: LinkSpecError,
    },
    /// Viewers are counted from 1.
    #[error("an entry of [[viewers]] is for viewer 0; expected a number from 1")]
    ViewerZero,
    /// A viewer has two entries.
    #[error("viewer {viewer} has two entries in [[viewers]]; expected one that says everything")]
    ViewerTwice {
        /// Its number.
        viewer: u32,
    },
    /// A NAT that forgets at once or never.
    #[error("nat_timeout_ms is {}; expected 1000 to 86400000, a second to a day", got.as_millis())]
    NatTimeout {
        /// What came instead.
        got: Duration,
    },
}

impl NetworkFile {
    /// The network in which every viewer has the links of a preset.
    pub fn of_preset(preset: NetworkPreset) -> Self {
        Self {
            default: AccessSpec {
                preset: Some(preset),
                ..AccessSpec::default()
            },
            ..Self::default()
        }
    }

    /// Whether anybody may be behind a NAT.
    pub fn has_nat(&self) -> bool {
        let every = [self.default.nat, self.broadcaster.nat].into_iter();
        every
            .chain(self.viewers.iter().map(|entry| entry.nat))
            .flatten()
            .any(|nat| nat != NatKind::None)
    }

    /// Reads and checks the TOML form.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, NetworkFileError> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            NetworkFileError::Syntax {
                line,
                column,
                message: error.message().to_owned(),
            }
        })?;
        file.validate()?;
        Ok(file)
    }

    /// Checks every number.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with what would be right.
    pub fn validate(&self) -> Result<(), NetworkFileError> {
        self.default.validate("default")?;
        self.broadcaster.validate("broadcaster")?;
        for (index, entry) in self.viewers.iter().enumerate() {
            let viewer = entry.viewer;
            if viewer == 0 {
                return Err(NetworkFileError::ViewerZero);
            }
            if self.viewers[..index].iter().any(|other| other.viewer == viewer) {
                return Err(NetworkFileError::ViewerTwice { viewer });
            }
            entry.spec().validate(&format!("viewer {viewer}"))?;
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&self.nat_timeout) {
            return Err(NetworkFileError::NatTimeout {
                got: self.nat_timeout,
            });
        }
        Ok(())
    }

    /// Gives a viewer a downlink of its own.
    pub fn set_down(&mut self, viewer: u32, spec: LinkSpec) {
        match self.viewers.iter_mut().find(|access| access.viewer == viewer) {
            Some(access) => access.down = Some(spec),
            None => self.viewers.push(ViewerAccess {
                viewer,
                preset: None,
                up: None,
                down: Some(spec),
                nat: None,
            }),
        }
    }

    /// How the broadcaster reaches the network.
    pub fn broadcaster(&self) -> Access {
        self.broadcaster.over(Access::default())
    }

    /// How the viewer with this number, from 1, reaches the network.
    pub fn viewer(&self, number: u32) -> Access {
        let default = self.default.over(Access::default());
        self.viewers
            .iter()
            .find(|entry| entry.viewer == number)
            .map_or(default, |entry| entry.spec().over(default))
    }
}

impl AccessSpec {
    /// What is said here, and else what is in `other`.
    fn over(&self, other: Access) -> Access {
        let preset = self.preset;
        Access {
            up: self.up.or(preset.map(NetworkPreset::up)).unwrap_or(other.up),
            down: self
                .down
                .or(preset.map(NetworkPreset::down))
                .unwrap_or(other.down),
            nat: self.nat.unwrap_or(other.nat),
        }
    }

    fn validate(&self, place: &str) -> Result<(), NetworkFileError> {
        for (direction, link) in [("up", self.up), ("down", self.down)] {
            if let Some(link) = link {
                link.validate().map_err(|error| NetworkFileError::Link {
                    place: format!("{place}: {direction}"),
                    error,
                })?;
            }
        }
        Ok(())
    }
}

impl ViewerAccess {
    fn spec(&self) -> AccessSpec {
        AccessSpec {
            preset: self.preset,
            up: self.up,
            down: self.down,
            nat: self.nat,
        }
    }
}

#[cfg(test)]
mod tests;
