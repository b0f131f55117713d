//! The faults by name: what each does, and where.
//!
//! Owns the list and its wording. What a fault is to be found as is not its to know.

use super::frames::Act::{
    Behind, Copy, Edit, EditLater, Follow, Late, Lose, LoseFirst, LoseSecond, Misroute, Reflect, Rename,
    Truncate, Twice,
};
use super::frames::Hop::{FromViewer, ToBroadcaster, ToViewer};
use super::frames::{Act, Hop};
use super::{Does, Drops, WireFault, edit};

const fn frames(
    name: &'static str,
    about: &'static str,
    hop: Hop,
    kind: &'static str,
    act: Act,
) -> WireFault {
    WireFault {
        name,
        about,
        does: Does::Frames(hop, kind, act),
    }
}

const fn datagrams(name: &'static str, about: &'static str, drops: Drops) -> WireFault {
    WireFault {
        name,
        about,
        does: Does::Datagrams(drops),
    }
}

/// Every fault, those of delivery first.
pub fn all() -> &'static [WireFault] {
    &ALL
}

static ALL: [WireFault; 83] = [
    // Whether messages come, and where.
    frames(
        "lose-join",
        "the viewer's join is lost",
        FromViewer,
        "viewer",
        Lose,
    ),
    frames(
        "lose-joined",
        "the answer to the viewer's join is lost",
        ToViewer,
        "joined",
        Lose,
    ),
    frames(
        "refuse-join",
        "the viewer is let in as a second broadcaster",
        ToViewer,
        "joined",
        Edit(edit::joins_as_broadcaster),
    ),
    frames(
        "lose-announcement",
        "the broadcaster is not told of the viewer",
        ToBroadcaster,
        "new-viewer",
        Lose,
    ),
    frames(
        "lose-offer",
        "the offer is lost on its way to the viewer",
        ToViewer,
        "offer",
        Lose,
    ),
    frames(
        "lose-answer",
        "the answer is lost on its way from the viewer",
        FromViewer,
        "answer",
        Lose,
    ),
    frames(
        "lose-candidates-to-viewer",
        "the broadcaster's candidates are lost",
        ToViewer,
        "candidate",
        Lose,
    ),
    frames(
        "lose-candidates-to-broadcaster",
        "the viewer's candidates are lost",
        FromViewer,
        "candidate",
        Lose,
    ),
    frames(
        "lose-first-candidate",
        "the viewer's first candidate is lost",
        FromViewer,
        "candidate",
        LoseFirst,
    ),
    frames(
        "lose-end-of-candidates",
        "the viewer's end of candidates is lost",
        FromViewer,
        "end-of-candidates",
        Lose,
    ),
    frames(
        "lose-chat",
        "one line of chat does not come to the viewer",
        ToViewer,
        "chat",
        LoseSecond,
    ),
    frames(
        "twice-offer",
        "the viewer gets its offer twice",
        ToViewer,
        "offer",
        Twice,
    ),
    frames(
        "twice-answer",
        "the broadcaster gets the answer twice",
        ToBroadcaster,
        "answer",
        Twice,
    ),
    frames(
        "twice-candidate",
        "the broadcaster gets each candidate twice",
        ToBroadcaster,
        "candidate",
        Twice,
    ),
    frames(
        "twice-end-of-candidates",
        "the broadcaster gets the end of candidates twice",
        ToBroadcaster,
        "end-of-candidates",
        Twice,
    ),
    frames(
        "late-answer",
        "the answer takes a second",
        ToBroadcaster,
        "answer",
        Late(1_000),
    ),
    frames(
        "late-offer",
        "the offer comes after the candidates that belong to it",
        ToViewer,
        "offer",
        Late(300),
    ),
    frames(
        "behind-chat",
        "a line of chat comes behind the next one",
        ToViewer,
        "chat",
        Behind,
    ),
    frames(
        "late-candidates",
        "the broadcaster's candidates come after their end",
        ToViewer,
        "candidate",
        Late(300),
    ),
    frames(
        "misroute-offer",
        "another viewer gets the offer",
        ToViewer,
        "offer",
        Misroute,
    ),
    frames(
        "misroute-answer",
        "another viewer gets the answer",
        FromViewer,
        "answer",
        Misroute,
    ),
    frames(
        "misroute-candidates",
        "another viewer gets the viewer's candidates",
        FromViewer,
        "candidate",
        Misroute,
    ),
    frames(
        "candidate-to-everyone",
        "another viewer gets the broadcaster's candidates too",
        ToViewer,
        "candidate",
        Copy,
    ),
    frames(
        "offer-to-everyone",
        "another viewer gets the offer too",
        ToViewer,
        "offer",
        Copy,
    ),
    frames(
        "rename-answer",
        "the answer comes as if another viewer had sent it",
        ToBroadcaster,
        "answer",
        Rename,
    ),
    frames(
        "rename-candidates",
        "candidates come as if another viewer had sent them",
        ToBroadcaster,
        "candidate",
        Rename,
    ),
    frames(
        "truncate-joined",
        "half of the answer to the join comes",
        ToViewer,
        "joined",
        Truncate,
    ),
    frames(
        "truncate-offer",
        "half of the offer's frame comes",
        ToViewer,
        "offer",
        Truncate,
    ),
    frames(
        "truncate-answer",
        "half of the answer's frame comes",
        ToBroadcaster,
        "answer",
        Truncate,
    ),
    frames(
        "truncate-candidate",
        "half of each candidate's frame comes",
        ToViewer,
        "candidate",
        Truncate,
    ),
    // When they may come.
    frames(
        "answer-twice-anew",
        "a second, other answer follows the first",
        ToBroadcaster,
        "answer",
        Follow(edit::answer_anew),
    ),
    frames(
        "offer-while-answering",
        "a second, other offer follows the first at once",
        ToViewer,
        "offer",
        Follow(edit::answer_anew),
    ),
    frames(
        "offer-back",
        "the broadcaster gets an offer from its viewer",
        ToBroadcaster,
        "answer",
        Follow(edit::offer_back),
    ),
    frames(
        "candidate-after-end",
        "a candidate follows the end of candidates",
        ToBroadcaster,
        "end-of-candidates",
        Follow(edit::candidate_after_end),
    ),
    frames(
        "state-goes-back",
        "the viewer is told an old state of the room",
        ToViewer,
        "state",
        EditLater(edit::state_from_before),
    ),
    frames(
        "offer-says-answer",
        "the description in the offer says that it is an answer",
        ToViewer,
        "offer",
        Edit(edit::wrong_kind),
    ),
    frames(
        "answer-says-offer",
        "the description in the answer says that it is an offer",
        ToBroadcaster,
        "answer",
        Edit(edit::wrong_kind),
    ),
    // What descriptions say.
    frames(
        "answer-without-section",
        "the answer lacks its last m-section",
        ToBroadcaster,
        "answer",
        Edit(edit::drop_last_section),
    ),
    frames(
        "answer-swaps-sections",
        "the answer's m-sections are swapped",
        ToBroadcaster,
        "answer",
        Edit(edit::swap_sections),
    ),
    frames(
        "answer-with-extra-section",
        "the answer has an m-section more",
        ToBroadcaster,
        "answer",
        Edit(edit::repeat_section),
    ),
    frames(
        "answer-other-protocol",
        "the answer's m-lines have another protocol",
        ToBroadcaster,
        "answer",
        Edit(edit::other_protocol),
    ),
    frames(
        "answer-other-medium",
        "the answer's audio section is of another medium",
        ToBroadcaster,
        "answer",
        Edit(edit::other_medium),
    ),
    frames(
        "answer-other-mid",
        "the answer calls a section by another mid",
        ToBroadcaster,
        "answer",
        Edit(edit::change_mid),
    ),
    frames(
        "offer-same-mid",
        "the offer has one mid twice",
        ToViewer,
        "offer",
        Edit(edit::same_mid),
    ),
    frames(
        "offer-without-mid",
        "a section of the offer has no mid",
        ToViewer,
        "offer",
        Edit(edit::no_mid),
    ),
    frames(
        "answer-larger-bundle",
        "the answer bundles a section that was not offered",
        ToBroadcaster,
        "answer",
        Edit(edit::larger_bundle),
    ),
    frames(
        "answer-bundle-only",
        "a section of the answer is bundle-only",
        ToBroadcaster,
        "answer",
        Edit(edit::bundle_only),
    ),
    frames(
        "offer-bundle-only-with-port",
        "a bundle-only section of the offer has a port",
        ToViewer,
        "offer",
        Edit(edit::bundle_only),
    ),
    frames(
        "answer-rejects-bundle-tag",
        "the answer rejects the section that carries the bundle",
        ToBroadcaster,
        "answer",
        Edit(edit::reject_first_section),
    ),
    frames(
        "answer-sendonly",
        "the answer to sendonly is sendonly",
        ToBroadcaster,
        "answer",
        Edit(edit::send_only),
    ),
    frames(
        "answer-inactive",
        "the answer makes every section inactive",
        ToBroadcaster,
        "answer",
        Edit(edit::inactive),
    ),
    frames(
        "answer-actpass",
        "the answer says setup:actpass",
        ToBroadcaster,
        "answer",
        Edit(edit::setup_actpass),
    ),
    frames(
        "answer-setup-flipped",
        "the answer says setup:passive where the viewer is active",
        ToBroadcaster,
        "answer",
        Edit(edit::setup_passive),
    ),
    frames(
        "answer-without-setup",
        "the answer says nothing of its DTLS role",
        ToBroadcaster,
        "answer",
        Edit(edit::no_setup),
    ),
    frames(
        "offer-setup-active",
        "the offer says setup:active",
        ToViewer,
        "offer",
        Edit(edit::setup_active),
    ),
    frames(
        "short-ufrag",
        "the answer's ice-ufrag has two characters",
        ToBroadcaster,
        "answer",
        Edit(edit::short_ufrag),
    ),
    frames(
        "short-password",
        "the answer's ice-pwd has five characters",
        ToBroadcaster,
        "answer",
        Edit(edit::short_password),
    ),
    frames(
        "wrong-ufrag",
        "the answer has another ice-ufrag than its agent",
        ToBroadcaster,
        "answer",
        Edit(edit::other_ufrag),
    ),
    frames(
        "wrong-password",
        "the answer has another ice-pwd than its agent",
        ToBroadcaster,
        "answer",
        Edit(edit::other_password),
    ),
    frames(
        "no-ice-credentials",
        "the answer has neither ice-ufrag nor ice-pwd",
        ToBroadcaster,
        "answer",
        Edit(edit::no_credentials),
    ),
    frames(
        "no-fingerprint",
        "the answer has no fingerprint",
        ToBroadcaster,
        "answer",
        Edit(edit::no_fingerprint),
    ),
    frames(
        "wrong-fingerprint",
        "the answer's fingerprint is another certificate's",
        ToBroadcaster,
        "answer",
        Edit(edit::other_fingerprint),
    ),
    frames(
        "wrong-offer-fingerprint",
        "the offer's fingerprint is another certificate's",
        ToViewer,
        "offer",
        Edit(edit::other_fingerprint),
    ),
    frames(
        "crypto-line",
        "the offer has an SDES key",
        ToViewer,
        "offer",
        Edit(edit::crypto_line),
    ),
    frames(
        "foreign-format",
        "the answer accepts a codec that was not offered",
        ToBroadcaster,
        "answer",
        Edit(edit::foreign_format),
    ),
    frames(
        "rtx-of-nothing",
        "the answer has retransmissions of a payload type that is not there",
        ToBroadcaster,
        "answer",
        Edit(edit::rtx_without_origin),
    ),
    frames(
        "foreign-feedback",
        "the answer has feedback that was not offered",
        ToBroadcaster,
        "answer",
        Edit(edit::foreign_feedback),
    ),
    frames(
        "no-rtcp-mux",
        "the offer does not multiplex RTCP",
        ToViewer,
        "offer",
        Edit(edit::no_rtcp_mux),
    ),
    frames(
        "half-sdp",
        "half of the answer's SDP comes",
        ToBroadcaster,
        "answer",
        Edit(edit::half_sdp),
    ),
    // What candidates say, and the datagrams below.
    frames(
        "candidate-of-no-section",
        "candidates name no m-section",
        ToBroadcaster,
        "candidate",
        Edit(edit::candidate_of_no_section),
    ),
    frames(
        "candidate-of-other-mid",
        "candidates name a mid that is not there",
        ToBroadcaster,
        "candidate",
        Edit(edit::candidate_of_other_mid),
    ),
    frames(
        "candidate-beyond-sections",
        "candidates name the tenth m-section",
        ToBroadcaster,
        "candidate",
        Edit(edit::candidate_beyond_sections),
    ),
    frames(
        "candidate-of-other-generation",
        "candidates name another ICE generation",
        ToBroadcaster,
        "candidate",
        Edit(edit::candidate_of_other_generation),
    ),
    frames(
        "candidate-mangled",
        "candidates cannot be read",
        ToBroadcaster,
        "candidate",
        Edit(edit::candidate_mangled),
    ),
    frames(
        "end-of-other-generation",
        "the end of candidates names another generation",
        ToBroadcaster,
        "end-of-candidates",
        Edit(edit::end_of_other_generation),
    ),
    frames(
        "empty-sdp",
        "the answer's SDP is empty",
        ToBroadcaster,
        "answer",
        Edit(edit::empty_sdp),
    ),
    frames(
        "sdp-without-media",
        "the answer has no m-section at all",
        ToBroadcaster,
        "answer",
        Edit(edit::no_media_description),
    ),
    frames(
        "rtcp-mux-only",
        "the offer has rtcp-mux-only without rtcp-mux",
        ToViewer,
        "offer",
        Edit(edit::rtcp_mux_only),
    ),
    frames(
        "glare",
        "the viewer offers at the same time as the broadcaster, and nobody gives way",
        ToViewer,
        "offer",
        Reflect,
    ),
    WireFault {
        name: "withhold-key-frames",
        about: "key frames are never sent to the viewer",
        does: Does::KeyFrames,
    },
    datagrams(
        "drop-stun",
        "no connectivity check passes between broadcaster and viewer",
        Drops::Stun,
    ),
    datagrams("drop-dtls", "nothing of the DTLS handshake passes", Drops::Dtls),
    datagrams("drop-rtp", "no media packet passes", Drops::Rtp),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_own_fault() {
        for fault in all() {
            let found = crate::fault::wire::find(fault.name).map(|found| found.about);
            assert_eq!(found, Some(fault.about), "{}", fault.name);
        }
    }
}
