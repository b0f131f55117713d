//! What one direction of one link does to datagrams, as a value: its serialized form and its limits.
//!
//! Owns the description; [`super::link`] carries it out.

use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scenario::serial::TimeVisitor;

/// The longest delay or jitter that a link may have.
const LONGEST: Duration = Duration::from_secs(60);
/// The largest queue; it bounds what a link remembers.
const LARGEST_QUEUE: u32 = 64 * 1_024 * 1_024;
/// The smallest MTU of IPv4 (RFC 791 section 3.2).
const SMALLEST_MTU: u32 = 68;
/// The largest packet of IPv4 (RFC 791 section 3.1).
const LARGEST_MTU: u32 = 65_535;

/// One direction of one link. The default is a perfect one: no loss, no delay, no limit but the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSpec {
    /// Which datagrams are lost on the way. Default none.
    pub loss: Loss,
    /// The time that every datagram takes, after its turn in the queue. Default 0; at most a minute.
    #[serde(rename = "delay_ms", with = "fractional_millis")]
    pub delay: Duration,
    /// Time added to the delay, drawn evenly from 0 to this for each datagram. Default 0.
    #[serde(rename = "jitter_ms", with = "fractional_millis")]
    pub jitter: Duration,
    /// Whether jitter lets datagrams overtake each other. If not, a quick one waits for the one before, so
    /// that in a dense stream most take nearly the whole jitter. Default no.
    pub reorder: bool,
    /// Share of datagrams that arrive twice, 0 to 1. Default 0.
    pub duplicate: f64,
    /// Share of datagrams that arrive with one bit flipped, 0 to 1. The copy of a duplicate is whole. A
    /// real UDP checksum would drop them; here the stack gets to see them. Default 0.
    pub corrupt: f64,
    /// Kilobits (1,000 bits) per second of IPv4 packets; without limit if absent. A UDP datagram takes 28
    /// bytes more than its payload.
    pub rate_kbps: Option<u32>,
    /// Bytes of packets that may wait for their turn, the one being sent not counted; what does not fit
    /// is dropped (drop-tail). Default 65,536; it matters only with a rate.
    pub queue_bytes: u32,
    /// The largest IPv4 packet in bytes; larger ones are dropped, never fragmented, so that whoever sends
    /// them is caught (RFC 8085 section 3.2 forbids it). Default 1,500: a UDP payload of 1,472.
    pub mtu: u32,
}

impl Default for LinkSpec {
    fn default() -> Self {
        Self {
            loss: Loss::NONE,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: false,
            duplicate: 0.0,
            corrupt: 0.0,
            rate_kbps: None,
            queue_bytes: 65_536,
            mtu: 1_500,
        }
    }
}

/// Which datagrams are lost on the way. Serialized as a share (`loss = 0.02`), or as
/// `loss = { gilbert-elliott = { enter = 0.01, leave = 0.3 } }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each datagram by itself.
    Independent {
        /// Share of datagrams lost, 0 to 1.
        share: f64,
    },
    /// In bursts: a good and a bad state, with a step before each datagram (Gilbert 1960, Elliott 1963).
    GilbertElliott {
        /// Probability to go from good to bad, per datagram.
        enter: f64,
        /// Probability to go from bad to good, per datagram; a burst lasts 1/leave datagrams on average.
        leave: f64,
        /// Share lost in the good state. Serialized default 0.
        loss_good: f64,
        /// Share lost in the bad state. Serialized default 1.
        loss_bad: f64,
    },
}

impl Loss {
    /// No loss.
    pub const NONE: Self = Self::Independent { share: 0.0 };

    /// The share that is lost in the long run.
    pub fn long_run(&self) -> f64 {
        match *self {
            Self::Independent { share } => share,
            Self::GilbertElliott {
                enter,
                leave,
                loss_good,
                loss_bad,
            } => {
                // A link starts good, and without a way into the bad state it stays so.
                let bad = if enter > 0.0 { enter / (enter + leave) } else { 0.0 };
                bad * loss_bad + (1.0 - bad) * loss_good
            }
        }
    }
}

/// A link that cannot be simulated.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{field} is {got}; expected {expected}")]
pub struct LinkSpecError {
    /// Which field.
    pub field: &'static str,
    /// Its value.
    pub got: String,
    /// What would be right.
    pub expected: &'static str,
}

impl LinkSpec {
    /// Checks every number.
    ///
    /// # Errors
    ///
    /// The first one that is out of bounds, with what would be right.
    pub fn validate(&self) -> Result<(), LinkSpecError> {
        let refuse = |field, got: String, expected| Err(LinkSpecError { field, got, expected });
        let losses = match self.loss {
            Loss::Independent { share } => vec![("loss", share)],
            Loss::GilbertElliott {
                enter,
                leave,
                loss_good,
                loss_bad,
            } => vec![
                ("loss.gilbert-elliott.enter", enter),
                ("loss.gilbert-elliott.leave", leave),
                ("loss.gilbert-elliott.loss_good", loss_good),
                ("loss.gilbert-elliott.loss_bad", loss_bad),
            ],
        };
        let others = [("duplicate", self.duplicate), ("corrupt", self.corrupt)];
        for (field, share) in losses.into_iter().chain(others) {
            if !(0.0..=1.0).contains(&share) {
                return refuse(
                    field,
                    share.to_string(),
                    "a share from 0 to 1, for example 0.02 for 2 %",
                );
            }
        }
        for (field, time) in [("delay_ms", self.delay), ("jitter_ms", self.jitter)] {
            if time > LONGEST {
                return refuse(
                    field,
                    format!("{}", time.as_secs_f64() * 1e3),
                    "at most 60000, a minute",
                );
            }
        }
        if let Some(rate) = self.rate_kbps
            && !(1..=100_000_000).contains(&rate)
        {
            return refuse(
                "rate_kbps",
                rate.to_string(),
                "1 to 100000000 kbit/s; leave it out for no limit",
            );
        }
        if self.queue_bytes > LARGEST_QUEUE {
            return refuse(
                "queue_bytes",
                self.queue_bytes.to_string(),
                "at most 67108864, 64 MiB",
            );
        }
        if !(SMALLEST_MTU..=LARGEST_MTU).contains(&self.mtu) {
            return refuse(
                "mtu",
                self.mtu.to_string(),
                "68 to 65535 bytes, as of IPv4 packets",
            );
        }
        Ok(())
    }
}

/// The serialized form of bursts; `loss_bad` 1 and `loss_good` 0 make it Gilbert's model.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LossForm {
    Independent(IndependentForm),
    GilbertElliott(BurstForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndependentForm {
    share: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BurstForm {
    enter: f64,
    leave: f64,
    #[serde(default)]
    loss_good: f64,
    #[serde(default = "all")]
    loss_bad: f64,
}

fn all() -> f64 {
    1.0
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Independent { share } => serializer.serialize_f64(share),
            Self::GilbertElliott {
                enter,
                leave,
                loss_good,
                loss_bad,
            } => LossForm::GilbertElliott(BurstForm {
                enter,
                leave,
                loss_good,
                loss_bad,
            })
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LossVisitor;

        impl<'de> Visitor<'de> for LossVisitor {
            type Value = Loss;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a share from 0 to 1, or { gilbert-elliott = { enter, leave } }")
            }

            fn visit_f64<E: Error>(self, share: f64) -> Result<Loss, E> {
                Ok(Loss::Independent { share })
            }

            fn visit_i64<E: Error>(self, share: i64) -> Result<Loss, E> {
                self.visit_f64(share as f64)
            }

            fn visit_u64<E: Error>(self, share: u64) -> Result<Loss, E> {
                self.visit_f64(share as f64)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loss, A::Error> {
                Ok(match LossForm::deserialize(MapAccessDeserializer::new(map))? {
                    LossForm::Independent(form) => Loss::Independent { share: form.share },
                    LossForm::GilbertElliott(form) => Loss::GilbertElliott {
                        enter: form.enter,
                        leave: form.leave,
                        loss_good: form.loss_good,
                        loss_bad: form.loss_bad,
                    },
                })
            }
        }

        // Both a number and a table are natural here, and an untagged enum would lose what was wrong.
        deserializer.deserialize_any(LossVisitor)
    }
}

/// Durations as milliseconds with a fraction: a local network takes 0.3 ms. Exact to the microsecond.
mod fractional_millis {
    use super::{Deserializer, Duration, Serializer, TimeVisitor};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(time.as_micros()).unwrap_or(u64::MAX) {
            micros if micros % 1_000 == 0 => serializer.serialize_u64(micros / 1_000),
            micros => serializer.serialize_f64(micros as f64 / 1e3),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(TimeVisitor { fractional: true })
    }
}

#[cfg(test)]
mod tests;
