//! STUN messages as they pass a connection's socket (RFC 8489), with the attributes of ICE (RFC 8445).
//!
//! Owns the reading of one datagram and the check of its MESSAGE-INTEGRITY and FINGERPRINT. Nothing on this
//! path is encrypted, so it needs no key to read. It writes no message, though `seal` seals one that was rewritten; it
//! keeps no state and judges nothing.

mod seal;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

pub(crate) use seal::sealed;

/// RFC 8489 section 5.
const HEADER: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_a442;

/// RFC 8489 section 18.3, and for ICE RFC 8445 section 16.1.
const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const PASSWORD_ALGORITHM: u16 = 0x001d;
const USERHASH: u16 = 0x001e;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// From here on an attribute may be passed over by who does not know it (RFC 8489 section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

/// An attribute's header, and the value of a MESSAGE-INTEGRITY (RFC 8489 sections 14 and 14.5).
const ATTRIBUTE_HEADER: usize = 4;
const HMAC_SHA1: usize = 20;

/// What a FINGERPRINT's CRC-32 is combined with (RFC 8489 section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// The method of connectivity checks, and of asking a STUN server for one's address (RFC 8489 section 18.2).
pub const BINDING: u16 = 0x001;

/// The class of a message (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunClass {
    /// Asks for a response.
    Request,
    /// Asks for none.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// Which role an agent claims (RFC 8445 section 6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceRole {
    /// The one that nominates.
    Controlling,
    /// The other one.
    Controlled,
}

/// Why a datagram is no STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Shorter than the header (RFC 8489 section 5).
    #[error("{0} bytes are no STUN header")]
    Short(usize),
    /// The two highest bits are not zero (RFC 8489 section 5).
    #[error("the first two bits are not zero")]
    FirstBits,
    /// Another magic cookie (RFC 8489 section 5).
    #[error("magic cookie {0:#010x}")]
    Cookie(u32),
    /// The length is not that of the datagram, or not a multiple of four (RFC 8489 sections 5 and 6.3).
    #[error("the header says {said} bytes of attributes, {found} follow")]
    Length {
        /// Bytes after the header, as the header says.
        said: u16,
        /// Bytes after the header.
        found: usize,
    },
    /// An attribute is longer than what is left of the message (RFC 8489 section 14).
    #[error("attribute {0:#06x} goes beyond the message")]
    Overrun(u16),
    /// The value of an attribute has not the form that its type has.
    #[error("the value of attribute {0:#06x} is malformed")]
    Malformed(u16),
}

/// A STUN message, with the attributes that ICE uses.
///
/// Of an attribute that occurs more than once the first is taken (RFC 8489 section 14), and what follows
/// MESSAGE-INTEGRITY is ignored but for its successor and FINGERPRINT (section 14.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunMessage {
    /// What it wants.
    pub class: StunClass,
    /// The method, 12 bits: [`BINDING`], or one of TURN's (RFC 8656 section 17).
    pub method: u16,
    /// Relates a response to its request.
    pub transaction_id: [u8; 12],
    /// USERNAME (RFC 8489 section 14.3): in a connectivity check the fragment of the receiver, a colon, that
    /// of the sender (RFC 8445 section 7.2.2).
    pub username: Option<String>,
    /// Whether USE-CANDIDATE nominates the pair (RFC 8445 section 7.1.2).
    pub use_candidate: bool,
    /// ICE-CONTROLLING or ICE-CONTROLLED, with the tie-breaker (RFC 8445 section 7.1.3).
    pub role: Option<(IceRole, u64)>,
    /// PRIORITY (RFC 8445 section 7.1.1).
    pub priority: Option<u32>,
    /// ERROR-CODE (RFC 8489 section 14.8), 300 to 699.
    pub error_code: Option<u16>,
    /// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2), in clear.
    pub xor_mapped: Option<SocketAddr>,
    /// Whether there is a MESSAGE-INTEGRITY; [`integrity`] checks it.
    pub has_integrity: bool,
    /// Whether FINGERPRINT is right and the last attribute (RFC 8489 section 14.7); `None` without one.
    pub fingerprint: Option<bool>,
    /// Attributes that have to be understood (RFC 8489 section 14), by neither STUN nor ICE, nor by TURN in a
    /// message of another method than [`BINDING`]; in their order.
    pub unknown: Vec<u16>,
}

impl StunMessage {
    /// Reads a datagram; total, whatever the bytes.
    ///
    /// # Errors
    ///
    /// When it is not a whole, well-formed message. A wrong FINGERPRINT is not an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, StunError> {
        let (mut message, cookie_and_id) = Self::header(bytes)?;
        for attribute in Attributes::of(bytes) {
            let Attribute { at, kind, value } = attribute?;
            let malformed = StunError::Malformed(kind);
            match kind {
                USERNAME => {
                    let name = std::str::from_utf8(value).map_err(|_| malformed)?;
                    message.username.get_or_insert_with(|| name.to_owned());
                }
                USE_CANDIDATE if value.is_empty() => message.use_candidate = true,
                USE_CANDIDATE => return Err(malformed),
                ICE_CONTROLLING | ICE_CONTROLLED => {
                    let tie_breaker = u64::from_be_bytes(value.try_into().map_err(|_| malformed)?);
                    let role = if kind == ICE_CONTROLLING {
                        IceRole::Controlling
                    } else {
                        IceRole::Controlled
                    };
                    message.role.get_or_insert((role, tie_breaker));
                }
                PRIORITY => {
                    let priority = u32::from_be_bytes(value.try_into().map_err(|_| malformed)?);
                    message.priority.get_or_insert(priority);
                }
                ERROR_CODE => {
                    let code = error_code(value).ok_or(malformed)?;
                    message.error_code.get_or_insert(code);
                }
                XOR_MAPPED_ADDRESS => {
                    let address = xor_address(value, &cookie_and_id).ok_or(malformed)?;
                    message.xor_mapped.get_or_insert(address);
                }
                MESSAGE_INTEGRITY if value.len() == HMAC_SHA1 => message.has_integrity = true,
                MESSAGE_INTEGRITY => return Err(malformed),
                FINGERPRINT => {
                    let said = u32::from_be_bytes(value.try_into().map_err(|_| malformed)?);
                    let (before, rest) = bytes.split_at_checked(at).ok_or(malformed)?;
                    let last = rest.len() == ATTRIBUTE_HEADER + value.len();
                    message.fingerprint = Some(last && said == crc32(before) ^ FINGERPRINT_XOR);
                }
                _ if kind < COMPREHENSION_OPTIONAL && !understood(kind, message.method) => {
                    message.unknown.push(kind);
                }
                _ => {}
            }
        }
        Ok(message)
    }

    /// The message without its attributes, with the 16 bytes of cookie and transaction id that addresses are
    /// combined with (RFC 8489 sections 5 and 6.3).
    fn header(bytes: &[u8]) -> Result<(Self, [u8; 16]), StunError> {
        let (header, attributes) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(StunError::Short(bytes.len()))?;
        let [t0, t1, l0, l1, cookie_and_id @ ..] = *header;
        let [c0, c1, c2, c3, transaction_id @ ..] = cookie_and_id;
        let kind = u16::from_be_bytes([t0, t1]);
        if kind & 0xc000 != 0 {
            return Err(StunError::FirstBits);
        }
        let cookie = u32::from_be_bytes([c0, c1, c2, c3]);
        if cookie != MAGIC_COOKIE {
            return Err(StunError::Cookie(cookie));
        }
        let (said, found) = (u16::from_be_bytes([l0, l1]), attributes.len());
        if usize::from(said) != found || said % 4 != 0 {
            return Err(StunError::Length { said, found });
        }
        let message = Self {
            // The two bits of the class lie among the twelve of the method.
            class: match kind & 0x0110 {
                0x0000 => StunClass::Request,
                0x0010 => StunClass::Indication,
                0x0100 => StunClass::Success,
                _ => StunClass::Error,
            },
            method: (kind & 0x3e00) >> 2 | (kind & 0x00e0) >> 1 | kind & 0x000f,
            transaction_id,
            username: None,
            use_candidate: false,
            role: None,
            priority: None,
            error_code: None,
            xor_mapped: None,
            has_integrity: false,
            fingerprint: None,
            unknown: Vec::new(),
        };
        Ok((message, cookie_and_id))
    }
}

/// Whether MESSAGE-INTEGRITY verifies with a short-term credential (RFC 8489 sections 9.1 and 14.5); `None`
/// when there is none, or `bytes` are no STUN message.
///
/// The key is the password as it stands: OpaqueString (RFC 8265) leaves printable ASCII alone, and the
/// passwords of ICE are made of nothing else (RFC 8839 section 5.4).
pub fn integrity(bytes: &[u8], password: &str) -> Option<bool> {
    StunMessage::header(bytes).ok()?;
    let Attribute { at, value, .. } = Attributes::of(bytes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind == MESSAGE_INTEGRITY)?;
    let (header, attributes) = bytes.get(..at)?.split_first_chunk::<HEADER>()?;
    // It is computed as if the message ended with it.
    let length = attributes.len().checked_add(ATTRIBUTE_HEADER + HMAC_SHA1)?;
    let [t0, t1, _, _, cookie_and_id @ ..] = header;
    let mut hmac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).ok()?;
    hmac.update(&[*t0, *t1]);
    hmac.update(&u16::try_from(length).ok()?.to_be_bytes());
    hmac.update(cookie_and_id);
    hmac.update(attributes);
    Some(hmac.verify_slice(value).is_ok())
}

/// The value of the first attribute of a type; `None` when there is none, or `bytes` are no STUN message.
pub(crate) fn value(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    StunMessage::header(bytes).ok()?;
    let mut attributes = Attributes::of(bytes).map_while(Result::ok);
    Some(attributes.find(|attribute| attribute.kind == kind)?.value)
}

/// The address in the first attribute of a type whose form is XOR-MAPPED-ADDRESS's, in clear.
pub(crate) fn address(bytes: &[u8], kind: u16) -> Option<SocketAddr> {
    let (_, cookie_and_id) = StunMessage::header(bytes).ok()?;
    xor_address(value(bytes, kind)?, &cookie_and_id)
}

/// One attribute, and at which byte of the message its header begins.
struct Attribute<'a> {
    at: usize,
    kind: u16,
    value: &'a [u8],
}

/// The attributes of a message that count: MESSAGE-INTEGRITY, its successor with SHA-256 and FINGERPRINT each
/// hide what follows, except for those that come later in this list (RFC 8489 sections 14.5 to 14.7).
struct Attributes<'a> {
    at: usize,
    rest: &'a [u8],
    sealed: u8,
}

impl<'a> Attributes<'a> {
    /// Those after the header of `bytes`, if it has one.
    fn of(bytes: &'a [u8]) -> Self {
        let rest = bytes.get(HEADER..).unwrap_or_default();
        Self {
            at: HEADER,
            rest,
            sealed: 0,
        }
    }

    fn step(&mut self) -> Result<Attribute<'a>, StunError> {
        let overrun = |kind| StunError::Overrun(kind);
        let ([k0, k1, l0, l1], body) = self.rest.split_first_chunk().ok_or(overrun(0))?;
        let kind = u16::from_be_bytes([*k0, *k1]);
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = body.get(..length).ok_or(overrun(kind))?;
        let padded = length.next_multiple_of(4);
        let attribute = Attribute {
            at: self.at,
            kind,
            value,
        };
        self.rest = body.get(padded..).ok_or(overrun(kind))?;
        self.at = self.at.saturating_add(ATTRIBUTE_HEADER + padded);
        Ok(attribute)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, StunError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let attribute = match self.step() {
                Ok(attribute) => attribute,
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            };
            let seal = match attribute.kind {
                MESSAGE_INTEGRITY => 1,
                MESSAGE_INTEGRITY_SHA256 => 2,
                FINGERPRINT => 3,
                _ => 0,
            };
            if self.sealed == 0 || seal > self.sealed {
                self.sealed = seal;
                return Some(Ok(attribute));
            }
        }
        None
    }
}

/// RFC 8489 section 14.8: the hundreds, and the rest.
fn error_code(value: &[u8]) -> Option<u16> {
    let [_, _, class, number, ..] = *value else {
        return None;
    };
    let class = class & 0b111;
    ((3..=6).contains(&class) && number < 100).then(|| u16::from(class) * 100 + u16::from(number))
}

/// RFC 8489 section 14.2: the port with the upper half of the cookie, the address with the cookie and, as far
/// as it is longer, the transaction id.
fn xor_address(value: &[u8], cookie_and_id: &[u8; 16]) -> Option<SocketAddr> {
    let [_, family, p0, p1, address @ ..] = value else {
        return None;
    };
    let [c0, c1, c2, c3, ..] = cookie_and_id;
    let port = u16::from_be_bytes([p0 ^ c0, p1 ^ c1]);
    let ip = match family {
        1 => {
            let bits =
                u32::from_be_bytes(address.try_into().ok()?) ^ u32::from_be_bytes([*c0, *c1, *c2, *c3]);
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        }
        2 => {
            let bits = u128::from_be_bytes(address.try_into().ok()?) ^ u128::from_be_bytes(*cookie_and_id);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Whether an attribute has a meaning in a message of this method; asked about those without one of their own
/// above.
fn understood(kind: u16, method: u16) -> bool {
    match kind {
        MAPPED_ADDRESS | UNKNOWN_ATTRIBUTES | REALM | NONCE => true,
        MESSAGE_INTEGRITY_SHA256 | PASSWORD_ALGORITHM | USERHASH => true,
        // TURN (RFC 8656 section 18), and for IPv6 the same.
        0x000c | 0x000d | 0x0012 | 0x0013 | 0x0016..=0x001a | 0x0022 => method != BINDING,
        _ => false,
    }
}

/// CRC-32 as in ITU V.42, which FINGERPRINT is made of (RFC 8489 section 14.7); bit by bit, as messages are
/// short.
fn crc32(bytes: &[u8]) -> u32 {
    let by_bit = |crc: u32, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), by_bit))
}

#[cfg(test)]
mod tests;
