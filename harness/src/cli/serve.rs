//! `greenroom serve`: signaling and media servers by themselves, one for each address.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use greenroom_signaling::{DialectName, ServedDialect, Server, ServerConfig};
use tokio::{net::TcpListener, task::JoinSet};

use super::args::{Listen, ServeArgs, Served};
use super::{complain, exit};
use crate::media_server::{MediaServer, MediaServerConfig};

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
        match dialect {
            Served::Signaling(dialect) => {
                let server = Server::new(ServerConfig {
                    dialect,
                    ..ServerConfig::default()
                });
                serving.spawn(async move { server.serve(listener).await });
            }
            Served::Media => {
                let server = MediaServer::new(MediaServerConfig {
                    bind: media_address(&listener),
                    ..MediaServerConfig::default()
                });
                serving.spawn(async move { server.serve(listener).await });
            }
        }
    }
    tokio::select! {
        _ = serving.join_next() => exit::HARNESS_FAILED,
        () = super::run::interrupt_signal() => exit::PASS,
    }
}

/// Where media goes: the address that is listened on or, if that is every one, this machine's towards the world.
fn media_address(listener: &TcpListener) -> IpAddr {
    let listens = listener.local_addr().ok().map(|address| address.ip());
    let named = listens.filter(|address| !address.is_unspecified());
    // TEST-NET-1 (RFC 5737): whatever the default route is. Nothing is sent there.
    named.unwrap_or_else(|| crate::net::local_address_towards("http://192.0.2.1/"))
}

/// Flushed at once, so that whoever started this may wait for the line.
fn announce(listener: &TcpListener, dialect: Served) {
    match listener.local_addr() {
        Ok(address) => {
            let mut out = std::io::stdout();
            let _ = writeln!(out, "{}", line(address, dialect)).and_then(|()| out.flush());
        }
        Err(error) => complain(&error.to_string()),
    }
}

fn line(address: SocketAddr, served: Served) -> String {
    let dialect = match served {
        Served::Signaling(dialect) => dialect,
        Served::Media => {
            return format!("listening on http://{address}/whip/NAME and /whep/NAME (whip, whep)");
        }
    };
    let url = url(address, dialect);
    match dialect.name() {
        DialectName::Native => format!("listening on {url}"),
        name => format!("listening on {url} ({name})"),
    }
}

/// Where clients of a dialect connect to.
pub(super) fn url(address: SocketAddr, dialect: ServedDialect) -> String {
    match dialect.name() {
        DialectName::SocketioRelay | DialectName::SocketioRooms => format!("http://{address}/socket.io/"),
        _ => format!("ws://{address}/"),
    }
}
