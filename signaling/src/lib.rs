//! Signaling for one broadcaster and many viewers, over any byte stream.
//!
//! Owns greenroom's native protocol version 1 ([`message`], docs/signaling.md), the rules of a room ([`room`],
//! pure), the seam through which bots speak any protocol ([`Command`], [`Event`], [`Dialect`]), a client and,
//! with the `server` feature, a server. It must not bind a socket, read a wall clock or know of WebRTC: session
//! descriptions and candidates are opaque text here, but for the ICE user fragments by which the server finds the viewer
//! of a candidate that names nobody.
//!
//! ```
//! # #[cfg(feature = "server")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use greenroom_signaling::*;
//!
//! // Any byte stream will do; a TCP listener goes to `Server::serve`.
//! let (near, far) = tokio::io::duplex(64 << 10);
//! let server = Server::new(ServerConfig::default());
//! tokio::spawn(async move { server.serve_connection(far).await });
//!
//! let target = ClientTarget { url: "ws://localhost/ws".into(), headers: Vec::new() };
//! let (handle, mut events) =
//!     Client::connect(near, target, Dialect::native(), ClientConfig::default()).await?;
//! handle.send(Command::Join { room: "lobby".parse()?, role: Role::Viewer })?;
//! let joined = events.next().await.ok_or("ended")?.event;
//! assert!(matches!(joined, Event::Joined { role: Role::Viewer, .. }));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "server"))]
//! # fn main() {}
//! ```

pub mod client;
mod dialect;
mod filter;
mod ids;
pub mod message;
mod observe;
mod outbox;
mod protocol;
pub mod room;
pub mod sdpfrag;
#[cfg(feature = "server")]
pub mod server;
mod socket;

pub use client::{
    BotGone, Client, ClientConfig, ClientError, ClientEvents, ClientHandle, ClientTarget, Injector,
    SendError, SignalingPeer, TimedEvent,
};
pub use dialect::{
    BroadcastWs, Confirmation, Data, DecodeError, Dialect, DialectFile, DialectFileError, DialectName,
    EncodeError, Every, Explained, Happens, HttpFailure, HttpMethod, HttpRequest, HttpResponse, Janus, Joins,
    Native, Output, Ping, Receive, Relay, Sends, SocketioRelay, SocketioRooms, Template, TemplateError,
    Traits, UnknownDialect, UnspokenDialect, Whep, Whip,
};
pub use filter::{FrameFate, FrameFilter, LateFrame};
pub use ids::{InvalidRoomId, PeerId, Role, RoomId};
pub use observe::{Direction, FrameObserver, HttpObserver, HttpPart, ObservedFrame, ObservedHttp};
pub use outbox::QueueLimits;
pub use protocol::{
    Candidate, CloseReason, Command, Description, ErrorCode, Event, Muted, MutedMedia, RoomState, SdpType,
};
#[cfg(feature = "server")]
pub use server::{
    CloseCause, EXCHANGE_LIMIT, NotServed, PeerLimits, RateLimit, ServedDialect, Server, ServerConfig,
    ServerStats,
};
