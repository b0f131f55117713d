//! One change to a legal trace: what a server, a stack or an application may get wrong.
//!
//! Owns the changes, and for each the argument why the checker may stay silent in the case at hand. There is no excuse
//! that fits everything: what has none must be found.

mod descriptions;
mod relay;
mod wire;

use greenroom::trace::TraceEvent;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// A frame does not come.
    Lose,
    /// A message from peer to peer, or a chat line, comes twice.
    Repeat,
    /// Two messages change places on their way to one peer.
    Overtake,
    /// A message comes to another peer.
    Misdeliver,
    /// A message comes under another name.
    Rename,
    /// A description arrives other than it was sent.
    Garble,
    /// The version of the room's state goes back.
    StateBack,
    /// A description is made with an ice-ufrag that its maker does not use.
    Ufrag,
    /// The same of ice-pwd.
    Pwd,
    /// Two sections of a description exchange their mids.
    SwapMids,
    /// A description promises another certificate.
    Fingerprint,
    /// A description has another a=setup.
    Setup,
    /// The session version of a description rises by more than 1.
    BumpVersion,
    /// A description that changed keeps the session version.
    StallVersion,
    /// A description lacks its last section.
    DropSection,
    /// A section lists another payload type.
    PayloadType,
    /// A candidate follows the end of candidates.
    CandidateAfterEnd,
    /// A candidate is for a section that does not exist.
    CandidateMid,
    /// A candidate is of a generation that does not exist.
    CandidateUfrag,
    /// A check has another user name.
    Username,
    /// A check claims the other role.
    Role,
    /// A handshake shows another certificate.
    Certificate,
    /// A packet has another payload type.
    RtpPayloadType,
    /// The key frame never comes.
    LoseKeyFrame,
}

impl Mutation {
    pub(crate) const ALL: [Self; 24] = [
        Self::Lose,
        Self::Repeat,
        Self::Overtake,
        Self::Misdeliver,
        Self::Rename,
        Self::Garble,
        Self::StateBack,
        Self::Ufrag,
        Self::Pwd,
        Self::SwapMids,
        Self::Fingerprint,
        Self::Setup,
        Self::BumpVersion,
        Self::StallVersion,
        Self::DropSection,
        Self::PayloadType,
        Self::CandidateAfterEnd,
        Self::CandidateMid,
        Self::CandidateUfrag,
        Self::Username,
        Self::Role,
        Self::Certificate,
        Self::RtpPayloadType,
        Self::LoseKeyFrame,
    ];

    /// Changes the trace at one of the places where this can be done, chosen by `pick`; `None` if there is none.
    pub(crate) fn apply(self, events: &mut Vec<TraceEvent>, pick: usize) -> Option<Excuse> {
        match self {
            Self::Lose
            | Self::Repeat
            | Self::Overtake
            | Self::Misdeliver
            | Self::Rename
            | Self::Garble
            | Self::StateBack => relay::apply(self, events, pick),
            Self::Username | Self::Role | Self::Certificate | Self::RtpPayloadType | Self::LoseKeyFrame => {
                wire::apply(self, events, pick)
            }
            _ => descriptions::apply(self, events, pick),
        }
    }
}

/// Why nothing has to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// There is none.
    None,
    /// Nothing is broken by it.
    Harmless(&'static str),
    /// Something may be, and the trace does not say so.
    Unseen(&'static str),
}

/// One of the items, if there is any.
fn pick<T>(items: Vec<T>, pick: usize) -> Option<T> {
    let at = pick.checked_rem(items.len())?;
    items.into_iter().nth(at)
}
