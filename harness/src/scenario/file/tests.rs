use std::time::Duration;

use super::*;
use crate::net::model::{LinkOf, LinkSpec, NatKind, NetworkAction, NetworkPreset};
use crate::scenario::{Action, AudioSource, DecodeSelection, Muting, Party, SignalingSpec, TimedAction};

const EXAMPLE: &str = include_str!("../../../../docs/scenarios/example.toml");

#[track_caller]
fn refused(text: &str, place: &str, remedy: &str) {
    let message = Scenario::from_toml(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
    assert!(
        message.starts_with(&format!("{place}: ")),
        "{message:?} should be at {place}"
    );
    assert!(message.contains(remedy), "{message:?} should say {remedy:?}");
}

#[test]
fn an_empty_file_is_the_default_scenario() {
    assert_eq!(Scenario::from_toml("").unwrap(), Scenario::default());
}

#[test]
fn the_example_says_what_it_seems_to_say() {
    let scenario = Scenario::from_toml(EXAMPLE).unwrap();
    assert_eq!(scenario.seed, 7);
    assert_eq!(scenario.duration, Duration::from_secs(30));
    assert_eq!(scenario.warmup, Duration::from_secs(2));
    let rooms: Vec<_> = scenario
        .rooms
        .iter()
        .map(|room| (room.name.as_str(), room.viewers))
        .collect();
    assert_eq!(rooms, [("stage", 5), ("lobby", 5)]);
    assert_eq!(scenario.media.size.to_string(), "160x90");
    assert_eq!(scenario.media.audio, AudioSource::Procedural);
    assert_eq!(scenario.decode, DecodeSelection::Count(2));
    assert_eq!(scenario.deadlines.frame, Duration::from_millis(800));
    assert_eq!(scenario.network.down.unwrap().delay, Duration::from_millis(20));
    let network = scenario.network.sim.as_ref().unwrap();
    assert_eq!(network.viewer(1).up, NetworkPreset::Lte.up());
    assert_eq!(network.viewer(3).nat, NatKind::Symmetric);
    assert_eq!(network.viewer(3).down.delay, Duration::from_millis(300));
    let at = |s, action| TimedAction {
        at: Duration::from_secs(s),
        action,
    };
    assert_eq!(
        scenario.network.signaling,
        [SignalingSpec {
            of: Some(Party::Viewer(2)),
            delay: Duration::from_millis(50),
            jitter: Duration::from_millis(20),
            ..SignalingSpec::default()
        }]
    );
    assert_eq!(
        scenario.timeline,
        [
            at(
                3,
                Action::Chat {
                    from: Party::Viewer(2),
                    text: "hello".to_owned()
                }
            ),
            at(5, Action::Mute(Muting::Audio)),
            at(8, Action::Unmute(Muting::Audio)),
            at(
                12,
                Action::Network(NetworkAction::Partition {
                    viewer: 3,
                    duration: Duration::from_secs(4),
                })
            ),
            at(
                20,
                Action::Network(NetworkAction::Link {
                    of: LinkOf::All,
                    direction: crate::net::model::Direction::Down,
                    spec: LinkSpec {
                        rate_kbps: Some(300),
                        ..LinkSpec::default()
                    },
                })
            ),
            at(
                22,
                Action::StallSignaling {
                    of: Party::Viewer(1),
                    duration: Duration::from_secs(1),
                }
            ),
            at(25, Action::Leave { viewer: 4 }),
        ]
    );
}

#[test]
fn a_scenario_survives_toml_and_json() {
    for scenario in [
        Scenario::default(),
        Scenario::from_toml(EXAMPLE).unwrap(),
        Scenario {
            timeline: Scenario::default_timeline(Duration::ZERO, Duration::from_secs(10)),
            ..Scenario::default()
        },
    ] {
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(Scenario::from_toml(&text).unwrap(), scenario, "{text}");
        let json = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
    }
}

#[test]
fn a_time_has_a_unit_or_says_that_it_is_milliseconds() {
    let duration = |text| Scenario::from_toml(text).map(|scenario| scenario.duration);
    assert_eq!(duration("duration = \"1m 30s\""), Ok(Duration::from_secs(90)));
    assert_eq!(duration("duration_ms = 90_000"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("duration_ms = \"90s\""), Ok(Duration::from_secs(90)));
    // A number without a unit is no time, whatever was meant.
    refused("duration = 90", "line 1, column 1", "did you mean `duration_ms`?");
    refused("duration = \"90\"", "line 1, column 12", "write it as \"500ms\"");
    refused(
        "seed = 1\nduration_ms = -1",
        "line 2, column 15",
        "a time is 0 or more",
    );
    // Where a name is that of something else as well, it stays what it is.
    let scenario = Scenario::from_toml("decode = \"all\"\nplanted_delays.decode = \"5ms\"").unwrap();
    assert_eq!(scenario.decode, DecodeSelection::All);
    assert_eq!(scenario.planted_delays.decode, Duration::from_millis(5));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_its_remedy() {
    refused("seed = 1\nviewrs = 3", "line 2, column 1", "expected one of");
    refused(
        "[[rooms]]\nviewrs = 3",
        "line 2, column 1",
        "did you mean `viewers`?",
    );
    refused("[medai]\nfps = 30", "line 1, column 2", "did you mean `media`?");
    refused("# ä\nrooms = [", "line 2, column 10", "expected `]`");
    refused(
        "seed = 1\nseed = 2",
        "line 2, column 1",
        "leave one of the two out",
    );
    refused("\nseed = \"one\"", "line 2, column 8", "expected a whole number");
    refused("media = 3", "line 1, column 9", "expected a table");
    refused(
        "[media]\nadapt = \"yes\"",
        "line 2, column 9",
        "expected true or false",
    );
    refused(
        "[[timeline]]\nat = \"1s\"\naction = { leaf = { viewer = 1 } }",
        "line 3, column 12",
        "did you mean `leave`?",
    );
    refused(
        "[[timeline]]\naction = \"stop\"",
        "line 1, column 1",
        "add `at_ms`",
    );
    refused(
        "[[rooms]]\nname = \"a\"\n[[rooms]]\nname = \"two words\"",
        "line 4, column 8: rooms[1].name",
        "two words",
    );
    refused(
        "[media]\nfps = 500",
        "line 2, column 7: media.fps",
        "expected 1 to 120",
    );
    refused(
        "\nduration = \"10ms\"",
        "line 2, column 12: duration_ms",
        "100 ms to 7 days",
    );
    refused(
        "[[timeline]]\nat = \"1s\"\naction = \"stop\"\n[[timeline]]\nat = \"11s\"\naction = \"join\"",
        "line 5, column 6: timeline[1].at_ms",
        "move the action",
    );
    refused(
        "[[timeline]]\nat = \"1s\"\naction = { network = { partition = { viewer = 9, duration = \"4s\" } } }",
        "line 3, column 47: timeline[0].action.network.partition.viewer",
        "viewers 1 to 4",
    );
    refused(
        "[[timeline]]\nat = \"1s\"\n[timeline.action.network.link]\nof = \"all\"\ndirection = \"down\"\nspec.mtu = 3",
        "line 6, column 12: timeline[0].action.network.link.spec.mtu",
        "expected 68 to 65535",
    );
    refused(
        "[network.sim.default]\npreset = \"dialup\"",
        "line 2, column 10",
        "`lossy`",
    );
    refused(
        "[[network.sim.viewers]]\nviewer = 2\ndown.loss = 2.0",
        "line 3, column 13: network.sim.viewers[0].down.loss",
        "a share from 0 to 1",
    );
    refused(
        "[network.sim]\nnat_timeout = \"1ms\"",
        "line 2, column 15: network.sim.nat_timeout_ms",
        "a second to a day",
    );
    refused(
        "[[network.signaling]]\nlose = 1.5",
        "line 2, column 8: network.signaling[0].lose",
        "a share from 0 to 1",
    );
    refused(
        "[[timeline]]\nat = \"1s\"\naction = { cut-signaling = { of = { viewer = 9 } } }",
        "line 3, column 46: timeline[0].action.cut-signaling.of.viewer",
        "viewers 1 to 4",
    );
    refused(
        "[network.down]\nloss = 3",
        "line 2, column 8: network.down.loss",
        "a share from 0 to 1",
    );
    refused(
        "[[faults]]\ndrop-frame = { viewer = 7, frame = 1 }",
        "line 1, column 1: faults[0]",
        "viewers 1 to 4",
    );
}
