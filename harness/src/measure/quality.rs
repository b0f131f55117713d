//! Picture quality: how close a decoded picture is to the one that was encoded, and what that sums up to.
//!
//! Owns luma PSNR and SSIM and their tally. It never says whether a figure is good; the threshold here
//! only picks the frames that are worth naming.

use greenroom_fixtures::{Picture, PictureView};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest PSNR that is told apart, in dB; identical pictures get it.
///
/// Pictures of which single samples differ by one would come out above it, and get it as well: at
/// 640x360 one such sample is 101.8 dB. Lossy coding stays below 60.
pub const MAX_PSNR_DB: f64 = 100.0;

/// A frame with a PSNR below this counts as bad, in dB: blocks and smears are plain to see there.
pub const BAD_PSNR_DB: f64 = 25.0;

/// Numbers of bad frames that are kept for the report.
const MAX_EXAMPLES: usize = 16;

/// Samples that the 5th percentile needs: ten below it.
const P5_SAMPLES: u64 = 200;

/// Samples that the median needs.
const P50_SAMPLES: u64 = 3;

/// Pictures of different sizes cannot be compared.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a picture of {}x{}, got {}x{}", .expected.0, .expected.1, .got.0, .got.1)]
pub struct SizeMismatch {
    /// Width and height of the reference.
    pub expected: (u32, u32),
    /// Width and height of the picture.
    pub got: (u32, u32),
}

/// How close one picture is to its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Peak signal-to-noise ratio of luma in dB, see [`psnr_db`].
    pub psnr_db: f64,
    /// Structural similarity of luma, see [`ssim`].
    pub ssim: f64,
}

impl Quality {
    /// Compares a picture with its reference.
    ///
    /// # Errors
    ///
    /// When their sizes differ.
    pub fn of(picture: &PictureView<'_>, reference: &Picture) -> Result<Self, SizeMismatch> {
        Ok(Self {
            psnr_db: psnr_db(picture, reference)?,
            ssim: ssim(picture, reference)?,
        })
    }
}

/// Peak signal-to-noise ratio of luma in dB, 0 to [`MAX_PSNR_DB`], with 255 as the peak.
///
/// # Errors
///
/// When the sizes differ.
pub fn psnr_db(picture: &PictureView<'_>, reference: &Picture) -> Result<f64, SizeMismatch> {
    let squares: u64 = rows(picture, reference)?
        .map(|(left, right)| {
            // 16 bits in, 32 bits out is the product that every vector unit has. A row of 4,096 samples
            // stays below 2^31.
            let squares = left.iter().zip(right).map(|(&a, &b)| {
                let difference = i16::from(a) - i16::from(b);
                i32::from(difference) * i32::from(difference)
            });
            u64::from(squares.sum::<i32>().unsigned_abs())
        })
        .sum();
    if squares == 0 {
        return Ok(MAX_PSNR_DB);
    }
    let samples = f64::from(reference.width()) * f64::from(reference.height());
    let psnr = 10.0 * (255.0 * 255.0 * samples / squares as f64).log10();
    Ok(psnr.clamp(0.0, MAX_PSNR_DB))
}

/// Structural similarity of luma, 1 for identical pictures (Wang et al. 2004).
///
/// As x264 and ffmpeg define it: windows of 8x8 samples on a grid of 4, unweighted, averaged over the
/// picture. Samples right and below of the last whole block of 4x4 do not count.
///
/// # Errors
///
/// When the sizes differ.
pub fn ssim(picture: &PictureView<'_>, reference: &Picture) -> Result<f64, SizeMismatch> {
    let columns = reference.width() as usize / 4;
    let mut lines = rows(picture, reference)?;
    let mut above: Vec<Sums> = Vec::new();
    let mut blocks: Vec<Sums> = Vec::with_capacity(columns);
    let mut total = 0.0;
    let mut windows = 0_u32;
    while let (Some(a), Some(b), Some(c), Some(d)) = (lines.next(), lines.next(), lines.next(), lines.next())
    {
        blocks.clear();
        blocks.resize(columns, Sums::default());
        for (left, right) in [a, b, c, d] {
            let (left, _) = left.as_chunks::<4>();
            let (right, _) = right.as_chunks::<4>();
            for (block, (left, right)) in blocks.iter_mut().zip(left.iter().zip(right)) {
                block.add_row(*left, *right);
            }
        }
        for (top, bottom) in above.windows(2).zip(blocks.windows(2)) {
            total += top[0].plus(top[1]).plus(bottom[0]).plus(bottom[1]).ssim();
            windows += 1;
        }
        std::mem::swap(&mut above, &mut blocks);
    }
    // No picture is smaller than 16x16, so there are windows.
    Ok(total / f64::from(windows.max(1)))
}

/// Luma row by row, without padding.
fn rows<'a>(
    picture: &PictureView<'a>,
    reference: &'a Picture,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])>, SizeMismatch> {
    let expected = (reference.width(), reference.height());
    let got = (picture.width(), picture.height());
    if expected != got {
        return Err(SizeMismatch { expected, got });
    }
    let width = expected.0 as usize;
    // The last row of a view may end without its padding.
    let left = picture
        .y()
        .chunks(picture.strides()[0])
        .map(move |row| &row[..width]);
    let right = reference.y().chunks_exact(width);
    Ok(left.zip(right))
}

/// What SSIM needs of a block: sums, and sums of squares and products.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    left: u32,
    right: u32,
    squares: u32,
    products: u32,
}

impl Sums {
    fn add_row(&mut self, left: [u8; 4], right: [u8; 4]) {
        for (a, b) in left.into_iter().zip(right) {
            let (a, b) = (u32::from(a), u32::from(b));
            self.left += a;
            self.right += b;
            self.squares += a * a + b * b;
            self.products += a * b;
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            left: self.left + other.left,
            right: self.right + other.right,
            squares: self.squares + other.squares,
            products: self.products + other.products,
        }
    }

    /// The SSIM of an 8x8 window, of which these are the sums.
    ///
    /// Means stay multiplied by 64 and variances by 64 x 63 until the division, so that every sum is
    /// exact. The first constant is x264's, which takes 64 where 64 x 64 would be due: it only matters
    /// near black, and equal figures matter more.
    fn ssim(self) -> f64 {
        const C1: f64 = 0.01 * 0.01 * 255.0 * 255.0 * 64.0;
        const C2: f64 = 0.03 * 0.03 * 255.0 * 255.0 * 64.0 * 63.0;
        // At most 2 x 64 x 64 x 255^2, which 31 bits hold.
        let (left, right) = (self.left as i32, self.right as i32);
        let variances = self.squares as i32 * 64 - left * left - right * right;
        let covariance = self.products as i32 * 64 - left * right;
        (2.0 * f64::from(left * right) + C1) * (2.0 * f64::from(covariance) + C2)
            / ((f64::from(left * left + right * right) + C1) * (f64::from(variances) + C2))
    }
}

/// The quality of many frames, in a few kilobytes whatever their number.
#[derive(Clone, Debug)]
pub struct QualityTally {
    psnr_db: Bins,
    ssim: Bins,
    bad_below_db: f64,
    bad: u64,
    bad_examples: Vec<u32>,
    worst_frame: u32,
}

impl Default for QualityTally {
    fn default() -> Self {
        Self::with_threshold(BAD_PSNR_DB)
    }
}

impl QualityTally {
    /// A tally that counts frames with a PSNR below this as bad, in dB.
    pub fn with_threshold(bad_below_db: f64) -> Self {
        Self {
            psnr_db: Bins::new(MAX_PSNR_DB),
            ssim: Bins::new(1.0),
            bad_below_db,
            bad: 0,
            bad_examples: Vec::new(),
            worst_frame: 0,
        }
    }

    /// Adds one frame.
    pub fn record(&mut self, frame: u32, quality: Quality) {
        if quality.psnr_db < self.psnr_db.min {
            self.worst_frame = frame;
        }
        self.psnr_db.record(quality.psnr_db);
        self.ssim.record(quality.ssim);
        if quality.psnr_db < self.bad_below_db {
            self.bad += 1;
            if self.bad_examples.len() < MAX_EXAMPLES {
                self.bad_examples.push(frame);
            }
        }
    }

    /// Adds every frame of another tally, which has the same threshold.
    pub fn merge(&mut self, other: &Self) {
        if other.psnr_db.min < self.psnr_db.min {
            self.worst_frame = other.worst_frame;
        }
        self.psnr_db.merge(&other.psnr_db);
        self.ssim.merge(&other.ssim);
        self.bad += other.bad;
        self.bad_examples.extend(&other.bad_examples);
        self.bad_examples.truncate(MAX_EXAMPLES);
    }

    /// How many frames were added.
    pub fn count(&self) -> u64 {
        self.psnr_db.count
    }

    /// The summary; `None` without frames.
    pub fn figures(&self) -> Option<QualityFigures> {
        let count = self.count();
        (count > 0).then(|| QualityFigures {
            count,
            psnr_db_min: self.psnr_db.min,
            psnr_db_p5: self.psnr_db.quantile(0.05, P5_SAMPLES),
            psnr_db_p50: self.psnr_db.quantile(0.5, P50_SAMPLES),
            ssim_min: self.ssim.min,
            ssim_p5: self.ssim.quantile(0.05, P5_SAMPLES),
            ssim_p50: self.ssim.quantile(0.5, P50_SAMPLES),
            worst_frame: self.worst_frame,
            bad_below_psnr_db: self.bad_below_db,
            bad_frames: self.bad,
            bad_examples: self.bad_examples.clone(),
        })
    }
}

/// The quality of many frames, summed up. A percentile that the samples cannot carry is absent.
///
/// Percentiles are right to 0.025 dB and to 0.00025.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityFigures {
    /// Number of frames.
    pub count: u64,
    /// Smallest luma PSNR, in dB.
    pub psnr_db_min: f64,
    /// PSNR that one frame in twenty stays below; needs 200 frames.
    pub psnr_db_p5: Option<f64>,
    /// Median PSNR; needs 3 frames.
    pub psnr_db_p50: Option<f64>,
    /// Smallest luma SSIM.
    pub ssim_min: f64,
    /// SSIM that one frame in twenty stays below; needs 200 frames.
    pub ssim_p5: Option<f64>,
    /// Median SSIM; needs 3 frames.
    pub ssim_p50: Option<f64>,
    /// Number of the first frame with the smallest PSNR.
    pub worst_frame: u32,
    /// PSNR below which a frame is bad, in dB.
    pub bad_below_psnr_db: f64,
    /// Number of bad frames.
    pub bad_frames: u64,
    /// Numbers of the first bad frames.
    pub bad_examples: Vec<u32>,
}

/// A histogram of 2,001 equal bins from 0 to a maximum; the smallest and largest values stay exact.
#[derive(Clone, Debug)]
struct Bins {
    counts: Vec<u32>,
    step: f64,
    count: u64,
    min: f64,
    max: f64,
}

impl Bins {
    const STEPS: usize = 2_000;

    fn new(maximum: f64) -> Self {
        Self {
            counts: vec![0; Self::STEPS + 1],
            step: maximum / Self::STEPS as f64,
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    fn record(&mut self, value: f64) {
        // The cast cuts what is negative (an SSIM may be) or no number to 0.
        let bin = ((value / self.step).round() as usize).min(Self::STEPS);
        self.counts[bin] = self.counts[bin].saturating_add(1);
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn quantile(&self, quantile: f64, needed: u64) -> Option<f64> {
        if self.count < needed {
            return None;
        }
        let rank = (quantile * self.count as f64).ceil() as u64;
        let mut seen = 0;
        let bin = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        // Not beyond the extremes, which are exact where the bin is not.
        Some((bin as f64 * self.step).max(self.min).min(self.max))
    }
}

#[cfg(test)]
mod tests;
