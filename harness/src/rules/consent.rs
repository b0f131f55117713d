//! Whether media goes on without consent (IC-07, RFC 7675 section 5.1): both ends are needed to tell.
//!
//! Owns the comparison of what comes to one end with the last answer to the other end's checks. Packets are not in a
//! trace, seconds of media are, so it says nothing of the 31st second.

use super::finding::{EventRef, RuleFinding};
use super::{Checker, Link};

/// Consent lasts so long after the last valid response.
pub(super) const CONSENT_US: u64 = 30_000_000;
/// What one summary of media covers: its packets may be as old as this.
const SUMMARY_US: u64 = 1_000_000;

impl Checker {
    /// A second of media came to a bot.
    pub(super) fn media_second(&mut self, label: &str, at: &EventRef) {
        let Some(bot) = self.bots.get(label) else { return };
        // The trace does not say which connection it came by. With several open ones it cannot be told.
        let is_open = |link: &Link| link.first_packet.is_some() && !link.closed;
        let mut open = bot.links.iter().filter(|(_, link)| is_open(link));
        let (Some((sender, _)), None) = (open.next(), open.next()) else {
            return;
        };
        let Some(sender) = self.whom(label, sender).map(str::to_owned) else {
            return;
        };
        let Some(me) = self.name_of(&sender, label).map(str::to_owned) else {
            return;
        };
        let Some(link) = self.bots.get_mut(&sender).and_then(|bot| bot.links.get_mut(&me)) else {
            return;
        };
        let Some(last) = link.last_answer.clone() else {
            return;
        };
        let silent = at.at_us.saturating_sub(SUMMARY_US).saturating_sub(last.at_us);
        if silent <= CONSENT_US {
            return;
        }
        let message = format!(
            "{sender} sends media to {label} although none of its checks was answered for {:.1} s; after 30 s it must stop",
            silent as f64 / 1e6
        );
        let mut found = Vec::new();
        let finding = RuleFinding::new("IC-07", &sender, message, at.clone()).because_of(Some(last));
        link.tell(finding, &mut found);
        self.keep(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::kind::MediaKind;
    use crate::trace::{FrameWay, StunSeen, TraceEvent, TraceKind};

    /// A viewer with media from its broadcaster, whose last check is answered at 20 s; what is said of a second of media.
    fn found_at(seconds: u64) -> Vec<String> {
        let mut checker = Checker::default();
        let mut see = |at_s: u64, peer: &str, event| {
            checker.observe(&TraceEvent {
                at_us: at_s * 1_000_000,
                peer: peer.to_owned(),
                event,
            });
        };
        for (peer, role, id, remote) in [
            ("broadcaster", "broadcaster", "b1", "v2"),
            ("viewer-1", "viewer", "v2", "b1"),
        ] {
            let join = format!(r#"{{"type":"{role}","room":"r"}}"#);
            let joined = format!(r#"{{"type":"joined","id":"{id}","role":"{role}"}}"#);
            for (way, frame) in [(FrameWay::Out, join), (FrameWay::In, joined)] {
                see(0, peer, TraceKind::frame(way, &frame));
            }
            let opened = TraceKind::ConnectionOpened {
                connection: 1,
                remote: remote.to_owned(),
                wire_is_read: true,
            };
            see(0, peer, opened);
        }
        let first = TraceKind::FirstPacket {
            connection: 1,
            media: MediaKind::Video,
        };
        see(1, "viewer-1", first);
        let answered = TraceKind::Stun {
            connection: 1,
            way: FrameWay::In,
            remote: "192.0.2.1:1".to_owned(),
            message: StunSeen {
                class: "success".to_owned(),
                integrity: Some(true),
                ..StunSeen::default()
            },
        };
        see(20, "broadcaster", answered);
        // So does a STUN server, without the password, and that is nobody's consent.
        let by_server = TraceKind::Stun {
            connection: 1,
            way: FrameWay::In,
            remote: "192.0.2.9:3478".to_owned(),
            message: StunSeen {
                class: "success".to_owned(),
                ..StunSeen::default()
            },
        };
        see(30, "broadcaster", by_server);
        let media = TraceKind::MediaSecond {
            frames: 30,
            bytes: 1,
            verified: 30,
            key_frames: 0,
            sound_packets: 50,
        };
        see(seconds, "viewer-1", media.clone());
        see(seconds + 1, "viewer-1", media);
        let found = checker.findings().iter();
        found
            .map(|finding| format!("{} {}", finding.rule, finding.peer))
            .collect()
    }

    #[test]
    fn media_thirty_seconds_after_the_last_answer_is_told_once_and_of_its_sender() {
        assert_eq!(found_at(52), ["IC-07 broadcaster"]);
    }

    #[test]
    fn media_that_may_have_left_within_the_thirty_seconds_is_not_told() {
        assert!(found_at(50).is_empty());
    }
}
