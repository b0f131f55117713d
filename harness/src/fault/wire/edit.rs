//! Edits of signaling messages: SDP lines, candidate fields, room state.
//!
//! Owns the rewriting of JSON and of SDP text. Each edit changes one thing and leaves what it does not understand.

use serde_json::{Value, json};

use crate::net::model::Random;

/// Rewrites the SDP of a message, whatever its type.
pub(super) fn sdp(message: &mut Value, edit: impl Fn(&str) -> String) {
    for kind in ["offer", "answer"] {
        if let Some(Value::String(text)) = message.get_mut(kind).and_then(|body| body.get_mut("sdp")) {
            *text = edit(text);
        }
    }
}

/// Replaces every line that begins like this.
pub(super) fn lines(message: &mut Value, begins: &str, with: impl Fn(&str) -> Option<String>) {
    sdp(message, |text| {
        let mut out = String::new();
        for line in text.split_inclusive('\n') {
            let bare = line.trim_end();
            if bare.starts_with(begins) {
                if let Some(new) = with(bare) {
                    out.push_str(&new);
                    out.push_str("\r\n");
                }
            } else {
                out.push_str(line);
            }
        }
        out
    });
}

/// The session's lines and each m-section's.
pub(super) fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.starts_with("m=") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
    }
    parts
}

pub(super) fn drop_last_section(message: &mut Value) {
    sdp(message, |text| {
        let mut parts = parts(text);
        parts.pop();
        parts.concat()
    });
}

pub(super) fn swap_sections(message: &mut Value) {
    sdp(message, |text| {
        let mut parts = parts(text);
        if parts.len() > 2 {
            parts.swap(1, 2);
        }
        parts.concat()
    });
}

pub(super) fn repeat_section(message: &mut Value) {
    sdp(message, |text| {
        let mut parts = parts(text);
        if let Some(last) = parts.last().cloned() {
            parts.push(last.replace("a=mid:1", "a=mid:9"));
        }
        parts.concat()
    });
}

pub(super) fn change_mid(message: &mut Value) {
    lines(message, "a=mid:1", |_| Some("a=mid:7".to_owned()));
}

pub(super) fn same_mid(message: &mut Value) {
    lines(message, "a=mid:1", |_| Some("a=mid:0".to_owned()));
}

pub(super) fn no_mid(message: &mut Value) {
    lines(message, "a=mid:1", |_| None);
}

pub(super) fn larger_bundle(message: &mut Value) {
    lines(message, "a=group:BUNDLE", |line| Some(format!("{line} 8")));
}

pub(super) fn bundle_only(message: &mut Value) {
    lines(message, "a=mid:1", |line| {
        Some(format!("{line}\r\na=bundle-only"))
    });
}

pub(super) fn reject_first_section(message: &mut Value) {
    sdp(message, |text| {
        let mut parts = parts(text);
        if let Some(first) = parts.get_mut(1) {
            *first = first.replacen(" 9 ", " 0 ", 1);
        }
        parts.concat()
    });
}

pub(super) fn send_only(message: &mut Value) {
    lines(message, "a=recvonly", |_| Some("a=sendonly".to_owned()));
}

pub(super) fn inactive(message: &mut Value) {
    lines(message, "a=recvonly", |_| Some("a=inactive".to_owned()));
}

pub(super) fn setup_actpass(message: &mut Value) {
    lines(message, "a=setup:", |_| Some("a=setup:actpass".to_owned()));
}

pub(super) fn setup_active(message: &mut Value) {
    lines(message, "a=setup:", |_| Some("a=setup:active".to_owned()));
}

pub(super) fn setup_passive(message: &mut Value) {
    lines(message, "a=setup:", |_| Some("a=setup:passive".to_owned()));
}

pub(super) fn no_setup(message: &mut Value) {
    lines(message, "a=setup:", |_| None);
}

pub(super) fn short_ufrag(message: &mut Value) {
    lines(message, "a=ice-ufrag:", |_| Some("a=ice-ufrag:ab".to_owned()));
}

pub(super) fn short_password(message: &mut Value) {
    lines(message, "a=ice-pwd:", |_| Some("a=ice-pwd:short".to_owned()));
}

pub(super) fn other_ufrag(message: &mut Value) {
    lines(message, "a=ice-ufrag:", |_| {
        Some("a=ice-ufrag:wrongUfrag".to_owned())
    });
}

pub(super) fn other_password(message: &mut Value) {
    lines(message, "a=ice-pwd:", |_| {
        Some("a=ice-pwd:wrongPasswordThatIsLongEnough".to_owned())
    });
}

pub(super) fn no_credentials(message: &mut Value) {
    lines(message, "a=ice-ufrag:", |_| None);
    lines(message, "a=ice-pwd:", |_| None);
}

pub(super) fn no_fingerprint(message: &mut Value) {
    lines(message, "a=fingerprint:", |_| None);
}

pub(super) fn other_fingerprint(message: &mut Value) {
    lines(message, "a=fingerprint:", |line| {
        let flipped = |c: char| if c == '0' { '1' } else { '0' };
        let at = line.len() - 1;
        let last = line.chars().last().map_or('0', flipped);
        Some(format!("{}{last}", &line[..at]))
    });
}

pub(super) fn no_trickle(message: &mut Value) {
    lines(message, "a=ice-options:", |_| {
        Some("a=ice-options:ice2".to_owned())
    });
}

pub(super) fn crypto_line(message: &mut Value) {
    lines(message, "a=rtcp-mux", |line| {
        Some(format!(
            "{line}\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        ))
    });
}

pub(super) fn foreign_format(message: &mut Value) {
    sdp(message, |text| {
        text.replace("SAVPF 102", "SAVPF 45")
            .replace("a=rtpmap:102 H264/90000", "a=rtpmap:45 H265/90000")
    });
}

pub(super) fn rtx_without_origin(message: &mut Value) {
    sdp(message, |text| {
        text.replace("SAVPF 102", "SAVPF 102 103").replace(
            "a=rtpmap:102 ",
            "a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=99\r\na=rtpmap:102 ",
        )
    });
}

pub(super) fn foreign_feedback(message: &mut Value) {
    sdp(message, |text| {
        text.replace("a=rtpmap:102 ", "a=rtcp-fb:102 x-own-feedback\r\na=rtpmap:102 ")
    });
}

pub(super) fn no_rtcp_mux(message: &mut Value) {
    lines(message, "a=rtcp-mux", |_| None);
}

pub(super) fn rtcp_mux_only(message: &mut Value) {
    lines(message, "a=rtcp-mux", |_| Some("a=rtcp-mux-only".to_owned()));
}

pub(super) fn half_sdp(message: &mut Value) {
    sdp(message, |text| {
        let mut end = text.len() / 2;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].to_owned()
    });
}

pub(super) fn empty_sdp(message: &mut Value) {
    sdp(message, |_| String::new());
}

pub(super) fn no_media_description(message: &mut Value) {
    sdp(message, |text| parts(text).into_iter().next().unwrap_or_default());
}

pub(super) fn other_protocol(message: &mut Value) {
    sdp(message, |text| text.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"));
}

pub(super) fn other_medium(message: &mut Value) {
    sdp(message, |text| text.replace("m=audio", "m=application"));
}

/// Rewrites the candidate of a message.
fn candidate(message: &mut Value, edit: impl Fn(&mut serde_json::Map<String, Value>)) {
    if let Some(fields) = message.get_mut("candidate").and_then(Value::as_object_mut) {
        edit(fields);
    }
}

pub(super) fn candidate_of_other_mid(message: &mut Value) {
    candidate(message, |fields| {
        drop(fields.insert("sdpMid".to_owned(), json!("nope")))
    });
}

pub(super) fn candidate_of_no_section(message: &mut Value) {
    candidate(message, |fields| {
        fields.remove("sdpMid");
        fields.remove("sdpMLineIndex");
    });
}

pub(super) fn candidate_beyond_sections(message: &mut Value) {
    candidate(message, |fields| {
        fields.remove("sdpMid");
        fields.insert("sdpMLineIndex".to_owned(), json!(9));
    });
}

pub(super) fn candidate_of_other_generation(message: &mut Value) {
    candidate(message, |fields| {
        drop(fields.insert("usernameFragment".to_owned(), json!("oldUfrag")))
    });
}

pub(super) fn candidate_mangled(message: &mut Value) {
    candidate(message, |fields| {
        drop(fields.insert("candidate".to_owned(), json!("candidate:1 1 udp oops")))
    });
}

pub(super) fn end_of_other_generation(message: &mut Value) {
    message["usernameFragment"] = json!("oldUfrag");
}

pub(super) fn state_from_before(message: &mut Value) {
    message["version"] = json!(0);
}

pub(super) fn joins_as_broadcaster(message: &mut Value) {
    message["role"] = json!("broadcaster");
}

pub(super) fn wrong_kind(message: &mut Value) {
    for kind in ["offer", "answer"] {
        if let Some(body) = message.get_mut(kind) {
            body["type"] = json!(if kind == "offer" { "answer" } else { "offer" });
        }
    }
}

/// One change of a message, drawn from a seed: a line of its SDP deleted, repeated, swapped with the next or changed in
/// one character, or a character of its candidate.
pub(super) fn mutate(message: &mut Value, seed: u64) {
    let mut random = Random::new(!seed);
    let mut below = |bound: usize| (random.bits() % bound.max(1) as u64) as usize;
    let (op, at, place, letter) = (below(4), below(1 << 16), below(1 << 16), b'a' + below(26) as u8);
    let change = |line: &str| {
        let mut letters: Vec<char> = line.chars().collect();
        let length = letters.len().max(1);
        if let Some(changed) = letters.get_mut(place % length) {
            *changed = if *changed == letter as char {
                '7'
            } else {
                letter as char
            };
        }
        letters.into_iter().collect::<String>()
    };
    sdp(message, |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let count = lines.len().max(1);
        let at = at % count;
        match op {
            0 if at < lines.len() => drop(lines.remove(at)),
            1 if at < lines.len() => lines.insert(at, lines[at].clone()),
            2 if at + 1 < lines.len() => lines.swap(at, at + 1),
            _ => {
                if let Some(line) = lines.get_mut(at) {
                    *line = change(line);
                }
            }
        }
        lines.join("\r\n") + "\r\n"
    });
    candidate(message, |fields| {
        let names: Vec<String> = fields.keys().cloned().collect();
        let Some(name) = names.get(at % names.len().max(1)) else {
            return;
        };
        match (op, fields.get(name).and_then(Value::as_str).map(str::to_owned)) {
            (0, _) => drop(fields.remove(name)),
            (_, Some(text)) => drop(fields.insert(name.clone(), json!(change(&text)))),
            _ => drop(fields.insert(name.clone(), json!(7))),
        }
    });
}
