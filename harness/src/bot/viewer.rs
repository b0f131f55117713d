//! The viewer bot: joins a room, answers the broadcaster's offer, and verifies what it receives.
//!
//! Owns a viewer's behaviour from dialing to leaving. It records; [`crate::check`] judges.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use greenroom_signaling::{
    Candidate, ClientConfig, ClientEvents, ClientHandle, CloseReason, Command, ErrorCode, Event, PeerId,
    Role, RoomId, RoomState, SdpType,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::Shared;
use super::session::{Session, SessionRecord, SessionSpec};
use crate::engine::{
    ConnectionId, ConnectionSpec, ConnectionState, EngineCommand, EngineEvent, EngineEventKind,
    IceConnectionState, MediaDirection,
};
use crate::measure::distribution::Distribution;
use crate::measure::join::{JoinPhase, JoinTimes};
use crate::measure::measured::{PeerError, PeerErrorKind};
use crate::net::impair::Impairment;
use crate::trace::TraceKind;

/// How often a viewer looks after its session.
const TICK: Duration = Duration::from_millis(100);
/// How long a viewer that ends waits for the rest of what was sent: reassembly's patience twice over.
const DRAIN: Duration = Duration::from_millis(1_200);
/// How long it waits for statistics and for the close.
const TEARDOWN: Duration = Duration::from_millis(1_000);
/// Candidates that may come before their offer.
const MAX_EARLY_CANDIDATES: usize = 64;
/// Chat lines that are kept.
const MAX_CHAT: usize = 1_000;
/// Engine events that may wait for the bot.
const EVENT_CAPACITY: usize = 1_024;
/// Errors that are kept.
const MAX_ERRORS: usize = 16;

/// What the run tells a viewer to do.
#[derive(Debug)]
pub(crate) enum ViewerCommand {
    /// Say something.
    Chat(String),
    /// Leave in good order, now.
    Leave,
    /// Vanish.
    Kill,
    /// The run is over: wait for the rest of what was sent, then leave.
    Finish {
        /// Whether the broadcaster has stopped; if not, what it sends from now on is not waited for.
        stream_stopped: bool,
    },
}

/// How a viewer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewerEnd {
    Finished,
    Left,
    Killed,
    NeverConnected,
}

/// A chat line as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatLine {
    pub(crate) seq: Option<u64>,
    pub(crate) text: String,
}

/// What a viewer saw.
#[derive(Debug)]
pub(crate) struct ViewerRecord {
    pub(crate) label: String,
    pub(crate) number: u32,
    pub(crate) end: ViewerEnd,
    pub(crate) ended_at: Instant,
    pub(crate) join: JoinTimes,
    pub(crate) sessions: Vec<SessionRecord>,
    pub(crate) latency: Distribution,
    pub(crate) chat: Vec<ChatLine>,
    pub(crate) state: RoomState,
    pub(crate) state_at_join: Option<RoomState>,
    pub(crate) dial_error: Option<String>,
    pub(crate) signaling_lost: Option<(Instant, String)>,
    pub(crate) errors: Vec<PeerError>,
    /// Chat lines that it said.
    pub(crate) chat_said: u64,
    /// How long it knew of a live stream.
    pub(crate) live: Duration,
}

/// What one viewer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewerSpec {
    pub(crate) number: u32,
    pub(crate) decode: bool,
    pub(crate) sampled: bool,
}

/// Runs a viewer from `start` until it is told to end; `None` if that is before it started.
pub(crate) async fn run(
    shared: Arc<Shared>,
    spec: ViewerSpec,
    start: Instant,
    mut commands: mpsc::Receiver<ViewerCommand>,
) -> Option<ViewerRecord> {
    tokio::select! {
        () = tokio::time::sleep_until(start) => {}
        () = told_to_end(&mut commands) => return None,
    }
    Some(run_now(shared, spec, commands).await)
}

async fn run_now(
    shared: Arc<Shared>,
    spec: ViewerSpec,
    mut commands: mpsc::Receiver<ViewerCommand>,
) -> ViewerRecord {
    let label = shared.label(&format!("viewer-{}", spec.number));
    let mut join = JoinTimes::new(Instant::now());
    let config = ClientConfig {
        observer: shared.frame_observer(&label),
        ..ClientConfig::default()
    };
    let dialed = tokio::select! {
        dialed = shared.dialer.connect(config) => dialed,
        () = told_to_end(&mut commands) => {
            return ViewerBot::unconnected(label, spec, join, None);
        }
    };
    let (signaling, mut incoming) = match dialed {
        Ok(connected) => connected,
        Err(error) => {
            let message = error.to_string();
            shared.trace.now(&label, || TraceKind::SignalingClosed {
                reason: message.clone(),
            });
            return ViewerBot::unconnected(label, spec, join, Some(message));
        }
    };
    join.reach(JoinPhase::WebsocketOpen, Instant::now());
    shared.trace.now(&label, || TraceKind::SignalingOpen);
    let (event_tx, mut events) = mpsc::channel(EVENT_CAPACITY);
    let mut bot = ViewerBot {
        record: ViewerRecord {
            ended_at: join.started(),
            ..ViewerBot::unconnected(label, spec, join, None)
        },
        shared,
        spec,
        signaling: Some(signaling),
        event_tx,
        session: None,
        next_connection: u64::from(spec.number) << 32,
        early: VecDeque::new(),
        ending: None,
        session_ends_by: None,
        live_since: None,
        me: None,
    };
    bot.join_room();
    bot.main_loop(&mut incoming, &mut events, &mut commands).await;
    bot.teardown(&mut incoming, &mut events).await;
    bot.record
}

/// Resolves when the run ends before the viewer is connected.
async fn told_to_end(commands: &mut mpsc::Receiver<ViewerCommand>) {
    loop {
        match commands.recv().await {
            Some(ViewerCommand::Chat(_)) => {}
            Some(ViewerCommand::Leave | ViewerCommand::Kill | ViewerCommand::Finish { .. }) | None => return,
        }
    }
}

/// How a viewer is about to end.
#[derive(Clone, Copy, Debug)]
struct Ending {
    end: ViewerEnd,
    deadline: Instant,
    /// Frames handed over after this one are not waited for.
    until: Option<u32>,
}

struct ViewerBot {
    shared: Arc<Shared>,
    spec: ViewerSpec,
    record: ViewerRecord,
    signaling: Option<ClientHandle>,
    event_tx: mpsc::Sender<EngineEvent>,
    session: Option<Session>,
    next_connection: u64,
    early: VecDeque<(Option<PeerId>, Candidate)>,
    ending: Option<Ending>,
    /// The broadcaster has left; what it sent is still awaited until then.
    session_ends_by: Option<Instant>,
    live_since: Option<Instant>,
    me: Option<PeerId>,
}

impl ViewerBot {
    fn unconnected(
        label: String,
        spec: ViewerSpec,
        join: JoinTimes,
        dial_error: Option<String>,
    ) -> ViewerRecord {
        ViewerRecord {
            label,
            number: spec.number,
            end: ViewerEnd::NeverConnected,
            ended_at: Instant::now(),
            join,
            sessions: Vec::new(),
            latency: Distribution::default(),
            chat: Vec::new(),
            state: RoomState::default(),
            state_at_join: None,
            dial_error,
            signaling_lost: None,
            errors: Vec::new(),
            chat_said: 0,
            live: Duration::ZERO,
        }
    }

    async fn main_loop(
        &mut self,
        incoming: &mut ClientEvents,
        events: &mut mpsc::Receiver<EngineEvent>,
        commands: &mut mpsc::Receiver<ViewerCommand>,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks_seen = 0_u32;
        let mut signaling_open = true;
        loop {
            let decode_at = self.session.as_ref().and_then(Session::next_decode);
            tokio::select! {
                Some(event) = events.recv() => self.on_engine(event),
                event = incoming.next(), if signaling_open => match event {
                    Some(event) => self.on_signaling(event.at, event.event),
                    None => signaling_open = false,
                },
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => self.begin_ending(ViewerEnd::Left, None),
                },
                () = sleep_until(decode_at), if decode_at.is_some() => {
                    if let Some(session) = &mut self.session {
                        session.decode_due(Instant::now());
                    }
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
            }
            self.end_left_session();
            if self.has_ended() {
                return;
            }
        }
    }

    fn has_ended(&self) -> bool {
        let Some(ending) = &self.ending else { return false };
        ending.end == ViewerEnd::Killed
            || Instant::now() >= ending.deadline
            || self
                .session
                .as_ref()
                .is_none_or(|session| session.drained(ending.until))
    }

    fn on_command(&mut self, command: ViewerCommand) {
        match command {
            ViewerCommand::Chat(text) => {
                self.record.chat_said += 1;
                self.say(Command::Chat { text });
            }
            ViewerCommand::Leave => self.begin_ending(ViewerEnd::Left, self.newest_sent()),
            ViewerCommand::Kill => self.begin_ending(ViewerEnd::Killed, None),
            ViewerCommand::Finish { stream_stopped: true } => self.begin_ending(ViewerEnd::Finished, None),
            ViewerCommand::Finish {
                stream_stopped: false,
            } => self.begin_ending(ViewerEnd::Finished, self.newest_sent()),
        }
    }

    /// The last frame that was handed over before now, as far as the ledger knows.
    fn newest_sent(&self) -> Option<u32> {
        self.shared.ledger.lock().newest().map(|frame| frame.index)
    }

    /// How long the rest of what was sent is waited for.
    fn drain(&self) -> Duration {
        let scripted = self
            .shared
            .scenario
            .network
            .down
            .map_or(0, |impairment| impairment.delay_ms);
        DRAIN + Duration::from_millis(u64::from(scripted)) + self.shared.scenario.planted_delays.decode
    }

    /// Ends the session of a broadcaster that has left, once everything that it sent is here.
    fn end_left_session(&mut self) {
        let Some(deadline) = self.session_ends_by else {
            return;
        };
        let drained = self.session.as_ref().is_none_or(|session| session.drained(None));
        if drained || Instant::now() >= deadline {
            self.end_session(None);
        }
    }

    /// Notes from when to when there was something to see.
    fn set_live(&mut self, live: bool, at: Instant) {
        match (live, self.live_since) {
            (true, None) => self.live_since = Some(at),
            (false, Some(since)) => {
                self.record.live += at.saturating_duration_since(since);
                self.live_since = None;
            }
            _ => {}
        }
    }

    fn begin_ending(&mut self, end: ViewerEnd, until: Option<u32>) {
        let deadline = Instant::now() + self.drain();
        self.ending.get_or_insert(Ending { end, deadline, until });
    }

    fn join_room(&mut self) {
        match self.shared.room.parse::<RoomId>() {
            Ok(room) => self.say(Command::Join {
                room,
                role: Role::Viewer,
            }),
            Err(error) => self.note_error(
                PeerErrorKind::Protocol,
                format!("the room cannot be joined: {error}"),
            ),
        }
    }

    fn say(&mut self, command: Command) {
        let Some(signaling) = &self.signaling else { return };
        if let Err(error) = signaling.send(command)
            && self.record.signaling_lost.is_none()
        {
            self.note_error(PeerErrorKind::Protocol, format!("signaling: {error}"));
        }
    }

    fn note_error(&mut self, kind: PeerErrorKind, message: String) {
        log::debug!("{}: {message}", self.record.label);
        if self.record.errors.len() < MAX_ERRORS {
            self.record.errors.push(PeerError { kind, message });
        }
    }

    fn on_signaling(&mut self, at: Instant, event: Event) {
        match event {
            Event::Joined { id, state, peers, .. } => {
                self.record.join.reach(JoinPhase::Joined, at);
                if peers.iter().any(|(_, role)| *role == Role::Broadcaster) {
                    self.record.join.broadcaster_seen(at);
                    self.set_live(!state.stopped, at);
                }
                self.shared.remember_number(id.as_str(), self.spec.number);
                self.me = Some(id);
                self.record.state_at_join = Some(state);
                self.record.state = state;
            }
            Event::Description { from, description } => {
                if description.sdp_type == SdpType::Offer {
                    self.on_offer(at, from, description);
                } else {
                    self.note_error(
                        PeerErrorKind::Protocol,
                        format!("a viewer was sent an {}, not an offer", description.sdp_type),
                    );
                }
            }
            Event::Candidate { from, candidate } => self.on_candidate(from, candidate),
            Event::PeerLeft {
                id,
                role: Role::Broadcaster,
            } => {
                self.set_live(false, at);
                if self
                    .session
                    .as_ref()
                    .is_some_and(|session| session.broadcaster == id)
                {
                    self.session_ends_by = Some(Instant::now() + self.drain());
                    self.command(EngineCommand::ReportStats);
                }
            }
            Event::Chat { text, seq, .. } => {
                if self.record.chat.len() < MAX_CHAT {
                    self.record.chat.push(ChatLine { seq, text });
                }
            }
            Event::RoomState(state) => {
                self.set_live(!state.stopped && self.record.join.has_seen_broadcaster(), at);
                if let (true, Some(session)) = (state.stopped, &mut self.session) {
                    session.stream_stopped(at);
                }
                self.record.state = state;
            }
            Event::Error { code, message, .. } => {
                let label = &self.record.label;
                self.shared.trace.at(at, label, || TraceKind::SignalingError {
                    code: code.to_string(),
                    message: message.clone(),
                });
                let kind = match code {
                    // Who was addressed may just have left: a race that every room has.
                    ErrorCode::UnknownTarget => PeerErrorKind::UnknownTarget,
                    _ => PeerErrorKind::Refused,
                };
                self.note_error(
                    kind,
                    format!("the signaling server refused a message: {code}: {message}"),
                );
            }
            Event::Undecodable(error) => self.note_error(
                PeerErrorKind::Protocol,
                format!("a signaling frame cannot be read: {error}"),
            ),
            Event::Closed(reason) => self.on_signaling_closed(at, &reason),
            Event::PeerJoined {
                role: Role::Broadcaster,
                ..
            } => {
                self.record.join.broadcaster_seen(at);
                self.set_live(true, at);
            }
            // Candidates are trickled to their end by themselves; other viewers are not ours to watch.
            Event::EndOfCandidates { .. } | Event::PeerJoined { .. } | Event::PeerLeft { .. } => {}
        }
    }

    fn on_signaling_closed(&mut self, at: Instant, reason: &CloseReason) {
        self.shared
            .trace
            .at(at, &self.record.label, || TraceKind::SignalingClosed {
                reason: reason.to_string(),
            });
        if self.ending.is_none() {
            self.record.signaling_lost.get_or_insert((at, reason.to_string()));
        }
    }

    fn on_offer(&mut self, at: Instant, from: Option<PeerId>, offer: greenroom_signaling::Description) {
        self.record.join.reach(JoinPhase::OfferReceived, at);
        let broadcaster = from.unwrap_or_else(|| PeerId::from("broadcaster"));
        let renegotiates = self
            .session
            .as_ref()
            .is_some_and(|session| session.broadcaster == broadcaster);
        if !renegotiates {
            self.end_session(None);
            if let Err(message) = self.open_session(broadcaster) {
                return self.note_error(PeerErrorKind::Engine, message);
            }
        }
        self.command(EngineCommand::MakeAnswer(offer));
        let early = std::mem::take(&mut self.early);
        for (from, candidate) in early {
            self.on_candidate(from, candidate);
        }
    }

    fn open_session(&mut self, broadcaster: PeerId) -> Result<(), String> {
        self.next_connection += 1;
        let id = ConnectionId(self.next_connection);
        let spec = ConnectionSpec {
            id,
            direction: MediaDirection::ReceiveVideo {
                keep_access_units: self.spec.decode,
            },
            tap: self.shared.tap(&self.record.label, id),
            impairment: self.shared.scenario.network.up.map(|impairment| Impairment {
                // One stream of losses per viewer.
                seed: impairment.seed.wrapping_add(u64::from(self.spec.number)),
                ..impairment
            }),
        };
        let handle = self
            .shared
            .engine
            .connect(spec, self.event_tx.clone())
            .map_err(|error| error.to_string())?;
        let viewer = self
            .me
            .as_ref()
            .map_or_else(String::new, |me| me.as_str().to_owned());
        self.session = Some(Session::new(
            Arc::clone(&self.shared),
            SessionSpec {
                label: self.record.label.clone(),
                id,
                broadcaster,
                viewer,
                handle,
                decode: self.spec.decode,
                sampled: self.spec.sampled,
                first_of_viewer: self.record.sessions.is_empty(),
            },
        ));
        if let (true, Some(session)) = (self.record.state.stopped, &mut self.session) {
            session.stream_stopped(Instant::now());
        }
        Ok(())
    }

    fn on_candidate(&mut self, from: Option<PeerId>, candidate: Candidate) {
        let ours = match (&self.session, &from) {
            (Some(session), Some(from)) => session.broadcaster == *from,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if ours {
            self.command(EngineCommand::AddCandidate(candidate));
        } else if self.early.len() < MAX_EARLY_CANDIDATES {
            self.early.push_back((from, candidate));
        }
    }

    fn command(&mut self, command: EngineCommand) {
        let sent = self
            .session
            .as_ref()
            .and_then(|session| session.handle.as_ref())
            .map(|handle| handle.send(command));
        if let Some(Err(error)) = sent {
            self.note_error(PeerErrorKind::Engine, error.to_string());
        }
    }

    fn on_engine(&mut self, event: EngineEvent) {
        let label = self.record.label.clone();
        let connection = event.connection.0;
        let Some(session) = self
            .session
            .as_mut()
            .filter(|session| session.id == event.connection)
        else {
            return;
        };
        let to = Some(session.broadcaster.clone());
        match event.kind {
            EngineEventKind::LocalDescription(description) => {
                self.shared
                    .trace
                    .at(event.at, &label, || TraceKind::LocalDescription {
                        connection,
                        sdp_type: description.sdp_type.to_string(),
                    });
                self.say(Command::Description { to, description });
                self.record.join.reach(JoinPhase::AnswerSent, Instant::now());
            }
            EngineEventKind::LocalCandidate(candidate) => self.say(Command::Candidate { to, candidate }),
            EngineEventKind::LocalEndOfCandidates { username_fragment } => {
                self.say(Command::EndOfCandidates {
                    to,
                    username_fragment,
                });
            }
            EngineEventKind::RemoteDescriptionApplied => {
                self.shared
                    .trace
                    .at(event.at, &label, || TraceKind::RemoteDescriptionApplied {
                        connection,
                    });
            }
            EngineEventKind::CandidateQueued => {
                self.shared
                    .trace
                    .at(event.at, &label, || TraceKind::CandidateQueued { connection });
            }
            EngineEventKind::Ice(state) => {
                self.shared
                    .trace
                    .at(event.at, &label, || TraceKind::Ice { connection, state });
                if matches!(
                    state,
                    IceConnectionState::Connected | IceConnectionState::Completed
                ) {
                    self.record.join.reach(JoinPhase::IceConnected, event.at);
                }
            }
            EngineEventKind::Connection(state) => {
                self.shared
                    .trace
                    .at(event.at, &label, || TraceKind::Connection { connection, state });
                if state == ConnectionState::Connected {
                    session.connected_at.get_or_insert(event.at);
                    self.record.join.reach(JoinPhase::DtlsConnected, event.at);
                } else if state == ConnectionState::Failed {
                    self.note_error(PeerErrorKind::Engine, "connectionState became failed".to_owned());
                }
            }
            EngineEventKind::FirstPacket => {
                self.shared
                    .trace
                    .at(event.at, &label, || TraceKind::FirstPacket { connection });
                self.record.join.reach(JoinPhase::FirstPacket, event.at);
            }
            EngineEventKind::Frame(frame) => {
                session.frame(frame);
                if let Some(at) = session.first_key_at {
                    self.record.join.reach(JoinPhase::FirstFrame, at);
                }
                if let Some(at) = session.first_decoded_at {
                    self.record.join.reach(JoinPhase::FirstDecoded, at);
                }
            }
            EngineEventKind::FrameDamaged { rtp_time, missing } => session.damaged(rtp_time, missing),
            EngineEventKind::Stats(stats) => session.stats = Some(*stats),
            EngineEventKind::Error(error) => {
                self.shared.trace.at(event.at, &label, || TraceKind::EngineError {
                    connection,
                    message: error.to_string(),
                });
                self.note_error(PeerErrorKind::Engine, error.to_string());
            }
            EngineEventKind::KeyFrameRequested => {}
            EngineEventKind::Closed => session.handle = None,
        }
    }

    fn end_session(&mut self, until: Option<u32>) {
        self.session_ends_by = None;
        let Some(mut session) = self.session.take() else {
            return;
        };
        session.tick(Instant::now());
        session.decode_due(Instant::now() + Duration::from_secs(60));
        session.second_passed();
        let (record, latency) = session.end(until);
        self.record.latency.merge(&latency);
        self.record.sessions.push(record);
    }

    /// Takes statistics, closes the connection and leaves the room, each under a deadline.
    async fn teardown(&mut self, incoming: &mut ClientEvents, events: &mut mpsc::Receiver<EngineEvent>) {
        let ending = self.ending.unwrap_or(Ending {
            end: ViewerEnd::Left,
            deadline: Instant::now(),
            until: None,
        });
        self.record.end = ending.end;
        self.record.ended_at = Instant::now();
        self.set_live(false, Instant::now());
        if ending.end == ViewerEnd::Killed {
            if let Some(signaling) = self.signaling.take() {
                signaling.abort();
            }
            return self.end_session(ending.until);
        }
        let deadline = Instant::now() + TEARDOWN;
        self.command(EngineCommand::ReportStats);
        self.await_engine(events, deadline, |session| session.stats.is_some())
            .await;
        let id = self.session.as_ref().map(|session| session.id);
        self.end_session(ending.until);
        while let (Some(id), Ok(Some(event))) = (id, tokio::time::timeout_at(deadline, events.recv()).await) {
            if event.connection == id && matches!(event.kind, EngineEventKind::Closed) {
                break;
            }
        }
        self.say(Command::Leave);
        drop(self.signaling.take());
        // The last event is the close: after it nothing of this bot is left on the server.
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, incoming.next()).await {}
    }

    async fn await_engine(
        &mut self,
        events: &mut mpsc::Receiver<EngineEvent>,
        deadline: Instant,
        done: impl Fn(&Session) -> bool,
    ) {
        while self
            .session
            .as_ref()
            .is_some_and(|session| session.handle.is_some() && !done(session))
        {
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(event)) => self.on_engine(event),
                _ => return,
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
