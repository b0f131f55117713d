//! The simulated network: links, NATs and a STUN server as pure functions of (input, now) and a seed.
//!
//! Owns what becomes of a datagram between two simulated hosts. It owns no socket, no timer, no task and
//! no clock: times are durations since the start of the run, and whoever carries the datagrams keeps them
//! until they are due.

mod action;
mod file;
mod flow;
mod link;
pub mod nat;
mod network;
mod preset;
mod random;
mod spec;
pub mod stun;

pub use action::{LinkOf, NetworkAction};
pub use file::{Access, AccessSpec, NetworkFile, NetworkFileError, ViewerAccess};
pub use flow::{Flow, FlowCounts};
pub use link::{Arrival, Link, LinkCounts};
pub use nat::NatKind;
pub use network::{Delivery, Direction, HostId, MAX_HOSTS, Network, NetworkCounts, NetworkError};
pub use preset::{NetworkPreset, UnknownPreset};
pub use spec::{LinkSpec, LinkSpecError, Loss};

pub(crate) use random::{Random, derive};
