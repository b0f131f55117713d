//! Chromium without a window, driven over the DevTools protocol.
//!
//! Owns the process, its profile and the conversation with a page; all three end with the test. It must not know what
//! a page is for.

use std::io;
use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::process::{Process, ProcessError};

/// What the system's package installs.
const COMMAND: &str = "chromium";

/// No window, no sandbox (which root cannot have), and nobody asked on the network.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
];

/// For a script that does a thousand things, on a busy machine. Far beyond anything healthy.
const DEADLINE: Duration = Duration::from_secs(180);

/// Why Chromium could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChromiumError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("a folder or a connection of {COMMAND} could not be made: {0}")]
    System(#[from] io::Error),
    #[error("expected a DevTools address such as ws://127.0.0.1:9222/devtools/browser/..., got {0:?}")]
    Address(String),
    #[error("the DevTools connection failed: {0}")]
    Connection(#[from] tungstenite::Error),
    #[error("the DevTools connection ended before {method} was answered")]
    Ended { method: String },
    #[error("{method} was not answered within {DEADLINE:?}")]
    Deadline { method: String },
    #[error("DevTools refused {method}: {why}")]
    Refused { method: String, why: String },
    #[error("the script threw {0}")]
    Threw(String),
}

impl ChromiumError {
    /// Whether it is only not installed.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Process(ProcessError::NotInstalled(_)))
    }
}

/// A running Chromium with a profile of its own.
pub(crate) struct Chromium {
    /// `127.0.0.1:port` of DevTools.
    authority: String,
    browser: DevTools,
    // The profile is removed after the process has ended, because fields are dropped in this order.
    _process: Process,
    _profile: TempDir,
}

/// One page.
pub(crate) struct Page {
    devtools: DevTools,
}

impl Chromium {
    /// Starts it.
    pub(crate) async fn start() -> Result<Self, ChromiumError> {
        Self::start_with(&[]).await
    }

    /// Starts it with more flags.
    pub(crate) async fn start_with(flags: &[&str]) -> Result<Self, ChromiumError> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new(COMMAND);
        command
            .args(FLAGS)
            .args(flags)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // It leaves things in the system's folder for those, too, if it is killed.
            .env("TMPDIR", profile.path())
            .arg("about:blank");
        let mut process = Process::start(command)?;
        let address = |line: &str| {
            line.strip_prefix("DevTools listening on ")
                .map(|url| url.trim().to_owned())
        };
        let url = process.line("its DevTools address", address).await?;
        let authority = authority(&url)?.to_owned();
        let browser = DevTools::connect(&authority, &url).await?;
        Ok(Self {
            authority,
            browser,
            _process: process,
            _profile: profile,
        })
    }

    /// Its name and version.
    pub(crate) async fn version(&mut self) -> Result<String, ChromiumError> {
        let version = self.browser.call("Browser.getVersion", json!({})).await?;
        Ok(version["product"].as_str().unwrap_or_default().to_owned())
    }

    /// Opens a page, and waits until it is loaded.
    pub(crate) async fn page(&mut self, url: &str) -> Result<Page, ChromiumError> {
        self.page_after(url, "").await
    }

    /// Opens a page in which `script` runs before the page's own scripts, and waits until it is loaded.
    pub(crate) async fn page_after(&mut self, url: &str, script: &str) -> Result<Page, ChromiumError> {
        let target = self
            .browser
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let id = target["targetId"].as_str().unwrap_or_default();
        let address = format!("ws://{}/devtools/page/{id}", self.authority);
        let mut devtools = DevTools::connect(&self.authority, &address).await?;
        devtools.call("Page.enable", json!({})).await?;
        devtools
            .call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}))
            .await?;
        let loading = devtools.call("Page.navigate", json!({"url": url})).await?;
        if let Some(why) = loading["errorText"].as_str() {
            return Err(ChromiumError::Refused {
                method: format!("Page.navigate to {url}"),
                why: why.to_owned(),
            });
        }
        devtools.event("Page.loadEventFired").await?;
        Ok(Page { devtools })
    }
}

impl Page {
    /// The value of an expression, awaited if it is a promise. It must be one that JSON can say.
    pub(crate) async fn evaluate(&mut self, js: &str) -> Result<Value, ChromiumError> {
        let parameters = json!({"expression": js, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.devtools.call("Runtime.evaluate", parameters).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let described = thrown["exception"]["description"].as_str();
            let text = described.or(thrown["text"].as_str()).unwrap_or("nothing");
            return Err(ChromiumError::Threw(text.to_owned()));
        }
        Ok(answer["result"]["value"].take())
    }

    /// Closes it, and what its scripts have made.
    pub(crate) async fn close(mut self) -> Result<(), ChromiumError> {
        self.devtools.call("Page.close", json!({})).await.map(drop)
    }
}

/// `127.0.0.1:port` of a DevTools address.
fn authority(url: &str) -> Result<&str, ChromiumError> {
    let rest = url.strip_prefix("ws://").and_then(|rest| rest.split_once('/'));
    rest.map(|(authority, _)| authority)
        .ok_or_else(|| ChromiumError::Address(url.to_owned()))
}

/// One DevTools connection: calls and their answers, and events in between.
struct DevTools {
    socket: WebSocketStream<TcpStream>,
    last: u64,
    /// Events that came while an answer was awaited, by name.
    events: Vec<String>,
}

impl DevTools {
    async fn connect(authority: &str, url: &str) -> Result<Self, ChromiumError> {
        let stream = TcpStream::connect(authority).await?;
        let (socket, _) = client_async(url, stream).await?;
        Ok(Self {
            socket,
            last: 0,
            events: Vec::new(),
        })
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Result<Value, ChromiumError> {
        self.last += 1;
        let id = self.last;
        let request = json!({"id": id, "method": method, "params": parameters});
        self.socket.send(Message::text(request.to_string())).await?;
        let is_answer = |message: &Value| message["id"] == id;
        let mut answer = self.until(method, is_answer).await?;
        match answer.get("error") {
            Some(error) => Err(ChromiumError::Refused {
                method: method.to_owned(),
                why: error["message"].as_str().unwrap_or("no reason").to_owned(),
            }),
            None => Ok(answer["result"].take()),
        }
    }

    /// Waits for an event, or finds that it has come already.
    async fn event(&mut self, name: &str) -> Result<(), ChromiumError> {
        if self.events.iter().any(|event| event == name) {
            return Ok(());
        }
        self.until(name, |message| message["method"] == name)
            .await
            .map(drop)
    }

    /// The first message that is the wanted one.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, ChromiumError> {
        let (socket, events) = (&mut self.socket, &mut self.events);
        let waiting = async {
            while let Some(message) = socket.next().await {
                let Message::Text(text) = message? else { continue };
                let Ok(message) = serde_json::from_str::<Value>(&text) else {
                    continue;
                };
                if wanted(&message) {
                    return Ok(message);
                }
                events.extend(message["method"].as_str().map(str::to_owned));
            }
            Err(ChromiumError::Ended {
                method: what.to_owned(),
            })
        };
        tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| {
            Err(ChromiumError::Deadline {
                method: what.to_owned(),
            })
        })
    }
}
