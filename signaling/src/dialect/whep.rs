//! Playback over HTTP (draft-ietf-wish-whep-03): a viewer that offers to a media server.
//!
//! The server is the viewer's broadcaster. It answers the offer, or refuses it with one of its own (406), which the
//! viewer answers. Owns that view of it; requests and their order are [`super::http_session`]'s.

use tokio::time::Instant;

use super::http::{HttpFailure, HttpResponse};
use super::http_session::HttpSession;
use super::{DialectName, EncodeError, Output};
use crate::{Command, Event, PeerId, Role, RoomState};

/// What the viewer calls the server.
const SERVER: &str = "whep";

/// Playback over HTTP.
#[derive(Clone, Debug)]
pub struct Whep {
    me: PeerId,
    session: HttpSession,
    joined: bool,
}

impl Whep {
    /// For a viewer of this name.
    pub fn new(me: PeerId) -> Self {
        Self {
            me,
            session: HttpSession::new(DialectName::Whep, PeerId::from(SERVER)),
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
                if *role != Role::Viewer {
                    return Err(EncodeError::NoWord {
                        dialect: DialectName::Whep,
                        message: "a broadcaster; WHIP has",
                    });
                }
                self.joined = true;
                // Nothing is asked of the server before the offer.
                let joined = Event::Joined {
                    id: self.me.clone(),
                    role: Role::Viewer,
                    state: RoomState::default(),
                    peers: Vec::new(),
                };
                let server = Event::PeerJoined {
                    id: PeerId::from(SERVER),
                    role: Role::Broadcaster,
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

    fn described(sdp_type: SdpType) -> Command {
        Command::Description {
            to: None,
            description: Description {
                sdp_type,
                sdp: "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:u\r\n".into(),
            },
        }
    }

    fn candidate(text: &str) -> Command {
        Command::Candidate {
            to: None,
            candidate: Candidate {
                candidate: text.into(),
                ..Candidate::default()
            },
        }
    }

    fn posted() -> (Whep, HttpRequest) {
        let mut bot = Whep::new("viewer-1".into());
        let room = "r".parse().unwrap();
        let role = Role::Viewer;
        bot.encode(&Command::Join { room, role }).unwrap();
        let said = bot.encode(&described(SdpType::Offer)).unwrap();
        let [Output::Request(post)] = &said[..] else {
            panic!("{said:?}")
        };
        let post = post.clone();
        (bot, post)
    }

    fn response(status: u16) -> HttpResponse {
        HttpResponse {
            status,
            location: Some("http://h/session/1".into()),
            headers: vec![("content-type".into(), "application/sdp".into())],
            body: "v=0\r\n".into(),
        }
    }

    #[test]
    fn a_counter_offer_is_answered_by_patch_and_candidates_wait_for_the_204() {
        let (mut bot, post) = posted();
        let now = Instant::now();
        bot.encode(&candidate("candidate:of-the-offer")).unwrap();
        let told = bot.answered(now, post.number, Ok(response(406)));
        assert!(
            matches!(&told[..], [
                Output::Event(Event::PeerLeft { .. }),
                Output::Event(Event::PeerJoined { .. }),
                Output::Event(Event::Description { description, .. })
            ] if description.sdp_type == SdpType::Offer),
            "{told:?}"
        );
        let said = bot.encode(&described(SdpType::Answer)).unwrap();
        let [Output::Request(patch)] = &said[..] else {
            panic!("{said:?}")
        };
        assert_eq!(patch.method, HttpMethod::Patch);
        assert_eq!(patch.headers, [("content-type", "application/sdp".to_owned())]);
        assert_eq!(bot.encode(&candidate("candidate:2")).unwrap(), []);
        let told = bot.answered(
            now,
            patch.number,
            Ok(HttpResponse {
                status: 204,
                ..HttpResponse::default()
            }),
        );
        let [Output::Request(trickle)] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(trickle.body.contains("candidate:2") && !trickle.body.contains("of-the-offer"));
    }

    #[test]
    fn a_406_without_an_offer_is_a_refusal() {
        let (mut bot, post) = posted();
        let refusal = HttpResponse {
            headers: Vec::new(),
            ..response(406)
        };
        let told = bot.answered(Instant::now(), post.number, Ok(refusal));
        assert!(
            matches!(&told[..], [Output::Event(Event::Error { .. })]),
            "{told:?}"
        );
    }

    #[test]
    fn a_stream_that_is_not_there_yet_is_asked_for_again() {
        let (mut bot, post) = posted();
        let now = Instant::now();
        assert_eq!(bot.answered(now, post.number, Ok(response(404))), []);
        let again = now + Duration::from_secs(1);
        assert_eq!(bot.next_timeout(), Some(again));
        assert!(matches!(&bot.timeout(again)[..], [Output::Request(_)]));
    }
}
