//! What descriptions say of the transport: setup, credentials, certificate, multiplexing, trickling.

use super::*;

#[test]
fn setup_follows_oa_13() {
    check(
        &[(Local, Offer, offer().replace("setup:actpass", "setup:active"))],
        &["OA-13"],
    );
    check(
        &[(Local, Offer, with(&offer(), "a=setup:actpass\r\n", ""))],
        &["OA-13"],
    );
    exchange(
        &offer(),
        &answer().replace("setup:active", "setup:actpass"),
        &["OA-13"],
    );
    exchange(&offer(), &answer().replace("setup:active", "setup:passive"), &[]);
    exchange(&offer(), &answer().replace("a=setup:active\r\n", ""), &["OA-13"]);
    again(
        &next(&offer()).replace("setup:actpass", "setup:passive"),
        &next(&answer()),
        &[],
    );
    again(
        &next(&offer()),
        &next(&answer()).replace("setup:active", "setup:passive"),
        &["OA-13"],
    );
}

/// The other side offers next: it was the DTLS client, so this side answers passive.
#[test]
fn roles_outlive_the_direction_of_the_exchange() {
    let steps = [(Local, Offer, offer()), (Remote, Answer, answer())];
    let back = next(&answer()).replace("setup:active", "setup:actpass");
    let passive = next(&offer())
        .replace("setup:actpass", "setup:passive")
        .replace("sendrecv", "recvonly");
    let active = passive.replace("setup:passive", "setup:active");
    check(
        &[
            &steps[..],
            &[(Remote, Offer, back.clone()), (Local, Answer, passive)],
        ]
        .concat(),
        &[],
    );
    let breaches = check(
        &[&steps[..], &[(Remote, Offer, back), (Local, Answer, active)]].concat(),
        &["OA-13"],
    );
    assert_eq!(breaches[0].quote.as_deref(), Some("a=setup:active"));
}

#[test]
fn credentials_change_together_and_on_request_or_it_is_oa_14() {
    let (offer_2, answer_2) = (next(&offer()), next(&answer()));
    again(&restarted(&offer_2, 'A', 'C'), &answer_2, &["OA-14"]);
    again(&offer_2, &restarted(&answer_2, 'B', 'D'), &["OA-14"]);
    let half = offer_2.replace("ice-ufrag:AAAA", "ice-ufrag:CCCC");
    check(
        &[
            (Local, Offer, offer()),
            (Remote, Answer, answer()),
            (Local, Offer, half),
        ],
        &["OA-14"],
    );
    let digest = |sdp: &str| sdp.replace(&"A".repeat(24), "[24 chars #0a1b2c3d]");
    let steps = [(Local, Offer, digest(&offer())), (Remote, Answer, answer())];
    check(
        &[
            &steps[..],
            &[(Local, Offer, digest(&offer_2)), (Remote, Answer, answer_2)],
        ]
        .concat(),
        &[],
    );
}

#[test]
fn credentials_that_cannot_be_are_oa_15() {
    let breaches = check(
        &[(Local, Offer, offer().replace("ufrag:AAAA", "ufrag:AAA"))],
        &["OA-15"],
    );
    assert_eq!(breaches[0].quote.as_deref(), Some("a=ice-ufrag:AAA"));
    check(
        &[(Local, Offer, offer().replace("ufrag:AAAA", "ufrag:AAA!"))],
        &["OA-15"],
    );
    check(
        &[(
            Local,
            Offer,
            offer().replace(&"A".repeat(24), "[21 chars #1a2b3c4d]"),
        )],
        &["OA-15"],
    );
    check(
        &[(
            Local,
            Offer,
            offer().replace(&"A".repeat(24), "[24 chars #1a2b3c4d]"),
        )],
        &[],
    );
    check(
        &[(Local, Offer, without(&offer(), "a=fingerprint:sha-256 2A:33:A"))],
        &["OA-15"],
    );
    let crypto = with(
        &offer(),
        "a=mid:1",
        "a=mid:1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret",
    );
    assert!(!format!("{:?}", check(&[(Local, Offer, crypto)], &["OA-15"])).contains("secret"));
}

#[test]
fn a_section_without_rtcp_mux_is_rt_02() {
    check(
        &[(Local, Offer, with(&offer(), "a=rtcp-mux\r\n", ""))],
        &["RT-02"],
    );
    exchange(&offer(), &with(&answer(), "a=rtcp-mux\r\n", ""), &["RT-02"]);
    check(
        &[(
            Local,
            Offer,
            with(&offer(), "a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n"),
        )],
        &["RT-02"],
    );
}

#[test]
fn trickle_is_announced_or_it_is_tr_09() {
    check(
        &[(
            Local,
            Offer,
            offer().replace("ice-options:trickle", "ice-options:ice2"),
        )],
        &["TR-09"],
    );
    let complete = offer()
        .replace("ice-options:trickle", "ice-options:ice2")
        .replace(
            "a=mid:0",
            "a=mid:0\r\na=candidate:1 1 udp 2 10.0.0.1 5000 typ host\r\na=end-of-candidates",
        );
    exchange(&complete, &answer(), &["TR-09"]);
    exchange(&complete, &answer().replace("a=ice-options:trickle\r\n", ""), &[]);
}

#[test]
fn another_certificate_without_ice_restart_is_dt_03() {
    let changed = next(&offer()).replace("2A:33:A", "2A:33:F");
    again(&changed, &next(&answer()), &["DT-03"]);
    let both = restarted(&changed, 'A', 'C');
    again(&both, &restarted(&next(&answer()), 'B', 'D'), &[]);
    again(
        &both,
        &restarted(&next(&answer()), 'B', 'D').replace("setup:active", "setup:passive"),
        &[],
    );
}
