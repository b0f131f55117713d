//! Offer and answer: OA, and what descriptions say of DT-03, RT-01, RT-02 and TR-09.
//!
//! Owns these pairs. The letters of single rules are in `negotiation`'s own tests.

use greenroom::trace::TraceEvent;
use serde_json::json;

use super::super::edit::{attribute, frame, parts, passed, rewrite, sdp, version, with_version};
use super::super::plan::Change;
use super::{Pair, describe, last, say};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("OA-01", |events| {
        // The answer is only provisional, and the viewer offers.
        let answer = place(events, "answer");
        for at in [answer.0, answer.1] {
            rewrite(&mut events[at], |message| {
                message["answer"]["type"] = json!("pranswer")
            });
        }
        let sdp = sdp(&events[answer.0]).unwrap();
        let after = last(events);
        say(
            events,
            after,
            true,
            &json!({"type": "offer", "offer": {"type": "offer", "sdp": sdp}}),
        );
    }),
    Pair::new("OA-02", |events| {
        let sdp = sdp(&events[place(events, "answer").0]).unwrap();
        let after = last(events);
        say(
            events,
            after,
            true,
            &json!({"type": "answer", "answer": {"type": "answer", "sdp": sdp}}),
        );
    }),
    Pair::new("OA-03", |events| {
        // The viewer offers before it answers.
        let sdp = sdp(&events[place(events, "answer").0]).unwrap();
        let after = place(events, "offer").1;
        say(
            events,
            after,
            true,
            &json!({"type": "offer", "offer": {"type": "offer", "sdp": sdp}}),
        );
    }),
    Pair::new("OA-04", |events| {
        let after = last(events);
        say(
            events,
            after,
            false,
            &json!({"type": "offer", "offer": {"type": "rollback", "sdp": ""}}),
        );
    }),
    Pair::new("OA-05", |events| describe(events, "answer", 0, short)),
    Pair::new("OA-06", |events| describe(events, "offer", 1, short)).after(&[Change::Sound]),
    Pair::new("OA-07", |events| {
        describe(events, "answer", 0, |sdp| sdp.replace("a=mid:1", "a=mid:7"));
    }),
    Pair::new("OA-08", |events| {
        describe(events, "offer", 1, |sdp| with_version(sdp, version(sdp) - 1));
    })
    .after(&[Change::Sound]),
    Pair::new("OA-09", |events| {
        describe(events, "answer", 0, |sdp| {
            sdp.replace("a=mid:1", "a=mid:1\r\na=bundle-only")
        });
    }),
    Pair::new("OA-10", |events| {
        describe(events, "offer", 0, |sdp| {
            sdp.replace("a=mid:1", "a=mid:1\r\na=bundle-only")
        });
    })
    .alone(),
    Pair::new("OA-11", |events| {
        describe(events, "answer", 0, |sdp| sdp.replace("m=audio 9", "m=audio 0"));
    }),
    Pair::new("OA-12", |events| {
        describe(events, "answer", 0, |sdp| {
            sdp.replacen("a=recvonly", "a=sendonly", 1)
        });
    }),
    Pair::new("OA-13", |events| {
        describe(events, "answer", 0, |sdp| {
            attribute(sdp, "setup", |_| "actpass".to_owned())
        });
    }),
    Pair::new("OA-14", |events| {
        describe(events, "offer", 1, |sdp| {
            attribute(sdp, "ice-ufrag", |ufrag| ufrag.replace("gen1", "gen0"))
        });
    })
    .after(&[Change::Restart]),
    Pair::new("OA-14", |events| {
        describe(events, "answer", 1, |sdp| {
            attribute(sdp, "ice-pwd", |pwd| pwd.replace('#', "#f"))
        });
    })
    .after(&[Change::Again]),
    Pair::new("OA-15", |events| {
        describe(events, "offer", 0, |sdp| {
            attribute(sdp, "ice-ufrag", |_| "abc".to_owned())
        });
    })
    .alone(),
    Pair::new("OA-16", |events| {
        describe(events, "answer", 0, |sdp| {
            sdp.replace("VP8/90000", "VP9/90000")
                .replace("H264/90000", "H265/90000")
        });
    }),
    Pair::new("DT-03", |events| {
        describe(events, "offer", 1, |sdp| {
            attribute(sdp, "fingerprint", |mark| mark.replace(' ', " 99:"))
        });
    })
    .after(&[Change::Again]),
    Pair::new("RT-01", |events| {
        describe(events, "offer", 0, |sdp| sdp.replace("VP8/90000", "VP9/90000"));
    })
    .alone(),
    Pair::new("RT-02", |events| {
        describe(events, "answer", 0, |sdp| sdp.replace("a=rtcp-mux\r\n", ""));
    }),
    Pair::new("TR-09", |events| {
        describe(events, "offer", 0, |sdp| {
            attribute(sdp, "ice-options", |_| "ice2".to_owned())
        });
    })
    .alone(),
];

/// Where the first viewer's first description of that kind was sent, and where it came.
pub(super) fn place(events: &[TraceEvent], kind: &str) -> (usize, usize) {
    let mut all = passed(events).into_iter();
    let first =
        all.find(|passed| passed.kind == kind && [&passed.from, &passed.to].contains(&&"v2".to_owned()));
    first.map(|passed| (passed.left, passed.came)).unwrap()
}

/// Without its last section.
fn short(sdp: &str) -> String {
    let mut parts = parts(sdp);
    parts.pop();
    parts.concat()
}

#[test]
fn a_place_is_one_of_the_first_viewers() {
    let events = super::call::trace(&super::Plan::plain(&[]).for_two());
    let (left, came) = place(&events, "offer");
    assert_eq!(frame(&events[left]).unwrap().1["to"], "v2");
    assert_eq!(events[came].peer, "viewer-1");
}
