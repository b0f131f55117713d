//! The pairs: each shape of a call, offered by each stack, with each edit of its offer or of its answer, and judged.
//!
//! Owns who is asked about what. It has no opinion on the verdicts.

use super::browser::{Asked, Judge, verdict};
use super::checker::{Ruling, rules_on};
use super::edits::{self, AS_IT_IS, Edited};
use super::stack::{Offered, SHAPES, Shape, Stack, Verdict};
use super::{str0m, webrtc};

/// One pair, and what everybody who was asked says to it.
pub(crate) struct Judged {
    pub(crate) edited: Edited,
    pub(crate) edit: &'static str,
    pub(crate) shape: &'static str,
    pub(crate) offerer: Stack,
    pub(crate) checker: Ruling,
    pub(crate) verdicts: Vec<(Stack, Verdict)>,
    /// The description that was judged.
    pub(crate) sdp: String,
}

/// Every edited offer: written by all three stacks, judged by those that are here as fresh answering peers.
pub(crate) async fn offers(mut chromium: Option<&mut Judge>) -> Vec<Judged> {
    let mut all = Vec::new();
    for shape in &SHAPES {
        for offerer in Stack::ALL {
            for edit in edits::of(Edited::Offer) {
                let offer = match offerer {
                    Stack::Webrtc => webrtc::offer(shape).sdp,
                    Stack::Str0m => str0m::offer(shape).sdp,
                    Stack::Chromium => shape.of_chromium.replace("\r\n", "\n").replace('\n', "\r\n"),
                };
                let Some(sdp) = edit.apply(&offer) else { continue };
                all.push(Judged {
                    edited: Edited::Offer,
                    edit: edit.name,
                    shape: shape.name,
                    offerer,
                    checker: rules_on(&sdp, None),
                    verdicts: vec![
                        (Stack::Webrtc, webrtc::answer(&sdp).map(drop)),
                        (Stack::Str0m, str0m::answer(&sdp).map(drop)),
                    ],
                    sdp,
                });
            }
        }
    }
    if let Some(chromium) = &mut chromium {
        let asked: Vec<Asked<'_>> = all
            .iter()
            .map(|pair| Asked {
                shape: None,
                sdp: &pair.sdp,
            })
            .collect();
        let verdicts = chromium.judge(&asked).await;
        for (pair, judged) in all.iter_mut().zip(&verdicts) {
            pair.verdicts.push((Stack::Chromium, verdict(judged)));
        }
    }
    all
}

/// Every edited answer: judged by the peer that made the offer.
pub(crate) async fn answers(chromium: Option<&mut Judge>) -> Vec<Judged> {
    let mut all = Vec::new();
    for shape in &SHAPES {
        for offerer in [Stack::Webrtc, Stack::Str0m] {
            for edit in edits::of(Edited::Answer) {
                let (offered, answer) = exchange(offerer, shape);
                let Some(sdp) = edit.apply(&answer) else { continue };
                all.push(Judged {
                    edited: Edited::Answer,
                    edit: edit.name,
                    shape: shape.name,
                    offerer,
                    checker: rules_on(&offered.sdp, Some(&sdp)),
                    verdicts: vec![(offerer, offered.answered(&sdp))],
                    sdp,
                });
            }
        }
    }
    if let Some(chromium) = chromium {
        all.extend(answers_to_chromium(chromium).await);
    }
    all
}

/// An offer of one of the stacks in process, and the other one's answer.
fn exchange(offerer: Stack, shape: &Shape) -> (Offered, String) {
    let (offered, answer) = match offerer {
        Stack::Webrtc => {
            let offered = webrtc::offer(shape);
            let answer = str0m::answer(&offered.sdp);
            (offered, answer)
        }
        _ => {
            let offered = str0m::offer(shape);
            let answer = webrtc::answer(&offered.sdp);
            (offered, answer)
        }
    };
    (offered, answer.unwrap())
}

async fn answers_to_chromium(chromium: &mut Judge) -> Vec<Judged> {
    let offers = chromium.offers(&SHAPES).await;
    let mut all = Vec::new();
    for (shape, offer) in SHAPES.iter().zip(&offers) {
        // Both stacks answer, because their answers differ in what an edit can change.
        for answer in [webrtc::answer(offer).unwrap(), str0m::answer(offer).unwrap()] {
            for edit in edits::of(Edited::Answer) {
                let Some(sdp) = edit.apply(&answer) else { continue };
                all.push((
                    shape,
                    Judged {
                        edited: Edited::Answer,
                        edit: edit.name,
                        shape: shape.name,
                        offerer: Stack::Chromium,
                        checker: rules_on(offer, Some(&sdp)),
                        verdicts: Vec::new(),
                        sdp,
                    },
                ));
            }
        }
    }
    let asked: Vec<Asked<'_>> = all
        .iter()
        .map(|(shape, pair)| Asked {
            shape: Some(shape),
            sdp: &pair.sdp,
        })
        .collect();
    let verdicts = chromium.judge(&asked).await;
    let with_verdict = |((_, mut pair), judged): ((&Shape, Judged), &Result<String, String>)| {
        pair.verdicts.push((Stack::Chromium, verdict(judged)));
        pair
    };
    all.into_iter().zip(&verdicts).map(with_verdict).collect()
}

/// What Chromium answers to offers of the stacks in process, applied there: nothing is edited.
pub(crate) async fn answers_of_chromium(chromium: &mut Judge) -> Vec<Judged> {
    let mut all = Vec::new();
    for shape in &SHAPES {
        for (offerer, offered) in [
            (Stack::Webrtc, webrtc::offer(shape)),
            (Stack::Str0m, str0m::offer(shape)),
        ] {
            let asked = Asked {
                shape: None,
                sdp: &offered.sdp,
            };
            let sdp = chromium.judge(&[asked]).await.remove(0).unwrap();
            all.push(Judged {
                edited: Edited::Answer,
                edit: AS_IT_IS.name,
                shape: shape.name,
                offerer,
                checker: rules_on(&offered.sdp, Some(&sdp)),
                verdicts: vec![(offerer, offered.answered(&sdp))],
                sdp,
            });
        }
    }
    all
}
