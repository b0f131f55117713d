//! Measurement: distributions, join phases, freezes, fan-out skew, picture quality and the generator's own health.
//! Measurement: distributions, join phases, freezes, fan-out skew, sound and its pitch, sound against
//! picture, what a receiver can take, and the generator's own health.
//!
//! Owns how figures are defined and summed up. It never says whether a figure is good.

pub mod arrivals;
pub mod av_sync;
pub mod data;
pub mod distribution;
pub mod freeze;
pub mod health;
pub mod join;
pub mod measured;
pub mod mute;
pub mod process;
pub mod quality;
pub mod receiver_estimate;
pub mod signed;
pub mod skew;
pub mod sound;
pub mod tone;
