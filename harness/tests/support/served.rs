//! `greenroom serve` in a dialect, as a process of its own.

use std::process::Command;

use super::process::Process;

/// It, until it is dropped, and its port.
pub(crate) async fn serve(dialect: &str) -> (Process, u16) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    command.args(["serve", "--listen", &format!("127.0.0.1:0={dialect}")]);
    let mut server = Process::start(command).unwrap();
    let port = |line: &str| {
        let (_, rest) = line.split_once("://127.0.0.1:")?;
        rest.split('/').next()?.parse().ok()
    };
    let port = server.line("where it listens", port).await.unwrap();
    (server, port)
}
