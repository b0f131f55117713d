//! The encoder: what is checked before libvpx sees it, and the calls.

use std::ffi::{CStr, c_char, c_int};
use std::ops::RangeInclusive;
use std::ptr::NonNull;

use thiserror::Error;

/// Widths and heights that VP8 can say (RFC 6386 section 9.1).
const SIZES: RangeInclusive<u32> = 1..=16_383;

/// Bit rates that are passed on; libvpx computes with them in 32 bits.
const BITRATES: RangeInclusive<u32> = 1_000..=100_000_000;

/// Largest part of a frame rate that is passed on: 30,000 and 1,001 are usual.
const RATE_PART: u32 = 1_000_000;

/// Ticks of a second that libvpx converts times to, in 64 bits and unchecked.
const TICKS: i64 = 10_000_000;

/// A picture that cannot be encoded, or an encoder that cannot be had.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Vp8Error {
    /// VP8 has no such size.
    #[error("VP8 takes pictures of 1 to 16383 pixels a side, got {width}x{height}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A frame rate that cannot be timed.
    #[error("expected 1 to 1000 frames per second in parts of at most 1000000, got {num}/{den}")]
    Rate {
        /// Frames ...
        num: u32,
        /// ... in so many seconds.
        den: u32,
    },
    /// A bit rate out of range.
    #[error("expected 1000 to 100000000 bit/s, got {got}")]
    Bitrate {
        /// What was asked for.
        got: u32,
    },
    /// A plane that does not hold the picture.
    #[error(
        "plane {plane} needs a stride of {width} and {expected} bytes, got a stride of {stride} and {got}"
    )]
    Plane {
        /// 0 for luma, 1 and 2 for chroma.
        plane: usize,
        /// Its width in pixels.
        width: usize,
        /// Bytes from row to row.
        stride: usize,
        /// Bytes that the picture takes.
        expected: usize,
        /// Bytes that there are.
        got: usize,
    },
    /// A time that is not after the one before.
    #[error("presentation times rise from picture to picture, got {got} after {last:?}")]
    Time {
        /// Time of the picture before.
        last: Option<i64>,
        /// Time of this one.
        got: i64,
    },
    /// libvpx says no.
    #[error("libvpx: {0}")]
    Codec(String),
}

/// A picture in YUV 4:2:0. The chroma planes have half the width and height, rounded up.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Luma and the two chroma planes.
    pub data: [&'a [u8]; 3],
    /// Bytes from row to row of each.
    pub strides: [usize; 3],
}

/// An encoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The VP8 frame, as it goes into RTP payloads.
    pub bytes: Vec<u8>,
    /// Whether it is a key frame.
    pub key: bool,
}

/// A VP8 encoder for one stream: every picture gives a frame at once, and a key frame only when asked.
#[derive(Debug)]
pub struct Vp8Encoder {
    codec: NonNull<Codec>,
    width: usize,
    height: usize,
    /// Times beyond this would overflow in libvpx.
    last_time: i64,
    time: Option<i64>,
}

/// `struct greenroom_vp8`, of which only C knows the inside.
#[repr(C)]
struct Codec {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn greenroom_vp8_new(
        width: u32,
        height: u32,
        fps_num: u32,
        fps_den: u32,
        kbps: u32,
        reason: *mut *const c_char,
    ) -> *mut Codec;
    fn greenroom_vp8_free(encoder: *mut Codec);
    fn greenroom_vp8_set_bitrate(encoder: *mut Codec, kbps: u32) -> *const c_char;
    fn greenroom_vp8_encode(
        encoder: *mut Codec,
        planes: *const *const u8,
        strides: *const c_int,
        pts: i64,
        force_key: c_int,
        data: *mut *const u8,
        size: *mut usize,
        key: *mut c_int,
    ) -> *const c_char;
}

// SAFETY: the codec is reached through this one pointer, and only from methods that take `&mut self` or
// own it. libvpx binds it to no thread: it keeps no thread-local state, and with one thread it starts none.
unsafe impl Send for Vp8Encoder {}

impl Drop for Vp8Encoder {
    fn drop(&mut self) {
        // SAFETY: it came from greenroom_vp8_new, and nobody has freed it, because only this does.
        unsafe { greenroom_vp8_free(self.codec.as_ptr()) }
    }
}

impl Vp8Encoder {
    /// An encoder for pictures of this size and rate: constant bit rate, real time, one thread.
    ///
    /// # Errors
    ///
    /// When a value is out of range, or libvpx refuses it.
    pub fn new(
        width: u32,
        height: u32,
        fps_num: u32,
        fps_den: u32,
        bitrate_bps: u32,
    ) -> Result<Self, Vp8Error> {
        if !SIZES.contains(&width) || !SIZES.contains(&height) {
            return Err(Vp8Error::Size { width, height });
        }
        let parts = 1..=RATE_PART;
        // Below one frame a second libvpx refuses the time base.
        if !parts.contains(&fps_num)
            || !parts.contains(&fps_den)
            || !(1..=1_000).contains(&(fps_num / fps_den))
        {
            return Err(Vp8Error::Rate {
                num: fps_num,
                den: fps_den,
            });
        }
        let kbps = kilobits(bitrate_bps)?;
        let mut reason = std::ptr::null();
        // SAFETY: the values are within what libvpx computes with, and `reason` may be written to.
        let codec = unsafe { greenroom_vp8_new(width, height, fps_num, fps_den, kbps, &raw mut reason) };
        let codec = NonNull::new(codec).ok_or_else(|| {
            // SAFETY: without an encoder there is a reason, which is a constant of libvpx or of vp8.c.
            Vp8Error::Codec(unsafe { text(reason) })
        })?;
        Ok(Self {
            codec,
            width: width as usize,
            height: height as usize,
            last_time: i64::MAX / (TICKS * i64::from(fps_den)) - 1,
            time: None,
        })
    }

    /// Encodes one picture, as a key frame if asked; the first one is a key frame in any case.
    ///
    /// `pts` counts frames and rises from picture to picture.
    ///
    /// # Errors
    ///
    /// When the planes are too small, the time does not rise, or libvpx gives nothing out.
    pub fn encode(&mut self, planes: &Planes<'_>, pts: i64, force_key: bool) -> Result<Frame, Vp8Error> {
        let rises = self.time.is_none_or(|last| pts > last);
        if !rises || !(0..=self.last_time).contains(&pts) {
            return Err(Vp8Error::Time {
                last: self.time,
                got: pts,
            });
        }
        let strides = self.check(planes)?;
        let pointers = planes.data.map(<[u8]>::as_ptr);
        let (mut data, mut size, mut key) = (std::ptr::null(), 0, 0);
        // SAFETY: the codec is alive. Each plane holds the picture at its stride, as was checked, and libvpx
        // reads no more of it than the picture and keeps none of it after the call, because nothing lags.
        // The three results may be written to.
        let refusal = unsafe {
            greenroom_vp8_encode(
                self.codec.as_ptr(),
                pointers.as_ptr(),
                strides.as_ptr(),
                pts,
                c_int::from(force_key),
                &raw mut data,
                &raw mut size,
                &raw mut key,
            )
        };
        self.time = Some(pts);
        // SAFETY: it is null, or a constant of libvpx or of vp8.c.
        unsafe { accepted(refusal) }?;
        // SAFETY: without a refusal these are the frame's bytes, which last until the next call of the codec.
        let bytes = unsafe { std::slice::from_raw_parts(data, size) };
        Ok(Frame {
            bytes: bytes.to_vec(),
            key: key != 0,
        })
    }

    /// Changes the bit rate from the next picture on, without a key frame.
    ///
    /// # Errors
    ///
    /// When it is out of range, or libvpx refuses it.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), Vp8Error> {
        let kbps = kilobits(bitrate_bps)?;
        // SAFETY: the codec is alive, and the bit rate within what libvpx computes with.
        let refusal = unsafe { greenroom_vp8_set_bitrate(self.codec.as_ptr(), kbps) };
        // SAFETY: it is null, or a constant of libvpx.
        unsafe { accepted(refusal) }
    }

    /// The strides as C takes them, once every plane is known to hold its part of the picture.
    fn check(&self, planes: &Planes<'_>) -> Result<[c_int; 3], Vp8Error> {
        let mut strides = [0; 3];
        for (plane, data) in planes.data.iter().enumerate() {
            let half = |pixels: usize| if plane == 0 { pixels } else { pixels.div_ceil(2) };
            let (width, height) = (half(self.width), half(self.height));
            let stride = planes.strides[plane];
            let expected = stride.saturating_mul(height - 1).saturating_add(width);
            let fits = stride >= width && data.len() >= expected;
            strides[plane] = c_int::try_from(stride)
                .ok()
                .filter(|_| fits)
                .ok_or(Vp8Error::Plane {
                    plane,
                    width,
                    stride,
                    expected,
                    got: data.len(),
                })?;
        }
        Ok(strides)
    }
}

fn kilobits(bitrate_bps: u32) -> Result<u32, Vp8Error> {
    if BITRATES.contains(&bitrate_bps) {
        Ok(bitrate_bps / 1_000)
    } else {
        Err(Vp8Error::Bitrate { got: bitrate_bps })
    }
}

/// # Safety
///
/// `refusal` is null or a C string that lives as long as the program.
unsafe fn accepted(refusal: *const c_char) -> Result<(), Vp8Error> {
    if refusal.is_null() {
        Ok(())
    } else {
        // SAFETY: as the caller promises.
        Err(Vp8Error::Codec(unsafe { text(refusal) }))
    }
}

/// # Safety
///
/// `reason` is a C string that lives as long as the program.
unsafe fn text(reason: *const c_char) -> String {
    // SAFETY: as the caller promises.
    let reason: &'static CStr = unsafe { CStr::from_ptr(reason) };
    reason.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 320;
    const HEIGHT: usize = 180;

    fn encoder() -> Vp8Encoder {
        Vp8Encoder::new(WIDTH as u32, HEIGHT as u32, 30, 1, 500_000).unwrap()
    }

    /// A picture that moves: a diagonal pattern, shifted by its number.
    fn moving(number: i64) -> [Vec<u8>; 3] {
        let shift = number as usize * 3;
        let luma = (0..WIDTH * HEIGHT)
            .map(|n| (((n % WIDTH + n / WIDTH + shift) * 7) % 200 + 20) as u8)
            .collect();
        [luma, vec![100; WIDTH * HEIGHT / 4], vec![150; WIDTH * HEIGHT / 4]]
    }

    fn encode(
        encoder: &mut Vp8Encoder,
        picture: &[Vec<u8>; 3],
        pts: i64,
        key: bool,
    ) -> Result<Frame, Vp8Error> {
        let planes = Planes {
            data: [&picture[0], &picture[1], &picture[2]],
            strides: [WIDTH, WIDTH / 2, WIDTH / 2],
        };
        encoder.encode(&planes, pts, key)
    }

    /// Whether the bytes say that they are a key frame (RFC 6386 section 9.1).
    fn says_key(bytes: &[u8]) -> bool {
        bytes[0] & 1 == 0 && bytes[3..6] == [0x9d, 0x01, 0x2a]
    }

    #[test]
    fn every_picture_gives_a_frame_and_a_key_frame_only_when_asked() {
        let mut encoder = encoder();
        for number in 0..300 {
            let asked = [0, 77, 78, 200].contains(&number);
            // Every other second stands still and every fourth cuts, which must neither skip nor key.
            let scene = if number / 30 % 2 == 0 {
                number
            } else {
                number / 30 * 1_000
            };
            let frame = encode(&mut encoder, &moving(scene), number, asked).unwrap();
            assert!(!frame.bytes.is_empty(), "{number}");
            assert_eq!((frame.key, says_key(&frame.bytes)), (asked, asked), "{number}");
        }
    }

    #[test]
    fn a_bit_rate_is_changed_without_a_key_frame_and_followed() {
        let mut encoder = encoder();
        let second = |encoder: &mut Vp8Encoder, second: i64| -> usize {
            (second * 30..(second + 1) * 30)
                .map(|number| {
                    let frame = encode(encoder, &moving(number * number), number, false).unwrap();
                    assert_eq!(frame.key, number == 0, "{number}");
                    frame.bytes.len()
                })
                .sum()
        };
        let before: usize = (0..4).map(|n| second(&mut encoder, n)).sum();
        encoder.set_bitrate(150_000).unwrap();
        second(&mut encoder, 4);
        let after: usize = (5..9).map(|n| second(&mut encoder, n)).sum();
        assert!(after * 2 < before, "{before} bytes before, {after} after");
    }

    #[test]
    fn the_same_pictures_give_the_same_bytes() {
        let run = || -> Vec<Frame> {
            let mut encoder = encoder();
            (0..60)
                .map(|number| encode(&mut encoder, &moving(number), number, false).unwrap())
                .collect()
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn an_odd_size_with_wide_strides_is_encoded_and_a_short_plane_refused() {
        let mut encoder = Vp8Encoder::new(17, 9, 30_000, 1_001, 100_000).unwrap();
        // The last row may end with its last pixel.
        let (luma, chroma) = (vec![90; 32 * 8 + 17], vec![128; 12 * 4 + 9]);
        let planes = |luma, chroma| Planes {
            data: [luma, chroma, chroma],
            strides: [32, 12, 12],
        };
        assert!(
            encoder
                .encode(&planes(&luma[..], &chroma[..]), 0, false)
                .unwrap()
                .key
        );
        for (luma, chroma, plane) in [(&luma[1..], &chroma[..], 0), (&luma[..], &chroma[1..], 1)] {
            let error = encoder.encode(&planes(luma, chroma), 1, false).unwrap_err();
            assert!(
                matches!(error, Vp8Error::Plane { plane: got, .. } if got == plane),
                "{error}"
            );
        }
        let narrow = Planes {
            data: [&luma, &chroma, &chroma],
            strides: [16, 12, usize::MAX],
        };
        assert!(encoder.encode(&narrow, 1, false).is_err());
    }

    #[test]
    fn times_must_rise_and_stay_within_what_libvpx_computes() {
        let mut encoder = encoder();
        let picture = moving(0);
        encode(&mut encoder, &picture, 5, false).unwrap();
        for pts in [5, 4, -1, i64::MIN, i64::MAX] {
            assert_eq!(
                encode(&mut encoder, &picture, pts, false),
                Err(Vp8Error::Time {
                    last: Some(5),
                    got: pts
                })
            );
        }
        encode(&mut encoder, &picture, 6, false).unwrap();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let new = |width, height, num, den, bps| Vp8Encoder::new(width, height, num, den, bps).err();
        assert_eq!(
            new(0, 9, 30, 1, 100_000),
            Some(Vp8Error::Size { width: 0, height: 9 })
        );
        assert_eq!(
            new(16_384, 9, 30, 1, 100_000),
            Some(Vp8Error::Size {
                width: 16_384,
                height: 9
            })
        );
        for (num, den) in [(0, 1), (1, 0), (1, 2), (1_001, 1), (u32::MAX, u32::MAX)] {
            assert_eq!(new(64, 64, num, den, 100_000), Some(Vp8Error::Rate { num, den }));
        }
        for got in [0, 999, u32::MAX] {
            assert_eq!(new(64, 64, 30, 1, got), Some(Vp8Error::Bitrate { got }));
            assert_eq!(encoder().set_bitrate(got), Err(Vp8Error::Bitrate { got }));
        }
    }
}
