//! The broadcaster bot: offers its stream to every viewer of a room and sends each frame once to all.
//!
//! Owns pacing, key frame policy and fan-out. Every frame goes into the ledger before any connection
//! gets it. It does not judge what becomes of them.

mod fanout;
mod record;
mod stream;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use greenroom_signaling::{
    ClientConfig, ClientEvents, ClientHandle, CloseReason, Command, ErrorCode, Event, MutedMedia, PeerId,
    Role, RoomId, SdpType,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::fanout::Fanout;
use super::Shared;
use super::pace::Pacer;
use super::source::Source;
use super::viewer::ChatLine;
use crate::engine::{ConnectionState, EngineCommand, EngineEvent, EngineEventKind};
use crate::measure::measured::{PeerError, PeerErrorKind};
use crate::media::ledger::LedgerFrame;
use crate::media::packetize::EncodedFrame;
use crate::trace::TraceKind;

pub(crate) use self::record::{BroadcasterCommand, BroadcasterRecord};

/// How long a broadcaster that leaves keeps its connections open for the last frames to arrive.
const LINGER: Duration = Duration::from_millis(300);
/// How long it waits for statistics and for the close.
const TEARDOWN: Duration = Duration::from_millis(1_000);
/// Engine events that may wait for the bot; its viewers share them.
const EVENT_CAPACITY: usize = 8_192;
/// Errors that are kept.
const MAX_ERRORS: usize = 16;
/// Chat lines that are kept.
const MAX_CHAT: usize = 1_000;

/// Runs a broadcaster from `start` until it is told to leave; frames are numbered from `first_index`.
pub(crate) async fn run(
    shared: Arc<Shared>,
    source: Source,
    first_index: u32,
    start: Instant,
    mut commands: mpsc::Receiver<BroadcasterCommand>,
) -> (BroadcasterRecord, Source) {
    let label = shared.label("broadcaster");
    let mut record = BroadcasterRecord {
        next_index: first_index,
        ..BroadcasterRecord::default()
    };
    tokio::select! {
        () = tokio::time::sleep_until(start) => {}
        () = told_to_leave(&mut commands) => return (record, source),
    }
    let config = ClientConfig {
        observer: shared.frame_observer(&label),
        ..ClientConfig::default()
    };
    let dialed = tokio::select! {
        dialed = shared.dialer.connect(config) => dialed,
        () = told_to_leave(&mut commands) => return (record, source),
    };
    let (signaling, mut incoming) = match dialed {
        Ok(connected) => connected,
        Err(error) => {
            record.dial_error = Some(error.to_string());
            shared.trace.now(&label, || TraceKind::SignalingClosed {
                reason: error.to_string(),
            });
            return (record, source);
        }
    };
    shared.trace.now(&label, || TraceKind::SignalingOpen);
    let (event_tx, mut events) = mpsc::channel(EVENT_CAPACITY);
    let mut bot = BroadcasterBot {
        fanout: Fanout::new(Arc::clone(&shared), label.clone(), event_tx),
        shared,
        label,
        record,
        signaling: Some(signaling),
        source,
        pacer: None,
        first_index,
        outbox: VecDeque::new(),
        muted: false,
        live: true,
        key_frame_wanted: false,
        last_key_frame: None,
        leaving: None,
    };
    bot.join_room();
    bot.main_loop(&mut incoming, &mut events, &mut commands).await;
    bot.teardown(&mut incoming, &mut events).await;
    (bot.record, bot.source)
}

async fn told_to_leave(commands: &mut mpsc::Receiver<BroadcasterCommand>) {
    loop {
        match commands.recv().await {
            Some(BroadcasterCommand::Leave) | None => return,
            Some(_) => {}
        }
    }
}

struct BroadcasterBot {
    shared: Arc<Shared>,
    label: String,
    record: BroadcasterRecord,
    signaling: Option<ClientHandle>,
    fanout: Fanout,
    source: Source,
    /// Runs from the first connection on: before it there is nobody to encode for.
    pacer: Option<Pacer>,
    first_index: u32,
    /// Encoded frames in the planted delay of the encoder.
    outbox: VecDeque<(Instant, Arc<EncodedFrame>, LedgerFrame)>,
    muted: bool,
    live: bool,
    key_frame_wanted: bool,
    last_key_frame: Option<Instant>,
    leaving: Option<Instant>,
}

impl BroadcasterBot {
    async fn main_loop(
        &mut self,
        incoming: &mut ClientEvents,
        events: &mut mpsc::Receiver<EngineEvent>,
        commands: &mut mpsc::Receiver<BroadcasterCommand>,
    ) {
        let mut signaling_open = true;
        loop {
            let capture_at = self.next_capture();
            let dispatch_at = self.outbox.front().map(|(ready, ..)| *ready);
            let wake_at = [capture_at, dispatch_at, self.leaving]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                () = sleep_until(wake_at), if wake_at.is_some() => {}
                event = incoming.next(), if signaling_open => match event {
                    Some(event) => self.on_signaling(event.at, event.event),
                    None => signaling_open = false,
                },
                Some(event) = events.recv() => self.on_engine(event),
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => self.begin_leaving(),
                },
            }
            let now = Instant::now();
            let captured = self.capture_due(now);
            self.dispatch_due(Instant::now());
            if captured {
                // One frame a turn: an encoder that is too slow must not keep the rest of the bot waiting.
                tokio::task::yield_now().await;
            }
            if self.leaving.is_some_and(|at| now >= at) {
                return;
            }
        }
    }

    fn join_room(&mut self) {
        match self.shared.room.parse::<RoomId>() {
            Ok(room) => self.say(Command::Join {
                room,
                role: Role::Broadcaster,
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
        log::debug!("{}: {message}", self.label);
        if self.record.errors.len() < MAX_ERRORS {
            self.record.errors.push(PeerError { kind, message });
        }
    }

    fn on_command(&mut self, command: BroadcasterCommand) {
        match command {
            BroadcasterCommand::Chat(text) => {
                self.record.chat_said += 1;
                self.say(Command::Chat { text });
            }
            BroadcasterCommand::Mute(true) => {
                self.muted = true;
                self.say(Command::Mute {
                    media: MutedMedia::Video,
                });
            }
            BroadcasterCommand::Mute(false) => {
                self.muted = false;
                self.say(Command::Unmute {
                    media: MutedMedia::Video,
                });
            }
            BroadcasterCommand::Stop => {
                self.stop_stream();
                self.say(Command::Stop);
            }
            BroadcasterCommand::Leave => self.begin_leaving(),
        }
    }

    fn begin_leaving(&mut self) {
        if self.leaving.is_none() {
            let streaming = self.fanout.is_streaming();
            self.stop_stream();
            let linger = if streaming { LINGER } else { Duration::ZERO };
            self.leaving = Some(Instant::now() + linger);
        }
    }

    fn on_signaling(&mut self, at: Instant, event: Event) {
        match event {
            Event::Joined { id, peers, state, .. } => {
                self.record.joined = true;
                // A room stays muted when its broadcaster leaves and returns.
                self.muted = state.muted.video;
                self.fanout.set_broadcaster(id);
                for (peer, role) in peers {
                    self.greet(peer, role);
                }
            }
            Event::PeerJoined { id, role } => self.greet(id, role),
            Event::PeerLeft { id, .. } => self.fanout.viewer_left(&id),
            Event::Description {
                from: Some(from),
                description,
            } => {
                if description.sdp_type == SdpType::Answer {
                    self.command(&from, EngineCommand::ApplyAnswer(description));
                } else {
                    self.note_error(
                        PeerErrorKind::Protocol,
                        format!("{from} sent an {}, not an answer", description.sdp_type),
                    );
                }
            }
            Event::Candidate {
                from: Some(from),
                candidate,
            } => {
                self.command(&from, EngineCommand::AddCandidate(candidate));
            }
            Event::Description { from: None, .. } | Event::Candidate { from: None, .. } => {
                self.note_error(
                    PeerErrorKind::Protocol,
                    "a message of a viewer does not say whose it is".to_owned(),
                );
            }
            Event::Chat { text, seq, .. } => {
                if self.record.chat.len() < MAX_CHAT {
                    self.record.chat.push(ChatLine { seq, text });
                }
            }
            Event::Error { code, message, .. } => {
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::SignalingError {
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
            Event::EndOfCandidates { .. } | Event::RoomState(_) => {}
        }
    }

    fn on_signaling_closed(&mut self, at: Instant, reason: &CloseReason) {
        self.shared
            .trace
            .at(at, &self.label, || TraceKind::SignalingClosed {
                reason: reason.to_string(),
            });
        if self.leaving.is_none() {
            self.record.signaling_lost.get_or_insert((at, reason.to_string()));
        }
    }

    fn greet(&mut self, peer: PeerId, role: Role) {
        if role != Role::Viewer {
            return;
        }
        match self.fanout.connect(peer) {
            Ok(()) => self.record.connections += 1,
            Err(error) => self.note_error(PeerErrorKind::Engine, error.to_string()),
        }
    }

    fn command(&mut self, viewer: &PeerId, command: EngineCommand) {
        if let Err(error) = self.fanout.command(viewer, command) {
            self.note_error(PeerErrorKind::Engine, format!("{viewer}: {error}"));
        }
    }

    fn on_engine(&mut self, event: EngineEvent) {
        let connection = event.connection.0;
        let at = event.at;
        if let EngineEventKind::Stats(stats) = &event.kind {
            // Statistics may come after the viewer has left.
            self.record.packets_sent += stats.packets_sent;
            return;
        }
        let Some(viewer) = self.fanout.viewer_of(event.connection) else {
            return;
        };
        let to = Some(viewer.clone());
        match event.kind {
            EngineEventKind::LocalDescription(description) => {
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::LocalDescription {
                        connection,
                        sdp_type: description.sdp_type.to_string(),
                    });
                self.say(Command::Description { to, description });
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
                    .at(at, &self.label, || TraceKind::RemoteDescriptionApplied {
                        connection,
                    });
            }
            EngineEventKind::CandidateQueued => {
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::CandidateQueued { connection });
            }
            EngineEventKind::Ice(state) => {
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::Ice { connection, state });
            }
            EngineEventKind::Connection(state) => {
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::Connection { connection, state });
                if state == ConnectionState::Connected {
                    self.on_connected(event.connection);
                }
            }
            EngineEventKind::KeyFrameRequested => {
                self.record.key_frame_requests += 1;
                self.key_frame_wanted = true;
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::KeyFrameRequested {
                        viewer: viewer.to_string(),
                    });
            }
            EngineEventKind::Error(error) => {
                self.shared.trace.at(at, &self.label, || TraceKind::EngineError {
                    connection,
                    message: error.to_string(),
                });
                self.note_error(PeerErrorKind::Engine, format!("{viewer}: {error}"));
            }
            EngineEventKind::Closed => self.fanout.closed(event.connection),
            EngineEventKind::Stats(_)
            | EngineEventKind::FirstPacket
            | EngineEventKind::Frame(_)
            | EngineEventKind::FrameDamaged { .. } => {}
        }
    }

    fn on_connected(&mut self, connection: crate::engine::ConnectionId) {
        self.fanout.connected(connection);
        self.key_frame_wanted = true;
        if self.live && self.pacer.is_none() {
            self.pacer = Some(Pacer::new(Instant::now(), self.source.rate()));
        }
    }

    /// Takes statistics, closes every connection and leaves the room, each under a deadline.
    async fn teardown(&mut self, incoming: &mut ClientEvents, events: &mut mpsc::Receiver<EngineEvent>) {
        let deadline = Instant::now() + TEARDOWN;
        let mut open = self.fanout.close_all();
        while open > 0 {
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(event)) => {
                    open -= usize::from(matches!(event.kind, EngineEventKind::Closed));
                    self.on_engine(event);
                }
                _ => break,
            }
        }
        self.say(Command::Leave);
        drop(self.signaling.take());
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, incoming.next()).await {}
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
