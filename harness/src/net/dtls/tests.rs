mod openssl;

use openssl::{CLIENT, SERVER};
use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// What a fresh reader sees in these datagrams, one after the other.
fn seen<T: AsRef<[u8]>>(datagrams: impl IntoIterator<Item = T>) -> Vec<Seen> {
    let mut handshake = Handshake::default();
    let see = |datagram: T| handshake.observe(datagram.as_ref());
    datagrams.into_iter().flat_map(see).collect()
}

fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0];
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// Bytes `from..to` of a message, without a record around them.
fn piece(kind: u8, sequence: u16, body: &[u8], from: usize, to: usize) -> Vec<u8> {
    let u24 = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
    let mut piece = vec![kind];
    piece.extend(u24(body.len()));
    piece.extend(sequence.to_be_bytes());
    piece.extend(u24(from));
    piece.extend(u24(to - from));
    piece.extend(&body[from..to]);
    piece
}

/// A datagram with bytes `from..to` of a message.
fn fragment(kind: u8, sequence: u16, body: &[u8], from: usize, to: usize) -> Vec<u8> {
    record(HANDSHAKE, 0, &piece(kind, sequence, body, from, to))
}

/// A datagram with a whole message.
fn whole(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    fragment(kind, sequence, body, 0, body.len())
}

/// A chain of two: 200 bytes that differ, and one.
fn chain() -> (Vec<u8>, Seen) {
    let first: Vec<u8> = (0..200).collect();
    let body = [&[0, 0, 207, 0, 0, 200][..], &first, &[0, 0, 1, 9]].concat();
    let sha256 = Some(Sha256::digest(&first).into());
    (body, Seen::Certificate { sha256, count: 2 })
}

/// A ServerHello with these extensions, their list's length included.
fn server_hello(extensions: &[u8]) -> Vec<u8> {
    [&[0xfe, 0xfd][..], &[7; 32], &[0], &[0xc0, 0x2b], &[0], extensions].concat()
}

fn certificate_text(seen: &[Seen]) -> Option<String> {
    seen.iter().find_map(|seen| match seen {
        Seen::Certificate { sha256, count: 1 } => sha256.as_ref().map(fingerprint_text),
        _ => None,
    })
}

#[test]
fn what_openssl_s_client_sends_is_read() {
    let seen = seen(CLIENT.map(bytes));
    let hello = |cookie| Seen::ClientHello {
        version: 0xfefd,
        ciphers: vec![0xc02b, 0x00ff],
        srtp_profiles: vec![0x0001],
        extended_master_secret: true,
        cookie,
    };
    // By `openssl x509 -fingerprint -sha256`.
    let fingerprint =
        "1A:70:4E:E3:68:4A:31:34:A2:C8:91:E1:B3:AC:10:CC:77:90:4A:EB:EB:81:B7:15:1E:04:63:4D:D2:99:7E:EE";
    assert_eq!(certificate_text(&seen).as_deref(), Some(fingerprint));
    assert_eq!(seen[..2], [hello(false), hello(true)]);
    assert_eq!(
        seen[3..],
        [
            Seen::ClientKeyExchange,
            Seen::CertificateVerify,
            Seen::ChangeCipherSpec
        ]
    );
}

#[test]
fn what_openssl_s_server_answers_is_read() {
    let seen = seen(SERVER.map(bytes));
    let fingerprint =
        "4D:EC:8A:1A:B9:27:DD:E6:ED:5B:F8:2A:6E:4F:2D:03:34:69:D1:88:58:83:CC:7F:6D:AC:81:C8:80:37:61:DF";
    assert_eq!(certificate_text(&seen).as_deref(), Some(fingerprint));
    let hello = Seen::ServerHello {
        version: 0xfefd,
        cipher: 0xc02b,
        srtp_profile: Some(1),
        supported_version: None,
    };
    assert_eq!(seen[..2], [Seen::HelloVerifyRequest, hello]);
    // ServerKeyExchange has no place of its own.
    assert_eq!(
        seen[3..],
        [Seen::Other(12), Seen::CertificateRequest, Seen::ServerHelloDone]
    );
}

#[test]
fn a_retransmitted_flight_is_reported_once() {
    for flight in [CLIENT, SERVER] {
        let twice = flight.map(|hex| [bytes(hex), bytes(hex)]);
        assert_eq!(seen(twice.as_flattened()), seen(flight.map(bytes)));
        let again = [flight.map(bytes), flight.map(bytes)];
        assert_eq!(seen(again.as_flattened()), seen(flight.map(bytes)));
    }
}

#[test]
fn datagrams_in_reverse_are_reported_in_the_order_of_their_messages() {
    let mut reversed = SERVER.map(bytes);
    reversed.reverse();
    assert_eq!(seen(reversed), seen(SERVER.map(bytes)));
}

#[test]
fn a_retransmission_may_be_cut_elsewhere() {
    let (body, certificate) = chain();
    let cut = |from, to| fragment(CERTIFICATE, 0, &body, from, to);
    let mut handshake = Handshake::default();
    for (from, to) in [(150, 210), (0, 60), (40, 100), (0, 60)] {
        assert_eq!(handshake.observe(&cut(from, to)), [], "{from} to {to}");
    }
    assert_eq!(handshake.observe(&cut(90, 160)), [certificate]);
    assert_eq!(handshake.observe(&cut(0, 210)), []);
}

#[test]
fn fragments_that_contradict_the_message_are_ignored() {
    let (body, certificate) = chain();
    let mut handshake = Handshake::default();
    assert_eq!(handshake.observe(&fragment(CERTIFICATE, 0, &body, 0, 100)), []);
    // Of another type, of another length, beyond the end.
    assert_eq!(handshake.observe(&whole(SERVER_HELLO, 0, &body)), []);
    assert_eq!(handshake.observe(&whole(CERTIFICATE, 0, &body[..100])), []);
    let mut beyond = fragment(CERTIFICATE, 0, &body, 100, 210);
    beyond[21] = 101;
    assert_eq!(handshake.observe(&beyond), []);
    assert_eq!(
        handshake.observe(&fragment(CERTIFICATE, 0, &body, 100, 210)),
        [certificate]
    );
}

#[test]
fn several_messages_in_one_record_and_several_records_in_one_datagram() {
    let (body, certificate) = chain();
    let two = [
        piece(CERTIFICATE, 0, &body, 0, 210),
        piece(SERVER_HELLO_DONE, 1, &[], 0, 0),
    ]
    .concat();
    let records = [
        record(HANDSHAKE, 0, &two),
        record(CHANGE_CIPHER_SPEC, 0, &[1]),
        record(ALERT, 0, &[2, 40]),
    ];
    let all = [
        certificate,
        Seen::ServerHelloDone,
        Seen::ChangeCipherSpec,
        Seen::Alert {
            level: 2,
            description: 40,
        },
    ];
    assert_eq!(seen([records.concat()]), all);
}

#[test]
fn reading_ends_where_a_record_is_truncated() {
    let done = whole(SERVER_HELLO_DONE, 0, &[]);
    let alert = record(ALERT, 0, &[1, 0]);
    let both = [&done[..], &alert].concat();
    for length in 0..both.len() {
        let expect: &[Seen] = if length < done.len() {
            &[]
        } else {
            &[Seen::ServerHelloDone]
        };
        assert_eq!(seen([&both[..length]]), expect, "{length}");
    }
}

#[test]
fn encrypted_records_and_other_protocols_say_nothing() {
    let alert = record(ALERT, 0, &[1, 0]);
    for content_type in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA] {
        let encrypted = [record(content_type, 1, &[1, 0]), alert.clone()].concat();
        let expect = [Seen::Alert {
            level: 1,
            description: 0,
        }];
        assert_eq!(seen([encrypted]), expect, "what follows in clear is read");
    }
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    let rtp = [128, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 5, 5, 5];
    let unified = [0x2f, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(seen([&stun[..], &rtp, &unified, &[]]), []);
}

#[test]
fn data_in_clear_and_alerts_are_reported_each_time() {
    let data = record(APPLICATION_DATA, 0, b"secret");
    assert_eq!(seen([&data, &data]), [Seen::PlaintextData, Seen::PlaintextData]);
    let warning = record(ALERT, 0, &[1, 0]);
    assert_eq!(seen([&warning, &warning]).len(), 2);
    let change = record(CHANGE_CIPHER_SPEC, 0, &[1]);
    assert_eq!(seen([&change, &change]), [Seen::ChangeCipherSpec]);
}

#[test]
fn a_server_hello_may_lack_extensions_and_may_be_of_1_3() {
    let hello = |srtp_profile, supported_version| Seen::ServerHello {
        version: 0xfefd,
        cipher: 0xc02b,
        srtp_profile,
        supported_version,
    };
    let read = |extensions: &[u8]| seen([whole(SERVER_HELLO, 0, &server_hello(extensions))]);
    assert_eq!(read(&[]), [hello(None, None)]);
    assert_eq!(
        read(&[0, 6, 0, 43, 0, 2, 0xfe, 0xfc]),
        [hello(None, Some(0xfefc))]
    );
    assert_eq!(read(&[0, 9, 0, 14, 0, 5, 0, 2, 0, 7, 0]), [hello(Some(7), None)]);
    // The list is shorter than it says, and so is an extension.
    assert_eq!(
        read(&[0, 9, 0, 43, 0, 2, 0xfe, 0xfc]),
        [Seen::Other(SERVER_HELLO)]
    );
    assert_eq!(read(&[0, 5, 0, 43, 0, 2, 0xfe]), [Seen::Other(SERVER_HELLO)]);
}

#[test]
fn an_empty_chain_has_no_fingerprint_and_a_broken_one_is_no_chain() {
    let read = |body: &[u8]| seen([whole(CERTIFICATE, 0, body)]);
    assert_eq!(
        read(&[0, 0, 0]),
        [Seen::Certificate {
            sha256: None,
            count: 0
        }]
    );
    assert_eq!(read(&[0, 0, 4, 0, 0, 5, 1]), [Seen::Other(CERTIFICATE)]);
    assert_eq!(read(&[]), [Seen::Other(CERTIFICATE)]);
}

#[test]
fn messages_beyond_the_bounds_are_ignored_until_they_come_again() {
    let (body, certificate) = chain();
    let mut handshake = Handshake::default();
    // The ninth from the first that is missing, and one that leaves no room for the other.
    assert_eq!(handshake.observe(&whole(SERVER_HELLO_DONE, 8, &[])), []);
    assert_eq!(
        handshake.observe(&fragment(CERTIFICATE, 1, &[0; MAX_BUFFERED], 0, 10)),
        []
    );
    assert_eq!(handshake.observe(&whole(CERTIFICATE, 2, &body)), []);
    assert_eq!(handshake.pending.len(), 1);
    assert_eq!(
        handshake.observe(&whole(SERVER_HELLO_DONE, 0, &[])),
        [Seen::ServerHelloDone]
    );
    for at in (0..MAX_BUFFERED).step_by(1024) {
        let _ = handshake.observe(&fragment(CERTIFICATE, 1, &[0; MAX_BUFFERED], at, at + 1024));
    }
    assert_eq!(handshake.observe(&whole(CERTIFICATE, 2, &body)), [certificate]);
}

#[test]
fn a_message_longer_than_the_bound_is_not_kept() {
    let mut handshake = Handshake::default();
    assert_eq!(
        handshake.observe(&fragment(CERTIFICATE, 0, &[0; MAX_BUFFERED + 1], 0, 10)),
        []
    );
    assert!(handshake.pending.is_empty());
}

#[test]
fn the_last_number_is_not_reported_again() {
    let mut handshake = Handshake {
        next: 0xffff,
        ..Handshake::default()
    };
    assert_eq!(
        handshake.observe(&whole(SERVER_HELLO_DONE, 0xffff, &[])),
        [Seen::ServerHelloDone]
    );
    assert_eq!(handshake.observe(&whole(SERVER_HELLO_DONE, 0xffff, &[])), []);
}

fn within_bounds(handshake: &Handshake) -> bool {
    let buffered: usize = handshake
        .pending
        .values()
        .map(|message| message.body.capacity())
        .sum();
    handshake.pending.len() <= MAX_MESSAGES as usize && buffered <= MAX_BUFFERED
}

proptest! {
    #[test]
    fn no_datagrams_panic_or_fill_the_memory(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..20),
    ) {
        let mut handshake = Handshake::default();
        for datagram in datagrams {
            let _ = handshake.observe(&datagram);
            let _ = handshake.observe(&record(HANDSHAKE, 0, &datagram));
            prop_assert!(within_bounds(&handshake));
        }
    }

    #[test]
    fn no_messages_panic_or_fill_the_memory(
        fragments in proptest::collection::vec(
            (0_u8..18, 0_u16..12, 0_usize..9_000, 0_usize..9_000, 0_usize..200, any::<u8>()),
            0..40,
        ),
    ) {
        let mut handshake = Handshake::default();
        for (kind, sequence, length, from, count, byte) in fragments {
            let (from, to) = (from.min(length), (from + count).min(length));
            let _ = handshake.observe(&fragment(kind, sequence, &vec![byte; length], from, to));
            prop_assert!(within_bounds(&handshake));
        }
    }

    #[test]
    fn no_body_panics(kind in 0_u8..21, body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let seen = seen([whole(kind, 0, &body)]);
        prop_assert_eq!(seen.len(), 1);
    }

    #[test]
    fn damage_to_a_real_flight_never_panics(at in 0_usize..800, value: u8) {
        let mut handshake = Handshake::default();
        let mut flight = CLIENT.map(bytes);
        if let Some(byte) = flight.iter_mut().flatten().nth(at) {
            *byte = value;
        }
        for datagram in &flight {
            let _ = handshake.observe(datagram);
            prop_assert!(within_bounds(&handshake));
        }
    }

    #[test]
    fn any_cut_and_any_order_give_the_message(
        cuts in proptest::collection::btree_set(1_usize..210, 0..12),
        order in any::<prop::sample::Index>(),
    ) {
        let (body, certificate) = chain();
        let edges: Vec<usize> = [0].into_iter().chain(cuts).chain([210]).collect();
        let mut pieces: Vec<_> = edges
            .windows(2)
            .map(|edge| fragment(CERTIFICATE, 0, &body, edge[0], edge[1]))
            .collect();
        let middle = order.index(pieces.len());
        pieces.rotate_left(middle);
        prop_assert_eq!(seen(pieces), [certificate]);
    }
}
