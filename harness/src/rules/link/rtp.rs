//! What RTP headers show against the descriptions of a connection's one end: the rules RT, and media without consent.
//!
//! Owns which exchange a payload type may follow. A trace has the first packet of each, so that none is counted here.

use super::Link;
use crate::rules::consent::CONSENT_US;
use crate::rules::finding::{EventRef, RuleFinding};
use crate::rules::sdp::{Direction, Sdp, Section};
use crate::trace::FrameWay;

impl Link {
    /// The first RTP packet of a payload type passed.
    pub(in crate::rules) fn rtp(
        &mut self,
        peer: &str,
        way: FrameWay,
        payload_type: u8,
        event: &EventRef,
        out: &mut Vec<RuleFinding>,
    ) {
        let is_in = way == FrameWay::In;
        if !self.encrypted && self.dtls_connected.is_none() {
            let message = format!("RTP passed {peer}'s wire before the DTLS handshake had agreed on keys");
            self.tell(RuleFinding::new("DT-05", peer, message, event.clone()), out);
        }
        if (64..=95).contains(&payload_type) {
            let message = format!(
                "{peer}'s wire has RTP of payload type {payload_type}, which cannot be told from RTCP"
            );
            self.tell(RuleFinding::new("RT-03", peer, message, event.clone()), out);
            return;
        }
        // Until an offer is answered media follows the old descriptions or the new ones, and what was sent before an
        // answer may arrive after it (RFC 3264 section 8).
        let in_force = self.negotiation.in_force(is_in);
        let mut fits: Vec<Carried> = in_force
            .into_iter()
            .map(|(local, remote)| {
                let (sender, receiver) = if is_in { (remote, local) } else { (local, remote) };
                carried(sender, receiver, payload_type)
            })
            .collect();
        if fits.is_empty() {
            return;
        }
        // Who has offered to receive is ready for it before the answer says that it comes (RFC 3264 section 5.1).
        if is_in && self.negotiation.signaling_state() == "have-local-offer" {
            let offered = self.negotiation.local();
            fits.extend(offered.map(|offer| received(offer, payload_type)));
        }
        let cause = self.answer_in.clone().or_else(|| self.answer_out.clone());
        if fits.iter().all(|fit| *fit == Carried::Unknown) {
            let message = format!(
                "RTP of payload type {payload_type} passed {peer}'s wire, and the receiver's description has no such format"
            );
            self.tell(
                RuleFinding::new("RT-03", peer, message, event.clone()).because_of(cause),
                out,
            );
            return;
        }
        if !fits.contains(&Carried::Allowed) {
            let message = format!(
                "RTP of payload type {payload_type} passed {peer}'s wire, and the directions of its m-section do not allow it"
            );
            self.tell(
                RuleFinding::new("RT-05", peer, message, event.clone()).because_of(cause),
                out,
            );
        }
        // Consent is the sender's to have; of what it is sent itself the other end's trace tells.
        if let Some(last) = self.last_answer.as_ref().filter(|_| !is_in)
            && event.at_us.saturating_sub(last.at_us) > CONSENT_US
        {
            let message = format!("{peer} sends media although no check was answered for more than 30 s");
            let finding = RuleFinding::new("IC-07", peer, message, event.clone());
            self.tell(finding.because_of(Some(last.clone())), out);
        }
    }
}

/// What an exchange says of a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    /// No section that is received has it.
    Unknown,
    /// The directions of its section do not let it pass.
    Held,
    Allowed,
}

/// What is received is numbered as the receiver said (RFC 3264 section 5.1); the sender's section is the one in the same
/// place, whatever numbers it has.
fn carried(sender: &Sdp, receiver: &Sdp, payload_type: u8) -> Carried {
    let sends = |index| {
        let section = sender.sections.get(index);
        section.is_none_or(|section| allows(section, Direction::Sendonly))
    };
    of_sections(receiver, payload_type, |index, section| {
        sends(index) && allows(section, Direction::Recvonly)
    })
}

/// What the receiver's description alone says of a payload type.
fn received(receiver: &Sdp, payload_type: u8) -> Carried {
    of_sections(receiver, payload_type, |_, section| {
        allows(section, Direction::Recvonly)
    })
}

fn allows(section: &Section, one: Direction) -> bool {
    section.direction == Direction::Sendrecv || section.direction == one
}

/// Whether a section that has the payload type lets it pass.
fn of_sections(receiver: &Sdp, payload_type: u8, lets_pass: impl Fn(usize, &Section) -> bool) -> Carried {
    let name = payload_type.to_string();
    let sections = receiver.sections.iter().enumerate();
    let having = sections.filter(|(_, section)| !section.rejected() && section.formats.contains(&name));
    match having.map(|(index, section)| lets_pass(index, section)).max() {
        None => Carried::Unknown,
        Some(false) => Carried::Held,
        Some(true) => Carried::Allowed,
    }
}
