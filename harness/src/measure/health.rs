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
use tokio::time::{Instant, MissedTickBehavior};

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
    /// Share of the time its threads wanted to run in which they waited for a CPU.
    pub cpu_wait_share: Option<f64>,
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
    drops_by_socket: HashMap<u64, u64>,
}

impl HealthSampler {
    /// Starts sampling; needs a tokio runtime.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn(sample(Arc::clone(&state)));
        Self {
            state,
            started: Instant::now(),
            cpu_at_start: CpuTimes::read(),
            task,
        }
    }

    /// Stops sampling and sums up; the caller adds what only the bots know.
    pub fn stop(self) -> GeneratorHealth {
        let wall = self.started.elapsed();
        let allowed_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let used = CpuTimes::read()
            .zip(self.cpu_at_start)
            .map(|(now, start)| now.since(start));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        read_socket_drops(&mut state.drops_by_socket);
        GeneratorHealth {
            scheduler_lag: state.lag.summary(),
            pacing_error: None,
            cpu_share: used
                .filter(|_| !wall.is_zero())
                .map(|used| used.running.as_secs_f64() / wall.as_secs_f64() / allowed_cores as f64),
            allowed_cores,
            cpu_wait_share: used.and_then(|used| {
                let wanted = used.scheduled + used.waiting;
                (!wanted.is_zero()).then(|| used.waiting.as_secs_f64() / wanted.as_secs_f64())
            }),
            socket_drops: std::path::Path::new("/proc/self/net/udp")
                .exists()
                .then(|| state.drops_by_socket.values().sum()),
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
    let mut ticks = tokio::time::interval(LAG_PERIOD);
    // After a stall the next tick is a period away, so that one stall is one sample and not a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sockets_read = Instant::now();
    let mut due = ticks.tick().await + LAG_PERIOD;
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lag.record(now.saturating_duration_since(due));
        due = now + LAG_PERIOD;
        if now.saturating_duration_since(sockets_read) >= SOCKET_PERIOD {
            sockets_read = now;
            read_socket_drops(&mut state.drops_by_socket);
        }
    }
}

/// CPU times of this process.
#[derive(Clone, Copy, Debug)]
struct CpuTimes {
    /// User and system time of the whole process, threads that ended included.
    running: Duration,
    /// Time on a CPU of the threads that live, in nanosecond resolution.
    scheduled: Duration,
    /// Time that they were ready and had no CPU.
    waiting: Duration,
}

impl CpuTimes {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // Fields 14 and 15 of proc(5), counted after the command, which may hold spaces; ticks of 10 ms.
        let after_command = stat.rsplit_once(')')?.1;
        let mut fields = after_command.split_whitespace().skip(11).map(str::parse::<u64>);
        let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
        let (mut scheduled, mut waiting) = (0, 0);
        for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let mut fields = text
                .split_whitespace()
                .map(|field| field.parse::<u64>().unwrap_or(0));
            scheduled += fields.next().unwrap_or(0);
            waiting += fields.next().unwrap_or(0);
        }
        Some(Self {
            running: Duration::from_millis(ticks * 10),
            scheduled: Duration::from_nanos(scheduled),
            waiting: Duration::from_nanos(waiting),
        })
    }

    fn since(self, start: Self) -> Self {
        Self {
            running: self.running.saturating_sub(start.running),
            scheduled: self.scheduled.saturating_sub(start.scheduled),
            waiting: self.waiting.saturating_sub(start.waiting),
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
