//! A call after a [`Plan`]: who joins and leaves, what the room says, and what each bot's trace shows of it.
//!
//! Owns the room. What two peers say to each other is `connection`'s; neither judges.

use greenroom::trace::{FrameWay, TraceEvent, TraceKind};
use serde_json::{Value, json};

use super::connection;
use super::plan::{Ending, Plan, Viewer};
use super::weave::{Knot, Weave};

/// The label of the broadcaster's bot.
pub(crate) const BROADCASTER: &str = "broadcaster";
/// The name that the server gives it.
pub(crate) const BROADCASTER_ID: &str = "b1";
/// Its thread of room messages.
const ROOM: &str = "room to broadcaster";

/// A viewer that is in the room.
struct Member {
    label: String,
    id: String,
    joined: Knot,
}

/// A call in the making.
struct Call {
    weave: Weave,
    members: Vec<Member>,
    /// Names that the server has given.
    names: usize,
    version: u64,
    seq: u64,
    connections: u64,
    /// When the broadcaster was let in, as soon as it was.
    broadcaster: Option<Knot>,
}

/// The trace of the call, with a second and more of silence at its end, so that nothing is still under way.
pub(crate) fn trace(plan: &Plan) -> Vec<TraceEvent> {
    let mut call = Call {
        weave: Weave::default(),
        members: Vec::new(),
        names: 1,
        version: 0,
        seq: 0,
        connections: 0,
        broadcaster: None,
    };
    let first = |viewer: &&(usize, &Viewer)| viewer.1.comes_first;
    let viewers: Vec<(usize, &Viewer)> = plan.viewers.iter().enumerate().collect();
    let waiting: Vec<Member> = viewers
        .iter()
        .filter(first)
        .map(|(number, _)| call.join(*number))
        .collect();
    call.broadcast();
    let mut sessions = Vec::new();
    for ((number, viewer), member) in viewers.iter().filter(first).zip(waiting) {
        call.announce(&member, true);
        sessions.push((*number, *viewer, member));
    }
    for (number, viewer, member) in sessions {
        call.session(number, viewer, member);
    }
    for (number, viewer) in viewers.iter().filter(|viewer| !first(viewer)) {
        let member = call.join(*number);
        call.announce(&member, false);
        call.session(*number, viewer, member);
    }
    let mut events = call.weave.events(&plan.order);
    let end = events.last().map_or(0, |event| event.at_us) + 2_000_000;
    events.push(event(
        end,
        BROADCASTER,
        TraceKind::KeyFrame { index: 0, bytes: 0 },
    ));
    events
}

/// An event.
pub(crate) fn event(at_us: u64, peer: &str, event: TraceKind) -> TraceEvent {
    let peer = peer.to_owned();
    TraceEvent { at_us, peer, event }
}

/// A frame that a bot sent or got.
pub(crate) fn frame(way: FrameWay, frame: &Value) -> TraceKind {
    TraceKind::Signaling {
        way,
        frame: frame.to_string(),
        means: Vec::new(),
    }
}

impl Call {
    fn state(&self) -> Value {
        json!({"version": self.version, "muted": {"audio": self.version % 2 == 1, "video": false}, "stopped": false})
    }

    /// A viewer asks to enter and is let in.
    fn join(&mut self, number: usize) -> Member {
        let label = format!("viewer-{}", number + 1);
        self.names += 1;
        let id = format!("v{}", self.names);
        let bot = format!("bot {label}");
        self.weave
            .add(&bot, &label, TraceKind::native_signaling_open(), &[]);
        let join = json!({"type": "viewer", "room": "lobby", "protocol": 1});
        let asked = self.weave.add(&bot, &label, frame(FrameWay::Out, &join), &[]);
        let peers = if self.broadcaster.is_some() {
            json!([{"id": BROADCASTER_ID, "role": "broadcaster"}])
        } else {
            json!([])
        };
        let joined = json!({"type": "joined", "protocol": 1, "id": id, "role": "viewer", "room": "lobby",
            "state": self.state(), "peers": peers});
        let after: Vec<Knot> = [asked].into_iter().chain(self.broadcaster).collect();
        let room = format!("room to {id}");
        let joined = self
            .weave
            .add(&room, &label, frame(FrameWay::In, &joined), &after);
        Member { label, id, joined }
    }

    fn broadcast(&mut self) {
        let bot = "bot broadcaster";
        self.weave
            .add(bot, BROADCASTER, TraceKind::native_signaling_open(), &[]);
        let join = json!({"type": "broadcaster", "room": "lobby", "protocol": 1});
        let asked = self.weave.add(bot, BROADCASTER, frame(FrameWay::Out, &join), &[]);
        let joined = json!({"type": "joined", "protocol": 1, "id": BROADCASTER_ID, "role": "broadcaster",
            "room": "lobby", "state": self.state(), "peers": []});
        let joined = frame(FrameWay::In, &joined);
        self.broadcaster = Some(self.weave.add(ROOM, BROADCASTER, joined, &[asked]));
    }

    /// The broadcaster hears of a viewer, and the viewer of the broadcaster if it was there before.
    fn announce(&mut self, member: &Member, waited: bool) {
        let asked = self.weave.last(&format!("bot {}", member.label));
        let after: Vec<Knot> = self.broadcaster.into_iter().chain(asked).collect();
        let news = json!({"type": "new-viewer", "id": member.id});
        let heard = self
            .weave
            .add(ROOM, BROADCASTER, frame(FrameWay::In, &news), &after);
        self.weave.wait(&format!("broadcaster to {}", member.id), heard);
        // Nothing of the room comes before the answer to a join.
        self.weave.wait(
            &format!("channel to {} from {BROADCASTER_ID}", member.label),
            member.joined,
        );
        if waited {
            let news = json!({"type": "broadcaster-joined", "id": BROADCASTER_ID});
            let room = format!("room to {}", member.id);
            self.weave
                .add(&room, &member.label, frame(FrameWay::In, &news), &after);
        }
    }

    /// Everything that a viewer does in the room, and again if it returns.
    fn session(&mut self, number: usize, viewer: &Viewer, member: Member) {
        self.members.push(Member {
            label: member.label.clone(),
            id: member.id.clone(),
            joined: member.joined,
        });
        self.talk(viewer, &member);
        self.connections += 1;
        let ends = connection::play(
            &mut self.weave,
            viewer,
            self.connections,
            &member.label,
            &member.id,
        );
        if viewer.ending == Ending::Stays {
            return;
        }
        self.leave(&member, &ends);
        if viewer.ending == Ending::Returns {
            let again = self.join(number);
            self.announce(&again, false);
            let last = Viewer {
                ending: Ending::Stays,
                ..viewer.clone()
            };
            self.session(number, &last, again);
        }
    }

    /// It chats and the broadcaster mutes; everybody in the room hears of both.
    fn talk(&mut self, viewer: &Viewer, member: &Member) {
        for _ in 0..viewer.chats {
            self.seq += 1;
            let says = json!({"type": "chat", "message": "<5 characters redacted>"});
            let thread = format!("chat of {}", member.id);
            let said = self.weave.add(
                &thread,
                &member.label,
                frame(FrameWay::Out, &says),
                &[member.joined],
            );
            let line = json!({"type": "chat", "from": member.id, "message": "<5 characters redacted>", "seq": self.seq});
            self.tell_all(&line, said);
        }
        for _ in 0..viewer.states {
            self.version += 1;
            let kind = if self.version % 2 == 1 { "mute" } else { "unmute" };
            let after: Vec<Knot> = self.broadcaster.into_iter().chain([member.joined]).collect();
            let asks = frame(FrameWay::Out, &json!({"type": kind, "media": "audio"}));
            let asked = self.weave.add("mutes", BROADCASTER, asks, &after);
            let mut state = self.state();
            state["type"] = json!("state");
            self.tell_all(&state, asked);
        }
    }

    fn tell_all(&mut self, message: &Value, after: Knot) {
        let everybody = self
            .members
            .iter()
            .map(|member| (format!("room to {}", member.id), member.label.as_str()));
        for (room, label) in everybody.chain([(ROOM.to_owned(), BROADCASTER)]) {
            self.weave
                .add(&room, label, frame(FrameWay::In, message), &[after]);
        }
    }

    /// A viewer leaves when everything that was meant for it has come.
    fn leave(&mut self, member: &Member, ends: &[Knot]) {
        self.members.retain(|other| other.id != member.id);
        let bot = format!("bot {}", member.label);
        for end in ends {
            self.weave.wait(&bot, *end);
        }
        let room = self.weave.last(&format!("room to {}", member.id));
        let chat = self.weave.last(&format!("chat of {}", member.id));
        for knot in [room, chat].into_iter().flatten() {
            self.weave.wait(&bot, knot);
        }
        let leaves = frame(FrameWay::Out, &json!({"type": "leave"}));
        let left = self.weave.add(&bot, &member.label, leaves, &[]);
        let closed = TraceKind::SignalingClosed {
            reason: "left".to_owned(),
        };
        self.weave.add(&bot, &member.label, closed, &[]);
        // One more candidate crosses the leaving, and nobody is there to take it.
        let candidate = json!({"type": "candidate", "to": member.id, "candidate": {
            "candidate": "candidate:9 1 udp 1 10.0.0.9 5009 typ host", "sdpMid": "0", "sdpMLineIndex": 0}});
        let late = format!("late word to {}", member.id);
        let sent = self
            .weave
            .add(&late, BROADCASTER, frame(FrameWay::Out, &candidate), &[left]);
        let news = json!({"type": "viewer-left", "id": member.id});
        self.weave
            .add(ROOM, BROADCASTER, frame(FrameWay::In, &news), &[left]);
        let error = json!({"type": "error", "code": "unknown-target", "message": "gone", "to": member.id});
        self.weave
            .add(ROOM, BROADCASTER, frame(FrameWay::In, &error), &[sent]);
    }
}
