//! Media: from a picture to RTP payloads and back, and the proof that what arrived is what was sent.
//!
//! Everything here is pure: bytes and instants in, values out. It owns no clock, socket or task,
//! and it never decides whether a run is good; that is the checker's.

pub mod codec;
pub mod decode;
mod depacketize;
pub mod digest;
pub mod encode;
pub mod h264;
pub mod kind;
pub mod ledger;
#[cfg_attr(not(feature = "opus"), path = "no_opus.rs")]
pub mod opus;
pub mod packetize;
pub mod reassemble;
pub mod rtp_time;
pub mod verify;
pub mod vp8;
