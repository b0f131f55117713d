//! The caller bot: one of two peers of a call. It sends as a broadcaster does and verifies what comes as a viewer does, over
//! one connection that either of both may negotiate.
//!
//! Owns a peer's behaviour from dialing to leaving. When to offer, answer and yield is [`super::negotiation`]'s to say; it
//! records, and [`crate::check`] judges.
//!
//! Over a relay nobody says who is polite, so the number of the bot does: the first peer is impolite, every other one polite.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use greenroom_signaling::{Command, Description, Event, PeerId, Role, RoomId, SdpType};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::Shared;
use super::broadcaster::{BroadcasterCommand, BroadcasterRecord, Stream, To};
use super::line::{Heard, Line};
use super::negotiation::{Move, Negotiation};
use super::session::{Session, SessionSpec, Until};
use super::source::Sources;
use super::viewer::{ViewerEnd, ViewerRecord};
use crate::engine::{
    ConnectionId, ConnectionState, EngineCommand, EngineEvent, EngineEventKind, IceConnectionState,
    MediaDirection,
};
use crate::measure::arrivals::Arrivals;
use crate::measure::join::{JoinPhase, JoinTimes};
use crate::measure::measured::{CallerFigures, PeerErrorKind};
use crate::scenario::{AudioSource, CallStart, Muting, Party};
use crate::trace::TraceKind;

/// How often a caller looks after its session.
const TICK: Duration = Duration::from_millis(100);
/// How long it keeps the connection for its last frames to arrive, and at most waits for those of the other one.
const LINGER: Duration = Duration::from_millis(300);
const DRAIN: Duration = Duration::from_millis(1_200);
/// How long it waits for statistics and for the close.
const TEARDOWN: Duration = Duration::from_millis(1_000);
/// How long after both are in a call begins: a relay says nothing, and may not have them on its list at once.
const SETTLE: Duration = Duration::from_millis(100);
/// Engine events that may wait for the bot.
const EVENT_CAPACITY: usize = 4_096;

/// Peers that are in a call; its bots share it, so that they begin at the same moment.
pub(crate) type Together = Arc<watch::Sender<u32>>;

/// Which peer of a call a bot is, from 1. There are two; a third one is a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerSpec {
    pub(crate) number: u32,
    pub(crate) decode: bool,
}

impl CallerSpec {
    fn label(self) -> String {
        format!("caller-{}", self.number)
    }

    fn party(self) -> Party {
        match self.number {
            1 => Party::Broadcaster,
            number => Party::Viewer(number - 1),
        }
    }

    fn role(self) -> Role {
        match self.number {
            1 => Role::Broadcaster,
            _ => Role::Viewer,
        }
    }

    /// What the other one calls it, where nobody gives names: the dialects of calls do the same.
    fn name(self) -> String {
        match self.number {
            1 => "broadcaster".to_owned(),
            2 => "viewer#1".to_owned(),
            _ => self.label(),
        }
    }

    /// Whom it speaks to.
    fn other(self) -> Self {
        let number = if self.number == 1 { 2 } else { 1 };
        Self { number, ..self }
    }
}

/// What remains of a caller: what it sent, what it saw, and how they came to an agreement.
#[derive(Debug)]
pub(crate) struct CallerOutcome {
    pub(crate) sent: BroadcasterRecord,
    pub(crate) seen: ViewerRecord,
    pub(crate) figures: CallerFigures,
    pub(crate) sources: Sources,
}

/// Runs a caller until it is told to leave. What it sends goes into the ledger of `sending`, what comes is held against
/// that of `receiving`.
pub(crate) async fn run(
    sending: Arc<Shared>,
    receiving: Arc<Shared>,
    spec: CallerSpec,
    sources: Sources,
    together: Together,
    mut commands: mpsc::Receiver<BroadcasterCommand>,
) -> CallerOutcome {
    let label = sending.label(&spec.label());
    let started = Instant::now();
    let mut seen = ViewerRecord::new(label.clone(), spec.number, JoinTimes::new(started), None);
    seen.join.broadcaster_seen(started);
    let rate = sources.video.rate();
    let sent = BroadcasterRecord {
        frame_rate: f64::from(rate.num()) / f64::from(rate.den()),
        ..BroadcasterRecord::default()
    };
    let polite = spec.number != 1 && !sending.scenario.call.nobody_yields;
    let (event_tx, mut events) = mpsc::channel(EVENT_CAPACITY);
    let mut stream = Stream::new(Arc::clone(&sending), label.clone(), event_tx, sources, sent);
    let line = match Line::open(Arc::clone(&sending), &label, spec.party()).await {
        Ok(line) => line,
        Err(error) => {
            let reason = error.to_string();
            stream.record.dial_error = Some(reason.clone());
            seen.dial_error = Some(reason.clone());
            sending
                .trace
                .now(&label, || TraceKind::SignalingClosed { reason });
            let (sent, sources) = stream.end();
            let figures = CallerFigures::new(label, polite);
            return CallerOutcome {
                sent,
                seen,
                figures,
                sources,
            };
        }
    };
    seen.join.reach(JoinPhase::WebsocketOpen, Instant::now());
    let mut bot = CallerBot {
        figures: CallerFigures::new(label.clone(), polite),
        negotiation: Negotiation::new(polite),
        shared: sending,
        receiving,
        label,
        spec,
        line,
        stream,
        seen,
        connection: None,
        session: None,
        other_certificate: None,
        is_crowded: false,
        arrivals: Arc::default(),
        started,
        joined: false,
        begins_at: None,
        begun_at: None,
        leaving: None,
    };
    bot.join_room();
    bot.main_loop(&mut events, &mut commands, together).await;
    bot.teardown(&mut events).await;
    bot.outcome()
}

struct CallerBot {
    /// Of what it sends.
    shared: Arc<Shared>,
    /// Of what it receives.
    receiving: Arc<Shared>,
    label: String,
    spec: CallerSpec,
    line: Line,
    stream: Stream,
    seen: ViewerRecord,
    figures: CallerFigures,
    negotiation: Negotiation,
    connection: Option<ConnectionId>,
    session: Option<Session>,
    /// The certificate that the other one's descriptions name.
    other_certificate: Option<String>,
    /// Whether somebody else speaks too.
    is_crowded: bool,
    arrivals: Arc<Mutex<Arrivals>>,
    started: Instant,
    joined: bool,
    /// When it is to offer, or to be ready for the other one's offer.
    begins_at: Option<Instant>,
    begun_at: Option<Instant>,
    /// Since when it is about to leave.
    leaving: Option<Instant>,
}

impl CallerBot {
    async fn main_loop(
        &mut self,
        events: &mut mpsc::Receiver<EngineEvent>,
        commands: &mut mpsc::Receiver<BroadcasterCommand>,
        together: Together,
    ) {
        let mut in_call = together.subscribe();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks_seen = 0_u32;
        let mut commands_open = true;
        loop {
            let decode_at = self.session.as_ref().and_then(Session::next_decode);
            let wake_at = [self.stream.next_turn(), decode_at, self.begins_at]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                biased;
                command = commands.recv(), if commands_open => match command {
                    Some(command) => self.on_command(command),
                    None => {
                        commands_open = false;
                        self.begin_leaving();
                    }
                },
                heard = self.line.next() => match heard {
                    Heard::Event(event) => self.on_signaling(event.at, event.event, &together),
                    // What was agreed on holds, and the other one may not even have noticed.
                    Heard::Reopened => self.join_room(),
                },
                Some(event) = events.recv() => self.on_engine(event),
                // Nobody else holds the sender of a run that is over.
                _ = in_call.wait_for(|peers| *peers >= 2), if self.joined && !self.is_set_to_begin() => {
                    self.begins_at = Some(Instant::now() + SETTLE);
                }
                _ = ticks.tick() => {
                    ticks_seen += 1;
                    if let Some(session) = &mut self.session {
                        session.tick(Instant::now());
                        if ticks_seen.is_multiple_of(10) {
                            session.second_passed();
                        }
                    }
                }
                () = sleep_until(wake_at), if wake_at.is_some() => {}
            }
            let now = Instant::now();
            if self.begins_at.is_some_and(|at| now >= at) {
                self.begin();
            }
            if let Some(session) = &mut self.session {
                session.decode_due(now);
            }
            if self.stream.take_due(now) {
                // One frame a turn: an encoder that is too slow must not keep the rest of the bot waiting.
                tokio::task::yield_now().await;
            }
            if self.has_ended(now) {
                return;
            }
        }
    }

    fn on_command(&mut self, command: BroadcasterCommand) {
        match command {
            BroadcasterCommand::Mute(muted, what) => {
                if what != Muting::Audio {
                    self.stream.muted.video = muted;
                }
                if what != Muting::Video {
                    self.stream.muted.audio = muted;
                }
            }
            BroadcasterCommand::Bitrate(bps) => self.stream.set_bitrate(bps),
            BroadcasterCommand::CutSignaling => self.line.cut(),
            BroadcasterCommand::StallSignaling(duration) => self.line.stall(duration),
            BroadcasterCommand::Stop => self.stream.stop_stream(),
            BroadcasterCommand::Leave => self.begin_leaving(),
            BroadcasterCommand::Chat(text) => self.say(Command::Chat { text }),
        }
    }

    fn begin_leaving(&mut self) {
        if self.leaving.is_none() {
            self.line.let_go();
            self.stream.stop_stream();
            self.leaving = Some(Instant::now());
        }
    }

    /// Whether its last frames have had their time to arrive, and those of the other one are here.
    fn has_ended(&self, now: Instant) -> bool {
        let Some(since) = self.leaving else { return false };
        let session = self.session.as_ref();
        let drained = session.is_none_or(|session| session.drained(Until::default()));
        let streamed = self.stream.fanout.has_streamed();
        now >= since + DRAIN || (drained && (!streamed || now >= since + LINGER))
    }

    fn join_room(&mut self) {
        let role = self.spec.role();
        match self.shared.room.parse::<RoomId>() {
            Ok(room) => self.say(Command::Join { room, role }),
            Err(error) => self.note_error(
                PeerErrorKind::Protocol,
                format!("the room cannot be joined: {error}"),
            ),
        }
    }

    fn say(&mut self, command: Command) {
        if let Err(error) = self.line.say(command) {
            self.note_error(PeerErrorKind::Protocol, format!("signaling: {error}"));
        }
    }

    fn note_error(&mut self, kind: PeerErrorKind, message: String) {
        self.seen.note_error(kind, message);
    }

    fn on_signaling(&mut self, at: Instant, event: Event, together: &Together) {
        match event {
            Event::Joined { .. } => {
                self.line.joined(at);
                self.stream.record.joined = true;
                self.seen.join.reach(JoinPhase::Joined, at);
                if !std::mem::replace(&mut self.joined, true) {
                    together.send_modify(|peers| *peers += 1);
                }
            }
            Event::Description { description, .. } => self.on_description(at, description),
            Event::Candidate { candidate, .. } => {
                let one = self.negotiation.remote_candidate(candidate);
                self.act(vec![one]);
            }
            Event::Error { code, message, .. } => {
                let error = self.shared.refused(&self.label, at, &code, &message);
                if !self.line.is_turned_away(at, &code) {
                    self.seen.keep_error(error);
                }
            }
            Event::Undecodable(error) => {
                let error = self.shared.undecodable(&self.label, at, &error);
                self.seen.keep_error(error);
            }
            // The line sees to its end; a relay says nothing of the rest.
            Event::Closed(_)
            | Event::PeerJoined { .. }
            | Event::PeerLeft { .. }
            | Event::EndOfCandidates { .. }
            | Event::Chat { .. }
            | Event::RoomState(_) => {}
        }
    }

    fn is_set_to_begin(&self) -> bool {
        self.begins_at.is_some() || self.begun_at.is_some()
    }

    /// Opens the connection, and offers if it is its turn.
    fn begin(&mut self) {
        self.begins_at = None;
        if self.begun_at.is_some() {
            return;
        }
        self.begun_at = Some(Instant::now());
        if let Err(error) = self.open() {
            return self.note_error(PeerErrorKind::Engine, error.to_string());
        }
        let both = self.shared.scenario.call.start == CallStart::Simultaneous;
        if both || self.spec.number != 2 {
            let moves = self.negotiation.want();
            self.act(moves);
        }
    }

    fn open(&mut self) -> Result<(), crate::engine::EngineError> {
        let media = &self.shared.scenario.media;
        let to = To {
            direction: MediaDirection::Call {
                video: media.codec,
                audio: media.audio != AudioSource::None,
                data: false,
                keep_access_units: self.spec.decode,
            },
            party: self.spec.party(),
            arrivals: Some(Arc::clone(&self.arrivals)),
        };
        let other = PeerId::from(self.spec.other().name());
        self.stream.fanout.set_broadcaster(PeerId::from(self.spec.name()));
        let id = self.stream.fanout.open(other.clone(), to)?;
        self.stream.record.connections += 1;
        self.connection = Some(id);
        let Some(handle) = self.stream.fanout.handle_of(id) else {
            return Ok(());
        };
        self.session = Some(Session::new(
            Arc::clone(&self.receiving),
            SessionSpec {
                label: self.label.clone(),
                id,
                broadcaster: other,
                name: self.spec.name(),
                number: self.spec.number,
                handle,
                decode: self.spec.decode,
                sampled: self.spec.number == 1,
                first_of_viewer: true,
            },
        ));
        Ok(())
    }

    fn on_description(&mut self, at: Instant, description: Description) {
        if self.connection.is_none() {
            self.begin();
        }
        let certificate = certificate_of(&description.sdp).map(str::to_owned);
        let known = self
            .other_certificate
            .get_or_insert_with(|| certificate.clone().unwrap_or_default());
        if certificate.is_some_and(|certificate| certificate != *known) {
            // It is not of the connection that this one is about: to follow it would be the end of the call.
            if !std::mem::replace(&mut self.is_crowded, true) {
                let message = format!(
                    "an {} with a certificate that is not the other peer's: a third peer speaks to this call; \
                     let two in, or give messages an address",
                    description.sdp_type
                );
                self.note_error(PeerErrorKind::Protocol, message);
            }
            return;
        }
        if description.sdp_type == SdpType::Offer {
            self.seen.join.reach(JoinPhase::OfferReceived, at);
        }
        let moves = self.negotiation.remote_description(description);
        self.act(moves);
    }

    /// Does what the negotiation decided.
    fn act(&mut self, moves: Vec<Move>) {
        let Some(id) = self.connection else { return };
        for one in moves {
            match one {
                Move::Command(command) => {
                    if let EngineCommand::MakeAnswer(remote) | EngineCommand::ApplyAnswer(remote) = &command {
                        self.stream.fanout.described(id, false, &remote.sdp);
                    }
                    if let Err(error) = self.stream.fanout.tell(id, command) {
                        self.note_error(PeerErrorKind::Engine, error.to_string());
                    }
                }
                Move::Signal(description) => {
                    match description.sdp_type {
                        SdpType::Offer => self.figures.offers += 1,
                        _ => self.seen.join.reach(JoinPhase::AnswerSent, Instant::now()),
                    }
                    let to = Some(PeerId::from(self.spec.other().name()));
                    self.say(Command::Description { to, description });
                }
                Move::Ignored(why) => log::debug!("{}: left alone: {why:?}", self.label),
            }
        }
        if self.negotiation.completed > 0 && self.negotiation.is_stable() && self.figures.stable_ms.is_none()
        {
            let begun = self.begun_at.unwrap_or(self.started);
            self.figures.stable_ms = Some(begun.elapsed().as_secs_f64() * 1_000.0);
        }
    }

    fn on_engine(&mut self, event: EngineEvent) {
        let (at, id) = (event.at, event.connection);
        if self.connection != Some(id) {
            return;
        }
        self.shared.trace_engine(&self.label, &event);
        let to = Some(PeerId::from(self.spec.other().name()));
        match event.kind {
            EngineEventKind::LocalDescription(description) => {
                self.stream.fanout.described(id, true, &description.sdp);
                let moves = self.negotiation.local_description(description);
                self.act(moves);
            }
            EngineEventKind::RolledBack => self.negotiation.was_rolled_back(),
            EngineEventKind::LocalCandidate(candidate) if self.negotiation.signals_candidates() => {
                self.say(Command::Candidate { to, candidate });
            }
            EngineEventKind::LocalEndOfCandidates { username_fragment }
                if self.negotiation.signals_candidates() =>
            {
                self.say(Command::EndOfCandidates {
                    to,
                    username_fragment,
                });
            }
            EngineEventKind::Ice(IceConnectionState::Connected | IceConnectionState::Completed) => {
                self.seen.join.reach(JoinPhase::IceConnected, at);
            }
            EngineEventKind::Connection(ConnectionState::Connected) => {
                self.seen.join.reach(JoinPhase::DtlsConnected, at);
                if let Some(session) = &mut self.session {
                    session.connected(at);
                }
                self.stream.fanout.connected(id);
                self.stream.key_frame_wanted = true;
                self.stream.start_stream(Instant::now());
            }
            EngineEventKind::Connection(ConnectionState::Failed) => {
                self.note_error(PeerErrorKind::Engine, "connectionState became failed".to_owned());
            }
            EngineEventKind::KeyFrameRequested => {
                self.stream.record.key_frame_requests += 1;
                self.stream.key_frame_wanted = true;
            }
            EngineEventKind::Error(error) => self.note_error(PeerErrorKind::Engine, error.to_string()),
            EngineEventKind::Stats(stats) => {
                self.stream.record.packets_sent += stats.packets_sent;
                if let Some(session) = &mut self.session {
                    session.statistics(*stats);
                }
            }
            EngineEventKind::Closed => {
                self.stream.fanout.closed(id);
                self.connection = None;
            }
            kind => self.on_media(at, kind),
        }
    }

    /// What comes in.
    fn on_media(&mut self, at: Instant, kind: EngineEventKind) {
        if let Some(session) = &mut self.session {
            session.media(at, kind, &mut self.seen.join);
        }
    }

    /// Takes statistics, closes the connection and leaves, each under a deadline.
    async fn teardown(&mut self, events: &mut mpsc::Receiver<EngineEvent>) {
        let deadline = Instant::now() + TEARDOWN;
        self.stream.record.stayed = self.started.elapsed();
        if let Some(session) = &mut self.session {
            // The other handle of the connection: it closes when both are gone.
            session.handle = None;
        }
        self.stream.fanout.close_all();
        while self.connection.is_some() {
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(event)) => self.on_engine(event),
                _ => break,
            }
        }
        self.say(Command::Leave);
        self.line.close(deadline).await;
    }

    fn outcome(mut self) -> CallerOutcome {
        if self.negotiation.is_in_unresolved_glare() {
            let message = "glare was never resolved: both have offered, this one keeps to its offer, and the other one \
                           does not take its own back; of two peers one has to be polite"
                .to_owned();
            self.note_error(PeerErrorKind::Protocol, message);
        }
        self.figures.collisions = self.negotiation.collisions;
        self.figures.rolled_back = self.negotiation.rolled_back;
        if let Some(mut session) = self.session.take() {
            session.tick(Instant::now());
            session.decode_due(Instant::now() + Duration::from_secs(60));
            session.second_passed();
            let (record, latency) = session.end(Until::default());
            self.seen.latency.merge(&latency);
            self.seen.sessions.push(record);
        }
        self.seen.end = ViewerEnd::Finished;
        self.seen.ended_at = Instant::now();
        self.seen.live = self.started.elapsed();
        self.seen.losses = self.line.take_losses();
        self.seen.arrivals = self
            .arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .figures();
        let (sent, sources) = self.stream.end();
        CallerOutcome {
            sent,
            seen: self.seen,
            figures: self.figures,
            sources,
        }
    }
}

/// Whose a description is: the certificate is the same as long as the connection is (RFC 8842 section 5.1), while stacks
/// give an answer another `o=` than an offer that they took back before it.
fn certificate_of(sdp: &str) -> Option<&str> {
    let mut lines = sdp.lines();
    lines.find_map(|line| line.trim_end().strip_prefix("a=fingerprint:"))
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
