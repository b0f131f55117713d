//! The viewer bot: joins a room, answers the broadcaster's offer, and verifies what it receives.
//!
//! Owns a viewer's behaviour from dialing to leaving. It records; [`crate::check`] judges.

mod ending;
mod record;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use greenroom_signaling::{Candidate, Command, Event, PeerId, Role, RoomId, SdpType};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use self::ending::{Draining, Ending};
use super::Shared;
use super::line::{Heard, Line};
use super::session::{Session, SessionSpec, Until};
use super::wire::Wire;
use crate::engine::{
    ConnectionId, ConnectionSpec, ConnectionState, EngineCommand, EngineEvent, EngineEventKind,
    IceConnectionState, MediaDirection,
};
use crate::measure::arrivals::Arrivals;
use crate::measure::join::{JoinPhase, JoinTimes};
use crate::measure::measured::PeerErrorKind;
use crate::scenario::Party;
use crate::trace::TraceKind;

pub(crate) use self::record::{ChatLine, ViewerCommand, ViewerEnd, ViewerRecord, ViewerSpec};

/// How often a viewer looks after its session.
const TICK: Duration = Duration::from_millis(100);
/// Candidates that may come before their offer.
const MAX_EARLY_CANDIDATES: usize = 64;
/// Engine events that may wait for the bot.
const EVENT_CAPACITY: usize = 1_024;

/// Runs a viewer from `start` until it is told to end; `None` if that is before it started.
pub(crate) async fn run(
    shared: Arc<Shared>,
    spec: ViewerSpec,
    start: Instant,
    mut commands: mpsc::Receiver<ViewerCommand>,
) -> Option<ViewerRecord> {
    tokio::select! {
        biased;
        () = told_to_end(&mut commands) => return None,
        () = tokio::time::sleep_until(start) => {}
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
    let dialed = tokio::select! {
        biased;
        () = told_to_end(&mut commands) => {
            return ViewerRecord::new(label, spec.number, join, None);
        }
        dialed = Line::open(Arc::clone(&shared), &label, Party::Viewer(spec.number)) => dialed,
    };
    let line = match dialed {
        Ok(line) => line,
        Err(error) => {
            let message = error.to_string();
            shared.trace.now(&label, || TraceKind::SignalingClosed {
                reason: message.clone(),
            });
            return ViewerRecord::new(label, spec.number, join, Some(message));
        }
    };
    join.reach(JoinPhase::WebsocketOpen, Instant::now());
    let (event_tx, mut events) = mpsc::channel(EVENT_CAPACITY);
    let mut bot = ViewerBot {
        record: ViewerRecord {
            ended_at: join.started(),
            ..ViewerRecord::new(label, spec.number, join, None)
        },
        shared,
        spec,
        line,
        event_tx,
        session: None,
        next_connection: u64::from(spec.number) << 32,
        early: VecDeque::new(),
        ending: None,
        session_ends_by: None,
        draining: None,
        live_since: None,
        me: None,
        is_unnamed: false,
        is_back: false,
        offer: String::new(),
        offered: false,
        arrivals: Arc::default(),
        wire: None,
    };
    bot.join_room();
    bot.main_loop(&mut events, &mut commands).await;
    bot.teardown(&mut events).await;
    bot.record.losses = bot.line.take_losses();
    bot.record.arrivals = bot
        .arrivals
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .figures();
    bot.record
}

/// Resolves when the run ends before the viewer is connected.
async fn told_to_end(commands: &mut mpsc::Receiver<ViewerCommand>) {
    loop {
        match commands.recv().await {
            Some(ViewerCommand::Chat(_) | ViewerCommand::CutSignaling | ViewerCommand::StallSignaling(_)) => {
            }
            Some(ViewerCommand::Leave | ViewerCommand::Kill | ViewerCommand::Finish { .. }) | None => return,
        }
    }
}

struct ViewerBot {
    shared: Arc<Shared>,
    spec: ViewerSpec,
    record: ViewerRecord,
    line: Line,
    event_tx: mpsc::Sender<EngineEvent>,
    session: Option<Session>,
    next_connection: u64,
    early: VecDeque<(Option<PeerId>, Candidate)>,
    ending: Option<Ending>,
    /// The broadcaster has left; what it sent is still awaited until then.
    session_ends_by: Option<Instant>,
    /// The session before this one, until all of it is here.
    draining: Option<Draining>,
    live_since: Option<Instant>,
    me: Option<PeerId>,
    /// Whether the session was opened before it knew its own name.
    is_unnamed: bool,
    /// Whether it has come back to the room and not been offered anything since.
    is_back: bool,
    /// The newest offer.
    offer: String,
    /// An offer of its own has not been answered.
    offered: bool,
    /// Of all connections.
    arrivals: Arc<Mutex<Arrivals>>,
    wire: Option<Wire>,
}

impl ViewerBot {
    async fn main_loop(
        &mut self,
        events: &mut mpsc::Receiver<EngineEvent>,
        commands: &mut mpsc::Receiver<ViewerCommand>,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks_seen = 0_u32;
        let mut commands_open = true;
        loop {
            let decode_at = self.session.as_ref().and_then(Session::next_decode);
            tokio::select! {
                // What has come is taken before time counts. Decoding is last: a decoder that is too slow is
                // always due, and must keep nothing else waiting.
                biased;
                command = commands.recv(), if commands_open => match command {
                    Some(command) => self.on_command(command),
                    None => {
                        commands_open = false;
                        self.begin_ending(ViewerEnd::Left, Until::default());
                    }
                },
                heard = self.line.next() => match heard {
                    Heard::Event(event) => self.on_signaling(event.at, event.event),
                    Heard::Reopened => self.come_back(),
                },
                Some(event) = events.recv() => self.on_engine(event),
                _ = ticks.tick() => {
                    ticks_seen += 1;
                    if let Some(draining) = &mut self.draining {
                        draining.session.tick(Instant::now());
                    }
                    if let Some(session) = &mut self.session {
                        session.tick(Instant::now());
                        if ticks_seen.is_multiple_of(10) {
                            session.second_passed();
                        }
                    }
                }
                () = sleep_until(decode_at), if decode_at.is_some() => {
                    if let Some(session) = &mut self.session {
                        session.decode_due(Instant::now());
                    }
                }
            }
            self.end_left_session();
            if self.has_ended() {
                return;
            }
        }
    }

    fn on_command(&mut self, command: ViewerCommand) {
        match command {
            ViewerCommand::Chat(text) => {
                self.record.chat_said += 1;
                self.say(Command::Chat { text });
            }
            ViewerCommand::CutSignaling => self.line.cut(),
            ViewerCommand::StallSignaling(duration) => self.line.stall(duration),
            ViewerCommand::Leave => self.begin_ending(ViewerEnd::Left, self.newest_sent()),
            ViewerCommand::Kill => {
                // Where its connection is the broadcaster's too, what the broadcaster hands over ends with it.
                let until = if self.shared.has_media_server() {
                    self.newest_sent()
                } else {
                    Until::default()
                };
                self.begin_ending(ViewerEnd::Killed, until);
            }
            ViewerCommand::Finish { stream_stopped: true } => {
                self.begin_ending(ViewerEnd::Finished, Until::default())
            }
            ViewerCommand::Finish {
                stream_stopped: false,
            } => self.begin_ending(ViewerEnd::Finished, self.newest_sent()),
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

    /// Signaling is open again: whoever it watches is to offer anew, and what flows until then goes on.
    fn come_back(&mut self) {
        self.me = None;
        self.is_back = true;
        self.early.clear();
        self.join_room();
    }

    fn say(&mut self, command: Command) {
        if let Err(error) = self.line.say(command) {
            self.note_error(PeerErrorKind::Protocol, format!("signaling: {error}"));
        }
    }

    fn note_error(&mut self, kind: PeerErrorKind, message: String) {
        self.record.note_error(kind, message);
    }

    fn on_signaling(&mut self, at: Instant, event: Event) {
        match event {
            Event::Joined { id, state, peers, .. } => {
                self.record.join.reach(JoinPhase::Joined, at);
                self.line.joined(at);
                if peers.iter().any(|(_, role)| *role == Role::Broadcaster) {
                    self.record.join.broadcaster_seen(at);
                    self.set_live(!state.stopped, at);
                }
                self.shared.remember_number(id.as_str(), self.spec.number);
                // A relay may let the offer overtake this.
                if let (Some(session), true) = (&mut self.session, std::mem::take(&mut self.is_unnamed)) {
                    session.set_name(self.shared.connection_in_ledger(id.as_str(), &self.offer));
                }
                self.me = Some(id);
                self.record.state_at_join.get_or_insert(state);
                self.record.state = state;
            }
            // It is in have-local-offer and does not roll back.
            Event::Description { .. } if self.shared.ignores_offers(self.spec.number) => {}
            Event::Description { from, description } => match description.sdp_type {
                SdpType::Offer => self.on_offer(at, from, description),
                SdpType::Answer if self.offered => self.on_answer(at, description),
                other => self.note_error(
                    PeerErrorKind::Protocol,
                    format!("a viewer was sent an {other}, not an offer"),
                ),
            },
            Event::Candidate { from, candidate } => self.on_candidate(from, candidate),
            Event::PeerLeft {
                id,
                role: Role::Broadcaster,
            } => {
                self.set_live(false, at);
                if self.offered {
                    // Nothing came of its offer, nor of the connection that was made for it.
                    self.session = None;
                } else if self
                    .session
                    .as_ref()
                    .is_some_and(|session| session.broadcaster == id)
                {
                    self.session_ends_by = Some(Instant::now() + self.drain());
                    self.command(EngineCommand::ReportStats);
                }
            }
            Event::Chat { text, seq, .. } => self.record.note_chat(ChatLine { seq, text }),
            Event::RoomState(state) => {
                self.set_live(!state.stopped && self.record.join.has_seen_broadcaster(), at);
                if let Some(session) = &mut self.session {
                    session.room_state(&state, at);
                }
                self.record.state = state;
            }
            Event::Error { code, message, .. } => {
                let error = self.shared.refused(&self.record.label, at, &code, &message);
                if !self.line.is_turned_away(at, &code) {
                    self.record.keep_error(error);
                }
            }
            Event::Undecodable(error) => {
                let error = self.shared.undecodable(&self.record.label, at, &error);
                self.record.keep_error(error);
            }
            // The line sees to it.
            Event::Closed(_) => {}
            Event::PeerJoined {
                role: Role::Broadcaster,
                id,
            } => {
                self.record.join.broadcaster_seen(at);
                self.set_live(true, at);
                if self.shared.viewers_offer() && !self.offered {
                    self.make_offer(id);
                }
            }
            // Candidates are trickled to their end by themselves; other viewers are not ours to watch.
            Event::EndOfCandidates { .. } | Event::PeerJoined { .. } | Event::PeerLeft { .. } => {}
        }
    }

    /// Offers to receive, where that is the viewer's part.
    fn make_offer(&mut self, broadcaster: PeerId) {
        self.let_drain();
        if let Err(message) = self.open_session(broadcaster) {
            return self.note_error(PeerErrorKind::Engine, message);
        }
        self.offered = true;
        self.command(EngineCommand::MakeOffer);
    }

    fn on_answer(&mut self, at: Instant, answer: greenroom_signaling::Description) {
        self.offered = false;
        self.record.join.reach(JoinPhase::AnswerSent, at);
        if let Some(wire) = &self.wire {
            wire.description(false, &answer.sdp);
        }
        self.command(EngineCommand::ApplyAnswer(answer));
    }

    fn on_offer(&mut self, at: Instant, from: Option<PeerId>, offer: greenroom_signaling::Description) {
        self.record.join.reach(JoinPhase::OfferReceived, at);
        self.offered = false;
        let broadcaster = from.unwrap_or_else(|| PeerId::from("broadcaster"));
        let renegotiates = self
            .session
            .as_ref()
            .is_some_and(|session| session.broadcaster == broadcaster)
            // One that has left and is back has another connection, whatever it is called.
            && self.session_ends_by.is_none()
            && !self.is_back;
        self.is_back = false;
        self.offer.clone_from(&offer.sdp);
        if !renegotiates {
            self.let_drain();
            if let Err(message) = self.open_session(broadcaster) {
                return self.note_error(PeerErrorKind::Engine, message);
            }
        }
        if let Some(wire) = &self.wire {
            wire.description(false, &offer.sdp);
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
        let wire = Wire::new(
            &self.shared,
            &self.record.label,
            id,
            Some(Arc::clone(&self.arrivals)),
        );
        self.shared
            .trace
            .now(&self.record.label, || TraceKind::ConnectionOpened {
                connection: id.0,
                remote: broadcaster.as_str().to_owned(),
                wire_is_read: !self.shared.scenario.corrupts(),
            });
        let spec = ConnectionSpec {
            id,
            direction: MediaDirection::Receive {
                video: None,
                keep_access_units: self.spec.decode,
            },
            bind: self.shared.bind_for(Party::Viewer(self.spec.number)),
            tap: Some(wire.tap()),
            filter: self.shared.filter_of_viewer(self.spec.number),
            impairment: self.shared.scenario.network.impair_up(
                self.shared.scenario.seed,
                self.shared.room_number,
                id.0,
            ),
        };
        let handle = self
            .shared
            .engine
            .connect(spec, self.event_tx.clone())
            .map_err(|error| error.to_string())?;
        self.wire = Some(wire);
        let me = self.me.as_ref().map_or("", PeerId::as_str);
        let name = self.shared.connection_in_ledger(me, &self.offer);
        // Faults are planted by number, at the end that knows the connection by this name.
        self.shared.remember_number(&name, self.spec.number);
        self.is_unnamed = self.me.is_none();
        self.session = Some(Session::new(
            Arc::clone(&self.shared),
            SessionSpec {
                label: self.record.label.clone(),
                id,
                broadcaster,
                name,
                number: self.spec.number,
                handle,
                decode: self.spec.decode,
                sampled: self.spec.sampled,
                first_of_viewer: self.record.sessions.is_empty(),
            },
        ));
        if let Some(session) = &mut self.session {
            session.room_state(&self.record.state, Instant::now());
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
            return;
        }
        let remote = from.as_ref().map_or("broadcaster", PeerId::as_str);
        let lost = self
            .shared
            .loses_early_candidate(&self.record.label, Some(self.spec.number), remote);
        if !lost && self.early.len() < MAX_EARLY_CANDIDATES {
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
        let draining = self.draining.as_mut().map(|draining| &mut draining.session);
        let Some(session) = self
            .session
            .iter_mut()
            .chain(draining)
            .find(|session| session.id() == event.connection)
        else {
            return;
        };
        self.shared.trace_engine(&self.record.label, &event);
        let to = Some(session.broadcaster.clone());
        match event.kind {
            EngineEventKind::LocalDescription(description) => {
                if let Some(wire) = &self.wire {
                    wire.description(true, &description.sdp);
                }
                self.record.join.reach(
                    match description.sdp_type {
                        SdpType::Offer => JoinPhase::OfferReceived,
                        _ => JoinPhase::AnswerSent,
                    },
                    Instant::now(),
                );
                self.say(Command::Description { to, description });
            }
            EngineEventKind::LocalCandidate(candidate) => self.say(Command::Candidate { to, candidate }),
            EngineEventKind::LocalEndOfCandidates { username_fragment } => {
                self.say(Command::EndOfCandidates {
                    to,
                    username_fragment,
                });
            }
            EngineEventKind::Ice(state) => {
                if matches!(
                    state,
                    IceConnectionState::Connected | IceConnectionState::Completed
                ) {
                    self.record.join.reach(JoinPhase::IceConnected, event.at);
                }
            }
            EngineEventKind::Connection(state) => {
                if state == ConnectionState::Connected {
                    session.connected(event.at);
                    self.record.join.reach(JoinPhase::DtlsConnected, event.at);
                } else if state == ConnectionState::Failed {
                    self.note_error(PeerErrorKind::Engine, "connectionState became failed".to_owned());
                }
            }
            media @ (EngineEventKind::FirstPacket(_)
            | EngineEventKind::Frame(..)
            | EngineEventKind::FrameDamaged { .. }) => {
                session.media(event.at, media, &mut self.record.join);
            }
            EngineEventKind::DataOpen => session.data_opened(),
            EngineEventKind::Data(message) => session.message(&message, event.at),
            EngineEventKind::Stats(stats) => session.statistics(*stats),
            EngineEventKind::Error(error) => {
                self.note_error(PeerErrorKind::Engine, error.to_string());
            }
            EngineEventKind::RemoteDescriptionApplied
            | EngineEventKind::RolledBack
            | EngineEventKind::CandidateQueued
            | EngineEventKind::KeyFrameRequested
            | EngineEventKind::Estimate { .. } => {}
            EngineEventKind::Closed => session.handle = None,
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
