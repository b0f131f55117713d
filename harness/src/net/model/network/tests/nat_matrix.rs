//! Which pairs of NATs connect, against the textbook, by a prober that does what ICE does (RFC 8445).

use super::*;

/// A host that gathers one server-reflexive candidate and repeats its checks.
struct Prober {
    id: HostId,
    own: SocketAddr,
    /// Candidates to give away.
    local: Vec<SocketAddr>,
    /// The other's candidates, with the peer-reflexive ones that its checks showed.
    remote: Vec<SocketAddr>,
    /// A check of ours was answered.
    connected: bool,
}

impl Prober {
    fn new(network: &mut Network, nat: NatKind) -> Self {
        let (id, own) = host(network, 20, nat);
        let mapped = learn(network, Duration::ZERO, id, own);
        Self {
            id,
            own,
            local: [Some(own), mapped].into_iter().flatten().collect(),
            remote: Vec::new(),
            connected: false,
        }
    }

    /// What it sends on what came: RFC 8445 section 7.3.1.3 learns a candidate from a check.
    fn receive(&mut self, delivery: &Delivery) -> Option<SocketAddr> {
        if delivery.bytes == b"answer" {
            self.connected = true;
            return None;
        }
        if !self.remote.contains(&delivery.source) {
            self.remote.push(delivery.source);
        }
        Some(delivery.source)
    }
}

/// Whether two hosts connect in ten rounds of checks, 100 ms apart.
fn connects(one: NatKind, other: NatKind) -> bool {
    let mut network = network();
    let mut probers = [Prober::new(&mut network, one), Prober::new(&mut network, other)];
    // The signaling.
    probers[0].remote = probers[1].local.clone();
    probers[1].remote = probers[0].local.clone();
    let mut pending: Vec<Delivery> = Vec::new();
    for tick in 0..100_u64 {
        let now = millis(1_000 + tick * 10);
        network.advance(now, &mut pending);
        pending.sort_by_key(|delivery| delivery.at);
        let later = pending.iter().position(|delivery| delivery.at > now);
        let due: Vec<_> = pending.drain(..later.unwrap_or(pending.len())).collect();
        for delivery in due {
            let prober = &mut probers[usize::from(delivery.host != probers[0].id)];
            if let Some(to) = prober.receive(&delivery) {
                network.send(now, prober.id, prober.own, to, b"answer", &mut pending);
            }
        }
        if tick % 10 == 0 {
            for prober in &probers {
                for remote in &prober.remote {
                    network.send(now, prober.id, prober.own, *remote, b"check", &mut pending);
                }
            }
        }
    }
    probers.iter().all(|prober| prober.connected)
}

#[test]
fn pairs_of_nats_connect_as_the_textbook_says() {
    // The order of `KINDS`; + connects directly, - needs a relay.
    let textbook = [
        ("none           ", "+ + + + + -"),
        ("full cone      ", "+ + + + + -"),
        ("restricted cone", "+ + + + + -"),
        ("port-restricted", "+ + + + - -"),
        ("symmetric      ", "+ + + - - -"),
        ("udp blocked    ", "- - - - - -"),
    ];
    let found = KINDS.map(|one| {
        let row = KINDS.map(|other| if connects(one, other) { "+" } else { "-" });
        row.join(" ")
    });
    for ((name, expect), found) in textbook.into_iter().zip(found) {
        assert_eq!(found, expect, "{name}");
    }
}
