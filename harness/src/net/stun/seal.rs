//! MESSAGE-INTEGRITY and FINGERPRINT for a message that was rewritten on purpose (RFC 8489 sections 14.5 and 14.7).
//!
//! Owns the sealing. What the message says is its writer's business.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::{ATTRIBUTE_HEADER, FINGERPRINT, FINGERPRINT_XOR, HEADER, HMAC_SHA1, MESSAGE_INTEGRITY, crc32};

/// The message with both attributes behind those that it has, made with a short-term password; `None` if it is shorter
/// than a header or longer than a length says.
pub(crate) fn sealed(mut message: Vec<u8>, password: &str) -> Option<Vec<u8>> {
    // Each of the two is computed as if the message ended with it.
    lengthen(&mut message, ATTRIBUTE_HEADER + HMAC_SHA1)?;
    let mut hmac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).ok()?;
    hmac.update(&message);
    message.extend(MESSAGE_INTEGRITY.to_be_bytes());
    message.extend((HMAC_SHA1 as u16).to_be_bytes());
    message.extend(hmac.finalize().into_bytes());
    lengthen(&mut message, ATTRIBUTE_HEADER + 4)?;
    let crc = crc32(&message) ^ FINGERPRINT_XOR;
    message.extend(FINGERPRINT.to_be_bytes());
    message.extend(4_u16.to_be_bytes());
    message.extend(crc.to_be_bytes());
    Some(message)
}

/// Has the header say that so many bytes will follow what is there.
fn lengthen(message: &mut [u8], by: usize) -> Option<()> {
    let length = message.len().checked_sub(HEADER)?.checked_add(by)?;
    let length = u16::try_from(length).ok()?;
    message.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::{StunMessage, integrity};
    use super::*;

    #[test]
    fn a_sealed_message_is_one_that_its_reader_believes() {
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend(1..=12);
        request.extend([0, 0x25, 0, 0]);
        let request = sealed(request, "a password").unwrap();
        let read = StunMessage::parse(&request).unwrap();
        assert_eq!(
            (read.use_candidate, read.has_integrity, read.fingerprint),
            (true, true, Some(true))
        );
        assert_eq!(integrity(&request, "a password"), Some(true));
        assert_eq!(integrity(&request, "another one"), Some(false));
    }

    #[test]
    fn what_is_no_message_is_not_sealed() {
        assert_eq!(sealed(vec![0; 19], "x"), None);
        assert_eq!(sealed(vec![0; 70_000], "x"), None);
    }
}
