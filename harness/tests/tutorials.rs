//! The tutorials as their readers run them: what each server does under Node.js, and each page in Chromium, with its own
//! server and with ours.
//!
//! What is found here is what greenroom's own dialects and faults are made from. The documents are not ours; without
//! `GREENROOM_TUTORIALS` these tests are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

mod tutorials {
    mod broadcast_pages;
    mod cards;
    mod commands;
    mod originals;
    mod ours;
    mod pages;
}
