//! One connection of a call: offers, answers and candidates in both directions.
//!
//! Owns what both ends say through the server. What passes on the wire is `wire`'s.

use greenroom::engine::ConnectionState;
use greenroom::trace::{FrameWay, TraceKind};
use serde_json::{Value, json};

use super::call::{BROADCASTER, BROADCASTER_ID, frame};
use super::description::{Credentials, Description, Medium, Section, Style, reversed};
use super::plan::{Change, End, Names, Trickle, Viewer};
use super::weave::{Knot, Weave};
use super::wire::{Generation, Wire};

/// One end of the connection.
struct Peer {
    /// The label of the bot.
    label: String,
    /// The name that the server gave it.
    id: String,
    connection: u64,
    /// What it does, one thing after the other.
    task: String,
    /// What the server brings it from the other end.
    channel: String,
    trickle: Trickle,
    credentials: Credentials,
    style: Style,
    setup: &'static str,
    renumbered: u8,
    /// What it said last.
    last: Option<Description>,
}

/// A connection in the making.
struct Play<'a> {
    weave: &'a mut Weave,
    broadcaster: Peer,
    viewer: Peer,
    wire: Wire,
    sections: Vec<Section>,
    generation: usize,
    mids: usize,
}

/// Adds the whole connection; gives what has to be over before the viewer leaves.
pub(crate) fn play(weave: &mut Weave, viewer: &Viewer, number: u64, label: &str, id: &str) -> Vec<Knot> {
    let [theirs, own] = &viewer.trickles;
    let peer = |label: &str, id: &str, connection, other: &str, trickle: &Trickle| Peer {
        label: label.to_owned(),
        id: id.to_owned(),
        connection,
        task: format!("{label} to {other}"),
        channel: format!("channel to {label} from {other}"),
        trickle: trickle.clone(),
        credentials: Credentials::new(&format!("{id}{other}"), 0),
        style: viewer.style,
        setup: "actpass",
        renumbered: 0,
        last: None,
    };
    let broadcaster = peer(BROADCASTER, BROADCASTER_ID, number, id, theirs);
    let answerer = Peer {
        setup: if viewer.is_active { "active" } else { "passive" },
        renumbered: if viewer.renumbers { 10 } else { 0 },
        ..peer(label, id, (1 << 32) + number, BROADCASTER_ID, own)
    };
    let wire = Wire::new(viewer, number, label, id, answerer.connection);
    let mut play = Play {
        weave,
        broadcaster,
        viewer: answerer,
        wire,
        sections: Vec::new(),
        generation: 0,
        mids: 0,
    };
    for medium in &viewer.media {
        let section = play.section(*medium);
        play.sections.push(section);
    }
    play.first(viewer);
    for change in &viewer.changes {
        play.change(*change);
    }
    play.ends()
}

impl Play<'_> {
    fn section(&mut self, medium: Medium) -> Section {
        self.mids += 1;
        Section {
            medium,
            mid: (self.mids - 1).to_string(),
            direction: "sendonly",
            rejected: false,
        }
    }

    /// The exchange that begins the connection, and what the wire shows of it.
    fn first(&mut self, viewer: &Viewer) {
        let opened = |peer: &Peer, other: &str| TraceKind::ConnectionOpened {
            connection: peer.connection,
            remote: other.to_owned(),
            wire_is_read: viewer.wire_is_read,
        };
        let open = opened(&self.broadcaster, &self.viewer.id);
        self.weave
            .add(&self.broadcaster.task, &self.broadcaster.label, open, &[]);
        let offer = describe(&mut self.broadcaster, &self.sections, true);
        let made = made(self.weave, &self.broadcaster, "offer");
        let early = self.candidates(true, true);
        let offered = self.say(true, "offer", &offer);
        self.candidates(true, false);
        let open = opened(&self.viewer, BROADCASTER_ID);
        self.weave
            .add(&self.viewer.task, &self.viewer.label, open, &[offered]);
        queued(self.weave, &self.viewer, &early);
        applied(self.weave, &self.viewer);
        let answer = describe(&mut self.viewer, &answered(&self.sections), true);
        let chosen = crate::connection::made(self.weave, &self.viewer, "answer");
        let early = self.candidates(false, true);
        let answered = self.say(false, "answer", &answer);
        self.candidates(false, false);
        self.weave.wait(&self.broadcaster.task, answered);
        queued(self.weave, &self.broadcaster, &early);
        let known = applied(self.weave, &self.broadcaster);
        let generation = self.generation_of(made, chosen, known);
        self.wire.connect(self.weave, &generation);
        self.send(known);
    }

    fn generation_of(&self, made: Knot, chosen: Knot, known: Knot) -> Generation {
        Generation {
            ufrags: [
                self.broadcaster.credentials.ufrag.clone(),
                self.viewer.credentials.ufrag.clone(),
            ],
            made,
            chosen,
            known,
        }
    }

    /// RTP of every section that sends and has not begun to.
    fn send(&mut self, known: Knot) {
        let Some(answer) = &self.viewer.last else { return };
        let sections = self.sections.iter().zip(&answer.sections);
        for (offered, accepted) in sections {
            let sends = !offered.rejected && !accepted.rejected && offered.direction == "sendonly";
            if sends && offered.medium != Medium::Data {
                let payload_type = answer.payload_type(offered.medium);
                self.wire
                    .media(self.weave, &offered.mid, offered.medium, payload_type, known);
            }
        }
    }

    /// A further exchange, if the change can be made.
    fn change(&mut self, change: Change) {
        let mut taken = true;
        let last_other = self
            .sections
            .iter()
            .rposition(|section| !section.rejected && section.medium != Medium::Video);
        match change {
            Change::Again => {}
            Change::Sound => {
                let sound = self
                    .sections
                    .iter_mut()
                    .find(|section| section.medium == Medium::Audio && !section.rejected);
                let Some(sound) = sound else { return };
                sound.direction = if sound.direction == "inactive" {
                    "sendonly"
                } else {
                    "inactive"
                };
            }
            Change::Add { medium, is_taken } => {
                taken = is_taken;
                let section = self.section(medium);
                self.sections.push(section);
            }
            Change::Stop => {
                let Some(at) = last_other.filter(|_| self.sections.len() > 1) else {
                    return;
                };
                self.sections[at].rejected = true;
            }
            Change::Recycle => {
                let ended = self.sections.iter().position(|section| section.rejected);
                let Some(ended) = ended else { return };
                self.sections[ended] = self.section(self.sections[ended].medium);
            }
            Change::Restart => return self.restart(),
        }
        self.exchange(taken);
    }

    /// Offer and answer once more, with nothing trickled.
    fn exchange(&mut self, taken: bool) {
        let offer = describe(&mut self.broadcaster, &self.sections, false);
        made(self.weave, &self.broadcaster, "offer");
        let offered = self.say(true, "offer", &offer);
        self.weave.wait(&self.viewer.task, offered);
        applied(self.weave, &self.viewer);
        let mut sections = answered(&self.sections);
        if let Some(section) = sections.last_mut().filter(|_| !taken) {
            section.rejected = true;
        }
        let answer = describe(&mut self.viewer, &sections, false);
        let chosen = made(self.weave, &self.viewer, "answer");
        let answered = self.say(false, "answer", &answer);
        self.wire.pause(self.weave, &self.sections, chosen, answered);
        self.weave.wait(&self.broadcaster.task, answered);
        let known = applied(self.weave, &self.broadcaster);
        self.send(known);
        if let Some(section) = self.sections.last_mut().filter(|_| !taken) {
            // What an answer rejects is offered with port 0 from then on (RFC 9429 section 5.2.2).
            section.rejected = true;
        }
    }

    /// ICE restarts: new credentials at both ends, new candidates, and the checks of before go on until a pair of the
    /// new generation is nominated (RFC 8445 section 9).
    fn restart(&mut self) {
        self.generation += 1;
        for knot in self.wire.connected() {
            self.weave.wait(&self.broadcaster.task, knot);
        }
        for (peer, other) in [
            (&mut self.broadcaster, self.viewer.id.clone()),
            (&mut self.viewer, BROADCASTER_ID.to_owned()),
        ] {
            peer.credentials = Credentials::new(&format!("{}{other}", peer.id), self.generation);
        }
        let offer = describe(&mut self.broadcaster, &self.sections, true);
        let made = made(self.weave, &self.broadcaster, "offer");
        let offered = self.say(true, "offer", &offer);
        self.wire.consent(self.weave, offered);
        self.candidates(true, false);
        self.weave.wait(&self.viewer.task, offered);
        applied(self.weave, &self.viewer);
        let answer = describe(&mut self.viewer, &answered(&self.sections), true);
        let chosen = crate::connection::made(self.weave, &self.viewer, "answer");
        let answered = self.say(false, "answer", &answer);
        self.wire.pause(self.weave, &self.sections, chosen, answered);
        self.candidates(false, false);
        self.weave.wait(&self.broadcaster.task, answered);
        let known = applied(self.weave, &self.broadcaster);
        let generation = self.generation_of(made, chosen, known);
        self.wire.restart(self.weave, &generation);
    }

    /// A description leaves one end and comes to the other.
    fn say(&mut self, is_offer: bool, kind: &str, sdp: &str) -> Knot {
        self.tell(is_offer, json!({"type": kind, kind: {"type": kind, "sdp": sdp}}))
    }

    /// A message from the broadcaster to the viewer or the other way; gives its arrival.
    fn tell(&mut self, from_broadcaster: bool, message: Value) -> Knot {
        let (from, to) = if from_broadcaster {
            (&self.broadcaster, &self.viewer)
        } else {
            (&self.viewer, &self.broadcaster)
        };
        let (mut sent, mut arrives) = (message.clone(), message);
        sent["to"] = json!(to.id);
        arrives["from"] = json!(from.id);
        let sent = self
            .weave
            .add(&from.task, &from.label, frame(FrameWay::Out, &sent), &[]);
        self.weave
            .add(&to.channel, &to.label, frame(FrameWay::In, &arrives), &[sent])
    }

    /// Trickles the candidates of one end, those before its description or those after it and their end.
    fn candidates(&mut self, of_broadcaster: bool, early: bool) -> Vec<Knot> {
        let peer = if of_broadcaster {
            &self.broadcaster
        } else {
            &self.viewer
        };
        let trickle = peer.trickle.clone();
        let ufrag = peer.credentials.ufrag.clone();
        let Some(at) = self.sections.iter().position(|section| !section.rejected) else {
            return Vec::new();
        };
        let mid = self.sections[at].mid.clone();
        let (from, to) = if early {
            (0, trickle.early)
        } else {
            (trickle.early, trickle.early + trickle.later)
        };
        let mut arrivals = Vec::new();
        for number in from..to {
            let mut init = json!({"candidate": candidate(number + 10, self.generation)});
            if trickle.names != Names::Index {
                init["sdpMid"] = json!(mid);
            }
            if trickle.names != Names::Mid {
                init["sdpMLineIndex"] = json!(at);
            }
            if trickle.has_ufrag {
                init["usernameFragment"] = json!(ufrag);
            }
            arrivals.push(self.tell(of_broadcaster, json!({"type": "candidate", "candidate": init})));
        }
        let end = match trickle.end {
            _ if early => return arrivals,
            End::Unsaid | End::Written => return arrivals,
            End::Bare => json!({"type": "end-of-candidates"}),
            End::Named => json!({"type": "end-of-candidates", "usernameFragment": ufrag}),
            End::Empty => json!({"type": "candidate",
                "candidate": {"candidate": "", "sdpMid": mid, "sdpMLineIndex": at, "usernameFragment": ufrag}}),
        };
        arrivals.push(self.tell(of_broadcaster, end));
        arrivals
    }

    /// What has to be over before the viewer leaves: everything that it does and gets, and the wire.
    fn ends(self) -> Vec<Knot> {
        let closed = TraceKind::Connection {
            connection: self.viewer.connection,
            state: ConnectionState::Closed,
        };
        let mut ends = self.wire.ends();
        let threads = [
            &self.viewer.task,
            &self.viewer.channel,
            &self.broadcaster.task,
            &self.broadcaster.channel,
        ];
        ends.extend(threads.into_iter().filter_map(|thread| self.weave.last(thread)));
        vec![
            self.weave
                .add(&self.viewer.task, &self.viewer.label, closed, &ends),
        ]
    }
}

/// A candidate's line, a different one for each number and generation.
fn candidate(number: u8, generation: usize) -> String {
    format!(
        "candidate:{number} 1 udp {} 10.0.{generation}.{number} 5000 typ host",
        2_130_706_431 - u64::from(number)
    )
}

/// The sections as the viewer answers them: the same, the other way round.
fn answered(sections: &[Section]) -> Vec<Section> {
    let answer = |section: &Section| Section {
        direction: reversed(section.direction),
        ..section.clone()
    };
    sections.iter().map(answer).collect()
}

/// The next description of one end. Its session version rises by 1 if it says something new.
fn describe(peer: &mut Peer, sections: &[Section], gathers: bool) -> String {
    let written = if gathers { peer.trickle.written } else { 0 };
    let generation = usize::from(peer.last.is_some()) * 100;
    let mut next = Description {
        style: peer.style,
        who: peer.id.clone(),
        version: peer.last.as_ref().map_or(2, |last| last.version),
        setup: peer.setup,
        credentials: peer.credentials.clone(),
        sections: sections.to_vec(),
        renumbered: peer.renumbered,
        candidates: (0..written).map(|number| candidate(number, generation)).collect(),
        ended: gathers && peer.trickle.end == End::Written,
    };
    if peer.last.as_ref().is_some_and(|last| last.text() != next.text()) {
        next.version += 1;
    }
    let text = next.text();
    peer.last = Some(next);
    text
}

fn made(weave: &mut Weave, peer: &Peer, sdp_type: &str) -> Knot {
    let made = TraceKind::LocalDescription {
        connection: peer.connection,
        sdp_type: sdp_type.to_owned(),
    };
    weave.add(&peer.task, &peer.label, made, &[])
}

fn applied(weave: &mut Weave, peer: &Peer) -> Knot {
    let connection = peer.connection;
    let applied = TraceKind::RemoteDescriptionApplied { connection };
    weave.add(&peer.task, &peer.label, applied, &[])
}

/// Early candidates wait for the remote description.
fn queued(weave: &mut Weave, peer: &Peer, early: &[Knot]) {
    for knot in early {
        let connection = peer.connection;
        weave.add(
            &peer.task,
            &peer.label,
            TraceKind::CandidateQueued { connection },
            &[*knot],
        );
    }
}
