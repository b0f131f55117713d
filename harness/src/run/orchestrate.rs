//! The conduct of a run: join, stream, act, end, judge.
//!
//! Owns the order of things and their deadlines. A run always ends: each phase has its own limit.

use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::handle::Order;
use super::ledger_file::{LedgerFile, LedgerFollower};
use super::room::RoomRun;
use super::{Environment, Run, RunError, Target, observe};
use crate::bot::dial::Dialer;
use crate::bot::source::Source;
use crate::bot::{Figures, LedgerHandle, Progress, Shared};
use crate::check;
use crate::clock::RunClock;
use crate::engine::Engine;
use crate::engine::webrtc::{WebrtcConfig, WebrtcEngine};
use crate::measure::health::HealthSampler;
use crate::media::ledger::{LEDGER_VERSION, Ledger, LedgerEntry, LedgerHeader};
use crate::media::rtp_time::VIDEO_CLOCK_RATE;
use crate::report::Report;
use crate::scenario::{Action, RoleSelection, Scenario, TimedAction};
use crate::trace::{Recorder, Trace};

/// How long one role waits for the other one to be started in its own process.
const WAIT_FOR_OTHER_ROLE: Duration = Duration::from_secs(60);

/// How long the writers of trace and ledger may take to write what is queued.
const WRITERS_END: Duration = Duration::from_secs(10);

/// A run that is ready to start.
pub(super) struct Prepared {
    scenario: Arc<Scenario>,
    url: String,
    progress: Arc<Progress>,
    engine: Arc<dyn Engine>,
    rooms: Vec<RoomRun>,
    server: Option<ServerTask>,
    recorder: Option<Recorder>,
    trace: Trace,
    ledger_file: Option<LedgerFile>,
    follower: Option<LedgerFollower>,
    output_dir: Option<std::path::PathBuf>,
}

/// The embedded server; it dies with the run, without a word.
struct ServerTask {
    #[cfg(feature = "server")]
    server: greenroom_signaling::Server,
    task: JoinHandle<()>,
}

impl Drop for ServerTask {
    fn drop(&mut self) {
        #[cfg(feature = "server")]
        self.server.fall_silent();
        self.task.abort();
    }
}

/// Checks and opens everything that a run needs, and starts the embedded server.
pub(super) async fn prepare(run: Run) -> Result<Prepared, RunError> {
    let mut scenario = run.scenario;
    scenario.validate()?;
    scenario.timeline.sort_by_key(|timed| timed.at);
    let scenario = Arc::new(scenario);
    check_open_files(&scenario, &run.target)?;
    let sources = open_sources(&scenario)?;
    let clock = RunClock::start();
    let output_failed = |path: &Path, error: &std::io::Error| RunError::Output {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let meeting = Meeting::open(&run.target).await?;
    let (ledger, ledger_file, follower) = open_ledger(&scenario, run.ledger.as_deref(), clock)?;
    // Last of all that can fail, so that bad input leaves no folder behind.
    let (recorder, trace) = match &run.output_dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| output_failed(dir, &error))?;
            let path = dir.join("trace.jsonl");
            let (recorder, trace) =
                Recorder::start(&path, clock).map_err(|error| output_failed(&path, &error))?;
            (Some(recorder), trace)
        }
        None => (None, Trace::off(clock)),
    };
    let (dialer, server) = meeting.start(&trace);
    let bind = crate::net::local_address_towards(dialer.url());
    let engine: Arc<dyn Engine> = Arc::new(WebrtcEngine::new(WebrtcConfig {
        bind,
        seed: scenario.seed,
    }));
    let several = scenario.rooms.len() > 1;
    let rooms = scenario
        .rooms
        .iter()
        .zip(sources)
        .map(|(room, source)| {
            let shared = Shared {
                scenario: Arc::clone(&scenario),
                room: room.name.clone(),
                clock,
                trace: trace.clone(),
                engine: Arc::clone(&engine),
                dialer: dialer.clone(),
                // Each room has its own stream and so its own ledger; a ledger file goes with a single room.
                ledger: if several {
                    own_ledger(clock)
                } else {
                    ledger.clone()
                },
                progress: Arc::clone(&run.progress),
                figures: Mutex::new(Figures::default()),
                numbers: Mutex::default(),
                label_prefix: if several {
                    format!("{}/", room.name)
                } else {
                    String::new()
                },
            };
            RoomRun::new(Arc::new(shared), source)
        })
        .collect();
    Ok(Prepared {
        scenario,
        url: dialer.url().to_owned(),
        progress: run.progress,
        engine,
        rooms,
        server,
        recorder,
        trace,
        ledger_file,
        follower,
        output_dir: run.output_dir,
    })
}

/// Whether the process may open what the run needs: two sockets for each end of a viewer's connection, and
/// some for everything else. Running out on the way would look like the server's fault.
fn check_open_files(scenario: &Scenario, target: &Target) -> Result<(), RunError> {
    const ALWAYS: u64 = 64;
    let viewers: u64 = scenario
        .rooms
        .iter()
        .map(|room| u64::from(scenario.viewers_of(room)))
        .sum();
    let ends = match scenario.role {
        RoleSelection::All => 3,
        RoleSelection::Broadcaster => 1,
        RoleSelection::Viewers => 2,
    };
    #[cfg(feature = "server")]
    let served = u64::from(matches!(target, Target::Embedded));
    #[cfg(not(feature = "server"))]
    let served = {
        let _ = target;
        0
    };
    let needed = ALWAYS + viewers * (ends + served);
    match super::environment::open_files_limit() {
        Some(limit) if needed > limit => Err(RunError::OpenFiles { needed, limit }),
        _ => Ok(()),
    }
}

/// One source a room, for processes that broadcast.
fn open_sources(scenario: &Scenario) -> Result<Vec<Option<Source>>, RunError> {
    let mut sources = Vec::new();
    for number in 0..scenario.rooms.len() {
        sources.push(match scenario.role {
            RoleSelection::Viewers => None,
            // The stamp's stream number tells rooms apart to whoever looks at a picture.
            RoleSelection::All | RoleSelection::Broadcaster => Some(Source::open(
                &scenario.media,
                scenario.seed,
                (number % 256) as u8,
            )?),
        });
    }
    Ok(sources)
}

/// Where the bots will meet, checked and bound but not yet served.
enum Meeting {
    /// At somebody's server.
    Theirs(Dialer),
    /// At ours.
    #[cfg(feature = "server")]
    Ours(tokio::net::TcpListener, Dialer),
}

impl Meeting {
    async fn open(target: &Target) -> Result<Self, RunError> {
        match target {
            Target::Url(url) => Ok(Self::Theirs(Dialer::tcp(url)?)),
            Target::Dialer(dialer) => Ok(Self::Theirs(dialer.clone())),
            #[cfg(feature = "server")]
            Target::Embedded => {
                let listen_failed = |error: std::io::Error| RunError::Listen(error.to_string());
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
                    .await
                    .map_err(listen_failed)?;
                let address = listener.local_addr().map_err(listen_failed)?;
                Ok(Self::Ours(listener, Dialer::tcp(&format!("ws://{address}/"))?))
            }
        }
    }

    #[cfg_attr(
        not(feature = "server"),
        expect(unused_variables, reason = "only our own server is traced")
    )]
    fn start(self, trace: &Trace) -> (Dialer, Option<ServerTask>) {
        match self {
            Self::Theirs(dialer) => (dialer, None),
            #[cfg(feature = "server")]
            Self::Ours(listener, dialer) => {
                let config = greenroom_signaling::ServerConfig {
                    observer: trace.is_on().then(|| server_observer(trace.clone())),
                    ..Default::default()
                };
                let server = greenroom_signaling::Server::new(config);
                let serving = server.clone();
                let task = tokio::spawn(async move {
                    serving.serve(listener).await;
                });
                (dialer, Some(ServerTask { server, task }))
            }
        }
    }
}

/// Puts the frames that the embedded server sees into the trace.
#[cfg(feature = "server")]
fn server_observer(trace: Trace) -> greenroom_signaling::FrameObserver {
    use crate::trace::{FrameWay, TraceKind};
    greenroom_signaling::FrameObserver::new(move |frame| {
        let peer = frame.peer.map_or_else(
            || format!("server/{}", frame.connection),
            |peer| format!("server/{peer}"),
        );
        let way = match frame.direction {
            greenroom_signaling::Direction::Sent => FrameWay::Out,
            greenroom_signaling::Direction::Received => FrameWay::In,
        };
        trace.at(frame.at, &peer, || TraceKind::Signaling {
            way,
            frame: crate::trace::redact_frame(frame.text),
        });
    })
}

fn own_header(clock: RunClock) -> LedgerEntry {
    LedgerEntry::Header(LedgerHeader {
        greenroom_ledger: LEDGER_VERSION,
        codec: "H264".to_owned(),
        clock_rate: VIDEO_CLOCK_RATE,
        epoch_unix_us: clock.epoch_unix_us(),
        boot_id: crate::clock::boot_id(),
    })
}

fn own_ledger(clock: RunClock) -> LedgerHandle {
    let handle = LedgerHandle {
        book: Arc::default(),
        writer: None,
        exists: true,
    };
    handle.write(own_header(clock));
    handle
}

type OpenedLedger = (LedgerHandle, Option<LedgerFile>, Option<LedgerFollower>);

fn open_ledger(scenario: &Scenario, path: Option<&Path>, clock: RunClock) -> Result<OpenedLedger, RunError> {
    if path.is_some() && scenario.rooms.len() > 1 {
        return Err(RunError::Unsupported(
            "a ledger file belongs to one room; run each room by itself with --room",
        ));
    }
    match (scenario.role, path) {
        (RoleSelection::Viewers, None) => Ok((
            LedgerHandle {
                book: Arc::default(),
                writer: None,
                exists: false,
            },
            None,
            None,
        )),
        (RoleSelection::Viewers, Some(path)) => {
            let book = Arc::new(Mutex::new(Ledger::default()));
            let follower = LedgerFollower::start(path, Arc::clone(&book))?;
            Ok((
                LedgerHandle {
                    book,
                    writer: None,
                    exists: true,
                },
                None,
                Some(follower),
            ))
        }
        (_, None) => Ok((own_ledger(clock), None, None)),
        (_, Some(path)) => {
            let (file, writer) = LedgerFile::create(path)?;
            let handle = LedgerHandle {
                book: Arc::default(),
                writer: Some(writer),
                exists: true,
            };
            handle.write(own_header(clock));
            Ok((handle, Some(file), None))
        }
    }
}

impl Prepared {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Does the run and gives its report.
    pub(super) async fn conduct(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        ready: watch::Sender<bool>,
    ) -> Result<Report, RunError> {
        let health = HealthSampler::start();
        let started = Instant::now();
        let last_start = self.start_bots(started);
        let mut interrupted = self.join(started, last_start, &mut orders).await;
        let ready_at = Instant::now();
        for room in &self.rooms {
            room.shared.figures().window_start = Some(ready_at + self.scenario.warmup);
        }
        self.progress.ready.store(true, Ordering::Relaxed);
        let _ = ready.send(true);
        if !interrupted && !self.nobody_joined() {
            interrupted = self.stream(ready_at, &mut orders).await;
        }
        let streamed = ready_at.elapsed();
        health.read_sockets();
        for room in &mut self.rooms {
            room.end().await?;
        }
        let broken = self
            .rooms
            .iter()
            .flat_map(|room| &room.broadcaster_records)
            .find_map(|record| record.source_error.clone());
        if let Some(error) = broken {
            return Err(RunError::SourceEnded(error));
        }
        let health = health.stop();
        self.report(health, interrupted, ready_at.duration_since(started), streamed)
            .await
    }

    /// Starts every bot; gives when the last viewer starts.
    fn start_bots(&mut self, now: Instant) -> Instant {
        let join = &self.scenario.join;
        let mut last = now;
        for (room, spec) in self.rooms.iter_mut().zip(&self.scenario.rooms) {
            if self.scenario.role != RoleSelection::Viewers {
                room.start_broadcaster(now + join.broadcaster_delay);
            }
            if self.scenario.role != RoleSelection::Broadcaster {
                for number in 0..spec.viewers {
                    let at = now
                        + join.rate_per_s.map_or(Duration::ZERO, |rate| {
                            Duration::from_secs_f64(f64::from(number) / rate)
                        });
                    room.start_viewer(at);
                    last = last.max(at);
                }
            }
        }
        last
    }

    /// Waits until everybody has joined or had the time to; tells whether the run was interrupted.
    async fn join(
        &mut self,
        started: Instant,
        last_start: Instant,
        orders: &mut mpsc::Receiver<Order>,
    ) -> bool {
        let expected: u64 = self
            .scenario
            .rooms
            .iter()
            .map(|room| u64::from(room.viewers))
            .sum();
        let limit = self.scenario.deadlines.join + self.scenario.join.broadcaster_delay;
        let deadline = match self.scenario.role {
            RoleSelection::All => last_start.max(started) + limit,
            RoleSelection::Broadcaster | RoleSelection::Viewers => last_start + WAIT_FOR_OTHER_ROLE,
        };
        let mut first_joined: Option<Instant> = None;
        let progress = Arc::clone(&self.progress);
        loop {
            let changed = progress.changed.notified();
            let joined = match self.scenario.role {
                RoleSelection::Broadcaster => progress.streaming.load(Ordering::Relaxed),
                RoleSelection::All | RoleSelection::Viewers => progress.joined.load(Ordering::Relaxed),
            };
            if joined >= expected || self.rooms.iter_mut().all(RoomRun::is_deserted) {
                return false;
            }
            if joined > 0 {
                // Once one has joined, the others have the usual time and no more.
                first_joined.get_or_insert_with(Instant::now);
            }
            let until = first_joined.map_or(deadline, |first| deadline.min(first.max(last_start) + limit));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until) => return false,
                // Bots that gave up do not announce it.
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
                order = orders.recv() => match order {
                    Some(Order::Do(action)) => self.act(&action).await,
                    Some(Order::Interrupt) => return true,
                    None => return true,
                },
            }
        }
    }

    fn nobody_joined(&self) -> bool {
        let progress = &self.progress;
        progress.joined.load(Ordering::Relaxed) == 0 && progress.streaming.load(Ordering::Relaxed) == 0
    }

    /// Streams for the scripted time and acts on the way; tells whether the run was interrupted.
    async fn stream(&mut self, ready_at: Instant, orders: &mut mpsc::Receiver<Order>) -> bool {
        let end = ready_at + self.scenario.streamed();
        let scenario = Arc::clone(&self.scenario);
        let mut timeline = scenario.timeline.iter().peekable();
        loop {
            let next = timeline
                .peek()
                .map_or(end, |timed| (ready_at + timed.at).min(end));
            tokio::select! {
                () = tokio::time::sleep_until(next) => match timeline.next() {
                    Some(TimedAction { action, .. }) => self.act(action).await,
                    None => return false,
                },
                order = orders.recv() => match order {
                    Some(Order::Do(action)) => self.act(&action).await,
                    Some(Order::Interrupt) | None => return true,
                },
            }
        }
    }

    async fn act(&mut self, action: &Action) {
        if *action == Action::KillServer {
            self.server = None;
        }
        for room in &mut self.rooms {
            room.act(action).await;
        }
    }

    /// Judges what was seen and writes what was asked for.
    async fn report(
        self,
        health: crate::measure::health::GeneratorHealth,
        interrupted: bool,
        joining: Duration,
        streamed: Duration,
    ) -> Result<Report, RunError> {
        let follower_error = self.follower.as_ref().and_then(LedgerFollower::take_error);
        let environment = Environment::gather(&self.url, &self.engine.describe());
        let measured = observe::sum_up(self.rooms, health, joining, streamed);
        drop(self.server);
        drop(self.trace);
        let recorded = match self.recorder {
            Some(recorder) => Some(in_time(recorder.finish(), "the trace's writer").await?.map_err(
                |error| RunError::Output {
                    path: self.output_dir.clone().unwrap_or_default().join("trace.jsonl"),
                    reason: error.to_string(),
                },
            )?),
            None => None,
        };
        if let Some(file) = self.ledger_file {
            in_time(file.finish(), "the ledger's writer").await??;
        }
        if let Some(error) = follower_error {
            return Err(error.into());
        }
        let judgement = check::judge(&self.scenario, &measured);
        let scenario = Scenario::clone(&self.scenario);
        let mut report = Report::new(judgement, measured, scenario, environment, interrupted);
        report.trace_events = recorded.map(|recorded| recorded.events);
        report.trace_events_dropped = recorded.map(|recorded| recorded.dropped);
        if let Some(dir) = &self.output_dir {
            let path = dir.join("report.json");
            let written = std::fs::File::create(&path).and_then(|file| {
                let mut out = std::io::BufWriter::new(file);
                serde_json::to_writer_pretty(&mut out, &report)?;
                out.flush()
            });
            written.map_err(|error| RunError::Output {
                path,
                reason: error.to_string(),
            })?;
        }
        Ok(report)
    }
}

/// Awaits the end of a writer, which comes once every bot has let go of it.
async fn in_time<T>(ending: impl Future<Output = T>, who: &str) -> Result<T, RunError> {
    tokio::time::timeout(WRITERS_END, ending)
        .await
        .map_err(|_| RunError::Stuck(who.to_owned()))
}
