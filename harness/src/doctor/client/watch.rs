//! The server that the client comes to, and the trace of what passes.
//!
//! Owns the server, its observer and the recorder; all of them end with it. Which of the connections are the client's is
//! told by time: no bot is there before the client is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use greenroom_signaling::{Direction, FrameObserver, ObservedFrame, Server, ServerConfig};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::reading::Says;
use super::{ClientDoctorError, ClientRole, Terms};
use crate::clock::RunClock;
use crate::trace::label::CLIENT;
use crate::trace::{FrameWay, Kept, Recorder, Trace, TraceEvent, TraceKind};

/// The file in the folder.
pub(super) const TRACE_FILE: &str = "trace.jsonl";
/// How often the server is asked whether somebody has connected: a caller that waits says nothing.
const LOOK: Duration = Duration::from_millis(50);
/// How much later than the doctor the server gives up on a client that does not join.
const MARGIN: Duration = Duration::from_secs(30);

/// The served client.
pub(super) struct Watch {
    server: Server,
    serving: JoinSet<std::convert::Infallible>,
    clock: RunClock,
    trace: Trace,
    kept: Kept,
    recorder: Option<(Recorder, PathBuf)>,
    client: Arc<Client>,
}

/// What of the server's connections is the client's.
struct Client {
    trace: Trace,
    dialect: String,
    opened: AtomicBool,
    /// In a call whoever is there is in it.
    is_call: bool,
    /// The last connection that is the client's.
    last: AtomicU64,
}

impl Client {
    fn opened(&self, at: Instant) {
        if !self.opened.swap(true, Relaxed) {
            self.trace.at(at, CLIENT, || TraceKind::SignalingOpen {
                dialect: Some(self.dialect.clone()),
                addressed: false,
            });
        }
    }

    fn observe(&self, frame: &ObservedFrame<'_>) {
        if frame.connection > self.last.load(Relaxed) {
            return;
        }
        self.opened(frame.at);
        // Seen from the client.
        let way = match frame.direction {
            Direction::Sent => FrameWay::In,
            Direction::Received => FrameWay::Out,
        };
        self.trace
            .at(frame.at, CLIENT, || TraceKind::frame(way, frame.text));
    }
}

impl Watch {
    /// Begins to serve.
    pub(super) fn start(
        listener: TcpListener,
        terms: Terms,
        output_dir: Option<&Path>,
    ) -> Result<Self, ClientDoctorError> {
        let clock = RunClock::start();
        let (recorder, trace) = match output_dir {
            Some(dir) => {
                let path = dir.join(TRACE_FILE);
                let failed = |error: std::io::Error| ClientDoctorError::Output {
                    path: path.clone(),
                    reason: error.to_string(),
                };
                std::fs::create_dir_all(dir).map_err(failed)?;
                let (recorder, trace) = Recorder::start(&path, clock).map_err(failed)?;
                (Some((recorder, path)), trace)
            }
            None => (None, Trace::unwritten(clock)),
        };
        let kept = Kept::default();
        let trace = trace.kept_in(kept.clone());
        let client = Arc::new(Client {
            trace: trace.clone(),
            dialect: terms.dialect.name().to_string(),
            opened: AtomicBool::new(false),
            is_call: terms.dialect.name().is_for_two(),
            last: AtomicU64::new(u64::MAX),
        });
        // Not the client itself: a connection that takes its time to end must not keep the trace open.
        let observed = Arc::downgrade(&client);
        let server = Server::new(ServerConfig {
            dialect: terms.dialect,
            observer: Some(FrameObserver::new(move |frame| {
                if let Some(client) = observed.upgrade() {
                    client.observe(frame);
                }
            })),
            // Somebody has to find the button first.
            join_timeout: terms.patience + MARGIN,
            ..ServerConfig::default()
        });
        let mut serving = JoinSet::new();
        let served = server.clone();
        serving.spawn(async move { served.serve(listener).await });
        Ok(Self {
            server,
            serving,
            clock,
            trace,
            kept,
            recorder,
            client,
        })
    }

    /// Waits until the client has said what it is, or is there, if that says enough; false if it never is.
    pub(super) async fn client_joins(&self, deadline: Instant, role: Option<ClientRole>) -> bool {
        while Instant::now() < deadline {
            let stats = self.server.stats();
            if stats.connections_opened > 0 {
                self.client.opened(Instant::now());
            }
            let is_in = if self.client.is_call {
                stats.connections > 0
            } else {
                stats.members > 0
            };
            if is_in && (role.is_some() || self.role().is_some()) {
                return true;
            }
            let look = Instant::now() + LOOK;
            self.kept.until(look.min(deadline), |_| false).await;
        }
        false
    }

    /// What the client is, as far as it has said so.
    pub(super) fn role(&self) -> Option<ClientRole> {
        if self.client.is_call {
            return self.client.opened.load(Relaxed).then_some(ClientRole::Peer);
        }
        self.kept.events().iter().find_map(|event| match &event.event {
            TraceKind::Signaling {
                way: FrameWay::Out,
                frame,
                ..
            } if event.peer == CLIENT => match Says::read(frame) {
                Says::Join(role) => Some(role),
                _ => None,
            },
            _ => None,
        })
    }

    /// Whoever connects from now on is a bot.
    pub(super) fn freeze(&self) {
        let opened = self.server.stats().connections_opened;
        self.client.last.store(opened, Relaxed);
    }

    pub(super) fn clock(&self) -> RunClock {
        self.clock
    }

    pub(super) fn trace(&self) -> Trace {
        self.trace.clone()
    }

    pub(super) fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// Ends the server and the trace, and gives its events.
    pub(super) async fn finish(mut self) -> Result<Vec<TraceEvent>, ClientDoctorError> {
        self.serving.shutdown().await;
        let events = std::mem::take(&mut *self.kept.events());
        let recorder = self.recorder.take();
        // The writer ends when nobody can write any more.
        drop(self);
        if let Some((recorder, path)) = recorder {
            let recorded = recorder.finish().await;
            recorded.map_err(|error| ClientDoctorError::Output {
                path,
                reason: error.to_string(),
            })?;
        }
        Ok(events)
    }
}
