//! A connection as the rooms speak to it: its queue, and the dialect in which what it hears is written.

use std::{
    cell::OnceCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};
use tokio_tungstenite::tungstenite::Utf8Bytes;

#[cfg(feature = "socketio")]
use super::socketio::SocketMember;
use super::{CloseCause, dialect::BroadcastWs};
use crate::{
    QueueLimits,
    message::{ClientMessage, ServerMessage},
    outbox::{Outbox, PushError},
    room::Refusal,
};

/// A member of a call or a room, whatever carries what it hears.
#[derive(Clone, Debug)]
pub(super) enum Member {
    /// A WebSocket of our own.
    Text(TextMember),
    /// A client of Socket.IO.
    #[cfg(feature = "socketio")]
    Socket(SocketMember),
}

impl Member {
    /// Queues what the room says, and returns in how many frames.
    pub(super) fn tell(&self, said: &Said<'_>) -> u64 {
        match self {
            Self::Text(member) => member.tell(said),
            #[cfg(feature = "socketio")]
            Self::Socket(member) => member.tell(said),
        }
    }

    /// Ends the connection of a peer that has said `leave`, which only text can say.
    pub(super) fn close(&self) {
        match self {
            Self::Text(member) => member.outbox().close(CloseCause::Left),
            #[cfg(feature = "socketio")]
            Self::Socket(_) => {}
        }
    }
}

/// A WebSocket that hears text frames. Clones write to the same connection.
#[derive(Clone, Debug)]
pub(super) struct TextMember {
    outbox: Arc<Outbox<CloseCause>>,
    translation: Option<Arc<Translation>>,
}

#[derive(Debug)]
struct Translation {
    /// Locked inside the lock of the rooms or alone, never around it.
    translator: Mutex<BroadcastWs>,
    /// The translator's time limit may have changed.
    changed: Notify,
}

impl Translation {
    fn lock(&self) -> MutexGuard<'_, BroadcastWs> {
        // A translator is total: no panic leaves it half changed.
        self.translator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message on its way to many: as JSON of the native dialect it is written once for all of them.
pub(super) struct Said<'a> {
    message: &'a ServerMessage,
    native: OnceCell<Utf8Bytes>,
}

impl<'a> Said<'a> {
    pub(super) fn new(message: &'a ServerMessage) -> Self {
        Self {
            message,
            native: OnceCell::new(),
        }
    }

    #[cfg(feature = "socketio")]
    pub(super) fn message(&self) -> &ServerMessage {
        self.message
    }
}

impl TextMember {
    /// Hears text frames as they are, or what `translator` makes of the room.
    pub(super) fn new(limits: QueueLimits, translator: Option<BroadcastWs>) -> Self {
        let translation = translator.map(|translator| {
            Arc::new(Translation {
                translator: Mutex::new(translator),
                changed: Notify::new(),
            })
        });
        Self {
            outbox: Arc::new(Outbox::new(limits)),
            translation,
        }
    }

    pub(super) fn outbox(&self) -> &Arc<Outbox<CloseCause>> {
        &self.outbox
    }

    /// What a frame of the client says to the room, if anything.
    pub(super) fn hear(&self, frame: &str) -> Result<Option<ClientMessage>, Refusal> {
        match &self.translation {
            None => Ok(Some(ClientMessage::parse(frame)?)),
            Some(translation) => translation.lock().hear(frame, Instant::now()),
        }
    }

    /// Queues what the room says, and returns in how many frames.
    pub(super) fn tell(&self, said: &Said<'_>) -> u64 {
        let Some(translation) = &self.translation else {
            let text = said.native.get_or_init(|| said.message.to_json().into());
            self.push(text.clone());
            return 1;
        };
        let frames = translation.lock().tell(said.message, Instant::now());
        translation.changed.notify_one();
        self.push_all(frames)
    }

    /// A peer misses no single frame: where one does not fit, the connection ends (F10).
    pub(super) fn push(&self, text: Utf8Bytes) {
        match self.outbox.push([text]) {
            Ok(()) | Err(PushError::Closed) => {}
            Err(PushError::Full(full)) => {
                log::info!(
                    "closing a slow reader with {} messages, {} bytes waiting",
                    full.messages,
                    full.bytes
                );
                self.outbox.close(CloseCause::Slow);
            }
        }
    }

    fn push_all(&self, frames: Vec<String>) -> u64 {
        let count = frames.len() as u64;
        for frame in frames {
            self.push(frame.into());
        }
        count
    }

    /// When [`Self::timed_out`] wants to be called; [`Self::changed`] says when to ask again.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.translation.as_ref()?.lock().timeout()
    }

    /// Queues what is due although nothing came.
    pub(super) fn timed_out(&self, now: Instant) {
        if let Some(translation) = &self.translation {
            let frames = translation.lock().timed_out(now);
            self.push_all(frames);
        }
    }

    /// Resolves once [`Self::timeout`] may have changed. Cancel-safe.
    pub(super) async fn changed(&self) {
        match &self.translation {
            Some(translation) => translation.changed.notified().await,
            None => std::future::pending().await,
        }
    }
}
