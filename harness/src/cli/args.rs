//! The flags, and what they may say.
//!
//! Owns parsing and help. Flags win over the environment (`GREENROOM_*`), that over a scenario file, and the file
//! over the defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Parser, Subcommand, ValueEnum};
use greenroom_fixtures::Size;
use greenroom_signaling::{DialectName, ServedDialect, UnknownDialect};

use super::access::AccessArgs;
use super::dialect::DialectCommand;
use super::doctor::DoctorArgs;
use super::fault::FaultCommand;
use super::ice::IceArgs;
use super::rule::RuleCommand;
use super::trace::TraceCommand;
use crate::dialect::DialectChoice;
use crate::media::codec::Codec;
use crate::scenario::{AudioSource, CallStart, DecodeSelection, RoleSelection, Topology, WireFaultSpec};

/// Tests live WebRTC streaming without a browser.
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Examples:\n  \
    greenroom run                                  one broadcaster, four viewers, ten seconds, a verdict\n  \
    greenroom run --viewers 50 --duration 30s      how does it scale here?\n  \
    greenroom run ws://127.0.0.1:3000/             the same against your own server\n  \
    greenroom run call.toml --seed 7               a scenario from a file\n  \
    greenroom trace diagram trace.jsonl            what was said, and where it ended\n  \
    greenroom serve --listen 127.0.0.1:3000        greenroom's signaling server\n\n\
    Exit codes: 0 pass, 99 checks failed, 104 bad input, 105 interrupted, 109 greenroom failed,\n\
    120 invalid (the run says nothing about your system), 130 killed by a second Ctrl-C.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Stream a video from a broadcaster to viewers and judge every frame
    Run(Box<RunArgs>),
    /// Serve signaling until Ctrl-C: greenroom's own protocol, or a dialect that your clients speak
    Serve(ServeArgs),
    /// Run a scenario in virtual time under faults drawn from many seeds, and shrink what fails
    Explore(ExploreArgs),
    /// Examine a signaling server, or a client that comes to one of ours: question by question, and a card
    Doctor(DoctorArgs),
    /// Judge a recorded trace, or draw it
    Trace {
        #[command(subcommand)]
        command: TraceCommand,
    },
    /// The rules of offer/answer, ICE, DTLS, RTP and signaling that every run is judged by
    Rule {
        #[command(subcommand)]
        command: RuleCommand,
    },
    /// Faults on purpose, for `greenroom run --fault`
    Fault {
        #[command(subcommand)]
        command: FaultCommand,
    },
    /// A protocol of your own as a file: record a session, prove the file against it
    Dialect {
        #[command(subcommand)]
        command: DialectCommand,
    },
    /// Make test clips
    Fixture {
        #[command(subcommand)]
        command: FixtureCommand,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom run --viewers 8 --duration 30s --decode all\n  \
    greenroom run ws://10.0.0.5:3000/ --room stage --join-rate 20/s --viewers 200\n  \
    greenroom run --video clip.y4m --audio talk.wav --bitrate 2M --reporter json > report.json\n  \
    greenroom run --sim lossy --duration 10m --seed 7\n  \
    greenroom run ws://10.0.0.5:3000/ --impair lte\n  \
    greenroom run --codec vp8 --video clip.ivf --data-channel\n  \
    greenroom run call.toml ws://10.0.0.5:3000/ --duration 5s\n  \
    greenroom run ws://127.0.0.1:3000/ --exec 'node server.js'\n  \
    greenroom run ws://127.0.0.1:3000/ --dialect broadcast-ws\n  \
    greenroom run --publish http://127.0.0.1:8080/whip/live --play http://127.0.0.1:8080/whep/live\n\n\
    Broadcaster and viewers in two processes are one run when they share a ledger:\n  \
    greenroom serve --listen 127.0.0.1:3000 &\n  \
    greenroom run ws://127.0.0.1:3000/ --role broadcaster --viewers 50 --ledger ledger.jsonl &\n  \
    greenroom run ws://127.0.0.1:3000/ --role viewers --viewers 50 --ledger ledger.jsonl")]
pub(super) struct RunArgs {
    /// Signaling server, ws:// or wss://HOST:PORT/, of greenroom's own if absent; and a scenario file, which ends in
    /// .toml. Flags win over what the file says
    #[arg(value_name = "SCENARIO.toml|URL", num_args = 0..=2)]
    pub(super) targets: Vec<String>,

    /// What the server speaks: native, broadcast-ws (also tutorial-28), relay, socketio-relay, socketio-rooms, janus, or
    /// a file that ends in .toml; docs/dialects.md has their messages and what a file says
    #[arg(
        long,
        env = "GREENROOM_DIALECT",
        default_value = "native",
        value_name = "NAME|FILE.toml"
    )]
    pub(super) dialect: DialectChoice,

    /// Who sends to whom: a broadcaster to viewers, or two peers to each other, over relay unless --dialect says another
    #[arg(long, env = "GREENROOM_TOPOLOGY", default_value = "broadcast", value_name = "broadcast|call", value_parser = parse_topology)]
    pub(super) topology: Topology,

    /// How a call begins: the first peer offers, or both do at once
    #[arg(long, env = "GREENROOM_CALL_START", default_value = "sequential", value_name = "sequential|simultaneous", value_parser = parse_call_start)]
    pub(super) call_start: CallStart,

    /// Publish to a media server here, by WHIP: http:// or https://HOST:PORT/PATH
    #[arg(
        long,
        env = "GREENROOM_PUBLISH",
        hide_env_values = true,
        value_name = "URL",
        conflicts_with = "dialect"
    )]
    pub(super) publish: Option<String>,

    /// Play what is published from a media server here, by WHEP: http:// or https://HOST:PORT/PATH
    #[arg(
        long,
        env = "GREENROOM_PLAY",
        hide_env_values = true,
        value_name = "URL",
        conflicts_with = "dialect"
    )]
    pub(super) play: Option<String>,

    /// Room in which the bots meet
    #[arg(
        long,
        env = "GREENROOM_ROOM",
        default_value = "greenroom",
        value_name = "NAME"
    )]
    pub(super) room: String,

    /// Viewers
    #[arg(long, env = "GREENROOM_VIEWERS", default_value_t = 4, value_name = "N")]
    pub(super) viewers: u32,

    /// Viewers that start per second, such as 20/s; all at once if absent
    #[arg(long, env = "GREENROOM_JOIN_RATE", value_name = "N/s", value_parser = parse_rate)]
    pub(super) join_rate: Option<f64>,

    /// Time to stream once every viewer has joined, such as 30s or 5m
    #[arg(long, env = "GREENROOM_DURATION", default_value = "10s", value_name = "TIME", value_parser = parse_duration)]
    pub(super) duration: Duration,

    /// Time to stream before figures are taken
    #[arg(long, env = "GREENROOM_WARMUP", default_value = "0s", value_name = "TIME", value_parser = parse_duration)]
    pub(super) warmup: Duration,

    /// End the run at the first rule that is broken as an error; all findings of the whole run if absent
    #[arg(long, env = "GREENROOM_ABORT_ON_FAIL")]
    pub(super) abort_on_fail: bool,

    /// Bots that lose their signaling stay away; they come back, with waits that grow, if absent
    #[arg(long, env = "GREENROOM_NO_RECONNECT")]
    pub(super) no_reconnect: bool,

    /// How often to do the whole run
    #[arg(long, env = "GREENROOM_REPEAT", default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) repeat: u32,

    /// Which bots this process runs
    #[arg(long, env = "GREENROOM_ROLE", default_value = "all", value_name = "ROLE")]
    pub(super) role: Role,

    /// File by which a broadcaster and viewers in two processes are one run
    #[arg(long, env = "GREENROOM_LEDGER", value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,

    /// Run in virtual time over a simulated network: lan, wifi, lte, 3g, satellite, lossy, or a TOML file
    #[arg(long, env = "GREENROOM_SIM", value_name = "PRESET|FILE.toml")]
    pub(super) sim: Option<String>,

    /// Impair what goes over real sockets, at each viewer's both directions: a preset as for --sim, or a TOML file
    /// with a [default]; needs no root
    #[arg(
        long,
        env = "GREENROOM_IMPAIR",
        value_name = "PRESET|FILE.toml",
        conflicts_with = "sim"
    )]
    pub(super) impair: Option<String>,

    /// Plant a fault in the exchange of viewer 1, or NAME=N of another; `greenroom fault list` has them; repeatable
    #[arg(long, env = "GREENROOM_FAULT", value_name = "NAME[=VIEWER]", value_delimiter = ',', value_parser = parse_fault)]
    pub(super) fault: Vec<WireFaultSpec>,

    /// Codec of the video: h264 is encoded live; vp8 comes from an IVF file, or from the one in greenroom
    #[arg(long, env = "GREENROOM_CODEC", default_value = "h264", value_name = "h264|vp8", value_parser = parse_codec)]
    pub(super) codec: Codec,

    /// Sound: a wav file, or none; a drawn voice if absent
    #[arg(long, env = "GREENROOM_AUDIO", value_name = "FILE|none", value_parser = parse_audio)]
    pub(super) audio: Option<AudioSource>,

    /// Send numbered messages both ways over a data channel
    #[arg(long, env = "GREENROOM_DATA_CHANNEL")]
    pub(super) data_channel: bool,

    /// Let the bitrate follow what viewers estimate (REMB); off, so that runs compare
    #[arg(long, env = "GREENROOM_ADAPT")]
    pub(super) adapt: bool,

    /// y4m file to stream, or an IVF file with --codec vp8; a drawn clip if absent
    #[arg(long, env = "GREENROOM_VIDEO", value_name = "FILE")]
    pub(super) video: Option<PathBuf>,

    /// Video bitrate in bits per second, such as 800k or 2M
    #[arg(long, env = "GREENROOM_BITRATE", default_value = "1M", value_name = "RATE", value_parser = parse_bitrate)]
    pub(super) bitrate: u32,

    /// Frames per second; the clip's own if absent
    #[arg(long, env = "GREENROOM_FPS", value_name = "N")]
    pub(super) fps: Option<u32>,

    /// Viewers that decode what they receive: all, none, or the first N
    #[arg(long, env = "GREENROOM_DECODE", default_value = "1", value_name = "all|N|none", value_parser = parse_decode)]
    pub(super) decode: DecodeSelection,

    /// A frame that is complete later than this after it was due is late
    #[arg(long, env = "GREENROOM_DEADLINE", default_value = "500ms", value_name = "TIME", value_parser = parse_duration)]
    pub(super) deadline: Duration,

    /// Seed of everything that is drawn
    #[arg(long, env = "GREENROOM_SEED", default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,

    /// Folder for report.json and trace.jsonl; a new one under greenroom-runs if absent
    #[arg(long, env = "GREENROOM_OUTPUT_DIR", value_name = "DIR")]
    pub(super) output_dir: Option<PathBuf>,

    /// What to print: a table for people, or one JSON report a line on stdout; repeatable
    #[arg(
        long,
        env = "GREENROOM_REPORTER",
        default_value = "table",
        value_name = "KIND",
        value_delimiter = ','
    )]
    pub(super) reporter: Vec<Reporter>,

    /// Start the server under test with this command, and stop it after the run; the URL says where bots find it
    #[arg(
        long,
        env = "GREENROOM_EXEC",
        hide_env_values = true,
        value_name = "COMMAND",
        help_heading = "Starting the server under test"
    )]
    pub(super) exec: Option<String>,

    /// It is ready when its port accepts and a GET of this URL is answered with a status below 500; the port alone if absent
    #[arg(
        long,
        env = "GREENROOM_READY_URL",
        hide_env_values = true,
        value_name = "http://HOST:PORT/",
        requires = "exec",
        help_heading = "Starting the server under test"
    )]
    pub(super) ready_url: Option<String>,

    /// How long it may take to be ready
    #[arg(
        long,
        env = "GREENROOM_EXEC_TIMEOUT",
        default_value = "10s",
        value_name = "TIME",
        value_parser = parse_duration,
        help_heading = "Starting the server under test"
    )]
    pub(super) exec_timeout: Duration,

    #[command(flatten)]
    pub(super) access: AccessArgs,

    #[command(flatten)]
    pub(super) ice: IceArgs,
}

/// Which flags somebody set, on the command line or in the environment, rather than left to their defaults.
#[derive(Clone, Debug, Default)]
pub(super) struct Given(Vec<String>);

impl Given {
    /// Those of a subcommand.
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let given = matches.ids().filter(|id| {
            matches!(
                matches.value_source(id.as_str()),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
        });
        Self(given.map(ToString::to_string).collect())
    }

    /// Whether this one was set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|given| given == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    /// Broadcaster and viewers
    All,
    /// The broadcaster only
    Broadcaster,
    /// The viewers only
    Viewers,
}

impl From<Role> for RoleSelection {
    fn from(role: Role) -> Self {
        match role {
            Role::All => Self::All,
            Role::Broadcaster => Self::Broadcaster,
            Role::Viewers => Self::Viewers,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Reporter {
    /// A table
    Table,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "Dialects (docs/dialects.md):\n  \
    native           greenroom's own protocol; the default\n  \
    broadcast-ws     one broadcaster and its viewers, {type: ...} without addresses; also tutorial-28\n  \
    relay            every text to the other of two\n  \
    socketio-relay   the same as the Socket.IO event signalingMessage\n  \
    socketio-rooms   one host and its viewers as Socket.IO events that name the viewer\n  \
    whip, whep       a media server: publish to /whip/NAME, play from /whep/NAME\n\n\
    Examples:\n  \
    greenroom serve\n  \
    greenroom serve --listen 0.0.0.0:8080=relay\n  \
    greenroom serve --listen 127.0.0.1:3000 --listen 127.0.0.1:3001=broadcast-ws\n\n\
    Each listener is a server of its own, and prints one line once it listens.")]
pub(super) struct ServeArgs {
    /// Address to listen on, and the dialect of its clients; port 0 takes a free one. May be given several times
    #[arg(
        long,
        env = "GREENROOM_LISTEN",
        default_value = "127.0.0.1:3000",
        value_name = "ADDR:PORT[=DIALECT]",
        value_delimiter = ',',
        value_parser = Listen::parse
    )]
    pub(super) listen: Vec<Listen>,
}

/// Where to listen, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen {
    pub(super) address: SocketAddr,
    pub(super) dialect: Served,
}

/// What is served at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Signaling(ServedDialect),
    /// WHIP and WHEP, whichever was named.
    Media,
}

impl Listen {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (address, dialect) = match text.split_once('=') {
            Some((address, name)) => {
                let name: DialectName = name.parse().map_err(|error: UnknownDialect| error.to_string())?;
                let served = match name {
                    DialectName::Whip | DialectName::Whep => Served::Media,
                    name => {
                        Served::Signaling(ServedDialect::try_from(name).map_err(|error| error.to_string())?)
                    }
                };
                (address, served)
            }
            None => (text, Served::Signaling(ServedDialect::Native)),
        };
        let address = address
            .parse()
            .map_err(|error| format!("{address:?}: {error}; expected for example 127.0.0.1:3000=relay"))?;
        Ok(Self { address, dialect })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    greenroom explore --seeds 1000\n  \
    greenroom explore --seeds 1 --from 182          the same seed again\n  \
    greenroom explore call.toml --seeds 200 --duration 30s\n\n\
    Each run has a thread of its own, so one process uses every core. Over several machines, split the seeds:\n  \
    greenroom explore --seeds 500 --from 1\n  \
    greenroom explore --seeds 500 --from 501")]
pub(super) struct ExploreArgs {
    /// Scenario file; three viewers for ten seconds if absent
    #[arg(value_name = "SCENARIO.toml")]
    pub(super) scenario: Option<String>,

    /// Seeds
    #[arg(long, env = "GREENROOM_SEEDS", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) seeds: u32,

    /// First seed
    #[arg(long, env = "GREENROOM_SEED", default_value_t = 1, value_name = "N")]
    pub(super) from: u64,

    /// Runs at once; as many as there are cores if absent
    #[arg(long, env = "GREENROOM_JOBS", value_name = "N")]
    pub(super) jobs: Option<usize>,

    /// Time to stream in each run
    #[arg(long, env = "GREENROOM_DURATION", value_name = "TIME", value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(super) enum FixtureCommand {
    /// Write the drawn clip as a y4m file, or the drawn voice as a wav file, that any player opens
    #[command(after_help = "Examples:\n  \
        greenroom fixture generate --size 1280x720 --seconds 20 clip.y4m\n  \
        greenroom fixture generate --seconds 20 voice.wav")]
    Generate {
        /// Picture size
        #[arg(long, default_value = "640x360", value_name = "WxH")]
        size: Size,
        /// Length in seconds
        #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_600))]
        seconds: u32,
        /// Frames per second
        #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=120))]
        fps: u32,
        /// Seed: the same one gives the same bits
        #[arg(long, default_value_t = 1, value_name = "N")]
        seed: u64,
        /// File to write: .y4m, or .wav for sound
        file: PathBuf,
    },
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);
    let duration =
        humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 500ms, 30s or 5m"))?;
    if duration > LONGEST {
        return Err("that is more than seven days; write it as 500ms, 30s or 5m".to_owned());
    }
    Ok(duration)
}

fn parse_fault(text: &str) -> Result<WireFaultSpec, String> {
    let (name, viewer) = text.split_once('=').unwrap_or((text, "1"));
    let viewer = viewer
        .parse()
        .map_err(|_| "write a fault as NAME or NAME=VIEWER, such as lose-answer=2".to_owned())?;
    match crate::fault::wire::find(name) {
        Some(_) => Ok(WireFaultSpec {
            name: name.to_owned(),
            viewer,
        }),
        None => Err("no fault has this name; see `greenroom fault list`".to_owned()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "write it as a number of viewers per second, such as 20/s".to_owned())
}

fn parse_bitrate(text: &str) -> Result<u32, String> {
    let (number, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    let bps = number
        .parse::<f64>()
        .ok()
        .map(|value| value * factor)
        .filter(|bps| bps.is_finite() && *bps >= 1.0);
    match bps {
        Some(bps) if bps <= f64::from(u32::MAX) => Ok(bps.round() as u32),
        _ => Err("write it as bits per second, such as 800k or 2M".to_owned()),
    }
}

fn parse_topology(text: &str) -> Result<Topology, String> {
    match text {
        "broadcast" => Ok(Topology::Broadcast),
        "call" => Ok(Topology::Call),
        _ => Err("write broadcast or call".to_owned()),
    }
}

fn parse_call_start(text: &str) -> Result<CallStart, String> {
    match text {
        "sequential" => Ok(CallStart::Sequential),
        "simultaneous" => Ok(CallStart::Simultaneous),
        _ => Err("write sequential or simultaneous".to_owned()),
    }
}

fn parse_codec(text: &str) -> Result<Codec, String> {
    match text.parse() {
        Ok(codec) if !Codec::is_audio(codec) => Ok(codec),
        _ => Err("write h264 or vp8".to_owned()),
    }
}

fn parse_audio(text: &str) -> Result<AudioSource, String> {
    match text {
        "" => Err("write a wav file, or none".to_owned()),
        "none" => Ok(AudioSource::None),
        file => Ok(AudioSource::File(PathBuf::from(file))),
    }
}

fn parse_decode(text: &str) -> Result<DecodeSelection, String> {
    match text {
        "all" => Ok(DecodeSelection::All),
        "none" | "0" => Ok(DecodeSelection::None),
        number => number
            .parse()
            .map(DecodeSelection::Count)
            .map_err(|_| "write all, none, or a number of viewers".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(parse_bitrate("800k"), Ok(800_000));
        assert_eq!(parse_bitrate("2M"), Ok(2_000_000));
        assert_eq!(parse_bitrate("1.5M"), Ok(1_500_000));
        assert_eq!(parse_bitrate("64000"), Ok(64_000));
        assert_eq!(parse_rate("20/s"), Ok(20.0));
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        assert_eq!(parse_decode("all"), Ok(DecodeSelection::All));
        assert_eq!(parse_decode("3"), Ok(DecodeSelection::Count(3)));
    }

    #[test]
    fn what_is_no_number_is_refused_with_an_example() {
        assert!(parse_bitrate("fast").unwrap_err().contains("800k"));
        assert!(parse_bitrate("-1k").unwrap_err().contains("800k"));
        assert!(parse_bitrate("").unwrap_err().contains("800k"));
        assert!(parse_bitrate("9999999M").unwrap_err().contains("800k"));
        assert!(parse_rate("0").unwrap_err().contains("20/s"));
        assert!(parse_rate("nan").unwrap_err().contains("20/s"));
        assert!(parse_duration("soon").unwrap_err().contains("500ms"));
        assert!(parse_codec("opus").unwrap_err().contains("vp8"));
        assert!(parse_audio("").unwrap_err().contains("none"));
        assert!(parse_decode("some").unwrap_err().contains("none"));
    }
}
