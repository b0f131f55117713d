//! `greenroom doctor --listen`: serves a client of somebody's, plays everybody else, and says how the client fared.
//!
//! Owns the order: wait, find out what the client is, let the bots in, judge. Nothing is verified frame by frame, because
//! nobody knows what the client was to send; what counts is whether each step of a connection comes.

mod exchange;
mod judge;
mod question;
mod reading;
mod visit;
mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use greenroom_signaling::ServedDialect;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::time::Instant;

use self::watch::Watch;
use super::Card;
use crate::dialect::DialectChoice;
use crate::run::RunError;

pub use question::{ClientQuestion, ClientRole};

/// How long somebody may take to come and to say what it is.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the client may take for each step.
const STEP: Duration = Duration::from_secs(8);

/// Examines the client that comes.
#[derive(Debug)]
pub struct ClientDoctor {
    listener: TcpListener,
    dialect: ServedDialect,
    role: Option<ClientRole>,
    patience: Duration,
    step: Duration,
    output_dir: Option<PathBuf>,
}

/// Why a client could not be examined; it is not to blame.
#[derive(Debug, Error)]
pub enum ClientDoctorError {
    /// The listener has no address.
    #[error("the doctor's listener cannot be used: {0}")]
    Listener(#[from] std::io::Error),
    /// The trace cannot be written.
    #[error("cannot write {path}: {reason}; choose another folder with --output-dir")]
    Output {
        /// What was to be written.
        path: PathBuf,
        /// What the file system said.
        reason: String,
    },
    /// The bots beside the client could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What everybody needs to know of an examination.
#[derive(Clone, Copy, Debug)]
struct Terms {
    dialect: ServedDialect,
    patience: Duration,
    step: Duration,
}

impl ClientDoctor {
    /// For the client that connects to this listener and speaks this dialect.
    pub fn new(listener: TcpListener, dialect: ServedDialect) -> Self {
        Self {
            listener,
            dialect,
            role: None,
            patience: PATIENCE,
            step: STEP,
            output_dir: None,
        }
    }

    /// What the client is. Default: what it says when it joins.
    #[must_use]
    pub fn role(mut self, role: ClientRole) -> Self {
        self.role = Some(role);
        self
    }

    /// How long it may take to come and to join. Default 60 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long it may take for each step of a connection, after which the step counts as one that does not come.
    /// Default 8 s.
    #[must_use]
    pub fn step(mut self, step: Duration) -> Self {
        self.step = step;
        self
    }

    /// Keeps the trace in here. Default: it is not kept.
    #[must_use]
    pub fn output_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.output_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Where the client is to connect to.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits for the client, examines it, and gives its card. When `stop` resolves, what was seen by then is judged.
    ///
    /// # Errors
    ///
    /// When the trace cannot be written, or the bots cannot be run.
    pub async fn examine(
        self,
        stop: impl Future<Output = ()>,
    ) -> Result<Card<ClientQuestion>, ClientDoctorError> {
        let url = format!("ws://{}/", self.listener.local_addr()?);
        let terms = Terms {
            dialect: self.dialect,
            patience: self.patience,
            step: self.step,
        };
        let watch = Watch::start(self.listener, terms, self.output_dir.as_deref())?;
        let began = Instant::now();
        let mut role = self.role;
        let visiting = async {
            let deadline = began + self.patience;
            if watch.client_joins(deadline, role).await
                && let Some(role) = role.or_else(|| watch.role())
            {
                return visit::visit(&url, &watch, role, terms).await;
            }
            Ok(Vec::new())
        };
        let findings = tokio::select! {
            biased;
            () = stop => Vec::new(),
            findings = visiting => findings?,
        };
        role = role.or_else(|| watch.role());
        let ended_us = watch.now_us();
        let events = watch.finish().await?;
        let came = exchange::Came::of(&events, role);
        let lines = judge::judge(&events, &came, &findings, terms, ended_us);
        let trace = self.output_dir.map(|dir| dir.join(watch::TRACE_FILE));
        let lines = lines.into_iter().map(|mut line| {
            line.trace.clone_from(&trace);
            line
        });
        Ok(Card {
            lines: lines.collect(),
            url,
            dialect: DialectChoice::from(self.dialect.name()),
        })
    }
}
