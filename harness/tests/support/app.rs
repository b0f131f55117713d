//! Somebody's server as a folder with a `server.js`, which greenroom itself starts with `--exec 'node server.js'`.
//!
//! Owns the folder. It must not know what the program does.

use std::net::TcpListener;
use std::process::Output;

use tempfile::TempDir;

use super::command::{finish, greenroom, text};
use super::node::{Node, NodeError, PACKAGES};

/// Far beyond anything healthy: a card takes a minute.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(300);

/// The exit code of a machine that was too busy to tell anything: do it again.
const UNCLEAR: i32 = 120;

/// A folder with a program.
pub(crate) struct App {
    folder: TempDir,
    port: u16,
}

impl App {
    /// Writes the program that `program` makes for a port. None runs yet.
    ///
    /// # Errors
    ///
    /// When Node.js or its packages are missing.
    pub(crate) fn new(program: impl FnOnce(u16) -> String) -> Result<Self, NodeError> {
        Node::is_there()?;
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        std::fs::write(folder.path().join("server.js"), program(port))?;
        Ok(Self { folder, port })
    }

    /// Puts a file beside the program.
    pub(crate) fn put(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Gives the command `greenroom VERB URL --exec 'node server.js'` with more arguments: its exit code, its output, and its errors.
    pub(crate) fn greenroom(&self, verb: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let url = format!("ws://127.0.0.1:{}/", self.port);
        let mut args = vec![verb, &url, "--exec", "node server.js"];
        args.extend(more);
        let mut output = self.call(&args);
        for _ in 0..2 {
            if output.status.code() != Some(UNCLEAR) {
                break;
            }
            output = self.call(&args);
        }
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn call(&self, args: &[&str]) -> Output {
        let mut command = greenroom(self.folder.path(), args);
        command.env("NODE_PATH", PACKAGES);
        finish(command.spawn().unwrap(), DEADLINE)
    }
}
