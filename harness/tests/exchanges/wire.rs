//! What a connection's wire shows at both ends: connectivity checks, the DTLS handshake, the first packets.
//!
//! Owns the datagrams that a trace names. Who sends what when follows from the descriptions, which are `connection`'s.

use greenroom::engine::{ConnectionState, IceConnectionState};
use greenroom::media::kind::MediaKind;
use greenroom::trace::{DtlsSeen, FrameWay, StunSeen, TraceKind};

use super::call::BROADCASTER;
use super::description::{Medium, Section, fingerprint};
use super::plan::Viewer;
use super::weave::{Knot, Weave};

/// A generation of ICE.
pub(crate) struct Generation {
    /// The broadcaster's fragment and the viewer's.
    pub(crate) ufrags: [String; 2],
    /// When the offer was made: its maker answers checks from then on.
    pub(crate) made: Knot,
    /// When the answer was made: its maker checks from then on.
    pub(crate) chosen: Knot,
    /// When the offerer had applied the answer.
    pub(crate) known: Knot,
}

/// The first packet of a section that sends.
struct Stream {
    mid: String,
    left: Knot,
    came: Knot,
    /// An answer has ended it.
    is_paused: bool,
}

/// The wire of one connection. The broadcaster is end 0, the viewer end 1.
pub(crate) struct Wire {
    labels: [String; 2],
    ids: [String; 2],
    connections: [u64; 2],
    name: String,
    client: usize,
    is_read: bool,
    ufrags: [String; 2],
    /// Checks of the generation that is in force, which end with the next nomination.
    checks: Vec<Knot>,
    connected: Option<[Knot; 2]>,
    streams: Vec<Stream>,
    last: Vec<Knot>,
    transactions: usize,
}

impl Wire {
    pub(crate) fn new(viewer: &Viewer, number: u64, label: &str, id: &str, connection: u64) -> Self {
        Self {
            labels: [BROADCASTER.to_owned(), label.to_owned()],
            ids: [super::call::BROADCASTER_ID.to_owned(), id.to_owned()],
            connections: [number, connection],
            name: format!("wire of {id}"),
            client: usize::from(viewer.is_active),
            is_read: viewer.wire_is_read,
            ufrags: [String::new(), String::new()],
            checks: Vec::new(),
            connected: None,
            streams: Vec::new(),
            last: Vec::new(),
            transactions: 0,
        }
    }

    /// When both ends were connected.
    pub(crate) fn connected(&self) -> Vec<Knot> {
        self.connected.into_iter().flatten().collect()
    }

    /// The last events.
    pub(crate) fn ends(&self) -> Vec<Knot> {
        let mut ends = self.connected();
        ends.extend(&self.last);
        ends.extend(&self.checks);
        ends
    }

    /// Checks, handshake and states until both ends are connected.
    pub(crate) fn connect(&mut self, weave: &mut Weave, generation: &Generation) {
        let chosen = self.pair(weave, generation);
        // Who has a valid pair may begin DTLS before it is nominated (RFC 8445 section 12.1), and also before the
        // answer has come to the offerer.
        let begins = if self.client == 1 {
            chosen.valid
        } else {
            chosen.nominated[0]
        };
        self.connected = Some(self.handshake(weave, begins, generation, chosen.nominated));
    }

    /// Checks and nomination of a new generation, over the running association.
    pub(crate) fn restart(&mut self, weave: &mut Weave, generation: &Generation) {
        self.pair(weave, generation);
    }

    /// Both ends ask for consent once more, in the generation that is in force.
    pub(crate) fn consent(&mut self, weave: &mut Weave, after: Knot) {
        for end in [0, 1] {
            let request = self.request(end, false);
            let passage = self.transaction(weave, end, request, &[after], &[]);
            self.checks.extend(passage);
        }
    }

    /// The first packet of a section's stream, once.
    pub(crate) fn media(
        &mut self,
        weave: &mut Weave,
        mid: &str,
        medium: Medium,
        payload_type: u8,
        known: Knot,
    ) {
        let Some([ours, theirs]) = self.connected else {
            return;
        };
        if self.streams.iter().any(|stream| stream.mid == mid) {
            return;
        }
        let ssrc = 1_000 + self.streams.len() as u32;
        let rtp = |connection, way| TraceKind::Rtp {
            connection,
            way,
            payload_type,
            ssrc,
        };
        let task = format!("{} media {mid}", self.name);
        let (left, came) = if self.is_read {
            let sent = self.add(
                weave,
                &task,
                0,
                rtp(self.connections[0], FrameWay::Out),
                &[ours, known],
            );
            let rtp = rtp(self.connections[1], FrameWay::In);
            (sent, self.add(weave, &task, 1, rtp, &[theirs]))
        } else {
            (known, theirs)
        };
        let connection = self.connections[1];
        let media = if medium == Medium::Video {
            MediaKind::Video
        } else {
            MediaKind::Audio
        };
        let first = TraceKind::FirstPacket { connection, media };
        let mut last = self.add(weave, &task, 1, first, &[came, known]);
        if medium == Medium::Video {
            let bytes = 2_752;
            last = self.add(weave, &task, 1, TraceKind::FirstFrame { connection, bytes }, &[]);
        }
        self.last.push(last);
        self.streams.push(Stream {
            mid: mid.to_owned(),
            left,
            came,
            is_paused: false,
        });
    }

    /// Sections that do not send any more: their packets left before the answer said so, and come before the
    /// viewer answers once more.
    pub(crate) fn pause(&mut self, weave: &mut Weave, sections: &[Section], chosen: Knot, answered: Knot) {
        let sends = |mid: &str| {
            sections
                .iter()
                .any(|section| section.mid == mid && !section.rejected && section.direction == "sendonly")
        };
        if !self.is_read {
            return;
        }
        for stream in &mut self.streams {
            if stream.is_paused {
                weave.order(stream.came, chosen);
            } else if !sends(&stream.mid) {
                weave.order(stream.left, answered);
                stream.is_paused = true;
            }
        }
    }

    fn add(&self, weave: &mut Weave, task: &str, end: usize, event: TraceKind, after: &[Knot]) -> Knot {
        weave.add(task, &self.labels[end], event, after)
    }

    fn state(&self, weave: &mut Weave, end: usize, state: IceConnectionState, after: &[Knot]) -> Knot {
        let connection = self.connections[end];
        let task = format!("{} ice {end}", self.name);
        self.add(weave, &task, end, TraceKind::Ice { connection, state }, after)
    }

    /// A binding request of one end (RFC 8445 section 7.2.2).
    fn request(&self, end: usize, use_candidate: bool) -> StunSeen {
        StunSeen {
            class: "request".to_owned(),
            username: Some(format!("{}:{}", self.ufrags[1 - end], self.ufrags[end])),
            controlling: Some(end == 0),
            tie_breaker: Some(7 + end as u64),
            use_candidate,
            integrity: Some(true),
            ..StunSeen::default()
        }
    }

    /// A request of one end and its answer; gives when it left, came, and was answered.
    fn transaction(
        &mut self,
        weave: &mut Weave,
        end: usize,
        request: StunSeen,
        after: &[Knot],
        heard_after: &[Knot],
    ) -> [Knot; 3] {
        self.transactions += 1;
        let task = format!("{} transaction {}", self.name, self.transactions);
        let success = StunSeen {
            class: "success".to_owned(),
            integrity: Some(true),
            ..StunSeen::default()
        };
        let stun = |end: usize, way, message: &StunSeen| TraceKind::Stun {
            connection: self.connections[end],
            way,
            remote: format!("10.0.{}.2:5000", 2 - end),
            message: message.clone(),
        };
        let other = 1 - end;
        let left = self.add(weave, &task, end, stun(end, FrameWay::Out, &request), after);
        let came = self.add(
            weave,
            &task,
            other,
            stun(other, FrameWay::In, &request),
            heard_after,
        );
        self.add(weave, &task, other, stun(other, FrameWay::Out, &success), &[]);
        let answered = self.add(weave, &task, end, stun(end, FrameWay::In, &success), &[]);
        [left, came, answered]
    }

    /// Ordinary checks both ways, one that is lost, and the nomination by the offerer, which controls.
    fn pair(&mut self, weave: &mut Weave, generation: &Generation) -> Chosen {
        self.ufrags.clone_from(&generation.ufrags);
        let before = std::mem::take(&mut self.checks);
        let Generation {
            made, chosen, known, ..
        } = *generation;
        self.state(weave, 0, IceConnectionState::Checking, &[known]);
        self.state(weave, 1, IceConnectionState::Checking, &[chosen]);
        let check = self.request(1, false);
        let theirs = self.transaction(weave, 1, check.clone(), &[chosen], &[made]);
        let lost = TraceKind::Stun {
            connection: self.connections[1],
            way: FrameWay::Out,
            remote: "10.0.1.2:5001".to_owned(),
            message: check,
        };
        let lost = self.add(
            weave,
            &format!("{} lost {}", self.name, self.transactions),
            1,
            lost,
            &[chosen],
        );
        let check = self.request(0, false);
        let ours = self.transaction(weave, 0, check, &[known], &[chosen]);
        let nomination = self.request(0, true);
        let mut after = vec![ours[2]];
        // Checks of the generation before end when the new one has its pair.
        after.extend(before);
        let nomination = self.transaction(weave, 0, nomination, &after, &[]);
        let nominated = [
            self.state(weave, 0, IceConnectionState::Connected, &[nomination[2]]),
            self.state(weave, 1, IceConnectionState::Connected, &[nomination[1]]),
        ];
        self.checks.extend(theirs);
        self.checks.extend(ours);
        self.checks.extend(nomination);
        self.checks.push(lost);
        Chosen {
            valid: theirs[2],
            nominated,
        }
    }

    /// The DTLS 1.2 handshake, flight by flight (RFC 6347 section 4.2.4), and the states that follow.
    fn handshake(
        &mut self,
        weave: &mut Weave,
        begins: Knot,
        generation: &Generation,
        nominated: [Knot; 2],
    ) -> [Knot; 2] {
        let (client, server) = (self.client, 1 - self.client);
        let task = format!("{} dtls", self.name);
        let known = [generation.known, generation.chosen];
        let state = |end: usize| TraceKind::Connection {
            connection: self.connections[end],
            state: ConnectionState::Connected,
        };
        weave.wait(&task, begins);
        if self.is_read {
            let hello = DtlsSeen::ClientHello {
                version: 0xfefd,
                srtp_profiles: vec![7, 1],
            };
            let answer = DtlsSeen::ServerHello {
                version: 0xfefd,
                cipher: 0xc02b,
                srtp_profile: Some(7),
            };
            let certificate = |end: usize| DtlsSeen::Certificate {
                fingerprint: fingerprint(&self.ids[end]),
            };
            self.pass(weave, &task, client, &[hello]);
            self.pass(weave, &task, server, &[answer, certificate(server)]);
            self.pass(
                weave,
                &task,
                client,
                &[certificate(client), DtlsSeen::ChangeCipherSpec],
            );
            self.pass(weave, &task, server, &[DtlsSeen::ChangeCipherSpec]);
        }
        let mut connected = [0, 1].map(|end| {
            let after = [known[end], nominated[end]];
            self.add(weave, &task, end, state(end), &after)
        });
        if let Some(last) = connected.last_mut() {
            self.last.push(*last);
        }
        connected
    }

    /// A flight leaves one end and comes to the other.
    fn pass(&self, weave: &mut Weave, task: &str, from: usize, flight: &[DtlsSeen]) {
        for (end, way) in [(from, FrameWay::Out), (1 - from, FrameWay::In)] {
            for message in flight {
                let connection = self.connections[end];
                let message = message.clone();
                let seen = TraceKind::Dtls {
                    connection,
                    way,
                    message,
                };
                self.add(weave, task, end, seen, &[]);
            }
        }
    }
}

/// A pair that was chosen.
struct Chosen {
    /// When the viewer had a valid one.
    valid: Knot,
    /// When each end was connected.
    nominated: [Knot; 2],
}
