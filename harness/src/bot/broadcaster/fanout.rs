//! Fan-out: the connections of a broadcaster, and which frame goes to which of them.
//!
//! Owns the state per viewer and the ledger's entries per connection. It encodes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use greenroom_signaling::PeerId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::LINGER;
use crate::bot::Shared;
use crate::bot::wire::Wire;
use crate::engine::{
    ConnectionHandle, ConnectionId, ConnectionSpec, EngineCommand, EngineError, EngineEvent, MediaDirection,
};
use crate::fault::media::FrameFaults;
use crate::measure::arrivals::Arrivals;
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::ledger::LedgerEntry;
use crate::media::packetize::EncodedFrame;
use crate::scenario::{AudioSource, Party};
use crate::trace::TraceKind;

/// All connections of one broadcaster.
pub(crate) struct Fanout {
    shared: Arc<Shared>,
    label: String,
    events: mpsc::Sender<EngineEvent>,
    broadcaster: Option<PeerId>,
    /// Times that the broadcaster has entered the room.
    stay: u32,
    connections: BTreeMap<ConnectionId, Connection>,
    by_viewer: BTreeMap<PeerId, ConnectionId>,
    /// When connections that get nothing any more are closed: what was sent last is to arrive.
    ending: BTreeMap<ConnectionId, Instant>,
    next_id: u64,
    to_send: Vec<Arc<EncodedFrame>>,
}

/// What a connection is for.
pub(crate) struct To {
    pub(crate) direction: MediaDirection,
    /// Whose end of it this is.
    pub(crate) party: Party,
    /// Counts RTP packets that arrive.
    pub(crate) arrivals: Option<Arc<Mutex<Arrivals>>>,
}

struct Connection {
    viewer: PeerId,
    /// What the broadcaster was called in the ledger when it was opened; `None` while it does not know.
    broadcaster: Option<String>,
    /// In which stay of the broadcaster's it was opened.
    stay: u32,
    /// The connection of a broadcaster or viewer that came back, which goes on until this one streams.
    replaces: Option<ConnectionId>,
    /// Its name in the ledger.
    name: String,
    /// Taken when the connection is to close.
    handle: Option<ConnectionHandle>,
    phase: PerMedia<Phase>,
    faults: Option<FrameFaults>,
    /// Whether the viewer has answered.
    answered: bool,
    wire: Wire,
}

/// How far a connection is with one medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Offer, answer, ICE, DTLS.
    #[default]
    Connecting,
    /// Connected; deltas are of no use before a key frame. Of sound, any packet is a start.
    AwaitingKeyFrame,
    /// Every frame is handed over.
    Streaming { last: u32 },
    /// No more frames.
    Ended,
}

impl Fanout {
    pub(crate) fn new(shared: Arc<Shared>, label: String, events: mpsc::Sender<EngineEvent>) -> Self {
        Self {
            shared,
            label,
            events,
            broadcaster: None,
            stay: 0,
            connections: BTreeMap::new(),
            by_viewer: BTreeMap::new(),
            ending: BTreeMap::new(),
            next_id: 0,
            to_send: Vec::new(),
        }
    }

    pub(crate) fn set_broadcaster(&mut self, id: PeerId) {
        self.stay += 1;
        // A server may announce viewers before it has told the broadcaster its name.
        let nameless = |connection: &&mut Connection| connection.broadcaster.is_none();
        for connection in self.connections.values_mut().filter(nameless) {
            connection.broadcaster = Some(self.shared.name_in_ledger(id.as_str()).to_owned());
            connection.stay = self.stay;
        }
        self.broadcaster = Some(id);
    }

    /// The broadcaster is to enter the room again, and does not know yet what it will be called.
    pub(crate) fn forget_broadcaster(&mut self) {
        self.broadcaster = None;
    }

    /// Opens a connection to a viewer and starts its offer.
    pub(crate) fn connect(&mut self, viewer: PeerId) -> Result<(), EngineError> {
        let media = &self.shared.scenario.media;
        let to = To {
            direction: MediaDirection::Send {
                video: media.codec,
                audio: media.audio != AudioSource::None,
                data: media.data_channel,
            },
            party: Party::Broadcaster,
            arrivals: None,
        };
        let id = self.open(viewer, to)?;
        self.tell(id, EngineCommand::MakeOffer)
    }

    /// Opens a connection, and leaves it to the caller who offers.
    pub(crate) fn open(&mut self, viewer: PeerId, to: To) -> Result<ConnectionId, EngineError> {
        self.next_id += 1;
        let id = ConnectionId(self.next_id);
        let wire = Wire::new(&self.shared, &self.label, id, to.arrivals);
        self.shared
            .trace
            .now(&self.label, || TraceKind::ConnectionOpened {
                connection: id.0,
                remote: viewer.as_str().to_owned(),
                wire_is_read: !self.shared.scenario.corrupts(),
            });
        let spec = ConnectionSpec {
            id,
            direction: to.direction,
            bind: self.shared.bind_for(to.party),
            tap: Some(wire.tap()),
            filter: self.shared.filter_towards(viewer.as_str()),
            impairment: self.shared.scenario.network.impair_down(
                self.shared.scenario.seed,
                self.shared.room_number,
                self.shared.count_connection(),
            ),
        };
        let handle = self.shared.engine.connect(spec, self.events.clone())?;
        let broadcaster = self.broadcaster.as_ref();
        let connection = Connection {
            name: viewer.as_str().to_owned(),
            viewer: viewer.clone(),
            broadcaster: broadcaster.map(|id| self.shared.name_in_ledger(id.as_str()).to_owned()),
            stay: self.stay,
            replaces: self.by_viewer.get(&viewer).copied(),
            handle: Some(handle),
            phase: PerMedia::default(),
            faults: None,
            answered: false,
            wire,
        };
        self.connections.insert(id, connection);
        self.by_viewer.insert(viewer, id);
        Ok(id)
    }

    /// Another handle of a connection.
    pub(crate) fn handle_of(&self, id: ConnectionId) -> Option<ConnectionHandle> {
        self.connections.get(&id)?.handle.clone()
    }

    /// The checks of a connection are held against the passwords of this description, ours or the other side's.
    pub(crate) fn described(&self, id: ConnectionId, ours: bool, sdp: &str) {
        if let Some(connection) = self.connections.get(&id) {
            connection.wire.description(ours, sdp);
        }
    }

    /// Sends a command to a connection; one that is closed is no error.
    pub(crate) fn tell(&self, id: ConnectionId, command: EngineCommand) -> Result<(), EngineError> {
        let connection = self.connections.get(&id);
        match connection.and_then(|connection| connection.handle.as_ref()) {
            Some(handle) => handle.send(command),
            None => Ok(()),
        }
    }

    /// Sends a command to a viewer's newest connection; one that has left is no error.
    pub(crate) fn command(&mut self, viewer: &PeerId, command: EngineCommand) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let id = self.by_viewer.get(viewer);
        let mut connection = id.and_then(|id| self.connections.get_mut(id));
        match (&mut connection, &command) {
            (Some(connection), EngineCommand::ApplyAnswer(answer)) => {
                connection.wire.description(false, &answer.sdp);
                connection.answered = true;
            }
            (Some(connection), EngineCommand::AddCandidate(_)) if !connection.answered => {
                let number = shared.number_of(&connection.name);
                if shared.loses_early_candidate(&self.label, number, viewer.as_str()) {
                    return Ok(());
                }
            }
            _ => {}
        }
        match connection.and_then(|connection| connection.handle.as_ref()) {
            Some(handle) => handle.send(command),
            None => Ok(()),
        }
    }

    /// An offer of ours was made.
    pub(crate) fn offered(&mut self, id: ConnectionId, sdp: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.wire.description(true, sdp);
            // Once it streams, what it is called stands in the ledger.
            if connection.phase.video == Phase::Connecting {
                connection.name = self.shared.connection_in_ledger(connection.viewer.as_str(), sdp);
            }
        }
    }

    pub(crate) fn viewer_of(&self, id: ConnectionId) -> Option<PeerId> {
        self.connections
            .get(&id)
            .map(|connection| connection.viewer.clone())
    }

    pub(crate) fn connected(&mut self, id: ConnectionId) {
        let shared = &self.shared;
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.phase.video == Phase::Connecting
        {
            connection.phase = PerMedia {
                video: Phase::AwaitingKeyFrame,
                audio: Phase::AwaitingKeyFrame,
            };
            connection.faults = shared
                .viewer_behind(&connection.name)
                .and_then(|number| FrameFaults::for_viewer(&shared.frame_faults(number), number));
        }
    }

    /// Whether any connection gets frames.
    pub(crate) fn is_streaming(&self) -> bool {
        self.connections
            .values()
            .any(|connection| matches!(connection.phase.video, Phase::Streaming { .. }))
    }

    /// Whether any connection ever got frames.
    pub(crate) fn has_streamed(&self) -> bool {
        let begun = |phase: Phase| matches!(phase, Phase::Streaming { .. } | Phase::Ended);
        self.connections
            .values()
            .any(|connection| begun(connection.phase.video))
    }

    /// Hands a frame or sound packet to every connection that is ready for it; gives the number of those
    /// that had no room.
    pub(crate) fn send(&mut self, media: MediaKind, frame: &Arc<EncodedFrame>, now: Instant) -> u64 {
        if media == MediaKind::Video {
            self.end_replaced(frame, now);
        }
        let mut skipped = 0;
        for connection in self.connections.values_mut() {
            let (Some(handle), Some(broadcaster)) = (&connection.handle, &connection.broadcaster) else {
                continue;
            };
            // Its sound begins with its pictures: until then both come by the one before.
            if connection.replaces.is_some() {
                continue;
            }
            let phase = connection.phase.get_mut(media);
            match *phase {
                Phase::Streaming { .. } => {}
                Phase::AwaitingKeyFrame if frame.key => {
                    if media == MediaKind::Video {
                        self.shared.progress.announce(&self.shared.progress.streaming);
                    }
                    self.shared.ledger.write(LedgerEntry::Open {
                        broadcaster: broadcaster.clone(),
                        viewer: connection.name.clone(),
                        media,
                        first: frame.index,
                    });
                }
                Phase::AwaitingKeyFrame | Phase::Connecting | Phase::Ended => continue,
            }
            *phase = Phase::Streaming { last: frame.index };
            let sent = match &mut connection.faults {
                None => handle.send(EngineCommand::SendFrame(media, Arc::clone(frame))),
                Some(faults) => {
                    match media {
                        MediaKind::Video => faults.apply(frame, now, &mut self.to_send),
                        MediaKind::Audio => faults.apply_to_sound(frame, &mut self.to_send),
                    }
                    self.to_send
                        .drain(..)
                        .try_for_each(|frame| handle.send(EngineCommand::SendFrame(media, frame)))
                }
            };
            if sent == Err(EngineError::Busy) {
                skipped += 1;
                self.shared.ledger.write(LedgerEntry::Skip {
                    broadcaster: broadcaster.clone(),
                    viewer: connection.name.clone(),
                    media,
                    index: frame.index,
                });
            }
        }
        skipped
    }

    /// Ends the connections whose successors begin with this frame, before the ledger calls these the same.
    fn end_replaced(&mut self, frame: &EncodedFrame, now: Instant) {
        let begins = |connection: &Connection| connection.phase.video == Phase::AwaitingKeyFrame && frame.key;
        let mut beginning = self.connections.values_mut().filter(|next| begins(next));
        let replaced: Vec<ConnectionId> = beginning
            .by_ref()
            .filter_map(|next| next.replaces.take())
            .collect();
        replaced.into_iter().for_each(|id| self.end(id, now));
    }

    fn end(&mut self, id: ConnectionId, now: Instant) {
        self.close_span(id);
        self.ending.entry(id).or_insert(now + LINGER);
    }

    /// When the next connection is to be closed.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.ending.values().min().copied()
    }

    /// Closes every connection whose last frames have had their time to arrive.
    pub(crate) fn close_ended(&mut self, now: Instant) {
        let due: Vec<ConnectionId> = self
            .ending
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.ending.remove(&id);
            self.close_handle(id);
        }
    }

    /// A viewer has left: its connection closes, and the one before it if that still goes on.
    pub(crate) fn viewer_left(&mut self, viewer: &PeerId) {
        let mut next = self.by_viewer.remove(viewer);
        while let Some(id) = next {
            self.end(id, Instant::now());
            let connection = self.connections.get_mut(&id);
            next = connection.and_then(|connection| connection.replaces.take());
        }
    }

    /// A connection does not carry anything any more. One of this stay is its viewer's to give up; nobody announces the
    /// end of one from before.
    pub(crate) fn gone(&mut self, id: ConnectionId) {
        if self
            .connections
            .get(&id)
            .is_some_and(|connection| connection.stay < self.stay)
        {
            self.end(id, Instant::now());
        }
    }

    /// The engine closed a connection.
    pub(crate) fn closed(&mut self, id: ConnectionId) {
        self.close_span(id);
        self.ending.remove(&id);
        if let Some(connection) = self.connections.remove(&id)
            && self.by_viewer.get(&connection.viewer) == Some(&id)
        {
            self.by_viewer.remove(&connection.viewer);
        }
    }

    /// Notes the last frame of every connection.
    pub(crate) fn close_spans(&mut self) {
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        ids.into_iter().for_each(|id| self.close_span(id));
    }

    /// Closes every connection; gives the number of those whose end is still to be reported.
    pub(crate) fn close_all(&mut self) -> usize {
        self.close_spans();
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        ids.iter().for_each(|id| self.close_handle(*id));
        ids.len()
    }

    fn close_span(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        // Nothing was handed to one without a name.
        let broadcaster = connection.broadcaster.clone().unwrap_or_default();
        for media in MediaKind::ALL {
            let phase = connection.phase.get_mut(media);
            if let Phase::Streaming { last } = *phase {
                self.shared.ledger.write(LedgerEntry::Close {
                    broadcaster: broadcaster.clone(),
                    viewer: connection.name.clone(),
                    media,
                    last,
                });
            }
            *phase = Phase::Ended;
        }
    }

    /// Asks for statistics and lets the handle go; the engine answers and then closes.
    fn close_handle(&mut self, id: ConnectionId) {
        if let Some(handle) = self
            .connections
            .get_mut(&id)
            .and_then(|connection| connection.handle.take())
        {
            // A connection that is already gone has no statistics to give.
            let _ = handle.send(EngineCommand::ReportStats);
        }
    }
}
