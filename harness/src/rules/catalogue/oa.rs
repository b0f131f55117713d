//! Offer and answer: the state machine of JSEP and what the SDP has to keep from one description to the next.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const OA: &[Rule] = &[
    Rule {
        id: "OA-01",
        severity: Severity::Error,
        title: "A remote offer is applied only in stable or have-remote-offer, a local offer only in \
              stable or have-local-offer.",
        source: "RFC 9429 sections 5.5 and 5.6",
        why: "A description in the wrong state is refused with InvalidStateError, and the negotiation \
              that it belonged to never ends: the viewer waits for a picture that nobody sends. It \
              comes about when two event handlers negotiate at once, say negotiationneeded and a \
              reconnect, or when an offer arrives twice.",
        broken: "\
b1: setLocalDescription(offer)            stable -> have-local-offer
v2 -> b1: offer
b1: setRemoteDescription(offer)           <- have-local-offer, InvalidStateError",
        fix: "Let one task own the negotiation of a connection, and look at signalingState before each \
              description. Where both sides may offer, use perfect negotiation (GL-01).",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-02",
        severity: Severity::Error,
        title: "An answer or pranswer is applied only while the offer that it answers is open.",
        source: "RFC 9429 sections 5.5 and 5.6",
        why: "An answer without an open offer belongs to nothing, and the stack throws it away with an \
              error. If it was meant for an older offer, the ports, codecs and credentials in it may be \
              wrong for the new one, and media flows one way or not at all. The usual causes are a \
              message that a retry sent twice, and an answer that was still on its way when the offer \
              was rolled back.",
        broken: "\
b1 -> v2: offer
v2 -> b1: answer                          have-local-offer -> stable
v2 -> b1: answer                          <- no offer is open: InvalidStateError",
        fix: "Answer each offer once, and do not resend an answer that the signaling channel has \
              delivered. Drop answers to an offer that is no longer pending.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-03",
        severity: Severity::Error,
        title: "Nobody sends a new offer while an offer of its own or of the peer is unanswered.",
        source: "RFC 3264 section 4",
        why: "Two open offers mean that both sides wait for an answer, or that an answer is matched \
              with the wrong offer. Users see a call that hangs while tracks are added. It comes about \
              when every change of tracks sends an offer at once, without waiting for the last one to \
              be answered. An offer that replaces the same side's own in the same state is a JSEP \
              re-offer and is no breach; offers that cross are glare (GL-01).",
        broken: "\
v2 -> b1: offer
b1: addTrack(screen), createOffer()
b1 -> v2: offer                           <- the offer of v2 is still unanswered",
        fix: "Remember that an offer is wanted and make it when the state is stable again. The event \
              negotiationneeded does this by itself.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-04",
        severity: Severity::Error,
        title: "A rollback never comes in stable, carries no SDP, and leaves no pending description.",
        source: "RFC 9429 sections 4.1.10 and 5.7",
        why: "In stable there is nothing to take back, so the call fails and the code after it does not \
              run. A rollback that leaves the pending description behind is worse: candidates and \
              answers then meet an offer that no longer counts. It comes about when error handling \
              rolls back without looking at the state.",
        broken: "\
v2 -> b1: answer                          have-local-offer -> stable
b1: setLocalDescription({type: \"rollback\"})   <- stable: InvalidStateError",
        fix: "Roll back only in have-local-offer or have-remote-offer, without sdp. Browsers roll back \
              by themselves in setRemoteDescription(offer).",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-05",
        severity: Severity::Error,
        title: "A description can be read, and an answer has as many m-sections as its offer, with the same \
              media type and proto at each position.",
        source: "RFC 8866 section 5; RFC 9429 sections 5.1.2 and 5.8.3",
        why: "Sections are matched by position, so one that is missing or moved gives video parameters \
              to the audio transceiver. Browsers refuse such an answer and the connection never starts. \
              It usually comes from a server that builds the answer from its own list of tracks, or \
              from code that edits SDP text and cuts out what it does not support.",
        broken: "\
offer                                     answer
m=audio 9 UDP/TLS/RTP/SAVPF 111           m=audio 9 UDP/TLS/RTP/SAVPF 111
m=video 9 UDP/TLS/RTP/SAVPF 96            <- no m=video
m=application 9 UDP/DTLS/SCTP ...         m=application 9 UDP/DTLS/SCTP ...",
        fix: "Build the answer by walking the offer. Reject what is not wanted with port 0 in its \
              place; never leave it out.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-06",
        severity: Severity::Error,
        title: "Later offers keep every m-section in its place; a section ends with port 0 and is \
              recycled only there, with a new mid.",
        source: "RFC 3264 section 8; RFC 9429 section 5.2.2",
        why: "Both sides know a section by its index. If one vanishes or two change places, every later \
              section is taken for another one: the picture freezes or sound goes to the wrong track. \
              It comes about when SDP is generated from the tracks that are alive now, so that a \
              removed track takes its section with it.",
        broken: "\
offer 1: m=audio (mid 0)   m=video (mid 1)   m=video (mid 2)
         removeTrack of mid 1
offer 2: m=audio (mid 0)   m=video (mid 2)   <- mid 1 is gone, mid 2 has moved",
        fix: "Keep a list of sections that only grows. Set the port to 0 for a stopped transceiver, and \
              put a new transceiver with a new mid into that slot.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-07",
        severity: Severity::Error,
        title: "Each offered m-section has a mid of its own that never changes while it lives, and the \
              answer repeats it.",
        source: "RFC 9429 sections 5.2.1, 5.2.2 and 5.3.1",
        why: "The mid ties candidates, the BUNDLE group and RTP packets to a section. A lost or doubled \
              mid sends candidates to the wrong transport, and a changed one makes a new transceiver \
              out of an old one. It usually comes from SDP munging, or from an SFU that numbers mids \
              anew for each answer. A mid of more than 3 bytes is legal, but costs room in every \
              packet: that is a warning.",
        broken: "\
offer     m=video 9 ...   a=mid:1
answer    m=video 9 ...   a=mid:video     <- not the mid that was offered",
        fix: "Copy a=mid from the offer into the answer. Give new sections new mids of 1 to 3 bytes and \
              never reuse one.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-08",
        severity: Severity::Error,
        title: "The o= line can be read; within a session only its session-version changes, and it rises \
              whenever the text changes.",
        source: "RFC 8866 section 5.2; RFC 9429 sections 5.2.1 and 5.2.2; RFC 3264 section 8",
        why: "The o= line tells a peer whether a description is new. With an unchanged version a \
              careful peer may take a real change for a repetition and do nothing; with a new session \
              id it may take the whole session for another one. It comes about when SDP is edited by \
              hand, or when a server makes each description from a fresh template.",
        broken: "\
offer 1   o=- 716402598133 2 IN IP4 127.0.0.1     a=sendrecv
offer 2   o=- 716402598133 2 IN IP4 127.0.0.1     a=sendonly   <- version 2 again",
        fix: "Keep user name, session id and address for the life of the connection. Raise the version \
              by one for each description whose text differs from the last.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-09",
        severity: Severity::Error,
        title: "The answered BUNDLE group is a subset of the offered one on one transport, and \
              bundle-only stands only in the offer that proposes it.",
        source: "RFC 9429 sections 5.2.2 and 5.3.1; RFC 9143 section 7.3",
        why: "BUNDLE puts several sections on one transport. If the answer adds a section to the group, \
              or gives a bundled section a transport of its own, the sides send to different places and \
              a track stays black. It usually comes from a server that writes a=group:BUNDLE from its \
              own mids instead of from the offer's group.",
        broken: "\
offer     a=group:BUNDLE 0 1              m=audio (0)   m=video (1)   m=application (2)
answer    a=group:BUNDLE 0 1 2            <- 2 was not offered in the group
          m=video ... a=bundle-only       <- never in an answer",
        fix: "Begin with the offered group, take out the rejected mids, and add nothing. Write \
              a=bundle-only only into an offer before the group is negotiated.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-10",
        severity: Severity::Error,
        title: "A bundle-only m-section has port 0 and neither ICE credentials nor candidates.",
        source: "RFC 9429 section 5.2.1",
        why: "Such a section says that it exists only inside the bundle. With a port or credentials of \
              its own it also promises a transport that nobody opened, and a peer without BUNDLE would \
              send there into nothing. It comes about when code adds a=bundle-only to finished \
              sections, or copies the ICE lines into every section.",
        broken: "\
m=video 9 UDP/TLS/RTP/SAVPF 96            <- a port that is not 0
a=mid:1
a=bundle-only
a=ice-ufrag:F7gI                          <- belongs to the first section of the group",
        fix: "Write port 0 and leave out ice-ufrag, ice-pwd, fingerprint, setup and candidates wherever \
              a=bundle-only stands.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-11",
        severity: Severity::Error,
        title: "If the m-section that carries the bundle is rejected, the whole bundle is rejected.",
        source: "RFC 9429 section 5.3.1; RFC 9143 section 7.3.3",
        why: "The first mid of the group carries ICE and DTLS for all the others. If that section is \
              rejected while others stay in the group, they have no transport and stay black for ever. \
              It comes about when a server refuses audio, which is usually first, and keeps video.",
        broken: "\
offer     a=group:BUNDLE 0 1              m=audio 9 (mid 0)   m=video 9 (mid 1)
answer    a=group:BUNDLE 0 1              m=audio 0 (mid 0)   m=video 9 (mid 1)
                                          <- mid 0 is rejected, but its transport is used",
        fix: "Keep the tagged section with a=inactive instead of rejecting it, or reject every section. \
              In an offer, put a section first that will be accepted.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-12",
        severity: Severity::Error,
        title: "The answered direction fits the offered one: sendonly gets recvonly, recvonly gets \
              sendonly, inactive gets inactive; inactive always fits.",
        source: "RFC 3264 section 6.1",
        why: "A direction that does not fit means that both sides send, both wait, or media comes that \
              nobody asked for. Viewers see black although all states say connected. It usually comes \
              from a viewer that answers sendrecv by default, or from a direction that is copied \
              instead of mirrored.",
        broken: "\
offer     m=video ...   a=sendonly
answer    m=video ...   a=sendonly        <- nobody receives",
        fix: "Mirror the offer, then narrow it to what you want. In the W3C interface set \
              transceiver.direction before createAnswer and leave the SDP alone.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-13",
        severity: Severity::Error,
        title: "An offer says a=setup:actpass, an answer active or passive, and a later answer keeps the \
              running association's roles.",
        source: "RFC 9429 sections 5.2.1, 5.3.1 and 5.8.3",
        why: "a=setup decides who begins the DTLS handshake. If both are active or both passive the \
              handshake never completes: ICE is connected and there is no media. A role that flips in a \
              later answer breaks an association that worked. It comes about when an answer echoes \
              actpass, or when a server swaps who offers and forgets the role that it has.",
        broken: "\
b1 -> v2: offer     a=setup:actpass
v2 -> b1: answer    a=setup:actpass       <- nobody is the client",
        fix: "Offer actpass. Answer active the first time; answer with the role that you already have \
              as long as the association lives.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-14",
        severity: Severity::Error,
        title: "ICE credentials stay the same across descriptions, and change, both of them and on both \
              sides, only for an ICE restart.",
        source: "RFC 9429 sections 5.2.2 and 5.10; RFC 8445 section 9",
        why: "A new ufrag or password says that ICE starts again. By accident it drops a good \
              connection; if one side changes alone, checks fail with 401 and the stream stops after \
              the consent timeout. It comes about when an offer is built from a new connection, or when \
              an answer from before the restart is replayed.",
        broken: "\
offer 1   a=ice-ufrag:F7gI   a=ice-pwd:c2Vx0qTb9LwYkR3d8mJu5e
offer 2   a=ice-ufrag:F7gI   a=ice-pwd:kT0b7cVf5eKs1pQmZ2LwYd     <- only the password is new",
        fix: "Use restartIce() or iceRestart to change both at once. Answer a restart with new \
              credentials, and any other offer with the old ones.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-15",
        severity: Severity::Error,
        title: "ICE credentials have a legal length and alphabet, every transport has a fingerprint, and \
              a=crypto is absent.",
        source: "RFC 9429 sections 5.1.1 and 5.8.3; RFC 8839 section 5.4",
        why: "A ufrag under 4 or a password under 22 characters is refused, or can be guessed. Without \
              a fingerprint the DTLS certificate cannot be checked, so browsers refuse the description. \
              a=crypto would carry the media keys through the signaling server. These come from \
              hand-made SDP, from tests with short names, and from gateways that leave SIP lines in.",
        broken: "\
a=ice-ufrag:v2                            <- under 4 characters
a=ice-pwd:secret                          <- under 22 characters
a=crypto:1 AES_CM_128_HMAC_SHA1_80 ...    <- keys in the signaling, and no a=fingerprint",
        fix: "Draw at least 4 and 22 random characters of A-Z, a-z, 0-9, + and /. Write a=fingerprint \
              into the section that carries the transport. Delete a=crypto.",
        decided: Decided::Yes,
    },
    Rule {
        id: "OA-16",
        severity: Severity::Error,
        title: "Every accepted m-section shares a format with its offer, its rtx points at a listed \
              format, and its rtcp-fb was offered.",
        source: "RFC 3264 section 6.1; RFC 9429 sections 5.3.1, 5.10 and 5.11",
        why: "Without a common format the section is accepted and nothing can be decoded: a black \
              picture with bytes arriving. An rtx whose apt points nowhere makes retransmissions \
              useless, so a little loss already freezes the picture. It usually comes from code that \
              removes a codec from the m= line and leaves its rtpmap, fmtp and rtx behind.",
        broken: "\
offer     m=video 9 ... 96 97             a=rtpmap:96 VP8/90000   a=fmtp:97 apt=96
answer    m=video 9 ... 102 97            <- 102 was not offered
          a=fmtp:97 apt=96                <- 96 is no longer there",
        fix: "Choose codecs with setCodecPreferences instead of editing SDP. Where nothing fits, reject \
              the section with port 0. Remove a codec's rtx together with it.",
        decided: Decided::Yes,
    },
];
