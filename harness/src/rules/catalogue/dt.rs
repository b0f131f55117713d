//! DTLS and SRTP: certificates, roles, and what may be sent when.
//!
//! Owns the texts of its rules and nothing else: what decides them is elsewhere.

use super::{Decided, Rule};
use crate::check::Severity;

pub(super) const DT: &[Rule] = &[
    Rule {
        id: "DT-01",
        severity: Severity::Error,
        title: "The certificate of the DTLS handshake hashes to a fingerprint of the applied remote \
              description, or the transport ends before media is accepted.",
        source: "RFC 5763 section 5; RFC 8122 sections 5 and 6; RFC 8827",
        why: "The fingerprint is all that ties the encrypted media to the peer that was signaled. A \
              mismatch means a mixed-up description or a man in the middle; accepting it anyway means \
              that anybody could be watching. In practice it comes about when answers are mixed up \
              between peers, or when a server restarts with a new certificate and sends an old SDP.",
        broken: "\
v2 -> b1: answer   a=fingerprint:sha-256 4A:AD:B9:...
v2 -> b1: DTLS Certificate, sha-256 C1:90:3E:...     <- not the signaled one
b1 -> v2: SRTP                                       <- media in spite of it",
        fix: "Make the SDP and the handshake use the same certificate object, route answers by sender, \
              and never switch the check off, not even in tests.",
        decided: Decided::Yes,
    },
    Rule {
        id: "DT-02",
        severity: Severity::Error,
        title: "The side whose setup is active sends the ClientHello, and an offerer with actpass accepts \
              one before the answer has come.",
        source: "RFC 5763 section 5; RFC 8842 section 5",
        why: "Media waits for DTLS. If the passive side starts as well, or the active one waits, the \
              handshake hangs or begins again only after a timer: a second or more of black picture, or \
              none at all. It comes about when the role is taken from who offers instead of from \
              a=setup, or when packets that come before the answer are thrown away.",
        broken: "\
b1 -> v2: offer    a=setup:actpass
v2 -> b1: answer   a=setup:active
b1 -> v2: DTLS ClientHello                <- b1 is passive: v2 begins",
        fix: "Take the role from the answer's a=setup. As an offerer keep a ClientHello that comes \
              early, and verify the fingerprint when the answer is there.",
        decided: Decided::Yes,
    },
    Rule {
        id: "DT-03",
        severity: Severity::Error,
        title: "A new fingerprint or tls-id means a new DTLS association with an ICE restart; with the \
              old ones the association goes on, across a restart as well.",
        source: "RFC 9429 sections 5.8.3 and 5.11",
        why: "If one side begins a new association and the other keeps the old one, the keys differ: \
              packets arrive and nothing can be decrypted. After a restart for a change of network that \
              means sound and picture never come back. It usually comes from a server that moves a \
              session to another machine with another certificate.",
        broken: "\
offer 1   a=fingerprint:sha-256 4A:AD:...   a=ice-ufrag:F7gI
offer 2   a=fingerprint:sha-256 C1:90:...   a=ice-ufrag:F7gI     <- new certificate, no restart",
        fix: "Keep the certificate for the life of the connection. If it must change, restart ICE in \
              the same offer, or build a new connection.",
        decided: Decided::Yes,
    },
    Rule {
        id: "DT-04",
        severity: Severity::Error,
        title: "DTLS is 1.2 or newer, use_srtp is negotiated, no cipher is NULL, and \
              SRTP_AES128_CM_HMAC_SHA1_80 is supported.",
        source: "RFC 8827 section 6.5",
        why: "Browsers refuse anything older or weaker, so the handshake fails and the state goes from \
              connecting to failed. Without use_srtp there are no media keys, and the connection is up \
              without a picture. It comes about with old TLS libraries in devices, and with debug \
              builds that switch encryption off.",
        broken: "\
v2 -> b1: ClientHello   DTLS 1.0                             <- too old
                        use_srtp: SRTP_NULL_HMAC_SHA1_80     <- no encryption",
        fix: "Update the TLS library, set DTLS 1.2 as minimum, and offer SRTP_AES128_CM_HMAC_SHA1_80 \
              among the profiles.",
        decided: Decided::Yes,
    },
    Rule {
        id: "DT-05",
        severity: Severity::Error,
        title: "No RTP or RTCP goes out in clear or before the handshake is complete, and the end of a \
              connection is said with close_notify.",
        source: "RFC 8827 section 6.5; RFC 5764 section 4.1",
        why: "Media in clear can be read by everybody on the path, and a browser drops it. Media before \
              the handshake is lost, which may be the key frame that the picture waits for. Without \
              close_notify the peer finds out only after 30 s without consent, and a frozen picture \
              stays that long. It comes about when a sender starts on ICE connected, and when a process \
              exits without close().",
        broken: "\
b1 <-> v2: ICE connected
b1 -> v2: SRTP (key frame)                <- before Finished: v2 cannot decrypt it
v2 -> b1: DTLS Finished",
        fix: "Start sending at connectionState connected, not at ICE connected. Close connections \
              explicitly, and let the alert go out before the process ends.",
        decided: Decided::Yes,
    },
    Rule {
        id: "DT-06",
        severity: Severity::Error,
        title: "The first byte of a packet tells its protocol: 0-3 STUN, 20-63 DTLS, 64-79 TURN channel, \
              128-191 RTP or RTCP.",
        source: "RFC 7983 section 7",
        why: "STUN, DTLS and media share one port, and only the first byte tells them apart. A packet \
              outside the ranges is dropped without a word, so a stream with a private header simply \
              never arrives. It comes about with home-made framing, with data sent on the media port, \
              and with an offset error when a buffer is reused.",
        broken: "\
b1 -> v2: 16 03 ...    <- 22 is DTLS: fine
b1 -> v2: 00 05 80 60  <- a length before the RTP header: taken for STUN and dropped",
        fix: "Put exactly one STUN, DTLS or RTP packet into each datagram, without a prefix. Use a data \
              channel for anything else.",
        decided: Decided::Yes,
    },
];
