//! Calls of two, who both send: who offers, who yields, and what is verified in both directions.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

mod support;

use greenroom::signaling::DialectName;
use greenroom::{Action, CallSpec, CallStart, FindingKind, Party, Report, Run, Severity, Style, Verdict};
use greenroom_fixtures::Size;
use support::{errors, ms};

const SEQUENTIAL: CallSpec = CallSpec {
    start: CallStart::Sequential,
    nobody_yields: false,
};
const SIMULTANEOUS: CallSpec = CallSpec {
    start: CallStart::Simultaneous,
    nobody_yields: false,
};

/// A call in virtual time.
fn call(seed: u64, spec: CallSpec) -> Run {
    Run::simulated(seed).duration(ms(3_000)).call(spec)
}

async fn report(run: Run) -> Report {
    run.run().await.unwrap()
}

/// Both directions were verified, frame by frame and packet by packet, and the checker has nothing to say.
#[track_caller]
fn both_were_verified(report: &Report) {
    report.assert_passed();
    let labels: Vec<_> = report
        .measured
        .viewers
        .iter()
        .map(|one| one.label.as_str())
        .collect();
    assert_eq!(labels, ["caller-1", "caller-2"]);
    for one in &report.measured.viewers {
        assert!(one.tally.verified >= 80, "{}: {:?}", one.label, one.tally);
        assert!(
            one.sound_tally.verified >= 130,
            "{}: {:?}",
            one.label,
            one.sound_tally
        );
    }
    for caller in &report.measured.callers {
        assert!(caller.stable_ms.is_some(), "{caller:?}");
    }
    let broken = report.rules.iter().filter(|rule| rule.severity > Severity::Note);
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(report.causes.is_empty(), "{:#?}", report.causes);
}

#[tokio::test]
async fn the_first_peer_offers_the_second_answers_and_both_directions_are_verified() {
    for seed in greenroom::seeds(1..=5) {
        let report = report(call(seed, SEQUENTIAL)).await;
        both_were_verified(&report);
        let [first, second] = &report.measured.callers[..] else {
            panic!("{:?}", report.measured.callers)
        };
        assert_eq!((first.offers, second.offers), (1, 0));
        assert_eq!(first.collisions + second.collisions, 0);
    }
}

#[tokio::test]
async fn two_peers_that_start_at_once_collide_and_the_polite_one_yields() {
    for seed in greenroom::seeds(1..=5) {
        let report = report(call(seed, SIMULTANEOUS)).await;
        both_were_verified(&report);
        let [first, second] = &report.measured.callers[..] else {
            panic!("{:?}", report.measured.callers)
        };
        assert!(!first.polite && second.polite);
        assert_eq!(
            (first.rolled_back, second.rolled_back),
            (0, 1),
            "{first:?} {second:?}"
        );
        assert!(second.collisions == 1, "{second:?}");
        let table = report.table(Style::Plain);
        assert!(
            table.contains("call         caller-1, impolite: stable after"),
            "{table}"
        );
    }
}

#[tokio::test]
async fn two_peers_of_whom_none_yields_have_no_call_and_the_cause_is_told() {
    let nobody = CallSpec {
        nobody_yields: true,
        ..SIMULTANEOUS
    };
    let report = report(call(1, nobody)).await;
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(
        report
            .measured
            .callers
            .iter()
            .all(|caller| caller.stable_ms.is_none())
    );
    let told: Vec<_> = errors(&report)
        .into_iter()
        .filter(|error| error.kind == FindingKind::SignalingBroken)
        .filter(|error| error.message.contains("glare was never resolved"))
        .filter_map(|error| error.peer.as_deref())
        .collect();
    assert_eq!(told, ["caller-1", "caller-2"], "{:#?}", errors(&report));
}

#[tokio::test]
async fn a_call_goes_on_while_the_signaling_of_a_peer_is_away_and_comes_back() {
    let cut = Action::CutSignaling { of: Party::Viewer(1) };
    let report = report(call(2, SEQUENTIAL).at(ms(1_000), cut)).await;
    both_were_verified(&report);
    let loss = &report.measured.viewers[1].signaling_losses[0];
    assert!(loss.planned && loss.away_ms.is_some(), "{loss:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_real_sockets_connect_however_they_start_in_both_dialects() {
    for dialect in [DialectName::Relay, DialectName::SocketioRelay] {
        for spec in [SEQUENTIAL, SIMULTANEOUS] {
            let run = Run::embedded().size(Size::SMALL).duration(ms(3_000));
            let report = support::report(run.dialect(dialect).call(spec)).await;
            both_were_verified(&report);
        }
    }
}

/// With a server of the caller's, which axum serves.
#[cfg(feature = "axum")]
mod crowd {
    use std::sync::{Arc, Mutex};

    use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
    use axum::{Router, routing::any};
    use greenroom::MemoryListener;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    type Peers = Arc<Mutex<Vec<UnboundedSender<Message>>>>;

    /// The server of the tutorials: every frame to everybody else, however many there are.
    async fn relay(listener: MemoryListener) {
        let peers = Peers::default();
        let open = move |up: WebSocketUpgrade| {
            let peers = Arc::clone(&peers);
            async move { up.on_upgrade(move |socket| peer(socket, peers)) }
        };
        let _ = axum::serve(listener, Router::new().route("/", any(open))).await;
    }

    async fn peer(mut socket: WebSocket, peers: Peers) {
        let (me, mut inbox) = unbounded_channel();
        peers.lock().unwrap().push(me.clone());
        loop {
            tokio::select! {
                biased;
                Some(message) = inbox.recv() => if socket.send(message).await.is_err() { return },
                received = socket.recv() => match received {
                    Some(Ok(message @ Message::Text(_))) => {
                        let peers = peers.lock().unwrap();
                        for other in peers.iter().filter(|other| !other.same_channel(&me)) {
                            let _ = other.send(message.clone());
                        }
                    }
                    Some(Ok(_)) => {}
                    _ => return,
                }
            }
        }
    }

    #[tokio::test]
    async fn a_third_peer_that_a_relay_lets_in_is_noticed_by_both_and_steals_nothing() {
        let run = call(3, SEQUENTIAL).server(relay).at(ms(1_000), Action::Join);
        let report = report(run).await;
        assert_eq!(report.verdict, Verdict::Fail);
        for who in ["caller-1", "caller-2"] {
            let noticed = errors(&report).into_iter().any(|error| {
                error.peer.as_deref() == Some(who) && error.message.contains("a third peer speaks")
            });
            assert!(noticed, "{who}: {:#?}", errors(&report));
        }
        for one in &report.measured.viewers[..2] {
            assert_eq!((one.tally.lost, one.tally.corrupt), (0, 0), "{}", one.label);
            assert!(one.tally.verified >= 80, "{}: {:?}", one.label, one.tally);
        }
    }
}
