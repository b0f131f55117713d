//! Sound: 20 ms blocks with a burst each second, encoded with Opus.
//!
//! Owns the path from a block's number to its packet, what muted sound is, and the planted flaws of a
//! microphone.

use std::sync::Arc;

use greenroom_fixtures::{Burst, Sound, level_dbfs};

use super::SourceError;
use crate::fault::source::Microphone;
use crate::media::codec::Codec;
use crate::media::opus::{OpusDecoder, OpusEncoder};
use crate::media::packetize::{EncodedFrame, Packetizer};
use crate::scenario::{AudioSource, Scenario};

/// Length of a sound packet, in milliseconds (RFC 7587 section 4.2: the recommended default).
pub(crate) const PACKET_MS: u32 = 20;

/// Bits per second of the sound: what browsers spend on mono speech.
const BITRATE_BPS: u32 = 32_000;

/// Levels below this are not told apart, in dBFS: one step of a 16-bit sample.
const FLOOR_DBFS: f32 = -96.0;

/// A sound packet, and how loud it is when it is decoded.
#[derive(Debug)]
pub(crate) struct SoundPacket {
    pub(crate) encoded: Arc<EncodedFrame>,
    pub(crate) level_dbfs: i16,
}

/// Sound and its encoder.
#[derive(Debug)]
pub(crate) struct SoundSource {
    sound: Sound,
    encoder: OpusEncoder,
    /// Hears what viewers will hear: the level to compare theirs with.
    monitor: OpusDecoder,
    /// Encodes the sound without its planted hole, where there is one: the hole is not to be heard by us.
    whole: Option<OpusEncoder>,
    packetizer: Packetizer,
    microphone: Microphone,
    block: Vec<i16>,
    heard: Vec<i16>,
}

impl SoundSource {
    pub(super) fn open(scenario: &Scenario) -> Result<Self, SourceError> {
        let sound = match &scenario.media.audio {
            AudioSource::File(path) => Sound::open_wav(path)?,
            AudioSource::Procedural | AudioSource::None => Sound::procedural(scenario.seed),
        };
        let encoder = || OpusEncoder::new(sound.sample_rate(), u16::from(sound.channels()), BITRATE_BPS);
        Ok(Self {
            encoder: encoder()?,
            monitor: OpusDecoder::new(1)?,
            whole: scenario.flaws.audio_hole.map(|_| encoder()).transpose()?,
            packetizer: Packetizer::new(Codec::Opus),
            microphone: Microphone::new(&scenario.flaws, sound.sample_rate(), sound.channels()),
            sound,
            block: Vec::new(),
            heard: Vec::new(),
        })
    }

    /// Packet `index`, silent if muted.
    pub(crate) fn packet(&mut self, index: u32, muted: bool) -> Result<SoundPacket, SourceError> {
        let (rate, channels) = (self.sound.sample_rate(), self.sound.channels());
        let sound = &mut self.sound;
        let heard = self.microphone.block(index, &mut self.block, |number, block| {
            sound.block(u64::from(number), block)?;
            Burst::write(u64::from(number), rate, channels, block)?;
            Ok::<(), SourceError>(())
        });
        heard?;
        if muted {
            hush(index, &mut self.block);
        }
        let whole = match &mut self.whole {
            Some(whole) => Some(whole.encode(&self.block)?),
            None => None,
        };
        self.microphone.hole(index, &mut self.block);
        let packet = self.encoder.encode(&self.block)?;
        self.heard.clear();
        self.monitor
            .decode(whole.as_deref().unwrap_or(&packet), &mut self.heard)?;
        let level = level_dbfs(&self.heard);
        let media_time = i64::from(index) * i64::from(Codec::Opus.clock_rate() * PACKET_MS / 1_000);
        let encoded = self.packetizer.packetize(index, media_time, true, packet)?;
        Ok(SoundPacket {
            encoded: Arc::new(encoded),
            level_dbfs: level.max(FLOOR_DBFS).round() as i16,
        })
    }
}

/// Makes a block inaudible: a step or none of the last bit, drawn from the number.
///
/// Digital silence would make every packet equal, and equal packets cannot be told apart.
fn hush(index: u32, block: &mut [i16]) {
    let mut state = u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for sample in block {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *sample = (state >> 62) as i16 % 2;
    }
}
