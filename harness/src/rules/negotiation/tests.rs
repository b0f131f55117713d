//! Exchanges as browsers and this project's engine have them, and one change each that breaks one rule.

use proptest::prelude::*;

mod text;
mod transport;

use super::*;
use SdpKind::{Answer, Offer, Pranswer, Rollback};
use Side::{Local, Remote};

/// A session level as Chromium writes it.
fn session(id: u64, version: u64, bundle: &str) -> String {
    format!(
        "v=0\r\no=- {id} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {bundle}\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n"
    )
}

/// The transport's lines as Chromium repeats them in every section. `who` is one letter.
fn transport(who: char, setup: &str) -> String {
    let pwd: String = std::iter::repeat_n(who, 24).collect();
    format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{who}{who}{who}{who}\r\na=ice-pwd:{pwd}\r\n\
         a=ice-options:trickle\r\na=fingerprint:sha-256 2A:33:{who}\r\na=setup:{setup}\r\n"
    )
}

fn audio(who: char, setup: &str, mid: &str, direction: &str) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 8 126\r\n{}a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:126 telephone-event/8000\r\n",
        transport(who, setup)
    )
}

fn video(who: char, setup: &str, mid: &str, direction: &str) -> String {
    format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103\r\n{}a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\n\
         a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\n\
         a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtcp-fb:102 nack\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=ssrc-group:FID 1 2\r\n",
        transport(who, setup)
    )
}

fn data(who: char, setup: &str, mid: &str) -> String {
    format!(
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{}a=mid:{mid}\r\na=sctp-port:5000\r\n",
        transport(who, setup)
    )
}

fn offer() -> String {
    session(1, 2, "0 1") + &audio('A', "actpass", "0", "sendonly") + &video('A', "actpass", "1", "sendrecv")
}

fn answer() -> String {
    session(9, 2, "0 1") + &audio('B', "active", "0", "recvonly") + &video('B', "active", "1", "sendonly")
}

/// The same exchange once more, with the versions raised.
fn next(sdp: &str) -> String {
    sdp.replace(" 2 IN IP4 127", " 3 IN IP4 127")
}

/// The same description by somebody whose letter is another one: another ufrag, password and fingerprint.
fn restarted(sdp: &str, who: char, new: char) -> String {
    let ufrag = |who: char| format!("ice-ufrag:{who}{who}{who}{who}");
    let pwd = |who: char| format!("ice-pwd:{}", std::iter::repeat_n(who, 24).collect::<String>());
    sdp.replace(&ufrag(who), &ufrag(new))
        .replace(&pwd(who), &pwd(new))
}

fn without(sdp: &str, line: &str) -> String {
    assert!(sdp.contains(line), "{line} is not there");
    sdp.replace(&format!("{line}\r\n"), "")
}

fn with(sdp: &str, old: &str, new: &str) -> String {
    assert!(sdp.contains(old), "{old} is not there");
    sdp.replacen(old, new, 1)
}

fn play(steps: &[(Side, SdpKind, String)]) -> (Negotiation, Vec<Breach>) {
    let mut negotiation = Negotiation::default();
    let mut breaches = Vec::new();
    for (event, (side, kind, sdp)) in (1..).zip(steps) {
        breaches.extend(negotiation.description(event, *side, *kind, sdp));
    }
    (negotiation, breaches)
}

#[track_caller]
fn check(steps: &[(Side, SdpKind, String)], expected: &[&str]) -> Vec<Breach> {
    let breaches = play(steps).1;
    let rules: Vec<&str> = breaches.iter().map(|breach| breach.rule).collect();
    assert_eq!(rules, expected, "{breaches:#?}");
    breaches
}

/// One exchange, offered locally.
#[track_caller]
fn exchange(offer: &str, answer: &str, expected: &[&str]) -> Vec<Breach> {
    check(
        &[
            (Local, Offer, offer.to_owned()),
            (Remote, Answer, answer.to_owned()),
        ],
        expected,
    )
}

/// A second exchange after the healthy one.
#[track_caller]
fn again(offer_2: &str, answer_2: &str, expected: &[&str]) -> Vec<Breach> {
    let steps = [(Local, Offer, offer()), (Remote, Answer, answer())];
    let more = [
        (Local, Offer, offer_2.to_owned()),
        (Remote, Answer, answer_2.to_owned()),
    ];
    check(&[steps, more].concat(), expected)
}

#[test]
fn healthy_exchanges_are_silent() {
    exchange(&offer(), &answer(), &[]);
    // The peer that answers sees the same.
    check(&[(Remote, Offer, offer()), (Local, Answer, answer())], &[]);
    exchange(
        &(session(1, 2, "0") + &data('A', "actpass", "0")),
        &(session(2, 2, "0") + &data('B', "active", "0")),
        &[],
    );
    again(&next(&offer()), &next(&answer()), &[]);
    again(
        &restarted(&next(&offer()), 'A', 'C'),
        &restarted(&next(&answer()), 'B', 'D'),
        &[],
    );
    // A section is added, and the added one is rejected.
    let added = next(&offer()).replace("BUNDLE 0 1", "BUNDLE 0 1 2") + &data('A', "actpass", "2");
    let taken = next(&answer()).replace("BUNDLE 0 1", "BUNDLE 0 1 2") + &data('B', "active", "2");
    let rejected =
        next(&answer()) + "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=inactive\r\n";
    again(&added, &taken, &[]);
    again(&added, &rejected, &[]);
    // A provisional answer, and the final one.
    check(
        &[
            (Local, Offer, offer()),
            (Remote, Pranswer, answer()),
            (Remote, Answer, answer()),
        ],
        &[],
    );
    // The same offer once more, now with candidates.
    let gathered = offer() + "a=candidate:1 1 udp 2 10.0.0.1 5000 typ host\r\na=end-of-candidates\r\n";
    check(
        &[
            (Local, Offer, offer()),
            (Local, Offer, gathered),
            (Remote, Answer, answer()),
        ],
        &[],
    );
    // An offer is taken back, and the other side offers.
    check(
        &[
            (Local, Offer, offer()),
            (Local, Rollback, String::new()),
            (
                Remote,
                Offer,
                answer()
                    .replace("active", "actpass")
                    .replace("recvonly", "sendonly"),
            ),
        ],
        &[],
    );
}

/// An exchange of this project's engine (webrtc-rs): everything about the certificate at session level, no
/// a=ice-options, one codec per medium, passwords redacted without digest.
#[test]
fn webrtc_rs_breaks_no_must() {
    let sections = |ufrag: &str, setup: &str, way: &str| {
        format!(
            "m=video 9 UDP/TLS/RTP/SAVPF 102\r\nc=IN IP4 0.0.0.0\r\na=setup:{setup}\r\na=mid:0\r\na=ice-ufrag:{ufrag}\r\n\
             a=ice-pwd:<redacted>\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:102 H264/90000\r\n\
             a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
             a=rtcp-fb:102 goog-remb\r\na=rtcp-fb:102 nack pli\r\na={way}\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:{setup}\r\na=mid:1\r\n\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:<redacted>\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na={way}\r\n"
        )
    };
    let head = |id: u64, version: u64| {
        format!(
            "v=0\r\no=- {id} {version} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 FA:{id}\r\n\
             a=group:BUNDLE 0 1\r\n"
        )
    };
    let offer = head(42, 60_000_000) + &sections("YhXmwLQdXypZvxSJ", "actpass", "sendonly");
    let answer = head(63, 123_000_000) + &sections("KnRjqqrHFMHBwXva", "active", "recvonly");
    let offer_2 = head(42, 60_000_001) + &sections("NewNewNewNewNewN", "actpass", "sendonly");
    let answer_2 = head(63, 123_000_001) + &sections("OwnOwnOwnOwnOwnO", "active", "recvonly");
    check(
        &[
            (Local, Offer, offer),
            (Remote, Answer, answer),
            (Local, Offer, offer_2),
            (Remote, Answer, answer_2),
        ],
        &["RT-01", "RT-01", "TR-09-unannounced"],
    );
}

#[test]
fn an_offer_during_a_provisional_answer_is_oa_01() {
    let steps = [
        (Local, Offer, offer()),
        (Remote, Pranswer, answer()),
        (Remote, Offer, answer()),
    ];
    let breaches = check(&steps, &["OA-01"]);
    assert_eq!((breaches[0].cause, breaches[0].effect), (Some(1), 3));
    // The state is as it was: the final answer fits.
    let (negotiation, breaches) = play(&[&steps[..], &[(Remote, Answer, answer())]].concat());
    assert_eq!((breaches.len(), negotiation.signaling_state()), (1, "stable"));
}

#[test]
fn an_answer_without_open_offer_is_oa_02() {
    let breaches = check(&[(Remote, Answer, answer())], &["OA-02"]);
    assert_eq!(breaches[0].cause, None);
    check(&[(Local, Offer, offer()), (Local, Answer, answer())], &["OA-02"]);
    let steps = [
        (Local, Offer, offer()),
        (Remote, Answer, answer()),
        (Remote, Answer, answer()),
    ];
    assert_eq!(check(&steps, &["OA-02"])[0].cause, Some(2));
    check(
        &[
            (Local, Offer, offer()),
            (Local, Rollback, String::new()),
            (Remote, Answer, answer()),
        ],
        &["OA-02"],
    );
}

#[test]
fn offers_that_cross_are_oa_03_and_no_noise_follows() {
    let theirs = answer().replace("setup:active", "setup:actpass");
    let ours = offer()
        .replace("setup:actpass", "setup:active")
        .replace("sendrecv", "recvonly");
    let glare = [(Local, Offer, offer()), (Remote, Offer, theirs.clone())];
    // Impolite: the remote offer is ignored and the own one answered.
    check(
        &[&glare[..], &[(Remote, Answer, answer())]].concat(),
        &["OA-03-glare"],
    );
    // Polite: the own offer gives way, by itself or with a rollback.
    let ours = next(&ours);
    check(
        &[&glare[..], &[(Local, Answer, ours.clone())]].concat(),
        &["OA-03-glare"],
    );
    let explicit = [(Local, Rollback, String::new()), (Local, Answer, ours)];
    let (negotiation, breaches) = play(&[&glare[..], &explicit].concat());
    assert_eq!(
        (breaches.len(), negotiation.signaling_state()),
        (1, "stable"),
        "{breaches:?}"
    );
    check(&[(Remote, Offer, offer()), (Local, Offer, theirs)], &["OA-03"]);
}

#[test]
fn a_wrong_rollback_is_oa_04() {
    check(&[(Local, Rollback, String::new())], &["OA-04"]);
    check(&[(Local, Offer, offer()), (Local, Rollback, offer())], &["OA-04"]);
}

#[test]
fn an_answer_of_other_sections_is_oa_05() {
    let answer = answer();
    let (short, _) = answer.split_at(answer.find("m=video").unwrap());
    exchange(&offer(), &short.replace("0 1\r\n", "0\r\n"), &["OA-05"]);
    exchange(
        &offer(),
        &with(&answer, "UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
        &["OA-05"],
    );
    let breaches = exchange(&offer(), "nonsense", &["OA-05"]);
    assert!(breaches[0].message.contains("v=0"), "{breaches:?}");
    // After an offer that cannot be read, its answer is not held against anybody.
    exchange("nonsense", &answer, &["OA-05"]);
}

#[test]
fn lost_and_reordered_sections_are_oa_06() {
    let offer_2 = next(&offer());
    let (short, _) = offer_2.split_at(offer_2.find("m=video").unwrap());
    check(
        &[
            (Local, Offer, offer()),
            (Remote, Answer, answer()),
            (Local, Offer, short.replace("0 1\r\n", "0\r\n")),
        ],
        &["OA-06"],
    );
    let swapped = session(1, 3, "1 0")
        + &video('A', "actpass", "1", "sendrecv")
        + &audio('A', "actpass", "0", "sendonly");
    check(
        &[
            (Local, Offer, offer()),
            (Remote, Answer, answer()),
            (Local, Offer, swapped),
        ],
        &["OA-06", "OA-06"],
    );
    // Recycling wants a new mid.
    let rejecting = with(&answer(), "m=video 9", "m=video 0").replace("BUNDLE 0 1", "BUNDLE 0");
    let steps = [(Local, Offer, offer()), (Remote, Answer, rejecting)];
    check(
        &[&steps[..], &[(Local, Offer, next(&offer()))]].concat(),
        &["OA-06"],
    );
    let recycled = next(&offer())
        .replace("a=mid:1", "a=mid:2")
        .replace("BUNDLE 0 1", "BUNDLE 0 2");
    check(&[&steps[..], &[(Local, Offer, recycled)]].concat(), &[]);
}

#[test]
fn mids_that_lack_repeat_or_change_are_oa_07() {
    check(&[(Local, Offer, without(&offer(), "a=mid:1"))], &["OA-07"]);
    check(
        &[(Local, Offer, with(&offer(), "a=mid:1", "a=mid:0"))],
        &["OA-07"],
    );
    exchange(&offer(), &without(&answer(), "a=mid:0"), &["OA-07"]);
    exchange(&offer(), &with(&answer(), "a=mid:0", "a=mid:7"), &["OA-07"]);
    let renamed = next(&offer())
        .replace("a=mid:1", "a=mid:7")
        .replace("BUNDLE 0 1", "BUNDLE 0 7");
    check(
        &[
            (Local, Offer, offer()),
            (Remote, Answer, answer()),
            (Local, Offer, renamed),
        ],
        &["OA-07"],
    );
    let long = offer()
        .replace("a=mid:1", "a=mid:video")
        .replace("BUNDLE 0 1", "BUNDLE 0 video");
    check(&[(Local, Offer, long)], &["OA-07-length"]);
}

#[test]
fn the_session_and_its_version_are_oa_08() {
    let steps = [(Local, Offer, offer()), (Remote, Answer, answer())];
    let third = |sdp: String| [&steps[..], &[(Local, Offer, sdp)]].concat();
    let changed = with(&offer(), "sendrecv", "inactive");
    check(&third(offer()), &[]);
    check(&third(changed.clone()), &["OA-08"]);
    check(&third(with(&changed, "o=- 1 2", "o=- 1 9")), &["OA-08-jump"]);
    check(&third(with(&offer(), "o=- 1 2", "o=- 1 1")), &["OA-08"]);
    let breaches = check(&third(with(&offer(), "o=- 1 2", "o=- 5 3")), &["OA-08"]);
    assert_eq!(breaches[0].quote.as_deref(), Some("o=- 5 3 IN IP4 127.0.0.1"));
    assert_eq!((breaches[0].cause, breaches[0].effect), (Some(1), 3));
    let str0m = |sdp: String| sdp.replace("o=- 1", "o=str0m-0.24.0 1");
    check(
        &[
            (Local, Offer, str0m(offer())),
            (Remote, Answer, answer()),
            (Local, Offer, str0m(changed)),
        ],
        &["OA-08-constant"],
    );
}

#[test]
fn a_bundle_that_was_not_offered_is_oa_09() {
    exchange(&offer().replace("BUNDLE 0 1", "BUNDLE 1"), &answer(), &["OA-09"]);
    let at = answer().find("m=video").unwrap();
    let (head, tail) = (answer()[..at].to_owned(), restarted(&answer()[at..], 'B', 'C'));
    exchange(&offer(), &(head + &tail), &["OA-09"]);
    exchange(
        &offer(),
        &with(&answer(), "a=mid:1", "a=mid:1\r\na=bundle-only"),
        &["OA-09"],
    );
    let bundle_only =
        with(&next(&offer()), "a=mid:1", "a=mid:1\r\na=bundle-only").replace("m=video 9", "m=video 0");
    check(
        &[
            (Local, Offer, offer()),
            (Remote, Answer, answer()),
            (Local, Offer, bundle_only),
        ],
        &["OA-09"],
    );
}

#[test]
fn a_bundle_only_section_with_a_transport_is_oa_10() {
    let healthy = with(&offer(), "a=mid:1", "a=mid:1\r\na=bundle-only").replace("m=video 9", "m=video 0");
    exchange(&healthy, &answer(), &[]);
    check(
        &[(Local, Offer, healthy.replace("m=video 0", "m=video 9"))],
        &["OA-10"],
    );
    check(
        &[(
            Local,
            Offer,
            healthy.clone() + "a=candidate:1 1 udp 2 10.0.0.1 5000 typ host\r\n",
        )],
        &["OA-10"],
    );
    let at = healthy.find("m=video").unwrap();
    check(
        &[(
            Local,
            Offer,
            healthy[..at].to_owned() + &restarted(&healthy[at..], 'A', 'C'),
        )],
        &["OA-10"],
    );
}

#[test]
fn rejecting_only_the_bundles_first_section_is_oa_11() {
    let rejecting = with(&answer(), "m=audio 9", "m=audio 0").replace("BUNDLE 0 1", "BUNDLE 1");
    exchange(&offer(), &rejecting, &["OA-11"]);
    let all = with(&rejecting, "m=video 9", "m=video 0").replace("a=group:BUNDLE 1", "a=group:BUNDLE");
    exchange(&offer(), &all, &[]);
}

#[test]
fn directions_follow_oa_12() {
    for (offered, answered, fits) in [
        ("sendonly", "recvonly", true),
        ("sendonly", "inactive", true),
        ("sendonly", "sendonly", false),
        ("sendonly", "sendrecv", false),
        ("recvonly", "sendonly", true),
        ("recvonly", "sendrecv", false),
        ("inactive", "inactive", true),
        ("inactive", "recvonly", false),
        ("sendrecv", "sendrecv", true),
        ("sendrecv", "recvonly", true),
    ] {
        let offer = session(1, 2, "0") + &audio('A', "actpass", "0", offered);
        let answer = session(2, 2, "0") + &audio('B', "active", "0", answered);
        let breaches = exchange(&offer, &answer, if fits { &[] } else { &["OA-12"] });
        assert!(
            fits || breaches[0].quote == Some(format!("a={answered}")),
            "{breaches:?}"
        );
    }
}

#[test]
fn formats_that_were_not_offered_are_oa_16() {
    // Other numbers for the same codecs are fine.
    exchange(&offer(), &answer().replace("111", "109"), &[]);
    // One codec in common is enough (RFC 3264 section 6.1), and rtx is none.
    let one = with(&answer(), "VP8/90000", "VP9/90000");
    exchange(&offer(), &one, &[]);
    exchange(&offer(), &with(&one, "H264/90000", "AV1/90000"), &["OA-16"]);
    exchange(&offer(), &with(&answer(), "apt=96", "apt=99"), &["OA-16"]);
    exchange(
        &offer(),
        &with(&answer(), "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 nack sli"),
        &["OA-16"],
    );
    // The wildcard counts, and what Janus always answers is a note.
    let wildcard = with(&offer(), "a=rtcp-fb:96 ccm fir", "a=rtcp-fb:* ccm fir");
    exchange(&wildcard, &answer(), &[]);
    exchange(
        &without(&offer(), "a=rtcp-fb:96 ccm fir"),
        &answer(),
        &["OA-16-feedback"],
    );
}

#[test]
fn missing_mandatory_codecs_are_rt_01_once() {
    let lacking = |sdp: String| sdp.replace("VP8/90000", "VP9/90000");
    let steps = [
        (Local, Offer, lacking(offer())),
        (Remote, Answer, lacking(answer())),
    ];
    check(
        &[&steps[..], &[(Local, Offer, next(&lacking(offer())))]].concat(),
        &["RT-01"],
    );
    check(&[(Local, Offer, offer().replace("42e01f", "64001f"))], &["RT-01"]);
    check(
        &[(Local, Offer, offer().replace("opus/48000", "foo/48000"))],
        &["RT-01"],
    );
}

#[test]
fn states_and_fragments_are_the_w3cs() {
    let (mut negotiation, _) = play(&[(Remote, Offer, offer())]);
    assert_eq!(negotiation.signaling_state(), "have-remote-offer");
    assert!(negotiation.local().is_none() && negotiation.remote().is_some());
    negotiation.description(2, Local, Pranswer, &answer());
    assert_eq!(negotiation.signaling_state(), "have-local-pranswer");
    negotiation.description(3, Local, Answer, &answer());
    let fresh = restarted(&next(&offer()), 'A', 'C');
    negotiation.description(4, Remote, Offer, &fresh);
    assert_eq!(
        negotiation
            .current_remote_ufrags()
            .into_iter()
            .collect::<Vec<_>>(),
        ["AAAA", "CCCC"]
    );
    negotiation.description(5, Remote, Rollback, "");
    assert_eq!(negotiation.signaling_state(), "stable");
    assert_eq!(
        negotiation
            .current_remote_ufrags()
            .into_iter()
            .collect::<Vec<_>>(),
        ["AAAA"]
    );
}

const STATES: [&str; 5] = [
    "stable",
    "have-local-offer",
    "have-remote-offer",
    "have-local-pranswer",
    "have-remote-pranswer",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_exchange_without_one_line_never_panics(at in 0_usize..120, is_offer: bool) {
        let cut = |text: String| {
            let lines = text.lines().enumerate().filter(|(index, _)| *index != at);
            lines.map(|(_, line)| format!("{line}\r\n")).collect::<String>()
        };
        let (offer, answer) = if is_offer { (cut(offer()), answer()) } else { (offer(), cut(answer())) };
        let steps = [(Local, Offer, offer), (Remote, Answer, answer)];
        let (negotiation, _) = play(&[&steps[..], &[(Remote, Offer, next(&offer_back())), (Local, Rollback, String::new())]].concat());
        prop_assert!(STATES.contains(&negotiation.signaling_state()));
    }

    #[test]
    fn any_order_of_descriptions_leaves_a_state(steps in prop::collection::vec((0_usize..8, 0_usize..4), 0..12)) {
        let texts = [offer(), answer(), String::new(), next(&offer())];
        let steps: Vec<_> = steps.into_iter().map(|(what, text)| {
            let side = if what % 2 == 0 { Local } else { Remote };
            (side, [Offer, Answer, Pranswer, Rollback][what / 2], texts[text].clone())
        }).collect();
        prop_assert!(STATES.contains(&play(&steps).0.signaling_state()));
    }
}

fn offer_back() -> String {
    answer().replace("setup:active", "setup:actpass")
}
