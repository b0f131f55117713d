//! Descriptions and candidates in, fields out.

use proptest::prelude::*;

use super::candidate::{CandidateError, CandidateType};
use super::*;

const TEXT: &str = "v=0\r\no=- 42 7 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:sess\r\n\
a=ice-pwd:sessionsessionsessionsession\r\na=recvonly\r\na=setup:actpass\r\na=fingerprint:SHA-256 AA:BB\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n\
a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96; rtx-time=200\r\na=rtcp-fb:96 nack  PLI\r\na=rtcp-mux\r\na=ssrc:5 cname:a\r\n\
a=ssrc:5 msid:a b\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0 111\r\na=mid:1\r\na=ice-ufrag:own1\r\n\
a=ice-pwd:[24 chars #1a2b3c4d]\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\na=bundle-only\r\na=candidate:1 1 udp 2 h 3 typ host\r\n";

#[test]
fn what_a_section_lacks_it_inherits() {
    let sdp = Sdp::parse(TEXT).unwrap();
    let [video, audio] = &sdp.sections[..] else {
        panic!("{sdp:?}")
    };
    assert_eq!(sdp.origin.as_ref().unwrap().version, 7);
    assert_eq!(sdp.origin.as_ref().unwrap().rest, "- IN IP4 127.0.0.1");
    assert_eq!(sdp.bundle_of("1").unwrap().mids, ["0", "1"]);
    assert_eq!(
        (video.direction, audio.direction),
        (Direction::Recvonly, Direction::Sendonly)
    );
    assert_eq!(video.ice_ufrag.as_deref(), Some("sess"));
    assert_eq!(audio.ice_ufrag.as_deref(), Some("own1"));
    assert_eq!(
        (video.setup, video.fingerprints[0].value.as_str()),
        (Some(Setup::Actpass), "aa:bb")
    );
    assert_eq!(video.apt("97"), Some("96"));
    assert_eq!(video.rtcp_fb, [("96".to_owned(), "nack pli".to_owned())]);
    assert_eq!(video.ssrcs, [5]);
    assert_eq!(audio.codec("0").unwrap().name, "pcmu");
    assert_eq!(audio.codec("111").unwrap().channels, 2);
    assert!(!audio.rejected() && audio.bundle_only && audio.candidates.len() == 1);
    assert_eq!(audio.line("mid"), Some("a=mid:1"));
    assert_eq!(audio.line("m"), Some("m=audio 0 UDP/TLS/RTP/SAVPF 0 111"));
    assert_eq!(
        (audio.line("setup"), sdp.line("setup")),
        (None, Some("a=setup:actpass"))
    );
}

#[test]
fn gathering_and_the_version_do_not_change_the_content() {
    let before = Sdp::parse(TEXT).unwrap();
    let gathered = TEXT
        .replace("m=video 9", "m=video 5000")
        .replace(" 7 IN", " 8 IN");
    assert!(before.same_content(&Sdp::parse(&format!("{gathered}a=end-of-candidates\r\n")).unwrap()));
    assert!(!before.same_content(&Sdp::parse(&TEXT.replace("m=video 9", "m=video 0")).unwrap()));
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    assert_eq!(Sdp::parse(""), Err(SdpError::NoVersion));
    assert_eq!(
        Sdp::parse("v=0\nm=video x y"),
        Err(SdpError::MediaLine("m=video x y".to_owned()))
    );
    assert_eq!(
        Sdp::parse(&" ".repeat(MAX_TEXT + 1)),
        Err(SdpError::TooLong(MAX_TEXT + 1))
    );
    let many = format!("v=0\n{}", "m=audio 9 RTP/AVP 0\n".repeat(MAX_SECTIONS + 1));
    assert_eq!(Sdp::parse(&many), Err(SdpError::TooManySections));
}

#[test]
fn a_redacted_password_keeps_its_length() {
    assert_eq!(pwd_length("[24 chars #1a2b3c4d]"), 24);
    assert_eq!(pwd_length("[24 chars #xyz]"), 15);
    assert_eq!(pwd_length("abc"), 3);
}

#[test]
fn a_candidate_has_its_fields() {
    let text = "candidate:842163049 1 UDP 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.17 rport 46154 \
                generation 0 ufrag EEtu network-id 3";
    let candidate = Candidate::parse(text).unwrap();
    assert_eq!(candidate.kind, CandidateType::ServerReflexive);
    assert_eq!(
        (candidate.port, candidate.rport, candidate.transport.as_str()),
        (46154, Some(46154), "udp")
    );
    assert_eq!(
        (candidate.raddr.as_deref(), candidate.ufrag.as_deref()),
        (Some("10.0.0.17"), Some("EEtu"))
    );
    let tcp = Candidate::parse("a=candidate:1 1 tcp 1518214911 f.local 9 typ host tcptype active").unwrap();
    assert_eq!(
        (tcp.address.as_str(), tcp.tcptype.as_deref()),
        ("f.local", Some("active"))
    );
}

#[test]
fn a_wrong_candidate_says_which_field() {
    use CandidateError::{Empty, Invalid, Missing};
    for (text, error) in [
        ("", Empty),
        ("candidate:", Empty),
        ("1", Missing("component")),
        ("1 300 udp 1 h 9 typ host", Invalid("component", "300".to_owned())),
        ("1 1 udp +1 h 9 typ host", Invalid("priority", "+1".to_owned())),
        ("1 1 udp 1 h 70000 typ host", Invalid("port", "70000".to_owned())),
        ("1 1 udp 1 h 9", Missing("type")),
        ("1 1 udp 1 h 9 host", Invalid("keyword typ", "host".to_owned())),
        (
            "a_b 1 udp 1 h 9 typ host",
            Invalid("foundation", "a_b".to_owned()),
        ),
    ] {
        assert_eq!(Candidate::parse(text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>(), lines in "(v=0\n)?([moac]=[a-z0-9:/ -]{0,30}\n){0,12}") {
        let _ = Sdp::parse(&text);
        let _ = Sdp::parse(&lines);
        let _ = Candidate::parse(&text);
        let _ = pwd_length(&text);
    }
}
