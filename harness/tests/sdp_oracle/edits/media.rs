//! Edits of what is sent: directions, protocols, formats, feedback and data channels (RFC 3264, RFC 9429).

use super::super::description::{Description, with_word};
use super::{Edit, For};

pub(super) const EDITS: &[Edit] = &[
    Edit::lines("sendonly to sendonly", For::Answers, |sdp| {
        set_direction(sdp, Some("a=sendonly"))
    }),
    Edit::lines("sendrecv to sendonly", For::Answers, |sdp| {
        set_direction(sdp, Some("a=sendrecv"))
    }),
    Edit::lines("recvonly", For::Offers, |sdp| {
        set_direction(sdp, Some("a=recvonly"))
    }),
    Edit::lines("sendrecv", For::Offers, |sdp| {
        set_direction(sdp, Some("a=sendrecv"))
    }),
    Edit::lines("inactive", For::Both, |sdp| {
        set_direction(sdp, Some("a=inactive"))
    }),
    Edit::lines("no direction", For::Both, |sdp| set_direction(sdp, None)),
    Edit::lines("two directions", For::Both, |sdp| {
        sdp.add_beside("a=sendonly", "a=inactive");
        sdp.add_beside("a=recvonly", "a=inactive");
    }),
    Edit::lines("protocol UDP/TLS/RTP/SAVP", For::Both, |sdp| {
        set_protocol(sdp, "UDP/TLS/RTP/SAVP")
    }),
    Edit::lines("protocol RTP/SAVPF", For::Both, |sdp| {
        set_protocol(sdp, "RTP/SAVPF")
    }),
    Edit::lines("protocol RTP/AVP", For::Both, |sdp| set_protocol(sdp, "RTP/AVP")),
    Edit::lines("protocol of no standard", For::Both, |sdp| {
        set_protocol(sdp, "UDP/MAGIC")
    }),
    Edit::lines("video as text", For::Both, |sdp| {
        sdp.rewrite("m=video", |line| line.replacen("video", "text", 1))
    }),
    Edit::lines("video as audio", For::Both, |sdp| {
        sdp.rewrite("m=video", |line| line.replacen("video", "audio", 1))
    }),
    Edit::lines("no format", For::Both, |sdp| {
        sdp.rewrite("m=video", |line| {
            line.split(' ').take(3).collect::<Vec<_>>().join(" ")
        });
    }),
    Edit::lines("video of an unknown codec only", For::Both, |sdp| {
        of_video(sdp, |section| {
            section.retain(|line| !of_format(line));
            section[0] = first_words(&section[0], "45");
            section.push("a=rtpmap:45 X-FUTURE/90000".to_owned());
        });
    }),
    Edit::lines("unknown codec beside the others", For::Both, |sdp| {
        of_video(sdp, |section| {
            section[0].push_str(" 45");
            section.push("a=rtpmap:45 X-FUTURE/90000".to_owned());
        });
    }),
    Edit::lines("format listed twice", For::Both, |sdp| {
        of_video(sdp, |section| {
            if let Some(format) = section[0].split(' ').nth(3).map(str::to_owned) {
                section[0] = format!("{} {format}", section[0]);
            }
        });
    }),
    Edit::lines("no rtpmap for video", For::Both, |sdp| {
        of_video(sdp, |section| {
            section.retain(|line| !line.starts_with("a=rtpmap:"))
        });
    }),
    Edit::lines("other payload type numbers", For::Both, |sdp| {
        of_video(sdp, |section| renumber(section))
    }),
    Edit::lines("payload type above 127", For::Both, |sdp| {
        of_video(sdp, |section| {
            section[0].push_str(" 200");
            section.push("a=rtpmap:200 X-FUTURE/90000".to_owned());
        });
    }),
    Edit::lines("rtx of an unlisted payload type", For::Offers, |sdp| {
        of_video(sdp, |section| {
            for line in section
                .iter_mut()
                .filter(|line| line.starts_with("a=fmtp:") && line.contains("apt="))
            {
                let begin = line.split("apt=").next().unwrap_or_default();
                *line = format!("{begin}apt=77");
            }
        });
    }),
    Edit::lines("no feedback", For::Both, |sdp| sdp.remove("a=rtcp-fb:")),
    Edit::lines("unknown feedback", For::Both, |sdp| {
        of_video(sdp, |section| {
            if let Some(format) = section[0].split(' ').nth(3).map(str::to_owned) {
                section.push(format!("a=rtcp-fb:{format} x-own-feedback"));
            }
        });
    }),
    Edit::lines("no header extensions", For::Both, |sdp| sdp.remove("a=extmap:")),
    Edit::lines("unknown header extension", For::Both, |sdp| {
        of_video(sdp, |section| {
            section.push("a=extmap:12 urn:example:future".to_owned())
        });
    }),
    Edit::lines("header extension with the number 0", For::Both, |sdp| {
        of_video(sdp, |section| {
            section.push("a=extmap:0 urn:example:future".to_owned())
        });
    }),
    Edit::lines("no a=ssrc", For::Offers, |sdp| sdp.remove("a=ssrc")),
    Edit::lines("no a=msid", For::Both, |sdp| sdp.remove("a=msid")),
    Edit::lines("no rtcp-rsize", For::Both, |sdp| sdp.remove("a=rtcp-rsize")),
    Edit::lines("bandwidth", For::Both, |sdp| {
        of_video(sdp, |section| {
            // RFC 8866 section 5 has b= after c=.
            let at = section
                .iter()
                .position(|line| line.starts_with("c="))
                .map_or(1, |at| at + 1);
            section.insert(at, "b=AS:500".to_owned());
        });
    }),
    Edit::lines("no sctp-port", For::Both, |sdp| sdp.remove("a=sctp-port:")),
    Edit::lines("no max-message-size", For::Both, |sdp| {
        sdp.remove("a=max-message-size:")
    }),
    Edit::lines("data channel in the words of drafts", For::Both, |sdp| {
        sdp.rewrite("m=application", |_| "m=application 9 DTLS/SCTP 5000".to_owned());
        sdp.replace("a=sctp-port:", "a=sctpmap:5000 webrtc-datachannel 1024");
    }),
];

fn set_direction(sdp: &mut Description, direction: Option<&str>) {
    const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    for section in &mut sdp.sections {
        if section[0].starts_with("m=application") {
            continue;
        }
        section.retain(|line| !DIRECTIONS.contains(&line.as_str()));
        section.extend(direction.map(str::to_owned));
    }
}

fn set_protocol(sdp: &mut Description, protocol: &str) {
    for section in &mut sdp.sections {
        if !section[0].starts_with("m=application") {
            section[0] = with_word(&section[0], 2, protocol);
        }
    }
}

fn of_video(sdp: &mut Description, edit: impl Fn(&mut Vec<String>)) {
    let videos = sdp.sections.iter_mut();
    videos
        .filter(|section| section[0].starts_with("m=video"))
        .for_each(edit);
}

/// Whether a line explains a format.
fn of_format(line: &str) -> bool {
    ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=ssrc"]
        .iter()
        .any(|begins| line.starts_with(begins))
}

/// An m= line with one format.
fn first_words(line: &str, format: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').take(3).collect();
    words.push(format);
    words.join(" ")
}

/// Gives every payload type of a section another dynamic number: JSEP lets each side choose its own.
fn renumber(section: &mut [String]) {
    let old: Vec<String> = section[0].split(' ').skip(3).map(str::to_owned).collect();
    let new = |number: &str| {
        let at = old.iter().position(|old| old == number);
        at.map(|at| (35 + at).to_string())
    };
    for line in section.iter_mut() {
        if line.starts_with("m=") {
            let words = line.split(' ').enumerate();
            let words =
                words.map(|(at, word)| new(word).filter(|_| at > 2).unwrap_or_else(|| word.to_owned()));
            *line = words.collect::<Vec<_>>().join(" ");
        } else if let Some((name, rest)) = line.split_once(':').filter(|_| of_format(line)) {
            let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let apt = rest.strip_prefix("apt=").and_then(new);
            let rest = apt.map_or_else(|| rest.to_owned(), |apt| format!("apt={apt}"));
            if let Some(number) = new(number).filter(|_| !name.contains("ssrc")) {
                *line = format!("{name}:{number} {rest}");
            }
        }
    }
}
