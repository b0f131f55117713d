//! The simulated network: sockets in memory, over the model, in virtual time.
//!
//! Owns the carrying of datagrams between the connections of one run, and the runtime that is injected
//! into the stack for it. What becomes of a datagram is decided in [`super::model`].

mod carrier;
mod driver;
mod runtime;
mod socket;

pub(crate) use carrier::SimNet;
pub(crate) use runtime::SimRuntime;
