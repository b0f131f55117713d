//! Which sections share a transport, and with which credentials (RFC 9143).
//!
//! Owns the view of BUNDLE that the rules compare by. It must not judge.

use std::collections::BTreeSet;

use super::super::sdp::{Fingerprint, Group, Sdp, Section};

/// How a sentence names a section.
pub(super) fn name(section: &Section, index: usize) -> String {
    // A mid is a token of any length; a sentence should stay one.
    match &section.mid {
        Some(mid) => format!("section {} ({})", clip(mid), clip(&section.media)),
        None => format!(
            "m= section number {index} ({}, without mid)",
            clip(&section.media)
        ),
    }
}

/// At most 40 characters of a value.
pub(super) fn clip(value: &str) -> String {
    value.chars().take(40).collect()
}

/// The raw line of an attribute, of the section or else of the session.
pub(super) fn line<'a>(sdp: &'a Sdp, section: &'a Section, name: &str) -> Option<&'a str> {
    section.line(name).or_else(|| sdp.line(name))
}

/// The m= line.
pub(super) fn media_line(section: &Section) -> Option<&str> {
    section.line("m")
}

/// The live sections that own a transport: those that no BUNDLE group has, and of each group the first live one.
pub(super) fn owners(sdp: &Sdp) -> impl Iterator<Item = (usize, &Section)> {
    sdp.sections.iter().enumerate().filter(|(index, section)| {
        !section.rejected()
            && !section.bundle_only
            && tag(sdp, &sdp.groups, section).is_none_or(|(tag, _)| tag == *index)
    })
}

/// The section that speaks for `section`'s bundle, by `groups`; `None` if it is in none of them.
pub(super) fn tag<'a>(sdp: &'a Sdp, groups: &[Group], section: &Section) -> Option<(usize, &'a Section)> {
    let mid = section.mid.as_deref()?;
    let group = groups
        .iter()
        .find(|group| group.is_bundle() && group.contains(mid))?;
    group.mids.iter().find_map(|member| {
        let mut sections = sdp.sections.iter().enumerate();
        sections.find(|(_, section)| section.mid.as_ref() == Some(member) && !section.rejected())
    })
}

/// What a section's transport is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transport<'a> {
    pub(super) ufrag: Option<&'a str>,
    pub(super) pwd: Option<&'a str>,
    pub(super) fingerprints: BTreeSet<&'a Fingerprint>,
    pub(super) tls_id: Option<&'a str>,
}

/// The transport of the section at `index`, its bundle's if `groups` has it in one.
pub(super) fn transport<'a>(sdp: &'a Sdp, groups: &[Group], index: usize) -> Option<Transport<'a>> {
    let own = sdp.sections.get(index)?;
    let section = tag(sdp, groups, own).map_or(own, |(_, tag)| tag);
    Some(Transport {
        ufrag: section.ice_ufrag.as_deref(),
        pwd: section.ice_pwd.as_deref(),
        fingerprints: section.fingerprints.iter().collect(),
        tls_id: section.tls_id.as_deref(),
    })
}

impl Transport<'_> {
    /// Whether the fragment differs.
    pub(super) fn ufrag_changed(&self, old: &Self) -> bool {
        self.ufrag.is_some() && old.ufrag.is_some() && self.ufrag != old.ufrag
    }

    /// Whether the password differs; `None` if that cannot be known because a trace has it without its digest.
    pub(super) fn pwd_changed(&self, old: &Self) -> Option<bool> {
        let (new, old) = (self.pwd?, old.pwd?);
        (!is_blind(new) && !is_blind(old)).then_some(new != old)
    }

    /// A change of either is a restart (RFC 8839 section 4.4.1.1.1), even though both have to change.
    pub(super) fn restarted(&self, old: &Self) -> bool {
        self.ufrag_changed(old) || self.pwd_changed(old) == Some(true)
    }

    /// Whether another DTLS association is meant: no fingerprint in common, or another tls-id.
    pub(super) fn association_changed(&self, old: &Self) -> bool {
        let other_fingerprint = !self.fingerprints.is_empty()
            && !old.fingerprints.is_empty()
            && self.fingerprints.is_disjoint(&old.fingerprints);
        let other_id = self.tls_id.is_some() && old.tls_id.is_some() && self.tls_id != old.tls_id;
        other_fingerprint || other_id
    }
}

/// Whether a password was redacted without a digest, so that equal texts prove nothing.
pub(super) fn is_blind(pwd: &str) -> bool {
    pwd == "<redacted>"
}
