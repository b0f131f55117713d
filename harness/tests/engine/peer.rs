//! One end of a connection of the built-in engine, and the wire between two of them that carries what they signal.
//!
//! Owns no expectation. Each end follows W3C webrtc-pc's example of perfect negotiation (section 10.7), so that what it
//! needs of the engine is used as a bot would use it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use greenroom::engine::webrtc::WebrtcEngine;
use greenroom::engine::{
    ConnectionHandle, ConnectionId, ConnectionSpec, ConnectionState, Engine as _, EngineCommand, EngineError,
    EngineEvent, EngineEventKind, MediaDirection,
};
use greenroom::media::codec::Codec;
use greenroom::media::digest::FrameDigest;
use greenroom::media::kind::MediaKind;
use greenroom::media::packetize::{EncodedFrame, Packetizer};
use greenroom::signaling::{Description, SdpType};
use tokio::sync::mpsc;

/// Far beyond anything healthy.
const DEADLINE: Duration = Duration::from_secs(20);

/// Who yields when both have made an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Polite,
    Impolite,
}

pub(crate) struct Peer {
    manners: Manners,
    handle: ConnectionHandle,
    events: mpsc::Receiver<EngineEvent>,
    has_offered: bool,
    ignores_offer: bool,
    /// What it has signaled and nobody has carried yet.
    outbox: VecDeque<EngineEventKind>,
    pub(crate) offers: Vec<String>,
    pub(crate) answers: Vec<String>,
    pub(crate) rolled_back: usize,
    pub(crate) ends_of_candidates: usize,
    pub(crate) offers_ignored: usize,
    /// How often it has become connected: once, and once more with each restart of ICE.
    pub(crate) connected: usize,
    pub(crate) received: Vec<(MediaKind, Codec, FrameDigest)>,
    pub(crate) data_open: bool,
    pub(crate) data: Vec<String>,
    pub(crate) errors: Vec<EngineError>,
    pub(crate) closed: bool,
}

impl Peer {
    pub(crate) fn new(direction: MediaDirection, manners: Manners) -> Self {
        let (tx, events) = mpsc::channel(1_024);
        let spec = ConnectionSpec {
            id: ConnectionId(1 + u64::from(manners == Manners::Impolite)),
            direction,
            bind: None,
            tap: None,
            impairment: None,
            filter: None,
        };
        let handle = WebrtcEngine::default().connect(spec, tx).unwrap();
        Self {
            manners,
            handle,
            events,
            has_offered: false,
            ignores_offer: false,
            outbox: VecDeque::new(),
            offers: Vec::new(),
            answers: Vec::new(),
            rolled_back: 0,
            ends_of_candidates: 0,
            offers_ignored: 0,
            connected: 0,
            received: Vec::new(),
            data_open: false,
            data: Vec::new(),
            errors: Vec::new(),
            closed: false,
        }
    }

    pub(crate) fn tell(&mut self, command: EngineCommand) {
        self.has_offered |= matches!(command, EngineCommand::MakeOffer | EngineCommand::RestartIce);
        self.handle.send(command).unwrap();
    }

    /// Takes what the other side has signaled.
    fn take(&mut self, signaled: EngineEventKind) {
        match signaled {
            EngineEventKind::LocalDescription(offer) if offer.sdp_type == SdpType::Offer => {
                self.take_offer(offer)
            }
            EngineEventKind::LocalDescription(answer) => {
                self.has_offered = false;
                self.tell(EngineCommand::ApplyAnswer(answer));
            }
            EngineEventKind::LocalCandidate(candidate) if !self.ignores_offer => {
                self.tell(EngineCommand::AddCandidate(candidate));
            }
            _ => {}
        }
    }

    fn take_offer(&mut self, offer: Description) {
        self.ignores_offer = self.has_offered && self.manners == Manners::Impolite;
        if self.ignores_offer {
            self.offers_ignored += 1;
            return;
        }
        if self.has_offered {
            self.tell(EngineCommand::Rollback);
            self.has_offered = false;
        }
        self.tell(EngineCommand::MakeAnswer(offer));
    }

    /// Notes what the engine tells; what is to be signaled waits in the outbox.
    fn note(&mut self, event: EngineEventKind) {
        match event {
            EngineEventKind::LocalDescription(ref description) => {
                let made = match description.sdp_type {
                    SdpType::Offer => &mut self.offers,
                    _ => &mut self.answers,
                };
                made.push(description.sdp.clone());
                self.outbox.push_back(event);
            }
            EngineEventKind::LocalCandidate(_) => self.outbox.push_back(event),
            EngineEventKind::LocalEndOfCandidates { .. } => self.ends_of_candidates += 1,
            EngineEventKind::RolledBack => self.rolled_back += 1,
            EngineEventKind::Connection(ConnectionState::Connected) => self.connected += 1,
            EngineEventKind::Frame(media, frame) => self.received.push((media, frame.codec, frame.digest)),
            EngineEventKind::DataOpen => self.data_open = true,
            EngineEventKind::Data(message) => self.data.push(String::from_utf8(message.to_vec()).unwrap()),
            EngineEventKind::Error(error) => self.errors.push(error),
            EngineEventKind::Closed => self.closed = true,
            _ => {}
        }
    }

    /// Waits until a condition holds, while nothing that this end signals is carried.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(DEADLINE, async {
            while !holds(self) {
                let event = self.events.recv().await.unwrap();
                self.note(event.kind);
            }
        });
        assert!(
            waited.await.is_ok(),
            "not within {DEADLINE:?}: {what}; {:?}",
            self.errors
        );
    }

    /// Takes its offer back before the other side has seen it.
    pub(crate) async fn withdraw(&mut self) {
        self.tell(EngineCommand::Rollback);
        self.has_offered = false;
        self.until("the rollback", |peer| peer.rolled_back > 0).await;
        self.outbox.clear();
    }

    /// Sends frames and gives what identifies each, in the order in which they arrive.
    pub(crate) fn send(&mut self, codec: Codec, frames: u32) -> Vec<(MediaKind, Codec, FrameDigest)> {
        let mut packetizer = Packetizer::new(codec);
        let made: Vec<Arc<EncodedFrame>> = (0..frames)
            .map(|index| Arc::new(frame(&mut packetizer, codec, index)))
            .collect();
        for frame in &made {
            self.tell(EngineCommand::SendFrame(codec.kind(), Arc::clone(frame)));
        }
        made.iter()
            .map(|frame| (codec.kind(), codec, frame.digest))
            .collect()
    }

    /// What was received of one medium.
    pub(crate) fn received_of(&self, media: MediaKind) -> Vec<(MediaKind, Codec, FrameDigest)> {
        self.received
            .iter()
            .filter(|(of, ..)| *of == media)
            .copied()
            .collect()
    }

    /// Closes the connection and waits for the engine to say so.
    pub(crate) async fn close(mut self) {
        drop(self.handle);
        let closed = async { while self.events.recv().await.is_some() {} };
        tokio::time::timeout(DEADLINE, closed).await.unwrap();
    }
}

/// A frame whose content no other has; only its form is the codec's.
fn frame(packetizer: &mut Packetizer, codec: Codec, index: u32) -> EncodedFrame {
    let key = index == 0 || codec == Codec::Opus;
    let mut bytes: Vec<u8> = match (codec, key) {
        (Codec::H264, true) => vec![
            0, 0, 0, 1, 0x67, 66, 192, 31, 0, 0, 0, 1, 0x68, 4, 0, 0, 0, 1, 0x65, 0x88,
        ],
        (Codec::H264, false) => vec![0, 0, 0, 1, 0x41, 0x9a],
        // A frame tag and, of a key frame, the start code and the size (RFC 6386 section 9.1).
        (Codec::Vp8, true) => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0],
        (Codec::Vp8, false) => vec![0x11, 0, 0],
        (Codec::Opus, _) => vec![0xfc],
    };
    let size = if codec == Codec::Opus { 100 } else { 2_000 };
    bytes.extend(index.to_be_bytes().map(|byte| byte | 1));
    bytes.extend((0..size).map(|at| ((at + index) % 251) as u8 | 1));
    let ticks = i64::from(codec.clock_rate()) / if codec == Codec::Opus { 50 } else { 30 };
    packetizer
        .packetize(index, i64::from(index) * ticks, key, bytes)
        .unwrap()
}

/// Carries what both ends signal until a condition holds.
pub(crate) async fn carry(a: &mut Peer, b: &mut Peer, what: &str, holds: impl Fn(&Peer, &Peer) -> bool) {
    carry_edited(a, b, what, |offer| offer, holds).await;
}

/// The same, with what becomes of an offer's text on the way.
pub(crate) async fn carry_edited(
    a: &mut Peer,
    b: &mut Peer,
    what: &str,
    edit: impl Fn(String) -> String,
    holds: impl Fn(&Peer, &Peer) -> bool,
) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let edited = |mut signaled: EngineEventKind| {
        if let EngineEventKind::LocalDescription(description) = &mut signaled
            && description.sdp_type == SdpType::Offer
        {
            description.sdp = edit(std::mem::take(&mut description.sdp));
        }
        signaled
    };
    loop {
        while let Some(signaled) = a.outbox.pop_front() {
            b.take(edited(signaled));
        }
        while let Some(signaled) = b.outbox.pop_front() {
            a.take(edited(signaled));
        }
        if holds(a, b) {
            return;
        }
        tokio::select! {
            Some(event) = a.events.recv() => a.note(event.kind),
            Some(event) = b.events.recv() => b.note(event.kind),
            () = tokio::time::sleep_until(deadline) => {
                panic!("not within {DEADLINE:?}: {what}; {:?} {:?}", a.errors, b.errors)
            }
        }
    }
}

/// Carries until both are connected, once more than they were.
pub(crate) async fn connect(a: &mut Peer, b: &mut Peer) {
    let (of_a, of_b) = (a.connected, b.connected);
    carry(a, b, "both connected", |a, b| {
        a.connected > of_a && b.connected > of_b
    })
    .await;
}
