//! The tracks of one connection of str0m: frames become RTP packets, and RTP packets frames.
//!
//! Owns sequence numbers and timestamps that go out, and the reassembly of what comes in. What a frame is worth is not
//! its business.

use std::sync::Arc;

use greenroom::engine::{ConnectionStats, EngineError, EngineEventKind};
use greenroom::media::codec::Codec;
use greenroom::media::kind::{MediaKind, PerMedia};
use greenroom::media::packetize::EncodedFrame;
use greenroom::media::reassemble::{Reassembled, Reassembler, RtpPacket};
use str0m::Rtc;
use str0m::bwe::Bitrate;
use str0m::media::{KeyframeRequestKind, Mid, Pt};
use str0m::rtp::RtpWrite;
use tokio::time::Instant;

struct Outgoing {
    mid: Mid,
    sequence: u64,
}

struct Incoming {
    mid: Option<Mid>,
    reassembler: Reassembler,
}

/// Both tracks, each way.
pub(crate) struct Media {
    keep_access_units: bool,
    outgoing: PerMedia<Option<Outgoing>>,
    incoming: PerMedia<Option<Incoming>>,
    ready: Vec<EngineEventKind>,
    packets_sent: u64,
    bytes_sent: u64,
}

impl Media {
    pub(crate) fn new(keep_access_units: bool) -> Self {
        Self {
            keep_access_units,
            outgoing: PerMedia::default(),
            incoming: PerMedia::default(),
            ready: Vec::new(),
            packets_sent: 0,
            bytes_sent: 0,
        }
    }

    /// A track that was offered.
    pub(crate) fn outgoing(&mut self, media: MediaKind, mid: Mid) {
        *self.outgoing.get_mut(media) = Some(Outgoing { mid, sequence: 1 });
    }

    pub(crate) fn send(
        &mut self,
        rtc: &mut Rtc,
        media: MediaKind,
        frame: &EncodedFrame,
    ) -> Result<(), EngineError> {
        let refused = |reason: &str| EngineError::Step {
            step: "sending a frame",
            reason: reason.to_owned(),
        };
        let track = self.outgoing.get_mut(media).as_mut();
        let track = track.ok_or_else(|| refused("there is no such track"))?;
        let payload_type = negotiated(rtc, track.mid).ok_or_else(|| refused("no codec was negotiated"))?;
        let now = Instant::now().into_std();
        let mut api = rtc.direct_api();
        let stream = api.stream_tx_by_mid(track.mid, None);
        let stream = stream.ok_or_else(|| refused("the track was not negotiated"))?;
        let last = frame.payloads.len().saturating_sub(1);
        for (index, payload) in frame.payloads.iter().enumerate() {
            let marker = match media {
                MediaKind::Video => index == last,
                MediaKind::Audio => frame.index == 0,
            };
            let sequence = track.sequence.into();
            track.sequence += 1;
            self.packets_sent += 1;
            self.bytes_sent += payload.len() as u64;
            let bytes: Arc<[u8]> = Arc::from(&payload[..]);
            let write = RtpWrite::new(payload_type, sequence, frame.media_time as u32, now, bytes);
            stream.write_rtp(write.marker(marker).nackable(media == MediaKind::Video));
        }
        Ok(())
    }

    /// Takes a packet; gives its medium if it is the first one of it.
    pub(crate) fn receive(&mut self, rtc: &mut Rtc, packet: &str0m::rtp::RtpPacket) -> Option<MediaKind> {
        let codec = codec_of(rtc, packet.header.payload_type)?;
        let mid = rtc
            .direct_api()
            .stream_rx(&packet.header.ssrc)
            .map(|stream| stream.mid());
        let media = codec.kind();
        let slot = self.incoming.get_mut(media);
        let first = slot.is_none().then_some(media);
        let keep_access_units = self.keep_access_units;
        let track = slot.get_or_insert_with(|| Incoming {
            mid,
            reassembler: Reassembler::new(codec, keep_access_units),
        });
        let mut done = Vec::new();
        let packet = RtpPacket {
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload.to_vec().into(),
            at: Instant::from_std(packet.timestamp),
        };
        track.reassembler.packet(packet, &mut done);
        self.ready.extend(done.into_iter().map(|item| told(media, item)));
        first
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let of = |track: &Option<Incoming>| track.as_ref().and_then(|track| track.reassembler.next_timeout());
        [of(&self.incoming.video), of(&self.incoming.audio)]
            .into_iter()
            .flatten()
            .min()
    }

    /// The frames that are complete or given up by now.
    pub(crate) fn frames(&mut self, now: Instant) -> Vec<EngineEventKind> {
        for media in MediaKind::ALL {
            let mut done = Vec::new();
            if let Some(track) = self.incoming.get_mut(media) {
                track.reassembler.handle_timeout(now, &mut done);
            }
            self.ready.extend(done.into_iter().map(|item| told(media, item)));
        }
        std::mem::take(&mut self.ready)
    }

    pub(crate) fn request_key_frame(&self, rtc: &mut Rtc) {
        if let Some(mid) = self.video()
            && let Some(stream) = rtc.direct_api().stream_rx_by_mid(mid, None)
        {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    pub(crate) fn send_estimate(&self, rtc: &mut Rtc, bps: u64) {
        if let Some(mid) = self.video()
            && let Some(stream) = rtc.direct_api().stream_rx_by_mid(mid, None)
        {
            stream.request_remb(Bitrate::from(bps));
        }
    }

    fn video(&self) -> Option<Mid> {
        self.incoming.video.as_ref().and_then(|track| track.mid)
    }

    /// What was counted here; str0m's own counts of NACK and PLI are not asked for.
    pub(crate) fn stats(&self) -> ConnectionStats {
        let of = |track: &Option<Incoming>| track.as_ref().map(|track| track.reassembler.stats());
        ConnectionStats {
            video: of(&self.incoming.video),
            audio: of(&self.incoming.audio),
            packets_sent: self.packets_sent,
            bytes_sent: self.bytes_sent,
            ..ConnectionStats::default()
        }
    }
}

fn told(media: MediaKind, item: Reassembled) -> EngineEventKind {
    match item {
        Reassembled::Frame(frame) => EngineEventKind::Frame(media, Box::new(frame)),
        Reassembled::Damaged { rtp_time, missing } => EngineEventKind::FrameDamaged {
            media,
            rtp_time,
            missing,
        },
    }
}

/// The codec of a payload type; `None` for retransmissions and whatever greenroom does not know.
fn codec_of(rtc: &Rtc, payload_type: Pt) -> Option<Codec> {
    let params = rtc.codec_config().find(|params| params.pt() == payload_type)?;
    match params.spec().codec {
        str0m::format::Codec::H264 => Some(Codec::H264),
        str0m::format::Codec::Vp8 => Some(Codec::Vp8),
        str0m::format::Codec::Opus => Some(Codec::Opus),
        _ => None,
    }
}

/// The payload type that the answer prefers.
fn negotiated(rtc: &Rtc, mid: Mid) -> Option<Pt> {
    let accepted = rtc.media(mid)?.remote_pts();
    accepted.iter().copied().find(|pt| codec_of(rtc, *pt).is_some())
}
