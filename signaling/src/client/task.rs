//! The task that owns a client's socket: frames in and out, pings, the end.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, OnceLock},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, protocol::frame::coding::CloseCode};

use super::{Ask, ClientConfig, SendError, TimedEvent, speaker::Speaker, wire::Wire};
use crate::{
    CloseReason, DecodeError, Direction, Event,
    outbox::Outbox,
    socket::{Ending, Socket, Turn},
};

pub(super) struct Task {
    pub(super) config: ClientConfig,
    pub(super) outbox: Arc<Outbox<Ask>>,
    pub(super) wire: Arc<Wire>,
    pub(super) speaker: Arc<Speaker>,
    pub(super) events: mpsc::Sender<TimedEvent>,
    pub(super) closed: Arc<OnceLock<(Instant, CloseReason)>>,
}

/// How the connection ends.
enum End {
    /// This side closes; what waits is flushed first.
    Polite,
    /// The server sent a close frame, which is to be answered.
    Answer(CloseReason),
    /// The server broke the protocol and is told so.
    Complain(CloseCode, String),
    /// There is nobody to tell.
    Gone(CloseReason),
}

impl Task {
    pub(super) async fn run<S>(self, mut socket: Socket<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut waiting = VecDeque::new();
        let end = self.serve(&mut socket, &mut waiting).await;
        let at = Instant::now();
        self.give_out(waiting).await;
        self.outbox.shut();
        let limit = self.config.close_timeout;
        let sent = |text: &str| self.wire.written(text);
        let reason = match end {
            End::Polite => {
                socket
                    .close(CloseCode::Normal, String::new(), Some(&*self.outbox), sent, limit)
                    .await;
                CloseReason::Local
            }
            End::Answer(reason) => {
                socket.finish(limit).await;
                reason
            }
            End::Complain(code, detail) => {
                socket
                    .close(code, detail.clone(), None::<&Outbox<Ask>>, sent, limit)
                    .await;
                CloseReason::Protocol(detail)
            }
            End::Gone(reason) => reason,
        };
        // Set before the sender is dropped with `self`, so that whoever sees the end of the queue finds the reason.
        let _ = self.closed.set((at, reason));
    }

    /// What came before the end comes before it at the bot too, as far as it reads in time: also what a filter made late.
    async fn give_out(&self, mut waiting: VecDeque<TimedEvent>) {
        let now = Instant::now();
        for text in self.wire.take_received() {
            // Whatever it would answer to them, there is nobody to hear it any more.
            let _ = self.hear(&text, now, &mut waiting);
        }
        waiting.extend(self.speaker.take_told());
        let giving = async {
            for event in waiting {
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(self.config.close_timeout, giving).await;
    }

    async fn serve<S>(&self, socket: &mut Socket<S>, waiting: &mut VecDeque<TimedEvent>) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut heard = Instant::now();
        let mut ping = heard + self.config.ping_interval;
        let mut alarm = pin!(sleep_until(ping.min(heard + self.config.idle_timeout)));
        let mut stalled = false;
        loop {
            let sent = |text: &str| self.wire.written(text);
            let until = self.wire.stalled_until(Instant::now());
            if std::mem::replace(&mut stalled, until.is_some()) {
                // Nobody listened, so silence says nothing.
                heard = Instant::now();
            }
            let turn = if let Some(until) = until {
                tokio::select! {
                    biased;
                    turn = socket.write_only(&self.outbox, sent) => Some(turn),
                    () = self.wire.due(self.speaker.alarm()) => {
                        if let Some(end) = self.carry(waiting) {
                            return end;
                        }
                        continue;
                    }
                    () = sleep_until(until) => continue,
                }
            } else if waiting.is_empty() {
                tokio::select! {
                    // What has come is read before silence counts.
                    biased;
                    turn = socket.turn(&self.outbox, sent) => Some(turn),
                    () = self.wire.due(self.speaker.alarm()) => {
                        if let Some(end) = self.carry(waiting) {
                            return end;
                        }
                        continue;
                    }
                    () = &mut alarm => None,
                }
            } else {
                tokio::select! {
                    biased;
                    place = self.events.reserve() => {
                        let (Ok(place), Some(event)) = (place, waiting.pop_front()) else {
                            return End::Polite;
                        };
                        place.send(event);
                        continue;
                    }
                    turn = socket.write_only(&self.outbox, sent) => Some(turn),
                    () = self.wire.due(self.speaker.alarm()) => {
                        if let Some(end) = self.carry(waiting) {
                            return end;
                        }
                        continue;
                    }
                    () = &mut alarm => None,
                }
            };
            let now = Instant::now();
            match turn {
                Some(Turn::Message(message)) => {
                    heard = now;
                    if let Some(end) = self.take(message, now, waiting) {
                        return end;
                    }
                }
                Some(Turn::Ended(ending)) => return end_of(ending),
                Some(Turn::Closing(Ask::Close)) => return End::Polite,
                None => {
                    let idle = self.config.idle_timeout;
                    if waiting.is_empty() && now >= heard + idle {
                        return End::Gone(CloseReason::Timeout { idle });
                    }
                    if now >= ping {
                        socket.ping();
                        ping = now + self.config.ping_interval;
                    }
                    let silent = if waiting.is_empty() {
                        heard + idle
                    } else {
                        now + idle
                    };
                    alarm.as_mut().reset(ping.min(silent));
                }
            }
        }
    }

    fn take(&self, message: Message, at: Instant, waiting: &mut VecDeque<TimedEvent>) -> Option<End> {
        match message {
            Message::Text(text) => {
                for text in self.wire.pass(Direction::Received, text) {
                    if let Err(end) = self.hear(&text, at, waiting) {
                        return Some(end);
                    }
                }
                None
            }
            Message::Binary(payload) => {
                let event = Event::Undecodable(DecodeError::Binary { bytes: payload.len() });
                waiting.push_back(TimedEvent { at, event });
                None
            }
            Message::Close(frame) => Some(End::Answer(match frame {
                Some(frame) => CloseReason::Remote {
                    code: frame.code.into(),
                    reason: frame.reason.to_string(),
                },
                // RFC 6455 section 7.1.5: a close frame without a code counts as 1005.
                None => CloseReason::Remote {
                    code: 1005,
                    reason: String::new(),
                },
            })),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        }
    }

    /// Carries on the frames that are due, and what the dialect does although nothing comes.
    fn carry(&self, waiting: &mut VecDeque<TimedEvent>) -> Option<End> {
        let now = Instant::now();
        while let Some((direction, text)) = self.wire.take_due(now) {
            match direction {
                Direction::Received => {
                    if let Err(end) = self.hear(&text, now, waiting) {
                        return Some(end);
                    }
                }
                // One that does not fit is lost: it had left its sender.
                Direction::Sent => drop(self.outbox.push([text])),
            }
        }
        match self.speaker.due(now, &self.wire, &self.outbox) {
            Ok(told) => {
                waiting.extend(told);
                None
            }
            Err(error) => stuck(error),
        }
    }

    fn hear(&self, text: &Utf8Bytes, at: Instant, waiting: &mut VecDeque<TimedEvent>) -> Result<(), End> {
        match self.speaker.hear(at, text, &self.wire, &self.outbox) {
            Ok(told) => {
                waiting.extend(told);
                Ok(())
            }
            Err(error) => stuck(error).map_or(Ok(()), Err),
        }
    }
}

/// A connection whose protocol cannot say what it must is of no use; one that is closing anyway says so itself.
fn stuck(error: SendError) -> Option<End> {
    match error {
        SendError::Closed => None,
        error @ (SendError::Full { .. } | SendError::Encode(_)) => {
            Some(End::Gone(CloseReason::Io(error.to_string())))
        }
    }
}

fn end_of(ending: Ending) -> End {
    match ending {
        Ending::Eof => End::Gone(CloseReason::Eof),
        Ending::Io(detail) => End::Gone(CloseReason::Io(detail)),
        Ending::TooBig(detail) => End::Complain(CloseCode::Size, format!("message too big: {detail}")),
        Ending::InvalidText => End::Complain(CloseCode::Invalid, "text is not UTF-8".to_owned()),
        Ending::Protocol(detail) => End::Complain(CloseCode::Protocol, detail),
    }
}
