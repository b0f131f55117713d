//! The task behind one connection: commands in, stack events and packets in, engine events out.
//!
//! Owns the connection's life. It ends when the handle is dropped, and then closes the stack's
//! connection explicitly, because the stack leaks its task and socket otherwise.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use greenroom_signaling::{Candidate, Description};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use webrtc::error::Error;
use webrtc::media_stream::track_local::{TrackLocal as _, TrackLocalEvent};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCIceConnectionState, RTCIceGatheringState,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, StatsSelector,
};

use super::WebrtcConfig;
use super::mapping::{self, LocalIce};
use super::setup::{self, OutgoingTrack};
use crate::engine::{
    ConnectionId, ConnectionSpec, EngineCommand, EngineError, EngineEvent, EngineEventKind, MediaDirection,
};
use crate::media::codec::Codec;
use crate::media::packetize::EncodedFrame;
use crate::media::reassemble::{Reassembled, Reassembler, RtpPacket};
use crate::net::connecting::Connecting;

/// Remote candidates that may wait for the remote description.
const MAX_EARLY_CANDIDATES: usize = 64;

/// Callbacks of the stack that may wait for the task; there are a few dozen in a connection's life.
const CALLBACK_CAPACITY: usize = 256;

/// What the stack calls back with, on its own task: it is handed over and nothing else.
enum Callback {
    Candidate(Box<RTCPeerConnectionIceEvent>),
    GatheringComplete,
    Ice(RTCIceConnectionState),
    Connection(RTCPeerConnectionState),
    Track(Arc<dyn TrackRemote>),
}

struct Callbacks(mpsc::Sender<(Instant, Callback)>);

impl Callbacks {
    fn hand_over(&self, callback: Callback) {
        if self.0.try_send((Instant::now(), callback)).is_err() {
            log::debug!("a stack callback came after the connection had ended");
        }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Callbacks {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        self.hand_over(Callback::Candidate(Box::new(event)));
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.hand_over(Callback::GatheringComplete);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        self.hand_over(Callback::Ice(state));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.hand_over(Callback::Connection(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.hand_over(Callback::Track(track));
    }
}

/// Runs one connection until its handle is dropped.
pub(super) async fn run(
    config: WebrtcConfig,
    spec: ConnectionSpec,
    mut commands: mpsc::Receiver<EngineCommand>,
    events: mpsc::Sender<EngineEvent>,
) {
    let outlet = Outlet { id: spec.id, events };
    let (callback_tx, mut callbacks) = mpsc::channel(CALLBACK_CAPACITY);
    let connecting = Arc::<Connecting>::default();
    let built = setup::build(
        config,
        &spec,
        Arc::new(Callbacks(callback_tx)),
        Arc::clone(&connecting),
    )
    .await;
    let (connection, outgoing) = match built {
        Ok(built) => built,
        Err(error) => {
            outlet.error("creating the peer connection", &error).await;
            outlet.send(EngineEventKind::Closed).await;
            return;
        }
    };
    let keep = matches!(
        spec.direction,
        MediaDirection::ReceiveVideo {
            keep_access_units: true
        }
    );
    let mut task = ConnectionTask {
        outlet,
        connection,
        connecting,
        outgoing: outgoing.map(Sender::new),
        incoming: None,
        reassembler: Reassembler::new(Codec::H264, keep),
        reassembled: Vec::new(),
        local_ice: LocalIce::default(),
        remote_applied: false,
        early: VecDeque::new(),
        first_packet_seen: false,
    };
    loop {
        let gap = task.reassembler.next_timeout();
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => task.command(command).await,
                None => break,
            },
            Some((at, callback)) = callbacks.recv() => task.callback(at, callback).await,
            event = poll_remote(task.incoming.as_ref()) => task.remote_event(event).await,
            event = poll_local(task.outgoing.as_ref()) => task.local_event(event).await,
            () = sleep_until(gap), if gap.is_some() => {
                task.reassembler.handle_timeout(Instant::now(), &mut task.reassembled);
                task.give_out().await;
            }
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

async fn poll_remote(track: Option<&Arc<dyn TrackRemote>>) -> Option<TrackRemoteEvent> {
    match track {
        Some(track) => track.poll().await,
        None => std::future::pending().await,
    }
}

async fn poll_local(sender: Option<&Sender>) -> Option<TrackLocalEvent> {
    match sender {
        Some(sender) if sender.payload_type.is_some() => sender.outgoing.track.poll().await,
        _ => std::future::pending().await,
    }
}

/// Where a connection's events go.
struct Outlet {
    id: ConnectionId,
    events: mpsc::Sender<EngineEvent>,
}

impl Outlet {
    async fn send(&self, kind: EngineEventKind) {
        self.send_at(Instant::now(), kind).await;
    }

    async fn send_at(&self, at: Instant, kind: EngineEventKind) {
        // The bot is gone when this fails; the handle's drop ends the task right after.
        let _ = self
            .events
            .send(EngineEvent {
                connection: self.id,
                at,
                kind,
            })
            .await;
    }

    async fn error(&self, step: &'static str, error: &Error) {
        let reason = error.to_string();
        self.send(EngineEventKind::Error(EngineError::Step { step, reason }))
            .await;
    }
}

/// The sending half of a connection.
struct Sender {
    outgoing: OutgoingTrack,
    /// Known once the answer is applied.
    payload_type: Option<u8>,
    sequence: u16,
}

impl Sender {
    fn new(outgoing: OutgoingTrack) -> Self {
        let sequence = outgoing.sequence;
        Self {
            outgoing,
            payload_type: None,
            sequence,
        }
    }

    async fn negotiated(&mut self) -> Result<(), Error> {
        let Some(sender) = self.outgoing.transceiver.sender().await? else {
            return Ok(());
        };
        let parameters = sender.get_parameters().await?;
        self.payload_type = parameters
            .rtp_parameters
            .codecs
            .first()
            .map(|codec| codec.payload_type);
        Ok(())
    }

    async fn send(&mut self, frame: &EncodedFrame) -> Result<(), Error> {
        let Some(payload_type) = self.payload_type else {
            return Err(Error::Other(
                "no codec was negotiated for the outgoing track".to_owned(),
            ));
        };
        let timestamp = (frame.media_time as u32).wrapping_add(self.outgoing.timestamp_offset);
        let last = frame.payloads.len().saturating_sub(1);
        for (index, payload) in frame.payloads.iter().enumerate() {
            let header = rtp::Header {
                version: 2,
                marker: index == last,
                payload_type,
                sequence_number: self.sequence,
                timestamp,
                ssrc: self.outgoing.ssrc,
                ..rtp::Header::default()
            };
            self.sequence = self.sequence.wrapping_add(1);
            self.outgoing
                .track
                .write_rtp(rtp::Packet {
                    header,
                    payload: Bytes::clone(payload),
                })
                .await?;
        }
        Ok(())
    }
}

struct ConnectionTask {
    outlet: Outlet,
    connection: Arc<dyn PeerConnection>,
    connecting: Arc<Connecting>,
    outgoing: Option<Sender>,
    incoming: Option<Arc<dyn TrackRemote>>,
    reassembler: Reassembler,
    reassembled: Vec<Reassembled>,
    local_ice: LocalIce,
    remote_applied: bool,
    early: VecDeque<Candidate>,
    first_packet_seen: bool,
}

impl ConnectionTask {
    async fn command(&mut self, command: EngineCommand) {
        let (step, result) = match command {
            EngineCommand::MakeOffer => ("createOffer", self.make_offer().await),
            EngineCommand::MakeAnswer(offer) => ("applying the offer", self.make_answer(offer).await),
            EngineCommand::ApplyAnswer(answer) => ("applying the answer", self.apply_answer(answer).await),
            EngineCommand::AddCandidate(candidate) => {
                ("addIceCandidate", self.add_candidate(candidate).await)
            }
            EngineCommand::SendFrame(frame) => match &mut self.outgoing {
                Some(sender) => ("sending a frame", sender.send(&frame).await),
                None => return,
            },
            EngineCommand::RequestKeyFrame => ("sending a PLI", self.request_key_frame().await),
            EngineCommand::ReportStats => return self.report_stats().await,
        };
        if let Err(error) = result {
            self.outlet.error(step, &error).await;
        }
    }

    async fn make_offer(&mut self) -> Result<(), Error> {
        let offer = self.connection.create_offer(None).await?;
        self.set_local(offer).await
    }

    async fn make_answer(&mut self, offer: Description) -> Result<(), Error> {
        self.set_remote(offer).await?;
        let answer = self.connection.create_answer(None).await?;
        self.set_local(answer).await
    }

    async fn apply_answer(&mut self, answer: Description) -> Result<(), Error> {
        self.set_remote(answer).await?;
        match &mut self.outgoing {
            Some(sender) => sender.negotiated().await,
            None => Ok(()),
        }
    }

    async fn set_local(
        &mut self,
        description: webrtc::peer_connection::RTCSessionDescription,
    ) -> Result<(), Error> {
        let signaled = mapping::from_stack(&description);
        self.local_ice = LocalIce::of(&signaled.sdp);
        // Signaled before it is applied: candidates follow at once and must not overtake it (RFC 8838 section 4.3).
        self.outlet
            .send(EngineEventKind::LocalDescription(signaled))
            .await;
        self.connection.set_local_description(description).await
    }

    async fn set_remote(&mut self, description: Description) -> Result<(), Error> {
        self.connection
            .set_remote_description(mapping::to_stack(description)?)
            .await?;
        self.remote_applied = true;
        self.outlet.send(EngineEventKind::RemoteDescriptionApplied).await;
        while let Some(candidate) = self.early.pop_front() {
            self.add_candidate(candidate).await?;
        }
        Ok(())
    }

    async fn add_candidate(&mut self, candidate: Candidate) -> Result<(), Error> {
        if self.remote_applied {
            let candidate = mapping::candidate_to_stack(candidate);
            let added = self.connection.add_ice_candidate(candidate).await;
            self.connecting.nudge();
            return added;
        }
        if self.early.len() == MAX_EARLY_CANDIDATES {
            return Err(Error::Other(format!(
                "more than {MAX_EARLY_CANDIDATES} candidates before a description"
            )));
        }
        self.early.push_back(candidate);
        self.outlet.send(EngineEventKind::CandidateQueued).await;
        Ok(())
    }

    async fn request_key_frame(&self) -> Result<(), Error> {
        let Some(track) = &self.incoming else {
            return Ok(());
        };
        let media_ssrc = track.ssrcs().await.first().copied().unwrap_or(0);
        track
            .write_rtcp(vec![Box::new(PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc,
            })])
            .await
    }

    async fn report_stats(&self) {
        let now = Instant::now().into_std();
        let report = self.connection.get_stats(now, StatsSelector::None).await;
        let mut stats = mapping::stats(&report);
        if self.first_packet_seen {
            stats.received = Some(self.reassembler.stats());
        }
        self.outlet.send(EngineEventKind::Stats(Box::new(stats))).await;
    }

    async fn callback(&mut self, at: Instant, callback: Callback) {
        let kind = match callback {
            Callback::Candidate(event) => match event.candidate.to_json() {
                Ok(init) if init.candidate.is_empty() => return,
                Ok(init) => EngineEventKind::LocalCandidate(self.local_ice.candidate(init)),
                Err(error) => return self.outlet.error("gathering a candidate", &error).await,
            },
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
            Callback::Track(track) => {
                self.incoming = Some(track);
                return;
            }
        };
        self.outlet.send_at(at, kind).await;
    }

    async fn remote_event(&mut self, event: Option<TrackRemoteEvent>) {
        match event {
            Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                let at = Instant::now();
                if !self.first_packet_seen {
                    self.first_packet_seen = true;
                    self.outlet.send_at(at, EngineEventKind::FirstPacket).await;
                }
                let packet = RtpPacket {
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload,
                    at,
                };
                self.reassembler.packet(packet, &mut self.reassembled);
                self.give_out().await;
            }
            Some(_) => {}
            None => self.incoming = None,
        }
    }

    async fn give_out(&mut self) {
        for item in self.reassembled.drain(..) {
            let kind = match item {
                Reassembled::Frame(frame) => EngineEventKind::Frame(Box::new(frame)),
                Reassembled::Damaged { rtp_time, missing } => {
                    EngineEventKind::FrameDamaged { rtp_time, missing }
                }
            };
            self.outlet.send(kind).await;
        }
    }

    async fn local_event(&mut self, event: Option<TrackLocalEvent>) {
        match event {
            Some(TrackLocalEvent::OnRtcpPacket(packets)) => {
                if packets
                    .iter()
                    .any(|packet| super::interceptor::asks_for_key_frame(packet.as_ref()))
                {
                    self.outlet.send(EngineEventKind::KeyFrameRequested).await;
                }
            }
            Some(_) => {}
            None => {
                if let Some(sender) = &mut self.outgoing {
                    sender.payload_type = None;
                }
            }
        }
    }
}
