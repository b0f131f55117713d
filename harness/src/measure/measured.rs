//! Everything that a run measured, as plain data: what the checker reads and the report shows.
//!
//! Owns the names and units. Field names carry their unit; a figure that was not measured is absent.

use serde::{Deserialize, Serialize};

use super::arrivals::ArrivalFigures;
use super::av_sync::AvSyncFigures;
use super::data::DataFigures;
use super::distribution::Summary;
use super::freeze::Freezes;
use super::health::GeneratorHealth;
use super::join::JoinPhase;
use super::process::ProcessFigures;
use super::quality::QualityFigures;
use super::sound::SoundFigures;
use super::tone::ToneFigures;
use crate::media::verify::Tally;
use crate::net::model::{Direction, LinkCounts};

/// How received frames were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedAt {
    /// Not at all: nothing arrived.
    Nothing,
    /// Complete only; what was sent is not known.
    Intact,
    /// Decoded, and the stamp was read; which frame should have come is not known.
    Stamped,
    /// Held against the ledger: content and time. Only this counts as verified.
    Exact,
}

/// What a run measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// How long the joining took, in milliseconds.
    pub joining_ms: f64,
    /// How long was streamed after that, in milliseconds.
    pub streamed_ms: f64,
    /// How frames were judged; the lowest level of any viewer that received some.
    pub judged_at: JudgedAt,
    /// Counts of the frames of all viewers together.
    pub totals: Tally,
    /// Counts of the sound packets of all viewers together; absent when there is no sound.
    pub sound_totals: Option<Tally>,
    /// Sound at all viewers that decode, taken together.
    pub sound: Option<SoundFigures>,
    /// The bursts in it.
    pub tones: Option<ToneFigures>,
    /// Picture quality at all viewers that decode, taken together.
    pub quality: Option<QualityFigures>,
    /// Why there is no picture quality, when there is none.
    pub quality_absent_because: Option<String>,
    /// How much later sound is heard than its picture is seen, at all viewers that decode.
    pub av_offset: Option<AvSyncFigures>,
    /// Messages on the data channels, from the broadcaster and from the viewers; absent without channels.
    pub data: Option<DataBothWays>,
    /// Each viewer.
    pub viewers: Vec<ViewerFigures>,
    /// Each stay of each broadcaster.
    pub broadcasters: Vec<BroadcasterFigures>,
    /// The peers of a call; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<CallerFigures>,
    /// Time to each phase of the join, over all viewers.
    pub join: Vec<PhaseFigures>,
    /// Delays on the path of a frame.
    pub delays: Delays,
    /// From the first to the last viewer that completed a frame.
    pub fanout_skew: Option<Summary>,
    /// The signaling server that the run brought or started, when it ended without being asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_ended: Option<ServerEnded>,
    /// Planted faults that met nothing to damage, such as `late-candidates at viewer-1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle_faults: Vec<String>,
    /// What the server under test cost, where the run started it and the machine tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_process: Option<ProcessFigures>,
    /// What the simulated network did; absent on real sockets, whose network tells nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Vec<LinkFigures>>,
    /// The generator's own health.
    pub generator: GeneratorHealth,
}

/// A signaling server that ended by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerEnded {
    /// When, in milliseconds since the start of the run.
    pub at_ms: f64,
    /// In its own words: what it returned, or what it panicked with.
    pub why: String,
}

/// What one link of the simulated network did to one flow, in datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFigures {
    /// Whose link.
    pub peer: String,
    /// To the network or from it.
    pub direction: Direction,
    /// RTP payload type; absent for everything that is no RTP.
    pub payload_type: Option<u8>,
    /// What became of its datagrams.
    #[serde(flatten)]
    pub counts: LinkCounts,
}

/// Messages on data channels, by direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataBothWays {
    /// From the broadcaster to the viewers.
    pub down: DataFigures,
    /// From the viewers to the broadcaster.
    pub up: DataFigures,
}

/// Time to one phase of the join, from the start of each viewer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// The phase.
    pub phase: JoinPhase,
    /// Viewers that reached it, and when.
    pub time: Option<Summary>,
    /// Viewers that did not reach it.
    pub missing: u64,
}

/// Delays of the frames that were due in the measured window, stage by stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Delays {
    /// From due to taken from the source.
    pub capture: Option<Summary>,
    /// From taken to encoded and handed to the connections.
    pub encode: Option<Summary>,
    /// From handed over to complete at a viewer.
    pub transport: Option<Summary>,
    /// From complete to decoded, at viewers that decode.
    pub decode: Option<Summary>,
    /// From due to complete at a viewer.
    pub frame_latency: Option<Summary>,
    /// From when a sound packet was due until it was there.
    pub sound_latency: Option<Summary>,
    /// From due to decoded, at viewers that decode.
    pub glass_latency: Option<Summary>,
    /// Why there is no latency, when there is none.
    pub absent_because: Option<String>,
}

/// What one viewer saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ViewerFigures {
    /// Its label, as in the trace.
    pub label: String,
    /// Its room.
    pub room: String,
    /// Its number in the room, from 1.
    pub number: u32,
    /// How it ended.
    pub end: ViewerOutcome,
    /// When it started to join, in milliseconds since the start of the run.
    pub started_at_ms: f64,
    /// When it ended, in milliseconds since the start of the run.
    pub ended_at_ms: f64,
    /// How its frames were judged.
    pub judged_at: JudgedAt,
    /// Its counts.
    pub tally: Tally,
    /// Complete frames received.
    pub frames: u64,
    /// Frames per second of media time, between frames that follow each other without loss or pause.
    pub frames_per_second: Option<f64>,
    /// Frames per second that the ledger announces.
    pub announced_fps: Option<f64>,
    /// Counts of its sound packets.
    pub sound_tally: Tally,
    /// Sound packets received.
    pub sound_packets: u64,
    /// What it heard; absent for viewers that do not decode.
    pub sound: Option<SoundFigures>,
    /// The bursts that it heard.
    pub tones: Option<ToneFigures>,
    /// Picture quality; absent for viewers that do not decode or cannot know what was meant.
    pub quality: Option<QualityFigures>,
    /// How much later it heard than it saw.
    pub av_offset: Option<AvSyncFigures>,
    /// How long after the stop was signaled media still came, in milliseconds.
    pub media_after_stop_ms: Option<f64>,
    /// Time to each phase that it reached, in milliseconds.
    pub join_ms: Vec<(JoinPhase, f64)>,
    /// The phase that it should have reached and did not.
    pub stuck_before: Option<JoinPhase>,
    /// Whether a broadcaster was there to join.
    pub saw_broadcaster: bool,
    /// How long it knew of a live stream, in milliseconds.
    pub live_ms: f64,
    /// From `connected` to the first complete key frame, the longest of its connections, in milliseconds.
    pub first_key_frame_ms: Option<f64>,
    /// Connections that were connected and never had a key frame, and for how long, in milliseconds.
    pub without_key_frame_ms: Option<f64>,
    /// Frame latency.
    pub latency: Option<Summary>,
    /// Freezes in the measured window.
    pub freezes: Freezes,
    /// What its decoder saw; absent for viewers that do not decode.
    pub decoded: Option<DecodedFigures>,
    /// Received video packets, as in `inbound-rtp`.
    pub rtp: Option<RtpFigures>,
    /// Received sound packets, as in `inbound-rtp`.
    pub sound_rtp: Option<RtpFigures>,
    /// RTP packets as they arrived, before any repair, by payload type.
    #[serde(default)]
    pub arrivals: Vec<ArrivalFigures>,
    /// Chat lines that it said.
    pub chat_said: u64,
    /// Chat lines received, as far as they are numbered in their order of arrival.
    pub chat_seqs: Vec<u64>,
    /// Text of the chat lines, for callers of the library; never written.
    #[serde(skip)]
    pub chat: Vec<String>,
    /// State of the room when it joined, for callers of the library.
    pub state_at_join: Option<RoomStateFigures>,
    /// State of the room when it ended.
    pub state_at_end: RoomStateFigures,
    /// Why its signaling could not be opened.
    pub dial_error: Option<String>,
    /// When its signaling was lost, and whether it came back; the first 64.
    #[serde(default)]
    pub signaling_losses: Vec<SignalingLoss>,
    /// Errors on the way.
    pub errors: Vec<PeerError>,
}

/// State of a room as a viewer knew it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStateFigures {
    /// Whether the video is muted.
    pub video_muted: bool,
    /// Whether the sound is muted.
    pub audio_muted: bool,
    /// Whether the stream is stopped.
    pub stopped: bool,
}

/// How a viewer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewerOutcome {
    /// With the run.
    Finished,
    /// It left, as scripted.
    Left,
    /// It vanished, as scripted.
    Vanished,
    /// It never reached the signaling server.
    NeverConnected,
}

/// What a decoder saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodedFigures {
    /// `framesDecoded`.
    pub frames_decoded: u64,
    /// Stamps of the frames that were sent.
    pub stamps_matched: u64,
    /// Stamps of other frames.
    pub stamps_wrong: u64,
    /// Pictures without a readable stamp.
    pub stamps_unreadable: u64,
    /// Stamps read without a ledger to hold them against.
    pub stamps_read: u64,
    /// Black pictures while the video was muted.
    pub muted_black: u64,
    /// Pictures that were not black while the video was muted.
    pub muted_not_black: u64,
    /// Pictures that were not black later than a second after the mute was signaled.
    pub seen_while_muted: u64,
    /// Frames that gave no picture.
    pub failed: u64,
}

/// A received RTP stream, named as in W3C webrtc-stats `inbound-rtp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RtpFigures {
    /// `packetsReceived`.
    pub packets_received: u64,
    /// `packetsLost`, after repair.
    pub packets_lost: u64,
    /// Packets that came again.
    pub packets_duplicated: u64,
    /// Packets that came after a later one.
    pub packets_reordered: u64,
    /// `bytesReceived`: payload.
    pub bytes_received: u64,
    /// `jitter`, in milliseconds.
    pub jitter_ms: f64,
    /// `nackCount` of both media, which the stack counts together; absent for sound.
    pub nack_count: Option<u64>,
    /// `pliCount`; absent for sound.
    pub pli_count: Option<u64>,
    /// Payload bits per second from the first key frame, or the first sound packet, on.
    pub bitrate_bps: Option<f64>,
}

/// How one peer of a call came to an agreement with the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallerFigures {
    /// `caller-1` or `caller-2`.
    pub label: String,
    /// Whether it takes its own offer back when both have offered.
    pub polite: bool,
    /// Offers that it signaled.
    pub offers: u32,
    /// Offers of the other one that came while one of its own was open: glare.
    pub collisions: u32,
    /// Offers of its own that it took back.
    pub rolled_back: u32,
    /// From the moment at which both were in and began until offer and answer were first agreed on, in milliseconds; absent
    /// when they never were.
    pub stable_ms: Option<f64>,
}

impl CallerFigures {
    pub(crate) fn new(label: String, polite: bool) -> Self {
        Self {
            label,
            polite,
            offers: 0,
            collisions: 0,
            rolled_back: 0,
            stable_ms: None,
        }
    }
}

/// A signaling connection that ended although the bot did not ask it to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalingLoss {
    /// When, in milliseconds since the start of the run.
    pub at_ms: f64,
    /// Why, as far as the bot can tell.
    pub why: String,
    /// Whether the scenario did it: it cut this connection, or restarted the server.
    pub planned: bool,
    /// How often the bot dialed again.
    pub attempts: u32,
    /// From the loss until the server had let it in again, in milliseconds; absent when it never did.
    pub away_ms: Option<f64>,
}

/// What a broadcaster did in one stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BroadcasterFigures {
    /// Its room.
    pub room: String,
    /// Whether the server let it in.
    pub joined: bool,
    /// From when it began to dial until it was told to leave, in milliseconds.
    #[serde(default)]
    pub stayed_ms: f64,
    /// Frames encoded and sent.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Payload bytes, once per frame.
    pub bytes: u64,
    /// Connections that it opened.
    pub connections: u64,
    /// Frames that a connection had no room for.
    pub skipped_frames: u64,
    /// PLI and FIR received.
    pub key_frame_requests: u64,
    /// `packetsSent`, over all connections and both media.
    pub packets_sent: u64,
    /// Sound packets encoded and sent.
    pub sound_packets: u64,
    /// Frames per second that it announces.
    pub frame_rate: f64,
    /// Times that its encoder was set to another bitrate.
    pub bitrate_changes: u64,
    /// Chat lines that it said.
    pub chat_said: u64,
    /// Text of the chat lines that it received, for callers of the library; never written.
    #[serde(skip)]
    pub chat: Vec<String>,
    /// Why its signaling could not be opened.
    pub dial_error: Option<String>,
    /// When its signaling was lost, and whether it came back; the first 64.
    #[serde(default)]
    pub signaling_losses: Vec<SignalingLoss>,
    /// Errors on the way.
    pub errors: Vec<PeerError>,
}

/// An error that a bot met on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerError {
    /// What sort of error.
    pub kind: PeerErrorKind,
    /// One sentence.
    pub message: String,
}

/// What sort of error a bot met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerErrorKind {
    /// The signaling server refused a message.
    Refused,
    /// The signaling server does not know the peer that a message was for; it may just have left.
    UnknownTarget,
    /// The other side broke the signaling protocol.
    Protocol,
    /// The WebRTC stack reported an error.
    Engine,
}
