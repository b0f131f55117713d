//! What a server grants: times, sizes, queues and rates, with the token bucket that enforces the rates.

use std::time::Duration;

use tokio::time::Instant;

use super::ServedDialect;
use crate::{FrameObserver, QueueLimits, room::RoomLimits};

/// Times and bounds of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What its clients speak. Default greenroom's own protocol.
    pub dialect: ServedDialect,
    /// The head of the HTTP request must be there within this. Default 5 s.
    pub header_timeout: Duration,
    /// The HTTP request must be answered, and the answer read, within this. Default 10 s.
    pub http_timeout: Duration,
    /// A WebSocket connection must have joined a room within this, where the dialect joins. Default 10 s.
    pub join_timeout: Duration,
    /// How often a ping is sent. Default 25 s.
    pub ping_interval: Duration,
    /// A connection counts as dead when nothing at all came for this long. Default 45 s.
    pub dead_timeout: Duration,
    /// How long the closing handshake may take before the stream is dropped. Default 1 s.
    pub close_timeout: Duration,
    /// Longest frame and longest message that is accepted, in bytes. Default 64 KiB.
    pub max_message_size: usize,
    /// Bound of the write buffer of one connection, in bytes. Default 256 KiB; at least four times
    /// [`Self::max_message_size`] is kept whatever is set.
    pub max_write_buffer_size: usize,
    /// WebSocket connections at a time; one more is answered 503. Default 20,000.
    pub max_connections: usize,
    /// What a viewer gets, and a connection before its join.
    /// Default 512 messages and 256 KiB waiting; 2,000 messages a second after a burst of 10,000.
    pub viewer: PeerLimits,
    /// What a broadcaster gets, who talks to each of its viewers.
    /// Default 16,384 messages and 8 MiB waiting; 20,000 messages a second after a burst of 100,000.
    pub broadcaster: PeerLimits,
    /// Rooms and members.
    pub rooms: RoomLimits,
    /// Sees every text frame. Default none.
    pub observer: Option<FrameObserver>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            dialect: ServedDialect::Native,
            header_timeout: Duration::from_secs(5),
            http_timeout: Duration::from_secs(10),
            join_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            dead_timeout: Duration::from_secs(45),
            close_timeout: Duration::from_secs(1),
            max_message_size: 64 << 10,
            max_write_buffer_size: 256 << 10,
            max_connections: 20_000,
            viewer: PeerLimits {
                queue: QueueLimits {
                    messages: 512,
                    bytes: 256 << 10,
                },
                rate: RateLimit {
                    per_second: 2_000,
                    burst: 10_000,
                },
            },
            broadcaster: PeerLimits {
                queue: QueueLimits {
                    messages: 16_384,
                    bytes: 8 << 20,
                },
                rate: RateLimit {
                    per_second: 20_000,
                    burst: 100_000,
                },
            },
            rooms: RoomLimits::default(),
            observer: None,
        }
    }
}

/// What one peer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// What may wait for it to read; more closes it with 1008 `slow`.
    pub queue: QueueLimits,
    /// How fast it may send; faster closes it with 1008 `flood`.
    pub rate: RateLimit,
}

/// A token bucket: it starts full, and every frame of the client, pings among them, takes one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Tokens that come back each second.
    pub per_second: u32,
    /// Tokens that it holds at most.
    pub burst: u32,
}

#[derive(Debug)]
pub(super) struct TokenBucket {
    limit: RateLimit,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    pub(super) fn new(limit: RateLimit, now: Instant) -> Self {
        Self {
            limit,
            tokens: f64::from(limit.burst),
            filled: now,
        }
    }

    /// Another limit from now on, with a full bucket.
    pub(super) fn set_limit(&mut self, limit: RateLimit, now: Instant) {
        *self = Self::new(limit, now);
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        let filled = self.tokens + elapsed * f64::from(self.limit.per_second);
        self.tokens = filled.min(f64::from(self.limit.burst));
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_burst_and_then_its_rate() {
        let limit = RateLimit {
            per_second: 10,
            burst: 3,
        };
        let start = Instant::now();
        let mut bucket = TokenBucket::new(limit, start);
        let mut taken = |at_ms| bucket.take(start + Duration::from_millis(at_ms));
        assert_eq!(
            [taken(0), taken(0), taken(0), taken(0)],
            [true, true, true, false]
        );
        assert_eq!([taken(99), taken(101), taken(102)], [false, true, false]);
        // A long silence saves up the burst and no more.
        assert_eq!(
            [taken(60_000), taken(60_000), taken(60_000), taken(60_000)],
            [true, true, true, false]
        );
    }
}
