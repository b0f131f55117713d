//! The checker's verdicts on offers and answers against those of the webrtc crate, str0m and Chromium.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

mod sdp_oracle {
    pub(crate) mod argued;
    pub(crate) mod browser;
    pub(crate) mod checker;
    pub(crate) mod description;
    pub(crate) mod edits;
    pub(crate) mod pairs;
    pub(crate) mod stack;
    pub(crate) mod str0m;
    pub(crate) mod table;
    pub(crate) mod webrtc;
}

use std::io::Write as _;

use sdp_oracle::browser::Judge;
use sdp_oracle::pairs::{self, Judged};
use sdp_oracle::stack::Stack;
use sdp_oracle::table::{Table, without_chromium};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sdp-oracle.md");

/// With this in the environment, a real peer that is missing is a failure.
const PEERS: &str = "GREENROOM_PEERS";

/// With this in the environment, the document is written instead of compared.
const WRITE: &str = "GREENROOM_WRITE_ORACLE";

#[tokio::test]
async fn webrtc_and_str0m_agree_with_the_checker_or_the_difference_is_argued() {
    let judged = everything(None).await;
    let table = Table::of(&judged);
    holds(&table, &[Stack::Webrtc, Stack::Str0m]);
    let document = table.document(&[Stack::Webrtc, Stack::Str0m]);
    let written = std::fs::read_to_string(DOCUMENT).unwrap();
    // What is being written anew is compared with Chromium's verdicts beside these.
    let is_rewritten = std::env::var_os(WRITE).is_some() && std::env::var_os(PEERS).is_some();
    if !is_rewritten {
        same(&without_chromium(&written), &document);
    }
}

#[tokio::test]
async fn chromium_agrees_with_the_checker_or_the_difference_is_argued() {
    let Some(mut chromium) = chromium().await else {
        return;
    };
    let judged = everything(Some(&mut chromium)).await;
    let table = Table::of(&judged);
    holds(&table, &Stack::ALL);
    let document = table.document(&Stack::ALL);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    same(&std::fs::read_to_string(DOCUMENT).unwrap(), &document);
}

#[tokio::test]
async fn what_chromium_answers_to_webrtc_and_str0m_is_right_to_everybody() {
    let Some(mut chromium) = chromium().await else {
        return;
    };
    for pair in pairs::answers_of_chromium(&mut chromium).await {
        assert!(!pair.checker.refuses(), "{:?}\n{}", pair.checker, pair.sdp);
        for (stack, verdict) in &pair.verdicts {
            assert_eq!(*verdict, Ok(()), "{stack:?}\n{}", pair.sdp);
        }
    }
}

async fn everything(mut chromium: Option<&mut Judge>) -> Vec<Judged> {
    let mut judged = pairs::offers(chromium.as_deref_mut()).await;
    judged.extend(pairs::answers(chromium).await);
    judged
}

/// Chromium, where real peers are asked for: what another version of it says is no breach of ours.
async fn chromium() -> Option<Judge> {
    if std::env::var_os(PEERS).is_none() {
        say("skipped: Chromium is asked by `ci/test peers`, which installs it");
        return None;
    }
    match Judge::start().await {
        Ok(judge) => {
            say(&format!("judged by {}", judge.version));
            Some(judge)
        }
        Err(why) => panic!("{why}"),
    }
}

/// Past the test runner's capture: a test that is skipped must not look like one that was done.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "sdp_oracle: {what}");
}

#[track_caller]
fn holds(table: &Table<'_>, asked: &[Stack]) {
    assert_eq!(
        table.unreadable(),
        Vec::<String>::new(),
        "edits to be split or mended"
    );
    assert_eq!(
        table.unargued(),
        Vec::<String>::new(),
        "disagreements without an argument"
    );
    assert_eq!(
        table.stale(asked),
        Vec::<String>::new(),
        "arguments without a disagreement"
    );
    for stack in asked {
        let count = table.total(*stack);
        assert!(
            count.asked >= 200,
            "{stack:?} was asked about {} pairs",
            count.asked
        );
    }
}

#[track_caller]
fn same(written: &str, document: &str) {
    let differs = written
        .lines()
        .zip(document.lines())
        .find(|(written, now)| written != now);
    assert!(
        written == document,
        "docs/sdp-oracle.md is not what was measured; `{WRITE}=1 ci/test peers` writes it. The first difference: {differs:?}"
    );
}
