//! Edits of what a transport is known by: ICE, DTLS and RTCP multiplexing (RFC 8839, RFC 8842, RFC 8858).

use super::super::description::with_value;
use super::{Edit, For};

const CANDIDATE: &str = "a=candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host";

pub(super) const EDITS: &[Edit] = &[
    Edit::lines("setup:actpass", For::Answers, |sdp| {
        sdp.replace("a=setup:", "a=setup:actpass")
    }),
    Edit::lines("setup:active", For::Offers, |sdp| {
        sdp.replace("a=setup:", "a=setup:active")
    }),
    Edit::lines("setup:passive", For::Both, |sdp| {
        sdp.replace("a=setup:", "a=setup:passive")
    }),
    Edit::lines("setup:holdconn", For::Both, |sdp| {
        sdp.replace("a=setup:", "a=setup:holdconn")
    }),
    Edit::lines("setup of an unknown value", For::Both, |sdp| {
        sdp.replace("a=setup:", "a=setup:maybe")
    }),
    Edit::lines("no setup", For::Both, |sdp| sdp.remove("a=setup:")),
    Edit::lines("setup at session level", For::Both, |sdp| sdp.lift("a=setup:")),
    Edit::lines("no fingerprint", For::Both, |sdp| sdp.remove("a=fingerprint:")),
    Edit::lines("another fingerprint", For::Both, |sdp| {
        sdp.rewrite("a=fingerprint:", |line| {
            let kept = &line[..line.len() - 2];
            format!("{kept}{}", if line.ends_with("00") { "11" } else { "00" })
        });
    }),
    Edit::lines("fingerprint one byte short", For::Both, |sdp| {
        sdp.rewrite("a=fingerprint:", |line| line[..line.len() - 3].to_owned());
    }),
    Edit::lines("fingerprint without a hash function", For::Both, |sdp| {
        sdp.rewrite("a=fingerprint:", |line| line.replacen("sha-256 ", "", 1));
    }),
    Edit::lines("fingerprint of an unknown hash function", For::Both, |sdp| {
        sdp.rewrite("a=fingerprint:", |line| line.replacen("sha-256", "sha-999", 1));
    }),
    Edit::lines("hash function in capitals", For::Both, |sdp| {
        sdp.rewrite("a=fingerprint:", |line| line.replacen("sha-256", "SHA-256", 1));
    }),
    Edit::lines("fingerprint at session level", For::Both, |sdp| {
        sdp.lift("a=fingerprint:");
    }),
    Edit::lines("two fingerprints", For::Both, |sdp| {
        let digest = vec!["AB"; 64].join(":");
        sdp.add_beside("a=setup:", &format!("a=fingerprint:sha-512 {digest}"));
    }),
    Edit::lines("ice-ufrag of 2 characters", For::Both, |sdp| {
        sdp.replace("a=ice-ufrag:", "a=ice-ufrag:ab")
    }),
    Edit::lines("ice-ufrag of 256 characters", For::Both, |sdp| {
        sdp.replace("a=ice-ufrag:", &format!("a=ice-ufrag:{}", "u".repeat(256)));
    }),
    Edit::lines("ice-ufrag of 257 characters", For::Both, |sdp| {
        sdp.replace("a=ice-ufrag:", &format!("a=ice-ufrag:{}", "u".repeat(257)));
    }),
    Edit::lines("ice-ufrag with a dash", For::Both, |sdp| {
        sdp.replace("a=ice-ufrag:", "a=ice-ufrag:ab-cd")
    }),
    Edit::lines("another ice-ufrag", For::Both, |sdp| {
        sdp.replace("a=ice-ufrag:", "a=ice-ufrag:other")
    }),
    Edit::lines("ice-pwd of 8 characters", For::Both, |sdp| {
        sdp.replace("a=ice-pwd:", "a=ice-pwd:tooshort")
    }),
    Edit::lines("ice-pwd of 257 characters", For::Both, |sdp| {
        sdp.replace("a=ice-pwd:", &format!("a=ice-pwd:{}", "p".repeat(257)));
    }),
    Edit::lines("ice-pwd with a dash", For::Both, |sdp| {
        sdp.replace("a=ice-pwd:", "a=ice-pwd:abcdefghijkl-mnopqrstuvw");
    }),
    Edit::lines("another ice-pwd", For::Both, |sdp| {
        sdp.replace("a=ice-pwd:", "a=ice-pwd:anotherPasswordLongEnough");
    }),
    Edit::lines("no ice-ufrag", For::Both, |sdp| sdp.remove("a=ice-ufrag:")),
    Edit::lines("no ice-pwd", For::Both, |sdp| sdp.remove("a=ice-pwd:")),
    Edit::lines("no ICE credentials", For::Both, |sdp| {
        sdp.remove("a=ice-ufrag:");
        sdp.remove("a=ice-pwd:");
    }),
    Edit::lines("ICE credentials at session level", For::Both, |sdp| {
        sdp.lift("a=ice-ufrag:");
        sdp.lift("a=ice-pwd:");
    }),
    Edit::lines("other ICE credentials in the last section", For::Both, |sdp| {
        sdp.last_of_several(|section| {
            for line in section.iter_mut() {
                if line.starts_with("a=ice-ufrag:") {
                    *line = "a=ice-ufrag:other".to_owned();
                } else if line.starts_with("a=ice-pwd:") {
                    *line = "a=ice-pwd:anotherPasswordLongEnough".to_owned();
                }
            }
        });
    }),
    Edit::lines("transport in the first section only", For::Both, |sdp| {
        const TRANSPORT: [&str; 5] = [
            "a=ice-ufrag",
            "a=ice-pwd",
            "a=ice-options",
            "a=fingerprint",
            "a=setup",
        ];
        for section in sdp.sections.iter_mut().skip(1) {
            section.retain(|line| !TRANSPORT.iter().any(|begins| line.starts_with(begins)));
        }
    }),
    Edit::lines("no ice-options", For::Both, |sdp| sdp.remove("a=ice-options:")),
    Edit::lines("ice-options without trickle", For::Both, |sdp| {
        sdp.remove("a=ice-options:");
        sdp.session.push("a=ice-options:ice2".to_owned());
    }),
    Edit::lines("ice-options:trickle ice2", For::Both, |sdp| {
        sdp.remove("a=ice-options:");
        sdp.session.push("a=ice-options:trickle ice2".to_owned());
    }),
    Edit::lines("unknown ice-option", For::Both, |sdp| {
        sdp.remove("a=ice-options:");
        sdp.session.push("a=ice-options:trickle future".to_owned());
    }),
    Edit::lines("ice-lite", For::Both, |sdp| {
        sdp.session.push("a=ice-lite".to_owned())
    }),
    Edit::lines("no rtcp-mux", For::Both, |sdp| {
        sdp.rewrite("a=rtcp-mux", |line| {
            if line == "a=rtcp-mux" {
                "a=x-no-mux".to_owned()
            } else {
                line.to_owned()
            }
        });
    }),
    Edit::lines("rtcp-mux-only without rtcp-mux", For::Both, |sdp| {
        sdp.replace("a=rtcp-mux", "a=rtcp-mux-only")
    }),
    Edit::lines("rtcp-mux-only beside rtcp-mux", For::Both, |sdp| {
        sdp.add_beside("a=rtcp-mux", "a=rtcp-mux-only")
    }),
    Edit::lines("crypto line", For::Both, |sdp| {
        let key = "A".repeat(40);
        sdp.add_beside(
            "a=rtcp-mux",
            &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"),
        );
    }),
    Edit::lines("tls-id", For::Both, |sdp| {
        sdp.add("a=tls-id:abcdefghijklmnopqrst")
    }),
    Edit::lines("no c= line", For::Both, |sdp| sdp.remove("c=")),
    Edit::lines("c= line with an address", For::Both, |sdp| {
        sdp.replace("c=", "c=IN IP4 192.0.2.1")
    }),
    Edit::lines("c= line of IPv6", For::Both, |sdp| {
        sdp.replace("c=", "c=IN IP6 ::")
    }),
    Edit::lines("port 50000 in place of 9", For::Both, |sdp| {
        sdp.rewrite("m=", |line| line.replacen(" 9 ", " 50000 ", 1))
    }),
    Edit::lines("candidate", For::Both, |sdp| sdp.add(CANDIDATE)),
    Edit::lines("candidate of IPv6", For::Both, |sdp| {
        sdp.add(&CANDIDATE.replace("192.0.2.1", "2001:db8::1"))
    }),
    Edit::lines("candidate with a name of mDNS", For::Both, |sdp| {
        sdp.add(&CANDIDATE.replace("192.0.2.1", "0e1c7e02-0b3c-4b6c-9d52-2d5b4c1d1e0f.local"));
    }),
    Edit::lines("candidate of TCP", For::Both, |sdp| {
        sdp.add("a=candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active");
    }),
    Edit::lines("candidate with an unknown extension", For::Both, |sdp| {
        sdp.add(&format!("{CANDIDATE} future 1"))
    }),
    Edit::lines("candidate without its type", For::Both, |sdp| {
        sdp.add("a=candidate:1 1 udp 1 192.0.2.1 50000")
    }),
    Edit::lines("end-of-candidates", For::Both, |sdp| {
        sdp.add(CANDIDATE);
        sdp.add("a=end-of-candidates");
    }),
    Edit::lines("ice-ufrag twice", For::Both, |sdp| {
        sdp.rewrite("a=ice-ufrag:", |line| {
            format!("{line}\r\n{}", with_value(line, |value| format!("{value}2")))
        });
    }),
];
