//! Who is meant where messages name nobody: one broadcaster, whose viewers take their turns.
//!
//! The broadcaster makes its offers one after the other, and candidates name their generation. Owns that book-keeping
//! for every dialect without addresses; knows no wire format.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::body;
use crate::{Candidate, Description, Event, PeerId, Role};

/// How long the next viewer waits for the answer of the one before it.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Viewers that may wait for their offer; more are not heard.
const MAX_WAITING: usize = 10_000;
/// Generations of candidates that are told apart; of older ones candidates count for the newest viewer.
const MAX_FRAGMENTS: usize = 10_000;

/// What the broadcaster is called.
pub(super) const BROADCASTER: &str = "broadcaster";

/// Whom messages without a name are from, as one bot sees it.
#[derive(Clone, Debug, Default)]
pub(super) enum Unaddressed {
    /// Before the bot has said what it is.
    #[default]
    Outside,
    /// As the broadcaster.
    Broadcaster(Viewers),
    /// As a viewer.
    Viewer(Watching),
}

/// What a broadcaster knows of its viewers.
#[derive(Clone, Debug, Default)]
pub(super) struct Viewers {
    announced: u64,
    waiting: VecDeque<PeerId>,
    /// Whose answer is awaited, and until when nobody else gets an offer.
    current: Option<(PeerId, Instant)>,
    /// Whose answer came last, or whose is awaited.
    newest: Option<PeerId>,
    /// By fragment of an answer, the oldest first.
    fragments: VecDeque<(String, PeerId)>,
}

/// What a viewer knows of its broadcaster.
#[derive(Clone, Debug, Default)]
pub(super) struct Watching {
    session: Option<String>,
    fragments: Vec<String>,
    /// The server has sent what was for somebody else: it tells everybody everything.
    fans_out: bool,
}

impl Unaddressed {
    /// For a bot that joins as this.
    pub(super) fn new(role: Role) -> Self {
        match role {
            Role::Broadcaster => Self::Broadcaster(Viewers::default()),
            Role::Viewer => Self::Viewer(Watching::default()),
        }
    }

    /// When the next viewer waits no longer.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Broadcaster(viewers) if !viewers.waiting.is_empty() => {
                viewers.current.as_ref().map(|(_, until)| *until)
            }
            _ => None,
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Option<Event> {
        match self {
            Self::Broadcaster(viewers)
                if viewers.current.as_ref().is_some_and(|(_, until)| now >= *until) =>
            {
                viewers.current = None;
                viewers.begin_next(now)
            }
            _ => None,
        }
    }

    /// A viewer is there.
    pub(super) fn new_viewer(&mut self, now: Instant) -> Option<Event> {
        let Self::Broadcaster(viewers) = self else {
            return None;
        };
        if viewers.waiting.len() >= MAX_WAITING {
            return None;
        }
        viewers.announced += 1;
        let id = PeerId::from(format!("viewer#{}", viewers.announced));
        viewers.waiting.push_back(id);
        if viewers.current.is_some() {
            return None;
        }
        viewers.begin_next(now)
    }

    /// An offer came.
    pub(super) fn offer(&mut self, description: Description) -> Vec<Event> {
        let Self::Viewer(watching) = self else {
            return Vec::new();
        };
        let session = body::session(&description.sdp);
        let broadcaster = PeerId::from(BROADCASTER);
        let mut told = Vec::new();
        match &watching.session {
            None => told.push(Event::PeerJoined {
                id: broadcaster.clone(),
                role: Role::Broadcaster,
            }),
            Some(known) if Some(known) == session.as_ref() => {}
            // Somebody else's, where everybody is told everything.
            Some(_) if watching.fans_out => return Vec::new(),
            // Another broadcaster, or the same one with another connection.
            Some(_) => {
                let role = Role::Broadcaster;
                let id = broadcaster.clone();
                told.push(Event::PeerLeft { id: id.clone(), role });
                told.push(Event::PeerJoined { id, role });
            }
        }
        watching.session = session;
        watching.fragments = body::fragments(&description.sdp).map(str::to_owned).collect();
        told.push(Event::Description {
            from: Some(broadcaster),
            description,
        });
        told
    }

    /// An answer came.
    pub(super) fn answer(&mut self, now: Instant, description: Description) -> Vec<Event> {
        let viewers = match self {
            Self::Broadcaster(viewers) => viewers,
            Self::Viewer(watching) => {
                watching.fans_out = true;
                return Vec::new();
            }
            Self::Outside => return Vec::new(),
        };
        let answered = viewers.current.take().map(|(id, _)| id);
        let Some(from) = answered.or_else(|| viewers.newest.clone()) else {
            return Vec::new();
        };
        for fragment in body::fragments(&description.sdp) {
            if viewers.fragments.len() >= MAX_FRAGMENTS {
                viewers.fragments.pop_front();
            }
            viewers.fragments.push_back((fragment.to_owned(), from.clone()));
        }
        let mut told = vec![Event::Description {
            from: Some(from),
            description,
        }];
        told.extend(viewers.begin_next(now));
        told
    }

    /// A candidate came.
    pub(super) fn candidate(&mut self, candidate: Candidate) -> Option<Event> {
        let fragment = body::fragment(&candidate);
        let from = match self {
            Self::Broadcaster(viewers) => {
                let known = viewers.fragments.iter().rev();
                let named = known
                    .filter(|(known, _)| Some(known.as_str()) == fragment)
                    .map(|(_, id)| id.clone())
                    .next();
                named.or_else(|| viewers.newest.clone())
            }
            Self::Viewer(watching) => {
                let mine = watching.session.is_none()
                    || fragment
                        .is_none_or(|fragment| watching.fragments.iter().any(|known| known == fragment));
                watching.fans_out |= !mine;
                mine.then(|| PeerId::from(BROADCASTER))
            }
            Self::Outside => None,
        };
        from.map(|from| Event::Candidate {
            from: Some(from),
            candidate,
        })
    }
}

impl Viewers {
    /// Announces the next viewer to the bot, which offers to it.
    fn begin_next(&mut self, now: Instant) -> Option<Event> {
        let id = self.waiting.pop_front()?;
        self.current = Some((id.clone(), now + ANSWER_LIMIT));
        self.newest = Some(id.clone());
        Some(Event::PeerJoined {
            id,
            role: Role::Viewer,
        })
    }
}
