//! The two media of a stream: their names, and one value for each. Owns nothing else.

use serde::{Deserialize, Serialize};

/// A medium, as in an m-line (RFC 8866 section 5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

impl MediaKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Video, Self::Audio];

    /// What a unit of this medium is called in a sentence.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Video => "frame",
            Self::Audio => "sound packet",
        }
    }
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
        })
    }
}

/// One value for each medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMedia<T> {
    /// Of the pictures.
    pub video: T,
    /// Of the sound.
    pub audio: T,
}

impl<T> PerMedia<T> {
    /// The value of a medium.
    pub fn get(&self, media: MediaKind) -> &T {
        match media {
            MediaKind::Video => &self.video,
            MediaKind::Audio => &self.audio,
        }
    }

    /// The value of a medium, to be changed.
    pub fn get_mut(&mut self, media: MediaKind) -> &mut T {
        match media {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        }
    }

    /// Both values, the video's first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.video, &mut self.audio].into_iter()
    }
}
