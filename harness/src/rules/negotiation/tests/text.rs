//! Texts that no parser has to take, as the stacks of the SDP oracle refuse them.

use super::*;

#[test]
fn a_description_without_its_first_lines_is_oa_05() {
    for line in ["s=-", "t=0 0", "o=- 1 2 IN IP4 127.0.0.1"] {
        check(&[(Local, Offer, without(&offer(), line))], &["OA-05"]);
    }
}

#[test]
fn a_line_that_is_none_is_oa_05() {
    for line in ["hello", "y=1", "", "=1", "c=IN IP4 0.0.0.0 "] {
        let odd = with(&offer(), "t=0 0\r\n", &format!("t=0 0\r\n{line}\r\n"));
        let breaches = check(&[(Local, Offer, odd)], &["OA-05"]);
        assert_eq!(breaches[0].quote.as_deref(), Some(line));
    }
}

#[test]
fn ends_of_lines_and_words_of_the_application_pass() {
    for text in [
        offer().replace("\r\n", "\n"),
        offer().trim_end().to_owned(),
        offer() + "\r\n",
        with(&offer(), "s=-", "s= "),
        with(&offer(), "t=0 0", "i=a call \r\nt=0 0\r\na=x-tool: "),
    ] {
        check(&[(Local, Offer, text)], &[]);
    }
}

#[test]
fn an_offered_protocol_that_nobody_has_to_take_is_oa_05() {
    let speaking = |protocol: &str| offer().replace("UDP/TLS/RTP/SAVPF 96", &format!("{protocol} 96"));
    // What RFC 9429 section 5.1.2 tells peers to accept passes, whoever wrote it.
    check(&[(Local, Offer, speaking("RTP/AVP"))], &[]);
    check(&[(Local, Offer, speaking("UDP/MAGIC"))], &["OA-05"]);
}

#[test]
fn an_origin_that_cannot_be_read_is_oa_08() {
    for origin in [
        "o=- 1 2",
        "o=- session 2 IN IP4 127.0.0.1",
        "o=- 1 new IN IP4 127.0.0.1",
        "o=- 9223372036854775807 2 IN IP4 127.0.0.1",
    ] {
        let breaches = check(
            &[(Local, Offer, with(&offer(), "o=- 1 2 IN IP4 127.0.0.1", origin))],
            &["OA-08"],
        );
        assert_eq!(breaches[0].quote.as_deref(), Some(origin));
    }
    let largest = "o=- 9223372036854775806 2 IN IP4 127.0.0.1";
    check(
        &[(Local, Offer, with(&offer(), "o=- 1 2 IN IP4 127.0.0.1", largest))],
        &[],
    );
}

#[test]
fn a_listed_candidate_that_cannot_be_read_is_tr_02() {
    let listing = |candidate: &str| offer() + "a=candidate:" + candidate + "\r\n";
    check(
        &[(Local, Offer, listing("1 1 udp 1 192.0.2.1 50000"))],
        &["TR-02"],
    );
    check(
        &[(Local, Offer, listing("1 1 udp 1 192.0.2.1 50000 typ host"))],
        &[],
    );
}

#[test]
fn formats_that_nobody_can_tell_are_oa_16() {
    let formats = " 96 97 102 103";
    check(
        &[(Local, Offer, offer().replace(formats, ""))],
        &["OA-16", "RT-01"],
    );
    for format in ["45", "200", "*"] {
        let odd = offer().replace(formats, &format!("{formats} {format}"));
        check(&[(Local, Offer, odd)], &["OA-16"]);
    }
    for assigned in ["15", "31", "34"] {
        let explained = offer().replace(formats, &format!("{formats} {assigned}"));
        check(&[(Local, Offer, explained)], &[]);
    }
    // PCMU needs no explanation, and rejected sections no format that means anything.
    check(&[(Local, Offer, without(&offer(), "a=rtpmap:0 PCMU/8000"))], &[]);
}
