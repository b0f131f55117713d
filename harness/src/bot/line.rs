//! A bot's line to its signaling server: what is said and heard over it, and how it is opened again when it drops.
//!
//! Owns the client and its comings and goings. What a bot says, and what it makes of what it hears, is the bot's; whether
//! a loss matters is the checker's to say.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use greenroom_signaling::{
    ClientEvents, ClientHandle, CloseReason, Command, ErrorCode, Event, SendError, TimedEvent,
};
use tokio::time::Instant;

use super::Shared;
use super::backoff::Backoff;
use super::dial::DialError;
use crate::net::model::derive;
use crate::scenario::Party;
use crate::trace::TraceKind;

/// Losses that are kept.
const MAX_LOSSES: usize = 64;
/// Tells the draws of waits from other draws of the same seed.
const WAITS: u64 = 0x7265_6469_616c;

type Client = (ClientHandle, ClientEvents);
type Redial = Pin<Box<dyn Future<Output = Result<Client, DialError>> + Send>>;

/// A line that ended although nobody asked it to.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) at: Instant,
    pub(crate) why: String,
    /// Whether the scenario had it cut.
    pub(crate) planned: bool,
    /// How often the bot dialed again.
    pub(crate) attempts: u32,
    /// When the server had let it in again.
    pub(crate) back_at: Option<Instant>,
}

/// What comes over a line.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something was said, or the line ended.
    Event(TimedEvent),
    /// It is open again: the bot has to join anew.
    Reopened,
}

/// The line of one bot.
pub(crate) struct Line {
    shared: Arc<Shared>,
    label: String,
    party: Party,
    client: Option<ClientHandle>,
    incoming: Option<ClientEvents>,
    /// Waits and dials.
    redial: Option<Redial>,
    backoff: Backoff,
    opened_at: Instant,
    /// The scenario cuts it.
    cut: bool,
    /// Whether it is to come back when it drops.
    wanted: bool,
    /// Whether it dropped, and the server has not let the bot in since.
    away: bool,
    losses: Vec<Loss>,
}

impl Line {
    /// Dials for the first time.
    ///
    /// # Errors
    ///
    /// When there is no server; the bot has nothing to come back to.
    pub(crate) async fn open(shared: Arc<Shared>, label: &str, party: Party) -> Result<Self, DialError> {
        let (client, incoming) = dial(&shared, label, party).await?;
        let bot = derive(shared.scenario.seed, [shared.room_number as u64, number(party)]);
        let backoff = Backoff::new(shared.scenario.reconnect, derive(bot, [WAITS, 0]));
        Ok(Self {
            shared,
            label: label.to_owned(),
            party,
            client: Some(client),
            incoming: Some(incoming),
            redial: None,
            backoff,
            opened_at: Instant::now(),
            cut: false,
            wanted: true,
            away: false,
            losses: Vec::new(),
        })
    }

    /// Says something; while the line is away nobody hears it.
    ///
    /// # Errors
    ///
    /// When it cannot be said. An end of the line is no error here: it is heard.
    pub(crate) fn say(&self, command: Command) -> Result<(), SendError> {
        let Some(client) = &self.client else { return Ok(()) };
        match client.send(command) {
            Err(SendError::Closed) => Ok(()),
            said => said,
        }
    }

    /// What comes next; waits for good once the line is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            if let Some(incoming) = &mut self.incoming {
                match incoming.next().await {
                    Some(event) => {
                        if let Event::Closed(reason) = &event.event {
                            self.ended(event.at, reason);
                        }
                        return Heard::Event(event);
                    }
                    None => self.incoming = None,
                }
            } else if let Some(redial) = &mut self.redial {
                let dialed = redial.await;
                self.redial = None;
                match dialed {
                    Ok((client, incoming)) => {
                        self.client = Some(client);
                        self.incoming = Some(incoming);
                        self.opened_at = Instant::now();
                        return Heard::Reopened;
                    }
                    Err(error) => {
                        self.trace_closed(Instant::now(), &error.to_string());
                        self.dial_again();
                    }
                }
            } else {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The server let the bot in; gives whether it had been in before.
    pub(crate) fn joined(&mut self, at: Instant) -> bool {
        if !std::mem::take(&mut self.away) {
            return false;
        }
        if let Some(loss) = self.losses.last_mut() {
            loss.back_at.get_or_insert(at);
        }
        self.backoff.reset();
        true
    }

    /// Whether the server refuses a bot that comes back because it does not know yet that it was gone. If so, the bot
    /// tries again after its next wait.
    pub(crate) fn is_turned_away(&mut self, at: Instant, code: &ErrorCode) -> bool {
        let for_now = matches!(
            code,
            ErrorCode::BroadcasterExists | ErrorCode::RoomFull | ErrorCode::TooManyRooms
        );
        if !self.away || !for_now {
            return false;
        }
        self.trace_closed(at, &format!("the join was refused for now: {code}"));
        (self.client, self.incoming) = (None, None);
        self.dial_again();
        true
    }

    /// The line ended: it is opened again, if the bot still wants it.
    fn ended(&mut self, at: Instant, reason: &CloseReason) {
        self.trace_closed(at, &reason.to_string());
        self.client = None;
        let restarted = self.shared.server_restarted_since(self.opened_at, at);
        let planned = std::mem::take(&mut self.cut) || restarted;
        if !self.wanted {
            return;
        }
        // One that drops again before the bot is in is still the same loss.
        if !std::mem::replace(&mut self.away, true) && self.losses.len() < MAX_LOSSES {
            self.losses.push(Loss {
                at,
                why: reason.to_string(),
                planned,
                attempts: 0,
                back_at: None,
            });
        }
        self.dial_again();
    }

    fn dial_again(&mut self) {
        let Some((attempt, wait)) = self.backoff.next().filter(|_| self.wanted) else {
            return;
        };
        if let Some(loss) = self.losses.last_mut().filter(|loss| loss.back_at.is_none()) {
            loss.attempts = attempt;
        }
        self.shared
            .trace
            .now(&self.label, || TraceKind::SignalingReconnecting {
                attempt,
                wait_us: u64::try_from(wait.as_micros()).unwrap_or(u64::MAX),
            });
        let (shared, label, party) = (Arc::clone(&self.shared), self.label.clone(), self.party);
        self.redial = Some(Box::pin(async move {
            tokio::time::sleep(wait).await;
            dial(&shared, &label, party).await
        }));
    }

    fn trace_closed(&self, at: Instant, reason: &str) {
        self.shared
            .trace
            .at(at, &self.label, || TraceKind::SignalingClosed {
                reason: reason.to_owned(),
            });
    }

    /// Cuts it without a word, because the scenario says so.
    pub(crate) fn cut(&mut self) {
        if let Some(client) = &self.client {
            self.cut = true;
            client.abort();
        }
    }

    /// Reads nothing of what the server sends for this long.
    pub(crate) fn stall(&self, duration: Duration) {
        if let Some(client) = &self.client {
            client.stall(duration);
        }
    }

    /// From now on a line that ends stays away.
    pub(crate) fn let_go(&mut self) {
        self.wanted = false;
        self.redial = None;
    }

    /// Vanishes without a word.
    pub(crate) fn vanish(&mut self) {
        self.let_go();
        if let Some(client) = self.client.take() {
            client.abort();
        }
    }

    /// Closes it and waits for the end: after that nothing of the bot is left on the server.
    pub(crate) async fn close(&mut self, deadline: Instant) {
        self.let_go();
        self.client = None;
        let Some(incoming) = &mut self.incoming else {
            return;
        };
        while let Ok(Some(event)) = tokio::time::timeout_at(deadline, incoming.next()).await {
            if let Event::Closed(_) = event.event {
                return;
            }
        }
    }

    /// What was lost on the way.
    pub(crate) fn take_losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.losses)
    }
}

/// The number by which draws and counts tell bots apart.
pub(super) fn number(party: Party) -> u64 {
    match party {
        Party::Broadcaster => 0,
        Party::Viewer(number) => number.into(),
    }
}

async fn dial(shared: &Shared, label: &str, party: Party) -> Result<Client, DialError> {
    let config = shared.client_config(label, party);
    let (client, incoming) = shared.dialer_of(party).connect(label, config).await?;
    shared.signaling_opened(label, party);
    if let Some(faults) = &shared.wire_faults {
        faults.connected(party, client.injector());
    }
    Ok((client, incoming))
}

impl Shared {
    /// The run restarts its server, and every line to it ends.
    pub(crate) fn note_server_restart(&self) {
        let mut restarted = self.restarted.lock().unwrap_or_else(PoisonError::into_inner);
        *restarted = Some(Instant::now());
    }

    /// Whether it did so between these moments.
    fn server_restarted_since(&self, opened: Instant, ended: Instant) -> bool {
        let restarted = self.restarted.lock().unwrap_or_else(PoisonError::into_inner);
        restarted.is_some_and(|at| (opened..=ended).contains(&at))
    }
}
