//! Ingest over HTTP (RFC 9725): a broadcaster that offers to a media server.
//!
//! The server is the broadcaster's only viewer. Owns that view of it; requests and their order are
//! [`super::http_session`]'s.

use tokio::time::Instant;

use super::http::{HttpFailure, HttpResponse};
use super::http_session::HttpSession;
use super::{DialectName, EncodeError, Output, unaddressed::BROADCASTER};
use crate::{Command, Event, PeerId, Role, RoomState};

/// What the broadcaster calls the server.
const SERVER: &str = "whip";

/// Ingest over HTTP.
#[derive(Clone, Debug)]
pub struct Whip {
    session: HttpSession,
    joined: bool,
}

impl Whip {
    /// For one broadcaster.
    #[expect(clippy::new_without_default, reason = "as every dialect is made")]
    pub fn new() -> Self {
        Self {
            session: HttpSession::new(DialectName::Whip, PeerId::from(SERVER)),
            joined: false,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.session.next_timeout()
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        self.session.timeout(now)
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        number: u64,
        answer: Result<HttpResponse, HttpFailure>,
    ) -> Vec<Output> {
        self.session.answered(now, number, answer)
    }

    pub(super) fn encode(&mut self, command: &Command) -> Result<Vec<Output>, EncodeError> {
        match command {
            Command::Join { role, .. } if !self.joined => {
                if *role != Role::Broadcaster {
                    return Err(EncodeError::NoWord {
                        dialect: DialectName::Whip,
                        message: "a viewer; WHEP has",
                    });
                }
                self.joined = true;
                // Nothing is asked of the server before the offer.
                let joined = Event::Joined {
                    id: PeerId::from(BROADCASTER),
                    role: Role::Broadcaster,
                    state: RoomState::default(),
                    peers: Vec::new(),
                };
                let server = Event::PeerJoined {
                    id: PeerId::from(SERVER),
                    role: Role::Viewer,
                };
                Ok(vec![
                    Output::Unsaid(command.clone()),
                    Output::Event(joined),
                    Output::Event(server),
                ])
            }
            command => self.session.encode(command),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dialect::http::{HttpMethod, HttpRequest};
    use crate::{Candidate, Description, SdpType};

    const SDP: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n";

    fn joined() -> Whip {
        let mut bot = Whip::new();
        let room = "r".parse().unwrap();
        let role = Role::Broadcaster;
        let told = bot.encode(&Command::Join { room, role }).unwrap();
        assert!(matches!(
            &told[..],
            [
                Output::Unsaid(_),
                Output::Event(Event::Joined { .. }),
                Output::Event(Event::PeerJoined {
                    role: Role::Viewer,
                    ..
                })
            ]
        ));
        bot
    }

    fn offer() -> Command {
        Command::Description {
            to: None,
            description: Description {
                sdp_type: SdpType::Offer,
                sdp: SDP.into(),
            },
        }
    }

    fn candidate(text: &str) -> Command {
        Command::Candidate {
            to: None,
            candidate: Candidate {
                candidate: text.into(),
                sdp_mid: Some("0".into()),
                ..Candidate::default()
            },
        }
    }

    fn end() -> Command {
        Command::EndOfCandidates {
            to: None,
            username_fragment: None,
        }
    }

    #[track_caller]
    fn request(outputs: &[Output]) -> HttpRequest {
        let mut requests = outputs.iter().filter_map(|output| match output {
            Output::Request(request) => Some(request.clone()),
            _ => None,
        });
        match (requests.next(), requests.next()) {
            (Some(request), None) => request,
            _ => panic!("one request expected: {outputs:?}"),
        }
    }

    fn answer(status: u16, headers: &[(&str, &str)]) -> Result<HttpResponse, HttpFailure> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Ok(HttpResponse {
            status,
            location: (status == 201).then(|| "http://h/session/1".to_owned()),
            headers: headers.iter().map(own).collect(),
            body: "v=0\r\n".into(),
        })
    }

    fn created() -> Result<HttpResponse, HttpFailure> {
        answer(
            201,
            &[
                ("content-type", "application/sdp; charset=utf-8"),
                ("etag", "\"a\""),
            ],
        )
    }

    #[test]
    fn candidates_wait_for_the_201_and_then_go_together_with_its_etag() {
        let (mut bot, now) = (joined(), Instant::now());
        let post = request(&bot.encode(&offer()).unwrap());
        assert_eq!((post.method, post.url), (HttpMethod::Post, None));
        assert_eq!(bot.encode(&candidate("candidate:1")).unwrap(), []);
        assert_eq!(bot.encode(&end()).unwrap(), []);
        let told = bot.answered(now, post.number, created());
        assert!(
            matches!(&told[0], Output::Event(Event::Description { description, .. })
                if description.sdp_type == SdpType::Answer)
        );
        let patch = request(&told);
        assert_eq!(patch.method, HttpMethod::Patch);
        assert_eq!(patch.url.as_deref(), Some("http://h/session/1"));
        assert!(patch.headers.contains(&("if-match", "\"a\"".to_owned())));
        assert!(patch.body.contains("a=candidate:1") && patch.body.contains("a=end-of-candidates"));
        assert_eq!(patch.says.len(), 2);
    }

    #[test]
    fn one_patch_follows_the_other_and_none_follows_a_405() {
        let (mut bot, now) = (joined(), Instant::now());
        let post = request(&bot.encode(&offer()).unwrap());
        assert_eq!(bot.answered(now, post.number, created()).len(), 1);
        let first = request(&bot.encode(&candidate("candidate:1")).unwrap());
        assert_eq!(bot.encode(&candidate("candidate:2")).unwrap(), []);
        let second = request(&bot.answered(now, first.number, answer(204, &[])));
        assert!(second.body.contains("candidate:2") && !second.body.contains("candidate:1"));
        assert_eq!(bot.answered(now, second.number, answer(405, &[])), []);
        assert_eq!(bot.encode(&candidate("candidate:3")).unwrap(), []);
    }

    #[test]
    fn leaving_deletes_the_session_also_one_whose_url_comes_later() {
        let (mut bot, now) = (joined(), Instant::now());
        let post = request(&bot.encode(&offer()).unwrap());
        bot.answered(now, post.number, created());
        let delete = request(&bot.encode(&Command::Leave).unwrap());
        assert_eq!(delete.method, HttpMethod::Delete);
        assert_eq!(delete.headers, []);
        assert_eq!(bot.encode(&Command::Leave).unwrap(), []);

        let mut early = joined();
        let post = request(&early.encode(&offer()).unwrap());
        assert!(matches!(
            &early.encode(&Command::Leave).unwrap()[..],
            [Output::Unsaid(_)]
        ));
        let delete = request(&early.answered(now, post.number, created()));
        assert_eq!(delete.method, HttpMethod::Delete);
    }

    #[test]
    fn a_busy_server_is_asked_again_when_it_says_and_others_are_not() {
        let (mut bot, now) = (joined(), Instant::now());
        let post = request(&bot.encode(&offer()).unwrap());
        assert_eq!(
            bot.answered(now, post.number, answer(503, &[("retry-after", "3")])),
            []
        );
        assert_eq!(bot.next_timeout(), Some(now + Duration::from_secs(3)));
        let again = request(&bot.timeout(now + Duration::from_secs(3)));
        assert_eq!((again.method, again.says.len()), (HttpMethod::Post, 0));
        let told = bot.answered(now, again.number, answer(403, &[]));
        let [Output::Event(Event::Error { code, message, .. })] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(code.as_str(), "http-403");
        assert!(message.contains("--token-file"), "{message}");
        assert_eq!(bot.next_timeout(), None);
    }

    #[test]
    fn an_answer_without_location_or_type_is_told_and_used_as_far_as_it_goes() {
        let (mut bot, now) = (joined(), Instant::now());
        let post = request(&bot.encode(&offer()).unwrap());
        let lost = Ok(HttpResponse {
            location: None,
            ..created().unwrap()
        });
        let told = bot.answered(now, post.number, lost);
        assert!(matches!(
            &told[..],
            [
                Output::Event(Event::Undecodable(_)),
                Output::Event(Event::Description { .. })
            ]
        ));
        let mut bot = joined();
        let post = request(&bot.encode(&offer()).unwrap());
        let told = bot.answered(now, post.number, answer(201, &[("content-type", "text/plain")]));
        assert!(
            matches!(&told[..], [Output::Event(Event::Undecodable(_))]),
            "{told:?}"
        );
    }

    #[test]
    fn a_broadcaster_cannot_chat_and_a_viewer_cannot_join() {
        assert!(matches!(
            joined().encode(&Command::Chat { text: "hi".into() }),
            Err(EncodeError::NoWord { .. })
        ));
        let room = "r".parse().unwrap();
        let role = Role::Viewer;
        assert!(Whip::new().encode(&Command::Join { room, role }).is_err());
    }
}
