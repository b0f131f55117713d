//! What the simulated network costs per datagram, by preset, with nobody's socket around it.
//!
//! One broadcaster sends a frame of three datagrams to twenty viewers at a time.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use criterion::{BenchmarkId, Criterion, Throughput};
use greenroom::net::model::nat::MAPPING_TIMEOUT;
use greenroom::net::model::{Direction, HostId, NatKind, Network, NetworkFile, NetworkPreset};

const VIEWERS: u32 = 20;
const DATAGRAMS_PER_FRAME: u32 = 3;
const FRAME: Duration = Duration::from_millis(33);

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("network");
    group.throughput(Throughput::Elements(u64::from(VIEWERS * DATAGRAMS_PER_FRAME)));
    for preset in NetworkPreset::ALL {
        let mut call = Call::new(preset)?;
        call.check()?;
        group.bench_function(BenchmarkId::new("frame", preset), |bencher| {
            bencher.iter(|| call.frame());
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

struct Call {
    network: Network,
    broadcaster: HostId,
    viewers: Vec<HostId>,
    now: Duration,
    payload: Vec<u8>,
}

impl Call {
    fn new(preset: NetworkPreset) -> Result<Self> {
        let file = NetworkFile::of_preset(preset);
        let mut network = Network::new(1, MAPPING_TIMEOUT);
        let access = file.broadcaster();
        let broadcaster = network.add_host(access.up, access.down, access.nat)?;
        let viewers = (1..=VIEWERS)
            .map(|number| {
                let access = file.viewer(number);
                network.add_host(access.up, access.down, NatKind::None)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            network,
            broadcaster,
            viewers,
            now: Duration::ZERO,
            payload: vec![7; 1_100],
        })
    }

    /// Sends one frame to everybody; deliveries are made and dropped, as a runtime would after reading.
    fn frame(&mut self) {
        self.now += FRAME;
        let source = SocketAddr::from((self.broadcaster.private_address(), 4_000));
        let mut out = Vec::new();
        for viewer in &self.viewers {
            let destination = SocketAddr::from((viewer.private_address(), 4_000));
            for _ in 0..DATAGRAMS_PER_FRAME {
                self.network.send(
                    self.now,
                    self.broadcaster,
                    source,
                    destination,
                    &self.payload,
                    &mut out,
                );
            }
        }
        black_box(out);
    }

    /// Refuses to measure datagrams that go nowhere.
    fn check(&mut self) -> Result<()> {
        for _ in 0..100 {
            self.frame();
        }
        let arrived: u64 = self
            .viewers
            .iter()
            .map(|viewer| self.network.link_counts(*viewer, Direction::Down).delivered)
            .sum();
        let sent = self.network.counts().sent;
        ensure!(
            arrived * 10 > sent * 9,
            "only {arrived} of {sent} datagrams arrived"
        );
        Ok(())
    }
}
