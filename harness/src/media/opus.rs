//! Sound coding: blocks of 20 ms become Opus packets and sound again (RFC 6716).
//!
//! Owns the settings of both directions and the bounds of what a packet may decode to. It takes no
//! clock and knows no RTP: what a lost packet is, and when, is the caller's to find out.

use ::opus::{Application, Bitrate, Channels, Decoder, Encoder};
use thiserror::Error;

/// The rate that Opus runs at in RTP (RFC 7587 section 4.1), and the one that is decoded to, in hertz.
pub const OPUS_RATE: u32 = 48_000;

/// By how much libopus gives sound out later than it took it in, in samples of 48 kHz.
///
/// A viewer cannot ask the sender's encoder; this is its lookahead in every mode but restricted low delay.
pub const OPUS_LOOKAHEAD: u32 = 312;

/// Longest sound that one packet holds: 120 ms (RFC 6716 section 3.2.5), in samples of 48 kHz.
pub const MAX_PACKET_SAMPLES: usize = 5_760;

/// Bit rates that Opus is made for (RFC 6716 section 2.1.1).
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// Largest packet of a single frame: its header byte and 1,275 bytes (RFC 6716 section 3.2.1).
const MAX_PACKET_BYTES: usize = 1_276;

/// Lost sound is made up in steps of 2.5 ms, the shortest Opus frame, in samples of 48 kHz.
const CONCEAL_STEP: usize = 120;

/// Sound that cannot be encoded or decoded.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum OpusError {
    /// Neither mono nor stereo.
    #[error("Opus takes 1 or 2 channels, got {got}")]
    Channels {
        /// What was asked for.
        got: u16,
    },
    /// A sample rate that Opus does not take.
    #[error("Opus takes sound at 8000, 12000, 16000, 24000 or 48000 Hz, got {got} Hz; resample it")]
    SampleRate {
        /// What was asked for.
        got: u32,
    },
    /// A bit rate out of range.
    #[error("Opus takes 6000 to 510000 bit/s, got {got}")]
    Bitrate {
        /// What was asked for.
        got: u32,
    },
    /// A block that is not 20 ms long.
    #[error("a block of 20 ms has {expected} samples over all channels, got {got}")]
    Block {
        /// Samples of 20 ms.
        expected: usize,
        /// Samples of this one.
        got: usize,
    },
    /// A packet without a byte, which libopus would take for a lost one.
    #[error("an empty packet is no Opus packet (RFC 6716 section 3.4)")]
    Empty,
    /// A packet that is not Opus.
    #[error("the packet of {bytes} bytes does not decode: {reason}")]
    Packet {
        /// Its length.
        bytes: usize,
        /// What libopus said.
        reason: String,
    },
    /// A gap that cannot be concealed at once.
    #[error("a gap is concealed in steps of 120 up to 5760 samples, got {got}; conceal it piece by piece")]
    Gap {
        /// What was asked for.
        got: usize,
    },
    /// libopus refused a setting that it should take.
    #[error("libopus refuses {what}: {reason}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        reason: String,
    },
}

fn refused(what: &'static str) -> impl Fn(::opus::Error) -> OpusError {
    move |error| OpusError::Refused {
        what,
        reason: error.to_string(),
    }
}

fn channel_layout(channels: u16) -> Result<Channels, OpusError> {
    match channels {
        1 => Ok(Channels::Mono),
        2 => Ok(Channels::Stereo),
        got => Err(OpusError::Channels { got }),
    }
}

/// How hard the encoder looks for the best bits, 0 to 10. Sound is encoded to be recognised, and not to please: at
/// the default of 9 it is two fifths of what a simulated call costs.
const COMPLEXITY: i32 = 1;

/// An Opus encoder for one stream.
#[derive(Debug)]
pub struct OpusEncoder {
    inner: Encoder,
    block_samples: usize,
    lookahead: u32,
}

impl OpusEncoder {
    /// An encoder for sound of this rate and number of channels.
    ///
    /// It is tuned for sound in general and not for speech: the speech mode filters out low frequencies
    /// and may change its way of coding within a stream, and both would show in measured levels and tones.
    /// Discontinuous transmission is off, so that every block gives one packet, as is in-band error
    /// correction, so that a lost packet is lost. The bit rate varies within bounds (constrained VBR).
    ///
    /// # Errors
    ///
    /// When the sample rate, the number of channels or the bit rate is none that Opus takes.
    pub fn new(sample_rate: u32, channels: u16, bitrate_bps: u32) -> Result<Self, OpusError> {
        if ![8_000, 12_000, 16_000, 24_000, OPUS_RATE].contains(&sample_rate) {
            return Err(OpusError::SampleRate { got: sample_rate });
        }
        let mut inner = Encoder::new(sample_rate, channel_layout(channels)?, Application::Audio)
            .map_err(refused("an encoder"))?;
        inner.set_vbr(true).map_err(refused("a variable bit rate"))?;
        inner
            .set_vbr_constraint(true)
            .map_err(refused("a bounded bit rate"))?;
        inner.set_dtx(false).map_err(refused("continuous transmission"))?;
        inner
            .set_inband_fec(false)
            .map_err(refused("no in-band error correction"))?;
        inner
            .set_complexity(COMPLEXITY)
            .map_err(refused("a low complexity"))?;
        let lookahead = inner.get_lookahead().map_err(refused("to tell its delay"))?;
        let mut encoder = Self {
            inner,
            block_samples: sample_rate as usize / 50 * usize::from(channels),
            lookahead: u32::try_from(lookahead).unwrap_or(0) * (OPUS_RATE / sample_rate),
        };
        encoder.set_bitrate(bitrate_bps)?;
        Ok(encoder)
    }

    /// Encodes 20 ms of interleaved samples into one packet.
    ///
    /// # Errors
    ///
    /// When the block is not 20 ms long.
    pub fn encode(&mut self, pcm: &[i16]) -> Result<Vec<u8>, OpusError> {
        if pcm.len() != self.block_samples {
            return Err(OpusError::Block {
                expected: self.block_samples,
                got: pcm.len(),
            });
        }
        let mut packet = [0; MAX_PACKET_BYTES];
        let length = self
            .inner
            .encode(pcm, &mut packet)
            .map_err(refused("a block of 20 ms"))?;
        Ok(packet[..length].to_vec())
    }

    /// By how much decoded sound comes later than what was encoded, in samples of 48 kHz.
    ///
    /// It holds for the whole codec: the decoder adds nothing of its own (`OPUS_GET_LOOKAHEAD`).
    pub fn lookahead(&self) -> u32 {
        self.lookahead
    }

    /// Changes the bit rate from the next block on.
    ///
    /// # Errors
    ///
    /// When Opus is not made for it.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), OpusError> {
        let bits = i32::try_from(bitrate_bps)
            .ok()
            .filter(|_| BITRATES.contains(&bitrate_bps))
            .ok_or(OpusError::Bitrate { got: bitrate_bps })?;
        self.inner
            .set_bitrate(Bitrate::Bits(bits))
            .map_err(refused("the bit rate"))
    }
}

/// An Opus decoder for one stream. It gives 48 kHz out whatever went in.
#[derive(Debug)]
pub struct OpusDecoder {
    inner: Decoder,
    channels: usize,
    buffer: Vec<i16>,
}

impl OpusDecoder {
    /// A decoder that gives this number of channels out, however many were encoded.
    ///
    /// # Errors
    ///
    /// When that is neither 1 nor 2.
    pub fn new(channels: u16) -> Result<Self, OpusError> {
        let inner = Decoder::new(OPUS_RATE, channel_layout(channels)?).map_err(refused("a decoder"))?;
        let channels = usize::from(channels);
        Ok(Self {
            inner,
            channels,
            buffer: vec![0; MAX_PACKET_SAMPLES * channels],
        })
    }

    /// Appends the interleaved sound of one packet, at most 120 ms; gives the samples of one channel.
    ///
    /// # Errors
    ///
    /// When the packet is not Opus. Nothing was appended then, and the next packet may be decoded.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) -> Result<usize, OpusError> {
        if packet.is_empty() {
            return Err(OpusError::Empty);
        }
        let samples = self
            .inner
            .decode(packet, &mut self.buffer, false)
            .map_err(|error| OpusError::Packet {
                bytes: packet.len(),
                reason: error.to_string(),
            })?;
        out.extend_from_slice(&self.buffer[..samples * self.channels]);
        Ok(samples)
    }

    /// Appends made-up sound in place of a lost packet, which fades out when more are lost.
    ///
    /// `samples` count one channel at 48 kHz: 960 for 20 ms.
    ///
    /// # Errors
    ///
    /// When they are no multiple of 120 or more than 5,760.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> Result<(), OpusError> {
        if samples == 0 || samples > MAX_PACKET_SAMPLES || !samples.is_multiple_of(CONCEAL_STEP) {
            return Err(OpusError::Gap { got: samples });
        }
        let made = self
            .inner
            .decode(&[], &mut self.buffer[..samples * self.channels], false)
            .map_err(refused("to conceal a gap"))?;
        out.extend_from_slice(&self.buffer[..made * self.channels]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = 960;

    /// A sweep from 300 to 3,000 Hz, which correlates with itself at one place only.
    fn sweep(samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| {
                let t = n as f64 / f64::from(OPUS_RATE);
                let end = samples as f64 / f64::from(OPUS_RATE);
                let phase = TAU * (300.0 * t + 2_700.0 * t * t / (2.0 * end));
                (8_000.0 * phase.sin()) as i16
            })
            .collect()
    }

    fn round_trip(pcm: &[i16], bitrate_bps: u32) -> Vec<i16> {
        let mut encoder = OpusEncoder::new(OPUS_RATE, 1, bitrate_bps).unwrap();
        let mut decoder = OpusDecoder::new(1).unwrap();
        let mut out = Vec::new();
        for block in pcm.chunks_exact(BLOCK) {
            let packet = encoder.encode(block).unwrap();
            assert_eq!(decoder.decode(&packet, &mut out), Ok(BLOCK));
        }
        out
    }

    fn energy(pcm: &[i16]) -> f64 {
        pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64
    }

    #[test]
    fn sound_comes_out_late_by_the_lookahead() {
        let mut pcm = vec![0; 5 * BLOCK];
        pcm.extend(sweep(10 * BLOCK));
        pcm.extend(vec![0; 5 * BLOCK]);
        let out = round_trip(&pcm, 64_000);
        let correlation = |lag: usize| -> f64 {
            pcm.iter()
                .zip(&out[lag..])
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        let lag = (0..BLOCK)
            .max_by(|a, b| correlation(*a).total_cmp(&correlation(*b)))
            .unwrap();
        let lookahead = OpusEncoder::new(OPUS_RATE, 1, 64_000).unwrap().lookahead();
        assert_eq!(lookahead, 312);
        assert!(
            lag.abs_diff(lookahead as usize) <= 1,
            "measured {lag}, libopus says {lookahead}"
        );
    }

    #[test]
    fn the_lookahead_is_told_at_48_khz_whatever_goes_in() {
        for rate in [8_000, 12_000, 16_000, 24_000, 48_000] {
            assert_eq!(
                OpusEncoder::new(rate, 1, 24_000).unwrap().lookahead(),
                312,
                "{rate}"
            );
        }
    }

    #[test]
    fn every_block_gives_a_packet_worth_sending_even_silence() {
        let mut encoder = OpusEncoder::new(OPUS_RATE, 2, 64_000).unwrap();
        for _ in 0..100 {
            // Two bytes or fewer is how libopus says that nothing need be sent.
            assert!(encoder.encode(&[0; 2 * BLOCK]).unwrap().len() > 2);
        }
    }

    #[test]
    fn a_bit_rate_is_kept_and_can_be_changed() {
        let pcm = sweep(100 * BLOCK);
        let mut encoder = OpusEncoder::new(OPUS_RATE, 1, 128_000).unwrap();
        let rate = |encoder: &mut OpusEncoder| {
            let bytes: usize = pcm
                .chunks(BLOCK)
                .map(|block| encoder.encode(block).unwrap().len())
                .sum();
            bytes as f64 * 8.0 / 2.0
        };
        assert!((rate(&mut encoder) / 128_000.0 - 1.0).abs() < 0.1);
        encoder.set_bitrate(24_000).unwrap();
        assert!((rate(&mut encoder) / 24_000.0 - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_lost_packet_is_concealed_by_something_alike_and_a_long_gap_fades() {
        let mut encoder = OpusEncoder::new(OPUS_RATE, 1, 64_000).unwrap();
        let mut decoder = OpusDecoder::new(1).unwrap();
        let mut heard = Vec::new();
        for block in sweep(20 * BLOCK).chunks(BLOCK) {
            decoder
                .decode(&encoder.encode(block).unwrap(), &mut heard)
                .unwrap();
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        decoder.conceal(BLOCK, &mut first).unwrap();
        for _ in 0..50 {
            last.clear();
            decoder.conceal(BLOCK, &mut last).unwrap();
        }
        assert_eq!(first.len(), BLOCK);
        assert!(
            energy(&first) > 0.1 * energy(&heard),
            "{} of {}",
            energy(&first),
            energy(&heard)
        );
        assert!(energy(&last) < 0.001 * energy(&heard));
    }

    #[test]
    fn stereo_and_mono_mix_as_the_decoder_is_asked() {
        let mut encoder = OpusEncoder::new(16_000, 1, 24_000).unwrap();
        let packet = encoder.encode(&[0; 320]).unwrap();
        let mut out = Vec::new();
        assert_eq!(OpusDecoder::new(2).unwrap().decode(&packet, &mut out), Ok(BLOCK));
        assert_eq!(out.len(), 2 * BLOCK);
    }

    #[test]
    fn what_opus_does_not_take_is_refused_with_what_it_takes() {
        let new = OpusEncoder::new;
        assert_eq!(
            new(44_100, 2, 64_000).unwrap_err(),
            OpusError::SampleRate { got: 44_100 }
        );
        assert_eq!(
            new(OPUS_RATE, 3, 64_000).unwrap_err(),
            OpusError::Channels { got: 3 }
        );
        assert_eq!(
            new(OPUS_RATE, 1, u32::MAX).unwrap_err(),
            OpusError::Bitrate { got: u32::MAX }
        );
        assert_eq!(
            new(OPUS_RATE, 2, 64_000).unwrap().encode(&[0; BLOCK]),
            Err(OpusError::Block {
                expected: 2 * BLOCK,
                got: BLOCK
            })
        );
        let mut decoder = OpusDecoder::new(2).unwrap();
        let mut out = Vec::new();
        assert_eq!(decoder.decode(&[], &mut out), Err(OpusError::Empty));
        for samples in [0, 100, MAX_PACKET_SAMPLES + CONCEAL_STEP] {
            assert_eq!(
                decoder.conceal(samples, &mut out),
                Err(OpusError::Gap { got: samples })
            );
        }
        // Code 3 without its frame count (RFC 6716 section 3.2.5).
        assert!(matches!(
            decoder.decode(&[0xff], &mut out),
            Err(OpusError::Packet { bytes: 1, .. })
        ));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_at_most_120_ms_or_to_an_error(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..8),
            channels in 1u16..=2,
        ) {
            let mut decoder = OpusDecoder::new(channels).unwrap();
            for packet in packets {
                let mut out = Vec::new();
                let result = decoder.decode(&packet, &mut out);
                prop_assert_eq!(out.len(), result.unwrap_or(0) * usize::from(channels));
                prop_assert!(out.len() <= MAX_PACKET_SAMPLES * usize::from(channels));
            }
        }
    }
}
