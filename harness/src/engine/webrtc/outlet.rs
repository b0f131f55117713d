//! Where a connection's events go: to the bot that asked for the connection.
//!
//! Owns the way out. It waits for room, which holds the connection back and never loses an event.

use tokio::sync::mpsc;
use tokio::time::Instant;
use webrtc::error::Error;

use crate::engine::{ConnectionId, EngineError, EngineEvent, EngineEventKind};

/// Where a connection's events go.
pub(super) struct Outlet {
    pub(super) id: ConnectionId,
    pub(super) events: mpsc::Sender<EngineEvent>,
}

impl Outlet {
    pub(super) async fn send(&self, kind: EngineEventKind) {
        self.send_at(Instant::now(), kind).await;
    }

    pub(super) async fn send_at(&self, at: Instant, kind: EngineEventKind) {
        // The bot is gone when this fails; the handle's drop ends the task right after.
        let _ = self
            .events
            .send(EngineEvent {
                connection: self.id,
                at,
                kind,
            })
            .await;
    }

    pub(super) async fn error(&self, step: &'static str, error: &Error) {
        let reason = error.to_string();
        self.send(EngineEventKind::Error(EngineError::Step { step, reason }))
            .await;
    }
}
