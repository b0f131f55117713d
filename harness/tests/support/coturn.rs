//! The TURN server coturn, on loopback.
//!
//! Owns the process and the folder it works in; both end with the test. It must not know what is relayed.

use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::process::{Process, ProcessError};

/// What the system's package installs.
const COMMAND: &str = "turnserver";

/// Whom it knows (long-term credentials, RFC 8489 section 9.2).
pub(crate) const USER: &str = "bot";
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// Why there is no TURN server to ask.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CoturnError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("a folder and a port for {COMMAND} could not be had: {0}")]
    Place(#[from] io::Error),
}

impl CoturnError {
    /// Whether it is only not installed.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Process(ProcessError::NotInstalled(_)))
    }
}

/// A running coturn that answers.
pub(crate) struct Coturn {
    process: Process,
    port: u16,
    // Removed after the process, because fields are dropped in this order.
    _folder: TempDir,
}

impl Coturn {
    /// Starts it, and waits until it listens.
    pub(crate) async fn start() -> Result<Self, CoturnError> {
        let folder = tempfile::tempdir()?;
        // coturn takes no 0.
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut process = Process::start(command(folder.path(), port))?;
        process
            .line("that it listens", |line| {
                line.contains("UDP listener opened on").then_some(())
            })
            .await?;
        Ok(Self {
            process,
            port,
            _folder: folder,
        })
    }

    /// Its URL as a TURN server.
    pub(crate) fn turn(&self) -> String {
        format!("turn:127.0.0.1:{}", self.port)
    }

    /// Its URL as a STUN server.
    pub(crate) fn stun(&self) -> String {
        format!("stun:127.0.0.1:{}", self.port)
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.lines()
    }
}

fn command(folder: &Path, port: u16) -> Command {
    let mut command = Command::new(COMMAND);
    command
        // No configuration of the machine's, no other transport, no telnet console.
        .args(["-n", "--no-tls", "--no-dtls", "--no-tcp", "--no-cli"])
        .args([
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            "--allow-loopback-peers",
        ])
        .arg(format!("--listening-port={port}"))
        .args(["--lt-cred-mech", "--realm=greenroom"])
        .arg(format!("--user={USER}:{PASSWORD}"))
        .args(["--verbose", "--log-file=stdout", "--simple-log"])
        .arg(format!("--userdb={}", folder.join("userdb").display()))
        .arg(format!("--pidfile={}", folder.join("pid").display()));
    command
}
