//! Where a stack and the checker disagree, and why.
//!
//! Owns the arguments. A disagreement that is not here fails the test, and so does one that is here and does not occur.

use super::edits::Edited::{self, Answer, Offer};
use super::stack::Stack::{self, Chromium, Str0m, Webrtc};

/// One argument, and what it is about.
pub(crate) struct Argued {
    pub(crate) about: &'static [(Edited, &'static str)],
    pub(crate) stacks: &'static [Stack],
    pub(crate) reason: &'static str,
}

pub(crate) const ARGUED: &[Argued] = &[
    // The checker refuses; these stacks do not.
    Argued {
        about: &[
            (Offer, "no mid in the last section"),
            (Offer, "neither mids nor group"),
        ],
        stacks: &[Chromium],
        reason: "RFC 9429 section 5.2.1 wants a mid in every offered section; Chromium invents mids for peers from before \
                 mids, where the group names none",
    },
    Argued {
        about: &[
            (Answer, "no mid in the last section"),
            (Answer, "neither mids nor group"),
            (Answer, "cut after the last m= line"),
        ],
        stacks: &[Chromium],
        reason: "RFC 9429 section 5.3.1 repeats the offered mid; Chromium goes by the place of the section, \
                 which may be a data channel's and then has nothing else that it needs",
    },
    Argued {
        about: &[
            (Answer, "mid changed, in the group too"),
            (Answer, "mid changed, not in the group"),
        ],
        stacks: &[Webrtc],
        reason: "RFC 9429 section 5.3.1 repeats the offered mid; webrtc looks for the mids of media only, and the last \
                 section may be the data channel's",
    },
    Argued {
        about: &[(Offer, "mid of another section")],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 9429 section 5.2.1 wants unique mids; both find the first section of that name and go on",
    },
    Argued {
        about: &[(Answer, "mid of another section")],
        stacks: &[Webrtc],
        reason: "RFC 9429 section 5.3.1 repeats the offered mid; webrtc finds the first section of that name twice",
    },
    Argued {
        about: &[(Answer, "group with an unknown mid")],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 9143 section 7.3 lets an answer bundle only what was offered bundled; both ignore a mid that has no \
                 section",
    },
    Argued {
        about: &[
            (Answer, "last section dropped"),
            (Answer, "last section dropped, its mid still in the group"),
        ],
        stacks: &[Webrtc],
        reason: "RFC 3264 section 6 wants as many m= lines as were offered; webrtc walks through the answer and misses none",
    },
    Argued {
        about: &[(Answer, "first two sections swapped")],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 3264 section 6 matches sections by their place; both match them by mid",
    },
    Argued {
        about: &[(Answer, "first section rejected")],
        stacks: &Stack::ALL,
        reason: "RFC 9429 section 5.3.1 has the answerer reject the whole bundle with its first section; by RFC 9143 \
                 section 7.3.1 alone the next section could speak for a new bundle, and all three let it",
    },
    Argued {
        about: &[(Offer, "bundle-only with a port")],
        stacks: &Stack::ALL,
        reason: "RFC 9143 section 6 defines bundle-only with port 0 alone; all three bundle anyway and look at no port",
    },
    Argued {
        about: &[
            (Answer, "bundle-only with a port"),
            (Answer, "bundle-only with port 0"),
        ],
        stacks: &Stack::ALL,
        reason: "RFC 9143 section 7.3 keeps bundle-only out of answers; all three ignore the line, which RFC 8843 still had \
                 there",
    },
    Argued {
        about: &[(Answer, "other ICE credentials in the last section")],
        stacks: &[Str0m, Chromium],
        reason: "RFC 9143 section 7.3 gives a bundle one transport; both take the first section's credentials and drop the \
                 others",
    },
    Argued {
        about: &[
            (Offer, "setup:active"),
            (Offer, "setup:passive"),
            (Offer, "no setup"),
        ],
        stacks: &Stack::ALL,
        reason: "RFC 9429 section 5.2.1 has an offer say actpass; who receives another role can take the opposite one, and \
                 all three do",
    },
    Argued {
        about: &[
            (Offer, "setup:holdconn"),
            (Offer, "setup of an unknown value"),
            (Answer, "setup:actpass"),
            (Answer, "setup:holdconn"),
            (Answer, "setup of an unknown value"),
        ],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 9429 sections 5.2.1 and 5.3.1 have an offer say actpass and an answer active or passive; both fall back \
                 to a default role, which the other end may have too",
    },
    Argued {
        about: &[(Answer, "no setup")],
        stacks: &Stack::ALL,
        reason: "RFC 9429 section 5.3.1 wants a=setup in an answer; all three assume a role, and not all the same",
    },
    Argued {
        about: &[
            (Offer, "ice-ufrag of 2 characters"),
            (Offer, "ice-ufrag of 257 characters"),
            (Offer, "ice-pwd of 8 characters"),
            (Offer, "ice-pwd of 257 characters"),
            (Answer, "ice-ufrag of 2 characters"),
            (Answer, "ice-ufrag of 257 characters"),
            (Answer, "ice-pwd of 8 characters"),
            (Answer, "ice-pwd of 257 characters"),
        ],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 8839 section 5.4 sets the lengths of ICE credentials; neither counts",
    },
    Argued {
        about: &[
            (Offer, "ice-ufrag with a dash"),
            (Offer, "ice-pwd with a dash"),
            (Answer, "ice-ufrag with a dash"),
            (Answer, "ice-pwd with a dash"),
        ],
        stacks: &Stack::ALL,
        reason: "RFC 8839 section 5.4 makes ICE credentials of letters, digits, + and /; nobody looks at the letters",
    },
    Argued {
        about: &[
            (Offer, "no rtcp-mux"),
            (Offer, "rtcp-mux-only without rtcp-mux"),
            (Answer, "no rtcp-mux"),
            (Answer, "rtcp-mux-only without rtcp-mux"),
        ],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 8834 section 4.5 and RFC 8858 want a=rtcp-mux; both multiplex without asking",
    },
    Argued {
        about: &[(Offer, "crypto line"), (Answer, "crypto line")],
        stacks: &Stack::ALL,
        reason: "RFC 8827 section 6.5 forbids to write SDES keys; who has DTLS ignores them, and the keys have been seen all \
                 the same",
    },
    Argued {
        about: &[
            (Offer, "candidate without its type"),
            (Answer, "candidate without its type"),
        ],
        stacks: &[Str0m],
        reason: "RFC 8839 section 5.1 wants a type; str0m leaves out candidates that it cannot read",
    },
    Argued {
        about: &[(Answer, "sendonly to sendonly"), (Answer, "sendrecv to sendonly")],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 3264 section 6.1 lets a sendonly stream be answered recvonly or inactive; neither compares directions",
    },
    Argued {
        about: &[(Answer, "no direction")],
        stacks: &[Webrtc],
        reason: "no direction means sendrecv, which RFC 3264 section 6.1 does not let answer sendonly; webrtc skips a \
                 section without one",
    },
    Argued {
        about: &[
            (Answer, "protocol UDP/TLS/RTP/SAVP"),
            (Answer, "protocol RTP/SAVPF"),
            (Answer, "protocol RTP/AVP"),
        ],
        stacks: &[Webrtc, Chromium],
        reason: "RFC 9429 section 5.1.2 repeats the offered protocol in the answer; both take any name of RTP",
    },
    Argued {
        about: &[
            (Offer, "protocol of no standard"),
            (Answer, "protocol of no standard"),
        ],
        stacks: &[Webrtc],
        reason: "RFC 9429 section 5.1.2 lists what a peer has to accept; webrtc does not look at the protocol",
    },
    Argued {
        about: &[(Answer, "data channel in the words of drafts")],
        stacks: &[Str0m, Chromium],
        reason: "RFC 9429 section 5.1.2 repeats the offered protocol in the answer; both still know the words of drafts",
    },
    Argued {
        about: &[(Answer, "video as text")],
        stacks: &[Webrtc],
        reason: "RFC 9429 section 5.8.3 wants the media type that was offered; webrtc skips media types that it does not know",
    },
    Argued {
        about: &[(Answer, "video as audio")],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 9429 section 5.8.3 wants the media type that was offered; both find the section by its mid and do not \
                 compare",
    },
    Argued {
        about: &[(Offer, "no format")],
        stacks: &[Str0m],
        reason: "RFC 8866 section 5.14 wants a format; str0m takes the sections that came before, if there are any",
    },
    Argued {
        about: &[
            (Offer, "m= line of two words"),
            (Offer, "cut within the last m= line"),
        ],
        stacks: &[Str0m],
        reason: "RFC 8866 section 5.14 wants a protocol and a format; str0m takes the sections that came before, if there \
                 are any",
    },
    Argued {
        about: &[(Answer, "video of an unknown codec only")],
        stacks: &Stack::ALL,
        reason: "RFC 3264 section 6.1 wants a format of the offer in an accepted stream; all three accept it, and have \
                 nothing to send",
    },
    Argued {
        about: &[
            (Offer, "no rtpmap for video"),
            (Answer, "no rtpmap for video"),
            (Offer, "payload type above 127"),
            (Answer, "payload type above 127"),
        ],
        stacks: &[Webrtc],
        reason: "RFC 8866 section 6.6 has dynamic payload types explained, and RTP has seven bits for them; webrtc skips what \
                 it does not know",
    },
    Argued {
        about: &[(Offer, "rtx of an unlisted payload type")],
        stacks: &[Webrtc, Str0m],
        reason: "RFC 4588 section 8.6 has apt name a payload type of the section; neither looks where it points",
    },
    Argued {
        about: &[(Answer, "unknown feedback")],
        stacks: &Stack::ALL,
        reason: "RFC 4585 section 4.2 lets an answer only take feedback away; all three ignore what they do not know",
    },
    Argued {
        about: &[(Offer, "v=1"), (Answer, "v=1")],
        stacks: &[Chromium],
        reason: "RFC 8866 section 5.1 has version 0 alone; Chromium looks for the letter and not at the number",
    },
    Argued {
        about: &[
            (Offer, "o= line of three words"),
            (Answer, "o= line of three words"),
        ],
        stacks: &[Str0m],
        reason: "RFC 8866 section 5.2 has six fields; str0m reads the first three",
    },
    Argued {
        about: &[
            (Offer, "session version that is no number"),
            (Answer, "session version that is no number"),
        ],
        stacks: &[Str0m, Chromium],
        reason: "RFC 8866 section 5.2 has a number; both keep the version without reading it",
    },
    Argued {
        about: &[
            (Offer, "session id of 30 digits"),
            (Answer, "session id of 30 digits"),
            (Offer, "session id that is no number"),
            (Answer, "session id that is no number"),
        ],
        stacks: &[Chromium],
        reason: "RFC 9429 section 5.2.1 wants an id of 63 bits; Chromium keeps it as text",
    },
    Argued {
        about: &[
            (Offer, "port that is no number"),
            (Offer, "port above 65535"),
            (Answer, "port that is no number"),
            (Answer, "port above 65535"),
        ],
        stacks: &[Str0m],
        reason: "RFC 8866 section 5.14 has a port number; str0m asks only whether it is 0",
    },
    Argued {
        about: &[
            (Offer, "empty line in the middle"),
            (Answer, "empty line in the middle"),
            (Offer, "blanks before the ends of lines"),
            (Answer, "blanks before the ends of lines"),
        ],
        stacks: &[Webrtc],
        reason: "RFC 8866 section 5 has a letter and a value on each line, and no blank that means nothing; webrtc trims",
    },
    Argued {
        about: &[(Offer, "unknown type of line"), (Answer, "unknown type of line")],
        stacks: &[Str0m, Chromium],
        reason: "RFC 8866 section 5 has a parser refuse or ignore a description with an unknown letter; Chromium ignores the \
                 line, and str0m takes what came before it",
    },
    Argued {
        about: &[
            (Offer, "line without an equals sign"),
            (Answer, "line without an equals sign"),
        ],
        stacks: &[Str0m],
        reason: "RFC 8866 section 5 has a letter and an equals sign on each line; str0m takes what came before \
                 it",
    },
    // These stacks refuse; the checker does not.
    Argued {
        about: &[
            (Offer, "mid changed, not in the group"),
            (Offer, "group with an unknown mid"),
            (Offer, "last section dropped, its mid still in the group"),
        ],
        stacks: &[Chromium],
        reason: "a mid without a section in the offered group harms nobody who bundles what is there; the checker holds the \
                 group only against the answer's",
    },
    Argued {
        about: &[
            (Offer, "no group"),
            (Offer, "empty group"),
            (Answer, "no group"),
            (Answer, "empty group"),
            (Answer, "all sections rejected"),
        ],
        stacks: &[Str0m],
        reason: "BUNDLE may be left out or refused (RFC 9143 section 7.3); str0m has one transport and nothing without it",
    },
    Argued {
        about: &[(Offer, "no m= section")],
        stacks: &[Webrtc, Str0m],
        reason: "an offer may begin without a section (RFC 9429 section 5.2.1 adds them by transceivers); both want a \
                 transport in it",
    },
    Argued {
        about: &[
            (Offer, "fingerprint one byte short"),
            (Offer, "fingerprint of an unknown hash function"),
            (Answer, "fingerprint one byte short"),
            (Answer, "fingerprint of an unknown hash function"),
        ],
        stacks: &[Chromium],
        reason: "the grammar of RFC 8122 section 5 has both; the checker holds a fingerprint against the certificate (DT-01), \
                 which neither can match",
    },
    Argued {
        about: &[(Offer, "two fingerprints")],
        stacks: &[Webrtc],
        reason: "RFC 8122 section 5 allows several fingerprints; webrtc takes one at session level and another in a section \
                 for a contradiction",
    },
    Argued {
        about: &[(Offer, "other ICE credentials in the last section")],
        stacks: &[Webrtc],
        reason: "before an answer has bundled them, each offered section may have a transport of its own (RFC 9143 section \
                 7.2); webrtc has one",
    },
    Argued {
        about: &[(Offer, "no direction")],
        stacks: &[Str0m],
        reason: "RFC 8866 section 6.7 takes a missing direction for sendrecv; str0m wants the line",
    },
    Argued {
        about: &[(Offer, "two directions"), (Answer, "two directions")],
        stacks: &[Str0m],
        reason: "RFC 8866 section 6.7 wants one direction at most; the checker takes the last, as the other stacks do, and has \
                 no rule about lines that are written twice",
    },
    Argued {
        about: &[
            (Offer, "protocol UDP/TLS/RTP/SAVP"),
            (Offer, "protocol RTP/SAVPF"),
            (Offer, "protocol RTP/AVP"),
        ],
        stacks: &[Str0m],
        reason: "RFC 9429 section 5.1.2 has a peer accept these names in an offer; str0m knows UDP/TLS/RTP/SAVPF alone",
    },
    Argued {
        about: &[(Offer, "video as audio")],
        stacks: &[Chromium],
        reason: "sound in an unknown codec is to be rejected with port 0 (RFC 3264 section 6); Chromium refuses the offer for \
                 its a=ssrc lines of video, which no rule looks into",
    },
    Argued {
        about: &[(Offer, "video of an unknown codec only"), (Offer, "no a=ssrc")],
        stacks: &[Webrtc],
        reason: "an unknown codec is to be rejected with port 0, and SSRCs need not be signalled (RFC 9429 section 5.2.1 has no \
                 a=ssrc); with audio beside video, webrtc fails in setLocalDescription: no trackStreams found for SSRC",
    },
    Argued {
        about: &[
            (Offer, "header extension with the number 0"),
            (Answer, "header extension with the number 0"),
        ],
        stacks: &[Webrtc, Chromium],
        reason: "RFC 8285 section 4.2 reserves 0; the checker has no rule about a=extmap, and nothing is sent with it",
    },
    Argued {
        about: &[(Offer, "data channel in the words of drafts")],
        stacks: &[Webrtc],
        reason: "the words of drafts are taken by the other two; webrtc reads the port and the rest of a=sctpmap as one number",
    },
    Argued {
        about: &[
            (Offer, "last line without its end"),
            (Answer, "last line without its end"),
            (Offer, "empty line at the end"),
            (Answer, "empty line at the end"),
        ],
        stacks: &[Chromium],
        reason: "RFC 8866 section 5 asks parsers to be tolerant of how lines end; JSON and text areas often cut or add the \
                 last end, and the checker lets it pass",
    },
];

/// The argument for a disagreement.
pub(crate) fn find(edited: Edited, edit: &str, stack: Stack) -> Option<&'static Argued> {
    ARGUED
        .iter()
        .find(|argued| argued.stacks.contains(&stack) && argued.about.contains(&(edited, edit)))
}
