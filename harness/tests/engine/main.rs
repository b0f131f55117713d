//! The engine's vocabulary, on two connections wired directly together: either side offers, tracks go either way or both,
//! offers that cross are resolved, ICE restarts. Whatever is sent is compared frame by frame with what arrives.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on should stop there")]

mod peer;

use std::collections::BTreeSet;

use greenroom::engine::{EngineCommand, MediaDirection};
use greenroom::media::codec::Codec;
use peer::{Manners, Peer, carry, carry_edited, connect};

const FRAMES: u32 = 30;

const ANY: MediaDirection = MediaDirection::Receive {
    video: None,
    keep_access_units: false,
};

fn sender(video: Codec, audio: bool) -> MediaDirection {
    MediaDirection::Send {
        video,
        audio,
        data: false,
    }
}

fn caller(video: Codec) -> MediaDirection {
    MediaDirection::Call {
        video,
        audio: true,
        data: true,
        keep_access_units: false,
    }
}

fn pair(impolite: MediaDirection, polite: MediaDirection) -> (Peer, Peer) {
    (
        Peer::new(impolite, Manners::Impolite),
        Peer::new(polite, Manners::Polite),
    )
}

/// Sends frames of each codec from one to the other and compares every one.
async fn frames_arrive(from: &mut Peer, to: &mut Peer, codecs: &[Codec]) {
    for codec in codecs {
        let before = to.received_of(codec.kind()).len();
        let sent = from.send(*codec, FRAMES);
        let all = before + sent.len();
        carry(from, to, "every frame", |_, to| {
            to.received_of(codec.kind()).len() >= all
        })
        .await;
        assert_eq!(to.received_of(codec.kind())[before..], sent, "{codec}");
    }
}

/// What follows a prefix in the first line that has it.
fn value<'a>(sdp: &'a str, prefix: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(prefix))
}

/// How many lines are this one.
fn lines(sdp: &str, line: &str) -> usize {
    sdp.lines().filter(|at| *at == line).count()
}

#[tokio::test]
async fn a_receiver_offers_and_a_sender_answers_in_its_own_codec() {
    for video in [Codec::H264, Codec::Vp8] {
        let (mut server, mut player) = pair(sender(video, true), ANY);
        player.tell(EngineCommand::MakeOffer);
        connect(&mut server, &mut player).await;
        assert_eq!(lines(&player.offers[0], "a=recvonly"), 2, "{}", player.offers[0]);
        for codec in ["H264/90000", "VP8/90000", "opus/48000/2"] {
            assert!(player.offers[0].contains(codec), "{}", player.offers[0]);
        }
        assert_eq!(
            lines(&server.answers[0], "a=sendonly"),
            2,
            "{}",
            server.answers[0]
        );
        frames_arrive(&mut server, &mut player, &[video, Codec::Opus]).await;
        assert!(server.errors.is_empty() && player.errors.is_empty());
        server.close().await;
        player.close().await;
    }
}

#[tokio::test]
async fn a_receiver_that_names_its_codec_offers_no_other() {
    let only = MediaDirection::Receive {
        video: Some(Codec::Vp8),
        keep_access_units: false,
    };
    let (mut server, mut player) = pair(sender(Codec::Vp8, true), only);
    player.tell(EngineCommand::MakeOffer);
    connect(&mut server, &mut player).await;
    assert!(!player.offers[0].contains("H264"), "{}", player.offers[0]);
    frames_arrive(&mut server, &mut player, &[Codec::Vp8]).await;
}

#[tokio::test]
async fn a_sender_without_sound_answers_the_section_and_sends_its_pictures() {
    let (mut server, mut player) = pair(sender(Codec::H264, false), ANY);
    player.tell(EngineCommand::MakeOffer);
    connect(&mut server, &mut player).await;
    let answer = &server.answers[0];
    assert_eq!(lines(answer, "a=sendonly"), 1, "{answer}");
    assert_eq!(answer.matches("m=audio").count(), 1, "{answer}");
    frames_arrive(&mut server, &mut player, &[Codec::H264]).await;
}

#[tokio::test]
async fn a_sender_answers_an_offer_that_would_send_too_and_under_other_payload_types() {
    let (mut server, mut player) = pair(sender(Codec::H264, true), ANY);
    player.tell(EngineCommand::MakeOffer);
    let edit = |offer: String| {
        let video = offer.replace(":102 ", ":109 ").replace(" 102", " 109");
        video.replace("a=recvonly", "a=sendrecv")
    };
    carry_edited(&mut server, &mut player, "both connected", edit, |a, b| {
        a.connected + b.connected == 2
    })
    .await;
    let answer = &server.answers[0];
    assert_eq!(lines(answer, "a=sendonly"), 2, "{answer}");
    assert!(answer.contains("a=rtpmap:109 H264/90000"), "{answer}");
}

#[tokio::test]
async fn a_call_sends_both_ways_each_in_its_own_codec() {
    let (mut caller_, mut callee) = pair(caller(Codec::H264), caller(Codec::Vp8));
    caller_.tell(EngineCommand::MakeOffer);
    connect(&mut caller_, &mut callee).await;
    assert_eq!(
        lines(&caller_.offers[0], "a=sendrecv"),
        3,
        "{}",
        caller_.offers[0]
    );
    both_ways(&mut caller_, &mut callee).await;
}

/// Frames and messages in both directions, of a caller in H.264 and one in VP8.
async fn both_ways(h264: &mut Peer, vp8: &mut Peer) {
    frames_arrive(h264, vp8, &[Codec::H264, Codec::Opus]).await;
    frames_arrive(vp8, h264, &[Codec::Vp8, Codec::Opus]).await;
    carry(h264, vp8, "the data channel", |a, b| a.data_open && b.data_open).await;
    h264.tell(EngineCommand::SendData("to vp8".into()));
    vp8.tell(EngineCommand::SendData("to h264".into()));
    carry(h264, vp8, "both messages", |a, b| {
        !a.data.is_empty() && !b.data.is_empty()
    })
    .await;
    assert_eq!(
        (h264.data[0].as_str(), vp8.data[0].as_str()),
        ("to h264", "to vp8")
    );
    assert!(
        h264.errors.is_empty() && vp8.errors.is_empty(),
        "{:?} {:?}",
        h264.errors,
        vp8.errors
    );
}

#[tokio::test]
async fn offers_that_cross_are_resolved_by_the_polite_peer() {
    let (mut impolite, mut polite) = pair(caller(Codec::H264), caller(Codec::Vp8));
    for peer in [&mut impolite, &mut polite] {
        peer.tell(EngineCommand::MakeOffer);
        peer.until("an offer and its candidates", |peer| peer.ends_of_candidates == 1)
            .await;
    }
    connect(&mut impolite, &mut polite).await;
    assert_eq!((impolite.offers_ignored, polite.rolled_back), (1, 1));
    assert_eq!((impolite.answers.len(), polite.answers.len()), (0, 1));
    both_ways(&mut impolite, &mut polite).await;
    assert_eq!(
        (impolite.ends_of_candidates, polite.ends_of_candidates),
        (1, 2),
        "one for each description"
    );
}

#[tokio::test]
async fn an_offer_that_was_rolled_back_can_be_made_again() {
    let (mut first, mut second) = pair(caller(Codec::H264), caller(Codec::Vp8));
    first.tell(EngineCommand::MakeOffer);
    first.withdraw().await;
    second.tell(EngineCommand::MakeOffer);
    connect(&mut first, &mut second).await;
    both_ways(&mut first, &mut second).await;
}

#[tokio::test]
async fn what_the_signaling_state_forbids_is_an_error_and_changes_nothing() {
    let (mut server, mut player) = pair(sender(Codec::H264, true), ANY);
    player.tell(EngineCommand::Rollback);
    player.tell(EngineCommand::RestartIce);
    player.until("two refusals", |peer| peer.errors.len() == 2).await;
    let said = format!("{} {}", player.errors[0], player.errors[1]);
    assert!(
        said.contains("no offer of this side is open") && said.contains("nothing is negotiated yet"),
        "{said}"
    );
    player.errors.clear();
    player.tell(EngineCommand::MakeOffer);
    connect(&mut server, &mut player).await;
    frames_arrive(&mut server, &mut player, &[Codec::H264]).await;
    assert!(player.errors.is_empty(), "{:?}", player.errors);
}

#[tokio::test]
async fn ice_restarts_from_either_side_and_frames_flow_on() {
    let (mut impolite, mut polite) = pair(caller(Codec::H264), caller(Codec::Vp8));
    impolite.tell(EngineCommand::MakeOffer);
    connect(&mut impolite, &mut polite).await;
    both_ways(&mut impolite, &mut polite).await;
    for restarts_first in [false, true] {
        let restarting = if restarts_first {
            &mut impolite
        } else {
            &mut polite
        };
        restarting.tell(EngineCommand::RestartIce);
        connect(&mut impolite, &mut polite).await;
        frames_arrive(&mut impolite, &mut polite, &[Codec::H264, Codec::Opus]).await;
        frames_arrive(&mut polite, &mut impolite, &[Codec::Vp8, Codec::Opus]).await;
    }
    for peer in [&impolite, &polite] {
        let made = || peer.offers.iter().chain(&peer.answers);
        let ufrags: BTreeSet<_> = made().filter_map(|sdp| value(sdp, "a=ice-ufrag:")).collect();
        assert_eq!(ufrags.len(), 3, "{ufrags:?}");
        let sessions: BTreeSet<_> = made()
            .filter_map(|sdp| value(sdp, "o=- ")?.split(' ').next())
            .collect();
        assert_eq!(sessions.len(), 1, "one session for one connection: {sessions:?}");
    }
}
