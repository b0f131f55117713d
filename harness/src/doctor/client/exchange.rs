//! What came of a client, exchange by exchange: the steps of each connection between it and a bot.
//!
//! Owns the reading of the trace. Pure; what a missing step means is [`super::judge`]'s to say.

use crate::engine::ConnectionState;
use crate::rules::message::{DescriptionKind, Message};
use crate::trace::label::CLIENT;
use crate::trace::{FrameWay, TraceEvent, TraceKind};

use super::ClientRole;
use super::reading::Says;

/// An event, by its number in the trace from 1 and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) number: u64,
    pub(super) at_us: u64,
}

/// A description that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) at: Mark,
    pub(super) sdp: String,
}

/// A second of media at a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) at: Mark,
    /// Whether anything came in it.
    pub(super) flowed: bool,
}

/// One attempt of a bot and the client to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    /// The bot, such as `viewer-2`.
    pub(super) bot: String,
    /// The bot has asked to be let in.
    pub(super) began: Option<Mark>,
    /// The client was told of the bot.
    pub(super) announced: Option<Mark>,
    /// The client's offer, or the one for it.
    pub(super) offer: Option<Described>,
    /// An offer of the client's to a bot that has offered.
    pub(super) counter_offer: Option<Mark>,
    pub(super) answer: Option<Described>,
    /// Candidates of the client that came by themselves.
    pub(super) candidates: u32,
    /// The first of them.
    pub(super) first_candidate: Option<Mark>,
    /// The first connectivity check that the client began.
    pub(super) check: Option<Mark>,
    pub(super) connected: Option<Mark>,
    pub(super) first_packet: Option<Mark>,
    pub(super) seconds: Vec<Second>,
}

/// All that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) role: Option<ClientRole>,
    /// The client's connection to the server was open.
    pub(super) opened: Option<Mark>,
    /// It said what it is.
    pub(super) joined: Option<Mark>,
    /// The first thing that it said, if that was something else.
    pub(super) first_words: Option<(Mark, String)>,
    /// What the server refused, with its words.
    pub(super) refused: Vec<(Mark, String)>,
    /// Chat that came to the client.
    pub(super) chat: Option<Mark>,
    /// In the order in which they began.
    pub(super) exchanges: Vec<Exchange>,
    /// When the client was told of a viewer.
    announced: Vec<Mark>,
    /// Events that are read.
    read: usize,
}

/// What an error of the server's is no fault for: whom the message was for has just left.
const RACE: &str = "unknown-target";
/// Characters of the client's that are quoted.
const QUOTED: usize = 80;

impl Came {
    /// Reads a trace.
    pub(super) fn of(events: &[TraceEvent], role: Option<ClientRole>) -> Self {
        let mut came = Self {
            role,
            ..Self::default()
        };
        came.read(events);
        came
    }

    /// Reads on in a trace of which it has read the beginning.
    pub(super) fn read(&mut self, events: &[TraceEvent]) {
        for event in events.iter().skip(self.read) {
            self.read += 1;
            let at = Mark {
                number: self.read as u64,
                at_us: event.at_us,
            };
            if event.peer == CLIENT {
                self.hear_client(at, event);
            } else if event.peer == "broadcaster" || event.peer.starts_with("viewer-") {
                self.hear_bot(at, event);
            }
        }
        // A server tells of viewers in the order in which they joined.
        for (exchange, at) in self.exchanges.iter_mut().zip(&self.announced) {
            exchange.announced = Some(*at);
        }
    }

    fn hear_client(&mut self, at: Mark, event: &TraceEvent) {
        let (way, frame) = match &event.event {
            TraceKind::SignalingOpen { .. } => {
                self.opened.get_or_insert(at);
                return;
            }
            TraceKind::Signaling { way, frame, .. } => (*way, frame),
            _ => return,
        };
        match (way, Says::read(frame)) {
            (FrameWay::Out, Says::Join(_)) => {
                self.joined.get_or_insert(at);
            }
            (FrameWay::Out, _) => {
                let quote = || frame.chars().take(QUOTED).collect();
                self.first_words.get_or_insert_with(|| (at, quote()));
            }
            (FrameWay::In, Says::NewViewer) => self.announced.push(at),
            (FrameWay::In, Says::Chat) => {
                self.chat.get_or_insert(at);
            }
            (FrameWay::In, Says::Error { code, message }) if code != RACE => {
                self.refused.push((at, message));
            }
            (FrameWay::In, _) => {}
        }
    }

    fn hear_bot(&mut self, at: Mark, event: &TraceEvent) {
        let bot = event.peer.as_str();
        match &event.event {
            TraceKind::Signaling { way, frame, means } => {
                let said = if means.is_empty() {
                    std::slice::from_ref(frame)
                } else {
                    means
                };
                for said in said {
                    self.hear(at, bot, *way, Message::named(said).1);
                }
            }
            TraceKind::Stun {
                way: FrameWay::In,
                message,
                ..
            } if message.class == "request" => {
                self.exchange(bot).check.get_or_insert(at);
            }
            TraceKind::Connection {
                state: ConnectionState::Connected,
                ..
            } => {
                self.exchange(bot).connected.get_or_insert(at);
            }
            TraceKind::FirstPacket { .. } => {
                self.exchange(bot).first_packet.get_or_insert(at);
            }
            TraceKind::MediaSecond {
                frames,
                sound_packets,
                bytes,
                ..
            } => {
                let flowed = *frames > 0 || *sound_packets > 0 || *bytes > 0;
                self.exchange(bot).seconds.push(Second { at, flowed });
            }
            _ => {}
        }
    }

    fn hear(&mut self, at: Mark, bot: &str, way: FrameWay, message: Message) {
        let broadcasts = bot == "broadcaster";
        match (way, message) {
            (FrameWay::Out, Message::Join { .. }) => self.exchanges.push(Exchange {
                bot: bot.to_owned(),
                began: Some(at),
                ..Exchange::default()
            }),
            (way, Message::Description { kind, sdp, .. }) => {
                let is_ours = way == FrameWay::Out;
                let exchange = self.exchange(bot);
                let described = Described { at, sdp };
                match kind {
                    DescriptionKind::Offer if is_ours == broadcasts => {
                        exchange.offer.get_or_insert(described);
                    }
                    DescriptionKind::Offer => {
                        exchange.counter_offer.get_or_insert(at);
                    }
                    DescriptionKind::Answer if is_ours != broadcasts => {
                        exchange.answer.get_or_insert(described);
                    }
                    _ => {}
                }
            }
            (FrameWay::In, Message::Candidate { .. }) => {
                let exchange = self.exchange(bot);
                exchange.candidates += 1;
                exchange.first_candidate.get_or_insert(at);
            }
            _ => {}
        }
    }

    /// The latest exchange of a bot.
    fn exchange(&mut self, bot: &str) -> &mut Exchange {
        let found = self.exchanges.iter().rposition(|exchange| exchange.bot == bot);
        let at = found.unwrap_or_else(|| {
            self.exchanges.push(Exchange {
                bot: bot.to_owned(),
                ..Exchange::default()
            });
            self.exchanges.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found or pushed just now")]
        &mut self.exchanges[at]
    }
}

impl Exchange {
    pub(super) fn is_offered(&self) -> bool {
        self.offer.is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected.is_some()
    }

    pub(super) fn has_media(&self) -> bool {
        self.first_packet.is_some()
    }

    /// The client's description: the host's offer, or the answer of whoever was offered to.
    pub(super) fn theirs(&self) -> Option<&Described> {
        if self.bot == "broadcaster" {
            self.answer.as_ref()
        } else {
            self.offer.as_ref()
        }
    }

    /// Candidates that stand in the client's description.
    pub(super) fn candidates_inside(&self) -> usize {
        let sdp = self.theirs().map_or("", |theirs| theirs.sdp.as_str());
        sdp.lines()
            .filter(|line| line.starts_with("a=candidate:"))
            .count()
    }

    /// What makes two offers those of one peer connection: the session of the origin (RFC 8866 section 5.2), or else the
    /// ICE user fragment (RFC 8839 section 5.4), in words.
    pub(super) fn same_connection(&self, other: &Self) -> Option<String> {
        let (one, other) = (&self.offer.as_ref()?.sdp, &other.offer.as_ref()?.sdp);
        let both = |of: fn(&str) -> Option<&str>| {
            let one = of(one)?;
            (of(other) == Some(one)).then_some(one)
        };
        if let Some(ufrag) = both(ufrag) {
            return Some(format!("the ICE user fragment {ufrag}"));
        }
        both(session).map(|session| format!("the session {session} in o="))
    }
}

fn ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"))
}

/// The session id; one that is short is the same for everybody who writes it by hand.
fn session(sdp: &str) -> Option<&str> {
    let origin = sdp.lines().find_map(|line| line.strip_prefix("o="))?;
    origin.split(' ').nth(1).filter(|id| id.len() >= 8)
}
