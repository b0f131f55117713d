//! Chromium as a judge.
//!
//! Owns the conversation with the page that judges; what happens there is in `page.js`.

use serde_json::{Value, json};

use super::stack::{Shape, Verdict};
use crate::support::chromium::{Chromium, ChromiumError};

const PAGE: &str = include_str!("page.js");

/// Peer connections that a page may have made, closed ones included, before Chromium refuses another one.
const AT_ONCE: usize = 200;

/// A browser that judges.
pub(crate) struct Judge {
    chromium: Chromium,
    /// Its version, which the verdicts belong to.
    pub(crate) version: String,
}

/// A description for the page.
pub(crate) struct Asked<'a> {
    /// What was offered, if it is an answer.
    pub(crate) shape: Option<&'a Shape>,
    pub(crate) sdp: &'a str,
}

impl Judge {
    pub(crate) async fn start() -> Result<Self, ChromiumError> {
        let mut chromium = Chromium::start().await?;
        let version = chromium.version().await?;
        Ok(Self { chromium, version })
    }

    /// An offer of each shape.
    pub(crate) async fn offers(&mut self, shapes: &[Shape]) -> Vec<String> {
        let offers = self.ask("offers", json!(shapes)).await;
        serde_json::from_value(offers).unwrap()
    }

    /// A fresh peer connection's verdict on each, and its answers to offers. An answer is applied to a new offer of its
    /// shape, which is the one that it answers but for credentials: those an answer does not repeat.
    pub(crate) async fn judge(&mut self, all: &[Asked<'_>]) -> Vec<Result<String, String>> {
        let mut verdicts = Vec::new();
        for some in all.chunks(AT_ONCE) {
            let some: Vec<Value> = some
                .iter()
                .map(|asked| json!({"shape": asked.shape, "sdp": asked.sdp}))
                .collect();
            let judged = self.ask("judge", json!(some)).await;
            verdicts.extend(judged.as_array().unwrap().iter().map(read));
        }
        verdicts
    }

    /// Asks a page of its own.
    async fn ask(&mut self, what: &str, of: Value) -> Value {
        let mut page = self.chromium.page("about:blank").await.unwrap();
        let said = page.evaluate(&format!("{PAGE}.{what}({of})")).await.unwrap();
        page.close().await.unwrap();
        said
    }
}

fn read(verdict: &Value) -> Result<String, String> {
    match verdict["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(verdict["sdp"].as_str().unwrap_or_default().to_owned()),
    }
}

/// The verdict without the answer.
pub(crate) fn verdict(judged: &Result<String, String>) -> Verdict {
    judged.as_ref().map(drop).map_err(Clone::clone)
}
