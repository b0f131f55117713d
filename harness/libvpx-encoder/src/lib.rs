//! A live VP8 encoder over the system's libvpx.
//!
//! Owns the calls into libvpx and the checks that make them sound, and nothing else: `vp8.c` holds the
//! settings, `encoder.rs` the bounds of what may be passed on. Without the feature `system` it is empty.

#[cfg(feature = "system")]
mod encoder;

#[cfg(feature = "system")]
pub use encoder::{Frame, Planes, Vp8Encoder, Vp8Error};
