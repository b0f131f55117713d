//! Which frame goes to whom, and when a broadcaster is asked for a key frame.
//!
//! Pure: (input, now) -> outputs. Owns streams, their publisher and players; knows neither connections nor HTTP, so that
//! any signaling can stand in front of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::ConnectionId;
use crate::media::codec::Codec;
use crate::media::kind::{MediaKind, PerMedia};
use crate::media::packetize::{EncodedFrame, Packetizer};
use crate::media::reassemble::ReceivedFrame;

/// Least time between two requests for a key frame; an unheard one is repeated after it.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);
/// RTP time between the last frame of one publisher and the first one of the next, in ticks.
const HANDOVER: i64 = 3_000;

/// All streams of one server.
#[derive(Debug, Default)]
pub(super) struct Core {
    streams: BTreeMap<String, Stream>,
    /// Where each connection belongs.
    of: BTreeMap<ConnectionId, String>,
}

#[derive(Debug, Default)]
struct Stream {
    publisher: Option<Publisher>,
    players: BTreeMap<ConnectionId, Player>,
    /// RTP time of the last frame that was sent on.
    last: PerMedia<i64>,
}

#[derive(Debug)]
struct Publisher {
    id: ConnectionId,
    connected: bool,
    video: Option<Codec>,
    tracks: PerMedia<Option<Track>>,
    /// A key frame is wanted, and until when nobody asks again.
    wanted: bool,
    quiet_until: Option<Instant>,
}

#[derive(Debug)]
struct Track {
    codec: Codec,
    packetizer: Packetizer,
    /// What is taken off its RTP times.
    offset: i64,
    next_index: u32,
}

#[derive(Debug)]
struct Player {
    video: Codec,
    connected: bool,
    /// It has what later pictures refer to.
    has_key_frame: bool,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Output {
    /// Hand a frame to a player.
    Send {
        to: ConnectionId,
        media: MediaKind,
        frame: Arc<EncodedFrame>,
    },
    /// Ask a publisher for a key frame.
    AskKeyFrame { of: ConnectionId },
}

/// A stream has its publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken;

impl Core {
    /// A publisher comes; the first one stays.
    pub(super) fn publish(&mut self, stream: &str, id: ConnectionId) -> Result<(), Taken> {
        let entry = self.streams.entry(stream.to_owned()).or_default();
        if entry.publisher.is_some() {
            return Err(Taken);
        }
        entry.publisher = Some(Publisher {
            id,
            connected: false,
            video: None,
            tracks: PerMedia::default(),
            wanted: false,
            quiet_until: None,
        });
        self.of.insert(id, stream.to_owned());
        Ok(())
    }

    /// The codec that was agreed upon with a publisher.
    pub(super) fn agreed(&mut self, id: ConnectionId, video: Option<Codec>) {
        if let Some(publisher) = self.publisher_mut(id) {
            publisher.video = video;
        }
    }

    /// A player comes to a stream that is live.
    pub(super) fn play(&mut self, stream: &str, id: ConnectionId, video: Codec) {
        let entry = self.streams.entry(stream.to_owned()).or_default();
        entry.players.insert(
            id,
            Player {
                video,
                connected: false,
                has_key_frame: false,
            },
        );
        self.of.insert(id, stream.to_owned());
    }

    /// The codec of a stream's pictures, if it has a publisher that is connected.
    pub(super) fn live(&self, stream: &str) -> Option<Codec> {
        let publisher = self.streams.get(stream)?.publisher.as_ref()?;
        publisher.video.filter(|_| publisher.connected)
    }

    /// DTLS is done.
    pub(super) fn connected(&mut self, id: ConnectionId, now: Instant) -> Vec<Output> {
        let Some(stream) = self.stream_of(id) else {
            return Vec::new();
        };
        if let Some(publisher) = stream.publisher.as_mut().filter(|publisher| publisher.id == id) {
            publisher.connected = true;
        }
        if let Some(player) = stream.players.get_mut(&id) {
            player.connected = true;
            return stream.want_key_frame(now);
        }
        Vec::new()
    }

    /// A publisher's frame is complete.
    pub(super) fn frame(
        &mut self,
        id: ConnectionId,
        media: MediaKind,
        frame: &mut ReceivedFrame,
        now: Instant,
    ) -> Vec<Output> {
        let Some(stream) = self.stream_of(id) else {
            return Vec::new();
        };
        let base = *stream.last.get(media);
        let Some(publisher) = stream.publisher.as_mut().filter(|publisher| publisher.id == id) else {
            return Vec::new();
        };
        let Some(access_unit) = frame.access_unit.take() else {
            return Vec::new();
        };
        let codec = frame.codec;
        let track = publisher.tracks.get_mut(media);
        let track = match track {
            Some(track) if track.codec == codec => track,
            _ => {
                let begin = if base == 0 { 0 } else { base + HANDOVER };
                track.insert(Track {
                    codec,
                    packetizer: Packetizer::new(codec),
                    offset: frame.rtp_time - begin,
                    next_index: 0,
                })
            }
        };
        let media_time = frame.rtp_time - track.offset;
        let index = track.next_index;
        let encoded = match track
            .packetizer
            .packetize(index, media_time, frame.key, access_unit)
        {
            Ok(encoded) => Arc::new(encoded),
            Err(error) => {
                log::debug!("a frame is not sent on: {error}");
                return stream.lost(media, now);
            }
        };
        track.next_index = track.next_index.wrapping_add(1);
        *stream.last.get_mut(media) = media_time;
        if media == MediaKind::Video && frame.key {
            publisher.wanted = false;
        }
        if media == MediaKind::Video {
            publisher.video = Some(codec);
        }
        let mut outputs = Vec::new();
        for (to, player) in stream.players.iter_mut().filter(|(_, player)| player.connected) {
            if media == MediaKind::Video {
                if player.video != codec || !(player.has_key_frame || frame.key) {
                    continue;
                }
                player.has_key_frame = true;
            }
            outputs.push(Output::Send {
                to: *to,
                media,
                frame: Arc::clone(&encoded),
            });
        }
        outputs
    }

    /// A frame of a publisher will never be complete: what follows refers to it.
    pub(super) fn damaged(&mut self, id: ConnectionId, media: MediaKind, now: Instant) -> Vec<Output> {
        match self.stream_of(id) {
            Some(stream) => stream.lost(media, now),
            None => Vec::new(),
        }
    }

    /// A player wants a key frame.
    pub(super) fn key_frame_wanted(&mut self, id: ConnectionId, now: Instant) -> Vec<Output> {
        match self.stream_of(id) {
            Some(stream) => stream.want_key_frame(now),
            None => Vec::new(),
        }
    }

    /// A picture did not fit into a player's queue: it goes on with the next key frame.
    pub(super) fn skipped(&mut self, id: ConnectionId, now: Instant) -> Vec<Output> {
        let Some(stream) = self.stream_of(id) else {
            return Vec::new();
        };
        if let Some(player) = stream.players.get_mut(&id) {
            player.has_key_frame = false;
        }
        stream.want_key_frame(now)
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, id: ConnectionId) {
        let Some(name) = self.of.remove(&id) else { return };
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        stream.players.remove(&id);
        stream.publisher.take_if(|publisher| publisher.id == id);
        if stream.publisher.is_none() {
            // Whoever comes next begins anew for everybody.
            stream
                .players
                .values_mut()
                .for_each(|player| player.has_key_frame = false);
        }
        if stream.publisher.is_none() && stream.players.is_empty() {
            self.streams.remove(&name);
        }
    }

    /// When [`Core::timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let publishers = self
            .streams
            .values()
            .filter_map(|stream| stream.publisher.as_ref());
        publishers
            .filter(|publisher| publisher.wanted)
            .filter_map(|publisher| publisher.quiet_until)
            .min()
    }

    /// Asks again for the key frames that have not come.
    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        let wanting = self.streams.values_mut().filter(|stream| {
            let publisher = stream.publisher.as_ref();
            publisher.is_some_and(|publisher| publisher.wanted)
        });
        wanting.flat_map(|stream| stream.want_key_frame(now)).collect()
    }

    /// Publishers and players.
    pub(super) fn count(&self) -> (usize, usize) {
        let publishers = self.streams.values().filter(|stream| stream.publisher.is_some());
        let players = self.streams.values().map(|stream| stream.players.len());
        (publishers.count(), players.sum())
    }

    fn stream_of(&mut self, id: ConnectionId) -> Option<&mut Stream> {
        self.streams.get_mut(self.of.get(&id)?)
    }

    fn publisher_mut(&mut self, id: ConnectionId) -> Option<&mut Publisher> {
        let publisher = self.stream_of(id)?.publisher.as_mut();
        publisher.filter(|publisher| publisher.id == id)
    }
}

impl Stream {
    fn want_key_frame(&mut self, now: Instant) -> Vec<Output> {
        let Some(publisher) = self.publisher.as_mut().filter(|publisher| publisher.connected) else {
            return Vec::new();
        };
        publisher.wanted = true;
        if publisher.quiet_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        publisher.quiet_until = Some(now + KEY_FRAME_INTERVAL);
        vec![Output::AskKeyFrame { of: publisher.id }]
    }

    fn lost(&mut self, media: MediaKind, now: Instant) -> Vec<Output> {
        match media {
            MediaKind::Video => self.want_key_frame(now),
            MediaKind::Audio => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::digest::FrameDigest;

    const PUBLISHER: ConnectionId = ConnectionId(1);
    const PLAYER: ConnectionId = ConnectionId(2);

    fn picture(rtp_time: i64, key: bool) -> ReceivedFrame {
        let now = Instant::now();
        let unit = vec![if key { 0x10 } else { 0x11 }; 40];
        ReceivedFrame {
            codec: Codec::Vp8,
            rtp_time,
            first_packet_at: now,
            completed_at: now,
            key,
            after_loss: false,
            digest: FrameDigest::of(Codec::Vp8, &unit).unwrap(),
            bytes: 40,
            packets: 1,
            access_unit: Some(unit),
        }
    }

    /// A live stream with one player.
    fn live(now: Instant) -> Core {
        let mut core = Core::default();
        core.publish("s", PUBLISHER).unwrap();
        core.agreed(PUBLISHER, Some(Codec::Vp8));
        assert_eq!(core.live("s"), None);
        core.connected(PUBLISHER, now);
        assert_eq!(core.live("s"), Some(Codec::Vp8));
        core.play("s", PLAYER, Codec::Vp8);
        core
    }

    fn sent(outputs: &[Output]) -> Vec<(ConnectionId, i64)> {
        let sent = outputs.iter().filter_map(|output| match output {
            Output::Send { to, frame, .. } => Some((*to, frame.media_time)),
            Output::AskKeyFrame { .. } => None,
        });
        sent.collect()
    }

    fn asks(outputs: &[Output]) -> usize {
        outputs.len() - sent(outputs).len()
    }

    #[test]
    fn a_player_gets_frames_from_the_first_key_frame_on_at_the_times_that_they_had() {
        let now = Instant::now();
        let mut core = live(now);
        let frame =
            |core: &mut Core, at, key| core.frame(PUBLISHER, MediaKind::Video, &mut picture(at, key), now);
        assert!(sent(&frame(&mut core, 90_000, true)).is_empty());
        assert_eq!(asks(&core.connected(PLAYER, now)), 1);
        assert!(sent(&frame(&mut core, 93_000, false)).is_empty());
        assert_eq!(sent(&frame(&mut core, 96_000, true)), [(PLAYER, 6_000)]);
        assert_eq!(sent(&frame(&mut core, 99_000, false)), [(PLAYER, 9_000)]);
    }

    #[test]
    fn a_key_frame_is_asked_for_once_in_a_while_until_it_comes() {
        let now = Instant::now();
        let mut core = live(now);
        assert_eq!(asks(&core.connected(PLAYER, now)), 1);
        assert_eq!(asks(&core.key_frame_wanted(PLAYER, now)), 0);
        let later = now + KEY_FRAME_INTERVAL;
        assert_eq!(core.next_timeout(), Some(later));
        assert_eq!(asks(&core.timeout(later)), 1);
        core.frame(PUBLISHER, MediaKind::Video, &mut picture(0, true), later);
        assert_eq!(core.next_timeout(), None);
        assert!(core.timeout(later + KEY_FRAME_INTERVAL).is_empty());
    }

    #[test]
    fn a_player_that_missed_a_picture_goes_on_with_the_next_key_frame() {
        let now = Instant::now();
        let mut core = live(now);
        core.connected(PLAYER, now);
        core.frame(PUBLISHER, MediaKind::Video, &mut picture(0, true), now);
        assert_eq!(asks(&core.skipped(PLAYER, now + KEY_FRAME_INTERVAL)), 1);
        assert!(sent(&core.frame(PUBLISHER, MediaKind::Video, &mut picture(3_000, false), now)).is_empty());
        assert_eq!(
            sent(&core.frame(PUBLISHER, MediaKind::Video, &mut picture(6_000, true), now)).len(),
            1
        );
    }

    #[test]
    fn a_stream_has_one_publisher_and_nothing_remains_of_it_when_all_have_left() {
        let now = Instant::now();
        let mut core = live(now);
        assert_eq!(core.publish("s", ConnectionId(9)), Err(Taken));
        assert_eq!(core.count(), (1, 1));
        core.closed(PUBLISHER);
        assert_eq!(core.live("s"), None);
        core.closed(PLAYER);
        assert_eq!(core.count(), (0, 0));
        assert!(core.streams.is_empty() && core.of.is_empty());
    }

    #[test]
    fn another_publisher_goes_on_where_the_one_before_ended() {
        let now = Instant::now();
        let mut core = live(now);
        core.connected(PLAYER, now);
        core.frame(PUBLISHER, MediaKind::Video, &mut picture(0, true), now);
        core.frame(PUBLISHER, MediaKind::Video, &mut picture(9_000, false), now);
        core.closed(PUBLISHER);
        let next = ConnectionId(3);
        core.publish("s", next).unwrap();
        core.connected(next, now);
        assert!(sent(&core.frame(next, MediaKind::Video, &mut picture(500, false), now)).is_empty());
        let outputs = core.frame(next, MediaKind::Video, &mut picture(3_500, true), now);
        assert_eq!(sent(&outputs), [(PLAYER, 15_000)]);
    }
}
