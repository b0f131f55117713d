//! One WebSocket and its outbox as a single stream of turns, for the server and the client alike.
//!
//! Reads while a write is stuck and writes while nothing comes; ends a connection so that the other side can read
//! why. Knows frames and close codes, not messages, rooms or timeouts.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message, Utf8Bytes,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::outbox::Outbox;

/// 4 KiB each way: with the 128 KiB of the library's default an idle connection costs 138 KB instead of 8.
const BUFFER: usize = 4 << 10;

/// What one turn of the connection brought.
#[derive(Debug)]
pub(crate) enum Turn<C> {
    /// A frame came; of a fragmented message, its whole.
    Message(Message),
    /// Nothing more can be read.
    Ended(Ending),
    /// The outbox was closed with this word.
    Closing(C),
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The stream ended, with or without its closing handshake.
    Eof,
    /// A frame or message is over the limit; the other side can still be told.
    TooBig(String),
    /// A text frame is not UTF-8; the other side can still be told.
    InvalidText,
    /// The other side broke RFC 6455 and can still be told.
    Protocol(String),
    /// The stream failed.
    Io(String),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Eof,
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::TooBig(format!("{size} bytes, at most {max_size} are accepted"))
            }
            Error::Capacity(other) => Self::TooBig(other.to_string()),
            Error::Utf8(_) => Self::InvalidText,
            Error::Io(error) if gone(error.kind()) => Self::Eof,
            Error::Io(error) => Self::Io(error.to_string()),
            other => Self::Protocol(other.to_string()),
        }
    }
}

/// A killed process shows as a reset as often as an end of stream; neither says more than that it is gone.
fn gone(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

/// The WebSocket settings of both sides.
pub(crate) fn config(max_message_size: usize, max_write_buffer_size: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        // The library panics unless this is above the buffer it bounds.
        .max_write_buffer_size(max_write_buffer_size.max(2 * BUFFER))
        .max_message_size(Some(max_message_size))
        .max_frame_size(Some(max_message_size))
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    ws: WebSocketStream<S>,
    ping_due: bool,
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) fn new(ws: WebSocketStream<S>) -> Self {
        Self {
            ws,
            ping_due: false,
            unflushed: false,
        }
    }

    /// Has a ping sent ahead of whatever waits.
    pub(crate) fn ping(&mut self) {
        self.ping_due = true;
    }

    /// Writes what waits and reads what comes until there is something to tell. Cancel-safe.
    pub(crate) async fn turn<C>(&mut self, outbox: &Outbox<C>, mut sent: impl FnMut(&str)) -> Turn<C> {
        poll_fn(|cx| {
            let written = self.poll_write(cx, outbox, &mut sent);
            // After the write, which registers with the outbox, so that no word comes unseen in between.
            if let Some(word) = outbox.take_closing() {
                return Poll::Ready(Turn::Closing(word));
            }
            if let Err(error) = written {
                return Poll::Ready(Turn::Ended(error.into()));
            }
            Poll::Ready(match ready!(Pin::new(&mut self.ws).poll_next(cx)) {
                Some(Ok(message)) => Turn::Message(message),
                Some(Err(error)) => Turn::Ended(error.into()),
                None => Turn::Ended(Ending::Eof),
            })
        })
        .await
    }

    /// Writes without reading, while the caller has no place for what would be read.
    /// Resolves only when the outbox was closed or the stream failed.
    pub(crate) async fn write_only<C>(&mut self, outbox: &Outbox<C>, mut sent: impl FnMut(&str)) -> Turn<C> {
        poll_fn(|cx| {
            let written = self.poll_write(cx, outbox, &mut sent);
            match (outbox.take_closing(), written) {
                (Some(word), _) => Poll::Ready(Turn::Closing(word)),
                (None, Ok(())) => Poll::Pending,
                (None, Err(error)) => Poll::Ready(Turn::Ended(error.into())),
            }
        })
        .await
    }

    /// Moves frames from the outbox into the stream as far as it takes them. Of a stream that is stuck at most 4 KiB
    /// and one frame wait in the library's buffer, the rest in the outbox.
    fn poll_write<C>(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Outbox<C>,
        sent: &mut impl FnMut(&str),
    ) -> Result<(), Error> {
        let mut ws = Pin::new(&mut self.ws);
        loop {
            if ws.as_mut().poll_ready(cx)?.is_pending() {
                outbox.register(cx);
                break;
            }
            let message = if self.ping_due {
                self.ping_due = false;
                Message::Ping(Bytes::new())
            } else if let Poll::Ready(text) = outbox.poll_next(cx) {
                sent(&text);
                Message::Text(text)
            } else {
                break;
            };
            ws.as_mut().start_send(message)?;
            self.unflushed = true;
        }
        if self.unflushed {
            self.unflushed = ws.as_mut().poll_flush(cx)?.is_pending();
        }
        Ok(())
    }

    /// Sends what waits in `outbox` if given, then a close frame, and waits until the other side has read it and
    /// hung up, all within `limit`; then drops the stream.
    pub(crate) async fn close<C>(
        mut self,
        code: CloseCode,
        reason: String,
        flush: Option<&Outbox<C>>,
        mut sent: impl FnMut(&str),
        limit: Duration,
    ) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from(cut(reason)),
        };
        let closing = async {
            if let Some(outbox) = flush {
                poll_fn(|cx| {
                    let written = self.poll_write(cx, outbox, &mut sent);
                    if written.is_err() || (outbox.is_empty() && !self.unflushed) {
                        return Poll::Ready(());
                    }
                    Poll::Pending
                })
                .await;
            }
            // Fails when the other side has closed already; what follows is the same.
            let _ = self.ws.send(Message::Close(Some(frame))).await;
            self.hang_up().await;
        };
        let _ = timeout(limit, closing).await;
    }

    /// Answers the close frame of the other side and hangs up, within `limit`.
    pub(crate) async fn finish(mut self, limit: Duration) {
        let _ = timeout(limit, self.hang_up()).await;
    }

    async fn hang_up(&mut self) {
        while let Some(Ok(_)) = self.ws.next().await {}
        let stream = self.ws.get_mut();
        // Dropping a TCP socket with unread bytes resets it, and a reset can overtake the close frame: say that
        // nothing more comes and read the rest away.
        let _ = stream.shutdown().await;
        let mut discarded = [0; 1024];
        while let Ok(1..) = stream.read(&mut discarded).await {}
    }
}

/// A close frame holds 123 bytes of text (RFC 6455 section 5.5).
fn cut(mut reason: String) -> String {
    while reason.len() > 123 {
        reason.pop();
    }
    reason
}
