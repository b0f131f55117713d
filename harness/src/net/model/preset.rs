//! Named networks.
//!
//! Owns the figures and says where they are from. They are access links of one host; a path between two
//! hosts has the uplink of one and the downlink of the other.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::spec::{LinkSpec, Loss};

/// A named pair of up and down links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPreset {
    /// A wired office: 1 Gbit/s, 0.3 ms each way, nothing lost.
    Lan,
    /// A busy home: 40 and 33 Mbit/s, 3 ms and up to 12 more, 0.5 % lost in bursts of 3.
    Wifi,
    /// A phone with good reception: 50 Mbit/s down, 10 up, 35 to 55 ms, 0.2 % lost.
    Lte,
    /// A phone with poor reception: 780 kbit/s down, 330 up, 100 to 150 ms, 0.5 % lost.
    #[serde(rename = "3g")]
    ThreeG,
    /// A geostationary satellite: 25 Mbit/s down, 3 up, 279 ms and up to 20 more, 0.5 % lost in bursts of 5.
    Satellite,
    /// No link in particular, hard on purpose: 5 % of datagrams lost each way, each by itself, 25 to 45 ms
    /// with overtaking, some duplicates; without a rate, so that only loss is tested.
    Lossy,
}

impl NetworkPreset {
    /// Every preset.
    pub const ALL: [Self; 6] = [
        Self::Lan,
        Self::Wifi,
        Self::Lte,
        Self::ThreeG,
        Self::Satellite,
        Self::Lossy,
    ];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Wifi => "wifi",
            Self::Lte => "lte",
            Self::ThreeG => "3g",
            Self::Satellite => "satellite",
            Self::Lossy => "lossy",
        }
    }

    /// The link from the host to the network.
    pub fn up(self) -> LinkSpec {
        match self {
            Self::Wifi => with_rate(wifi(), 33_000, 128),
            Self::Lte => with_rate(lte(), 10_000, 256),
            Self::ThreeG => with_rate(three_g(), 330, 64),
            Self::Satellite => with_rate(satellite(), 3_000, 256),
            Self::Lan => lan(),
            Self::Lossy => lossy(),
        }
    }

    /// The link from the network to the host.
    pub fn down(self) -> LinkSpec {
        match self {
            Self::Wifi => with_rate(wifi(), 40_000, 128),
            Self::Lte => with_rate(lte(), 50_000, 512),
            Self::ThreeG => with_rate(three_g(), 780, 64),
            Self::Satellite => with_rate(satellite(), 25_000, 1_024),
            Self::Lan => lan(),
            Self::Lossy => lossy(),
        }
    }
}

/// The rate is that of 1000BASE-T; the delay is ours, of a switch or two and the hosts' own stacks.
fn lan() -> LinkSpec {
    with_rate(
        LinkSpec {
            delay: Duration::from_micros(300),
            ..LinkSpec::default()
        },
        1_000_000,
        512,
    )
}

/// Rates after the Wi-Fi profile of Apple's Network Link Conditioner, which has neither jitter nor loss;
/// those are ours: contention for the channel holds datagrams up, in order, and a collision or a fade
/// loses a few in a row.
fn wifi() -> LinkSpec {
    LinkSpec {
        loss: bursts(0.005, 3.0),
        delay: Duration::from_millis(3),
        jitter: Duration::from_millis(12),
        ..LinkSpec::default()
    }
}

/// Rates after the LTE profile of Apple's Network Link Conditioner. Loss, and the middle of the delay, after
/// the 4G condition of Loadero's participants (0.2 %, 45 ms). The radio's own repeats lose little and cost
/// a round of 8 ms each, hence the jitter, which is ours; its layer delivers in order.
fn lte() -> LinkSpec {
    LinkSpec {
        loss: Loss::Independent { share: 0.002 },
        delay: Duration::from_millis(35),
        jitter: Duration::from_millis(20),
        ..LinkSpec::default()
    }
}

/// Rates and the least delay after the 3G profile of Apple's Network Link Conditioner (100 ms each way);
/// loss and jitter after the 3G condition of Loadero's participants (0.5 %, 50 ms).
fn three_g() -> LinkSpec {
    LinkSpec {
        loss: Loss::Independent { share: 0.005 },
        delay: Duration::from_millis(100),
        jitter: Duration::from_millis(50),
        ..LinkSpec::default()
    }
}

/// RFC 2488 section 2: one hop over a geostationary satellite takes 279.0 ms at the edge of its view. The
/// rates are what the FCC called broadband from 2015 to 2024 (25 and 3 Mbit/s). The slots of a shared
/// uplink cost the jitter, and rain the bursts; the figures of both are ours.
fn satellite() -> LinkSpec {
    LinkSpec {
        loss: bursts(0.005, 5.0),
        delay: Duration::from_millis(279),
        jitter: Duration::from_millis(20),
        ..LinkSpec::default()
    }
}

/// Ours: a loss that repair must cope with and that hides no missing repair: 1 key frame of 20 packets
/// in 3 arrives whole at the first try.
fn lossy() -> LinkSpec {
    LinkSpec {
        loss: Loss::Independent { share: 0.05 },
        delay: Duration::from_millis(25),
        jitter: Duration::from_millis(20),
        reorder: true,
        duplicate: 0.002,
        ..LinkSpec::default()
    }
}

fn with_rate(spec: LinkSpec, rate_kbps: u32, queue_kib: u32) -> LinkSpec {
    LinkSpec {
        rate_kbps: Some(rate_kbps),
        queue_bytes: queue_kib * 1_024,
        ..spec
    }
}

/// A share lost in bursts of so many datagrams on average: Gilbert's model, solved for its two steps.
fn bursts(share: f64, length: f64) -> Loss {
    let leave = 1.0 / length;
    Loss::GilbertElliott {
        enter: leave * share / (1.0 - share),
        leave,
        loss_good: 0.0,
        loss_bad: 1.0,
    }
}

impl fmt::Display for NetworkPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no preset has.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{got:?} is not a network preset; expected lan, wifi, lte, 3g, satellite or lossy")]
pub struct UnknownPreset {
    /// What came instead.
    pub got: String,
}

impl FromStr for NetworkPreset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset { got: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_has_one_name_everywhere() {
        for preset in NetworkPreset::ALL {
            preset.up().validate().unwrap();
            preset.down().validate().unwrap();
            assert_eq!(preset.name().parse(), Ok(preset));
            assert_eq!(serde_json::to_string(&preset).unwrap(), format!("\"{preset}\""));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_exist() {
        let error = "dialup".parse::<NetworkPreset>().unwrap_err().to_string();
        assert!(error.contains("\"dialup\""), "{error}");
        for preset in NetworkPreset::ALL {
            assert!(error.contains(preset.name()), "{error}");
        }
    }

    #[test]
    fn bursts_lose_the_share_that_they_say() {
        assert!((NetworkPreset::Wifi.down().loss.long_run() - 0.005).abs() < 1e-12);
        assert!((NetworkPreset::Satellite.up().loss.long_run() - 0.005).abs() < 1e-12);
    }
}
