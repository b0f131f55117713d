//! A media server: one broadcaster publishes a stream, any number of viewers play it, and every frame is sent on as it came.
//!
//! Owns the configuration and what the parts share: [`core`] decides which frame goes where, [`hub`] has the connections,
//! [`http`] speaks WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03). It encodes nothing and judges nobody; what is wrong
//! with it on purpose is in [`Flaw`].

mod core;
mod flaw;
mod http;
mod hub;
mod sdp;
mod session;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::webrtc::{WebrtcConfig, WebrtcEngine};

pub use self::flaw::Flaw;
use self::hub::{Ask, Hub};

/// Asks that may wait for the hub.
const ASKS: usize = 64;
/// HTTP connections at a time; the kernel's backlog holds the others.
const MAX_HTTP: usize = 256;
/// How long an accept that failed, for want of descriptors, is not tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a media server grants and demands.
#[derive(Clone, Debug)]
pub struct MediaServerConfig {
    /// Address of its peer connections. Default 127.0.0.1.
    pub bind: IpAddr,
    /// Sessions at a time; one more is answered 503. Default 512.
    pub max_sessions: usize,
    /// A bearer token (RFC 6750) without which nothing but a CORS preflight is answered. Default none.
    pub token: Option<String>,
    /// Whether it takes candidates after the answer; without, a PATCH with some is answered 405. Default yes.
    pub trickle: bool,
    /// Whether it answers players' offers by 406 and an offer of its own, which older players cannot take. Default no.
    pub counter_offers: bool,
    /// Where clients are sent by a 307: what stands before the path, such as `http://10.0.0.6:8080`. Default nowhere.
    pub redirect: Option<String>,
    /// What it does wrong on purpose. Default nothing.
    pub flaw: Option<Flaw>,
}

impl Default for MediaServerConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            max_sessions: 512,
            token: None,
            trickle: true,
            counter_offers: false,
            redirect: None,
            flaw: None,
        }
    }
}

/// What a media server has at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaServerStats {
    /// Sessions of broadcasters.
    pub publishers: usize,
    /// Sessions of viewers.
    pub players: usize,
    /// Frames and sound packets that were sent on, each to one viewer.
    pub forwarded: u64,
}

/// A media server. Streams are at `/whip/NAME` and `/whep/NAME`, by any name.
#[derive(Clone, Debug)]
pub struct MediaServer {
    config: Arc<MediaServerConfig>,
    stats: Arc<Mutex<MediaServerStats>>,
}

impl MediaServer {
    /// A server without streams.
    pub fn new(config: MediaServerConfig) -> Self {
        Self {
            config: Arc::new(config),
            stats: Arc::default(),
        }
    }

    /// Serves every connection of a listener. Dropping the future ends every session and every connection; no task stays
    /// behind.
    pub async fn serve(&self, listener: TcpListener) -> Infallible {
        let engine = WebrtcEngine::new(WebrtcConfig {
            bind: self.config.bind,
            ..WebrtcConfig::default()
        });
        let (asks, inbox) = mpsc::channel(ASKS);
        let hub = Hub::new(
            Arc::new(engine),
            Arc::clone(&self.config),
            Arc::clone(&self.stats),
        );
        tokio::select! {
            never = self.accept(listener, &asks) => never,
            never = hub.run(inbox) => never,
        }
    }

    async fn accept(&self, listener: TcpListener, asks: &mpsc::Sender<Ask>) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < MAX_HTTP => match accepted {
                    Ok((stream, _)) => {
                        let (config, asks) = (Arc::clone(&self.config), asks.clone());
                        connections.spawn(async move { http::serve(&config, &asks, stream).await });
                    }
                    Err(error) => {
                        log::warn!("accept failed: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// What it has now.
    pub fn stats(&self) -> MediaServerStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
