//! Linux with glibc: functions of the C library's names, which the linker prefers to the library's own.
//!
//! Owns every `unsafe` block of the crate. The functions behave as the manual pages say for callers of any
//! kind, because all code of the program goes through them.

mod stream;

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_long, c_uint, c_void};
use std::fmt;
use std::mem;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use libc::{clockid_t, size_t, sockaddr, socklen_t, ssize_t, time_t, timespec, timeval};

use self::stream::Stream;
use crate::NotAvailable;

/// What a thread inside a run gets instead of the operating system's answers.
struct Run {
    random: Stream,
    epoch: Duration,
    elapsed: Cell<Duration>,
    /// Absent also while it is asked, so that it may itself look at the clock.
    clock: Cell<Option<Box<dyn Fn() -> Duration>>>,
}

impl Run {
    fn wall(&self) -> Duration {
        if let Some(clock) = self.clock.take() {
            self.elapsed.set(clock());
            self.clock.set(Some(clock));
        }
        self.epoch.saturating_add(self.elapsed.get())
    }

    /// # Safety
    ///
    /// `length` bytes at `buffer` must be writable.
    unsafe fn fill(&self, buffer: *mut u8, length: usize) {
        let mut filled = 0;
        while filled < length {
            let word = self.random.next();
            let count = word.len().min(length - filled);
            // SAFETY: `filled` is less than `length`, so it is within the caller's buffer.
            let to = unsafe { buffer.add(filled) };
            // SAFETY: `count` bytes from there are within it too, and a local array overlaps none of them.
            unsafe { ptr::copy_nonoverlapping(word.as_ptr(), to, count) };
            filled += count;
        }
    }
}

thread_local! {
    /// The run that this thread is inside, or null. Needs no destructor and no allocation, so that it can
    /// be read at any time of a thread's life, from within an allocator too.
    static RUN: Cell<*const Run> = const { Cell::new(ptr::null()) };
}

/// The run of this thread, for a function that uses it before it returns.
#[inline]
fn current<'a>() -> Option<&'a Run> {
    // SAFETY: `Inside` sets the pointer to a run that it keeps alive and resets it before it lets go, on
    // this thread; the callers return before that. A run is only ever accessed by shared reference.
    unsafe { RUN.get().as_ref() }
}

/// This thread's membership of a run. The `Rc` keeps it on its thread.
pub(crate) struct Inside {
    run: Rc<Run>,
}

impl Inside {
    pub(crate) fn enter(seed: u64, unix_epoch: Duration) -> Result<Self, NotAvailable> {
        if current().is_some() {
            return Err(NotAvailable::Nested);
        }
        if let Some((symbol, _)) = REPLACED.iter().find(|(symbol, ours)| {
            // SAFETY: the name is a string that ends in a zero.
            let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
            found.cast_const() != ours()
        }) {
            return Err(NotAvailable::NotLinked {
                symbol: symbol.to_str().unwrap_or_default(),
            });
        }
        let run = Rc::new(Run {
            random: Stream::new(seed),
            epoch: unix_epoch,
            elapsed: Cell::new(Duration::ZERO),
            clock: Cell::new(None),
        });
        RUN.set(Rc::as_ptr(&run));
        Ok(Self { run })
    }

    pub(crate) fn set_elapsed(&self, elapsed: Duration) {
        self.run.clock.set(None);
        self.run.elapsed.set(elapsed);
    }

    pub(crate) fn follow(&self, elapsed: Box<dyn Fn() -> Duration>) {
        self.run.clock.set(Some(elapsed));
    }

    pub(crate) fn hold(&self) {
        self.run.wall();
        self.run.clock.set(None);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        RUN.set(ptr::null());
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside")
            .field("random", &self.run.random)
            .field("epoch", &self.run.epoch)
            .field("elapsed", &self.run.elapsed)
            .finish_non_exhaustive()
    }
}

type Address = fn() -> *const c_void;

/// Every function that is replaced, with ours. Some crates look names up at run time, so the dynamic
/// linker must know ours too.
const REPLACED: [(&CStr, Address); 7] = [
    (c"getrandom", || getrandom as *const c_void),
    (c"getentropy", || getentropy as *const c_void),
    (c"syscall", || syscall as *const c_void),
    (c"clock_gettime", || clock_gettime as *const c_void),
    (c"gettimeofday", || gettimeofday as *const c_void),
    (c"time", || time as *const c_void),
    (c"bind", || bind as *const c_void),
];

/// A function of the C library, looked up at its first use.
struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Its address; the process ends where a C library has no such function, as it would at a missing symbol.
    #[inline]
    fn address(&self) -> *mut c_void {
        // Threads that look it up at once find the same address, and nothing but the address is published.
        let known = self.address.load(Ordering::Relaxed);
        if known.is_null() { self.look_up() } else { known }
    }

    #[cold]
    fn look_up(&self) -> *mut c_void {
        // SAFETY: the name is a string that ends in a zero; glibc's lookup calls none of our functions.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        if found.is_null() {
            std::process::abort();
        }
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

fn fail(code: c_int) -> c_int {
    // SAFETY: glibc returns the address of this thread's errno, which is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's, and no reference to it exists.
    unsafe { errno.write(code) };
    -1
}

/// getrandom(2).
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    static NEXT: Next = Next::new(c"getrandom");
    if let Some(run) = current() {
        // SAFETY: the caller passes a buffer of this length.
        unsafe { run.fill(buffer.cast(), length) };
        // No buffer is longer than `isize::MAX`.
        return length as ssize_t;
    }
    type Function = unsafe extern "C" fn(*mut c_void, size_t, c_uint) -> ssize_t;
    // SAFETY: the C library's function of this name has this type.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next(buffer, length, flags) }
}

/// getentropy(3).
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: size_t) -> c_int {
    static NEXT: Next = Next::new(c"getentropy");
    if let Some(run) = current() {
        if length > 256 {
            return fail(libc::EIO);
        }
        // SAFETY: the caller passes a buffer of this length.
        unsafe { run.fill(buffer.cast(), length) };
        return 0;
    }
    type Function = unsafe extern "C" fn(*mut c_void, size_t) -> c_int;
    // SAFETY: the C library's function of this name has this type.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next(buffer, length) }
}

/// syscall(2), which getrandom 0.2 (and ring through it) calls for its randomness.
///
/// C declares it variadic. On the architectures that this file is compiled for, integer arguments of a
/// variadic call go where those of another call go, and glibc's own, in assembly, reads all six as well
/// whatever was passed.
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    static NEXT: Next = Next::new(c"syscall");
    if number == libc::SYS_getrandom {
        let buffer = ptr::with_exposed_provenance_mut(a as usize);
        // SAFETY: the arguments of the system call are those of the function.
        return unsafe { getrandom(buffer, b as size_t, c as c_uint) } as c_long;
    }
    type Function = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;
    // SAFETY: see above for calling it with seven arguments.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next(number, a, b, c, d, e, f) }
}

/// clock_gettime(2). Wall clocks are virtual inside a run; monotonic and processor clocks are not.
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, to: *mut timespec) -> c_int {
    static NEXT: Next = Next::new(c"clock_gettime");
    if matches!(
        clock,
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI
    ) && let Some(run) = current()
    {
        let wall = run.wall();
        let value = timespec {
            tv_sec: seconds(wall),
            tv_nsec: wall.subsec_nanos().into(),
        };
        // SAFETY: the caller passes the address of a timespec.
        unsafe { to.write(value) };
        return 0;
    }
    type Function = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
    // SAFETY: the C library's function of this name has this type.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next(clock, to) }
}

/// gettimeofday(2).
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(to: *mut timeval, zone: *mut c_void) -> c_int {
    static NEXT: Next = Next::new(c"gettimeofday");
    // The time zone is obsolete and nothing of a clock; the C library fills it in.
    if let Some(run) = current()
        && zone.is_null()
        && !to.is_null()
    {
        let wall = run.wall();
        let value = timeval {
            tv_sec: seconds(wall),
            tv_usec: wall.subsec_micros().into(),
        };
        // SAFETY: the caller passes the address of a timeval.
        unsafe { to.write(value) };
        return 0;
    }
    type Function = unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int;
    // SAFETY: the C library's function of this name has this type.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next(to, zone) }
}

/// time(2).
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(to: *mut time_t) -> time_t {
    static NEXT: Next = Next::new(c"time");
    if let Some(run) = current() {
        let now = seconds(run.wall());
        if !to.is_null() {
            // SAFETY: the caller passes null or the address of a time.
            unsafe { to.write(now) };
        }
        return now;
    }
    type Function = unsafe extern "C" fn(*mut time_t) -> time_t;
    // SAFETY: the C library's function of this name has this type.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's argument, unchanged.
    unsafe { next(to) }
}

/// bind(2). A datagram socket of a run may have any address, of another host too, and share it.
///
/// # Safety
///
/// As in the manual page.
#[unsafe(no_mangle)]
unsafe extern "C" fn bind(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    static NEXT: Next = Next::new(c"bind");
    if current().is_some() && socket_type(socket) == Some(libc::SOCK_DGRAM) {
        // A socket of the other address family refuses its option, and bind tells what is wrong otherwise.
        switch_on(socket, libc::SOL_IP, libc::IP_FREEBIND);
        switch_on(socket, libc::SOL_IPV6, libc::IPV6_FREEBIND);
        switch_on(socket, libc::SOL_SOCKET, libc::SO_REUSEADDR);
    }
    type Function = unsafe extern "C" fn(c_int, *const sockaddr, socklen_t) -> c_int;
    // SAFETY: the C library's function of this name has this type.
    let next = unsafe { mem::transmute::<*mut c_void, Function>(NEXT.address()) };
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next(socket, address, length) }
}

fn socket_type(socket: c_int) -> Option<c_int> {
    let mut kind: c_int = 0;
    let mut size = INT;
    // SAFETY: the addresses are those of local variables, and the first is as long as the second says.
    let code = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_TYPE,
            (&raw mut kind).cast(),
            &raw mut size,
        )
    };
    (code == 0).then_some(kind)
}

fn switch_on(socket: c_int, level: c_int, option: c_int) {
    let on: c_int = 1;
    // SAFETY: the address is that of a local variable, which is as long as is said.
    unsafe { libc::setsockopt(socket, level, option, (&raw const on).cast(), INT) };
}

const INT: socklen_t = size_of::<c_int>() as socklen_t;

fn seconds(wall: Duration) -> time_t {
    time_t::try_from(wall.as_secs()).unwrap_or(time_t::MAX)
}
