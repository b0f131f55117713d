//! A client of a protocol over HTTP: the bot's commands become requests, and their answers events.
//!
//! Owns the requests under way, and what an observer sees of them; one exchange is [`exchange`]'s, what is asked is the
//! dialect's. Each request has a stream of its own, which the caller opens: WHIP and WHEP say little and rarely.

mod exchange;

use std::{fmt, future::Future, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use self::exchange::{Exchange, Exchanged};
use super::{BotGone, Client, ClientConfig, ClientEvents, ClientHandle, ClientTarget, SignalingPeer};
use crate::{
    Command, Dialect, Direction, ErrorCode, Event, HttpPart, ObservedFrame, ObservedHttp, Output, dialect,
};

/// Requests that may be under way at once; a bot's next command waits for one of them.
const MAX_UNDER_WAY: usize = 4;

impl Client {
    /// A client of a protocol over HTTP. `target` is its endpoint; `dial` opens a stream to the server of a URL, once for
    /// each request.
    ///
    /// The headers of the target go to its own origin only, wherever the server redirects or names a session: a token is
    /// not given to strangers. The filter of the configuration sees nothing, because there are no frames to see.
    pub fn over_http<D, F, S, E>(
        dial: D,
        target: ClientTarget,
        dialect: Dialect,
        config: &ClientConfig,
    ) -> (ClientHandle, ClientEvents)
    where
        D: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<S, E>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: fmt::Display + 'static,
    {
        let exchange = Arc::new(Exchange::new(dial, target, config));
        let config = config.clone();
        Self::custom(&config.clone(), |peer| {
            let task = Task {
                peer,
                dialect,
                exchange,
                config,
                under_way: JoinSet::new(),
            };
            task.run()
        })
    }
}

struct Task<D> {
    peer: SignalingPeer,
    dialect: Dialect,
    exchange: Arc<Exchange<D>>,
    config: ClientConfig,
    under_way: JoinSet<Exchanged>,
}

impl<D, F, S, E> Task<D>
where
    D: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: fmt::Display + 'static,
{
    /// Ends when the bot wants nothing any more and every request is answered.
    async fn run(mut self) -> Result<(), BotGone> {
        let mut wanted = true;
        while wanted || !self.under_way.is_empty() {
            let alarm = self.dialect.next_timeout();
            tokio::select! {
                biased;
                Some(exchanged) = self.under_way.join_next() => self.answered(exchanged).await?,
                command = self.peer.next_command(), if wanted && self.under_way.len() < MAX_UNDER_WAY => {
                    wanted = command.is_some();
                    // Whoever says no more leaves, and his session with him.
                    self.say(&command.unwrap_or(Command::Leave)).await?;
                }
                () = sleep_until(alarm.unwrap_or_else(Instant::now)), if wanted && alarm.is_some() => {
                    let outputs = self.dialect.timeout(Instant::now());
                    self.carry_out(outputs).await?;
                }
            }
        }
        Ok(())
    }

    async fn say(&mut self, command: &Command) -> Result<(), BotGone> {
        match self.dialect.encode(Instant::now(), command) {
            Ok(outputs) => self.carry_out(outputs).await,
            Err(error) => {
                let refused = Event::Error {
                    code: ErrorCode::NotAllowed,
                    message: error.to_string(),
                    to: None,
                };
                self.peer.tell(refused).await
            }
        }
    }

    async fn answered(&mut self, exchanged: Result<Exchanged, JoinError>) -> Result<(), BotGone> {
        let exchanged = match exchanged {
            Ok(exchanged) => exchanged,
            Err(error) => {
                log::error!("an HTTP exchange broke down: {error}");
                return Ok(());
            }
        };
        let Exchanged {
            number,
            exchange,
            answer,
            at,
        } = exchanged;
        let seen = answer.clone();
        let outputs = self.dialect.answered(at, number, answer);
        let means = meaning(&outputs);
        if let Some(observer) = &self.config.http_observer {
            let reason = seen.as_ref().err().map(ToString::to_string).unwrap_or_default();
            let message = match &seen {
                Ok(response) => HttpPart::Response {
                    status: response.status,
                    headers: &response.headers,
                    body: &response.body,
                },
                Err(_) => HttpPart::Failed { reason: &reason },
            };
            observer.observe(&ObservedHttp {
                at,
                direction: Direction::Received,
                exchange,
                message,
                means: &means,
            });
        }
        self.perform(outputs).await
    }

    /// Does what the dialect wants, and shows what it tells the bot although no answer came.
    async fn carry_out(&mut self, outputs: Vec<Output>) -> Result<(), BotGone> {
        let means = meaning(&outputs);
        let unsaid = outputs.iter().filter_map(|output| match output {
            Output::Unsaid(command) => dialect::of_command(command),
            _ => None,
        });
        let unsaid: Vec<String> = unsaid.collect();
        self.observe(Direction::Sent, &unsaid);
        self.observe(Direction::Received, &means);
        self.perform(outputs).await
    }

    async fn perform(&mut self, outputs: Vec<Output>) -> Result<(), BotGone> {
        for output in outputs {
            match output {
                Output::Event(event) => self.peer.tell(event).await?,
                Output::Request(request) => {
                    let exchange = Arc::clone(&self.exchange);
                    self.under_way.spawn(async move { exchange.make(request).await });
                }
                Output::Unsaid(_) => {}
                // No dialect over HTTP has frames.
                Output::Frame { .. } => log::error!("a protocol over HTTP has no frames"),
            }
        }
        Ok(())
    }

    fn observe(&self, direction: Direction, means: &[String]) {
        if let Some(observer) = self.config.observer.as_ref().filter(|_| !means.is_empty()) {
            observer.observe(&ObservedFrame {
                at: Instant::now(),
                direction,
                connection: 0,
                peer: None,
                text: "",
                means,
            });
        }
    }
}

fn meaning(outputs: &[Output]) -> Vec<String> {
    let events = outputs.iter().filter_map(|output| match output {
        Output::Event(event) => dialect::of_event(event),
        _ => None,
    });
    events.collect()
}
