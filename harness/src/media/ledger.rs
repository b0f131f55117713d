//! The ledger: what a broadcaster sent, frame by frame and connection by connection.
//!
//! Owns the truth that received frames are held against, in memory and as JSON Lines, so that
//! broadcaster and viewers may run in different processes. It judges nothing.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::h264::FrameDigest;

/// Version of the ledger format that this crate writes and reads.
pub const LEDGER_VERSION: u32 = 1;

/// Frames that stay available for look-up: two minutes at 30 fps.
pub const KEPT_FRAMES: usize = 3_600;

/// Longest line that is read, in bytes.
pub const MAX_LINE: usize = 4_096;

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LedgerEntry {
    /// First line: the format and the clock.
    Header(LedgerHeader),
    /// A frame was encoded.
    Frame(LedgerFrame),
    /// From this frame on, everything is handed to this connection.
    Open {
        /// Peer id of the broadcaster.
        broadcaster: String,
        /// Peer id of the viewer.
        viewer: String,
        /// First frame handed to it, a key frame.
        first: u32,
    },
    /// A frame was not handed to the connection, because its queue was full.
    Skip {
        /// Peer id of the broadcaster.
        broadcaster: String,
        /// Peer id of the viewer.
        viewer: String,
        /// Number of the frame.
        index: u32,
    },
    /// The last frame was handed to this connection.
    Close {
        /// Peer id of the broadcaster.
        broadcaster: String,
        /// Peer id of the viewer.
        viewer: String,
        /// Last frame handed to it.
        last: u32,
    },
}

/// What a ledger says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHeader {
    /// [`LEDGER_VERSION`].
    pub greenroom_ledger: u32,
    /// Codec of the frames, as in SDP: `H264`.
    pub codec: String,
    /// RTP clock rate in ticks per second.
    pub clock_rate: u32,
    /// Wall time of microsecond 0, in microseconds since the Unix epoch.
    pub epoch_unix_us: u64,
    /// Boot of the host that wrote it; latency is reported only by a reader on the same boot.
    pub boot_id: Option<String>,
}

/// One frame as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerFrame {
    /// Number of the frame, consecutive from 0.
    pub index: u32,
    /// Media time in ticks of the clock rate.
    pub media_time: i64,
    /// Digest of the picture, see [`FrameDigest`].
    pub picture: u64,
    /// Digest of the parameter sets that travel with it.
    pub parameter_sets: Option<u64>,
    /// Whether it is a key frame.
    pub key: bool,
    /// Whether the picture is black because the broadcaster muted its video.
    pub muted: bool,
    /// When it was due, in microseconds of the ledger's clock.
    pub due_us: u64,
    /// When it was taken from the source.
    pub captured_us: u64,
    /// When it was encoded and handed to the connections.
    pub encoded_us: u64,
}

impl LedgerFrame {
    /// The frame's digest.
    pub fn digest(&self) -> FrameDigest {
        FrameDigest {
            picture: self.picture,
            parameter_sets: self.parameter_sets,
        }
    }
}

/// The frames handed to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First frame, a key frame.
    pub first: u32,
    /// Last frame, once it is known.
    pub last: Option<u32>,
    /// Frames in between that were not handed over.
    pub skipped: u32,
}

/// A ledger that cannot be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum LedgerError {
    /// A line is not an entry.
    #[error(
        "ledger line {line}: {reason}; expected a JSON object as `greenroom run --role broadcaster --ledger FILE` writes"
    )]
    Malformed {
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A line is longer than any entry.
    #[error("ledger line {line} is longer than {MAX_LINE} bytes; this is not a greenroom ledger")]
    LineTooLong {
        /// Line, from 1.
        line: u64,
    },
    /// The first line is not a header, or a header stands elsewhere.
    #[error(
        "ledger line {line}: expected {expected}; this is not a greenroom ledger, or its start was cut off"
    )]
    Header {
        /// Line, from 1.
        line: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// The version is another one.
    #[error(
        "the ledger has version {got}, this greenroom reads version {LEDGER_VERSION}; run both roles with the same release"
    )]
    Version {
        /// Its version.
        got: u32,
    },
    /// The codec or clock is not one that can be judged.
    #[error("the ledger is for {codec} at {clock_rate} Hz; this greenroom judges H264 at 90000 Hz")]
    Codec {
        /// Its codec.
        codec: String,
        /// Its clock rate.
        clock_rate: u32,
    },
    /// Frame numbers or times do not rise.
    #[error(
        "ledger line {line}: frame {got} follows frame {last}; expected consecutive numbers and rising media times"
    )]
    Order {
        /// Line, from 1.
        line: u64,
        /// Number before.
        last: u32,
        /// Number that came.
        got: u32,
    },
}

/// A ledger in memory, bounded to the last [`KEPT_FRAMES`] frames.
#[derive(Debug, Default)]
pub struct Ledger {
    header: Option<LedgerHeader>,
    frames: VecDeque<LedgerFrame>,
    by_picture: HashMap<u64, Vec<u32>>,
    spans: HashMap<(String, String), Span>,
    lines: u64,
}

impl Ledger {
    /// Takes the next entry.
    ///
    /// # Errors
    ///
    /// When the entry contradicts the ones before; the ledger is then unchanged.
    pub fn apply(&mut self, entry: LedgerEntry) -> Result<(), LedgerError> {
        self.lines += 1;
        let line = self.lines;
        match entry {
            LedgerEntry::Header(header) => {
                if line != 1 {
                    return Err(LedgerError::Header {
                        line,
                        expected: "a frame or connection entry",
                    });
                }
                if header.greenroom_ledger != LEDGER_VERSION {
                    return Err(LedgerError::Version {
                        got: header.greenroom_ledger,
                    });
                }
                if header.codec != "H264" || header.clock_rate != super::rtp_time::VIDEO_CLOCK_RATE {
                    return Err(LedgerError::Codec {
                        codec: header.codec,
                        clock_rate: header.clock_rate,
                    });
                }
                self.header = Some(header);
                return Ok(());
            }
            _ if self.header.is_none() => {
                return Err(LedgerError::Header {
                    line,
                    expected: "the header line",
                });
            }
            LedgerEntry::Frame(frame) => self.add_frame(frame, line)?,
            LedgerEntry::Open {
                broadcaster,
                viewer,
                first,
            } => {
                self.spans.insert(
                    (broadcaster, viewer),
                    Span {
                        first,
                        last: None,
                        skipped: 0,
                    },
                );
            }
            LedgerEntry::Skip {
                broadcaster, viewer, ..
            } => {
                if let Some(span) = self.spans.get_mut(&(broadcaster, viewer)) {
                    span.skipped += 1;
                }
            }
            LedgerEntry::Close {
                broadcaster,
                viewer,
                last,
            } => {
                if let Some(span) = self.spans.get_mut(&(broadcaster, viewer)) {
                    span.last = Some(last);
                }
            }
        }
        Ok(())
    }

    /// Parses and takes one line, without its line break.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply), and when the line is not an entry.
    pub fn apply_line(&mut self, text: &str) -> Result<(), LedgerError> {
        let line = self.lines + 1;
        if text.len() > MAX_LINE {
            return Err(LedgerError::LineTooLong { line });
        }
        let entry = serde_json::from_str(text).map_err(|error| LedgerError::Malformed {
            line,
            reason: error.to_string(),
        })?;
        self.apply(entry)
    }

    fn add_frame(&mut self, frame: LedgerFrame, line: u64) -> Result<(), LedgerError> {
        if let Some(last) = self.frames.back()
            && (frame.index != last.index.wrapping_add(1) || frame.media_time <= last.media_time)
        {
            return Err(LedgerError::Order {
                line,
                last: last.index,
                got: frame.index,
            });
        }
        if self.frames.len() == KEPT_FRAMES
            && let Some(old) = self.frames.pop_front()
            && let Some(same) = self.by_picture.get_mut(&old.picture)
        {
            same.retain(|index| *index != old.index);
            if same.is_empty() {
                self.by_picture.remove(&old.picture);
            }
        }
        self.by_picture
            .entry(frame.picture)
            .or_default()
            .push(frame.index);
        self.frames.push_back(frame);
        Ok(())
    }

    /// The header, once it was read.
    pub fn header(&self) -> Option<&LedgerHeader> {
        self.header.as_ref()
    }

    /// The frame with this number, if it is still kept.
    pub fn frame(&self, index: u32) -> Option<&LedgerFrame> {
        let first = self.frames.front()?.index;
        self.frames.get(index.checked_sub(first)? as usize)
    }

    /// The frame at exactly this media time, if it is still kept.
    pub fn at_media_time(&self, media_time: i64) -> Option<&LedgerFrame> {
        let at = self
            .frames
            .binary_search_by_key(&media_time, |frame| frame.media_time)
            .ok()?;
        self.frames.get(at)
    }

    /// The frames with this picture digest.
    pub fn with_picture(&self, picture: u64) -> impl Iterator<Item = &LedgerFrame> {
        self.by_picture
            .get(&picture)
            .into_iter()
            .flatten()
            .filter_map(|index| self.frame(*index))
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<&LedgerFrame> {
        self.frames.back()
    }

    /// The frames handed to a connection; `None` when none ever was.
    pub fn span(&self, broadcaster: &str, viewer: &str) -> Option<Span> {
        self.spans
            .get(&(broadcaster.to_owned(), viewer.to_owned()))
            .copied()
    }
}

#[cfg(test)]
mod tests;
