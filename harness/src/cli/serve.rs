//! `greenroom serve`: the signaling server by itself.

use std::io::Write as _;

use super::args::ServeArgs;
use super::{complain, exit};

/// Serves until Ctrl-C.
pub(super) async fn serve(args: ServeArgs) -> u8 {
    let listener = match tokio::net::TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            complain(&format!(
                "cannot listen on {}: {error}; choose another address with --listen",
                args.listen
            ));
            return exit::BAD_INPUT;
        }
    };
    let server = greenroom_signaling::Server::new(greenroom_signaling::ServerConfig::default());
    match listener.local_addr() {
        // Flushed at once, so that whoever started this may wait for the line.
        Ok(address) => {
            let mut out = std::io::stdout();
            let _ = writeln!(out, "listening on ws://{address}/").and_then(|()| out.flush());
        }
        Err(error) => complain(&error.to_string()),
    }
    tokio::select! {
        _ = server.serve(listener) => exit::HARNESS_FAILED,
        () = super::run::interrupt_signal() => exit::PASS,
    }
}
