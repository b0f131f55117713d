//! str0m as a judge.
//!
//! Owns peer connections that have no socket: str0m does no I/O, and nobody drives it beyond the descriptions.

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind};
use str0m::{Rtc, RtcConfig};
use tokio::time::Instant;

use super::stack::{Offered, Shape, judged};

/// An offer of this shape.
pub(crate) fn offer(shape: &Shape) -> Offered {
    let config = match shape.video {
        "VP8" => config().enable_vp8(true),
        _ => config().enable_h264(true),
    };
    let mut peer = build(config);
    let mut changes = peer.sdp_api();
    if shape.audio {
        changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    }
    changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    if shape.data {
        changes.add_channel("greenroom".to_owned());
    }
    let (offer, pending) = changes.apply().unwrap();
    Offered::new(offer.to_sdp_string(), move |answer| {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| error.to_string())?;
        peer.sdp_api()
            .accept_answer(pending, answer)
            .map_err(|error| error.to_string())
    })
}

/// A fresh peer's answer to an offer.
pub(crate) fn answer(offer: &str) -> Result<String, String> {
    judged(|| {
        let mut peer = build(config().enable_vp8(true).enable_h264(true));
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| error.to_string())?;
        let answer = peer.sdp_api().accept_offer(offer);
        answer
            .map(|answer| answer.to_sdp_string())
            .map_err(|error| error.to_string())
    })
}

fn config() -> RtcConfig {
    Rtc::builder().clear_codecs().enable_opus(true, false)
}

fn build(config: RtcConfig) -> Rtc {
    config.build(Instant::now().into_std())
}
