//! Damage to the frames that one viewer receives, done between the ledger and the engine.
//!
//! Pure: (frame, now) -> the frames to send now. The ledger has the frame as it should have been.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::media::packetize::EncodedFrame;
use crate::scenario::MediaFault;

/// Applies the faults that are meant for one viewer.
#[derive(Debug, Default)]
pub(crate) struct FrameFaults {
    faults: Vec<MediaFault>,
    held: Vec<Arc<EncodedFrame>>,
    release_at: Option<Instant>,
}

/// Whether a fault takes one sound packet, and what is sent instead.
fn sound(fault: &MediaFault, packet: &Arc<EncodedFrame>) -> Option<Option<Arc<EncodedFrame>>> {
    match *fault {
        MediaFault::FlipSound { packet: at, .. } if at == packet.index => {
            Some(Some(Arc::new(flipped(packet))))
        }
        MediaFault::DropSound {
            packet: at, packets, ..
        } if (at..at.saturating_add(packets)).contains(&packet.index) => Some(None),
        _ => None,
    }
}

impl FrameFaults {
    /// The faults of `all` that are for `viewer`; `None` when there are none.
    pub(crate) fn for_viewer(all: &[MediaFault], viewer: u32) -> Option<Self> {
        let faults: Vec<MediaFault> = all
            .iter()
            .filter(|fault| fault.viewer() == viewer)
            .cloned()
            .collect();
        (!faults.is_empty()).then(|| Self {
            faults,
            ..Self::default()
        })
    }

    /// Pushes what is to be sent in place of a sound packet.
    pub(crate) fn apply_to_sound(&self, packet: &Arc<EncodedFrame>, out: &mut Vec<Arc<EncodedFrame>>) {
        let faulty = self.faults.iter().find_map(|fault| sound(fault, packet));
        out.extend(faulty.unwrap_or_else(|| Some(Arc::clone(packet))));
    }

    /// Pushes what is to be sent in place of a video frame.
    pub(crate) fn apply(
        &mut self,
        frame: &Arc<EncodedFrame>,
        now: Instant,
        out: &mut Vec<Arc<EncodedFrame>>,
    ) {
        let mut sent = Some(Arc::clone(frame));
        let mut copies = 1;
        for fault in &self.faults {
            match *fault {
                MediaFault::FlipByte { frame: at, .. } if at == frame.index => {
                    sent = Some(Arc::new(flipped(frame)))
                }
                MediaFault::DropFrame { frame: at, .. } if at == frame.index => sent = None,
                MediaFault::RepeatFrame { frame: at, .. } if at == frame.index => copies = 2,
                MediaFault::WithholdKeyFrames { .. } if frame.key => sent = None,
                MediaFault::Freeze {
                    frame: at, duration, ..
                } if at == frame.index => {
                    self.release_at = Some(now + duration);
                }
                _ => {}
            }
        }
        let sent = sent
            .into_iter()
            .flat_map(|frame| std::iter::repeat_n(frame, copies));
        if self.release_at.is_some_and(|at| now < at) {
            self.held.extend(sent);
            return;
        }
        self.release_at = None;
        out.append(&mut self.held);
        out.extend(sent);
    }
}

/// The frame with one bit of its longest payload flipped.
fn flipped(frame: &EncodedFrame) -> EncodedFrame {
    let mut payloads = frame.payloads.clone();
    if let Some(longest) = payloads.iter_mut().max_by_key(|payload| payload.len()) {
        let mut bytes = BytesMut::from(&longest[..]);
        // Not the last byte, which holds the stop bit of H.264, and in a payload that is long enough not in
        // front, where FU-A and VP8 have their descriptors.
        let at = bytes.len().saturating_sub(2).max(2);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x10;
        }
        *longest = Bytes::from(bytes);
    }
    EncodedFrame { payloads, ..*frame }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::h264::FrameDigest;

    fn frame(index: u32) -> Arc<EncodedFrame> {
        Arc::new(EncodedFrame {
            index,
            media_time: i64::from(index) * 3_000,
            key: index.is_multiple_of(10),
            digest: FrameDigest {
                picture: 1,
                parameter_sets: None,
            },
            payloads: vec![Bytes::from_static(&[0x41, 1, 2, 3, 4, 5])],
        })
    }

    #[track_caller]
    fn check(fault: MediaFault, expect: &[u32]) -> Vec<Arc<EncodedFrame>> {
        let mut faults = FrameFaults::for_viewer(&[fault], 2).expect("meant for viewer 2");
        let start = Instant::now();
        let mut out = Vec::new();
        for index in 0..12 {
            faults.apply(
                &frame(index),
                start + Duration::from_millis(u64::from(index) * 100),
                &mut out,
            );
        }
        assert_eq!(out.iter().map(|frame| frame.index).collect::<Vec<_>>(), expect);
        out
    }

    #[test]
    fn each_fault_does_what_it_says_and_no_more() {
        let all: Vec<u32> = (0..12).collect();
        let out = check(MediaFault::FlipByte { viewer: 2, frame: 3 }, &all);
        assert_eq!(&out[3].payloads[0][..], [0x41, 1, 2, 3, 0x14, 5]);
        assert_eq!(&out[4].payloads[0][..], [0x41, 1, 2, 3, 4, 5]);
        check(
            MediaFault::DropFrame { viewer: 2, frame: 3 },
            &[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11],
        );
        check(
            MediaFault::RepeatFrame { viewer: 2, frame: 1 },
            &[0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        );
        check(
            MediaFault::WithholdKeyFrames { viewer: 2 },
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
        );
    }

    #[test]
    fn a_freeze_holds_frames_and_gives_them_out_together() {
        let fault = MediaFault::Freeze {
            viewer: 2,
            frame: 4,
            duration: Duration::from_millis(500),
        };
        let mut faults = FrameFaults::for_viewer(&[fault], 2).unwrap();
        let start = Instant::now();
        let sent: Vec<usize> = (0..12)
            .map(|index| {
                let mut out = Vec::new();
                faults.apply(
                    &frame(index),
                    start + Duration::from_millis(u64::from(index) * 100),
                    &mut out,
                );
                out.len()
            })
            .collect();
        assert_eq!(sent, [1, 1, 1, 1, 0, 0, 0, 0, 0, 6, 1, 1]);
    }

    #[test]
    fn faults_of_the_sound_take_sound_packets_only() {
        let all = [
            MediaFault::FlipSound { viewer: 2, packet: 3 },
            MediaFault::DropSound {
                viewer: 2,
                packet: 5,
                packets: 2,
            },
        ];
        let mut faults = FrameFaults::for_viewer(&all, 2).unwrap();
        let mut sound = Vec::new();
        (0..9).for_each(|index| faults.apply_to_sound(&frame(index), &mut sound));
        let numbers: Vec<u32> = sound.iter().map(|packet| packet.index).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 7, 8]);
        assert_ne!(sound[3].payloads, frame(3).payloads);
        assert_eq!(sound[4].payloads, frame(4).payloads);
        let mut pictures = Vec::new();
        (0..9).for_each(|index| faults.apply(&frame(index), Instant::now(), &mut pictures));
        assert!((0..9).all(|index| pictures[index as usize].payloads == frame(index).payloads));
    }

    #[test]
    fn another_viewer_is_left_alone() {
        assert!(FrameFaults::for_viewer(&[MediaFault::WithholdKeyFrames { viewer: 2 }], 3).is_none());
    }
}
