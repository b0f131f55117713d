//! Builds one peer connection: codecs, interceptors, ICE settings, and the outgoing track.
//!
//! Owns the choice of what our offers and answers contain; it applies no description.

use std::sync::Arc;
use std::time::Duration;

use rtc::interceptor::Slot;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MediaEngine};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use webrtc::error::Result;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, Registry, SettingEngineBuilder,
    register_default_interceptors,
};

use super::WebrtcConfig;
use super::interceptor::KeyFrameRequests;
use crate::engine::{ConnectionSpec, MediaDirection};
use crate::media::rtp_time::VIDEO_CLOCK_RATE;
use crate::net::connecting::Connecting;
use crate::net::real::RealRuntime;

/// Payload type of H.264 in our offers.
const H264_PAYLOAD_TYPE: u8 = 102;

/// Constrained baseline level 3.1, packetization mode 1 (RFC 6184 section 8.1; RFC 7742 section 6.2).
const H264_FMTP: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// Interval of connectivity checks: Ta of RFC 8445 section 14.2.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Checks per pair before it fails: half a minute of them, because a viewer may wait for its answer.
const ICE_MAX_CHECKS: u16 = 600;

/// An outgoing track and what its packets need.
pub(super) struct OutgoingTrack {
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) transceiver: Arc<dyn webrtc::rtp_transceiver::RtpTransceiver>,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp_offset: u32,
}

/// A peer connection as the spec asks for it.
pub(super) async fn build(
    config: WebrtcConfig,
    spec: &ConnectionSpec,
    handler: Arc<dyn PeerConnectionEventHandler>,
    connecting: Arc<Connecting>,
) -> Result<(Arc<dyn PeerConnection>, Option<OutgoingTrack>)> {
    let codec = RTCRtpCodec {
        mime_type: MIME_TYPE_H264.to_owned(),
        clock_rate: VIDEO_CLOCK_RATE,
        channels: 0,
        sdp_fmtp_line: H264_FMTP.to_owned(),
        rtcp_feedback: vec![],
    };
    let mut media_engine = MediaEngine::default();
    media_engine.register_codec(
        RTCRtpCodecParameters {
            rtp_codec: codec.clone(),
            payload_type: H264_PAYLOAD_TYPE,
        },
        RtpCodecKind::Video,
    )?;
    let registry = register_default_interceptors(Registry::new(), &mut media_engine)?;
    // Last in the chain, so that every interceptor has seen the whole of the RTCP before.
    let registry = registry.with(Slot::from(14_000), KeyFrameRequests::default());
    let settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
        .with_ice_connection_attempts(Some(ICE_CHECK_INTERVAL), Some(ICE_MAX_CHECKS))
        // A check that overtakes the answer makes its sender peer-reflexive for good, although it is the
        // host candidate that is signaled right after; the default would hold such a pair back for a second.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .build();
    let connection: Arc<dyn PeerConnection> = Arc::new(
        PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings)
            .with_handler(handler)
            .with_runtime(Arc::new(RealRuntime::new(
                spec.tap.clone(),
                spec.impairment,
                connecting,
            )))
            .with_udp_addrs(vec![(config.bind, 0)])
            .build()
            .await?,
    );
    let outgoing = match spec.direction {
        MediaDirection::ReceiveVideo { .. } => None,
        MediaDirection::SendVideo => Some(add_track(config, spec, &connection, codec).await?),
    };
    Ok((connection, outgoing))
}

async fn add_track(
    config: WebrtcConfig,
    spec: &ConnectionSpec,
    connection: &Arc<dyn PeerConnection>,
    codec: RTCRtpCodec,
) -> Result<OutgoingTrack> {
    let random = mix(config.seed ^ mix(spec.id.0));
    let ssrc = (random as u32).max(1);
    let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "greenroom".to_owned(),
        "video".to_owned(),
        "video".to_owned(),
        RtpCodecKind::Video,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec,
            ..RTCRtpEncodingParameters::default()
        }],
    )));
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        ..RTCRtpTransceiverInit::default()
    };
    let local: Arc<dyn webrtc::media_stream::track_local::TrackLocal> = Arc::clone(&track) as _;
    let transceiver = connection.add_transceiver_from_track(local, Some(init)).await?;
    let more = mix(random);
    Ok(OutgoingTrack {
        track,
        transceiver,
        ssrc,
        // RFC 3711 section 3.3.1: a start in the lower half keeps the first roll-over unambiguous.
        sequence: (more as u16) & 0x7fff,
        timestamp_offset: (more >> 32) as u32,
    })
}

/// SplitMix64: seeds what RFC 3550 section 5.1 wants to be random, repeatably.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
