//! `greenroom serve`: signaling servers by themselves, one for each address.

use std::io::Write as _;

use greenroom_signaling::{DialectName, ServedDialect, Server, ServerConfig};
use tokio::{net::TcpListener, task::JoinSet};

use super::args::{Listen, ServeArgs};
use super::{complain, exit};

/// Serves until Ctrl-C.
pub(super) async fn serve(args: ServeArgs) -> u8 {
    // All of them or none: nobody should find out by a client that one is missing.
    let mut listeners = Vec::new();
    for Listen { address, dialect } in args.listen {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push((listener, dialect)),
            Err(error) => {
                complain(&format!(
                    "cannot listen on {address}: {error}; choose another address with --listen"
                ));
                return exit::BAD_INPUT;
            }
        }
    }
    let mut serving = JoinSet::new();
    for (listener, dialect) in listeners {
        announce(&listener, dialect);
        let server = Server::new(ServerConfig {
            dialect,
            ..ServerConfig::default()
        });
        serving.spawn(async move { server.serve(listener).await });
    }
    tokio::select! {
        _ = serving.join_next() => exit::HARNESS_FAILED,
        () = super::run::interrupt_signal() => exit::PASS,
    }
}

/// Flushed at once, so that whoever started this may wait for the line.
fn announce(listener: &TcpListener, dialect: ServedDialect) {
    match listener.local_addr() {
        Ok(address) => {
            let mut out = std::io::stdout();
            let _ = writeln!(out, "{}", line(address, dialect)).and_then(|()| out.flush());
        }
        Err(error) => complain(&error.to_string()),
    }
}

fn line(address: std::net::SocketAddr, dialect: ServedDialect) -> String {
    match dialect.name() {
        DialectName::Native => format!("listening on ws://{address}/"),
        name @ (DialectName::SocketioRelay | DialectName::SocketioRooms) => {
            format!("listening on http://{address}/socket.io/ ({name})")
        }
        name => format!("listening on ws://{address}/ ({name})"),
    }
}
