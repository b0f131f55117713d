//! The stacks that judge, and what they offer.
//!
//! Owns their names, the shapes of calls and what a verdict is. How a stack is asked is its own module's.

/// A WebRTC stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stack {
    Webrtc,
    Str0m,
    Chromium,
}

impl Stack {
    pub(crate) const ALL: [Self; 3] = [Self::Webrtc, Self::Str0m, Self::Chromium];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Webrtc => "webrtc",
            Self::Str0m => "str0m",
            Self::Chromium => "Chromium",
        }
    }
}

/// What a broadcaster offers, sendonly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) audio: bool,
    /// `VP8` or `H264`.
    pub(crate) video: &'static str,
    pub(crate) data: bool,
    /// What Chromium 156 offers of it, with credentials that were valid once. A Chromium of today judges; its offer is
    /// written down so that the other stacks have it to judge wherever the test runs.
    #[serde(skip)]
    pub(crate) of_chromium: &'static str,
}

pub(crate) const SHAPES: [Shape; 4] = [
    Shape {
        name: "VP8",
        audio: false,
        video: "VP8",
        data: false,
        of_chromium: include_str!("chromium/vp8.sdp"),
    },
    Shape {
        name: "H264",
        audio: false,
        video: "H264",
        data: false,
        of_chromium: include_str!("chromium/h264.sdp"),
    },
    Shape {
        name: "Opus, VP8",
        audio: true,
        video: "VP8",
        data: false,
        of_chromium: include_str!("chromium/opus-vp8.sdp"),
    },
    Shape {
        name: "Opus, H264, data",
        audio: true,
        video: "H264",
        data: true,
        of_chromium: include_str!("chromium/opus-h264-data.sdp"),
    },
];

/// What a stack says to a description: nothing, or why it refuses it.
pub(crate) type Verdict = Result<(), String>;

/// An offer, and the peer connection that made it and waits for the answer.
pub(crate) struct Offered {
    pub(crate) sdp: String,
    apply: Box<dyn FnOnce(&str) -> Verdict>,
}

impl Offered {
    pub(crate) fn new(sdp: String, apply: impl FnOnce(&str) -> Verdict + 'static) -> Self {
        Self {
            sdp,
            apply: Box::new(apply),
        }
    }

    /// setRemoteDescription with an answer.
    pub(crate) fn answered(self, answer: &str) -> Verdict {
        judged(|| (self.apply)(answer))
    }
}

/// A panic is a refusal too: who applies such a description does not go on.
pub(crate) fn judged<T>(judge: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge))
        .unwrap_or_else(|_| Err("it panicked".to_owned()))
}
