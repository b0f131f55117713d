//! The generator's own health: could this process have caused what it is about to blame on others?
//!
//! Owns the measurement of scheduler lag, CPU use, time spent waiting for a CPU, and datagrams that the
//! kernel dropped at our sockets. The checker decides what is too much. Linux only; elsewhere the
//! figures are absent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::distribution::{Distribution, Summary};

/// How often the scheduler is asked for a wake-up.
const LAG_PERIOD: Duration = Duration::from_millis(5);

/// How often the sockets' drop counters are read.
const SOCKET_PERIOD: Duration = Duration::from_secs(1);

/// What the generator was like while it ran.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GeneratorHealth {
    /// How late a task that asked to be woken was woken.
    pub scheduler_lag: Option<Summary>,
    /// How late the broadcaster took each frame from its source; absent without a broadcaster.
    pub pacing_error: Option<Summary>,
    /// CPU time of this process over wall time, as a share of [`allowed_cores`](Self::allowed_cores).
    pub cpu_share: Option<f64>,
    /// Cores that this process may use.
    pub allowed_cores: usize,
    /// How long a thread that wanted to run waited for a CPU, on average over all times that it did, in
    /// milliseconds.
    pub cpu_wait_ms: Option<f64>,
    /// Datagrams that the kernel dropped because our sockets' buffers were full.
    pub socket_drops: Option<u64>,
    /// Frames that a connection's queue had no room for.
    pub skipped_frames: u64,
}

/// Samples the generator's health until it is stopped or dropped.
#[derive(Debug)]
pub struct HealthSampler {
    state: Arc<Mutex<State>>,
    started: Instant,
    cpu_at_start: Option<CpuTimes>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    lag: Distribution,
    /// What each socket had dropped when it was first seen before the run, and the most since.
    before: HashMap<u64, u64>,
    drops_by_socket: HashMap<u64, u64>,
}

impl State {
    fn read_sockets(&mut self) {
        read_socket_drops(&mut self.drops_by_socket);
    }

    fn drops(&self) -> u64 {
        let since =
            |(inode, drops): (&u64, &u64)| drops.saturating_sub(self.before.get(inode).copied().unwrap_or(0));
        self.drops_by_socket.iter().map(since).sum()
    }
}

impl HealthSampler {
    /// Starts sampling; needs a tokio runtime.
    pub fn start() -> Self {
        let mut before = HashMap::new();
        read_socket_drops(&mut before);
        let state = Arc::new(Mutex::new(State {
            before,
            ..State::default()
        }));
        let task = tokio::spawn(sample(Arc::clone(&state)));
        Self {
            state,
            started: Instant::now(),
            cpu_at_start: CpuTimes::read(),
            task,
        }
    }

    /// Reads the sockets' drop counters now, before they are closed.
    pub fn read_sockets(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read_sockets();
    }

    /// Stops sampling and sums up; the caller adds what only the bots know.
    pub fn stop(self) -> GeneratorHealth {
        let wall = self.started.elapsed();
        let allowed_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let used = CpuTimes::read()
            .zip(self.cpu_at_start)
            .map(|(now, start)| now.since(start));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.read_sockets();
        GeneratorHealth {
            scheduler_lag: state.lag.summary(),
            pacing_error: None,
            cpu_share: used
                .filter(|_| !wall.is_zero())
                .map(|used| used.running.as_secs_f64() / wall.as_secs_f64() / allowed_cores as f64),
            allowed_cores,
            cpu_wait_ms: used
                .filter(|used| used.timeslices > 0)
                .map(|used| used.waiting.as_secs_f64() * 1_000.0 / used.timeslices as f64),
            socket_drops: std::path::Path::new("/proc/self/net/udp")
                .exists()
                .then(|| state.drops()),
            skipped_frames: 0,
        }
    }
}

impl Drop for HealthSampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn sample(state: Arc<Mutex<State>>) {
    let mut sockets_read = Instant::now();
    loop {
        let due = Instant::now() + LAG_PERIOD;
        tokio::time::sleep_until(due).await;
        let now = Instant::now();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lag.record(now.saturating_duration_since(due));
        if now.saturating_duration_since(sockets_read) >= SOCKET_PERIOD {
            sockets_read = now;
            state.read_sockets();
        }
    }
}

/// CPU times of this process.
#[derive(Clone, Copy, Debug)]
struct CpuTimes {
    /// User and system time of the whole process, threads that ended included.
    running: Duration,
    /// Time that the threads that live were ready and had no CPU.
    waiting: Duration,
    /// How often they were given one.
    timeslices: u64,
}

impl CpuTimes {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // Fields 14 and 15 of proc(5), counted after the command, which may hold spaces; ticks of 10 ms.
        let after_command = stat.rsplit_once(')')?.1;
        let mut fields = after_command.split_whitespace().skip(11).map(str::parse::<u64>);
        let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
        let (mut waiting, mut timeslices) = (0, 0);
        for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let mut fields = text
                .split_whitespace()
                .map(|field| field.parse::<u64>().unwrap_or(0));
            waiting += fields.nth(1).unwrap_or(0);
            timeslices += fields.next().unwrap_or(0);
        }
        Some(Self {
            running: Duration::from_millis(ticks * 10),
            waiting: Duration::from_nanos(waiting),
            timeslices,
        })
    }

    fn since(self, start: Self) -> Self {
        Self {
            running: self.running.saturating_sub(start.running),
            waiting: self.waiting.saturating_sub(start.waiting),
            timeslices: self.timeslices.saturating_sub(start.timeslices),
        }
    }
}

/// Adds the drop counters of this process's UDP sockets, the last column of `/proc/self/net/udp`.
fn read_socket_drops(drops: &mut HashMap<u64, u64>) {
    let Ok(fds) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let ours: std::collections::HashSet<u64> = fds
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter_map(|target| {
            target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect();
    for table in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
        let Ok(text) = std::fs::read_to_string(table) else {
            continue;
        };
        for (inode, count) in parse_udp_table(&text) {
            if ours.contains(&inode) {
                let entry = drops.entry(inode).or_default();
                *entry = (*entry).max(count);
            }
        }
    }
}

/// The inode and the drop counter of each row.
fn parse_udp_table(text: &str) -> impl Iterator<Item = (u64, u64)> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some((fields.get(9)?.parse().ok()?, fields.last()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_counter_is_read_from_the_last_column() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             12: 0100007F:A1B2 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 33333 2 0000000000000000 17\n";
        assert_eq!(parse_udp_table(table).collect::<Vec<_>>(), [(33_333, 17)]);
    }

    #[tokio::test]
    async fn a_task_that_hogs_the_only_worker_shows_as_scheduler_lag() {
        let sampler = HealthSampler::start();
        let deadline = Instant::now() + Duration::from_millis(300);
        while Instant::now() < deadline {
            let busy = Instant::now();
            while busy.elapsed() < Duration::from_millis(40) {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
        let health = sampler.stop();
        let lag = health.scheduler_lag.expect("samples");
        assert!(lag.max_ms > 20.0, "{lag:?}");
        assert!(health.cpu_share.is_some_and(|share| share > 0.0), "{health:?}");
    }

    #[tokio::test]
    async fn a_datagram_that_the_kernel_drops_is_counted() {
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sampler = HealthSampler::start();
        for _ in 0..2_000 {
            sender
                .send_to(&[0; 1_200], receiver.local_addr().unwrap())
                .unwrap();
        }
        let drops = sampler.stop().socket_drops;
        assert!(drops.is_some_and(|drops| drops > 0), "{drops:?}");
    }
}
