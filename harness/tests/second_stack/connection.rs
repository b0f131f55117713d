//! The task behind one connection of str0m: commands, datagrams and time in, datagrams and engine events out.
//!
//! Owns the connection's life; packets are [`media`](super::media)'s. str0m has neither clock nor socket, so the task
//! gives it tokio's and the port that the run gave.

use std::collections::VecDeque;
use std::sync::Arc;

use greenroom::engine::{
    ConnectionSpec, ConnectionState, EngineCommand, EngineError, EngineEvent, EngineEventKind, EngineSetting,
    IceConnectionState, MediaDirection,
};
use greenroom::media::codec::Codec;
use greenroom::media::kind::MediaKind;
use greenroom::net::ports::Port;
use greenroom::signaling::{Candidate, Description, SdpType};
use str0m::bwe::BweKind;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind as Str0mKind};
use str0m::net::{Protocol, Receive};
use str0m::{Event, Input, Output, Rtc, RtcConfig};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::media::Media;

/// Runs one connection until its handle is dropped.
pub(crate) async fn run(
    setting: Arc<EngineSetting>,
    spec: ConnectionSpec,
    mut commands: mpsc::Receiver<EngineCommand>,
    events: mpsc::Sender<EngineEvent>,
) {
    let mut port = match setting.open_port(&spec) {
        Ok(port) => port,
        Err(error) => {
            let error = failed("binding a port")(error);
            for kind in [EngineEventKind::Error(error), EngineEventKind::Closed] {
                let _ = events.send(event(&spec, kind)).await;
            }
            return;
        }
    };
    let mut task = Task::new(spec, events, &port);
    task.pump(&port).await;
    loop {
        let due = task.due;
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => {
                    if let Err(error) = task.command(command).await {
                        task.tell(EngineEventKind::Error(error)).await;
                    }
                }
                None => break,
            },
            received = port.receive() => {
                if let Ok((from, bytes)) = received {
                    task.datagram(from, port.local_addr(), &bytes);
                }
            }
            () = tokio::time::sleep_until(due) => task.input(Input::Timeout(due.into_std())),
        }
        task.pump(&port).await;
    }
    let _ = task.rtc.close();
    task.pump(&port).await;
    task.tell(EngineEventKind::Closed).await;
}

fn event(spec: &ConnectionSpec, kind: EngineEventKind) -> EngineEvent {
    EngineEvent {
        connection: spec.id,
        at: Instant::now(),
        kind,
    }
}

/// A step that did not succeed, in the words of str0m.
fn failed<E: std::fmt::Display>(step: &'static str) -> impl Fn(E) -> EngineError {
    move |error| EngineError::Step {
        step,
        reason: error.to_string(),
    }
}

struct Task {
    spec: ConnectionSpec,
    events: mpsc::Sender<EngineEvent>,
    rtc: Rtc,
    media: Media,
    due: Instant,
    pending: Option<SdpPendingOffer>,
    channel: Option<ChannelId>,
    remote_applied: bool,
    early: VecDeque<Candidate>,
}

impl Task {
    fn new(spec: ConnectionSpec, events: mpsc::Sender<EngineEvent>, port: &Port) -> Self {
        let now = Instant::now();
        let (codecs, keep_access_units) = match spec.direction {
            MediaDirection::Send { video, .. } => (vec![video, Codec::Opus], false),
            MediaDirection::Receive {
                keep_access_units, ..
            } => (Codec::ALL.to_vec(), keep_access_units),
            // Refused with the first command.
            MediaDirection::Call { .. } => (Vec::new(), false),
        };
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()))
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_h264(codecs.contains(&Codec::H264))
            .enable_vp8(codecs.contains(&Codec::Vp8))
            .enable_opus(true, false)
            .build(now.into_std());
        if let Ok(host) = str0m::Candidate::host(port.local_addr(), Protocol::Udp) {
            rtc.add_local_candidate(host);
        }
        Self {
            spec,
            events,
            rtc,
            media: Media::new(keep_access_units),
            due: now,
            pending: None,
            channel: None,
            remote_applied: false,
            early: VecDeque::new(),
        }
    }

    async fn tell(&self, kind: EngineEventKind) {
        let _ = self.events.send(event(&self.spec, kind)).await;
    }

    async fn command(&mut self, command: EngineCommand) -> Result<(), EngineError> {
        if matches!(self.spec.direction, MediaDirection::Call { .. }) {
            return Err(failed("negotiating")(
                "this engine sends or receives; a call does both",
            ));
        }
        match command {
            EngineCommand::Rollback => Err(failed("rolling the offer back")("this engine has no rollback")),
            EngineCommand::RestartIce => Err(failed("restarting ICE")("this engine does not restart ICE")),
            EngineCommand::MakeOffer => self.offer().await,
            EngineCommand::MakeAnswer(offer) => self.answer(offer).await,
            EngineCommand::ApplyAnswer(answer) => self.apply(answer).await,
            EngineCommand::AddCandidate(candidate) => self.candidate(candidate).await,
            EngineCommand::SendFrame(media, frame) => self.media.send(&mut self.rtc, media, &frame),
            EngineCommand::SendData(message) => {
                let channel = self.channel.and_then(|id| self.rtc.channel(id));
                let mut channel = channel.ok_or(EngineError::Step {
                    step: "sending a message",
                    reason: "the data channel is not open".to_owned(),
                })?;
                let sent = channel.write(true, &message);
                sent.map(|_| ()).map_err(failed("sending a message"))
            }
            EngineCommand::SendEstimate { bps } => {
                self.media.send_estimate(&mut self.rtc, bps);
                Ok(())
            }
            EngineCommand::RequestKeyFrame => {
                self.media.request_key_frame(&mut self.rtc);
                Ok(())
            }
            EngineCommand::ReportStats => {
                self.tell(EngineEventKind::Stats(Box::new(self.media.stats())))
                    .await;
                Ok(())
            }
        }
    }

    async fn offer(&mut self) -> Result<(), EngineError> {
        let MediaDirection::Send { audio, data, .. } = self.spec.direction else {
            return Err(failed("createOffer")("this engine's viewers answer"));
        };
        let mut changes = self.rtc.sdp_api();
        let mut add = |kind, track: &str| {
            let (stream, track) = (Some("greenroom".to_owned()), Some(track.to_owned()));
            changes.add_media(kind, Direction::SendOnly, stream, track, None)
        };
        self.media
            .outgoing(MediaKind::Video, add(Str0mKind::Video, "video"));
        if audio {
            self.media
                .outgoing(MediaKind::Audio, add(Str0mKind::Audio, "audio"));
        }
        if data {
            changes.add_channel("greenroom".to_owned());
        }
        let made = changes.apply().ok_or("there is nothing to offer");
        let (offer, pending) = made.map_err(failed("createOffer"))?;
        self.pending = Some(pending);
        self.describe(SdpType::Offer, offer.to_sdp_string()).await;
        Ok(())
    }

    async fn answer(&mut self, offer: Description) -> Result<(), EngineError> {
        if matches!(self.spec.direction, MediaDirection::Send { .. }) {
            return Err(failed("applying the offer")("this engine's broadcasters offer"));
        }
        let offer = SdpOffer::from_sdp_string(&offer.sdp).map_err(failed("applying the offer"))?;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(failed("applying the offer"))?;
        self.applied().await?;
        self.describe(SdpType::Answer, answer.to_sdp_string()).await;
        Ok(())
    }

    async fn apply(&mut self, answer: Description) -> Result<(), EngineError> {
        const STEP: &str = "applying the answer";
        let answer = SdpAnswer::from_sdp_string(&answer.sdp).map_err(failed(STEP))?;
        let pending = self
            .pending
            .take()
            .ok_or("no offer is open")
            .map_err(failed(STEP))?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(failed(STEP))?;
        self.applied().await
    }

    async fn applied(&mut self) -> Result<(), EngineError> {
        self.remote_applied = true;
        self.tell(EngineEventKind::RemoteDescriptionApplied).await;
        while let Some(candidate) = self.early.pop_front() {
            self.candidate(candidate).await?;
        }
        Ok(())
    }

    /// The candidate is in the description, because str0m gathers none, and so no other follows.
    async fn describe(&self, sdp_type: SdpType, sdp: String) {
        let username_fragment = sdp
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"))
            .map(|ufrag| ufrag.trim().to_owned());
        self.tell(EngineEventKind::LocalDescription(Description { sdp_type, sdp }))
            .await;
        self.tell(EngineEventKind::LocalEndOfCandidates { username_fragment })
            .await;
    }

    async fn candidate(&mut self, candidate: Candidate) -> Result<(), EngineError> {
        if !self.remote_applied {
            self.early.push_back(candidate);
            self.tell(EngineEventKind::CandidateQueued).await;
            return Ok(());
        }
        let candidate = str0m::Candidate::from_sdp_string(&candidate.candidate);
        self.rtc
            .add_remote_candidate(candidate.map_err(failed("addIceCandidate"))?);
        Ok(())
    }

    fn datagram(&mut self, from: std::net::SocketAddr, to: std::net::SocketAddr, bytes: &[u8]) {
        if let Ok(received) = Receive::new(Protocol::Udp, from, to, bytes) {
            self.input(Input::Receive(Instant::now().into_std(), received));
        }
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            // What is refused here came from the network; the connection goes on.
            eprintln!("str0m refuses an input: {error}");
        }
    }

    /// Takes out of str0m whatever it has, until it waits for time to pass.
    async fn pump(&mut self, port: &Port) {
        loop {
            let output = match self.rtc.poll_output() {
                Ok(output) => output,
                Err(error) => {
                    self.tell(EngineEventKind::Error(failed("poll_output")(error)))
                        .await;
                    return;
                }
            };
            match output {
                Output::Timeout(due) => {
                    // A timer in the past would be a loop without end in virtual time.
                    self.due =
                        Instant::from_std(due).max(Instant::now() + std::time::Duration::from_micros(1));
                    break;
                }
                Output::Transmit(transmit) => {
                    let _ = port.send(transmit.destination, &transmit.contents).await;
                }
                Output::Event(event) => self.event(event).await,
            }
        }
        self.due = self
            .media
            .next_timeout()
            .map_or(self.due, |patience| patience.min(self.due));
        for kind in self.media.frames(Instant::now()) {
            self.tell(kind).await;
        }
    }

    async fn event(&mut self, event: Event) {
        let kind = match event {
            Event::IceConnectionStateChange(state) => EngineEventKind::Ice(ice_state(state)),
            Event::Connected => EngineEventKind::Connection(ConnectionState::Connected),
            Event::RtpPacket(packet) => match self.media.receive(&mut self.rtc, &packet) {
                Some(media) => EngineEventKind::FirstPacket(media),
                None => return,
            },
            Event::KeyframeRequest(_) => EngineEventKind::KeyFrameRequested,
            Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => EngineEventKind::Estimate {
                bps: estimate.as_u64(),
            },
            Event::ChannelOpen(id, _) => {
                self.channel = Some(id);
                EngineEventKind::DataOpen
            }
            Event::ChannelData(data) => EngineEventKind::Data(data.data.into()),
            Event::Closed => EngineEventKind::Connection(ConnectionState::Closed),
            _ => return,
        };
        self.tell(kind).await;
    }
}

fn ice_state(state: str0m::IceConnectionState) -> IceConnectionState {
    match state {
        str0m::IceConnectionState::New => IceConnectionState::New,
        str0m::IceConnectionState::Checking => IceConnectionState::Checking,
        str0m::IceConnectionState::Connected => IceConnectionState::Connected,
        str0m::IceConnectionState::Completed => IceConnectionState::Completed,
        str0m::IceConnectionState::Disconnected => IceConnectionState::Disconnected,
    }
}
