//! What a bot's connections show on the wire: put into the trace as far as it is in clear, and counted.
//!
//! Owns the reading of one connection's datagrams and the passwords that its checks are held against. It changes
//! nothing, judges nothing, and forgets the passwords with the connection.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Shared;
use crate::engine::ConnectionId;
use crate::measure::arrivals::Arrivals;
use crate::net::dtls::{Handshake, Seen, fingerprint_text};
use crate::net::relayed::{self, Relayed};
use crate::net::stun::{self, BINDING, IceRole, StunClass, StunMessage};
use crate::net::tap::{Datagram, DatagramKind, Tap, Way};
use crate::trace::{DtlsSeen, FrameWay, StunSeen, Trace, TraceKind, TurnSeen};

/// Payload types and SSRCs of one connection that are noted.
const MAX_STREAMS: usize = 64;
/// Passwords of each side that are tried: one for each m-section and generation.
const MAX_PASSWORDS: usize = 16;
/// Requests to TURN servers whose answers are awaited.
const MAX_REQUESTS: usize = 64;

/// The wire of one connection; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    connection: u64,
    label: String,
    trace: Trace,
    passwords: [Vec<String>; 2],
    handshakes: [Handshake; 2],
    streams: HashSet<(Way, u8, u32)>,
    relayed: Relayed,
    /// Requests to TURN servers that had credentials, the latest last.
    authenticated: VecDeque<[u8; 12]>,
    unclassified: bool,
    arrivals: Option<Arc<Mutex<Arrivals>>>,
    /// Whether datagrams are what was sent: the scenario may flip bits in them, which no UDP checksum would let
    /// through, and of which nobody can tell whose fault they are.
    faithful: bool,
}

impl Wire {
    /// The wire of a bot's connection; `arrivals` counts the RTP packets that arrive.
    pub(crate) fn new(
        shared: &Shared,
        label: &str,
        connection: ConnectionId,
        arrivals: Option<Arc<Mutex<Arrivals>>>,
    ) -> Self {
        Self(Arc::new(Mutex::new(State {
            connection: connection.0,
            label: label.to_owned(),
            trace: shared.trace.clone(),
            passwords: Default::default(),
            handshakes: Default::default(),
            streams: HashSet::new(),
            relayed: Relayed::default(),
            authenticated: VecDeque::new(),
            unclassified: false,
            arrivals,
            faithful: !shared.scenario.corrupts(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tap for the connection's sockets.
    pub(crate) fn tap(&self) -> Tap {
        let wire = self.clone();
        Tap::new(move |datagram| wire.state().see(datagram))
    }

    /// Checks are held against the passwords of this description, ours or the other side's.
    pub(crate) fn description(&self, ours: bool, sdp: &str) {
        let mut state = self.state();
        let passwords = &mut state.passwords[usize::from(ours)];
        for password in sdp
            .lines()
            .filter_map(|line| line.trim().strip_prefix("a=ice-pwd:"))
        {
            if !passwords.iter().any(|known| known == password) {
                if passwords.len() == MAX_PASSWORDS {
                    passwords.remove(0);
                }
                passwords.push(password.to_owned());
            }
        }
    }
}

impl State {
    /// What a TURN server carries is seen as if it came by itself.
    fn see(&mut self, datagram: &Datagram<'_>) {
        match self.relayed.unwrap(datagram) {
            Some(inner) => self.see_direct(&inner),
            None => self.see_direct(datagram),
        }
    }

    fn see_direct(&mut self, datagram: &Datagram<'_>) {
        let way = match datagram.way {
            Way::Out => FrameWay::Out,
            Way::In => FrameWay::In,
        };
        let connection = self.connection;
        match DatagramKind::of(datagram.bytes) {
            DatagramKind::Rtp {
                payload_type,
                sequence,
                ssrc,
            } => {
                if datagram.way == Way::In
                    && let Some(arrivals) = &self.arrivals
                {
                    let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                    arrivals.take(ssrc, payload_type, sequence);
                }
                if self.faithful
                    && self.streams.len() < MAX_STREAMS
                    && self.streams.insert((datagram.way, payload_type, ssrc))
                {
                    self.trace.at(datagram.at, &self.label, || TraceKind::Rtp {
                        connection,
                        way,
                        payload_type,
                        ssrc,
                    });
                }
            }
            DatagramKind::Stun => {
                if let Some(message) = self.stun(datagram) {
                    self.trace.at(datagram.at, &self.label, || TraceKind::Stun {
                        connection,
                        way,
                        remote: datagram.remote.to_string(),
                        message,
                    });
                } else if let Some(message) = self.turn(datagram) {
                    self.trace.at(datagram.at, &self.label, || TraceKind::Turn {
                        connection,
                        way,
                        server: datagram.remote.to_string(),
                        message,
                    });
                }
            }
            DatagramKind::Dtls if self.faithful => {
                let handshake = &mut self.handshakes[usize::from(datagram.way == Way::In)];
                for message in handshake.observe(datagram.bytes).into_iter().filter_map(noted) {
                    self.trace.at(datagram.at, &self.label, || TraceKind::Dtls {
                        connection,
                        way,
                        message,
                    });
                }
            }
            DatagramKind::Unknown if self.faithful && !self.unclassified => {
                self.unclassified = true;
                self.trace
                    .at(datagram.at, &self.label, || TraceKind::Unclassified {
                        connection,
                        way,
                        first_byte: datagram.bytes.first().copied(),
                    });
            }
            DatagramKind::Dtls | DatagramKind::Unknown | DatagramKind::Rtcp | DatagramKind::TurnChannel => {}
        }
    }

    /// What a Binding message says, and whether it is made with the right password.
    fn stun(&self, datagram: &Datagram<'_>) -> Option<StunSeen> {
        let message = StunMessage::parse(datagram.bytes).ok()?;
        // A wrong FINGERPRINT is a flipped bit, and no message of anybody (RFC 8489 section 14.7).
        if message.method != BINDING || message.fingerprint == Some(false) {
            return None;
        }
        let class = name_of(message.class);
        // RFC 8445 section 7.2.2: a check and its answer are made with the password of whoever is asked.
        let asked_here = (datagram.way == Way::In) == (message.class == StunClass::Request);
        let passwords = &self.passwords[usize::from(asked_here)];
        let integrity = (message.has_integrity && !passwords.is_empty()).then(|| {
            passwords
                .iter()
                .any(|password| stun::integrity(datagram.bytes, password) == Some(true))
        });
        Some(StunSeen {
            class: class.to_owned(),
            username: message.username,
            controlling: message.role.map(|(role, _)| role == IceRole::Controlling),
            tie_breaker: message.role.map(|(_, tie_breaker)| tie_breaker),
            use_candidate: message.use_candidate,
            error: message.error_code,
            integrity,
        })
    }

    /// What is asked of a TURN server, and what it answers.
    fn turn(&mut self, datagram: &Datagram<'_>) -> Option<TurnSeen> {
        let message = StunMessage::parse(datagram.bytes).ok()?;
        let method = match message.method {
            relayed::ALLOCATE => "allocate",
            relayed::REFRESH => "refresh",
            relayed::CREATE_PERMISSION => "create-permission",
            relayed::CHANNEL_BIND => "channel-bind",
            _ => return None,
        };
        let has_credentials = if message.class == StunClass::Request {
            if message.has_integrity {
                if self.authenticated.len() == MAX_REQUESTS {
                    self.authenticated.pop_front();
                }
                self.authenticated.push_back(message.transaction_id);
            }
            message.has_integrity
        } else {
            self.authenticated.contains(&message.transaction_id)
        };
        Some(TurnSeen {
            method: method.to_owned(),
            class: name_of(message.class).to_owned(),
            has_credentials,
            error: message.error_code,
        })
    }
}

fn name_of(class: StunClass) -> &'static str {
    match class {
        StunClass::Request => "request",
        StunClass::Indication => "indication",
        StunClass::Success => "success",
        StunClass::Error => "error",
    }
}

/// What of a handshake belongs into the trace.
fn noted(seen: Seen) -> Option<DtlsSeen> {
    Some(match seen {
        Seen::ClientHello {
            version,
            srtp_profiles,
            ..
        } => DtlsSeen::ClientHello {
            version,
            srtp_profiles,
        },
        Seen::ServerHello {
            version,
            cipher,
            srtp_profile,
            supported_version,
        } => DtlsSeen::ServerHello {
            version: supported_version.unwrap_or(version),
            cipher,
            srtp_profile,
        },
        Seen::Certificate { sha256, .. } => DtlsSeen::Certificate {
            fingerprint: fingerprint_text(&sha256?),
        },
        Seen::ChangeCipherSpec => DtlsSeen::ChangeCipherSpec,
        Seen::Alert { level, description } => DtlsSeen::Alert { level, description },
        Seen::PlaintextData => DtlsSeen::PlaintextData,
        Seen::HelloVerifyRequest
        | Seen::ServerHelloDone
        | Seen::ClientKeyExchange
        | Seen::CertificateVerify
        | Seen::CertificateRequest
        | Seen::Other(_) => return None,
    })
}
