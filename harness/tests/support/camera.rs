//! A clip for a browser's fake camera: each picture carries a stamp, so that a test knows whose picture a page shows.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use greenroom_fixtures::{Clip, Picture, Size, Stamp};

/// Pictures a second: enough to see that a video moves, and cheap.
const RATE: u32 = 20;

/// Pictures in the clip, which the browser repeats: a frame number is below this.
pub(crate) const FRAMES: u32 = 100;

/// Writes the clip of the stream `stream` to `path`, 320×240: with other proportions Chromium would crop it to 4:3, and the
/// stamp with it.
pub(crate) fn write_stamped(path: &Path, stream: u8) -> io::Result<()> {
    let size = Size::new(320, 240).unwrap();
    let mut clip = Clip::procedural(size, RATE, FRAMES, u64::from(stream));
    let mut picture = Picture::of_size(size);
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "YUV4MPEG2 W320 H240 F{RATE}:1 Ip A1:1 C420jpeg")?;
    for frame in 0..FRAMES {
        clip.picture(frame, &mut picture).map_err(io::Error::other)?;
        let stamp = Stamp { stream, frame };
        stamp.write(&mut picture).map_err(io::Error::other)?;
        out.write_all(b"FRAME\n")?;
        out.write_all(picture.samples())?;
    }
    out.flush()
}
