//! The handle of a run that goes on: actions on the fly, and the report at the end.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{Run, RunError, prepare};
use crate::report::Report;
use crate::scenario::{Action, Muting, Party};

/// Actions that may wait for the run.
const ACTIONS: usize = 256;

/// A run that goes on. Dropping it ends the run and leaves no task, socket or file open.
#[derive(Debug)]
pub struct RunHandle {
    actions: mpsc::Sender<Order>,
    ready: watch::Receiver<bool>,
    task: Option<JoinHandle<Result<Report, RunError>>>,
    ended: Option<Result<Report, RunError>>,
    url: String,
}

/// What the holder of a handle wants.
#[derive(Debug)]
pub(crate) enum Order {
    Do(Action),
    /// End now, and report.
    Interrupt,
}

/// Starts a run.
pub(super) async fn start(run: Run) -> Result<RunHandle, RunError> {
    let (actions, orders) = mpsc::channel(ACTIONS);
    let (ready_tx, ready) = watch::channel(false);
    let prepared = prepare::prepare(run).await?;
    let url = prepared.url().to_owned();
    let task = tokio::spawn(prepared.conduct(orders, ready_tx));
    Ok(RunHandle {
        actions,
        ready,
        task: Some(task),
        ended: None,
        url,
    })
}

impl RunHandle {
    /// The URL of the signaling server that the bots use.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until every viewer has its first frame, or had the time to get it.
    pub async fn ready(&mut self) {
        // An error means that the run is over, which is as ready as it gets.
        let _ = self.ready.wait_for(|ready| *ready).await;
    }

    /// One of the viewers, by its number from 1.
    pub fn viewer(&self, number: u32) -> ViewerHandle<'_> {
        ViewerHandle { run: self, number }
    }

    /// The broadcaster.
    pub fn broadcaster(&self) -> BroadcasterHandle<'_> {
        BroadcasterHandle { run: self }
    }

    /// Lets one more viewer join; it gets the next free number.
    pub fn join_viewer(&self) {
        self.order(Order::Do(Action::Join));
    }

    /// Makes the embedded signaling server vanish.
    pub fn kill_server(&self) {
        self.order(Order::Do(Action::KillServer));
    }

    /// Ends the run early; the report says that it was interrupted.
    pub fn interrupt(&self) {
        self.order(Order::Interrupt);
    }

    /// Waits for the end of the run without taking its report. Cancel-safe.
    pub async fn wait(&mut self) {
        if self.ended.is_none()
            && let Some(task) = self.task.as_mut()
        {
            let ended = task.await;
            self.ended = Some(
                ended.unwrap_or_else(|error| Err(RunError::Stuck(format!("the run's own task ({error})")))),
            );
        }
    }

    /// Waits for the end of the run.
    ///
    /// # Errors
    ///
    /// When the harness itself failed.
    pub async fn finish(mut self) -> Result<Report, RunError> {
        self.wait().await;
        self.ended
            .take()
            .unwrap_or_else(|| Err(RunError::Stuck("a run without a task".to_owned())))
    }

    fn order(&self, order: Order) {
        if self.actions.try_send(order).is_err() {
            log::debug!("an action came after the end of the run");
        }
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// One viewer of a run that goes on.
#[derive(Debug)]
pub struct ViewerHandle<'a> {
    run: &'a RunHandle,
    number: u32,
}

impl ViewerHandle<'_> {
    /// It leaves in good order.
    pub fn leave(&self) {
        self.run.order(Order::Do(Action::Leave { viewer: self.number }));
    }

    /// It vanishes without a word.
    pub fn kill(&self) {
        self.run.order(Order::Do(Action::Kill { viewer: self.number }));
    }

    /// It says something.
    pub fn chat(&self, text: impl Into<String>) {
        let action = Action::Chat {
            from: Party::Viewer(self.number),
            text: text.into(),
        };
        self.run.order(Order::Do(action));
    }
}

/// The broadcaster of a run that goes on.
#[derive(Debug)]
pub struct BroadcasterHandle<'a> {
    run: &'a RunHandle,
}

impl BroadcasterHandle<'_> {
    /// It says something.
    pub fn chat(&self, text: impl Into<String>) {
        self.run.order(Order::Do(Action::Chat {
            from: Party::Broadcaster,
            text: text.into(),
        }));
    }

    /// It mutes pictures and sound.
    pub fn mute(&self) {
        self.run.order(Order::Do(Action::Mute(Muting::All)));
    }

    /// It unmutes pictures and sound.
    pub fn unmute(&self) {
        self.run.order(Order::Do(Action::Unmute(Muting::All)));
    }

    /// Its encoder is set to another bitrate, in bits per second of the video.
    pub fn set_bitrate(&self, bps: u32) {
        self.run.order(Order::Do(Action::Bitrate { bps }));
    }

    /// It stops the stream and stays.
    pub fn stop(&self) {
        self.run.order(Order::Do(Action::Stop));
    }

    /// It leaves in good order.
    pub fn leave(&self) {
        self.run.order(Order::Do(Action::BroadcasterLeave));
    }

    /// It comes back after it left.
    pub fn come_back(&self) {
        self.run.order(Order::Do(Action::BroadcasterReturn));
    }
}
