//! NATs through real ICE: each pair of kinds connects, or does not, as the textbook says.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

use std::time::Duration;

use greenroom::net::model::{AccessSpec, NatKind, NetworkFile};
use greenroom::rules::CauseKind;
use greenroom::{FindingKind, Report, Run};

const KINDS: [NatKind; 6] = [
    NatKind::None,
    NatKind::FullCone,
    NatKind::RestrictedCone,
    NatKind::PortRestricted,
    NatKind::Symmetric,
    NatKind::UdpBlocked,
];

/// What a peer behind one NAT can reach of a peer behind another, without a relay: UDP through a firewall that
/// blocks it never passes, and a symmetric NAT has a port for each destination, which a filter that knows ports
/// does not expect.
fn connects(one: NatKind, other: NatKind) -> bool {
    use NatKind::{PortRestricted, Symmetric, UdpBlocked};
    !matches!(
        (one, other),
        (UdpBlocked, _)
            | (_, UdpBlocked)
            | (Symmetric, Symmetric | PortRestricted)
            | (PortRestricted, Symmetric)
    )
}

async fn call(broadcaster: NatKind, viewer: NatKind) -> Report {
    let behind = |nat| AccessSpec {
        nat: Some(nat),
        ..AccessSpec::default()
    };
    let network = NetworkFile {
        default: behind(viewer),
        broadcaster: behind(broadcaster),
        ..NetworkFile::default()
    };
    let run = Run::simulated(1).viewers(1).duration(Duration::from_millis(500));
    run.network(network).run().await.unwrap()
}

#[tokio::test]
async fn each_pair_of_nats_connects_or_does_not_as_the_textbook_says() {
    for broadcaster in KINDS {
        for viewer in KINDS {
            let report = call(broadcaster, viewer).await;
            let pair = format!("{broadcaster:?} to {viewer:?}: {}", report.because);
            if connects(broadcaster, viewer) {
                assert!(report.measured.totals.verified > 0, "{pair}");
                report.assert_passed();
            } else {
                assert_eq!(report.measured.totals.verified, 0, "{pair}");
                assert_eq!(report.findings[0].kind, FindingKind::NoFirstFrame, "{pair}");
                assert_eq!(report.causes[0].kind, CauseKind::IceTimedOut, "{pair}");
            }
        }
    }
}
