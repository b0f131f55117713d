//! Perfect negotiation (W3C webrtc-pc section 10.7): what a peer of a call does with its wish to negotiate and with what
//! the other one signals, so that both may offer at any time, at the same time too.
//!
//! Owns the decision, and nothing else: it is pure. The specification's example awaits promises; an engine takes commands
//! in order and tells what came of them in order, so "making an offer" and "an offer is open" are one state here, and an
//! answer that is applied counts as applied at once. Who of two peers is polite is settled before, once, and differently
//! for each.

use greenroom_signaling::{Candidate, Description, SdpType};

use crate::engine::EngineCommand;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// For the engine.
    Command(EngineCommand),
    /// For the other peer.
    Signal(Description),
    /// Nothing: why.
    Ignored(Why),
}

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// An offer that collides with our own, at the impolite peer: the other one takes its offer back.
    Collision,
    /// A candidate of such an offer.
    OfIgnoredOffer,
    /// A description or candidate of our own offer that was taken back.
    TakenBack,
    /// An answer that no offer waits for.
    StrayAnswer,
}

/// Where the exchange is, as far as this peer has commanded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stable,
    /// An offer of ours is being made or waits for its answer.
    Offering,
    /// An answer of ours is being made.
    Answering,
}

/// One peer's side of it.
#[derive(Clone, Debug)]
pub(crate) struct Negotiation {
    polite: bool,
    state: State,
    /// It wants to negotiate, as soon as it may.
    wanted: bool,
    /// The last offer of the other one was ignored.
    ignores: bool,
    /// Offers of ours that were taken back, and of which the engine has not told so yet.
    taken_back: u32,
    /// Offers that collided with one of ours.
    pub(crate) collisions: u32,
    /// Offers of ours that were taken back, in all.
    pub(crate) rolled_back: u32,
    /// Exchanges that were completed.
    pub(crate) completed: u32,
}

impl Negotiation {
    pub(crate) fn new(polite: bool) -> Self {
        Self {
            polite,
            state: State::Stable,
            wanted: false,
            ignores: false,
            taken_back: 0,
            collisions: 0,
            rolled_back: 0,
            completed: 0,
        }
    }

    /// Whether no exchange is under way.
    pub(crate) fn is_stable(&self) -> bool {
        self.state == State::Stable
    }

    /// Whether it keeps to an offer of its own although the other one has made one.
    pub(crate) fn is_in_unresolved_glare(&self) -> bool {
        self.state == State::Offering && self.ignores
    }

    /// There is something to negotiate (`negotiationneeded`).
    pub(crate) fn want(&mut self) -> Vec<Move> {
        self.wanted = true;
        self.offer_if_wanted()
    }

    fn offer_if_wanted(&mut self) -> Vec<Move> {
        if self.state != State::Stable || !std::mem::take(&mut self.wanted) {
            return Vec::new();
        }
        self.state = State::Offering;
        vec![Move::Command(EngineCommand::MakeOffer)]
    }

    /// The other peer signaled a description.
    pub(crate) fn remote_description(&mut self, description: Description) -> Vec<Move> {
        if description.sdp_type == SdpType::Offer {
            return self.remote_offer(description);
        }
        if self.state != State::Offering {
            return vec![Move::Ignored(Why::StrayAnswer)];
        }
        self.ignores = false;
        let mut moves = vec![Move::Command(EngineCommand::ApplyAnswer(description.clone()))];
        // A provisional answer leaves the offer open (RFC 9429 section 4.1.10.1).
        if description.sdp_type == SdpType::Answer {
            self.state = State::Stable;
            self.completed += 1;
            moves.extend(self.offer_if_wanted());
        }
        moves
    }

    fn remote_offer(&mut self, offer: Description) -> Vec<Move> {
        let collides = self.state == State::Offering;
        self.collisions += u32::from(collides);
        self.ignores = collides && !self.polite;
        if self.ignores {
            return vec![Move::Ignored(Why::Collision)];
        }
        let mut moves = Vec::new();
        if collides {
            self.taken_back += 1;
            self.rolled_back += 1;
            moves.push(Move::Command(EngineCommand::Rollback));
        }
        self.state = State::Answering;
        moves.push(Move::Command(EngineCommand::MakeAnswer(offer)));
        moves
    }

    /// The other peer signaled a candidate.
    pub(crate) fn remote_candidate(&mut self, candidate: Candidate) -> Move {
        if self.ignores {
            return Move::Ignored(Why::OfIgnoredOffer);
        }
        Move::Command(EngineCommand::AddCandidate(candidate))
    }

    /// The engine made a description and applied it.
    pub(crate) fn local_description(&mut self, description: Description) -> Vec<Move> {
        if self.taken_back > 0 {
            return vec![Move::Ignored(Why::TakenBack)];
        }
        let is_answer = description.sdp_type == SdpType::Answer;
        let mut moves = vec![Move::Signal(description)];
        if is_answer && self.state == State::Answering {
            self.state = State::Stable;
            self.completed += 1;
            moves.extend(self.offer_if_wanted());
        }
        moves
    }

    /// Whether what the engine gathers belongs to a description that counts.
    pub(crate) fn signals_candidates(&self) -> bool {
        self.taken_back == 0
    }

    /// The engine took our offer back.
    pub(crate) fn was_rolled_back(&mut self) {
        self.taken_back = self.taken_back.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;
