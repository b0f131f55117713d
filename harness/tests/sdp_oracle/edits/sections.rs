//! Edits of m-sections, their mids and the BUNDLE group (RFC 9429 section 5.2.1, RFC 9143).

use super::super::description::{Description, with_word};
use super::{Edit, For};

pub(super) const EDITS: &[Edit] = &[
    Edit::lines("last section dropped", For::Both, |sdp| {
        if sdp.has_several() {
            let mid = sdp.mid(sdp.last_index());
            sdp.sections.pop();
            sdp.ungroup(&mid);
        }
    }),
    Edit::lines(
        "last section dropped, its mid still in the group",
        For::Both,
        |sdp| {
            if sdp.has_several() {
                sdp.sections.pop();
            }
        },
    ),
    Edit::lines("section added", For::Both, |sdp| {
        let video = another_video(sdp);
        sdp.sections.extend(video);
    }),
    Edit::lines("section added to the bundle", For::Both, |sdp| {
        let video = another_video(sdp);
        sdp.sections.extend(video);
        sdp.regroup(|mids| mids.into_iter().chain(["x".to_owned()]).collect());
    }),
    Edit::lines("first two sections swapped", For::Both, |sdp| {
        if sdp.has_several() {
            sdp.sections.swap(0, 1);
        }
    }),
    Edit::lines("mid changed, in the group too", For::Both, |sdp| {
        let old = sdp.mid(sdp.last_index());
        sdp.last(|section| set_mid(section, "x"));
        sdp.regroup(|mids| {
            let renamed = mids
                .into_iter()
                .map(|mid| if mid == old { "x".to_owned() } else { mid });
            renamed.collect()
        });
    }),
    Edit::lines("mid changed, not in the group", For::Both, |sdp| {
        sdp.last(|section| set_mid(section, "x"));
    }),
    Edit::lines("mid of 16 bytes", For::Offers, |sdp| {
        let old = sdp.mid(sdp.last_index());
        let new = "abcdefghijklmnop";
        sdp.last(|section| set_mid(section, new));
        sdp.regroup(|mids| {
            let renamed = mids
                .into_iter()
                .map(|mid| if mid == old { new.to_owned() } else { mid });
            renamed.collect()
        });
    }),
    Edit::lines("mid of another section", For::Both, |sdp| {
        let first = sdp.mid(0);
        sdp.last_of_several(|section| set_mid(section, &first));
    }),
    Edit::lines("no mid in the last section", For::Both, |sdp| {
        sdp.last(|section| section.retain(|line| !line.starts_with("a=mid:")));
    }),
    Edit::lines("neither mids nor group", For::Both, |sdp| {
        sdp.remove("a=mid:");
        sdp.remove("a=group:BUNDLE");
    }),
    Edit::lines("no group", For::Both, |sdp| sdp.remove("a=group:BUNDLE")),
    Edit::lines("empty group", For::Both, |sdp| sdp.regroup(|_| Vec::new())),
    Edit::lines("group with an unknown mid", For::Both, |sdp| {
        sdp.regroup(|mids| mids.into_iter().chain(["x".to_owned()]).collect());
    }),
    Edit::lines("group without the last section", For::Both, |sdp| {
        if sdp.has_several() {
            let mid = sdp.mid(sdp.last_index());
            sdp.ungroup(&mid);
        }
    }),
    Edit::lines("group in another order", For::Both, |sdp| {
        sdp.regroup(|mids| mids.into_iter().rev().collect());
    }),
    Edit::lines("last section rejected", For::Both, |sdp| {
        if sdp.has_several() {
            let mid = sdp.mid(sdp.last_index());
            sdp.reject(sdp.last_index());
            sdp.ungroup(&mid);
        }
    }),
    Edit::lines("last section rejected, still in the group", For::Both, |sdp| {
        if sdp.has_several() {
            sdp.reject(sdp.last_index());
        }
    }),
    Edit::lines("first section rejected", For::Both, |sdp| {
        if sdp.has_several() {
            let mid = sdp.mid(0);
            sdp.reject(0);
            sdp.ungroup(&mid);
        }
    }),
    Edit::lines("all sections rejected", For::Answers, |sdp| {
        (0..sdp.sections.len()).for_each(|index| sdp.reject(index));
        sdp.regroup(|_| Vec::new());
    }),
    Edit::lines("bundle-only with a port", For::Both, |sdp| {
        sdp.last_of_several(|section| section.push("a=bundle-only".to_owned()));
    }),
    Edit::lines("bundle-only with port 0", For::Both, |sdp| {
        if sdp.has_several() {
            sdp.reject(sdp.last_index());
            sdp.last(|section| section.push("a=bundle-only".to_owned()));
        }
    }),
];

fn set_mid(section: &mut [String], mid: &str) {
    for line in section.iter_mut().filter(|line| line.starts_with("a=mid:")) {
        *line = format!("a=mid:{mid}");
    }
}

/// Another video section with the mid `x`, and without what names the first one's track.
fn another_video(sdp: &Description) -> Option<Vec<String>> {
    let video = sdp
        .sections
        .iter()
        .find(|section| section[0].starts_with("m=video"))?;
    let of_track = ["a=ssrc", "a=msid", "a=candidate", "a=end-of-candidates"];
    let mut other: Vec<String> = video
        .iter()
        .filter(|line| !of_track.iter().any(|begins| line.starts_with(begins)))
        .cloned()
        .collect();
    other[0] = with_word(&other[0], 1, "9");
    set_mid(&mut other, "x");
    Some(other)
}
