//! The task behind one connection: commands in, stack events and packets in, engine events out.
//!
//! Owns the connection's life; descriptions and candidates are [`negotiation`](super::negotiation)'s. It ends when the handle is dropped, and then closes the stack's
//! connection explicitly, because the stack leaks its task and socket otherwise.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use greenroom_signaling::Candidate;
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use tokio::sync::mpsc;
use tokio::time::Instant;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::error::Error;
use webrtc::media_stream::track_local::TrackLocalEvent;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{PeerConnection, RTCPeerConnectionState, StatsSelector};

use super::WebrtcConfig;
use super::callbacks::{self, Callback, Callbacks};
use super::incoming::{self, Incoming};
use super::mapping::{self, LocalIce, Wording};
use super::outgoing::{self, Outgoing};
use super::outlet::Outlet;
use super::setup;
use crate::engine::{ConnectionSpec, EngineCommand, EngineEvent, EngineEventKind, MediaDirection};
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::packetize::EncodedFrame;
use crate::media::reassemble::Reassembled;
use crate::net::connecting::Connecting;

/// Runs one connection until its handle is dropped.
pub(super) async fn run(
    config: WebrtcConfig,
    spec: ConnectionSpec,
    mut commands: mpsc::Receiver<EngineCommand>,
    events: mpsc::Sender<EngineEvent>,
) {
    let outlet = Outlet { id: spec.id, events };
    let (callback_tx, mut called_back) = mpsc::channel(callbacks::CAPACITY);
    let connecting = Arc::<Connecting>::default();
    let built = setup::build(
        &config,
        &spec,
        Arc::new(Callbacks(callback_tx)),
        Arc::clone(&connecting),
    )
    .await;
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            outlet.error("creating the peer connection", &error).await;
            outlet.send(EngineEventKind::Closed).await;
            return;
        }
    };
    let mut outgoing = PerMedia::default();
    for track in built.outgoing {
        let media = track.media;
        *outgoing.get_mut(media) = Some(Outgoing::new(track));
    }
    let mut task = ConnectionTask {
        outlet,
        connection: built.connection,
        connecting,
        direction: spec.direction,
        outgoing,
        incoming: PerMedia::default(),
        data: built.data,
        data_open: false,
        reassembled: Vec::new(),
        local_ice: LocalIce::default(),
        wording: Wording::default(),
        gathers: false,
        remote_applied: false,
        early: VecDeque::new(),
    };
    loop {
        let gap = task.next_timeout();
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => task.command(command).await,
                None => break,
            },
            Some((at, callback)) = called_back.recv() => task.callback(at, callback).await,
            event = incoming::poll(task.incoming.video.as_ref()) => {
                task.remote_event(MediaKind::Video, event).await;
            }
            event = incoming::poll(task.incoming.audio.as_ref()) => {
                task.remote_event(MediaKind::Audio, event).await;
            }
            event = outgoing::poll(task.outgoing.video.as_ref()) => {
                task.local_event(MediaKind::Video, event).await;
            }
            event = outgoing::poll(task.outgoing.audio.as_ref()) => {
                task.local_event(MediaKind::Audio, event).await;
            }
            event = poll_data(task.data.as_ref()) => task.data_event(event).await,
            () = sleep_until(gap), if gap.is_some() => task.handle_timeout(Instant::now()).await,
        }
    }
    if let Err(error) = task.connection.close().await {
        log::debug!("closing connection {:?}: {error}", spec.id);
    }
    task.outlet.send(EngineEventKind::Closed).await;
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn poll_data(channel: Option<&Arc<dyn DataChannel>>) -> Option<DataChannelEvent> {
    match channel {
        Some(channel) => channel.poll().await,
        None => std::future::pending().await,
    }
}

/// One connection: its fields are shared with [`negotiation`](super::negotiation), which owns what descriptions change.
pub(super) struct ConnectionTask {
    pub(super) outlet: Outlet,
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) connecting: Arc<Connecting>,
    pub(super) direction: MediaDirection,
    pub(super) outgoing: PerMedia<Option<Outgoing>>,
    incoming: PerMedia<Option<Incoming>>,
    data: Option<Arc<dyn DataChannel>>,
    data_open: bool,
    reassembled: Vec<Reassembled>,
    pub(super) local_ice: LocalIce,
    pub(super) wording: Wording,
    /// Whether the end of the local description's candidates is still to be told. The stack also gathers for a rollback.
    pub(super) gathers: bool,
    pub(super) remote_applied: bool,
    pub(super) early: VecDeque<Candidate>,
}

impl ConnectionTask {
    async fn command(&mut self, command: EngineCommand) {
        let (step, result) = match command {
            EngineCommand::MakeOffer => ("createOffer", self.make_offer().await),
            EngineCommand::MakeAnswer(offer) => ("applying the offer", self.make_answer(offer).await),
            EngineCommand::ApplyAnswer(answer) => ("applying the answer", self.apply_answer(answer).await),
            EngineCommand::Rollback => ("rolling the offer back", self.roll_back().await),
            EngineCommand::RestartIce => ("restarting ICE", self.restart_ice().await),
            EngineCommand::AddCandidate(candidate) => {
                ("addIceCandidate", self.add_candidate(candidate).await)
            }
            EngineCommand::SendFrame(media, frame) => ("sending a frame", self.send(media, &frame).await),
            EngineCommand::SendData(message) => ("sending a message", self.send_data(message).await),
            EngineCommand::SendEstimate { bps } => ("sending a REMB", self.send_estimate(bps).await),
            EngineCommand::RequestKeyFrame => ("sending a PLI", self.request_key_frame().await),
            EngineCommand::ReportStats => return self.report_stats().await,
        };
        if let Err(error) = result {
            self.outlet.error(step, &error).await;
        }
    }

    async fn send(&mut self, media: MediaKind, frame: &EncodedFrame) -> Result<(), Error> {
        match self.outgoing.get_mut(media) {
            Some(track) => track.send(frame).await,
            None => Err(Error::Other(format!(
                "the connection has no outgoing {media} track"
            ))),
        }
    }

    async fn send_data(&self, message: Bytes) -> Result<(), Error> {
        match &self.data {
            // Not `send`, which waits for room: a bot that is ahead of its channel is told so.
            Some(channel) if self.data_open => channel.try_send(BytesMut::from(&message[..])).await,
            _ => Err(Error::Other("the data channel is not open".to_owned())),
        }
    }

    async fn request_key_frame(&self) -> Result<(), Error> {
        let Some(media_ssrc) = self.incoming.video.as_ref().map(Incoming::ssrc) else {
            return Ok(());
        };
        self.write_rtcp(Box::new(PictureLossIndication {
            sender_ssrc: 0,
            media_ssrc,
        }))
        .await
    }

    async fn send_estimate(&self, bps: u64) -> Result<(), Error> {
        let Some(ssrc) = self.incoming.video.as_ref().map(Incoming::ssrc) else {
            return Ok(());
        };
        self.write_rtcp(Box::new(ReceiverEstimatedMaximumBitrate {
            sender_ssrc: 0,
            bitrate: bps as f32,
            ssrcs: vec![ssrc],
        }))
        .await
    }

    /// Sends RTCP about the incoming video.
    async fn write_rtcp(&self, packet: Box<dyn rtcp::Packet>) -> Result<(), Error> {
        match self.incoming.video.as_ref().and_then(Incoming::track) {
            Some(track) => track.write_rtcp(vec![packet]).await,
            None => Ok(()),
        }
    }

    async fn report_stats(&self) {
        let now = Instant::now().into_std();
        let report = self.connection.get_stats(now, StatsSelector::None).await;
        let mut stats = mapping::stats(&report);
        stats.video = self.incoming.video.as_ref().and_then(Incoming::stats);
        stats.audio = self.incoming.audio.as_ref().and_then(Incoming::stats);
        self.outlet.send(EngineEventKind::Stats(Box::new(stats))).await;
    }

    async fn callback(&mut self, at: Instant, callback: Callback) {
        let kind = match callback {
            Callback::Candidate(event) => match event.candidate.to_json() {
                Ok(init) if init.candidate.is_empty() => return,
                Ok(init) => EngineEventKind::LocalCandidate(self.local_ice.candidate(init)),
                Err(error) => return self.outlet.error("gathering a candidate", &error).await,
            },
            Callback::GatheringComplete if !std::mem::take(&mut self.gathers) => return,
            Callback::GatheringComplete => EngineEventKind::LocalEndOfCandidates {
                username_fragment: self.local_ice.username_fragment.clone(),
            },
            Callback::Ice(state) => EngineEventKind::Ice(mapping::ice_state(state)),
            Callback::Connection(state) => {
                if state == RTCPeerConnectionState::Connected {
                    self.connecting.open();
                }
                EngineEventKind::Connection(mapping::connection_state(state))
            }
            Callback::Track(track) => return self.take_track(track).await,
            Callback::Data(channel) => {
                self.data = Some(channel);
                return;
            }
        };
        self.outlet.send_at(at, kind).await;
    }

    async fn take_track(&mut self, track: Arc<dyn TrackRemote>) {
        match Incoming::new(track, self.direction.keeps_access_units()).await {
            Some(incoming) => {
                let media = incoming.media;
                *self.incoming.get_mut(media) = Some(incoming);
            }
            None => log::warn!("{:?}: a track in a codec that was never offered", self.outlet.id),
        }
    }

    async fn remote_event(&mut self, media: MediaKind, event: Option<TrackRemoteEvent>) {
        let Some(track) = self.incoming.get_mut(media) else {
            return;
        };
        match event {
            Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                let at = Instant::now();
                if track.packet(packet, at, &mut self.reassembled) {
                    self.outlet.send_at(at, EngineEventKind::FirstPacket(media)).await;
                }
                self.give_out(media).await;
            }
            Some(_) => {}
            None => track.ended(),
        }
    }

    /// When the patience with a missing packet ends.
    fn next_timeout(&self) -> Option<Instant> {
        let of = |track: &Option<Incoming>| track.as_ref().and_then(Incoming::next_timeout);
        [of(&self.incoming.video), of(&self.incoming.audio)]
            .into_iter()
            .flatten()
            .min()
    }

    async fn handle_timeout(&mut self, now: Instant) {
        for media in MediaKind::ALL {
            if let Some(track) = self.incoming.get_mut(media) {
                track.handle_timeout(now, &mut self.reassembled);
                self.give_out(media).await;
            }
        }
    }

    async fn give_out(&mut self, media: MediaKind) {
        for item in self.reassembled.drain(..) {
            let kind = match item {
                Reassembled::Frame(frame) => EngineEventKind::Frame(media, Box::new(frame)),
                Reassembled::Damaged { rtp_time, missing } => EngineEventKind::FrameDamaged {
                    media,
                    rtp_time,
                    missing,
                },
            };
            self.outlet.send(kind).await;
        }
    }

    async fn local_event(&mut self, media: MediaKind, event: Option<TrackLocalEvent>) {
        match event {
            Some(TrackLocalEvent::OnRtcpPacket(packets)) => {
                if packets
                    .iter()
                    .any(|packet| super::interceptor::asks_for_key_frame(packet.as_ref()))
                {
                    self.outlet.send(EngineEventKind::KeyFrameRequested).await;
                }
                for bps in packets
                    .iter()
                    .filter_map(|packet| super::interceptor::estimate(packet.as_ref()))
                {
                    self.outlet.send(EngineEventKind::Estimate { bps }).await;
                }
            }
            Some(_) => {}
            None => *self.outgoing.get_mut(media) = None,
        }
    }

    async fn data_event(&mut self, event: Option<DataChannelEvent>) {
        match event {
            Some(DataChannelEvent::OnOpen) => {
                self.data_open = true;
                self.outlet.send(EngineEventKind::DataOpen).await;
            }
            Some(DataChannelEvent::OnMessage(message)) => {
                self.outlet
                    .send(EngineEventKind::Data(message.data.freeze()))
                    .await;
            }
            Some(DataChannelEvent::OnClosing | DataChannelEvent::OnClose) => self.data_open = false,
            Some(_) => {}
            None => {
                self.data_open = false;
                self.data = None;
            }
        }
    }
}
