//! What a media server does wrong on purpose, so that each rule of WHIP and WHEP has something to catch.

use std::fmt;
use std::str::FromStr;

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A POST is answered 200, not 201.
    OkForCreated,
    /// The 201 has no Location.
    NoLocation,
    /// The answer is `text/plain`.
    WrongContentType,
    /// The answer says that media goes both ways.
    AnswersSendrecv,
    /// The answer comes before candidates are gathered, and says none.
    NoCandidates,
    /// A PATCH needs no If-Match.
    NoIfMatchNeeded,
    /// A PATCH with any ETag is taken.
    StaleEtagTaken,
    /// A PATCH with candidates is answered by 200, with a body and an ETag.
    TrickleAnswered,
    /// Any content type is taken.
    AnyContentType,
    /// A POST is redirected by 301, to the same server.
    MovedPermanently,
    /// A DELETE is answered and nothing ends.
    DeleteIgnored,
    /// Sessions are counted in their URLs.
    GuessableSessions,
    /// An OPTIONS is answered without Accept-Post.
    NoAcceptPost,
    /// A server with too much to do does not say when to come again.
    NoRetryAfter,
}

impl Flaw {
    /// Every one, by its name.
    pub const ALL: [(&'static str, Self); 14] = [
        ("ok-for-created", Self::OkForCreated),
        ("no-location", Self::NoLocation),
        ("wrong-content-type", Self::WrongContentType),
        ("answers-sendrecv", Self::AnswersSendrecv),
        ("no-candidates", Self::NoCandidates),
        ("no-if-match-needed", Self::NoIfMatchNeeded),
        ("stale-etag-taken", Self::StaleEtagTaken),
        ("trickle-answered", Self::TrickleAnswered),
        ("any-content-type", Self::AnyContentType),
        ("moved-permanently", Self::MovedPermanently),
        ("delete-ignored", Self::DeleteIgnored),
        ("guessable-sessions", Self::GuessableSessions),
        ("no-accept-post", Self::NoAcceptPost),
        ("no-retry-after", Self::NoRetryAfter),
    ];
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, flaw)| flaw == self);
        f.write_str(name.map_or("?", |(name, _)| name))
    }
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, flaw)| *flaw).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("no flaw is called {text:?}; there are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_is_read_by_its_name_and_others_are_refused_with_what_there_is() {
        for (name, flaw) in Flaw::ALL {
            assert_eq!(name.parse(), Ok(flaw));
            assert_eq!(flaw.to_string(), name);
        }
        let refusal = "fine".parse::<Flaw>().unwrap_err();
        assert!(refusal.contains("no-location"), "{refusal}");
    }
}
