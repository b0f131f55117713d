//! `greenroom fixture`: test clips as files.

use std::io::{IsTerminal as _, Write as _};

use super::args::FixtureCommand;
use super::{complain, exit};

/// Does what the subcommand says.
pub(super) fn fixture(command: FixtureCommand) -> u8 {
    let FixtureCommand::Generate {
        size,
        seconds,
        fps,
        seed,
        file,
    } = command;
    if file
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
    {
        let what = format!("{}: {seconds} s of a drawn voice, seed {seed}", file.display());
        return said(greenroom_fixtures::generate_wav(&file, seconds, seed), &what);
    }
    let frames = seconds * fps;
    let live = std::io::stderr().is_terminal();
    let progress = |done: u32| {
        if live && done.is_multiple_of(fps) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{done} of {frames} frames");
        }
    };
    let written = greenroom_fixtures::generate(&file, size, fps, frames, seed, progress);
    if live {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
    let what = format!(
        "{}: {frames} frames of {size} at {fps} fps, seed {seed}",
        file.display()
    );
    said(written, &what)
}

/// Says what was written, or why nothing was.
fn said(written: Result<(), impl std::fmt::Display>, what: &str) -> u8 {
    match written {
        Ok(()) => {
            let _ = writeln!(std::io::stdout(), "{what}");
            exit::PASS
        }
        Err(error) => {
            complain(&error.to_string());
            exit::BAD_INPUT
        }
    }
}
