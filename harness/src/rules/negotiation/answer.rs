//! What an answer must be because of its offer: OA-05, OA-07, OA-09, OA-11, OA-12, OA-13, OA-16, RT-02, TR-09.
//!
//! Owns the comparison of an answer with its offer, position by position. It must not look at earlier exchanges.

use super::super::sdp::{Codec, Direction, Sdp, Section, Setup};
use super::Once;
use super::breach::Breaches;
use super::transport::{clip, line, media_line, name, owners, tag};

/// The feedback that Janus writes into its answers whatever was offered (`janus_sdp_generate_answer`). A peer that
/// did not offer it does not send it, so nothing breaks.
const JANUS_FEEDBACK: [&str; 5] = ["ccm fir", "nack", "nack pli", "goog-remb", "transport-cc"];

/// Reports where `answer` does not fit `offer`.
pub(super) fn check(
    offer: &Sdp,
    answer: &Sdp,
    is_initial: bool,
    once: &mut Once<'_>,
    breaches: &mut Breaches,
) {
    if offer.sections.len() != answer.sections.len() {
        // RFC 9429 section 5.8.3, RFC 3264 section 6.
        breaches.add(
            "OA-05",
            format!(
                "the answer has {} m= sections; as many as the offer's {} were expected",
                answer.sections.len(),
                offer.sections.len()
            ),
            answer.sections.last().and_then(media_line),
            "answer every m= section of the offer in its place, rejecting with port 0 what is not wanted",
        );
    }
    bundles(offer, answer, breaches);
    for (index, (offered, answered)) in offer.sections.iter().zip(&answer.sections).enumerate() {
        if offered.media != answered.media || offered.proto != answered.proto {
            breaches.add(
                "OA-05",
                format!(
                    "{} is {} over {} in the answer; {} over {} was expected as offered",
                    name(offered, index),
                    clip(&answered.media),
                    clip(&answered.proto),
                    clip(&offered.media),
                    clip(&offered.proto)
                ),
                media_line(answered),
                "answer with the media type and the transport that were offered",
            );
            // Nothing else about the two can be compared.
            continue;
        }
        mid(offered, answered, index, breaches);
        if answered.bundle_only {
            breaches.add(
                "OA-09",
                format!(
                    "{} is bundle-only in the answer; that was expected in offers alone",
                    name(answered, index)
                ),
                answered.line("bundle-only"),
                "never write a=bundle-only into an answer",
            );
        }
        if answered.rejected() {
            continue;
        }
        direction(offered, answered, index, breaches);
        if offered.is_rtp() {
            formats(offered, answered, index, breaches);
            feedback(offered, answered, index, breaches);
            if offered.rtcp_mux && !answered.rtcp_mux && !answered.rtcp_mux_only {
                breaches.add(
                    "RT-02",
                    format!(
                        "{} was answered without a=rtcp-mux, which was offered and expected",
                        name(answered, index)
                    ),
                    media_line(answered),
                    "answer a=rtcp-mux with a=rtcp-mux",
                );
            }
        }
    }
    setup(offer, answer, breaches);
    if is_initial {
        trickle(offer, answer, once, breaches);
    }
}

/// OA-07 (RFC 9429 section 5.3.1). What rejects a section needs no mid any more.
fn mid(offered: &Section, answered: &Section, index: usize, breaches: &mut Breaches) {
    if offered.mid == answered.mid || (answered.rejected() && answered.mid.is_none()) {
        return;
    }
    let came = answered
        .mid
        .as_ref()
        .map_or("no a=mid".to_owned(), |mid| format!("a=mid:{}", clip(mid)));
    let expected = offered
        .mid
        .as_ref()
        .map_or("none was expected, as offered".to_owned(), |mid| {
            format!("a=mid:{} was expected, as offered", clip(mid))
        });
    breaches.add(
        "OA-07",
        format!("m= section number {index} has {came} in the answer; {expected}"),
        answered.line("mid").or(media_line(answered)),
        "echo the offer's mid in the same place",
    );
}

/// OA-09 and OA-11 (RFC 9143 section 7.3, RFC 9429 section 5.3.1).
fn bundles(offer: &Sdp, answer: &Sdp, breaches: &mut Breaches) {
    for group in answer.groups.iter().filter(|group| group.is_bundle()) {
        let offered = group.mids.first().and_then(|tag| offer.bundle_of(tag));
        for mid in &group.mids {
            if !offered.is_some_and(|offered| offered.contains(mid)) {
                breaches.add(
                    "OA-09",
                    format!(
                        "the answer bundles section {}; only what one group of the offer has was expected",
                        clip(mid)
                    ),
                    answer.line("group"),
                    "bundle a subset of what was offered",
                );
            }
        }
        shared(
            answer,
            group.mids.iter().filter_map(|mid| answer.section(mid)),
            breaches,
        );
    }
    for group in offer.groups.iter().filter(|group| group.is_bundle()) {
        let answer_of = |mid: &String| {
            let index = offer
                .sections
                .iter()
                .position(|section| section.mid.as_ref() == Some(mid))?;
            answer.sections.get(index)
        };
        // A section that is disabled in the offer is nobody's tag.
        let mut live = group
            .mids
            .iter()
            .filter(|mid| offer.section(mid).is_some_and(|s| !s.rejected()));
        let Some(tag) = live.next() else {
            continue;
        };
        let is_rejected = answer_of(tag).is_some_and(Section::rejected);
        let survivor = live.find(|mid| answer_of(mid).is_some_and(|section| !section.rejected()));
        if let Some(survivor) = survivor.filter(|mid| is_rejected && answer.bundle_of(mid).is_some()) {
            breaches.add(
                "OA-11",
                format!(
                    "section {} is rejected although the offered bundle's transport is its, while section {} is \
                     accepted in that bundle; the whole bundle was expected to be rejected",
                    clip(tag),
                    clip(survivor)
                ),
                answer_of(tag).and_then(media_line),
                "accept the first section of the bundle (inactive, if need be) or reject all of them",
            );
        }
    }
}

/// OA-09: bundled sections that write ICE credentials write the same ones.
pub(super) fn shared<'a>(sdp: &Sdp, sections: impl Iterator<Item = &'a Section>, breaches: &mut Breaches) {
    for section in sections.filter(|section| !section.rejected()) {
        let Some((_, tag)) = tag(sdp, &sdp.groups, section) else {
            continue;
        };
        let written = section.line("ice-ufrag");
        if written.is_some() && tag.ice_ufrag.is_some() && tag.ice_ufrag != section.ice_ufrag {
            breaches.add(
                "OA-09",
                format!(
                    "section {} is bundled and has another ice-ufrag than its bundle; one transport was expected",
                    clip(section.mid.as_deref().unwrap_or_default())
                ),
                written,
                "write one set of ICE credentials for all sections of a bundle",
            );
        }
    }
}

/// OA-12 (RFC 3264 section 6.1). A data channel has no direction.
fn direction(offered: &Section, answered: &Section, index: usize, breaches: &mut Breaches) {
    use Direction::{Inactive, Recvonly, Sendonly, Sendrecv};
    let expected = match offered.direction {
        Sendonly => "recvonly or inactive",
        Recvonly => "sendonly or inactive",
        Inactive => "inactive",
        Sendrecv => return,
    };
    let fits = match answered.direction {
        Inactive => true,
        Recvonly => offered.direction == Sendonly,
        Sendonly => offered.direction == Recvonly,
        Sendrecv => false,
    };
    if !fits && offered.media != "application" {
        breaches.add(
            "OA-12",
            format!(
                "{} was offered {} and answered {}; {expected} was expected",
                name(answered, index),
                offered.direction,
                answered.direction
            ),
            answered
                .line(&answered.direction.to_string())
                .or(media_line(answered)),
            "reverse the offered direction in the answer, and take only away from it",
        );
    }
}

/// OA-13 for answers (RFC 9429 section 5.3.1, RFC 4145 section 4.1).
fn setup(offer: &Sdp, answer: &Sdp, breaches: &mut Breaches) {
    for (index, answered) in owners(answer) {
        let Some(offered) = offer.sections.get(index) else {
            continue;
        };
        // The offer's bundle may have its a=setup in another section.
        let offered = offered
            .setup
            .or_else(|| tag(offer, &offer.groups, offered)?.1.setup);
        let fits = matches!(
            (offered, answered.setup),
            (Some(Setup::Active), Some(Setup::Passive))
                | (Some(Setup::Passive), Some(Setup::Active))
                | (Some(Setup::Actpass) | None, Some(Setup::Active | Setup::Passive))
                | (Some(Setup::Holdconn), Some(_))
        );
        if fits {
            continue;
        }
        let expected = match offered {
            Some(Setup::Active) => "passive",
            Some(Setup::Passive) => "active",
            _ => "active or passive",
        };
        let written = line(answer, answered, "setup");
        let came = written.map_or("without a=setup".to_owned(), |line| {
            format!("with {}", clip(line))
        });
        breaches.add(
            "OA-13",
            format!(
                "{} was answered {came}; {expected} was expected",
                name(answered, index)
            ),
            written.or(media_line(answered)),
            "answer with the DTLS role that the offer leaves, active by preference",
        );
    }
}

/// What repairs, thins out or accompanies a codec, and carries nothing without one.
const AUXILIARY: [&str; 6] = ["rtx", "red", "ulpfec", "flexfec-03", "cn", "telephone-event"];

/// OA-16 (RFC 9429 section 5.3.1): formats are compared by codec, because numbers may differ each way. One in common is
/// enough: RFC 3264 section 6.1 lets an answer list more than was offered.
fn formats(offered: &Section, answered: &Section, index: usize, breaches: &mut Breaches) {
    let codecs = |section: &Section| -> Vec<Codec> {
        let codecs = section.formats.iter().filter_map(|format| section.codec(format));
        codecs.collect()
    };
    let offered = codecs(offered);
    let is_auxiliary = |codec: &Codec| AUXILIARY.contains(&codec.name.as_str());
    let only_auxiliary = offered.iter().all(is_auxiliary);
    let in_common = |codec: &Codec| offered.contains(codec) && (only_auxiliary || !is_auxiliary(codec));
    let answered_codecs = codecs(answered);
    if answered_codecs.iter().any(in_common) {
        return;
    }
    let came = answered_codecs
        .iter()
        .find(|codec| !offered.contains(codec))
        .map_or("without a codec".to_owned(), |codec| {
            format!("{}/{}/{}", clip(&codec.name), codec.clock, codec.channels)
        });
    let of_first = answered
        .formats
        .first()
        .and_then(|format| answered.line_of("rtpmap", format));
    breaches.add(
        "OA-16",
        format!(
            "{} was accepted with none of the offered codecs ({came}); at least one of them was expected",
            name(answered, index)
        ),
        of_first.or(media_line(answered)),
        "answer with a codec that was offered, or reject the section with port 0",
    );
}

/// OA-16 for a=rtcp-fb (RFC 4585 section 4.2).
fn feedback(offered: &Section, answered: &Section, index: usize, breaches: &mut Breaches) {
    for (payload_type, feedback) in &answered.rtcp_fb {
        let codec = answered.codec(payload_type);
        let is_same_codec = |number: &str| codec.is_some() && offered.codec(number) == codec;
        // What the answer adds to the offered codecs has nothing to be compared with.
        if codec.is_some() && !offered.formats.iter().any(|number| is_same_codec(number)) {
            continue;
        }
        // The same number with the same codec is that payload type; else any number that has the codec.
        let is_same_number = is_same_codec(payload_type);
        let is_offered = offered.rtcp_fb.iter().any(|(number, offered)| {
            let applies = number == "*"
                || payload_type == "*"
                || number == payload_type
                || (!is_same_number && is_same_codec(number));
            applies && offered == feedback
        });
        if is_offered {
            continue;
        }
        let rule = if JANUS_FEEDBACK.contains(&feedback.as_str()) {
            "OA-16-feedback"
        } else {
            "OA-16"
        };
        let quote = answered.lines.iter().find(|line| {
            let value = line
                .strip_prefix("a=rtcp-fb:")
                .and_then(|value| value.split_once(char::is_whitespace));
            value.is_some_and(|(number, value)| {
                let words = value.split_whitespace().map(str::to_ascii_lowercase);
                number == payload_type && words.eq(feedback.split(' ').map(str::to_owned))
            })
        });
        breaches.add(
            rule,
            format!(
                "{} was answered with feedback {:?} for payload type {}, which was not offered; a subset of the \
                 offered feedback was expected",
                name(answered, index),
                clip(feedback),
                clip(payload_type)
            ),
            quote.map(String::as_str),
            "answer only with a=rtcp-fb lines that were offered for the codec",
        );
    }
}

/// TR-09 for answers (RFC 9429 section 5.3.1, RFC 8840 section 4.1).
fn trickle(offer: &Sdp, answer: &Sdp, once: &mut Once<'_>, breaches: &mut Breaches) {
    for (index, answered) in owners(answer) {
        let Some(offered) = offer.sections.get(index) else {
            continue;
        };
        let announces = |section: &Section| section.ice_options.iter().any(|option| option == "trickle");
        let offered_anywhere = announces(offered) || offer.sections.iter().any(announces);
        if !announces(answered) || offered_anywhere {
            continue;
        }
        // An offer without the line comes from a stack that never writes it and trickles all the same.
        let is_silent = offer
            .sections
            .iter()
            .all(|section| section.ice_options.is_empty());
        let rule = if is_silent { "TR-09-unannounced" } else { "TR-09" };
        if once.first(if is_silent {
            "TR-09-unannounced answer"
        } else {
            "TR-09 answer"
        }) {
            breaches.add(
                rule,
                format!(
                    "{} was answered with trickle, which was not offered; it was expected only if offered",
                    name(answered, index)
                ),
                line(answer, answered, "ice-options"),
                "answer a=ice-options with a subset of what was offered",
            );
        }
    }
}
