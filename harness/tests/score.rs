//! Every fault of the exchange is found as what it is, and calls without one are silent.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

use greenroom::score;

#[tokio::test]
async fn every_fault_of_the_exchange_is_found_as_what_it_is() {
    let mut wrong = Vec::new();
    for fault in greenroom::fault::wire::all() {
        let scored = score::score(fault, 1).await.unwrap();
        if !scored.is_right() || !scored.failed {
            wrong.push(scored);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        greenroom::fault::wire::all().len()
    );
}

#[tokio::test]
async fn calls_in_which_nothing_is_wrong_raise_no_alarm() {
    for (name, scenario) in score::clean_calls() {
        let alarms = score::false_alarms(scenario).await.unwrap();
        assert!(alarms.is_empty(), "{name}: {alarms:#?}");
    }
}

/// Mutations that nobody chose. Known to be missed: a candidate without its field `candidate`, which W3C webrtc-pc takes
/// for the end of candidates and greenroom's own protocol for a malformed message.
#[tokio::test]
async fn a_random_mutation_that_breaks_a_call_is_named_with_one_kind_of_exception() {
    for seed in greenroom::seeds(1..=60) {
        let (mutated, because) = score::mutate(seed).await.unwrap();
        let is_known = because.contains("malformed message: missing field `candidate`");
        assert!(
            mutated != score::Mutated::Missed || is_known,
            "random-{seed}: {because}"
        );
    }
}

/// The same faults on real sockets, in real time: nightly, because each takes as long as it takes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "three minutes of real time; ci/test nightly runs it"]
async fn faults_on_real_sockets_have_the_same_causes_as_in_the_simulation() {
    const TRIED: [&str; 22] = [
        "lose-join",
        "lose-announcement",
        "lose-offer",
        "lose-answer",
        "misroute-offer",
        "misroute-answer",
        "rename-answer",
        "truncate-answer",
        "offer-without-mid",
        "answer-setup-flipped",
        "wrong-password",
        "wrong-fingerprint",
        "wrong-offer-fingerprint",
        "glare",
        "drop-stun",
        "drop-dtls",
        "drop-rtp",
        "withhold-key-frames",
        "lose-early-candidates",
        "role-conflict-for-ever",
        "hello-without-use-srtp",
        "foreign-payload-type",
    ];
    let mut wrong = Vec::new();
    for name in TRIED {
        let run = greenroom::Run::embedded().scenario(score::call());
        let report = run.wire_fault(name, 1).run().await.unwrap();
        let scored = score::scored(name, &report);
        if scored.cause != scored.expected_cause {
            wrong.push(scored);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
