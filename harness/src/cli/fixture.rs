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
    match written {
        Ok(()) => {
            let _ = writeln!(
                std::io::stdout(),
                "{}: {frames} frames of {size} at {fps} fps, seed {seed}",
                file.display()
            );
            exit::PASS
        }
        Err(error) => {
            complain(&error.to_string());
            exit::BAD_INPUT
        }
    }
}
