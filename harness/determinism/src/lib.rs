//! Seeded randomness and virtual wall time for the thread of a simulated run.
//!
//! Owns the C library's sources of randomness and of wall time: `getrandom`, `getentropy`, `syscall`
//! (for `SYS_getrandom` alone), `clock_gettime`, `gettimeofday` and `time`. A program that links this
//! crate calls the functions here in their place. On a thread that holds a [`Deterministic`] they answer
//! from its seed and its virtual clock; on every other thread they hand over to the C library. It knows
//! nothing of what runs on the thread.
//!
//! And `bind`: the stack insists on a socket of the operating system and derives its candidates from the
//! address of it. So a datagram socket that is bound inside a run may have any address and port, those of
//! a modelled host, and as many sockets as like, in other processes too, may have the same one. Nothing
//! should ever be sent from it.
//!
//! Monotonic clocks stay real. Tokio reads `Instant::now` once for a paused clock and counts on from
//! there itself, so the base differs from run to run and nothing else does; a monotonic clock that stood
//! still would hang whatever waits on the operating system.
//!
//! What a run needs besides:
//!
//! - **A fresh thread.** `HashMap` keys and the generator of `rand::rng()` are drawn once for each thread
//!   and kept, so what a thread drew before the guard stays with it. A thread that was inside must not be
//!   used for secrets afterwards: it keeps generators whose seed is known.
//! - **One thread.** Threads that the run starts are not part of it.
//! - **No state of the process.** Whatever counts per process (the seeds of `tokio::select!` and of
//!   `futures::select!` do) repeats only where it is not asked: say `biased`, or let one branch at a time
//!   be ready.
//!
//! The stream is predictable by design. Keys drawn from it protect nothing.
//!
//! Not covered, because nothing here uses it: `/dev/urandom`, `arc4random`, the `rdrand` instruction,
//! `SYS_getrandom` and `SYS_clock_gettime` from inline assembly, and waits of the C library until a wall
//! time (`pthread_cond_timedwait` with `CLOCK_REALTIME`).

use std::time::Duration;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux/mod.rs"]
mod system;

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "elsewhere.rs"]
mod system;

/// Why a thread could not enter a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAvailable {
    /// Only Linux with glibc on x86-64 and AArch64 is known well enough.
    #[error("randomness and wall time can be replaced on Linux with glibc on x86-64 or AArch64 only")]
    System,
    /// The thread is inside a run already.
    #[error("this thread is inside a simulated run already")]
    Nested,
    /// The program resolves a function elsewhere, for example because this crate is in a shared library.
    #[error("{symbol} of the C library is not replaced in this program")]
    NotLinked {
        /// The function.
        symbol: &'static str,
    },
}

/// This thread is inside a simulated run until the guard is dropped.
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<greenroom_determinism::Deterministic>();
/// ```
///
/// ```
/// # #[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
/// std::thread::spawn(|| {
///     use std::time::{Duration, SystemTime};
///
///     let run = greenroom_determinism::Deterministic::enter(7, Duration::from_secs(1_000_000_000))?;
///     run.set_elapsed(Duration::from_millis(20));
///     let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
///     assert_eq!(SystemTime::now(), epoch + Duration::from_millis(20));
///     Ok::<_, greenroom_determinism::NotAvailable>(())
/// })
/// .join()
/// .unwrap()
/// # .unwrap();
/// ```
#[derive(Debug)]
#[must_use = "the run ends when the guard is dropped"]
pub struct Deterministic {
    inside: system::Inside,
}

impl Deterministic {
    /// Makes randomness follow from `seed` and wall time stand at `unix_epoch` after 1970, on this thread.
    ///
    /// # Errors
    ///
    /// When the thread is inside a run already, or where this is not possible at all.
    pub fn enter(seed: u64, unix_epoch: Duration) -> Result<Self, NotAvailable> {
        system::Inside::enter(seed, unix_epoch).map(|inside| Self { inside })
    }

    /// Wall time is the epoch plus `elapsed` from now on, and stands still.
    pub fn set_elapsed(&self, elapsed: Duration) {
        self.inside.set_elapsed(elapsed);
    }

    /// Wall time is the epoch plus what `elapsed` says at each look.
    ///
    /// For a paused tokio clock: `let start = tokio::time::Instant::now()` inside the runtime, then
    /// `follow(move || start.elapsed())`. Outside the runtime tokio's clock is the real one, so
    /// [`hold`](Self::hold) before it ends. While `elapsed` runs, wall time is what it said before. It must
    /// not panic: its callers are C functions, so the process would abort.
    pub fn follow(&self, elapsed: impl Fn() -> Duration + 'static) {
        self.inside.follow(Box::new(elapsed));
    }

    /// Wall time stands still where it is, and what [`follow`](Self::follow) was given is dropped.
    pub fn hold(&self) {
        self.inside.hold();
    }
}
