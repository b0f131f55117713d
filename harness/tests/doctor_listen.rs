//! The doctor of clients: each fault that no bot in the client's place could see is named with the two events that show it,
//! and our own bots have a card without a fault.
//!
//! The clients are a WebSocket and some canned descriptions: what is asked of them is whether they say the right thing at
//! the right time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

mod doctor_listen {
    mod cards;
    mod clients;
    mod command;
    mod faults;
    mod healthy;
    mod originals;
}
