//! The conduct of a run: join, stream, act, end, judge.
//!
//! Owns the order of things and their deadlines. A run always ends: each phase has its own limit.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::exec::Executed;
use super::handle::Order;
use super::ledger_file::LedgerFollower;
use super::prepare::Prepared;
use super::room::RoomRun;
use super::server::BroughtServer;
use super::{Environment, RunError, observe};
use crate::check;
use crate::measure::health::{GeneratorHealth, HealthSampler};
use crate::measure::measured::ServerEnded;
use crate::report::Report;
use crate::rules::RuleFinding;
use crate::scenario::{Action, RoleSelection, Scenario, TimedAction, Topology};

/// How long one role waits for the other one to be started in its own process.
const WAIT_FOR_OTHER_ROLE: Duration = Duration::from_secs(60);

/// How long the writers of trace and ledger may take to write what is queued.
const WRITERS_END: Duration = Duration::from_secs(10);

/// How a phase of a run ended.
#[derive(Clone, Debug)]
enum Ended {
    /// When it was to.
    InTime,
    /// By whoever holds the handle.
    Interrupted,
    /// By a broken rule, where the scenario says so.
    Aborted(Box<RuleFinding>),
}

impl Prepared {
    /// Does the run and gives its report.
    pub(super) async fn conduct(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        ready: watch::Sender<bool>,
    ) -> Result<Report, RunError> {
        // In virtual time the machine's state explains nothing, and there is no time to measure it against.
        let health = (!self.in_memory).then(HealthSampler::start);
        let started = Instant::now();
        let last_start = self.start_bots(started);
        let mut ended = self.join(started, last_start, &mut orders).await;
        let ready_at = Instant::now();
        for room in &self.rooms {
            room.shared.figures().window_start = Some(ready_at + self.scenario.warmup);
        }
        self.progress.ready.store(true, Ordering::Relaxed);
        let _ = ready.send(true);
        if matches!(ended, Ended::InTime) && !self.nobody_joined() {
            ended = self.stream(ready_at, &mut orders).await;
        }
        let streamed = ready_at.elapsed();
        if let Some(health) = &health {
            health.read_sockets();
        }
        for room in &self.rooms {
            room.begin_end();
        }
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
        let health = health.map_or_else(GeneratorHealth::default, HealthSampler::stop);
        self.report(health, ended, ready_at.duration_since(started), streamed)
            .await
    }

    /// Starts every bot; gives when the last viewer starts.
    fn start_bots(&mut self, now: Instant) -> Instant {
        let join = &self.scenario.join;
        let mut last = now;
        if self.scenario.topology == Topology::Call {
            for room in &mut self.rooms {
                room.start_caller(|number| number <= 2);
            }
            return last;
        }
        for (room, spec) in self.rooms.iter_mut().zip(&self.scenario.rooms) {
            if self.scenario.role != RoleSelection::Viewers {
                room.start_broadcaster(now + join.broadcaster_delay);
            }
            if self.scenario.role != RoleSelection::Broadcaster {
                for number in 0..spec.viewers {
                    let at = now
                        + join.viewers_delay
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

    /// Waits until everybody has joined or had the time to.
    async fn join(
        &mut self,
        started: Instant,
        last_start: Instant,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Ended {
        let expected: u64 = match self.scenario.topology {
            // Both watch.
            Topology::Call => 2,
            Topology::Broadcast => self
                .scenario
                .rooms
                .iter()
                .map(|room| u64::from(room.viewers))
                .sum(),
        };
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
                return Ended::InTime;
            }
            if joined > 0 {
                // Once one has joined, the others have the usual time and no more.
                first_joined.get_or_insert_with(Instant::now);
            }
            let until = first_joined.map_or(deadline, |first| deadline.min(first.max(last_start) + limit));
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Do(action)) => self.act(&action).await,
                    Some(Order::Interrupt) | None => return Ended::Interrupted,
                },
                error = self.trace.first_error(), if self.scenario.abort_on_fail => return Ended::Aborted(Box::new(error)),
                () = changed => {}
                () = tokio::time::sleep_until(until) => return Ended::InTime,
                // Bots that gave up do not announce it.
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }

    fn nobody_joined(&self) -> bool {
        let progress = &self.progress;
        progress.joined.load(Ordering::Relaxed) == 0 && progress.streaming.load(Ordering::Relaxed) == 0
    }

    /// Streams for the scripted time and acts on the way.
    async fn stream(&mut self, ready_at: Instant, orders: &mut mpsc::Receiver<Order>) -> Ended {
        let end = ready_at + self.scenario.streamed();
        let scenario = Arc::clone(&self.scenario);
        let mut timeline = scenario.timeline.iter().peekable();
        loop {
            let next = timeline
                .peek()
                .map_or(end, |timed| (ready_at + timed.at).min(end));
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Do(action)) => self.act(&action).await,
                    Some(Order::Interrupt) | None => return Ended::Interrupted,
                },
                error = self.trace.first_error(), if self.scenario.abort_on_fail => return Ended::Aborted(Box::new(error)),
                () = tokio::time::sleep_until(next) => match timeline.next() {
                    Some(TimedAction { action, .. }) => self.act(action).await,
                    None => return Ended::InTime,
                },
            }
        }
    }

    async fn act(&mut self, action: &Action) {
        // Rooms first: they note that a server is about to go before any bot notices.
        for room in &mut self.rooms {
            room.act(action).await;
        }
        match (action, &mut self.server) {
            (Action::KillServer, Some(server)) => server.kill(),
            (Action::RestartServer { after }, Some(server)) => server.restart(*after),
            _ => {}
        }
        if let (Action::KillServer, Some(executed)) = (action, &mut self.executed) {
            executed.kill();
        }
    }

    /// Judges what was seen and writes what was asked for.
    async fn report(
        self,
        health: GeneratorHealth,
        how: Ended,
        joining: Duration,
        streamed: Duration,
    ) -> Result<Report, RunError> {
        let follower_error = self.follower.as_ref().and_then(LedgerFollower::take_error);
        let environment = Environment::gather(&self.url, &self.engine.describe());
        let ended = self.server.as_ref().and_then(BroughtServer::ended);
        let ended = ended.or_else(|| self.executed.as_ref().and_then(Executed::ended));
        let server_process = match self.executed {
            Some(executed) => executed.stop().await,
            None => None,
        };
        let clock = self.clock;
        let mut measured = observe::sum_up(self.rooms, health, joining, streamed);
        measured.server_ended = ended.map(|ended| ServerEnded {
            at_ms: clock.us(ended.at) as f64 / 1_000.0,
            why: ended.why,
        });
        measured.server_process = server_process;
        drop(self.server);
        let diagnosis = self.trace.diagnose();
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
        let aborted = match &how {
            Ended::Aborted(error) => Some(RuleFinding::clone(error)),
            Ended::InTime | Ended::Interrupted => None,
        };
        let judgement = check::judge(&self.scenario, &measured, &diagnosis, aborted.as_ref());
        let scenario = Scenario::clone(&self.scenario);
        let rules = diagnosis.findings;
        let mut report = Report::new(judgement, rules, measured, scenario, environment);
        report.interrupted = matches!(how, Ended::Interrupted);
        report.aborted = aborted;
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
