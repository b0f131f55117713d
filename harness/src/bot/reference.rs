//! The pictures that a broadcaster means to show, drawn again for whoever compares.
//!
//! Owns the marks of a picture and a small cache shared by the decoding viewers of a room.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use greenroom_fixtures::{Clip, ClipError, Flash, FrameRate, Picture, Stamp, Vp8Clip};
use twox_hash::XxHash3_64;

use super::source::SourceError;
use crate::media::codec::Codec;
use crate::scenario::MediaSpec;

/// Frames of the procedural clip before it repeats: two minutes at 30 fps.
const PROCEDURAL_FRAMES: u32 = 3_600;

/// Pictures that are kept: viewers of one room are rarely further apart than half a second.
const KEPT: usize = 16;

/// Opens the clip of a scenario and gives the rate at which it is shown.
pub(crate) fn open_clip(media: &MediaSpec, seed: u64) -> Result<(Clip, FrameRate), ClipError> {
    let clip = match &media.video {
        Some(path) => Clip::open_y4m(path)?,
        None => Clip::procedural(media.size, media.fps.unwrap_or(30), PROCEDURAL_FRAMES, seed),
    };
    let rate = media
        .fps
        .and_then(|fps| FrameRate::new(fps, 1).ok())
        .unwrap_or_else(|| clip.frame_rate());
    Ok((clip, rate))
}

/// Writes the marks of frame `number` into its picture: the stamp, and the flash of each second.
pub(crate) fn mark(
    picture: &mut Picture,
    stream: u8,
    number: u32,
    rate: FrameRate,
) -> Result<(), SourceError> {
    Stamp {
        stream,
        frame: number,
    }
    .write(picture)?;
    Ok(Flash::write(picture, flashes(number, rate))?)
}

/// Whether the flash is on in frame `number`: for the two frames with which a second begins.
fn flashes(number: u32, rate: FrameRate) -> bool {
    let second = |number: u32| u64::from(number) * u64::from(rate.den()) / u64::from(rate.num());
    let begins = |number: u32| number == 0 || second(number) != second(number - 1);
    begins(number) || begins(number - 1)
}

/// What a clip is, so that a ledger can name it and a viewer knows whether it has the same one.
pub(crate) fn identity(media: &MediaSpec, seed: u64, stream: u8) -> String {
    match (&media.video, media.codec) {
        (Some(path), _) => {
            let length = std::fs::metadata(path).map_or(0, |file| file.len());
            let start = start_of(path);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let rate = media
                .fps
                .map_or_else(|| "its own rate".to_owned(), |fps| format!("{fps} fps"));
            format!("{name}, {length} bytes, {start:016x}, at {rate}, stream {stream}")
        }
        (None, Codec::Vp8) if !cfg!(feature = "libvpx") => "the VP8 fixture".to_owned(),
        (None, _) => format!(
            "drawn {} at {} fps, seed {seed}, stream {stream}",
            media.size,
            media.fps.unwrap_or(30)
        ),
    }
}

/// Digest of the first megabyte of a file: enough to tell two clips apart.
fn start_of(path: &Path) -> u64 {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut start));
    // A file that cannot be read is an error where it is opened.
    read.map_or(0, |_| XxHash3_64::oneshot(&start))
}

/// Draws the pictures that were meant, by the number in their stamp.
#[derive(Debug)]
pub(crate) struct Reference {
    clip: Clip,
    rate: FrameRate,
    stream: u8,
    kept: VecDeque<(u32, Arc<Picture>)>,
}

impl Reference {
    /// The reference of a scenario's video; `None` when its pictures cannot be known, as those of a
    /// stranger's IVF file.
    pub(crate) fn open(media: &MediaSpec, seed: u64, stream: u8) -> Option<Self> {
        let (clip, rate, stream) = match (&media.video, media.codec) {
            (None, Codec::Vp8) if !cfg!(feature = "libvpx") => {
                let clip = Vp8Clip::source();
                let rate = clip.frame_rate();
                (clip, rate, Vp8Clip::STREAM)
            }
            (Some(path), Codec::Vp8) if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ivf")) => {
                return None;
            }
            _ => {
                let (clip, rate) = open_clip(media, seed).ok()?;
                (clip, rate, stream)
            }
        };
        Some(Self {
            clip,
            rate,
            stream,
            kept: VecDeque::new(),
        })
    }

    /// The picture with this number, marks included.
    pub(crate) fn picture(&mut self, number: u32) -> Option<Arc<Picture>> {
        if let Some((_, picture)) = self.kept.iter().find(|(kept, _)| *kept == number) {
            return Some(Arc::clone(picture));
        }
        let mut picture = Picture::of_size(self.clip.size());
        self.clip.picture(number, &mut picture).ok()?;
        mark(&mut picture, self.stream, number, self.rate).ok()?;
        let picture = Arc::new(picture);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((number, Arc::clone(&picture)));
        Some(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flash_is_on_for_the_first_two_frames_of_each_second() {
        let on = |rate: FrameRate| (0..70).filter(|n| flashes(*n, rate)).collect::<Vec<_>>();
        assert_eq!(on(FrameRate::new(30, 1).unwrap()), [0, 1, 30, 31, 60, 61]);
        assert_eq!(on(FrameRate::new(30_000, 1_001).unwrap()), [0, 1, 30, 31, 60, 61]);
        assert_eq!(
            on(FrameRate::new(15, 1).unwrap()),
            [0, 1, 15, 16, 30, 31, 45, 46, 60, 61]
        );
    }
}
