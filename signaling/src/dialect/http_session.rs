//! What WHIP and WHEP share: one session of a client at a media server, over HTTP (RFC 9725 sections 4.2 and 4.3).
//!
//! Owns the order of its requests: one POST, then PATCHes one after the other, each with the candidates that have come
//! since the last one, and one DELETE. Who offers and what the server is called is the dialects' own.

use std::time::Duration;

use tokio::time::Instant;

use super::http::{HttpFailure, HttpMethod, HttpRequest, HttpResponse, SDP, SDP_FRAGMENT};
use super::{DialectName, EncodeError, Output};
use crate::sdpfrag::FragmentHead;
use crate::{Candidate, Command, DecodeError, Description, ErrorCode, Event, PeerId, Role, SdpType};

/// Candidates that may wait for a session or for the PATCH before.
const MAX_WAITING: usize = 256;
/// How often a server that is busy, or has no such stream yet, is asked again.
const MAX_RETRIES: u32 = 15;
/// How long it is left alone when it does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest that it is left alone, whatever it says.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// Characters of an answer's body that an error quotes.
const MAX_QUOTE: usize = 200;

/// A session of one client.
#[derive(Clone, Debug)]
pub(super) struct HttpSession {
    dialect: DialectName,
    /// What the bot calls the server.
    server: PeerId,
    next_number: u64,
    phase: Phase,
    /// Of the description that candidates belong to.
    head: FragmentHead,
    waiting: Vec<Candidate>,
    /// No more candidates follow; said once.
    end: Ending,
    left: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    Open,
    Waiting(Command),
    Said,
}

#[derive(Clone, Debug)]
enum Phase {
    New,
    /// The POST is under way.
    Opening {
        post: u64,
        offer: Offer,
    },
    /// It is made again then.
    Refused {
        again_at: Instant,
        offer: Offer,
    },
    /// There is a session.
    Open(Session),
    /// There is none, and there will be none.
    Over,
}

#[derive(Clone, Debug)]
struct Offer {
    says: Command,
    sdp: String,
    tries: u32,
}

#[derive(Clone, Debug)]
struct Session {
    url: String,
    etag: Option<String>,
    /// The one that is under way.
    patch: Option<(u64, Patch)>,
    /// The server takes candidates.
    trickles: bool,
    /// The server has made an offer of its own, whose answer has not been taken yet.
    counter_offered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patch {
    Candidates,
    Answer,
}

impl HttpSession {
    pub(super) fn new(dialect: DialectName, server: PeerId) -> Self {
        Self {
            dialect,
            server,
            next_number: 0,
            phase: Phase::New,
            head: FragmentHead::default(),
            waiting: Vec::new(),
            end: Ending::Open,
            left: false,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Refused { again_at, .. } => Some(*again_at),
            _ => None,
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Output> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Refused { again_at, offer } if now >= again_at => vec![self.post(offer)],
            phase => {
                self.phase = phase;
                Vec::new()
            }
        }
    }

    pub(super) fn encode(&mut self, command: &Command) -> Result<Vec<Output>, EncodeError> {
        let no_word = |message| EncodeError::NoWord {
            dialect: self.dialect,
            message,
        };
        Ok(match command {
            Command::Join { .. } => return Err(no_word("a second join")),
            Command::Description { description, .. } => return self.describe(command, description),
            Command::Candidate { candidate, .. } => {
                if self.waiting.len() >= MAX_WAITING {
                    return Err(EncodeError::NotConnected {
                        waiting: self.waiting.len(),
                    });
                }
                self.waiting.push(candidate.clone());
                self.trickle()
            }
            Command::EndOfCandidates { .. } => {
                self.end = Ending::Waiting(command.clone());
                self.trickle()
            }
            Command::Chat { .. } => return Err(no_word("chat")),
            // Muting and stopping are seen and heard, not signaled.
            Command::Mute { .. } | Command::Unmute { .. } | Command::Stop => Vec::new(),
            Command::Leave => self.leave(command),
        })
    }

    fn describe(&mut self, command: &Command, description: &Description) -> Result<Vec<Output>, EncodeError> {
        let no_word = |message| EncodeError::NoWord {
            dialect: self.dialect,
            message,
        };
        match (description.sdp_type, &mut self.phase) {
            (SdpType::Offer, Phase::New) => {
                self.head = FragmentHead::of(description);
                let offer = Offer {
                    says: command.clone(),
                    sdp: description.sdp.clone(),
                    tries: 0,
                };
                Ok(vec![self.post(offer)])
            }
            (SdpType::Answer, Phase::Open(session)) if session.counter_offered && session.patch.is_none() => {
                self.head = FragmentHead::of(description);
                self.next_number += 1;
                session.patch = Some((self.next_number, Patch::Answer));
                Ok(vec![Output::Request(HttpRequest {
                    number: self.next_number,
                    method: HttpMethod::Patch,
                    url: Some(session.url.clone()),
                    headers: vec![("content-type", SDP.to_owned())],
                    body: description.sdp.clone(),
                    says: vec![command.clone()],
                })])
            }
            (SdpType::Offer, _) => Err(no_word("a second offer")),
            (SdpType::Answer | SdpType::Pranswer, _) => Err(no_word("an answer that nobody asked for")),
            (SdpType::Rollback, _) => Err(EncodeError::Rollback),
        }
    }

    fn post(&mut self, offer: Offer) -> Output {
        self.next_number += 1;
        let request = HttpRequest {
            number: self.next_number,
            method: HttpMethod::Post,
            url: None,
            headers: vec![("content-type", SDP.to_owned()), ("accept", SDP.to_owned())],
            body: offer.sdp.clone(),
            // Said again it is no second offer.
            says: Some(offer.says.clone())
                .filter(|_| offer.tries == 0)
                .into_iter()
                .collect(),
        };
        self.phase = Phase::Opening {
            post: self.next_number,
            offer,
        };
        Output::Request(request)
    }

    /// Says the candidates that wait, if there is a session to say them to and nothing else is being said
    /// (RFC 9725 section 4.3.2: none before the 201).
    fn trickle(&mut self) -> Vec<Output> {
        let Phase::Open(session) = &mut self.phase else {
            return Vec::new();
        };
        if session.patch.is_some() || session.counter_offered || self.left {
            return Vec::new();
        }
        let candidates = std::mem::take(&mut self.waiting);
        let end = match std::mem::replace(&mut self.end, Ending::Said) {
            Ending::Waiting(end) => Some(end),
            before => {
                self.end = before;
                None
            }
        };
        if !session.trickles || (candidates.is_empty() && end.is_none()) {
            return Vec::new();
        }
        self.next_number += 1;
        session.patch = Some((self.next_number, Patch::Candidates));
        let mut headers = vec![("content-type", SDP_FRAGMENT.to_owned())];
        headers.extend(session.etag.clone().map(|etag| ("if-match", etag)));
        let to = Some(self.server.clone());
        let said = candidates.iter().map(|candidate| Command::Candidate {
            to: to.clone(),
            candidate: candidate.clone(),
        });
        vec![Output::Request(HttpRequest {
            number: self.next_number,
            method: HttpMethod::Patch,
            url: Some(session.url.clone()),
            headers,
            body: self.head.fragment(&candidates, end.is_some()),
            says: said.chain(end.clone()).collect(),
        })]
    }

    fn leave(&mut self, command: &Command) -> Vec<Output> {
        if std::mem::replace(&mut self.left, true) {
            return Vec::new();
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Open(session) if session.patch.is_none() => {
                vec![self.delete(session.url, Some(command.clone()))]
            }
            // The session is ended when its URL is known, and no request about it is under way.
            phase @ (Phase::Opening { .. } | Phase::Open(_)) => {
                self.phase = phase;
                vec![Output::Unsaid(command.clone())]
            }
            Phase::New | Phase::Refused { .. } | Phase::Over => vec![Output::Unsaid(command.clone())],
        }
    }

    /// Takes no If-Match (RFC 9725 section 4.2).
    fn delete(&mut self, url: String, says: Option<Command>) -> Output {
        self.next_number += 1;
        Output::Request(HttpRequest {
            number: self.next_number,
            method: HttpMethod::Delete,
            url: Some(url),
            headers: Vec::new(),
            body: String::new(),
            says: says.into_iter().collect(),
        })
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        number: u64,
        answer: Result<HttpResponse, HttpFailure>,
    ) -> Vec<Output> {
        match &mut self.phase {
            Phase::Opening { post, .. } if *post == number => {
                let Phase::Opening { offer, .. } = std::mem::replace(&mut self.phase, Phase::Over) else {
                    return Vec::new();
                };
                self.opened(now, offer, answer)
            }
            Phase::Open(session) if session.patch.is_some_and(|(patch, _)| patch == number) => {
                let patch = session.patch.take().map(|(_, patch)| patch);
                self.patched(patch, answer)
            }
            // A session that is over has nothing more to say, but for how it ended.
            _ => match answer {
                Ok(response) if response.is_success() => Vec::new(),
                // It may have ended before (RFC 9725 section 4.2).
                Ok(response) if response.status == 404 => Vec::new(),
                Ok(response) => vec![refused("a request of a session", &response)],
                Err(failure) => vec![failed(&failure)],
            },
        }
    }

    fn opened(
        &mut self,
        now: Instant,
        offer: Offer,
        answer: Result<HttpResponse, HttpFailure>,
    ) -> Vec<Output> {
        let response = match answer {
            Ok(response) => response,
            Err(failure) => return vec![failed(&failure)],
        };
        let counter_offered =
            self.dialect == DialectName::Whep && response.status == 406 && response.is_a(SDP);
        if !response.is_success() && !counter_offered {
            return self.not_opened(now, offer, &response);
        }
        if !response.is_a(SDP) {
            let found = response.header("content-type").unwrap_or("none");
            return vec![undecodable(format!(
                "POST answered {} with content type {found:?}, not {SDP}",
                response.status
            ))];
        }
        if let Some(url) = &response.location {
            let url = url.clone();
            if self.left {
                return vec![self.delete(url, None)];
            }
            self.phase = Phase::Open(Session {
                url,
                etag: response.header("etag").map(str::to_owned),
                patch: None,
                trickles: true,
                counter_offered,
            });
        }
        let mut outputs = Vec::new();
        if response.location.is_none() {
            let detail = format!(
                "POST answered {} without a Location, so the session can be neither changed nor ended",
                response.status
            );
            outputs.push(undecodable(detail));
        }
        if counter_offered {
            // They belong to the offer that was not taken.
            self.waiting.clear();
            self.end = Ending::Open;
            // Its connection is over; another one begins with the server's offer.
            let (id, role) = (self.server.clone(), Role::Broadcaster);
            outputs.push(Output::Event(Event::PeerLeft { id: id.clone(), role }));
            outputs.push(Output::Event(Event::PeerJoined { id, role }));
        }
        outputs.push(Output::Event(Event::Description {
            from: Some(self.server.clone()),
            description: Description {
                sdp_type: if counter_offered {
                    SdpType::Offer
                } else {
                    SdpType::Answer
                },
                sdp: response.body,
            },
        }));
        outputs.extend(self.trickle());
        outputs
    }

    /// A stream that is not there yet, and a server that has too much to do, are asked again (RFC 9725 section 4.5).
    fn not_opened(&mut self, now: Instant, mut offer: Offer, response: &HttpResponse) -> Vec<Output> {
        let wait = response.header("retry-after").map(|value| {
            let seconds = value.trim().parse().map(Duration::from_secs);
            seconds.unwrap_or(RETRY_AFTER)
        });
        let not_there_yet = self.dialect == DialectName::Whep && response.status == 404;
        let wait = wait.or_else(|| not_there_yet.then_some(RETRY_AFTER));
        match wait {
            Some(wait) if offer.tries < MAX_RETRIES && !self.left => {
                offer.tries += 1;
                self.phase = Phase::Refused {
                    again_at: now + wait.min(MAX_RETRY_AFTER),
                    offer,
                };
                Vec::new()
            }
            _ => vec![refused("POST", response)],
        }
    }

    fn patched(&mut self, patch: Option<Patch>, answer: Result<HttpResponse, HttpFailure>) -> Vec<Output> {
        let Phase::Open(session) = &mut self.phase else {
            return Vec::new();
        };
        let mut outputs = Vec::new();
        match answer {
            Ok(response) if response.is_success() => {
                session.counter_offered &= patch != Some(Patch::Answer);
                if let Some(etag) = response.header("etag") {
                    session.etag = Some(etag.to_owned());
                }
            }
            // It does without candidates of ours (RFC 9725 section 4.3.1).
            Ok(HttpResponse {
                status: 405 | 415 | 422 | 501,
                ..
            }) if patch == Some(Patch::Candidates) => session.trickles = false,
            Ok(response) => outputs.push(refused("PATCH", &response)),
            Err(failure) => outputs.push(failed(&failure)),
        }
        if self.left {
            let url = session.url.clone();
            self.phase = Phase::Over;
            outputs.push(self.delete(url, None));
        } else {
            outputs.extend(self.trickle());
        }
        outputs
    }
}

fn refused(what: &str, response: &HttpResponse) -> Output {
    let status = response.status;
    let advice = match status {
        300..=399 => "; a POST is redirected by 307 only (RFC 9725 section 4.5)",
        401 | 403 => "; give a token with --token-file or a header with --header",
        404 => "; is that the URL, and is the stream there?",
        406 => "; the server takes none of the offered codecs, or wants to offer itself",
        415 => "; it does not take this content type",
        _ => "",
    };
    let quote: String = response.body.trim().chars().take(MAX_QUOTE).collect();
    let quote = if quote.is_empty() || response.is_a(SDP) {
        String::new()
    } else {
        format!(": {quote}")
    };
    Output::Event(Event::Error {
        code: ErrorCode::Other(format!("http-{status}")),
        message: format!("{what} was answered {status}{quote}{advice}"),
        to: None,
    })
}

fn failed(failure: &HttpFailure) -> Output {
    Output::Event(Event::Error {
        code: ErrorCode::Other("http-failed".to_owned()),
        message: failure.to_string(),
        to: None,
    })
}

fn undecodable(detail: String) -> Output {
    Output::Event(Event::Undecodable(DecodeError::Http { detail }))
}
