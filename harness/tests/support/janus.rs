//! The Janus gateway with its VideoRoom, on loopback.
//!
//! Owns the process, its configuration and the library that lets it find candidates there; all end with the test. It must
//! not know what a test does in the room.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{Process, ProcessError};

/// What the system's package installs.
const COMMAND: &str = "janus";

/// The WebSocket subprotocol, without which it refuses a client.
pub(crate) const SUBPROTOCOL: &str = "janus-protocol";

/// The room that is there from the start.
pub(crate) const ROOM: u64 = 1234;

/// Another one, whose codec is none of greenroom's.
pub(crate) const ROOM_OF_VP9: u64 = 9;

/// Whether clients may create rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    Open,
    /// With a key that nobody has.
    Closed,
}

/// What the VideoRoom does not need. Some of these fail without a configuration, some ask the network.
const WITHOUT_PLUGINS: [&str; 10] = [
    "audiobridge",
    "duktape",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "streaming",
    "textroom",
    "videocall",
    "voicemail",
];
const WITHOUT_TRANSPORTS: [&str; 5] = ["http", "mqtt", "nanomsg", "pfunix", "rabbitmq"];

/// Candidates on loopback only; half-trickle, as it is installed: its descriptions carry its candidates.
const NAT: &str = r#"nat: { ice_enforce_list = "lo" }"#;

const LOOPBACK: &str = include_str!("loopback.c");

/// Why there is no Janus to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JanusError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the configuration of {COMMAND} could not be written: {0}")]
    Configuration(#[from] io::Error),
    #[error("cc could not build the library that makes loopback usable: {0}")]
    Library(String),
}

impl JanusError {
    /// Whether it is only not installed.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Process(ProcessError::NotInstalled(_)))
    }
}

/// A running Janus that accepts clients.
pub(crate) struct Janus {
    process: Process,
    port: u16,
    // Removed after the process, because fields are dropped in this order.
    _folder: TempDir,
}

impl Janus {
    /// Starts it, and waits until it accepts.
    pub(crate) async fn start() -> Result<Self, JanusError> {
        Self::start_with(Creation::Open).await
    }

    /// The same, with rooms to be created or not.
    pub(crate) async fn start_with(creation: Creation) -> Result<Self, JanusError> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        configure(folder.path(), port, creation)?;
        let library = build_library(folder.path())?;
        let mut command = Command::new(COMMAND);
        command
            .arg("--configs-folder")
            .arg(folder.path())
            .env("LD_PRELOAD", library);
        let mut process = Process::start(command)?;
        // The socket listens before this is said.
        process
            .line("that its WebSockets thread started", |line| {
                line.contains("WebSockets thread started").then_some(())
            })
            .await?;
        Ok(Self {
            process,
            port,
            _folder: folder,
        })
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.lines()
    }
}

/// A port that nobody listens on. Janus takes no 0.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn configure(folder: &Path, port: u16, creation: Creation) -> io::Result<()> {
    let plugins = libraries(&WITHOUT_PLUGINS);
    let transports = libraries(&WITHOUT_TRANSPORTS);
    std::fs::write(
        folder.join("janus.jcfg"),
        format!(
            "general: {{ debug_level = 4; debug_colors = false }}\n{NAT}\n\
             plugins: {{ disable = \"{plugins}\" }}\ntransports: {{ disable = \"{transports}\" }}\n"
        ),
    )?;
    std::fs::write(
        folder.join("janus.transport.websockets.jcfg"),
        format!(
            "general: {{ json = \"compact\"; ws = true; ws_ip = \"127.0.0.1\"; ws_port = {port}; wss = false }}\n\
             admin: {{ admin_ws = false }}\n"
        ),
    )?;
    let general = match creation {
        Creation::Open => "",
        Creation::Closed => "general: { admin_key = \"nobody has it\" }\n",
    };
    let room = |number, codecs| {
        format!("room-{number}: {{ publishers = 6; videocodec = \"{codecs}\"; fir_freq = 0 }}\n")
    };
    let rooms = room(ROOM, "h264,vp8") + &room(ROOM_OF_VP9, "vp9");
    std::fs::write(
        folder.join("janus.plugin.videoroom.jcfg"),
        general.to_owned() + &rooms,
    )
}

fn libraries(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("libjanus_{name}.so")).collect();
    names.join(",")
}

fn build_library(folder: &Path) -> Result<PathBuf, JanusError> {
    let (source, library) = (folder.join("loopback.c"), folder.join("loopback.so"));
    std::fs::write(&source, LOOPBACK)?;
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .map_err(|error| JanusError::Library(error.to_string()))?;
    if !built.status.success() {
        return Err(JanusError::Library(
            String::from_utf8_lossy(&built.stderr).into_owned(),
        ));
    }
    Ok(library)
}
