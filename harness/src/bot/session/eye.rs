//! The eye of a viewer that decodes: pictures, read and held against what was meant.
//!
//! Owns the decoder and what waits for it or for the ledger. It has no opinion on what it sees.

use std::collections::VecDeque;

use greenroom_fixtures::{Flash, PictureView, Stamp};
use tokio::time::Instant;

use super::Context;
use crate::measure::av_sync::{AvSync, Cue};
use crate::measure::mute::MuteWatch;
use crate::measure::quality::{Quality, QualityTally};
use crate::media::codec::Codec;
use crate::media::decode::{BLACK_LUMA, Decoder};
use crate::media::kind::MediaKind;
use crate::media::ledger::LedgerFrame;
use crate::media::reassemble::ReceivedFrame;
use crate::media::verify::Verifier;

/// Decoded pictures that may wait for the ledger: four seconds at 30 fps.
const MAX_SHOWN: usize = 128;

/// What the decoder of a viewer saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Frames that gave a picture.
    pub(crate) frames: u64,
    /// Stamps that are the ones of the frames that were sent.
    pub(crate) stamps_matched: u64,
    /// Stamps that are others.
    pub(crate) stamps_wrong: u64,
    /// Pictures without a readable stamp that should have had one.
    pub(crate) stamps_unreadable: u64,
    /// Pictures that are black because the broadcaster is muted.
    pub(crate) muted_black: u64,
    /// Pictures that are not black although the broadcaster is muted.
    pub(crate) muted_not_black: u64,
    /// Stamps read without a ledger to compare them with.
    pub(crate) stamps_read: u64,
    /// Pictures that were not black although the mute had long been signaled.
    pub(crate) seen_while_muted: u64,
    /// Frames that gave no picture.
    pub(crate) failed: u64,
}

/// A decoded picture, as far as it is compared.
#[derive(Debug)]
struct Shown {
    rtp_time: i64,
    completed_at: Instant,
    decoded_at: Instant,
    seen: Seen,
}

/// What was read from a decoded picture.
#[derive(Clone, Copy, Debug)]
struct Seen {
    black: bool,
    /// Frame number in its stamp; `None` when that cannot be read.
    stamp: Option<u32>,
    /// Whether the flash is on; `None` when that cannot be read.
    flash: Option<bool>,
    /// How close it is to the picture that was meant; `None` when that is not known.
    quality: Option<Quality>,
}

/// A decoder, and what is made of its pictures.
#[derive(Debug)]
pub(super) struct Eye {
    open: bool,
    decoder: Option<(Codec, Decoder)>,
    to_decode: VecDeque<(Instant, Box<ReceivedFrame>)>,
    shown: VecDeque<Shown>,
    decoded: Decoded,
    pub(super) mute: MuteWatch,
    pub(super) quality: QualityTally,
    flash_was_on: bool,
    /// Whether frames before are missing that this one refers to.
    tainted: bool,
    /// When the first frame was decoded.
    pub(super) first_at: Option<Instant>,
}

impl Eye {
    /// An eye that sees nothing unless it is open.
    pub(super) fn new(open: bool, mute: MuteWatch) -> Self {
        Self {
            open,
            decoder: None,
            to_decode: VecDeque::new(),
            shown: VecDeque::new(),
            decoded: Decoded::default(),
            mute,
            quality: QualityTally::default(),
            flash_was_on: false,
            tainted: false,
            first_at: None,
        }
    }

    /// Whether a frame is to be decoded here.
    pub(super) fn takes(&self, frame: &ReceivedFrame) -> bool {
        self.open && frame.access_unit.is_some()
    }

    /// Takes a frame that is to be decoded from `ready` on.
    pub(super) fn wait(&mut self, ready: Instant, frame: Box<ReceivedFrame>) {
        self.to_decode.push_back((ready, frame));
    }

    /// What was seen.
    pub(super) fn decoded(&self) -> Decoded {
        Decoded {
            seen_while_muted: self.mute.count(),
            ..self.decoded
        }
    }

    /// Whether nothing waits for the decoder.
    pub(super) fn is_done(&self) -> bool {
        self.to_decode.is_empty()
    }

    /// When the next frame leaves the planted delay of the decoder.
    pub(super) fn next(&self) -> Option<Instant> {
        self.to_decode.front().map(|(ready, _)| *ready)
    }

    /// Decodes every frame whose time has come; tells whether none failed.
    pub(super) fn look(&mut self, context: &Context, now: Instant, verifier: &Verifier) -> bool {
        let mut intact = true;
        while self.to_decode.front().is_some_and(|(ready, _)| *ready <= now) {
            let Some((_, frame)) = self.to_decode.pop_front() else {
                break;
            };
            intact &= self.decode(context, &frame, verifier);
        }
        intact
    }

    /// Decodes one frame; tells whether it gave a picture.
    fn decode(&mut self, context: &Context, frame: &ReceivedFrame, verifier: &Verifier) -> bool {
        let Some(unit) = &frame.access_unit else {
            return true;
        };
        // After a loss pictures may be mixtures until the next key frame, and the network explains them.
        self.tainted = !frame.key && (self.tainted || frame.after_loss);
        let meant = {
            let ledger = context.shared.ledger.lock();
            let sent = verifier.sent_at(frame.rtp_time, ledger.track(MediaKind::Video));
            sent.and_then(|sent| sent.stamp)
        };
        let compares = !self.tainted && context.in_window(frame.completed_at);
        let seen = self.decoder_for(frame.codec).and_then(|decoder| {
            if frame.after_loss {
                decoder.frames_lost();
            }
            let look = |picture: &PictureView<'_>| {
                // Before anything is compared, which takes its own time.
                let at = Instant::now();
                (at, look_at(context, picture, meant, compares))
            };
            decoder.decode(unit, look).ok()
        });
        let Some((at, seen)) = seen else {
            self.decoded.failed += 1;
            self.tainted = true;
            return false;
        };
        self.decoded.frames += 1;
        self.first_at.get_or_insert(at);
        if !seen.black {
            self.mute.presented(at);
        }
        if self.shown.len() == MAX_SHOWN {
            self.forget_oldest();
        }
        self.shown.push_back(Shown {
            rtp_time: frame.rtp_time,
            completed_at: frame.completed_at,
            decoded_at: at,
            seen,
        });
        true
    }

    /// The decoder of a codec, made when its first frame comes.
    fn decoder_for(&mut self, codec: Codec) -> Option<&mut Decoder> {
        if self.decoder.as_ref().is_none_or(|(current, _)| *current != codec) {
            let decoder = Decoder::new(codec).map_err(|error| log::error!("{error}")).ok()?;
            self.decoder = Some((codec, decoder));
        }
        self.decoder.as_mut().map(|(_, decoder)| decoder)
    }

    /// Holds what was shown against what was sent, as far as the ledger is known: it may lag behind.
    pub(super) fn compare(&mut self, context: &Context, verifier: &Verifier, av_sync: &mut AvSync) {
        while let Some(shown) = self.shown.front() {
            let sent = {
                let ledger = context.shared.ledger.lock();
                let track = ledger.track(MediaKind::Video);
                verifier.sent_at(shown.rtp_time, track).copied()
            };
            let Some(sent) = sent else { return };
            let Some(shown) = self.shown.pop_front() else {
                return;
            };
            let seen = shown.seen;
            match (sent.muted, seen.black, seen.stamp) {
                (true, true, _) => self.decoded.muted_black += 1,
                (true, false, _) => self.decoded.muted_not_black += 1,
                (false, ..) if sent.stamp.is_none() => {}
                (false, _, Some(stamp)) if Some(stamp) == sent.stamp => self.decoded.stamps_matched += 1,
                (false, _, Some(_)) => self.decoded.stamps_wrong += 1,
                (false, _, None) => self.decoded.stamps_unreadable += 1,
            }
            if let (false, Some(quality)) = (sent.muted, seen.quality) {
                self.quality.record(sent.index, quality);
            }
            self.watch_flash(context, &shown, &sent, av_sync);
            measure(context, &shown, &sent, verifier.clock_offset_us());
        }
    }

    /// Notes the moment at which the flash goes on.
    fn watch_flash(&mut self, context: &Context, shown: &Shown, sent: &LedgerFrame, av_sync: &mut AvSync) {
        // Without its stamp a picture is a stranger's, and what is light in it is no flash.
        let marked = sent.stamp.is_some() && shown.seen.stamp == sent.stamp;
        let on = !sent.muted && marked && shown.seen.flash == Some(true);
        if on && !self.flash_was_on && context.in_window(shown.decoded_at) {
            av_sync.flash(Cue {
                due_us: sent.due_us,
                at_us: context.shared.clock.us(shown.decoded_at),
            });
        }
        self.flash_was_on = on;
    }

    /// A picture that there is nothing to hold against: its stamp was read, and that is all.
    fn forget_oldest(&mut self) {
        if let Some(shown) = self.shown.pop_front() {
            self.decoded.stamps_read += u64::from(shown.seen.stamp.is_some());
        }
    }

    /// Gives up on pictures that the ledger never came to know.
    pub(super) fn forget_all(&mut self) {
        while !self.shown.is_empty() {
            self.forget_oldest();
        }
    }
}

/// Takes the figures of a picture that was compared.
fn measure(context: &Context, shown: &Shown, sent: &LedgerFrame, clock_offset_us: Option<i64>) {
    let Some(due) = context.due_instant(sent, clock_offset_us) else {
        return;
    };
    let mut figures = context.shared.figures();
    if figures.in_window(due) {
        figures
            .decode_delay
            .record(shown.decoded_at.saturating_duration_since(shown.completed_at));
        figures
            .glass_latency
            .record(shown.decoded_at.saturating_duration_since(due));
    }
}

/// Reads the marks of a decoded picture, and compares it with the one that was meant: that of the ledger, or
/// where the ledger is not that far, that of its own stamp.
fn look_at(context: &Context, picture: &PictureView<'_>, meant: Option<u32>, compares: bool) -> Seen {
    let stamp = Stamp::read(picture).ok().map(|stamp| stamp.frame);
    let black = picture.mean_luma() < BLACK_LUMA;
    let meant = meant
        .or(stamp)
        .filter(|_| compares)
        .and_then(|number| context.shared.reference_picture(number));
    Seen {
        black,
        stamp,
        flash: Flash::read(picture),
        quality: meant.and_then(|meant| Quality::of(picture, &meant).ok()),
    }
}
