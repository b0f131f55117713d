//! The calls that the checker is scored by: those that faults are planted in, and those in which nothing is wrong.
//!
//! Owns the scenarios. What is to be found in them is not its to know.

use std::time::Duration;

use greenroom_fixtures::Size;

use crate::media::codec::Codec;
use crate::net::model::{NatKind, NetworkFile, NetworkPreset};
use crate::scenario::{Action, AudioSource, Muting, Party, Scenario, SignalingSpec, TimedAction};

fn at(ms: u64, action: Action) -> TimedAction {
    TimedAction {
        at: Duration::from_millis(ms),
        action,
    }
}

/// The call that faults are planted in: three viewers, chat, a mute, and one who comes late.
pub fn call() -> Scenario {
    let mut scenario = Scenario {
        duration: Duration::from_secs(3),
        ..Scenario::default()
    };
    scenario.media.size = Size::SMALL;
    scenario.rooms.iter_mut().for_each(|room| room.viewers = 3);
    let say = |text: &str| Action::Chat {
        from: Party::Broadcaster,
        text: text.to_owned(),
    };
    scenario.timeline = vec![
        at(300, say("one")),
        at(500, say("two")),
        at(700, say("three")),
        at(1_000, Action::Mute(Muting::All)),
        at(1_600, Action::Unmute(Muting::All)),
        at(2_000, Action::Join),
    ];
    scenario
}

/// The call that a fault is planted in: longer where what it breaks takes its time.
pub fn call_for(fault: &str) -> Scenario {
    let mut scenario = call();
    if fault == "media-without-consent" {
        // Consent lasts for 30 s (RFC 7675 section 5.1).
        scenario.duration = Duration::from_secs(40);
    }
    scenario
}

/// Calls in which nothing is wrong, by name.
pub fn clean_calls() -> Vec<(String, Scenario)> {
    let mut calls = Vec::new();
    let mut add = |name: String, change: &dyn Fn(&mut Scenario)| {
        let mut scenario = call();
        change(&mut scenario);
        calls.push((name, scenario));
    };
    for viewers in [1, 2, 3, 5, 10, 20] {
        add(
            format!("{viewers} viewers, chat, mute, late joiner"),
            &|scenario| {
                scenario.rooms.iter_mut().for_each(|room| room.viewers = viewers);
            },
        );
    }
    for preset in NetworkPreset::ALL {
        for seed in 1..=3 {
            add(format!("{preset:?}, seed {seed}").to_lowercase(), &|scenario| {
                scenario.seed = seed;
                scenario.network.sim = Some(NetworkFile::of_preset(preset));
            });
        }
    }
    let ways: [(&str, Vec<crate::scenario::TimedAction>); 4] = [
        ("a viewer leaves", vec![at(900, Action::Leave { viewer: 2 })]),
        (
            "a viewer leaves and another comes",
            vec![at(900, Action::Leave { viewer: 1 }), at(1_200, Action::Join)],
        ),
        (
            "the broadcaster returns",
            vec![
                at(900, Action::BroadcasterLeave),
                at(1_400, Action::BroadcasterReturn),
            ],
        ),
        ("the stream is stopped", vec![at(2_000, Action::Stop)]),
    ];
    for (name, actions) in ways {
        add(name.to_owned(), &|scenario| {
            scenario.timeline.extend(actions.clone())
        });
    }
    add("vp8".to_owned(), &|scenario| scenario.media.codec = Codec::Vp8);
    add("longer than consent lasts".to_owned(), &|scenario| {
        scenario.duration = Duration::from_secs(40);
    });
    add("no sound".to_owned(), &|scenario| {
        scenario.media.audio = AudioSource::None
    });
    add("a data channel".to_owned(), &|scenario| {
        scenario.media.data_channel = true
    });
    add("slow signaling".to_owned(), &|scenario| {
        scenario.network.signaling.push(SignalingSpec {
            delay: Duration::from_millis(80),
            jitter: Duration::from_millis(40),
            ..SignalingSpec::default()
        });
    });
    add("the broadcaster comes last".to_owned(), &|scenario| {
        scenario.join.broadcaster_delay = Duration::from_millis(700);
    });
    for nat in [
        NatKind::FullCone,
        NatKind::RestrictedCone,
        NatKind::PortRestricted,
    ] {
        add(format!("viewers behind {nat:?}").to_lowercase(), &|scenario| {
            let mut file = NetworkFile::default();
            file.default.nat = Some(nat);
            scenario.network.sim = Some(file);
        });
    }
    calls
}
