//! A server under test that the run starts, watches and stops: its readiness, its last words, what it costs.
//!
//! Owns the process and its group, which end with the run. Whether its end was right is not its business.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::server::Ended;
use crate::measure::process::{ProcessFigures, Usage};
use crate::scenario::ExecSpec;

/// How often a server that starts is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long one question may take.
const ASK_LIMIT: Duration = Duration::from_secs(1);
/// How often its cost is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// How long a killed group may take to vanish.
const KILL_LIMIT: Duration = Duration::from_millis(500);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Bytes of its output that are remembered.
const MAX_TAIL: usize = 4_096;
/// Lines of them that are quoted.
const QUOTED_LINES: usize = 8;

/// A server under test that could not be started.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExecError {
    /// There is no server to wait for.
    #[error("a server that the run starts needs the URL at which bots find it; give ws://HOST:PORT/")]
    NoUrl,
    /// The URL to wait for cannot be asked.
    #[error("cannot ask {url:?} whether the server is ready: {reason}; give http://HOST:PORT/PATH")]
    ReadyUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else answers there before the command is started.
    #[error("{at} accepts connections before {command:?} is started; stop what is running there")]
    Occupied {
        /// The command.
        command: String,
        /// Where.
        at: String,
    },
    /// The shell.
    #[error("cannot start {command:?}: {reason}")]
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        reason: String,
    },
    /// It ended before it was ready.
    #[error("{command:?} ended before it was ready: {how}{}", said(.last))]
    Ended {
        /// The command.
        command: String,
        /// Its exit status.
        how: String,
        /// The last lines that it wrote.
        last: String,
    },
    /// It runs, and does not accept connections.
    #[error(
        "{command:?} runs, and {at} was not ready within {limit:?}; is it the right port? (--exec-timeout){}",
        said(.last)
    )]
    NotReady {
        /// The command.
        command: String,
        /// What was asked.
        at: String,
        /// How long.
        limit: Duration,
        /// The last lines that it wrote.
        last: String,
    },
}

fn said(last: &str) -> String {
    match last {
        "" => "; it wrote nothing".to_owned(),
        last => format!("; it last wrote:\n  {}", last.replace('\n', "\n  ")),
    }
}

/// What is asked for readiness.
#[derive(Clone, Debug)]
enum Question {
    /// Whether a port accepts connections.
    Accepts(String),
    /// Whether a GET is answered with a status below 500.
    Answers { authority: String, path: String },
}

impl Question {
    /// Where bots go has to accept, and what the caller names has to answer.
    fn all(spec: &ExecSpec, url: &Url) -> Result<Vec<Self>, ExecError> {
        let authority = |url: &Url| {
            let port = url.port_or_known_default()?;
            Some(format!("{}:{port}", url.host_str()?))
        };
        let mut all = vec![authority(url).map(Self::Accepts).ok_or(ExecError::NoUrl)?];
        if let Some(ready) = &spec.ready_url {
            let wrong = |reason: &str| ExecError::ReadyUrl {
                url: ready.clone(),
                reason: reason.to_owned(),
            };
            let parsed = Url::parse(ready).map_err(|error| wrong(&error.to_string()))?;
            if parsed.scheme() != "http" {
                return Err(wrong("only http:// is asked"));
            }
            let path = match parsed.query() {
                Some(query) => format!("{}?{query}", parsed.path()),
                None => parsed.path().to_owned(),
            };
            let authority = authority(&parsed).ok_or_else(|| wrong("it names no host"))?;
            all.push(Self::Answers { authority, path });
        }
        Ok(all)
    }

    fn authority(&self) -> &str {
        match self {
            Self::Accepts(authority) | Self::Answers { authority, .. } => authority,
        }
    }

    async fn ask(&self) -> bool {
        let asked = async {
            let mut stream = TcpStream::connect(self.authority()).await.ok()?;
            let Self::Answers { authority, path } = self else {
                return Some(true);
            };
            let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut line = String::new();
            BufReader::new(stream.take(1_024))
                .read_line(&mut line)
                .await
                .ok()?;
            let status: u16 = line.split(' ').nth(1)?.parse().ok()?;
            Some(status < 500)
        };
        matches!(tokio::time::timeout(ASK_LIMIT, asked).await, Ok(Some(true)))
    }
}

/// The last that a process wrote, both streams in the order in which they were read.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let surplus = kept.len().saturating_sub(MAX_TAIL);
        kept.drain(..surplus);
    }

    fn lines(&self) -> String {
        let kept: Vec<u8> = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect();
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<&str> = text.lines().filter(|line| is_worth_quoting(line)).collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }

    async fn follow(self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut bytes = [0; 1_024];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            self.add(&bytes[..count]);
        }
    }
}

/// A server under test that runs; dropping it kills its whole group.
#[derive(Debug)]
pub(super) struct Executed {
    spec: ExecSpec,
    /// All of them are to be answered.
    questions: Vec<Question>,
    group: Group,
    tail: Tail,
    /// How it ended, once it has.
    exited: watch::Receiver<Option<(Instant, String)>>,
    samples: Arc<Mutex<Samples>>,
    /// It is asked to end, or killed on purpose.
    expected: bool,
    tasks: JoinSet<()>,
}

/// The processes that a command started.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// Whether any of its processes is left. Reads all of /proc, which takes a moment.
    fn is_there(group: Pid) -> bool {
        if Path::new("/proc/self/stat").exists() {
            usage_of(group).is_some()
        } else {
            test_kill_process_group(group).is_ok()
        }
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone may have left its number to another one.
        if let Some(group) = self.0.filter(|group| Self::is_there(*group)) {
            // It may end meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Whether none of its processes is left in time, which is more than that the shell has ended.
    async fn is_gone_within(&self, limit: Duration) -> bool {
        let Some(group) = self.0 else { return true };
        let gone = async {
            while let Ok(true) = tokio::task::spawn_blocking(move || Self::is_there(group)).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(limit, gone).await.is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[derive(Debug, Default)]
struct Samples {
    first: Option<(Instant, Usage)>,
    last: Option<(Instant, Usage)>,
    rss_max: u64,
    taken: u64,
}

impl Samples {
    fn take(&mut self, usage: Usage) {
        self.first.get_or_insert_with(|| (Instant::now(), usage));
        self.last = Some((Instant::now(), usage));
        self.rss_max = self.rss_max.max(usage.rss);
        self.taken += 1;
    }
}

impl Executed {
    /// Starts the command and waits until it is ready for bots at `url`.
    ///
    /// # Errors
    ///
    /// [`ExecError`]; nothing of it runs then.
    pub(super) async fn start(spec: ExecSpec, url: &str) -> Result<Self, ExecError> {
        let url = Url::parse(url).map_err(|_| ExecError::NoUrl)?;
        let questions = Question::all(&spec, &url)?;
        for question in &questions {
            let at = question.authority().to_owned();
            if Question::Accepts(at.clone()).ask().await {
                return Err(ExecError::Occupied {
                    command: spec.command,
                    at,
                });
            }
        }
        let mut executed = Self::spawn(spec, questions)?;
        executed.wait_until_ready().await?;
        Ok(executed)
    }

    fn spawn(spec: ExecSpec, questions: Vec<Question>) -> Result<Self, ExecError> {
        let mut child = Command::new("sh")
            .args(["-c", &spec.command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| ExecError::Spawn {
                command: spec.command.clone(),
                reason: error.to_string(),
            })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let tail = Tail::default();
        let samples = Arc::<Mutex<Samples>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(tail.clone().follow(child.stdout.take()));
        tasks.spawn(tail.clone().follow(child.stderr.take()));
        if let Some(group) = group {
            tasks.spawn(sample(group, Arc::clone(&samples)));
        }
        let (tell, exited) = watch::channel(None);
        tasks.spawn(reap(child, tell));
        Ok(Self {
            spec,
            questions,
            group: Group(group),
            tail,
            exited,
            samples,
            expected: false,
            tasks,
        })
    }

    async fn wait_until_ready(&mut self) -> Result<(), ExecError> {
        // Not an instant, which a very long time would overflow.
        let mut limit = pin!(tokio::time::sleep(self.spec.timeout));
        for question in &self.questions {
            loop {
                tokio::select! {
                    biased;
                    how = ended(&mut self.exited) => {
                        return Err(ExecError::Ended {
                            command: self.spec.command.clone(),
                            how,
                            last: self.tail.lines(),
                        });
                    }
                    () = &mut limit => {
                        return Err(ExecError::NotReady {
                            command: self.spec.command.clone(),
                            at: question.authority().to_owned(),
                            limit: self.spec.timeout,
                            last: self.tail.lines(),
                        });
                    }
                    ready = question.ask() => {
                        if ready {
                            break;
                        }
                    }
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
        // What it cost to start is not what the run costs.
        *self.samples() = Samples::default();
        Ok(())
    }

    /// It vanishes, and all of its processes with it.
    pub(super) fn kill(&mut self) {
        self.expected = true;
        self.group.signal(Signal::KILL);
    }

    /// When and how it ended, if nobody asked it to.
    pub(super) fn ended(&self) -> Option<Ended> {
        if self.expected {
            return None;
        }
        let (at, how) = self.exited.borrow().clone()?;
        Some(Ended {
            at,
            why: format!("{:?} {how}{}", self.spec.command, said(&self.tail.lines())),
        })
    }

    /// Asks it to end, kills it if it does not, and says what it cost; `None` where that cannot be read.
    pub(super) async fn stop(mut self) -> Option<ProcessFigures> {
        if let Some(usage) = self.group.0.and_then(usage_of) {
            self.samples().take(usage);
        }
        self.group.signal(Signal::TERM);
        if !self.group.is_gone_within(STOP_LIMIT).await {
            self.group.signal(Signal::KILL);
            self.group.is_gone_within(KILL_LIMIT).await;
        }
        self.ports_are_free_within(KILL_LIMIT).await;
        self.tasks.abort_all();
        let samples = self.samples();
        let ((began, first), (at, last)) = samples.first.zip(samples.last)?;
        let wall = at.saturating_duration_since(began).as_secs_f64();
        Some(ProcessFigures {
            command: self.spec.command.clone(),
            cores_used: (wall > 0.0).then(|| last.cpu.saturating_sub(first.cpu).as_secs_f64() / wall)?,
            rss_at_start: first.rss,
            rss_max: samples.rss_max,
            rss_at_end: last.rss,
            samples: samples.taken,
        })
    }

    /// A process counts as gone once its first thread is; until its last one is, its ports accept, and whoever starts the
    /// next server would take this one for somebody else's.
    async fn ports_are_free_within(&self, limit: Duration) {
        let free = async {
            for question in &self.questions {
                let accepts = Question::Accepts(question.authority().to_owned());
                while accepts.ask().await {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        };
        let _ = tokio::time::timeout(limit, free).await;
    }

    fn samples(&self) -> std::sync::MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frames of a JavaScript stack in code that is not the server's own would push out the error that they are of.
fn is_worth_quoting(line: &str) -> bool {
    let line = line.trim();
    let mut foreign = ["node_modules", "node:", "<anonymous>)"].iter();
    let is_foreign_frame = line.starts_with("at ") && foreign.any(|place| line.contains(place));
    !line.is_empty() && !is_foreign_frame
}

fn usage_of(group: Pid) -> Option<Usage> {
    Usage::of_group(group.as_raw_nonzero().get())
}

async fn ended(exited: &mut watch::Receiver<Option<(Instant, String)>>) -> String {
    match exited.wait_for(Option::is_some).await {
        Ok(ended) => ended.as_ref().map(|(_, how)| how.clone()).unwrap_or_default(),
        Err(_) => "nobody watches it any more".to_owned(),
    }
}

async fn reap(mut child: Child, tell: watch::Sender<Option<(Instant, String)>>) {
    let how = match child.wait().await {
        Ok(status) => worded(status),
        Err(error) => format!("cannot be waited for: {error}"),
    };
    let _ = tell.send(Some((Instant::now(), how)));
}

fn worded(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

async fn sample(group: Pid, samples: Arc<Mutex<Samples>>) {
    loop {
        // Reading all of /proc takes a while where there are many processes.
        let read = tokio::task::spawn_blocking(move || usage_of(group)).await;
        if let Ok(Some(usage)) = read {
            samples.lock().unwrap_or_else(PoisonError::into_inner).take(usage);
        }
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}
