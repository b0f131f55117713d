//! The engine seam: what a bot asks of a WebRTC stack, at the level of frames.
//!
//! Owns the vocabulary between bots and stacks. No type of any stack, no RTP packet and no wait per
//! packet crosses it, so that an engine may run one task per connection or a thousand connections
//! per thread. It does not know signaling: descriptions and candidates pass through as data.

mod ice_servers;
mod setting;
pub mod webrtc;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_signaling::{Candidate, Description};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::media::codec::Codec;
use crate::media::kind::MediaKind;
use crate::media::packetize::EncodedFrame;
use crate::media::reassemble::{ReceiveStats, ReceivedFrame};
use crate::net::filter::DatagramFilter;
use crate::net::impair::Impairment;
use crate::net::tap::Tap;

pub use ice_servers::{IceServers, Password, TurnServer};
pub use setting::EngineSetting;

/// Commands that wait in front of one connection: three seconds of video at 30 fps and sound packets.
pub const COMMAND_CAPACITY: usize = 256;

/// A WebRTC stack.
pub trait Engine: Send + Sync + std::fmt::Debug + 'static {
    /// Creates a peer connection and returns at once; everything else arrives as events.
    ///
    /// Dropping the returned handle closes the connection and frees its socket and tasks.
    ///
    /// # Errors
    ///
    /// When the engine cannot take another connection.
    fn connect(
        &self,
        spec: ConnectionSpec,
        events: mpsc::Sender<EngineEvent>,
    ) -> Result<ConnectionHandle, EngineError>;

    /// Name and version of the stack, for the report.
    fn describe(&self) -> String;
}

/// Names one connection in the events of a bot; the bot chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What a connection is for: the tracks of this side. Each may offer or answer; which of them it does, follows from
/// the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaDirection {
    /// Tracks out (`a=sendonly`).
    Send {
        /// Codec of the video track.
        video: Codec,
        /// Whether there is an Opus track beside it.
        audio: bool,
        /// Whether there is a data channel.
        data: bool,
    },
    /// Tracks in (`a=recvonly`): whatever an offer brings, or one of video and one of audio in an offer of its own.
    Receive {
        /// The one codec of video that is accepted; any that greenroom knows if absent.
        video: Option<Codec>,
        /// Whether received frames keep their bytes, for a decoder.
        keep_access_units: bool,
    },
    /// Tracks out and in (`a=sendrecv`): one half of a call.
    Call {
        /// Codec of the outgoing video track; whatever greenroom knows may come in.
        video: Codec,
        /// Whether there is an Opus track beside it.
        audio: bool,
        /// Whether there is a data channel. Both sides make it themselves, under the number 0 (`negotiated`, W3C
        /// webrtc-pc section 6.2), so that it does not matter whose offer is answered.
        data: bool,
        /// Whether received frames keep their bytes, for a decoder.
        keep_access_units: bool,
    },
}

impl MediaDirection {
    /// Codec of the outgoing video track, and whether there is an audio track beside it; `None` if nothing goes out.
    pub fn outgoing(&self) -> Option<(Codec, bool)> {
        match *self {
            Self::Send { video, audio, .. } | Self::Call { video, audio, .. } => Some((video, audio)),
            Self::Receive { .. } => None,
        }
    }

    /// Whether received frames keep their bytes.
    pub fn keeps_access_units(&self) -> bool {
        match *self {
            Self::Send { .. } => false,
            Self::Receive {
                keep_access_units, ..
            }
            | Self::Call {
                keep_access_units, ..
            } => keep_access_units,
        }
    }
}

/// What to build.
#[derive(Clone, Debug)]
pub struct ConnectionSpec {
    /// The name under which events arrive.
    pub id: ConnectionId,
    /// What it is for.
    pub direction: MediaDirection,
    /// Address to bind to and to offer as host candidate; the engine's own if absent.
    pub bind: Option<SocketAddr>,
    /// Sees every datagram of the connection, both ways.
    pub tap: Option<Tap>,
    /// What the network does to outgoing datagrams, beyond what it does by itself.
    pub impairment: Option<Impairment>,
    /// What becomes of outgoing datagrams, for faults on purpose.
    pub filter: Option<DatagramFilter>,
}

/// A command to one connection.
#[derive(Clone, Debug)]
pub enum EngineCommand {
    /// Make an offer and apply it locally; it comes back as [`EngineEventKind::LocalDescription`].
    MakeOffer,
    /// Apply a remote offer, make an answer and apply that locally. While an offer of our own is open this is an error:
    /// who yields (the polite peer of W3C webrtc-pc section 10.7) rolls back first.
    MakeAnswer(Description),
    /// Take the local offer back, which nobody has answered (RFC 9429 section 4.1.10.2). The connection is stable again
    /// and tells so by [`EngineEventKind::RolledBack`]; without an open offer this is an error.
    Rollback,
    /// Make an offer with new ICE credentials and apply it locally (RFC 8445 section 9), on a connection that has been
    /// negotiated. It comes back as [`EngineEventKind::LocalDescription`]. What is sent until ICE is connected again may be lost.
    RestartIce,
    /// Apply a remote answer.
    ApplyAnswer(Description),
    /// Add a remote candidate; one that comes before the remote description waits for it.
    AddCandidate(Candidate),
    /// Send one frame or sound packet on the track of its medium.
    SendFrame(MediaKind, Arc<EncodedFrame>),
    /// Send one message on the data channel; before it is open this is an error.
    SendData(Bytes),
    /// Tell the sender how many bits per second this side estimates that the path carries
    /// (REMB, draft-alvestrand-rmcat-remb-03).
    SendEstimate {
        /// Bits per second.
        bps: u64,
    },
    /// Ask the sender for a key frame (PLI, RFC 4585 section 6.3.1).
    RequestKeyFrame,
    /// Report statistics as [`EngineEventKind::Stats`].
    ReportStats,
}

/// One event of one connection.
#[derive(Clone, Debug)]
pub struct EngineEvent {
    /// The connection.
    pub connection: ConnectionId,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub kind: EngineEventKind,
}

/// What happened on a connection.
#[derive(Clone, Debug)]
pub enum EngineEventKind {
    /// A description was made and applied locally; it is to be signaled.
    LocalDescription(Description),
    /// A remote description was applied.
    RemoteDescriptionApplied,
    /// The local offer was taken back: the signaling state is stable.
    RolledBack,
    /// A local candidate was gathered; it is to be signaled.
    LocalCandidate(Candidate),
    /// Gathering is complete (RFC 8838 section 13); the ufrag names the generation.
    LocalEndOfCandidates {
        /// The ICE username fragment of this generation.
        username_fragment: Option<String>,
    },
    /// A remote candidate came before the remote description and waits.
    CandidateQueued,
    /// The ICE connection state changed.
    Ice(IceConnectionState),
    /// The connection state changed; `Connected` means that DTLS is done.
    Connection(ConnectionState),
    /// The first RTP packet of a track arrived.
    FirstPacket(MediaKind),
    /// A frame or sound packet is complete.
    Frame(MediaKind, Box<ReceivedFrame>),
    /// A frame or sound packet will never be complete.
    FrameDamaged {
        /// Of which medium.
        media: MediaKind,
        /// Unwrapped RTP timestamp.
        rtp_time: i64,
        /// Packets known to be missing.
        missing: u32,
    },
    /// The other side asked for a key frame (PLI or FIR).
    KeyFrameRequested,
    /// The other side estimates that the path carries so many bits per second (REMB).
    Estimate {
        /// Bits per second.
        bps: u64,
    },
    /// The data channel is open.
    DataOpen,
    /// A message came on the data channel.
    Data(Bytes),
    /// The statistics that were asked for.
    Stats(Box<ConnectionStats>),
    /// Something failed; the connection may go on.
    Error(EngineError),
    /// The connection is closed; nothing follows.
    Closed,
}

/// `RTCIceConnectionState` (W3C webrtc-pc section 5.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum IceConnectionState {
    New,
    Checking,
    Connected,
    Completed,
    Disconnected,
    Failed,
    Closed,
}

/// `RTCPeerConnectionState` (W3C webrtc-pc section 4.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum ConnectionState {
    New,
    Connecting,
    Connected,
    Disconnected,
    Failed,
    Closed,
}

/// Statistics of one connection, named as in W3C webrtc-stats.
#[derive(Clone, Debug, Default)]
pub struct ConnectionStats {
    /// Of the received video (`inbound-rtp`), measured while reassembling.
    pub video: Option<ReceiveStats>,
    /// Of the received sound.
    pub audio: Option<ReceiveStats>,
    /// `packetsSent` of `outbound-rtp`, both media.
    pub packets_sent: u64,
    /// `bytesSent` of `outbound-rtp`, both media.
    pub bytes_sent: u64,
    /// `nackCount`: NACK packets sent by a receiver, or received by a sender.
    pub nack_count: u64,
    /// `pliCount`: PLI packets sent by a receiver, or received by a sender.
    pub pli_count: u64,
}

/// What an engine could not do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EngineError {
    /// A step of the peer connection failed.
    #[error("{step} failed: {reason}")]
    Step {
        /// What was tried, in the words of W3C webrtc-pc.
        step: &'static str,
        /// What the stack said.
        reason: String,
    },
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// More than [`COMMAND_CAPACITY`] commands wait: the engine does not keep up.
    #[error("the connection has {COMMAND_CAPACITY} commands waiting; the engine does not keep up")]
    Busy,
}

/// Commands one connection; dropping the last clone closes the connection.
#[derive(Clone, Debug)]
pub struct ConnectionHandle {
    commands: mpsc::Sender<EngineCommand>,
}

impl ConnectionHandle {
    /// A handle whose commands arrive at `commands`; for engines.
    pub fn new(commands: mpsc::Sender<EngineCommand>) -> Self {
        Self { commands }
    }

    /// Sends a command without waiting.
    ///
    /// # Errors
    ///
    /// [`EngineError::Busy`] when the engine is behind, [`EngineError::Closed`] when it is gone.
    pub fn send(&self, command: EngineCommand) -> Result<(), EngineError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Busy,
            mpsc::error::TrySendError::Closed(_) => EngineError::Closed,
        })
    }
}
