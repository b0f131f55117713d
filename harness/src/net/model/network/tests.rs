mod nat_matrix;

use proptest::prelude::*;

use super::*;
use crate::net::model::nat::MAPPING_TIMEOUT;
use crate::net::model::spec::Loss;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn network() -> Network {
    Network::new(1, MAPPING_TIMEOUT)
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn delayed(delay: u64) -> LinkSpec {
    LinkSpec {
        delay: millis(delay),
        ..LinkSpec::default()
    }
}

/// A host with a delay each way.
fn host(network: &mut Network, delay: u64, nat: NatKind) -> (HostId, SocketAddr) {
    let id = network.add_host(delayed(delay), delayed(delay), nat).unwrap();
    (id, (id.private_address(), 4_000).into())
}

fn finish(network: &mut Network, out: &mut Vec<Delivery>) {
    while let Some(at) = network.next_crossing() {
        network.advance(at, out);
    }
}

/// A Binding request of RFC 8489.
fn binding_request() -> Vec<u8> {
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    request
}

/// The address in a Binding response.
fn mapped_address(response: &[u8]) -> SocketAddr {
    let port = u16::from_be_bytes([response[26], response[27]]) ^ 0x2112;
    let ip = u32::from_be_bytes(response[28..32].try_into().unwrap()) ^ 0x2112_a442;
    (Ipv4Addr::from_bits(ip), port).into()
}

/// What the STUN server tells a host of its address, at `now`.
fn learn(network: &mut Network, now: Duration, id: HostId, own: SocketAddr) -> Option<SocketAddr> {
    let mut out = Vec::new();
    network.send(now, id, own, STUN_SERVER, &binding_request(), &mut out);
    finish(network, &mut out);
    out.first().map(|delivery| mapped_address(&delivery.bytes))
}

#[test]
fn a_datagram_takes_the_time_of_its_uplink_and_its_downlink() {
    let mut network = network();
    let (a, a_address) = host(&mut network, 20, NatKind::None);
    let (b, b_address) = host(&mut network, 80, NatKind::None);
    let mut out = Vec::new();
    network.send(millis(5), a, a_address, b_address, b"hello", &mut out);
    assert_eq!(out, [], "it is known only at the core when it gets there");
    assert_eq!(network.next_crossing(), Some(millis(25)));
    network.advance(millis(25), &mut out);
    let expect = Delivery {
        at: millis(105),
        host: b,
        source: a_address,
        destination: b_address,
        bytes: b"hello".to_vec(),
    };
    assert_eq!(out, [expect]);
    assert_eq!(network.next_crossing(), None);
    assert_eq!(network.link_counts(a, Direction::Up).delivered, 1);
    assert_eq!(network.link_counts(b, Direction::Down).delivered, 1);
}

#[test]
fn a_datagram_that_crosses_first_has_its_turn_first_whoever_sent_first() {
    let mut network = network();
    let (far, far_address) = host(&mut network, 300, NatKind::None);
    let (near, near_address) = host(&mut network, 1, NatKind::None);
    let (_, receiver) = host(&mut network, 10, NatKind::None);
    let mut out = Vec::new();
    network.send(millis(0), far, far_address, receiver, b"far", &mut out);
    network.send(millis(10), near, near_address, receiver, b"near", &mut out);
    finish(&mut network, &mut out);
    let came: Vec<_> = out
        .iter()
        .map(|delivery| (delivery.at, delivery.bytes.as_slice()))
        .collect();
    assert_eq!(came, [(millis(21), &b"near"[..]), (millis(310), b"far")]);
}

#[test]
fn a_nat_judges_when_a_datagram_reaches_it() {
    let mut network = network();
    let (far, far_address) = host(&mut network, 300, NatKind::None);
    let (near, near_address) = host(&mut network, 1, NatKind::PortRestricted);
    let public = learn(&mut network, millis(0), near, near_address).unwrap();
    let mut out = Vec::new();
    network.send(millis(10), far, far_address, public, b"check", &mut out);
    // The hole is opened after the check was sent and before it comes.
    network.send(millis(100), near, near_address, far_address, b"check", &mut out);
    finish(&mut network, &mut out);
    assert_eq!(out.len(), 2);
    assert_eq!((out[1].at, out[1].host), (millis(311), near));
    assert_eq!(out[1].destination, near_address);
    assert_eq!(out[1].source, far_address);
}

#[test]
fn the_stun_server_tells_the_address_that_others_see() {
    let mut network = network();
    let (a, a_address) = host(&mut network, 20, NatKind::FullCone);
    let (b, b_address) = host(&mut network, 20, NatKind::None);
    assert_eq!(learn(&mut network, millis(0), b, b_address), Some(b_address));
    let public = learn(&mut network, millis(100), a, a_address).unwrap();
    assert_eq!(public, at("203.0.113.1:49152"));
    let mut out = Vec::new();
    network.send(millis(200), a, a_address, b_address, b"hello", &mut out);
    finish(&mut network, &mut out);
    assert_eq!(out[0].source, public);
    assert_eq!(network.counts().answered, 2);
}

#[test]
fn what_nobody_can_get_is_dropped_and_counted() {
    let mut network = network();
    let (a, own) = host(&mut network, 0, NatKind::None);
    let (_, behind_nat) = host(&mut network, 0, NatKind::FullCone);
    let mut out = Vec::new();
    for destination in [
        behind_nat,
        at("203.0.113.1:4000"),
        at("203.0.113.0:4000"),
        at("10.0.9.2:4000"),
        at("192.0.2.1:4000"),
        at("[2001:db8::1]:4000"),
        STUN_SERVER,
    ] {
        network.send(millis(0), a, own, destination, b"hello", &mut out);
    }
    network.send(millis(0), a, behind_nat, own, b"spoofed", &mut out);
    assert_eq!(out, []);
    assert_eq!(network.counts().unroutable, 8);
    network.send(millis(0), a, own, at("203.0.113.2:49152"), b"", &mut out);
    assert_eq!(network.counts().filtered, 1);
}

#[test]
fn a_host_that_is_cut_off_neither_sends_nor_receives_until_it_is_back() {
    let mut network = network();
    let (a, a_address) = host(&mut network, 10, NatKind::None);
    let (b, b_address) = host(&mut network, 10, NatKind::None);
    let mut out = Vec::new();
    network.send(millis(0), a, a_address, b_address, b"on its downlink", &mut out);
    network.send(
        millis(5),
        a,
        a_address,
        b_address,
        b"in the core too late",
        &mut out,
    );
    network.advance(millis(10), &mut out);
    network.partition(b, true);
    network.send(millis(12), b, b_address, a_address, b"cut off", &mut out);
    finish(&mut network, &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(network.counts().partitioned, 2);
    network.partition(b, false);
    network.send(millis(20), b, b_address, a_address, b"back", &mut out);
    finish(&mut network, &mut out);
    assert_eq!(out.len(), 2);
}

#[test]
fn a_link_changes_while_the_run_goes_on() {
    let mut network = network();
    let (a, a_address) = host(&mut network, 0, NatKind::None);
    let (b, b_address) = host(&mut network, 10, NatKind::None);
    let mut out = Vec::new();
    network.send(millis(0), a, a_address, b_address, b"1", &mut out);
    let all = LinkSpec {
        loss: Loss::Independent { share: 1.0 },
        ..LinkSpec::default()
    };
    network.set_link(b, Direction::Down, all);
    assert_eq!(network.link(b, Direction::Down), &all);
    network.send(millis(1), a, a_address, b_address, b"2", &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(network.link_counts(b, Direction::Down).lost, 1);
}

#[test]
fn a_host_reaches_itself_by_its_public_address() {
    let mut network = network();
    let (a, first) = host(&mut network, 1, NatKind::FullCone);
    let second = SocketAddr::from((a.private_address(), 4_001));
    let public = learn(&mut network, millis(0), a, first).unwrap();
    let mut out = Vec::new();
    network.send(millis(10), a, second, public, b"hairpin", &mut out);
    finish(&mut network, &mut out);
    assert_eq!(out[0].destination, first);
    // RFC 4787 REQ-9a: the source is the external one.
    assert_eq!(out[0].source, at("203.0.113.1:49153"));
}

#[test]
fn every_host_has_its_own_addresses() {
    let ids = (0..MAX_HOSTS as u32).map(HostId);
    let mut addresses: Vec<_> = ids
        .flat_map(|id| [id.private_address(), id.public_address().into()])
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), MAX_HOSTS * 2);

    let mut network = network();
    for number in 1..=600_u32 {
        let nat = if number % 2 == 0 {
            NatKind::None
        } else {
            NatKind::FullCone
        };
        let (id, own) = host(&mut network, 0, nat);
        let seen = learn(&mut network, Duration::ZERO, id, own).unwrap();
        assert_eq!(network.host_of(seen), Some(id), "host {number} is seen at {seen}");
    }
}

#[test]
fn one_host_s_draws_are_not_another_s() {
    let lossy = LinkSpec {
        loss: Loss::Independent { share: 0.5 },
        ..LinkSpec::default()
    };
    let fates = |index: usize| -> Vec<usize> {
        let mut network = network();
        let ids: Vec<_> = (0..3)
            .map(|_| {
                network
                    .add_host(lossy, LinkSpec::default(), NatKind::None)
                    .unwrap()
            })
            .collect();
        let own = SocketAddr::from((ids[index].private_address(), 1));
        let mut out = Vec::new();
        (0..200)
            .filter(|_| {
                out.clear();
                network.send(Duration::ZERO, ids[index], own, own, b"x", &mut out);
                !out.is_empty()
            })
            .collect()
    };
    assert_eq!(fates(0), fates(0));
    assert_ne!(fates(0), fates(1));
    assert_ne!(fates(1), fates(2));
}

const KINDS: [NatKind; 6] = [
    NatKind::None,
    NatKind::FullCone,
    NatKind::RestrictedCone,
    NatKind::PortRestricted,
    NatKind::Symmetric,
    NatKind::UdpBlocked,
];

/// Six hosts, one of each kind, on bad links, that send at random times to random addresses.
fn traffic(seed: u64, sends: &[(u64, usize, usize, bool)]) -> (Network, Vec<Delivery>) {
    let mut network = Network::new(seed, MAPPING_TIMEOUT);
    let spec = LinkSpec {
        loss: Loss::Independent { share: 0.1 },
        delay: millis(20),
        jitter: millis(20),
        reorder: true,
        duplicate: 0.1,
        rate_kbps: Some(500),
        queue_bytes: 2_000,
        ..LinkSpec::default()
    };
    let ids = KINDS.map(|kind| network.add_host(spec, spec, kind).unwrap());
    let mut destinations = vec![STUN_SERVER, at("192.0.2.1:9")];
    for id in ids {
        destinations.push((id.private_address(), 4_000).into());
        destinations.push((id.public_address(), 49_152).into());
        destinations.push((id.public_address(), 49_153).into());
    }
    let (mut out, mut now) = (Vec::new(), Duration::ZERO);
    for (gap, from, to, cut) in sends {
        now += Duration::from_micros(*gap);
        let id = ids[*from];
        network.partition(ids[0], *cut);
        let to = destinations[to % destinations.len()];
        let mut bytes = binding_request();
        let attributes = (gap % 4 * 100) as u16;
        bytes.resize(20 + usize::from(attributes), 0);
        bytes[2..4].copy_from_slice(&attributes.to_be_bytes());
        network.send(
            now,
            id,
            (id.private_address(), 4_000).into(),
            to,
            &bytes,
            &mut out,
        );
    }
    finish(&mut network, &mut out);
    (network, out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_datagram_of_the_network_is_accounted_for_and_repeats_by_seed(
        seed: u64,
        sends in prop::collection::vec(
            (0..20_000_u64, 0..6_usize, 0..20_usize, prop::bool::weighted(0.1)),
            0..400,
        ),
    ) {
        let (network, out) = traffic(seed, &sends);
        let total = |direction, count: fn(LinkCounts) -> u64| -> u64 {
            network.hosts.iter().map(|host| count(host.link(direction).counts())).sum()
        };
        let counts = network.counts();
        let dropped = |counts: LinkCounts| counts.lost + counts.queue_dropped + counts.too_large;
        prop_assert_eq!(counts.sent, sends.len() as u64);
        prop_assert_eq!(
            counts.sent + total(Direction::Up, |counts| counts.duplicated) - total(Direction::Up, dropped),
            counts.routed + counts.unroutable + counts.partitioned + counts.blocked + counts.filtered
                + counts.nat_full + counts.overflowed
        );
        prop_assert_eq!(counts.routed, total(Direction::Down, |counts| counts.sent));
        let arrived = total(Direction::Down, |counts| counts.delivered + counts.duplicated);
        prop_assert_eq!(out.len() as u64, arrived);
        let (again, repeated) = traffic(seed, &sends);
        prop_assert_eq!(out, repeated);
        prop_assert_eq!(counts, again.counts());
    }
}
