//! The wire: IC, DT and RT as datagrams show them.
//!
//! Owns these pairs.

use greenroom::trace::{DtlsSeen, FrameWay, StunSeen, TraceEvent, TraceKind};

use super::super::call::{BROADCASTER, event};
use super::super::edit::attribute;
use super::super::mutation::Mutation;
use super::{Pair, describe};

/// The broadcaster's first connection.
const CONNECTION: u64 = 1;

pub(super) const PAIRS: &[Pair] = &[
    Pair::new("IC-01", |events| {
        let last = requests(events) - 1;
        Mutation::Username.apply(events, last);
    }),
    Pair::new("IC-02", |events| {
        Mutation::Role.apply(events, 0);
    })
    .alone(),
    Pair::new("IC-03", |events| {
        let conflict = StunSeen {
            class: "error".to_owned(),
            error: Some(487),
            ..StunSeen::default()
        };
        for _ in 0..3 {
            insert(events, 0, stun(&conflict));
        }
    })
    .alone(),
    Pair::new("IC-04", |events| {
        for event in events {
            if let TraceKind::Stun { message, .. } = &mut event.event
                && message.controlling == Some(false)
            {
                message.use_candidate = true;
            }
        }
    })
    .alone(),
    Pair::new("IC-07", |events| {
        // A new stream begins 31 s after the last check that was answered.
        insert(events, 31_000_000, rtp(98));
    })
    .alone(),
    Pair::new("DT-01", |events| {
        Mutation::Certificate.apply(events, 0);
    }),
    Pair::new("DT-02", |events| {
        describe(events, "answer", 0, |sdp| {
            attribute(sdp, "setup", |_| "passive".to_owned())
        });
    }),
    Pair::new("DT-04", |events| {
        for event in events {
            if let TraceKind::Dtls {
                message: DtlsSeen::ClientHello { srtp_profiles, .. },
                ..
            } = &mut event.event
            {
                srtp_profiles.clear();
            }
        }
    })
    .alone(),
    Pair::new("DT-05", |events| {
        let first = events
            .iter()
            .position(|event| matches!(event.event, TraceKind::Dtls { .. }));
        let at = first.unwrap();
        let at_us = events[at].at_us;
        events.insert(at, event(at_us, BROADCASTER, rtp(98)));
    })
    .alone(),
    Pair::new("DT-06", |events| {
        let strange = TraceKind::Unclassified {
            connection: CONNECTION,
            way: FrameWay::In,
            first_byte: Some(5),
        };
        insert(events, 0, strange);
    })
    .alone(),
    Pair::new("RT-03", |events| {
        Mutation::RtpPayloadType.apply(events, 0);
    }),
    Pair::new("RT-05", |events| {
        describe(events, "answer", 0, |sdp| sdp.replace("a=recvonly", "a=inactive"));
    }),
];

fn requests(events: &[TraceEvent]) -> usize {
    let is_request = |event: &&TraceEvent| matches!(&event.event, TraceKind::Stun { message, .. } if message.class == "request");
    events.iter().filter(is_request).count()
}

/// Adds an event of the broadcaster so long after everything else.
fn insert(events: &mut Vec<TraceEvent>, later_us: u64, kind: TraceKind) {
    let at = events.last().map_or(0, |event| event.at_us) + later_us;
    events.push(event(at, BROADCASTER, kind));
}

fn stun(message: &StunSeen) -> TraceKind {
    TraceKind::Stun {
        connection: CONNECTION,
        way: FrameWay::In,
        remote: "10.0.2.2:5000".to_owned(),
        message: message.clone(),
    }
}

fn rtp(payload_type: u8) -> TraceKind {
    TraceKind::Rtp {
        connection: CONNECTION,
        way: FrameWay::Out,
        payload_type,
        ssrc: 99,
    }
}

/// The other half of IC-07: a stream that begins as late is no breach where checks went on to be answered, nor at the
/// end that only receives, which needs nobody's consent (RFC 7675 section 5.1).
#[test]
fn media_long_after_the_handshake_is_legal_where_consent_is_kept_or_not_needed() {
    let legal = || super::call::trace(&super::Plan::plain(&[]).for_two());
    let mut kept = legal();
    let success = StunSeen {
        class: "success".to_owned(),
        integrity: Some(true),
        ..StunSeen::default()
    };
    insert(&mut kept, 28_000_000, stun(&success));
    insert(&mut kept, 3_000_000, rtp(98));
    assert_eq!(super::of_rule(&kept, "IC-07"), []);
    let mut receives = legal();
    let end = receives.last().unwrap().at_us + 31_000_000;
    let came = TraceKind::Rtp {
        connection: (1 << 32) + 1,
        way: FrameWay::In,
        payload_type: 98,
        ssrc: 99,
    };
    receives.push(event(end, "viewer-1", came));
    assert_eq!(super::of_rule(&receives, "IC-07"), []);
}
