//! What it costs a decoding viewer to hold one picture against its original.

mod broadcast;

use anyhow::{Context, Result, ensure};
use criterion::{Criterion, Throughput};
use greenroom::measure::quality::{Quality, psnr_db, ssim};
use greenroom::media::codec::Codec;
use greenroom::media::decode::Decoder;
use greenroom_fixtures::{Clip, Picture, PictureView, Size, Stamp};

/// Bitrate of the broadcast that is looked at, in bits per second.
const BITRATE_BPS: u32 = 1_000_000;

/// The frame that is looked at: the rate control has settled by then.
const FRAME: u32 = 29;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    quality(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn quality(criterion: &mut Criterion) -> Result<()> {
    let size = Size::DEFAULT;
    let mut original = Picture::of_size(size);
    Clip::procedural(size, broadcast::FPS, FRAME + 1, 1).picture(FRAME, &mut original)?;
    Stamp {
        stream: 0,
        frame: FRAME,
    }
    .write(&mut original)?;

    let units = broadcast::encoded(size, BITRATE_BPS, 0..FRAME + 1)?;
    let (last, before) = units.split_last().context("no frame was encoded")?;
    let mut decoder = Decoder::new(Codec::H264)?;
    for unit in before {
        decoder.decode(&unit.bytes, |_| ())?;
    }
    decoder.decode(&last.bytes, |picture| measure(criterion, picture, &original))?
}

fn measure(criterion: &mut Criterion, picture: &PictureView<'_>, original: &Picture) -> Result<()> {
    let found = Quality::of(picture, original)?;
    ensure!(
        (25.0..60.0).contains(&found.psnr_db) && found.ssim > 0.8,
        "expected the picture that was encoded, got {found:?}"
    );
    let mut group = criterion.benchmark_group("quality");
    group.throughput(Throughput::Elements(original.y().len() as u64));
    group.bench_function("PSNR 640x360", |bencher| {
        bencher.iter(|| psnr_db(picture, original));
    });
    group.bench_function("SSIM 640x360", |bencher| {
        bencher.iter(|| ssim(picture, original));
    });
    group.finish();
    Ok(())
}
