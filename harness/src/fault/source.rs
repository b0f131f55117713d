//! Damage to what a broadcaster captures: blurred pictures, a microphone with faults.
//!
//! Pure: samples in, samples out. It knows neither encoder nor viewer.

use greenroom_fixtures::Picture;

use crate::scenario::{AudioHole, SourceFlaws};

/// Blurs the luma of a picture: each sample becomes the mean of its row and column neighbours up to
/// `radius` away.
pub(crate) fn blur(picture: &mut Picture, radius: u32) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let stride = picture.strides()[0];
    let radius = radius as usize;
    let (luma, _, _) = picture.planes_mut();
    let mut line = vec![0_u8; width.max(height)];
    for row in 0..height {
        let samples = &mut luma[row * stride..row * stride + width];
        box_filter(samples.iter().copied(), radius, &mut line[..width]);
        samples.copy_from_slice(&line[..width]);
    }
    for column in 0..width {
        let samples = (0..height).map(|row| luma[row * stride + column]);
        box_filter(samples, radius, &mut line[..height]);
        for row in 0..height {
            luma[row * stride + column] = line[row];
        }
    }
}

/// The mean of up to `2 * radius + 1` neighbours of each sample.
fn box_filter(samples: impl ExactSizeIterator<Item = u8> + Clone, radius: usize, out: &mut [u8]) {
    let mut sum: u32 = samples.clone().take(radius).map(u32::from).sum();
    let mut count = samples.len().min(radius) as u32;
    let mut ahead = samples.clone().skip(radius);
    let mut behind = samples;
    for (at, out) in out.iter_mut().enumerate() {
        if let Some(entering) = ahead.next() {
            sum += u32::from(entering);
            count += 1;
        }
        if at > radius
            && let Some(leaving) = behind.next()
        {
            sum -= u32::from(leaving);
            count -= 1;
        }
        *out = (sum / count.max(1)) as u8;
    }
}

/// A microphone that may be sampled at another rate than it says, or give nothing for a while.
#[derive(Debug)]
pub(crate) struct Microphone {
    hole: Option<AudioHole>,
    /// Samples of the true sound for each sample that is given out, as a fraction.
    pace: Option<(u64, u64)>,
    channels: usize,
    per_block: u64,
    /// Two blocks of the true sound, and the number of the first.
    window: Vec<i16>,
    first: Option<u32>,
}

impl Microphone {
    pub(crate) fn new(flaws: &SourceFlaws, sample_rate: u32, channels: u8) -> Self {
        Self {
            hole: flaws.audio_hole,
            // Taken for 48,000 Hz, what was sampled at less runs faster.
            pace: flaws.audio_sampled_at.map(|rate| (48_000, u64::from(rate))),
            channels: usize::from(channels.max(1)),
            per_block: u64::from(sample_rate / 50),
            window: Vec::new(),
            first: None,
        }
    }

    /// Puts block `index` into `out`; `read` gives a block of the true sound by its number.
    pub(crate) fn block<E>(
        &mut self,
        index: u32,
        out: &mut Vec<i16>,
        mut read: impl FnMut(u32, &mut Vec<i16>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((fast, slow)) = self.pace else {
            return read(index, out);
        };
        out.clear();
        let mut block = Vec::new();
        for sample in 0..self.per_block {
            let at = (u64::from(index) * self.per_block + sample) * fast / slow;
            let number = u32::try_from(at / self.per_block).unwrap_or(u32::MAX);
            if self.first != Some(number) {
                read(number, &mut block)?;
                self.window.clone_from(&block);
                self.first = Some(number);
            }
            let within = (at % self.per_block) as usize * self.channels;
            out.extend((0..self.channels).map(|c| self.window.get(within + c).copied().unwrap_or(0)));
        }
        Ok(())
    }

    /// Silences a block that lies in the hole.
    pub(crate) fn hole(&self, index: u32, block: &mut [i16]) {
        if let Some(hole) = self.hole
            && (hole.packet..hole.packet.saturating_add(hole.packets)).contains(&index)
        {
            block.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blurred_picture_keeps_its_mean_and_loses_its_edges() {
        let mut picture = Picture::new(64, 48);
        let stride = picture.strides()[0];
        let (luma, _, _) = picture.planes_mut();
        for row in 0..48 {
            luma[row * stride + 32..row * stride + 64].fill(200);
        }
        let mean = picture.view().mean_luma();
        blur(&mut picture, 4);
        assert!(picture.view().mean_luma().abs_diff(mean) <= 2);
        let luma = picture.y();
        let steepest = (1..64).map(|x| luma[x].abs_diff(luma[x - 1])).max();
        assert!(steepest <= Some(24), "an edge of 184 became one of {steepest:?}");
    }

    #[test]
    fn sound_taken_for_a_faster_rate_runs_through_its_source_faster() {
        let flaws = SourceFlaws {
            audio_sampled_at: Some(44_100),
            ..SourceFlaws::default()
        };
        let mut microphone = Microphone::new(&flaws, 48_000, 1);
        let mut out = Vec::new();
        let mut highest = 0;
        for index in 0..441 {
            microphone
                .block(index, &mut out, |number, block| {
                    highest = highest.max(number);
                    block.clear();
                    block.resize(960, number as i16);
                    Ok::<(), ()>(())
                })
                .unwrap();
            assert_eq!(out.len(), 960);
        }
        assert_eq!(highest, 479, "441 blocks play what 480 held");
    }

    #[test]
    fn a_hole_is_silent_where_it_is_and_nowhere_else() {
        let flaws = SourceFlaws {
            audio_hole: Some(AudioHole {
                packet: 3,
                packets: 2,
            }),
            ..SourceFlaws::default()
        };
        let microphone = Microphone::new(&flaws, 48_000, 1);
        let silent: Vec<u32> = (0..8)
            .filter(|index| {
                let mut block = [7; 960];
                microphone.hole(*index, &mut block);
                block == [0; 960]
            })
            .collect();
        assert_eq!(silent, [3, 4]);
    }
}
