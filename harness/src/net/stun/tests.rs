use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION_ID: [u8; 12] = [
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
];

/// RFC 5769 section 2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
    002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5\
    b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 section 2.2.
const RESPONSE_IPV4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 section 2.3.
const RESPONSE_IPV6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220\
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41\
    80280004c8fb0b4c";

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// A message of type `kind` with these attributes.
fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut message = kind.to_be_bytes().to_vec();
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend(TRANSACTION_ID);
    message.extend(body);
    message
}

fn parse(kind: u16, attributes: &[(u16, &[u8])]) -> Result<StunMessage, StunError> {
    StunMessage::parse(&message(kind, attributes))
}

#[test]
fn the_sample_request_is_read() {
    let request = StunMessage {
        class: StunClass::Request,
        method: BINDING,
        transaction_id: TRANSACTION_ID,
        username: Some("evtj:h6vY".to_owned()),
        use_candidate: false,
        role: Some((IceRole::Controlled, 0x932f_f9b1_5126_3b36)),
        priority: Some(0x6e00_01ff),
        error_code: None,
        xor_mapped: None,
        has_integrity: true,
        fingerprint: Some(true),
        unknown: Vec::new(),
    };
    assert_eq!(StunMessage::parse(&bytes(REQUEST)), Ok(request));
    assert_eq!(integrity(&bytes(REQUEST), PASSWORD), Some(true));
}

#[test]
fn the_sample_responses_are_read() {
    for (hex, address) in [
        (RESPONSE_IPV4, "192.0.2.1:32853"),
        (RESPONSE_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let response = StunMessage::parse(&bytes(hex)).unwrap();
        assert_eq!((response.class, response.method), (StunClass::Success, BINDING));
        assert_eq!(response.transaction_id, TRANSACTION_ID);
        assert_eq!(response.xor_mapped, Some(address.parse().unwrap()));
        assert!(response.has_integrity);
        assert_eq!(response.fingerprint, Some(true));
        assert_eq!(integrity(&bytes(hex), PASSWORD), Some(true));
    }
}

#[test]
fn any_other_bit_or_password_breaks_integrity_and_fingerprint() {
    let request = bytes(REQUEST);
    assert_eq!(integrity(&request, "VOkJxbRl1RmTxUk/WvJxBT"), Some(false));
    assert_eq!(integrity(&request, ""), Some(false));
    // Transaction id, software, tie-breaker, padding of the username, the HMAC itself.
    for at in [8, 24, 60, 75, 99] {
        let mut damaged = request.clone();
        damaged[at] ^= 1;
        assert_eq!(integrity(&damaged, PASSWORD), Some(false), "byte {at}");
        assert_eq!(
            StunMessage::parse(&damaged).unwrap().fingerprint,
            Some(false),
            "byte {at}"
        );
    }
    let mut damaged = request;
    damaged[107] ^= 1;
    assert_eq!(
        integrity(&damaged, PASSWORD),
        Some(true),
        "the fingerprint is not under the HMAC"
    );
    assert_eq!(StunMessage::parse(&damaged).unwrap().fingerprint, Some(false));
}

#[test]
fn a_message_without_integrity_has_none_to_check() {
    let plain = message(0x0001, &[(PRIORITY, &[0, 0, 0, 1])]);
    assert_eq!(integrity(&plain, PASSWORD), None);
    let read = StunMessage::parse(&plain).unwrap();
    assert!(!read.has_integrity);
    assert_eq!(read.fingerprint, None);
    assert_eq!(integrity(b"not STUN", PASSWORD), None);
}

#[test]
fn class_and_method_are_taken_apart() {
    for (kind, class, method) in [
        (0x0001, StunClass::Request, BINDING),
        (0x0011, StunClass::Indication, BINDING),
        (0x0101, StunClass::Success, BINDING),
        (0x0111, StunClass::Error, BINDING),
        // RFC 8656 section 17: Allocate, and the indication Data.
        (0x0003, StunClass::Request, 0x003),
        (0x0017, StunClass::Indication, 0x007),
        (0x3eef, StunClass::Request, 0xfff),
    ] {
        let read = parse(kind, &[]).unwrap();
        assert_eq!((read.class, read.method), (class, method), "{kind:#06x}");
    }
}

#[test]
fn nomination_role_and_error_code_are_read() {
    let read = parse(
        0x0001,
        &[(USE_CANDIDATE, &[]), (ICE_CONTROLLING, &[0, 0, 0, 0, 0, 0, 0, 9])],
    )
    .unwrap();
    assert!(read.use_candidate);
    assert_eq!(read.role, Some((IceRole::Controlling, 9)));
    // RFC 8445 section 7.3.1.1: 487, role conflict.
    let read = parse(0x0111, &[(ERROR_CODE, b"\0\0\x04\x57Role Conflict")]).unwrap();
    assert_eq!(read.error_code, Some(487));
}

#[test]
fn of_equal_attributes_the_first_counts() {
    let read = parse(
        0x0001,
        &[(USERNAME, b"a:b"), (USERNAME, b"c:d"), (PRIORITY, &[0, 0, 0, 1])],
    )
    .unwrap();
    assert_eq!(read.username.as_deref(), Some("a:b"));
}

#[test]
fn what_follows_integrity_is_ignored() {
    let sealed = [
        (MESSAGE_INTEGRITY, &[0; 20][..]),
        (USE_CANDIDATE, &[]),
        (0x7fff, &[]),
        (FINGERPRINT, &[0; 4]),
    ];
    let read = parse(0x0001, &sealed).unwrap();
    assert!(read.has_integrity && !read.use_candidate && read.unknown.is_empty());
    assert_eq!(read.fingerprint, Some(false));
}

#[test]
fn a_fingerprint_that_is_not_last_is_wrong() {
    let mut longer = message(0x0001, &[(0x8022, b"test")]);
    longer[3] = 20;
    let crc = (crc32(&longer) ^ FINGERPRINT_XOR).to_be_bytes();
    longer.extend([0x80, 0x28, 0, 4]);
    longer.extend(crc);
    longer.extend([0x80, 0x22, 0, 0]);
    assert_eq!(StunMessage::parse(&longer).unwrap().fingerprint, Some(false));
}

#[test]
fn unknown_attributes_are_listed_when_they_must_be_understood() {
    let attributes = [
        (0x7fff, &[][..]),
        (0xc057, &[0; 4]),
        (0x0003, &[0; 4]),
        (REALM, b"r"),
    ];
    assert_eq!(parse(0x0001, &attributes).unwrap().unknown, [0x7fff, 0x0003]);
    // REQUESTED-TRANSPORT belongs to Allocate and not to Binding.
    let transport = [(0x0019, &[17, 0, 0, 0][..])];
    assert_eq!(parse(0x0003, &transport).unwrap().unknown, [0_u16; 0]);
    assert_eq!(parse(0x0001, &transport).unwrap().unknown, [0x0019]);
}

#[test]
fn what_is_no_stun_message_says_why() {
    let good = message(0x0001, &[(PRIORITY, &[0, 0, 0, 1])]);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        StunMessage::parse(&bytes)
    };
    assert_eq!(StunMessage::parse(&good[..19]), Err(StunError::Short(19)));
    assert_eq!(with(0, 0x80), Err(StunError::FirstBits));
    assert_eq!(with(4, 0), Err(StunError::Cookie(0x0012_a442)));
    assert_eq!(with(3, 4), Err(StunError::Length { said: 4, found: 8 }));
    assert_eq!(
        StunMessage::parse(&good[..27]),
        Err(StunError::Length { said: 8, found: 7 })
    );
    assert_eq!(with(23, 5), Err(StunError::Overrun(PRIORITY)));
    assert_eq!(with(23, 3), Err(StunError::Malformed(PRIORITY)));
}

#[test]
fn malformed_values_are_refused() {
    for (kind, value) in [
        (USERNAME, &[0xff][..]),
        (USE_CANDIDATE, &[1]),
        (ICE_CONTROLLED, &[0; 4]),
        (PRIORITY, &[0; 8]),
        (ERROR_CODE, &[0, 0, 4]),
        (ERROR_CODE, &[0, 0, 7, 0]),
        (ERROR_CODE, &[0, 0, 4, 100]),
        (XOR_MAPPED_ADDRESS, &[]),
        (XOR_MAPPED_ADDRESS, &[0, 2, 0, 0, 0, 0, 0, 0]),
        (XOR_MAPPED_ADDRESS, &[0, 3, 0, 0, 0, 0, 0, 0]),
        (MESSAGE_INTEGRITY, &[0; 32]),
        (FINGERPRINT, &[0; 8]),
    ] {
        assert_eq!(
            parse(0x0001, &[(kind, value)]),
            Err(StunError::Malformed(kind)),
            "{value:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), password in ".*") {
        let _ = StunMessage::parse(&bytes);
        let _ = integrity(&bytes, &password);
    }

    #[test]
    fn no_attributes_panic(
        kind in 0_u16..0x4000,
        attributes in proptest::collection::vec(
            (
                prop_oneof![0_u16..0x30, 0x8020_u16..0x8030, any::<u16>()],
                proptest::collection::vec(any::<u8>(), 0..40),
            ),
            0..8,
        ),
        cut in 0_usize..4,
    ) {
        let attributes: Vec<_> = attributes.iter().map(|(kind, value)| (*kind, &value[..])).collect();
        let mut bytes = message(kind, &attributes);
        let has_integrity = StunMessage::parse(&bytes).is_ok_and(|read| read.has_integrity);
        prop_assert!(!has_integrity || integrity(&bytes, PASSWORD).is_some());
        bytes.truncate(bytes.len() - cut);
        let _ = StunMessage::parse(&bytes);
    }

    #[test]
    fn a_flipped_bit_of_the_sample_request_never_verifies(at in 0_usize..108, bit in 0_u8..8) {
        let mut damaged = bytes(REQUEST);
        damaged[at] ^= 1 << bit;
        let fingerprint = StunMessage::parse(&damaged).ok().and_then(|read| read.fingerprint);
        prop_assert_ne!(fingerprint, Some(true));
    }
}
