//! The recorder: carries events from the bots to a file without ever making a bot wait.
//!
//! Owns the queue and the writer task, and the events that are kept for whoever follows a run as it goes. What does not
//! fit into the queue is dropped and counted.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{TRACE_VERSION, TraceEvent, TraceHeader, TraceKind};
use crate::clock::RunClock;
use crate::rules::{Checker, Diagnosis, RuleFinding};

/// Events that may wait for the writer.
const QUEUE: usize = 16_384;

/// Events that are kept in memory; later ones are only written.
#[cfg(feature = "server")]
const MOST_KEPT: usize = 200_000;

/// Where a bot's events go: to the checker, and to a file if one is written; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    clock: RunClock,
    queue: Option<mpsc::Sender<TraceEvent>>,
    dropped: Arc<AtomicU64>,
    /// Under one lock with the queue, so that a finding's event numbers are the lines of the file.
    checker: Arc<Mutex<Checker>>,
    /// There is a first error.
    broken: Arc<Notify>,
    #[cfg(feature = "server")]
    kept: Option<Kept>,
}

/// The events of a trace in memory, in the order of the file; cheap to clone.
#[cfg(feature = "server")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<KeptEvents>);

#[cfg(feature = "server")]
#[derive(Debug, Default)]
struct KeptEvents {
    events: Mutex<Vec<TraceEvent>>,
    came: Notify,
}

#[cfg(feature = "server")]
impl Kept {
    /// Those that came so far.
    pub(crate) fn events(&self) -> MutexGuard<'_, Vec<TraceEvent>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is true of the events, or the deadline has passed; says whether it is. Cancel-safe.
    pub(crate) async fn until(&self, deadline: Instant, mut is: impl FnMut(&[TraceEvent]) -> bool) -> bool {
        loop {
            // Before the look, so that what comes in between wakes it too.
            let came = self.0.came.notified();
            if is(&self.events()) {
                return true;
            }
            if tokio::time::timeout_at(deadline, came).await.is_err() {
                return is(&self.events());
            }
        }
    }

    fn keep(&self, event: &TraceEvent) {
        let mut events = self.events();
        if events.len() < MOST_KEPT {
            events.push(event.clone());
            drop(events);
            self.0.came.notify_waiters();
        }
    }
}

impl Trace {
    /// A trace that is checked and not written.
    pub(crate) fn unwritten(clock: RunClock) -> Self {
        Self {
            clock,
            queue: None,
            dropped: Arc::default(),
            checker: Arc::default(),
            broken: Arc::default(),
            #[cfg(feature = "server")]
            kept: None,
        }
    }

    /// The same trace, whose events are kept in memory too.
    #[cfg(feature = "server")]
    pub(crate) fn kept_in(self, kept: Kept) -> Self {
        Self {
            kept: Some(kept),
            ..self
        }
    }

    /// Waits for the first rule that is broken as an error. Cancel safe; one may wait.
    pub(crate) async fn first_error(&self) -> RuleFinding {
        loop {
            let error = self.checker().first_error().cloned();
            match error {
                Some(error) => return error,
                None => self.broken.notified().await,
            }
        }
    }

    fn checker(&self) -> MutexGuard<'_, Checker> {
        self.checker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the checker has to say; it begins anew.
    pub(crate) fn diagnose(&self) -> Diagnosis {
        let checker = std::mem::take(&mut *self.checker());
        checker.finish()
    }

    /// Notes an event of `peer` at `at`.
    pub(crate) fn at(&self, at: Instant, peer: &str, event: impl FnOnce() -> TraceKind) {
        let event = TraceEvent {
            at_us: self.clock.us(at),
            peer: peer.to_owned(),
            event: event(),
        };
        let mut checker = self.checker();
        let was_sound = checker.first_error().is_none();
        checker.observe(&event);
        if was_sound && checker.first_error().is_some() {
            self.broken.notify_one();
        }
        #[cfg(feature = "server")]
        if let Some(kept) = &self.kept {
            kept.keep(&event);
        }
        if let Some(queue) = &self.queue
            && queue.try_send(event).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes an event of `peer` now.
    pub(crate) fn now(&self, peer: &str, event: impl FnOnce() -> TraceKind) {
        self.at(Instant::now(), peer, event);
    }
}

/// Writes a trace file until every [`Trace`] is gone.
#[derive(Debug)]
pub(crate) struct Recorder {
    task: JoinHandle<std::io::Result<u64>>,
    dropped: Arc<AtomicU64>,
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) events: u64,
    pub(crate) dropped: u64,
}

impl Recorder {
    /// Starts to record into a new file.
    ///
    /// # Errors
    ///
    /// When the file cannot be created.
    pub(crate) fn start(path: &Path, clock: RunClock) -> std::io::Result<(Self, Trace)> {
        let file = std::fs::File::create(path)?;
        let (queue, mut events) = mpsc::channel::<TraceEvent>(QUEUE);
        let dropped = Arc::<AtomicU64>::default();
        let header = TraceHeader {
            greenroom_trace: TRACE_VERSION,
            epoch_unix_us: clock.epoch_unix_us(),
            greenroom: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let task = tokio::spawn(async move {
            let mut out = std::io::BufWriter::new(file);
            serde_json::to_writer(&mut out, &header)?;
            out.write_all(b"\n")?;
            let mut written = 0;
            while let Some(event) = events.recv().await {
                serde_json::to_writer(&mut out, &event)?;
                out.write_all(b"\n")?;
                written += 1;
                if events.is_empty() {
                    // Whoever watches the file sees what happened, and bursts are still written together.
                    out.flush()?;
                }
            }
            out.flush()?;
            Ok(written)
        });
        let trace = Trace {
            clock,
            queue: Some(queue),
            dropped: Arc::clone(&dropped),
            checker: Arc::default(),
            broken: Arc::default(),
            #[cfg(feature = "server")]
            kept: None,
        };
        Ok((Self { task, dropped }, trace))
    }

    /// Waits until everything is written; every [`Trace`] must be dropped before.
    ///
    /// # Errors
    ///
    /// When the file could not be written, for example because the disk is full.
    pub(crate) async fn finish(self) -> std::io::Result<Recorded> {
        let events = self.task.await.map_err(std::io::Error::other)??;
        Ok(Recorded {
            events,
            dropped: self.dropped.load(Ordering::Relaxed),
        })
    }
}
