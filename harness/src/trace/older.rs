//! Events as older versions of the trace wrote them.
//!
//! Owns that one difference: in version 2 `"signaling-open"` was a word, because it had no fields.

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize as _, Deserializer, Error, IntoDeserializer as _, MapAccess, Visitor};

use super::TraceKind;

/// Reads what happened, in the form of this version or of one before it.
pub(super) fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TraceKind, D::Error> {
    deserializer.deserialize_any(AnyVersion)
}

struct AnyVersion;

impl<'de> Visitor<'de> for AnyVersion {
    type Value = TraceKind;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an event: an object with one field, which names it")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<TraceKind, E> {
        if name == "signaling-open" {
            return Ok(TraceKind::native_signaling_open());
        }
        let word: StrDeserializer<'_, E> = name.into_deserializer();
        TraceKind::deserialize(word)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TraceKind, A::Error> {
        TraceKind::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::TraceEvent;

    fn read(event: &str) -> Result<TraceKind, serde_json::Error> {
        let line = format!(r#"{{"at_us":1,"peer":"viewer-1","event":{event}}}"#);
        serde_json::from_str::<TraceEvent>(&line).map(|event| event.event)
    }

    #[test]
    fn an_event_of_version_two_is_read_as_what_it_was() {
        let opened = TraceKind::native_signaling_open();
        assert_eq!(read("\"signaling-open\"").ok(), Some(opened.clone()));
        assert_eq!(read(r#"{"signaling-open":{}}"#).ok(), Some(opened));
        let frame = read(r#"{"signaling":{"way":"out","frame":"{}"}}"#).ok();
        assert_eq!(frame, Some(TraceKind::frame(crate::trace::FrameWay::Out, "{}")));
    }

    #[test]
    fn what_no_version_has_is_refused() {
        for event in ["\"signaling-shut\"", "{\"signaling-shut\":{}}", "7", "{}"] {
            assert!(read(event).is_err(), "{event}");
        }
    }

    #[test]
    fn an_event_of_this_version_comes_back_as_it_was_written() {
        for kind in [
            TraceKind::native_signaling_open(),
            TraceKind::SignalingOpen {
                dialect: Some("relay".to_owned()),
                addressed: false,
            },
            TraceKind::frame_that_means(
                crate::trace::FrameWay::In,
                r#"{"sdp":{}}"#,
                &[r#"{"type":"leave"}"#.to_owned()],
            ),
        ] {
            let text = serde_json::to_string(&kind).unwrap_or_default();
            assert_eq!(read(&text).ok(), Some(kind), "{text}");
        }
    }
}
