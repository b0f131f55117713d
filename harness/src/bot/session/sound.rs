//! The sound of a session: verified packet by packet, and heard where the viewer is one that decodes.
//!
//! Owns where in the stream each decoded sample belongs. It has no opinion on what is heard.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use greenroom_fixtures::{Burst, BurstDetector, Heard, level_dbfs};
use tokio::time::Instant;

use super::{Context, awaited, note_opening};
use crate::measure::av_sync::{AvSync, Cue};
use crate::measure::distribution::Distribution;
use crate::measure::mute::MuteWatch;
use crate::measure::sound::{HeardPacket, MUTED_AUDIBLE_DBFS, SoundTally};
use crate::measure::tone::{MAX_OFF_PITCH, TONE_HZ, ToneTally};
use crate::media::kind::MediaKind;
use crate::media::ledger::{LedgerFrame, Span};
use crate::media::opus::{OPUS_LOOKAHEAD, OPUS_RATE, OpusDecoder};
use crate::media::reassemble::ReceivedFrame;
use crate::media::verify::{Arrived, Judgement, Verifier};
use crate::trace::TraceKind;

/// Samples of a packet at 48 kHz, and so the ticks between two RTP times.
const PACKET_SAMPLES: i64 = OPUS_RATE as i64 / 50;

/// Packets that may wait for the ledger: five seconds.
const MAX_WAITING: usize = 256;

/// Packets whose time of arrival is remembered, for a burst that began in one of them.
const REMEMBERED: usize = 32;

/// Lost packets that are concealed at once; more is a new start.
const MAX_CONCEALED: i64 = 50;

/// A second of sound, in ticks.
const SECOND: i64 = OPUS_RATE as i64;

/// Packets from one burst to the next.
const BURST_EVERY: u32 = 50;

/// What a burst may be like after a codec, and played at a rate that was mixed up: its length in milliseconds,
/// and how far its level may be off, in dB. Other tones are the sound's own.
const BURST_LENGTHS_MS: RangeInclusive<f32> = 33.0..=49.0;
const BURST_LEVEL_OFF_DB: f32 = 4.0;

/// The sound of one stream as it comes in.
#[derive(Debug)]
pub(super) struct SoundTrack {
    verifier: Verifier,
    judged: Vec<Judgement>,
    ear: Option<Ear>,
    pub(super) mute: MuteWatch,
    packets: u64,
    first_at: Option<Instant>,
    second: u32,
    latency: Distribution,
}

/// A decoder, and what is made of what it gives.
#[derive(Debug)]
struct Ear {
    decoder: OpusDecoder,
    samples: Vec<i16>,
    last_rtp_time: Option<i64>,
    bursts: BurstDetector,
    /// RTP time of the first sample that the detector was given.
    base: i64,
    arrivals: VecDeque<(i64, Instant)>,
    /// Packets and bursts that wait for the ledger.
    waiting: VecDeque<Waiting>,
    tally: SoundTally,
    tones: ToneTally,
    /// Whether what comes now belongs to the figures.
    counts: bool,
}

#[derive(Clone, Copy, Debug)]
enum Waiting {
    Packet {
        rtp_time: i64,
        level_dbfs: f32,
        said_muted: bool,
    },
    Burst {
        /// RTP time of its first sample.
        rtp_time: i64,
        at: Instant,
    },
}

/// What remains of it.
#[derive(Debug)]
pub(crate) struct SoundRecord {
    pub(super) verifier: Verifier,
    pub(crate) packets: u64,
    pub(crate) first_at: Option<Instant>,
    pub(crate) latency: Distribution,
    /// Absent at a viewer that does not decode.
    pub(crate) heard: Option<(SoundTally, ToneTally)>,
}

impl SoundTrack {
    pub(super) fn new(
        deadline: Duration,
        clock_offset_us: Option<i64>,
        decodes: bool,
        mute: MuteWatch,
    ) -> Self {
        Self {
            verifier: Verifier::new(deadline, clock_offset_us),
            judged: Vec::new(),
            ear: if decodes { Ear::new() } else { None },
            mute,
            packets: 0,
            first_at: None,
            second: 0,
            latency: Distribution::default(),
        }
    }

    /// Takes a packet.
    pub(super) fn packet(&mut self, context: &Context, packet: &ReceivedFrame, av_sync: &mut AvSync) {
        self.packets += 1;
        self.first_at.get_or_insert(packet.completed_at);
        self.second += 1;
        let arrived = Arrived {
            rtp_time: packet.rtp_time,
            digest: packet.digest,
            completed_us: context.shared.clock.us(packet.completed_at),
        };
        {
            let ledger = context.shared.ledger.lock();
            let sent = ledger.track(MediaKind::Audio);
            note_opening(&mut self.verifier, context.span(sent, MediaKind::Audio));
            self.verifier.frame(arrived, sent, &mut self.judged);
        }
        self.note_judgements(context);
        if let (Some(ear), Some(bytes)) = (&mut self.ear, &packet.access_unit) {
            let at = packet.completed_at;
            ear.counts = context.in_window(at);
            let level = ear.hear(packet.rtp_time, at, bytes, self.mute.is_muted());
            if level.is_some_and(|dbfs| f64::from(dbfs) >= MUTED_AUDIBLE_DBFS) {
                self.mute.presented(at);
            }
            self.compare(context, av_sync);
        }
    }

    /// Counts a packet that could not be put together.
    pub(super) fn damaged(&mut self) {
        self.verifier.damaged();
    }

    /// Judges what waited for the ledger.
    pub(super) fn tick(&mut self, context: &Context, clock_offset_us: Option<i64>, av_sync: &mut AvSync) {
        {
            let ledger = context.shared.ledger.lock();
            self.verifier.set_clock_offset(clock_offset_us);
            let sent = ledger.track(MediaKind::Audio);
            note_opening(&mut self.verifier, context.span(sent, MediaKind::Audio));
            self.verifier
                .ledger_grew(ledger.track(MediaKind::Audio), &mut self.judged);
        }
        self.note_judgements(context);
        self.compare(context, av_sync);
    }

    /// Packets since this was asked the last time.
    pub(super) fn take_second(&mut self) -> u32 {
        std::mem::take(&mut self.second)
    }

    fn note_judgements(&mut self, context: &Context) {
        let shared = &context.shared;
        for judgement in std::mem::take(&mut self.judged) {
            match judgement {
                Judgement::Verified { frame, completed_us } => {
                    let due = context.due_instant(&frame, self.verifier.clock_offset_us());
                    let Some(due) = due.filter(|due| shared.figures().in_window(*due)) else {
                        continue;
                    };
                    self.latency
                        .record_us(completed_us.saturating_sub(shared.clock.us(due)));
                }
                Judgement::Corrupt { index } => {
                    shared
                        .trace
                        .now(&context.label, || TraceKind::SoundCorrupt { index });
                }
                Judgement::Repeated { .. } | Judgement::Unexpected { .. } => {}
            }
        }
    }

    /// Holds what was heard against what was sent, as far as the ledger is known.
    fn compare(&mut self, context: &Context, av_sync: &mut AvSync) {
        let Some(ear) = &mut self.ear else { return };
        let ledger = context.shared.ledger.lock();
        let track = ledger.track(MediaKind::Audio);
        while let Some(waiting) = ear.waiting.front().copied() {
            let packet_time = ear.packet_time(waiting.rtp_time());
            let Some(sent) = self.verifier.sent_at(packet_time, track) else {
                return;
            };
            ear.waiting.pop_front();
            match waiting {
                Waiting::Packet { .. } => ear.count(waiting, Some(sent)),
                Waiting::Burst { rtp_time, at } => {
                    // Bursts begin with the seconds, so this one is that of the nearest second.
                    let media = sent.media_time + rtp_time - packet_time;
                    let second = (media + SECOND / 2).div_euclid(SECOND) * SECOND;
                    if let Some(meant) = track.at_media_time(second) {
                        av_sync.burst(Cue {
                            due_us: meant.due_us,
                            at_us: context.shared.clock.us(at),
                        });
                    }
                }
            }
        }
    }

    /// Whether everything up to `until`, or up to the last packet handed over, has arrived.
    pub(super) fn drained(&self, span: Option<Span>, until: Option<u32>, known: bool) -> bool {
        let Some(span) = span else {
            // A stream without sound has nothing to wait for.
            return known || self.packets == 0;
        };
        let Some(last) = awaited(span, until) else {
            return false;
        };
        self.verifier.highest().is_some_and(|highest| highest >= last)
    }

    pub(super) fn end(mut self) -> SoundRecord {
        if let Some(ear) = &mut self.ear {
            // What the ledger never came to know was heard all the same.
            for waiting in std::mem::take(&mut ear.waiting) {
                ear.count(waiting, None);
            }
            ear.tally.audible_while_muted(self.mute.count());
        }
        SoundRecord {
            verifier: self.verifier,
            packets: self.packets,
            first_at: self.first_at,
            latency: self.latency,
            heard: self
                .ear
                .filter(|ear| ear.last_rtp_time.is_some())
                .map(|ear| (ear.tally, ear.tones)),
        }
    }
}

/// Whether a tone is a burst of a broadcaster, and not part of what it says.
fn is_ours(tone: &Heard) -> bool {
    BURST_LENGTHS_MS.contains(&tone.length_ms)
        && (tone.level_dbfs - Burst::LEVEL_DBFS).abs() <= BURST_LEVEL_OFF_DB
}

impl Waiting {
    fn rtp_time(self) -> i64 {
        let (Self::Packet { rtp_time, .. } | Self::Burst { rtp_time, .. }) = self;
        rtp_time
    }
}

/// A detector for the one channel that is decoded.
fn detector() -> Option<BurstDetector> {
    BurstDetector::new(OPUS_RATE, 1)
        .map_err(|error| log::error!("{error}"))
        .ok()
}

impl Ear {
    /// An ear for one stream; `None` in a build without Opus.
    fn new() -> Option<Self> {
        let decoder = OpusDecoder::new(1).map_err(|error| log::debug!("{error}")).ok()?;
        let bursts = detector()?;
        Some(Self {
            decoder,
            samples: Vec::new(),
            last_rtp_time: None,
            bursts,
            base: 0,
            arrivals: VecDeque::new(),
            waiting: VecDeque::new(),
            tally: SoundTally::default(),
            tones: ToneTally::default(),
            counts: false,
        })
    }

    /// Decodes a packet, after what is missing before it; gives its level in dBFS.
    fn hear(&mut self, rtp_time: i64, at: Instant, packet: &[u8], said_muted: bool) -> Option<f32> {
        let missing = match self.last_rtp_time {
            // Reassembly keeps the order, so what is not later is there already.
            Some(last) if rtp_time <= last => return None,
            Some(last) => (rtp_time - last) / PACKET_SAMPLES - 1,
            None => {
                self.base = rtp_time;
                0
            }
        };
        self.last_rtp_time = Some(rtp_time);
        if missing > 0 && self.counts {
            self.tally.gap(u64::try_from(missing).unwrap_or(0));
        }
        if missing > MAX_CONCEALED {
            self.base = rtp_time;
            if let Some(fresh) = detector() {
                self.bursts = fresh;
            }
        } else {
            for _ in 0..missing {
                self.samples.clear();
                // A packet that cannot be concealed leaves the next one to a decoder that can.
                let _ = self.decoder.conceal(PACKET_SAMPLES as usize, &mut self.samples);
                self.samples.resize(PACKET_SAMPLES as usize, 0);
                self.listen(at);
            }
        }
        self.samples.clear();
        if self.decoder.decode(packet, &mut self.samples).is_err() {
            self.tally.undecodable();
            self.samples.clear();
        }
        self.samples.resize(PACKET_SAMPLES as usize, 0);
        if self.arrivals.len() == REMEMBERED {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((rtp_time, at));
        let level_dbfs = level_dbfs(&self.samples);
        if self.counts {
            self.wait(Waiting::Packet {
                rtp_time,
                level_dbfs,
                said_muted,
            });
        }
        self.listen(at);
        Some(level_dbfs)
    }

    /// Gives the samples to the burst detector.
    fn listen(&mut self, at: Instant) {
        let heard: Vec<Heard> = self.bursts.push(&self.samples);
        for burst in heard.into_iter().filter(is_ours) {
            if self.counts {
                self.tones.burst(f64::from(burst.frequency_hz));
            }
            // Sound at a wrong speed has its bursts anywhere: that is one finding and not two.
            let off_pitch = (f64::from(burst.frequency_hz) / TONE_HZ - 1.0).abs() > MAX_OFF_PITCH;
            if off_pitch || !self.counts {
                continue;
            }
            // What comes out of the decoder went into the encoder so many samples before.
            let position = i64::try_from(burst.at_sample).unwrap_or(0) - i64::from(OPUS_LOOKAHEAD);
            let rtp_time = self.base + position.max(0);
            let packet = self.packet_time(rtp_time);
            let arrived = self.arrivals.iter().find(|(time, _)| *time == packet);
            let arrived = arrived.map_or(at, |(_, at)| *at);
            let within = u64::try_from(rtp_time - packet).unwrap_or(0);
            let at = arrived + Duration::from_micros(within * 1_000_000 / u64::from(OPUS_RATE));
            self.wait(Waiting::Burst { rtp_time, at });
        }
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.waiting.len() == MAX_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.count(oldest, None);
        }
        self.waiting.push_back(waiting);
    }

    /// Counts a packet, held against what was sent where that is known.
    fn count(&mut self, waiting: Waiting, sent: Option<&LedgerFrame>) {
        let Waiting::Packet {
            level_dbfs,
            said_muted,
            ..
        } = waiting
        else {
            return;
        };
        let muted = sent.is_some_and(|sent| sent.muted);
        if sent.is_some_and(|sent| sent.index.is_multiple_of(BURST_EVERY)) && !muted {
            self.tally.burst_sent();
        }
        self.tally.packet(HeardPacket {
            index: sent.map_or(0, |sent| u64::from(sent.index)),
            heard_dbfs: f64::from(level_dbfs),
            sent_dbfs: sent.and_then(|sent| sent.level_dbfs).map(f64::from),
            // Said to be muted is muted: whoever goes on is to be heard out.
            muted: muted || said_muted,
        });
    }

    /// RTP time of the packet that a sample belongs to.
    fn packet_time(&self, rtp_time: i64) -> i64 {
        rtp_time - (rtp_time - self.base).rem_euclid(PACKET_SAMPLES)
    }
}
