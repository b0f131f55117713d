//! The accept loop: one task for each connection, all of them gone with the loop.

use std::{convert::Infallible, time::Duration};

use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
    time::sleep,
};

use super::Server;

/// The first and the longest wait after a failed accept.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

pub(super) async fn serve(server: &Server, listener: TcpListener) -> Infallible {
    let mut connections = JoinSet::new();
    // Connections that are not yet a WebSocket count too; above this the kernel's backlog holds them.
    let limit = server.shared.config.max_connections.saturating_mul(2);
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            // Those that have ended make room for those that come.
            biased;
            Some(ended) = connections.join_next() => log_panic(ended),
            accepted = listener.accept(), if connections.len() < limit => match accepted {
                Ok((stream, _)) => {
                    backoff = Backoff::default();
                    if let Err(error) = stream.set_nodelay(true) {
                        log::debug!("TCP_NODELAY refused: {error}");
                    }
                    let server = server.clone();
                    connections.spawn(async move { server.serve_connection(stream).await });
                }
                Err(error) => {
                    let wait = backoff.next();
                    log::warn!("accept failed, next try in {} ms: {error}", wait.as_millis());
                    sleep(wait).await;
                }
            },
        }
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        log::error!("a connection task panicked: {error}");
    }
}

/// An accept that fails for want of descriptors fails again at once; retrying without a wait would spin (F21).
#[derive(Debug, Default)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let (first, longest) = BACKOFF;
        let wait = self.last.map_or(first, |last| (last * 2).min(longest));
        self.last = Some(wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_after_failed_accepts_doubles_up_to_one_second() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
    }
}
