//! A recorded session: one frame a line, as JSON. Owns the form and the reading of it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Whose frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The client sent it.
    Client,
    /// The server sent it.
    Server,
}

/// One text frame on its way through `greenroom dialect record`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFrame {
    /// The connection, from 1 in the order in which clients came.
    pub connection: u64,
    /// Milliseconds since the recording began.
    pub at_ms: u64,
    /// Who sent it.
    pub from: Side,
    /// The frame.
    pub text: String,
}

/// A recording that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordingError {
    /// It cannot be opened.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A line is no frame.
    #[error("{}, line {line}: {reason}; a recording is what `greenroom dialect record` writes", path.display())]
    NoFrame {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing in it.
    #[error("{} has no frame; let a client of the server connect through `greenroom dialect record`", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
}

/// Reads a recording.
///
/// # Errors
///
/// [`RecordingError`] with the first line that is no frame.
pub fn read_recording(path: impl AsRef<Path>) -> Result<Vec<RecordedFrame>, RecordingError> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|error| RecordingError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let frames = text.lines().enumerate().map(|(number, line)| {
        serde_json::from_str(line).map_err(|error| RecordingError::NoFrame {
            path: path.to_owned(),
            line: number + 1,
            reason: error.to_string(),
        })
    });
    let frames: Vec<RecordedFrame> = frames.collect::<Result<_, _>>()?;
    if frames.is_empty() {
        return Err(RecordingError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(frames)
}
