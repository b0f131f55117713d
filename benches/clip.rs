//! What it costs a broadcaster to get a picture: drawn, or read from a y4m file.

use std::path::Path;

use anyhow::Result;
use criterion::{BenchmarkId, Criterion, Throughput};
use greenroom_fixtures::{Clip, Picture, Size};

const FPS: u32 = 30;

/// The scenes of the drawn clip in their order, each four seconds long.
const SCENES: [&str; 4] = [
    "talking head",
    "bouncing blocks",
    "glittering sea",
    "scrolling log",
];
const SCENE_FRAMES: u32 = 4 * FPS;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    procedural(&mut criterion)?;
    y4m(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn procedural(criterion: &mut Criterion) -> Result<()> {
    let size = Size::DEFAULT;
    let mut clip = Clip::procedural(size, FPS, 4 * SCENE_FRAMES, 1);
    let mut picture = Picture::of_size(size);
    let mut group = criterion.benchmark_group("clip/procedural");
    group.throughput(Throughput::Elements(1));
    for (scene, name) in (0..).zip(SCENES) {
        clip.picture(scene * SCENE_FRAMES, &mut picture)?;
        let mut frame = 0;
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            bencher.iter(|| {
                frame = (frame + 1) % SCENE_FRAMES;
                clip.picture(scene * SCENE_FRAMES + frame, &mut picture)
            });
        });
    }
    group.finish();
    Ok(())
}

fn y4m(criterion: &mut Criterion) -> Result<()> {
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/data/drawn-160x90.y4m"
    ));
    let mut clip = Clip::open_y4m(path)?;
    let (size, frames) = (clip.size(), clip.frames());
    let mut picture = Picture::of_size(size);

    let mut group = criterion.benchmark_group("clip/y4m");
    // Opening checks the place of every frame and reads no picture.
    group.throughput(Throughput::Elements(u64::from(frames)));
    group.bench_function(BenchmarkId::new("open", size), |bencher| {
        bencher.iter(|| Clip::open_y4m(path));
    });
    (0..frames).try_for_each(|frame| clip.picture(frame, &mut picture))?;
    let mut frame = 0;
    group.throughput(Throughput::Bytes(size.picture_bytes() as u64));
    group.bench_function(BenchmarkId::new("read", size), |bencher| {
        bencher.iter(|| {
            frame = (frame + 1) % frames;
            clip.picture(frame, &mut picture)
        });
    });
    group.finish();
    Ok(())
}
