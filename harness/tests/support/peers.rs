//! What is done about a real peer that is not there: a skip with its reason on a laptop, a failure in `ci/test peers`.

use std::fmt::Display;
use std::io::Write as _;

/// With this in the environment, a real peer that is missing is a failure.
const REQUIRED: &str = "GREENROOM_PEERS";

/// The peer, or none if it is not installed and need not be.
///
/// # Panics
/// When it is there and does not start, or is missing where it is required.
#[track_caller]
pub(crate) fn or_skip<T, E: Display>(started: Result<T, E>, is_missing: impl Fn(&E) -> bool) -> Option<T> {
    match started {
        Ok(peer) => Some(peer),
        Err(why) if is_missing(&why) && std::env::var_os(REQUIRED).is_none() => {
            skipped(&why);
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// Past the test runner's capture: a test that is skipped must not look like one that was done.
pub(crate) fn skipped(why: &impl Display) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {why}");
}
