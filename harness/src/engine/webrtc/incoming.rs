//! The incoming tracks of a connection: RTP packets become frames again.
//!
//! Owns one reassembler per track. What a frame is worth is not its business.

use std::sync::Arc;

use rtc::rtp;
use tokio::time::Instant;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::codecs;
use crate::media::kind::MediaKind;
use crate::media::reassemble::{Reassembled, Reassembler, ReceiveStats, RtpPacket};

/// One incoming track.
pub(super) struct Incoming {
    pub(super) media: MediaKind,
    /// `None` once the track has ended.
    track: Option<Arc<dyn TrackRemote>>,
    ssrc: u32,
    reassembler: Reassembler,
    first_packet_seen: bool,
}

impl Incoming {
    /// A track of a codec that we know; `None` for any other.
    pub(super) async fn new(track: Arc<dyn TrackRemote>, keep_access_units: bool) -> Option<Self> {
        let ssrc = track.ssrcs().await.first().copied().unwrap_or(0);
        let codec = codecs::named(&track.codec(ssrc).await?.mime_type)?;
        Some(Self {
            media: codec.kind(),
            track: Some(track),
            ssrc,
            reassembler: Reassembler::new(codec, keep_access_units),
            first_packet_seen: false,
        })
    }

    pub(super) fn track(&self) -> Option<&Arc<dyn TrackRemote>> {
        self.track.as_ref()
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn ended(&mut self) {
        self.track = None;
    }

    /// Takes a packet; tells whether it is the first one.
    pub(super) fn packet(&mut self, packet: rtp::Packet, at: Instant, out: &mut Vec<Reassembled>) -> bool {
        let packet = RtpPacket {
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
            at,
        };
        self.reassembler.packet(packet, out);
        !std::mem::replace(&mut self.first_packet_seen, true)
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.reassembler.next_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Reassembled>) {
        self.reassembler.handle_timeout(now, out);
    }

    /// What was received; `None` before the first packet.
    pub(super) fn stats(&self) -> Option<ReceiveStats> {
        self.first_packet_seen.then(|| self.reassembler.stats())
    }
}

/// The next event of a track; never, when there is none.
pub(super) async fn poll(incoming: Option<&Incoming>) -> Option<TrackRemoteEvent> {
    match incoming.and_then(Incoming::track) {
        Some(track) => track.poll().await,
        None => std::future::pending().await,
    }
}
