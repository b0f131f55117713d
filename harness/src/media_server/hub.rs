//! The sessions of a media server and their connections: what signaling asks and engines tell becomes what is done.
//!
//! Owns the connections; one task has all of them. Which frame goes where is [`super::core`]'s to say, and statuses and
//! headers are signaling's: nothing here knows HTTP.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use greenroom_signaling::sdpfrag::SdpFragment;
use greenroom_signaling::{Description, SdpType};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::core::{Core, Output};
use super::flaw::Flaw;
use super::sdp::{self, Wanted};
use super::session::{self, Session};
use super::{MediaServerConfig, MediaServerStats};
use crate::engine::{
    ConnectionId, ConnectionSpec, ConnectionState, Engine, EngineCommand, EngineError, EngineEvent,
    EngineEventKind, MediaDirection,
};
use crate::media::kind::MediaKind;

/// Engine events that may wait; all connections share them.
const EVENT_CAPACITY: usize = 8_192;
/// Candidates of one connection that are told.
const MAX_CANDIDATES: usize = 64;

/// What signaling asks, each with the way back.
#[derive(Debug)]
pub(super) enum Ask {
    /// Open a session for an offer.
    Open {
        wanted: Wanted,
        stream: String,
        offer: String,
        reply: oneshot::Sender<Result<Opened, Refusal>>,
    },
    /// Take the answer to a counter-offer.
    Answer {
        session: String,
        answer: String,
        reply: Reply,
    },
    /// Take candidates.
    Trickle {
        session: String,
        /// The entity tags that the client names, if it names any.
        if_match: Option<String>,
        fragment: SdpFragment,
        reply: Reply,
    },
    /// End a session.
    End { session: String, reply: Reply },
}

pub(super) type Reply = oneshot::Sender<Result<(), Refusal>>;

/// A session that is open.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) session: String,
    pub(super) etag: String,
    /// An answer, or an offer.
    pub(super) sdp: String,
    pub(super) is_counter_offer: bool,
}

/// What is not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no such session")]
    NoSession,
    #[error("nobody publishes this stream; ask again")]
    NotLive,
    #[error("the stream has its publisher")]
    Taken,
    #[error("the server has as many sessions as it takes; come again")]
    Full,
    #[error("If-Match is missing; it should be the session's ETag (RFC 9725 section 4.3.1)")]
    NoIfMatch,
    #[error(
        "If-Match names another ETag than the session's: its ICE generation is over (RFC 9725 section 4.3.2)"
    )]
    Stale,
    #[error("this server does not restart ICE (RFC 9725 section 4.3.3)")]
    NoRestart,
    #[error("nobody asked for an answer")]
    NotAsked,
    #[error("{0}")]
    Unacceptable(String),
    #[error("the server could not do it: {0}")]
    Failed(String),
}

/// All sessions of one server.
pub(super) struct Hub {
    engine: Arc<dyn Engine>,
    config: Arc<MediaServerConfig>,
    stats: Arc<Mutex<MediaServerStats>>,
    core: Core,
    sessions: BTreeMap<ConnectionId, Session>,
    by_token: HashMap<String, ConnectionId>,
    next_id: u64,
    event_tx: mpsc::Sender<EngineEvent>,
    events: mpsc::Receiver<EngineEvent>,
}

impl Hub {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        config: Arc<MediaServerConfig>,
        stats: Arc<Mutex<MediaServerStats>>,
    ) -> Self {
        let (event_tx, events) = mpsc::channel(EVENT_CAPACITY);
        Self {
            engine,
            config,
            stats,
            core: Core::default(),
            sessions: BTreeMap::new(),
            by_token: HashMap::new(),
            next_id: 0,
            event_tx,
            events,
        }
    }

    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) -> Infallible {
        loop {
            let deadlines = self.sessions.values().filter_map(|session| session.deadline);
            let due = deadlines.chain(self.core.next_timeout()).min();
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.on_engine(event),
                Some(ask) = asks.recv() => self.on_ask(ask),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.on_time(Instant::now());
                }
            }
        }
    }

    fn on_ask(&mut self, ask: Ask) {
        // Whoever asked may be gone; then nobody hears the answer.
        match ask {
            Ask::Open {
                wanted,
                stream,
                offer,
                reply,
            } => self.open(wanted, stream, offer, reply),
            Ask::Answer {
                session,
                answer,
                reply,
            } => drop(reply.send(self.answer(&session, answer))),
            Ask::Trickle {
                session,
                if_match,
                fragment,
                reply,
            } => drop(reply.send(self.trickle(&session, if_match.as_deref(), fragment))),
            Ask::End { session, reply } => {
                let ended = match self.by_token.get(&session).copied() {
                    Some(_) if self.config.flaw == Some(Flaw::DeleteIgnored) => Ok(()),
                    Some(id) => {
                        self.end(id);
                        Ok(())
                    }
                    None => Err(Refusal::NoSession),
                };
                let _ = reply.send(ended);
            }
        }
    }

    fn open(
        &mut self,
        wanted: Wanted,
        stream: String,
        offer: String,
        reply: oneshot::Sender<Result<Opened, Refusal>>,
    ) {
        match self.connect(wanted, &stream, &offer) {
            Ok((id, handle, token)) => {
                let session = Session {
                    etag: format!("\"{:x}\"", id.0),
                    token: token.clone(),
                    stream,
                    wanted,
                    handle,
                    description: None,
                    candidates: Vec::new(),
                    reply: Some(reply),
                    awaits_answer: wanted == Wanted::Play && self.config.counter_offers,
                    ufrag: sdp::ufrag(&offer).map(str::to_owned),
                    deadline: Session::opening_by(Instant::now()),
                };
                self.by_token.insert(token, id);
                self.sessions.insert(id, session);
                self.count();
            }
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Opens the connection of a session and has its description made.
    fn connect(
        &mut self,
        wanted: Wanted,
        stream: &str,
        offer: &str,
    ) -> Result<(ConnectionId, crate::engine::ConnectionHandle, String), Refusal> {
        if self.sessions.len() >= self.config.max_sessions {
            return Err(Refusal::Full);
        }
        let failed = |error: EngineError| Refusal::Failed(error.to_string());
        let id = ConnectionId(self.next_id + 1);
        let token = session::token(self.config.flaw, id.0)
            .ok_or_else(|| Refusal::Failed("this machine has no randomness".to_owned()))?;
        let direction = match wanted {
            Wanted::Publish => {
                self.core.publish(stream, id).map_err(|_| Refusal::Taken)?;
                MediaDirection::Receive {
                    video: None,
                    keep_access_units: true,
                }
            }
            Wanted::Play => {
                let video = self.core.live(stream).ok_or(Refusal::NotLive)?;
                self.core.play(stream, id, video);
                MediaDirection::Send {
                    video,
                    audio: true,
                    data: false,
                }
            }
        };
        self.next_id = id.0;
        let spec = ConnectionSpec {
            id,
            direction,
            bind: None,
            tap: None,
            impairment: None,
            filter: None,
        };
        let connected = self
            .engine
            .connect(spec, self.event_tx.clone())
            .and_then(|handle| {
                handle.send(match wanted {
                    Wanted::Play if self.config.counter_offers => EngineCommand::MakeOffer,
                    _ => EngineCommand::MakeAnswer(Description {
                        sdp_type: SdpType::Offer,
                        sdp: offer.to_owned(),
                    }),
                })?;
                Ok(handle)
            });
        match connected {
            Ok(handle) => Ok((id, handle, token)),
            Err(error) => {
                self.core.closed(id);
                Err(failed(error))
            }
        }
    }

    fn answer(&mut self, token: &str, answer: String) -> Result<(), Refusal> {
        let session = self.session_of(token)?;
        if !session.awaits_answer || session.reply.is_some() {
            return Err(Refusal::NotAsked);
        }
        session.awaits_answer = false;
        session.ufrag = sdp::ufrag(&answer).map(str::to_owned);
        let description = Description {
            sdp_type: SdpType::Answer,
            sdp: answer,
        };
        let sent = session.handle.send(EngineCommand::ApplyAnswer(description));
        sent.map_err(|error| Refusal::Failed(error.to_string()))
    }

    /// Candidates that the engine cannot use are dropped without a word, and the rest is used (RFC 9725 section 4.3.2).
    fn trickle(&mut self, token: &str, if_match: Option<&str>, fragment: SdpFragment) -> Result<(), Refusal> {
        let flaw = self.config.flaw;
        let session = self.session_of(token)?;
        match if_match {
            None if flaw == Some(Flaw::NoIfMatchNeeded) => {}
            None => return Err(Refusal::NoIfMatch),
            Some(_) if flaw == Some(Flaw::StaleEtagTaken) => {}
            Some(tags) => {
                let mut tags = tags.split(',').map(str::trim);
                // The asterisk is what restarts come with, also in the quotes that an example of the draft has.
                if !tags.any(|tag| tag == session.etag || tag == "*" || tag == "\"*\"") {
                    return Err(Refusal::Stale);
                }
            }
        }
        if fragment.ufrag.is_some() && fragment.ufrag != session.ufrag {
            return Err(Refusal::NoRestart);
        }
        for candidate in fragment.candidates.into_iter().take(MAX_CANDIDATES) {
            let sent = session.handle.send(EngineCommand::AddCandidate(candidate));
            sent.map_err(|error| Refusal::Failed(error.to_string()))?;
        }
        Ok(())
    }

    fn session_of(&mut self, token: &str) -> Result<&mut Session, Refusal> {
        let id = self.by_token.get(token).ok_or(Refusal::NoSession)?;
        self.sessions.get_mut(id).ok_or(Refusal::NoSession)
    }

    fn on_engine(&mut self, event: EngineEvent) {
        let (id, now) = (event.connection, event.at);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let outputs = match event.kind {
            EngineEventKind::LocalDescription(description) => {
                if session.wanted == Wanted::Publish {
                    self.core.agreed(id, sdp::video_codec(&description.sdp));
                }
                session.description = Some(description.sdp);
                if self.config.flaw == Some(Flaw::NoCandidates) {
                    self.opened(id);
                }
                Vec::new()
            }
            EngineEventKind::LocalCandidate(candidate) => {
                if session.candidates.len() < MAX_CANDIDATES {
                    session.candidates.push(candidate);
                }
                Vec::new()
            }
            EngineEventKind::LocalEndOfCandidates { .. } => {
                self.opened(id);
                Vec::new()
            }
            EngineEventKind::Connection(ConnectionState::Connected) => {
                session.deadline = None;
                self.core.connected(id, now)
            }
            EngineEventKind::Connection(ConnectionState::Failed | ConnectionState::Closed)
            | EngineEventKind::Closed => {
                self.end(id);
                Vec::new()
            }
            EngineEventKind::Frame(media, mut frame) => self.core.frame(id, media, &mut frame, now),
            EngineEventKind::FrameDamaged { media, .. } => self.core.damaged(id, media, now),
            EngineEventKind::KeyFrameRequested => self.core.key_frame_wanted(id, now),
            EngineEventKind::Error(error) => {
                log::debug!("{:?} of {:?}: {error}", session.wanted, session.stream);
                if let Some(reply) = session.reply.take() {
                    let _ = reply.send(Err(Refusal::Unacceptable(error.to_string())));
                    self.end(id);
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.perform(outputs, now);
    }

    /// The description is complete: whoever waits for it gets it.
    fn opened(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (Some(description), Some(reply)) = (&session.description, session.reply.take()) else {
            return;
        };
        let mut sdp = match self.config.flaw {
            Some(Flaw::NoCandidates) => description.clone(),
            _ => sdp::with_candidates(description, &session.candidates),
        };
        if self.config.flaw == Some(Flaw::AnswersSendrecv) {
            sdp = sdp
                .replace("a=recvonly", "a=sendrecv")
                .replace("a=sendonly", "a=sendrecv");
        }
        session.deadline = Session::connecting_by(Instant::now());
        let opened = Opened {
            session: session.token.clone(),
            etag: session.etag.clone(),
            sdp,
            is_counter_offer: session.awaits_answer,
        };
        if reply.send(Ok(opened)).is_err() {
            // Nobody knows its URL.
            self.end(id);
        }
    }

    fn on_time(&mut self, now: Instant) {
        let late = self.sessions.iter().filter(|(_, session)| {
            let deadline = session.deadline;
            deadline.is_some_and(|deadline| now >= deadline)
        });
        let late: Vec<ConnectionId> = late.map(|(id, _)| *id).collect();
        for id in late {
            if let Some(reply) = self
                .sessions
                .get_mut(&id)
                .and_then(|session| session.reply.take())
            {
                let _ = reply.send(Err(Refusal::Failed(
                    "no candidates were gathered in time".to_owned(),
                )));
            }
            self.end(id);
        }
        let outputs = self.core.timeout(now);
        self.perform(outputs, now);
    }

    fn perform(&mut self, outputs: Vec<Output>, now: Instant) {
        let mut outputs = VecDeque::from(outputs);
        let mut forwarded = 0;
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send { to, media, frame } => {
                    let Some(session) = self.sessions.get(&to) else {
                        continue;
                    };
                    match session.handle.send(EngineCommand::SendFrame(media, frame)) {
                        Ok(()) => forwarded += 1,
                        Err(EngineError::Busy) if media == MediaKind::Video => {
                            outputs.extend(self.core.skipped(to, now));
                        }
                        Err(error) => log::debug!("{media} is not sent on: {error}"),
                    }
                }
                Output::AskKeyFrame { of } => {
                    if let Some(session) = self.sessions.get(&of)
                        && let Err(error) = session.handle.send(EngineCommand::RequestKeyFrame)
                    {
                        log::debug!("no key frame is asked for: {error}");
                    }
                }
            }
        }
        if forwarded > 0 {
            self.stats
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .forwarded += forwarded;
        }
    }

    /// Drops the connection, which ends ICE and DTLS at once.
    fn end(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.remove(&id) {
            self.by_token.remove(&session.token);
        }
        self.core.closed(id);
        self.count();
    }

    fn count(&self) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        (stats.publishers, stats.players) = self.core.count();
    }
}
