//! `greenroom fault`: the faults of the exchange that a run can be given.

use std::io::Write as _;

use clap::Subcommand;

use super::exit;
use crate::fault::wire;

#[derive(Debug, Subcommand)]
pub(super) enum FaultCommand {
    /// List every fault and what it does
    #[command(after_help = "Examples:\n  \
        greenroom run --sim lan --fault lose-answer           the first viewer's answer is lost\n  \
        greenroom run --viewers 3 --fault wrong-fingerprint=2  on real sockets, at the second viewer\n  \
        greenroom run --sim lan --fault random-17             a change drawn from a seed")]
    List,
}

/// Does what the subcommand says.
pub(super) fn fault(command: FaultCommand) -> u8 {
    match command {
        FaultCommand::List => {
            for fault in wire::all() {
                // Nobody reads it when this fails.
                let _ = writeln!(std::io::stdout(), "{:<32} {}", fault.name, fault.about);
            }
            exit::PASS
        }
    }
}
