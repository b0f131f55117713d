//! Two peer connections of the real stack, over a network in memory, repeat byte for byte from a seed.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod network;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use greenroom_determinism::Deterministic;
use network::{Datagram, Network, SimulatedRuntime};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState, Registry, SettingEngineBuilder, register_default_interceptors,
};

/// What a run leaves behind.
#[derive(Debug, Default, PartialEq)]
struct Record {
    descriptions: Vec<String>,
    candidates: Vec<(u8, String)>,
    sent: Vec<Datagram>,
    received: Vec<(Duration, String)>,
}

enum Event {
    Candidate(Box<RTCPeerConnectionIceEvent>),
    Connected,
    Track(Arc<dyn TrackRemote>),
    Data(Arc<dyn DataChannel>),
}

struct Callbacks(u8, mpsc::UnboundedSender<(u8, Event)>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Callbacks {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let _ = self.1.send((self.0, Event::Candidate(Box::new(event))));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            let _ = self.1.send((self.0, Event::Connected));
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.1.send((self.0, Event::Track(track)));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.1.send((self.0, Event::Data(channel)));
    }
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodecParameters {
    let (mime_type, clock_rate, channels, payload_type) = match kind {
        RtpCodecKind::Audio => (MIME_TYPE_OPUS, 48_000, 2, 111),
        _ => (MIME_TYPE_VP8, 90_000, 0, 96),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![],
        },
        payload_type,
    }
}

async fn connection(
    network: &Arc<Network>,
    shape: Shape,
    peer: u8,
    events: &mpsc::UnboundedSender<(u8, Event)>,
) -> Arc<dyn PeerConnection> {
    let mut media_engine = MediaEngine::default();
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        media_engine.register_codec(codec(kind), kind).unwrap();
    }
    let registry = register_default_interceptors(Registry::new(), &mut media_engine).unwrap();
    let settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
        .with_ice_connection_attempts(Some(Duration::from_millis(50)), Some(600))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .build();
    Arc::new(
        PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Callbacks(peer, events.clone())))
            .with_runtime(Arc::new(SimulatedRuntime::new(network, shape.in_turns)))
            .with_udp_addrs(vec![format!("10.0.0.{peer}:5000")])
            .build()
            .await
            .unwrap(),
    )
}

async fn add_track(
    connection: &Arc<dyn PeerConnection>,
    kind: RtpCodecKind,
    ssrc: u32,
) -> Arc<TrackLocalStaticRTP> {
    let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "stream".to_owned(),
        kind.to_string(),
        kind.to_string(),
        kind,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: codec(kind).rtp_codec,
            ..RTCRtpEncodingParameters::default()
        }],
    )));
    connection
        .add_track(Arc::clone(&track) as Arc<dyn TrackLocal>)
        .await
        .unwrap();
    track
}

async fn write(track: &TrackLocalStaticRTP, kind: RtpCodecKind, sequence: u16, timestamp: u32, marker: bool) {
    let header = rtp::Header {
        version: 2,
        marker,
        payload_type: codec(kind).payload_type,
        sequence_number: sequence,
        timestamp,
        ssrc: ssrc(kind),
        ..rtp::Header::default()
    };
    let size = if kind == RtpCodecKind::Video { 1_000 } else { 80 };
    let payload = Bytes::from(vec![sequence as u8; size]);
    track.write_rtp(rtp::Packet { header, payload }).await.unwrap();
}

fn ssrc(kind: RtpCodecKind) -> u32 {
    if kind == RtpCodecKind::Video { 1 } else { 2 }
}

#[derive(Clone, Copy)]
struct Shape {
    seed: u64,
    in_turns: bool,
    media: Duration,
}

/// A call of the length that was asked for, by a fresh thread.
fn call(shape: Shape) -> Record {
    thread::spawn(move || {
        let inside = Deterministic::enter(shape.seed, Duration::from_secs(1_800_000_000)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let record = runtime.block_on(async {
            let start = Instant::now();
            inside.follow(move || start.elapsed());
            let record = conversation(shape, start).await;
            inside.hold();
            record
        });
        drop(runtime);
        record
    })
    .join()
    .unwrap()
}

async fn conversation(shape: Shape, start: Instant) -> Record {
    let mut record = Record::default();
    let network = Network::new(Duration::from_millis(20), 20, shape.seed);
    let (event_tx, mut events) = mpsc::unbounded_channel();
    let caller = connection(&network, shape, 1, &event_tx).await;
    let callee = connection(&network, shape, 2, &event_tx).await;
    let video = add_track(&caller, RtpCodecKind::Video, ssrc(RtpCodecKind::Video)).await;
    let audio = add_track(&caller, RtpCodecKind::Audio, ssrc(RtpCodecKind::Audio)).await;
    let data = caller.create_data_channel("data", None).await.unwrap();

    let offer = caller.create_offer(None).await.unwrap();
    record.descriptions.push(offer.sdp.clone());
    caller.set_local_description(offer.clone()).await.unwrap();
    callee.set_remote_description(offer).await.unwrap();
    let answer = callee.create_answer(None).await.unwrap();
    record.descriptions.push(answer.sdp.clone());
    callee.set_local_description(answer.clone()).await.unwrap();
    caller.set_remote_description(answer).await.unwrap();

    let (received_tx, mut received) = mpsc::unbounded_channel();
    let mut connected = 0;
    let deadline = start + Duration::from_secs(20);
    while connected < 2 {
        let (peer, event) = tokio::time::timeout_at(deadline, events.recv())
            .await
            .unwrap()
            .unwrap();
        match event {
            Event::Candidate(event) => {
                let init = event.candidate.to_json().unwrap();
                record.candidates.push((peer, init.candidate.clone()));
                if !init.candidate.is_empty() {
                    let other = if peer == 1 { &callee } else { &caller };
                    other.add_ice_candidate(init).await.unwrap();
                }
            }
            Event::Connected => connected += 1,
            other => incoming(other, &received_tx, start),
        }
    }
    let event_task = tokio::spawn({
        let received_tx = received_tx.clone();
        async move {
            while let Some((_, event)) = events.recv().await {
                incoming(event, &received_tx, start);
            }
        }
    });

    let begin = Instant::now();
    let mut tick = 0_u16;
    while begin.elapsed() < shape.media {
        // 50 sound packets and 100 video packets a second.
        let ticks = u32::from(tick);
        write(&audio, RtpCodecKind::Audio, tick, ticks * 960, tick == 0).await;
        for part in 0..2 {
            write(
                &video,
                RtpCodecKind::Video,
                tick * 2 + part,
                ticks * 1_800,
                part == 1,
            )
            .await;
        }
        if tick.is_multiple_of(10) {
            // Not open yet at the very start, perhaps.
            let _ = data.try_send(BytesMut::from(&[tick as u8; 50][..])).await;
        }
        tick += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    caller.close().await.unwrap();
    callee.close().await.unwrap();
    event_task.abort();
    drop(received_tx);
    while let Ok(item) = received.try_recv() {
        record.received.push(item);
    }
    record.sent = network.sent();
    record
}

fn incoming(event: Event, received: &mpsc::UnboundedSender<(Duration, String)>, start: Instant) {
    let received = received.clone();
    match event {
        Event::Track(track) => {
            tokio::spawn(async move {
                while let Some(event) = track.poll().await {
                    if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                        let what = format!("rtp {} {}", packet.header.ssrc, packet.header.sequence_number);
                        let _ = received.send((start.elapsed(), what));
                    }
                }
            });
        }
        Event::Data(channel) => {
            tokio::spawn(async move {
                while let Some(event) = channel.poll().await {
                    if let DataChannelEvent::OnMessage(message) = event {
                        let _ = received.send((start.elapsed(), format!("data {}", message.data[0])));
                    }
                }
            });
        }
        Event::Candidate(_) | Event::Connected => {}
    }
}

/// Says where two records part.
#[track_caller]
fn assert_same(one: &Record, two: &Record) {
    assert_eq!(one.descriptions, two.descriptions);
    assert_eq!(one.candidates, two.candidates);
    for (index, (one, two)) in one.sent.iter().zip(&two.sent).enumerate() {
        assert_eq!(one, two, "datagram {index}");
    }
    assert_eq!(one.sent.len(), two.sent.len());
    assert_eq!(one.received, two.received);
}

const SHAPE: Shape = Shape {
    seed: 7,
    in_turns: true,
    media: Duration::from_secs(2),
};

#[test]
fn a_call_repeats_byte_for_byte() {
    let one = call(SHAPE);
    // 300 packets and 10 messages were sent, of which some are lost for good.
    assert!(one.received.len() > 290, "{} received", one.received.len());
    assert_same(&one, &call(SHAPE));
}

#[test]
fn another_seed_is_another_call() {
    let (one, two) = (call(SHAPE), call(Shape { seed: 8, ..SHAPE }));
    assert_ne!(one.descriptions, two.descriptions);
    assert_ne!(one.sent, two.sent);
}

/// Why the driver is polled in turns; when this fails, they can go.
#[test]
fn without_turns_the_order_within_a_driver_is_not_the_runs() {
    let shape = Shape {
        in_turns: false,
        ..SHAPE
    };
    let first = call(shape).sent;
    assert!((0..10).any(|_| call(shape).sent != first));
}
