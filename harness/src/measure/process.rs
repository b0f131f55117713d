//! What a group of processes costs: CPU time and resident memory, read from `/proc`.
//!
//! Owns the reading and the sums. Linux only; elsewhere the figures are absent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the processes of a server under test cost while a run went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessFigures {
    /// The command.
    pub command: String,
    /// CPU time over wall time: 1 is one core.
    pub cores_used: f64,
    /// Resident memory of all its processes together at the first sample, in bytes.
    pub rss_at_start: u64,
    /// The most that was sampled.
    pub rss_max: u64,
    /// At the last sample.
    pub rss_at_end: u64,
    /// Samples taken.
    pub samples: u64,
}

/// One reading of all processes of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of those that are there, and of their children that have ended and were waited for.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes.
    pub(crate) rss: u64,
}

impl Usage {
    /// Of a process group now; `None` where there is no `/proc`, and when the group has no process any more.
    pub(crate) fn of_group(group: i32) -> Option<Self> {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let page = rustix::param::page_size() as u64;
        let mut found = None;
        for entry in std::fs::read_dir("/proc").ok()?.flatten() {
            let is_process = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
            // A process may end while it is looked at.
            let Some(stat) = is_process
                .then(|| std::fs::read_to_string(entry.path().join("stat")).ok())
                .flatten()
            else {
                continue;
            };
            if let Some((pgrp, cpu_ticks, pages)) = parse(&stat)
                && pgrp == group
            {
                let sum: &mut Self = found.get_or_insert_with(Self::default);
                sum.cpu += Duration::from_micros(cpu_ticks.saturating_mul(1_000_000) / ticks);
                sum.rss += pages * page;
            }
        }
        found
    }
}

/// Process group, CPU ticks and resident pages of a line of `/proc/PID/stat` (proc_pid_stat(5)); `None` for a process that
/// has ended and waits for its parent to look.
fn parse(stat: &str) -> Option<(i32, u64, u64)> {
    // The name in the second field may hold spaces and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some((
        fields.get(5 - 3)?.parse().ok()?,
        [14, 15, 16, 17]
            .into_iter()
            .try_fold(0_u64, |sum, field| sum.checked_add(number(field)?))?,
        number(24)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_shifts_no_field() {
        let stat = "42 (a) b (c)) S 1 7 7 0 -1 4194304 9 0 0 0 150 50 7 3 20 0 1 0 100 4096 25 184 0 0";
        assert_eq!(parse(stat), Some((7, 210, 25)));
        assert_eq!(parse("42 (half"), None);
        assert_eq!(parse("42 (half) S 1"), None);
        assert_eq!(parse(&stat.replace(" S ", " Z ")), None, "it has ended");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_a_group_that_is_not_there_has_none() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(Usage::of_group(group).is_some_and(|usage| usage.rss > 1 << 16));
        assert_eq!(Usage::of_group(i32::MAX), None);
    }
}
