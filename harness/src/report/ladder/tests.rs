use super::*;
use crate::engine::{ConnectionState, IceConnectionState};
use crate::media::kind::MediaKind;
use crate::rules::{CauseKind, Checker};
use crate::trace::{DtlsSeen, StunSeen};

/// A trace in the making: one millisecond an event.
#[derive(Default)]
struct Script {
    events: Vec<TraceEvent>,
}

impl Script {
    fn event(&mut self, peer: &str, event: TraceKind) -> &mut Self {
        let at_us = self.events.len() as u64 * 1_000;
        let peer = peer.to_owned();
        self.events.push(TraceEvent { at_us, peer, event });
        self
    }

    fn frame(&mut self, peer: &str, way: FrameWay, frame: &str) -> &mut Self {
        self.event(peer, TraceKind::frame(way, frame))
    }

    /// A frame of another protocol, by what it means.
    fn means(&mut self, peer: &str, way: FrameWay, message: &str) -> &mut Self {
        let frame = format!("foreign {message}");
        let means = vec![message.to_owned()];
        self.event(peer, TraceKind::Signaling { way, frame, means })
    }

    fn join(&mut self, peer: &str, name: &str) -> &mut Self {
        let role = if peer == "broadcaster" { peer } else { "viewer" };
        self.frame(peer, FrameWay::Out, &format!(r#"{{"type":"{role}","room":"r"}}"#));
        self.frame(
            peer,
            FrameWay::In,
            &format!(r#"{{"type":"joined","id":"{name}","role":"{role}"}}"#),
        );
        if peer != "broadcaster" {
            let told = format!(r#"{{"type":"new-viewer","id":"{name}"}}"#);
            self.frame("broadcaster", FrameWay::In, &told);
        }
        self
    }

    fn said(&mut self, peer: &str, kind: &str, to: &str) -> &mut Self {
        self.frame(peer, FrameWay::Out, &message(kind, "to", to, kind))
    }

    fn heard(&mut self, peer: &str, kind: &str, from: &str) -> &mut Self {
        self.frame(peer, FrameWay::In, &message(kind, "from", from, kind))
    }

    fn opened(&mut self, peer: &str, connection: u64, remote: &str) -> &mut Self {
        let remote = remote.to_owned();
        self.event(
            peer,
            TraceKind::ConnectionOpened {
                connection,
                remote,
                wire_is_read: true,
            },
        )
    }

    fn applied(&mut self, peer: &str, connection: u64) -> &mut Self {
        self.event(peer, TraceKind::RemoteDescriptionApplied { connection })
    }

    fn checks(&mut self, peer: &str, connection: u64, count: usize, answered: usize) -> &mut Self {
        let stun = |way, class: &str| TraceKind::Stun {
            connection,
            way,
            remote: "10.0.0.1:5000".to_owned(),
            message: StunSeen {
                class: class.to_owned(),
                ..StunSeen::default()
            },
        };
        for number in 0..count {
            self.event(peer, stun(FrameWay::Out, "request"));
            if number < answered {
                self.event(peer, stun(FrameWay::In, "success"));
            }
        }
        self
    }

    /// Up to the answer, which was sent and not relayed yet.
    fn until_answer(&mut self) -> &mut Self {
        self.join("broadcaster", "b1")
            .join("viewer-1", "v1")
            .opened("broadcaster", 1, "v1");
        self.said("broadcaster", "offer", "v1")
            .said("broadcaster", "candidate", "v1");
        self.said("broadcaster", "candidate", "v1")
            .said("broadcaster", "candidate", "v1");
        self.heard("viewer-1", "offer", "b1").opened("viewer-1", 2, "b1");
        self.heard("viewer-1", "candidate", "b1")
            .heard("viewer-1", "candidate", "b1");
        self.heard("viewer-1", "candidate", "b1").applied("viewer-1", 2);
        self.said("viewer-1", "answer", "b1")
    }

    /// Up to the first packets at the viewer.
    fn until_media(&mut self) -> &mut Self {
        self.until_answer()
            .heard("broadcaster", "answer", "v1")
            .applied("broadcaster", 1)
            .connected()
    }

    fn connected(&mut self) -> &mut Self {
        for (peer, connection) in [("broadcaster", 1), ("viewer-1", 2)] {
            let ice = |state| TraceKind::Ice { connection, state };
            self.event(peer, ice(IceConnectionState::Checking))
                .checks(peer, connection, 3, 2);
            self.event(peer, ice(IceConnectionState::Connected));
        }
        let dtls = |connection, way, message| TraceKind::Dtls {
            connection,
            way,
            message,
        };
        let hello = DtlsSeen::ClientHello {
            version: 0xfefd,
            srtp_profiles: vec![1],
        };
        let certificate = DtlsSeen::Certificate {
            fingerprint: "AB:CD:EF:01".to_owned(),
        };
        self.event("viewer-1", dtls(2, FrameWay::Out, hello));
        self.event("viewer-1", dtls(2, FrameWay::In, certificate));
        for (peer, connection) in [("broadcaster", 1), ("viewer-1", 2)] {
            let state = ConnectionState::Connected;
            self.event(peer, TraceKind::Connection { connection, state });
        }
        let media = MediaKind::Video;
        self.event("viewer-1", TraceKind::FirstPacket { connection: 2, media })
    }

    /// Long enough that nothing is on its way any more.
    fn later(&mut self) -> &mut Self {
        self.event("run", TraceKind::FrameCorrupt { index: 0 });
        if let Some(event) = self.events.last_mut() {
            event.at_us += 5_000_000;
        }
        self
    }

    fn drawn(&self, peer: Option<&str>) -> (String, Diagnosis) {
        let mut checker = Checker::default();
        self.events.iter().for_each(|event| checker.observe(event));
        let diagnosis = checker.finish();
        let text = ladder(&self.events, &diagnosis, peer);
        assert!(text.lines().count() <= MAX_LINES, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= draw::WIDTH),
            "{text}"
        );
        (text, diagnosis)
    }
}

fn message(kind: &str, side: &str, peer: &str, content: &str) -> String {
    match kind {
        "candidate" => format!(
            r#"{{"type":"candidate","{side}":"{peer}","candidate":{{"candidate":"{content}","sdpMid":"0"}}}}"#
        ),
        _ => {
            format!(r#"{{"type":"{kind}","{side}":"{peer}","{kind}":{{"type":"{kind}","sdp":"{content}"}}}}"#)
        }
    }
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// The only line of the drawing with this in it.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let drawn = |line: &&str| line.contains('│') && line.contains(part);
    let mut lines = text.lines().filter(drawn);
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("{part:?} is not in\n{text}"));
    assert_eq!(lines.next(), None, "{text}");
    line
}

#[test]
fn a_healthy_join_reads_from_the_join_to_the_first_key_frame() {
    let mut script = Script::default();
    script.until_media();
    script.event(
        "viewer-1",
        TraceKind::FirstFrame {
            connection: 2,
            bytes: 100,
        },
    );
    let (text, diagnosis) = script.later().drawn(None);
    assert!(diagnosis.causes.is_empty(), "{diagnosis:?}");
    let parts = [
        "join as broadcaster",
        "joined b1",
        "new-viewer v1",
        "offer to v1",
        "offer from b1",
        "3 candidates",
        "answer to b1",
        "answer from v1",
        "* applied the remote description",
        "ICE checking",
        "3 checks sent, 2 answers got",
        "ICE connected",
        "DTLS ClientHello sent",
        "certificate AB:CD:EF… got",
        "* connected",
        "first packet (video)",
        "* first key frame",
        "viewer-1 has a picture from",
    ];
    has(&text, &parts);
    assert!(
        // The legend names the marks.
        text.lines()
            .skip(3)
            .all(|line| !line.contains("never arrived)") && !line.contains("(!)")),
        "{text}"
    );
    assert!(line(&text, "answer to b1").contains('<'), "{text}");
}

#[test]
fn an_answer_that_never_arrives_ends_before_its_target() {
    let mut script = Script::default();
    let (text, diagnosis) = script.until_answer().later().drawn(Some("viewer-1"));
    assert_eq!(diagnosis.causes[0].kind, CauseKind::AnswerNeverRelayed);
    assert!(line(&text, "answer to b1").contains("x───"), "{text}");
    has(
        &text,
        &[
            "(never arrived)",
            "<<< answer-never-relayed",
            "<<< SG-05",
            "never had a picture",
            "fix: ",
        ],
    );
}

#[test]
fn greenrooms_own_server_tells_on_which_hop_it_was_lost() {
    let mut script = Script::default();
    script.until_answer();
    let frame = message("answer", "to", "b1", "answer");
    script.frame("server/v1", FrameWay::In, &frame);
    let (read, _) = script.later().drawn(None);
    has(
        &read,
        &[
            "the server read it (#",
            "(never arrived) the server sent nothing on to",
            "broadcaster",
        ],
    );
    assert!(!line(&read, "answer to b1").contains("x─"), "{read}");
    assert!(line(&read, "answer from v1").contains("x─"), "{read}");

    let mut script = Script::default();
    script
        .until_answer()
        .frame("server/b1", FrameWay::In, r#"{"type":"stop"}"#);
    let (unread, _) = script.later().drawn(None);
    has(&unread, &["(never arrived) the server never read it"]);
    assert!(line(&unread, "answer to b1").contains("x─"), "{unread}");

    let mut script = Script::default();
    script.until_answer().frame("server/v1", FrameWay::In, &frame);
    script.frame(
        "server/b1",
        FrameWay::Out,
        &message("answer", "from", "v1", "answer"),
    );
    let (sent_on, _) = script.later().drawn(None);
    has(&sent_on, &["and sent it on", "(never arrived)"]);
    assert!(line(&sent_on, "answer from v1").contains("x─"), "{sent_on}");
}

#[test]
fn an_answer_that_came_to_another_viewer_says_so_at_both_ends() {
    let mut script = Script::default();
    script
        .join("broadcaster", "b1")
        .join("viewer-1", "v1")
        .join("viewer-2", "v2");
    script
        .opened("broadcaster", 1, "v2")
        .said("broadcaster", "offer", "v2");
    script
        .heard("viewer-2", "offer", "b1")
        .opened("viewer-2", 2, "b1")
        .applied("viewer-2", 2);
    script
        .said("viewer-2", "answer", "b1")
        .heard("viewer-1", "answer", "v2");
    script.later();
    let (text, diagnosis) = script.drawn(None);
    let kinds: Vec<_> = diagnosis.causes.iter().map(|cause| cause.kind).collect();
    assert!(kinds.contains(&CauseKind::AnswerMisrouted), "{kinds:?}");
    has(
        &text,
        &[
            "(!) came to viewer-1",
            "(!) was for broadcaster",
            "<<< answer-misrouted",
            "<<< SG-01",
        ],
    );
    let (alone, _) = script.drawn(Some("viewer-2"));
    has(&alone, &["(!) came to viewer-1"]);
    assert!(!alone.contains("joined v1"), "{alone}");
}

#[test]
fn media_without_a_key_frame_names_the_last_step_that_was_right() {
    let mut script = Script::default();
    script.until_media();
    for _ in 0..3 {
        let viewer = "v1".to_owned();
        script.event("broadcaster", TraceKind::KeyFrameRequested { viewer });
    }
    let (text, diagnosis) = script.later().drawn(Some("viewer-1"));
    assert_eq!(diagnosis.causes[0].kind, CauseKind::NoKeyFrame);
    has(
        &text,
        &[
            "asked for a key frame by v1 (x3)",
            "<<< right until here; what should follow is missing: no-key-frame",
            "send a key frame",
        ],
    );
}

#[test]
fn many_viewers_are_summed_up_and_many_steps_are_left_out_in_the_middle() {
    let mut script = Script::default();
    script.join("broadcaster", "b1");
    for number in 1..=40 {
        script.join(&format!("viewer-{number}"), &format!("v{number}"));
    }
    for number in 0..2_000 {
        let kind = ["offer", "answer"][number % 2];
        script.said("broadcaster", kind, "v1");
    }
    let (text, _) = script.later().drawn(None);
    has(
        &text,
        &["Not drawn: ", "and 33 more", "steps are left out here", "--peer"],
    );
    let (text, _) = script.drawn(Some("viewer-99"));
    has(&text, &["There is no peer viewer-99 in this trace"]);
}

#[test]
fn any_input_is_drawn() {
    let empty = ladder(&[], &Diagnosis::default(), None);
    has(&empty, &["server", "nothing of this is in the trace"]);
    let labels = [
        "",
        "/",
        "server",
        "server/",
        "a/server/1",
        "run",
        "é".repeat(300).leak(),
        "broadcaster",
        "x/broadcaster",
    ];
    let frames = [
        "",
        "{",
        "[]",
        "{}",
        r#"{"type":"joined","id":""}"#,
        r#"{"type":"offer","to":"\u0000"}"#,
        "\u{1F600}",
    ];
    let mut script = Script::default();
    for label in labels {
        for frame in frames {
            script
                .frame(label, FrameWay::Out, frame)
                .frame(label, FrameWay::In, frame);
        }
        script
            .opened(label, u64::MAX, label)
            .applied(label, u64::MAX)
            .checks(label, 7, 2, 1);
        let message = "word\n".repeat(1_000);
        script.event(
            label,
            TraceKind::EngineError {
                connection: 1,
                message,
            },
        );
    }
    for peer in [
        None,
        Some(""),
        Some("server"),
        Some("broadcaster"),
        Some("nobody"),
    ] {
        script.drawn(peer);
    }
    for event in &mut script.events {
        event.at_us = u64::MAX;
    }
    script.drawn(None);
}

/// A broadcaster and two viewers in a protocol that names nobody: each end has its own names.
fn unaddressed() -> Script {
    let mut script = Script::default();
    for peer in ["broadcaster", "viewer-1", "viewer-2"] {
        let dialect = Some("broadcast-ws".to_owned());
        script.event(
            peer,
            TraceKind::SignalingOpen {
                dialect,
                addressed: false,
            },
        );
        let role = if peer == "broadcaster" { peer } else { "viewer" };
        let joined = format!(r#"{{"type":"joined","id":"{peer}","role":"{role}"}}"#);
        script.means(peer, FrameWay::Out, &format!(r#"{{"type":"{role}","room":"r"}}"#));
        script.means(peer, FrameWay::In, &joined);
    }
    for (name, viewer) in [("viewer#1", "viewer-1"), ("viewer#2", "viewer-2")] {
        let offer = format!("offer for {name}");
        let answer = format!("answer of {viewer}");
        script.means(
            "broadcaster",
            FrameWay::Out,
            &message("offer", "to", name, &offer),
        );
        if viewer == "viewer-2" {
            // Everybody gets everything.
            let copy = message("offer", "from", "broadcaster", &offer);
            script.means("viewer-1", FrameWay::In, &copy);
        }
        let came = message("offer", "from", "broadcaster", &offer);
        script.means(viewer, FrameWay::In, &came);
        script.means(
            viewer,
            FrameWay::Out,
            &message("answer", "to", "broadcaster", &answer),
        );
        let came = message("answer", "from", name, &answer);
        script.means("broadcaster", FrameWay::In, &came);
    }
    script
}

#[test]
fn where_nobody_is_named_only_what_came_to_another_one_is_odd() {
    let (drawn, _) = unaddressed().drawn(None);
    let odd: Vec<&str> = drawn
        .lines()
        .filter(|line| line.contains("(!)") && !line.starts_with('`'))
        .collect();
    assert!(
        odd.len() == 1 && odd[0].contains("(!) was for viewer-2"),
        "{odd:#?}\n{drawn}"
    );
}
