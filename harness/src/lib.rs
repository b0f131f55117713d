//! greenroom: a headless, bot-driven test harness for live WebRTC streaming.
//!
//! Synthetic broadcasters and viewers stream a fixture video over real peer connections (ICE, DTLS, SRTP)
//! through a signaling server, every frame is verified against what was sent, and the run ends with a
//! verdict: pass, fail, or invalid when the generator itself was to blame.
//!
//! ```no_run
//! #[tokio::test]
//! # async fn doc() {}
//! async fn my_signaling_still_connects_everyone() {
//!     let report = greenroom::Run::against("ws://127.0.0.1:3000/").viewers(3).run().await.unwrap();
//!     report.assert_passed();
//! }
//! ```
//!
//! No type of the WebRTC stack is part of this API. ARCHITECTURE.md says where everything lives.

mod bot;
mod check;
#[cfg(feature = "cli")]
pub mod cli;
mod clock;
pub mod dialect;
mod doctor;
pub mod engine;
#[cfg(feature = "sim")]
pub mod explore;
pub mod fault;
pub mod measure;
pub mod media;
#[cfg(feature = "server")]
mod media_server;
pub mod net;
mod report;
pub mod rules;
mod run;
mod scenario;
#[cfg(feature = "sim")]
pub mod score;
mod seeds;
pub mod trace;

/// The bots' seam to signaling: what they want and what happens to them.
pub use greenroom_signaling as signaling;

pub use bot::Progress;
pub use bot::access::Access;
pub use bot::dial::{ByteStream, DialError, Dialer, SignalingBot, UrlError};
pub use bot::source::SourceError;
pub use bot::tls::TrustError;
pub use check::{Breach, Criterion, Finding, FindingKind, Limit, Severity, Verdict};
pub use clock::{RunClock, micros};
pub use dialect::{DialectChoice, DialectError, read_dialect};
pub use doctor::{Answer, Asked, Card, CardLine, Doctor, Question};
#[cfg(feature = "server")]
pub use doctor::{ClientDoctor, ClientDoctorError, ClientQuestion, ClientRole};
#[cfg(feature = "server")]
pub use media_server::{Flaw, MediaServer, MediaServerConfig, MediaServerStats};
pub use report::{EXIT_INTERRUPTED, Ladder, REPORT_VERSION, Report, Simulated, Style, ladder};
pub use run::{BroadcasterHandle, RunHandle, ViewerHandle};
pub use run::{Environment, ExecError, IceError, LedgerFileError, MemoryListener, Run, RunError};
pub use scenario::{
    Action, AudioHole, AudioSource, CallSpec, CallStart, Deadlines, DecodeSelection, ExecSpec, IceSpec,
    JoinSpec, MAX_VIEWERS, MediaFault, MediaSpec, Muting, NetworkSpec, Party, PlantedDelays, ReconnectSpec,
    RoleSelection, RoomSpec, Scenario, ScenarioError, ScenarioFileError, SignalingSpec, SourceFlaws,
    TimedAction, Topology, WireFaultSpec,
};
pub use seeds::seeds;
