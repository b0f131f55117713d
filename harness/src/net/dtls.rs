//! The part of a DTLS handshake that crosses the network in clear (RFC 6347): versions, ciphers and SRTP
//! profiles offered and chosen, certificates, alerts, and data that should have been encrypted.
//!
//! Owns the reassembly of one direction's handshake messages and their reading. It decrypts nothing, ignores
//! what it cannot read, and does not judge what it saw.

mod reader;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use reader::Reader;

/// Content types (RFC 5246 section 6.2.1), from the first to the last that a record in clear has.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const LAST_CONTENT_TYPE: u8 = 31;

/// Versions count down from 0xfeff, DTLS 1.0 (RFC 6347 section 4.1).
const VERSION_MAJOR: u8 = 0xfe;

/// Handshake messages (RFC 5246 section 7.4, RFC 6347 section 4.3.2).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Extensions: RFC 5764 section 9, RFC 7627 section 5.1, RFC 8446 section 4.2.
const USE_SRTP: u16 = 14;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;

/// The time and the random bytes of a hello (RFC 5246 section 7.4.1.2).
const RANDOM: usize = 32;

/// How many unfinished messages are kept, and how many bytes these may have together.
const MAX_MESSAGES: u32 = 8;
const MAX_BUFFERED: usize = 32 * 1024;

/// What one direction of a connection let see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// What a client offers (RFC 5246 section 7.4.1.2); after a [`Self::HelloVerifyRequest`] a second one.
    ClientHello {
        /// The newest version but DTLS 1.3, which hides behind 1.2: 0xfefd is 1.2, 0xfeff 1.0.
        version: u16,
        /// Cipher suites, the preferred first.
        ciphers: Vec<u16>,
        /// Profiles of use_srtp, the preferred first (RFC 5764 section 4.1.1); empty without the extension.
        srtp_profiles: Vec<u16>,
        /// Whether it offers the extended master secret (RFC 7627 section 5.1).
        extended_master_secret: bool,
        /// Whether it returns a cookie (RFC 6347 section 4.2.1).
        cookie: bool,
    },
    /// A server wants the cookie in it back (RFC 6347 section 4.2.1).
    HelloVerifyRequest,
    /// What a server chose (RFC 5246 section 7.4.1.3).
    ServerHello {
        /// The version, unless `supported_version` has another one.
        version: u16,
        /// The cipher suite.
        cipher: u16,
        /// The profile of use_srtp (RFC 5764 section 4.1.1); `None` without the extension.
        srtp_profile: Option<u16>,
        /// The version by the extension that DTLS 1.3 brought (RFC 8446 section 4.2.1), 0xfefc there.
        supported_version: Option<u16>,
    },
    /// Certificates in clear, as up to DTLS 1.2 (RFC 5246 section 7.4.2).
    Certificate {
        /// SHA-256 of the first one's DER bytes, as in a=fingerprint (RFC 8122 section 5); `None` when the
        /// chain is empty, which is how a client declines (RFC 5246 section 7.4.6).
        sha256: Option<[u8; 32]>,
        /// How many there are.
        count: usize,
    },
    /// A server has said what it has to say (RFC 5246 section 7.4.5).
    ServerHelloDone,
    /// RFC 5246 section 7.4.7.
    ClientKeyExchange,
    /// A client proves that it has its certificate's key (RFC 5246 section 7.4.8).
    CertificateVerify,
    /// A server asks for the client's certificate (RFC 5246 section 7.4.4).
    CertificateRequest,
    /// From here on records are encrypted (RFC 5246 section 7.1); reported once.
    ChangeCipherSpec,
    /// An alert in clear (RFC 5246 section 7.2), each time that it is seen.
    Alert {
        /// 1 is a warning, 2 is fatal.
        level: u8,
        /// What is wrong, or 0 when the connection closes.
        description: u8,
    },
    /// Application data in clear, which is never legal (RFC 6347 section 4.1), each time that it is seen.
    PlaintextData,
    /// A handshake message of this type: none of the above, or one whose body has not the form that it should
    /// have.
    Other(u8),
}

/// Follows the handshake of one direction of one DTLS association; give each direction its own.
///
/// Handshake messages are reported in the order of their numbers, as their receiver takes them (RFC 6347
/// section 4.2.2): one that comes early waits for those before it. Everything else is reported at once.
///
/// At most 8 messages of together 32 KiB wait, counted as long as they say they are. What is beyond is
/// ignored until it is retransmitted, and a single message that is longer stops the reports of handshake
/// messages for good.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    /// The number of the message that is to be reported next; all before it are retransmissions.
    next: u32,
    pending: BTreeMap<u32, Message>,
    ciphers_changed: bool,
}

impl Handshake {
    /// Reads a datagram, and says what it completed; total, whatever the bytes, so that it need not be DTLS
    /// at all.
    ///
    /// Reading ends at a truncated record and passes over encrypted ones.
    pub fn observe(&mut self, datagram: &[u8]) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut rest = Reader(datagram);
        while let Some(record) = Record::read(&mut rest) {
            match (record.epoch, record.content_type, record.body) {
                (0, CHANGE_CIPHER_SPEC, [1]) if !self.ciphers_changed => {
                    self.ciphers_changed = true;
                    seen.push(Seen::ChangeCipherSpec);
                }
                (0, ALERT, &[level, description]) => seen.push(Seen::Alert { level, description }),
                (0, HANDSHAKE, body) => {
                    let mut rest = Reader(body);
                    while let Some(fragment) = Fragment::read(&mut rest) {
                        self.collect(&fragment);
                        self.report(&mut seen);
                    }
                }
                (0, APPLICATION_DATA, _) => seen.push(Seen::PlaintextData),
                _ => {}
            }
        }
        seen
    }

    /// Keeps what is new in a fragment.
    fn collect(&mut self, fragment: &Fragment<'_>) {
        let ahead = fragment.sequence.checked_sub(self.next);
        if ahead.is_none_or(|ahead| ahead >= MAX_MESSAGES) {
            return;
        }
        if !self.pending.contains_key(&fragment.sequence) {
            let buffered: usize = self.pending.values().map(|message| message.body.len()).sum();
            if buffered.saturating_add(fragment.length) > MAX_BUFFERED {
                return;
            }
            self.pending.insert(fragment.sequence, Message::of(fragment));
        }
        if let Some(message) = self.pending.get_mut(&fragment.sequence) {
            message.fill(fragment);
        }
    }

    /// Takes out what is complete, as far as nothing before it is missing.
    fn report(&mut self, seen: &mut Vec<Seen>) {
        while let Some(first) = self.pending.first_entry() {
            if *first.key() != self.next || first.get().missing > 0 {
                return;
            }
            let message = first.remove();
            let body: Vec<u8> = message.body.into_iter().flatten().collect();
            seen.push(Seen::read(message.kind, &body).unwrap_or(Seen::Other(message.kind)));
            self.next = self.next.saturating_add(1);
        }
    }
}

/// A message of which fragments arrive.
#[derive(Clone, Debug)]
struct Message {
    kind: u8,
    body: Vec<Option<u8>>,
    missing: usize,
}

impl Message {
    fn of(fragment: &Fragment<'_>) -> Self {
        Self {
            kind: fragment.kind,
            body: vec![None; fragment.length],
            missing: fragment.length,
        }
    }

    /// Takes the bytes that it has not yet: fragments may overlap (RFC 6347 section 4.2.3). One of another
    /// message under the same number is ignored.
    fn fill(&mut self, fragment: &Fragment<'_>) {
        if (fragment.kind, fragment.length) != (self.kind, self.body.len()) {
            return;
        }
        let end = fragment.offset.saturating_add(fragment.bytes.len());
        let Some(slots) = self.body.get_mut(fragment.offset..end) else {
            return;
        };
        for (slot, byte) in slots.iter_mut().zip(fragment.bytes) {
            if slot.is_none() {
                *slot = Some(*byte);
                self.missing = self.missing.saturating_sub(1);
            }
        }
    }
}

/// RFC 6347 section 4.1.
struct Record<'a> {
    content_type: u8,
    epoch: u16,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The next record; `None` at the end, and where none begins. DTLS 1.3 encrypts under another header (RFC
    /// 9147 section 4), with a first byte from 32 on.
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let content_type = from.u8()?;
        let major = from.u8()?;
        if !(CHANGE_CIPHER_SPEC..=LAST_CONTENT_TYPE).contains(&content_type) || major != VERSION_MAJOR {
            return None;
        }
        let _minor = from.u8()?;
        let epoch = from.u16()?;
        let _sequence = from.take(6)?;
        let body = from.vector16()?.0;
        Some(Self {
            content_type,
            epoch,
            body,
        })
    }
}

/// RFC 6347 section 4.2.2.
struct Fragment<'a> {
    kind: u8,
    /// Of the whole message.
    length: usize,
    sequence: u32,
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        Some(Self {
            kind: from.u8()?,
            length: from.u24()?,
            sequence: u32::from(from.u16()?),
            offset: from.u24()?,
            bytes: from.vector24()?.0,
        })
    }
}

impl Seen {
    /// Reads a whole handshake message; `None` when there is no more to say than its type.
    fn read(kind: u8, body: &[u8]) -> Option<Self> {
        let mut body = Reader(body);
        Some(match kind {
            CLIENT_HELLO => Self::client_hello(&mut body)?,
            SERVER_HELLO => Self::server_hello(&mut body)?,
            CERTIFICATE => Self::certificate(&mut body)?,
            HELLO_VERIFY_REQUEST => Self::HelloVerifyRequest,
            SERVER_HELLO_DONE => Self::ServerHelloDone,
            CLIENT_KEY_EXCHANGE => Self::ClientKeyExchange,
            CERTIFICATE_VERIFY => Self::CertificateVerify,
            CERTIFICATE_REQUEST => Self::CertificateRequest,
            _ => return None,
        })
    }

    fn client_hello(body: &mut Reader<'_>) -> Option<Self> {
        let version = body.u16()?;
        let _random = body.take(RANDOM)?;
        let _session = body.vector8()?;
        let cookie = !body.vector8()?.0.is_empty();
        let ciphers = body.vector16()?.numbers()?;
        let _compression = body.vector8()?;
        let (mut srtp_profiles, mut extended_master_secret) = (Vec::new(), false);
        for (kind, mut data) in body.extensions()? {
            match kind {
                USE_SRTP => srtp_profiles = data.vector16()?.numbers()?,
                EXTENDED_MASTER_SECRET => extended_master_secret = true,
                _ => {}
            }
        }
        Some(Self::ClientHello {
            version,
            ciphers,
            srtp_profiles,
            extended_master_secret,
            cookie,
        })
    }

    fn server_hello(body: &mut Reader<'_>) -> Option<Self> {
        let version = body.u16()?;
        let _random = body.take(RANDOM)?;
        let _session = body.vector8()?;
        let cipher = body.u16()?;
        let _compression = body.u8()?;
        let (mut srtp_profile, mut supported_version) = (None, None);
        for (kind, mut data) in body.extensions()? {
            match kind {
                USE_SRTP => srtp_profile = Some(data.vector16()?.u16()?),
                SUPPORTED_VERSIONS => supported_version = Some(data.u16()?),
                _ => {}
            }
        }
        Some(Self::ServerHello {
            version,
            cipher,
            srtp_profile,
            supported_version,
        })
    }

    fn certificate(body: &mut Reader<'_>) -> Option<Self> {
        let mut chain = body.vector24()?;
        let (mut sha256, mut count) = (None, 0_usize);
        while !chain.0.is_empty() {
            let certificate = chain.vector24()?.0;
            sha256.get_or_insert_with(|| Sha256::digest(certificate).into());
            count = count.saturating_add(1);
        }
        Some(Self::Certificate { sha256, count })
    }
}

/// A fingerprint as it stands in a=fingerprint: uppercase hexadecimal with colons (RFC 8122 section 5).
pub fn fingerprint_text(sha256: &[u8; 32]) -> String {
    let mut text = String::with_capacity(sha256.len() * 3);
    for byte in sha256 {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests;
