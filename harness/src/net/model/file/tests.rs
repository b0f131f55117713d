use super::*;
use crate::net::model::Loss;

#[track_caller]
fn refused(text: &str, expect: &str) {
    let message = NetworkFile::parse(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
    assert!(message.contains(expect), "{message:?} should say {expect:?}");
}

#[test]
fn an_empty_file_is_a_perfect_network() {
    let file = NetworkFile::parse("").unwrap();
    assert_eq!(file, NetworkFile::default());
    assert_eq!(file.broadcaster(), Access::default());
    assert_eq!(file.viewer(7), Access::default());
}

#[test]
fn a_viewer_differs_from_the_default_only_where_it_says_so() {
    let file = NetworkFile::parse(
        r#"
nat_timeout_ms = 300_000

[default]
preset = "lte"
nat = "port-restricted"

[broadcaster]
preset = "lan"

[[viewers]]
viewer = 3
nat = "symmetric"
down = { delay_ms = 300, loss = { gilbert-elliott = { enter = 0.01, leave = 0.25 } } }

[[viewers]]
viewer = 4
preset = "3g"
"#,
    )
    .unwrap();
    let lte = NetworkPreset::Lte;
    assert_eq!(file.nat_timeout, Duration::from_secs(300));
    assert_eq!(file.broadcaster().up, NetworkPreset::Lan.up());
    assert_eq!(file.broadcaster().nat, NatKind::None);
    let Access { up, down, nat } = file.viewer(1);
    assert_eq!((up, down, nat), (lte.up(), lte.down(), NatKind::PortRestricted));
    let third = file.viewer(3);
    assert_eq!((third.up, third.nat), (lte.up(), NatKind::Symmetric));
    assert_eq!(third.down.delay, Duration::from_millis(300));
    assert!(matches!(third.down.loss, Loss::GilbertElliott { .. }));
    assert_eq!(
        third.down.rate_kbps, None,
        "a link replaces the preset's as a whole"
    );
    let fourth = file.viewer(4);
    assert_eq!(
        (fourth.down, fourth.nat),
        (NetworkPreset::ThreeG.down(), NatKind::PortRestricted)
    );
}

#[test]
fn a_preset_is_a_network_of_viewers() {
    let file = NetworkFile::of_preset(NetworkPreset::Lossy);
    assert_eq!(file, NetworkFile::parse("default.preset = \"lossy\"").unwrap());
    assert_eq!(file.viewer(1).down, NetworkPreset::Lossy.down());
    assert_eq!(file.broadcaster(), Access::default());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    refused("[default]\npreset = \"dialup\"\n", "line 2, column 10");
    refused("[default]\npreset = \"dialup\"\n", "`3g`");
    refused("[default]\nnat = \"cone\"\n", "`full-cone`");
    refused("# ä\ndefault = [", "line 2, column ");
    refused(
        "[default]\ndown.latency_ms = 3\n",
        "line 2, column 6: unknown field `latency_ms`",
    );
    refused("[default]\ndown.loss = \"much\"\n", "line 2, column 13");
    refused("[defualt]\n", "defualt");
    refused("[[viewers]]\nnat = \"none\"\n", "viewer");
    refused(
        "[default.down]\nloss = 2.0\n",
        "default: down.loss is 2; expected a share",
    );
    refused(
        "[broadcaster.up]\nrate_kbps = 0\n",
        "broadcaster: up.rate_kbps is 0",
    );
    refused(
        "[[viewers]]\nviewer = 2\ndown.mtu = 10\n",
        "viewer 2: down.mtu is 10",
    );
    refused("[[viewers]]\nviewer = 0\n", "from 1");
    refused(
        "[[viewers]]\nviewer = 2\n[[viewers]]\nviewer = 2\n",
        "viewer 2 has two entries",
    );
    refused("nat_timeout_ms = 0\n", "a second to a day");
}

#[test]
fn a_network_survives_json() {
    let file = NetworkFile::parse("[[viewers]]\nviewer = 2\nnat = \"symmetric\"\n").unwrap();
    let text = serde_json::to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<NetworkFile>(&text).unwrap(), file);
}
