//! Why a viewer has no picture: the first step of its connection that broke.
//!
//! Owns the order of the steps and the wording of causes. It looks only at what the checker has kept.

mod server;

use super::finding::{Cause, CauseKind, EventRef};
use super::link::{Link, TurnRefused};
use super::relay::Sent;
use super::room::Unreadable;
use super::{Bot, Checker};
use crate::check::Severity;

/// A cause in the making.
struct Found {
    kind: CauseKind,
    message: String,
    fix: &'static str,
    last: Option<EventRef>,
    shown_by: Option<EventRef>,
}

/// The cause of each viewer that was to have a picture and has none.
pub(super) fn of(checker: &Checker) -> Vec<Cause> {
    let viewers = checker
        .bots
        .iter()
        .filter(|(_, bot)| bot.broadcaster == Some(false));
    viewers
        .filter(|(_, bot)| !bot.links.values().any(|link| link.first_frame.is_some()))
        .filter_map(|(label, viewer)| {
            let found = first_broken(checker, label, viewer)?;
            let of_both = |peer: &str| {
                peer == label || Some(peer) == broadcaster_of(checker, viewer).map(|(label, _)| label)
            };
            let rules = checker
                .findings
                .iter()
                .filter(|finding| finding.severity > Severity::Note && of_both(&finding.peer));
            let mut rules: Vec<String> = rules.map(|finding| finding.rule.clone()).collect();
            rules.sort();
            rules.dedup();
            Some(Cause {
                kind: found.kind,
                viewer: label.clone(),
                message: found.message,
                fix: found.fix.to_owned(),
                last: found.last,
                shown_by: found.shown_by,
                rules,
            })
        })
        .collect()
}

/// The broadcaster of a viewer's room.
fn broadcaster_of<'a>(checker: &'a Checker, viewer: &Bot) -> Option<(&'a str, &'a Bot)> {
    checker
        .bots
        .iter()
        .find(|(_, bot)| bot.broadcaster == Some(true) && bot.room == viewer.room)
        .map(|(label, bot)| (label.as_str(), bot))
}

fn first_broken(checker: &Checker, label: &str, viewer: &Bot) -> Option<Found> {
    let (Some(joined), Some(id)) = (&viewer.joined, &viewer.id) else {
        return Some(not_joined(label, viewer));
    };
    if server::is_between(checker, label, viewer) {
        return Some(server::first_broken(checker, label, viewer));
    }
    let Some((broadcaster_label, broadcaster)) = broadcaster_of(checker, viewer) else {
        return Some(Found {
            kind: CauseKind::NoBroadcaster,
            message: format!("{label} is in the room, and no broadcaster ever was"),
            fix: "start the broadcaster, in the same room",
            last: Some(joined.clone()),
            shown_by: None,
        });
    };
    let Some(broadcaster_id) = &broadcaster.id else {
        return Some(Found {
            kind: CauseKind::NoBroadcaster,
            ..not_joined(broadcaster_label, broadcaster)
        });
    };
    // Two answers to one offer: from there on nobody can tell whose is whose.
    let others = checker.bots.iter();
    let mut others = others.filter(|(_, bot)| viewer.is_unaddressed && bot.room == viewer.room);
    if let Some(found) = others.find_map(|(other, _)| foreign_offer(checker, other)) {
        return Some(found);
    }
    let viewer_name = checker.name_of(broadcaster_label, label).unwrap_or(id);
    let broadcaster_name = checker
        .name_of(label, broadcaster_label)
        .unwrap_or(broadcaster_id);
    let toward = broadcaster.links.get(viewer_name);
    let from = viewer.links.get(broadcaster_name);
    let ends = Ends {
        checker,
        viewer_label: label,
        viewer_id: id,
        viewer_name,
        viewer,
        broadcaster_label,
        broadcaster_id,
        broadcaster_name,
        broadcaster,
    };
    ends.before_answer(toward, from)
        .or_else(|| ends.answer(toward?, from?))
        .or_else(|| ends.connectivity(toward?, from?))
        .or_else(|| ends.media(toward?, from?))
}

/// An offer that was somebody else's and came to a viewer.
fn foreign_offer(checker: &Checker, viewer: &str) -> Option<Found> {
    let finding = checker.findings.iter().find(|finding| {
        finding.rule == "SG-01" && finding.peer == viewer && finding.effect.what.starts_with("got offer")
    })?;
    Some(Found {
        kind: CauseKind::OfferMisrouted,
        message: format!("{viewer} got an offer that was made for another viewer, and answered it"),
        fix: "send an offer to the viewer that it is for and to nobody else: by its id, or to the one that waits where there are no ids",
        last: finding.cause.clone(),
        shown_by: Some(finding.effect.clone()),
    })
}

fn not_joined(label: &str, bot: &Bot) -> Found {
    if let Some((at, code)) = &bot.refused {
        return Found {
            kind: CauseKind::JoinRefused,
            message: format!("the server refused to let {label} in: {code}"),
            fix: "look up the error code in the server's protocol; a second broadcaster and a full room are the usual ones",
            last: bot.join_sent.clone(),
            shown_by: Some(at.clone()),
        };
    }
    if let Some((at, reason)) = &bot.signaling_closed {
        return Found {
            kind: CauseKind::SignalingClosed,
            message: format!("{label}'s signaling ended before it was in the room: {reason}"),
            fix: "look at the server's log at that moment",
            last: bot.join_sent.clone().or_else(|| bot.signaling_open.clone()),
            shown_by: Some(at.clone()),
        };
    }
    Found {
        kind: CauseKind::JoinUnanswered,
        message: format!("{label} asked to enter the room, and the server never answered"),
        fix: "answer a join with the peer's id, and look whether the server read the frame at all",
        last: bot.join_sent.clone(),
        shown_by: bot.unreadable.as_ref().map(|frame| frame.at.clone()),
    }
}

/// Both ends of a viewer's connection.
struct Ends<'a> {
    checker: &'a Checker,
    viewer_label: &'a str,
    viewer_id: &'a str,
    /// What the broadcaster calls it: its id, where a server gives ids.
    viewer_name: &'a str,
    viewer: &'a Bot,
    broadcaster_label: &'a str,
    broadcaster_id: &'a str,
    broadcaster_name: &'a str,
    broadcaster: &'a Bot,
}

impl Ends<'_> {
    fn first_sent(&self, from: &str, to: &str, name: &str) -> Option<Sent> {
        self.checker.relay.between(from, to, name).next().cloned()
    }

    /// Whether a message of this name that was for `to` came to somebody else; gives its first sending.
    fn misrouted(&self, from: &str, to: &str, name: &str) -> Option<EventRef> {
        let sent = self
            .checker
            .relay
            .between(from, to, name)
            .map(|sent| sent.event.number);
        let numbers: Vec<u64> = sent.collect();
        let finding = self.checker.findings.iter().find(|finding| {
            matches!(finding.rule.as_str(), "SG-01" | "SG-02")
                && finding
                    .cause
                    .as_ref()
                    .is_some_and(|cause| numbers.contains(&cause.number))
        });
        finding.map(|finding| finding.effect.clone())
    }

    /// That a message of `sender` never came to whom it was for, and whom it came to instead, as far as anybody told.
    fn never_came(&self, [from, to]: [&str; 2], name: &str, [sender, receiver]: [&str; 2]) -> String {
        let mut sent = self.checker.relay.between(from, to, name);
        match sent.find_map(|sent| sent.came_to(sender)) {
            Some(others) => format!("{sender}'s {name} went to {others} and never to {receiver}"),
            None => format!("{sender}'s {name} never came to {receiver}"),
        }
    }

    /// Something came to `receiver` in place of a description that it cannot read.
    fn unreadable(
        kind: CauseKind,
        what: &str,
        receiver: &str,
        frame: &Unreadable,
        last: Option<EventRef>,
    ) -> Found {
        let (message, fix) = match frame.binary {
            true => (
                format!(
                    "{what} was sent as text and came to {receiver} as a binary frame, which nobody reads"
                ),
                "send text on as text: ws gives each message as a Buffer, so send(message.toString()), or pass the handler's second argument on: send(message, { binary: isBinary })",
            ),
            false => (
                format!("{what} came to {receiver} as a frame that cannot be read"),
                "relay text frames whole and as text; look for a size limit or a conversion on the way",
            ),
        };
        Found {
            kind,
            message,
            fix,
            last,
            shown_by: Some(frame.at.clone()),
        }
    }

    fn glare(&self, toward: Option<&Link>, from: Option<&Link>) -> Option<Found> {
        let (toward, from) = (toward?, from?);
        let theirs = from.offer_out.as_ref().or(toward.offer_in.as_ref());
        let both = toward.offer_out.is_some() && theirs.is_some();
        (both && toward.answer_in.is_none() && from.answer_in.is_none() && from.answer_out.is_none()).then(|| Found {
            kind: CauseKind::Glare,
            message: format!(
                "{} and {} both offered, and neither gave way",
                self.broadcaster_label, self.viewer_label
            ),
            fix: "let one side offer only, or use perfect negotiation: the polite peer rolls back and answers",
            last: toward.offer_out.clone(),
            shown_by: theirs.cloned(),
        })
    }

    fn before_answer(&self, toward: Option<&Link>, from: Option<&Link>) -> Option<Found> {
        let (b, v) = (self.broadcaster_label, self.viewer_label);
        let joined = || self.viewer.joined.clone();
        if let Some(glare) = self.glare(toward, from) {
            return Some(glare);
        }
        let Some(offer) = toward.and_then(|link| link.offer_out.clone()) else {
            let heard = self.broadcaster.announced.get(self.viewer_name);
            let binary = self.broadcaster.unreadable.as_ref().filter(|frame| frame.binary);
            return Some(match (heard, binary) {
                (None, Some(frame)) => Found {
                    message: format!(
                        "what the server says to {b} comes as binary frames, which nobody reads, so it never heard of {v}"
                    ),
                    ..Self::unreadable(CauseKind::NeverAnnounced, "", b, frame, joined())
                },
                (None, None) => Found {
                    kind: CauseKind::NeverAnnounced,
                    message: format!("{b} was never told that {v} is in the room"),
                    fix: "tell the broadcaster of every viewer, and of those who came before it when it joins",
                    last: joined(),
                    shown_by: None,
                },
                (Some(at), _) => Found {
                    kind: CauseKind::NoOffer,
                    message: format!("{b} was told of {v} and never made an offer"),
                    fix: "make a peer connection and an offer for each viewer that is announced",
                    last: Some(at.clone()),
                    shown_by: toward.and_then(|link| link.error.clone()).map(|(at, _)| at),
                },
            });
        };
        let Some(arrived) = from.and_then(|link| link.offer_in.clone()) else {
            if let Some(at) = from.and_then(|link| link.answer_in.clone()) {
                return Some(Found {
                    kind: CauseKind::OfferDamaged,
                    message: format!("{b}'s offer came to {v} as an answer"),
                    fix: "relay the type of a description untouched",
                    last: Some(offer),
                    shown_by: Some(at),
                });
            }
            if let Some(elsewhere) = self.misrouted(self.broadcaster_id, self.viewer_name, "offer") {
                return Some(Found {
                    kind: CauseKind::OfferMisrouted,
                    message: format!("{b}'s offer for {v} came to {}", elsewhere.peer),
                    fix: "send an offer to the viewer that it is for, by the id in it",
                    last: Some(offer),
                    shown_by: Some(elsewhere),
                });
            }
            if let Some(unreadable) = &self.viewer.unreadable {
                let what = format!("{b}'s offer");
                return Some(Self::unreadable(
                    CauseKind::OfferDamaged,
                    &what,
                    v,
                    unreadable,
                    Some(offer),
                ));
            }
            return Some(Found {
                kind: CauseKind::OfferNeverRelayed,
                message: self.never_came([self.broadcaster_id, self.viewer_name], "offer", [b, v]),
                fix: "relay offers to the viewer that they name; look at what the server does with a message for a peer that joined a moment ago",
                last: Some(offer),
                shown_by: None,
            });
        };
        let link = from?;
        if link.applied.is_none() {
            let changed = self.changed(self.broadcaster_id, self.viewer_name, "offer");
            let kind = if changed {
                CauseKind::OfferDamaged
            } else {
                CauseKind::OfferRejected
            };
            return Some(self.rejected(kind, v, b, "offer", link, arrived));
        }
        if link.answer_out.is_none() {
            return Some(Found {
                kind: CauseKind::NoAnswer,
                message: format!("{v} applied the offer and never sent an answer"),
                fix: "make an answer after setRemoteDescription, and send it to whom the offer came from",
                last: link.applied.clone(),
                shown_by: link.error.clone().map(|(at, _)| at),
            });
        }
        None
    }

    /// Whether what was sent under this name arrived as something else.
    fn changed(&self, from: &str, to: &str, name: &str) -> bool {
        let mut sent = self.checker.relay.between(from, to, name).peekable();
        sent.peek().is_some() && sent.all(|sent| sent.delivered == 0)
    }

    /// A description that the engine did not take.
    fn rejected(
        &self,
        kind: CauseKind,
        who: &str,
        of: &str,
        what: &str,
        link: &Link,
        arrived: EventRef,
    ) -> Found {
        let broken = self
            .checker
            .findings
            .iter()
            .find(|finding| finding.peer == who && finding.effect.number == arrived.number);
        let (why, shown_by) = match (broken, &link.error) {
            (Some(finding), _) => (
                format!("{}: {}", finding.rule, finding.message),
                Some(finding.effect.clone()),
            ),
            (None, Some((at, message))) => (message.clone(), Some(at.clone())),
            (None, None) => ("the engine does not say why".to_owned(), None),
        };
        let changed = matches!(kind, CauseKind::OfferDamaged | CauseKind::AnswerDamaged);
        Found {
            kind,
            message: format!(
                "{who} could not apply {of}'s {what}{}: {why}",
                if changed {
                    ", which arrived other than it was sent"
                } else {
                    ""
                }
            ),
            fix: if changed {
                "relay descriptions untouched"
            } else {
                "look at the rule or the error that is named, at the peer that made the description"
            },
            last: Some(arrived),
            shown_by,
        }
    }

    fn answer(&self, toward: &Link, from: &Link) -> Option<Found> {
        let (b, v) = (self.broadcaster_label, self.viewer_label);
        let sent = from.answer_out.clone();
        let Some(arrived) = toward.answer_in.clone() else {
            if let Some(at) = &toward.offer_in {
                return Some(Found {
                    kind: CauseKind::AnswerDamaged,
                    message: format!("{v}'s answer came to {b} as an offer"),
                    fix: "relay the type of a description untouched",
                    last: sent,
                    shown_by: Some(at.clone()),
                });
            }
            if let Some(elsewhere) = self.misrouted(self.viewer_id, self.broadcaster_name, "answer") {
                let renamed = elsewhere.peer == b;
                return Some(Found {
                    kind: CauseKind::AnswerMisrouted,
                    message: if renamed {
                        format!("{v}'s answer came to {b} as if somebody else had sent it")
                    } else {
                        format!("{v}'s answer for {b} came to {}", elsewhere.peer)
                    },
                    fix: "relay an answer to the broadcaster, with the id of the viewer that sent it",
                    last: sent,
                    shown_by: Some(elsewhere),
                });
            }
            if let Some(unreadable) = &self.broadcaster.unreadable {
                let what = format!("{v}'s answer");
                return Some(Self::unreadable(
                    CauseKind::AnswerDamaged,
                    &what,
                    b,
                    unreadable,
                    sent,
                ));
            }
            return Some(Found {
                kind: CauseKind::AnswerNeverRelayed,
                message: self.never_came([self.viewer_id, self.broadcaster_name], "answer", [v, b]),
                fix: "relay answers to the broadcaster, and to nobody else",
                last: sent,
                shown_by: None,
            });
        };
        if toward.applied.is_none() {
            let changed = self.changed(self.viewer_id, self.broadcaster_name, "answer");
            let kind = if changed {
                CauseKind::AnswerDamaged
            } else {
                CauseKind::AnswerRejected
            };
            return Some(self.rejected(kind, b, v, "answer", toward, arrived));
        }
        None
    }

    fn connectivity(&self, toward: &Link, from: &Link) -> Option<Found> {
        let (b, v) = (self.broadcaster_label, self.viewer_label);
        if toward.dtls_connected.is_some() && from.dtls_connected.is_some() {
            return None;
        }
        if let Some(found) = foreign_offer(self.checker, v) {
            return Some(found);
        }
        if let Some(at) = toward
            .wrong_certificate
            .as_ref()
            .or(from.wrong_certificate.as_ref())
        {
            return Some(Found {
                kind: CauseKind::FingerprintMismatch,
                message: format!(
                    "the certificate that came to {} is not the one that its peer's description promised",
                    at.peer
                ),
                fix: "relay a=fingerprint untouched, and make the description with the certificate that is used",
                last: from.applied.clone(),
                shown_by: Some(at.clone()),
            });
        }
        if toward.ice_connected.is_none() && from.ice_connected.is_none() {
            return Some(self.no_pair(toward, from));
        }
        let hello = |link: &Link| link.hello_out.clone();
        let (last, both) = (
            from.ice_connected
                .clone()
                .or_else(|| toward.ice_connected.clone()),
            (hello(toward), hello(from)),
        );
        Some(match both {
            (Some(_), Some(second)) => Found {
                kind: CauseKind::DtlsRolesClash,
                message: format!("{b} and {v} both sent a ClientHello, so both are clients"),
                fix: "an answer says setup:active or setup:passive, never actpass, and both sides keep to it",
                last,
                shown_by: Some(second),
            },
            (None, None) if toward.wire_is_read || from.wire_is_read => Found {
                kind: CauseKind::DtlsRolesClash,
                message: format!("{b} and {v} are connected by ICE, and neither sent a ClientHello"),
                fix: "an answer says setup:active or setup:passive, never actpass, and both sides keep to it",
                last,
                shown_by: None,
            },
            (one, other) => Found {
                kind: CauseKind::DtlsStuck,
                message: format!("the DTLS handshake between {b} and {v} began and never ended"),
                fix: "look for lost datagrams larger than the path carries, and at the engine's retransmissions (docs/engine.md)",
                last,
                shown_by: one.or(other),
            },
        })
    }

    fn no_pair(&self, toward: &Link, from: &Link) -> Found {
        let (b, v) = (self.broadcaster_label, self.viewer_label);
        for (who, link) in [(b, toward), (v, from)] {
            if link.candidate_out.is_none() && !has_candidates(link, true) {
                if let Some(refused) = &link.turn_refused {
                    return turn_refused(who, refused, link);
                }
                return Found {
                    kind: CauseKind::NoCandidates,
                    message: format!("{who} gathered no candidate"),
                    fix: "look for an interface that may be used, and for a STUN or TURN server that does not answer",
                    last: link.applied.clone(),
                    shown_by: link.ice_failed.clone(),
                };
            }
        }
        let bad = toward.bad_credentials.as_ref().or(from.bad_credentials.as_ref());
        let ways = [
            (b, toward, v, from, self.broadcaster_id, self.viewer_name),
            (v, from, b, toward, self.viewer_id, self.broadcaster_name),
        ];
        // One side's candidates are enough to connect, so both have to be missing or useless.
        let mut missing = Vec::new();
        for (sender, sent, receiver, got, sender_id, receiver_id) in ways {
            if has_candidates(got, false) {
                continue;
            }
            let first = self
                .first_sent(sender_id, receiver_id, "candidate")
                .map(|sent| sent.event);
            let useless = got.candidates_discarded + got.unusable_candidates;
            if let Some(at) = got.discarded.as_ref().filter(|_| useless >= got.candidates_in) {
                missing.push(Found {
                    kind: CauseKind::EarlyCandidateLost,
                    message: format!(
                        "{receiver} got {sender}'s candidates before its description, and threw them away"
                    ),
                    fix: "keep candidates that come before setRemoteDescription, and add them after it",
                    last: got.candidate_in.clone(),
                    shown_by: Some(at.clone()),
                });
            } else if got.candidates_in == 0 {
                let elsewhere = self.misrouted(sender_id, receiver_id, "candidate");
                missing.push(match elsewhere {
                    Some(at) => Found {
                        kind: CauseKind::CandidatesMisrouted,
                        message: format!("{sender}'s candidates for {receiver} came to {}", at.peer),
                        fix: "relay a candidate to the peer that it names",
                        last: first,
                        shown_by: Some(at),
                    },
                    None => Found {
                        kind: CauseKind::CandidatesNeverRelayed,
                        message: format!("{sender}'s candidates never came to {receiver}"),
                        fix: "relay candidates both ways, also before the answer",
                        last: first.or_else(|| sent.candidate_out.clone()),
                        shown_by: None,
                    },
                });
            } else if got.unusable_candidates >= got.candidates_in {
                missing.push(Found {
                    kind: CauseKind::CandidatesDamaged,
                    message: format!("no candidate of {sender} that came to {receiver} can be used"),
                    fix: "relay candidate, sdpMid, sdpMLineIndex and usernameFragment untouched",
                    last: first,
                    shown_by: got.candidate_in.clone(),
                });
            }
        }
        if let Some(at) = bad {
            return Found {
                kind: CauseKind::CredentialsMismatch,
                message: format!(
                    "connectivity checks at {} use other ICE credentials than the descriptions say",
                    at.peer
                ),
                fix: "relay a=ice-ufrag and a=ice-pwd untouched, and send candidates of the current generation only",
                last: from.checking.clone().or_else(|| toward.checking.clone()),
                shown_by: Some(at.clone()),
            };
        }
        // Candidates of one side are enough, if the other side's checks tell it the address (RFC 8445 section 7.3.1.3).
        let neither_way = missing.len() == 2;
        if neither_way || (missing.len() == 1 && toward.answers_in + from.answers_in == 0) {
            missing.sort_by_key(|found| found.kind);
            if let Some(found) = missing.into_iter().next() {
                return found;
            }
        }
        if let Some(found) = self.role_conflict(toward, from) {
            return found;
        }
        for (who, link) in [(b, toward), (v, from)] {
            if let Some(refused) = &link.turn_refused {
                return turn_refused(who, refused, link);
            }
        }
        Found {
            kind: CauseKind::IceTimedOut,
            message: format!(
                "no connectivity check between {b} and {v} was answered: {b} sent {} and got {}, {v} sent {} and got {}",
                toward.checks_out, toward.checks_in, from.checks_out, from.checks_in
            ),
            fix: "the candidates cannot reach each other: look at NATs and firewalls, and give the peers a TURN server",
            last: from.checking.clone().or_else(|| toward.checking.clone()),
            shown_by: from.ice_failed.clone().or_else(|| toward.ice_failed.clone()),
        }
    }

    /// Both agents claim the same role, or tell each other so again and again.
    fn role_conflict(&self, toward: &Link, from: &Link) -> Option<Found> {
        let (b, v) = (self.broadcaster_label, self.viewer_label);
        let same = match (toward.claims_control, from.claims_control) {
            (Some(one), Some(other)) if one == other => Some(one),
            _ => None,
        };
        let refused = toward.conflict.as_ref().or(from.conflict.as_ref());
        let message = match (same, refused) {
            (Some(controlling), _) => format!(
                "{b} and {v} both say that they are {}",
                if controlling { "controlling" } else { "controlled" }
            ),
            (None, Some(_)) => {
                format!(
                    "checks between {b} and {v} are answered with 487 again and again, so their role conflict never ends"
                )
            }
            (None, None) => return None,
        };
        Some(Found {
            kind: CauseKind::IceRoleConflict,
            message,
            fix: "the offerer controls; a 487 answer makes the other side switch",
            last: from.checking.clone().or_else(|| toward.checking.clone()),
            shown_by: refused.cloned().or_else(|| toward.ice_failed.clone()),
        })
    }

    fn media(&self, toward: &Link, from: &Link) -> Option<Found> {
        let (b, v) = (self.broadcaster_label, self.viewer_label);
        let connected = from
            .dtls_connected
            .clone()
            .or_else(|| toward.dtls_connected.clone());
        Some(match &from.first_video_packet {
            None if from.first_packet.is_some() => Found {
                kind: CauseKind::NoMedia,
                message: format!("sound comes from {b} to {v}, and no video packet ever came"),
                fix: "look at whether the answer accepts the video's codec and direction",
                last: from.first_packet.clone(),
                shown_by: None,
            },
            None => Found {
                kind: CauseKind::NoMedia,
                message: format!("{v} is connected to {b}, and no media packet ever came"),
                fix: "look at the direction of each m-section, and whether tracks were added before the offer",
                last: connected,
                shown_by: None,
            },
            Some(at) => Found {
                kind: CauseKind::NoKeyFrame,
                message: format!(
                    "media comes from {b} to {v}, and never a key frame that a decoder can start with"
                ),
                fix: "send a key frame when a viewer connects and when it asks for one (PLI)",
                last: Some(at.clone()),
                shown_by: None,
            },
        })
    }
}

/// Nobody relays for a peer that its TURN server has refused.
fn turn_refused(who: &str, refused: &TurnRefused, link: &Link) -> Found {
    let TurnRefused {
        server,
        method,
        code,
        event,
    } = refused;
    let (message, fix) = match code {
        401 | 441 => (
            format!("the TURN server {server} refused the user name or password of {who}, with {code}"),
            "give the user name and password that the TURN server knows: --turn-user and --turn-password-file",
        ),
        486 | 508 => (
            format!("the TURN server {server} has no room for {who}, and refused its {method} with {code}"),
            "raise the TURN server's quotas and its range of ports, or ask it for fewer connections",
        ),
        _ => (
            format!("the TURN server {server} refused the {method} of {who} with {code}"),
            "look at the TURN server's log at that moment; 403 is a peer address that it may not relay to",
        ),
    };
    Found {
        kind: CauseKind::TurnRefused,
        message,
        fix,
        last: link.applied.clone(),
        shown_by: Some(event.clone()),
    }
}

/// Whether candidates stand in a description: the local one's, or the remote one's.
fn has_candidates(link: &Link, local: bool) -> bool {
    let sdp = if local {
        link.negotiation.local()
    } else {
        link.negotiation.remote()
    };
    sdp.is_some_and(|sdp| sdp.sections.iter().any(|section| !section.candidates.is_empty()))
}
