//! One page twice, or two pages, in two browsers whose cameras show different streams: whether each sees the other.
//!
//! Owns the browsers. It must not know the server that the pages talk to.

use super::chromium::ChromiumError;
use super::page::{Browser, Observed};
use super::peers::or_skip;

/// Different pictures that have to be seen before a video is believed.
pub(crate) const PICTURES: usize = 10;

/// The streams that the cameras show.
pub(crate) const STREAMS: [u8; 2] = [1, 2];

/// Two pages.
pub(crate) struct Call {
    pub(crate) first: Observed,
    pub(crate) second: Observed,
    _browsers: [Browser; 2],
}

impl Call {
    /// Opens the page twice, or gives none if Chromium is missing.
    pub(crate) async fn open(url: &str) -> Option<Self> {
        Self::open_when([url, url], "true").await
    }

    /// The same for two pages; the second one is opened when `ready` is true in the first one.
    pub(crate) async fn open_when(urls: [&str; 2], ready: &str) -> Option<Self> {
        let mut browsers = [
            or_skip(Browser::start(STREAMS[0]).await, ChromiumError::is_missing)?,
            or_skip(Browser::start(STREAMS[1]).await, ChromiumError::is_missing)?,
        ];
        let mut first = browsers[0].open(urls[0]).await;
        first.when(ready).await;
        Some(Self {
            first,
            second: browsers[1].open(urls[1]).await,
            _browsers: browsers,
        })
    }

    /// Starts part 22's pages: each asks for its camera when it is opened, and the second one calls.
    pub(crate) async fn start_part_22(&mut self) {
        for page in [&mut self.first, &mut self.second] {
            page.when("observer.connections[0].getSenders().length === 2")
                .await;
        }
        self.second.click("#call").await;
    }

    /// Starts level 4's pages one after the other: the first one's offer goes to nobody.
    pub(crate) async fn start_level_4(&mut self) {
        for page in [&mut self.first, &mut self.second] {
            page.click("#startBtn").await;
            page.when("observer.sent.some((text) => JSON.parse(text).sdp)")
                .await;
        }
    }

    /// Both are connected, and each shows the other's camera in its video `remoteVideo`.
    pub(crate) async fn each_sees_the_other(&mut self) {
        self.first.connected().await;
        self.second.connected().await;
        let seen = [
            self.first.stream("#remoteVideo", PICTURES).await,
            self.second.stream("#remoteVideo", PICTURES).await,
        ];
        assert_eq!(seen, [STREAMS[1], STREAMS[0]]);
    }
}
