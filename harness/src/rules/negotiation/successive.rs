//! What a description must be because of what was negotiated before: OA-06, OA-07, OA-08, OA-09, OA-13, OA-14, DT-03.
//!
//! Owns the comparison with the last complete exchange. It must not look into formats, which may change freely.

use super::super::sdp::{Sdp, Section, Setup};
use super::answer::shared;
use super::breach::Breaches;
use super::transport::{clip, line, media_line, name, owners, tag, transport};
use super::{Described, Exchange};

/// OA-08 (RFC 9429 section 5.2.2, RFC 3264 section 8): `new` follows `old` from the same side.
pub(super) fn origin(old: &Sdp, new: &Sdp, breaches: &mut Breaches) {
    const FIX: &str = "keep the o= line of the session and raise its version by 1 for every change";
    let Some(before) = &old.origin else {
        return;
    };
    let quote = new.line("o");
    let Some(now) = &new.origin else {
        breaches.add(
            "OA-08",
            format!(
                "the description has no o= line that can be read; session {} was expected",
                clip(&before.session_id)
            ),
            quote,
            FIX,
        );
        return;
    };
    if now.session_id != before.session_id || now.rest != before.rest {
        breaches.add(
            "OA-08",
            format!(
                "the o= line names session {} ({}); {} ({}) was expected, as in the side's last description",
                clip(&now.session_id),
                clip(&now.rest),
                clip(&before.session_id),
                clip(&before.rest)
            ),
            quote,
            FIX,
        );
        return;
    }
    let changed = !new.same_content(old);
    if now.version < before.version || (changed && now.version == before.version) {
        // str0m never raises its version (`o=str0m-0.24.0 <session> 2 IN IP4 0.0.0.0`), and nobody minds.
        let is_constant = now.version == before.version && now.rest.starts_with("str0m-");
        let rule = if is_constant { "OA-08-constant" } else { "OA-08" };
        let what = if changed {
            "the description changed"
        } else {
            "the description is the same"
        };
        let least = if changed {
            before.version.saturating_add(1)
        } else {
            before.version
        };
        breaches.add(
            rule,
            format!(
                "{what} and its session version is {}; {least} was expected",
                now.version
            ),
            quote,
            FIX,
        );
    } else if changed && now.version - before.version > 1 {
        breaches.add(
            "OA-08-jump",
            format!(
                "the session version went from {} to {}; a rise by 1 was expected",
                before.version, now.version
            ),
            quote,
            FIX,
        );
    }
}

/// Reports where `described` breaks what `current` negotiated; `offer` is the offer that it answers, if it is an
/// answer.
pub(super) fn check(
    current: &Exchange,
    described: &Described,
    offer: Option<&Described>,
    breaches: &mut Breaches,
) {
    let Some(sdp) = &described.sdp else {
        return;
    };
    let Some((old_offer, old_answer)) = current.sdps() else {
        return;
    };
    breaches.of(current.answer.event, |breaches| {
        if offer.is_none() {
            sections(old_offer, old_answer, sdp, breaches);
            bundling(old_answer, sdp, breaches);
        }
    });
    let before = current.of(described.side).event;
    breaches.of(before, |breaches| {
        transports(current, described, sdp, offer, breaches)
    });
}

/// OA-06, and OA-07 for live sections (RFC 9429 section 5.2.2, RFC 3264 section 8).
fn sections(old_offer: &Sdp, old_answer: &Sdp, new: &Sdp, breaches: &mut Breaches) {
    if new.sections.len() < old_offer.sections.len() {
        breaches.add(
            "OA-06",
            format!(
                "the offer has {} m= sections; at least the {} that were negotiated were expected",
                new.sections.len(),
                old_offer.sections.len()
            ),
            new.sections.last().and_then(media_line),
            "never drop an m= section: disable it with port 0",
        );
    }
    for (index, (old, new_section)) in old_offer.sections.iter().zip(&new.sections).enumerate() {
        let was_live = !old.rejected()
            && old_answer
                .sections
                .get(index)
                .is_some_and(|section| !section.rejected());
        let same_mid = old.mid == new_section.mid;
        if !was_live {
            if same_mid && old.mid.is_some() && !new_section.rejected() {
                breaches.add(
                    "OA-06",
                    format!(
                        "{} was rejected and is offered again with its old mid; a new mid was expected",
                        name(new_section, index)
                    ),
                    new_section.line("mid"),
                    "give a recycled m= section a new mid",
                );
            }
            continue;
        }
        // Where one has no mid, only the media type tells that a section was replaced.
        let replaced = !same_mid && old.mid.is_some() && new_section.mid.is_some();
        let is_reordered = replaced
            && new_section
                .mid
                .as_deref()
                .is_some_and(|mid| old_offer.section(mid).is_some());
        if is_reordered || old.media != new_section.media {
            breaches.add(
                "OA-06",
                format!(
                    "m= section number {index} is {} in the offer; {} was expected in its place, as negotiated",
                    name(new_section, index),
                    name(old, index)
                ),
                new_section.line("mid").or(media_line(new_section)),
                "keep the order of the m= sections; recycle only one with port 0",
            );
        } else if replaced {
            breaches.add(
                "OA-07",
                format!(
                    "the live m= section number {index} is now {}; its mid {} was expected to stay",
                    name(new_section, index),
                    clip(old.mid.as_deref().unwrap_or_default())
                ),
                new_section.line("mid"),
                "keep the mid of a section for as long as it lives",
            );
        }
    }
}

/// OA-09 for offers of what is bundled already (RFC 9429 section 5.2.2).
fn bundling(old_answer: &Sdp, new: &Sdp, breaches: &mut Breaches) {
    let was_bundled = |mid: &str| {
        old_answer.bundle_of(mid).is_some()
            && old_answer.section(mid).is_some_and(|section| !section.rejected())
    };
    for (index, section) in new.sections.iter().enumerate() {
        let bundled = section.mid.as_deref().is_some_and(was_bundled);
        if section.bundle_only && bundled {
            breaches.add(
                "OA-09",
                format!(
                    "{} is offered bundle-only although it is bundled already; a plain section was expected",
                    name(section, index)
                ),
                section.line("bundle-only"),
                "drop a=bundle-only once bundling is negotiated",
            );
        }
    }
    let bundled = new.sections.iter().filter(|section| {
        let tag = tag(new, &new.groups, section).and_then(|(_, tag)| tag.mid.as_deref());
        // A section that joins the bundle now may still have a transport of its own to offer.
        section.mid.as_deref().is_some_and(was_bundled) && tag.is_some_and(was_bundled)
    });
    shared(new, bundled, breaches);
}

/// OA-13 (RFC 8842 section 5.3), OA-14 (RFC 9429 section 5.2.2, RFC 8445 section 9) and DT-03 (RFC 9429 section 5.8.3),
/// per transport that was there before.
fn transports(
    current: &Exchange,
    described: &Described,
    sdp: &Sdp,
    offer: Option<&Described>,
    breaches: &mut Breaches,
) {
    let (Some(old), Some((old_offer, old_answer))) = (&current.of(described.side).sdp, current.sdps()) else {
        return;
    };
    let was = |sdp: &Sdp, index: usize, section: &Section| {
        let known = sdp.sections.get(index);
        known.is_some_and(|known| !known.rejected() && known.mid == section.mid)
    };
    for (owner, section) in owners(sdp) {
        // Where the section that speaks for a bundle is a new one, those that were bundled before keep the transport
        // (RFC 9143 section 7.5).
        let bundle = section.mid.as_deref().and_then(|mid| sdp.bundle_of(mid));
        let bundled = sdp.sections.iter().enumerate().filter(|(_, member)| {
            let mid = member.mid.as_deref();
            !member.rejected() && bundle.is_some_and(|bundle| mid.is_some_and(|mid| bundle.contains(mid)))
        });
        let mut known = [(owner, section)].into_iter().chain(bundled);
        let lived = |(index, section): &(usize, &Section)| {
            was(old_offer, *index, section) && was(old_answer, *index, section)
        };
        let Some((index, _)) = known.find(lived) else {
            continue;
        };
        // An initial offer may have had credentials per section; those of the bundle that was accepted counted.
        let groups = &old_answer.groups;
        let (Some(then), Some(now)) = (transport(old, groups, index), transport(sdp, &sdp.groups, owner))
        else {
            continue;
        };
        let named = name(section, owner);
        let quote = line(sdp, section, "ice-ufrag").or(media_line(section));
        let restarted = now.restarted(&then);
        let half = now
            .pwd_changed(&then)
            .is_some_and(|changed| changed != now.ufrag_changed(&then));
        if half {
            let (new, kept) = if now.ufrag_changed(&then) {
                ("ice-ufrag", "ice-pwd")
            } else {
                ("ice-pwd", "ice-ufrag")
            };
            breaches.add(
                "OA-14",
                format!(
                    "{named} has a new {new} and its old {kept}; both or neither were expected to change"
                ),
                quote,
                "change ice-ufrag and ice-pwd together to restart ICE, or neither",
            );
        }
        let other_side = offer.and_then(|offer| {
            let old = current.of(offer.side).sdp.as_ref()?;
            let sdp = offer.sdp.as_ref()?;
            Some((
                transport(old, groups, index)?,
                transport(sdp, &sdp.groups, index)?,
            ))
        });
        if let Some((then_offered, offered)) = other_side.as_ref().filter(|_| !half) {
            let is_asked = offered.restarted(then_offered);
            let what = match (is_asked, restarted) {
                (true, false) => {
                    "the offer restarts ICE and the answer keeps its old credentials; new ones were expected"
                }
                (false, true) => {
                    "the answer has new ICE credentials; the old ones were expected, because the offer restarts nothing"
                }
                _ => "",
            };
            if !what.is_empty() {
                breaches.add(
                    "OA-14",
                    format!("in {named} {what}"),
                    quote,
                    "answer with new credentials if and only if the offer has new ones",
                );
            }
        }
        let renewed = now.association_changed(&then);
        if renewed && !restarted {
            breaches.add(
                "DT-03",
                format!("{named} has another fingerprint or tls-id and its old ICE credentials; an ICE restart was expected with it"),
                line(sdp, section, "fingerprint").or(media_line(section)),
                "restart ICE in the description that changes the certificate",
            );
        }
        let Some((then_offered, offered)) = other_side else {
            continue;
        };
        if !renewed && !offered.association_changed(&then_offered) {
            let was_active = role(old_answer, index)
                .map(|setup| (setup == Setup::Active) == (current.answer.side == described.side));
            let is_active = match section.setup {
                Some(Setup::Active) => Some(true),
                Some(Setup::Passive) => Some(false),
                _ => None,
            };
            if let (Some(was_active), Some(is_active)) = (was_active, is_active)
                && was_active != is_active
            {
                let (came, expected) = if is_active {
                    ("active", "passive")
                } else {
                    ("passive", "active")
                };
                breaches.add(
                    "OA-13",
                    format!("{named} was answered {came} over a DTLS association in which this side is {expected}; {expected} was expected"),
                    line(sdp, section, "setup"),
                    "answer with the DTLS role that the running association gave",
                );
            }
        }
    }
}

/// The role that an answer took in the transport of the section at `index`.
fn role(answer: &Sdp, index: usize) -> Option<Setup> {
    let own = answer.sections.get(index)?;
    let section = tag(answer, &answer.groups, own).map_or(own, |(_, tag)| tag);
    section
        .setup
        .filter(|setup| matches!(setup, Setup::Active | Setup::Passive))
}
