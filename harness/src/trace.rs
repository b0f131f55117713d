//! The trace: what happened in a run, one JSON object a line, bounded by viewers and seconds.
//!
//! Owns the event format, redaction, the recorder, and the reader of what it wrote. It holds every control event, every anomaly and
//! one media summary per viewer and second; never one line per packet. It judges nothing.

mod http;
pub(crate) mod label;
mod older;
mod read;
mod record;
mod redact;

use serde::{Deserialize, Serialize};

use crate::engine::{ConnectionState, IceConnectionState};
use crate::media::kind::MediaKind;
use crate::scenario::Action;

pub use http::{HttpSeen, MAX_HTTP_BODY};
pub use read::{Extent, TraceFileError, read};
#[cfg(feature = "server")]
pub(crate) use record::Kept;
pub(crate) use record::{Recorder, Trace};
pub use redact::redact_frame;

/// Version of the trace format that this crate writes.
pub const TRACE_VERSION: u32 = 3;
/// The oldest version that it reads.
pub const OLDEST_TRACE_VERSION: u32 = 2;

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
    #[serde(deserialize_with = "older::kind")]
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

/// What of a TURN message is noted; never who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnSeen {
    /// `allocate`, `refresh`, `create-permission` or `channel-bind`.
    pub method: String,
    /// `request`, `success` or `error`.
    pub class: String,
    /// Whether the request has credentials, or the one that is answered had. The first one has none, and is answered with
    /// 401 (RFC 8489 section 9.2).
    pub has_credentials: bool,
    /// The error code of an error response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
}

/// What a STUN message says in clear. What is absent was not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StunSeen {
    /// `request`, `indication`, `success` or `error`.
    pub class: String,
    /// USERNAME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Whether the sender says that it is controlling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controlling: Option<bool>,
    /// Its tie-breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_breaker: Option<u64>,
    /// USE-CANDIDATE.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub use_candidate: bool,
    /// ERROR-CODE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
    /// Whether MESSAGE-INTEGRITY is that of the password that it must be made with, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrity: Option<bool>,
}

/// What passes of a DTLS handshake in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DtlsSeen {
    /// ClientHello: the highest version, and the SRTP profiles of use_srtp (RFC 5764 section 4.1.2).
    ClientHello {
        /// 0xfefd is DTLS 1.2.
        version: u16,
        /// SRTP protection profiles.
        srtp_profiles: Vec<u16>,
    },
    /// ServerHello: what was chosen.
    ServerHello {
        /// 0xfefd is DTLS 1.2.
        version: u16,
        /// Cipher suite.
        cipher: u16,
        /// SRTP protection profile.
        srtp_profile: Option<u16>,
    },
    /// Certificate, by its SHA-256 fingerprint in the form of a=fingerprint (RFC 8122 section 5).
    Certificate {
        /// `AB:CD:…`
        fingerprint: String,
    },
    /// ChangeCipherSpec: what follows is encrypted.
    ChangeCipherSpec,
    /// An alert in clear.
    Alert {
        /// 1 warning, 2 fatal.
        level: u8,
        /// RFC 5246 section 7.2.
        description: u8,
    },
    /// Application data in clear.
    PlaintextData,
}

/// What happened. Frames are named by their number in the broadcast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the fields are named as in the specifications that they come from"
)]
pub enum TraceKind {
    /// A signaling frame passed; passwords and chat text are redacted. What it means to the peer stands in `means`: messages
    /// of greenroom's own protocol (docs/signaling.md), in order. It is empty where that protocol is spoken, because there the
    /// frame says it itself, and where the frame means nothing.
    Signaling {
        way: FrameWay,
        frame: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        means: Vec<String>,
    },
    /// The signaling connection is open.
    SignalingOpen {
        /// The protocol, by its name; none is greenroom's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dialect: Option<String>,
        /// Whether its messages name the peer that they are for or from. Where they do not, the names in `means` are the
        /// bot's own: a viewer calls itself by its label, and whoever it watches `broadcaster`.
        #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
        addressed: bool,
    },
    /// Half of an HTTP exchange passed, or why there is no other half. `exchange` is the peer's own number for both; `means`
    /// is as in `signaling`.
    Http {
        exchange: u64,
        way: FrameWay,
        message: HttpSeen,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        means: Vec<String>,
    },
    /// The signaling connection ended.
    SignalingClosed { reason: String },
    /// The signaling connection is to be opened again, after a wait.
    SignalingReconnecting { attempt: u32, wait_us: u64 },
    /// A signaling error arrived.
    SignalingError { code: String, message: String },
    /// A local description was made.
    LocalDescription { connection: u64, sdp_type: String },
    /// A remote description was applied.
    RemoteDescriptionApplied { connection: u64 },
    /// A remote candidate came before the remote description and waits for it.
    CandidateQueued { connection: u64 },
    /// A remote candidate of the peer that signaling calls `remote` came before the remote description, and whoever got
    /// it threw it away: addIceCandidate without a remote description, the error ignored.
    CandidateDiscarded { remote: String },
    /// A signaling frame came that says nothing in the dialect. A binary one is in the trace as nothing else.
    SignalingUnreadable { binary: bool, reason: String },
    /// `iceConnectionState` changed.
    Ice {
        connection: u64,
        state: IceConnectionState,
    },
    /// `connectionState` changed.
    Connection { connection: u64, state: ConnectionState },
    /// A peer connection was opened towards a peer that signaling calls `remote`. Its DTLS and RTP are in the trace if
    /// `wire_is_read`; where the scenario flips bits in datagrams they are not, because nobody could tell whose they are.
    ConnectionOpened {
        connection: u64,
        remote: String,
        #[serde(default)]
        wire_is_read: bool,
    },
    /// A STUN message passed: connectivity checks and keepalives (RFC 8445, RFC 8489).
    Stun {
        connection: u64,
        way: FrameWay,
        remote: String,
        message: StunSeen,
    },
    /// A TURN server was asked for something, or answered (RFC 8656); what it relays is in the trace as if it came by itself.
    Turn {
        connection: u64,
        way: FrameWay,
        server: String,
        message: TurnSeen,
    },
    /// Something of a DTLS handshake passed in clear (RFC 6347).
    Dtls {
        connection: u64,
        way: FrameWay,
        message: DtlsSeen,
    },
    /// The first RTP packet of a payload type and SSRC passed.
    Rtp {
        connection: u64,
        way: FrameWay,
        payload_type: u8,
        ssrc: u32,
    },
    /// A datagram passed that is none of STUN, DTLS, TURN, RTP and RTCP (RFC 7983 section 7).
    Unclassified {
        connection: u64,
        way: FrameWay,
        first_byte: Option<u8>,
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

fn yes() -> bool {
    true
}

impl TraceKind {
    /// A frame of greenroom's own protocol, redacted.
    pub fn frame(way: FrameWay, frame: &str) -> Self {
        Self::frame_that_means(way, frame, &[])
    }

    /// A frame, and what it means in greenroom's own protocol, redacted.
    pub fn frame_that_means(way: FrameWay, frame: &str, means: &[String]) -> Self {
        Self::Signaling {
            way,
            frame: redact::redact_foreign_frame(frame, means),
            means: redact::redact_frames(means),
        }
    }

    /// Half of an HTTP exchange, and what it means in greenroom's own protocol; the latter is redacted here, the former was
    /// when it was made.
    pub fn http(exchange: u64, way: FrameWay, message: HttpSeen, means: &[String]) -> Self {
        Self::Http {
            exchange,
            way,
            message,
            means: redact::redact_frames(means),
        }
    }

    /// A signaling connection that speaks greenroom's own protocol.
    pub fn native_signaling_open() -> Self {
        Self::SignalingOpen {
            dialect: None,
            addressed: true,
        }
    }
}
