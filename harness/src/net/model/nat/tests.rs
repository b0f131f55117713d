use super::*;

const START: Duration = Duration::ZERO;

fn nat(kind: NatKind) -> Nat {
    Nat::new(kind, Ipv4Addr::new(203, 0, 113, 1), MAPPING_TIMEOUT)
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Who may answer after the host has sent to 192.0.2.1:5000: the same, its other port, somebody else.
#[track_caller]
fn check_filter(kind: NatKind, expect: [Result<(), NatDrop>; 3]) {
    let mut nat = nat(kind);
    let inside = at("10.0.1.2:4000");
    let public = nat.outbound(START, inside, at("192.0.2.1:5000")).unwrap();
    let sources = ["192.0.2.1:5000", "192.0.2.1:5001", "192.0.2.9:5000"];
    for (source, expect) in sources.into_iter().zip(expect) {
        assert_eq!(
            nat.inbound(START, at(source), public),
            expect.map(|()| inside),
            "{kind:?} from {source}"
        );
    }
}

#[test]
fn each_kind_lets_in_whom_its_name_says() {
    let no = Err(NatDrop::Filtered);
    check_filter(NatKind::FullCone, [Ok(()), Ok(()), Ok(())]);
    check_filter(NatKind::RestrictedCone, [Ok(()), Ok(()), no]);
    check_filter(NatKind::PortRestricted, [Ok(()), no, no]);
    check_filter(NatKind::Symmetric, [Ok(()), no, no]);
}

#[test]
fn only_a_symmetric_nat_shows_another_port_to_each_destination() {
    for kind in [
        NatKind::FullCone,
        NatKind::RestrictedCone,
        NatKind::PortRestricted,
        NatKind::Symmetric,
    ] {
        let mut nat = nat(kind);
        let mut seen_by = |remote| nat.outbound(START, at("10.0.1.2:4000"), at(remote)).unwrap();
        let (first, second) = (seen_by("192.0.2.1:5000"), seen_by("192.0.2.1:5001"));
        assert_eq!(first, at("203.0.113.1:49152"));
        assert_eq!(first != second, kind == NatKind::Symmetric, "{kind:?}");
        assert_eq!(seen_by("192.0.2.1:5000"), first);
    }
}

#[test]
fn each_socket_inside_has_its_own_port_outside() {
    let mut nat = nat(NatKind::FullCone);
    let remote = at("192.0.2.1:5000");
    let first = nat.outbound(START, at("10.0.1.2:4000"), remote).unwrap();
    let second = nat.outbound(START, at("10.0.1.2:4001"), remote).unwrap();
    assert_ne!(first, second);
    assert_eq!(nat.inbound(START, remote, second), Ok(at("10.0.1.2:4001")));
}

#[test]
fn a_mapping_ends_two_minutes_after_the_host_last_sent() {
    let mut nat = nat(NatKind::PortRestricted);
    let (inside, remote) = (at("10.0.1.2:4000"), at("192.0.2.1:5000"));
    let seconds = Duration::from_secs;
    let public = nat.outbound(START, inside, remote).unwrap();
    assert_eq!(nat.outbound(seconds(119), inside, remote), Ok(public));
    assert_eq!(nat.inbound(seconds(238), remote, public), Ok(inside));
    assert_eq!(nat.inbound(seconds(239), remote, public), Err(NatDrop::NoMapping));
    let next = nat.outbound(seconds(239), inside, remote).unwrap();
    assert_ne!(next, public, "a new mapping has a new port");
    assert_eq!(nat.mappings(), 1);
}

#[test]
fn a_permission_ends_although_its_mapping_lives() {
    let mut nat = nat(NatKind::RestrictedCone);
    let inside = at("10.0.1.2:4000");
    let public = nat.outbound(START, inside, at("192.0.2.1:5000")).unwrap();
    nat.outbound(Duration::from_secs(100), inside, at("192.0.2.2:5000"))
        .unwrap();
    let later = Duration::from_secs(130);
    assert_eq!(
        nat.inbound(later, at("192.0.2.1:5000"), public),
        Err(NatDrop::Filtered)
    );
    assert_eq!(nat.inbound(later, at("192.0.2.2:5000"), public), Ok(inside));
}

#[test]
fn no_nat_changes_nothing_and_a_blocked_host_neither_sends_nor_receives() {
    let (inside, remote) = (at("10.0.1.2:4000"), at("192.0.2.1:5000"));
    let mut none = nat(NatKind::None);
    assert_eq!(none.outbound(START, inside, remote), Ok(inside));
    assert_eq!(none.inbound(START, remote, inside), Ok(inside));
    let mut blocked = nat(NatKind::UdpBlocked);
    assert_eq!(blocked.outbound(START, inside, remote), Err(NatDrop::Blocked));
    assert_eq!(
        blocked.inbound(START, remote, at("203.0.113.1:49152")),
        Err(NatDrop::Blocked)
    );
}

#[test]
fn both_tables_are_bounded_and_ended_entries_make_room() {
    let mut symmetric = nat(NatKind::Symmetric);
    let inside = at("10.0.1.2:4000");
    let remote = |port: usize| SocketAddr::from(([192, 0, 2, 1], port as u16));
    for port in 1..=MAX_MAPPINGS {
        symmetric.outbound(START, inside, remote(port)).unwrap();
    }
    let over = remote(MAX_MAPPINGS + 1);
    assert_eq!(symmetric.outbound(START, inside, over), Err(NatDrop::TableFull));
    symmetric.outbound(MAPPING_TIMEOUT, inside, over).unwrap();
    assert_eq!(symmetric.mappings(), 1);

    let mut cone = nat(NatKind::PortRestricted);
    for port in 1..=MAX_PERMISSIONS {
        cone.outbound(START, inside, remote(port)).unwrap();
    }
    let over = remote(MAX_PERMISSIONS + 1);
    assert_eq!(cone.outbound(START, inside, over), Err(NatDrop::TableFull));
    cone.outbound(MAPPING_TIMEOUT, inside, over).unwrap();
}

#[test]
fn ports_go_round_without_giving_one_out_twice() {
    let mut nat = nat(NatKind::Symmetric);
    let inside = at("10.0.1.2:4000");
    let mut now = START;
    for round in 0..5_u8 {
        let mut given: Vec<_> = (1..=4_000_u16)
            .map(|port| {
                let remote = SocketAddr::from(([192, 0, 2, round], port));
                nat.outbound(now, inside, remote).unwrap()
            })
            .collect();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 4_000);
        now += MAPPING_TIMEOUT;
    }
}
