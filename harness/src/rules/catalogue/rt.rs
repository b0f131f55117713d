//! RTP, RTCP and codecs.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const RT: &[Rule] = &[
    Rule {
        id: "RT-01",
        severity: Severity::Warning,
        title: "An audio offer lists Opus and PCMU or PCMA, a video offer lists VP8 and H.264 constrained \
              baseline.",
        source: "RFC 7874 section 3; RFC 7742 section 5; RFC 9429 section 5.2.1",
        why: "These are the codecs that every WebRTC endpoint has, so an offer with them always finds a \
              common one. With a shorter list, some browser or device has no format left and shows \
              nothing. It comes about when setCodecPreferences or SDP editing keeps only one codec, or \
              when a build leaves H.264 out for its licence. A WHIP or WHEP profile may relax this.",
        broken: "\
m=video 9 UDP/TLS/RTP/SAVPF 98
a=rtpmap:98 VP9/90000                     <- neither VP8 nor H.264",
        fix: "Order codecs by preference instead of removing them. If only one is wanted, test with \
              every browser that you promise to support.",
        decided: Decided::Yes,
    },
    Rule {
        id: "RT-02",
        severity: Severity::Error,
        title: "rtcp-mux is offered in every media section and kept once negotiated; the policy require \
              has it everywhere, and rtcp-mux-only never stands alone.",
        source: "RFC 9429 section 5.8.3; RFC 8834 section 4.5",
        why: "Browsers use one port for RTP and RTCP and refuse a section without rtcp-mux. Lost in a \
              later offer, feedback goes to a port that nobody opened: no key frames on request, no \
              bitrate control, and a picture that stays broken after the first loss. It comes about \
              with SIP gateways and with templates for SDP.",
        broken: "\
offer 1   m=video 9 ...   a=rtcp-mux
offer 2   m=video 9 ...   (no a=rtcp-mux)     <- was negotiated, is gone",
        fix: "Write a=rtcp-mux into every audio and video section of every description. Write \
              a=rtcp-mux-only only beside it, and only into a first offer.",
        decided: Decided::Yes,
    },
    Rule {
        id: "RT-03",
        severity: Severity::Error,
        title: "Every payload type on the wire is negotiated for its section and direction, and with \
              rtcp-mux none is in 64-95.",
        source: "RFC 3264 section 5.1; RFC 5761 section 4",
        why: "A receiver drops a payload type that it does not know: bytes arrive and the picture stays \
              black. Numbers from 64 to 95 look like RTCP on a shared port and are taken for feedback. \
              It comes about when a server forwards packets with the publisher's numbers to viewers who \
              negotiated other ones.",
        broken: "\
answer    m=video 9 ... 96                a=rtpmap:96 VP8/90000
b1 -> v2: RTP payload type 102            <- not negotiated with v2",
        fix: "Map payload types for each receiver when forwarding. Choose numbers from 96 to 127, and \
              below 64 when those are used up.",
        decided: Decided::Yes,
    },
    Rule {
        id: "RT-04",
        severity: Severity::Error,
        title: "Each RTP packet belongs to exactly one m-section, by its MID extension, SSRC or payload \
              type; an unsignalled SSRC is no error.",
        source: "RFC 9143 section 9.2; RFC 8834 section 4.8",
        why: "In a bundle all media comes on one port. If a packet fits no section it is dropped; if \
              its payload type is in two sections and it has no MID, camera and screen can be swapped \
              or one of them lost. It usually comes from a sender that leaves the MID extension out \
              although two video sections share payload types.",
        broken: "\
m=video (mid 1) ... 96                    m=video (mid 2) ... 96
b1 -> v2: RTP payload type 96, SSRC 7, no MID     <- camera or screen?",
        fix: "Offer and send the extension urn:ietf:params:rtp-hdrext:sdes:mid, at least in the first \
              packets of each SSRC.",
        decided: Decided::No(
            "a MID header extension is readable, but which section an unsignalled SSRC belongs to is \
             decided after decryption",
        ),
    },
    Rule {
        id: "RT-05",
        severity: Severity::Error,
        title: "No media comes from a side that is inactive or recvonly, and after a signaled mute or \
              stop its content ends within the stated bound.",
        source: "RFC 3264 section 6.1; greenroom (bound of 1 s unless configured)",
        why: "After mute or stop, people count on not being seen or heard: media that goes on is a \
              breach of privacy, and it costs bandwidth. Black pictures and silence may go on after a \
              mute, as from a disabled track. It comes about when mute is only a message to the user \
              interface while the track keeps sending, or when replaceTrack fails and nobody looks.",
        broken: "\
10.0 s  b1: {\"type\":\"stop\"}
10.1 s  all: state, stopped true
14.0 s  b1 -> v2: RTP video               <- 4 s after the stop",
        fix: "Disable or replace the track first and signal afterwards. For stop set the direction to \
              inactive or stop the transceiver, and check that sending has ended.",
        decided: Decided::Yes,
    },
    Rule {
        id: "RT-06",
        severity: Severity::Warning,
        title: "A sender answers PLI and FIR with a key frame, RTCP flows both ways, and a connection has \
              one CNAME.",
        source: "RFC 8834 sections 4.9, 5.1.1 and 5.1.2",
        why: "A viewer who joins late or loses packets cannot decode anything until a key frame comes: \
              black or grey until then. Without reports the sender cannot adapt, and with two CNAMEs \
              sound and picture are not played in step. It comes about when a server does not forward \
              PLI to the publisher, or limits key frames too strictly.",
        broken: "\
20.0 s  v2 -> b1: RTCP PLI
21.0 s  v2 -> b1: RTCP PLI
25.0 s  b1 -> v2: delta frames only       <- no key frame for 5 s",
        fix: "Forward PLI and FIR to the encoder, and merge those that come within some 500 ms into one \
              key frame. Send sender and receiver reports for every SSRC.",
        decided: Decided::No(
            "RTCP is encrypted: only that a key frame came is known, not which request it answers",
        ),
    },
];
