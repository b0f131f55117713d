//! How times and sizes stand in a serialized scenario, and where something stands in a text.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};

/// A time as people write it: `500ms`, `30s`, `5m`.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Line and column, from 1, of a place in bytes.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Reads a time: a number of milliseconds, or a text with a unit.
pub(crate) struct TimeVisitor {
    /// Whether a number may have a fraction.
    pub(crate) fractional: bool,
}

impl Visitor<'_> for TimeVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"500ms\" or \"30s\", or a whole number of milliseconds")
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Duration, E> {
        Ok(Duration::from_millis(millis))
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Duration, E> {
        if self.fractional {
            return self.visit_f64(millis as f64);
        }
        u64::try_from(millis)
            .map(Duration::from_millis)
            .map_err(|_| E::custom(format!("{millis} ms is before the start; a time is 0 or more")))
    }

    fn visit_f64<E: Error>(self, millis: f64) -> Result<Duration, E> {
        if !self.fractional {
            return Err(E::invalid_type(serde::de::Unexpected::Float(millis), &self));
        }
        if !(0.0..=1e12).contains(&millis) {
            return Err(E::custom(format!(
                "{millis} is not a time in milliseconds; expected 0 to 60000"
            )));
        }
        Ok(Duration::from_micros((millis * 1e3).round() as u64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_time(text).ok_or_else(|| {
            E::custom(format!(
                "{text:?} is no time; write it as \"500ms\", \"30s\" or \"5m\""
            ))
        })
    }
}

/// Durations as whole milliseconds; a text with a unit is read too.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    use super::TimeVisitor;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(TimeVisitor { fractional: false })
    }
}

/// Sizes as `640x360`.
pub(crate) mod size {
    use greenroom_fixtures::Size;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(size: &Size, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(size)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
