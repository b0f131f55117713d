//! The webrtc crate as a judge, by `rtc`, the core that makes and reads its descriptions.
//!
//! Owns peer connections that have no socket: the core does no I/O, and nobody drives it beyond the descriptions.

use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine,
};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::time::Instant;

use super::stack::{Offered, Shape, Verdict, judged};

/// An offer of this shape.
pub(crate) fn offer(shape: &Shape) -> Offered {
    let opus = shape.audio.then(opus);
    let codecs: Vec<_> = opus.into_iter().chain([video(shape.video)]).collect();
    let mut peer = peer(&codecs);
    for (ssrc, (kind, codec)) in (1_000..).zip(&codecs) {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: codec.rtp_codec.clone(),
            ..RTCRtpEncodingParameters::default()
        };
        let name = |what: &str| format!("{what}{ssrc}");
        let track = MediaStreamTrack::new(
            "greenroom".to_owned(),
            name("track"),
            name("label"),
            *kind,
            vec![encoding],
        );
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            ..RTCRtpTransceiverInit::default()
        };
        peer.add_transceiver_from_track(track, Some(init)).unwrap();
    }
    if shape.data {
        peer.create_data_channel("greenroom", None).unwrap();
    }
    let offer = peer.create_offer(None).unwrap();
    let sdp = offer.sdp.clone();
    peer.set_local_description(now(), offer).unwrap();
    Offered::new(sdp, move |answer| apply_answer(&mut peer, answer))
}

/// A fresh peer's answer to an offer, applied by the peer itself too.
pub(crate) fn answer(offer: &str) -> Result<String, String> {
    judged(|| {
        let mut peer = peer(&[opus(), video("VP8"), video("H264")]);
        let offer = RTCSessionDescription::offer(offer.to_owned()).map_err(|error| error.to_string())?;
        peer.set_remote_description(now(), offer)
            .map_err(|error| format!("setRemoteDescription: {error}"))?;
        let answer = peer
            .create_answer(None)
            .map_err(|error| format!("createAnswer: {error}"))?;
        let sdp = answer.sdp.clone();
        peer.set_local_description(now(), answer)
            .map_err(|error| format!("setLocalDescription: {error}"))?;
        Ok(sdp)
    })
}

fn apply_answer(peer: &mut RTCPeerConnection, answer: &str) -> Verdict {
    let answer = RTCSessionDescription::answer(answer.to_owned()).map_err(|error| error.to_string())?;
    peer.set_remote_description(now(), answer)
        .map_err(|error| error.to_string())
}

fn peer(codecs: &[(RtpCodecKind, RTCRtpCodecParameters)]) -> RTCPeerConnection {
    let mut media = MediaEngine::default();
    for (kind, codec) in codecs {
        media.register_codec(codec.clone(), *kind).unwrap();
    }
    let registry = register_default_interceptors(Registry::new(), &mut media).unwrap();
    RTCPeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .build(now())
        .unwrap()
}

fn opus() -> (RtpCodecKind, RTCRtpCodecParameters) {
    let codec = codec(MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1");
    (RtpCodecKind::Audio, numbered(codec, 111))
}

fn video(name: &str) -> (RtpCodecKind, RTCRtpCodecParameters) {
    const CONSTRAINED_BASELINE: &str =
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    let codec = match name {
        "VP8" => numbered(codec(MIME_TYPE_VP8, 90_000, 0, ""), 96),
        _ => numbered(codec(MIME_TYPE_H264, 90_000, 0, CONSTRAINED_BASELINE), 102),
    };
    (RtpCodecKind::Video, codec)
}

fn codec(mime_type: &str, clock_rate: u32, channels: u16, fmtp: &str) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: vec![],
    }
}

fn numbered(rtp_codec: RTCRtpCodec, payload_type: u8) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec,
        payload_type,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
