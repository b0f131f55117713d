//! The part of the table that says what was seen and heard: quality, lip sync, sound, messages.
//!
//! Owns its layout only.

use std::fmt::Write as _;

use crate::measure::data::DataFigures;
use crate::measure::measured::Measured;
use crate::report::Report;

pub(super) fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let measured = &report.measured;
    writeln!(out)?;
    quality(out, measured)?;
    if measured.sound_totals.is_some() {
        sound(out, measured)?;
        lip_sync(out, measured)?;
    }
    if let Some(data) = &measured.data {
        messages(out, "messages", "to the viewers", &data.down)?;
        messages(out, "", "to the broadcaster", &data.up)?;
    }
    Ok(())
}

/// A figure that may be absent; a dash stands for one that the samples cannot carry.
fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn quality(out: &mut String, measured: &Measured) -> std::fmt::Result {
    let Some(quality) = &measured.quality else {
        let why = measured.quality_absent_because.as_deref().unwrap_or("no samples");
        return writeln!(out, "quality      not measured: {why}");
    };
    writeln!(
        out,
        "quality      PSNR min {:.1}, p5 {}, median {} dB; SSIM min {:.3}, p5 {}, median {}",
        quality.psnr_db_min,
        shown(quality.psnr_db_p5, 1),
        shown(quality.psnr_db_p50, 1),
        quality.ssim_min,
        shown(quality.ssim_p5, 3),
        shown(quality.ssim_p50, 3),
    )?;
    writeln!(
        out,
        "             {} pictures compared, {} below {:.0} dB; the worst is frame {}",
        quality.count, quality.bad_frames, quality.bad_below_psnr_db, quality.worst_frame
    )
}

fn sound(out: &mut String, measured: &Measured) -> std::fmt::Result {
    let Some(sound) = &measured.sound else {
        return writeln!(out, "heard        no viewer decoded sound");
    };
    let level = sound
        .mean_level_dbfs
        .map_or_else(|| "level unknown".to_owned(), |level| format!("{level:.1} dBFS"));
    let tone = measured.tones.as_ref().map_or_else(
        || "no burst heard".to_owned(),
        |tones| match tones.median_hz {
            Some(hz) => format!("{} bursts at {hz:.0} Hz", tones.count),
            None => format!("{} bursts", tones.count),
        },
    );
    writeln!(
        out,
        "heard        {} packets, {level}; {tone}; {} gaps ({} ms), {} holes ({} ms)",
        sound.packets, sound.gaps.count, sound.gaps.total_ms, sound.holes.count, sound.holes.total_ms
    )
}

fn lip_sync(out: &mut String, measured: &Measured) -> std::fmt::Result {
    match &measured.av_offset {
        Some(offset) => writeln!(
            out,
            "A/V offset   sound {} ms after its picture (median of {}), {:.1} to {:.1}, spread {:.1}",
            shown(offset.median_ms, 1),
            offset.count,
            offset.min_ms,
            offset.max_ms,
            offset.spread_ms
        ),
        None => writeln!(
            out,
            "A/V offset   not measured: no flash and burst were decoded together"
        ),
    }
}

fn messages(out: &mut String, title: &str, way: &str, figures: &DataFigures) -> std::fmt::Result {
    let lost = figures
        .lost
        .map_or_else(|| "lost unknown".to_owned(), |lost| format!("{lost} lost"));
    let latency = figures.latency.as_ref().map_or_else(
        || "latency unknown".to_owned(),
        |latency| {
            format!(
                "latency p50 {}, max {:.1} ms",
                shown(latency.p50_ms, 1),
                latency.max_ms
            )
        },
    );
    writeln!(
        out,
        "{title:<12} {way}: {} sent, {} delivered, {lost}, {} reordered; {latency}",
        figures.sent, figures.delivered, figures.reordered
    )
}
