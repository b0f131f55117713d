//! A program of somebody else, as a child in a process group of its own.
//!
//! Owns the group, which ends with the test however that ends, and what it wrote. It must not know what the program is.

use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::watch;

/// For a start on a busy machine. Far beyond anything healthy.
const DEADLINE: Duration = Duration::from_secs(180);

/// Lines that are remembered; a program that says more has lost itself.
const MAX_LINES: usize = 10_000;

/// Lines that an error quotes.
const QUOTED_LINES: usize = 20;

/// Why a program is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("there is no command {0}; install it (`ci/test peers` does)")]
    NotInstalled(String),
    #[error("{0} could not be started: {1}")]
    Start(String, io::Error),
    #[error("{name} ended before it said {wanted}; its last words were {last:#?}")]
    Ended {
        name: String,
        wanted: String,
        last: Vec<String>,
    },
    #[error("{name} did not say {wanted} within {DEADLINE:?}; its last words were {last:#?}")]
    Deadline {
        name: String,
        wanted: String,
        last: Vec<String>,
    },
}

/// A running program, and each line that it wrote to its output or its log.
pub(crate) struct Process {
    name: String,
    child: Child,
    /// Closed when the program has closed its output and its log.
    lines: watch::Receiver<Vec<String>>,
    reading: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts it without input.
    pub(crate) fn start(mut command: Command) -> Result<Self, ProcessError> {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ProcessError::NotInstalled(name.clone()),
            _ => ProcessError::Start(name.clone(), error),
        })?;
        let (said, lines) = watch::channel(Vec::new());
        let reading = vec![
            read(child.stdout.take(), said.clone()),
            read(child.stderr.take(), said),
        ];
        Ok(Self {
            name,
            child,
            lines,
            reading,
        })
    }

    /// The first line, of the past or to come, from which something can be read. `wanted` says it to people.
    pub(crate) async fn line<T>(
        &mut self,
        wanted: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ProcessError> {
        let found = |lines: &Vec<String>| lines.iter().find_map(|line| find(line));
        let waiting = async {
            let lines = self.lines.wait_for(|lines| found(lines).is_some()).await;
            lines.ok().and_then(|lines| found(&lines))
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        let (name, wanted) = (self.name.clone(), wanted.to_owned());
        match waited {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(ProcessError::Ended {
                name,
                wanted,
                last: self.last_words(),
            }),
            Err(_) => Err(ProcessError::Deadline {
                name,
                wanted,
                last: self.last_words(),
            }),
        }
    }

    /// What it wrote so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, ProcessError> {
        // Never true: the wait is over when both of its outputs are closed.
        let closed = self.lines.wait_for(|_| false);
        if tokio::time::timeout(DEADLINE, closed).await.is_err() {
            return Err(ProcessError::Deadline {
                name: self.name.clone(),
                wanted: "farewell".to_owned(),
                last: self.last_words(),
            });
        }
        self.child
            .wait()
            .map_err(|error| ProcessError::Start(self.name.clone(), error))
    }

    fn last_words(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.split_off(lines.len().saturating_sub(QUOTED_LINES))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        // What it started itself has ended, too, when nobody holds its output any more; only then can its folders go.
        for reading in self.reading.drain(..) {
            let _ = reading.join();
        }
    }
}

/// Reads to the end, because a program whose log nobody reads stops when the pipe is full.
fn read(pipe: Option<impl Read + Send + 'static>, said: watch::Sender<Vec<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in pipe
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).split(b'\n'))
        {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            said.send_modify(|lines| {
                if lines.len() < MAX_LINES {
                    lines.push(line);
                }
            });
        }
    })
}
