//! Builds one peer connection: interceptors, ICE settings, outgoing tracks, the data channel.
//!
//! Owns the choice of what our offers and answers contain; it applies no description.

use std::sync::Arc;
use std::time::Duration;

use rtc::data_channel::RTCDataChannelInit;
use rtc::interceptor::Slot;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::{
    RTCConfiguration, RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy,
};
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use webrtc::data_channel::DataChannel;
use webrtc::error::Result;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, Registry, SettingEngineBuilder,
    register_default_interceptors,
};

use super::WebrtcConfig;
use super::codecs;
use super::interceptor::Feedback;
use crate::engine::{ConnectionSpec, IceServers, MediaDirection};
use crate::media::codec::Codec;
use crate::media::kind::MediaKind;
use crate::net::connecting::Connecting;
use crate::net::model::Random;
use crate::net::watched::WatchedRuntime;

/// Label of our data channel.
const DATA_LABEL: &str = "greenroom";

/// Interval of connectivity checks: Ta of RFC 8445 section 14.2.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Checks per pair before it fails: half a minute of them, because a viewer may wait for its answer.
const ICE_MAX_CHECKS: u16 = 600;

/// What is built.
pub(super) struct Built {
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) outgoing: Vec<OutgoingTrack>,
    pub(super) data: Option<Arc<dyn DataChannel>>,
}

/// An outgoing track and what its packets need.
pub(super) struct OutgoingTrack {
    pub(super) media: MediaKind,
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) transceiver: Arc<dyn webrtc::rtp_transceiver::RtpTransceiver>,
    pub(super) codec: Codec,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp_offset: u32,
}

/// A peer connection as the spec asks for it.
pub(super) async fn build(
    config: &WebrtcConfig,
    spec: &ConnectionSpec,
    handler: Arc<dyn PeerConnectionEventHandler>,
    connecting: Arc<Connecting>,
) -> Result<Built> {
    let mut media_engine = MediaEngine::default();
    for codec in codecs::negotiable(&spec.direction) {
        media_engine.register_codec(codecs::parameters(codec), codecs::kind_of(codec.kind()))?;
    }
    let registry = register_default_interceptors(Registry::new(), &mut media_engine)?;
    // Last in the chain, so that every interceptor has seen the whole of the RTCP before.
    let registry = registry.with(Slot::from(14_000), Feedback::default());
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
            .with_runtime(Arc::new(WatchedRuntime::new(
                config.ports.runtime(super::number_of(spec), &connecting),
                spec.tap.clone(),
                // The simulated network has links of its own.
                (
                    spec.impairment.filter(|_| !config.ports.is_simulated()),
                    spec.filter.clone(),
                ),
                connecting,
            )))
            .with_configuration(configuration(&config.ice))
            .with_udp_addrs(vec![spec.bind.unwrap_or_else(|| (config.bind, 0).into())])
            .build()
            .await?,
    );
    let mut outgoing = Vec::new();
    if let Some((video, audio)) = spec.direction.outgoing() {
        outgoing.push(add_track(config, spec, &connection, video).await?);
        if audio {
            outgoing.push(add_track(config, spec, &connection, Codec::Opus).await?);
        }
    }
    let data = match spec.direction {
        MediaDirection::Send { data: true, .. } => {
            Some(connection.create_data_channel(DATA_LABEL, None).await?)
        }
        MediaDirection::Call { data: true, .. } => {
            let agreed = RTCDataChannelInit {
                negotiated: Some(0),
                ..RTCDataChannelInit::default()
            };
            Some(connection.create_data_channel(DATA_LABEL, Some(agreed)).await?)
        }
        _ => None,
    };
    Ok(Built {
        connection,
        outgoing,
        data,
    })
}

/// Gives a connection that only receives something to offer: a recvonly transceiver of each medium.
pub(super) async fn add_receivers(connection: &Arc<dyn PeerConnection>) -> Result<()> {
    for media in MediaKind::ALL {
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Recvonly,
            ..RTCRtpTransceiverInit::default()
        };
        connection
            .add_transceiver_from_kind(codecs::kind_of(media), Some(init))
            .await?;
    }
    Ok(())
}

fn configuration(ice: &IceServers) -> RTCConfiguration {
    let stun = ice.stun.iter().map(|url| RTCIceServer {
        urls: vec![url.clone()],
        ..RTCIceServer::default()
    });
    let turn = ice.turn.iter().map(|server| RTCIceServer {
        urls: vec![server.url.clone()],
        username: server.user.clone(),
        credential: server.password.expose().to_owned(),
    });
    let policy = if ice.relay_only {
        RTCIceTransportPolicy::Relay
    } else {
        RTCIceTransportPolicy::All
    };
    RTCConfigurationBuilder::new()
        .with_ice_servers(stun.chain(turn).collect())
        .with_ice_transport_policy(policy)
        .build()
}

async fn add_track(
    config: &WebrtcConfig,
    spec: &ConnectionSpec,
    connection: &Arc<dyn PeerConnection>,
    codec: Codec,
) -> Result<OutgoingTrack> {
    let media = codec.kind();
    let name = media.to_string();
    // Each track of each connection draws from its own seed.
    let salt = match media {
        MediaKind::Video => 0,
        MediaKind::Audio => 1 << 63,
    };
    let random = drawn(config.seed ^ drawn(spec.id.0 ^ salt));
    let ssrc = (random as u32).max(1);
    let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "greenroom".to_owned(),
        name.clone(),
        name,
        codecs::kind_of(media),
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: codecs::description(codec),
            ..RTCRtpEncodingParameters::default()
        }],
    )));
    let both_ways = matches!(spec.direction, MediaDirection::Call { .. });
    let init = RTCRtpTransceiverInit {
        direction: if both_ways {
            RTCRtpTransceiverDirection::Sendrecv
        } else {
            RTCRtpTransceiverDirection::Sendonly
        },
        ..RTCRtpTransceiverInit::default()
    };
    let local: Arc<dyn webrtc::media_stream::track_local::TrackLocal> = Arc::clone(&track) as _;
    let transceiver = connection.add_transceiver_from_track(local, Some(init)).await?;
    if both_ways {
        // The stack would take the track's codec for the only one that may come in as well.
        let preferred = codecs::negotiable(&spec.direction)
            .into_iter()
            .filter(|codec| codec.kind() == media);
        transceiver
            .set_codec_preferences(preferred.map(codecs::parameters).collect())
            .await?;
    }
    let more = drawn(random);
    Ok(OutgoingTrack {
        media,
        track,
        transceiver,
        codec,
        ssrc,
        // RFC 3711 section 3.3.1: a start in the lower half keeps the first roll-over unambiguous.
        sequence: (more as u16) & 0x7fff,
        timestamp_offset: (more >> 32) as u32,
    })
}

/// Seeds what RFC 3550 section 5.1 wants to be random, repeatably.
fn drawn(seed: u64) -> u64 {
    Random::new(seed).bits()
}
