//! The broadcaster bot: offers its stream to every viewer of a room and sends each frame once to all.
//!
//! Owns pacing, key frame policy and fan-out. Every frame goes into the ledger before any connection
//! gets it. It does not judge what becomes of them.

mod fanout;
mod messages;
mod record;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use greenroom_signaling::{Command, Event, Muted, MutedMedia, PeerId, Role, RoomId, RoomState, SdpType};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::line::{Heard, Line};
use super::source::Sources;
use super::viewer::ChatLine;
use crate::engine::{ConnectionId, ConnectionState, EngineCommand, EngineEvent, EngineEventKind};
use crate::measure::measured::{PeerError, PeerErrorKind};
use crate::scenario::{Muting, Party, RoleSelection};
use crate::trace::TraceKind;

pub(crate) use self::fanout::{Fanout, To};
pub(crate) use self::record::{BroadcasterCommand, BroadcasterRecord, StreamPosition};
pub(crate) use self::stream::Stream;

/// How long a connection that gets no more frames is kept open for the last ones to arrive.
const LINGER: Duration = Duration::from_millis(300);
/// How long it waits for statistics and for the close.
const TEARDOWN: Duration = Duration::from_millis(1_000);
/// Engine events that may wait for the bot; its viewers share them.
const EVENT_CAPACITY: usize = 8_192;
/// Least bitrate that an estimate can bring the encoder to, in bits per second.
const MIN_BITRATE_BPS: u64 = 50_000;
/// Errors that are kept.
const MAX_ERRORS: usize = 16;
/// Chat lines that are kept.
const MAX_CHAT: usize = 1_000;

/// Runs a broadcaster from `start` until it is told to leave; its stream goes on where `from` says.
pub(crate) async fn run(
    shared: Arc<Shared>,
    sources: Sources,
    from: StreamPosition,
    start: Instant,
    mut commands: mpsc::Receiver<BroadcasterCommand>,
) -> (BroadcasterRecord, Sources) {
    let label = shared.label("broadcaster");
    let rate = sources.video.rate();
    let mut record = BroadcasterRecord {
        next: from,
        frame_rate: f64::from(rate.num()) / f64::from(rate.den()),
        ..BroadcasterRecord::default()
    };
    tokio::select! {
        biased;
        () = told_to_leave(&mut commands) => return (record, sources),
        () = tokio::time::sleep_until(start) => {}
    }
    let started = Instant::now();
    let dialed = tokio::select! {
        biased;
        () = told_to_leave(&mut commands) => return (record, sources),
        dialed = Line::open(Arc::clone(&shared), &label, Party::Broadcaster) => dialed,
    };
    let line = match dialed {
        Ok(line) => line,
        Err(error) => {
            record.dial_error = Some(error.to_string());
            shared.trace.now(&label, || TraceKind::SignalingClosed {
                reason: error.to_string(),
            });
            return (record, sources);
        }
    };
    let (event_tx, mut events) = mpsc::channel(EVENT_CAPACITY);
    let ceiling_bps = shared.scenario.media.bitrate_bps;
    let mut bot = BroadcasterBot {
        stream: Stream::new(Arc::clone(&shared), label.clone(), event_tx, sources, record),
        shared,
        label,
        line,
        asked: Muted::default(),
        started,
        estimates: BTreeMap::new(),
        ceiling_bps,
        messages: BTreeMap::new(),
        leaving: None,
    };
    bot.join_room();
    bot.main_loop(&mut events, &mut commands).await;
    bot.teardown(&mut events).await;
    bot.stream.record.losses = bot.line.take_losses();
    bot.stream.end()
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
    line: Line,
    stream: Stream,
    /// For which media a mute or unmute was asked of the server.
    asked: Muted,
    /// When it began to dial.
    started: Instant,
    /// What each viewer estimates that its path carries, in bits per second.
    estimates: BTreeMap<ConnectionId, u64>,
    /// What estimates may bring it to at the most.
    ceiling_bps: u32,
    /// When the next message is due on each open data channel.
    messages: BTreeMap<ConnectionId, Instant>,
    leaving: Option<Instant>,
}

impl BroadcasterBot {
    async fn main_loop(
        &mut self,
        events: &mut mpsc::Receiver<EngineEvent>,
        commands: &mut mpsc::Receiver<BroadcasterCommand>,
    ) {
        let mut commands_open = true;
        loop {
            let wake_at = [
                self.stream.next_turn(),
                self.leaving,
                self.next_message(),
                self.stream.fanout.next_end(),
            ]
            .into_iter()
            .flatten()
            .min();
            tokio::select! {
                // What is due is done after every turn, so the timer may be last.
                biased;
                command = commands.recv(), if commands_open => match command {
                    Some(command) => self.on_command(command),
                    None => {
                        commands_open = false;
                        self.begin_leaving();
                    }
                },
                heard = self.line.next() => match heard {
                    Heard::Event(event) => self.on_signaling(event.at, event.event),
                    Heard::Reopened => {
                        self.stream.fanout.forget_broadcaster();
                        self.join_room();
                    }
                },
                Some(event) = events.recv() => self.on_engine(event),
                () = sleep_until(wake_at), if wake_at.is_some() => {}
            }
            let now = Instant::now();
            self.say_on_data_channels(now);
            self.stream.fanout.close_ended(now);
            if self.stream.take_due(now) {
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
        if let Err(error) = self.line.say(command) {
            self.note_error(PeerErrorKind::Protocol, format!("signaling: {error}"));
        }
    }

    fn note_error(&mut self, kind: PeerErrorKind, message: String) {
        self.keep_error(PeerError { kind, message });
    }

    fn keep_error(&mut self, error: PeerError) {
        log::debug!("{}: {}", self.label, error.message);
        if self.stream.record.errors.len() < MAX_ERRORS {
            self.stream.record.errors.push(error);
        }
    }

    fn on_command(&mut self, command: BroadcasterCommand) {
        match command {
            BroadcasterCommand::Chat(text) => {
                self.stream.record.chat_said += 1;
                self.say(Command::Chat { text });
            }
            BroadcasterCommand::Mute(muted, what) => self.mute(muted, what),
            BroadcasterCommand::Bitrate(bps) => {
                self.ceiling_bps = bps;
                self.stream.set_bitrate(bps);
            }
            BroadcasterCommand::CutSignaling => self.line.cut(),
            BroadcasterCommand::StallSignaling(duration) => self.line.stall(duration),
            BroadcasterCommand::Stop => {
                if !self.shared.scenario.flaws.ignores_stop {
                    self.stream.stop_stream();
                }
                self.say(Command::Stop);
            }
            BroadcasterCommand::Leave => self.begin_leaving(),
        }
    }

    fn mute(&mut self, muted: bool, what: Muting) {
        let media = match what {
            Muting::All => MutedMedia::All,
            Muting::Video => MutedMedia::Video,
            Muting::Audio => MutedMedia::Audio,
        };
        self.asked.video |= what != Muting::Audio;
        self.asked.audio |= what != Muting::Video;
        if !self.shared.scenario.flaws.ignores_mute {
            if what != Muting::Audio {
                self.stream.muted.video = muted;
            }
            if what != Muting::Video {
                self.stream.muted.audio = muted;
            }
        }
        self.say(if muted {
            Command::Mute { media }
        } else {
            Command::Unmute { media }
        });
    }

    /// Follows the viewer whose path carries least, when it is to.
    fn on_estimate(&mut self, connection: ConnectionId, bps: u64) {
        if !self.shared.scenario.media.adapt {
            return;
        }
        self.estimates.insert(connection, bps);
        let most = u64::from(self.ceiling_bps);
        let least = self.estimates.values().copied().min().unwrap_or(most);
        let bps = least.clamp(MIN_BITRATE_BPS.min(most), most);
        self.stream.set_bitrate(u32::try_from(bps).unwrap_or(u32::MAX));
    }

    fn begin_leaving(&mut self) {
        if self.leaving.is_none() {
            self.stream.record.stayed = self.started.elapsed();
            self.line.let_go();
            let streaming = self.stream.fanout.is_streaming();
            self.stream.stop_stream();
            let linger = if streaming { LINGER } else { Duration::ZERO };
            self.leaving = Some(Instant::now() + linger);
        }
    }

    fn on_signaling(&mut self, at: Instant, event: Event) {
        match event {
            Event::Joined { id, peers, state, .. } => {
                self.stream.record.joined = true;
                // A room stays muted when its broadcaster leaves and returns; what has been asked for since then is
                // still on its way to the server, and newer.
                if !self.asked.video {
                    self.stream.muted.video = state.muted.video;
                }
                if !self.asked.audio {
                    self.stream.muted.audio = state.muted.audio;
                }
                self.stream.fanout.set_broadcaster(id);
                if self.line.joined(at) {
                    self.say_again(&state);
                }
                for (peer, role) in peers {
                    self.greet(peer, role);
                }
            }
            Event::PeerJoined { id, role } => self.greet(id, role),
            Event::PeerLeft { id, .. } => self.stream.fanout.viewer_left(&id),
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
                if self.stream.record.chat.len() < MAX_CHAT {
                    self.stream.record.chat.push(ChatLine { seq, text });
                }
            }
            Event::Error { code, message, .. } => {
                let error = self.shared.refused(&self.label, at, &code, &message);
                if !self.line.is_turned_away(at, &code) {
                    self.keep_error(error);
                }
            }
            Event::Undecodable(error) => {
                let error = self.shared.undecodable(&self.label, at, &error);
                self.keep_error(error);
            }
            // The line sees to it.
            Event::Closed(_) => {}
            Event::EndOfCandidates { .. } | Event::RoomState(_) => {}
        }
    }

    /// Back in the room, whose server may have forgotten what was said in it, or never heard it.
    fn say_again(&mut self, state: &RoomState) {
        let media = [
            (self.stream.muted.video, state.muted.video, MutedMedia::Video),
            (self.stream.muted.audio, state.muted.audio, MutedMedia::Audio),
        ];
        for (muted, known, media) in media {
            match (muted, known) {
                (true, false) => self.say(Command::Mute { media }),
                (false, true) => self.say(Command::Unmute { media }),
                _ => {}
            }
        }
        if !self.stream.live && !state.stopped {
            self.say(Command::Stop);
        }
    }

    fn greet(&mut self, peer: PeerId, role: Role) {
        if role != Role::Viewer {
            return;
        }
        match self.stream.fanout.connect(peer) {
            Ok(()) => self.stream.record.connections += 1,
            Err(error) => self.note_error(PeerErrorKind::Engine, error.to_string()),
        }
    }

    fn command(&mut self, viewer: &PeerId, command: EngineCommand) {
        if let Err(error) = self.stream.fanout.command(viewer, command) {
            self.note_error(PeerErrorKind::Engine, format!("{viewer}: {error}"));
        }
    }

    fn on_engine(&mut self, event: EngineEvent) {
        let at = event.at;
        if let EngineEventKind::Stats(stats) = &event.kind {
            // Statistics may come after the viewer has left.
            self.stream.record.packets_sent += stats.packets_sent;
            return;
        }
        let Some(viewer) = self.stream.fanout.viewer_of(event.connection) else {
            return;
        };
        self.shared.trace_engine(&self.label, &event);
        let to = Some(viewer.clone());
        match event.kind {
            EngineEventKind::LocalDescription(description) => {
                self.stream.fanout.offered(event.connection, &description.sdp);
                self.say(Command::Description { to, description });
            }
            EngineEventKind::LocalCandidate(candidate) => self.say(Command::Candidate { to, candidate }),
            EngineEventKind::LocalEndOfCandidates { username_fragment } => {
                self.say(Command::EndOfCandidates {
                    to,
                    username_fragment,
                });
            }
            EngineEventKind::Connection(ConnectionState::Connected) => self.on_connected(event.connection),
            EngineEventKind::Connection(ConnectionState::Failed | ConnectionState::Closed) => {
                self.stream.fanout.gone(event.connection);
            }
            EngineEventKind::KeyFrameRequested => {
                self.stream.record.key_frame_requests += 1;
                self.stream.key_frame_wanted = true;
                self.shared
                    .trace
                    .at(at, &self.label, || TraceKind::KeyFrameRequested {
                        viewer: viewer.to_string(),
                    });
            }
            EngineEventKind::Error(error) => {
                self.note_error(PeerErrorKind::Engine, format!("{viewer}: {error}"));
            }
            EngineEventKind::Estimate { bps } => self.on_estimate(event.connection, bps),
            EngineEventKind::DataOpen => self.data_opened(event.connection, at),
            EngineEventKind::Data(message) => {
                // Viewers of this process read the same clock; others read one that we do not know.
                let offset = (self.shared.scenario.role == RoleSelection::All).then_some(0);
                let at_us = self.shared.clock.us(at);
                self.stream
                    .record
                    .data
                    .received(viewer.as_str(), &message, at_us, offset);
            }
            EngineEventKind::Closed => {
                self.stream.fanout.closed(event.connection);
                self.estimates.remove(&event.connection);
                self.messages.remove(&event.connection);
            }
            EngineEventKind::RemoteDescriptionApplied
            | EngineEventKind::RolledBack
            | EngineEventKind::CandidateQueued
            | EngineEventKind::Ice(_)
            | EngineEventKind::Connection(_)
            | EngineEventKind::Stats(_)
            | EngineEventKind::FirstPacket(_)
            | EngineEventKind::Frame(..)
            | EngineEventKind::FrameDamaged { .. } => {}
        }
    }

    fn on_connected(&mut self, connection: ConnectionId) {
        self.stream.fanout.connected(connection);
        self.stream.key_frame_wanted = true;
        self.stream.start_stream(Instant::now());
    }

    /// Takes statistics, closes every connection and leaves the room, each under a deadline.
    async fn teardown(&mut self, events: &mut mpsc::Receiver<EngineEvent>) {
        let deadline = Instant::now() + TEARDOWN;
        let mut open = self.stream.fanout.close_all();
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
        self.line.close(deadline).await;
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
