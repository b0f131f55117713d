use std::time::Duration;

use super::*;
use crate::net::model::Loss;

#[track_caller]
fn refused(change: impl FnOnce(&mut Scenario), expect: &str) {
    let mut scenario = Scenario::default();
    change(&mut scenario);
    let message = scenario
        .validate()
        .map_or_else(|error| error.to_string(), |()| "accepted".to_owned());
    assert!(message.contains(expect), "{message:?} should say {expect:?}");
}

fn timed(at_s: u64, action: Action) -> TimedAction {
    TimedAction {
        at: Duration::from_secs(at_s),
        action,
    }
}

#[test]
fn the_default_scenario_is_valid() {
    Scenario::default().validate().unwrap();
}

#[test]
fn every_number_that_cannot_work_is_refused_with_what_would() {
    refused(|s| s.rooms.clear(), "no room");
    refused(|s| s.rooms[0].name = "two words".into(), "two words");
    refused(|s| s.rooms.push(RoomSpec::default()), "each its own name");
    refused(|s| s.rooms[0].viewers = 0, "nothing would be verified");
    refused(|s| s.rooms[0].viewers = MAX_VIEWERS + 1, "--role viewers");
    refused(|s| s.duration = Duration::ZERO, "100 ms to 7 days");
    refused(|s| s.media.fps = Some(0), "1 to 120");
    refused(|s| s.media.bitrate_bps = 1, "10 kbit/s");
    refused(|s| s.join.rate_per_s = Some(f64::NAN), "join rate");
    refused(
        |s| {
            s.network.down = Some(LinkSpec {
                loss: Loss::Independent { share: 1.5 },
                ..LinkSpec::default()
            })
        },
        "0 to 1",
    );
    refused(|s| s.deadlines.frame = Duration::ZERO, "500ms");
    refused(
        |s| s.timeline = vec![timed(11, Action::Mute(Muting::All))],
        "after the end",
    );
    refused(
        |s| s.timeline = vec![timed(1, Action::Kill { viewer: 5 })],
        "viewers 1 to 4",
    );
    refused(
        |s| s.faults = vec![MediaFault::DropFrame { viewer: 0, frame: 1 }],
        "viewer 0",
    );
}

#[test]
fn a_viewer_that_joins_later_may_be_named() {
    let timeline = vec![timed(1, Action::Join), timed(2, Action::Leave { viewer: 5 })];
    let scenario = Scenario {
        timeline,
        ..Scenario::default()
    };
    scenario.validate().unwrap();
}

#[test]
fn a_scenario_survives_json_and_unknown_fields_are_refused() {
    let mut scenario = Scenario::default();
    scenario.timeline = Scenario::default_timeline(scenario.warmup, scenario.duration);
    scenario.faults = vec![MediaFault::Freeze {
        viewer: 1,
        frame: 30,
        duration: Duration::from_secs(1),
    }];
    let text = serde_json::to_string(&scenario).unwrap();
    assert!(text.contains("\"duration_ms\":10000"), "{text}");
    assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scenario);
    assert_eq!(
        serde_json::from_str::<Scenario>("{}").unwrap(),
        Scenario::default()
    );
    let error = serde_json::from_str::<Scenario>("{\"viewrs\":3}")
        .unwrap_err()
        .to_string();
    assert!(error.contains("viewrs"), "{error}");
}
