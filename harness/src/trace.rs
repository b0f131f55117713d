//! The trace: what happened in a run, one JSON object a line, bounded by viewers and seconds.
//!
//! Owns the event format, redaction, and the recorder. It holds every control event, every anomaly and
//! one media summary per viewer and second; never one line per packet. It judges nothing.

mod record;
mod redact;

use serde::{Deserialize, Serialize};

use crate::engine::{ConnectionState, IceConnectionState};
use crate::media::kind::MediaKind;
use crate::scenario::Action;

pub(crate) use record::{Recorder, Trace};
pub use redact::redact_frame;

/// Version of the trace format that this crate writes.
pub const TRACE_VERSION: u32 = 1;

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceHeader {
    /// [`TRACE_VERSION`].
    pub greenroom_trace: u32,
    /// Wall time of microsecond 0, in microseconds since the Unix epoch.
    pub epoch_unix_us: u64,
    /// Version of greenroom.
    pub greenroom: String,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// Microseconds since the start of the run.
    pub at_us: u64,
    /// Whose event it is: `broadcaster`, `viewer-3`, `server`, `run`; with `room/` in front if there are several rooms.
    pub peer: String,
    /// What happened.
    pub event: TraceKind,
}

/// Which way a signaling frame went, as seen from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrameWay {
    /// Sent by the peer.
    Out,
    /// Received by the peer.
    In,
}

/// What happened. Frames are named by their number in the broadcast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the fields are named as in the specifications that they come from"
)]
pub enum TraceKind {
    /// A signaling frame passed; passwords and chat text are redacted.
    Signaling { way: FrameWay, frame: String },
    /// The WebSocket is open.
    SignalingOpen,
    /// The signaling connection ended.
    SignalingClosed { reason: String },
    /// A signaling error arrived.
    SignalingError { code: String, message: String },
    /// A local description was made.
    LocalDescription { connection: u64, sdp_type: String },
    /// A remote description was applied.
    RemoteDescriptionApplied { connection: u64 },
    /// A remote candidate came before the remote description and waits for it.
    CandidateQueued { connection: u64 },
    /// `iceConnectionState` changed.
    Ice {
        connection: u64,
        state: IceConnectionState,
    },
    /// `connectionState` changed.
    Connection { connection: u64, state: ConnectionState },
    /// A DTLS handshake message in clear passed.
    DtlsHandshake {
        connection: u64,
        way: FrameWay,
        handshake_type: u8,
    },
    /// The first RTP packet of a track arrived.
    FirstPacket { connection: u64, media: MediaKind },
    /// The first key frame is complete.
    FirstFrame { connection: u64, bytes: u32 },
    /// A frame arrived with another content than was sent.
    FrameCorrupt { index: u32 },
    /// A frame arrived again.
    FrameRepeated { index: u32 },
    /// A frame arrived at a time at which nothing was sent.
    FrameUnexpected { rtp_time: i64 },
    /// Packets of a frame are missing for good.
    FrameDamaged { rtp_time: i64, missing: u32 },
    /// No frame arrived for too long.
    Freeze { ms: f64 },
    /// One viewer, one second.
    MediaSecond {
        frames: u32,
        bytes: u64,
        verified: u64,
        key_frames: u32,
        sound_packets: u32,
    },
    /// A sound packet arrived with another content than was sent.
    SoundCorrupt { index: u32 },
    /// The broadcaster's encoder was set to another bitrate.
    Bitrate { bps: u64 },
    /// A verified frame, at the first viewer of each room only.
    Frame {
        index: u32,
        latency_us: Option<i64>,
        bytes: u32,
    },
    /// From the first to the last viewer that completed a frame.
    FanoutSkew { index: u32, viewers: u32, skew_us: u64 },
    /// A viewer asked for a key frame.
    KeyFrameRequested { viewer: String },
    /// The broadcaster made a key frame.
    KeyFrame { index: u32, bytes: u64 },
    /// The engine reported an error.
    EngineError { connection: u64, message: String },
    /// A scripted action began.
    Action { action: Action },
}
