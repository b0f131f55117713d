//! A page with a camera in a browser of its own, judged by the stamps that its videos show.
//!
//! Owns the browser, the clip of its camera and what can be asked of a page. It must not know what the page is for.

use std::collections::BTreeSet;
use std::time::Duration;

use greenroom_fixtures::{Picture, Stamp, StampError};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::camera;
use super::chromium::{Chromium, ChromiumError, Page};
use super::within;

/// Runs before the page's own scripts.
const OBSERVER: &str = include_str!("observer.js");

/// Far beyond what a connection or a picture takes, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(60);

/// Camera and microphone without a question, candidates on loopback, and sound without a click.
const FLAGS: [&str; 5] = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
];

/// A browser whose camera shows one stamped stream.
pub(crate) struct Browser {
    chromium: Chromium,
    // Removed after the browser, because fields are dropped in this order.
    _clip: TempDir,
}

impl Browser {
    /// Starts it with a camera that shows the stream `stream`.
    pub(crate) async fn start(stream: u8) -> Result<Self, ChromiumError> {
        let folder = tempfile::tempdir()?;
        let clip = folder.path().join("camera.y4m");
        camera::write_stamped(&clip, stream)?;
        let camera = format!("--use-file-for-fake-video-capture={}", clip.display());
        let mut flags = FLAGS.to_vec();
        flags.push(&camera);
        Ok(Self {
            chromium: Chromium::start_with(&flags).await?,
            _clip: folder,
        })
    }

    /// Opens a page, observed from its beginning, and waits until it is loaded.
    pub(crate) async fn open(&mut self, url: &str) -> Observed {
        Observed(self.chromium.page_after(url, OBSERVER).await.unwrap())
    }
}

/// A page that is observed.
pub(crate) struct Observed(Page);

impl Observed {
    /// The value of an expression, awaited if it is a promise, under a deadline.
    pub(crate) async fn evaluate(&mut self, js: &str) -> Value {
        within(DEADLINE, self.0.evaluate(js)).await.unwrap()
    }

    /// Waits until a condition is true, looked at when a connection or a video changes, or something is sent, comes or fails.
    pub(crate) async fn when(&mut self, condition: &str) {
        let js = format!("observer.when(() => {condition})");
        let waiting = self.0.evaluate(&js);
        if let Ok(waited) = tokio::time::timeout(DEADLINE, waiting).await {
            waited.unwrap();
            return;
        }
        let states = "observer.connections.map((one) => one.connectionState)";
        let (states, failures) = (self.evaluate(states).await, self.failures().await);
        panic!("not within {DEADLINE:?}: {condition}; connections {states}, failures {failures:#?}");
    }

    /// Clicks on an element.
    pub(crate) async fn click(&mut self, selector: &str) {
        let element = json!(selector);
        self.evaluate(&format!("document.querySelector({element}).click()"))
            .await;
    }

    /// Waits until one of the page's peer connections is connected.
    pub(crate) async fn connected(&mut self) {
        self.when("observer.connections.some((one) => one.connectionState === 'connected')")
            .await;
    }

    /// What the page's scripts threw so far.
    pub(crate) async fn failures(&mut self) -> Vec<String> {
        serde_json::from_value(self.evaluate("observer.failures").await).unwrap()
    }

    /// The texts that the page sent over WebSockets so far.
    pub(crate) async fn sent(&mut self) -> Vec<String> {
        serde_json::from_value(self.evaluate("observer.sent").await).unwrap()
    }

    /// The texts that came to the page over WebSockets so far.
    pub(crate) async fn received(&mut self) -> Vec<String> {
        serde_json::from_value(self.evaluate("observer.received").await).unwrap()
    }

    /// The next picture that a video shows, once it shows one.
    pub(crate) async fn frame(&mut self, video: &str) -> Frame {
        let video = json!(video);
        Frame::of(self.evaluate(&format!("observer.picture({video})")).await)
    }

    /// Reads a video until it has shown `count` different stamped pictures, and gives the stream that they are of.
    ///
    /// # Panics
    /// When they are of more than one stream, or do not come in time.
    pub(crate) async fn stream(&mut self, video: &str, count: usize) -> u8 {
        within(DEADLINE, async {
            let (mut frames, mut streams) = (BTreeSet::new(), BTreeSet::new());
            while frames.len() < count {
                // A single picture may be refused; that it shows a wrong number it may not.
                if let Ok(stamp) = self.frame(video).await.stamp() {
                    assert!(stamp.frame < camera::FRAMES, "{stamp:?}");
                    frames.insert(stamp.frame);
                    streams.insert(stamp.stream);
                }
            }
            assert_eq!(streams.len(), 1, "streams in one video: {streams:?}");
            streams.pop_first().unwrap()
        })
        .await
    }
}

/// A picture as a page shows it.
pub(crate) struct Frame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Red, green, blue and opacity of each sample, row by row.
    pub(crate) rgba: Vec<u8>,
}

impl Frame {
    fn of(said: Value) -> Self {
        let side = |name: &str| u32::try_from(said[name].as_u64().unwrap()).unwrap();
        // The decoder that made the string puts bytes from 0x80 at U+F780: the low byte is the byte in either case.
        let rgba = said["rgba"].as_str().unwrap().chars().map(|one| one as u8);
        let frame = Self {
            width: side("width"),
            height: side("height"),
            rgba: rgba.collect(),
        };
        assert_eq!(
            frame.rgba.len() as u64,
            4 * u64::from(frame.width) * u64::from(frame.height)
        );
        frame
    }

    /// The stamp that it shows.
    pub(crate) fn stamp(&self) -> Result<Stamp, StampError> {
        Stamp::read(&self.grey().view())
    }

    /// Its luma, in the limited range of BT.601, without colour. An odd last column or row is left out.
    fn grey(&self) -> Picture {
        let mut grey = Picture::new(self.width & !1, self.height & !1);
        let columns = grey.width() as usize;
        let lines = grey.y_mut().chunks_exact_mut(columns);
        for (line, row) in lines.zip(self.rgba.chunks_exact(4 * self.width as usize)) {
            for (luma, sample) in line.iter_mut().zip(row.chunks_exact(4)) {
                let [red, green, blue] = [0, 1, 2].map(|colour| u32::from(sample[colour]));
                *luma = (16 + (66 * red + 129 * green + 25 * blue + 128) / 256) as u8;
            }
        }
        grey
    }
}
