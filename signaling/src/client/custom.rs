//! A bot's signaling client by somebody else: its commands go to a function, and events come from there.
//!
//! Owns the two queues between bot and function. Knows no wire.

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
};

use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{ClientConfig, ClientEvents, ClientHandle, Handle, TimedEvent};
use crate::{CloseReason, Command, Event};

/// A bot as its signaling client sees it.
#[derive(Debug)]
pub struct SignalingPeer {
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<TimedEvent>,
}

/// Hears nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bot is gone; end the signaling client too")]
pub struct BotGone;

impl SignalingPeer {
    /// What the bot wants next; `None` when it wants nothing any more, and the client should end. Cancel-safe.
    pub async fn next_command(&mut self) -> Option<Command> {
        self.commands.recv().await
    }

    /// Tells the bot what happened, and waits while it has enough to read.
    ///
    /// # Errors
    /// [`BotGone`] when nobody listens any more.
    pub async fn tell(&self, event: Event) -> Result<(), BotGone> {
        let at = Instant::now();
        self.events
            .send(TimedEvent { at, event })
            .await
            .map_err(|_| BotGone)
    }
}

/// Starts somebody's client for one bot.
pub(super) fn start<F, E>(
    config: &ClientConfig,
    client: impl FnOnce(SignalingPeer) -> F,
) -> (ClientHandle, ClientEvents)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display,
{
    let (commands, inbox) = mpsc::channel(config.send_queue.messages.max(1));
    let (sender, events) = mpsc::channel(config.event_queue.max(1));
    let closed = Arc::new(OnceLock::new());
    let ending = Arc::clone(&closed);
    let wanted = commands.downgrade();
    // Beside the client's own sender, so that the end of the queue is never seen before its reason.
    let last = sender.clone();
    let running = client(SignalingPeer {
        commands: inbox,
        events: sender,
    });
    let task = tokio::spawn(async move {
        // A task of its own, so that a panic in it is told and not only seen as silence; it ends with this one.
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { running.await.map_err(|error| error.to_string()) });
        let reason = match tasks.join_next().await {
            Some(Ok(Ok(()))) if wanted.upgrade().is_none() => CloseReason::Local,
            Some(Ok(Ok(()))) | None => CloseReason::Eof,
            Some(Ok(Err(error))) => CloseReason::Io(error),
            Some(Err(error)) => CloseReason::Io(format!("the signaling client broke down: {error}")),
        };
        let _ = ending.set((Instant::now(), reason));
        drop(last);
    })
    .abort_handle();
    let handle = ClientHandle {
        shared: Arc::new(Handle::Custom {
            commands,
            task: task.clone(),
        }),
    };
    let events = ClientEvents {
        events,
        socket: None,
        custom: Some(task),
        closed,
        done: false,
    };
    (handle, events)
}
