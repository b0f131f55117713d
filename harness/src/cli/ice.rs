//! The flags that name STUN and TURN servers.
//!
//! Owns their names and help; what they may say is the scenario's to check.

use std::path::PathBuf;

use clap::Args;

use crate::scenario::IceSpec;

#[derive(Debug, Args)]
#[command(next_help_heading = "STUN and TURN")]
pub(super) struct IceArgs {
    /// STUN server that connections ask for their public address, such as stun:192.0.2.1:3478; over UDP; repeatable
    #[arg(long, env = "GREENROOM_STUN", value_name = "URL", value_delimiter = ',')]
    stun: Vec<String>,

    /// TURN server that relays for connections, such as turn:192.0.2.1:3478; over UDP; repeatable
    #[arg(long, env = "GREENROOM_TURN", value_name = "URL", value_delimiter = ',')]
    turn: Vec<String>,

    /// User name for every TURN server
    #[arg(long, env = "GREENROOM_TURN_USER", value_name = "NAME")]
    turn_user: Option<String>,

    /// File whose first line is the password for every TURN server
    #[arg(long, env = "GREENROOM_TURN_PASSWORD_FILE", value_name = "FILE")]
    turn_password_file: Option<PathBuf>,

    /// Use relayed candidates only: no datagram goes from peer to peer
    #[arg(long, env = "GREENROOM_RELAY_ONLY")]
    relay_only: bool,
}

impl IceArgs {
    /// Puts those that count over what a scenario says.
    pub(super) fn over(&self, ice: &mut IceSpec, counts: impl Fn(&str) -> bool) {
        if counts("stun") {
            ice.stun.clone_from(&self.stun);
        }
        if counts("turn") {
            ice.turn.clone_from(&self.turn);
        }
        if counts("turn_user") {
            ice.turn_user.clone_from(&self.turn_user);
        }
        if counts("turn_password_file") {
            ice.turn_password_file.clone_from(&self.turn_password_file);
        }
        if counts("relay_only") {
            ice.relay_only = self.relay_only;
        }
    }
}
