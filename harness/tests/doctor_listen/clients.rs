//! Clients that a test makes: a WebSocket, and descriptions that no peer connection stands behind.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A client's end of its signaling.
pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    pub(crate) async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("ws://").trim_end_matches('/');
        let stream = TcpStream::connect(address).await.unwrap();
        Self(client_async(url, stream).await.unwrap().0)
    }

    pub(crate) async fn say(&mut self, message: Value) {
        // The doctor may be gone: the test ends with it.
        let _ = self.0.send(Message::text(message.to_string())).await;
    }

    /// The next message; none when the doctor has hung up.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                _ => continue,
            }
        }
    }

    /// Hears messages and does nothing about them.
    pub(crate) async fn ignore_all(mut self) {
        while self.hear().await.is_some() {}
    }
}

/// One peer connection as a description shows it.
#[derive(Clone, Copy)]
pub(crate) struct Canned {
    /// Tells one from another.
    pub(crate) number: u32,
    pub(crate) has_candidate: bool,
}

impl Canned {
    /// An offer of video; nobody listens on its candidate.
    pub(crate) fn offer(self) -> Value {
        json!({"type": "offer", "sdp": self.sdp("sendonly", "actpass", "96", "VP8/90000")})
    }

    /// An answer to an offer of greenroom's broadcaster.
    pub(crate) fn answer(self) -> Value {
        json!({"type": "answer", "sdp": self.sdp("recvonly", "active", "102", "H264/90000")})
    }

    fn sdp(self, direction: &str, setup: &str, payload: &str, codec: &str) -> String {
        let number = self.number;
        let fingerprint = vec!["5A"; 32].join(":");
        let mut lines = vec![
            "v=0".to_owned(),
            format!("o=- 461173500{number} 2 IN IP4 127.0.0.1"),
            "s=-".to_owned(),
            "t=0 0".to_owned(),
            "a=group:BUNDLE 0".to_owned(),
            format!("m=video 9 UDP/TLS/RTP/SAVPF {payload}"),
            "c=IN IP4 0.0.0.0".to_owned(),
            "a=mid:0".to_owned(),
            format!("a={direction}"),
            "a=rtcp-mux".to_owned(),
            format!("a=ice-ufrag:can{number}"),
            format!("a=ice-pwd:cannedcannedcannedcanned{number}"),
            format!("a=fingerprint:sha-256 {fingerprint}"),
            format!("a=setup:{setup}"),
            format!("a=rtpmap:{payload} {codec}"),
        ];
        if payload == "102" {
            lines.push(
                "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
                    .to_owned(),
            );
        }
        if self.has_candidate {
            lines.push("a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host".to_owned());
        }
        lines.join("\r\n") + "\r\n"
    }
}

/// A host of `broadcast-ws` that offers what it is told to, by the number of the viewer from 1, until it is told to stop.
pub(crate) async fn host(url: String, offer: impl Fn(u32) -> Option<Value>, hears_after_chat: bool) {
    let mut client = Client::connect(&url).await;
    client.say(json!({"type": "broadcaster"})).await;
    let mut viewers = 0;
    while let Some(message) = client.hear().await {
        match message["type"].as_str() {
            Some("new-viewer") => {
                viewers += 1;
                if let Some(offer) = offer(viewers) {
                    client.say(json!({"type": "offer", "offer": offer})).await;
                }
            }
            Some("chat") if !hears_after_chat => return client.ignore_all().await,
            _ => {}
        }
    }
}
