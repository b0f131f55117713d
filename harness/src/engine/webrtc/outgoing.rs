//! The outgoing tracks of a connection: frames become RTP packets under the track's own header fields.
//!
//! Owns sequence numbers and payload types. Payloads are shared with every other connection.

use bytes::Bytes;
use rtc::rtp;
use webrtc::error::Error;
use webrtc::media_stream::track_local::{TrackLocal as _, TrackLocalEvent};

use super::codecs;
use super::setup::OutgoingTrack;
use crate::media::kind::MediaKind;
use crate::media::packetize::EncodedFrame;

/// One outgoing track.
pub(super) struct Outgoing {
    track: OutgoingTrack,
    /// Known once offer and answer are applied.
    payload_type: Option<u8>,
    sequence: u16,
}

impl Outgoing {
    pub(super) fn new(track: OutgoingTrack) -> Self {
        Self {
            sequence: track.sequence,
            track,
            payload_type: None,
        }
    }

    /// Learns the payload type that offer and answer settled on for the track's codec.
    pub(super) async fn negotiated(&mut self) -> Result<(), Error> {
        let Some(sender) = self.track.transceiver.sender().await? else {
            return Ok(());
        };
        let parameters = sender.get_parameters().await?;
        self.payload_type = parameters
            .rtp_parameters
            .codecs
            .iter()
            .find(|codec| codecs::named(&codec.rtp_codec.mime_type) == Some(self.track.codec))
            .map(|codec| codec.payload_type);
        Ok(())
    }

    /// Writes the packets of one frame.
    pub(super) async fn send(&mut self, frame: &EncodedFrame) -> Result<(), Error> {
        let Some(payload_type) = self.payload_type else {
            return Err(Error::Other(format!(
                "no codec was negotiated for the outgoing {} track",
                self.track.media
            )));
        };
        let timestamp = (frame.media_time as u32).wrapping_add(self.track.timestamp_offset);
        let last = frame.payloads.len().saturating_sub(1);
        for (index, payload) in frame.payloads.iter().enumerate() {
            let header = rtp::Header {
                version: 2,
                // Of Opus, the marker begins a talkspurt (RFC 7587 section 4.1), and without DTX there is but one.
                marker: match self.track.media {
                    MediaKind::Video => index == last,
                    MediaKind::Audio => frame.index == 0,
                },
                payload_type,
                sequence_number: self.sequence,
                timestamp,
                ssrc: self.track.ssrc,
                ..rtp::Header::default()
            };
            self.sequence = self.sequence.wrapping_add(1);
            self.track
                .track
                .write_rtp(rtp::Packet {
                    header,
                    payload: Bytes::clone(payload),
                })
                .await?;
        }
        Ok(())
    }
}

/// The next event of a track; never, before it is negotiated.
pub(super) async fn poll(outgoing: Option<&Outgoing>) -> Option<TrackLocalEvent> {
    match outgoing {
        Some(outgoing) if outgoing.payload_type.is_some() => outgoing.track.track.poll().await,
        _ => std::future::pending().await,
    }
}
