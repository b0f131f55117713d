//! Faults on datagrams: lost, rewritten, or preceded by others on their way between a viewer and its broadcaster.
//!
//! Owns which datagrams a fault is about, what becomes of them, and what has to be remembered for it: the passwords that
//! frames have shown, and what has passed before. It reads no clock. How their bytes are rewritten is [`rewrite`]'s.

use std::collections::{BTreeMap, BTreeSet};

use super::rewrite;
use crate::net::stun::{self, StunClass, StunMessage};
use crate::net::tap::DatagramKind;

/// An end of the connection between a viewer and its broadcaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The broadcaster's.
    Broadcaster,
    /// The viewer's.
    Viewer,
}

impl End {
    fn other(self) -> Self {
        match self {
            Self::Broadcaster => Self::Viewer,
            Self::Viewer => Self::Broadcaster,
        }
    }
}

/// Where the datagrams of a fault leave.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// At this end.
    Only(End),
    /// At either end.
    Either,
}

/// Which datagrams a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Every STUN message.
    Stun,
    /// Connectivity checks.
    Check,
    /// Success responses to them.
    Response,
    /// DTLS records.
    Dtls,
    /// A ClientHello.
    ClientHello,
    /// RTP packets.
    Rtp,
}

/// What is done to a datagram that fits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// It is lost.
    Lose,
    /// It is lost, once media has passed.
    LoseAfterMedia,
    /// It is rewritten; what is STUN is sealed with the right password.
    Rewrite(fn(&[u8]) -> Option<Vec<u8>>),
    /// Only the first one is rewritten.
    RewriteFirst(fn(&[u8]) -> Option<Vec<u8>>),
    /// This one goes before the first of them.
    Before(fn() -> Vec<u8>),
}

/// What the faults of a room remember for datagrams.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The ice-pwd of each end, by viewer.
    passwords: BTreeMap<(u32, End), String>,
    /// Viewers to whose connection media has passed.
    media: BTreeSet<u32>,
    /// Faults that act once and have.
    done: BTreeSet<usize>,
}

impl Passed {
    /// A description of this end of a viewer's connection passed.
    pub(super) fn description(&mut self, viewer: u32, of: End, sdp: &str) {
        if let Some(password) = rewrite::password(sdp) {
            self.passwords.insert((viewer, of), password.to_owned());
        }
    }

    /// A datagram leaves this end of a viewer's connection.
    pub(super) fn note(&mut self, viewer: u32, datagram: &[u8]) {
        if matches!(DatagramKind::of(datagram), DatagramKind::Rtp { .. }) {
            self.media.insert(viewer);
        }
    }

    /// What a fault makes of a datagram; `None` when it leaves it alone.
    pub(super) fn act(
        &mut self,
        index: usize,
        (which, act): (Which, Act),
        (viewer, from): (u32, End),
        datagram: &[u8],
    ) -> Option<Vec<Vec<u8>>> {
        if !which.fits(datagram) {
            return None;
        }
        match act {
            Act::Lose => Some(Vec::new()),
            Act::LoseAfterMedia => self.media.contains(&viewer).then(Vec::new),
            Act::Rewrite(rewrite) => self.rewritten(viewer, from, rewrite(datagram)?),
            Act::RewriteFirst(rewrite) if !self.done.contains(&index) => {
                let rewritten = self.rewritten(viewer, from, rewrite(datagram)?)?;
                self.done.insert(index);
                Some(rewritten)
            }
            Act::RewriteFirst(_) => None,
            Act::Before(other) => {
                let first = self.done.insert(index);
                first.then(|| vec![other(), datagram.to_owned()])
            }
        }
    }

    /// A check and its response are made with the password of whoever is asked (RFC 8445 section 7.2.2).
    fn rewritten(&self, viewer: u32, from: End, rewritten: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        if DatagramKind::of(&rewritten) != DatagramKind::Stun {
            return Some(vec![rewritten]);
        }
        let asked = match StunMessage::parse(&rewritten).ok()?.class {
            StunClass::Request => from.other(),
            _ => from,
        };
        let password = self.passwords.get(&(viewer, asked))?;
        Some(vec![stun::sealed(rewritten, password)?])
    }
}

impl From {
    pub(super) fn includes(self, end: End) -> bool {
        match self {
            Self::Only(only) => only == end,
            Self::Either => true,
        }
    }
}

impl Which {
    fn fits(self, datagram: &[u8]) -> bool {
        let is_stun = |class| StunMessage::parse(datagram).is_ok_and(|message| message.class == class);
        match (self, DatagramKind::of(datagram)) {
            (Self::Stun, DatagramKind::Stun)
            | (Self::Dtls, DatagramKind::Dtls)
            | (Self::Rtp, DatagramKind::Rtp { .. }) => true,
            (Self::Check, DatagramKind::Stun) => is_stun(StunClass::Request),
            (Self::Response, DatagramKind::Stun) => is_stun(StunClass::Success),
            (Self::ClientHello, DatagramKind::Dtls) => rewrite::is_client_hello(datagram),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stun::IceRole;

    const OFFER: &str = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:ofTheBroadcaster\r\n";

    /// A check with ICE-CONTROLLING, unsealed.
    fn check() -> Vec<u8> {
        let mut check = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        check.extend(1..=12);
        check.extend([0x80, 0x2a, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7]);
        check
    }

    fn says(datagram: &[u8]) -> StunMessage {
        StunMessage::parse(datagram).unwrap()
    }

    #[test]
    fn a_check_is_rewritten_with_the_password_of_the_end_that_it_is_for() {
        let mut passed = Passed::default();
        let flip = (Which::Check, Act::Rewrite(rewrite::flip_role));
        let from_viewer = (1, End::Viewer);
        assert_eq!(
            passed.act(0, flip, from_viewer, &check()),
            None,
            "nobody knows it"
        );
        passed.description(1, End::Broadcaster, OFFER);
        let rewritten = passed.act(0, flip, from_viewer, &check()).unwrap();
        assert_eq!(says(&rewritten[0]).role, Some((IceRole::Controlled, 7)));
        assert_eq!(stun::integrity(&rewritten[0], "ofTheBroadcaster"), Some(true));
    }

    #[test]
    fn what_acts_once_acts_once() {
        let mut passed = Passed::default();
        passed.description(1, End::Broadcaster, OFFER);
        let nominate = (Which::Check, Act::RewriteFirst(rewrite::nominate));
        let first = passed.act(3, nominate, (1, End::Viewer), &check()).unwrap();
        assert!(says(&first[0]).use_candidate);
        assert_eq!(passed.act(3, nominate, (1, End::Viewer), &check()), None);
        let foreign = (Which::Check, Act::Before(rewrite::foreign_datagram));
        let both = passed.act(4, foreign, (1, End::Viewer), &check()).unwrap();
        assert_eq!((both.len(), &both[1]), (2, &check()));
        assert_eq!(passed.act(4, foreign, (1, End::Viewer), &check()), None);
    }

    #[test]
    fn checks_are_lost_once_media_has_passed_on_their_connection() {
        let mut passed = Passed::default();
        let lose = (Which::Stun, Act::LoseAfterMedia);
        passed.note(2, &rewrite::rtp_in_clear());
        assert_eq!(passed.act(0, lose, (1, End::Viewer), &check()), None);
        passed.note(1, &rewrite::rtp_in_clear());
        assert_eq!(passed.act(0, lose, (1, End::Viewer), &check()), Some(Vec::new()));
    }
}
