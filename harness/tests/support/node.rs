//! A script under Node.js, with the packages that the servers of other people need.
//!
//! Owns the process and the folder of the script; both end with the test. It must not know what the script does.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::process::{Process, ProcessError};

const COMMAND: &str = "node";

/// Here are ws, express, socket.io and socket.io-client, of the versions in package.json.
pub(crate) const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/node_modules");

/// Says on which port a script listens.
const LISTENING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/listening.cjs");

/// Why a script does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    #[error("the packages of harness/tests/node are not installed (`ci/test peers` does, by `npm ci` there)")]
    NoPackages,
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("a file of the script could not be written: {0}")]
    File(#[from] io::Error),
}

impl NodeError {
    /// Whether Node.js or a package is only not installed.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::NoPackages | Self::Process(ProcessError::NotInstalled(_))
        )
    }
}

/// A running script.
pub(crate) struct Node {
    process: Process,
    // Removed after the process, because fields are dropped in this order.
    folder: TempDir,
}

impl Node {
    /// Whether a script could run.
    pub(crate) fn is_there() -> Result<(), NodeError> {
        if !Path::new(PACKAGES).is_dir() {
            return Err(NodeError::NoPackages);
        }
        let mut version = Command::new(COMMAND);
        version.arg("--version");
        Process::start(version)?;
        Ok(())
    }

    /// Runs the text of a script, as `server.js` in a folder of its own.
    pub(crate) fn run(source: &str) -> Result<Self, NodeError> {
        if !Path::new(PACKAGES).is_dir() {
            return Err(NodeError::NoPackages);
        }
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("server.js");
        std::fs::write(&script, source)?;
        let mut command = Command::new(COMMAND);
        command
            .args(["--require", LISTENING])
            .arg(script)
            .current_dir(folder.path())
            .env("NODE_PATH", PACKAGES);
        Ok(Self {
            process: Process::start(command)?,
            folder,
        })
    }

    /// Puts a file into the script's folder, for a script that looks there when it is asked.
    pub(crate) fn put(&self, path: &str, text: &str) -> Result<(), NodeError> {
        let path = self.folder.path().join(path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        Ok(std::fs::write(path, text)?)
    }

    /// The port on which the script listens, once it does. It may have asked for any, which is 0.
    pub(crate) async fn port(&mut self) -> Result<u16, NodeError> {
        let port = |line: &str| line.strip_prefix("listening on port ")?.parse().ok();
        Ok(self.process.line("on which port it listens", port).await?)
    }

    /// The first line, of its output or its log, that contains `what`.
    pub(crate) async fn line(&mut self, what: &str) -> Result<String, NodeError> {
        let containing = |line: &str| line.contains(what).then(|| line.to_owned());
        Ok(self.process.line(what, containing).await?)
    }

    /// What it wrote so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, NodeError> {
        Ok(self.process.ended().await?)
    }
}
