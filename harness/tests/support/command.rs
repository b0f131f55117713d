//! The command as a child process, under deadlines and killed with the test.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A call of the command in a folder of its own.
pub(crate) fn greenroom(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    command
        .args(args)
        .current_dir(dir)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn call(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    greenroom(dir.path(), args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for a child under a deadline, and kills it beyond.
pub(crate) fn finish(child: Child, deadline: Duration) -> Output {
    let pid = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    ended.recv_timeout(deadline).map_or_else(
        |_| {
            signal_pid(pid, "KILL");
            panic!("the command did not end within {deadline:?}: {:?}", ended.recv());
        },
        Result::unwrap,
    )
}

pub(crate) fn signal(child: &Child, name: &str) {
    signal_pid(child.id(), name);
}

fn signal_pid(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// A signaling server in a process of its own; it ends with the test, however that ends.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        let mut child = greenroom(dir, &["serve", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let line = read_until(&mut child, "ws://");
        let url = line.split_whitespace().last().unwrap().to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a child's output up to a line that contains `what`.
pub(crate) fn read_until(child: &mut Child, what: &str) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains(what)));
    line.unwrap_or_else(|| panic!("the command ended without saying {what:?}"))
}
