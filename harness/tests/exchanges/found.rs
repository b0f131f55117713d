//! What these properties found: exchanges that were held against nobody's mistake, and mistakes that nobody held.
//!
//! Owns one exchange for each, so that none comes back.

use greenroom::trace::{DtlsSeen, FrameWay, TraceEvent, TraceKind};
use serde_json::json;

use super::call;
use super::description::Medium;
use super::edit::{self, attribute, frame, passed, rewrite, rewrite_sdp};
use super::plan::{Change, End, Ending, Names, Plan};
use super::{complaint, diagnose};

#[track_caller]
fn is_legal(plan: &Plan) {
    let complaint = complaint(&call::trace(plan));
    assert!(complaint.is_none(), "{}", complaint.unwrap_or_default());
}

#[track_caller]
fn breaks(events: &[TraceEvent], rule: &str) {
    let findings = diagnose(events).findings;
    assert!(
        findings.iter().any(|finding| finding.rule == rule),
        "{rule}: {findings:#?}"
    );
}

/// The first viewer's plan, changed.
fn plan(changes: &[Change], change: impl Fn(&mut super::plan::Viewer)) -> Plan {
    let mut plan = Plan::plain(changes);
    plan.viewers.iter_mut().for_each(change);
    plan
}

/// Changes every message of a kind from a peer, at both ends.
fn said(events: &mut [TraceEvent], kind: &str, from: &str, change: impl Fn(&mut TraceEvent)) {
    let all = passed(events);
    for message in all
        .iter()
        .filter(|message| message.kind == kind && message.from == from)
    {
        change(&mut events[message.left]);
        change(&mut events[message.came]);
    }
}

#[test]
fn payload_types_may_be_numbered_otherwise_each_way() {
    is_legal(&plan(&[], |viewer| viewer.renumbers = true));
}

#[test]
fn checks_of_the_old_generation_go_on_until_the_new_one_has_its_pair() {
    is_legal(&Plan::plain(&[Change::Restart, Change::Restart, Change::Again]));
}

/// The broadcaster's last candidate comes after its end of candidates, and names this section.
fn after_the_end(names: Names, section: &serde_json::Value) -> Vec<TraceEvent> {
    let mut events = call::trace(&plan(&[], |viewer| {
        viewer.trickles[0].end = End::Empty;
        viewer.trickles[0].names = names;
    }));
    let of = |kind: &str| {
        let mut all = passed(&events).into_iter();
        all.rfind(|message| message.from == "b1" && message.kind == kind)
            .unwrap()
    };
    let (last, end) = (of("candidate"), of("end-of-candidates"));
    for (candidate, end) in [(last.left, end.left), (last.came, end.came)] {
        rewrite(&mut events[candidate], |message| {
            let fields = message["candidate"].as_object_mut().unwrap();
            fields.retain(|name, _| !name.starts_with("sdpM"));
            fields.extend(section.as_object().unwrap().clone());
        });
        let (one, other) = (events[candidate].event.clone(), events[end].event.clone());
        events[candidate].event = other;
        events[end].event = one;
    }
    events
}

#[test]
fn an_end_of_candidates_may_be_about_one_section() {
    for names in [Names::Mid, Names::Index, Names::Both] {
        for of_another in [json!({"sdpMid": "1"}), json!({"sdpMLineIndex": 1})] {
            assert_eq!(complaint(&after_the_end(names, &of_another)), None, "{names:?}");
        }
        for of_the_same in [json!({"sdpMid": "0"}), json!({"sdpMLineIndex": 0})] {
            breaks(&after_the_end(names, &of_the_same), "TR-06");
        }
    }
}

/// RFC 3264 section 5.1: who offers to receive is ready for it at once, and media may beat the answer.
#[test]
fn media_may_come_before_the_answer_that_lets_it() {
    let mut events = call::trace(&Plan::plain(&[Change::Again]));
    let offer = passed(&events)
        .into_iter()
        .rfind(|message| message.kind == "offer")
        .unwrap();
    for at in [offer.left, offer.came] {
        rewrite_sdp(&mut events[at], |sdp| sdp.replace("a=sendonly", "a=sendrecv"));
    }
    let connection = events.iter().find_map(|event| match event.event {
        TraceKind::ConnectionOpened { connection, .. } if event.peer == call::BROADCASTER => Some(connection),
        _ => None,
    });
    let media = |payload_type| {
        let media = TraceKind::Rtp {
            connection: connection.unwrap(),
            way: FrameWay::In,
            payload_type,
            ssrc: 99,
        };
        call::event(events[offer.left].at_us, call::BROADCASTER, media)
    };
    let sdp = edit::sdp(&events[offer.left]).unwrap();
    let line = sdp.lines().find(|line| line.starts_with("m=video")).unwrap();
    let offered = line.split(' ').nth(3).unwrap().parse().unwrap();
    let rules_of = |media: TraceEvent| {
        let mut events = events.clone();
        events.insert(offer.left + 1, media);
        let findings = diagnose(&events).findings;
        findings
            .into_iter()
            .filter(|finding| finding.rule.starts_with("RT-0") && finding.rule != "RT-01")
            .map(|finding| finding.rule)
            .collect::<Vec<_>>()
    };
    assert_eq!(rules_of(media(offered)), Vec::<String>::new());
    assert_eq!(rules_of(media(45)), ["RT-03"]);
}

#[test]
fn a_candidate_after_an_end_that_names_no_generation_is_too_late() {
    let mut events = call::trace(&plan(&[], |viewer| viewer.trickles[0].end = End::Bare));
    super::Mutation::CandidateAfterEnd.apply(&mut events, 0);
    breaks(&events, "TR-06");
}

#[test]
fn an_early_candidate_is_held_against_its_description_when_that_comes() {
    let mut events = call::trace(&plan(&[], |viewer| viewer.trickles[0].early = 1));
    said(&mut events, "candidate", "b1", |event| {
        rewrite(event, |message| message["candidate"]["sdpMid"] = json!("zz"));
    });
    let findings = diagnose(&events).findings;
    let unknown = findings.iter().filter(|finding| finding.rule == "TR-02").count();
    assert_eq!(unknown, 3, "one early and two later: {findings:#?}");
}

/// The answer comes after the handshake that it is about.
#[test]
fn a_handshake_that_is_faster_than_the_answer_is_held_against_it() {
    let mut events = call::trace(&Plan::plain(&[]));
    said(&mut events, "answer", "v2", |event| {
        rewrite_sdp(event, |sdp| {
            let sdp = attribute(sdp, "fingerprint", |mark| mark.replace(' ', " 99:"));
            attribute(&sdp, "setup", |_| "passive".to_owned())
        });
    });
    let came = passed(&events)
        .into_iter()
        .find(|message| message.kind == "answer")
        .unwrap()
        .came;
    let is_certificate = |event: &TraceEvent| {
        matches!(
            &event.event,
            TraceKind::Dtls {
                message: DtlsSeen::Certificate { .. },
                ..
            }
        )
    };
    let last = events.iter().rposition(is_certificate).unwrap();
    let answer = events.remove(came);
    events.insert(last, answer);
    let of_broadcaster = |rule: &str| {
        let findings = diagnose(&events).findings;
        findings
            .iter()
            .any(|finding| finding.rule == rule && finding.peer == call::BROADCASTER)
    };
    assert!(of_broadcaster("DT-01") && of_broadcaster("DT-02"));
}

#[test]
fn a_bundle_keeps_its_transport_when_its_first_section_is_recycled() {
    let changes = [Change::Stop, Change::Recycle];
    is_legal(&Plan::plain(&changes));
    let mut events = call::trace(&Plan::plain(&changes));
    let offer = passed(&events)
        .into_iter()
        .rfind(|message| message.kind == "offer")
        .unwrap();
    for at in [offer.left, offer.came] {
        rewrite_sdp(&mut events[at], |sdp| {
            attribute(sdp, "ice-ufrag", |_| "nobody".to_owned())
        });
    }
    breaks(&events, "OA-14");
}

#[test]
fn a_message_that_was_lost_is_missed_although_its_receiver_came_back() {
    let returns = plan(
        &[Change::Add {
            medium: Medium::Data,
            is_taken: true,
        }],
        |viewer| {
            viewer.ending = Ending::Returns;
        },
    );
    let mut events = call::trace(&returns);
    // Everything takes its time, so that nobody leaves within a second.
    for (number, event) in events.iter_mut().enumerate() {
        event.at_us = number as u64 * 100_000;
    }
    let lost = passed(&events)
        .into_iter()
        .find(|message| message.kind == "candidate")
        .unwrap();
    events.remove(lost.came);
    breaks(&events, "TR-05");
}

#[test]
fn an_error_about_a_target_refuses_no_join() {
    let mut events = call::trace(&plan(&[], |viewer| viewer.ending = Ending::Leaves));
    let is_joined = |event: &TraceEvent| {
        event.peer == call::BROADCASTER && frame(event).is_some_and(|(_, value)| value["type"] == "joined")
    };
    events.retain(|event| !is_joined(event));
    breaks(&events, "SG-05");
}

#[test]
fn what_came_garbled_is_not_under_way_any_more() {
    let mut events = call::trace(&plan(&[], |viewer| viewer.ending = Ending::Leaves));
    let came = passed(&events)
        .into_iter()
        .find(|message| message.kind == "answer")
        .unwrap()
        .came;
    rewrite_sdp(&mut events[came], |sdp| sdp.replace("s=-", "s=x"));
    breaks(&events, "SG-05");
}
