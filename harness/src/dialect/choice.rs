//! Which dialect a run speaks: a built-in one by its name, or what a file says.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use greenroom_signaling::{Dialect, DialectFile, DialectName, UnknownDialect, UnspokenDialect};
use serde::{Deserialize, Serialize};

use super::file::{DialectError, read_dialect};

/// A built-in dialect, or a file that ends in `.toml` (docs/dialects.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DialectChoice {
    /// By its name.
    BuiltIn(DialectName),
    /// By a file, read as the run starts.
    File(PathBuf),
}

impl Default for DialectChoice {
    fn default() -> Self {
        Self::BuiltIn(DialectName::default())
    }
}

impl DialectChoice {
    /// The name, where it is a built-in one.
    pub fn built_in(&self) -> Option<DialectName> {
        match self {
            Self::BuiltIn(name) => Some(*name),
            Self::File(_) => None,
        }
    }

    /// Whether media goes through the server: a broadcaster sends once, and viewers receive what the server sends on.
    pub fn has_media_server(&self) -> bool {
        self.built_in().is_some_and(DialectName::has_media_server)
    }

    /// Whether it is for two peers and no more.
    pub fn is_for_two(&self) -> bool {
        self.built_in().is_some_and(DialectName::is_for_two)
    }

    /// Whether it is spoken in HTTP exchanges and not in frames.
    pub fn is_over_http(&self) -> bool {
        self.built_in().is_some_and(DialectName::is_over_http)
    }

    /// Reads the file, if it is one.
    ///
    /// # Errors
    ///
    /// [`DialectError`] for a file that cannot be used.
    pub(crate) fn read(&self) -> Result<Spoken, DialectError> {
        Ok(match self {
            Self::BuiltIn(name) => Spoken::BuiltIn(*name),
            Self::File(path) => Spoken::File(Arc::new(read_dialect(path)?)),
        })
    }
}

impl From<DialectName> for DialectChoice {
    fn from(name: DialectName) -> Self {
        Self::BuiltIn(name)
    }
}

impl PartialEq<DialectName> for DialectChoice {
    fn eq(&self, name: &DialectName) -> bool {
        self.built_in() == Some(*name)
    }
}

impl FromStr for DialectChoice {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        if text.ends_with(".toml") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        text.parse().map(Self::BuiltIn)
    }
}

impl TryFrom<String> for DialectChoice {
    type Error = UnknownDialect;

    fn try_from(text: String) -> Result<Self, UnknownDialect> {
        text.parse()
    }
}

impl From<DialectChoice> for String {
    fn from(choice: DialectChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for DialectChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => name.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The dialect of a run, read.
#[derive(Clone, Debug)]
pub(crate) enum Spoken {
    BuiltIn(DialectName),
    File(Arc<DialectFile>),
}

impl From<DialectName> for Spoken {
    fn from(name: DialectName) -> Self {
        Self::BuiltIn(name)
    }
}

impl Spoken {
    /// For a bot of this name.
    pub(crate) fn by(&self, me: &str) -> Result<Dialect, UnspokenDialect> {
        match self {
            Self::BuiltIn(name) => Dialect::named(*name, me.into()),
            Self::File(file) => Ok(Dialect::data(Arc::clone(file), me.into())),
        }
    }

    /// Whether its frames are packets of Socket.IO.
    pub(crate) fn is_socketio(&self) -> bool {
        matches!(self, Self::BuiltIn(name) if name.is_socketio())
    }

    /// Whether it is spoken in HTTP exchanges, not in frames.
    pub(crate) fn is_over_http(&self) -> bool {
        matches!(self, Self::BuiltIn(name) if name.is_over_http())
    }

    /// Whether viewers make the offer.
    pub(crate) fn viewers_offer(&self) -> bool {
        matches!(self, Self::BuiltIn(DialectName::Whep))
    }

    /// Whether it is for two peers and no more.
    pub(crate) fn is_for_two(&self) -> bool {
        matches!(self, Self::BuiltIn(name) if name.is_for_two())
    }

    /// Whether rooms have names in it.
    pub(crate) fn names_rooms(&self) -> bool {
        match self {
            Self::BuiltIn(name) => name.names_rooms(),
            Self::File(file) => file.names_rooms(),
        }
    }

    /// Whether viewers are told that the broadcaster is muted.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "flags ask for it"))]
    pub(crate) fn says_muted(&self) -> bool {
        matches!(self, Self::BuiltIn(name) if name.says_muted())
    }

    /// Whether it has a word for chat.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "flags ask for it"))]
    pub(crate) fn has_chat(&self) -> bool {
        match self {
            Self::BuiltIn(name) => name.has_chat(),
            Self::File(file) => file.has_chat(),
        }
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => name.fmt(f),
            Self::File(file) => f.write_str(&file.name),
        }
    }
}
