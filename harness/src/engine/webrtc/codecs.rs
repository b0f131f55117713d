//! How codecs stand in our descriptions: names, payload types, parameters and feedback.
//!
//! Owns which codecs a connection negotiates; it describes them and adds no track.

use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_VP8};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind, TYPE_RTCP_FB_GOOG_REMB,
};

use crate::engine::MediaDirection;
use crate::media::codec::Codec;
use crate::media::kind::MediaKind;

/// Codecs that a receiver accepts, the preferred one of each medium first.
const ACCEPTED: [Codec; 3] = [Codec::H264, Codec::Vp8, Codec::Opus];

/// Constrained baseline level 3.1, packetization mode 1 (RFC 6184 section 8.1; RFC 7742 section 6.2).
const H264_FMTP: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// The codecs that a connection negotiates, the preferred one of each medium first.
pub(super) fn negotiable(direction: &MediaDirection) -> Vec<Codec> {
    let opus = |audio: bool| audio.then_some(Codec::Opus);
    match *direction {
        MediaDirection::Send { video, audio, .. } => std::iter::once(video).chain(opus(audio)).collect(),
        MediaDirection::Receive { video: None, .. } => ACCEPTED.to_vec(),
        MediaDirection::Receive {
            video: Some(video), ..
        } => vec![video, Codec::Opus],
        // Our own first: a codec that only one side can make is still one that the other can take.
        MediaDirection::Call { video, audio, .. } => std::iter::once(video)
            .chain(
                ACCEPTED
                    .into_iter()
                    .filter(|codec| *codec != video && !codec.is_audio()),
            )
            .chain(opus(audio))
            .collect(),
    }
}

/// A codec under its payload type.
pub(super) fn parameters(codec: Codec) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: description(codec),
        payload_type: payload_type(codec),
    }
}

/// The codec that the stack calls so, such as `video/VP8`; `None` if greenroom does not know it.
pub(super) fn named(mime_type: &str) -> Option<Codec> {
    let (_, name) = mime_type.split_once('/')?;
    name.parse().ok()
}

pub(super) fn kind_of(media: MediaKind) -> RtpCodecKind {
    match media {
        MediaKind::Video => RtpCodecKind::Video,
        MediaKind::Audio => RtpCodecKind::Audio,
    }
}

/// Payload types of our offers: those that browsers use.
fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::H264 => 102,
        Codec::Vp8 => 96,
        Codec::Opus => 111,
    }
}

/// How a codec stands in our descriptions. NACK, PLI and FIR are added by the interceptors.
pub(super) fn description(codec: Codec) -> RTCRtpCodec {
    let (mime_type, channels, fmtp) = match codec {
        Codec::H264 => (MIME_TYPE_H264, 0, H264_FMTP),
        Codec::Vp8 => (MIME_TYPE_VP8, 0, ""),
        // RFC 7587 section 7: always two channels, whatever is sent.
        Codec::Opus => (MIME_TYPE_OPUS, 2, "minptime=10;useinbandfec=1"),
    };
    let estimates = RTCPFeedback {
        typ: TYPE_RTCP_FB_GOOG_REMB.to_owned(),
        parameter: String::new(),
    };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate: codec.clock_rate(),
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: if codec.is_audio() { vec![] } else { vec![estimates] },
    }
}
