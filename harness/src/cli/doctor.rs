//! `greenroom doctor`: examines a signaling server, or the client that comes to one of ours, and prints its card.
//!
//! Owns the flags. Answers and sentences are the doctor's.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::access::AccessArgs;
use super::args::{Listen, Served};
use super::card::{code, draw, print, summary, text};
use super::{complain, exit, style_of};
use crate::dialect::DialectChoice;
use crate::doctor::{Card, ClientDoctor, ClientDoctorError, ClientQuestion, ClientRole, Doctor, Question};
use crate::scenario::ExecSpec;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom doctor ws://127.0.0.1:3000/\n  \
    greenroom doctor ws://127.0.0.1:3000/ --dialect broadcast-ws --exec 'node server.js'\n  \
    greenroom doctor ws://127.0.0.1:3000/ --only third-peer,malformed-frames --ladder third-peer\n  \
    greenroom doctor wss://example.org/ws --token-file token.txt --json > card.json\n  \
    greenroom doctor --listen 127.0.0.1:3000=broadcast-ws      examine a page: open it, and start it\n  \
    greenroom doctor --listen 127.0.0.1:8080=relay --ladder answers\n\n\
    With --exec the server is started anew for every question, so that one it died of is not held against the next.\n\
    With --listen greenroom serves, and plays everybody else to the client that comes (docs/doctor.md).\n\n\
    Exit codes: 0 every answer is healthy, 99 the server or the client is sick, 104 bad input, 105 interrupted,\n\
    120 nothing is sick and something could not be told.")]
pub(super) struct DoctorArgs {
    /// Signaling server to examine, ws:// or wss://HOST:PORT/
    #[arg(
        value_name = "URL",
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    url: Option<String>,

    /// Serve here in this dialect, and examine the client that comes: a page that broadcasts, one that watches, or one of
    /// two that call. Give the address by which the client reaches this machine; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT[=DIALECT]", value_parser = Listen::parse,
        conflicts_with_all = ["only", "exec", "dialect"])]
    listen: Option<Listen>,

    /// What the client is: host, viewer or peer; what it says when it joins if absent
    #[arg(long = "as", value_name = "ROLE", conflicts_with = "url")]
    role: Option<ClientRole>,

    /// How long the client may take to come and to join
    #[arg(
        long = "for",
        default_value = "60s",
        value_name = "TIME",
        value_parser = super::args::parse_duration,
        conflicts_with = "url"
    )]
    patience: Duration,

    /// How long the client may take for each step of a connection
    #[arg(
        long,
        default_value = "8s",
        value_name = "TIME",
        value_parser = super::args::parse_duration,
        conflicts_with = "url"
    )]
    step: Duration,

    /// What it speaks: a built-in dialect, or a file that ends in .toml (docs/dialects.md)
    #[arg(
        long,
        env = "GREENROOM_DIALECT",
        default_value = "native",
        value_name = "NAME"
    )]
    dialect: DialectChoice,

    /// Ask only these, such as one-viewer,third-peer; all of them if absent
    #[arg(long, value_name = "QUESTION", value_delimiter = ',')]
    only: Vec<Question>,

    /// Draw the ladder of this question below the card; of a client there is one ladder for all questions
    #[arg(long, value_name = "QUESTION", value_delimiter = ',')]
    ladder: Vec<AnyQuestion>,

    /// Print the card as one JSON object
    #[arg(long)]
    json: bool,

    /// Folder for each question's report.json and trace.jsonl; a new one under greenroom-runs if absent
    #[arg(long, env = "GREENROOM_OUTPUT_DIR", value_name = "DIR")]
    output_dir: Option<PathBuf>,

    /// Start the server with this command, anew for every question, and stop it after it
    #[arg(long, env = "GREENROOM_EXEC", hide_env_values = true, value_name = "COMMAND")]
    exec: Option<String>,

    /// It is ready when its port accepts and a GET of this URL is answered with a status below 500
    #[arg(
        long,
        env = "GREENROOM_READY_URL",
        hide_env_values = true,
        value_name = "http://HOST:PORT/",
        requires = "exec"
    )]
    ready_url: Option<String>,

    /// How long it may take to be ready
    #[arg(
        long,
        env = "GREENROOM_EXEC_TIMEOUT",
        default_value = "10s",
        value_name = "TIME",
        value_parser = super::args::parse_duration
    )]
    exec_timeout: Duration,

    #[command(flatten)]
    access: AccessArgs,
}

/// A question to a server or to a client.
#[derive(Clone, Copy, Debug)]
enum AnyQuestion {
    Server(Question),
    Client(ClientQuestion),
}

impl FromStr for AnyQuestion {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let client = name.parse().map(Self::Client);
        client.or_else(|client| match name.parse() {
            Ok(question) => Ok(Self::Server(question)),
            Err(server) => Err(format!("{server}; {client}")),
        })
    }
}

/// Does what the flags say; gives the exit code.
pub(super) async fn doctor(args: DoctorArgs) -> u8 {
    match (args.listen, &args.url) {
        (Some(listen), _) => examine_client(&args, listen).await,
        (None, Some(url)) => examine_server(&args, url).await,
        (None, None) => {
            complain("there is nobody to examine; give the URL of a server, or --listen for a client");
            exit::BAD_INPUT
        }
    }
}

async fn examine_client(args: &DoctorArgs, listen: Listen) -> u8 {
    let Listen { address, dialect } = listen;
    let Served::Signaling(dialect) = dialect else {
        complain(
            "clients of WHIP and WHEP are not examined yet; greenroom serve --listen ADDR=whip serves them",
        );
        return exit::BAD_INPUT;
    };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            complain(&format!(
                "cannot listen on {address}: {error}; choose another address with --listen"
            ));
            return exit::BAD_INPUT;
        }
    };
    let folder = args.output_dir.clone().unwrap_or_else(super::run::new_folder);
    let mut doctor = ClientDoctor::new(listener, dialect)
        .patience(args.patience)
        .step(args.step)
        .output_dir(&folder);
    if let Some(role) = args.role {
        doctor = doctor.role(role);
    }
    if let Ok(address) = doctor.address() {
        let url = super::serve::url(address, dialect);
        let _ = writeln!(
            std::io::stderr(),
            "open your client against {url}, and start it; waiting {:.0} s",
            args.patience.as_secs_f64()
        );
    }
    let interrupted = AtomicBool::new(false);
    let stop = async {
        super::run::interrupt_signal().await;
        interrupted.store(true, Relaxed);
    };
    let card = match doctor.examine(stop).await {
        Ok(card) => card,
        Err(error) => {
            complain(&error.to_string());
            return match &error {
                ClientDoctorError::Run(error) => exit::of_error(error),
                ClientDoctorError::Listener(_) | ClientDoctorError::Output { .. } => exit::BAD_INPUT,
            };
        }
    };
    if args.json {
        print(&(serde_json::to_string(&card).unwrap_or_default() + "\n"));
    } else {
        let style = style_of(&std::io::stdout());
        for line in &card.lines {
            print(&text(line, style));
        }
        print(&format!("\n{}; trace in {}\n", summary(&card), folder.display()));
    }
    let drawn = args.ladder.iter().find_map(|question| match question {
        AnyQuestion::Client(question) => Some(*question),
        AnyQuestion::Server(_) => None,
    });
    match drawn {
        Some(question) => draw(&card, question, super::trace::drawn_of_client),
        None if !args.ladder.is_empty() => complain("a server is asked that, and this was a client"),
        None => {}
    }
    if interrupted.load(Relaxed) {
        crate::report::EXIT_INTERRUPTED
    } else {
        code(&card)
    }
}

async fn examine_server(args: &DoctorArgs, url: &str) -> u8 {
    let access = match args.access.access() {
        Ok(access) => access,
        Err(message) => {
            complain(&message);
            return exit::BAD_INPUT;
        }
    };
    let folder = args.output_dir.clone().unwrap_or_else(super::run::new_folder);
    let mut doctor = Doctor::new(url)
        .dialect(args.dialect.clone())
        .access(access)
        .output_dir(&folder);
    if let Some(command) = &args.exec {
        doctor = doctor.exec(ExecSpec {
            ready_url: args.ready_url.clone(),
            timeout: args.exec_timeout,
            ..ExecSpec::new(command)
        });
    }
    if !args.only.is_empty() {
        doctor = doctor.only(args.only.clone());
    }
    let style = style_of(&std::io::stdout());
    let live = std::io::stderr().is_terminal();
    let mut lines = Vec::new();
    // Each run takes seconds: the first line says so, and each answer stands as it comes.
    let _ = writeln!(
        std::io::stderr(),
        "examining {} in {}, some seconds a question",
        crate::bot::dial::for_logs(url),
        args.dialect
    );
    let examined = tokio::select! {
        biased;
        () = super::run::interrupt_signal() => None,
        examined = doctor.examine(|line| {
            lines.push(line.clone());
            if !args.json {
                print(&text(line, style));
            } else if live {
                let _ = writeln!(std::io::stderr(), "{}", line.question);
            }
        }) => Some(examined),
    };
    let (card, interrupted) = match examined {
        Some(Ok(card)) => (card, false),
        Some(Err(error)) => {
            complain(&error.to_string());
            return exit::of_error(&error);
        }
        None => {
            let url = crate::bot::dial::for_logs(url);
            let dialect = args.dialect.clone();
            (Card { url, dialect, lines }, true)
        }
    };
    if args.json {
        print(&(serde_json::to_string(&card).unwrap_or_default() + "\n"));
    } else {
        print(&format!("\n{}; traces in {}\n", summary(&card), folder.display()));
    }
    for question in &args.ladder {
        match question {
            AnyQuestion::Server(question) => draw(&card, *question, |trace| super::trace::drawn(trace, None)),
            AnyQuestion::Client(question) => {
                complain(&format!("a client is asked {question}, and this was a server"))
            }
        }
    }
    if interrupted {
        crate::report::EXIT_INTERRUPTED
    } else {
        code(&card)
    }
}
