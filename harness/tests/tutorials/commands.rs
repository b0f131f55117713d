//! The servers under greenroom's bots: `greenroom run --exec 'node server.js'`, as written and after the obvious repair.

use crate::support::app::App;
use crate::support::node::NodeError;
use crate::support::peers::or_skip;
use crate::support::tutorials::{Tutorial, Tutorials};

/// A tutorial's server in a folder of its own, after a repair; none if something is missing.
pub(crate) fn app(
    tutorial: impl FnOnce(&Tutorials) -> Tutorial,
    repair: impl FnOnce(String) -> String,
) -> Option<App> {
    let tutorial = tutorial(&Tutorials::find()?);
    or_skip(
        App::new(|port| repair(tutorial.server(port))),
        NodeError::is_missing,
    )
}

pub(crate) fn as_written(program: String) -> String {
    program
}

fn repaired(program: &str, wrong: &str, right: &str) -> String {
    assert!(program.contains(wrong), "there is no {wrong:?} to repair");
    program.replace(wrong, right)
}

/// Text stays text.
pub(crate) fn keeps_text(program: String) -> String {
    repaired(
        &program,
        "client.send(message)",
        "client.send(message.toString())",
    )
}

/// What viewers say goes to the broadcaster, what it says to the viewer that came last, and who waits is announced.
pub(crate) fn addresses(program: String) -> String {
    let waits = "broadcaster = socket;\n                \
                 viewers.forEach(() => socket.send(JSON.stringify({ type: \"new-viewer\" })));\n";
    let program = repaired(&program, "broadcaster = socket;\n", waits);
    let to = "const to = socket === broadcaster ? [...viewers].pop() : broadcaster;\n                \
              to?.send(JSON.stringify(data));";
    repaired(
        &program,
        "viewers.forEach(viewer => viewer.send(JSON.stringify(data)));",
        to,
    )
}

/// The last line of the table: what is said of the run in one sentence.
fn verdict(said: &str) -> &str {
    let mut said = said.lines().filter(|line| !line.is_empty());
    said.rfind(|line| line.starts_with("FAIL") || line.starts_with("PASS"))
        .unwrap_or_default()
}

/// A viewer that comes after the broadcaster: who comes first finds another fault of part 28's.
const LATE: &str = "late.toml";
const LATE_VIEWERS: &str = "[join]\nviewers_delay = \"300ms\"\n";
const BROADCAST: [&str; 7] = [
    LATE,
    "--dialect",
    "broadcast-ws",
    "--viewers",
    "1",
    "--duration",
    "2s",
];
const CALL: [&str; 6] = ["--dialect", "relay", "--viewers", "1", "--duration", "2s"];

#[test]
fn part_28_is_red_with_the_cause_in_one_sentence_and_green_after_the_obvious_repair() {
    let Some(written) = app(Tutorials::part_28, as_written) else {
        return;
    };
    written.put(LATE, LATE_VIEWERS);
    let (code, said, _) = written.greenroom("run", &BROADCAST);
    assert_eq!(code, Some(99), "{said}");
    assert_eq!(
        verdict(&said),
        "FAIL: viewer-1's answer went to viewer-1 itself and never to broadcaster"
    );
    let repaired = app(Tutorials::part_28, addresses).unwrap();
    repaired.put(LATE, LATE_VIEWERS);
    let (code, said, errors) = repaired.greenroom("run", &BROADCAST);
    assert_eq!(code, Some(0), "{said}{errors}");
    // Two that come one after the other, as a tutorial's reader would try.
    let mut two = BROADCAST;
    two[4] = "2";
    let (code, said, errors) = repaired.greenroom("run", &[&two[..], &["--join-rate", "2"]].concat());
    assert_eq!(code, Some(0), "{said}{errors}");
}

/// Both relays: red because of what `ws` hands on as bytes, green when they make it text again.
fn is_red_for_its_binary_frames(tutorial: fn(&Tutorials) -> Tutorial) {
    let Some(written) = app(tutorial, as_written) else {
        return;
    };
    let (code, said, _) = written.greenroom("run", &CALL);
    assert_eq!(code, Some(99), "{said}");
    assert_eq!(
        verdict(&said),
        "FAIL: broadcaster's offer was sent as text and came to viewer-1 as a binary frame, which nobody reads"
    );
    let repaired = app(tutorial, keeps_text).unwrap();
    let (code, said, errors) = repaired.greenroom("run", &CALL);
    assert_eq!(code, Some(0), "{said}{errors}");
}

#[test]
fn part_22_is_red_for_its_binary_frames_and_green_once_it_keeps_text() {
    is_red_for_its_binary_frames(Tutorials::part_22);
}

#[test]
fn level_4_is_red_for_its_binary_frames_and_green_once_it_keeps_text() {
    is_red_for_its_binary_frames(Tutorials::level_4);
}
