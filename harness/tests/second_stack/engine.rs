//! An engine over str0m: a second WebRTC stack for the bots, with another SDP, another ICE agent and another DTLS.
//!
//! Owns which ends of the connections str0m serves. It knows no rule and no bot.

use std::sync::Arc;

use greenroom::engine::webrtc::WebrtcEngine;
use greenroom::engine::{
    COMMAND_CAPACITY, ConnectionHandle, ConnectionSpec, Engine, EngineError, EngineEvent, EngineSetting,
    MediaDirection,
};
use tokio::sync::mpsc;

use super::connection;

/// Which end of every connection str0m serves; webrtc serves the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The broadcaster's, which offers.
    Broadcaster,
    /// The viewers', which answer.
    Viewers,
    /// Both.
    Both,
}

/// Connections by str0m, and by webrtc where str0m is not asked to serve.
#[derive(Debug)]
pub(crate) struct SecondStack {
    setting: Arc<EngineSetting>,
    webrtc: WebrtcEngine,
    served: Served,
}

impl SecondStack {
    pub(crate) fn new(setting: EngineSetting, served: Served) -> Self {
        Self {
            webrtc: setting.webrtc(),
            setting: Arc::new(setting),
            served,
        }
    }
}

impl Engine for SecondStack {
    fn connect(
        &self,
        spec: ConnectionSpec,
        events: mpsc::Sender<EngineEvent>,
    ) -> Result<ConnectionHandle, EngineError> {
        let sends = matches!(spec.direction, MediaDirection::Send { .. });
        let by_webrtc = match self.served {
            Served::Both => false,
            Served::Broadcaster => !sends,
            Served::Viewers => sends,
        };
        if by_webrtc {
            return self.webrtc.connect(spec, events);
        }
        let (commands, inbox) = mpsc::channel(COMMAND_CAPACITY);
        tokio::spawn(connection::run(Arc::clone(&self.setting), spec, inbox, events));
        Ok(ConnectionHandle::new(commands))
    }

    fn describe(&self) -> String {
        match self.served {
            Served::Both => "str0m 0.24.1".to_owned(),
            Served::Broadcaster => format!("str0m 0.24.1 to {}", self.webrtc.describe()),
            Served::Viewers => format!("{} to str0m 0.24.1", self.webrtc.describe()),
        }
    }
}
