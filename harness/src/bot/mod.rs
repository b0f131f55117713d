//! The bots: a broadcaster and viewers that behave as an app's clients would, and report what they saw.
//!
//! Owns the behaviour of one peer each. A bot never judges: it measures, verifies frames against the
//! ledger, and hands over its outcome.

pub(crate) mod access;
mod backoff;
pub(crate) mod broadcaster;
pub(crate) mod caller;
pub(crate) mod dial;
mod engine_events;
pub(crate) mod line;
mod naming;
mod negotiation;
pub(crate) mod pace;
pub(crate) mod reference;
pub(crate) mod session;
mod signaling;
pub(crate) mod source;
pub(crate) mod tls;
pub(crate) mod viewer;
pub(crate) mod wire;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenroom_signaling::{Direction, HttpObserver, HttpPart};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::RunClock;
use crate::engine::Engine;
use crate::fault::wire::{End, RoomFaults};
use crate::measure::distribution::Distribution;
use crate::measure::skew::{FanoutSkew, FrameSkew};
use crate::media::ledger::Ledger;
use crate::net::filter::{DatagramFate, DatagramFilter};
use crate::scenario::{MediaFault, Party, Scenario};
use crate::trace::{FrameWay, HttpSeen, Trace, TraceKind};

/// What all bots of one room share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) room: String,
    pub(crate) clock: RunClock,
    pub(crate) trace: Trace,
    pub(crate) engine: Arc<dyn Engine>,
    /// The broadcaster's, and everybody's unless there is a `player`.
    pub(crate) dialer: dial::Dialer,
    /// The viewers', where a media server has another URL for them.
    pub(crate) player: Option<dial::Dialer>,
    pub(crate) ledger: LedgerHandle,
    pub(crate) progress: Arc<Progress>,
    pub(crate) figures: Mutex<Figures>,
    /// Peer id of each viewer bot, by its number; faults are planted by number.
    pub(crate) numbers: Mutex<HashMap<String, u32>>,
    /// What the pictures of the room were meant to be, and what the ledger must call them; absent when that
    /// cannot be known.
    pub(crate) reference: Option<Mutex<reference::Reference>>,
    pub(crate) clip: String,
    /// The network in memory, in a simulated run.
    #[cfg(feature = "sim")]
    pub(crate) network: Option<Arc<crate::net::sim::SimNet>>,
    pub(crate) room_number: usize,
    /// Connections that the room's broadcaster has opened, in all of its stays.
    pub(crate) connections: AtomicU64,
    /// Faults of the exchange, if there are any.
    pub(crate) wire_faults: Option<Arc<RoomFaults>>,
    /// How often each bot has connected to its server: the broadcaster as 0, viewers by number.
    pub(crate) dials: Mutex<HashMap<u64, u64>>,
    /// When the run last restarted its server.
    pub(crate) restarted: Mutex<Option<Instant>>,
    /// Prefix of peer labels, when there are several rooms.
    pub(crate) label_prefix: String,
}

impl Shared {
    /// The label of a peer in traces and reports.
    pub(crate) fn label(&self, name: &str) -> String {
        format!("{}{name}", self.label_prefix)
    }

    /// How a bot reaches its server.
    pub(crate) fn dialer_of(&self, party: Party) -> &dial::Dialer {
        match party {
            Party::Broadcaster => &self.dialer,
            Party::Viewer(_) => self.player.as_ref().unwrap_or(&self.dialer),
        }
    }

    /// A number that no other connection of the room's broadcaster has.
    pub(crate) fn count_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that a bot's next connection binds to, where it is not the engine's to choose.
    #[cfg(feature = "sim")]
    pub(crate) fn bind_for(&self, party: Party) -> Option<std::net::SocketAddr> {
        self.network.as_ref()?.address_of(self.room_number, party)
    }

    /// The engine chooses.
    #[cfg(not(feature = "sim"))]
    pub(crate) fn bind_for(&self, _party: Party) -> Option<std::net::SocketAddr> {
        None
    }

    /// The picture that a stamp names, if it can be drawn here.
    pub(crate) fn reference_picture(&self, number: u32) -> Option<Arc<greenroom_fixtures::Picture>> {
        let same_clip = self
            .ledger
            .lock()
            .header()
            .is_some_and(|header| header.clip == self.clip);
        let reference = self.reference.as_ref().filter(|_| same_clip)?;
        reference
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .picture(number)
    }

    /// What becomes of the datagrams that a viewer sends, if a fault is about them.
    pub(crate) fn filter_of_viewer(&self, viewer: u32) -> Option<DatagramFilter> {
        let faults = self.faults_of_datagrams()?;
        Some(DatagramFilter::new(move |datagram| {
            faults.datagram(viewer, End::Viewer, datagram)
        }))
    }

    /// What becomes of the datagrams that the broadcaster sends to a peer, if a fault is about them. Which viewer it is
    /// may not be known yet: the server may announce it before it has told it its name.
    pub(crate) fn filter_towards(&self, peer: &str) -> Option<DatagramFilter> {
        let faults = self.faults_of_datagrams()?;
        let peer = peer.to_owned();
        Some(DatagramFilter::new(move |datagram| {
            match faults.viewer_called(&peer) {
                Some(viewer) => faults.datagram(viewer, End::Broadcaster, datagram),
                None => DatagramFate::Pass,
            }
        }))
    }

    fn faults_of_datagrams(&self) -> Option<Arc<RoomFaults>> {
        let faults = self.wire_faults.clone();
        faults.filter(|faults| faults.has_datagrams())
    }

    /// Whether a fault has a bot lose a candidate of `remote`'s that came before the description that it belongs to; if
    /// so, the trace says that it is lost.
    pub(crate) fn loses_early_candidate(&self, label: &str, viewer: Option<u32>, remote: &str) -> bool {
        let (Some(faults), Some(viewer)) = (&self.wire_faults, viewer) else {
            return false;
        };
        let loses = faults.loses_early_candidates(viewer);
        if loses {
            self.trace.now(label, || TraceKind::CandidateDiscarded {
                remote: remote.to_owned(),
            });
        }
        loses
    }

    /// What is done to frames on their way to a viewer, by the scenario and by name.
    pub(crate) fn frame_faults(&self, viewer: u32) -> Vec<MediaFault> {
        let by_name = self.wire_faults.as_ref();
        let by_name = by_name.and_then(|faults| faults.of_frames(viewer));
        self.scenario.faults.iter().cloned().chain(by_name).collect()
    }

    /// Whether a fault has a viewer take no offer.
    pub(crate) fn ignores_offers(&self, viewer: u32) -> bool {
        let faults = self.wire_faults.as_ref();
        faults.is_some_and(|faults| faults.ignores_offers(viewer))
    }

    pub(crate) fn number_of(&self, peer: &str) -> Option<u32> {
        self.numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(peer)
            .copied()
    }

    pub(crate) fn remember_number(&self, peer: &str, number: u32) {
        self.numbers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(peer.to_owned(), number);
    }

    /// Puts the fan-out skew of a frame into the trace.
    pub(crate) fn note_skew(&self, frame: FrameSkew) {
        self.trace.now(&self.label("run"), || TraceKind::FanoutSkew {
            index: frame.index,
            viewers: frame.viewers,
            skew_us: frame.skew_us,
        });
    }

    /// An observer that puts a bot's HTTP exchanges into the trace, without what is secret of them.
    pub(crate) fn http_observer(&self, label: &str) -> HttpObserver {
        let trace = self.trace.clone();
        let label = label.to_owned();
        HttpObserver::new(move |seen| {
            let message = || match seen.message {
                HttpPart::Request {
                    method,
                    url,
                    headers,
                    body,
                } => HttpSeen::request(method, url, texts(headers), body.as_bytes()),
                HttpPart::Response {
                    status,
                    headers,
                    body,
                } => HttpSeen::response(status, texts(headers), body.as_bytes()),
                HttpPart::Failed { reason } => HttpSeen::Failed {
                    reason: reason.to_owned(),
                },
            };
            trace.at(seen.at, &label, || {
                TraceKind::http(seen.exchange, way_of(seen.direction), message(), seen.means)
            });
        })
    }

    /// An observer that puts a bot's signaling frames into the trace.
    pub(crate) fn frame_observer(&self, label: &str) -> Option<greenroom_signaling::FrameObserver> {
        let trace = self.trace.clone();
        let label = label.to_owned();
        Some(greenroom_signaling::FrameObserver::new(move |frame| {
            let way = way_of(frame.direction);
            trace.now(&label, || {
                TraceKind::frame_that_means(way, frame.text, frame.means)
            });
        }))
    }
}

fn way_of(direction: Direction) -> FrameWay {
    match direction {
        Direction::Sent => FrameWay::Out,
        Direction::Received => FrameWay::In,
    }
}

fn texts(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The ledger of a room, shared by its bots or followed from a file.
#[derive(Clone, Debug)]
pub(crate) struct LedgerHandle {
    pub(crate) book: Arc<Mutex<Ledger>>,
    /// Receives each entry, for the ledger file.
    pub(crate) writer: Option<crate::run::ledger_file::LedgerWriter>,
    /// Whether there is, or will be, anything to judge against.
    pub(crate) exists: bool,
}

impl LedgerHandle {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry of our own broadcaster.
    pub(crate) fn write(&self, entry: crate::media::ledger::LedgerEntry) {
        if let Some(writer) = &self.writer {
            writer.write(&entry);
        }
        if let Err(error) = self.lock().apply(entry) {
            log::error!("our own broadcaster broke its ledger: {error}");
        }
    }
}

/// Counters for a live progress line.
#[derive(Debug, Default)]
pub struct Progress {
    /// Viewers with a first frame.
    pub joined: AtomicU64,
    /// Frames that the broadcaster sent.
    pub sent: AtomicU64,
    /// Frames verified at all viewers.
    pub verified: AtomicU64,
    /// Frames found corrupt at all viewers.
    pub corrupt: AtomicU64,
    /// Connections that the broadcaster streams to, or did.
    pub streaming: AtomicU64,
    /// Whether every viewer joined, or had the time to.
    pub ready: AtomicBool,
    /// Signals that one of the counters that a run waits for has changed.
    pub(crate) changed: Notify,
}

impl Progress {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Counts something that the run waits for.
    pub(crate) fn announce(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }
}

/// Figures that all bots of a room record into.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Figures are taken of frames due from here on.
    pub(crate) window_start: Option<Instant>,
    /// From when a frame was due until it was taken from the source.
    pub(crate) capture_delay: Distribution,
    /// From when a frame was taken until it was encoded.
    pub(crate) encode_delay: Distribution,
    /// From when a frame was encoded until it was complete at a viewer.
    pub(crate) transport_delay: Distribution,
    /// From when a frame was complete until it was decoded.
    pub(crate) decode_delay: Distribution,
    /// From when a frame was due until it was complete at a viewer.
    pub(crate) frame_latency: Distribution,
    /// From when a frame was due until it was decoded.
    pub(crate) glass_latency: Distribution,
    pub(crate) skew: FanoutSkew,
}

impl Figures {
    /// Whether a frame that was due then belongs to the figures.
    pub(crate) fn in_window(&self, due: Instant) -> bool {
        self.window_start.is_some_and(|start| due >= start)
    }
}
