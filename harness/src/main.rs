//! The `greenroom` command. Everything is in the library's `cli` module; this starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    greenroom::cli::main()
}
