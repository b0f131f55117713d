//! `greenroom dialect`: records a session with somebody's server, and proves a dialect file against it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::access::AccessArgs;
use super::{complain, exit};
use crate::bot::dial::Dialer;
use crate::dialect::record::Recorder;
use crate::dialect::{draft, prove, read_dialect, read_recording};

#[derive(Debug, Subcommand)]
pub(super) enum DialectCommand {
    /// Pass a session with a server on, and record its frames until Ctrl-C
    Record(RecordArgs),
    /// Propose a dialect file from a recording
    Draft(DraftArgs),
    /// Prove a dialect file against a recording: is every frame of it explained?
    Check(CheckArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom dialect record --listen 127.0.0.1:4000 --upstream ws://127.0.0.1:3000/\n  \
    greenroom dialect draft recording.jsonl > my.toml\n  \
    greenroom dialect check my.toml recording.jsonl\n\n\
    Point the clients at the address instead of the server: one that broadcasts and one that watches, one after the other.\n\
    The recording has every text frame as it was. Passwords, tokens and addresses in it are yours: look before you share it.\n\
    Headers of the clients pass through and are not recorded.")]
pub(super) struct RecordArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "GREENROOM_LISTEN",
        default_value = "127.0.0.1:4000",
        value_name = "ADDR:PORT"
    )]
    listen: SocketAddr,

    /// The server, ws:// or wss://HOST:PORT/
    #[arg(long, env = "GREENROOM_UPSTREAM", value_name = "URL")]
    upstream: String,

    /// File to write
    #[arg(
        long,
        env = "GREENROOM_OUT",
        default_value = "recording.jsonl",
        value_name = "FILE"
    )]
    out: PathBuf,

    #[command(flatten)]
    access: AccessArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom dialect draft recording.jsonl > my.toml\n\n\
    What is guessed is marked with # ?. The first 2000 frames are looked at.")]
pub(super) struct DraftArgs {
    /// What `greenroom dialect record` wrote
    #[arg(value_name = "RECORDING.jsonl")]
    recording: PathBuf,

    /// What the dialect is to be called
    #[arg(long, default_value = "my-server", value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom dialect check my.toml recording.jsonl\n\n\
    Exit codes: 0 every frame is explained, 99 some are not, 104 one of the files cannot be read.")]
pub(super) struct CheckArgs {
    /// The dialect file
    #[arg(value_name = "FILE.toml")]
    dialect: PathBuf,

    /// What `greenroom dialect record` wrote
    #[arg(value_name = "RECORDING.jsonl")]
    recording: PathBuf,
}

/// Does what was asked for.
pub(super) async fn dialect(command: DialectCommand) -> u8 {
    let done = match command {
        DialectCommand::Record(args) => record(args).await,
        DialectCommand::Draft(args) => propose(&args),
        DialectCommand::Check(args) => check(&args),
    };
    done.unwrap_or_else(|message| {
        complain(&message);
        exit::BAD_INPUT
    })
}

async fn record(args: RecordArgs) -> Result<u8, String> {
    let access = args.access.access()?;
    let upstream = Dialer::to(&args.upstream, &access).map_err(|error| error.to_string())?;
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {}: {error}; choose another address with --listen",
                args.listen
            )
        })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let shown = args.out.display();
    let out = std::fs::File::create(&args.out).map_err(|error| format!("{shown}: {error}"))?;
    // Flushed at once, so that whoever started this may wait for the line.
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "recording on ws://{address}/").and_then(|()| stdout.flush());
    let recorder = Recorder::new(upstream, out);
    tokio::select! {
        () = recorder.run(listener, |problem| complain(&problem)) => {}
        () = super::run::interrupt_signal() => {}
    }
    let (frames, failed) = recorder.written();
    let _ = writeln!(stdout, "{frames} frames in {shown}");
    match failed {
        Some(error) => Err(format!("{shown}: {error}; some frames are missing")),
        None => Ok(exit::PASS),
    }
}

fn propose(args: &DraftArgs) -> Result<u8, String> {
    let frames = read_recording(&args.recording).map_err(|error| error.to_string())?;
    let text = draft(&args.name, &frames).map_err(|error| error.to_string())?;
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(exit::PASS)
}

fn check(args: &CheckArgs) -> Result<u8, String> {
    let file = Arc::new(read_dialect(&args.dialect).map_err(|error| error.to_string())?);
    let frames = read_recording(&args.recording).map_err(|error| error.to_string())?;
    let proof = prove(&file, &frames);
    let mut text = format!(
        "{}: the {} offers, peers {}, {}, {}\n",
        file.name,
        file.offers,
        if file.is_addressed() {
            "have names"
        } else {
            "have no names"
        },
        if file.names_rooms() {
            "rooms have names"
        } else {
            "there is one room"
        },
        if file.has_chat() { "chat" } else { "no chat" },
    );
    for (by, frames) in &proof.explained {
        let _ = writeln!(text, "{frames:>6}  {by}");
    }
    for line in &proof.unexplained {
        let Some(frame) = frames.get(line - 1) else {
            continue;
        };
        let begins: String = frame.text.chars().take(80).collect();
        let _ = writeln!(
            text,
            "line {line}: no message of the file explains what the {} of connection {} sent: {begins}",
            match frame.from {
                crate::dialect::Side::Client => "client",
                crate::dialect::Side::Server => "server",
            },
            frame.connection
        );
    }
    let _ = writeln!(
        text,
        "{} of {} frames explained",
        frames.len() - proof.unexplained.len(),
        frames.len()
    );
    // A closed pipe is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if proof.unexplained.is_empty() {
        exit::PASS
    } else {
        exit::CHECKS_FAILED
    })
}
