//! A recorded trace, read line by line.
//!
//! Owns what is refused and why: another version, a line that is no event, one that is too long. It judges nothing.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::{OLDEST_TRACE_VERSION, TRACE_VERSION, TraceEvent};

/// Bytes of one line of a trace, which a frame of a signaling server makes long.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
#[non_exhaustive]
pub enum TraceFileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: the file is empty; a trace begins with a line that names its version")]
    Empty { path: PathBuf },
    #[error(
        "{path}: line 1 is no header of a trace ({source}); give the trace.jsonl that `greenroom run` wrote into its folder"
    )]
    NoHeader {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "{path}: this is a trace of version {version}, and this greenroom reads versions {OLDEST_TRACE_VERSION} to {TRACE_VERSION}; \
         check it with the greenroom that wrote it ({greenroom}), or do the run again"
    )]
    Version {
        path: PathBuf,
        version: u64,
        greenroom: String,
    },
    #[error("{path}: line {line} is no event of a trace: {source}{hint}")]
    Line {
        path: PathBuf,
        line: u64,
        source: serde_json::Error,
        hint: &'static str,
    },
    #[error("{path}: line {line} is longer than {MAX_LINE} bytes, which no event of a trace is")]
    TooLong { path: PathBuf, line: u64 },
}

/// What every version of the header has.
#[derive(serde::Deserialize)]
struct AnyHeader {
    greenroom_trace: u64,
    #[serde(default)]
    greenroom: String,
}

/// What a trace is as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Events in it.
    pub events: u64,
    /// Time of the latest, in microseconds since the start of the run.
    pub end_us: u64,
}

/// Reads a trace line by line, so that a long one need not be held in memory.
///
/// # Errors
///
/// When the file cannot be read, is of another version, or has a line that is no event.
pub fn read(path: &Path, mut observe: impl FnMut(&TraceEvent)) -> Result<Extent, TraceFileError> {
    let io = |source| TraceFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut line = Vec::new();
    let mut extent = Extent::default();
    let mut number = 0;
    loop {
        line.clear();
        // One byte more than is allowed tells that there is more.
        let length = file
            .by_ref()
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line)
            .map_err(io)?;
        if length == 0 {
            break;
        }
        number += 1;
        if length as u64 > MAX_LINE {
            return Err(TraceFileError::TooLong {
                path: path.to_owned(),
                line: number,
            });
        }
        if number == 1 {
            header(path, &line)?;
            continue;
        }
        let event: TraceEvent = serde_json::from_slice(&line).map_err(|source| TraceFileError::Line {
            path: path.to_owned(),
            line: number,
            source,
            hint: if line.ends_with(b"\n") {
                ""
            } else {
                "; the file ends in the middle of it, so the run was cut short: take the line out to check the rest"
            },
        })?;
        extent.events += 1;
        extent.end_us = extent.end_us.max(event.at_us);
        observe(&event);
    }
    if number == 0 {
        return Err(TraceFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(extent)
}

fn header(path: &Path, line: &[u8]) -> Result<(), TraceFileError> {
    let header: AnyHeader = serde_json::from_slice(line).map_err(|source| TraceFileError::NoHeader {
        path: path.to_owned(),
        source,
    })?;
    if (u64::from(OLDEST_TRACE_VERSION)..=u64::from(TRACE_VERSION)).contains(&header.greenroom_trace) {
        return Ok(());
    }
    Err(TraceFileError::Version {
        path: path.to_owned(),
        version: header.greenroom_trace,
        greenroom: if header.greenroom.is_empty() {
            "it does not say which".to_owned()
        } else {
            header.greenroom
        },
    })
}
