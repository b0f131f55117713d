//! Edits of signaling messages: SDP lines, candidate fields, room state.
//!
//! Owns the rewriting of JSON and of SDP text. Each edit changes one thing and leaves what it does not understand.

use serde_json::{Value, json};

use crate::fault::signaling::shortened;

/// Sets a field of what is an object, and leaves what is none.
pub(super) fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), to);
    }
}

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
            let mid = mid_line(&last).unwrap_or("a=mid:").to_owned();
            parts.push(last.replacen(&mid, "a=mid:new", 1));
        }
        parts.concat()
    });
}

/// The mid of a section, as its whole line.
fn mid_line(section: &str) -> Option<&str> {
    let mut lines = section.lines().map(str::trim_end);
    lines.find(|line| line.starts_with("a=mid:"))
}

/// Rewrites the second m-section.
fn second_section(message: &mut Value, edit: impl Fn(&str, &str) -> String) {
    sdp(message, |text| {
        let mut parts = parts(text);
        if let [_, first, second, ..] = parts.as_mut_slice() {
            *second = edit(first, second);
        }
        parts.concat()
    });
}

/// Rewrites the line with the second section's mid; the first section's mid is there to be taken.
fn second_mid(message: &mut Value, with: impl Fn(&str, &str) -> String) {
    second_section(message, |first, second| {
        match (mid_line(first), mid_line(second)) {
            (Some(other), Some(mid)) => second.replacen(mid, &with(other, mid), 1),
            _ => second.to_owned(),
        }
    });
}

pub(super) fn change_mid(message: &mut Value) {
    second_mid(message, |_, _| "a=mid:new".to_owned());
}

pub(super) fn same_mid(message: &mut Value) {
    second_mid(message, |other, _| other.to_owned());
}

pub(super) fn no_mid(message: &mut Value) {
    second_section(message, |_, second| {
        second
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("a=mid:"))
            .collect()
    });
}

pub(super) fn larger_bundle(message: &mut Value) {
    lines(message, "a=group:BUNDLE", |line| Some(format!("{line} 8")));
}

pub(super) fn bundle_only(message: &mut Value) {
    second_mid(message, |_, mid| format!("{mid}\r\na=bundle-only"));
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

pub(super) fn setup_flipped(message: &mut Value) {
    lines(message, "a=setup:", |line| {
        let flipped = if line == "a=setup:passive" {
            "active"
        } else {
            "passive"
        };
        Some(format!("a=setup:{flipped}"))
    });
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
        let mut line = line.to_owned();
        let last = line.pop().map_or('0', flipped);
        line.push(last);
        Some(line)
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

/// The m-line of a section up to its formats, and those (RFC 8866 section 5.14).
fn formats(section: &str) -> Option<(String, Vec<&str>)> {
    let line = section.lines().next()?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (head, formats) = words.split_at_checked(3)?;
    Some((head.join(" "), formats.to_vec()))
}

/// Rewrites the section of the video, whose m-line up to the formats and whose formats are given too.
fn video_section(message: &mut Value, edit: impl Fn(&str, &str, &[&str]) -> String) {
    sdp(message, |text| {
        let rewritten = parts(text).into_iter().map(|part| match formats(&part) {
            Some((head, formats)) if part.starts_with("m=video") => edit(&part, &head, &formats),
            _ => part,
        });
        rewritten.collect()
    });
}

/// What stands in a section behind its m-line.
fn body(section: &str) -> &str {
    section.split_once('\n').map_or("", |(_, body)| body)
}

pub(super) fn foreign_format(message: &mut Value) {
    video_section(message, |section, head, _| {
        let of_formats = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"];
        let rest = body(section).split_inclusive('\n');
        let rest: String = rest
            .filter(|line| !of_formats.iter().any(|name| line.starts_with(name)))
            .collect();
        format!("{head} 45\r\n{rest}a=rtpmap:45 H265/90000\r\n")
    });
}

pub(super) fn rtx_without_origin(message: &mut Value) {
    video_section(message, |section, head, formats| {
        let all = formats.join(" ");
        format!(
            "{head} {all} 34\r\n{}a=rtpmap:34 rtx/90000\r\na=fmtp:34 apt=33\r\n",
            body(section)
        )
    });
}

pub(super) fn foreign_feedback(message: &mut Value) {
    video_section(message, |section, _, formats| {
        let first = formats.first().copied().unwrap_or("*");
        format!("{section}a=rtcp-fb:{first} x-own-feedback\r\n")
    });
}

pub(super) fn no_rtcp_mux(message: &mut Value) {
    lines(message, "a=rtcp-mux", |_| None);
}

pub(super) fn rtcp_mux_only(message: &mut Value) {
    lines(message, "a=rtcp-mux", |_| Some("a=rtcp-mux-only".to_owned()));
}

pub(super) fn half_sdp(message: &mut Value) {
    sdp(message, |text| shortened(text, 0.5).to_owned());
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
pub(super) fn candidate(message: &mut Value, edit: impl Fn(&mut serde_json::Map<String, Value>)) {
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
    set(message, "usernameFragment", json!("oldUfrag"));
}

pub(super) fn state_from_before(message: &mut Value) {
    set(message, "version", json!(0));
}

pub(super) fn joins_as_broadcaster(message: &mut Value) {
    set(message, "role", json!("broadcaster"));
}

pub(super) fn wrong_kind(message: &mut Value) {
    for kind in ["offer", "answer"] {
        if let Some(body) = message.get_mut(kind) {
            set(
                body,
                "type",
                json!(if kind == "offer" { "answer" } else { "offer" }),
            );
        }
    }
}
