//! A call of two, pure: who is in it. Frames pass from one to the other unread, so there are no other rules.

use crate::PeerId;

/// How many a call takes.
const PEERS: usize = 2;

/// At most two peers, named `p` and a number that this server never uses twice.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    peers: Vec<PeerId>,
    names: u64,
}

/// Why a third peer is not let in: whoever relays to everybody lets it steal the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call has two peers already")]
pub(crate) struct CallFull;

impl Pair {
    /// Lets a peer in.
    pub(crate) fn enter(&mut self) -> Result<PeerId, CallFull> {
        if self.peers.len() >= PEERS {
            return Err(CallFull);
        }
        self.names += 1;
        let id = PeerId::from(format!("p{}", self.names));
        self.peers.push(id.clone());
        Ok(id)
    }

    /// A peer has gone, and makes place for another.
    pub(crate) fn leave(&mut self, id: &PeerId) {
        self.peers.retain(|peer| peer != id);
    }

    /// Whom the frames of a peer go to.
    pub(crate) fn other(&self, id: &PeerId) -> Option<&PeerId> {
        self.peers.iter().find(|peer| *peer != id)
    }

    /// How many are in it.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_two_and_a_third_only_once_one_has_left() {
        let mut pair = Pair::default();
        let first = pair.enter().unwrap();
        assert_eq!(pair.other(&first), None, "alone");
        let second = pair.enter().unwrap();
        assert_eq!(
            (pair.other(&first), pair.other(&second)),
            (Some(&second), Some(&first))
        );
        assert_eq!(pair.enter(), Err(CallFull));
        pair.leave(&first);
        let third = pair.enter().unwrap();
        assert!(third != first, "a name is used once");
        assert_eq!(pair.other(&second), Some(&third));
        assert_eq!(pair.len(), 2);
    }
}
