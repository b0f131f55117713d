//! What it costs a broadcaster to digest an access unit and to split it into RTP payloads.
//!
//! Paid once a frame, however many viewers there are.

mod broadcast;

use anyhow::{Context, Result, ensure};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use greenroom::media::codec::Codec;
use greenroom::media::encode::AccessUnit;
use greenroom::media::packetize::Packetizer;
use greenroom_fixtures::Size;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    packetize(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn packetize(criterion: &mut Criterion) -> Result<()> {
    // What the encoder makes of most frames at 1 Mbit/s.
    let deltas = broadcast::encoded(Size::DEFAULT, 1_000_000, 0..broadcast::FPS)?;
    // The log of the fourth scene: text makes the largest key frames.
    let keys = broadcast::encoded(Size::new(2_560, 1_440)?, 8_000_000, 409..410)?;

    let mut group = criterion.benchmark_group("packetize");
    for (id, unit) in [
        (
            BenchmarkId::new("delta frame", "4 KiB"),
            nearest(4 << 10, false, deltas)?,
        ),
        (
            BenchmarkId::new("key frame", "100 KiB"),
            nearest(100 << 10, true, keys)?,
        ),
    ] {
        let mut packetizer = Packetizer::new(Codec::H264);
        let frame = packetizer.packetize(0, 0, unit.key, unit.bytes.clone())?;
        ensure!(
            frame.digest.parameter_sets.is_some() == unit.key,
            "expected parameter sets with a key frame alone, got {:?}",
            frame.digest
        );
        group.throughput(Throughput::Bytes(unit.bytes.len() as u64));
        group.bench_function(id, |bencher| {
            // Small batches leave the access unit in the cache, where an encoder that has just written it would.
            bencher.iter_batched(
                || unit.bytes.clone(),
                |bytes| packetizer.packetize(0, 0, unit.key, bytes),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
    Ok(())
}

/// The key or delta frame nearest to `bytes` in size, refused when more than a tenth off: the benchmark's name
/// says the size.
fn nearest(bytes: usize, key: bool, units: Vec<AccessUnit>) -> Result<AccessUnit> {
    let unit = units
        .into_iter()
        .filter(|unit| unit.key == key)
        .min_by_key(|unit| unit.bytes.len().abs_diff(bytes))
        .context("the encoder gave no frame of this kind")?;
    let got = unit.bytes.len();
    ensure!(
        got.abs_diff(bytes) <= bytes / 10,
        "expected a frame of about {bytes} bytes, the nearest that the encoder gave has {got}"
    );
    Ok(unit)
}
