//! What a thread sees inside a run, and what every other thread sees meanwhile.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(clippy::disallowed_methods, reason = "the clocks are what is tested")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use greenroom_determinism::{Deterministic, NotAvailable};
use ring::rand::SecureRandom;
use ring::signature::KeyPair;

/// Long ago for whoever runs this.
const EPOCH: Duration = Duration::from_secs(1_000_000_000);

/// Everything random that the stack and its relatives draw.
#[derive(Debug, PartialEq)]
struct Drawn {
    getrandom_02: [u8; 13],
    getrandom_04: [u8; 13],
    getentropy: [u8; 13],
    system_call: [u8; 13],
    rand: u64,
    uuid: uuid::Uuid,
    order: Vec<u32>,
    ring: [u8; 32],
    public_key: Vec<u8>,
    signature: Vec<u8>,
}

fn draw() -> Drawn {
    let mut bytes = [[0; 13]; 4];
    getrandom_02::getrandom(&mut bytes[0]).unwrap();
    getrandom_04::fill(&mut bytes[1]).unwrap();
    // SAFETY: the buffer is as long as is said.
    assert_eq!(unsafe { libc::getentropy(bytes[2].as_mut_ptr().cast(), 13) }, 0);
    let at = bytes[3].as_mut_ptr();
    // SAFETY: the buffer is as long as is said.
    let length = unsafe { libc::syscall(libc::SYS_getrandom, at, 13_usize, 0_u32) };
    assert_eq!(length, 13);
    let map: HashMap<u32, ()> = (0..100).map(|key| (key, ())).collect();
    let random = ring::rand::SystemRandom::new();
    let mut filled = [0; 32];
    random.fill(&mut filled).unwrap();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let pkcs8 = ring::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    Drawn {
        getrandom_02: bytes[0],
        getrandom_04: bytes[1],
        getentropy: bytes[2],
        system_call: bytes[3],
        rand: rand::random(),
        uuid: uuid::Uuid::new_v4(),
        order: map.into_keys().collect(),
        ring: filled,
        public_key: pair.public_key().as_ref().to_vec(),
        signature: pair.sign(&random, b"message").unwrap().as_ref().to_vec(),
    }
}

/// Runs on a fresh thread, as a run has to.
fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(work).join().unwrap()
}

fn inside<T: Send + 'static>(seed: u64, work: impl FnOnce(&Deterministic) -> T + Send + 'static) -> T {
    on_a_thread(move || work(&Deterministic::enter(seed, EPOCH).unwrap()))
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// No field of one equals that of the other.
#[track_caller]
fn assert_apart(one: &Drawn, two: &Drawn) {
    assert_ne!(one.getrandom_02, two.getrandom_02);
    assert_ne!(one.getrandom_04, two.getrandom_04);
    assert_ne!(one.getentropy, two.getentropy);
    assert_ne!(one.system_call, two.system_call);
    assert_ne!(one.rand, two.rand);
    assert_ne!(one.uuid, two.uuid);
    assert_ne!(one.order, two.order);
    assert_ne!(one.ring, two.ring);
    assert_ne!(one.public_key, two.public_key);
    assert_ne!(one.signature, two.signature);
}

#[test]
fn the_same_seed_draws_the_same() {
    assert_eq!(inside(7, |_| draw()), inside(7, |_| draw()));
}

#[test]
fn another_seed_draws_something_else() {
    assert_apart(&inside(7, |_| draw()), &inside(8, |_| draw()));
}

#[test]
fn outside_nothing_repeats() {
    assert_apart(&on_a_thread(draw), &on_a_thread(draw));
}

#[test]
fn other_threads_are_left_alone_meanwhile() {
    let undisturbed = inside(7, |_| draw());
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let other = thread::spawn(move || {
        asked.recv().unwrap();
        answer.send((draw(), wall())).unwrap();
    });
    let (drawn, (others, others_wall)) = inside(7, move |_| {
        ask.send(()).unwrap();
        let others = answered.recv().unwrap();
        (draw(), others)
    });
    other.join().unwrap();
    assert_eq!(drawn, undisturbed);
    assert_apart(&drawn, &others);
    assert!(others_wall > EPOCH + Duration::from_secs(500_000_000));
}

#[test]
fn a_thread_that_a_run_starts_is_no_part_of_it() {
    inside(7, |_| {
        assert!(on_a_thread(wall) > EPOCH + Duration::from_secs(500_000_000))
    });
}

#[test]
fn every_wall_clock_is_the_epoch_and_what_elapsed() {
    inside(7, |run| {
        assert_eq!(wall(), EPOCH);
        let elapsed = Duration::new(3, 123_456_789);
        run.set_elapsed(elapsed);
        assert_eq!(wall(), EPOCH + elapsed);
        let mut coarse = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the address is that of a local variable.
        let code = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut coarse) };
        assert_eq!(
            (code, coarse.tv_sec, coarse.tv_nsec),
            (0, 1_000_000_003, 123_456_789)
        );
        let mut day = libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        // SAFETY: the address is that of a local variable, and a zone may be left out.
        let code = unsafe { libc::gettimeofday(&raw mut day, std::ptr::null_mut()) };
        assert_eq!((code, day.tv_sec, day.tv_usec), (0, 1_000_000_003, 123_456));
        let mut seconds = 0;
        // SAFETY: the address is that of a local variable.
        assert_eq!(unsafe { libc::time(&raw mut seconds) }, 1_000_000_003);
        assert_eq!(seconds, 1_000_000_003);
    });
}

#[test]
fn monotonic_time_goes_on_inside_and_outside() {
    let goes_on = || {
        let start = Instant::now();
        thread::sleep(Duration::from_millis(2));
        start.elapsed() >= Duration::from_millis(2)
    };
    assert!(on_a_thread(goes_on));
    assert!(inside(7, move |_| goes_on()));
}

#[test]
fn wall_time_follows_the_paused_clock_of_tokio() {
    inside(7, |run| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let start = tokio::time::Instant::now();
            run.follow(move || start.elapsed());
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            assert_eq!(wall(), EPOCH + Duration::from_secs(3_600));
            run.hold();
        });
        assert_eq!(wall(), EPOCH + Duration::from_secs(3_600));
    });
}

#[test]
fn a_clock_that_looks_at_the_clock_sees_what_it_said_before() {
    inside(7, |run| {
        run.follow(|| wall() - EPOCH + Duration::from_secs(1));
        assert_eq!(wall(), EPOCH + Duration::from_secs(1));
        assert_eq!(wall(), EPOCH + Duration::from_secs(2));
    });
}

#[test]
fn after_the_guard_everything_is_real_again() {
    let twice = || {
        drop(Deterministic::enter(7, EPOCH).unwrap());
        let mut bytes = [0; 32];
        getrandom_02::getrandom(&mut bytes).unwrap();
        (bytes, wall())
    };
    let (one, two) = (on_a_thread(twice), on_a_thread(twice));
    assert_ne!(one.0, two.0);
    assert!(one.1 > EPOCH + Duration::from_secs(500_000_000));
}

#[test]
fn a_thread_enters_once_at_a_time() {
    inside(7, |_| {
        assert_eq!(Deterministic::enter(8, EPOCH).unwrap_err(), NotAvailable::Nested);
    });
    on_a_thread(|| {
        drop(Deterministic::enter(7, EPOCH).unwrap());
        drop(Deterministic::enter(7, EPOCH).unwrap());
    });
}

#[test]
fn too_much_entropy_at_once_is_refused_as_by_the_system() {
    let ask = || {
        let mut bytes = [0_u8; 257];
        // SAFETY: the buffer is as long as is said.
        let code = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) };
        (code, std::io::Error::last_os_error().raw_os_error())
    };
    assert_eq!(on_a_thread(ask), (-1, Some(libc::EIO)));
    assert_eq!(inside(7, move |_| ask()), on_a_thread(ask));
}

#[test]
fn a_socket_of_a_run_has_the_address_that_it_asks_for_however_often() {
    let address = "192.0.2.1:5000";
    assert!(on_a_thread(move || UdpSocket::bind(address)).is_err());
    inside(7, move |_| {
        let sockets = [(); 2].map(|()| UdpSocket::bind(address).unwrap());
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap().to_string(), address);
        }
        let sixth = "[2001:db8::1]:5000";
        // Where there is no IPv6 there is nothing to see.
        if let Ok(socket) = UdpSocket::bind(sixth) {
            assert_eq!(socket.local_addr().unwrap().to_string(), sixth);
        }
    });
}
