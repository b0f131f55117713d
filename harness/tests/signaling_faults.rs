//! Faults between bots and their signaling server, and clients and servers that are not greenroom's, in virtual time.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use greenroom::measure::join::JoinPhase;
use greenroom::rules::CauseKind;
use greenroom::signaling::{Command, Event, PeerId, Role, RoomState};
use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use greenroom::{
    Action, FindingKind, Muting, Party, ReconnectSpec, Report, Run, SignalingBot, SignalingSpec, Verdict,
};
use support::{errors, ms, only_error};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// A call of two viewers.
fn call() -> Run {
    Run::simulated(3).viewers(2).duration(ms(4_000))
}

async fn report(run: Run) -> Report {
    run.run().await.unwrap()
}

fn found(report: &Report, kind: FindingKind) -> Vec<&str> {
    errors(report)
        .into_iter()
        .filter(|finding| finding.kind == kind)
        .filter_map(|finding| finding.peer.as_deref())
        .collect()
}

/// How long after their start viewers were in the room, in milliseconds.
fn joined_ms(report: &Report) -> Option<f64> {
    let joined = report
        .measured
        .join
        .iter()
        .find(|phase| phase.phase == JoinPhase::Joined)?;
    joined
        .time
        .as_ref()?
        .p50_ms
        .or(joined.time.as_ref().map(|time| time.min_ms))
}

#[tokio::test]
async fn a_delay_of_50_ms_each_way_makes_the_join_100_ms_longer_and_nothing_else() {
    let plain = report(call()).await;
    let delayed = report(call().signaling_faults(SignalingSpec {
        delay: ms(50),
        ..SignalingSpec::default()
    }))
    .await;
    delayed.assert_passed();
    let added = joined_ms(&delayed).unwrap() - joined_ms(&plain).unwrap();
    assert!((added - 100.0).abs() <= 1.0, "{added} ms");
    assert_eq!(delayed.measured.totals.lost, 0);
}

#[tokio::test]
async fn a_fault_that_is_planted_leaves_a_bad_way_as_bad_as_it_is() {
    let lost = || call().wire_fault("lose-answer", 2);
    let plain = report(lost()).await;
    let delayed = report(lost().signaling_faults(SignalingSpec {
        delay: ms(50),
        ..SignalingSpec::default()
    }))
    .await;
    let added = joined_ms(&delayed).unwrap() - joined_ms(&plain).unwrap();
    assert!((added - 100.0).abs() <= 1.0, "{added} ms");
    for report in [&plain, &delayed] {
        assert_eq!(found(report, FindingKind::NoFirstFrame), ["viewer-2"]);
    }
}

#[tokio::test]
async fn frames_that_overtake_each_other_are_named_and_do_not_keep_our_own_bots_apart() {
    let mut named = 0;
    for seed in greenroom::seeds(1..=20) {
        let run = Run::simulated(seed).viewers(3).duration(ms(1_000));
        let faults = SignalingSpec {
            jitter: ms(30),
            reorder: true,
            ..SignalingSpec::default()
        };
        let report = report(run.signaling_faults(faults)).await;
        assert!(report.causes.is_empty(), "{}", report.because);
        assert_eq!(report.measured.totals.lost, 0);
        assert!(
            report
                .measured
                .viewers
                .iter()
                .all(|viewer| viewer.tally.verified > 0)
        );
        for error in errors(&report) {
            let (rule, _) = error.message.split_once(':').unwrap();
            assert!(["TR-05", "TR-06", "SG-05"].contains(&rule), "{}", error.message);
            named += 1;
        }
    }
    assert!(named > 20, "{named} in 20 calls");
}

#[tokio::test]
async fn a_viewer_whose_frames_are_lost_is_the_only_one_that_never_gets_a_frame() {
    let report = report(call().signaling_faults(SignalingSpec {
        of: Some(Party::Viewer(2)),
        lose: 1.0,
        ..SignalingSpec::default()
    }))
    .await;
    let finding = errors(&report)[0];
    assert_eq!(finding.kind, FindingKind::NoFirstFrame);
    assert!(finding.message.contains("joined"), "{}", finding.message);
    assert_eq!(report.causes[0].kind, CauseKind::JoinUnanswered);
    for error in errors(&report) {
        assert_eq!(error.peer.as_deref(), Some("viewer-2"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_truncated_frame_cannot_be_read_by_who_gets_it() {
    let report = report(call().signaling_faults(SignalingSpec {
        of: Some(Party::Viewer(1)),
        truncate: 1.0,
        ..SignalingSpec::default()
    }))
    .await;
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(
        found(&report, FindingKind::SignalingBroken).first(),
        Some(&"viewer-1")
    );
}

#[tokio::test]
async fn a_join_that_passes_twice_is_refused_once_and_the_stream_goes_on() {
    let report = report(call().signaling_faults(SignalingSpec {
        of: Some(Party::Viewer(1)),
        duplicate: 1.0,
        ..SignalingSpec::default()
    }))
    .await;
    assert!(
        !found(&report, FindingKind::SignalingRefused).is_empty(),
        "{:#?}",
        errors(&report)
    );
    assert_eq!(report.measured.totals.lost, 0, "{}", report.because);
}

#[tokio::test]
async fn a_cut_signaling_connection_is_named_with_its_moment_and_costs_no_frame_of_others() {
    let cut = Action::CutSignaling { of: Party::Viewer(2) };
    let report = report(call().reconnect(ReconnectSpec::NEVER).at(ms(2_000), cut)).await;
    let finding = only_error(&report, FindingKind::SignalingLost);
    assert_eq!(finding.peer.as_deref(), Some("viewer-2"));
    let first = &report.measured.viewers[0];
    assert_eq!(
        (first.tally.lost, first.tally.expected),
        (0, first.tally.verified)
    );
}

#[tokio::test]
async fn a_reader_that_stalls_has_missed_nothing_when_it_reads_again() {
    let stall = Action::StallSignaling {
        of: Party::Viewer(1),
        duration: ms(2_000),
    };
    let mut run = call().at(ms(1_000), stall);
    for number in 0..20 {
        let text = format!("line {number}");
        let from = Party::Broadcaster;
        run = run.at(ms(1_100 + number * 50), Action::Chat { from, text });
    }
    let dir = tempfile::tempdir().unwrap();
    let report = report(run.output_dir(dir.path())).await;
    report.assert_passed();
    for viewer in &report.measured.viewers {
        assert_eq!(viewer.chat.len(), 20, "{}", viewer.label);
    }
    let heard = |viewer: &str| {
        let trace = std::fs::read_to_string(dir.path().join("trace.jsonl")).unwrap();
        let events: Vec<TraceEvent> = trace
            .lines()
            .skip(1)
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let is_chat = |event: &&TraceEvent| match &event.event {
            TraceKind::Signaling { way, frame, .. } => *way == FrameWay::In && frame.contains("\"chat\""),
            _ => false,
        };
        let times = events.iter().filter(|event| event.peer == viewer).filter(is_chat);
        times.map(|event| event.at_us).collect::<Vec<_>>()
    };
    let (stalled, other) = (heard("viewer-1"), heard("viewer-2"));
    assert!(stalled[0] > other[0] + 1_500_000, "{stalled:?} {other:?}");
    assert_eq!(stalled[0], stalled[19], "all at once, when it reads again");
}

#[tokio::test]
async fn a_server_that_restarts_forgets_everybody_and_serves_who_comes_anew() {
    let run = call()
        .reconnect(ReconnectSpec::NEVER)
        .at(ms(1_000), Action::RestartServer { after: ms(500) })
        .at(ms(2_000), Action::BroadcasterLeave)
        .at(ms(2_400), Action::BroadcasterReturn)
        .at(ms(2_500), Action::Join);
    let report = report(run).await;
    assert_eq!(
        found(&report, FindingKind::SignalingLost),
        ["broadcaster", "viewer-1", "viewer-2"],
        "{:#?}",
        errors(&report)
    );
    let joiner = &report.measured.viewers[2];
    assert!(
        joiner.tally.verified > 20 && joiner.tally.lost == 0,
        "{:?}",
        joiner.tally
    );
}

#[tokio::test]
async fn a_mute_that_is_asked_for_while_the_broadcaster_still_joins_is_done() {
    let delayed = call().signaling_faults(SignalingSpec {
        delay: ms(100),
        ..SignalingSpec::default()
    });
    let run = delayed
        .at(ms(1_000), Action::BroadcasterLeave)
        .at(ms(1_500), Action::BroadcasterReturn)
        .at(ms(1_600), Action::Mute(Muting::All));
    let report = report(run).await;
    report.assert_passed();
    let decoded = report.measured.viewers[0].decoded.unwrap();
    assert!(decoded.muted_black > 30, "{decoded:?}");
}

#[tokio::test]
async fn a_server_that_vanishes_in_memory_takes_every_connection_with_it() {
    let report = report(call().at(ms(1_000), Action::KillServer)).await;
    assert_eq!(found(&report, FindingKind::SignalingLost).len(), 3);
    assert_eq!(report.measured.totals.lost, 0, "media goes on without signaling");
}

/// Signaling without a server: everybody hears everybody, through this process.
#[derive(Clone, Default)]
struct Hub(Arc<Mutex<Peers>>);

type Peers = BTreeMap<PeerId, (Role, UnboundedSender<Event>)>;

impl Hub {
    fn tell(&self, to: &PeerId, event: Event) {
        if let Some((_, peer)) = self.0.lock().unwrap().get(to) {
            let _ = peer.send(event);
        }
    }

    async fn serve(self, mut bot: SignalingBot) -> Result<(), greenroom::signaling::BotGone> {
        let (sender, mut inbox) = unbounded_channel();
        let mut me = PeerId::from("nobody");
        loop {
            let command = tokio::select! {
                biased;
                Some(event) = inbox.recv() => {
                    bot.tell(event).await?;
                    continue;
                }
                command = bot.next_command() => command,
            };
            let from = Some(me.clone());
            match command {
                Some(Command::Join { role, .. }) => {
                    let others: Vec<_> = self.0.lock().unwrap().clone().into_iter().collect();
                    let id = PeerId::from(format!("{role}-{}", others.len()).as_str());
                    me = id.clone();
                    let state = RoomState::default();
                    let peers = others.iter().map(|(id, (role, _))| (id.clone(), *role)).collect();
                    bot.tell(Event::Joined {
                        id,
                        role,
                        state,
                        peers,
                    })
                    .await?;
                    self.0.lock().unwrap().insert(me.clone(), (role, sender.clone()));
                    for (other, _) in others {
                        self.tell(&other, Event::PeerJoined { id: me.clone(), role });
                    }
                }
                Some(Command::Description {
                    to: Some(to),
                    description,
                }) => {
                    self.tell(&to, Event::Description { from, description });
                }
                Some(Command::Candidate {
                    to: Some(to),
                    candidate,
                }) => {
                    self.tell(&to, Event::Candidate { from, candidate });
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}

#[tokio::test]
async fn bots_speak_through_a_signaling_client_of_the_callers() {
    let hub = Hub::default();
    let run = call().signaling(move |bot| hub.clone().serve(bot));
    report(run).await.assert_passed();
}

#[tokio::test]
async fn a_signaling_client_of_the_callers_that_fails_is_quoted() {
    let run = call().signaling(|mut bot: SignalingBot| async move {
        bot.next_command().await;
        Err("token expired")
    });
    let report = report(run).await;
    let lost = errors(&report)
        .into_iter()
        .find(|finding| finding.kind == FindingKind::SignalingLost)
        .unwrap();
    assert!(lost.message.contains("token expired"), "{}", lost.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_callers_serves_bots_on_sockets_too() {
    let run = support::on_sockets()
        .duration(ms(500))
        .server(|mut listener| async move {
            let server = greenroom::signaling::Server::new(Default::default());
            loop {
                let (stream, _) = listener.accept().await;
                let server = server.clone();
                tokio::spawn(async move { server.serve_connection(stream).await });
            }
        });
    let report = report(run).await;
    assert!(report.measured.totals.verified > 0, "{}", report.because);
    assert!(errors(&report).is_empty(), "{:#?}", errors(&report));
}

#[tokio::test]
async fn what_would_not_happen_is_refused() {
    let refused = async |run: Run| run.run().await.unwrap_err().to_string();
    let url = Run::against("ws://127.0.0.1:9/").at(ms(100), Action::RestartServer { after: ms(1) });
    assert!(refused(url).await.contains("not its own"));
    let hub = Hub::default();
    let client = call().signaling(move |bot| hub.clone().serve(bot));
    let faults = client.signaling_faults(SignalingSpec::default());
    let refusal = refused(faults).await;
    assert!(refusal.contains("has any that greenroom sees"), "{refusal}");
    let both = Run::against("ws://127.0.0.1:9/").server(|_listener| std::future::pending::<()>());
    assert!(refused(both).await.contains("has its server there"));
}

#[tokio::test]
async fn a_server_or_client_that_panics_as_it_starts_is_told_with_its_words() {
    #[allow(unreachable_code, reason = "a function that panics gives nothing")]
    let run = call().server(|_listener| {
        panic!("no configuration");
        std::future::pending::<()>()
    });
    let report = report(run).await;
    assert_eq!(report.findings[0].kind, FindingKind::ServerEnded);
    assert!(report.because.contains("no configuration"), "{}", report.because);
}
