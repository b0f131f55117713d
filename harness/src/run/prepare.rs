//! The preparation of a run: everything is checked and opened before a bot starts.
//!
//! Owns what can fail because of its input. Nothing is left behind when it does.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use greenroom_signaling::{DialectName, Role};

use super::exec::Executed;
use super::ledger_file::{LedgerFile, LedgerFollower};
use super::room::RoomRun;
use super::server::{BroughtServer, Meeting};
use super::{CallersEngine, ExecError, Run, RunError, Target};
use crate::bot::caller::Together;
use crate::bot::dial::Dialer;
use crate::bot::reference::{self, Reference};
use crate::bot::source::Sources;
use crate::bot::{Figures, LedgerHandle, Progress, Shared};
use crate::clock::RunClock;
use crate::dialect::Spoken;
use crate::engine::{Engine, EngineSetting, IceServers};
use crate::fault::wire::RoomFaults;
use crate::media::codec::Codec;
use crate::media::ledger::{LEDGER_VERSION, Ledger, LedgerEntry, LedgerHeader};
use crate::net::model::NetworkFile;
use crate::net::ports::Ports;
#[cfg(feature = "sim")]
use crate::net::sim::SimNet;
use crate::scenario::{Action, AudioSource, DecodeSelection, RoleSelection, RoomSpec, Scenario, Topology};
use crate::trace::{Recorder, Trace};

/// A run that is ready to start.
pub(super) struct Prepared {
    pub(super) scenario: Arc<Scenario>,
    pub(super) url: String,
    pub(super) progress: Arc<Progress>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) rooms: Vec<RoomRun>,
    pub(super) server: Option<BroughtServer>,
    pub(super) executed: Option<Executed>,
    pub(super) clock: RunClock,
    pub(super) recorder: Option<Recorder>,
    pub(super) trace: Trace,
    pub(super) ledger_file: Option<LedgerFile>,
    pub(super) follower: Option<LedgerFollower>,
    pub(super) output_dir: Option<std::path::PathBuf>,
    /// Whether time and network are simulated, so that the machine's state explains nothing.
    pub(super) in_memory: bool,
}

/// Checks and opens everything that a run needs, and starts the embedded server.
pub(super) async fn prepare(run: Run) -> Result<Prepared, RunError> {
    let mut scenario = run.scenario;
    scenario.validate()?;
    scenario.timeline.sort_by_key(|timed| timed.at);
    let scenario = Arc::new(scenario);
    if scenario.network.sim.is_some() && !is_simulated(&run.target) {
        return Err(RunError::NotSimulated);
    }
    check_open_files(&scenario, &run.target)?;
    let sources = open_sources(&scenario)?;
    // Every room shows the same clip.
    let frame_rate = sources.iter().flatten().next().map_or(0.0, |sources| {
        let rate = sources.video.rate();
        f64::from(rate.num()) / f64::from(rate.den())
    });
    let dialect = scenario.dialect.read()?;
    #[cfg(feature = "server")]
    let (clock, begun) = run.trace.map_or_else(
        || (RunClock::start(), None),
        |(clock, trace)| (clock, Some(trace)),
    );
    #[cfg(not(feature = "server"))]
    let (clock, begun) = (RunClock::start(), None::<Trace>);
    let output_failed = |path: &Path, error: &std::io::Error| RunError::Output {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let brings_server = !matches!(run.target, Target::Url(_) | Target::Dialer(_));
    refuse_what_would_not_happen(
        &scenario,
        is_simulated(&run.target),
        brings_server,
        run.signaling.is_some(),
    )?;
    let brings_own = brings_server && run.server.is_none();
    refuse_what_cannot_be_said(&scenario, &dialect, brings_own)?;
    let ice = super::ice::servers(&scenario.network.ice, run.turn_password.as_ref())?;
    let meeting = Meeting::open(
        &run.target,
        run.server,
        &run.access,
        scenario.dialect.built_in().unwrap_or_default(),
    )?;
    if run.signaling.is_none() && !brings_server {
        refuse_half_a_media_server(&scenario, run.play.is_some())?;
    }
    let player = match &run.play {
        Some(url) => {
            Some(Dialer::to_http(url, &run.access)?.with_dialect(Spoken::BuiltIn(DialectName::Whep)))
        }
        None => None,
    };
    let (ledger, ledger_file, follower) = open_ledger(&scenario, run.ledger.as_deref(), frame_rate, clock)?;
    let executed = match (&scenario.exec, &run.target) {
        (Some(exec), Target::Url(url)) => Some(Executed::start(exec.clone(), url).await?),
        (Some(_), _) => return Err(ExecError::NoUrl.into()),
        (None, _) => None,
    };
    // Last of all that can fail, so that bad input leaves no folder behind.
    let (recorder, trace) = match (begun, &run.output_dir) {
        (Some(trace), _) => (None, trace),
        (None, Some(dir)) => {
            std::fs::create_dir_all(dir).map_err(|error| output_failed(dir, &error))?;
            let path = dir.join("trace.jsonl");
            let (recorder, trace) =
                Recorder::start(&path, clock).map_err(|error| output_failed(&path, &error))?;
            (Some(recorder), trace)
        }
        (None, None) => (None, Trace::unwritten(clock)),
    };
    let met_in_memory = meeting.is_in_memory();
    let (dialer, server) = meeting.start(&trace);
    let dialer = dialer.with_dialect(dialect);
    let dialer = match run.signaling {
        Some(client) => dialer.with_client(client),
        None => dialer,
    };
    #[cfg(feature = "sim")]
    let file = scenario.network.sim.clone().unwrap_or_default();
    #[cfg(feature = "sim")]
    let network = match run.target {
        Target::Simulated => Some(
            SimNet::start(&file, scenario.seed, &scenario.rooms, |room| {
                scenario.viewers_of(room)
            })
            .map_err(|error| RunError::Simulation(error.to_string()))?,
        ),
        _ => None,
    };
    let in_memory = is_simulated(&run.target);
    let bind = if in_memory || met_in_memory {
        std::net::IpAddr::from([127, 0, 0, 1])
    } else {
        super::ice::reached_from(&ice).unwrap_or_else(|| crate::net::local_address_towards(dialer.url()))
    };
    let setting = EngineSetting {
        bind,
        seed: scenario.seed,
        ice: if in_memory { simulated_stun(&scenario) } else { ice },
        #[cfg(feature = "sim")]
        ports: Ports::simulated(network.clone()),
        #[cfg(not(feature = "sim"))]
        ports: Ports::default(),
    };
    let engine = match &run.engine {
        Some(CallersEngine(make)) => make(setting),
        None => Arc::new(setting.webrtc()),
    };
    let wire_faults: Vec<_> = scenario
        .wire_faults
        .iter()
        .filter_map(|spec| Some((spec.viewer, crate::fault::wire::find(&spec.name)?)))
        .collect();
    let several = scenario.rooms.len() > 1;
    let rooms: Vec<RoomRun> = ledgers_of(&scenario)
        .zip(sources)
        .enumerate()
        .map(|(number, (room, sources))| {
            let clip = reference::identity(&scenario.media, scenario.seed, stream_of(number));
            let is_call = scenario.topology == Topology::Call;
            let shared = Shared {
                scenario: Arc::clone(&scenario),
                room: room.name.clone(),
                clock,
                trace: trace.clone(),
                engine: Arc::clone(&engine),
                dialer: dialer.clone(),
                player: player.clone(),
                // Each room has its own stream and so its own ledger; a ledger file goes with a single room.
                ledger: if several || is_call {
                    own_ledger(&scenario, &clip, frame_rate, clock)
                } else {
                    ledger.clone()
                },
                progress: Arc::clone(&run.progress),
                figures: Mutex::new(Figures::default()),
                numbers: Mutex::default(),
                #[cfg(feature = "sim")]
                network: network.clone(),
                // Both halves of a call are one room of the network.
                room_number: if is_call { 0 } else { number },
                connections: AtomicU64::new(0),
                dials: Mutex::default(),
                restarted: Mutex::default(),
                wire_faults: RoomFaults::new(&wire_faults).map(Arc::new),
                reference: reference_of(&scenario, number),
                clip,
                label_prefix: if several {
                    format!("{}/", room.name)
                } else {
                    String::new()
                },
            };
            RoomRun::new(Arc::new(shared), sources)
        })
        .collect();
    let rooms = match scenario.topology {
        Topology::Broadcast => rooms,
        Topology::Call => halves_of_call(rooms),
    };
    Ok(Prepared {
        scenario,
        url: dialer.url().to_owned(),
        progress: run.progress,
        engine,
        rooms,
        server,
        executed,
        clock,
        recorder,
        trace,
        ledger_file,
        follower,
        output_dir: run.output_dir,
        in_memory,
    })
}

/// A fault that is asked for and not done would be a test that cannot fail.
fn refuse_what_would_not_happen(
    scenario: &Scenario,
    is_simulated: bool,
    brings_server: bool,
    has_callers_client: bool,
) -> Result<(), RunError> {
    let acts = |is: fn(&Action) -> bool| scenario.timeline.iter().any(|timed| is(&timed.action));
    let restarts = acts(|action| matches!(action, Action::RestartServer { .. }));
    if restarts && scenario.exec.is_some() {
        return Err(RunError::Unsupported(
            "a server that the run starts by a command can be killed and not yet restarted; leave restart-server out",
        ));
    }
    let killable = brings_server || scenario.exec.is_some();
    if (!brings_server && restarts) || (!killable && acts(|action| matches!(action, Action::KillServer))) {
        return Err(RunError::Unsupported(
            "the scenario kills or restarts the signaling server, and this run's server is not its own; leave the \
             URL or the action out",
        ));
    }
    if is_simulated && !scenario.network.ice.is_empty() {
        return Err(RunError::Unsupported(
            "the simulated network has a STUN server of its own and no TURN server; leave --sim or the servers out",
        ));
    }
    let stalls = acts(|action| matches!(action, Action::StallSignaling { .. }));
    let has_no_frames =
        has_callers_client || scenario.dialect.built_in().is_some_and(DialectName::is_over_http);
    if has_no_frames && (stalls || !scenario.network.signaling.is_empty()) {
        return Err(RunError::Unsupported(
            "signaling faults are about frames, and neither HTTP nor a signaling client of your own has any that \
             greenroom sees; leave one of both out",
        ));
    }
    if scenario.dialect != DialectName::Native && !scenario.wire_faults.is_empty() {
        return Err(RunError::Unsupported(
            "faults by name change messages of greenroom's own protocol; leave the dialect or the fault out",
        ));
    }
    if scenario.dialect.has_media_server() && scenario.media.data_channel {
        return Err(RunError::Unsupported(
            "messages on data channels are counted between two peers, and a media server is neither; leave the dialect \
             or the data channel out",
        ));
    }
    Ok(())
}

/// A run that asks for more than its dialect can say.
fn refuse_what_cannot_be_said(
    scenario: &Scenario,
    dialect: &Spoken,
    brings_own_server: bool,
) -> Result<(), RunError> {
    if let Spoken::File(file) = dialect {
        if brings_own_server {
            return Err(RunError::Unsupported(
                "a dialect file says what somebody else's server speaks; give its URL, or a built-in dialect",
            ));
        }
        if file.offers == Role::Viewer {
            return Err(RunError::Unsupported(
                "bots offer as the broadcaster; a protocol in which viewers offer cannot be run by a file",
            ));
        }
    }
    if scenario.topology == Topology::Call && !dialect.is_for_two() {
        return Err(RunError::Unsupported(
            "a call needs a protocol in which both may offer; use --dialect relay or socketio-relay",
        ));
    }
    if scenario.topology == Topology::Call && scenario.role != RoleSelection::All {
        return Err(RunError::Unsupported(
            "both peers of a call are in one process; leave --role out",
        ));
    }
    if !dialect.names_rooms() && scenario.rooms.len() > 1 {
        return Err(RunError::Unsupported(
            "the dialect does not name rooms, so a server has one; leave one room in the scenario",
        ));
    }
    let most_viewers = scenario.rooms.iter().map(|room| scenario.viewers_of(room)).max();
    let is_call = scenario.topology == Topology::Call;
    if !is_call && dialect.is_for_two() && most_viewers.is_some_and(|viewers| viewers > 1) {
        return Err(RunError::Unsupported(
            "a server of this dialect gives every frame to everybody else, which works for two; use --viewers 1",
        ));
    }
    Ok(())
}

/// WHIP has no words for viewers, and WHEP none for broadcasters.
fn refuse_half_a_media_server(scenario: &Scenario, plays: bool) -> Result<(), RunError> {
    let why = match (scenario.dialect.built_in(), scenario.role) {
        (Some(DialectName::Whip), RoleSelection::All | RoleSelection::Viewers) if !plays => {
            "WHIP is for broadcasters; say where viewers play by WHEP (--play URL), or run the broadcaster alone \
             (--role broadcaster)"
        }
        (Some(DialectName::Whep), RoleSelection::All | RoleSelection::Broadcaster) => {
            "WHEP is for viewers; say where the broadcaster publishes by WHIP (--publish URL), or run viewers alone \
             (--role viewers)"
        }
        _ => return Ok(()),
    };
    Err(RunError::Unsupported(why))
}

/// The simulated network's STUN server, where there is a NAT to ask it about.
fn simulated_stun(scenario: &Scenario) -> IceServers {
    let natted = scenario.network.sim.as_ref().is_some_and(NetworkFile::has_nat);
    let url = || format!("stun:{}", crate::net::model::stun::STUN_SERVER);
    IceServers {
        stun: natted.then(url).into_iter().collect(),
        ..IceServers::default()
    }
}

#[cfg_attr(
    not(feature = "sim"),
    expect(unused_variables, reason = "nothing is simulated in this build")
)]
fn is_simulated(target: &Target) -> bool {
    #[cfg(feature = "sim")]
    return matches!(target, Target::Simulated);
    #[cfg(not(feature = "sim"))]
    false
}

/// Whether the process may open what the run needs: two sockets for each end of a viewer's connection, and
/// some for everything else. Running out on the way would look like the server's fault.
fn check_open_files(scenario: &Scenario, target: &Target) -> Result<(), RunError> {
    const ALWAYS: u64 = 64;
    let viewers: u64 = scenario
        .rooms
        .iter()
        .map(|room| u64::from(scenario.viewers_of(room)))
        .sum();
    let ends = match scenario.role {
        RoleSelection::All => 3,
        RoleSelection::Broadcaster => 1,
        RoleSelection::Viewers => 2,
    };
    #[cfg(feature = "server")]
    let served = u64::from(matches!(target, Target::Embedded));
    #[cfg(not(feature = "server"))]
    let served = {
        let _ = target;
        0
    };
    let needed = ALWAYS + viewers * (ends + served);
    match super::environment::open_files_limit() {
        Some(limit) if needed > limit => Err(RunError::OpenFiles { needed, limit }),
        _ => Ok(()),
    }
}

/// The stream number in the stamps of a room.
fn stream_of(room: usize) -> u8 {
    (room % 256) as u8
}

/// One source a room, for processes that broadcast.
fn open_sources(scenario: &Scenario) -> Result<Vec<Option<Sources>>, RunError> {
    let mut sources = Vec::new();
    for number in 0..ledgers_of(scenario).count() {
        sources.push(match scenario.role {
            RoleSelection::Viewers => None,
            // The stamp's stream number tells rooms apart to whoever looks at a picture.
            RoleSelection::All | RoleSelection::Broadcaster => {
                Some(Sources::open(scenario, stream_of(number))?)
            }
        });
    }
    Ok(sources)
}

/// Whose sending has a ledger of its own: each room's broadcaster, or each peer of a call, those among them that join
/// although there are two already.
fn ledgers_of(scenario: &Scenario) -> impl Iterator<Item = &RoomSpec> {
    let each = match scenario.topology {
        Topology::Broadcast => 1,
        Topology::Call => {
            let joins = scenario.timeline.iter();
            2 + joins.filter(|timed| timed.action == Action::Join).count()
        }
    };
    scenario
        .rooms
        .iter()
        .flat_map(move |room| std::iter::repeat_n(room, each))
}

/// The peers of a call: the first watches the second, and everybody else the first.
fn halves_of_call(halves: Vec<RoomRun>) -> Vec<RoomRun> {
    let sent: Vec<_> = halves.iter().map(|half| Arc::clone(&half.shared)).collect();
    let together = Together::default();
    let numbered = halves.into_iter().zip(1_u32..);
    numbered
        .filter_map(|(half, number)| {
            let watched = sent.get(usize::from(number == 1))?;
            Some(half.of_call(number, Arc::clone(watched), Arc::clone(&together)))
        })
        .collect()
}

/// The pictures of a room as they were meant, where a viewer of this process is to compare them.
fn reference_of(scenario: &Scenario, room: usize) -> Option<Mutex<Reference>> {
    let compared = scenario.role != RoleSelection::Broadcaster && scenario.decode != DecodeSelection::None;
    compared
        .then(|| Reference::open(&scenario.media, scenario.seed, stream_of(room)))
        .flatten()
        .map(Mutex::new)
}

fn own_header(scenario: &Scenario, clip: &str, frame_rate: f64, clock: RunClock) -> LedgerEntry {
    LedgerEntry::Header(LedgerHeader {
        greenroom_ledger: LEDGER_VERSION,
        video: scenario.media.codec,
        audio: (scenario.media.audio != AudioSource::None).then_some(Codec::Opus),
        frame_rate,
        clip: clip.to_owned(),
        epoch_unix_us: clock.epoch_unix_us(),
        boot_id: crate::clock::boot_id(),
    })
}

fn own_ledger(scenario: &Scenario, clip: &str, frame_rate: f64, clock: RunClock) -> LedgerHandle {
    let handle = LedgerHandle {
        book: Arc::default(),
        writer: None,
        exists: true,
    };
    handle.write(own_header(scenario, clip, frame_rate, clock));
    handle
}

type OpenedLedger = (LedgerHandle, Option<LedgerFile>, Option<LedgerFollower>);

fn open_ledger(
    scenario: &Scenario,
    path: Option<&Path>,
    frame_rate: f64,
    clock: RunClock,
) -> Result<OpenedLedger, RunError> {
    if path.is_some() && scenario.rooms.len() > 1 {
        return Err(RunError::Unsupported(
            "a ledger file belongs to one room; run each room by itself with --room",
        ));
    }
    let clip = reference::identity(&scenario.media, scenario.seed, stream_of(0));
    match (scenario.role, path) {
        (RoleSelection::Viewers, None) => Ok((
            LedgerHandle {
                book: Arc::default(),
                writer: None,
                exists: false,
            },
            None,
            None,
        )),
        (RoleSelection::Viewers, Some(path)) => {
            let book = Arc::new(Mutex::new(Ledger::default()));
            let follower = LedgerFollower::start(path, Arc::clone(&book))?;
            Ok((
                LedgerHandle {
                    book,
                    writer: None,
                    exists: true,
                },
                None,
                Some(follower),
            ))
        }
        (_, None) => Ok((own_ledger(scenario, &clip, frame_rate, clock), None, None)),
        (_, Some(path)) => {
            let (file, writer) = LedgerFile::create(path)?;
            let handle = LedgerHandle {
                book: Arc::default(),
                writer: Some(writer),
                exists: true,
            };
            handle.write(own_header(scenario, &clip, frame_rate, clock));
            Ok((handle, Some(file), None))
        }
    }
}

impl Prepared {
    /// URL of the signaling server.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}
