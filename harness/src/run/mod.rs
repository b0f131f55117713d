//! A run: builds a scenario, starts the bots, and ends with a report.
//!
//! Owns the library's front door. A run prints and writes nothing unless it is asked to, has no global
//! state, and leaves nothing behind when it is dropped.

mod environment;
mod exec;
mod handle;
mod heard;
mod ice;
pub(crate) mod ledger_file;
mod memory;
mod observe;
mod orchestrate;
mod prepare;
mod room;
pub(crate) mod server;
#[cfg(feature = "sim")]
mod simulate;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use greenroom_fixtures::Size;
use greenroom_signaling::DialectName;
use thiserror::Error;

use self::server::CallersServer;
use crate::bot::Progress;
use crate::bot::access::Access;
use crate::bot::dial::{CallersClient, Dialer, SignalingBot, UrlError};
#[cfg(feature = "server")]
use crate::clock::RunClock;
use crate::dialect::{DialectChoice, DialectError};
use crate::engine::{Engine, EngineSetting, Password};
use crate::media::codec::Codec;
use crate::net::model::LinkSpec;
use crate::report::Report;
use crate::scenario::{
    Action, AudioSource, CallSpec, DecodeSelection, ExecSpec, IceSpec, MediaFault, PlantedDelays,
    ReconnectSpec, RoleSelection, Scenario, ScenarioError, SignalingSpec, SourceFlaws, TimedAction,
    WireFaultSpec,
};
#[cfg(feature = "server")]
use crate::trace::Trace;

pub use environment::Environment;
pub use exec::ExecError;
pub use handle::{BroadcasterHandle, RunHandle, ViewerHandle};
pub use ice::IceError;
pub use ledger_file::LedgerFileError;
pub use memory::MemoryListener;

/// Why a run could not be done; the system under test is not to blame.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scenario makes no sense.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The URL is not one.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The dialect file.
    #[error(transparent)]
    Dialect(#[from] DialectError),
    /// The clip or the encoder.
    #[error(transparent)]
    Source(#[from] crate::bot::source::SourceError),
    /// The ledger file.
    #[error(transparent)]
    Ledger(#[from] LedgerFileError),
    /// The clip or the encoder failed while the run went on.
    #[error("the broadcaster's source failed on the way: {0}")]
    SourceEnded(String),
    /// The process may not open as many files as the run needs.
    #[error(
        "the run needs about {needed} open files, the limit is {limit}; raise it with: ulimit -n {needed}"
    )]
    OpenFiles {
        /// Files that it needs.
        needed: u64,
        /// The soft limit.
        limit: u64,
    },
    /// A role needs what this build or call does not have.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The run folder cannot be written.
    #[error("cannot write {path}: {reason}; choose another folder with --output-dir")]
    Output {
        /// What was to be written.
        path: PathBuf,
        /// What the file system said.
        reason: String,
    },
    /// greenroom's own server does not speak what the bots are to speak.
    #[cfg(feature = "server")]
    #[error(transparent)]
    NotServed(#[from] greenroom_signaling::NotServed),
    /// The server under test that the run was to start.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The TURN servers cannot be asked.
    #[error(transparent)]
    Ice(#[from] IceError),
    /// The embedded server cannot listen.
    #[error("the embedded signaling server cannot listen on 127.0.0.1: {0}")]
    Listen(String),
    /// A simulated network for a run on real sockets.
    #[error(
        "the scenario has a simulated network, and this run uses real sockets; run it with --sim, or without a URL"
    )]
    NotSimulated,
    /// The simulation could not be set up, or broke down.
    #[error("the simulation failed: {0}")]
    Simulation(String),
    /// A bot did not end in time; a bug of greenroom.
    #[error("{0} did not end within its deadline; please report this with the run folder")]
    Stuck(String),
}

impl RunError {
    /// Whether the caller's input is to blame, rather than the machine or greenroom itself.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Scenario(_)
            | Self::Dialect(_)
            | Self::Url(_)
            | Self::Ledger(_)
            | Self::Unsupported(_)
            | Self::NotSimulated
            | Self::Exec(_)
            | Self::Ice(_)
            | Self::Output { .. }
            | Self::OpenFiles { .. } => true,
            Self::Source(_) => true,
            #[cfg(feature = "server")]
            Self::NotServed(_) => true,
            Self::SourceEnded(_) | Self::Listen(_) | Self::Simulation(_) | Self::Stuck(_) => false,
        }
    }
}

/// Picture size of simulated runs.
#[cfg(feature = "sim")]
const SIMULATED_SIZE: Size = Size::SMALL;

/// Where the bots meet.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// At a server that the run starts.
    #[cfg(feature = "server")]
    Embedded,
    /// At a server that the run starts, in memory and in virtual time.
    #[cfg(feature = "sim")]
    Simulated,
    /// At somebody's server.
    Dialer(Dialer),
    /// At a URL that is checked when the run starts.
    Url(String),
}

/// A run to be; every method changes one thing and gives it back.
///
/// ```no_run
/// # async fn example() -> Result<(), greenroom::RunError> {
/// let report = greenroom::Run::embedded().viewers(8).run().await?;
/// report.assert_passed();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a run does nothing until it is started"]
pub struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) target: Target,
    pub(crate) output_dir: Option<PathBuf>,
    pub(crate) ledger: Option<PathBuf>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) server: Option<CallersServer>,
    pub(crate) signaling: Option<CallersClient>,
    pub(crate) engine: Option<CallersEngine>,
    pub(crate) access: Access,
    pub(crate) turn_password: Option<Password>,
    /// Where viewers play what is published to a media server.
    pub(crate) play: Option<String>,
    /// A trace that is there already, with its clock; whoever began it also ends it.
    #[cfg(feature = "server")]
    pub(crate) trace: Option<(RunClock, Trace)>,
}

/// Makes the engine of a run.
pub(crate) struct CallersEngine(MakesEngine);

type MakesEngine = Box<dyn Fn(EngineSetting) -> Arc<dyn Engine> + Send + Sync>;

impl std::fmt::Debug for CallersEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallersEngine")
    }
}

impl Run {
    /// A run with its own signaling server, one broadcaster and four viewers, for 10 seconds.
    #[cfg(feature = "server")]
    pub fn embedded() -> Self {
        Self::with_target(Target::Embedded)
    }

    /// A run against the signaling server at a `ws://` or `wss://` URL.
    pub fn against(url: impl Into<String>) -> Self {
        Self::with_target(Target::Url(url.into()))
    }

    /// A run through a media server: the broadcaster publishes to one URL by WHIP (RFC 9725), and viewers play from another
    /// one by WHEP (draft-ietf-wish-whep-03). Both are `http://` or `https://` URLs of one stream.
    ///
    /// With one of the two only, see [`Run::against`] with the dialect `whip` or `whep`, and [`Run::role`].
    pub fn through_media_server(publish: impl Into<String>, play: impl Into<String>) -> Self {
        let mut run = Self::against(publish).dialect(DialectName::Whip);
        run.play = Some(play.into());
        run
    }

    /// What gets the bots into the server at the URL: headers, a token, whom TLS trusts. Default: nothing.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// STUN and TURN servers that connections ask for candidates, on real sockets. Default: none.
    pub fn ice(mut self, ice: IceSpec) -> Self {
        self.scenario.network.ice = ice;
        self
    }

    /// The password for the TURN servers of [`Run::ice`]; it is sent, and never printed. It goes before the one in
    /// [`IceSpec::turn_password_file`].
    pub fn turn_password(mut self, password: impl Into<String>) -> Self {
        self.turn_password = Some(Password::new(password));
        self
    }

    /// Starts the server under test, waits until it is ready, samples what it costs, and stops it after the run.
    ///
    /// The bots find it at the URL of [`Run::against`].
    pub fn exec(mut self, exec: ExecSpec) -> Self {
        self.scenario.exec = Some(exec);
        self
    }

    /// A run whose bots reach their server through byte streams of the caller's, for example in memory.
    pub fn through(dialer: Dialer) -> Self {
        Self::with_target(Target::Dialer(dialer))
    }

    fn with_target(target: Target) -> Self {
        Self {
            scenario: Scenario::default(),
            target,
            output_dir: None,
            ledger: None,
            progress: Arc::default(),
            server: None,
            signaling: None,
            engine: None,
            access: Access::default(),
            turn_password: None,
            play: None,
            #[cfg(feature = "server")]
            trace: None,
        }
    }

    /// Notes its events in a trace that somebody else has begun.
    #[cfg(feature = "server")]
    pub(crate) fn noted_in(mut self, clock: RunClock, trace: Trace) -> Self {
        self.trace = Some((clock, trace));
        self
    }

    /// A run in virtual time over a simulated network that is perfect until it is told otherwise; the same seed
    /// gives the same run. Small pictures, so that a minute takes a fraction of a second.
    ///
    /// It has a thread and a runtime of its own, so any flavour of test may await it. Linux with glibc only.
    #[cfg(feature = "sim")]
    pub fn simulated(seed: u64) -> Self {
        let mut run = Self::with_target(Target::Simulated);
        run.scenario.seed = seed;
        run.scenario.media.size = SIMULATED_SIZE;
        run
    }

    /// The network of a simulated run.
    #[cfg(feature = "sim")]
    pub fn network(mut self, network: crate::net::model::NetworkFile) -> Self {
        self.scenario.network.sim = Some(network);
        self
    }

    /// Replaces greenroom's signaling server by one of the caller's, in a simulated or an embedded run.
    ///
    /// `serve` gets a listener in memory and serves it until it is dropped; it is called again when the scenario
    /// restarts the server. In a simulated run it has virtual time, and no sockets. The bots speak greenroom's
    /// protocol (docs/signaling.md) to it, or whatever [`Run::signaling`] says.
    ///
    /// A server that returns or panics before the run is over is a finding with its words.
    pub fn server<F>(mut self, serve: impl Fn(MemoryListener) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output: std::fmt::Debug> + Send + 'static,
    {
        self.server = Some(CallersServer::new(serve));
        self
    }

    /// Replaces the bots' signaling client, for a protocol that greenroom does not speak.
    ///
    /// `client` is called for each bot as it starts, and takes its commands to the server and what the server says
    /// back to it; [`SignalingBot::dial`] opens a byte stream to the server of this run. It ends when there are no
    /// commands any more. Signaling faults of the scenario are about frames, and there are none that greenroom sees.
    pub fn signaling<F, E>(mut self, client: impl Fn(SignalingBot) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        self.signaling = Some(CallersClient::new(client));
        self
    }

    /// Replaces the WebRTC stack under the bots by one of the caller's.
    ///
    /// `make` is called once, as the run starts. An engine that takes its ports from the setting and its time from
    /// `tokio::time` works in simulated runs too. It may serve some connections itself and give the others to
    /// [`EngineSetting::webrtc`].
    pub fn engine(mut self, make: impl Fn(EngineSetting) -> Arc<dyn Engine> + Send + Sync + 'static) -> Self {
        self.engine = Some(CallersEngine(Box::new(make)));
        self
    }

    /// Replaces the whole scenario.
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// The scenario so far, to be changed in place.
    pub fn scenario_mut(&mut self) -> &mut Scenario {
        &mut self.scenario
    }

    /// Viewers that join at the start, in every room. Default 4.
    pub fn viewers(mut self, viewers: u32) -> Self {
        self.scenario
            .rooms
            .iter_mut()
            .for_each(|room| room.viewers = viewers);
        self
    }

    /// What the bots speak to the signaling server, and greenroom's own server to them. Default: native.
    pub fn dialect(mut self, dialect: DialectName) -> Self {
        self.scenario.dialect = dialect.into();
        self
    }

    /// The same by a file (docs/dialects.md), which is read as the run starts.
    pub fn dialect_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.scenario.dialect = DialectChoice::File(path.into());
        self
    }

    /// Name of the first room. Default `greenroom`.
    pub fn room(mut self, name: impl Into<String>) -> Self {
        if let Some(room) = self.scenario.rooms.first_mut() {
            room.name = name.into();
        }
        self
    }

    /// Time that is streamed once every viewer has joined. Default 10 s.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.scenario.duration = duration;
        self
    }

    /// Ends the run at the first rule that is broken as an error, instead of telling every finding at its end.
    pub fn abort_on_fail(mut self) -> Self {
        self.scenario.abort_on_fail = true;
        self
    }

    /// Picture size of the procedural clip. Default 640×360.
    pub fn size(mut self, size: Size) -> Self {
        self.scenario.media.size = size;
        self
    }

    /// Which viewers decode. Default: one.
    pub fn decode(mut self, decode: DecodeSelection) -> Self {
        self.scenario.decode = decode;
        self
    }

    /// Which bots this process runs. Default: all.
    pub fn role(mut self, role: RoleSelection) -> Self {
        self.scenario.role = role;
        self
    }

    /// How long after the viewers the broadcaster starts. Default 0.
    pub fn broadcaster_delay(mut self, delay: Duration) -> Self {
        self.scenario.join.broadcaster_delay = delay;
        self
    }

    /// How long after the broadcaster the first viewer starts. Default 0.
    pub fn viewers_delay(mut self, delay: Duration) -> Self {
        self.scenario.join.viewers_delay = delay;
        self
    }

    /// Adds an action at a time after every viewer has joined.
    pub fn at(mut self, at: Duration, action: Action) -> Self {
        self.scenario.timeline.push(TimedAction { at, action });
        self
    }

    /// Adds damage that the run must catch.
    pub fn fault(mut self, fault: MediaFault) -> Self {
        self.scenario.faults.push(fault);
        self
    }

    /// Adds delays to single stages.
    pub fn planted_delays(mut self, delays: PlantedDelays) -> Self {
        self.scenario.planted_delays = delays;
        self
    }

    /// Faults of the broadcaster itself.
    pub fn flaws(mut self, flaws: SourceFlaws) -> Self {
        self.scenario.flaws = flaws;
        self
    }

    /// What is to be heard. Default: the procedural sound.
    pub fn audio(mut self, audio: AudioSource) -> Self {
        self.scenario.media.audio = audio;
        self
    }

    /// Codec of the video. Default: H.264.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.scenario.media.codec = codec;
        self
    }

    /// Sends messages both ways over a data channel. Default: no.
    pub fn data_channel(mut self) -> Self {
        self.scenario.media.data_channel = true;
        self
    }

    /// What happens to datagrams on their way to the viewers, on real sockets and without root.
    pub fn impair_down(mut self, link: LinkSpec) -> Self {
        self.scenario.network.down = Some(link);
        self
    }

    /// What happens to datagrams on their way to the broadcaster, on real sockets and without root.
    pub fn impair_up(mut self, link: LinkSpec) -> Self {
        self.scenario.network.up = Some(link);
        self
    }

    /// Adds a fault of the exchange between a viewer, by its number from 1, and its broadcaster.
    pub fn wire_fault(mut self, name: &str, viewer: u32) -> Self {
        self.scenario.wire_faults.push(WireFaultSpec {
            name: name.to_owned(),
            viewer,
        });
        self
    }

    /// Adds what happens to signaling frames between bots and server, drawn from the scenario's seed.
    pub fn signaling_faults(mut self, faults: SignalingSpec) -> Self {
        self.scenario.network.signaling.push(faults);
        self
    }

    /// A call of two, who both send, in place of a broadcast: over `relay`, unless the dialect is another one for two.
    /// [`Scenario::call`](crate::Scenario) says how it begins.
    pub fn call(mut self, call: CallSpec) -> Self {
        self.scenario.make_call();
        self.scenario.call = call;
        self
    }

    /// How bots come back to a signaling server that they lost. Default: for as long as the run goes on, with waits of up
    /// to 100 ms at first and up to 5 s in the end; [`ReconnectSpec::NEVER`] turns it off.
    pub fn reconnect(mut self, reconnect: ReconnectSpec) -> Self {
        self.scenario.reconnect = reconnect;
        self
    }

    /// Writes `report.json` and `trace.jsonl` into this folder. Default: nothing is written.
    pub fn output_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.output_dir = Some(dir.into());
        self
    }

    /// The ledger file by which a broadcaster and viewers in different processes are one run.
    pub fn ledger(mut self, path: impl Into<PathBuf>) -> Self {
        self.ledger = Some(path.into());
        self
    }

    /// Counters that change while the run goes on.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Starts the run and returns once its bots are on their way; needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    ///
    /// When the scenario, the clip, the URL or a file cannot be used.
    pub async fn start(self) -> Result<RunHandle, RunError> {
        #[cfg(feature = "sim")]
        if matches!(self.target, Target::Simulated) {
            return Err(RunError::Unsupported(
                "a simulated run is over before it could be steered; put its actions into the timeline and call run()",
            ));
        }
        handle::start(self).await
    }

    /// Does the whole run.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and when the harness itself fails on the way.
    pub async fn run(self) -> Result<Report, RunError> {
        #[cfg(feature = "sim")]
        if matches!(self.target, Target::Simulated) {
            return simulate::run(self).await;
        }
        self.start().await?.finish().await
    }
}
