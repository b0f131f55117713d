//! The command line: flags become a scenario, a report becomes a table and an exit code.
//!
//! Owns everything that a person sees. It holds no logic of a run: whatever it can do, the library can.

mod access;
mod args;
mod card;
mod dialect;
mod doctor;
mod exit;
mod explore;
mod fault;
mod fixture;
mod ice;
mod progress;
mod rule;
mod run;
mod score;
mod serve;
mod trace;

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use self::args::{Cli, Command, Given};
use self::trace::TraceCommand;
use crate::report::Style;

/// Parses the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let given = matches
            .subcommand()
            .map_or_else(Given::default, |(_, matches)| Given::of(matches));
        Cli::from_arg_matches(&matches).map(|cli| (cli, given))
    });
    let (cli, given) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no errors.
            let code = if error.use_stderr() {
                exit::BAD_INPUT
            } else {
                exit::PASS
            };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the async runtime cannot start: {error}"));
            return ExitCode::from(exit::HARNESS_FAILED);
        }
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(*args, &given).await,
            Command::Explore(args) => explore::run(args).await,
            Command::Doctor(args) => doctor::doctor(args).await,
            Command::Serve(args) => serve::serve(args).await,
            Command::Dialect { command } => dialect::dialect(command).await,
            Command::Fixture { command } => fixture::fixture(command),
            Command::Fault { command } => fault::fault(command),
            Command::Rule { command } => rule::rule(command).await,
            Command::Trace { command } => match command {
                TraceCommand::Check(args) => trace::check(args),
                TraceCommand::Diagram(args) => trace::diagram(args),
            },
        }
    });
    ExitCode::from(code)
}

/// Says what went wrong, on stderr.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

/// Colours for a stream, unless it is no terminal or the user asked for none (no-color.org).
fn style_of(stream: &impl std::io::IsTerminal) -> Style {
    style(
        stream.is_terminal(),
        std::env::var_os("NO_COLOR").as_deref(),
        std::env::var_os("TERM").as_deref(),
    )
}

fn style(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Style {
    let refused = no_color.is_some_and(|value| !value.is_empty());
    let dumb = term.is_some_and(|term| term == "dumb");
    if terminal && !refused && !dumb {
        Style::Coloured
    } else {
        Style::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_nobody_objects_to_gets_colours() {
        let set = |value| Some(OsStr::new(value));
        assert_eq!(style(true, None, set("xterm")), Style::Coloured);
        assert_eq!(style(true, set(""), set("xterm")), Style::Coloured);
        assert_eq!(style(true, set("1"), set("xterm")), Style::Plain);
        assert_eq!(style(true, None, set("dumb")), Style::Plain);
        assert_eq!(style(false, None, set("xterm")), Style::Plain);
    }
}
