//! What a description must be whatever it follows: OA-07, OA-10, OA-13, OA-15, OA-16 (rtx), RT-01, RT-02, TR-09.
//!
//! Owns the rules about a single description. It must not compare two.

use std::collections::BTreeSet;

use super::super::sdp::{Sdp, Section, Setup, is_ice_char, pwd_length, redacted_length};
use super::Once;
use super::breach::Breaches;
use super::transport::{clip, is_blind, line, media_line, name, owners, tag};

/// Reports what is wrong with `sdp` by itself.
pub(super) fn check(
    sdp: &Sdp,
    is_offer: bool,
    is_initial: bool,
    once: &mut Once<'_>,
    breaches: &mut Breaches,
) {
    breaches.of_none(|breaches| {
        mids(sdp, is_offer, once, breaches);
        credentials(sdp, breaches);
        rtx(sdp, breaches);
        mux(sdp, is_offer, breaches);
        if is_offer {
            bundle_only(sdp, breaches);
            codecs(sdp, once, breaches);
        }
        if is_offer && is_initial {
            setup(sdp, breaches);
            trickle(sdp, once, breaches);
        }
    });
}

/// OA-07 (RFC 9429 section 5.2.1, RFC 5888 section 4).
fn mids(sdp: &Sdp, is_offer: bool, once: &mut Once<'_>, breaches: &mut Breaches) {
    let mut seen = BTreeSet::new();
    for (index, section) in sdp.sections.iter().enumerate() {
        let Some(mid) = &section.mid else {
            if is_offer && !section.rejected() {
                breaches.add(
                    "OA-07",
                    format!(
                        "{} was offered without a=mid, which every section of an offer needs",
                        name(section, index)
                    ),
                    media_line(section),
                    "give every m= section a mid",
                );
            }
            continue;
        };
        if !seen.insert(mid) {
            breaches.add(
                "OA-07",
                format!(
                    "{} has the mid of an earlier section; a mid of its own was expected",
                    name(section, index)
                ),
                section.line("mid"),
                "give every m= section a mid of its own",
            );
        }
        if mid.len() > 3 && once.first("OA-07-length") {
            breaches.add(
                "OA-07-length",
                format!(
                    "the mid of {} has {} bytes; at most 3 were expected, because every packet repeats it",
                    name(section, index),
                    mid.len()
                ),
                section.line("mid"),
                "use mids of at most 3 bytes",
            );
        }
    }
}

/// OA-10 (RFC 9429 section 5.2.1, RFC 9143 section 6).
fn bundle_only(sdp: &Sdp, breaches: &mut Breaches) {
    const FIX: &str =
        "give a bundle-only section port 0 and leave the transport to its bundle's first section";
    for (index, section) in sdp
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| section.bundle_only)
    {
        let named = name(section, index);
        if section.port != 0 {
            breaches.add(
                "OA-10",
                format!(
                    "{named} is bundle-only with port {}; port 0 was expected",
                    section.port
                ),
                media_line(section),
                FIX,
            );
        }
        if !section.candidates.is_empty() {
            breaches.add(
                "OA-10",
                format!("{named} is bundle-only and lists candidates; none were expected"),
                section.line("candidate"),
                FIX,
            );
        }
        // Chromium repeats its bundle's credentials in every section, which says nothing new and harms nobody.
        let tag = tag(sdp, &sdp.groups, section).map(|(_, tag)| tag);
        let repeats = tag.is_some_and(|tag| tag.ice_ufrag == section.ice_ufrag && !tag.bundle_only);
        if let Some(ufrag) = section.line("ice-ufrag").filter(|_| !repeats) {
            breaches.add(
                "OA-10",
                format!("{named} is bundle-only with ICE credentials of its own; none were expected"),
                Some(ufrag),
                FIX,
            );
        }
    }
}

/// OA-13 for offers that begin a connection (RFC 9429 section 5.2.1). Later ones may name the role that is in force.
fn setup(sdp: &Sdp, breaches: &mut Breaches) {
    let owned: BTreeSet<usize> = owners(sdp).map(|(index, _)| index).collect();
    for (index, section) in sdp
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| !section.rejected())
    {
        let written = line(sdp, section, "setup");
        if section.setup == Some(Setup::Actpass) || (written.is_none() && !owned.contains(&index)) {
            continue;
        }
        let came = written.map_or("no a=setup".to_owned(), clip);
        breaches.add(
            "OA-13",
            format!(
                "{} was offered with {came}; a=setup:actpass was expected",
                name(section, index)
            ),
            written.or(media_line(section)),
            "offer a=setup:actpass and let the answer choose the DTLS role",
        );
    }
}

/// OA-15 (RFC 8839 section 5.4, RFC 9429 sections 5.1.1 and 5.8.3), of sections that own a transport.
fn credentials(sdp: &Sdp, breaches: &mut Breaches) {
    for (index, section) in owners(sdp) {
        let named = name(section, index);
        let quote = line(sdp, section, "ice-ufrag").or(media_line(section));
        let ufrag = section.ice_ufrag.as_deref().unwrap_or_default();
        if !(4..=256).contains(&ufrag.chars().count()) || !ufrag.chars().all(is_ice_char) {
            breaches.add(
                "OA-15",
                format!(
                    "{named} has an ice-ufrag of {} characters ({:?}); 4 to 256 letters, digits, + or / were expected",
                    ufrag.chars().count(),
                    clip(ufrag)
                ),
                quote,
                "write an ice-ufrag of 4 to 256 ice-chars",
            );
        }
        let pwd = section.ice_pwd.as_deref().unwrap_or_default();
        let has_ice_chars = redacted_length(pwd).is_some() || pwd.chars().all(is_ice_char);
        if !is_blind(pwd) && (!(22..=256).contains(&pwd_length(pwd)) || !has_ice_chars) {
            // The line is a secret if the text is not redacted, so the m= line stands for it.
            breaches.add(
                "OA-15",
                format!(
                    "{named} has an ice-pwd of {} characters; 22 to 256 letters, digits, + or / were expected",
                    pwd_length(pwd)
                ),
                media_line(section),
                "write an ice-pwd of 22 to 256 ice-chars",
            );
        }
        if section.fingerprints.is_empty() {
            breaches.add(
                "OA-15",
                format!("{named} has no a=fingerprint; at least one was expected for its transport"),
                media_line(section),
                "write the certificate's a=fingerprint in the section or at session level",
            );
        }
    }
    for (index, section) in sdp.sections.iter().enumerate() {
        if section.crypto && !section.rejected() {
            // The line has a key in it: only its beginning is quoted.
            breaches.add(
                "OA-15",
                format!(
                    "{} has an a=crypto line; DTLS-SRTP alone was expected",
                    name(section, index)
                ),
                Some("a=crypto:..."),
                "remove SDES keys from the description",
            );
        }
    }
}

/// OA-16, as far as rtx is concerned (RFC 4588 section 8.6).
fn rtx(sdp: &Sdp, breaches: &mut Breaches) {
    for (index, section) in sdp
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| !section.rejected())
    {
        for payload_type in &section.formats {
            if section
                .codec(payload_type)
                .is_none_or(|codec| codec.name != "rtx")
            {
                continue;
            }
            let apt = section.apt(payload_type);
            if apt.is_some_and(|apt| section.formats.iter().any(|format| format == apt)) {
                continue;
            }
            let came = apt.map_or("no payload type".to_owned(), |apt| {
                format!("payload type {}", clip(apt))
            });
            let quote = section.line_of("fmtp", payload_type);
            breaches.add(
                "OA-16",
                format!(
                    "rtx payload type {} of {} repeats {came}; one that the m= line lists was expected",
                    clip(payload_type),
                    name(section, index)
                ),
                quote.or(media_line(section)),
                "let apt name a payload type of the same section, or drop the rtx one",
            );
        }
    }
}

/// RT-02 (RFC 9429 section 5.2.1, RFC 8858 section 4). What an answer owes to its offer is `answer`'s.
fn mux(sdp: &Sdp, is_offer: bool, breaches: &mut Breaches) {
    for (index, section) in sdp.sections.iter().enumerate() {
        if section.rejected() || !section.is_rtp() || section.rtcp_mux {
            continue;
        }
        if section.rtcp_mux_only || is_offer {
            let came = if section.rtcp_mux_only {
                "has a=rtcp-mux-only without"
            } else {
                "was offered without"
            };
            breaches.add(
                "RT-02",
                format!("{} {came} a=rtcp-mux, which was expected", name(section, index)),
                section.line("rtcp-mux-only").or(media_line(section)),
                "write a=rtcp-mux in every RTP section",
            );
        }
    }
}

/// RT-01 (RFC 7874 section 3, RFC 7742 section 5), once per side and kind.
fn codecs(sdp: &Sdp, once: &mut Once<'_>, breaches: &mut Breaches) {
    for (index, section) in sdp.sections.iter().enumerate() {
        let is_active = section.direction != super::super::sdp::Direction::Inactive;
        if section.rejected() || !section.is_rtp() || !is_active {
            continue;
        }
        let lists = |wanted: &str| {
            let mut codecs = section.formats.iter().filter_map(|format| section.codec(format));
            codecs.any(|codec| codec.name == wanted)
        };
        let (what, missing): (_, Vec<&str>) = match section.media.as_str() {
            "audio" => {
                let mandatory = [("opus", "Opus"), ("pcmu", "PCMU"), ("pcma", "PCMA")];
                let missing = mandatory.into_iter().filter(|(codec, _)| !lists(codec));
                ("RT-01 audio", missing.map(|(_, name)| name).collect())
            }
            "video" => {
                let vp8 = (!lists("vp8")).then_some("VP8");
                let h264 = (!has_constrained_baseline(section)).then_some("H.264 constrained baseline");
                ("RT-01 video", vp8.into_iter().chain(h264).collect())
            }
            _ => continue,
        };
        if !missing.is_empty() && once.first(what) {
            breaches.add(
                "RT-01",
                format!(
                    "{} was offered without {}, which every WebRTC endpoint is expected to offer",
                    name(section, index),
                    missing.join(" and ")
                ),
                media_line(section),
                "offer the mandatory codecs, unless the other end is known to need none of them",
            );
        }
    }
}

/// The ways to say constrained baseline (RFC 6184 table 5), and no profile at all, which means plain baseline.
fn has_constrained_baseline(section: &Section) -> bool {
    section.formats.iter().any(|format| {
        if section.codec(format).is_none_or(|codec| codec.name != "h264") {
            return false;
        }
        let Some(profile) = section.parameter(format, "profile-level-id") else {
            return true;
        };
        let byte = |at: usize| {
            profile
                .get(at..at + 2)
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        };
        matches!(
            (byte(0), byte(2)),
            (Some(0x42), Some(constraints)) if constraints & 0x40 != 0
        ) || matches!(
            (byte(0), byte(2)),
            (Some(0x4d), Some(constraints)) if constraints & 0x80 != 0
        ) || matches!(
            (byte(0), byte(2)),
            (Some(0x58), Some(constraints)) if constraints & 0xc0 == 0xc0
        )
    })
}

/// TR-09 for offers that begin a connection (RFC 9429 section 5.2.1).
fn trickle(sdp: &Sdp, once: &mut Once<'_>, breaches: &mut Breaches) {
    for (index, section) in owners(sdp) {
        if section.ice_options.iter().any(|option| option == "trickle") {
            continue;
        }
        let written = line(sdp, section, "ice-options");
        // Without trickle, the description has to have the candidates. Who lists any is believed to list all.
        let is_complete = section.end_of_candidates || !section.candidates.is_empty();
        if is_complete {
            continue;
        }
        let rule = if written.is_some() {
            "TR-09"
        } else {
            "TR-09-unannounced"
        };
        if once.first(rule) {
            let came = written.map_or("no a=ice-options".to_owned(), clip);
            breaches.add(
                rule,
                format!(
                    "{} was offered with {came} and without candidates; a=ice-options:trickle was expected",
                    name(section, index)
                ),
                written.or(media_line(section)),
                "write a=ice-options:trickle ice2, or offer when gathering is complete",
            );
        }
    }
}
