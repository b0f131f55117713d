//! A stream on a leash: given away to tasks of a library, it still ends with the one who gave it.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// Never carries a value: its end being dropped is the message.
type Dropped = oneshot::Receiver<Infallible>;

/// The stream. Reads as ended and refuses writes once its [`Leash`] is dropped.
#[derive(Debug)]
pub(super) struct Leashed<S> {
    stream: S,
    /// One for each side, because each may wait on a task of its own; `None` once the leash is gone.
    reading: Option<Dropped>,
    writing: Option<Dropped>,
    _alive: oneshot::Sender<Infallible>,
}

/// The hand that holds it.
#[derive(Debug)]
pub(super) struct Leash {
    _reading: oneshot::Sender<Infallible>,
    _writing: oneshot::Sender<Infallible>,
    stream: Dropped,
}

/// Puts a stream on a leash.
pub(super) fn leash<S>(stream: S) -> (Leashed<S>, Leash) {
    let (holds_reading, reading) = oneshot::channel();
    let (holds_writing, writing) = oneshot::channel();
    let (alive, dropped) = oneshot::channel();
    let leashed = Leashed {
        stream,
        reading: Some(reading),
        writing: Some(writing),
        _alive: alive,
    };
    let leash = Leash {
        _reading: holds_reading,
        _writing: holds_writing,
        stream: dropped,
    };
    (leashed, leash)
}

impl Leash {
    /// Resolves once the stream was dropped, by whomever it was given to.
    pub(super) async fn dropped(self) {
        let Self {
            _reading,
            _writing,
            stream,
        } = self;
        let _ = stream.await;
    }
}

/// Whether the leash is gone; registers for it where not.
fn cut(side: &mut Option<Dropped>, cx: &mut Context<'_>) -> bool {
    if let Some(held) = side
        && Pin::new(held).poll(cx).is_ready()
    {
        *side = None;
    }
    side.is_none()
}

impl<S: AsyncRead + Unpin> AsyncRead for Leashed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if cut(&mut self.reading, cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Leashed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if cut(&mut self.writing, cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if cut(&mut self.writing, cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if cut(&mut self.writing, cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_with_its_leash_and_the_leash_hears_of_its_end() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut leashed, holder) = leash(near);
        leashed.write_all(b"out").await.unwrap();
        far.write_all(b"in").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(leashed.read(&mut buffer).await.unwrap(), 2);
        let (mut reading, mut writing) = tokio::io::split(leashed);
        let reader = tokio::spawn(async move { reading.read(&mut [0; 8]).await });
        // Stuck: nobody reads at the far end.
        let writer = tokio::spawn(async move { writing.write_all(&[0; 1024]).await });
        tokio::task::yield_now().await;
        drop(holder);
        assert_eq!(reader.await.unwrap().unwrap(), 0, "reads as ended");
        assert_eq!(
            writer.await.unwrap().unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );

        let (near, _far) = tokio::io::duplex(64);
        let (leashed, holder) = leash(near);
        drop(leashed);
        holder.dropped().await;
    }
}
