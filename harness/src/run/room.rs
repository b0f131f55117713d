//! One room of a run: its bots as tasks, and the commands that reach them.
//!
//! Owns starting and ending bots. Dropping it aborts them, and their connections close behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use super::RunError;
use crate::bot::Shared;
use crate::bot::broadcaster::{self, BroadcasterCommand, BroadcasterRecord, StreamPosition};
use crate::bot::caller::{self, CallerOutcome, CallerSpec, Together};
use crate::bot::source::Sources;
use crate::bot::viewer::{self, ViewerCommand, ViewerRecord, ViewerSpec};
use crate::measure::measured::CallerFigures;
#[cfg(feature = "sim")]
use crate::net::model::LinkOf;
use crate::net::model::NetworkAction;
use crate::scenario::{Action, DecodeSelection, Party, RoleSelection};
use crate::trace::TraceKind;

/// Commands that may wait for one bot.
const COMMANDS: usize = 64;

/// How long the bots may take to end, above their own deadlines of together 2.2 s.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A room and its bots.
pub(super) struct RoomRun {
    pub(super) shared: Arc<Shared>,
    /// What its viewers watch: in a call, what the other peer sends.
    pub(super) watched: Arc<Shared>,
    /// The peer of a call that sends here.
    caller: Option<Caller>,
    pub(super) callers: Vec<CallerFigures>,
    viewers: JoinSet<Option<ViewerRecord>>,
    /// A bot that panicked or did not end.
    broken: Option<String>,
    viewer_commands: BTreeMap<u32, mpsc::Sender<ViewerCommand>>,
    next_viewer: u32,
    decode: DecodeSelection,
    broadcaster: Option<BroadcasterTask>,
    sources: Option<Sources>,
    next: StreamPosition,
    /// Each ends a partition in time.
    #[cfg(feature = "sim")]
    partitions: JoinSet<()>,
    pub(super) viewer_records: Vec<ViewerRecord>,
    pub(super) broadcaster_records: Vec<BroadcasterRecord>,
}

/// A broadcaster bot; it does not outlive its room.
struct BroadcasterTask {
    commands: mpsc::Sender<BroadcasterCommand>,
    task: JoinHandle<(BroadcasterRecord, Sources)>,
}

impl Drop for BroadcasterTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One peer of a call; it does not outlive its room.
struct Caller {
    spec: CallerSpec,
    together: Together,
    running: Option<(mpsc::Sender<BroadcasterCommand>, JoinHandle<CallerOutcome>)>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.running {
            task.abort();
        }
    }
}

impl RoomRun {
    pub(super) fn new(shared: Arc<Shared>, sources: Option<Sources>) -> Self {
        let decode = shared.scenario.decode;
        Self {
            watched: Arc::clone(&shared),
            caller: None,
            callers: Vec::new(),
            shared,
            viewers: JoinSet::new(),
            broken: None,
            viewer_commands: BTreeMap::new(),
            next_viewer: 1,
            decode,
            broadcaster: None,
            sources,
            next: StreamPosition::default(),
            #[cfg(feature = "sim")]
            partitions: JoinSet::new(),
            viewer_records: Vec::new(),
            broadcaster_records: Vec::new(),
        }
    }

    /// The half of a call in which this peer sends, and watches what is sent in another half.
    pub(super) fn of_call(self, number: u32, watched: Arc<Shared>, together: Together) -> Self {
        let decode = self.decode.includes(number);
        let spec = CallerSpec { number, decode };
        let running = None;
        Self {
            watched,
            caller: Some(Caller {
                spec,
                together,
                running,
            }),
            ..self
        }
    }

    /// Starts the peer of a call that sends here, if it is one of these and has not started yet.
    pub(super) fn start_caller(&mut self, which: impl Fn(u32) -> bool) {
        let Some(caller) = &mut self.caller else { return };
        if caller.running.is_some() || !which(caller.spec.number) {
            return;
        }
        let Some(sources) = self.sources.take() else {
            return;
        };
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (sending, receiving) = (Arc::clone(&self.shared), Arc::clone(&self.watched));
        let together = Arc::clone(&caller.together);
        let task = tokio::spawn(caller::run(
            sending,
            receiving,
            caller.spec,
            sources,
            together,
            inbox,
        ));
        caller.running = Some((commands, task));
    }

    fn tell_caller(&self, command: BroadcasterCommand) {
        if let Some((commands, _)) = self.caller.as_ref().and_then(|caller| caller.running.as_ref()) {
            let _ = commands.try_send(command);
        }
    }

    /// Begins to end a call: its peers wait for each other's last frames.
    pub(super) fn begin_end(&self) {
        self.tell_caller(BroadcasterCommand::Leave);
    }

    /// Does what an action asks of this peer of a call.
    fn act_in_call(&mut self, number: u32, action: &Action) {
        let party = match number {
            1 => Party::Broadcaster,
            number => Party::Viewer(number - 1),
        };
        match action {
            Action::Mute(what) => self.tell_caller(BroadcasterCommand::Mute(true, *what)),
            Action::Unmute(what) => self.tell_caller(BroadcasterCommand::Mute(false, *what)),
            Action::Bitrate { bps } => self.tell_caller(BroadcasterCommand::Bitrate(*bps)),
            Action::Stop => self.tell_caller(BroadcasterCommand::Stop),
            Action::CutSignaling { of } if *of == party => self.tell_caller(BroadcasterCommand::CutSignaling),
            Action::StallSignaling { of, duration } if *of == party => {
                self.tell_caller(BroadcasterCommand::StallSignaling(*duration));
            }
            Action::Chat { from, text } if *from == party => {
                self.tell_caller(BroadcasterCommand::Chat(text.clone()));
            }
            Action::RestartServer { .. } => self.shared.note_server_restart(),
            // Somebody else speaks to the call.
            Action::Join => self.start_caller(|number| number > 2),
            Action::Network(action) if number == 1 => self.act_on_network(action),
            _ => {}
        }
    }

    async fn end_caller(&mut self) {
        self.begin_end();
        let Some((_, mut task)) = self.caller.as_mut().and_then(|caller| caller.running.take()) else {
            return;
        };
        match tokio::time::timeout(END_DEADLINE, &mut task).await {
            Ok(Ok(outcome)) => {
                self.broadcaster_records.push(outcome.sent);
                self.viewer_records.push(outcome.seen);
                self.callers.push(outcome.figures);
                self.sources = Some(outcome.sources);
            }
            Ok(Err(error)) => self.broken = Some(format!("a caller bot ({error})")),
            Err(_) => {
                task.abort();
                self.broken = Some("a caller bot".to_owned());
            }
        }
    }

    /// Starts the next viewer, at `at`.
    pub(super) fn start_viewer(&mut self, at: Instant) {
        let number = self.next_viewer;
        self.next_viewer += 1;
        let spec = ViewerSpec {
            number,
            decode: self.decode.includes(number),
            sampled: number == 1,
        };
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let shared = Arc::clone(&self.shared);
        self.viewers.spawn(viewer::run(shared, spec, at, inbox));
        self.viewer_commands.insert(number, commands);
    }

    /// Starts the broadcaster at `at`, unless there is one or this process has none.
    pub(super) fn start_broadcaster(&mut self, at: Instant) {
        if self.broadcaster.is_some() {
            return;
        }
        let Some(sources) = self.sources.take() else {
            return;
        };
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let shared = Arc::clone(&self.shared);
        let from = self.next;
        let task = tokio::spawn(broadcaster::run(shared, sources, from, at, inbox));
        self.broadcaster = Some(BroadcasterTask { commands, task });
    }

    /// Whether every bot whose work this process does has already ended.
    pub(super) fn is_deserted(&mut self) -> bool {
        if let Some(caller) = &self.caller {
            return caller.running.as_ref().is_none_or(|(_, task)| task.is_finished());
        }
        while let Some(ended) = self.viewers.try_join_next() {
            self.keep(ended);
        }
        match self.shared.scenario.role {
            RoleSelection::All | RoleSelection::Viewers => self.viewers.is_empty(),
            RoleSelection::Broadcaster => self
                .broadcaster
                .as_ref()
                .is_none_or(|broadcaster| broadcaster.task.is_finished()),
        }
    }

    fn keep(&mut self, ended: Result<Option<ViewerRecord>, JoinError>) {
        match ended {
            Ok(record) => self.viewer_records.extend(record),
            Err(error) => self.broken = Some(format!("a viewer bot ({error})")),
        }
    }

    /// Does a scripted action.
    pub(super) async fn act(&mut self, action: &Action) {
        self.shared
            .trace
            .now(&self.shared.label("run"), || TraceKind::Action {
                action: action.clone(),
            });
        if let Some(number) = self.caller.as_ref().map(|caller| caller.spec.number) {
            return self.act_in_call(number, action);
        }
        match action {
            Action::Chat {
                from: Party::Broadcaster,
                text,
            } => {
                self.tell_broadcaster(BroadcasterCommand::Chat(text.clone()));
            }
            Action::Chat {
                from: Party::Viewer(number),
                text,
            } => {
                self.tell_viewer(*number, ViewerCommand::Chat(text.clone()));
            }
            Action::Mute(what) => self.tell_broadcaster(BroadcasterCommand::Mute(true, *what)),
            Action::Unmute(what) => self.tell_broadcaster(BroadcasterCommand::Mute(false, *what)),
            Action::Bitrate { bps } => self.tell_broadcaster(BroadcasterCommand::Bitrate(*bps)),
            Action::Stop => self.tell_broadcaster(BroadcasterCommand::Stop),
            Action::Join => self.start_viewer(Instant::now()),
            Action::Leave { viewer } => self.tell_viewer(*viewer, ViewerCommand::Leave),
            Action::Kill { viewer } => self.tell_viewer(*viewer, ViewerCommand::Kill),
            Action::BroadcasterLeave => self.end_broadcaster().await,
            Action::BroadcasterReturn => self.start_broadcaster(Instant::now()),
            Action::CutSignaling { of } => {
                self.tell(*of, ViewerCommand::CutSignaling, BroadcasterCommand::CutSignaling);
            }
            Action::StallSignaling { of, duration } => self.tell(
                *of,
                ViewerCommand::StallSignaling(*duration),
                BroadcasterCommand::StallSignaling(*duration),
            ),
            // The server belongs to the run.
            Action::KillServer => {}
            Action::RestartServer { .. } => self.shared.note_server_restart(),
            Action::Network(action) => self.act_on_network(action),
        }
    }

    /// Does something to the simulated network; a build or a run without one refused the scenario.
    #[cfg(not(feature = "sim"))]
    fn act_on_network(&mut self, _action: &NetworkAction) {}

    #[cfg(feature = "sim")]
    fn act_on_network(&mut self, action: &NetworkAction) {
        let Some(network) = self.shared.network.clone() else {
            return;
        };
        let room = self.shared.room_number;
        match *action {
            NetworkAction::Partition { viewer, duration } => {
                let party = Party::Viewer(viewer);
                network.partition(room, party, true);
                self.partitions.spawn(async move {
                    tokio::time::sleep(duration).await;
                    network.partition(room, party, false);
                });
            }
            NetworkAction::Link { of, direction, spec } => {
                let parties: Vec<Party> = match of {
                    LinkOf::All => (1..self.next_viewer).map(Party::Viewer).collect(),
                    LinkOf::Viewer(number) => vec![Party::Viewer(number)],
                    LinkOf::Broadcaster => vec![Party::Broadcaster],
                };
                for party in parties {
                    network.set_link(room, party, direction, &spec);
                }
            }
        }
    }

    /// Tells whichever bot it is for.
    fn tell(&self, party: Party, viewer: ViewerCommand, broadcaster: BroadcasterCommand) {
        match party {
            Party::Viewer(number) => self.tell_viewer(number, viewer),
            Party::Broadcaster => self.tell_broadcaster(broadcaster),
        }
    }

    fn tell_viewer(&self, number: u32, command: ViewerCommand) {
        if let Some(commands) = self.viewer_commands.get(&number) {
            // One that has ended, or is too far behind to listen, shows in its record.
            let _ = commands.try_send(command);
        }
    }

    fn tell_broadcaster(&self, command: BroadcasterCommand) {
        if let Some(broadcaster) = &self.broadcaster {
            let _ = broadcaster.commands.try_send(command);
        }
    }

    /// Stops the stream, lets every viewer take the rest of it and leave, then ends the broadcaster.
    pub(super) async fn end(&mut self) -> Result<(), RunError> {
        let stream_stopped = self.shared.scenario.role != RoleSelection::Viewers;
        self.tell_broadcaster(BroadcasterCommand::Stop);
        for commands in self.viewer_commands.values() {
            let _ = commands.try_send(ViewerCommand::Finish { stream_stopped });
        }
        let deadline = Instant::now() + END_DEADLINE;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.viewers.join_next()).await {
            self.keep(ended);
        }
        if !self.viewers.is_empty() {
            self.broken = Some(format!("{} viewer bots", self.viewers.len()));
            self.viewers.abort_all();
        }
        self.end_broadcaster().await;
        self.end_caller().await;
        self.viewer_records.sort_by_key(|record| record.number);
        match self.broken.take() {
            Some(who) => Err(RunError::Stuck(who)),
            None => Ok(()),
        }
    }

    async fn end_broadcaster(&mut self) {
        self.tell_broadcaster(BroadcasterCommand::Leave);
        let Some(mut broadcaster) = self.broadcaster.take() else {
            return;
        };
        match tokio::time::timeout(END_DEADLINE, &mut broadcaster.task).await {
            Ok(Ok((record, sources))) => {
                self.next = record.next;
                self.broadcaster_records.push(record);
                self.sources = Some(sources);
            }
            Ok(Err(error)) => self.broken = Some(format!("the broadcaster bot ({error})")),
            Err(_) => self.broken = Some("the broadcaster bot".to_owned()),
        }
    }
}
