//! The ledger: what a broadcaster sent, frame by frame and connection by connection.
//!
//! Owns the truth that received frames are held against, in memory and as JSON Lines, so that
//! broadcaster and viewers may run in different processes. It judges nothing.

mod track;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::codec::Codec;
use super::h264::FrameDigest;
use super::kind::MediaKind;

pub use track::{KEPT_FRAMES, LedgerTrack, Span};

/// Version of the ledger format that this crate writes and reads.
pub const LEDGER_VERSION: u32 = 2;

/// Longest line that is read, in bytes.
pub const MAX_LINE: usize = 4_096;

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LedgerEntry {
    /// First line: the format and the clock.
    Header(LedgerHeader),
    /// A video frame was encoded.
    Frame(LedgerFrame),
    /// A sound packet was encoded.
    Sound(LedgerFrame),
    /// From this frame on, everything is handed to this connection.
    Open {
        /// Peer id of the broadcaster.
        broadcaster: String,
        /// Peer id of the viewer.
        viewer: String,
        /// Which medium.
        media: MediaKind,
        /// First frame handed to it; of video a key frame.
        first: u32,
    },
    /// A frame was not handed to the connection, because its queue was full.
    Skip {
        /// Peer id of the broadcaster.
        broadcaster: String,
        /// Peer id of the viewer.
        viewer: String,
        /// Which medium.
        media: MediaKind,
        /// Number of the frame.
        index: u32,
    },
    /// The last frame was handed to this connection.
    Close {
        /// Peer id of the broadcaster.
        broadcaster: String,
        /// Peer id of the viewer.
        viewer: String,
        /// Which medium.
        media: MediaKind,
        /// Last frame handed to it.
        last: u32,
    },
}

/// What a ledger says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHeader {
    /// [`LEDGER_VERSION`].
    pub greenroom_ledger: u32,
    /// Codec of the video.
    pub video: Codec,
    /// Codec of the sound; absent when there is none.
    pub audio: Option<Codec>,
    /// Frames per second that are announced.
    pub frame_rate: f64,
    /// What is streamed: a viewer that draws or opens the same clip can compare pictures.
    pub clip: String,
    /// Wall time of microsecond 0, in microseconds since the Unix epoch.
    pub epoch_unix_us: u64,
    /// Boot of the host that wrote it; latency is reported only by a reader on the same boot.
    pub boot_id: Option<String>,
}

/// One frame or sound packet as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerFrame {
    /// Number of the frame, consecutive from 0.
    pub index: u32,
    /// Media time in ticks of the clock rate.
    pub media_time: i64,
    /// Digest of the picture or of the sound, see [`FrameDigest`].
    pub picture: u64,
    /// Digest of the parameter sets that travel with it.
    pub parameter_sets: Option<u64>,
    /// Whether it is a key frame.
    pub key: bool,
    /// Whether the picture is black, or the sound silent, because the broadcaster muted it.
    pub muted: bool,
    /// Frame number in the stamp of the picture; absent when it has none, as sound has.
    pub stamp: Option<u32>,
    /// Level of the sound as it is decoded, in dBFS (RMS, one channel), rounded to whole numbers; absent for pictures.
    pub level_dbfs: Option<i16>,
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
    /// A codec stands where it makes no sense.
    #[error("the ledger names {got} as its {media} codec; expected h264 or vp8 for video, opus for audio")]
    Codec {
        /// The medium.
        media: MediaKind,
        /// Its codec.
        got: Codec,
    },
    /// Frame numbers or times do not rise.
    #[error(
        "ledger line {line}: {media} {got} follows {media} {last}; expected consecutive numbers and rising media times"
    )]
    Order {
        /// Line, from 1.
        line: u64,
        /// The medium.
        media: MediaKind,
        /// Number before.
        last: u32,
        /// Number that came.
        got: u32,
    },
}

/// A ledger in memory, bounded to the last [`KEPT_FRAMES`] frames of each medium.
#[derive(Debug, Default)]
pub struct Ledger {
    header: Option<LedgerHeader>,
    video: LedgerTrack,
    audio: LedgerTrack,
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
            LedgerEntry::Header(header) => self.take_header(header, line)?,
            _ if self.header.is_none() => {
                return Err(LedgerError::Header {
                    line,
                    expected: "the header line",
                });
            }
            LedgerEntry::Frame(frame) => self.add(MediaKind::Video, frame, line)?,
            LedgerEntry::Sound(packet) => self.add(MediaKind::Audio, packet, line)?,
            LedgerEntry::Open {
                broadcaster,
                viewer,
                media,
                first,
            } => self.track_mut(media).open(broadcaster, viewer, first),
            LedgerEntry::Skip {
                broadcaster,
                viewer,
                media,
                ..
            } => self.track_mut(media).skip(broadcaster, viewer),
            LedgerEntry::Close {
                broadcaster,
                viewer,
                media,
                last,
            } => self.track_mut(media).close(broadcaster, viewer, last),
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
        let entry = serde_json::from_str(text).map_err(|error| match (line, written_by(text)) {
            // The fields of another version are no riddle worth solving.
            (1, Some(got)) if got != LEDGER_VERSION => LedgerError::Version { got },
            _ => LedgerError::Malformed {
                line,
                reason: error.to_string(),
            },
        })?;
        self.apply(entry)
    }

    fn take_header(&mut self, header: LedgerHeader, line: u64) -> Result<(), LedgerError> {
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
        let codecs = [
            (MediaKind::Video, Some(header.video)),
            (MediaKind::Audio, header.audio),
        ];
        for (media, codec) in codecs {
            if let Some(got) = codec.filter(|codec| codec.is_audio() != (media == MediaKind::Audio)) {
                return Err(LedgerError::Codec { media, got });
            }
        }
        self.header = Some(header);
        Ok(())
    }

    fn add(&mut self, media: MediaKind, frame: LedgerFrame, line: u64) -> Result<(), LedgerError> {
        let got = frame.index;
        self.track_mut(media)
            .add(frame)
            .map_err(|last| LedgerError::Order {
                line,
                media,
                last,
                got,
            })
    }

    fn track_mut(&mut self, media: MediaKind) -> &mut LedgerTrack {
        match media {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        }
    }

    /// What was sent of one medium.
    pub fn track(&self, media: MediaKind) -> &LedgerTrack {
        match media {
            MediaKind::Video => &self.video,
            MediaKind::Audio => &self.audio,
        }
    }

    /// The header, once it was read.
    pub fn header(&self) -> Option<&LedgerHeader> {
        self.header.as_ref()
    }
}

/// The version that a header line claims, whatever else it says.
fn written_by(text: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Claim {
        greenroom_ledger: u32,
    }
    serde_json::from_str::<Claim>(text)
        .ok()
        .map(|claim| claim.greenroom_ledger)
}

#[cfg(test)]
mod tests;
