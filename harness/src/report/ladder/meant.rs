//! Whom peers mean by a name in a protocol that has none.
//!
//! There a broadcaster counts its viewers (`viewer#1`), and whose answer comes back under a name is who that is. Owns what
//! is learned so; the names that a server gives are the ladder's own.

use std::collections::HashMap;

use super::fate::Passed;
use super::{Ladder, Peer};

/// The peers that names stand for, by who uses them.
#[derive(Debug, Default)]
pub(super) struct Meant(HashMap<(usize, String), usize>);

impl Meant {
    /// What answers say.
    pub(super) fn of(ladder: &Ladder, sent: &[Passed], arrived: &[Passed]) -> Self {
        let mut meant = Self::default();
        let answers = |passed: &&Passed| passed.name == "answer";
        let by_content: HashMap<u64, usize> = sent
            .iter()
            .filter(answers)
            .map(|passed| (passed.content, passed.peer))
            .collect();
        for came in arrived
            .iter()
            .filter(answers)
            .filter(|came| is_unaddressed(ladder, came.peer))
        {
            if let (Some(name), Some(sender)) = (&came.from, by_content.get(&came.content)) {
                meant.0.entry((came.peer, name.clone())).or_insert(*sender);
            }
        }
        meant
    }

    /// The peer that this one means by a name; `None` if that cannot be told.
    pub(super) fn whom(&self, ladder: &Ladder, by: usize, name: &str) -> Option<usize> {
        if let Some(named) = ladder.named(by, name) {
            return Some(named);
        }
        if !is_unaddressed(ladder, by) {
            return None;
        }
        self.0.get(&(by, name.to_owned())).copied().or_else(|| {
            let me = ladder.peers.get(by)?;
            let others = |peer: &Peer| peer.room == me.room && peer.broadcaster != me.broadcaster;
            let mut others = ladder.peers.iter().enumerate().filter(|(_, peer)| others(peer));
            // Of one nobody else can be meant.
            match (others.next(), others.next()) {
                (Some((only, _)), None) => Some(only),
                _ => None,
            }
        })
    }
}

/// Whether a peer's protocol names nobody.
pub(super) fn is_unaddressed(ladder: &Ladder, peer: usize) -> bool {
    ladder
        .peers
        .get(peer)
        .is_some_and(|peer| ladder.unaddressed.contains(&peer.label))
}
