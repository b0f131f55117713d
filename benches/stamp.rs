//! What it costs a broadcaster to stamp a picture and a viewer to read the stamp back.

use std::hint::black_box;

use anyhow::{Result, ensure};
use criterion::{BenchmarkId, Criterion};
use greenroom_fixtures::{Clip, Picture, Size, Stamp};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    stamp(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn stamp(criterion: &mut Criterion) -> Result<()> {
    let size = Size::DEFAULT;
    let mut picture = Picture::of_size(size);
    Clip::procedural(size, 30, 1, 1).picture(0, &mut picture)?;
    let stamp = Stamp {
        stream: 7,
        frame: 123_456,
    };

    let mut group = criterion.benchmark_group("stamp");
    group.bench_function(BenchmarkId::new("write", size), |bencher| {
        bencher.iter(|| black_box(stamp).write(black_box(&mut picture)));
    });
    stamp.write(&mut picture)?;
    ensure!(
        Stamp::read(&picture.view()) == Ok(stamp),
        "the stamp does not read back"
    );
    group.bench_function(BenchmarkId::new("read", size), |bencher| {
        bencher.iter(|| Stamp::read(black_box(&picture.view())));
    });
    group.finish();
    Ok(())
}
