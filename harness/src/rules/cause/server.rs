//! Causes where a media server stands between: each bot has a connection to the server, and none to another bot.
//!
//! Owns the order of the steps at one such end. The broadcaster's end comes first, because without it there is nothing to
//! play.

use super::{Found, broadcaster_of, not_joined};
use crate::rules::Checker;
use crate::rules::finding::CauseKind;
use crate::rules::link::Link;
use crate::rules::room::Bot;

/// Whether a viewer has its media from a server: its peer is no bot.
pub(super) fn is_between(checker: &Checker, label: &str, viewer: &Bot) -> bool {
    let mut names = viewer.links.keys();
    viewer.through_server
        || names.next().is_some()
            && viewer
                .links
                .keys()
                .all(|name| checker.whom(label, name).is_none())
}

/// The first step that broke, at the broadcaster's end or at the viewer's.
pub(super) fn first_broken(checker: &Checker, label: &str, viewer: &Bot) -> Found {
    if let Some((label, broadcaster)) = broadcaster_of(checker, viewer) {
        let up = broadcaster
            .links
            .values()
            .any(|link| link.dtls_connected.is_some());
        if broadcaster.joined.is_none() {
            return Found {
                kind: CauseKind::NoBroadcaster,
                ..not_joined(label, broadcaster)
            };
        }
        if !up {
            return at_end(label, broadcaster);
        }
    }
    at_end(label, viewer)
}

/// The first step that broke at a bot's end.
fn at_end(who: &str, bot: &Bot) -> Found {
    let found = |kind, message: String, fix| Found {
        kind,
        message,
        fix,
        last: bot.joined.clone(),
        shown_by: None,
    };
    // Of several connections the one that came furthest.
    let furthest = bot.links.values().max_by_key(|link| {
        let steps = [
            &link.applied,
            &link.ice_connected,
            &link.dtls_connected,
            &link.first_packet,
        ];
        steps.iter().filter(|step| step.is_some()).count()
    });
    let Some(link) = furthest.filter(|link| link.offer_out.is_some() || link.offer_in.is_some()) else {
        return found(
            CauseKind::NoOffer,
            format!("no offer went between {who} and its media server"),
            "look at the server's replies: a join or a subscription that was refused, or a stream that nobody publishes",
        );
    };
    described(who, link)
        .or_else(|| connected(who, link))
        .unwrap_or_else(|| media(who, link))
}

fn described(who: &str, link: &Link) -> Option<Found> {
    let error = link.error.clone();
    let (kind, message, fix, last) = match (&link.offer_out, &link.offer_in) {
        (Some(offer), _) if link.answer_in.is_none() => (
            CauseKind::NoAnswer,
            format!("{who}'s offer was never answered by its media server"),
            "look at the server's reply to it, and at its log at that moment",
            offer.clone(),
        ),
        (Some(_), _) if link.applied.is_none() => (
            CauseKind::AnswerRejected,
            format!("{who} could not apply the answer of its media server"),
            "look at the rule or the error that is named",
            link.answer_in.clone()?,
        ),
        (None, Some(offer)) if link.applied.is_none() => (
            CauseKind::OfferRejected,
            format!("{who} could not apply the offer of its media server"),
            "look at the rule or the error that is named",
            offer.clone(),
        ),
        (None, Some(_)) if link.answer_out.is_none() => (
            CauseKind::NoAnswer,
            format!("{who} applied its media server's offer and never sent an answer"),
            "make an answer after setRemoteDescription, and send it to the server",
            link.applied.clone()?,
        ),
        _ => return None,
    };
    let message = match &error {
        Some((_, why)) => format!("{message}: {why}"),
        None => message,
    };
    Some(Found {
        kind,
        message,
        fix,
        last: Some(last),
        shown_by: error.map(|(at, _)| at),
    })
}

fn connected(who: &str, link: &Link) -> Option<Found> {
    if link.dtls_connected.is_some() {
        return None;
    }
    let (kind, message, fix, shown_by) = if let Some(at) = &link.wrong_certificate {
        (
            CauseKind::FingerprintMismatch,
            format!(
                "the certificate that came to {who} is not the one that its media server's description promised"
            ),
            "make the description with the certificate that is used",
            Some(at.clone()),
        )
    } else if link.ice_connected.is_some() {
        (
            CauseKind::DtlsStuck,
            format!("the DTLS handshake between {who} and its media server never ended"),
            "look at a=setup in both descriptions, and for lost datagrams larger than the path carries",
            link.hello_out.clone(),
        )
    } else {
        (
            CauseKind::IceTimedOut,
            format!(
                "no connectivity check between {who} and its media server was answered: {who} sent {} and got {}",
                link.checks_out, link.checks_in
            ),
            "look at the addresses that the server offers: one that it does not have outside its own network is the usual one",
            link.ice_failed.clone(),
        )
    };
    Some(Found {
        kind,
        message,
        fix,
        last: link.ice_connected.clone().or_else(|| link.applied.clone()),
        shown_by,
    })
}

fn media(who: &str, link: &Link) -> Found {
    let (kind, message, fix) = if link.first_video_packet.is_some() {
        (
            CauseKind::NoKeyFrame,
            format!(
                "media comes from the media server to {who}, and never a key frame that a decoder can start with"
            ),
            "have the server ask the broadcaster for a key frame (PLI) when a viewer connects",
        )
    } else {
        (
            CauseKind::NoMedia,
            format!("{who} is connected to its media server, and no video packet ever came"),
            "look at whether the server has the broadcaster's stream, and at the codecs of both connections",
        )
    };
    Found {
        kind,
        message,
        fix,
        last: link.dtls_connected.clone(),
        shown_by: None,
    }
}
