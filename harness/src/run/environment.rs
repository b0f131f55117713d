//! What a run was made with and where it ran, for whoever repeats it.

use serde::{Deserialize, Serialize};

/// Versions, machine and limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// Version of greenroom.
    pub greenroom: String,
    /// Git commit that it was built from; absent when it was not built from a checkout.
    pub commit: Option<String>,
    /// The WebRTC stack.
    pub engine: String,
    /// URL of the signaling server.
    pub signaling_url: String,
    /// CPU model.
    pub cpu: Option<String>,
    /// Cores that the process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Limit of open files.
    pub open_files_limit: Option<u64>,
    /// Whether the build was optimised.
    pub release_build: bool,
}

impl Environment {
    pub(super) fn gather(signaling_url: &str, engine: &str) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        Self {
            greenroom: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("GREENROOM_COMMIT").map(str::to_owned),
            engine: engine.to_owned(),
            signaling_url: signaling_url.to_owned(),
            cpu: read("/proc/cpuinfo").and_then(|text| after(&text, "model name", ':')),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            open_files_limit: open_files_limit(),
            release_build: !cfg!(debug_assertions),
        }
    }
}

/// The value after `separator` on the first line that starts with `name`.
fn after(text: &str, name: &str, separator: char) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(separator)?.1.trim().to_owned())
}

/// How many files this process may have open; unknown outside Linux.
pub(super) fn open_files_limit() -> Option<u64> {
    std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|text| open_files(&text))
}

/// The soft limit of open files in `/proc/self/limits`.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_models_are_read_from_their_lines() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
             Max open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(1_024));
        assert_eq!(
            after("a: b\nmodel name\t: Some CPU\n", "model name", ':').as_deref(),
            Some("Some CPU")
        );
        assert_eq!(open_files(""), None);
    }
}
