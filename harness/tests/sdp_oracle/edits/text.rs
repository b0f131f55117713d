//! Edits of the text and of the session's lines (RFC 8866 section 5).

use super::super::description::{Description, with_word};
use super::{Edit, For};

pub(super) const EDITS: &[Edit] = &[
    Edit::text("empty", For::Both, |_| String::new()),
    Edit::text("nonsense", For::Both, |_| "nonsense".to_owned()),
    Edit::text("cut after the last m= line", For::Both, |text| {
        let at = text.rfind("m=").unwrap_or_default();
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
        text[..end].to_owned()
    }),
    Edit::text("cut within the last m= line", For::Both, |text| {
        let at = text.rfind("m=").unwrap_or_default();
        text[..at + "m=video 9".len()].to_owned()
    }),
    Edit::lines("no m= section", For::Both, |sdp| {
        sdp.sections.clear();
        sdp.regroup(|_| Vec::new());
    }),
    Edit::lines("sections only", For::Both, |sdp| sdp.session.clear()),
    Edit::text("lines that end in LF", For::Both, |text| {
        text.replace("\r\n", "\n")
    }),
    Edit::text("last line without its end", For::Both, |text| {
        text.trim_end().to_owned()
    }),
    Edit::text("empty line at the end", For::Both, |text| format!("{text}\r\n")),
    Edit::lines("empty line in the middle", For::Both, |sdp| {
        sdp.session.push(String::new())
    }),
    Edit::text("blanks before the ends of lines", For::Both, |text| {
        text.replace("\r\n", " \r\n")
    }),
    Edit::lines("unknown attribute", For::Both, |sdp| {
        sdp.session.push("a=x-session:1".to_owned());
        sdp.add("a=x-section");
    }),
    Edit::lines("unknown type of line", For::Both, |sdp| sdp.add("y=1")),
    Edit::lines("line without an equals sign", For::Both, |sdp| sdp.add("hello")),
    Edit::lines("attributes in another order", For::Both, |sdp| {
        for section in &mut sdp.sections {
            let begin = section
                .iter()
                .position(|line| line.starts_with("a="))
                .unwrap_or(section.len());
            section[begin..].reverse();
        }
    }),
    Edit::lines("no v= line", For::Both, |sdp| {
        sdp.session.retain(|line| !line.starts_with("v="))
    }),
    Edit::lines("v=1", For::Both, |sdp| sdp.replace("v=0", "v=1")),
    Edit::lines("no o= line", For::Both, |sdp| {
        sdp.session.retain(|line| !line.starts_with("o="))
    }),
    Edit::lines("o= line of three words", For::Both, |sdp| {
        sdp.replace("o=", "o=- 1 2")
    }),
    Edit::lines("session id of 18 digits", For::Both, |sdp| {
        origin(sdp, 1, "123456789012345678")
    }),
    Edit::lines("session id of 30 digits", For::Both, |sdp| {
        origin(sdp, 1, "123456789012345678901234567890")
    }),
    Edit::lines("session id that is no number", For::Both, |sdp| {
        origin(sdp, 1, "session")
    }),
    Edit::lines("session version 0", For::Both, |sdp| origin(sdp, 2, "0")),
    Edit::lines("session version that is no number", For::Both, |sdp| {
        origin(sdp, 2, "new")
    }),
    Edit::lines("o= line with a host name", For::Both, |sdp| {
        origin(sdp, 5, "host.invalid")
    }),
    Edit::lines("no s= line", For::Both, |sdp| {
        sdp.session.retain(|line| !line.starts_with("s="))
    }),
    Edit::lines("s= line with words", For::Both, |sdp| {
        sdp.replace("s=", "s=A small call")
    }),
    Edit::lines("no t= line", For::Both, |sdp| {
        sdp.session.retain(|line| !line.starts_with("t="))
    }),
    Edit::lines("i= line", For::Both, |sdp| {
        let at = sdp
            .session
            .iter()
            .position(|line| line.starts_with("s="))
            .map_or(0, |at| at + 1);
        sdp.session.insert(at, "i=a call".to_owned());
    }),
    Edit::lines("port that is no number", For::Both, |sdp| port(sdp, "nine")),
    Edit::lines("port above 65535", For::Both, |sdp| port(sdp, "70000")),
    Edit::lines("m= line of two words", For::Both, |sdp| {
        sdp.replace("m=video", "m=video 9")
    }),
];

fn origin(sdp: &mut Description, at: usize, word: &str) {
    sdp.rewrite("o=", |line| with_word(line, at, word));
}

fn port(sdp: &mut Description, port: &str) {
    sdp.rewrite("m=video", |line| with_word(line, 1, port));
}
