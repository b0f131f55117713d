//! How the messages meet JSON: which descriptions a message takes, how `media` is written, what an unreadable frame
//! is called.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{DecodeError, Description, MutedMedia, SdpType};

/// The longest piece of a foreign frame that an error quotes, in characters.
const EXCERPT: usize = 80;

/// The first [`EXCERPT`] characters of a text.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

/// Tells a message of an unknown type from a malformed one; runs only once parsing has failed.
pub(crate) fn explain(frame: &str, error: &serde_json::Error, known: &[&str]) -> DecodeError {
    #[derive(Deserialize)]
    struct Tag {
        #[serde(rename = "type")]
        kind: String,
    }
    match serde_json::from_str::<Tag>(frame) {
        Ok(tag) if !known.contains(&tag.kind.as_str()) => DecodeError::UnknownType {
            kind: excerpt(&tag.kind),
        },
        _ => DecodeError::Malformed {
            detail: excerpt_of_error(error),
            excerpt: excerpt(frame),
        },
    }
}

/// serde quotes values of the input, which may be as long as the frame.
fn excerpt_of_error(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}

pub(crate) fn json(message: &impl Serialize) -> String {
    // Structs, strings and integers only: there is nothing in a message that JSON cannot hold.
    serde_json::to_string(message).unwrap_or_default()
}

pub(crate) fn offer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Description, D::Error> {
    description_of(deserializer, "offer", &[SdpType::Offer])
}

pub(crate) fn answer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Description, D::Error> {
    description_of(deserializer, "answer", &[SdpType::Answer, SdpType::Pranswer])
}

fn description_of<'de, D: Deserializer<'de>>(
    deserializer: D,
    message: &str,
    allowed: &[SdpType],
) -> Result<Description, D::Error> {
    let description = Description::deserialize(deserializer)?;
    if !allowed.contains(&description.sdp_type) {
        return Err(serde::de::Error::custom(Mismatch {
            message,
            found: description.sdp_type,
        }));
    }
    Ok(description)
}

struct Mismatch<'a> {
    message: &'a str,
    found: SdpType,
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} message holds a description of type {}",
            self.message, self.found
        )
    }
}

/// `media` is absent for both, else a name.
pub(super) mod media {
    use super::{Deserialize, Deserializer, MutedMedia, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Named {
        Audio,
        Video,
    }

    pub(in crate::message) fn is_all(media: &MutedMedia) -> bool {
        *media == MutedMedia::All
    }

    pub(in crate::message) fn serialize<S: Serializer>(
        media: &MutedMedia,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match media {
            MutedMedia::Audio => Some(Named::Audio),
            MutedMedia::Video => Some(Named::Video),
            MutedMedia::All => None,
        }
        .serialize(serializer)
    }

    pub(in crate::message) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<MutedMedia, D::Error> {
        Ok(match Option::<Named>::deserialize(deserializer)? {
            Some(Named::Audio) => MutedMedia::Audio,
            Some(Named::Video) => MutedMedia::Video,
            None => MutedMedia::All,
        })
    }
}
