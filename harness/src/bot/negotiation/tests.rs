//! Two peers with an engine and a wire each, in every order in which things can happen.

use std::collections::{BTreeSet, VecDeque};

use super::*;

fn description(sdp_type: SdpType, sdp: String) -> Description {
    Description { sdp_type, sdp }
}

/// What the engine still has to do or tell, and what is on its way to the other peer; all in order.
#[derive(Clone, Debug)]
struct Peer {
    name: &'static str,
    negotiation: Negotiation,
    commands: VecDeque<EngineCommand>,
    wire: VecDeque<Description>,
    wants: u32,
    offers: u32,
    /// The offer that is open at the engine, ours or the other one's.
    open: Option<String>,
    /// The two descriptions of the last exchange, as this peer knows them.
    agreed: Option<(String, String)>,
}

impl Peer {
    fn new(name: &'static str, polite: bool, wants: u32) -> Self {
        Self {
            name,
            negotiation: Negotiation::new(polite),
            commands: VecDeque::new(),
            wire: VecDeque::new(),
            wants,
            offers: 0,
            open: None,
            agreed: None,
        }
    }

    fn take(&mut self, moves: Vec<Move>) {
        for one in moves {
            match one {
                Move::Command(command) => self.commands.push_back(command),
                Move::Signal(description) => self.wire.push_back(description),
                Move::Ignored(why) => assert_ne!(why, Why::StrayAnswer, "{}", self.name),
            }
        }
    }

    /// The engine does its next command, as a peer connection would, and tells of it.
    fn work(&mut self) {
        let Some(command) = self.commands.pop_front() else {
            return;
        };
        match command {
            EngineCommand::MakeOffer => {
                assert_eq!(self.open, None, "{} offers in have-local-offer", self.name);
                self.offers += 1;
                let sdp = format!("offer {} of {}", self.offers, self.name);
                self.open = Some(sdp.clone());
                let moves = self
                    .negotiation
                    .local_description(description(SdpType::Offer, sdp));
                self.take(moves);
            }
            EngineCommand::Rollback => {
                assert!(
                    self.open.take().is_some(),
                    "{} has nothing to take back",
                    self.name
                );
                self.negotiation.was_rolled_back();
            }
            EngineCommand::MakeAnswer(offer) => {
                assert_eq!(self.open, None, "{} answers beside its own offer", self.name);
                let answer = format!("{} answers {}", self.name, offer.sdp);
                self.agreed = Some((offer.sdp, answer.clone()));
                let moves = self
                    .negotiation
                    .local_description(description(SdpType::Answer, answer));
                self.take(moves);
            }
            EngineCommand::ApplyAnswer(answer) => {
                let offer = self.open.take().expect("an answer needs an open offer");
                assert!(
                    answer.sdp.ends_with(&offer),
                    "{} got {:?} to {offer:?}",
                    self.name,
                    answer.sdp
                );
                self.agreed = Some((offer, answer.sdp));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Tries every order of wishes, engine steps and deliveries, from each state once; gives every end.
fn all_orders(first: &Peer, second: &Peer, ended: &mut impl FnMut(&Peer, &Peer)) {
    go_on(first, second, &mut BTreeSet::new(), ended);
}

fn go_on(first: &Peer, second: &Peer, seen: &mut BTreeSet<String>, ended: &mut impl FnMut(&Peer, &Peer)) {
    if !seen.insert(format!("{first:?}{second:?}")) {
        return;
    }
    let mut moved = false;
    for turn in 0..6 {
        let (mut one, mut other) = (first.clone(), second.clone());
        let (actor, far) = if turn % 2 == 0 {
            (&mut one, &mut other)
        } else {
            (&mut other, &mut one)
        };
        match turn / 2 {
            0 if actor.wants > 0 => {
                actor.wants -= 1;
                let moves = actor.negotiation.want();
                actor.take(moves);
            }
            1 if !actor.commands.is_empty() => actor.work(),
            2 if !far.wire.is_empty() => {
                if let Some(description) = far.wire.pop_front() {
                    let moves = actor.negotiation.remote_description(description);
                    actor.take(moves);
                }
            }
            _ => continue,
        }
        moved = true;
        go_on(&one, &other, seen, ended);
    }
    if !moved {
        ended(first, second);
    }
}

#[test]
fn two_peers_that_offer_whenever_they_like_agree_in_every_order_in_which_things_can_happen() {
    for wants in [(1, 0), (0, 1), (1, 1), (2, 0), (2, 1)] {
        let (mut orders, mut glare) = (0, 0);
        let impolite = Peer::new("a", false, wants.0);
        let polite = Peer::new("b", true, wants.1);
        all_orders(&impolite, &polite, &mut |a, b| {
            orders += 1;
            glare += u32::from(a.negotiation.collisions + b.negotiation.collisions > 0);
            for peer in [a, b] {
                assert!(peer.negotiation.is_stable(), "{peer:#?}");
                assert_eq!(peer.open, None, "{peer:#?}");
                assert_eq!(peer.agreed, a.agreed, "{a:#?}{b:#?}");
            }
            assert!(a.agreed.is_some());
            assert_eq!(
                a.negotiation.rolled_back, 0,
                "the impolite one keeps to its offer"
            );
        });
        assert!(orders > 0);
        assert_eq!(
            glare > 0,
            wants.0 > 0 && wants.1 > 0,
            "{wants:?}: {glare} of {orders}"
        );
    }
}

#[test]
fn two_impolite_peers_wait_for_each_other_for_ever_and_know_it() {
    let mut stuck = 0;
    let (one, other) = (Peer::new("a", false, 1), Peer::new("b", false, 1));
    all_orders(&one, &other, &mut |a, b| {
        if a.negotiation.collisions > 0 && b.negotiation.collisions > 0 {
            assert!(a.negotiation.is_in_unresolved_glare() && b.negotiation.is_in_unresolved_glare());
            stuck += 1;
        }
    });
    assert!(stuck > 0);
}

#[test]
fn candidates_of_an_ignored_offer_are_left_alone_and_those_of_the_answer_after_it_are_not() {
    let mut impolite = Negotiation::new(false);
    impolite.want();
    let of = |sdp_type| description(sdp_type, "x".to_owned());
    let ignored = impolite.remote_description(of(SdpType::Offer));
    assert!(matches!(ignored[..], [Move::Ignored(Why::Collision)]));
    let candidate = || Candidate {
        candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".to_owned(),
        sdp_mid: None,
        sdp_m_line_index: Some(0),
        username_fragment: None,
    };
    let left_alone = impolite.remote_candidate(candidate());
    assert!(matches!(left_alone, Move::Ignored(Why::OfIgnoredOffer)));
    impolite.remote_description(of(SdpType::Answer));
    let added = impolite.remote_candidate(candidate());
    assert!(matches!(added, Move::Command(EngineCommand::AddCandidate(_))));
}

#[test]
fn nothing_of_an_offer_that_is_taken_back_before_it_was_made_is_signaled() {
    let mut polite = Negotiation::new(true);
    polite.want();
    let of = |sdp_type| description(sdp_type, "x".to_owned());
    let yields = polite.remote_description(of(SdpType::Offer));
    assert!(matches!(
        yields[..],
        [
            Move::Command(EngineCommand::Rollback),
            Move::Command(EngineCommand::MakeAnswer(_))
        ]
    ));
    let late = polite.local_description(of(SdpType::Offer));
    assert!(matches!(late[..], [Move::Ignored(Why::TakenBack)]));
    assert!(!polite.signals_candidates());
    polite.was_rolled_back();
    let answer = polite.local_description(of(SdpType::Answer));
    assert!(matches!(answer[..], [Move::Signal(_)]));
    assert!(polite.is_stable() && polite.signals_candidates());
}
